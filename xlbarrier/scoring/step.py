"""The scoring step: log-probabilities of the asked tokens, and nothing else, leave the device."""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import BATCH
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.reading import jit_decoder
from xlbarrier.scoring.prefixes import Columns, Pool, kept_in, run

CHUNK_BYTES = 256 << 20  # of float32 logits that a device holds at once


@jit_decoder
def score_rows(
    decoder: Decoder,
    tokens: jax.Array,
    positions: jax.Array,
    until: jax.Array,
    slots: jax.Array,
    pair_slots: jax.Array,
    pair_tokens: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Scores the pairs of a batch whose rows follow no shared prefix.

    Args:
      decoder: on an explicit mesh, the current one.
      tokens, positions, until: int32 [B, T], as of `Decoder.hidden`.
      slots: int32 [B, P], positions in the row whose next token is asked about.
      pair_slots, pair_tokens: int32 [B, K], an index into slots and the token that follows there.

    Returns:
      float32 [B, K] log-probability of each pair's token, in nats, and bool [B, K] whether it is
      the most likely one; whole on every device.
    """
    hidden_BTD = decoder.hidden(tokens, positions, until)
    return _scored(decoder, hidden_BTD, slots, pair_slots, pair_tokens)


@jit_decoder
def score_suffixes(
    decoder: Decoder,
    pool: Pool,
    tokens: jax.Array,
    positions: jax.Array,
    order: jax.Array,
    until: jax.Array,
    columns: jax.Array,
    column_positions: jax.Array,
    column_order: jax.Array,
    column_until: jax.Array,
    slots: jax.Array,
    pair_slots: jax.Array,
    pair_tokens: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """`score_rows` of rows that follow prefixes in a pool; arrays as of `rows.arrays`."""
    before = Columns(columns, column_positions, column_order, column_until)
    hidden_BTD, _ = run(decoder, tokens, positions, order, until, pool, before, keep=False)
    return _scored(decoder, hidden_BTD, slots, pair_slots, pair_tokens)


@functools.partial(jit_decoder, donate_argnums=(1,))
def keep_prefixes(
    decoder: Decoder,
    pool: Pool,
    tokens: jax.Array,
    positions: jax.Array,
    until: jax.Array,
    kept: jax.Array,
) -> Pool:
    """Computes prefixes that follow no other, and keeps them in the pool, which is donated."""
    order = jnp.broadcast_to(
        jnp.arange(tokens.shape[1], dtype=jnp.int32), tokens.shape, out_sharding=P(BATCH, None)
    )
    _, made = run(decoder, tokens, positions, order, until, None, None, keep=True)
    assert made is not None
    return kept_in(pool, made, kept)


@functools.partial(jit_decoder, donate_argnums=(1,))
def extend_prefixes(
    decoder: Decoder,
    pool: Pool,
    tokens: jax.Array,
    positions: jax.Array,
    order: jax.Array,
    until: jax.Array,
    columns: jax.Array,
    column_positions: jax.Array,
    column_order: jax.Array,
    column_until: jax.Array,
    kept: jax.Array,
) -> Pool:
    """`keep_prefixes` of prefixes that follow others in the pool."""
    before = Columns(columns, column_positions, column_order, column_until)
    _, made = run(decoder, tokens, positions, order, until, pool, before, keep=True)
    assert made is not None
    return kept_in(pool, made, kept)


def _scored(
    decoder: Decoder,
    hidden_BTD: jax.Array,
    slots: jax.Array,
    pair_slots: jax.Array,
    pair_tokens: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    picked_BPD = _take(hidden_BTD, slots)
    total_BP, best_BP = _normalisers(decoder, picked_BPD)
    target_BK = decoder.logits_of(_take(picked_BPD, pair_slots), pair_tokens)
    log_probability = target_BK - _take(total_BP, pair_slots)
    greedy = _take(best_BP, pair_slots) == pair_tokens
    return jax.reshard(log_probability, P()), jax.reshard(greedy, P())


def _take(x: jax.Array, slots_BP: jax.Array) -> jax.Array:
    """x[b, slots[b, p]] for each row of a batch-sharded array."""
    spec = P(BATCH, *[None] * (x.ndim - 1))
    rows_B1 = jax.lax.broadcasted_iota(jnp.int32, slots_BP.shape, 0, out_sharding=P(BATCH, None))
    return x.at[rows_B1, slots_BP].get(out_sharding=spec)


def _normalisers(decoder: Decoder, hidden_BPD: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Log of the softmax's denominator and the most likely token at each slot, in chunks of P."""
    B, slots, _ = hidden_BPD.shape
    mesh = jax.sharding.get_abstract_mesh().shape
    rows = max(1, B // (mesh[BATCH[0]] * mesh[BATCH[1]]))
    chunks = _chunks(slots, 4 * rows * decoder.config.vocab_size // mesh['tensor'])

    def chunk(hidden_BCD: jax.Array) -> tuple[jax.Array, jax.Array]:
        logits_BCV = decoder.unembed(hidden_BCD)
        return jax.nn.logsumexp(logits_BCV, -1), jnp.argmax(logits_BCV, -1).astype(jnp.int32)

    if chunks == 1:
        return chunk(hidden_BPD)
    parts = jnp.split(hidden_BPD, chunks, axis=1)
    totals, bests = jax.lax.map(chunk, jnp.stack(parts))
    return (
        jnp.concatenate(list(totals), axis=1),
        jnp.concatenate(list(bests), axis=1),
    )


def _chunks(slots: int, bytes_each: int) -> int:
    """The smallest number of equal chunks that keeps each within CHUNK_BYTES."""
    for count in range(1, slots + 1):
        if slots % count == 0 and slots // count * bytes_each <= CHUNK_BYTES:
            return count
    return slots
