"""From a command line to a config: a recipe, and flags that set any field of any section.

--config=NAME[:ARG]           a shipped recipe, or a Python file with get_config()
--config.train.steps=9        any field; config.tasks.mmlu.source adds the task if need be
--config.arms=english,mixed   a list as people type it; '("english","mixed")' does too
"""

import ast
import contextlib
import importlib.util
import pathlib
import traceback
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ml_collections import ConfigDict

from xlbarrier.config.build import known_field, plain
from xlbarrier.config.checks import ConfigError, bare, hints, nearest, section_of
from xlbarrier.config.run import RunConfig, resolve
from xlbarrier.config.tasks import task_class
from xlbarrier.errors import XlbarrierError

RECIPES = pathlib.Path(__file__).parent.parent / 'recipes'  # in a checkout a link to configs/
BOOLEANS = {'true': True, '1': True, 'yes': True, 'false': False, '0': False, 'no': False}


def default_config() -> ConfigDict:
    """Every field of a run at its default, without any task, for a recipe to change.

    A task is set as `config.tasks.NAME = {'field': value}`; what is left out is the default.
    """
    return ConfigDict(plain(RunConfig()), type_safe=False)


def split(argv: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Separates the flags that set fields from the rest of a command line.

    Returns:
      The rest, and (dotted name without 'config.', text) for each --config.NAME=TEXT, also
      written --config.NAME TEXT, --config.NAME for True and --noconfig.NAME for False.

    Raises:
      ConfigError: for a field that does not exist, or a flag without a value.
    """
    rest, found, words = [], [], iter(argv)
    for word in words:
        flag, equals, text = word.partition('=')
        name = flag.lstrip('-').removeprefix('no')
        if not flag.startswith('-') or not name.startswith('config.'):
            rest.append(word)
            continue
        name = name.removeprefix('config.')
        hint = field_hint(name)
        if not equals and hint is bool:
            text = 'false' if flag.lstrip('-').startswith('no') else 'true'
        elif not equals and (text := next(words, '--')).startswith('--'):
            raise ConfigError(f'{flag} has no value; expected {flag}=VALUE')
        found.append((name, text))
    return rest, found


def read(recipe: str, overrides: Sequence[tuple[str, str]]) -> RunConfig:
    """The checked config of a recipe and flags.

    Args:
      recipe: NAME or path, with ':ARG' where its get_config takes an argument.
      overrides: of `split`; of two for one field the last one counts.

    Raises:
      ConfigError: for a recipe that does not exist or fails, and for a value that cannot be used.
    """
    values = load_recipe(recipe)
    for name, text in overrides:
        *path, last = name.split('.')
        at = values
        for part in path:
            at = at.setdefault(part, {})
        at[last] = from_text(field_hint(name), text, f'config.{name}')
    return resolve(values)


def recipe_names() -> list[str]:
    """The recipes that are shipped."""
    return sorted(path.stem for path in RECIPES.glob('[a-z]*.py'))


def recipe_path(name: str) -> pathlib.Path:
    """The file of a recipe: a path, or the name of a shipped one."""
    path = pathlib.Path(name).expanduser()
    if path.is_file():
        return path
    known = recipe_names()
    if name in known:
        return RECIPES / f'{name}.py'
    raise ConfigError(
        f'--config: no config file {name}, and no recipe of that name.{nearest(path.stem, known)}'
        f' Recipes: {", ".join(known)}'
    )


def load_recipe(recipe: str) -> dict[str, Any]:
    """What a recipe's get_config gives, as nested dicts; its errors name the file and the line."""
    name, _, argument = recipe.partition(':')
    path = recipe_path(name)
    try:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        values = plain(module.get_config(argument) if argument else module.get_config())
    except XlbarrierError:
        raise
    except Exception as error:  # of any kind: a recipe is a user's program
        frames = traceback.extract_tb(error.__traceback__)
        line = [f', line {frame.lineno}' for frame in frames if frame.filename == str(path)][-1:]
        kind = type(error).__name__
        raise ConfigError(f'{path}{"".join(line)}: {kind}: {error}') from error
    if not isinstance(values, Mapping):
        raise ConfigError(f'{path}: get_config() returns {values!r}; expected a ConfigDict')
    return dict(values)


def field_hint(name: str) -> Any:
    """The annotation of the field that a flag names, as 'tasks.mmlu.source'.

    Raises:
      ConfigError: where there is no such field; it offers the nearest one of the right section.
    """
    hint: Any = RunConfig
    where = 'config'
    for part in name.split('.'):
        if where == 'config.tasks':
            hint = task_class(part, where)
        elif section := section_of(hint):
            hint = known_field(section, part, where)
        else:
            raise ConfigError(f'config.{name}: no such field; {where} is a field, not a section')
        where = f'{where}.{part}'
    if typing.get_origin(hint) is Mapping:
        raise ConfigError(f'{where} is a section; set a field of it: {where}.TASK.FIELD')
    if section := section_of(hint):
        raise ConfigError(f'{where} is a section; set a field of it: {", ".join(hints(section))}')
    return hint


def from_text(hint: Any, text: str, where: str) -> Any:
    """The value that the text of a flag stands for; `Section.check` refuses what has none."""
    hint = bare(hint)
    kind, arguments = typing.get_origin(hint), typing.get_args(hint)
    if kind is tuple:
        return tuple(from_text(arguments[0], item, where) for item in _items(text, where))
    if kind is Literal:
        hint = type(arguments[0])
    if hint is bool:
        return BOOLEANS.get(text.lower(), text)
    with contextlib.suppress(ValueError):
        return hint(text)
    return text


def _items(text: str, where: str) -> list[str]:
    """The items of a tuple: a,b or ("a","b") or ['a', 'b']; an empty text has none."""
    if text[:1] not in ('(', '[', '"', "'"):
        return [item.strip() for item in text.removesuffix(',').split(',')] if text else []
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f'{where} is {text!r}; expected items with commas between') from error
    return [str(item) for item in (value if isinstance(value, tuple | list) else (value,))]
