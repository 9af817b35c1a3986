"""Several runs compared on the questions that all of them were asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xlbarrier import metrics
from xlbarrier.errors import InputError
from xlbarrier.results import paired
from xlbarrier.results.answers import (
    READINGS,
    AnswersKey,
    Predictions,
    ReadAnswers,
    chance_of,
    read_answers,
)
from xlbarrier.results.rows import ResultRow, RowKey, adjust, result_row

Sheet = tuple[str, str]  # variant, language
# What makes two questions one: its text and options, or for written answers the references.
QUESTION = ('question', 'choices', 'answer', 'references')


@dataclass(frozen=True)
class CommonTask:
    """What the models of several runs have in common of one task.

    Attributes:
      name: of the task.
      models: those that were asked it, in order.
      sheets: variants and languages that all of them were asked in.
      left_out: those that only some were asked in.
      items: number of questions with the same id, text and options for all.
      of: number of questions with an id that any of them has.
    """

    name: str
    models: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    left_out: tuple[Sheet, ...]
    items: int
    of: int


def label(run: str, model: str, models: int) -> str:
    """A model's name among those of several runs: the run's, and the model's where it has more."""
    return run if models == 1 else f'{run}/{model}'


def gather(runs: Mapping[str, Predictions]) -> tuple[list[CommonTask], dict[AnswersKey, pa.Table]]:
    """The answers to what all models were asked, with the same questions in the same order.

    Args:
      runs: name -> answers.

    Returns:
      The tasks that at least two models share, and their answers by model, task, variant, language.

    Raises:
      InputError: when no two models have a question in common; says what was looked for.
    """
    answers: dict[AnswersKey, pa.Table] = {}
    for run, predictions in runs.items():
        count = len({key[0] for key in predictions})
        for key, table in predictions.items():
            answers[label(run, key[0], count), *key[1:]] = table
    found: list[CommonTask] = []
    kept: dict[AnswersKey, pa.Table] = {}
    for task in dict.fromkeys(key[1] for key in answers):
        own = {key: table for key, table in answers.items() if key[1] == task}
        models = list(dict.fromkeys(key[0] for key in own))
        if len(models) < 2:
            continue
        common, tables = _common(task, models, own)
        if common.items:
            found.append(common)
            kept |= tables
    if not found:
        raise InputError(
            f'{", ".join(runs)}: no two models have a question in common; expected the same task,'
            ' variant and language with the same ids, questions and options in at least two of them'
        )
    return found, kept


def rows(
    tasks: Sequence[CommonTask], answers: Predictions, *, draws: int = 10_000, seed: int = 0
) -> list[ResultRow]:
    """Accuracies, gaps and paired differences, all on the common questions.

    Args:
      tasks, answers: from `gather`.
      draws, seed: of every bootstrap.
    """
    made: list[ResultRow] = []
    for task in tasks:
        sheets = {key: table for key, table in answers.items() if key[1] == task.name}
        if all('choices' in table.column_names for table in sheets.values()):
            made += _choice_rows(task, sheets, draws, seed)
        else:
            made += _measured_rows(task, sheets, draws, seed)
    adjust(made)
    return made


def _common(
    task: str, models: Sequence[str], tables: Predictions
) -> tuple[CommonTask, dict[AnswersKey, pa.Table]]:
    asked = {model: {key[2:] for key in tables if key[0] == model} for model in models}
    sheets = sorted(set.intersection(*asked.values()))
    every = sorted(set.union(*asked.values()))
    shared: set[str] | None = None
    ids: set[str] = set()
    rows_of: dict[AnswersKey, dict[str, int]] = {}
    for sheet in sheets:
        expected: dict[str, tuple[object, ...]] | None = None
        for model in models:
            key = (model, task, *sheet)
            questions = _questions(tables[key])
            rows_of[key] = {id_: row for row, id_ in enumerate(questions)}
            ids |= questions.keys()
            expected = questions if expected is None else expected
            same = {id_ for id_, q in questions.items() if expected.get(id_, ()) == q}
            shared = same if shared is None else shared & same
    order = next(iter(rows_of.values()), {})  # the first model's
    kept = [id_ for id_ in order if id_ in (shared or ())]
    found = {
        key: tables[key].take(pa.array([rows[id_] for id_ in kept], pa.int64()))
        for key, rows in rows_of.items()
    }
    left_out = tuple(sheet for sheet in every if sheet not in sheets)
    common = CommonTask(task, tuple(models), tuple(sheets), left_out, len(kept), len(ids))
    return common, found


def _questions(table: pa.Table) -> dict[str, tuple[object, ...]]:
    """id -> all that the question consists of."""
    names = [name for name in QUESTION if name in table.column_names]
    columns = [table[name].to_pylist() for name in names]
    ids = table['id'].to_pylist()
    return dict(zip(ids, zip(*columns, strict=True), strict=True)) if columns else {}


def _choice_rows(
    task: CommonTask, sheets: Predictions, draws: int, seed: int
) -> Iterator[ResultRow]:
    chance = chance_of(sheets)
    for (method, metric), column in READINGS.items():
        answers: Mapping[AnswersKey, ReadAnswers] = read_answers(sheets, column)
        models = [model for model in task.models if any(key[0] == model for key in answers)]
        if metric == 'accuracy' and models:
            yield from paired.compared(
                task.name, method, answers, models, chance=chance, draws=draws, seed=seed
            )


def _measured_rows(
    task: CommonTask, sheets: Predictions, draws: int, seed: int
) -> Iterator[ResultRow]:
    """Means of each measure of what the models wrote, and the differences to the first model."""
    first, *others = task.models
    for sheet in task.sheets:
        tables = {model: sheets[model, task.name, *sheet] for model in task.models}
        schema = tables[first].schema
        measures = [field.name for field in schema if pa.types.is_floating(field.type)]
        for measure in measures:
            values = {
                model: table[measure].to_numpy()
                for model, table in tables.items()
                if measure in table.column_names
            }
            for model, own in values.items():
                key = RowKey(model, None, task.name, *sheet, 'generate')
                yield result_row(key, measure, metrics.mean(own[np.isfinite(own)], draws, seed))
            for model in (model for model in others if model in values):
                pair = np.stack([values[model], values[first]])
                pair = pair[:, np.isfinite(pair).all(axis=0)]
                estimate = metrics.paired_difference(pair[0], pair[1], draws, seed)
                key = RowKey(model, None, task.name, *sheet, 'generate')
                yield result_row(key, f'{measure}_difference_to:{first}', estimate)
