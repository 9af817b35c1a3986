"""Examples that stay whole, packed side by side: as few rows as best fit makes of them."""

import bisect
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from xlbarrier.data.pack import BLOCK_TOKENS, PackedRows, lay
from xlbarrier.run import writing


class Encoded(NamedTuple):
    """An example as token ids, and the weight of predicting each."""

    ids: Sequence[int]
    weights: Sequence[float]


def best_fit(lengths: np.ndarray, row_tokens: int) -> np.ndarray:
    """Best fit decreasing: the row of each example.

    The longest examples are placed first, each in the fullest row that has room for it; of equals
    the first comes first (Johnson 1974, Fast algorithms for bin packing). Rows are numbered by the
    first example that each of them holds.

    Args:
      lengths: int [N] tokens of each example, 1 to `row_tokens`.
      row_tokens: T.

    Returns:
      int64 [N] row of each example.

    Raises:
      ValueError: for a length that is no row's.
    """
    lengths = np.asarray(lengths, np.int64)
    if len(lengths) and not (lengths.min() >= 1 and lengths.max() <= row_tokens):
        raise ValueError(
            f'lengths are {lengths.min()} to {lengths.max()}; wanted 1 to row_tokens = {row_tokens}'
        )
    row_of = np.empty(len(lengths), np.int64)
    order = np.argsort(-lengths, kind='stable')
    open_rows: dict[int, list[int]] = {}  # by room left
    rooms: list[int] = []  # keys of open_rows, sorted
    made, at = 0, 0
    while at < len(order):
        length = int(lengths[order[at]])
        end = at + int(np.searchsorted(-lengths[order[at:]], -length, side='right'))
        # Of equal lengths the fullest row takes as many as it can: it stays the fullest.
        while at < end:
            i = bisect.bisect_left(rooms, length)
            if i < len(rooms):
                room = rooms[i]
                row = open_rows[room].pop()
                if not open_rows[room]:
                    del open_rows[room], rooms[i]
            else:
                room, row, made = row_tokens, made, made + 1
            count = min(room // length, end - at)
            row_of[order[at : at + count]] = row
            at += count
            left = room - count * length
            if left:
                if left not in open_rows:
                    open_rows[left] = []
                    bisect.insort(rooms, left)
                open_rows[left].append(row)
    first = np.full(made, len(lengths))
    np.minimum.at(first, row_of, np.arange(len(lengths)))
    number = np.empty(made, np.int64)
    number[np.argsort(first)] = np.arange(made)
    return number[row_of]


class ExamplePacker:
    """Examples taken up one after another, kept on disk, and laid in rows at the end.

    In memory there are the lengths, and a block of rows at a time.
    """

    def __init__(self, row_tokens: int, folder: pathlib.Path | None = None):
        """Takes up nothing yet.

        Args:
          row_tokens: T.
          folder: of the files that the examples wait in; they have no name, so that a killed
            process leaves none.

        Raises:
          ValueError: when a row could not hold two tokens.
        """
        if row_tokens < 2:
            raise ValueError(f'row_tokens is {row_tokens}; wanted at least 2')
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
        """Takes up examples, none of them empty or longer than a row.

        Raises:
          RunError: when the folder is full.
        """
        for ids, weights in examples:
            with writing(self._folder):
                self._tokens.write(np.asarray(ids, np.int32).tobytes())
                self._weights.write(np.asarray(weights, np.float32).tobytes())
            self._lengths.append(len(ids))

    def rows(self) -> Iterator[PackedRows]:
        """Blocks of rows; a row holds whole examples in the order they came, then padding.

        Raises:
          ValueError: when there is no example, or one is empty or longer than a row.
        """
        if not self._lengths:
            raise ValueError('there is no example: nothing to pack')
        lengths = np.array(self._lengths, np.int64)
        row_of = best_fit(lengths, self._row_tokens)
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
