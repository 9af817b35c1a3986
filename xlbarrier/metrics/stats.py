"""Intervals and tests. Every random draw is seeded.

scipy.stats takes half a second to import: the functions that need it import it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xlbarrier.errors import InputError

Values = Sequence[float] | np.ndarray  # [items]
RightOrWrong = Sequence[bool] | np.ndarray  # [items]

CONFIDENCE = 0.95
_CHUNK = 1 << 24  # counts in memory at once by the bootstrap
# Items are drawn one by one where more than so many differ and that is quicker; nanoseconds
# measured: for one count; for one item, to which each column adds one.
_PATTERNS = 160
_COUNT_COST, _ITEM_COST = 120, 5
_LEAST_P = 1e-15  # what the rounding of a Fourier transform leaves
_MOST_WHOLE = 1 << 22  # the largest sum of whole differences that is tested exactly
_DRAWN_AT_ONCE = 1 << 17  # items; they stay in the cache


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    high: float


def right_or_wrong(values: RightOrWrong) -> np.ndarray:
    """Answers that are right or wrong, as bool [items].

    Raises:
      ValueError: for a value that is neither: numpy counts a NaN, a letter or an option's index as
        right.
    """
    found = np.asarray(values)
    if found.dtype != bool and found.size:
        bad = np.flatnonzero(~np.isin(np.asarray(values, object), (0, 1)))
        if bad.size:
            raise InputError(
                f'item {bad[0]} is {values[bad[0]]!r}; expected True or False (1 or 0)'
            )
    return found.astype(bool)


def wilson(right: int, n: int, confidence: float = CONFIDENCE) -> Interval | None:
    """Wilson's score interval of a proportion (Wilson 1927); None for n = 0.

    (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z the normal quantile.

    Raises:
      ValueError: unless 0 <= right <= n.
    """
    if not 0 <= right <= n:
        raise InputError(f'{right} right of {n}')
    if n == 0:
        return None
    from scipy import stats

    z = float(stats.norm.ppf((1 + confidence) / 2))
    p = right / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At the edges the formula gives 0 and 1 except for rounding.
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
        raise InputError(f'bootstrap over {items} items; expected at least one, all finite')
    patterns_CP, counts_P = np.unique(values_CI, axis=1, return_counts=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    quicker = len(counts_P) * _COUNT_COST > items * (_ITEM_COST + len(values_CI))
    if len(counts_P) > _PATTERNS and quicker:
        # In the order of the patterns, so that the order of items changes nothing.
        return _drawn_one_by_one(np.repeat(patterns_CP, counts_P, axis=1), draws, rng)
    step = max(1, _CHUNK // len(counts_P))
    means = [
        rng.multinomial(items, counts_P / items, min(step, draws - start)) @ patterns_CP.T / items
        for start in range(0, draws, step)
    ]
    return np.concatenate(means).T


def _drawn_one_by_one(values_CI: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    columns, items = values_CI.shape
    means_CD = np.empty((columns, draws))
    step = max(1, _DRAWN_AT_ONCE // items)
    for start in range(0, draws, step):
        shape = (min(step, draws - start), items)
        # Multiply and shift: an item's chance is 1 / items to within 2^-32.
        drawn = rng.integers(0, 1 << 32, shape, np.uint32).astype(np.uint64)
        rows = ((drawn * np.uint64(items)) >> np.uint64(32)).astype(np.intp)
        for column, values_I in zip(means_CD, values_CI, strict=True):
            column[start : start + shape[0]] = values_I.take(rows, mode='clip').mean(axis=1)
    return means_CD


def percentile_interval(drawn: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """The percentile interval of bootstrap draws."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high))


def smallest_effect(
    standard_error: float, tests: int = 1, confidence: float = CONFIDENCE, power: float = 0.8
) -> float:
    """The smallest true difference that a design finds significant with the given power.

    (z_(1 - alpha / 2) + z_power) * standard error, alpha = (1 - confidence) / tests: the two-sided
    normal approximation (Cohen 1988, ch. 2), with Bonferroni's correction for several tests, which
    bounds Holm's.

    Args:
      standard_error: of the difference.
      tests: how many are corrected for.
    """
    from scipy import stats

    alpha = (1 - confidence) / tests
    return float((stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)) * standard_error)


def mcnemar(first: RightOrWrong, second: RightOrWrong) -> float:
    """p of McNemar's exact test (1947) that two paired accuracies are equal.

    Two-sided binomial test, at 1/2, of the items that only the first has right among those that
    just one has right; 1 where there are none.

    Raises:
      ValueError: when the lengths differ.
    """
    a, b = right_or_wrong(first), right_or_wrong(second)
    if a.shape != b.shape:
        raise InputError(f'{a.size} answers and {b.size}; expected the same items')
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return _fair_coin(only_a, only_a + only_b)


