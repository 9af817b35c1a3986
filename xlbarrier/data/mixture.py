"""Several sets of packed rows trained on as one, in given shares."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlbarrier.data.pack import DTYPES, PackedRows
from xlbarrier.errors import InputError


@dataclass(frozen=True)
class _Parts:
    """Several sets of packed rows of one length, their rows numbered one after another."""

    parts: tuple[PackedRows, ...]

    def __post_init__(self) -> None:
        lengths = sorted({part.shape[1] for part in self.parts})
        if len(lengths) != 1:
            raise InputError(f'the parts have rows of {lengths} tokens; expected one length')

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of all parts, and tokens of a row."""
        return len(self), self.parts[0].shape[1]

    @property
    def largest_token(self) -> int:
        """The largest token id in the parts."""
        return max(part.largest_token for part in self.parts)


@dataclass(frozen=True)
class Mixture(_Parts):
    """Parts whose rows are numbered one after another.

    Attributes:
      parts: rows of one length.
      counts: how many rows of each part there are in every `sum(counts)` rows of the training;
        (): every row of all parts once, then again.
    """

    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.counts and (len(self.counts) != len(self.parts) or sum(self.counts) < 1):
            raise InputError(
                f'counts are {self.counts}; expected a number of rows for each of'
                f' {len(self.parts)} parts, one of them at least 1'
            )

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The named rows as a dict of arrays [B, T]."""
        edges = np.cumsum([len(part) for part in self.parts])
        part_of = np.searchsorted(edges, rows, side='right')
        made = {name: np.empty((len(rows), self.shape[1]), kind) for name, kind in DTYPES.items()}
        for i in np.unique(part_of):
            mine = part_of == i
            found = self.parts[i].batch(rows[mine] - (edges[i] - len(self.parts[i])))
            for name, array in found.items():
                made[name][mine] = array
        return made

    def rows_at(self, places: np.ndarray, seed: int) -> np.ndarray:
        """The row at each position of the training: a function of seed and position alone.

        The parts' positions are drawn; a part's rows come in an order that is drawn again each
        time that all of them have come.

        Args:
          places: int [B], from 0.
          seed: of all orders.
        """
        if not self.counts:
            raise InputError('a mixture without counts has no places')
        edges = np.cumsum([len(part) for part in self.parts])
        total = sum(self.counts)
        rows = np.empty(len(places), np.int64)
        for j, place in enumerate(places):
            cycle, at = divmod(int(place), total)
            schedule, visits = _schedule(self.counts, seed, cycle)
            i = int(schedule[at])
            size = len(self.parts[i])
            epoch, visit = divmod(cycle * self.counts[i] + int(visits[at]), size)
            rows[j] = edges[i] - size + _order(size, seed, i, epoch)[visit]
        return rows


@dataclass(frozen=True)
class Stages(_Parts):
    """Parts that are trained on one after another: a curriculum.

    Attributes:
      parts: rows of one length.
      steps: of the training; each part has an equal share of them, in order.
    """

    steps: int

    def stage(self, step: int) -> int:
        """The part that a step reads."""
        return min(step * len(self.parts) // self.steps, len(self.parts) - 1)


def row_counts(
    weights: Sequence[float], tokens_per_row: Sequence[float], places: int
) -> tuple[int, ...]:
    """Rows of each part in `places` positions, so that its share of the tokens is its weight.

    Args:
      weights: of the parts, at least one above 0; they need not add up to 1.
      tokens_per_row: mean tokens of each part's rows, without padding.
      places: how many rows there are to be in all; largest remainders share out what is left over.

    Raises:
      ValueError: for a part that has weight, but too little for one row.
    """
    rows_wanted = np.array(weights, np.float64) / np.array(tokens_per_row, np.float64)
    exact = places * rows_wanted / rows_wanted.sum()
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - counts), kind='stable')
    counts[order[: places - int(counts.sum())]] += 1
    for i, (weight, count) in enumerate(zip(weights, counts, strict=True)):
        if weight > 0 and count == 0:
            raise InputError(
                f'part {i} of the mixture has the weight {weight} of {sum(weights)}: less than one'
                f' of {places} rows; give it more, or 0, or train for more steps'
            )
    return tuple(counts.tolist())


@functools.lru_cache(maxsize=2)
def _schedule(counts: tuple[int, ...], seed: int, cycle: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of each place of a cycle, and how often that part has come before in it."""
    parts = np.repeat(np.arange(len(counts), dtype=np.int16), counts)
    drawn = np.random.Generator(np.random.PCG64([seed, 1, cycle])).permutation(parts)
    visits = np.empty(len(drawn), np.int64)
    for i in range(len(counts)):
        mine = drawn == i
        visits[mine] = np.arange(np.count_nonzero(mine))
    drawn.flags.writeable = visits.flags.writeable = False
    return drawn, visits


@functools.lru_cache(maxsize=64)
def _order(rows: int, seed: int, part: int, epoch: int) -> np.ndarray:
    order = np.random.Generator(np.random.PCG64([seed, 2, part, epoch])).permutation(rows)
    order.flags.writeable = False
    return order
