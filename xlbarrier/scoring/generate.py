"""Greedy decoding: what a model writes after a prompt, the likeliest token at each place.

There is no sampling: a benchmark's answer must not depend on a draw. Prompts are read and continued
in batches of few shapes with a cache of keys and values (`models.cached`).
"""

import functools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax.sharding import PartitionSpec as P

from xlbarrier import mesh as mesh_lib
from xlbarrier import multihost
from xlbarrier.data.tokenize import PreTrainedTokenizerFast
from xlbarrier.mesh import BATCH
from xlbarrier.models import cached
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.reading import Reading
from xlbarrier.progress import Progress
from xlbarrier.scoring.store import ScoreStore

BUCKET = 32  # shortest row that is read
STEPS = 16  # tokens between two looks at the texts
SCORES_BYTES = 1 << 30  # of attention scores of one layer on a device, while prompts are read
# How chat models of the families end a turn, besides their end-of-text token.
TURN_ENDS = ('<|im_end|>', '<|eot_id|>', '<end_of_turn>', '<|end|>', '<|END_OF_TURN_TOKEN|>')


@dataclass(frozen=True)
class Ends:
    """Where a text ends.

    Attributes:
      tokens: new ones at most.
      strings: a text ends before the first of them that occurs in it.
    """

    tokens: int
    strings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generated:
    """What a model wrote.

    Attributes:
      tokens: without the end-of-text token; with those in which a stop string stands.
      text: them decoded, up to the stop string.
      reason: why it ends: 'eos', 'stop' or 'length'.
    """

    tokens: tuple[int, ...]
    text: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Prompts that are read and continued together.

    Attributes:
      numbers: of the prompts.
      rows: B, at least as many.
      length: T, of the longest prompt rounded up to a bucket.
    """

    numbers: tuple[int, ...]
    rows: int
    length: int


def generate(
    decoder: Decoder,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Sequence[int]],
    ends: Ends,
    *,
    mesh: jax.sharding.Mesh,
    rows_per_device: int = 8,
    store: ScoreStore | None = None,
    what: str = 'generating',
) -> list[Generated]:
    """Continues each prompt greedily.

    Batches are planned over all prompts, stored or not, and a batch is computed unless the store
    holds all of it: so a continued run computes what an undisturbed one does.

    Args:
      decoder: its parameters lie on `mesh`; they are never donated.
      tokenizer: of the model; says which token ends a text, and decodes.
      prompts: ids, with BOS where the model wants one; repetitions allowed.
      ends: of every text; one that fills the model's positions ends there.
      mesh: the explicit mesh.
      rows_per_device: prompts that each device continues at once; fewer where they are long.
      store: of these weights; a killed process loses the batch that it was at.
      what: the work's name in the progress lines.

    Raises:
      ValueError: naming the prompt that cannot be continued, before anything is computed.
      StoreError: when an answer cannot be stored; those before it are kept.
    """
    if ends.tokens < 1 or not all(ends.strings):
        raise ValueError(f'{ends}: wanted at least one token, and stop strings that are not empty')
    for number, prompt in enumerate(prompts):
        _check(prompt, number, decoder.config)
    eos = end_ids(decoder.config, tokenizer)
    unique = sorted({tuple(map(int, p)) for p in prompts}, key=lambda ids: (-len(ids), ids))
    batches = plan(
        [len(ids) for ids in unique],
        decoder.config,
        shards=mesh.shape['data'] * mesh.shape['fsdp'],
        tensor=mesh.shape['tensor'],
        rows_per_device=rows_per_device,
    )
    how = json.dumps(['generate', decoder.compute_dtype, ends.tokens, ends.strings, eos])
    found = _stored(store, unique, how, ends.tokens)
    todo = [batch for batch in batches if any(found[n] is None for n in batch.numbers)]
    shapes = sorted({(b.rows, b.length, _columns(b.length, ends.tokens)) for b in batches})
    largest = max((_cache_bytes(decoder, batch, ends.tokens) for batch in batches), default=0)
    logging.info(
        '%s: %d prompts, %d distinct, %d batches (%d stored),'
        ' %d shapes (B, T, S) %s, cache %.2f GB',
        *(what, len(prompts), len(unique), len(batches), len(batches) - len(todo), len(shapes)),
        *(shapes, largest / 1e9),
    )
    with Progress(what, unit='prompts') as progress, jax.set_mesh(mesh):
        progress.begin(len(unique), earlier=sum(tokens is not None for tokens in found))
        began, written, seen = time.monotonic(), 0, set()
        for batch in todo:
            note = '' if (batch.rows, batch.length) in seen else 'compiling '
            seen.add((batch.rows, batch.length))
            progress.update(0, f'{note}prompts of up to {batch.length} tokens')
            ids = [unique[n] for n in batch.numbers]
            answers = _continued(decoder, tokenizer, ids, batch, ends, eos, mesh)
            fresh = [
                (n, tokens)
                for n, tokens in zip(batch.numbers, answers, strict=True)
                if found[n] is None
            ]
            for number, tokens in fresh:
                found[number] = tokens
            if store is not None and multihost.is_lead():
                store.put_generated(((unique[n], tokens) for n, tokens in fresh), how)
            written += sum(map(len, answers))
            rate = written / (time.monotonic() - began)
            progress.update(len(fresh), f'{rate:,.1f} tokens written/s')
    by_prompt = {
        ids: _finished(tokenizer, tokens, ends, eos)
        for ids, tokens in zip(unique, found, strict=True)
    }
    return [by_prompt[tuple(map(int, prompt))] for prompt in prompts]


def plan(
    lengths: Sequence[int],
    c: DecoderConfig,
    *,
    shards: int = 1,
    tensor: int = 1,
    rows_per_device: int = 8,
) -> list[Batch]:
    """Batches of prompts of like lengths; a pure function of its arguments.

    Args:
      lengths: of the prompts, the longest first.
      c: the model's shapes.
      shards, tensor: devices that share the rows, and the heads.
      rows_per_device: at most.
    """
    batches, start = [], 0
    wanted = min(rows_per_device, _power(-(-len(lengths) // shards)))
    while start < len(lengths):
        length = min(_bucket(lengths[start]), c.max_positions)
        each = 4 * (c.num_heads // tensor) * length * length
        rows = wanted
        while rows > 1 and rows * each > SCORES_BYTES:
            rows = -(-rows // 2)
        numbers = tuple(range(start, min(start + rows * shards, len(lengths))))
        batches.append(Batch(numbers, rows * shards, length))
        start += len(numbers)
    return batches


def end_ids(c: DecoderConfig, tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """The tokens that end a text: of the model's config, the tokenizer, and chat turns."""
    raw = json.loads(c.extra).get('eos_token_id') if c.extra else None
    known = tokenizer.get_added_vocab()
    found = [c.eos_id, tokenizer.eos_token_id, *(raw if isinstance(raw, list) else [raw])]
    found += [known.get(name) for name in TURN_ENDS]
    return tuple(sorted({int(i) for i in found if i is not None and 0 <= i < c.vocab_size}))


