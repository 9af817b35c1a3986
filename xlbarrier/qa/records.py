"""Records of JSONL, JSON, CSV, TSV and Parquet files, read as a stream, each with its place."""

import csv
import json
import lzma
import pathlib
import zlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier.corpus import files
from xlbarrier.corpus.documents import MAX_DOCUMENT_BYTES, SourceError

CHUNK_BYTES = 1 << 16
SUFFIXES = ('.jsonl', '.json', '.ndjson', '.csv', '.tsv', '.parquet')


def read(path: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record of a file, with the place it stands at for an error to name.

    The name's ending says the format, behind one that says the compression (gzip, xz, zstd,
    bzip2). A .json file holds one list of objects, or an object a line.

    Raises:
      SourceError: naming the file and the row: for another ending, text that is not UTF-8, a record
        that is no object, or a file that is cut or has no record.
    """
    kind = files.suffix(path)
    if kind in ('.csv', '.tsv'):
        found = _csv(path, '\t' if kind == '.tsv' else ',')
    elif kind == '.parquet':
        found = _parquet(path)
    elif kind in SUFFIXES:
        found = _list(path) if _first_character(path) == '[' else _lines(path)
    else:
        raise SourceError(f'{path}: wanted a name that ends in {", ".join(SUFFIXES)}')
    none = True
    for where, record in found:
        none = False
        if not isinstance(record, dict):
            raise SourceError(f'{where} is a {type(record).__name__}; wanted an object')
        yield where, record
    if none:
        raise SourceError(f'{path} has no record: remove it or leave it out')


def _first_character(path: pathlib.Path) -> str:
    return next((text.lstrip()[0] for text in _chunks(path) if text.strip()), '')


def _chunks(path: pathlib.Path) -> Iterator[str]:
    """The text of a UTF-8 file, some at a time: a list of JSON may be one line of any length."""
    offset, held = 0, b''
    with files.open_stream(path) as stream:
        while True:
            try:
                data = stream.read(CHUNK_BYTES)
            except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
                raise SourceError(
                    f'{path}: the compressed data ends early or is damaged behind byte {offset} of'
                    f' its text ({error}): fetch the file again'
                ) from error
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


def _lines(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    for number, (offset, line) in enumerate(files.lines(path), 1):
        if not line.strip():
            continue
        try:
            yield f'{path}: line {number}', json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f'{path}: line {number} (byte {offset}) is not JSON: {error}'
            ) from error


def _list(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    """The objects of one JSON list, without holding more of the file than an object or two."""
    decoder = json.JSONDecoder()
    stream = _chunks(path)
    text, at, row = '', 0, 0
    wanted = '['  # or ',' or ']' (both: ',]'), or an object, where it is not ruled out: '{]', '{'

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
                raise SourceError(f'{path} ends behind record {row}: it is cut, its list has no ]')
        elif text[at] == ']' and ']' in wanted:
            return
        elif '{' not in wanted:
            if text[at] not in wanted:
                raise SourceError(
                    f'{path}: record {row} is not JSON: {text[at]!r} stands where'
                    f' {" or ".join(wanted)} is wanted'
                )
            at, wanted = at + 1, '{]' if wanted == '[' else '{'
        else:
            try:
                record, at = decoder.raw_decode(text, at)
            except RecursionError as error:
                raise SourceError(f'{path}: record {row} is nested too deeply') from error
            except ValueError as error:
                if len(text) - at <= MAX_DOCUMENT_BYTES and more():
                    continue
                raise SourceError(f'{path}: record {row} is not JSON: {error}') from error
            yield f'{path}: record {row}', record
            row, wanted = row + 1, ',]'


def _csv(path: pathlib.Path, delimiter: str) -> Iterator[tuple[str, Any]]:
    csv.field_size_limit(MAX_DOCUMENT_BYTES)
    rows = csv.reader((line for _, line in files.lines(path)), delimiter=delimiter, strict=True)
    try:
        header = next(rows, [])
        if len(set(header)) != len(header):
            raise SourceError(f'{path}: the header {header} names a column twice')
        for record in rows:
            where = f'{path}: the record that ends in line {rows.line_num}'
            if not record:
                continue
            if len(record) != len(header):
                raise SourceError(f'{where} has {len(record)} fields; the header has {len(header)}')
            yield where, dict(zip(header, record, strict=True))
    except csv.Error as error:
        raise SourceError(f'{path}: line {rows.line_num} is not CSV: {error}') from error


def _parquet(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    row = 0
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            for batch in file.iter_batches(batch_size=256):
                for record in batch.to_pylist():
                    yield f'{path}: row {row}', record
                    row += 1
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f'{path}: cannot be read behind row {row}: {error}') from error
