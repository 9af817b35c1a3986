"""Texts as vectors: the mean of a text's hidden states at every depth of a decoder."""

import collections
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from xlbarrier import mesh as mesh_lib
from xlbarrier.errors import InputError, NotFiniteError
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.reading import jit_decoder
from xlbarrier.progress import Progress
from xlbarrier.scoring import sizes
from xlbarrier.scoring.engine import IN_FLIGHT

BUCKET = 32  # rows are as long as the next multiple of it


@dataclass(frozen=True)
class Passage:
    """A tokenised text.

    Attributes:
      tokens: ids, with what the tokenizer puts before a text.
      skip: how many of the first are not part of the mean. A BOS sees nothing but itself, so it is
        the same in every text, and in many models much larger than all other states.
    """

    tokens: tuple[int, ...]
    skip: int = 0


def embed(
    decoder: Decoder,
    passages: Sequence[Passage],
    *,
    mesh: jax.sharding.Mesh,
    rows_per_device: int = 0,
    what: str = 'embedding',
) -> np.ndarray:
    """The mean hidden state of each passage at every depth.

    A passage is a row of its own; rows of one bucket of lengths make the batches, so that a vector
    does not depend on what else is asked.

    Args:
      decoder: its parameters are on `mesh`.
      passages: any number, repetitions allowed.
      mesh: the explicit mesh.
      rows_per_device: rows that each device computes at once; 0: chosen from the kind of device.
      what: the work's name in the progress lines.

    Returns:
      float32 [passages, L + 1, D]: the embedded tokens, after each layer, the last one normed (see
      `Decoder.depth_sums`).

    Raises:
      ValueError: naming the passage that cannot be embedded, before anything is computed.
      FloatingPointError: when a vector is not finite.
    """
    for number, passage in enumerate(passages):
        _check(passage, number, decoder)
    unique = list(dict.fromkeys(passages))
    buckets: dict[int, list[int]] = {}
    for number, passage in enumerate(unique):
        length = -(-len(passage.tokens) // BUCKET) * BUCKET
        buckets.setdefault(min(length, decoder.config.max_positions), []).append(number)
    shards, device = mesh.shape['data'] * mesh.shape['fsdp'], mesh.devices.flat[0]
    found = np.zeros((len(unique), decoder.config.num_layers + 1, decoder.config.d_model), 'f4')
    waiting: collections.deque[tuple[list[int], jax.Array]] = collections.deque()

    def read() -> None:
        numbers, sums = waiting.popleft()
        values_LBD = np.asarray(sums.addressable_data(0))[:, : len(numbers)]
        if not np.isfinite(values_LBD).all():
            raise NotFiniteError(
                f'{what}: a hidden state is not finite: look for broken weights, or compute in'
                ' float32'
            )
        found[numbers] = values_LBD.swapaxes(0, 1)

    with Progress(what, unit='texts') as progress, jax.set_mesh(mesh):
        progress.begin(len(unique))
        for length, numbers in sorted(buckets.items()):
            progress.update(0, f'rows of {length} tokens')
            size = shards * (rows_per_device or sizes.of_embedding(device, length))
            for start in range(0, len(numbers), size):
                group = numbers[start : start + size]
                arrays = _rows([unique[n] for n in group], length, size)
                waiting.append((group, _depths(decoder, **mesh_lib.put_batch(arrays, mesh))))
                if len(waiting) == IN_FLIGHT:
                    read()
                progress.update(len(group))
        while waiting:
            read()
    index = {passage: number for number, passage in enumerate(unique)}
    return found[[index[passage] for passage in passages]]


def _check(passage: Passage, number: int, decoder: Decoder) -> None:
    length, config = len(passage.tokens), decoder.config
    if not 0 <= passage.skip < length:
        raise InputError(f'text {number} has {length} tokens, {passage.skip} of them skipped')
    if length > config.max_positions:
        raise InputError(
            f'text {number} has {length} tokens; the model takes {config.max_positions} positions:'
            ' ask for fewer words of it'
        )
    low, high = min(passage.tokens), max(passage.tokens)
    if low < 0 or high >= config.vocab_size:
        raise InputError(
            f'text {number} has token {high if low >= 0 else low};'
            f' expected 0..{config.vocab_size - 1}'
        )


def _rows(passages: Sequence[Passage], length: int, size: int) -> dict[str, np.ndarray]:
    tokens = np.zeros((size, length), np.int32)
    weights = np.zeros((size, length), np.float32)
    positions = np.broadcast_to(np.arange(length, dtype=np.int32), (size, length)).copy()
    until = positions.copy()  # padding sees itself only
    for row, passage in enumerate(passages):
        count = len(passage.tokens)
        tokens[row, :count] = passage.tokens
        weights[row, passage.skip : count] = 1 / (count - passage.skip)
        until[row, :count] = count - 1
    return {'tokens': tokens, 'positions': positions, 'until': until, 'weights': weights}


@jit_decoder
def _depths(
    decoder: Decoder,
    tokens: jax.Array,
    positions: jax.Array,
    until: jax.Array,
    weights: jax.Array,
) -> jax.Array:
    sums_LBD = decoder.depth_sums(tokens, positions, until, weights)
    return jax.reshard(sums_LBD.astype(jnp.float32), P())
