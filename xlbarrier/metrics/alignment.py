"""How well knowledge is shared between languages. Arguments are paired: item by item."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics import estimate, stats
from xlbarrier.metrics.estimate import Estimate
from xlbarrier.metrics.stats import RightOrWrong

# CLiKA (Gao et al. 2024): the accuracy in percent of ChatGPT in English, and that of guessing.
CLIKA_REFERENCE = {'x_csqa': 74.6, 'x_copa': 96.4, 'x_name': 92.2, 'x_geo': 97.0}
CLIKA_CHANCE = {'x_csqa': 20.0, 'x_copa': 50.0, 'x_name': 25.0, 'x_geo': 25.0}
# Where more than this share of bootstrap draws have no value, an interval would say little.
_UNDEFINED = 0.05
_REASONS = {
    'en_co': 'no item is right in either language',
    'kappa': 'all answers are right, or all wrong, in both languages',
    'transfer': 'no item is right in the source language',
    'transfer_back': 'no item is right in the language',
}


def barrier_gap(source: RightOrWrong, target: RightOrWrong) -> float | None:
    """Accuracy in the source language minus accuracy in the target (Chua et al. 2024)."""
    a, b = _paired(source, target)
    return float(a.mean() - b.mean()) if a.size else None


def relative_accuracy(
    accuracy: float, chance: float, reference: float = 1.0, clip: bool = True
) -> float:
    """RA = max(0, (accuracy - chance) / (reference - chance)) (CLiKA, Gao et al. 2024).

    Raises:
      ValueError: when the reference is not above chance.
    """
    if reference <= chance:
        raise InputError(f'reference {reference} is not above chance {chance}')
    value = (accuracy - chance) / (reference - chance)
    return max(0.0, value) if clip else value


def clika_ra(task: str, accuracy: float) -> float:
    """RA of an accuracy (0 to 1) on a task of CLiKA, with the published reference and chance.

    Raises:
      ValueError: for a task that is not CLiKA's.
    """
    if task not in CLIKA_REFERENCE:
        raise InputError(
            f'{task!r} is not a task of CLiKA; expected one of {", ".join(CLIKA_CHANCE)}'
        )
    return relative_accuracy(100 * accuracy, CLIKA_CHANCE[task], CLIKA_REFERENCE[task])


def en_co(source: RightOrWrong, target: RightOrWrong) -> float | None:
    """|C_en & C_l| / |C_en | C_l|, C the items right in a language; None for an empty union.

    The overlap of right answers, as in X-FACTR (Jiang et al. 2020); CLiKA's released code does not
    contain its own formula.
    """
    a, b = _paired(source, target)
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else None


def kappa(source: RightOrWrong, target: RightOrWrong) -> float | None:
    """Cohen's kappa (1960) of being right in both languages: agreement beyond chance.

    (observed - expected) / (1 - expected); None where one answer of both is constant and so the
    expected agreement is 1, or there are no items. A model that gives one letter to every question
    is right on the same items in every language, and this kappa is high: see `answer_kappa`.
    """
    a, b = _paired(source, target)
    if not a.size:
        return None
    p, q = a.mean(), b.mean()
    expected = p * q + (1 - p) * (1 - q)
    if expected == 1:
        return None
    return float(((a == b).mean() - expected) / (1 - expected))


def transfer(source: RightOrWrong, target: RightOrWrong) -> float | None:
    """Share of the items right in the source that are right in the target (as ECLeKTic does).

    None where none is right in the source.
    """
    a, b = _paired(source, target)
    return float((a & b).sum() / a.sum()) if a.any() else None


def transfer_back(source: RightOrWrong, target: RightOrWrong) -> float | None:
    """Share of the items right in the target that are right in the source: the other direction.

    Right in English 1 1 1 0, in German 1 0 0 1: transfer is 1/3, transfer back 1/2. None where none
    is right in the target.
    """
    return transfer(target, source)


def answer_kappa(
    source: Sequence[int | None],
    target: Sequence[int | None],
    draws: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """Cohen's kappa (1960) of the options chosen in two languages, with its bootstrap interval.

    (observed - expected) / (1 - expected) with expected the sum over options of the product of
    their shares. A model that always gives one letter shares all its right answers between
    languages (`en_co`, and `kappa` of being right), and nothing of this.

    Args:
      source, target: index of the option chosen for each item; None, unreadable, is an answer of
        its own.

    Returns:
      None where both languages have one and the same answer throughout, or there are no items.

    Raises:
      ValueError: when the lengths differ.
    """
    if len(source) != len(target):
        raise InputError(f'{len(source)} items in the source, {len(target)} in the target')
    a, b = (np.array([-1 if x is None else x for x in answers]) for answers in (source, target))
    if not a.size:
        return estimate.missing(estimate.NO_ITEMS)
    options = np.union1d(a, b)[:, None]
    if options.size == 1:
        return estimate.missing('every answer is the same in both languages', a.size)
    rows = np.concatenate([(a == b)[None], a == options, b == options]).astype(np.float64)

    def value(means: np.ndarray) -> np.ndarray:
        expected = (means[1 : 1 + options.size] * means[1 + options.size :]).sum(axis=0)
        with np.errstate(divide='ignore', invalid='ignore'):
            return np.where(1 - expected > 1e-12, (means[0] - expected) / (1 - expected), np.nan)

    found = float(value(rows.mean(axis=1)[:, None])[0])
    return Estimate(found, *_interval(value(stats.bootstrap_means(rows, draws, seed))), a.size)


class _Drawn(NamedTuple):
    """Bootstrap draws of the share right in a language, and in both it and the source.

    Attributes:
      right: language -> float64 [draws].
      both: the same; empty without answers in the source.
    """

    right: dict[str, np.ndarray]
    both: dict[str, np.ndarray]

    def metric(self, name: str, source: str, target: str) -> np.ndarray:
        """The draws of a metric of two languages; NaN where it is undefined."""
        return _ratio(name, self.right[source], self.right[target], self.both[target])


def mean_name(source: str) -> str:
    """The name of the mean over the languages other than the source: 'mean:non-en'."""
    return f'mean:non-{source}'


def across_languages(
    correct: Mapping[str, RightOrWrong],
    source: str = 'en',
    languages: Sequence[str] | None = None,
    *,
    chance: float | None = None,
    reference: float = 1.0,
    clip: bool = True,
    draws: int = 10_000,
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """Accuracy of every language, and what it shares with the source, all with intervals.

    One bootstrap over items serves all numbers, so that any two are paired. The accuracy of a
    language has Wilson's interval, everything else percentiles of the bootstrap; draws in which a
    ratio is not defined are left out, and more than 5 % of them leave no interval.

    Args:
      correct: language -> right or wrong of each item, in one order.
      source: the language that others are compared with.
      languages: those to compare; without it the ones in `correct`. One without answers gives
        None with the reason, as does every comparison where the source has none.
      chance, reference, clip: of `relative_accuracy`; without a chance there is none.

    Returns:
      language, and `mean_name(source)` where there is another language -> 'accuracy',
      'relative_accuracy' where a chance is given, and, except for the source, 'barrier_gap' (p:
      McNemar, for the mean the sign-flip test), 'en_co', 'kappa', 'transfer', 'transfer_back'. A
      mean is over the languages that have a value.

    Raises:
      ValueError: when two languages have different numbers of items; names them. For a value
        that is neither right nor wrong.
    """
    compared = list(languages) if languages is not None else list(correct)
    right = {
        name: stats.right_or_wrong(correct[name]) for name in [*compared, source] if name in correct
    }
    sizes = {name: values.size for name, values in right.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(f'languages have different numbers of items: {sizes}')
    n = next(iter(sizes.values()), 0)
    there = [name for name in right if n]
    columns = [right[name] for name in there]
    if source in there:
        columns += [right[name] & right[source] for name in there]
    drawn = _Drawn({}, {})
    if there:
        means = stats.bootstrap_means(np.stack(columns), draws, seed)
        drawn.right.update(zip(there, means[: len(there)], strict=True))
        if source in there:
            drawn.both.update(zip(there, means[len(there) :], strict=True))
    table: dict[str, dict[str, Estimate]] = {}
    for name in compared:
        absent = [x for x in dict.fromkeys((name, source)) if x not in there]
        reason = _absent(absent, correct)
        own = [x for x in absent if x == name]
        table[name] = {
            'accuracy': estimate.missing(_absent(own, correct))
            if own
            else estimate.accuracy(right[name])
        }
        if chance is not None:
            table[name]['relative_accuracy'] = _relative(
                table[name]['accuracy'], chance, reference, clip
            )
        if name == source:
            continue
        for metric in ('barrier_gap', *_REASONS):
            table[name][metric] = (
                estimate.missing(reason, n)
                if absent
                else _against(metric, right, drawn, name, source)
            )
    others = [name for name in compared if name != source and name in there]
    if others:
        mean = _means(right, drawn, others, source, table)
        if chance is not None:
            scaled = [(drawn.right[name] - chance) / (reference - chance) for name in others]
            spread = np.mean(np.maximum(scaled, 0) if clip else scaled, axis=0)
            value = _mean_value([table[name]['relative_accuracy'] for name in others])
            mean['relative_accuracy'] = Estimate(value, *stats.percentile_interval(spread), n)
        table[mean_name(source)] = mean
    return table


def _relative(accuracy: Estimate, chance: float, reference: float, clip: bool) -> Estimate:
    """RA of an accuracy and of both ends of its interval."""
    if accuracy.value is None:
        return accuracy
    value, low, high = (
        relative_accuracy(x, chance, reference, clip) for x in accuracy[:3] if x is not None
    )
    return Estimate(value, low, high, accuracy.n)


def _mean_value(estimates: Sequence[Estimate]) -> float:
    return float(np.mean([one.value for one in estimates if one.value is not None]))


def _absent(languages: Sequence[str], correct: Mapping[str, RightOrWrong]) -> str:
    empty = [name for name in languages if name in correct]
    return f'there are no {"items" if empty else "answers"} in {" and ".join(languages)}'


def _against(
    metric: str,
    right: Mapping[str, np.ndarray],
    drawn: _Drawn,
    name: str,
    source: str,
) -> Estimate:
    a, b = right[source], right[name]
    value = {
        'barrier_gap': barrier_gap,
        'en_co': en_co,
        'kappa': kappa,
        'transfer': transfer,
        'transfer_back': transfer_back,
    }
    found = value[metric](a, b)
    if found is None:
        return estimate.missing(_REASONS[metric], a.size)
    p = stats.mcnemar(a, b) if metric == 'barrier_gap' else None
    interval = _interval(drawn.metric(metric, source, name))
    return Estimate(found, *interval, a.size, p=p)


def _ratio(metric: str, a: np.ndarray, b: np.ndarray, both: np.ndarray) -> np.ndarray:
    """A metric of the shares right in the source, in the target and in both; NaN where undefined.

    The shares are of counts, but sums of shares round: what is next to 0 is 0.
    """
    if metric == 'barrier_gap':
        return a - b
    if metric == 'kappa':
        expected = a * b + (1 - a) * (1 - b)
        above, below = 1 - a - b + 2 * both - expected, 1 - expected
    else:
        below = {'en_co': a + b - both, 'transfer': a, 'transfer_back': b}[metric]
        above = both
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(below > 1e-12, above / below, np.nan)


def _interval(drawn: np.ndarray) -> tuple[float | None, float | None]:
    defined = drawn[~np.isnan(drawn)]
    if defined.size < (1 - _UNDEFINED) * drawn.size:
        return None, None
    return stats.percentile_interval(defined)


def _means(
    right: Mapping[str, np.ndarray],
    drawn: _Drawn,
    others: Sequence[str],
    source: str,
    table: Mapping[str, Mapping[str, Estimate]],
) -> dict[str, Estimate]:
    n = right[others[0]].size
    accuracy = np.mean([drawn.right[name] for name in others], axis=0)
    value = float(np.mean([right[name].mean() for name in others]))
    made = {'accuracy': Estimate(value, *stats.percentile_interval(accuracy), n)}
    for metric in ('barrier_gap', *_REASONS):
        known = [name for name in others if table[name][metric].value is not None]
        if not known:
            made[metric] = table[others[0]][metric]._replace(n=n)
            continue
        value = _mean_value([table[name][metric] for name in known])
        spread = [drawn.metric(metric, source, name) for name in known]
        means = np.mean(spread, axis=0)
        p = None
        if metric == 'barrier_gap':
            # Whole numbers, so that ties are exact.
            targets = np.sum([right[name] for name in known], axis=0)
            p = stats.sign_flip(len(known) * right[source].astype(int), targets)
        made[metric] = Estimate(value, *_interval(means), n, p=p)
    return made


def _paired(source: RightOrWrong, target: RightOrWrong) -> tuple[np.ndarray, np.ndarray]:
    a, b = stats.right_or_wrong(source), stats.right_or_wrong(target)
    if a.shape != b.shape:
        raise InputError(f'{a.size} items in the source, {b.size} in the target; expected the same')
    return a, b
