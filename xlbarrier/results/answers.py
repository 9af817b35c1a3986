"""The answers of a run, as its folder keeps them, and how each method reads them."""

import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier.errors import InputError

AnswersKey = tuple[str, str, str, str]  # model, task, variant, language
Predictions = Mapping[AnswersKey, pa.Table]
# (method, metric) -> the column of the predicted index.
READINGS = {
    ('loglikelihood', 'accuracy'): 'prediction_raw',
    ('loglikelihood', 'accuracy_char'): 'prediction_char',
    ('loglikelihood', 'accuracy_byte'): 'prediction_byte',
    ('loglikelihood', 'accuracy_token'): 'prediction_token',
    ('loglikelihood', 'accuracy_pmi'): 'prediction_pmi',
    ('letter', 'accuracy'): 'letter_prediction',
    ('generate:first_character', 'accuracy'): 'first_character_prediction',
    ('generate:robust', 'accuracy'): 'robust_prediction',
}


@dataclass(frozen=True)
class ReadAnswers:
    """The answers to the questions of one sheet, read in one way.

    Attributes:
      chosen: [items] index of the option that was read; None or below 0 where none could be.
      right: bool [items].
      subjects: [items] the part of the task that each question is of, or empty.
    """

    chosen: Sequence[int | None]
    right: np.ndarray
    subjects: Sequence[str] = ()


def read_predictions(folder: pathlib.Path) -> dict[AnswersKey, pa.Table]:
    """All recorded answers below `folder`: (model, task, variant, language) -> table."""
    return {key: pq.read_table(path) for key, path in sheet_files(folder).items()}


def sheet_files(folder: pathlib.Path) -> dict[AnswersKey, pathlib.Path]:
    """The files of `read_predictions`."""
    found = {}
    for path in sorted(folder.glob('*/*/*.parquet')):
        variant, language = path.stem.split('.', 1)
        found[path.parts[-3], path.parts[-2], variant, language] = path
    return found


def models_of(keys: Sequence[AnswersKey], reference: str) -> list[str]:
    """The models, the reference first."""
    return sorted({key[0] for key in keys}, key=lambda model: (model != reference, model))


def read_answers(sheets: Predictions, column: str) -> dict[AnswersKey, ReadAnswers]:
    """The answers of the sheets that have the column and any rows, in one reading."""
    found = {}
    for key, table in sheets.items():
        if column in table.column_names and len(table):
            right = np.asarray(table[column]) == np.asarray(table['answer'])
            subjects = table['subject'].to_pylist() if 'subject' in table.column_names else ()
            found[key] = ReadAnswers(table[column].to_pylist(), right, subjects)
    return found


def chance_of(sheets: Predictions) -> float:
    """The accuracy of guessing: the mean of 1 / number of options."""
    lengths = [len(c) for table in sheets.values() for c in table['choices'].to_pylist()]
    return float(np.mean(1 / np.asarray(lengths)))


def together(sheets: Predictions) -> list[Predictions]:
    """The sheets of one task; language by language where no two languages share an item.

    Such sets (INCLUDE, Global PIQA's non-parallel part) have no numbers across languages.
    """
    ids: dict[str, set[str]] = {}
    for key, table in sheets.items():
        ids.setdefault(key[3], set()).update(table['id'].to_pylist())
    if len(ids) < 2 or sum(map(len, ids.values())) > len(set.union(*ids.values())):
        return [sheets]
    return [{k: table for k, table in sheets.items() if k[3] == code} for code in sorted(ids)]


def check_aligned(predictions: Predictions) -> None:
    """Refuses sheets of a task that do not have the same items in the same order.

    Raises:
      InputError: names the sheet and the first id that differs.
    """
    expected: dict[str, tuple[AnswersKey, list[str]]] = {}
    for key in sorted(predictions):
        ids = predictions[key]['id'].to_pylist()
        first, others = expected.setdefault(key[1], (key, ids))
        if ids == others:
            continue
        names = f'{"/".join(key)} and {"/".join(first)}'
        if len(ids) != len(others):
            raise InputError(
                f'answers of {names}: {len(ids)} and {len(others)} rows; expected the same items'
            )
        row = next(i for i, (a, b) in enumerate(zip(ids, others, strict=True)) if a != b)
        raise InputError(
            f'answers of {names}: row {row} is {ids[row]!r} and {others[row]!r}; expected the same'
        )
