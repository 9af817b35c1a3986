"""Rows as arrays: the tries that a device computes, and what each of their nodes sees.

A row's nodes and the columns of the prefixes that they follow are numbered in one depth-first
order, and key j is visible to query i iff order[j] <= order[i] <= until[j]: a node sees its
ancestors and itself, whether they are computed in the row or kept from before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from xlbarrier.scoring.layout import Layout, PackedRow, Part
from xlbarrier.scoring.paths import Paths, common_length
from xlbarrier.scoring.request import Request

NEVER = -1  # `until` of a column that nothing sees


@dataclass
class TrieRow:
    """One row.

    Attributes:
      tokens, positions, order, until: int32 [used], of its nodes in depth-first order.
      columns: the prefixes that it follows, and for each the order of its first column and
        `until` of all its columns.
      slots: nodes whose next-token distribution is needed.
      pairs: (index into slots, token) to score.
      requests: for each request in the row, its number and the indices of its pairs.
      makes: prefixes that this row computes, each with the first of its nodes.
    """

    tokens: np.ndarray
    positions: np.ndarray
    order: np.ndarray
    until: np.ndarray
    columns: list[tuple[int, int, int]]
    slots: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)
    requests: list[tuple[int, list[int]]] = field(default_factory=list)
    makes: list[tuple[int, int]] = field(default_factory=list)


def question_row(
    packed: PackedRow, paths: Paths, layout: Layout, requests: Sequence[Request]
) -> TrieRow:
    """The row of subtrees that answer requests."""
    builder = _Builder(layout)
    for prefix, parts in _by_prefix(packed.parts, layout).items():
        builder.open(prefix)
        base, before = layout.columns(prefix), None
        for first, last in sorted(r for part in parts for r in part.ranges):
            for number in range(first, last):
                ids = paths.ids[number]
                shared = base
                if before is not None:
                    shared = (
                        int(paths.common[number]) if number > first else common_length(before, ids)
                    )
                nodes = builder.add(ids, base, max(shared, base) if before is not None else base)
                before = ids
                for asked in paths.asked[number]:
                    request = requests[asked.request]
                    start = asked.start - base
                    builder.ask(asked.request, nodes[start:], request)
    return builder.close()


def prefix_row(packed: PackedRow, paths: Paths, layout: Layout) -> TrieRow:
    """The row of prefixes to compute; its ranges are of `layout.prefixes`."""
    builder = _Builder(layout)
    for parent, parts in _by_prefix(packed.parts, layout).items():
        builder.open(parent)
        for number, _ in sorted(r for part in parts for r in part.ranges):
            prefix = layout.prefixes[number]
            nodes = builder.add(paths.ids[prefix.path][: prefix.stop], prefix.start, prefix.start)
            builder.row.makes.append((number, int(nodes[0])))
    return builder.close()


def _by_prefix(parts: Sequence[Part], layout: Layout) -> dict[int, list[Part]]:
    """The parts that follow each prefix that a row needs; ancestors come first."""
    needed = {p for part in parts for p in layout.chain(part.prefix)}
    found: dict[int, list[Part]] = {-1: [], **{p: [] for p in sorted(needed)}}
    for part in parts:
        found[part.prefix].append(part)
    return found


class _Builder:
    """A row under construction; prefixes are opened parents first, in depth-first order."""

    def __init__(self, layout: Layout):
        none = np.zeros(0, np.int32)
        self.row = TrieRow(none, none, none, none, [])
        self._layout = layout
        self._tokens: list[np.ndarray] = []
        self._positions: list[np.ndarray] = []
        self._until: list[list[np.ndarray]] = []
        self._count = 0  # nodes so far
        self._behind = 0  # columns so far
        self._opened: list[int] = []  # indices into row.columns, from the root to the current one
        self._path = none  # nodes of the path that was added last
        self._ends: list[tuple[np.ndarray, int]] = []  # nodes whose subtrees end, and where
        self._orders: list[np.ndarray] = []
        self._slot_of: dict[int, int] = {}
        self._pair_of: dict[tuple[int, int], int] = {}

    def open(self, prefix: int) -> None:
        """What is added next follows this prefix."""
        self._leave(0)
        if prefix < 0:
            return
        chain = set(self._layout.chain(prefix))
        while self._opened and self.row.columns[self._opened[-1]][0] not in chain:
            self._shut()
        held = self._layout.prefixes[prefix]
        self._opened.append(len(self.row.columns))
        self.row.columns.append((prefix, self._count + self._behind, NEVER))
        self._behind += held.stop - held.start

    def add(self, ids: np.ndarray, base: int, shared: int) -> np.ndarray:
        """Adds a path below `base`, which shares its first `shared` tokens with the one before.

        Returns:
          Its nodes, from depth `base` on.
        """
        self._leave(shared - base)
        new = np.arange(self._count, self._count + len(ids) - shared)
        self._tokens.append(ids[shared:])
        self._positions.append(np.arange(shared, len(ids)))
        self._orders.append(new + self._behind)
        self._count += len(new)
        self._path = np.concatenate([self._path, new])
        return self._path

    def ask(self, number: int, nodes: np.ndarray, request: Request) -> None:
        """Notes which pairs answer a request whose first token is predicted at nodes[0]."""
        indices, row = [], self.row
        for node, token in zip(nodes.tolist(), request.continuation, strict=False):
            slot = self._slot_of.setdefault(node, len(self._slot_of))
            if slot == len(row.slots):
                row.slots.append(node)
            index = self._pair_of.setdefault((slot, token), len(self._pair_of))
            if index == len(row.pairs):
                row.pairs.append((slot, token))
            indices.append(index)
        row.requests.append((number, indices))

    def close(self) -> TrieRow:
        """The finished row."""
        self._leave(0)
        while self._opened:
            self._shut()
        row = self.row
        row.tokens = np.concatenate(self._tokens).astype(np.int32)
        row.positions = np.concatenate(self._positions).astype(np.int32)
        row.order = np.concatenate(self._orders).astype(np.int32)
        row.until = np.empty(self._count, np.int32)
        for nodes, end in self._ends:
            row.until[nodes] = end
        return row

    def _leave(self, depth: int) -> None:
        """Nothing more comes below the path's nodes from `depth` on: their subtrees end here."""
        self._ends.append((self._path[depth:], self._count + self._behind - 1))
        self._path = self._path[:depth]

    def _shut(self) -> None:
        at = self._opened.pop()
        prefix, first, _ = self.row.columns[at]
        self.row.columns[at] = (prefix, first, self._count + self._behind - 1)


