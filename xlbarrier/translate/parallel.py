"""Looks translations up in aligned files or datasets.

Texts are compared in one Unicode form (NFC), with runs of white space as one space. So the source
of a corpus may be one of the aligned files, or any other copy of its lines. Rows of several lines
can be found line by line where both languages have the same number.
"""

import functools
import itertools
import os
import pathlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xlbarrier import datafiles
from xlbarrier.translate import codes, places
from xlbarrier.translate.protocol import Failed, TranslatorError, digest, unsupported

PAIR = ('source', 'target')


@dataclass(frozen=True)
class _Table:
    """Aligned texts: columns of equal length.

    Attributes:
      name: of the file, files or dataset.
      columns: name of each language's column, by plain code.
      read: the texts of a column.
      fingerprint: of all that can be read.
    """

    name: str
    columns: Mapping[str, str]
    read: Callable[[str], Sequence[str]]
    fingerprint: str


class ParallelTranslator:
    """Aligned texts; see `Translator`. Texts that are not among them fail."""

    def __init__(
        self, place: str, column: str = '{language}', subset: str = '', split: str = 'train'
    ):
        """Finds the texts and compares their lengths; a language is read when it is asked for.

        Args:
          place: see `TranslatorConfig`.
          column: the name of a language's column in a .tsv or .jsonl file or a dataset; with dots
            where it is within another, as in 'translation.{language}'.
          subset: configuration of a dataset.
          split: of a dataset.

        Raises:
          TranslatorError: for files or datasets that cannot be read, or whose lengths differ.
        """
        self._place = place
        self._tables = _open(place, column, subset, split)
        self._found: dict[tuple[str, str], dict[str, str]] = {}
        parts = (
            (table.fingerprint, *sorted(map(codes.canonical, table.columns)))
            for table in self._tables
        )
        self.fingerprint = digest('parallel 1', *itertools.chain.from_iterable(parts))

    def supports(self, source: str, target: str) -> bool:
        """Whether a file or dataset has texts of both languages."""
        return bool(self._with(source, target))

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str | Failed]:
        """The aligned texts; `Failed` for a text that is not there or has no counterpart.

        Raises:
          TranslatorError: for a pair of languages that no file has, or a row that is not a text.
        """
        found = self._found.get((source, target))
        if found is None:
            tables = self._with(source, target)
            if not tables:
                raise unsupported(source, target, 'the parallel translator')
            found = self._found[source, target] = {}
            for table, left, right in tables:
                for text, translation in zip(table.read(left), table.read(right), strict=True):
                    for key, value in _pairs(text, translation):
                        if key and not found.get(key):
                            found[key] = value
        return [self._answer(found, text, source, target) for text in texts]

    def _with(self, source: str, target: str) -> list[tuple[_Table, str, str]]:
        """Tables with both languages, and their columns; those that begin with the source first."""
        tables = [
            table
            for table in self._tables
            if codes.choose(source, table.columns) and codes.choose(target, table.columns)
        ]
        # Of all tables at once: one with 'pt' alone must not answer where another has 'pt-BR'.
        chosen = []
        for code in (target, source):
            name = codes.choose(code, {name: name for table in tables for name in table.columns})
            tables = [table for table in tables if name in table.columns]
            chosen.append(name)
        right, left = chosen
        if left is None or right is None or left == right:
            return []
        found = [(table, table.columns[left], table.columns[right]) for table in tables]
        return sorted(found, key=lambda one: next(iter(one[0].columns.values())) != one[1])

    def _answer(self, found: Mapping[str, str], text: str, source: str, target: str):
        answer = found.get(_key(text))
        if answer is None:
            return Failed(
                f'{text[:60]!r} is not among the {len(found)} texts in {source} of {self._place}'
            )
        return answer or Failed(f'{self._place} has nothing in {target} for {text[:60]!r}')


def _key(text: str) -> str:
    return unicodedata.normalize('NFC', ' '.join(text.split()))


def _pairs(text: str, translation: str) -> Iterator[tuple[str, str]]:
    yield _key(text), translation.strip()
    if '\n' in text:
        left, right = text.split('\n'), translation.split('\n')
        if len(left) == len(right):
            for line, other in zip(left, right, strict=True):
                yield _key(line), other.strip()


def _open(place: str, column: str, subset: str, split: str) -> list[_Table]:
    fields = tuple(n for n in ('source', 'target', 'language') if f'{{{n}}}' in place)
    if place.startswith('hf:') or os.path.isdir(place):
        return [_dataset(place.removeprefix('hf:'), column, subset, split)]
    if fields == PAIR:
        return [_pair(path, pair) for pair, path in places.find(place, PAIR).items()]
    if fields == ('language',):
        return [_files(place)]
    if not fields and datafiles.suffix(pathlib.Path(place)) in _READERS:
        return [_columns(pathlib.Path(place), column)]
    raise TranslatorError(
        f'config.corpus.translator.place is {place!r}; a parallel translator expects aligned'
        ' files (with {language}), a file per pair (with {source} and {target}), one .tsv or .jsonl'
        ' with a column per language, a folder of save_to_disk, or hf:NAME'
    )


