"""Attention under the visibility rule: query i sees key j iff j <= i <= until[j]."""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import RULES
from xlbarrier.models import kernels
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.layers import Weights, norm, project, rotate
from xlbarrier.models.positions import rope_table

NAMES = ('queries', 'keys', 'values')  # of the kernel's arrays, for a remat policy
KERNELS = ('pallas_call', 'dot_product_attention_fwd_wrapper')  # primitives of attention kernels


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class View:
    """What a layer's queries see, where, and by which kernel.

    Attributes:
      kernel, documents: as of `kernels.choose`.
      first_BT: int32, the first key that each query sees, for a kernel that takes ranges, or None.
      mask_BTS: bool, for the others, cut to the window in a local layer; else None.
      sin, cos: float32 [B, T, 1, R / 2], or None without rotary positions.
      growth: float32 [B, T, 1, 1], a factor of the queries; else None.
      behind_BTS: float32, how far behind its query a key is, for ALiBi; else None.
    """

    kernel: str = dataclasses.field(metadata={'static': True})
    documents: int = dataclasses.field(default=0, metadata={'static': True})
    first_BT: jax.Array | None = None
    mask_BTS: jax.Array | None = None
    sin: jax.Array | None = None
    cos: jax.Array | None = None
    growth: jax.Array | None = None
    behind_BTS: jax.Array | None = None


class Held(NamedTuple):
    """Keys and values, [B, S, K, H], of the last local and the last whole layer that has its own.

    A scan over the layers carries them to those that share them.
    """

    local: tuple[jax.Array, jax.Array]
    whole: tuple[jax.Array, jax.Array]


def visible(until_BT: jax.Array) -> jax.Array:
    """bool [B, T, S]: what each query sees, by the rule above."""
    index = jnp.arange(until_BT.shape[1])
    return (index[:, None] >= index[None, :]) & (index[None, :, None] <= until_BT[:, None, :])


def first_keys(until_BT: jax.Array) -> jax.Array:
    """int32 [B, T]: the first key that each query sees, where `until` never falls along a row.

    Then the keys from it up to the query are all that the rule lets the query see.
    """
    index = jnp.arange(until_BT.shape[1], dtype=jnp.int32)
    # A key that query i no longer sees has until < i; it, and all before it, are of other texts.
    starts_BT = until_BT[:, :-1] < index[1:]
    starts_BT = jnp.pad(jnp.where(starts_BT, index[1:], 0), ((0, 0), (1, 0)))
    return jax.lax.cummax(starts_BT, axis=1)


def views(
    c: DecoderConfig, positions_BT: jax.Array, until_BT: jax.Array, *, documents: int, dtype: str
) -> tuple[View, View]:
    """The views of whole and of local layers; the same object where all layers are alike.

    Args:
      c: the config.
      positions_BT, until_BT: as of `Decoder.hidden`.
      documents: each row is at most so many texts laid end to end; 0: `until` may be any.
      dtype: of the arithmetic.
    """
    chosen = kernels.choose(c, dtype, until_BT.shape[1], documents=documents)
    if not documents or chosen.kernel not in kernels.RANGES:
        return _views(c, chosen.kernel, visible(until_BT), positions_BT, positions_BT)
    whole = View(chosen.kernel, documents, first_BT=first_keys(until_BT))
    return _with_positions(c, whole, positions_BT, None)


def views_of(
    c: DecoderConfig,
    mask_BTS: jax.Array,
    positions_BT: jax.Array,
    keys_BS: jax.Array,
    *,
    dtype: str,
) -> tuple[View, View]:
    """`views` of queries at `positions_BT` and keys at positions `keys_BS`, seen by `mask_BTS`.

    S may exceed T: keys of a shared prefix or a cache come before or around the row's own.
    """
    chosen = kernels.choose(c, dtype, positions_BT.shape[1], documents=0)
    return _views(c, chosen.kernel, mask_BTS, positions_BT, keys_BS)


def _views(
    c: DecoderConfig, kernel: str, mask_BTS: jax.Array, positions_BT: jax.Array, keys_BS: jax.Array
) -> tuple[View, View]:
    return _with_positions(c, View(kernel, mask_BTS=mask_BTS), positions_BT, keys_BS)