@dataclass(frozen=True)
class Shape:
    """What is compiled once: B rows of T positions after P columns, S slots and K pairs in each."""

    rows: int
    length: int
    columns: int
    slots: int
    pairs: int


def arrays(
    rows: Sequence[TrieRow], shape: Shape, layout: Layout, first_column: Mapping[int, int]
) -> dict[str, np.ndarray]:
    """The step's arguments, int32.

    Args:
      rows: at most shape.rows.
      shape: room for all of them.
      layout: of their prefixes.
      first_column: where in the cache each prefix begins.

    Returns:
      tokens, positions, until [B, T]; with columns also order [B, T] and columns, column_positions,
      column_order, column_until [B, P]; with slots also slots [B, S], pair_slots and pair_tokens
      [B, K]; else `kept` [B, T], the column of the cache that each node is kept in, -1: none.
    """
    B, T, P = shape.rows, shape.length, shape.columns
    # Padding sees itself alone.
    order = np.tile(np.arange(P, P + T, dtype=np.int32), (B, 1))
    made = {name: np.zeros((B, T), np.int32) for name in ('tokens', 'positions')}
    made['until'] = order.copy()
    if P:
        made |= {name: np.zeros((B, P), np.int32) for name in ('columns', 'column_positions')}
        made['order'] = order
        made['column_order'] = np.zeros((B, P), np.int32)
        made['column_until'] = np.full((B, P), NEVER, np.int32)
    if shape.slots:
        made['slots'] = np.zeros((B, shape.slots), np.int32)
        made['pair_slots'] = np.zeros((B, shape.pairs), np.int32)
        made['pair_tokens'] = np.zeros((B, shape.pairs), np.int32)
    else:
        made['kept'] = np.full((B, T), -1, np.int32)
    for i, row in enumerate(rows):
        count = len(row.tokens)
        made['tokens'][i, :count] = row.tokens
        made['positions'][i, :count] = row.positions
        made['until'][i, :count] = row.until
        if P:
            made['order'][i, :count] = row.order
            at = 0
            for number, first, until in row.columns:
                prefix = layout.prefixes[number]
                size = prefix.stop - prefix.start
                here = np.s_[i, at : at + size]
                made['columns'][here] = np.arange(size) + first_column[number]
                made['column_positions'][here] = np.arange(prefix.start, prefix.stop)
                made['column_order'][here] = np.arange(size) + first
                made['column_until'][here] = until
                at += size
        if shape.slots:
            made['slots'][i, : len(row.slots)] = row.slots
            made['pair_slots'][i, : len(row.pairs)] = [slot for slot, _ in row.pairs]
            made['pair_tokens'][i, : len(row.pairs)] = [token for _, token in row.pairs]
        for number, node in row.makes:
            prefix = layout.prefixes[number]
            size = prefix.stop - prefix.start
            made['kept'][i, node : node + size] = np.arange(size) + first_column[number]
    return made
