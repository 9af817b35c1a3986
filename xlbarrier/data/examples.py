"""Examples that stay whole: packed side by side in few rows, or each padded in a row of its own."""

import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from xlbarrier.data.pack import BLOCK_TOKENS, PackedRows, lay
from xlbarrier.errors import InputError
from xlbarrier.run import writing


class Encoded(NamedTuple):
    """An example as token ids, and the weight of predicting each."""

    ids: Sequence[int]
    weights: Sequence[float]


def assign(lengths: np.ndarray, row_tokens: int) -> np.ndarray:
    """The row of each example, so that few rows are needed.

    Minimum bin slack (Gupta and Ho 1999): a row takes the longest example that is left, and of the
    others those that fill what room it has as well as any do. Examples of one length are alike, so
    that rows are found by the histogram of lengths, as in Krell et al. 2021 (arXiv 2107.02027):
    one that was found is made as often as the lengths allow. Of equals the first comes first, and
    rows are numbered by the first example in each.

    Args:
      lengths: int [N] tokens of each example, 1 to `row_tokens`.
      row_tokens: T.

    Returns:
      int64 [N] row of each example.

    Raises:
      ValueError: for a length outside 1 to `row_tokens`.
    """
    lengths = np.asarray(lengths, np.int64)
    if len(lengths) and not (lengths.min() >= 1 and lengths.max() <= row_tokens):
        raise InputError(
            f'lengths are {lengths.min()} to {lengths.max()}; expected 1 to'
            f' row_tokens = {row_tokens}'
        )
    order = np.argsort(lengths, kind='stable')
    found, begins, counts = np.unique(lengths[order], return_index=True, return_counts=True)
    begin = dict(zip(found.tolist(), begins.tolist(), strict=True))
    left = dict(zip(found[::-1].tolist(), counts[::-1].tolist(), strict=True))  # longest first
    row_of, made = np.empty(len(lengths), np.int64), 0
    while left:
        row = _row(left, row_tokens)
        times = min(left[length] // count for length, count in row.items())
        for length, count in row.items():
            taken = order[begin[length] : begin[length] + times * count]
            row_of[taken] = np.repeat(np.arange(made, made + times), count)
            begin[length] += times * count
            left[length] -= times * count
            if not left[length]:
                del left[length]
        made += times
    first = np.full(made, len(lengths))
    np.minimum.at(first, row_of, np.arange(len(lengths)))
    number = np.empty(made, np.int64)
    number[np.argsort(first)] = np.arange(made)
    return number[row_of]


def _row(left: Mapping[int, int], row_tokens: int) -> dict[int, int]:
    """Lengths and how many of each make the fullest row with the longest that is left.

    Args:
      left: how many examples there are of each length, longest first.
      row_tokens: room of a row.
    """
    longest = next(iter(left))
    room = row_tokens - longest
    sums, before = 1, []  # bit n: some of the lengths looked at so far add up to n
    for length, count in left.items():
        count -= length == longest
        if length > room or not count:
            continue
        before.append((length, sums))
        moved = sums
        for _ in range(min(count, room // length)):
            moved = (moved << length) & ((2 << room) - 1)
            sums |= moved
        if sums >> room:
            break
    row, at = {longest: 1}, sums.bit_length() - 1
    for length, earlier in reversed(before):
        while not earlier >> at & 1:
            row[length] = row.get(length, 0) + 1
            at -= length
    return row


class ExamplePacker:
    """Collects examples on disk and lays them in rows at the end.

    Only the lengths, and one block of rows at a time, are in memory.
    """

    def __init__(self, row_tokens: int, folder: pathlib.Path | None = None, *, pad: bool = False):
        """Begins without examples.

        Args:
          row_tokens: T.
          folder: of the temporary files; they have no name, so that a killed process leaves
            none.
          pad: whether each example gets a row of its own, which is padded.

        Raises:
          ValueError: when a row has no room for two tokens.
        """
        if row_tokens < 2:
            raise InputError(f'row_tokens is {row_tokens}; expected at least 2')
        self._pad = pad
        self._row_tokens, self._folder = row_tokens, folder or pathlib.Path(tempfile.gettempdir())
        with writing(self._folder):
            self._tokens = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 closed by __exit__
            self._weights = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._lengths: list[int] = []

    def __enter__(self) -> 'ExamplePacker':
        return self

    def __exit__(self, *error: object) -> None:
        self._tokens.close()
        self._weights.close()

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, examples: Iterable[Encoded]) -> None:
        """Adds examples, none of them empty or longer than a row.

        Raises:
          RunError: when the folder is full.
        """
        for ids, weights in examples:
            with writing(self._folder):
                self._tokens.write(np.asarray(ids, np.int32).tobytes())
                self._weights.write(np.asarray(weights, np.float32).tobytes())
            self._lengths.append(len(ids))

    def rows(self) -> Iterator[PackedRows]:
        """Blocks of rows; a row has whole examples in the order they came, then padding.

        Raises:
          ValueError: when there is no example, or one is empty or longer than a row.
        """
        if not self._lengths:
            raise InputError('there is no example: nothing to pack')
        lengths = np.array(self._lengths, np.int64)
        if self._pad and lengths.min() >= 1 and lengths.max() <= self._row_tokens:
            row_of = np.arange(len(lengths))
        else:
            row_of = assign(lengths, self._row_tokens)
        offsets = np.cumsum(lengths) - lengths
        with writing(self._folder):
            self._tokens.flush()
            self._weights.flush()
        tokens = np.memmap(self._tokens, np.int32, 'r')
        weights = np.memmap(self._weights, np.float32, 'r')
        order = np.argsort(row_of, kind='stable')
        edges = np.searchsorted(row_of[order], np.arange(row_of.max() + 2))
        block = max(1, BLOCK_TOKENS // self._row_tokens)
        for first in range(0, len(edges) - 1, block):
            last = min(first + block, len(edges) - 1)
            size = (last - first) * self._row_tokens
            flat = np.zeros(size, np.int32)
            weight = np.zeros(size, np.float32)
            starts = np.ones(size, bool)  # padding tokens are segments of their own
            for row in range(first, last):
                place = (row - first) * self._row_tokens
                for i in order[edges[row] : edges[row + 1]]:
                    length = lengths[i]
                    there = slice(offsets[i], offsets[i] + length)
                    flat[place : place + length] = tokens[there]
                    weight[place : place + length] = weights[there]
                    starts[place + 1 : place + length] = False
                    place += length
            yield lay(flat, starts, self._row_tokens, weight)


def chunks(ids: Sequence[int], row_tokens: int) -> Iterator[Encoded]:
    """A document cut into pieces of at most `row_tokens` tokens, all of them to be predicted.

    A last piece of one token, which nothing predicts, is left out.
    """
    for start in range(0, len(ids), row_tokens):
        piece = ids[start : start + row_tokens]
        if len(piece) > 1:
            yield Encoded(piece, [1.0] * len(piece))
