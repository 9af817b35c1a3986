"""Metrics of multiple-choice answers, alignment between languages, and their uncertainty.

Pure numpy and scipy, usable alone: `from xlbarrier import metrics`.
"""

from xlbarrier.metrics.alignment import (
    barrier_gap,
    en_co,
    kappa,
    relative_accuracy,
    transfer,
)
from xlbarrier.metrics.choice import NORMALISATIONS, predictions
from xlbarrier.metrics.stats import (
    Interval,
    above_chance,
    bootstrap_means,
    holm,
    mcnemar,
    percentile_interval,
    wilson,
)

__all__ = [
    'NORMALISATIONS',
    'Interval',
    'above_chance',
    'barrier_gap',
    'bootstrap_means',
    'en_co',
    'holm',
    'kappa',
    'mcnemar',
    'percentile_interval',
    'predictions',
    'relative_accuracy',
    'transfer',
    'wilson',
]
