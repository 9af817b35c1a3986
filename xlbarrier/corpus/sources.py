"""Where a corpus comes from: files, datasets; read as a stream, memory flat in its size.

`corpus.source` is KIND:PLACE. Files may be globs, and compressed (gzip, xz, zstd, bzip2):
  text:PATH      plain text; `text.documents` says what a document is
  wikitext:PATH  WikiText files, read into articles (see wikitext.py for the rules)
  jsonl:PATH     an object a line, its text in `text.field`
  csv:PATH       with a header; tab-separated where the name ends in .tsv
  parquet:PATH   the text in the column `text.field`
  hf:NAME        a Hugging Face dataset by name or folder, or a folder made by `save_to_disk`
  tfds:NAME      a TensorFlow dataset, through `tfds.data_source`, without TensorFlow
Errors are raised when the source is opened where they can be, else when the bad row is met.
"""

import csv
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier.config.corpus import TextConfig
from xlbarrier.corpus import files, hub, wikitext
from xlbarrier.corpus.documents import MAX_DOCUMENT_BYTES, Document, SourceError, single

KINDS = ('text', 'wikitext', 'jsonl', 'csv', 'parquet', 'hf', 'tfds')


@dataclass(frozen=True)
class Source:
    """An opened source.

    Attributes:
      spec: as in the config.
      described: what it is, for the manifest: files with sizes, or a dataset's name and version.
      documents: starts reading from the beginning; the documents come in one order always.
    """

    spec: str
    described: dict[str, Any]
    documents: Callable[[], Iterator[Document]]


def open_source(spec: str, text: TextConfig) -> Source:
    """Opens a source and checks what can be checked before reading it.

    Raises:
      SourceError: for an unknown kind, a file that is absent or empty, a column that is not there.
    """
    kind, colon, place = spec.partition(':')
    if kind not in KINDS or not colon or not place:
        raise SourceError(
            f'config.corpus.source is {spec!r}; wanted countries, or KIND:PLACE with KIND one of'
            f' {", ".join(KINDS)}'
        )
    if kind == 'hf':
        return Source(spec, *hub.huggingface(place, text))
    if kind == 'tfds':
        return Source(spec, *hub.tfds(place, text))
    paths = files.find(place)
    listed = [{'name': path.name, 'bytes': path.stat().st_size} for path in paths]
    if kind == 'wikitext':
        return Source(spec, {'files': listed}, lambda: _wikitext(paths, text))
    if kind == 'text':
        return Source(spec, {'files': listed}, lambda: _text(paths, text.documents))
    check, read = _READERS[kind]
    for path in paths:
        check(path, text.field)
    return Source(spec, {'files': listed}, lambda: _rows(paths, text.field, read))


def _wikitext(paths: Sequence[pathlib.Path], text: TextConfig) -> Iterator[Document]:
    return wikitext.articles(
        paths,
        unknown=text.unknown,
        detokenize=text.detokenize,
        headings=text.headings == 'keep',
    )


def _rows(
    paths: Sequence[pathlib.Path],
    field: str,
    read: Callable[[pathlib.Path, str], Iterator[tuple[str, Any]]],
) -> Iterator[Document]:
    """A document a record; a blank text is none, and has no row number."""
    row = 0
    for path in paths:
        before = row
        for where, text in read(path, field):
            if not isinstance(text, str):
                kind = 'null' if text is None else type(text).__name__
                raise SourceError(f'{where}: field {field!r} is {kind}; wanted a string')
            if text.strip():
                yield single(files.check_unicode(text, where), row)
                row += 1
        if row == before:
            raise SourceError(f'{path} has no text in its field {field!r}: leave it out')


def _text(paths: Sequence[pathlib.Path], kind: str) -> Iterator[Document]:
    row = 0
    for path in paths:
        before = row
        for text in _stretches(path, kind):
            yield single(text, row)
            row += 1
        if row == before:
            raise SourceError(f'{path} has no line of text: remove it or leave it out')


def _stretches(path: pathlib.Path, kind: str) -> Iterator[str]:
    """The lines, the paragraphs between blank lines, or the whole of a text file."""
    held: list[str] = []
    size = 0
    for offset, line in files.lines(path):
        blank = not line.strip()
        if kind != 'file' and held and (blank or kind == 'line'):
            yield ''.join(held)
            held, size = [], 0
        if blank and not held:
            continue
        held.append(line)
        size += len(line)
        if size > MAX_DOCUMENT_BYTES:
            raise SourceError(
                f'{path}: the {kind} that holds byte {offset} is longer than {MAX_DOCUMENT_BYTES}'
                " bytes (16 MiB): set config.corpus.text.documents to 'line' or 'paragraph'"
            )
    if held and ''.join(held).strip():
        yield ''.join(held)


def _jsonl(path: pathlib.Path, field: str) -> Iterator[tuple[str, Any]]:
    for number, (offset, line) in enumerate(files.lines(path), 1):
        if not line.strip():
            continue
        where = f'{path}: line {number} (byte {offset})'
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f'{where} is not JSON: {error}') from error
        if not isinstance(record, dict):
            raise SourceError(f'{where} is a {type(record).__name__}; wanted an object')
        if field not in record:
            raise _no_field(where, field, list(record))
        yield where, record[field]


def _check_jsonl(path: pathlib.Path, field: str) -> None:
    next(_jsonl(path, field), None)


def _csv(path: pathlib.Path, field: str) -> Iterator[tuple[str, Any]]:
    csv.field_size_limit(MAX_DOCUMENT_BYTES)
    delimiter = '\t' if files.suffix(path) == '.tsv' else ','
    rows = csv.reader((line for _, line in files.lines(path)), delimiter=delimiter, strict=True)
    try:
        header = next(rows, [])
        if field not in header:
            raise _no_field(f'{path}: the header', field, header)
        place = header.index(field)
        for record in rows:
            where = f'{path}: the record that ends in line {rows.line_num}'
            if not record:
                continue
            if len(record) != len(header):
                raise SourceError(f'{where} has {len(record)} fields; the header has {len(header)}')
            yield where, record[place]
    except csv.Error as error:
        raise SourceError(f'{path}: line {rows.line_num} is not CSV: {error}') from error


def _check_csv(path: pathlib.Path, field: str) -> None:
    next(_csv(path, field), None)


def _parquet(path: pathlib.Path, field: str) -> Iterator[tuple[str, Any]]:
    row = 0
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            for batch in file.iter_batches(batch_size=64, columns=[field]):
                for text in batch.column(0).to_pylist():
                    yield f'{path}: row {row}', text
                    row += 1
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f'{path}: cannot be read behind row {row}: {error}') from error


def _check_parquet(path: pathlib.Path, field: str) -> None:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f'{path} is not Parquet: {error}') from error
    if field not in schema.names:
        raise _no_field(str(path), field, schema.names)
    kind = schema.field(field).type
    text = kind.value_type if pa.types.is_dictionary(kind) else kind  # pandas' categories
    if text not in (pa.string(), pa.large_string(), pa.string_view()):
        raise SourceError(f'{path}: column {field!r} is {kind}; wanted string')


def _no_field(where: str, field: str, there: Sequence[str]) -> SourceError:
    return SourceError(
        f'{where} has no {field!r}; it has {", ".join(map(repr, there)) or "nothing"}: set'
        ' config.corpus.text.field'
    )


_READERS = {
    'jsonl': (_check_jsonl, _jsonl),
    'csv': (_check_csv, _csv),
    'parquet': (_check_parquet, _parquet),
}
