"""Decoding with a cache of keys and values: texts read at once, then a token at a time.

Rows are padded on the left, so that all of them end in the same column of the cache and a step
writes one column. A row's token in column i has position i - pad; columns before pad are not seen.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import BATCH
from xlbarrier.models import attention
from xlbarrier.models.decoder import Decoder, block, view_of
from xlbarrier.models.layers import project

CACHE = P(None, BATCH, None, 'tensor', None)


class Cache(NamedTuple):
    """Keys and values of all layers.

    Attributes:
      keys, values: [L, B, S, K, H] in the compute dtype, as attention takes them.
      pads: int32 [B], columns before a row's first token.
      filled: int32, columns written so far, the same in all rows.
    """

    keys: jax.Array
    values: jax.Array
    pads: jax.Array
    filled: jax.Array


def read(
    decoder: Decoder, tokens_BT: jax.Array, pads_B: jax.Array, columns: int
) -> tuple[jax.Array, Cache]:
    """Reads texts.

    Args:
      decoder: on an explicit mesh, the current one.
      tokens_BT: int32 [B, T], each row's text at its right end.
      pads_B: int32 [B], how many tokens before it are padding; less than T.
      columns: S of the cache, at least T.

    Returns:
      The last hidden state of each row, [B, D], after the final norm, and the cache.
    """
    c, length = decoder.config, tokens_BT.shape[1]
    place_T = jnp.arange(length, dtype=jnp.int32)
    positions_BT = jnp.maximum(place_T - pads_B[:, None], 0)
    # Padding sees itself alone, and nothing sees it.
    until_BT = jnp.where(place_T < pads_B[:, None], place_T, length - 1)
    views = attention.views(c, positions_BT, until_BT)

    def layer(x_BTD: jax.Array, scanned: tuple) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        weights, is_local = scanned
        view = view_of(c, views, is_local)
        kept = []

        def attend(y_BTD: jax.Array) -> jax.Array:
            q_BTNH, k_BTKH, v_BTKH = attention.project_qkv(weights['attn'], y_BTD, view, c)
            kept.extend((k_BTKH, v_BTKH))
            mixed_BTNH = attention.mix(q_BTNH, k_BTKH, v_BTKH, view, c)
            return project('o', weights['attn'], mixed_BTNH)

        x_BTD = block(c, x_BTD, weights, attend)
        return x_BTD, tuple(kept)

    x_BTD = decoder.embedded(tokens_BT, positions_BT)
    x_BTD, kept = jax.lax.scan(layer, x_BTD, decoder.stacked())
    room = ((0, 0), (0, 0), (0, columns - length), (0, 0), (0, 0))
    keys, values = (jax.reshard(jnp.pad(x, room), CACHE) for x in kept)
    return decoder.finished(x_BTD[:, -1:])[:, 0], Cache(keys, values, pads_B, jnp.int32(length))


def step(decoder: Decoder, cache: Cache, tokens_B: jax.Array) -> tuple[jax.Array, Cache]:
    """Reads one token more of each row.

    Args:
      decoder: as of `read`.
      cache: with at least one free column.
      tokens_B: int32 [B].

    Returns:
      The hidden state of each row, [B, D], after the final norm, and the cache.
    """
    c = decoder.config
    place_S = jnp.arange(cache.keys.shape[2], dtype=jnp.int32)
    positions_B1 = (cache.filled - cache.pads)[:, None]
    keys_BS = place_S - cache.pads[:, None]
    mask_B1S = ((keys_BS >= 0) & (place_S <= cache.filled))[:, None]
    views = attention.views_of(c, mask_B1S, positions_B1, keys_BS)

    def layer(carried: tuple, scanned: tuple) -> tuple[tuple, None]:
        x_B1D, keys, values = carried
        number, (weights, is_local) = scanned
        view = view_of(c, views, is_local)
        kept = []

        def attend(y_B1D: jax.Array) -> jax.Array:
            q_B1NH, k_B1KH, v_B1KH = attention.project_qkv(weights['attn'], y_B1D, view, c)
            # The cache is carried and written in place: as a scan's output it would be copied.
            start = (number, 0, cache.filled, 0, 0)
            held = [
                jax.lax.dynamic_update_slice(whole, new[None], start)
                for whole, new in ((keys, k_B1KH), (values, v_B1KH))
            ]
            kept.extend(held)
            k_BSKH, v_BSKH = (
                jax.lax.dynamic_index_in_dim(whole, number, keepdims=False) for whole in held
            )
            mixed_B1NH = attention.mix(q_B1NH, k_BSKH, v_BSKH, view, c)
            return project('o', weights['attn'], mixed_B1NH)

        x_B1D = block(c, x_B1D, weights, attend)
        return (x_B1D, *kept), None

    x_B1D = decoder.embedded(tokens_B[:, None], positions_B1)
    layers = (jnp.arange(c.num_layers), decoder.stacked())
    (x_B1D, keys, values), _ = jax.lax.scan(layer, (x_B1D, cache.keys, cache.values), layers)
    return (
        decoder.finished(x_B1D)[:, 0],
        Cache(keys, values, cache.pads, cache.filled + 1),
    )
