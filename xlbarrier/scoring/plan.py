"""The plan of a scoring run: which batches compute what, in which order.

All requests make one prefix tree (`paths`). Stretches that many of them share are computed once
(`layout`), in *chapters*: as many prefixes as the cache takes are computed first, then the rows
that need them (`rows`). Batches have few shapes.
"""

import collections
import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from xlbarrier.errors import InputError
from xlbarrier.scoring import layout as layout_lib
from xlbarrier.scoring import paths as paths_lib
from xlbarrier.scoring import rows as rows_lib
from xlbarrier.scoring.layout import Item, Layout, PackedRow, Sizes
from xlbarrier.scoring.request import Request
from xlbarrier.scoring.rows import Shape, TrieRow

COLUMNS = 128  # columns of prefixes are rounded up to 1 to 8, 10, 12, 14, 16, 20 ... times this
COMPILING = 20_000  # positions whose computation costs as much as compiling a shape
SHORTEST = 32  # a row is not cut below this
FRACTIONS = (0.625, 0.75, 0.875, 1.0)  # of a power of two: lengths of rows of prefixes
TAIL = 16  # a dispatch costs this part of a full one, besides its positions


@dataclass
class Batch:
    """Rows of one shape, in the order of dispatch.

    Attributes:
      rows: at most shape.rows.
      shape: of the arrays; without slots the batch computes prefixes.
      chapter: batches of prefixes and questions of one number belong together.
      first_column: where in the cache the prefixes of this chapter begin.
    """

    rows: list[TrieRow]
    shape: Shape
    chapter: int
    first_column: dict[int, int]

    @property
    def answers(self) -> list[tuple[int, int, list[int]]]:
        """(request number, row, indices of its pairs in that row)."""
        return [(n, i, pairs) for i, row in enumerate(self.rows) for n, pairs in row.requests]

    @property
    def needs(self) -> set[int]:
        """Prefixes that have to be in the cache."""
        return {prefix for row in self.rows for prefix, _, _ in row.columns}

    @property
    def makes(self) -> set[int]:
        """Prefixes that it puts there."""
        return {prefix for row in self.rows for prefix, _ in row.makes}

    @property
    def positions(self) -> int:
        """Computed ones, padding included."""
        return self.shape.rows * self.shape.length


@dataclass(frozen=True)
class Plan:
    """Batches in the order of dispatch.

    Attributes:
      batches: all.
      layout: of their prefixes.
      cache: columns of the cache of prefixes; 0: none is needed.
      asked: positions of one prompt a request, as a scorer without shared prefixes has them.
      tree: distinct ones: the least that has to be computed.
    """

    batches: list[Batch]
    layout: Layout
    cache: int
    asked: int
    tree: int

    @property
    def computed(self) -> int:
        """Positions that are computed, padding included."""
        return sum(batch.positions for batch in self.batches)

    @property
    def shapes(self) -> list[Shape]:
        """The distinct ones: each is compiled once."""
        found = {batch.shape for batch in self.batches}
        return sorted(found, key=lambda s: (s.slots > 0, s.length, s.columns, s.rows))

    def words(self) -> str:
        """The plan in one line."""
        prefixes = self.layout.prefixes
        held = sum(prefix.stop - prefix.start for prefix in prefixes)
        saved = 1 - self.computed / max(self.asked, 1)
        return (
            f'{self.asked:,} positions asked, {self.tree:,} distinct, {self.computed:,} computed'
            f' (padding included: {self.computed / max(self.tree, 1):.3f} x the distinct ones,'
            f' {saved:.0%} less than asked); {len(prefixes)} shared prefixes of {held:,} tokens;'
            f' {len(self.batches)} batches of {len(self.shapes)} shapes'
        )

    def remaining(self, known: Sequence[bool]) -> list[Batch]:
        """The batches still to compute when the answers to some requests are known."""
        needed: set[tuple[int, int]] = set()
        found = []
        for batch in self.batches[::-1]:
            if batch.shape.slots:
                due = not all(known[number] for number, _, _ in batch.answers)
            else:
                due = any((batch.chapter, prefix) in needed for prefix in batch.makes)
            if due:
                needed |= {(batch.chapter, prefix) for prefix in batch.needs}
                found.append(batch)
        return found[::-1]


