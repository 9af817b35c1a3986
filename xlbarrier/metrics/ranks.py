"""RankC: whether two languages rank the same candidates alike (Qi et al. 2023)."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics import estimate
from xlbarrier.metrics.estimate import Estimate
from xlbarrier.metrics.stats import Values

Scores = Sequence[Values]  # of each query: the score of each candidate, higher is better


def rank_consistency(source: Scores, target: Scores) -> np.ndarray:
    """RankC of each query: the weighted overlap of the two rankings' heads.

    sum_j w_j P@j with P@j = |top j in source & top j in target| / j and
    w_j = exp(N - j) / sum_k exp(N - k), N the number of candidates (Qi et al. 2023, section 3).
    Candidate c is the same fact in both languages. Of equal scores the earlier candidate ranks
    first, in both languages, so constant scores agree completely: look at the accuracy too.

    Args:
      source, target: for each query its candidates' scores, in one order.

    Returns:
      float64 [queries], each within [0, 1].

    Raises:
      ValueError: when the numbers of queries, or of a query's candidates, differ, a query has no
        candidate, or a score is not a number; names the query.
    """
    if len(source) != len(target):
        raise InputError(f'{len(source)} queries in the source, {len(target)} in the target')
    values = np.empty(len(source))
    for i, (mine, other) in enumerate(zip(source, target, strict=True)):
        a, b = np.asarray(mine, np.float64), np.asarray(other, np.float64)
        if a.shape != b.shape or a.ndim != 1 or not a.size:
            raise InputError(
                f'query {i}: {a.size} candidates in the source, {b.size} in the target;'
                ' expected the same number, at least one'
            )
        if np.isnan(a).any() or np.isnan(b).any():
            raise InputError(f'query {i}: a score is not a number')
        # A candidate is in both heads of length j from the worse of its two ranks on.
        worse = np.maximum(_ranks(a), _ranks(b))
        size = np.arange(1, a.size + 1)
        overlap = np.cumsum(np.bincount(worse, minlength=a.size)) / size
        weight = np.exp(-(size - 1.0))
        values[i] = overlap @ (weight / weight.sum())
    return np.minimum(values, 1.0)


def rankc(source: Scores, target: Scores, draws: int = 10_000, seed: int = 0) -> Estimate:
    """Mean RankC over queries, with the bootstrap interval; see `rank_consistency`."""
    return estimate.mean(rank_consistency(source, target), draws, seed)


def rankc_table(
    scores: Mapping[str, Scores],
    languages: Sequence[str] | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> dict[tuple[str, str], Estimate]:
    """RankC between every pair of languages; symmetric, so each pair appears once.

    One bootstrap over queries serves all pairs.

    Args:
      scores: language -> scores.
      languages: those to compare, all by default; one without scores gives None with the reason.
    """
    pairs = list(itertools.combinations(languages or list(scores), 2))
    table: dict[tuple[str, str], Estimate] = {}
    values: dict[tuple[str, str], np.ndarray] = {}
    for pair in pairs:
        absent = [language for language in pair if language not in scores]
        if absent:
            table[pair] = estimate.missing(f'there are no scores in {" and ".join(absent)}')
        else:
            values[pair] = rank_consistency(scores[pair[0]], scores[pair[1]])
    if values:
        estimates = estimate.means(list(values.values()), draws, seed)
        table |= dict(zip(values, estimates, strict=True))
    return {pair: table[pair] for pair in pairs}


def _ranks(scores: np.ndarray) -> np.ndarray:
    ranks = np.empty(scores.size, np.int64)
    ranks[np.argsort(-scores, kind='stable')] = np.arange(scores.size)
    return ranks