def _with_positions(
    c: DecoderConfig, view: View, positions_BT: jax.Array, keys_BS: jax.Array | None
) -> tuple[View, View]:
    """Adds tables of positions, and makes the local layers' view."""
    rotary = c.rotary_dim or c.head_dim
    if c.positions == 'rope':
        sin, cos = rope_table(positions_BT, c.rope, rotary)
        view = dataclasses.replace(view, sin=sin, cos=cos)
        if c.query_beta:
            times_BT = jnp.floor(positions_BT / c.rope.original_positions)
            growth = (1 + c.query_beta * jnp.log(1 + times_BT))[:, :, None, None]
            view = dataclasses.replace(view, growth=growth)
    elif c.positions == 'alibi' and keys_BS is not None:
        behind_BTS = positions_BT[:, :, None] - keys_BS[:, None, :]
        view = dataclasses.replace(view, behind_BTS=behind_BTS.astype(jnp.float32))
    local = view
    if c.window and view.first_BT is not None:
        # Within a text, positions and columns of the row go together.
        index = jnp.arange(view.first_BT.shape[1], dtype=jnp.int32)
        local = dataclasses.replace(view, first_BT=jnp.maximum(view.first_BT, index - c.window + 1))
    elif c.window and view.mask_BTS is not None and keys_BS is not None:
        near_BTS = positions_BT[:, :, None] - keys_BS[:, None, :] < c.window
        local = dataclasses.replace(view, mask_BTS=view.mask_BTS & near_BTS)
    if c.local_rope is not None:
        sin, cos = rope_table(positions_BT, c.local_rope, c.local_head_dim or rotary)
        if c.local_head_dim:  # the rest of each half is zero, and stays where it is
            room = (*[(0, 0)] * 3, (0, (c.head_dim - c.local_head_dim) // 2))
            sin, cos = jnp.pad(sin, room), jnp.pad(cos, room, constant_values=1)
        local = dataclasses.replace(local, sin=sin, cos=cos)
    return view, local


def nothing_held(c: DecoderConfig, x_BTD: jax.Array) -> Held | None:
    """What the first layer of a scan is given; None where no layer shares keys and values."""
    if not c.shared_layers:
        return None
    shape = (*x_BTD.shape[:2], c.num_kv_heads, c.head_dim)
    zeros = jnp.zeros(shape, x_BTD.dtype, out_sharding=RULES.heads_BTNH)
    return Held((zeros, zeros), (zeros, zeros))


def attend(
    weights: Weights, x_BTD: jax.Array, view: View, c: DecoderConfig, held: Held | None = None
) -> tuple[jax.Array, Held | None]:
    """Grouped-query attention (Ainslie et al. 2023) of a row's tokens to each other.

    Args:
      weights: one layer's q, k, v and o maps, and norms of queries and keys.
      x_BTD: normed hidden states, in the compute dtype.
      view: of this layer.
      c: the config.
      held: of the layers before this one, where some share theirs.

    Returns:
      [B, T, D], in the compute dtype; and what the next layer is given of `held`.
    """
    q_BTNH, k_BSKH, v_BSKH, held = project_qkv(weights, x_BTD, view, c, held)
    return project('o', weights, mix(q_BTNH, k_BSKH, v_BSKH, view, c, weights)), held


def project_qkv(
    weights: Weights, x_BTD: jax.Array, view: View, c: DecoderConfig, held: Held | None = None
) -> tuple[jax.Array, jax.Array, jax.Array, Held | None]:
    """Queries [B, T, N, H], keys and values [B, T, K, H], normed and rotated; and `held`, next."""
    q_BTNH, k_BSKH = project('q', weights, x_BTD), project('k', weights, x_BTD)
    v_BSKH = project('v', weights, x_BTD)
    if c.keys_as_values:
        v_BSKH = jnp.where(weights['is_local'], v_BSKH, k_BSKH)
    if c.norm_values:
        ones = {'scale': jnp.ones(())}
        v_BSKH = norm(v_BSKH, ones, c, filled=_filled(weights, c))
    if c.qk_norm and not c.qk_norm_after:
        q_BTNH, k_BSKH = norm_qk(q_BTNH, weights, 'q', c), norm_qk(k_BSKH, weights, 'k', c)
    if view.sin is not None and view.cos is not None:
        q_BTNH, k_BSKH = rotate(q_BTNH, view.sin, view.cos), rotate(k_BSKH, view.sin, view.cos)
    if c.qk_norm_after:
        q_BTNH, k_BSKH = norm_qk(q_BTNH, weights, 'q', c), norm_qk(k_BSKH, weights, 'k', c)
    if view.growth is not None:
        q_BTNH *= view.growth.astype(q_BTNH.dtype)
    if c.whole_kv_heads:
        k_BSKH, v_BSKH = (_spread(x, weights, c) for x in (k_BSKH, v_BSKH))
    if held is not None:
        k_BSKH, v_BSKH, held = _shared(k_BSKH, v_BSKH, weights, held)
    arrays = zip(NAMES, (q_BTNH, k_BSKH, v_BSKH), strict=True)
    q_BTNH, k_BSKH, v_BSKH = (checkpoint_name(array, name) for name, array in arrays)
    return q_BTNH, k_BSKH, v_BSKH, held


def _filled(weights: Weights, c: DecoderConfig) -> jax.Array | None:
    """The part of a head's channels that a layer has; None where all layers have all."""
    if not c.local_head_dim:
        return None
    return jnp.where(weights['is_local'], jnp.float32(c.local_head_dim / c.head_dim), 1)


def _spread(x_BSKH: jax.Array, weights: Weights, c: DecoderConfig) -> jax.Array:
    """Each kv head of a whole layer, in the place of all that it stands for.

    The parameters have them in every K / whole_kv_heads'th place (`weights.places`).
    """
    B, S, K, H = x_BSKH.shape
    spec = RULES.heads_BTNH
    groups = jax.lax.reshape(
        x_BSKH, (B, S, c.whole_kv_heads, K // c.whole_kv_heads, H), out_sharding=P(*spec, None)
    )
    first = jnp.broadcast_to(groups[:, :, :, :1], groups.shape)
    whole = jax.lax.reshape(first, x_BSKH.shape, out_sharding=spec)
    return jnp.where(weights['is_local'], x_BSKH, whole)


def _shared(
    k_BSKH: jax.Array, v_BSKH: jax.Array, weights: Weights, held: Held
) -> tuple[jax.Array, jax.Array, Held]:
    """A layer's keys and values, its own or those of an earlier layer; and `held`, next."""
    is_local, shares = weights['is_local'], weights['shares']
    own = (k_BSKH, v_BSKH)
    earlier = (jnp.where(is_local, a, b) for a, b in zip(held.local, held.whole, strict=True))
    k_BSKH, v_BSKH = (jnp.where(shares, a, b) for a, b in zip(earlier, own, strict=True))
    used = (k_BSKH, v_BSKH)
    return (
        *used,
        Held(
            _either(is_local, used, held.local),
            _either(is_local, held.whole, used),
        ),
    )


def _either(
    which: jax.Array, a: tuple[jax.Array, jax.Array], b: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    return jnp.where(which, a[0], b[0]), jnp.where(which, a[1], b[1])


def norm_qk(x_BTNH: jax.Array, weights: Weights, which: str, c: DecoderConfig) -> jax.Array:
    """The norm of queries or keys: of each head, or of the channels of all heads together."""
    axes = 2 if c.qk_norm == 'joint' else 1
    return norm(x_BTNH, weights[f'{which}_norm'], c, axes, _filled(weights, c))


def mix(
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    view: View,
    c: DecoderConfig,
    weights: Weights,
) -> jax.Array:
    """The values as each query weighs them, [B, T, N, H], by the view's kernel.

    `weights` are the layer's, for its sinks.
    """
    return kernels.attend(
        view.kernel,
        q_BTNH,
        k_BSKH,
        v_BSKH,
        c,
        first_BT=view.first_BT,
        documents=view.documents,
        mask_BTS=view.mask_BTS,
        behind_BTS=view.behind_BTS,
        sinks_N=weights['sinks'] if c.sinks else None,
    )
