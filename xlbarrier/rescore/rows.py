"""The numbers of recorded answers, as rows of results.json."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from xlbarrier import metrics
from xlbarrier.config.rescore import RescoreConfig
from xlbarrier.metrics import CLIKA_CHANCE, CLIKA_REFERENCE, Estimate
from xlbarrier.rescore import mmlu
from xlbarrier.rescore.readings import FIRST_CHARACTER, READERS, Options, Reading
from xlbarrier.rescore.records import RecordError, Sheet
from xlbarrier.rescore.tofu import Evaluation

FIELDS = (
    *('model', 'arm', 'task', 'variant', 'language', 'method', 'metric'),
    *('value', 'n', 'ci_low', 'ci_high', 'chance'),
)
ALL = 'mean:all'
RECORDED = 'recorded'
Row = dict[str, Any]


def choice_rows(
    groups: Mapping[tuple[str, str, str], Sequence[Reading]],
    config: RescoreConfig,
    draws: int,
    seed: int,
) -> list[Row]:
    """Accuracy, RA, what is shared with the source language, and what shows it to be empty.

    Args:
      groups: as `readings.read` gives them.
      config: source language, languages, and the constants of RA.
      draws, seed: of every bootstrap.

    Returns:
      Rows in a fixed order, not adjusted for multiple tests.
    """
    rows = []
    for (task, variant, model), group in groups.items():
        key = {'model': model, 'task': task, 'variant': variant}
        rows += _group_rows(key, group, config, draws, seed)
    return rows


def check_reference(sheets: Sequence[Sheet], config: RescoreConfig) -> None:
    """Refuses a reference of RA that is not above guessing.

    Raises:
      RecordError: naming the field and the task.
    """
    for sheet in sheets:
        chance, reference = _constants(sheet.task, sheet, config)
        if reference is not None and reference <= chance:
            raise RecordError(
                f'config.rescore.ra_reference is {config.ra_reference:g}; guessing alone gives'
                f' {100 * chance:.4g} % of {sheet.task}: wanted more than that, or 0 for the'
                ' published one, or leave the task out with --config.rescore.tasks'
            )


def tofu_rows(evaluations: Sequence[Evaluation], draws: int, seed: int) -> list[Row]:
    """Means of TOFU's numbers over each set, how far recorded ones are off, and the utility."""
    rows = []
    utility: dict[tuple[str, str], dict[str, list[float]]] = {}
    for one in sorted(evaluations, key=lambda e: (e.model, e.language, e.variant)):
        key = {'model': one.model, 'task': 'tofu', 'variant': one.variant, 'method': RECORDED}
        estimates = metrics.means(list(one.values.values()), draws, seed)
        for metric, estimate in zip(one.values, estimates, strict=True):
            rows.append(_row(key, one.language, metric, estimate))
            if one.variant != 'forget' and metric in (
                'probability',
                'rougeL_recall',
                'truth_ratio_score',
            ):
                numbers = utility.setdefault((one.model, one.language), {})
                numbers.setdefault(one.variant, []).append(estimate.value)
        for metric, was in one.recorded.items():
            farthest = float(np.max(np.abs(one.values[metric] - was) / np.maximum(1, np.abs(was))))
            found = Estimate(farthest, n=len(one.ids))
            rows.append(_row(key, one.language, f'{metric}_off_recorded', found))
            if farthest > 1e-6:
                logging.warning(
                    '%s: the recorded %s is off what its texts and losses give by up to %g',
                    *(one.path, metric, farthest),
                )
    for (model, language), numbers in utility.items():
        key = {'model': model, 'task': 'tofu', 'variant': 'all', 'method': RECORDED}
        absent = [v for v in ('retain', 'real_authors', 'world_facts') if v not in numbers]
        found = (
            metrics.missing(f'there are no answers for {", ".join(absent)}')
            if absent
            else Estimate(metrics.model_utility([x for part in numbers.values() for x in part]))
        )
        rows.append(_row(key, language, 'model_utility', found))
    return rows


def adjust(rows: Sequence[Row]) -> None:
    """Adds `p_holm`, Holm's adjustment within a table: a task, method and metric.

    The means over languages are a table of their own, as in the report of a study.
    """
    tests = {i: Estimate(row['value'], p=row['p']) for i, row in enumerate(rows) if 'p' in row}
    family = {
        i: (*(rows[i][f] for f in ('task', 'method', 'metric')), 'mean:' in rows[i]['language'])
        for i in tests
    }
    for i, p in metrics.holm_table(tests, family).items():
        rows[i]['p_holm'] = p


