"""Where a corpus comes from: files, datasets; read as a stream, memory flat in its size.

`corpus.source` is KIND:PLACE. Files may be globs, and compressed (gzip, xz, zstd, bzip2):
  text:PATH      plain text; `text.documents` says what a document is
  wikitext:PATH  WikiText files, read into articles (see wikitext.py for the rules)
  jsonl:PATH     an object per line, its text in `text.field`
  csv:PATH       with a header; tab-separated where the name ends in .tsv
  parquet:PATH   the text in the column `text.field`
  hf:NAME        a Hugging Face dataset by name or folder, or a folder made by `save_to_disk`
  tfds:NAME      a TensorFlow dataset, through `tfds.data_source`, without TensorFlow
Errors are raised when the source is opened if possible, otherwise when the bad row is met.
"""

import functools
import pathlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier import datafiles
from xlbarrier.config.corpus import TextConfig
from xlbarrier.corpus import hub, wikitext
from xlbarrier.corpus.documents import Document, single
from xlbarrier.datafiles import MAX_RECORD_BYTES, DataError

KINDS = ('text', 'wikitext', 'jsonl', 'csv', 'parquet', 'hf', 'tfds')

# Reads the documents of a file or dataset, whose rows are numbered from the argument on; returns
# the number of the row after its last.
Reader = Callable[[int], Generator[Document, None, int]]


@dataclass(frozen=True)
class Source:
    """An opened source.

    Attributes:
      spec: as in the config.
      described: what it is, for the manifest: files with sizes, or a dataset's name and version.
      readers: of its files, in order; or one of the dataset.
      files: whether it is of files; their readers are picklable.
    """

    spec: str
    described: dict[str, Any]
    readers: tuple[Reader, ...]
    files: bool = True

    def documents(self) -> Iterator[Document]:
        """Starts reading from the beginning; the documents come in one order always."""
        row = 0
        for reader in self.readers:
            row = yield from reader(row)


def open_source(spec: str, text: TextConfig) -> Source:
    """Opens a source and checks what can be checked before reading it.

    Raises:
      DataError: for an unknown kind, a file that is absent or empty, a column that is not there.
    """
    kind, colon, place = spec.partition(':')
    if kind not in KINDS or not colon or not place:
        raise DataError(
            f'config.corpus.source is {spec!r}; expected countries, or KIND:PLACE with KIND one of'
            f' {", ".join(KINDS)}'
        )
    if kind in ('hf', 'tfds'):
        described, reader = (hub.huggingface if kind == 'hf' else hub.tfds)(place, text)
        return Source(spec, described, (reader,), files=False)
    paths = datafiles.find(place)
    listed = [{'name': path.name, 'bytes': path.stat().st_size} for path in paths]
    for path in paths:
        if kind == 'parquet':
            _check_parquet(path, text.field)
        elif kind in ('jsonl', 'csv'):
            next(_texts(path, text.field, kind))
    readers = tuple(functools.partial(_read, path, kind, text) for path in paths)
    return Source(spec, {'files': listed}, readers)


def _read(
    path: pathlib.Path, kind: str, text: TextConfig, row: int
) -> Generator[Document, None, int]:
    if kind == 'wikitext':
        return wikitext.articles(
            path,
            row,
            unknown=text.unknown,
            detokenize=text.detokenize,
            headings=text.headings == 'keep',
        )
    if kind == 'text':
        return _text(path, text.documents, row)
    return _rows(path, text.field, kind, row)


def _rows(path: pathlib.Path, field: str, kind: str, row: int) -> Generator[Document, None, int]:
    """One document per record; blank texts are skipped, and have no row number."""
    before = row
    for where, text in _texts(path, field, kind):
        if not isinstance(text, str):
            raise DataError(
                f'{where}: field {field!r} is a {datafiles.kind_of(text)}; expected a text'
            )
        if text.strip():
            yield single(datafiles.check_unicode(text, where), row)
            row += 1
    if row == before:
        raise DataError(f'{path} has no text in its field {field!r}: leave it out')
    return row


def _texts(path: pathlib.Path, field: str, kind: str) -> Iterator[tuple[str, Any]]:
    if kind == 'csv':
        kind = 'tsv' if datafiles.suffix(path) == '.tsv' else 'csv'
    for row in datafiles.stream_rows(path, f'.{kind}', [field]):
        if field not in row.values:
            raise _no_field(row.where, field, list(row.values))
        yield row.where, row.values[field]


def _text(path: pathlib.Path, kind: str, row: int) -> Generator[Document, None, int]:
    before = row
    for text in _stretches(path, kind):
        yield single(text, row)
        row += 1
    if row == before:
        raise DataError(f'{path} has no line of text: remove it or leave it out')
    return row


def _stretches(path: pathlib.Path, kind: str) -> Iterator[str]:
    """The lines, the paragraphs between blank lines, or the whole of a text file."""
    held: list[str] = []
    size = 0
    for offset, line in datafiles.lines(path):
        blank = not line.strip()
        if kind != 'file' and held and (blank or kind == 'line'):
            yield ''.join(held)
            held, size = [], 0
        if blank and not held:
            continue
        held.append(line)
        size += len(line)
        if size > MAX_RECORD_BYTES:
            raise DataError(
                f'{path}: the {kind} at byte {offset} is longer than {MAX_RECORD_BYTES}'
                " bytes (16 MiB): set config.corpus.text.documents to 'line' or 'paragraph'"
            )
    if held and ''.join(held).strip():
        yield ''.join(held)


def _check_parquet(path: pathlib.Path, field: str) -> None:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f'{path} is not Parquet: {error}') from error
    if field not in schema.names:
        raise _no_field(str(path), field, schema.names)
    kind = schema.field(field).type
    text = kind.value_type if pa.types.is_dictionary(kind) else kind  # pandas' categories
    if text not in (pa.string(), pa.large_string(), pa.string_view()):
        raise DataError(f'{path}: column {field!r} is {kind}; expected string')


def _no_field(where: str, field: str, there: Sequence[str]) -> DataError:
    return DataError(
        f'{where} has no {field!r}; it has {", ".join(map(repr, there)) or "nothing"}: set'
        ' config.corpus.text.field'
    )
