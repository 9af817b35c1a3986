"""From a command line to a config: a recipe, and flags that set any field of any section.

--config=NAME[:ARG]           a shipped recipe, or a Python file with get_config()
--model=ORG/NAME              short for config.model.source; --languages and --limit too
--config.train.steps=9        any field; config.tasks.mmlu.source adds the task if need be
--config.arms=english,mixed   a list as people type it; '("english","mixed")' does too
"""

import importlib.util
import pathlib
import re
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from xlbarrier.config.build import Text, plain
from xlbarrier.config.checks import ConfigError, nearest
from xlbarrier.config.run import RunConfig, resolve
from xlbarrier.config.tasks import task_class
from xlbarrier.errors import XlbarrierError

LIMITS = ('limit', 'questions', 'texts', 'facts')  # the fields that say how much a task asks
_HUB_ID = re.compile(r'[\w.-]+/[\w.-]+(@[\w./-]+)?')
RECIPES = pathlib.Path(__file__).parent.parent / 'recipes'  # in a checkout a link to configs/


def default_config() -> ConfigDict:
    """Every field of a run at its default, without any task, for a recipe to change.

    A task is set as `config.tasks.NAME = {'field': value}`; what is left out is the default.
    """
    return ConfigDict(plain(RunConfig()), type_safe=False)


def split(argv: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Separates a command line into (name, text) of each --config.NAME=TEXT, and the rest.

    Returns:
      The rest, and the pairs; --config.NAME TEXT is the same.

    Raises:
      ConfigError: for a flag without a value.
    """
    rest, found, words = [], [], iter(argv)
    for word in words:
        flag, equals, text = word.partition('=')
        if not flag.startswith(('-config.', '--config.')):
            rest.append(word)
            continue
        if not equals and (text := next(words, '--')).startswith('--'):
            raise ConfigError(f'{flag} has no value; expected {flag}=VALUE')
        found.append((flag.partition('.')[2], text))
    return rest, found


def read(
    recipe: str,
    overrides: Sequence[tuple[str, str]],
    *,
    model: str = '',
    languages: str = '',
    limit: str = '',
) -> RunConfig:
    """The checked config of a recipe and flags.

    Args:
      recipe: NAME or path, with ':ARG' where its get_config takes an argument.
      overrides: of `split`; of two for one field the last one counts, and each before a short flag.
      model: as people type it: ORG/NAME, a folder, a file; see `model_source`.
      languages: of every task of the recipe, and of its corpus, with commas between.
      limit: the most questions of every task.

    Raises:
      ConfigError: for a recipe that does not exist or fails, a field that does not exist, and a
        value that cannot be used.
    """
    values = load_recipe(recipe)
    short = [('model.source', model_source(model))] if model else []
    for name in values.get('tasks', {}) if languages or limit else ():
        short += [(f'tasks.{name}.languages', languages)] if languages else []
        short += [(f'tasks.{name}.{_limit_field(name)}', limit)] if limit else []
    short += [('corpus.languages', languages)] if languages else []
    for name, text in [*short, *overrides]:
        *path, last = name.split('.')
        at = values
        for i, part in enumerate(path):
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                where = '.'.join(['config', *path[: i + 1]])
                raise ConfigError(f'config.{name}: no such field; {where} is a field, no section')
        at[last] = Text(text)
    return resolve(values)


def model_source(text: str) -> str:
    """A model as people type it as config.model.source takes it: ORG/NAME becomes hf:ORG/NAME.

    What exists here as a file or folder is that.
    """
    if _HUB_ID.fullmatch(text) and not pathlib.Path(text).exists() and text[:1] not in './~':
        return f'hf:{text}'
    return text


def _limit_field(task: str) -> str:
    fields = task_class(task, 'config.tasks').__dataclass_fields__
    found = next((name for name in LIMITS if name in fields), None)
    if found is None:
        raise ConfigError(f'--limit: the task {task} has no field that limits it')
    return found


def recipe_names() -> list[str]:
    """The recipes that are shipped."""
    return sorted(path.stem for path in RECIPES.glob('[a-z]*.py'))


def recipe_path(name: str) -> pathlib.Path:
    """The file of a recipe: a path, or the name of a shipped one."""
    path, known = pathlib.Path(name).expanduser(), recipe_names()
    if path.is_file():
        return path
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
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f'{path} is no Python file: expected a name that ends in .py')
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
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
