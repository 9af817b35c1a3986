"""Mode translate: puts MMLU's questions into other languages, then asks them."""

import contextlib
import dataclasses
import pathlib
from typing import Any

from absl import logging

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.config.tasks import TaskConfig
from xlbarrier.models import source
from xlbarrier.tasks import hub, mmlu_translation

MADE = 'translated'  # in the run folder; what a task's source begins with is the translation


def translate(folder: pathlib.Path, config: RunConfig) -> None:
    """Writes the questions to translated/<language>, and measures the model on the tasks."""
    asks = bool(config.questions.ask and config.tasks)
    if asks:
        source.resolve(config.model.source)  # errors come before the translation
    with contextlib.closing(run_lib.open_run(folder, config)) as run:
        with hub.recording() as commits:
            manifest = mmlu_translation.build(
                config.questions, config.corpus.translator, run.path(MADE)
            )
        logging.info('translated: %s, left out %s', manifest['items'], manifest['left_out'])
        run.update_provenance(**({'datasets': commits} if commits else {}))
        if not asks:
            run.update_provenance(finished=run_lib.now())
    if asks:
        # Here: translating needs no jax.
        from xlbarrier.modes import evaluate, ready

        evaluate.evaluate(folder, config, ready.make(_on_translation(config, run.folder)))


def _on_translation(config: RunConfig, folder: pathlib.Path) -> RunConfig:
    """The config with the folder of the run in the sources of its tasks."""
    tasks: dict[str, TaskConfig] = dict(config.tasks)
    for name, task in tasks.items():
        place = getattr(task, 'source', '')
        if place.startswith(f'{MADE}/'):
            changed: dict[str, Any] = {'source': str(folder / place)}
            tasks[name] = dataclasses.replace(task, **changed)
    return dataclasses.replace(config, tasks=tasks)
