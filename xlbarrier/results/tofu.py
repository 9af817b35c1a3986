"""The numbers of TOFU's recorded evaluations (Maini et al. 2024)."""

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from absl import logging

from xlbarrier import metrics
from xlbarrier.metrics import Estimate
from xlbarrier.results.rows import ResultRow, RowKey, result_row

RETAINED = ('retain', 'real_authors', 'world_facts')
UTILITY = ('probability', 'rougeL_recall', 'truth_ratio_score')
_OFF = 1e-6  # a recorded number farther off than this is reported


@dataclass(frozen=True)
class TofuLog:
    """One model on one of TOFU's sets: a number per item and metric, computed from the log.

    Attributes:
      model, variant, language: as in results.json.
      path: the file.
      ids: of the items.
      values: metric -> float [items].
      recorded: metric -> what the file records for it, where it does.
    """

    model: str
    variant: str
    language: str
    path: pathlib.Path
    ids: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    recorded: Mapping[str, np.ndarray]


def rows(logs: Sequence[TofuLog], draws: int, seed: int) -> list[ResultRow]:
    """Means of TOFU's numbers over each set, how far recorded ones are off, and the utility."""
    made = []
    utility: dict[tuple[str, str], dict[str, list[float]]] = {}
    items: dict[tuple[str, str], int] = {}
    for log in sorted(logs, key=lambda one: (one.model, one.language, one.variant)):
        key = _key(log.model, log.variant, log.language)
        estimates = metrics.means(list(log.values.values()), draws, seed)
        if log.variant in RETAINED:
            whose = (log.model, log.language)
            items[whose] = items.get(whose, 0) + len(log.ids)
        for metric, estimate in zip(log.values, estimates, strict=True):
            made.append(result_row(key, metric, estimate))
            if log.variant != 'forget' and metric in UTILITY and estimate.value is not None:
                numbers = utility.setdefault((log.model, log.language), {})
                numbers.setdefault(log.variant, []).append(estimate.value)
        made += _off_recorded(log, key)
    for (model, language), numbers in utility.items():
        absent = [variant for variant in RETAINED if variant not in numbers]
        found = (
            metrics.missing(f'there are no answers for {", ".join(absent)}')
            if absent
            else Estimate(
                metrics.model_utility([x for part in numbers.values() for x in part]),
                n=items[model, language],
            )
        )
        made.append(result_row(_key(model, 'all', language), 'model_utility', found))
    return made + _forget_quality(logs)


def _forget_quality(logs: Sequence[TofuLog]) -> list[ResultRow]:
    """p of the test that two models' truth ratios on the forget set have the same distribution.

    For every two models with a log of that set in a language; where just one of the names contains
    'retain', the other is compared with that model. `subject` names it.
    """
    made = []
    found = sorted((one for one in logs if one.variant == 'forget'), key=lambda one: one.model)
    for one, other in itertools.combinations(found, 2):
        if one.language != other.language or one.model == other.model:
            continue
        retained = ['retain' in log.model.lower() for log in (one, other)]
        unlearned, against = (other, one) if retained == [True, False] else (one, other)
        p = metrics.forget_quality(unlearned.values['truth_ratio'], against.values['truth_ratio'])
        key = _key(unlearned.model, 'forget', unlearned.language)
        estimate = Estimate(p, n=len(unlearned.ids))
        made.append(result_row(key, 'forget_quality', estimate, subject=f'against {against.model}'))
    return made


def _off_recorded(log: TofuLog, key: RowKey) -> list[ResultRow]:
    """How far recorded numbers are from those computed of texts and losses, relative above 1."""
    made = []
    for metric, recorded in log.recorded.items():
        off = np.abs(log.values[metric] - recorded) / np.maximum(1, np.abs(recorded))
        farthest = float(np.max(off))
        made.append(result_row(key, f'{metric}_off_recorded', Estimate(farthest, n=len(log.ids))))
        if farthest > _OFF:
            logging.warning(
                '%s: the recorded %s differs from what its texts and losses give by up to %g',
                log.path,
                metric,
                farthest,
            )
    return made


def _key(model: str, variant: str, language: str) -> RowKey:
    return RowKey(model, None, 'tofu', variant, language, 'recorded')