@dataclass
class _Chapter:
    """Prefixes that are in the cache at one time, and the rows that follow them."""

    prefixes: dict[int, int] = field(default_factory=dict)  # prefix -> its first column
    size: int = 0
    rows: list[PackedRow] = field(default_factory=list)


def plan(
    requests: Sequence[Request], sizes: Sizes, *, rows_per_device: int, shards: int = 1
) -> Plan:
    """Lays out distinct, checked requests; a pure function of its arguments.

    The batches are the same in whatever order the requests come.

    Args:
      requests: without repetition; each has passed `request.check`.
      sizes: of rows and of the cache.
      rows_per_device: most rows of sizes.tokens positions in a dispatch; longer rows are fewer.
      shards: devices that share the rows of a batch.

    Raises:
      ValueError: when row_tokens or rows_per_device is not positive.
    """
    for name, size in (('row_tokens', sizes.tokens), ('rows_per_device', rows_per_device)):
        if size < 1:
            raise InputError(f'{name} is {size}; expected at least 1')
    paths = paths_lib.arrange(requests)
    tree = int((paths.lengths - paths.common).sum())
    asked = sum(len(r.context) + len(r.continuation) - 1 for r in requests)
    dispatch = sizes.tokens * rows_per_device
    while sizes.tokens // 2 >= max(SHORTEST, tree):
        sizes = sizes.halved()
    layout = layout_lib.lay_out(paths, sizes)
    chapters = _chapters(layout, sizes)
    cuts: list[_Cut] = []
    prefix_rows = _prefix_rows([_levels(c, layout) for c in chapters], layout, sizes)
    for number, chapter in enumerate(chapters):
        for level in prefix_rows[number]:
            made = [rows_lib.prefix_row(packed, paths, layout) for packed in level]
            cuts += _cut(made, level, number, chapter)
        widest = max((layout.columns(p) for p in chapter.prefixes), default=0)

        def positions(first: int, last: int, prefix: int) -> int:
            return paths.size(first, last, layout.columns(prefix))

        merged = layout_lib.merge(chapter.rows, layout, 2 * widest, positions)
        if not _merging_pays(chapter.rows, merged, layout, sizes):
            merged = chapter.rows
        made = [rows_lib.question_row(packed, paths, layout, requests) for packed in merged]
        cuts += _cut(made, merged, number, chapter)
    batches = _in_shapes(cuts, layout, sizes, dispatch, shards)
    cache = max((chapter.size for chapter in chapters), default=0)
    return Plan(batches, layout, -(-cache // COLUMNS) * COLUMNS, asked, tree)


def _merging_pays(
    rows: Sequence[PackedRow], merged: Sequence[PackedRow], layout: Layout, sizes: Sizes
) -> bool:
    """Whether fewer rows, some of which attend to several prefixes, cost less than more rows."""

    def widest(some: Sequence[PackedRow]) -> int:
        chains = [[layout.chain(part.prefix) for part in row.parts] for row in some]
        needed = [{prefix for chain in each for prefix in chain} for each in chains]
        return _round_columns(max(layout_lib.columns_of(each, layout) for each in needed))

    if not rows:
        return False
    before, after = (sum(row.length for row in some) for some in (rows, merged))
    # All rows of a shape have the columns of the widest; a shape of their own has to be compiled.
    wider = after * (widest(merged) - widest(rows)) * sizes.column_cost
    return before - after > min(wider, COMPILING)


def _chapters(layout: Layout, sizes: Sizes) -> list[_Chapter]:
    """Rows in the order of their prefixes, cut where the cache is full."""
    chapters = [_Chapter()]
    for row in layout.rows:
        chain = layout.chain(row.parts[0].prefix)
        new = [p for p in chain if p not in chapters[-1].prefixes]
        size = layout_lib.columns_of(new, layout)
        if chapters[-1].rows and chapters[-1].size + size > sizes.cache:
            chapters.append(_Chapter())
            new = chain
        chapter = chapters[-1]
        for p in new:
            chapter.prefixes[p] = chapter.size
            chapter.size += layout.prefixes[p].stop - layout.prefixes[p].start
        chapter.rows.append(row)
    return chapters


# A level: the prefixes of a chapter whose parents are computed before them, by their parents.
_Level = dict[int, list[Item]]


def _levels(chapter: _Chapter, layout: Layout) -> list[_Level]:
    """A chapter's prefixes; those of a level follow those of the levels before it."""
    levels: dict[int, _Level] = {}
    for number in sorted(chapter.prefixes):
        prefix = layout.prefixes[number]
        item = Item(prefix.stop - prefix.start, [(number, number + 1)])
        depth = len(layout.chain(number)) - 1
        levels.setdefault(depth, {}).setdefault(prefix.parent, []).append(item)
    return [level for _, level in sorted(levels.items())]


def _prefix_rows(
    chapters: Sequence[list[_Level]], layout: Layout, sizes: Sizes
) -> list[list[list[PackedRow]]]:
    """The rows that compute the levels of each chapter.

    Levels whose longest prefixes are alike have rows of one length, so that few shapes are
    compiled: the length of FRACTIONS of a power of two that computes the fewest positions.
    """

    def longest(level: _Level) -> int:
        return max(item.size for items in level.values() for item in items)

    def rows(level: _Level, tokens: int) -> list[PackedRow]:
        of_length, made = dataclasses.replace(sizes, tokens=tokens), []
        for parent, items in sorted(level.items()):
            made += layout_lib.packed(items, layout.columns(parent), parent, of_length, growth=1)
        return layout_lib.merge(made, layout, sizes.cache, size)

    def size(first: int, last: int, prefix: int) -> int:
        return layout.prefixes[first].stop - layout.prefixes[first].start

    alike: dict[int, list[_Level]] = collections.defaultdict(list)
    for level in itertools.chain.from_iterable(chapters):
        alike[_fitting(longest(level), sizes.tokens)].append(level)
    length: dict[int, int] = {}
    for tokens, levels in alike.items():
        needed = max(longest(level) for level in levels)
        # Rows of `sizes.tokens`, too: only the prefixes that do not fit have longer ones.
        allowed = [n for part in FRACTIONS if (n := int(tokens * part)) >= needed]
        allowed += [sizes.tokens] if sizes.tokens < tokens else []

        def computed(n: int, levels: list[_Level] = levels) -> tuple[int, int]:
            return sum(row.length for level in levels for row in rows(level, n)), n

        length[tokens] = min(allowed, key=computed)
    return [
        [rows(level, length[_fitting(longest(level), sizes.tokens)]) for level in levels]
        for levels in chapters
    ]


def _fitting(longest: int, tokens: int) -> int:
    """Positions of a row, halved or doubled until the longest prefix just fits."""
    while tokens // 2 >= max(SHORTEST, longest):
        tokens //= 2
    while tokens < longest:
        tokens *= 2
    return tokens


@dataclass
class _Cut:
    """Rows of one length that may share batches, the ones with most columns first."""

    rows: list[TrieRow]
    length: int
    chapter: int
    first_column: dict[int, int]


def _cut(rows: list[TrieRow], packed: list[PackedRow], chapter: int, of: _Chapter) -> list[_Cut]:
    by_length: dict[int, list[TrieRow]] = collections.defaultdict(list)
    for row, laid in zip(rows, packed, strict=True):
        by_length[laid.length].append(row)
    return [_Cut(by_length[length], length, chapter, of.prefixes) for length in sorted(by_length)]


def _in_shapes(
    cuts: Sequence[_Cut], layout: Layout, sizes: Sizes, dispatch: int, shards: int
) -> list[Batch]:
    """Batches of few shapes."""
    kinds: dict[tuple[bool, int], list[_Cut]] = collections.defaultdict(list)
    for cut in cuts:
        kinds[bool(cut.rows[0].makes), cut.length].append(cut)
    rows_of = {
        (makes, length): _rows([len(cut.rows) for cut in some], max(1, dispatch // length), shards)
        for (makes, length), some in kinds.items()
    }
    columns_of = {
        id(row): layout_lib.columns_of((p for p, _, _ in row.columns), layout)
        for cut in cuts
        for row in cut.rows
    }
    chunks: dict[tuple[bool, int], list[tuple[int, int, list[TrieRow]]]] = {}
    for kind, some in kinds.items():
        B = rows_of[kind]
        chunks[kind] = []
        for which, cut in enumerate(some):
            ordered = sorted(cut.rows, key=lambda row: -columns_of[id(row)])
            for start in range(0, len(ordered), B):
                rows = ordered[start : start + B]
                chunks[kind].append((which, columns_of[id(rows[0])], rows))
    made: dict[tuple[bool, int], dict[int, list[Batch]]] = {}
    for kind, parts in chunks.items():
        B, T = rows_of[kind], kind[1]
        widths = _widths([columns for _, columns, _ in parts], B * T * sizes.column_cost)
        groups: dict[int, list[list[TrieRow]]] = collections.defaultdict(list)
        for _, columns, rows in parts:
            groups[widths[columns]].append(rows)
        shapes = {
            width: Shape(
                B,
                T,
                width,
                0 if kind[0] else min(T, _grid(max(len(r.slots) for rows in g for r in rows))),
                0 if kind[0] else _grid(max(len(r.pairs) for rows in g for r in rows)),
            )
            for width, g in groups.items()
        }
        made[kind] = collections.defaultdict(list)
        for which, columns, rows in parts:
            cut = kinds[kind][which]
            batch = Batch(rows, shapes[widths[columns]], cut.chapter, cut.first_column)
            made[kind][which].append(batch)
    taken: dict[tuple[bool, int], int] = collections.Counter()
    batches = []
    for cut in cuts:
        kind = bool(cut.rows[0].makes), cut.length
        batches += made[kind][taken[kind]]
        taken[kind] += 1
    return batches


def _rows(counts: Sequence[int], most: int, shards: int) -> int:
    """B: rows of a batch, so that the last batches of `counts` rows are not much padded."""
    each = [-(-count // shards) for count in counts]

    def cost(rows: int) -> tuple[float, int]:
        return sum(-(-count // rows) * (rows + most / TAIL) for count in each), -rows

    return shards * min(range(1, most + 1), key=cost)


def _widths(columns: Sequence[int], cost: float) -> dict[int, int]:
    """For each number of columns in a batch, the columns of its shape.

    Args:
      columns: of each batch.
      cost: of one column more in one batch, in positions.
    """
    counts = collections.Counter(_round_columns(c) for c in columns)
    widths = sorted(counts)
    while len(widths) > 1:
        # Merging a width into the next larger one saves a compilation.
        prices = [
            (counts[small] * (large - small) * cost, i)
            for i, (small, large) in enumerate(itertools.pairwise(widths))
            if small  # rows without a prefix have a step of their own
        ]
        if not prices or min(prices)[0] > COMPILING:
            break
        i = min(prices)[1]
        counts[widths[i + 1]] += counts[widths[i]]
        del widths[i]
    return {c: next(w for w in widths if w >= _round_columns(c)) for c in set(columns)}


def _round_columns(count: int) -> int:
    """0, or the next multiple of 128 up to 1,024, of 256 up to 2,048, of 512 up to 4,096 ..."""
    step = COLUMNS
    while 8 * step < count:
        step *= 2
    return -(-count // step) * step


def _grid(count: int) -> int:
    """8, 16, 32 and multiples of 32."""
    return next((size for size in (8, 16) if count <= size), -(-count // 32) * 32)
