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

ROUND = 32  # needed positions and pairs are rounded up to a multiple of this


@dataclass(frozen=True)
class Request:
    """Token ids of a context and of the continuation whose log-likelihood is asked for."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]


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


def plan(
    requests: Sequence[Request], *, row_tokens: int, batch_rows: int, max_positions: int
) -> list[Batch]:
    """Lays out distinct requests; a pure function of its arguments.

    Args:
      requests: without repetition.
      row_tokens: tokens of a row; a longer request takes a row twice, four times ... as long.
      batch_rows: B.
      max_positions: longest context that the model takes.

    Raises:
      ValueError: naming the request that cannot be scored.
    """
    buckets: dict[int, list[int]] = {}
    for number, request in enumerate(requests):
        check(request, number, max_positions)
        need, size = len(request.context) + len(request.continuation) - 1, row_tokens
        while size < need:
            size *= 2
        buckets.setdefault(size, []).append(number)
    batches = []
    for size in sorted(buckets):
        batches += _batches(_rows(requests, buckets[size], size), size, batch_rows)
    return batches


def check(request: Request, number: int, max_positions: int) -> None:
    """Raises ValueError, naming the request, when it has no context, no continuation or no room."""
    length = len(request.context) + len(request.continuation)
    if not request.continuation:
        raise ValueError(f'request {number}: the continuation has no token')
    if not request.context:
        raise ValueError(
            f'request {number}: the context has no token (and no BOS), so that the first token of'
            ' the continuation cannot be predicted'
        )
    if length - 1 > max_positions:
        raise ValueError(
            f'request {number} has {length} tokens; the model takes {max_positions} positions'
        )


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

    rows, path, trie = [], [], None
    for number in sorted(numbers, key=key):
        nodes = requests[number].context + requests[number].continuation[:-1]
        shared = 0 if trie is None else trie.shared(nodes)
        if trie is None or len(trie.row.tokens) + len(nodes) - shared > size:
            trie = _Trie()
            rows.append(trie.row)
        path = trie.add(nodes)
        trie.ask(number, requests[number], path)
    return rows


class _Trie:
    """A row under construction; requests come in the order of their tokens."""

    def __init__(self):
        self.row = Row([], [], [], [], [], [])
        self._path: list[int] = []  # places of the nodes from the root to the last request's end
        self._slot_of: dict[int, int] = {}
        self._pair_of: dict[tuple[int, int], int] = {}

    def shared(self, nodes: Sequence[int]) -> int:
        """Length of the prefix of `nodes` that the last path holds."""
        count = 0
        for place, token in zip(self._path, nodes, strict=False):
            if self.row.tokens[place] != token:
                break
            count += 1
        return count

    def add(self, nodes: Sequence[int]) -> list[int]:
        """Adds a path from the root; returns the places of its nodes."""
        row = self.row
        path = self._path[: self.shared(nodes)]
        for depth in range(len(path), len(nodes)):
            path.append(len(row.tokens))
            row.tokens.append(nodes[depth])
            row.positions.append(depth)
            row.until.append(-1)
        for place in path:
            row.until[place] = len(row.tokens) - 1
        self._path = path
        return path

    def ask(self, number: int, request: Request, path: Sequence[int]) -> None:
        """Notes which pairs answer a request."""
        start = len(request.context) - 1
        indices = []
        for place, token in zip(path[start:], request.continuation, strict=True):
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
