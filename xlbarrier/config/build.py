"""From a ConfigDict, flags or config.json to frozen dataclasses, and back to plain values."""

import ast
import contextlib
import json
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

from xlbarrier.config.checks import ConfigError, Section, bare, hints, nearest, section_of
from xlbarrier.config.tasks import task_class

Made = TypeVar('Made', bound=Section)
BOOLEANS = {'true': True, '1': True, 'yes': True, 'false': False, '0': False, 'no': False}

# Fields that earlier versions had under another name.
MOVED = {
    'preview': 'corpus.preview',
    'count_tokens': 'corpus.count_tokens',
    'topology': 'compile.topology',
}


class Text(str):
    """The text of a flag; the annotation of the field says how it is read."""


def build(cls: type[Made], values: Any, where: str) -> Made:
    """Makes a section of a mapping; what is absent is the default, and no value is checked yet.

    Raises:
      ConfigError: for a name that is no field of the section; it offers the nearest one.
    """
    fields, values = hints(cls), plain(values)
    if not isinstance(values, Mapping):
        raise ConfigError(f'{where} is {values!r}; expected its fields: {", ".join(fields)}')
    for name in values:
        if where == 'config' and name in MOVED:
            raise ConfigError(f'config.{name}: no such field; it is config.{MOVED[name]} now')
        if name not in fields:
            raise ConfigError(
                f'{where}.{name}: no such field.{nearest(name, fields)}'
                f' Fields of {where}: {", ".join(fields)}'
            )
    made = {name: _convert(fields[name], v, f'{where}.{name}') for name, v in values.items()}
    return cls(**made)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """The value in the form that its annotation asks for; `Section.check` refuses what has none.

    A single value for a tuple is its one item, and an integer may stand for a float.
    """
    hint = bare(hint)
    kind, arguments = typing.get_origin(hint), typing.get_args(hint)
    if section := section_of(hint):
        return build(section, value, where)
    if kind is Mapping:
        if not isinstance(value, Mapping):
            raise ConfigError(f'{where} is {value!r}; expected tasks by name: {where}.TASK.FIELD')
        return {n: build(task_class(n, where), v, f'{where}.{n}') for n, v in value.items()}
    if kind is tuple:
        value = _items(value, where) if isinstance(value, Text) else value
        items = value if isinstance(value, tuple) else (value,)
        return tuple(_convert(arguments[0], item, where) for item in items)
    if isinstance(value, Text):
        return _read(type(arguments[0]) if kind is Literal else hint, str(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _read(kind: type, text: str) -> Any:
    """The value that a text stands for, or the text itself where it is none of that type."""
    if kind is bool:
        return BOOLEANS.get(text.lower(), text)
    with contextlib.suppress(ValueError):
        return kind(text)
    return text


def _items(text: str, where: str) -> tuple[Text, ...]:
    """The items of a tuple: a,b or ("a","b") or ['a', 'b']; an empty text has none."""
    if text[:1] not in ('(', '[', '"', "'"):
        parts = text.removesuffix(',').split(',') if text else []
        return tuple(Text(part.strip()) for part in parts)
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f'{where} is {text!r}; expected items with commas between') from error
    return tuple(Text(item) for item in (value if isinstance(value, tuple | list) else (value,)))


def plain(value: Any) -> Any:
    """Nested dicts and tuples of a ConfigDict, of sections, or of JSON."""
    if isinstance(value, Section):
        return {name: plain(getattr(value, name)) for name in hints(type(value))}
    if hasattr(value, 'to_dict'):  # ml_collections.ConfigDict
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return tuple(plain(item) for item in value) if isinstance(value, list | tuple) else value


def to_dict(config: Section) -> dict[str, Any]:
    """The config as JSON-ready nested dicts: tuples become lists."""
    return json.loads(json.dumps(plain(config)))


def flatten(values: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every field that is not a mapping itself."""
    for name, item in values.items():
        if isinstance(item, Mapping):
            yield from flatten(item, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', item


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Dotted names of the fields that differ, with both values (None where absent)."""
    before, after = dict(flatten(old)), dict(flatten(new))
    names = sorted(before.keys() | after.keys())
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return [(name, there, now) for name, there, now in pairs if there != now]


def other_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Fields, tasks aside, that only one of two config.json has; [] for those of one version."""
    before, after = ({n for n, _ in flatten(v) if not n.startswith('tasks')} for v in (old, new))
    names = sorted((before ^ after) - set(MOVED.values()))
    moved = {name: f' (now config.{place})' for name, place in MOVED.items()}
    return [f'config.{name}{moved.get(name, "")}' for name in names]


def current(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an earlier version's config.json under the names of this version."""
    made = {name: dict(v) if isinstance(v, Mapping) else v for name, v in values.items()}
    for old, new in MOVED.items():
        if old in made:
            section, _, name = new.partition('.')
            made.setdefault(section, {})[name] = made.pop(old)
    return made