def _fair_coin(heads: int, throws: int) -> float:
    """Two-sided p of the exact binomial test at 1/2; 1 without a throw."""
    from scipy import stats

    return float(stats.binomtest(heads, throws, 0.5).pvalue) if throws else 1.0


def sign_flip(first: Values, second: Values, draws: int = 10_000, seed: int = 0) -> float:
    """p of the two-sided paired permutation test that two means are equal (Fisher 1935).

    Under it each item's difference may as well have the other sign. Whole differences, such as
    counts of right answers, are tested exactly; of right and wrong answers this is McNemar's exact
    test. For other values all signs are tried where there are no more than `draws` of them;
    otherwise `draws` are drawn, and the observed ones are counted among them (Davison and Hinkley
    1997, eq. 4.12). 1 where no difference differs from 0.

    Raises:
      ValueError: when the lengths differ or a difference is not finite.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise InputError(f'{a.size} values and {b.size}; expected the same items')
    differences = np.sort((a - b)[a != b])
    if not np.isfinite(differences).all():
        raise InputError('a difference is not finite')
    if not differences.size:
        return 1.0
    whole = (differences == np.rint(differences)).all()
    if whole and np.abs(differences).sum() <= _MOST_WHOLE:
        return _exact_sign_flip(differences.astype(np.int64))
    observed = abs(differences.sum())
    # Sums of the same numbers in another order differ by rounding.
    least = observed - 1e-12 * np.abs(differences).sum()
    if differences.size <= math.log2(draws):
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return float((np.abs(sums) >= least).mean())
    rng = np.random.Generator(np.random.PCG64(seed))
    step = max(1, _DRAWN_AT_ONCE // differences.size)
    beyond = 0
    for start in range(0, draws, step):
        shape = (min(step, draws - start), differences.size)
        signs = 1 - 2 * rng.integers(0, 2, shape, np.int8)
        beyond += int((np.abs(signs @ differences) >= least).sum())
    return (beyond + 1) / (draws + 1)


def _exact_sign_flip(differences: np.ndarray) -> float:
    """The share of all signs whose sum is at least as far from 0, for integers none of which is 0.

    The sum of m with a random sign has the characteristic function cos(m t); the product of these,
    transformed back on the integers, is the distribution of the sum. Accurate to about
    1e-15, so a smaller p is reported as 1e-15.
    """
    sizes, counts = np.unique(np.abs(differences), return_counts=True)
    if sizes.size == 1:  # one size, as of right and wrong answers
        return _fair_coin(int((differences > 0).sum()), differences.size)
    most = int((sizes * counts).sum())
    length = 1 << (2 * most + 1).bit_length()
    angles = 2 * np.pi / length * np.arange(length // 2 + 1)
    transformed = np.ones(angles.size)
    for size, count in zip(sizes, counts, strict=True):
        transformed *= np.cos(size * angles) ** float(count)
    shares = np.fft.irfft(
        transformed, length
    )  # of the sums 0, 1, ..., and -1, -2, ... from its end
    observed = abs(int(differences.sum()))
    beyond = 2 * shares[observed : most + 1].sum() if observed else 1.0
    return float(min(1.0, max(beyond, _LEAST_P)))


def bootstrap_p(drawn: np.ndarray) -> float:
    """Two-sided bootstrap p that a difference is 0: twice the smaller share of draws beyond it.

    With the observed sample counted among the draws (Davison and Hinkley 1997, eq. 4.12), so that
    no p is 0.
    """
    beyond = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, 2 * (beyond + 1) / (drawn.size + 1)))


def above_chance(right: int, n: int, chance: float) -> float:
    """p of the exact one-sided binomial test that an accuracy is not above chance.

    Raises:
      ValueError: unless 0 <= right <= n, n > 0 and 0 < chance < 1.
    """
    if not (0 <= right <= n and n > 0 and 0 < chance < 1):
        raise InputError(f'{right} right of {n} at chance {chance}')
    from scipy import stats

    return float(stats.binomtest(right, n, chance, alternative='greater').pvalue)


def holm(p_values: Values) -> np.ndarray:
    """Holm's step-down adjustment (1979) of a family of p-values, in the order given.

    Raises:
      ValueError: for a p-value outside [0, 1].
    """
    p = np.asarray(p_values, np.float64)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise InputError(f'p-values {p.tolist()}; expected 0 <= p <= 1')
    order = np.argsort(p, kind='stable')
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
