"""Decoding with a cache of keys and values: texts are read at once, then written a token at a time.

The first columns are a beginning that all rows share, if any. What follows is padded on the left,
so that all rows end in the same column of the cache and a step writes one column. A row's token in
column i has position i in the beginning, and i - pad behind it; padding is not seen.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import BATCH, RULES
from xlbarrier.models import attention
from xlbarrier.models.decoder import Carried, Decoder, block, view_of
from xlbarrier.models.layers import project


class Beginning(NamedTuple):
    """Keys and values of tokens with which texts begin: [L, 1, P, K, H], the same on all rows."""

    keys: jax.Array
    values: jax.Array


class Cache(NamedTuple):
    """Keys and values of all layers.

    Attributes:
      keys, values: [L, B, S, K, H] in the compute dtype, as attention takes them.
      shared: int32, columns of the beginning.
      pads: int32 [B], columns between the beginning and a row's first token behind it.
      filled: int32, columns written so far, the same in all rows.
    """

    keys: jax.Array
    values: jax.Array
    shared: jax.Array
    pads: jax.Array
    filled: jax.Array


def begin(decoder: Decoder, tokens_BP: jax.Array) -> Beginning:
    """Reads what texts begin with.

    Args:
      decoder: on an explicit mesh, the current one.
      tokens_BP: int32 [B, P], the same row on each shard of the batch.
    """
    none_B = jnp.zeros_like(tokens_BP[:, 0])
    _, cache = read(decoder, tokens_BP, none_B, tokens_BP.shape[1])
    pair = (cache.keys, cache.values)
    return Beginning(*(jax.reshard(x, RULES.prefix_L1PKH)[:, :1] for x in pair))


def read(
    decoder: Decoder,
    tokens_BT: jax.Array,
    pads_B: jax.Array,
    columns: int,
    begun: Beginning | None = None,
) -> tuple[jax.Array, Cache]:
    """Reads texts.

    Args:
      decoder: on an explicit mesh, the current one.
      tokens_BT: int32 [B, T], each row's text behind the beginning, at the right end.
      pads_B: int32 [B], how many tokens before it are padding; less than T.
      columns: S of the cache, at least P + T.
      begun: of the P tokens with which all texts begin; None: P is 0.

    Returns:
      The last hidden state of each row, [B, D], after the final norm, and the cache.
    """
    c, (rows, length) = decoder.config, tokens_BT.shape
    shared = begun.keys.shape[2] if begun else 0
    place_T = jnp.arange(length, dtype=jnp.int32)
    positions_BT = shared + jnp.maximum(place_T - pads_B[:, None], 0)
    # Padding sees the beginning and itself, and nothing sees it.
    until_BT = jnp.where(place_T < pads_B[:, None], place_T, length - 1)
    mask_BTS, keys_BS = attention.visible(until_BT), positions_BT
    if begun:
        before_BP = _on_rows(jnp.arange(shared, dtype=jnp.int32)[None], rows)
        keys_BS = jnp.concatenate([before_BP, keys_BS], axis=1)
        seen_BTP = _on_rows(jnp.ones((1, length, shared), bool), rows)
        mask_BTS = jnp.concatenate([seen_BTP, mask_BTS], axis=2)
    views = attention.views_of(c, mask_BTS, positions_BT, keys_BS, dtype=decoder.compute_dtype)

    def layer(carried: Carried, scanned: tuple) -> tuple[Carried, tuple[jax.Array, jax.Array]]:
        (x_BTD, held), (weights, is_local, before) = carried, scanned
        view = view_of(c, views, is_local)
        kept: list[Any] = []

        def attend(y_BTD: jax.Array) -> jax.Array:
            q_BTNH, k_BSKH, v_BSKH, next_held = attention.project_qkv(
                weights['attn'], y_BTD, view, c, held
            )
            if before:
                k_BSKH = jnp.concatenate([_on_rows(before.keys, rows), k_BSKH], axis=1)
                v_BSKH = jnp.concatenate([_on_rows(before.values, rows), v_BSKH], axis=1)
            kept.extend((k_BSKH, v_BSKH, next_held))
            mixed_BTNH = attention.mix(q_BTNH, k_BSKH, v_BSKH, view, c, weights['attn'])
            return project('o', weights['attn'], mixed_BTNH)

        x_BTD = block(c, x_BTD, weights, attend)
        return (x_BTD, kept[2]), (kept[0], kept[1])

    x_BTD = decoder.embedded(tokens_BT, positions_BT)
    first = (x_BTD, attention.nothing_held(c, x_BTD))
    scanned = (*decoder.stacked(tokens_BT, x_BTD), begun)
    (x_BTD, _), kept = jax.lax.scan(layer, first, scanned)
    room = ((0, 0), (0, 0), (0, columns - shared - length), (0, 0), (0, 0))
    keys, values = (jax.reshard(jnp.pad(x, room), RULES.cache_LBSKH) for x in kept)
    counts = jnp.int32(shared), pads_B, jnp.int32(shared + length)
    return decoder.finished(x_BTD[:, -1:])[:, 0], Cache(keys, values, *counts)


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
    begun_S = place_S < cache.shared
    keys_BS = place_S - jnp.where(begun_S, 0, cache.pads[:, None])
    mask_B1S = ((begun_S | (keys_BS >= cache.shared)) & (place_S <= cache.filled))[:, None]
    views = attention.views_of(c, mask_B1S, positions_B1, keys_BS, dtype=decoder.compute_dtype)

    def layer(carried: tuple, scanned: tuple) -> tuple[tuple, None]:
        x_B1D, before, keys, values = carried
        number, (weights, is_local) = scanned
        view = view_of(c, views, is_local)
        kept: list[Any] = []

        def attend(y_B1D: jax.Array) -> jax.Array:
            q_B1NH, k_B1KH, v_B1KH, next_before = attention.project_qkv(
                weights['attn'], y_B1D, view, c, before
            )
            # The cache is carried and written in place: as a scan's output it would be copied.
            start = (number, 0, cache.filled, 0, 0)
            held = [
                jax.lax.dynamic_update_slice(whole, new[None], start)
                for whole, new in ((keys, k_B1KH), (values, v_B1KH))
            ]
            kept.extend((next_before, *held))
            k_BSKH, v_BSKH = (
                jax.lax.dynamic_index_in_dim(whole, number, keepdims=False) for whole in held
            )
            mixed_B1NH = attention.mix(q_B1NH, k_BSKH, v_BSKH, view, c, weights['attn'])
            return project('o', weights['attn'], mixed_B1NH)

        x_B1D = block(c, x_B1D, weights, attend)
        return (x_B1D, *kept), None

    x_B1D = decoder.embedded(tokens_B[:, None], positions_B1)
    layers = (jnp.arange(c.num_layers), decoder.stacked(tokens_B[:, None], x_B1D))
    first = (x_B1D, attention.nothing_held(c, x_B1D), cache.keys, cache.values)
    (x_B1D, _, keys, values), _ = jax.lax.scan(layer, first, layers)
    return (
        decoder.finished(x_B1D)[:, 0],
        Cache(keys, values, cache.shared, cache.pads, cache.filled + 1),
    )


def _on_rows(x_1: jax.Array, rows: int) -> jax.Array:
    """What all rows share, [1, ...], as [B, ...]."""
    spec = jax.typeof(x_1).sharding.spec
    shape = (rows, *x_1.shape[1:])
    return jnp.broadcast_to(x_1, shape, out_sharding=P(BATCH, *spec[1:]))
