"""Pairs as rows of one length: contexts, and after each its options, which do not see each other.

A row has whole pairs, as many as fit. A side of a pair is a small trie: its context is computed
once, and every option follows it (`until` says what each token may see, as in models/decoder.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from xlbarrier.data import tokenize
from xlbarrier.data.examples import assign
from xlbarrier.datafiles import DataError

SIDES = 2
Ids = Sequence[int]


class EncodedSide(NamedTuple):
    """Token ids of a context, and of each option after it."""

    context: Ids
    options: tuple[Ids, ...]


class EncodedPair(NamedTuple):
    """One item twice, as token ids: see `qa.pairs.Pair`.

    Attributes:
      item: a number of the item, the same for all its languages.
      sides: the source's and the target's.
      where: for messages.
    """

    item: int
    sides: tuple[EncodedSide, EncodedSide]
    where: str


@dataclass(frozen=True)
class PairRows:
    """Rows of pairs. M is the most pairs of a row, O the most options, K the most option tokens.

    Attributes:
      arrays: by name,
        `tokens`, `positions`, `until`: int32 [R, T], as of `PackedRows`;
        `side`: int32 [R, T], 1 + 2 m + s for a token of side s of the row's pair m, 0 for padding;
        `before`: int32 [R, K], the position whose hidden state predicts an option's token;
        `target`: int32 [R, K], that token;
        `slot`: int32 [R, K], (2 m + s) O + o of its option, or -1 for none;
        `options`: float32 [R, M, O], 1 where a pair has an option;
        `reference`: float32 [R, M, 2, O], log-likelihoods of the options by the base model, nats;
        `item`: int32 [R, M], number of the pair's item, or -1 for none.
      pairs: how many there are.
      tokens_real: tokens that are not padding.
    """

    arrays: dict[str, np.ndarray]
    pairs: int
    tokens_real: int

    def __len__(self) -> int:
        return len(self.arrays['tokens'])

    @property
    def largest_token(self) -> int:
        """The largest token id in the rows."""
        return int(self.arrays['tokens'].max())

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The named rows as a dict of arrays [B, ...]."""
        return {name: array[rows] for name, array in self.arrays.items()}


def encode_side(
    tokenizer: tokenize.PreTrainedTokenizerFast, context: str, options: Sequence[str]
) -> EncodedSide:
    """Token ids of a side, split where the scorer splits context and continuation.

    Raises:
      InputError: for an option without a token of its own.
    """
    if not options:
        return EncodedSide(tokenize.encode_prompt(tokenizer, context), ())
    pairs = tokenize.encode_options(tokenizer, context, options)
    return EncodedSide(pairs[0][0], tuple(continuation for _, continuation in pairs))


def lay_pairs(
    pairs: Sequence[EncodedPair],
    row_tokens: int,
    reference: np.ndarray | None = None,
    sides: Sequence[int] = (0, 1),
) -> PairRows:
    """Lays pairs in rows.

    Args:
      pairs: each with the same number of options on both sides, or none.
      row_tokens: T.
      reference: float32 [pairs, 2, O] of the options' log-likelihoods; None: zeros.
      sides: which sides are laid: the objective reads no other.

    Raises:
      DataError: naming a pair that is longer than a row.
    """
    most = max(len(pair.sides[1].options) for pair in pairs)
    if reference is None:
        reference = np.zeros((len(pairs), SIDES, most), np.float32)
    lengths = np.array([sum(_length(pair.sides[s]) for s in sides) for pair in pairs], np.int64)
    if lengths.max() > row_tokens:
        worst = int(lengths.argmax())
        raise DataError(
            f'{pairs[worst].where}: the pair has {lengths[worst]} tokens;'
            f' config.train.row_tokens is {row_tokens}: raise it, or leave the pair out'
        )
    row_of = assign(lengths, row_tokens)
    rows, in_row = int(row_of.max()) + 1, np.bincount(row_of)
    scored = np.zeros(rows, np.int64)
    for row, pair in zip(row_of, pairs, strict=True):
        scored[row] += sum(len(ids) for s in sides for ids in pair.sides[s].options)
    shape, K, M = (rows, row_tokens), max(1, int(scored.max())), int(in_row.max())
    index = np.broadcast_to(np.arange(row_tokens, dtype=np.int32), shape)
    arrays = {
        'tokens': np.zeros(shape, np.int32),
        'positions': np.zeros(shape, np.int32),
        'until': index.copy(),  # padding sees itself alone
        'side': np.zeros(shape, np.int32),
        'before': np.zeros((rows, K), np.int32),
        'target': np.zeros((rows, K), np.int32),
        'slot': np.full((rows, K), -1, np.int32),
        'options': np.zeros((rows, M, most), np.float32),
        'reference': np.zeros((rows, M, SIDES, most), np.float32),
        'item': np.full((rows, M), -1, np.int32),
    }
    ends, asked, met = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for number, (row, pair) in enumerate(zip(row_of, pairs, strict=True)):
        m = int(met[row])
        count = len(pair.sides[1].options)
        arrays['item'][row, m] = pair.item
        arrays['options'][row, m, :count] = 1
        arrays['reference'][row, m, :, :count] = reference[number, :, :count]
        for s in sides:
            begin, k = int(ends[row]), int(asked[row])
            views = {name: array[row] for name, array in arrays.items()}
            end, k = _lay_side(views, pair.sides[s], begin, k, SIDES * m + s, most)
            ends[row], asked[row] = end, k
        met[row] += 1
    return PairRows(arrays, len(pairs), int(lengths.sum()))


def _lay_side(
    row: dict[str, np.ndarray], side: EncodedSide, begin: int, k: int, number: int, most: int
) -> tuple[int, int]:
    """Lays a side from `begin` on; returns its end, and the option tokens of the row so far."""
    length, end = len(side.context), begin + _length(side)
    row['tokens'][begin : begin + length] = side.context
    row['positions'][begin : begin + length] = np.arange(length)
    row['until'][begin : begin + length] = end - 1
    row['side'][begin:end] = 1 + number
    place = begin + length
    for o, ids in enumerate(side.options):
        last = place + len(ids)
        row['tokens'][place:last] = ids
        row['positions'][place:last] = length + np.arange(len(ids))
        row['until'][place:last] = last - 1
        these = slice(k, k + len(ids))
        row['before'][these] = [begin + length - 1, *range(place, last - 1)]
        row['target'][these] = ids
        row['slot'][these] = number * most + o
        place, k = last, k + len(ids)
    return end, k


def _length(side: EncodedSide) -> int:
    return len(side.context) + sum(map(len, side.options))
