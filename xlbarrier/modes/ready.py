"""What can be said of a run before jax is imported: whether its model and questions are there."""

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.datafiles import places
from xlbarrier.models import source

if TYPE_CHECKING:
    from xlbarrier.tasks.base import Task

WITH_MODEL = ('study', 'eval', 'train', 'convert')
WITH_TASKS = ('study', 'eval', 'train')
WITH_TEXT = ('study', 'train', 'corpus')


@dataclass(frozen=True)
class Ready:
    """What a mode that asks a model or trains one begins with.

    Attributes:
      tasks: by name in the config.
      commits: of the hub's datasets that their questions are from.
    """

    tasks: 'Mapping[str, Task]' = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)


def check(folder: pathlib.Path, config: RunConfig) -> Ready:
    """Checks the run folder, finds the model and reads the questions, in a second or two.

    Args:
      folder: of the run; nothing is written.
      config: checked.

    Returns:
      The tasks of modes that ask a model or train one; nothing for the others.

    Raises:
      XlbarrierError: naming the folder, the field, or the file and row that cannot be used.
    """
    if config.mode != 'report':
        run_lib.check_folder(folder, config)
    if config.mode in WITH_MODEL:
        source.check(config.model.source, config.model.adapter, config.model.tokenizer)
    if config.mode in WITH_TEXT:
        for place in (config.corpus.source.partition(':')[2], *config.data.files):
            if places.is_remote(place):
                places.check(place)
    return make(config) if config.mode in WITH_TASKS else Ready()


def make(config: RunConfig) -> Ready:
    """Makes the tasks of a config, which checks languages, files and sizes."""
    # Here, since they take longer to import than all that `check` does before.
    from xlbarrier.tasks import hub, registry

    with hub.recording() as commits:
        tasks = registry.make_tasks(config)
    return Ready(tasks, commits)
