"""What TOFU measures of question answering (Maini et al. 2024), from losses and texts.

A loss is the negative log-likelihood of an answer in nats, the sum over its tokens or their mean,
as the argument says. The recorded form of the authors' code has both.
"""

from collections.abc import Sequence

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics.stats import Values


def answer_probability(mean_loss: Values) -> np.ndarray:
    """P(answer | question)^(1 / tokens) = exp(-mean loss): the answer's normalised probability."""
    return np.exp(-_losses(mean_loss, 'mean_loss'))


def choice_probability(mean_loss: Values, wrong: Sequence[Values]) -> np.ndarray:
    """The right answer's normalised probability among it and the wrong ones'.

    p / (p + sum of the wrong answers' p): TOFU's definition for real authors and world facts. The
    recorded `normalized_gt_loss` is minus its logarithm.

    Args:
      mean_loss: [items], of the right answer.
      wrong: [items][wrong answers], of each wrong one; at least one.
    """
    true = _losses(mean_loss, 'mean_loss')
    others = _groups(wrong, true.size)
    # Shifted by the smallest loss, so that very unlikely answers do not become 0 / 0.
    return np.array(
        [
            np.exp(low - t) / (np.exp(low - t) + np.exp(low - o).sum())
            for t, o in zip(true, others, strict=True)
            for low in (min(t, o.min()),)
        ]
    )


def truth_ratio(
    paraphrased: Values, perturbed: Sequence[Values], mean: str = 'geometric'
) -> np.ndarray:
    """R: mean P^(1/tokens) of the wrong answers over that of the paraphrased right answer.

    Geometric, as TOFU's evaluation records it: exp(paraphrased loss - mean perturbed loss).
    Arithmetic, as the paper's equation 1 and its later aggregation have it.

    Args:
      paraphrased: [items] mean loss of the paraphrased right answer.
      perturbed: [items][wrong answers] their mean losses. Where all losses are float32, as the
        recorded ones were, geometric ratios are computed as they were recorded: see `_on_device`.
      mean: 'geometric' or 'arithmetic'.

    Returns:
      [items], above 0; 0 is a perfect model, 1 one that cannot tell them apart.

    Raises:
      ValueError: for another `mean`, lengths that differ, no wrong answer, or a loss that is not a
        finite number of at least 0.
    """
    right = _losses(paraphrased, 'paraphrased')
    wrong = _groups(perturbed, right.size)
    if mean == 'geometric':
        single = all(losses.dtype == np.float32 for losses in (right, *wrong))
        average = _on_device if single else np.mean
        logs = [r - average(w) for r, w in zip(right, wrong, strict=True)]
        return np.exp(np.array(logs, np.float64)).astype(np.float32 if single else np.float64)
    if mean == 'arithmetic':
        pairs = zip(right.astype(np.float64), wrong, strict=True)
        return np.array([np.exp(r - w).mean() for r, w in pairs])
    raise InputError(f"mean is {mean!r}; expected 'geometric' or 'arithmetic'")


def truth_ratio_score(ratio: Values, forget: bool = False) -> np.ndarray:
    """TOFU's score of truth ratios: max(0, 1 - R), or min(R, 1 / R) on what is to be forgotten."""
    values = np.asarray(ratio, np.float64)
    if values.size and not (np.isfinite(values) & (values >= 0)).all():
        raise InputError('a truth ratio is not a finite number of at least 0')
    if not forget:
        return np.maximum(0, 1 - values)
    with np.errstate(divide='ignore'):
        return np.minimum(values, 1 / values)


def model_utility(numbers: Values) -> float | None:
    """Harmonic mean of probability, ROUGE-L and truth ratio score over TOFU's retained sets.

    None without numbers; 0 where one of them is 0.
    """
    values = np.asarray(numbers, np.float64)
    if values.size == 0:
        return None
    if not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(f'numbers are {values.tolist()}; expected finite ones of at least 0')
    from scipy import stats

    return float(stats.hmean(values)) if (values > 0).all() else 0.0


def forget_quality(unlearned: Values, retained: Values) -> float | None:
    """p of the two-sample Kolmogorov-Smirnov test of two models' truth ratios on the forget set.

    High where the unlearned model behaves like one that never saw the set; None without items.
    """
    if not len(unlearned) or not len(retained):
        return None
    from scipy import stats

    return float(stats.ks_2samp(np.asarray(unlearned), np.asarray(retained)).pvalue)


def _on_device(losses: np.ndarray) -> np.float32:
    """The float32 mean as torch's CUDA reduction sums it, with which TOFU's ratios were computed.

    As many lanes as the largest power of two; the rest folds onto the first, then neighbours add
    up; the sum is multiplied by 1 / n. Another order moves a ratio by up to 2e-6 of its value.
    """
    lanes = 1 << (losses.size.bit_length() - 1)
    held = losses[:lanes].copy()
    held[: losses.size - lanes] += losses[lanes:]
    while held.size > 1:
        held = held[::2] + held[1::2]
    return held[0] * np.float32(1 / losses.size)


def _losses(values: Values, name: str) -> np.ndarray:
    losses = np.asarray(values)
    losses = losses if losses.dtype == np.float32 else losses.astype(np.float64)
    bad = np.flatnonzero(~(np.isfinite(losses) & (losses >= 0)))
    if bad.size:
        raise InputError(
            f'{name}[{bad[0]}] is {losses[bad[0]]}; expected a finite loss of at least 0 nats'
        )
    return losses


def _groups(values: Sequence[Values], n: int) -> list[np.ndarray]:
    if len(values) != n:
        raise InputError(f'{n} right answers, but wrong ones for {len(values)} items')
    groups = [_losses(group, f'wrong answers of item {i}') for i, group in enumerate(values)]
    for i, group in enumerate(groups):
        if not group.size:
            raise InputError(f'item {i} has no wrong answer')
    return groups
