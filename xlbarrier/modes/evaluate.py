"""Mode eval: measures one model on the tasks, and reports."""

import contextlib
import pathlib
from collections.abc import Mapping

import jax
from absl import logging

from xlbarrier import api
from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.data import tokenize
from xlbarrier.modes.results import BASE, finish
from xlbarrier.modes.start import begin
from xlbarrier.progress import Progress
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import Task


def evaluate(folder: pathlib.Path, config: RunConfig) -> None:
    """Asks one model all questions, and writes a report."""
    tasks, run, mesh = begin(folder, config)
    measure(run, config, mesh, tasks, BASE, config.model.source)
    finish(run, config, tasks)


def measure(
    run: run_lib.Run,
    config: RunConfig,
    mesh: jax.sharding.Mesh,
    tasks: Mapping[str, Task],
    name: str,
    model_source: str | pathlib.Path,
) -> None:
    """Asks one model all questions; what an earlier start has answered is not asked again.

    Args:
      run: the open run folder; answers go to predictions/<name>.
      config: `model`, `score`, `tasks`.
      mesh: devices of the model.
      tasks: by name in the config.
      name: of the model in the run, BASE or an arm.
      model_source: where its weights are.
    """
    done = run.path('predictions', name, 'done.json')
    if done.exists():
        logging.info('%s: measured already', name)
        return
    with Progress(f'{name}: loading {model_source}'):
        model = api.load_model(
            model_source,
            config.model.compute_dtype,
            param_dtype=config.model.param_dtype,
            mesh=mesh,
            adapter=config.model.adapter if name == BASE else '',
        )
    run.update_provenance(
        models={name: {'source': str(model_source), 'fingerprint': model.fingerprint}},
        tokenizer=tokenize.bos_policy(model.tokenizer),
    )
    for task_name, task in tasks.items():
        logging.info('%s: asking %s', name, task_name)
        with (
            ScoreStore(run.path('scores.sqlite'), model.fingerprint)
            if run.lead
            else contextlib.nullcontext() as store
        ):
            folder = run.folder / 'predictions' / name
            task.measure(
                Asked(
                    name=name,
                    decoder=model.decoder,
                    tokenizer=model.tokenizer,
                    mesh=mesh,
                    folder=folder,
                    store=store,
                    score=config.score,
                )
            )
    run.write_json(f'predictions/{name}/done.json', {'fingerprint': model.fingerprint})