def _continued(
    decoder: Decoder,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[tuple[int, ...]],
    batch: Batch,
    ends: Ends,
    eos: tuple[int, ...],
    mesh: jax.sharding.Mesh,
) -> list[tuple[int, ...]]:
    """What follows each prompt, with the end-of-text token where one was written."""
    tokens = np.zeros((batch.rows, batch.length), np.int32)
    pads = np.full(batch.rows, batch.length - 1, np.int32)  # a row without a prompt: one token
    done = np.ones(batch.rows, bool)
    for row, ids in enumerate(prompts):
        tokens[row, batch.length - len(ids) :] = ids
        pads[row], done[row] = batch.length - len(ids), False
    laid = mesh_lib.put_batch({'tokens': tokens, 'pads': pads}, mesh)
    columns = _columns(batch.length, ends.tokens)
    last_B, cache = _read(decoder, laid['tokens'], laid['pads'], columns)
    eos_E = np.array(eos or (-1,), np.int32)
    room = [decoder.config.max_positions - len(ids) for ids in prompts]
    written = np.asarray(last_B.addressable_data(0))[:, None]
    last_B = mesh_lib.put_batch({'last': written[:, 0]}, mesh)['last']
    found: list[tuple[int, ...]] = [()] * len(prompts)
    while True:
        for row in range(len(prompts)):
            if not done[row]:
                found[row], done[row] = _cut(
                    tokenizer, found[row], written[row].tolist(), ends, eos
                )
                if len(found[row]) >= room[row]:
                    found[row], done[row] = found[row][: room[row]], True
        count = max((len(ids) for ids in found), default=0)
        if done.all() or count >= ends.tokens:
            return found
        laid = mesh_lib.put_batch({'done': done}, mesh)
        limit = min(STEPS, ends.tokens - count)
        out_BC, last_B, cache = _write(
            decoder, cache, last_B, laid['done'], eos_E, np.int32(limit), STEPS
        )
        written = np.asarray(out_BC.addressable_data(0))[:, :limit]


def _cut(
    tokenizer: PreTrainedTokenizerFast,
    before: tuple[int, ...],
    new: Sequence[int],
    ends: Ends,
    eos: tuple[int, ...],
) -> tuple[tuple[int, ...], bool]:
    """A text with its new tokens up to its end, and whether it has ended."""
    at = next((i for i, token in enumerate(new) if token in eos), None)
    ids = (*before, *(new if at is None else new[: at + 1]))
    if ends.strings and _stop(_text(tokenizer, ids), ends) is not None:
        for count in range(len(before) + 1, len(ids) + 1):
            if _stop(_text(tokenizer, ids[:count]), ends) is not None:
                return ids[:count], True
    return ids, at is not None


