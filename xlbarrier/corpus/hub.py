"""Datasets of the two libraries: Hugging Face `datasets` and TensorFlow Datasets."""

import pathlib
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any

from xlbarrier import datafiles
from xlbarrier.config.corpus import TextConfig
from xlbarrier.corpus.documents import Document, Part, single
from xlbarrier.datafiles import DataError

# What it is, and what reads it, as of `sources.Source`.
Opened = tuple[dict[str, Any], Callable[[int], Generator[Document, None, int]]]

# Wiki40B's own marks (Guo et al. 2020): each is on a line before what it names.
_ARTICLE, _SECTION, _PARAGRAPH = '_START_ARTICLE_', '_START_SECTION_', '_START_PARAGRAPH_'
_NEWLINE = '_NEWLINE_'
# NAME[/CONFIG][:VERSION]; 'NAMESPACE:NAME' loads the code of a community.
_TFDS_NAME = re.compile(r'\w+(?:/[\w.+-]+)?(?::[\d.*]+)?')


def huggingface(name: str, text: TextConfig) -> Opened:
    """A dataset by name (streamed), or a folder: one that `save_to_disk` made, or data files.

    Raises:
      DataError: when it, its split or its text column cannot be read; names those there are.
    """
    import datasets

    folder = pathlib.Path(name).expanduser()
    saved = folder.is_dir() and any(
        (folder / file).exists() for file in ('state.json', 'dataset_dict.json')
    )
    try:
        if saved:
            found = datasets.load_from_disk(str(folder))
        else:
            found = datasets.load_dataset(
                str(folder) if folder.is_dir() else name, text.subset or None, streaming=True
            )
    except Exception as error:  # the library raises errors of every kind; its message says what
        raise DataError(f'hf:{name} cannot be opened: {error}') from error
    if isinstance(found, dict):
        if text.split not in found:
            raise DataError(
                f'hf:{name} has no split {text.split!r}; it has {", ".join(map(str, found))}: set'
                ' config.corpus.text.split'
            )
        found = found[text.split]
    columns = found.column_names or list(next(iter(found), {}))
    if text.field not in columns:
        raise DataError(
            f'hf:{name} has no column {text.field!r}; it has {", ".join(columns)}: set'
            ' config.corpus.text.field'
        )
    found = found.select_columns([text.field])
    described = {'dataset': name, 'subset': text.subset, 'split': text.split}
    if saved:
        described['fingerprint'] = found._fingerprint
    return described, lambda row: _documents(f'hf:{name}', (r[text.field] for r in found), row)


def tfds(name: str, text: TextConfig) -> Opened:
    """A dataset by `tfds.data_source`: random access, no TensorFlow; prepared if it is not yet.

    Raises:
      DataError: when it, its split or its text feature cannot be read.
    """
    import tensorflow_datasets as library

    if not _TFDS_NAME.fullmatch(name):
        raise DataError(
            f'tfds:{name} is refused: expected the name of a dataset that the library itself has,'
            ' such as wiki40b/en:1.3.0; one with a namespace runs code that is downloaded'
        )
    try:
        builder = library.builder(name, file_format='array_record', **_data_dir(text))
        builder.download_and_prepare(file_format='array_record')
        source = builder.as_data_source(split=text.split)
    except Exception as error:  # the library raises errors of every kind; its message says what
        raise DataError(f'tfds:{name} cannot be opened: {error}') from error
    if text.field not in builder.info.features:
        there = ', '.join(map(str, builder.info.features))
        raise DataError(
            f'tfds:{name} has no feature {text.field!r}; it has {there}: set'
            ' config.corpus.text.field'
        )
    described = {'dataset': builder.info.full_name, 'split': text.split}

    def rows() -> Iterator[Any]:
        for i in range(len(source)):
            value = source[i][text.field]
            yield value.decode('utf-8') if isinstance(value, bytes) else value

    return described, lambda row: _documents(f'tfds:{name}', rows(), row)


def _data_dir(text: TextConfig) -> dict[str, str]:
    return {'data_dir': text.data_dir} if text.data_dir else {}


def _documents(where: str, texts: Iterator[Any], row: int) -> Generator[Document, None, int]:
    before = row
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f'{where}: row {i} is a {datafiles.kind_of(text)}; expected a text')
        if text.strip():
            text = datafiles.check_unicode(text, f'{where}: row {i}')
            yield wiki40b(text, row) if _ARTICLE in text else single(text, row)
            row += 1
    if row == before:
        raise DataError(f'{where} has no text')
    return row


def wiki40b(text: str, row: int) -> Document:
    """A Wiki40B article: its marks read into headings and paragraphs."""
    parts, kind = [], _PARAGRAPH
    for line in text.replace(_NEWLINE, '\n').split('\n'):
        line = line.strip()
        if line in (_ARTICLE, _SECTION, _PARAGRAPH):
            kind = line
        elif line:
            parts.append(Part(line, row, kind != _PARAGRAPH))
    return Document(str(row), tuple(parts))
