"""The decoder on rows that follow prefixes whose keys and values are kept from before."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import BATCH
from xlbarrier.models import attention
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Carried, Decoder, block, view_of
from xlbarrier.models.layers import project

POOL = P(None, None, 'tensor', None)  # every device has the prefixes that its rows may follow
ROWS = P(BATCH, None, 'tensor', None)


class Pool(NamedTuple):
    """Keys and values of prefixes: [L, C, K, H] in the compute dtype, as attention takes them."""

    keys: jax.Array
    values: jax.Array


class Columns(NamedTuple):
    """The columns of the pool that each row may attend to.

    Attributes:
      columns: int32 [B, P], of the pool.
      positions: int32 [B, P], of their tokens.
      order, until: int32 [B, P], see `rows`.
    """

    columns: jax.Array
    positions: jax.Array
    order: jax.Array
    until: jax.Array


def column_bytes(c: DecoderConfig, dtype: str) -> int:
    """Bytes of one column of the pool over all devices of the tensor axis."""
    return 2 * c.num_layers * c.num_kv_heads * c.head_dim * jnp.dtype(dtype).itemsize


def make_pool(decoder: Decoder, columns: int, mesh: jax.sharding.Mesh) -> Pool:
    """An empty pool."""
    c = decoder.config
    shape = (c.num_layers, columns, c.num_kv_heads, c.head_dim)
    sharding = NamedSharding(mesh, POOL)
    return Pool(
        jnp.zeros(shape, decoder.compute_dtype, device=sharding),
        jnp.zeros(shape, decoder.compute_dtype, device=sharding),
    )


def run(
    decoder: Decoder,
    tokens_BT: jax.Array,
    positions_BT: jax.Array,
    order_BT: jax.Array,
    until_BT: jax.Array,
    pool: Pool | None,
    before: Columns | None,
    *,
    keep: bool,
) -> tuple[jax.Array, Pool | None]:
    """The last hidden states of rows, and the keys and values of their tokens.

    Args:
      decoder: on an explicit mesh, the current one.
      tokens_BT, positions_BT, order_BT, until_BT: int32 [B, T], see `rows`.
      pool, before: of the prefixes that the rows follow; None: they follow none.
      keep: whether keys and values are returned; then the hidden states are not normed.

    Returns:
      [B, T, D] after the final norm, and [L, B, T, K, H] keys and values or None.
    """
    c = decoder.config
    key_order_BS, key_until_BS, key_positions_BS = order_BT, until_BT, positions_BT
    if before is not None:
        key_order_BS = jnp.concatenate([before.order, order_BT], axis=1)
        key_until_BS = jnp.concatenate([before.until, until_BT], axis=1)
        key_positions_BS = jnp.concatenate([before.positions, positions_BT], axis=1)
    query_BT1 = order_BT[:, :, None]
    mask_BTS = (key_order_BS[:, None] <= query_BT1) & (query_BT1 <= key_until_BS[:, None])
    views = attention.views_of(
        c, mask_BTS, positions_BT, key_positions_BS, dtype=decoder.compute_dtype
    )

    def layer(
        carried: Carried, scanned: tuple
    ) -> tuple[Carried, tuple[jax.Array, jax.Array] | None]:
        (x_BTD, shared), (weights, is_local, held) = carried, scanned
        view = view_of(c, views, is_local)
        kept: list[Any] = []

        def attend(y_BTD: jax.Array) -> jax.Array:
            q_BTNH, k_BSKH, v_BSKH, next_shared = attention.project_qkv(
                weights['attn'], y_BTD, view, c, shared
            )
            kept.extend((k_BSKH, v_BSKH, next_shared))
            if held is not None and before is not None:
                k_BPKH, v_BPKH = (x.at[before.columns].get(out_sharding=ROWS) for x in held)
                k_BSKH = jnp.concatenate([k_BPKH, k_BSKH], axis=1)
                v_BSKH = jnp.concatenate([v_BPKH, v_BSKH], axis=1)
            mixed_BTNH = attention.mix(q_BTNH, k_BSKH, v_BSKH, view, c, weights['attn'])
            return project('o', weights['attn'], mixed_BTNH)

        x_BTD = block(c, x_BTD, weights, attend)
        return (x_BTD, kept[2]), (kept[0], kept[1]) if keep else None

    x_BTD = decoder.embedded(tokens_BT, positions_BT)
    first = (x_BTD, attention.nothing_held(c, x_BTD))
    (x_BTD, _), made = jax.lax.scan(layer, first, (*decoder.stacked(tokens_BT, x_BTD), pool))
    if made is not None:
        return x_BTD, Pool(*made)
    return decoder.finished(x_BTD), None


def kept_in(pool: Pool, made: Pool, columns_BT: jax.Array) -> Pool:
    """A pool with new keys and values [L, B, T, K, H] in its columns [B, T]; -1: not kept."""
    whole = jax.reshard(columns_BT, P(None, None)).reshape(-1)
    size = pool.keys.shape[1]
    whole = jnp.where(whole < 0, size, whole)  # out of bounds is dropped

    def written(old: jax.Array, new: jax.Array) -> jax.Array:
        new = jax.reshard(new, P(None, None, None, 'tensor', None))
        flat = new.reshape(new.shape[0], -1, *new.shape[3:])
        return old.at[:, whole].set(flat, mode='drop', out_sharding=POOL)

    return Pool(written(pool.keys, made.keys), written(pool.values, made.values))