def _files(place: str) -> _Table:
    paths = {key[0]: path for key, path in places.find(place, ('language',)).items()}
    if len(paths) < 2:
        raise TranslatorError(
            f'{place} is one file only ({next(iter(paths.values()))}): aligned files are two or'
            ' more, one per language'
        )
    counts = {path: len(datafiles.text_lines(path)) for path in paths.values()}
    first, *others = counts.items()
    for path, count in others:
        if count != first[1]:
            raise TranslatorError(
                f'{first[0]} has {first[1]} lines and {path} has {count}: aligned files have as'
                ' many lines; the counterpart of a line that has none is a blank line'
            )
    return _Table(
        place,
        {code: str(path) for code, path in paths.items()},
        lambda name: datafiles.text_lines(pathlib.Path(name)),
        digest(
            *(
                part
                for code, path in paths.items()
                for part in (codes.canonical(code), datafiles.read_bytes(path))
            )
        ),
    )


def _pair(path: pathlib.Path, pair: Sequence[str]) -> _Table:
    """A file of two columns; its name says their languages, the source's first."""
    if datafiles.suffix(path) == '.jsonl':
        raise TranslatorError(
            f'{path}: a file per pair of languages is .tsv or .txt, with a text and its'
            ' translation on each line and a tab between them; a .jsonl file has all languages'
        )
    rows = _tab_separated(path, 2)
    columns = dict(zip(pair, ('0', '1'), strict=True))
    return _Table(
        str(path),
        columns,
        lambda name: [row[int(name)] for row in rows()],
        digest(datafiles.read_bytes(path)),
    )


def _columns(path: pathlib.Path, column: str) -> _Table:
    """A file with a column per language."""
    names, read = _READERS[datafiles.suffix(path)](path)
    return _Table(
        str(path), _languages(names, column, path), read, digest(datafiles.read_bytes(path))
    )


def _tab_separated(path: pathlib.Path, columns: int) -> Callable[[], list[list[str]]]:
    def rows() -> list[list[str]]:
        found = []
        for number, line in enumerate(datafiles.text_lines(path), 1):
            fields = line.split('\t')
            if len(fields) != columns and line.strip():
                raise TranslatorError(
                    f'{path} line {number} has {len(fields)} fields with tabs between them;'
                    f' expected {columns}'
                )
            if line.strip():
                found.append(fields)
        if not found:
            raise TranslatorError(f'{path} has no text')
        return found

    rows()  # so that what is wrong with the file is reported at the start
    return rows


def _tsv(path: pathlib.Path) -> tuple[list[str], Callable[[str], list[str]]]:
    header = datafiles.text_lines(path)[0].split('\t')
    rows = _tab_separated(path, len(header))
    return header, lambda name: [row[header.index(name)] for row in rows()[1:]]


def _jsonl(path: pathlib.Path) -> tuple[list[str], Callable[[str], list[str]]]:
    def records() -> Iterator[tuple[str, dict[str, object]]]:
        for row in datafiles.stream_rows(path, '.jsonl'):
            yield row.where, _flat(row.values)

    names = dict.fromkeys(name for _, record in records() for name in record)
    if not names:
        raise TranslatorError(f'{path} has no text')
    return list(names), lambda name: [
        _text(record.get(name), f'{where}: field {name!r}') for where, record in records()
    ]


def _flat(record: Mapping[str, object], prefix: str = '') -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in record.items():
        flat |= (
            _flat(value, f'{prefix}{name}.') if isinstance(value, dict) else {prefix + name: value}
        )
    return flat


_READERS = {'.tsv': _tsv, '.jsonl': _jsonl}


def _text(value: object, where: str) -> str:
    """A text of a row; '' where the row has none in this language."""
    if datafiles.is_empty(value):
        return ''
    if not isinstance(value, str):
        raise TranslatorError(f'{where} is {value!r:.60}; expected a text')
    return value


def _dataset(name: str, column: str, subset: str, split: str) -> _Table:
    """A Hugging Face dataset: a folder that `save_to_disk` made, or by name."""
    import datasets

    try:
        if os.path.isdir(name):
            found = datasets.load_from_disk(name)
        else:
            found = datasets.load_dataset(name, subset or None)
    except Exception as error:  # the library raises of every kind; its message says what
        raise TranslatorError(f'the dataset {name} cannot be opened: {error}') from error
    if isinstance(found, dict):
        if split not in found:
            raise TranslatorError(
                f'the dataset {name} has no split {split!r}; it has {", ".join(map(str, found))}:'
                ' set config.corpus.translator.split'
            )
        found = found[split]
    found = found.flatten()

    @functools.cache
    def read(column_name: str) -> list[str]:
        return [
            _text(value, f'{name} row {i}: column {column_name!r}')
            for i, value in enumerate(found[column_name])
        ]

    return _Table(
        name, _languages(found.column_names, column, name), read, digest(name, found._fingerprint)
    )


def _languages(names: Sequence[str], column: str, where: str | os.PathLike) -> dict[str, str]:
    """The columns that are languages, by plain code."""
    before, _, behind = column.partition('{language}')
    pattern = re.compile(re.escape(before) + f'({places.CODE})' + re.escape(behind))
    found: dict[str, str] = {}
    for name in names:
        match = pattern.fullmatch(name)
        if match:
            found.setdefault(codes.plain(match[1]), name)
    if len(found) < 2:
        raise TranslatorError(
            f'{where} has the columns {", ".join(map(repr, names))}: fewer than two are'
            f' {column!r} with a code such as en, deu or zh-CN; set config.corpus.translator.column'
        )
    return found
