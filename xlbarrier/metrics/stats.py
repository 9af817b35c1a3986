"""Intervals and tests. Every random draw is seeded."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
_CHUNK = 1 << 24  # counts held at once by the bootstrap


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    high: float


def wilson(right: int, n: int, confidence: float = CONFIDENCE) -> Interval | None:
    """Wilson's score interval of a proportion (Wilson 1927); None for n = 0.

    (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z the normal quantile.

    Raises:
      ValueError: unless 0 <= right <= n.
    """
    if not 0 <= right <= n:
        raise ValueError(f'{right} right of {n}')
    if n == 0:
        return None
    z = float(stats.norm.ppf((1 + confidence) / 2))
    p = right / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At the edges the formula gives 0 and 1 but for rounding.
    low = (centre - half) / scale if right > 0 else 0.0
    high = (centre + half) / scale if right < n else 1.0
    return Interval(low, high)


def bootstrap_means(values_CI: np.ndarray, draws: int = 10_000, seed: int = 0) -> np.ndarray:
    """Means of columns' values over items drawn with replacement: a paired bootstrap.

    The same items are drawn for every column, so that differences of columns are paired (Efron and
    Tibshirani 1993, ch. 6). Items with equal values in all columns are drawn together, by their
    multinomial count, which is the same distribution and far fewer numbers.

    Args:
      values_CI: [columns, items].
      draws: D.
      seed: of PCG64.

    Returns:
      float64 [columns, D].

    Raises:
      ValueError: without items or for values that are not finite.
    """
    values_CI = np.atleast_2d(np.asarray(values_CI, np.float64))
    items = values_CI.shape[1]
    if items == 0 or not np.isfinite(values_CI).all():
        raise ValueError(f'bootstrap over {items} items; wanted at least one, all finite')
    patterns_CP, counts_P = np.unique(values_CI, axis=1, return_counts=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    step = max(1, _CHUNK // len(counts_P))
    means = [
        rng.multinomial(items, counts_P / items, min(step, draws - start)) @ patterns_CP.T / items
        for start in range(0, draws, step)
    ]
    return np.concatenate(means).T


def percentile_interval(drawn: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """The percentile interval of bootstrap draws."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """p of McNemar's exact test (1947) that two paired accuracies are equal.

    Two-sided binomial test, at 1/2, of the items that only the first has right among those that
    just one has right; 1 where there are none.

    Raises:
      ValueError: when the lengths differ.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    if a.shape != b.shape:
        raise ValueError(f'{a.size} answers against {b.size}')
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)


def above_chance(right: int, n: int, chance: float) -> float:
    """p of the exact one-sided binomial test that an accuracy is not above chance.

    Raises:
      ValueError: unless 0 <= right <= n, n > 0 and 0 < chance < 1.
    """
    if not (0 <= right <= n and n > 0 and 0 < chance < 1):
        raise ValueError(f'{right} right of {n} at chance {chance}')
    return float(stats.binomtest(right, n, chance, alternative='greater').pvalue)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjustment (1979) of a family of p-values, in their own order.

    Raises:
      ValueError: for a p-value outside [0, 1].
    """
    p = np.asarray(p_values, np.float64)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f'p-values {p.tolist()}; wanted 0 <= p <= 1')
    order = np.argsort(p, kind='stable')
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