def _finished(
    tokenizer: PreTrainedTokenizerFast, tokens: tuple[int, ...], ends: Ends, eos: tuple[int, ...]
) -> Generated:
    ended = bool(tokens) and tokens[-1] in eos
    tokens = tokens[:-1] if ended else tokens
    text = _text(tokenizer, tokens)
    stop = _stop(text, ends)
    reason = 'stop' if stop is not None else 'eos' if ended else 'length'
    return Generated(tokens, text[:stop], reason)


def _text(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> str:
    return tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _stop(text: str, ends: Ends) -> int | None:
    """Where the first stop string begins."""
    places = [place for place in map(text.find, ends.strings) if place >= 0]
    return min(places, default=None)


@functools.partial(Reading, static_argnums=(3,))
def _read(
    decoder: Decoder, tokens_BT: jax.Array, pads_B: jax.Array, columns: int
) -> tuple[jax.Array, cached.Cache]:
    hidden_BD, cache = cached.read(decoder, tokens_BT, pads_B, columns)
    return jax.reshard(_likeliest(decoder, hidden_BD), P()), cache


@functools.partial(Reading, static_argnums=(6,), donate_argnums=(1,))
def _write(
    decoder: Decoder,
    cache: cached.Cache,
    last_B: jax.Array,
    done_B: jax.Array,
    eos_E: jax.Array,
    limit: jax.Array,
    steps: int,
) -> tuple[jax.Array, jax.Array, cached.Cache]:
    """Up to `limit` tokens more of each row, fewer once all have ended: int32 [B, steps]."""
    out_BC = jnp.zeros((last_B.shape[0], steps), jnp.int32, out_sharding=P(BATCH, None))

    def going(state: tuple) -> jax.Array:
        count, _, _, done_B, _ = state
        return (count < limit) & ~jnp.all(done_B)

    def advance(state: tuple) -> tuple:
        count, cache, last_B, done_B, out_BC = state
        hidden_BD, cache = cached.step(decoder, cache, last_B)
        last_B = _likeliest(decoder, hidden_BD)
        out_BC = jax.lax.dynamic_update_slice(out_BC, last_B[:, None], (0, count))
        done_B |= (last_B[:, None] == eos_E).any(-1)
        return count + 1, cache, last_B, done_B, out_BC

    state = (jnp.int32(0), cache, last_B, done_B, out_BC)
    _, cache, last_B, _, out_BC = jax.lax.while_loop(going, advance, state)
    return jax.reshard(out_BC, P()), last_B, cache


def _likeliest(decoder: Decoder, hidden_BD: jax.Array) -> jax.Array:
    """int32 [B]: the first of the likeliest tokens."""
    return jnp.argmax(decoder.unembed(hidden_BD), -1).astype(jnp.int32)


def _check(prompt: Sequence[int], number: int, c: DecoderConfig) -> None:
    if not len(prompt):
        raise ValueError(f'prompt {number} has no token (and no BOS), so nothing can follow it')
    if len(prompt) >= c.max_positions:
        raise ValueError(
            f'prompt {number} has {len(prompt)} tokens, and the model {c.max_positions} positions,'
            ' so that nothing can follow it: shorten the prompt'
        )
    low, high = min(prompt), max(prompt)
    if low < 0 or high >= c.vocab_size:
        raise ValueError(
            f'prompt {number} has token {low if low < 0 else high}; the model has 0 to'
            f' {c.vocab_size - 1}: use the tokenizer of the same model'
        )


def _bucket(length: int) -> int:
    """32, 48, 64, 96, 128 ...: at most half of a row is padding."""
    size = BUCKET
    while size < length:
        if size * 3 // 2 >= length:
            return size * 3 // 2
        size *= 2
    return size


def _power(count: int) -> int:
    return 1 << max(0, count - 1).bit_length()


def _columns(length: int, new: int) -> int:
    """Of the cache; the last token is never read."""
    return -(-(length + new - 1) // BUCKET) * BUCKET


def _cache_bytes(decoder: Decoder, batch: Batch, new: int) -> int:
    c = decoder.config
    each = (
        2 * c.num_layers * c.num_kv_heads * c.head_dim * jnp.dtype(decoder.compute_dtype).itemsize
    )
    return batch.rows * _columns(batch.length, new) * each


def _stored(
    store: ScoreStore | None, prompts: Sequence[tuple[int, ...]], how: str, new: int
) -> list[tuple[int, ...] | None]:
    """What the store holds, told by the lead to every process."""
    found: list[tuple[int, ...] | None] = [None] * len(prompts)
    if store is not None and multihost.is_lead():
        found = store.get_generated(prompts, how)
    if jax.process_count() == 1:
        return found
    table = np.full((len(prompts), new + 1), -1, np.int32)  # -1 is nothing, the count comes first
    for row, tokens in enumerate(found):
        if tokens is not None:
            table[row, : len(tokens) + 1] = (len(tokens), *tokens)
    table = multihost.broadcast(table)
    return [None if row[0] < 0 else tuple(row[1 : row[0] + 1].tolist()) for row in table]
