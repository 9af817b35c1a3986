"""Whether answers agree in all languages: TotCons, option probabilities, RankC rescaled."""

from collections.abc import Mapping, Sequence

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics import estimate, stats
from xlbarrier.metrics.estimate import Estimate
from xlbarrier.metrics.ranks import Scores, rank_consistency
from xlbarrier.metrics.stats import RightOrWrong, Values


def tot_cons(correct: Mapping[str, RightOrWrong]) -> Estimate:
    """TotCons: the share of items that are right in every language (PolyFact, von Rad et al. 2026).

    Of four items, right in English 1 1 1 0, in German 1 1 0 0 and in Swahili 1 0 1 0, only the
    first is right in all three: 1/4.

    Args:
      correct: language -> right or wrong of each item, in one order.

    Raises:
      InputError: when two languages have different numbers of items; names them.
    """
    right = {name: stats.right_or_wrong(values) for name, values in correct.items()}
    sizes = {name: values.size for name, values in right.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(f'languages have different numbers of items: {sizes}')
    if not right:
        return estimate.missing(estimate.NO_ITEMS)
    return estimate.accuracy(np.logical_and.reduce(list(right.values())))


def option_probabilities(scores: Values) -> np.ndarray:
    """Softmax over the options' log-likelihoods: float64 [options], with sum 1.

    Raises:
      InputError: without a score, or for one that is not finite.
    """
    values = np.asarray(scores, np.float64)
    if not values.size or not np.isfinite(values).all():
        raise InputError(f'scores are {list(scores)}; expected at least one, all finite')
    shifted = np.exp(values - values.max())
    return shifted / shifted.sum()


def chi_square_distances(source: Scores, target: Scores) -> np.ndarray:
    """The chi-square distance of two languages' option probabilities, for each item.

    1/2 sum_o (p_o - q_o)^2 / (p_o + q_o), where p and q are the option probabilities in source and
    target: the symmetric chi-square distance, from 0 (the same) to 1 (nothing in common). That it
    is the symmetric one is our reading: Piratla et al. 2025 (arXiv 2510.15551) name a chi-square
    distance, and their text has not been compared.

    p = (0.5, 0.5) and q = (0.9, 0.1): 1/2 (0.16/1.4 + 0.16/0.6) = 0.1905.

    Args:
      source, target: [items][options] log-likelihoods; an option is the same in both.

    Returns:
      float64 [items].

    Raises:
      InputError: when the numbers of items, or of an item's options, differ.
    """
    return np.array([((p - q) ** 2 / (p + q)).sum() / 2 for p, q in _pairs(source, target)])


def variance_share(source: Scores, target: Scores, draws: int = 10_000, seed: int = 0) -> Estimate:
    """The share of the answers that differ between languages that is variance, not bias.

    Of the items whose likeliest option differs between the languages: 1 - mean |p_s - q_s|, with s
    the option chosen in the source and p and q the option probabilities in source and target. Where
    the target has merely less certain answers, s keeps most of its probability, and the share is
    near 1; where it prefers another option with certainty, it is near 0. This is our reading of pi
    of Piratla et al. 2025 (arXiv 2510.15551), from a summary of the paper: their own estimator has
    not been compared.

    Two items: p = (0.6, 0.4), q = (0.4, 0.6), and p = (0.9, 0.1), q = (0.1, 0.9): 1 - (0.2 + 0.8)/2
    = 0.5.

    Args:
      source, target: as in `chi_square_distances`.
      draws, seed: of the bootstrap over the items that differ.

    Returns:
      None where no answer differs.
    """
    kept = []
    for p, q in _pairs(source, target):
        chosen = int(p.argmax())
        if chosen != int(q.argmax()):
            kept.append(1 - abs(float(p[chosen] - q[chosen])))
    if not kept:
        return estimate.missing('the same option is likeliest in both languages, in every item')
    return estimate.mean(kept, draws, seed)


def ensemble_choices(scores: Sequence[Scores]) -> list[int]:
    """The option that several languages agree on best, for each item.

    argmax_o mean_l log p_l(o), p_l(o) the option probabilities in language l: the normalised
    product of experts. What languages disagree on by variance cancels out in it; that variance
    explains much of their disagreement is the finding of Piratla et al. 2025 (arXiv 2510.15551),
    who ensemble answers; the mean of log-probabilities is our choice. Of equal options the first.

    Two languages with log-likelihoods (-1, -2) and (-9, -4): log p = (-0.31, -1.31) and
    (-5.01, -0.01), with the means (-2.66, -0.66): option 1.

    Args:
      scores: [languages][items][options] log-likelihoods; an option is the same in all.

    Returns:
      [items] index of the option.

    Raises:
      InputError: without a language, or when the numbers of items, or of an item's options,
        differ.
    """
    if not scores:
        raise InputError('an ensemble of no language; expected at least one')
    if len({len(items) for items in scores}) > 1:
        raise InputError(
            f'languages have {[len(items) for items in scores]} items; expected the same'
        )
    chosen = []
    for i, item in enumerate(zip(*scores, strict=True)):
        counts = [len(options) for options in item]
        if len(set(counts)) > 1:
            raise InputError(f'item {i} has {counts} options by language; expected the same number')
        logs = [np.asarray(o, np.float64) - np.logaddexp.reduce(o) for o in item]
        chosen.append(int(np.mean(logs, axis=0).argmax()))
    return chosen


def rankc_by_chance(candidates: int) -> float:
    """RankC that two independent random rankings of so many candidates have on average.

    Two random heads of length j share j / N of their candidates, so it is sum_j w_j j / N with the
    weights of RankC. Of four candidates w = (0.644, 0.237, 0.087, 0.032), and chance is
    (0.644 + 2 * 0.237 + 3 * 0.087 + 4 * 0.032) / 4 = 0.377.

    Raises:
      InputError: without a candidate.
    """
    if candidates < 1:
        raise InputError(f'{candidates} candidates; expected at least 1')
    size = np.arange(1, candidates + 1)
    weight = np.exp(-(size - 1.0))
    return float((weight / weight.sum()) @ size / candidates)


def rank_consistency_above_chance(source: Scores, target: Scores) -> np.ndarray:
    """RankC of each query rescaled so that chance is 0: (RankC - chance) / (1 - chance).

    Rescaled as PolyFact (von Rad et al. 2026) does, so that sets with other numbers of candidates
    compare. A RankC of 0.6885 over four candidates is (0.6885 - 0.377) / (1 - 0.377) = 0.5. Below
    chance it is negative. A query with one candidate, whose rank says nothing, is left out.

    Args:
      source, target: as in `ranks.rank_consistency`.

    Returns:
      float64 [queries with several candidates].
    """
    several = [i for i, scores in enumerate(source) if len(scores) > 1]
    values = rank_consistency(source, target)[several]
    chance = np.array([rankc_by_chance(len(source[i])) for i in several])
    return (values - chance) / (1 - chance)


def _pairs(source: Scores, target: Scores) -> list[tuple[np.ndarray, np.ndarray]]:
    if len(source) != len(target):
        raise InputError(f'{len(source)} items in the source, {len(target)} in the target')
    pairs = []
    for i, (mine, other) in enumerate(zip(source, target, strict=True)):
        if len(mine) != len(other):
            raise InputError(f'item {i} has {len(mine)} options in the source, {len(other)} there')
        pairs.append((option_probabilities(mine), option_probabilities(other)))
    return pairs
