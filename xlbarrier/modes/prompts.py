"""Mode prompts: writes every prompt of an evaluation; loads no model."""

import json
import pathlib

from absl import logging

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.data import tokenize
from xlbarrier.models import source
from xlbarrier.progress import Progress
from xlbarrier.tasks import hub, registry
from xlbarrier.tasks.base import Task


def prompts(folder: pathlib.Path, config: RunConfig) -> None:
    """Writes every prompt with its SHA-256 to prompts/<task>/<variant>.<language>.jsonl."""
    with hub.recording() as commits:
        tasks = registry.make_tasks(config)
    tokenizer = None
    if any(task.needs_tokenizer for task in tasks.values()):
        model = config.model
        with Progress(f'reading the tokenizer of {model.tokenizer or model.source}'):
            path = pathlib.Path() if model.tokenizer else source.resolve(model.source)
            tokenizer = tokenize.load_tokenizer(source.resolve_tokenizer(model.tokenizer, path))
    run = run_lib.open_run(folder, config)
    for task in tasks.values():
        write_prompts(task, run.folder / 'prompts', tokenizer)
    datasets = {'datasets': commits} if commits else {}
    run.update_provenance(finished=run_lib.now(), **datasets)
    logging.info('prompts written to %s', run.folder / 'prompts')


def write_prompts(
    task: Task, folder: pathlib.Path, tokenizer: tokenize.PreTrainedTokenizerFast | None = None
) -> list[pathlib.Path]:
    """Writes the prompts of a task, in the rows of docs/run_folder.md; returns the paths.

    Args:
      task: see `Task.prompts`.
      folder: gets <task>/<variant>.<language>.jsonl.
      tokenizer: of the model, if the task needs it.
    """
    paths = []
    for (variant, language), rows in task.prompts(tokenizer):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path = folder / task.name / f'{variant}.{language}.jsonl'
        path.parent.mkdir(parents=True, exist_ok=True)
        run_lib.write_atomic(path, ('\n'.join(lines) + '\n').encode())
        paths.append(path)
    return paths
