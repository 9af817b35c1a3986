"""The modes as functions of Python: xb.evaluate, xb.fine_tune and xb.study.

Each makes the config that the command line would make and runs the same mode in this process, with
the same run folder: a second call with the same arguments continues, or finds what is finished.
"""

import os
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xlbarrier import datafiles, modes
from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.config import flags as config_flags

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """A finished run.

    Attributes:
      folder: docs/run_folder.md describes its files.
      config: as it was resolved.
    """

    folder: pathlib.Path
    config: RunConfig

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of results.json: one per number; empty where nothing was measured."""
        path = self.folder / 'results.json'
        return datafiles.read_object(path)['rows'] if path.exists() else []

    @property
    def report(self) -> pathlib.Path:
        """The report, one HTML file."""
        return self.folder / 'report.html'

    @property
    def exports(self) -> dict[str, pathlib.Path]:
        """The fine-tuned models, as Hugging Face folders, by arm."""
        found = {arm: self.folder / 'export' / arm for arm in self.config.arms}
        return {arm: path for arm, path in found.items() if (path / 'config.json').exists()}

    def select(self, **fields: Any) -> list[dict[str, Any]]:
        """The rows with these values, as in `select(metric='barrier_gap', variant='full')`."""
        return [
            row
            for row in self.rows
            if all(row.get(name) == value for name, value in fields.items())
        ]


def evaluate(
    model: str | os.PathLike,
    workdir: str | os.PathLike,
    *,
    recipe: str = 'worldfacts',
    config: Fields | None = None,
) -> RunFolder:
    """Measures one model on the tasks of a recipe, and writes a report: mode `eval`.

    Args:
      model: as of `load_model`; ORG/NAME is the hub's.
      workdir: the run folder; made if absent.
      recipe: a shipped one, or the path of a file with get_config().
      config: further fields by their dotted names, as {'tasks.worldfacts.languages': ('en', 'sw')}.

    Raises:
      XlbarrierError: as the command line reports them, before any long work where that is possible.
    """
    return _run('eval', model, workdir, recipe, config or {})


def study(
    model: str | os.PathLike,
    workdir: str | os.PathLike,
    *,
    recipe: str = 'quickstart',
    config: Fields | None = None,
) -> RunFolder:
    """Measures a model, fine-tunes it on each arm, measures again, and reports: mode `study`.

    Args and errors as of `evaluate`.
    """
    return _run('study', model, workdir, recipe, config or {})


def fine_tune(
    model: str | os.PathLike,
    workdir: str | os.PathLike,
    *,
    arm: str = 'mixed',
    recipe: str = 'quickstart',
    config: Fields | None = None,
) -> RunFolder:
    """Fine-tunes a model on one arm's text or files: mode `train`.

    Args:
      arm: 'english', 'mixed', 'single:LANGUAGE', 'monolingual-mix', 'names', or 'data' for files
        alone; the model is in `exports[arm]` of the result.
      model, workdir, recipe, config: as of `evaluate`.

    Raises:
      XlbarrierError: as `evaluate`.
    """
    return _run('train', model, workdir, recipe, {'arms': (arm,), **(config or {})})


def _run(
    mode: str, model: str | os.PathLike, workdir: str | os.PathLike, recipe: str, fields: Fields
) -> RunFolder:
    given = {'mode': mode, 'model.source': config_flags.model_source(os.fspath(model)), **fields}
    overrides = [(name, _text(value)) for name, value in given.items()]
    config = config_flags.read(recipe, overrides)
    with run_lib.placed(workdir) as folder:
        modes.load(mode)(folder.resolve(), config)
    return RunFolder(folder.resolve(), config)


def _text(value: Any) -> str:
    """A value as a flag has it."""
    return repr(tuple(value)) if isinstance(value, list | tuple) else str(value)
