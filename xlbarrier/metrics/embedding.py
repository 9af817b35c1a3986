"""Whether a model's vectors of a text and of its mixed-language version are close."""

import math
from typing import NamedTuple

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics import estimate
from xlbarrier.metrics.estimate import Estimate


class Alignment(NamedTuple):
    """Cosines of texts with their mixed versions, and with a control (Chua et al. 2024)."""

    mixed: Estimate
    control: Estimate
    auc: Estimate


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine of the angle between paired vectors.

    Args:
      first, second: [..., D].

    Returns:
      float64 [...], within [-1, 1].

    Raises:
      ValueError: when the shapes differ, or a vector is zero or not finite; names its row.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise InputError(f'vectors are {a.shape} and {b.shape}; expected the same shape')
    units = []
    for name, values in (('first', a), ('second', b)):
        # Scaled first, so that squares neither overflow nor vanish.
        largest = np.abs(values).max(axis=-1, initial=0, keepdims=True)
        bad = np.argwhere(~(np.isfinite(largest) & (largest > 0)))
        if bad.size:
            row = tuple(bad[0][:-1].tolist())
            raise InputError(f'{name} vector {row} is zero or not finite: it has no direction')
        values = values / largest
        units.append(values / np.linalg.norm(values, axis=-1, keepdims=True))
    return np.clip((units[0] * units[1]).sum(axis=-1), -1, 1)


def auc(positive: np.ndarray, negative: np.ndarray, paired: bool = False) -> Estimate:
    """Area under the ROC curve: P(positive > negative) + P(equal) / 2, with DeLong's interval.

    Mann-Whitney's U / (m n). The interval is normal with the variance of DeLong et al. 1988, cut at
    0 and 1; for `paired` scores, positive[i] and negative[i] of one text, with the covariance of
    the pair (Obuchowski 1997). It is None with fewer than two scores of a kind.

    Raises:
      ValueError: for a score that is not finite, or different numbers of paired scores.
    """
    x, y = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError('a score is not finite')
    if paired and x.size != y.size:
        raise InputError(f'{x.size} positive scores and {y.size} negative ones cannot be pairs')
    if not x.size or not y.size:
        return estimate.missing('there are no scores of one kind', x.size + y.size)
    # Of each score the share of the other kind that it is on the right side of.
    of_x, of_y = _placements(x, y), 1 - _placements(y, x)
    value, n = float(of_x.mean()), x.size + y.size
    if min(x.size, y.size) < 2:
        return Estimate(value, n=n)
    if paired:
        variance = np.var(of_x + of_y, ddof=1) / x.size
    else:
        variance = np.var(of_x, ddof=1) / x.size + np.var(of_y, ddof=1) / y.size
    from scipy import stats

    half = float(stats.norm.ppf(0.975)) * math.sqrt(variance)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), n)


def mixing_alignment(
    text: np.ndarray, mixed: np.ndarray, control: np.ndarray, draws: int = 10_000, seed: int = 0
) -> Alignment:
    """Cosines of each text with its word-mixed version, and with random tokens at those positions.

    Args:
      text, mixed, control: [texts, D] vectors, row-aligned.

    Returns:
      Mean cosines with bootstrap intervals, and the AUC of mixed against control, paired.
    """
    return cosine_alignment(cosine(text, mixed), cosine(text, control), draws, seed)


def cosine_alignment(
    mixed: np.ndarray, control: np.ndarray, draws: int = 10_000, seed: int = 0
) -> Alignment:
    """`mixing_alignment` of cosines already computed, row-aligned."""
    near, far = estimate.means([mixed, control], draws, seed)
    return Alignment(near, far, auc(mixed, control, True))


def _placements(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, 'left')
    not_above = np.searchsorted(ordered, values, 'right')
    return (below + not_above) / (2 * others.size)
