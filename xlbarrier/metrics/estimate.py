"""A number with its interval, or the reason why there is none."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics import stats
from xlbarrier.metrics.stats import RightOrWrong, Values


class Estimate(NamedTuple):
    """A number over `n` items.

    Attributes:
      value: the number; None where it is undefined, and then `reason` says why.
      low, high: the 95 % interval.
      n: items.
      reason: why there is no value.
      p: of the test of the number, where there is one.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None
    p: float | None = None

    def as_row(self) -> dict[str, float | int | str | None]:
        """Its fields of a row of results.json."""
        row: dict[str, float | int | str | None]
        row = {'value': self.value, 'n': self.n, 'ci_low': self.low, 'ci_high': self.high}
        row |= {} if self.p is None else {'p': self.p}
        return row | ({} if self.reason is None else {'reason': self.reason})


NO_ITEMS = 'there are no items'


def missing(reason: str, n: int = 0) -> Estimate:
    """An estimate that is undefined."""
    return Estimate(None, n=n, reason=reason)


def accuracy(correct: RightOrWrong) -> Estimate:
    """Share of right answers with Wilson's interval.

    Raises:
      ValueError: for a value that is neither right nor wrong.
    """
    right = stats.right_or_wrong(correct)
    return share(int(right.sum()), right.size)


def unreadable(answers: Sequence[int | None]) -> Estimate:
    """Share of the answers that a reader gave None for, with Wilson's interval."""
    return share(sum(answer is None for answer in answers), len(answers))


def commonest(answers: Sequence[int | None]) -> Estimate:
    """Share of the commonest answer among the readable ones, with Wilson's interval.

    None and indices below 0 are unreadable; the estimate is None where all are.
    """
    readable = [answer for answer in answers if answer is not None and answer >= 0]
    return share(int(np.bincount(readable).max()) if readable else 0, len(readable))


def share(count: int, n: int) -> Estimate:
    """count / n with Wilson's interval; None for n = 0.

    Raises:
      ValueError: unless 0 <= count <= n.
    """
    interval = stats.wilson(count, n)
    return Estimate(count / n, *interval, n) if interval else missing(NO_ITEMS)


def mean(values: Values, draws: int = 10_000, seed: int = 0) -> Estimate:
    """Mean of real values with the percentile interval of the bootstrap over items.

    Raises:
      ValueError: for a value that is not finite.
    """
    return means([values], draws, seed)[0]


def means(values: Sequence[Values], draws: int = 10_000, seed: int = 0) -> list[Estimate]:
    """`mean` of several columns of values of the same items, all from one bootstrap.

    Args:
      values: [columns][items].
      draws, seed: of the bootstrap.

    Raises:
      ValueError: for a value that is not finite.
    """
    values_CI = np.atleast_2d(np.asarray(values, np.float64))
    items = values_CI.shape[1]
    if items == 0:
        return [missing(NO_ITEMS)] * len(values_CI)
    drawn_CD = stats.bootstrap_means(values_CI, draws, seed)
    return [
        Estimate(float(column.mean()), *stats.percentile_interval(drawn), items)
        for column, drawn in zip(values_CI, drawn_CD, strict=True)
    ]


def paired_difference(
    first: Values, second: Values, draws: int = 10_000, seed: int = 0
) -> Estimate:
    """mean(first) - mean(second) of the same items: paired bootstrap interval, and p of a test.

    The test is McNemar's exact one for right and wrong, and the sign-flip permutation test for
    real values.

    Raises:
      ValueError: when the lengths differ or a value is not finite.
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape:
        raise InputError(f'{a.size} items and {b.size}; expected the same items')
    if a.size == 0:
        return missing(NO_ITEMS)
    drawn = stats.bootstrap_means(np.stack([a, b]), draws, seed)
    binary = np.isin(np.stack([a, b]), (0, 1)).all()
    p = stats.mcnemar(a, b) if binary else stats.sign_flip(a, b, draws, seed)
    interval = stats.percentile_interval(drawn[0] - drawn[1])
    difference = float(np.mean(a, dtype=np.float64) - np.mean(b, dtype=np.float64))
    return Estimate(difference, *interval, a.size, p=p)


def holm_table(
    estimates: Mapping[Hashable, Estimate], family: Mapping[Hashable, Hashable] | None = None
) -> dict[Hashable, float]:
    """Holm-adjusted p of a table of comparisons, for the estimates that have a p.

    Args:
      estimates: by any key.
      family: key -> name of the family in which it is adjusted; without it all are one family.
    """
    tested = {key: e.p for key, e in estimates.items() if e.p is not None}
    families: dict[Hashable, list[Hashable]] = {}
    for key in tested:
        families.setdefault(family[key] if family else None, []).append(key)
    adjusted: dict[Hashable, float] = {}
    for keys in families.values():
        values = stats.holm([tested[key] for key in keys])
        adjusted |= dict(zip(keys, values.tolist(), strict=True))
    return {key: adjusted[key] for key in tested}
