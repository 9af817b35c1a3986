"""Every number of a run, as rows of results.json.

`language` is a code, or `rows.MEAN`, the mean over the languages other than English, or for the
variant `mixup` (where a code is the question's language) `rows.ALL`, the mean over all of them.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from xlbarrier import metrics
from xlbarrier.config.tasks import kind_of
from xlbarrier.metrics import Estimate
from xlbarrier.results import alignment, at_test_time, paired, seeds, shares
from xlbarrier.results.answers import (
    READINGS,
    AnswersKey,
    Predictions,
    ReadAnswers,
    chance_of,
    check_aligned,
    models_of,
    read_answers,
    together,
)
from xlbarrier.results.rows import ResultRow, RowKey, adjust, is_mean, result_row, task_row
from xlbarrier.tasks.base import Numbered

# method -> the column of the options' log-likelihoods.
SCORES = {'loglikelihood': 'scores', 'letter': 'letter_scores'}
MMLU_KINDS = ('mmlu', 'mmmlu', 'global_mmlu', 'global_mmlu_lite')  # of MMLU's 57 subjects
# Kinds whose options are the same facts in every language, and are ranked.
RANKED = ('bmlama', 'polyfact')


def result_rows(
    predictions: Predictions,
    *,
    reference: str = 'base',
    control: str = 'english',
    seed: int = 0,
    draws: int = 10_000,
    numbered: Mapping[str, Numbered] | None = None,
) -> list[ResultRow]:
    """All numbers of recorded answers.

    Args:
      predictions: (model, task, variant, language) -> table with the columns of
        docs/run_folder.md.
      reference: the model that others are compared with.
      control: the arm that other arms are compared with.
      seed, draws: of every bootstrap.
      numbered: the tasks that compute their own numbers, by name.

    Returns:
      Rows in a fixed order.

    Raises:
      InputError: when two sheets of a task do not have the same items in the same order; names the
        sheet and the first id that differs.
    """
    numbered = numbered or {}
    rows: list[ResultRow] = []
    for task in sorted({key[1] for key in predictions}):
        sheets = {key: table for key, table in predictions.items() if key[1] == task}
        if task in numbered:
            rows += _task_rows(numbered[task], task, sheets, reference, draws, seed)
            continue
        groups = together(sheets)
        for group in groups:
            check_aligned(group)
            made = _choice_rows(task, group, reference, control, draws, seed)
            # Languages with items of their own have no mean.
            rows += [row for row in made if len(groups) == 1 or not is_mean(row['language'])]
    adjust(rows)
    return rows


def _choice_rows(
    task: str, sheets: Predictions, reference: str, control: str, draws: int, seed: int
) -> list[ResultRow]:
    """The numbers of a multiple-choice task in every reading."""
    chance = chance_of(sheets)
    made: list[ResultRow] = []
    for (method, metric), column in READINGS.items():
        answers = read_answers(sheets, column)
        if not answers:
            continue
        made += paired.rows(
            task,
            method,
            metric,
            answers,
            chance=chance,
            reference=reference,
            control=control,
            draws=draws,
            seed=seed,
        )
        if method.startswith('generate'):
            for key in sorted(answers, key=lambda k: (k[0] != reference, k)):
                row_key = _row_key(key, method, reference)
                made.append(shares.unreadable_row(row_key, answers[key].chosen))
        if metric == 'accuracy':
            for model in models_of(list(sheets), reference):
                own = {k: answers[k] for k in sorted(answers) if k[0] == model}
                made += _beside(task, method, own, sheets, chance, reference, draws, seed)
            if method in SCORES:
                column = SCORES[method]
                scored = {k: t for k, t in sheets.items() if _has_scores(t, method, column)}
                made += at_test_time.ensemble_rows(
                    task,
                    method,
                    column,
                    scored,
                    chance=chance,
                    reference=reference,
                    draws=draws,
                    seed=seed,
                )
    return made


def _beside(
    task: str,
    method: str,
    answers: Mapping[AnswersKey, ReadAnswers],
    sheets: Predictions,
    chance: float,
    reference: str,
    draws: int,
    seed: int,
) -> Iterator[ResultRow]:
    """What one model's answers in one reading give besides accuracies."""
    if not answers:
        return
    kind = kind_of(task)
    by_sheet = {key[2:]: one for key, one in answers.items()}
    first = _row_key(next(iter(answers)), method, reference)
    yield from alignment.study_rows(first, kind, by_sheet, draws=draws, seed=seed)
    for key, one in answers.items():
        yield shares.commonest_row(_row_key(key, method, reference), one.chosen)
    yield from at_test_time.translated_rows(first, answers, draws, seed)
    yield from at_test_time.translation_rows(first, sheets)
    if kind in MMLU_KINDS:
        for key, one in answers.items():
            yield from shares.mmlu_rows(_row_key(key, method, reference), one, chance)
    if kind == 'worldfacts':
        for key, one in answers.items():
            yield from shares.subject_rows(_row_key(key, method, reference), one, chance)
    column = SCORES.get(method)
    if column is not None:
        scores = {
            key[3]: sheets[key][column].to_pylist()
            for key in answers
            if key[2] in ('full', 'english') and _has_scores(sheets[key], method, column)
        }
        full = first._replace(variant='full')
        yield from alignment.probability_rows(full, scores, draws=draws, seed=seed)
    if kind in RANKED and method == 'loglikelihood':
        scores = {key[3]: sheets[key]['scores'].to_pylist() for key in answers if key[2] == 'full'}
        ranked = first._replace(variant='full')
        yield from alignment.rankc_rows(ranked, scores, draws=draws, seed=seed)