def _group_rows(
    key: Mapping[str, str],
    group: Sequence[Reading],
    config: RescoreConfig,
    draws: int,
    seed: int,
) -> Iterator[Row]:
    chance, reference = _constants(key['task'], group[0].sheet, config)

    # Kept, because readers mostly agree and the bootstraps are most of the work.
    @functools.cache
    def shared(correct: tuple[tuple[str, tuple[bool, ...]], ...]) -> Mapping:
        return metrics.across_languages(
            dict(correct),
            config.source_language,
            chance=chance,
            reference=1.0 if reference is None else reference,
            clip=config.ra_clip,
            draws=draws,
            seed=seed,
        )

    @functools.cache
    def agreement(source: Options, target: Options) -> Estimate:
        return metrics.answer_kappa(source, target, draws, seed)

    for method in READERS:
        own = {**key, 'method': method}
        read = {one.sheet.language: one.options[method] for one in group}
        correct = {
            one.sheet.language: tuple(
                a == b for a, b in zip(one.options[method], one.sheet.answers, strict=True)
            )
            for one in group
        }
        for language, estimates in shared(tuple(correct.items())).items():
            for metric, estimate in estimates.items():
                if metric == 'relative_accuracy' and reference is None:
                    continue  # a task without a published reference, and none was given
                guess = chance if metric == 'accuracy' else None
                yield _row(own, language, metric, estimate, chance=guess)
        for language, right in correct.items():
            p = metrics.above_chance(sum(right), len(right), chance)
            yield _row(own, language, 'above_chance_p', Estimate(p, n=len(right), p=p))
        source = config.source_language
        for language, answers in read.items():
            if language != source and source in read:
                yield _row(own, language, 'answer_kappa', agreement(read[source], answers))
        yield from _answer_rows(own, read, draws, seed)
        for one in group:
            if one.sheet.subjects:
                right = np.array(correct[one.sheet.language])
                yield from _mmlu_rows(own, one.sheet, right, chance)


def _answer_rows(
    key: Mapping[str, str], read: Mapping[str, Options], draws: int, seed: int
) -> Iterator[Row]:
    """One letter for most questions, and answers nobody can read."""
    for language, answers in read.items():
        readable = [answer for answer in answers if answer is not None]
        commonest = int(np.bincount(readable).max()) if readable else 0
        share = metrics.share(commonest, len(readable))
        yield _row(key, language, 'commonest_answer_share', share)
    for language, answers in read.items():
        yield _row(key, language, 'unreadable_share', metrics.unreadable(answers))
    if len(read) > 1:
        blank = np.array([[a is None for a in answers] for answers in read.values()])
        yield _row(key, ALL, 'unreadable_share', metrics.mean(blank.mean(axis=0), draws, seed))


def _mmlu_rows(
    key: Mapping[str, str], sheet: Sheet, right: np.ndarray, chance: float
) -> Iterator[Row]:
    """Accuracies of subjects and of the four categories; `accuracy` is the weighted one."""
    subjects = np.array(sheet.subjects)
    correct = {str(name): right[subjects == name] for name in np.unique(subjects)}
    table = metrics.mmlu_accuracies(correct)
    if key['method'] == FIRST_CHARACTER:
        mmlu.compare(sheet, correct)
    if key['method'] == FIRST_CHARACTER and table.absent:
        logging.warning('%s: no answers to %s', sheet.path, ', '.join(table.absent))
    for name, part in (
        ('category', table.categories),
        ('group', table.groups),
        ('subject', table.subjects),
    ):
        for subject, estimate in part.items():
            row = _row(key, sheet.language, f'accuracy_{name}', estimate, chance=chance)
            yield row | {'subject': subject}


def _constants(task: str, sheet: Sheet, config: RescoreConfig) -> tuple[float, float | None]:
    """Chance, and the accuracy whose RA is 1, both of 1."""
    given = config.ra_reference / 100 or None
    if task in CLIKA_CHANCE:
        return CLIKA_CHANCE[task] / 100, given or CLIKA_REFERENCE[task] / 100
    return float(np.mean([1 / len(choices) for choices in sheet.choices])), given


def _row(
    key: Mapping[str, str],
    language: str,
    metric: str,
    estimate: Estimate,
    chance: float | None = None,
) -> Row:
    row = dict.fromkeys(FIELDS) | dict(key) | {'language': language, 'metric': metric}
    row |= {'value': estimate.value, 'n': estimate.n, 'chance': chance}
    row |= {'ci_low': estimate.low, 'ci_high': estimate.high}
    if estimate.p is not None:
        row['p'] = estimate.p
    if estimate.value is None:
        row['reason'] = estimate.reason
    return row
