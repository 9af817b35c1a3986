"""Recorded multiple-choice answers of one model, task and language, read and checked."""

import hashlib
import json
import lzma
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from xlbarrier.metrics.readers import LETTERS
from xlbarrier.results.recorded import RecordedSheet, RecordError
from xlbarrier.text import languages

_OPTION_LINE = re.compile(r'^([A-J])\. ?(.*)$', re.MULTILINE)
_SHOWN = 10  # ids that an error names


def read_text(path: pathlib.Path) -> str:
    """The text of a file, unpacked where its name ends in .xz; a byte-order mark is dropped.

    Raises:
      RecordError: where it cannot be read or unpacked, or is not UTF-8.
    """
    try:
        data = lzma.decompress(path.read_bytes()) if path.suffix == '.xz' else path.read_bytes()
        return data.decode('utf-8-sig')
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise RecordError(f'{path} cannot be read ({error}): fetch the file again') from error


def named(path: pathlib.Path) -> tuple[str, ...]:
    """The names of a file and of the folders above it, as they are written.

    Links are not followed: a file of the hub's cache is a link into a folder of nameless ones.
    """
    return pathlib.Path(os.path.abspath(path)).parts


def read_lines(path: pathlib.Path) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with their line numbers, from 1.

    Raises:
      RecordError: for a line that is not a JSON object, or a file without one; names the line.
    """
    rows = []
    # Not splitlines: a JSON string may contain U+2028 and the like as they are.
    for number, line in enumerate(read_text(path).split('\n'), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RecordError(
                f'{path} line {number} is not JSON ({error}): the line was cut or edited; fetch the'
                ' file again'
            ) from error
        if not isinstance(row, dict):
            raise RecordError(f'{path} line {number} is {line[:60]!r}; expected a JSON object')
        rows.append((number, row))
    if not rows:
        raise RecordError(f'{path} has no answers: fetch the file again or remove it')
    return rows


def value(row: Mapping[str, Any], name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """A field of a row, of the expected type.

    Raises:
      RecordError: where it is missing or of another type.
    """
    if name not in row:
        raise RecordError(f'{where} has no field {name!r}; it has {", ".join(row) or "none"}')
    if not isinstance(row[name], kind) or isinstance(row[name], bool):
        raise RecordError(f'{where}: {name!r} is {row[name]!r}; expected {_kind(kind)}')
    return row[name]


def answer_text(row: Mapping[str, Any], name: str, where: str) -> str:
    """What a model wrote: null, which some interfaces write, is an empty answer, not an error."""
    return '' if name in row and row[name] is None else value(row, name, str, where)


def options_in(prompt: str) -> tuple[str, ...]:
    """The options of a prompt's last question, from its lines 'A. ...', 'B. ...'.

    Empty where there are none; an option of several lines gives its first.
    """
    found = _OPTION_LINE.findall(prompt)
    starts = [i for i, (letter, _) in enumerate(found) if letter == 'A']
    last = found[starts[-1] :] if starts else []
    letters = ''.join(letter for letter, _ in last)
    return tuple(text for _, text in last) if LETTERS.startswith(letters) else ()


def label_index(label: Any, choices: Sequence[str], where: str) -> int:
    """The index of a label letter.

    Raises:
      RecordError: where it is not one of the options.
    """
    index = LETTERS.find(label) if isinstance(label, str) and len(label) == 1 else -1
    if not 0 <= index < len(choices):
        raise RecordError(
            f'{where}: label {label!r} is not one of the {len(choices)} options'
            f' {", ".join(LETTERS[: len(choices)])}'
        )
    return index


def refuse_duplicates(ids: Iterable[tuple[int, Any]], path: pathlib.Path) -> None:
    """Raises RecordError where an id is on two lines; `ids` are (line, id)."""
    seen: dict[Any, int] = {}
    for number, name in ids:
        if name in seen:
            raise RecordError(
                f'{path}: id {name!r} is on line {seen[name]} and on line {number}; each item may'
                ' be answered once: remove one of them'
            )
        seen[name] = number


def language_code(name: str, path: pathlib.Path) -> str:
    """The code in a folder's name, whatever its case and suffix: 'DE', 'ar', 'FR_trans'.

    Raises:
      RecordError: where it is not a language.
    """
    code = name.split('_')[0].lower()
    code = {'iw': 'he', 'jp': 'ja', 'cn': 'zh'}.get(code, code)
    try:
        return languages.language(code).code
    except languages.UnknownLanguageError as error:
        raise RecordError(
            f'{path}: the folder {name!r} does not begin with a language code; expected one such'
            ' as de, AR or FR_trans, or take the file out of the root'
        ) from error


def refuse_second_file(
    paths: Iterable[pathlib.Path], key: Callable[[pathlib.Path], tuple[str, ...]]
) -> None:
    """Raises RecordError where two files have the same model, task and language."""
    seen: dict[tuple[str, ...], pathlib.Path] = {}
    for path in paths:
        name = key(path)
        if name in seen:
            raise RecordError(
                f'{seen[name]} and {path} are both {" / ".join(name)}: take one out of the root'
            )
        seen[name] = path


def check_same_items(sheets: Sequence[RecordedSheet]) -> None:
    """The languages of a task must have the same items with the same right answers.

    Raises:
      RecordError: names the file that is short and the missing ids, or the ids whose right answers
        differ.
    """
    groups: dict[tuple[str, str, str], list[RecordedSheet]] = {}
    for sheet in sheets:
        groups.setdefault((sheet.model, sheet.task, sheet.variant), []).append(sheet)
    for group in groups.values():
        fullest = max(group, key=lambda sheet: len(sheet.ids))
        right = dict(zip(fullest.ids, fullest.answers, strict=True))
        for sheet in group:
            for short, full in ((sheet, fullest), (fullest, sheet)):
                lacking = sorted(set(full.ids) - set(short.ids), key=_order)
                if lacking:
                    raise RecordError(
                        f'{short.path} does not have {_shown(lacking, len(full.ids))}, which'
                        f' {full.path} has: accuracies over different items cannot be compared.'
                        ' Complete the file, or leave'
                        f' {short.language} out with --config.rescore.languages'
                    )
            other = [
                name
                for name, answer in zip(sheet.ids, sheet.answers, strict=True)
                if right[name] != answer
            ]
            if other:
                raise RecordError(
                    f'{sheet.path} and {fullest.path} give different right answers to'
                    f' {_shown(other, len(sheet.ids))}: their rows are not the same questions'
                )


def digest(path: pathlib.Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _shown(ids: Sequence[Any], of: int) -> str:
    names = ', '.join(str(name) for name in ids[:_SHOWN])
    more = f' and {len(ids) - _SHOWN} more' if len(ids) > _SHOWN else ''
    return f'{len(ids)} of {of} items (ids {names}{more})'


def _order(name: Any) -> tuple[int, Any]:
    return (0, name) if isinstance(name, int) else (1, str(name))


def _kind(kind: type | tuple[type, ...]) -> str:
    names = {'str': 'text', 'int': 'a number', 'float': 'a number', 'dict': 'an object'}
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return ' or '.join(dict.fromkeys(names.get(k.__name__, k.__name__) for k in kinds))
