"""How well knowledge is shared between languages. Arguments are paired: item by item."""

from collections.abc import Sequence

import numpy as np


def barrier_gap(source: Sequence[bool], target: Sequence[bool]) -> float | None:
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
        raise ValueError(f'reference {reference} is not above chance {chance}')
    value = (accuracy - chance) / (reference - chance)
    return max(0.0, value) if clip else value


def en_co(source: Sequence[bool], target: Sequence[bool]) -> float | None:
    """|C_en & C_l| / |C_en | C_l|, C the items right in a language; None for an empty union.

    The overlap of right answers, as in X-FACTR (Jiang et al. 2020); CLiKA's released code does not
    hold its own formula.
    """
    a, b = _paired(source, target)
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else None


def kappa(source: Sequence[bool], target: Sequence[bool]) -> float | None:
    """Cohen's kappa (1960) of being right in both languages: agreement beyond chance.

    (observed - expected) / (1 - expected); None where one answer of both is constant and so the
    expected agreement is 1, or there are no items.
    """
    a, b = _paired(source, target)
    if not a.size:
        return None
    p, q = a.mean(), b.mean()
    expected = p * q + (1 - p) * (1 - q)
    if expected == 1:
        return None
    return float(((a == b).mean() - expected) / (1 - expected))


def transfer(source: Sequence[bool], target: Sequence[bool]) -> float | None:
    """Share of the items right in the source that are right in the target (ECLeKTic's reading).

    None where none is right in the source.
    """
    a, b = _paired(source, target)
    return float((a & b).sum() / a.sum()) if a.any() else None


def _paired(source: Sequence[bool], target: Sequence[bool]) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(source, bool), np.asarray(target, bool)
    if a.shape != b.shape:
        raise ValueError(f'{a.size} items in the source, {b.size} in the target: wanted as many')
    return a, b
