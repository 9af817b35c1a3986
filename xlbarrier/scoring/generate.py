"""Greedy decoding: what a model writes after a prompt, the likeliest token at each position.

There is no sampling: a benchmark's answer must not depend on a draw. Prompts are computed and
continued in batches of few shapes with a cache of keys and values (`models.cached`); what many of
them begin with, demonstrations for example, is computed once (`batches`).
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
from xlbarrier.errors import InputError
from xlbarrier.mesh import BATCH
from xlbarrier.models import cached, generation_config
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.reading import jit_decoder
from xlbarrier.progress import Progress
from xlbarrier.scoring import sizes
from xlbarrier.scoring.batches import Batch, Planner, columns
from xlbarrier.scoring.store import ScoreStore

STEPS = 16  # tokens between two looks at the texts
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
      tokens: without the end-of-text token; with those that a stop string is part of.
      text: them decoded, up to the stop string.
      reason: why it ends: 'eos', 'stop' or 'length'.
    """

    tokens: tuple[int, ...]
    text: str
    reason: str


def generate(
    decoder: Decoder,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Sequence[int]],
    ends: Ends,
    *,
    mesh: jax.sharding.Mesh,
    rows_per_device: int = 0,
    store: ScoreStore | None = None,
    what: str = 'generating',
) -> list[Generated]:
    """Continues each prompt greedily.

    Batches are planned over all prompts, stored or not, and a batch is computed unless the store
    holds all of it: so a continued run computes what an undisturbed one does.

    Args:
      decoder: its parameters are on `mesh`; they are never donated.
      tokenizer: of the model; says which token ends a text, and decodes.
      prompts: ids, with BOS if the model needs one; repetitions allowed.
      ends: of every text; one that fills the model's positions ends there.
      mesh: the explicit mesh.
      rows_per_device: prompts that each device continues at once, fewer where they are long; 0:
        chosen from the kind of device.
      store: of these weights; a killed process loses the batch that it was at.
      what: the work's name in the progress lines.

    Raises:
      ValueError: naming the prompt that cannot be continued, before anything is computed.
      StoreError: when an answer cannot be stored; those before it are kept.
    """
    if ends.tokens < 1 or not all(ends.strings):
        raise InputError(
            f'{ends}: expected at least one token, and stop strings that are not empty'
        )
    for number, prompt in enumerate(prompts):
        _check(prompt, number, decoder.config)
    eos = end_ids(decoder.config, tokenizer)
    unique = sorted({tuple(map(int, p)) for p in prompts}, key=lambda ids: (-len(ids), ids))
    shards = mesh.shape['data'] * mesh.shape['fsdp']
    batches = Planner(
        unique,
        decoder.config,
        shards=shards,
        tensor=mesh.shape['tensor'],
        rows_per_device=rows_per_device or sizes.of_writing(mesh.devices.flat[0]),
    ).plan()
    how = json.dumps(['generate', decoder.compute_dtype, ends.tokens, ends.strings, eos])
    found = _stored(store, unique, how, ends.tokens)
    todo = [batch for batch in batches if any(found[n] is None for n in batch.numbers)]
    shapes = sorted({_shape(batch, ends) for batch in batches})
    largest = max((_cache_bytes(decoder, batch, ends.tokens) for batch in batches), default=0)
    logging.info(
        '%s: %d prompts, %d distinct, %d batches (%d stored),'
        ' %d shapes (B, P, T, S) %s, cache %.2f GB',
        what,
        len(prompts),
        len(unique),
        len(batches),
        len(batches) - len(todo),
        len(shapes),
        shapes,
        largest / 1e9,
    )
    with Progress(what, unit='prompts') as progress, jax.set_mesh(mesh):
        progress.begin(len(unique), earlier=sum(tokens is not None for tokens in found))
        began, written, seen = time.monotonic(), 0, set()
        beginnings = _Beginnings(decoder, shards, mesh)
        for batch in todo:
            note = '' if _shape(batch, ends) in seen else 'compiling '
            seen.add(_shape(batch, ends))
            progress.update(0, f'{note}prompts of up to {batch.shared + batch.length} tokens')
            ids = [unique[n] for n in batch.numbers]
            begun = beginnings.read(ids[0][: batch.shared])
            answers = _continued(decoder, tokenizer, ids, batch, begun, ends, eos, mesh)
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
        if tokens is not None
    }
    return [by_prompt[tuple(map(int, prompt))] for prompt in prompts]


