"""MMLU's files in any of their published forms: a CSV file for each subject, or a dataset."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import logging

from xlbarrier import datafiles, metrics
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import files, hub, hub_sets, items
from xlbarrier.tasks.base import LETTERS
from xlbarrier.tasks.items import Item

SUBJECTS = tuple(sorted(metrics.SUBJECTS))
WIDTH = 4


def read(place: str, split: str, subjects: Sequence[str] = ()) -> list[Item]:
    """The items of one split, in any of the published forms.

    Args:
      place: a folder with SPLIT/SUBJECT_SPLIT.csv (below `data/` as well), or 'hf:NAME[:SUBSET]'
        with a column of subjects; 'FOLDER\\0NAME' means SPLIT_NAME instead of SPLIT.
      split: 'test' or 'dev'.
      subjects: those to read; (): all.

    Raises:
      DataError: naming what is missing, or the file and row that cannot be read; `check_complete`
        names all files that are missing.
    """
    place = _fetched(place)
    if place.startswith('hf:'):
        return _from_dataset(place, split, subjects)
    folder = _existing_folder(place, split)
    return [
        _item(subject, row, where, cells)
        for subject in subjects or SUBJECTS
        for row, (where, cells) in enumerate(_csv_rows(folder / f'{subject}_{split}.csv'))
    ]


def subjects_of(place: str, split: str) -> list[str]:
    """The subjects that a place has, in MMLU's order; see `read`.

    Raises:
      DataError: when there is no such folder or dataset.
    """
    place = _fetched(place)
    if place.startswith('hf:'):
        rows = files.read_dataset(place, split)
        there = {_dataset_cells(row)[0] for row in rows}
    else:
        folder = _existing_folder(place, split)
        there = {s for s in SUBJECTS if (folder / f'{s}_{split}.csv').exists()}
    return [subject for subject in SUBJECTS if subject in there]


def check_complete(
    places: Mapping[str, str],
    split: str,
    subjects: Sequence[str],
    where: str,
    other: str = ", or to 'common': those that all languages have",
) -> None:
    """Reports all subjects that folders lack, and files of no subject.

    Args:
      places: by language; see `read`. Datasets are checked when they are read.
      split: 'test' or 'dev'.
      subjects: that are needed; (): all.
      where: dotted name of the task's section, for errors.
      other: what else `subjects` can be set to, for errors.

    Raises:
      DataError: naming each folder, its missing subjects, and its files that are none of MMLU's.
    """
    subjects = subjects or SUBJECTS
    lines = []
    for code, place in places.items():
        if place.startswith('hf:'):
            continue
        folder = _existing_folder(place, split)
        names = sorted(path.name for path in folder.glob('*.csv'))
        unknown = [name for name in names if name.removesuffix(f'_{split}.csv') not in SUBJECTS]
        missing = [subject for subject in subjects if f'{subject}_{split}.csv' not in names]
        strange = f'; of no subject: {", ".join(unknown)}' if unknown else ''
        if missing:
            of = f'{len(missing)} of {len(subjects)} subjects: {", ".join(missing)}'
            lines.append(f'  {code}: {folder} has no *_{split}.csv of {of}{strange}')
        elif unknown:
            logging.warning('%s has files%s; they are not asked', folder, strange.replace(';', ''))
    if lines:
        raise DataError(
            '\n'.join(
                [
                    f'{where}: files of subjects are missing; add them, or set {where}.subjects to'
                    f' those to be asked{other}.',
                    *lines,
                ]
            )
        )


def _fetched(place: str) -> str:
    """A place whose files, if it is a set of CSV files on the hub, are on this machine."""
    if place.startswith('hf:') and place.removeprefix('hf:').split('@')[0] in hub_sets.CSV_SETS:
        return str(hub.snapshot(place, 'data/*.csv'))
    return place


def _existing_folder(place: str, split: str) -> pathlib.Path:
    found = folder_of(place, split)
    if found is None:
        root, _, name = place.partition('\0')
        expected = f'{split}_{name}' if name else split
        raise DataError(
            f"{root} has no folder {expected} (or data/{expected}) with MMLU's CSV files"
        )
    return found


def folder_of(place: str, split: str) -> pathlib.Path | None:
    """The folder of a split, in a place or its folder `data`; None where there is none."""
    root, _, name = place.partition('\0')
    for base in (pathlib.Path(root).expanduser(), pathlib.Path(root).expanduser() / 'data'):
        folder = base / (f'{split}_{name}' if name else split)
        if folder.is_dir():
            return folder
    return None


def _csv_rows(path: pathlib.Path) -> list[tuple[str, list[str]]]:
    """Question, four options and key of each row, without a header or an index column."""
    rows = list(datafiles.read_cells(path))
    if rows:
        first = [cell.strip().lower() for cell in rows[0][1]]
        numbers = [str(i) for i in range(WIDTH + 2)]
        if first[0] in ('', 'unnamed: 0') and len(first) == WIDTH + 3:
            rows = [(where, cells[1:]) for where, cells in rows]
            first = first[1:]
        if ('question' in first[0] and first[-1] in ('answer', 'target')) or first == numbers:
            rows = rows[1:]
    for where, cells in rows:
        if len(cells) != WIDTH + 2:
            raise DataError(
                f'{where}: {len(cells)} cells; expected {WIDTH + 2}: question, {WIDTH} options,'
                ' answer'
            )
    return rows


def _from_dataset(place: str, split: str, subjects: Sequence[str]) -> list[Item]:
    count: dict[str, int] = {}
    found = []
    for row in files.read_dataset(place, split):
        subject, cells = _dataset_cells(row)
        id_ = row.text('sample_id') if 'sample_id' in row.values else ''
        count[subject] = count.get(subject, -1) + 1
        if not subjects or subject in subjects:
            found.append(_item(subject, count[subject], row.where, cells, id_))
    missing = [subject for subject in subjects or SUBJECTS if subject not in count]
    if missing:
        raise DataError(f'{place} {split} has no rows of: {", ".join(missing)}')
    place_of = {subject: i for i, subject in enumerate(subjects or SUBJECTS)}
    return sorted(found, key=lambda item: place_of.get(item.subject, len(place_of)))


def _dataset_cells(row: DataRow) -> tuple[str, list[Any]]:
    """Subject and cells of a row of cais/mmlu, openai/MMMLU, Global-MMLU and the like."""
    lower = DataRow(row.where, {name.lower(): value for name, value in row.values.items()})
    if 'choices' in lower.values:
        options = list(lower.get('choices'))
    else:
        forms = (
            list('abcd'),
            [f'option_{letter}' for letter in 'abcd'],
            [f'choice{i}' for i in range(WIDTH)],
        )
        names = next((names for names in forms if names[0] in lower.values), forms[0])
        options = [lower.get(name) for name in names]
    return lower.text('subject'), [lower.get('question'), *options, lower.get('answer')]


def _item(subject: str, row: int, where: str, cells: Sequence[Any], id_: str = '') -> Item:
    """The item of a row; a row without an id gets the id SUBJECT/ROW."""
    question, *options, key = cells
    where = f'{where} ({subject} row {row})'
    choices = tuple(
        datafiles.as_text(option, f'option {LETTERS[i]}', where) for i, option in enumerate(options)
    )
    return Item(
        id_ or f'{subject}/{row}',
        datafiles.as_text(question, 'question', where),
        choices,
        items.answer_index(key, len(choices), where),
        subject,
        where,
        {'row': row},
        numbered=not id_,
    )
