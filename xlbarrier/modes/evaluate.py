"""Mode eval: measures a model, and others beside it, on the tasks, and reports."""

import contextlib
import hashlib
import pathlib
from collections.abc import Mapping

import jax
from absl import logging

from xlbarrier import api, datafiles
from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.data import tokenize
from xlbarrier.models import load
from xlbarrier.modes.ready import Ready
from xlbarrier.modes.results import BASE, finish
from xlbarrier.modes.start import begin
from xlbarrier.progress import Progress
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import Task

DONE = 'done.json'  # in the folder of a model's predictions: the sheets, and their digests


def evaluate(folder: pathlib.Path, config: RunConfig, ready: Ready | None = None) -> None:
    """Asks the model of the config, and its others, all questions, and writes a report.

    Args:
      folder: the workdir.
      config: of the run.
      ready: the tasks; None: those of `config`.
    """
    tasks, run, mesh = begin(folder, config, ready)
    with contextlib.closing(run):
        for name, model_source in {BASE: config.model.source, **config.model.named}.items():
            measure(run, config, mesh, tasks, name, model_source)
        finish(run, config, tasks)


def measure(
    run: run_lib.Run,
    config: RunConfig,
    mesh: jax.sharding.Mesh,
    tasks: Mapping[str, Task],
    name: str,
    model_source: str | pathlib.Path,
) -> None:
    """Asks one model all questions, except those that an earlier start has answered.

    Args:
      run: the open run folder; answers go to predictions/<name>.
      config: `model`, `score`, `tasks`.
      mesh: devices of the model.
      tasks: by name in the config.
      name: of the model in the run: BASE, an arm, or one of config.model.others.
      model_source: where its weights are.
    """
    folder = run.folder / 'predictions' / name
    finished = _finished_tasks(folder)
    if finished is not None and set(tasks) <= finished:
        logging.info('%s: measured already', name)
        return
    with Progress(f'{name}: loading {model_source}'):
        model = api.load_model(
            model_source,
            config.model.compute_dtype,
            param_dtype=config.model.param_dtype,
            mesh=mesh,
            adapter=config.model.adapter if name == BASE else '',
            tokenizer=config.model.tokenizer if name == BASE else '',
        )
    run.update_provenance(
        models={name: load.describe(model.source, model.path, model.fingerprint)},
        tokenizer=tokenize.bos_policy(model.tokenizer),
    )
    for task_name, task in tasks.items():
        if finished is not None and task_name in finished:
            continue
        logging.info('%s: asking %s', name, task_name)
        with (
            ScoreStore(run.path('scores.sqlite'), model.fingerprint)
            if run.lead
            else contextlib.nullcontext() as store
        ):
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
        run.safe_point()
    sheets = {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.glob('*/*.parquet'))
    }
    done = {'fingerprint': model.fingerprint, 'sheets': sheets}
    run.write_json(f'predictions/{name}/{DONE}', done)
    run.safe_point()


def _finished_tasks(folder: pathlib.Path) -> set[str] | None:
    """The tasks that an earlier start has measured; None if it did not finish all of them.

    A task with a missing or changed sheet is not among them: it is asked again, with the scores of
    scores.sqlite.
    """
    if not (folder / DONE).exists():
        return None
    record = datafiles.read_object(folder / DONE)
    sheets = record.get('sheets')
    if not isinstance(sheets, dict):  # from a version that did not list them
        return {path.name for path in folder.iterdir() if path.is_dir()}
    broken = set()
    for name, digest in sheets.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            logging.warning('%s is gone or was changed: its task is asked again', path)
            broken.add(name.partition('/')[0])
    return {name.partition('/')[0] for name in sheets} - broken


def _digest(path: pathlib.Path) -> str:
    with path.open('rb') as f:
        return hashlib.file_digest(f, 'sha256').hexdigest()
