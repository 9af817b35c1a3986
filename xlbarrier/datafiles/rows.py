"""Rows of JSONL, JSON, CSV, TSV and Parquet files, as a stream or all at once."""

import csv
import math
import os
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xlbarrier.datafiles import files, json_reader
from xlbarrier.datafiles.files import MAX_RECORD_BYTES, DataError, check_unicode

SUFFIXES = ('.jsonl', '.json', '.ndjson', '.csv', '.tsv', '.parquet')
MAX_TABLE_BYTES = 256 << 20  # of the texts of a file whose rows are all held in memory
PARQUET_ROWS = 64  # decoded at a time
MAX_PAGE_RATIO = 200  # unpacked bytes per byte of a large row group of Parquet


@dataclass(frozen=True)
class DataRow:
    """One row of a file or dataset.

    Attributes:
      where: file and row, for errors.
      values: by column.
    """

    where: str
    values: Mapping[str, Any]

    def get(self, column: str) -> Any:
        """A value that must be present; NaN, as pandas writes an empty cell, is not.

        Raises:
          DataError: for a column that the row does not have, listing those it has, or an empty
            value.
        """
        if column not in self.values:
            raise DataError(
                f'{self.where}: no column {column!r}; there are: {", ".join(self.values)}'
            )
        value = self.values[column]
        if is_empty(value):
            raise DataError(f'{self.where}: {column} is empty; expected a value')
        return value

    def text(self, column: str) -> str:
        """A value as a text that is not blank; a number is written out.

        Raises:
          DataError: for a value that is missing, blank, or neither a text nor a finite number.
        """
        return as_text(self.get(column), column, self.where)


def is_empty(value: Any) -> bool:
    """Whether a value is an empty cell: None, or the NaN that pandas and NumPy use for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def as_text(value: Any, column: str, where: str) -> str:
    """A value as a text that is not blank, its spaces kept.

    Raises:
      DataError: for a blank text, a text that is not valid Unicode, or a value that is neither a
        text nor a finite number.
    """
    if is_empty(value):
        raise DataError(f'{where}: {column} is empty; expected a text')
    number = isinstance(value, int | float) and not isinstance(value, bool)
    infinite = isinstance(value, float) and math.isinf(value)
    if infinite or not (isinstance(value, str) or number):
        raise DataError(f'{where}: {column} is {value!r:.80}; expected a text')
    text = value if isinstance(value, str) else str(value)
    if not text.strip():
        raise DataError(f'{where}: {column} is empty; expected a text')
    return check_unicode(text, f'{where}: {column}')


def read_rows(path: str | os.PathLike) -> list[DataRow]:
    """All rows of a file; its texts may have `MAX_TABLE_BYTES`.

    Raises:
      DataError: naming the file and row: as `stream_rows` does, or when it is too large.
    """
    path = pathlib.Path(path).expanduser()
    rows, size = [], 0
    for row in stream_rows(path):
        rows.append(row)
        size += sum(len(value) for value in row.values.values() if isinstance(value, str))
        if size > MAX_TABLE_BYTES:
            raise DataError(
                f'{row.where}: the texts so far have more than {MAX_TABLE_BYTES} bytes, too many to'
                ' be held in memory at once: cut the file, or leave out columns'
            )
    return rows


def stream_rows(
    path: pathlib.Path, kind: str = '', columns: list[str] | None = None
) -> Iterator[DataRow]:
    """Each row of a file of JSONL, JSON, CSV, TSV or Parquet, compressed or not.

    A .json file contains one list of objects, or an object per line.

    Args:
      path: of the file.
      kind: its suffix, if not the one that its name has.
      columns: of Parquet, to be read; None: all.

    Raises:
      DataError: naming the file and the row: for another suffix, text that is not UTF-8, a row that
        is not an object, or a file that is cut or has no row.
    """
    kind = kind or files.suffix(path)
    if kind in ('.csv', '.tsv'):
        found = _headed(path, '\t' if kind == '.tsv' else ',')
    elif kind == '.parquet':
        found = _parquet(path, columns)
    elif kind in SUFFIXES:
        values = _list(path) if _first_character(path) == '[' else _lines(path)
        found = (DataRow(where, json_reader.as_object(value, where)) for where, value in values)
    else:
        raise DataError(f'{path}: expected a name that ends in {", ".join(SUFFIXES)}')
    row = None
    for row in found:
        yield row
    if row is None:
        raise DataError(f'{path} has no row: remove it or leave it out')


def read_cells(path: pathlib.Path, delimiter: str = ',') -> Iterator[tuple[str, list[str]]]:
    """(place, cells) of each row of a CSV file; a byte order mark and CRLF leave no trace.

    The place is the line in which the row begins. Blank lines are no rows.

    Raises:
      DataError: for what cannot be read, is not UTF-8, or ends within quotes.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    reader = csv.reader(_ended_alike(path), delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield f'{path}, line {start}', row
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f'{path}: the row that begins in line {start} cannot be read ({error}); look for a'
            ' quote that is not closed'
        ) from error


def _ended_alike(path: pathlib.Path) -> Iterator[str]:
    """The lines of a file; where the first ends in CRLF, CRLF becomes a line feed in all."""
    crlf = False
    for offset, line in files.lines(path):
        crlf = line.endswith('\r\n') if not offset else crlf
        yield line.removesuffix('\r\n') + '\n' if crlf and line.endswith('\r\n') else line