def _has_scores(table: pa.Table, method: str, column: str) -> bool:
    """Whether a sheet has a method's scores; `scores` are those of the first method asked."""
    first = table['method'][0].as_py() if 'method' in table.column_names else method
    return column in table.column_names and (column != 'scores' or first == method)


def _row_key(key: AnswersKey, method: str, reference: str) -> RowKey:
    model, task, variant, language = key
    arm = None if model == reference else seeds.arm_of(model)
    return RowKey(model, arm, task, variant, language, method)


def _task_rows(
    numbered: Numbered, task: str, sheets: Predictions, reference: str, draws: int, seed: int
) -> Iterator[ResultRow]:
    """The numbers that a task computes, and their differences to the reference."""
    for model in models_of(list(sheets), reference):
        tables = {key[2:]: table for key, table in sheets.items() if key[0] == model}
        arm = None if model == reference else model
        for fields in numbered.rows(tables, draws=draws, seed=seed):
            row = task_row(model, arm, task, fields)
            yield row
            key = (task, row['variant'], row['language'])
            if arm is None or (reference, *key) not in sheets or (model, *key) not in sheets:
                continue
            mine, theirs = sheets[model, *key], sheets[reference, *key]
            change = _change(mine, theirs, row['metric'], draws, seed)
            if change is not None:
                named = RowKey(model, arm, *key, row['method'])
                yield result_row(named, f'{row["metric"]}_difference_to_base', change)


def _change(
    mine: pa.Table, theirs: pa.Table, metric: str, draws: int, seed: int
) -> Estimate | None:
    """The paired difference of a metric that is a mean over items: it is a column of tables."""
    if metric not in mine.column_names or not pa.types.is_floating(mine.schema.field(metric).type):
        return None
    other = dict(zip(theirs['id'].to_pylist(), theirs[metric].to_pylist(), strict=True))
    pairs = [
        (value, other.get(id_))
        for id_, value in zip(mine['id'].to_pylist(), mine[metric].to_pylist(), strict=True)
    ]
    kept = np.array([pair for pair in pairs if None not in pair], np.float64).reshape(-1, 2)
    return metrics.paired_difference(kept[:, 0], kept[:, 1], draws, seed)
