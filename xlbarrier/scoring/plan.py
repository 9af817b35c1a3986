"""Requests laid out as token tries in rows of few shapes, so that no row holds a prefix twice.

The requests are sorted by their tokens, and each row takes as many as fit. A row is the trie of its
requests in depth-first order: a node's `until` is the last place of its subtree, so that by the
decoder's visibility rule it attends to its ancestors only. An instruction, a question stem or the
first words of two options are thus computed once a row, without copies. The last token of a
continuation is only predicted, never an input.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.scoring.request import Request

ROUND = 32  # needed positions and pairs are rounded up to a multiple of this


@dataclass
class Row:
    """One trie.

    Attributes:
      tokens, positions, until: of its nodes, in depth-first order.
      slots: places whose next-token distribution is needed.
      pairs: (index into slots, token) to score.
      requests: for each request in the row, its number and the indices of its pairs.
    """

    tokens: list[int]
    positions: list[int]
    until: list[int]
    slots: list[int]
    pairs: list[tuple[int, int]]
    requests: list[tuple[int, list[int]]]


@dataclass(frozen=True)
class Batch:
    """Rows of one shape: arrays for the step, and which requests they answer.

    Attributes:
      arrays: tokens, positions, until int32 [B, T]; slots int32 [B, P]; pair_slots, pair_tokens
        int32 [B, K].
      answers: (request number, row, indices of its pairs in that row).
    """

    arrays: dict[str, np.ndarray]
    answers: list[tuple[int, int, list[int]]]


def plan(requests: Sequence[Request], *, row_tokens: int, batch_rows: int) -> list[Batch]:
    """Lays out distinct, checked requests; a pure function of its arguments.

    The rows are the same in whatever order the requests come.

    Args:
      requests: without repetition; each has passed `check`.
      row_tokens: tokens of a row; a longer request takes a row twice, four times ... as long.
      batch_rows: B.

    Raises:
      ValueError: when row_tokens or batch_rows is not positive.
    """
    for name, size in (('row_tokens', row_tokens), ('batch_rows', batch_rows)):
        if size < 1:
            raise InputError(f'{name} is {size}; wanted at least 1')
    buckets: dict[int, list[int]] = {}
    for number, request in enumerate(requests):
        need, size = len(request.context) + len(request.continuation) - 1, row_tokens
        while size < need:
            size *= 2
        buckets.setdefault(size, []).append(number)
    batches = []
    for size in sorted(buckets):
        batches += _batches(_rows(requests, buckets[size], size), size, batch_rows)
    return batches


def shapes(batches: Sequence[Batch]) -> list[tuple[int, ...]]:
    """The distinct (B, T, P, K): each is compiled once."""
    found = {
        (*b.arrays['tokens'].shape, b.arrays['slots'].shape[1], b.arrays['pair_slots'].shape[1])
        for b in batches
    }
    return sorted(found)


def _rows(requests: Sequence[Request], numbers: Sequence[int], size: int) -> list[Row]:
    def key(number: int) -> tuple:
        request = requests[number]
        return (request.context + request.continuation, len(request.context))

    tries: list[_Trie] = []
    for number in sorted(numbers, key=key):
        nodes = requests[number].context + requests[number].continuation[:-1]
        if not tries or not tries[-1].add(nodes, size):
            tries.append(_Trie())
            tries[-1].add(nodes, size)
        tries[-1].ask(number, requests[number])
    return [trie.close() for trie in tries]


class _Trie:
    """A row under construction; requests come in the order of their tokens."""

    def __init__(self):
        self.row = Row([], [], [], [], [], [])
        self._path: list[int] = []  # places of the nodes from the root to the last request's end
        self._slot_of: dict[int, int] = {}
        self._pair_of: dict[tuple[int, int], int] = {}

    def add(self, nodes: Sequence[int], size: int) -> bool:
        """Adds a path from the root, unless the row would have more than `size` nodes."""
        tokens = self.row.tokens
        shared = 0
        for place, token in zip(self._path, nodes, strict=False):
            if tokens[place] != token:
                break
            shared += 1
        if len(tokens) + len(nodes) - shared > size:
            return False
        self._leave(shared)
        for depth in range(shared, len(nodes)):
            self._path.append(len(tokens))
            tokens.append(nodes[depth])
            self.row.positions.append(depth)
            self.row.until.append(-1)
        return True

    def close(self) -> Row:
        """The finished row."""
        self._leave(0)
        return self.row

    def _leave(self, depth: int) -> None:
        """Nothing more comes below the path's nodes from `depth` on: their subtrees end here."""
        for place in self._path[depth:]:
            self.row.until[place] = len(self.row.tokens) - 1
        del self._path[depth:]

    def ask(self, number: int, request: Request) -> None:
        """Notes which pairs answer the request whose path was added last."""
        start = len(request.context) - 1
        indices = []
        for place, token in zip(self._path[start:], request.continuation, strict=True):
            slot = self._slot_of.setdefault(place, len(self._slot_of))
            if slot == len(self.row.slots):
                self.row.slots.append(place)
            index = self._pair_of.setdefault((slot, token), len(self._pair_of))
            if index == len(self.row.pairs):
                self.row.pairs.append((slot, token))
            indices.append(index)
        self.row.requests.append((number, indices))


def _batches(rows: list[Row], size: int, batch_rows: int) -> list[Batch]:
    slots = _round_up(max(len(row.slots) for row in rows), size)
    pairs = _round_up(max(len(row.pairs) for row in rows), None)
    batches = []
    for start in range(0, len(rows), batch_rows):
        chunk = rows[start : start + batch_rows]
        arrays = {
            'tokens': np.zeros((batch_rows, size), np.int32),
            'positions': np.zeros((batch_rows, size), np.int32),
            # Padding sees itself alone.
            'until': np.tile(np.arange(size, dtype=np.int32), (batch_rows, 1)),
            'slots': np.zeros((batch_rows, slots), np.int32),
            'pair_slots': np.zeros((batch_rows, pairs), np.int32),
            'pair_tokens': np.zeros((batch_rows, pairs), np.int32),
        }
        answers = []
        for i, row in enumerate(chunk):
            for name in ('tokens', 'positions', 'until', 'slots'):
                values = getattr(row, name)
                arrays[name][i, : len(values)] = values
            arrays['pair_slots'][i, : len(row.pairs)] = [slot for slot, _ in row.pairs]
            arrays['pair_tokens'][i, : len(row.pairs)] = [token for _, token in row.pairs]
            answers += [(number, i, indices) for number, indices in row.requests]
        batches.append(Batch(arrays, answers))
    return batches


def _round_up(count: int, limit: int | None) -> int:
    rounded = -(-count // ROUND) * ROUND
    return rounded if limit is None else min(rounded, limit)
