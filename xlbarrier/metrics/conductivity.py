"""XRR: what a model learned of invented facts in one language and can recall in another (CLiKA)."""

from typing import NamedTuple

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics import estimate, stats
from xlbarrier.metrics.estimate import Estimate
from xlbarrier.metrics.stats import RightOrWrong

GATE = 0.9


class CrossRetrieval(NamedTuple):
    """XRR and the accuracies that it is computed from.

    Attributes:
      xrr: the ratio, or None with the reason.
      accuracies: of the translation, of both fact types in the source, and in the target.
    """

    xrr: Estimate
    accuracies: dict[str, Estimate]


def xrr(
    *,
    translation: RightOrWrong | None,
    source_type_0: RightOrWrong | None,
    source_type_1: RightOrWrong | None,
    target_type_0: RightOrWrong | None,
    target_type_1: RightOrWrong | None,
    gate: float = GATE,
    draws: int = 10_000,
    seed: int = 0,
) -> CrossRetrieval:
    """Cross-retrieval ratio: accuracy(target, type 1) / accuracy(source, type 1).

    Our reading of Gao et al. 2024, section 5, whose code for it is not released. Facts of type 0
    are taught in both languages, those of type 1 in the source only. The ratio means something only
    when the training is complete: names translated, both types known in the source and type 0 in
    the target, each at least at the `gate`; else it is None, with the accuracies that fell short.
    It may exceed 1.

    Args:
      translation, ...: right or wrong of each item; None or empty where it was not asked.
      gate: 0.9 as in CLiKA's data description.

    Raises:
      ValueError: for a gate outside [0, 1].
    """
    if not 0 <= gate <= 1:
        raise InputError(f'gate is {gate}; expected 0 <= gate <= 1')
    asked = {
        'translation': translation,
        'source_type_0': source_type_0,
        'source_type_1': source_type_1,
        'target_type_0': target_type_0,
        'target_type_1': target_type_1,
    }
    accuracies = {
        name: estimate.accuracy(() if right is None else right) for name, right in asked.items()
    }
    n = accuracies['target_type_1'].n
    known = {name: e.value for name, e in accuracies.items() if e.value is not None}
    absent = [name for name in accuracies if name not in known]
    if absent:
        reason = f'there are no answers for {", ".join(absent)}'
        return CrossRetrieval(estimate.missing(reason, n), accuracies)
    gated = {name: value for name, value in known.items() if name != 'target_type_1'}
    short = [f'{name} {value:.3f}' for name, value in gated.items() if value < gate]
    if short:
        values = ', '.join(f'{name} {value:.3f}' for name, value in gated.items())
        reason = f'training is not complete (expected at least {gate:g} each): {values}'
        return CrossRetrieval(estimate.missing(reason, n), accuracies)
    if known['source_type_1'] == 0:
        reason = 'no type 1 fact is right in the source'
        return CrossRetrieval(estimate.missing(reason, n), accuracies)
    source, target = np.asarray(source_type_1, bool), np.asarray(target_type_1, bool)
    if source.size == target.size:  # row-aligned facts: drawn together
        above, below = stats.bootstrap_means(np.stack([target, source]), draws, seed)
    else:
        (above,), (below,) = (
            stats.bootstrap_means(right, draws, seed + i)
            for i, right in enumerate((target, source))
        )
    interval = stats.percentile_interval(above[below > 0] / below[below > 0])
    value = known['target_type_1'] / known['source_type_1']
    return CrossRetrieval(Estimate(value, *interval, n), accuracies)
