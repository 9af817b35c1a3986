"""Mode prompts: writes every prompt that an evaluation would ask; loads no model."""

import pathlib

from absl import logging

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.tasks import evaluate, registry


def prompts(folder: pathlib.Path, config: RunConfig) -> None:
    """Writes every prompt with its SHA-256 to prompts/<task>/<variant>.<language>.jsonl."""
    tasks = registry.make_tasks(config)
    run = run_lib.open_run(folder, config)
    for name, task in tasks.items():
        methods = config.tasks[name].methods
        evaluate.write_prompts(task, run.folder / 'prompts', methods)
    run.update_provenance(finished=run_lib.now())
    logging.info('prompts written to %s', run.folder / 'prompts')
