"""Where each part of the prefix tree is computed: in a shared prefix, or in a row.

A *prefix* is a stretch of tokens with which many paths go on alike (an instruction, the
demonstrations of a subject). It is computed once, its keys and values are kept, and rows attend to
them. Everything else is cut into subtrees that fit in a row, and the subtrees of one prefix are
packed into as few rows as possible. Prefixes nest: the demonstrations of a subject may follow an
instruction that all subjects share.
"""

import bisect
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from xlbarrier.scoring.paths import Paths

MIN_PREFIX = 32  # tokens; a shorter stretch is repeated in the rows that need it
PREFIX_COST = 512  # positions whose computation costs as much as a prefix's own dispatch
FULL = 0.92  # a packing that wastes less than the rest of this is good enough
GROWTH = 8  # rows get up to this many times `tokens` long for a better packing


@dataclass(frozen=True)
class Sizes:
    """What the planner may use.

    Attributes:
      tokens: T, of a row; longer rows are doubles of it.
      column_cost: what attending to one more key costs, in positions: the computation of a
        position that sees S keys costs 1 + S * column_cost.
      cache: tokens of prefixes whose keys and values are kept at once; 0: no prefix is shared.
    """

    tokens: int
    column_cost: float = 3e-4
    cache: int = 16_384

    def halved(self) -> 'Sizes':
        """With rows half as long."""
        return dataclasses.replace(self, tokens=self.tokens // 2)


@dataclass(frozen=True)
class Prefix:
    """Positions `start` to `stop` - 1 of path `path`; `parent` holds those before it, -1: none."""

    path: int
    start: int
    stop: int
    parent: int


@dataclass
class Part:
    """Subtrees in a row, as (first, last) paths, and the prefix that they follow (-1: none)."""

    prefix: int
    ranges: list[tuple[int, int]]


@dataclass
class PackedRow:
    """What one row computes: `used` of its `length` positions."""

    length: int
    used: int
    parts: list[Part]


@dataclass
class Layout:
    """Prefixes, parents before children, and the rows that need them, in the paths' order."""

    prefixes: list[Prefix]
    rows: list[PackedRow]

    def chain(self, prefix: int) -> list[int]:
        """A prefix after those it follows."""
        found: list[int] = []
        while prefix >= 0:
            found.append(prefix)
            prefix = self.prefixes[prefix].parent
        return found[::-1]

    def columns(self, prefix: int) -> int:
        """Tokens before what follows a prefix."""
        return self.prefixes[prefix].stop if prefix >= 0 else 0


@dataclass(frozen=True)
class Item:
    """Subtrees that stay together, and the positions that they take."""

    size: int
    ranges: list[tuple[int, int]]


@dataclass
class _Node:
    """A subtree that is cut further.

    Attributes:
      depth: positions that the subtree's own ones follow, of which its parent knows.
      prefix: that it follows.
      stem: depth at which its children begin.
      parent: node that takes its items; -1 where they are packed into rows.
    """

    depth: int
    prefix: int
    stem: int
    parent: int
    items: list[Item] = field(default_factory=list)


def lay_out(paths: Paths, sizes: Sizes) -> Layout:
    """Cuts the tree of all paths; a pure function of its arguments.

    Where rows of `sizes.tokens` would repeat many positions, longer ones are tried.
    """
    tree = int((paths.lengths - paths.common).sum())
    best: tuple[tuple[bool, float], Layout] | None = None
    for doubled in range(GROWTH.bit_length()):
        longer = dataclasses.replace(sizes, tokens=sizes.tokens << doubled)
        layout = _cut(paths, longer)
        used = sum(row.used for row in layout.rows)
        used += sum(prefix.stop - prefix.start for prefix in layout.prefixes)
        cost = sum(
            row.length
            * (1 + sizes.column_cost * (row.length + layout.columns(row.parts[0].prefix)))
            for row in layout.rows
        )
        wasteful = used > tree / FULL
        if best is None or (wasteful, cost) < best[0]:
            best = (wasteful, cost), layout
        if not wasteful:
            break
    assert best is not None
    return best[1]


def _cut(paths: Paths, sizes: Sizes) -> Layout:
    layout = Layout([], [])
    if not len(paths):
        return layout
    nodes = [_Node(0, -1, 0, -1)]
    waiting = [(0, len(paths), 0)]  # first path, last path, node that takes the items
    while waiting:
        first, last, above = waiting.pop()
        node = nodes[above]
        size = paths.size(first, last, node.stem)
        base = layout.columns(node.prefix)
        if last - first == 1 or size + node.stem - base <= sizes.tokens:
            node.items.append(Item(size, [(first, last)]))
            continue
        inner = paths.common[first + 1 : last]
        stem = int(inner.min())
        shared = min(stem, int(paths.first_asked[first:last].min()))
        below = paths.size(first, last, shared) if shared > base else 0
        if shared > base and _pays(shared - base, base, below, sizes):
            layout.prefixes.append(Prefix(first, base, shared, node.prefix))
            nodes.append(_Node(shared, len(layout.prefixes) - 1, shared, -1))
            waiting.append((first, last, len(nodes) - 1))
            continue
        nodes.append(_Node(node.stem, node.prefix, stem, above))
        edges = [first, *(np.flatnonzero(inner == stem) + first + 1).tolist(), last]
        children = list(itertools.pairwise(edges))
        waiting += [(a, b, len(nodes) - 1) for a, b in children[::-1]]
    rows: dict[int, list[PackedRow]] = {}
    for node in nodes[::-1]:  # children before parents
        if node.parent < 0:
            rows[node.prefix] = packed(node.items, layout.columns(node.prefix), node.prefix, sizes)
            continue
        room = sizes.tokens - (node.stem - layout.columns(node.prefix))
        for _, used, ranges in _fit(node.items, functools.partial(max, room)):
            nodes[node.parent].items.append(Item(used + node.stem - node.depth, ranges))
    layout.rows = [row for prefix in range(-1, len(layout.prefixes)) for row in rows[prefix]]
    return layout


def _pays(tokens: int, base: int, below: int, sizes: Sizes) -> bool:
    """Whether a prefix of `tokens` after `base` others saves work for `below` positions."""
    if tokens < MIN_PREFIX or base + tokens > sizes.cache:
        return False

    def repeated(length: int) -> float:
        if length <= tokens:
            return math.inf
        rows = max(1.0, below / (length - tokens))
        return rows * length * (1 + sizes.column_cost * (base + length))

    lengths = [sizes.tokens << doubled for doubled in range(GROWTH.bit_length())]
    kept = below * (1 + sizes.column_cost * (base + tokens + sizes.tokens))
    once = tokens * (1 + sizes.column_cost * (base + tokens)) + PREFIX_COST
    return kept + once < min(repeated(each) for each in lengths)


def packed(
    items: Sequence[Item], columns: int, prefix: int, sizes: Sizes, growth: int = GROWTH
) -> list[PackedRow]:
    """Items that follow `columns` tokens of a prefix in rows of the length that costs least."""
    if not items:
        return []
    total = sum(item.size for item in items)
    best: tuple[tuple[bool, float], list[PackedRow]] | None = None
    tokens = sizes.tokens
    while True:

        def length(size: int, shortest: int = tokens) -> int:
            while shortest < size:
                shortest *= 2
            return shortest

        rows = [
            PackedRow(size, used, [Part(prefix, ranges)])
            for size, used, ranges in _fit(items, length)
        ]
        computed = sum(row.length for row in rows)
        cost = sum(row.length * (1 + sizes.column_cost * (columns + row.length)) for row in rows)
        # The last row may be filled with what follows another prefix.
        wasteful = computed - tokens > total / FULL
        if best is None or (wasteful, cost) < best[0]:
            best = (wasteful, cost), rows
        if not wasteful or tokens >= growth * sizes.tokens:
            return best[1]
        tokens *= 2


def _fit(
    items: Sequence[Item], capacity: Callable[[int], int]
) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Best fit, the largest first: (positions, used ones, ranges) of each bin.

    Args:
      items: any number.
      capacity: positions of a bin that is opened for an item of a size.
    """
    order = sorted(range(len(items)), key=lambda i: (-items[i].size, items[i].ranges[0]))
    free: list[tuple[int, int]] = []  # (room, bin), sorted
    bins: list[tuple[int, int, list[tuple[int, int]]]] = []
    for i in order:
        item = items[i]
        at = bisect.bisect_left(free, (item.size, -1))
        if at < len(free):
            room, number = free.pop(at)
            size, used, ranges = bins[number]
            bins[number] = size, used + item.size, ranges + item.ranges
        else:
            room, number = capacity(item.size), len(bins)
            bins.append((room, item.size, list(item.ranges)))
        if room > item.size:
            bisect.insort(free, (room - item.size, number))
    return [(size, used, sorted(ranges)) for size, used, ranges in bins]


def merge(
    rows: Sequence[PackedRow],
    layout: Layout,
    limit: int,
    size: Callable[[int, int, int], int],
) -> list[PackedRow]:
    """Lays what is in rows far from full, in the order of the prefixes, into fewer rows.

    Args:
      rows: each of one prefix.
      layout: that they are of.
      limit: columns of prefixes that a row of several prefixes may attend to.
      size: positions that a range takes by itself: first, last, prefix.
    """
    found = [row for row in rows if row.used >= FULL * row.length]
    partial: dict[int, list[PackedRow]] = {}
    for row in rows:
        if row.used < FULL * row.length:
            partial.setdefault(row.length, []).append(row)
    for length, some in sorted(partial.items()):
        open_row = PackedRow(length, 0, [])
        known: set[int] = set()
        for row in some:
            (part,) = row.parts
            needed = set(layout.chain(part.prefix))
            if open_row.parts and columns_of(needed | known, layout) > limit:
                found.append(open_row)
                open_row, known = PackedRow(length, 0, []), set()
            # The largest first; what does not fit begins the next row.
            sizes = sorted((-size(*r, part.prefix), r) for r in part.ranges)
            taken: list[tuple[int, int]] = []
            left: list[tuple[int, int]] = []
            room, kept = length - open_row.used, 0
            for negative, r in sizes:
                if -negative <= room:
                    taken.append(r)
                    room += negative
                else:
                    left.append(r)
                    kept -= negative
            if row.used <= length - open_row.used:  # ranges that share a stem take less together
                taken, left, room = part.ranges, [], length - open_row.used - row.used
            if taken:
                open_row.parts.append(Part(part.prefix, taken))
                open_row.used = length - room
                known |= needed
            if left:
                found.append(open_row)
                open_row = PackedRow(length, min(row.used, kept), [Part(part.prefix, left)])
                known = needed
        if open_row.parts:
            found.append(open_row)
    return found


def columns_of(prefixes: Iterable[int], layout: Layout) -> int:
    """Columns that some prefixes take in the cache."""
    return sum(layout.prefixes[p].stop - layout.prefixes[p].start for p in prefixes)
