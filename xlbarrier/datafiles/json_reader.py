"""The one reader of JSON: bounded depth, NaN as an empty value, no half surrogate pairs."""

import json
import os
import re
from typing import Any

from xlbarrier.datafiles.files import DataError, check_unicode, read_text

MAX_DEPTH = 100  # of lists and objects within each other
_ESCAPED_SURROGATE = re.compile(r'\\u[dD][89a-fA-F]')
_CONSTANTS = {'NaN': None, 'Infinity': float('inf'), '-Infinity': float('-inf')}
_SPACES = ' \t\r\n'
_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__)


def decode_json(text: str) -> Any:
    """The value of a JSON text; NaN, as pandas and Python write an empty cell, becomes None.

    Raises:
      ValueError: for what is not JSON, is nested more than MAX_DEPTH deep, or contains a number of
        more digits than Python reads.
    """
    value, end = decode_value(text, len(text) - len(text.lstrip(_SPACES)))
    if rest := text[end:].lstrip(_SPACES):
        raise ValueError(f'there is more after its value, at character {len(text) - len(rest)}')
    return value


def decode_value(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at a character of a text, and where it ends.

    Raises:
      ValueError: as `decode_json` does.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError as error:
        raise ValueError('its lists and objects are nested too deeply') from error
    except ValueError as error:
        if 'integer string conversion' in str(error):
            raise ValueError('it contains a number of more than 4,300 digits') from error
        raise
    if text.count('[', start, end) + text.count('{', start, end) > MAX_DEPTH and _is_deep(value):
        raise ValueError(f'its lists and objects are nested more than {MAX_DEPTH} deep')
    return value, end


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text that a user's file contains; NaN becomes None.

    Args:
      text: of the whole value.
      where: file and row, for errors.

    Raises:
      DataError: for what `decode_json` refuses, and for a text with half a surrogate pair, naming
        the field that has it.
    """
    try:
        value = decode_json(text)
    except ValueError as error:
        raise DataError(f'{where} is not JSON that can be read: {error}') from error
    return check_texts(value, text, where)


def parse_object(text: str, where: str) -> dict[str, Any]:
    """The object of a JSON text; see `parse_json`.

    Raises:
      DataError: as `parse_json` does, and for a value that is not an object.
    """
    return as_object(parse_json(text, where), where)


def read_json(path: str | os.PathLike) -> Any:
    """The value of a JSON file.

    Raises:
      DataError: naming the file: see `read_text` and `parse_json`.
    """
    return parse_json(read_text(path), str(path))


def read_object(path: str | os.PathLike) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
      DataError: naming the file: see `read_text` and `parse_object`.
    """
    return parse_object(read_text(path), str(path))


def as_object(value: Any, where: str) -> dict[str, Any]:
    """A value of JSON that must be an object.

    Raises:
      DataError: naming the place and the value met.
    """
    if not isinstance(value, dict):
        raise DataError(f'{where} is a {kind_of(value)} ({value!r:.40}); expected an object')
    return value


def kind_of(value: Any) -> str:
    """The name that JSON has for the type of a value."""
    kinds = {dict: 'object', list: 'list', str: 'text', bool: 'boolean', type(None): 'null'}
    return kinds.get(type(value), 'number')


def check_texts(value: Any, text: str, where: str) -> Any:
    """The value of a JSON text, if none of its texts has half a surrogate pair.

    Raises:
      DataError: naming the field that has one.
    """
    if not _ESCAPED_SURROGATE.search(text):
        return value
    held: list[tuple[str, Any]] = [('', value)]
    while held:
        name, one = held.pop()
        if isinstance(one, str):
            check_unicode(one, f'{where}: {name}' if name else where)
        elif isinstance(one, dict):
            for key, child in one.items():
                check_unicode(key, f'{where}: a name in {name or "the object"}')
                held.append((f'{name}.{key}' if name else key, child))
        elif isinstance(one, list):
            held += [(f'{name}[{i}]', child) for i, child in enumerate(one)]
    return value
