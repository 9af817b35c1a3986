"""Our own run folders: the numbers of their answers, computed again."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from xlbarrier import config as config_lib
from xlbarrier.results.answers import AnswersKey, Predictions, read_predictions
from xlbarrier.results.recorded import RecordError
from xlbarrier.tasks.base import Numbered

LOOKED_FOR = 'predictions/<model>/<task>/<variant>.<language>.parquet'


@dataclass(frozen=True)
class Answers:
    """The answers in a run folder.

    Attributes:
      path: the folder.
      name: short, and different from those of the others.
      predictions: (model, task, variant, language) -> table.
      numbered: the tasks that compute their own numbers, by name.
    """

    path: pathlib.Path
    name: str
    predictions: Predictions
    numbered: Mapping[str, Numbered]


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """The run folders with answers below a folder, and itself."""
    paths = sorted(root.rglob('predictions/*/*/*.parquet'))
    return list(dict.fromkeys(path.parents[3] for path in paths))


def read(
    paths: Sequence[pathlib.Path],
    *,
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> list[Answers]:
    """The answers of run folders; of the chosen models, tasks and languages, where any are chosen.

    Raises:
      RecordError: naming the folder whose answers cannot be read, or the task that computes its own
        numbers and cannot be created from the folder's config.json.
    """
    found: list[Answers] = []
    for path in paths:
        predictions = {
            key: table
            for key, table in _predictions(path).items()
            if all(
                not names or key[i] in names
                for i, names in ((0, models), (1, tasks), (3, languages))
            )
        }
        if predictions:
            name = path.resolve().name
            name = str(path) if name in [other.name for other in found] else name
            numbered = _numbered(path, sorted({key[1] for key in predictions}))
            _check_readable(path, predictions, numbered)
            found.append(Answers(path, name, predictions, numbered))
    return found


def _predictions(path: pathlib.Path) -> dict[AnswersKey, pa.Table]:
    try:
        return read_predictions(path / 'predictions')
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordError(f'{path / "predictions"} cannot be read ({error})') from error


def _check_readable(
    path: pathlib.Path, predictions: Predictions, numbered: Mapping[str, Numbered]
) -> None:
    for key, table in predictions.items():
        if key[1] not in numbered and 'choices' not in table.column_names:
            raise RecordError(
                f'{path}: the answers of {"/".join(key)} are not multiple choice, and {key[1]} is'
                ' not a task of this version: remove them'
            )


def _numbered(path: pathlib.Path, asked: Sequence[str]) -> dict[str, Numbered]:
    """The tasks that compute their own numbers, created again from the run's config."""
    # Tasks need jax, and most recorded answers need no tasks.
    from xlbarrier.tasks import registry

    names = [name for name in asked if registry.makes_numbers(name)]
    if not names:
        return {}  # multiple choice alone: the tables are enough
    file = path / 'config.json'
    made: dict[str, Numbered] = {}
    try:
        config = config_lib.resolve(
            config_lib.current(json.loads(file.read_text(encoding='utf-8')))
        )
    except (OSError, ValueError) as error:
        raise RecordError(
            f'{file} cannot be used ({error}); it configures {", ".join(names)}, which'
            ' compute their own numbers: add the file, or choose other tasks with'
            ' --config.rescore.tasks'
        ) from error
    for name in names:
        try:
            task = registry.make_task(config, name)
        except (OSError, ValueError, KeyError) as error:
            raise RecordError(
                f'{path}: {name} computes its own numbers and cannot be created from {file}'
                f' ({error}): add its files, or choose other tasks with --config.rescore.tasks'
            ) from error
        if isinstance(task, Numbered):
            made[name] = task
    return made
