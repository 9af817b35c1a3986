"""Attention under the visibility rule: query i sees key j iff j <= i <= until[j]."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.layers import Weights, norm, product, project, rotate, soft_cap
from xlbarrier.models.positions import alibi_slopes, rope_table


class View(NamedTuple):
    """What a layer's queries see, and where.

    Attributes:
      mask_BTS: bool, from `visible`, cut to the window in a local layer.
      sin, cos: float32 [B, T, 1, R / 2], or None without rotary positions.
      growth: float32 [B, T, 1, 1], a factor of the queries; else None.
      behind_BTS: float32, how far behind its query a key stands, for ALiBi; else None.
    """

    mask_BTS: jax.Array
    sin: jax.Array | None = None
    cos: jax.Array | None = None
    growth: jax.Array | None = None
    behind_BTS: jax.Array | None = None


def visible(until_BT: jax.Array) -> jax.Array:
    """bool [B, T, S]: what each query sees, by the rule above."""
    place = jnp.arange(until_BT.shape[1])
    return (place[:, None] >= place[None, :]) & (place[None, :, None] <= until_BT[:, None, :])


def views(c: DecoderConfig, positions_BT: jax.Array, until_BT: jax.Array) -> tuple[View, View]:
    """The views of whole and of local layers; the same object where all layers are alike."""
    return views_of(c, visible(until_BT), positions_BT, positions_BT)


def views_of(
    c: DecoderConfig, mask_BTS: jax.Array, positions_BT: jax.Array, keys_BS: jax.Array
) -> tuple[View, View]:
    """`views` of queries at `positions_BT` and keys at positions `keys_BS`, seen by `mask_BTS`."""
    rotary = c.rotary_dim or c.head_dim
    if c.positions == 'rope':
        growth = None
        if c.query_beta:
            times_BT = jnp.floor(positions_BT / c.rope.original_positions)
            growth = (1 + c.query_beta * jnp.log(1 + times_BT))[:, :, None, None]
        whole = View(mask_BTS, *rope_table(positions_BT, c.rope, rotary), growth)
    elif c.positions == 'alibi':
        behind_BTS = positions_BT[:, :, None] - keys_BS[:, None, :]
        whole = View(mask_BTS, behind_BTS=behind_BTS.astype(jnp.float32))
    else:
        whole = View(mask_BTS)
    local = whole
    if c.window:
        near_BTS = positions_BT[:, :, None] - keys_BS[:, None, :] < c.window
        local = whole._replace(mask_BTS=mask_BTS & near_BTS)
    if c.local_rope is not None:
        sin, cos = rope_table(positions_BT, c.local_rope, rotary)
        local = local._replace(sin=sin, cos=cos)
    return whole, local


def attend(weights: Weights, x_BTD: jax.Array, view: View, c: DecoderConfig) -> jax.Array:
    """Grouped-query attention (Ainslie et al. 2023) of a row's tokens to each other.

    Args:
      weights: one layer's q, k, v and o maps, and norms of queries and keys.
      x_BTD: normed hidden states, in the compute dtype.
      view: of this layer.
      c: the config.

    Returns:
      [B, T, D], in the compute dtype.
    """
    return project('o', weights, mix(*project_qkv(weights, x_BTD, view, c), view, c, weights))


def project_qkv(
    weights: Weights, x_BTD: jax.Array, view: View, c: DecoderConfig
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Queries [B, T, N, H], keys and values [B, T, K, H], normed and rotated."""
    q_BTNH, k_BSKH = project('q', weights, x_BTD), project('k', weights, x_BTD)
    v_BSKH = project('v', weights, x_BTD)
    if c.qk_norm and not c.qk_norm_after:
        q_BTNH, k_BSKH = norm_qk(q_BTNH, weights, 'q', c), norm_qk(k_BSKH, weights, 'k', c)
    if view.sin is not None:
        q_BTNH, k_BSKH = rotate(q_BTNH, view.sin, view.cos), rotate(k_BSKH, view.sin, view.cos)
    if c.qk_norm_after:
        q_BTNH, k_BSKH = norm_qk(q_BTNH, weights, 'q', c), norm_qk(k_BSKH, weights, 'k', c)
    if view.growth is not None:
        q_BTNH *= view.growth.astype(q_BTNH.dtype)
    return q_BTNH, k_BSKH, v_BSKH


def norm_qk(x_BTNH: jax.Array, weights: Weights, which: str, c: DecoderConfig) -> jax.Array:
    """The norm of queries or keys: of each head, or of the channels of all heads together."""
    return norm(x_BTNH, weights[f'{which}_norm'], c, axes=2 if c.qk_norm == 'joint' else 1)


def mix(
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    view: View,
    c: DecoderConfig,
    weights: Weights,
) -> jax.Array:
    """The values as each query weighs them, [B, T, N, H]; softmax in float32.

    A sink (Xiao et al. 2023; gpt-oss) is a logit of the head's own, `weights['sinks']`, that takes
    part in the softmax and has no value. The keys are the queries' own row, or longer (a cache): S
    need not be T.
    """
    B, T, N, H = q_BTNH.shape
    S, K = k_BSKH.shape[1:3]
    G = N // K
    # The queries of a group share a kv head: as rows R = G * T of one product a kv head they run
    # twice as fast on a CPU as G products of T rows.
    q_BTKGH = (q_BTNH * c.score_scale).reshape(B, T, K, G, H)
    q_BKRH = q_BTKGH.transpose(0, 2, 3, 1, 4).reshape(B, K, G * T, H)
    scores_BKRS = product('BKRH,BSKH->BKRS', q_BKRH, k_BSKH, jnp.float32)
    scores_BKGTS = soft_cap(scores_BKRS.reshape(B, K, G, T, S), c.attn_softcap)
    if view.behind_BTS is not None:
        slopes_KGTS = alibi_slopes(N).reshape(K, G, 1, 1)
        scores_BKGTS -= slopes_KGTS * view.behind_BTS[:, None, None]
    scores_BKGTS = jnp.where(view.mask_BTS[:, None, None], scores_BKGTS, -1e30)
    if c.sinks:
        sinks_KG = jax.reshard(weights['sinks'], P('tensor')).reshape(K, G).astype(jnp.float32)
        probs_BKGTS = _softmax_with_sinks(scores_BKGTS, sinks_KG[:, :, None, None])
    else:
        probs_BKGTS = jax.nn.softmax(scores_BKGTS, axis=-1)
    probs_BKGTS = probs_BKGTS.astype(q_BTNH.dtype)
    out_BKRH = product('BKRS,BSKH->BKRH', probs_BKGTS.reshape(B, K, G * T, S), v_BSKH)
    out_BTKGH = out_BKRH.reshape(B, K, G, T, H).transpose(0, 3, 1, 2, 4)
    return out_BTKGH.reshape(B, T, N, H)


def _softmax_with_sinks(scores: jax.Array, sinks: jax.Array) -> jax.Array:
    """Softmax over the last axis and one more logit, whose share is left out."""
    top = jax.lax.stop_gradient(jnp.maximum(jnp.max(scores, -1, keepdims=True), sinks))
    weighed = jnp.exp(scores - top)
    return weighed / (jnp.sum(weighed, -1, keepdims=True) + jnp.exp(sinks - top))