def end_ids(c: DecoderConfig, tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """The tokens that end a text: of the model's config, the tokenizer, and chat turns."""
    raw = json.loads(c.extra).get('eos_token_id') if c.extra else None
    known = tokenizer.get_added_vocab()
    found = [c.eos_id, tokenizer.eos_token_id, *(raw if isinstance(raw, list) else [raw])]
    found += [*generation_config.end_ids(c), *(known.get(name) for name in TURN_ENDS)]
    return tuple(sorted({int(i) for i in found if i is not None and 0 <= i < c.vocab_size}))


def _continued(
    decoder: Decoder,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[tuple[int, ...]],
    batch: Batch,
    begun: cached.Beginning | None,
    ends: Ends,
    eos: tuple[int, ...],
    mesh: jax.sharding.Mesh,
) -> list[tuple[int, ...]]:
    """What follows each prompt, with the end-of-text token where one was written."""
    tokens = np.zeros((batch.rows, batch.length), np.int32)
    pads = np.full(batch.rows, batch.length - 1, np.int32)  # a row without a prompt: one token
    done = np.ones(batch.rows, bool)
    for row, ids in enumerate(prompts):
        pads[row], done[row] = batch.shared + batch.length - len(ids), False
        tokens[row, pads[row] :] = ids[batch.shared :]
    laid = mesh_lib.put_batch({'tokens': tokens, 'pads': pads}, mesh)
    last_B, cache = _read(decoder, laid['tokens'], laid['pads'], begun, columns(batch, ends.tokens))
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
    text = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)  # a list of texts is for a list of lists
    return text


def _stop(text: str, ends: Ends) -> int | None:
    """Where the first stop string begins."""
    starts = [start for start in map(text.find, ends.strings) if start >= 0]
    return min(starts, default=None)


class _Beginnings:
    """Reads what prompts begin with; the last one is kept, as batches of one follow each other."""

    def __init__(self, decoder: Decoder, shards: int, mesh: jax.sharding.Mesh):
        self._decoder, self._shards, self._mesh = decoder, shards, mesh
        self._ids: tuple[int, ...] = ()
        self._kept: cached.Beginning | None = None

    def read(self, ids: tuple[int, ...]) -> cached.Beginning | None:
        """What attention needs of these tokens; None of none."""
        if ids != self._ids:
            self._kept = None  # before the next: two need not be held
            tokens = np.tile(np.array(ids, np.int32), (self._shards, 1))
            laid = mesh_lib.put_batch({'tokens': tokens}, self._mesh)
            self._ids, self._kept = ids, _begin(self._decoder, laid['tokens']) if ids else None
        return self._kept


@jit_decoder
def _begin(decoder: Decoder, tokens_BP: jax.Array) -> cached.Beginning:
    return cached.begin(decoder, tokens_BP)


@functools.partial(jit_decoder, static_argnums=(4,))
def _read(
    decoder: Decoder,
    tokens_BT: jax.Array,
    pads_B: jax.Array,
    begun: cached.Beginning | None,
    columns: int,
) -> tuple[jax.Array, cached.Cache]:
    hidden_BD, cache = cached.read(decoder, tokens_BT, pads_B, columns, begun)
    return jax.reshard(_likeliest(decoder, hidden_BD), P()), cache


@functools.partial(jit_decoder, static_argnums=(6,), donate_argnums=(1,))
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
        raise InputError(f'prompt {number} has no token (and no BOS), so nothing can follow it')
    if len(prompt) >= c.max_positions:
        raise InputError(
            f'prompt {number} has {len(prompt)} tokens, and the model {c.max_positions} positions,'
            ' so that nothing can follow it: shorten the prompt'
        )
    low, high = min(prompt), max(prompt)
    if low < 0 or high >= c.vocab_size:
        raise InputError(
            f'prompt {number} has token {low if low < 0 else high}; the model has 0 to'
            f' {c.vocab_size - 1}: use the tokenizer of the same model'
        )


def _shape(batch: Batch, ends: Ends) -> tuple[int, ...]:
    """What decides whether something is compiled for a batch."""
    return batch.rows, batch.shared, batch.length, columns(batch, ends.tokens)


def _cache_bytes(decoder: Decoder, batch: Batch, new: int) -> int:
    c = decoder.config
    each = (
        2 * c.num_layers * c.num_kv_heads * c.head_dim * jnp.dtype(decoder.compute_dtype).itemsize
    )
    return batch.rows * columns(batch, new) * each


def _stored(
    store: ScoreStore | None, prompts: Sequence[tuple[int, ...]], how: str, new: int
) -> list[tuple[int, ...] | None]:
    """What the store has; the lead sends it to every process."""
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
