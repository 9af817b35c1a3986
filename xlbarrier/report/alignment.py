"""Numbers beside the accuracies: what languages share, and what a task publishes of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from xlbarrier import metrics
from xlbarrier.config.tasks import kind_of
from xlbarrier.metrics import CLIKA_CHANCE, CLIKA_REFERENCE, Estimate

SOURCE = 'en'
MEAN = metrics.mean_name(SOURCE)
ALL = 'mean:all'
PAIR = '~'  # between the two languages of a number that has no direction
SHARED = ('en_co', 'kappa', 'transfer')
RANKED = ('bmlama',)  # kinds whose options are the same facts in every language, and are ranked
Sheets = Mapping[tuple[str, str], pa.Table]  # (variant, language) -> answers of one model


def rows(
    task: str, sheets: Sheets, column: str, *, chance: float, draws: int, seed: int
) -> Iterator[dict[str, Any]]:
    """What one model's answers to one task give beside accuracies, for one reading of them.

    Of the variant full, against full in English or else `english`: en_co, kappa of being right,
    transfer, and kappa of the answers; RA, where the task has a published reference. Of every
    sheet: the share of its commonest answer, and for MMLU the accuracy of each of the 57 subjects,
    17 groups and four categories. Between every pair of languages: RankC, where options are ranked.

    Args:
      task: its name in the config, which begins with its kind.
      sheets: all aligned.
      column: of the index of the option that was read.
      chance: accuracy of guessing.
      draws, seed: of every bootstrap.

    Yields:
      variant, language, metric and the fields of `metrics.Estimate.as_row`; with `subject` for the
      parts of MMLU.
    """
    kind = kind_of(task)
    chosen = {key: table[column].to_pylist() for key, table in sheets.items()}
    right = {
        key: np.asarray(table[column]) == np.asarray(table['answer'])
        for key, table in sheets.items()
    }
    yield from _shared(kind, right, chosen, chance, draws, seed)
    for (variant, language), answers in chosen.items():
        readable = [answer for answer in answers if answer is not None and answer >= 0]
        commonest = int(np.bincount(readable).max()) if readable else 0
        estimate = metrics.share(commonest, len(readable))
        yield _row(variant, language, 'commonest_answer_share', estimate)
    if kind == 'mmlu':
        for key, table in sheets.items():
            yield from _parts(*key, table['subject'].to_pylist(), right[key], chance)
    if kind in RANKED and column == 'prediction_raw':
        yield from _rankc(sheets, draws, seed)


def _shared(
    kind: str | None,
    right: Mapping[tuple[str, str], np.ndarray],
    chosen: Mapping[tuple[str, str], list[int]],
    chance: float,
    draws: int,
    seed: int,
) -> Iterator[dict[str, Any]]:
    source = next((key for key in (('full', SOURCE), ('english', SOURCE)) if key in right), None)
    others = [key for key in right if key[0] == 'full' and key != source]
    reference = CLIKA_REFERENCE.get(kind)
    constants = {}
    if reference is not None:
        constants = {'chance': CLIKA_CHANCE[kind] / 100, 'reference': reference / 100}
    elif not others:
        return
    correct = {SOURCE: right[source]} if source else {}
    correct |= {language: right[variant, language] for variant, language in others}
    if not correct:
        return
    table = metrics.across_languages(correct, SOURCE, **constants, draws=draws, seed=seed)
    for language, estimates in table.items():
        variant = source[0] if language == SOURCE else 'full'
        if 'relative_accuracy' in estimates:
            yield _row(variant, language, 'relative_accuracy', estimates['relative_accuracy'])
        for metric in SHARED:
            if metric in estimates:
                yield _row(variant, language, metric, estimates[metric])
    for key in others if source else ():
        estimate = metrics.answer_kappa(chosen[source], chosen[key], draws, seed)
        yield _row(*key, 'answer_kappa', estimate)


def _parts(
    variant: str, language: str, subjects: list[str], right: np.ndarray, chance: float
) -> Iterator[dict[str, Any]]:
    """MMLU's own accuracies; the plain accuracy of the sheet is the weighted one."""
    names = np.asarray(subjects)
    table = metrics.mmlu_accuracies({str(s): right[names == s] for s in np.unique(names)})
    for name, part in (
        ('category', table.categories),
        ('group', table.groups),
        ('subject', table.subjects),
    ):
        for subject, estimate in part.items():
            row = _row(variant, language, f'accuracy_{name}', estimate)
            yield row | {'subject': subject, 'chance': chance}


def _rankc(sheets: Sheets, draws: int, seed: int) -> Iterator[dict[str, Any]]:
    scores = {
        language: table['scores'].to_pylist()
        for (variant, language), table in sheets.items()
        if variant == 'full'
    }
    table = metrics.rankc_table(scores, draws=draws, seed=seed)
    for (one, other), estimate in table.items():
        yield _row('full', f'{one}{PAIR}{other}', 'rankc', estimate)
    if len(table) > 1:
        means = [metrics.rank_consistency(scores[a], scores[b]) for a, b in table]
        yield _row('full', ALL, 'rankc', metrics.mean(np.mean(means, axis=0), draws, seed))


def _row(variant: str, language: str, metric: str, estimate: Estimate) -> dict[str, Any]:
    key = {'variant': variant, 'language': language, 'metric': metric}
    return key | estimate.as_row()