def _headed(path: pathlib.Path, delimiter: str) -> Iterator[DataRow]:
    rows = read_cells(path, delimiter)
    where, names = next(rows, ('', []))
    if len(set(names)) < len(names):
        raise DataError(f'{where}: the header names a column twice: {", ".join(names)}')
    for where, row in rows:
        if len(row) != len(names):
            raise DataError(
                f'{where}: {len(row)} cells; the {len(names)} columns are {", ".join(names)}'
            )
        yield DataRow(where, dict(zip(names, row, strict=True)))


def _lines(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    for number, (_, line) in enumerate(files.lines(path), 1):
        if line.strip():
            where = f'{path}, line {number}'
            yield where, json_reader.parse_json(line, where)


def _first_character(path: pathlib.Path) -> str:
    return next((text.lstrip()[0] for text in _chunks(path) if text.strip()), '')


def _chunks(path: pathlib.Path) -> Iterator[str]:
    """The text of a UTF-8 file in chunks: a list of JSON may be one line of any length."""
    offset, held = 0, b''
    with files.open_stream(path) as stream:
        while True:
            data = files.read_part(stream, path, offset)
            whole, held = held + data, b''
            if data:  # a character that is cut waits for its other bytes
                lead = next((i for i in range(1, 4) if whole[-i:][:1] >= b'\xc0'), 0)
                if lead and lead < 2 + (whole[-lead] >= 0xE0) + (whole[-lead] >= 0xF0):
                    whole, held = whole[:-lead], whole[-lead:]
            if whole:
                text = files.decode(whole, path, offset)
                yield text.removeprefix('\ufeff') if not offset else text
            offset += len(whole)
            if not data:
                return


def _list(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    """The objects of one JSON list; at most an object or two of the file are held in memory."""
    stream = _chunks(path)
    text, at, row = '', 0, 0
    expected = '['  # or ',' or ']' (both: ',]'), or an object where that is allowed: '{]', '{'

    def more() -> bool:
        """Reads on, at least as much as is held, so that nothing is parsed too often."""
        nonlocal text, at
        held = [text[at:]]
        size = -len(held[0])
        while size <= 0 and (chunk := next(stream, '')):
            held.append(chunk)
            size += len(chunk)
        text, at = ''.join(held), 0
        return len(held) > 1

    while True:
        while at < len(text) and text[at] in ' \t\r\n':
            at += 1
        if at == len(text):
            if not more():
                raise DataError(f'{path} ends after record {row}: it is cut, its list has no ]')
        elif text[at] == ']' and ']' in expected:
            return
        elif '{' not in expected:
            if text[at] not in expected:
                raise DataError(
                    f'{path}, record {row} is not JSON: {text[at]!r} where'
                    f' {" or ".join(expected)} is expected'
                )
            at, expected = at + 1, '{]' if expected == '[' else '{'
        else:
            where = f'{path}, record {row}'
            try:
                record, end = json_reader.decode_value(text, at)
            except ValueError as error:
                if len(text) - at <= MAX_RECORD_BYTES and more():
                    continue
                raise DataError(f'{where} is not JSON that can be read: {error}') from error
            yield where, json_reader.check_texts(record, text[at:end], where)
            at, row, expected = end, row + 1, ',]'


def _parquet(path: pathlib.Path, columns: list[str] | None) -> Iterator[DataRow]:
    for row, values in enumerate(_parquet_values(path, columns)):
        yield DataRow(f'{path}, row {row}', values)


def _parquet_values(path: pathlib.Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """The values of each row of a Parquet file, decoded some rows at a time.

    Texts stay encoded by their dictionary until then, so that a small file of few texts that are
    repeated without end does not fill the memory.

    Args:
      path: of the file.
      columns: to be read; None: all.

    Raises:
      DataError: for a file that is not Parquet or is damaged, or a row group that unpacks to far
        more than its size; names the row after which reading stopped.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    size, row = files.file_size(path), 0
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            _check_row_groups(file.metadata, path, size)
            texts = [
                field.name
                for field in file.schema_arrow
                if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
            ]
        with pq.ParquetFile(path, memory_map=True, read_dictionary=texts) as file:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=columns):
                decoded = [_decoded(column) for column in batch.columns]
                for values in zip(*decoded, strict=True):
                    yield dict(zip(batch.schema.names, values, strict=True))
                    row += 1
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = ' '.join(str(error).split())  # Arrow's messages have several lines
        raise DataError(f'{path} cannot be read as Parquet after row {row}: {reason}') from error


def _decoded(column: Any) -> list[Any]:
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return column.to_pylist()
    indices = column.indices.to_pylist()
    used = sorted({i for i in indices if i is not None})
    texts = dict(
        zip(used, column.dictionary.take(pa.array(used, pa.int64())).to_pylist(), strict=True)
    )
    return [None if i is None else texts[i] for i in indices]


def _check_row_groups(metadata: Any, path: pathlib.Path, size: int) -> None:
    """Refuses row groups whose own figures are impossible or those of a decompression bomb."""
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        chunks = [group.column(j) for j in range(group.num_columns)]
        packed = sum(chunk.total_compressed_size for chunk in chunks)
        if packed > size:
            raise DataError(f'{path}: row group {i} claims {packed} bytes of a file of {size}')
        if group.total_byte_size > max(MAX_TABLE_BYTES, MAX_PAGE_RATIO * packed):
            raise DataError(
                f'{path}: row group {i} unpacks to {group.total_byte_size} bytes, more than'
                f' {MAX_PAGE_RATIO} times its size: write it again with smaller row groups'
            )
