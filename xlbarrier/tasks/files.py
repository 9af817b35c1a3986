"""Rows of data files and datasets, each with its place, so that an error can name it."""

import csv
import io
import json
import pathlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier.datafiles import DataError

SUFFIXES = ('.jsonl', '.json', '.csv', '.tsv', '.parquet')
SHOWN = 8  # ids or names listed in an error


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
      where: file and row, for errors.
      values: by column.
    """

    where: str
    values: Mapping[str, Any]

    def get(self, column: str) -> Any:
        """A value that must be there.

        Raises:
          DataError: for a column that the row lacks, listing those it has, or an empty value.
        """
        if column not in self.values:
            raise DataError(
                f'{self.where}: no column {column!r}; there are: {", ".join(self.values)}'
            )
        if self.values[column] is None:
            raise DataError(f'{self.where}: {column} is empty; wanted a value')
        return self.values[column]

    def text(self, column: str) -> str:
        """A value as a text that is not blank; a number is written out.

        Raises:
          DataError: for what is missing, blank, or neither text nor number.
        """
        return as_text(self.get(column), column, self.where)


def as_text(value: Any, column: str, where: str) -> str:
    """A value as a text that is not blank, its spaces kept.

    Raises:
      DataError: for a blank text, or a value that is neither text nor number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f'{where}: {column} is {value!r}; wanted a text')
    text = value if isinstance(value, str) else str(value)
    if not text.strip():
        raise DataError(f'{where}: {column} is empty; wanted a text')
    return text


def place_of(source: str, language: str, codes: Iterable[str] = ()) -> str:
    """A source with its {language} filled in; `codes` holds 'ar=AR_XY' for languages renamed."""
    renamed = dict(code.split('=', 1) for code in codes)
    return source.replace('{language}', renamed.get(language, language))


def read(place: str, split: str = 'test') -> list[Row]:
    """The rows of a file, or of 'hf:NAME[:SUBSET]'.

    Raises:
      DataError: when it cannot be read or has no row.
    """
    if place.startswith('hf:'):
        return read_dataset(place, split)
    path = pathlib.Path(place).expanduser()
    if path.suffix not in SUFFIXES:
        raise DataError(f'{path}: wanted a file that ends in {", ".join(SUFFIXES)}')
    if path.suffix in ('.csv', '.tsv'):
        rows = _headed(path)
    elif path.suffix == '.parquet':
        try:
            found = pq.read_table(path).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise DataError(f'{path} cannot be read as Parquet: {error}') from error
        rows = [Row(f'{path}, row {i}', values) for i, values in enumerate(found)]
    else:
        rows = _json_lines(path)
    if not rows:
        raise DataError(f'{path} has no row')
    return rows


def read_dataset(place: str, split: str) -> list[Row]:
    """The rows of a split of 'hf:NAME[:SUBSET]'; NAME can be a folder that `save_to_disk` made.

    Raises:
      DataError: when the dataset or the split cannot be had; names those there are.
    """
    import datasets

    name, _, subset = place.removeprefix('hf:').partition(':')
    folder = pathlib.Path(name).expanduser()
    try:
        if folder.is_dir():
            below = folder / subset if subset else folder
            found = datasets.load_from_disk(str(below))
        else:
            found = datasets.load_dataset(name, subset or None)
    except Exception as error:  # the library raises of every kind; its message says what
        raise DataError(f'{place} cannot be opened: {error}') from error
    if isinstance(found, Mapping):
        if split not in found:
            raise DataError(f'{place} has no split {split!r}; it has {", ".join(map(str, found))}')
        found = found[split]
    rows = [Row(f'{place} {split}, row {i}', values) for i, values in enumerate(found)]
    if not rows:
        raise DataError(f'{place} has no row in its split {split!r}')
    return rows


def cells(path: pathlib.Path, delimiter: str = ',') -> list[tuple[str, list[str]]]:
    """(place, cells) of every row of a CSV file; a byte order mark and CRLF leave no trace.

    Raises:
      DataError: for what cannot be read, is not UTF-8, or ends within quotes.
    """
    text = _text(path)
    if '\r\n' in text[: text.find('\n') + 1]:  # the file's ends of lines, and those within quotes
        text = text.replace('\r\n', '\n')
    reader = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter, strict=True)
    rows, start = [], 1
    try:
        for row in reader:
            if row:
                rows.append((f'{path}, line {start}', row))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f'{path}: the row that begins in line {start} cannot be read ({error});'
            ' look for a quote that is not closed'
        ) from error
    return rows


def lines(path: pathlib.Path) -> list[str]:
    """The lines of a text file; a byte order mark, CRLF and a lacking last newline leave no trace.

    Raises:
      DataError: for what cannot be read, is not UTF-8, or has no line.
    """
    # Not splitlines: a sentence may hold U+2028.
    found = [line.removesuffix('\r') for line in _text(path).removesuffix('\n').split('\n')]
    if found == ['']:
        raise DataError(f'{path} has no line')
    return found


def _headed(path: pathlib.Path) -> list[Row]:
    found = cells(path, '\t' if path.suffix == '.tsv' else ',')
    if not found:
        return []
    (where, names), *rest = found
    if len(set(names)) < len(names):
        raise DataError(f'{where}: a column name stands twice: {", ".join(names)}')
    for where, row in rest:
        if len(row) != len(names):
            raise DataError(
                f'{where}: {len(row)} cells; the {len(names)} columns are {", ".join(names)}'
            )
    return [Row(where, dict(zip(names, row, strict=True))) for where, row in rest]


def _json_lines(path: pathlib.Path) -> list[Row]:
    text = _text(path)
    if path.suffix == '.json' and text.lstrip().startswith('['):
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f'{path} is not JSON: {error}') from error
        rows = [Row(f'{path}, row {i}', values) for i, values in enumerate(found)]
    else:
        rows = []
        for number, line in enumerate(text.split('\n'), 1):  # U+2028 does not end a line
            if line.strip():
                try:
                    rows.append(Row(f'{path}, line {number}', json.loads(line)))
                except json.JSONDecodeError as error:
                    raise DataError(f'{path}, line {number} is not JSON: {error}') from error
    for row in rows:
        if not isinstance(row.values, dict):
            raise DataError(f'{row.where} is {row.values!r:.60}; wanted an object with columns')
    return rows


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_bytes().decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise DataError(f'{path} is not UTF-8: {error}') from error
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror or error}') from error
