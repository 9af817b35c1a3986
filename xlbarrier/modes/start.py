"""The start of a run with a model: the checks that come before any long work."""

import logging as std_logging
import pathlib
from collections.abc import Mapping

import jax
from absl import logging

from xlbarrier import mesh as mesh_lib
from xlbarrier import multihost
from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.data import DATA_ARM
from xlbarrier.config.run import text_of
from xlbarrier.corpus import countries
from xlbarrier.errors import InputError
from xlbarrier.integrations import trackers
from xlbarrier.models import load, lora, source, wheels
from xlbarrier.models.config import DecoderConfig
from xlbarrier.modes import pairs, training_data
from xlbarrier.modes import ready as ready_lib
from xlbarrier.modes.ready import Ready
from xlbarrier.progress import Progress
from xlbarrier.scoring import sizes
from xlbarrier.tasks.base import Pairing, Task


def begin(
    folder: pathlib.Path, config: RunConfig, ready: Ready | None = None
) -> tuple[Mapping[str, Task], run_lib.Run, jax.sharding.Mesh]:
    """Checks the config against model, data and devices, and then opens the run folder.

    Args:
      folder: the workdir.
      config: of mode study, eval, train or translate.
      ready: the tasks; None: those of `config`.

    Returns:
      The tasks by name, the open run folder and the mesh.

    Raises:
      XlbarrierError: naming what cannot be used; there is then no folder yet.
    """
    ready = ready_lib.make(config) if ready is None else ready
    tasks = ready.tasks
    run_lib.check_folder(folder, config)
    if trains(config):
        trackers.check(config.report.to)
        training_data.check(folder, config, tasks)
        _check_held_out(config, tasks)
        pairs.check(folder, config, tasks)
    multihost.initialize()
    if run_lib.is_copy() and jax.process_count() > 1:
        raise InputError(
            f'--workdir is on an object store, and the run has {jax.process_count()} processes,'
            ' each of which would have a copy of its own: take a folder on a disk that they share'
        )
    mesh_lib.keep_compiled(wheels.cache_folder() / 'compiled')
    mesh = mesh_lib.make_mesh(config.mesh.data, config.mesh.fsdp, config.mesh.tensor)
    multihost.connect(mesh)
    with Progress(f'reading {config.model.source}'):
        model = load.read_config(source.resolve(config.model.source))
    check_model(config, model, mesh)
    run = run_lib.follow(folder)
    if multihost.is_lead():
        kinds = [device.device_kind for device in jax.devices()]
        run = run_lib.open_run(folder, config, devices=kinds, mesh=dict(mesh.shape))
        _log_to(run.path('log.txt'))
        for name, task in tasks.items():
            if isinstance(task, Pairing):
                task.write_split(run.folder / 'split' / f'{name}.json')
        if ready.commits:
            run.update_provenance(datasets=dict(ready.commits))
    multihost.barrier('run folder')
    logging.info('run folder %s, mesh %s, %s', run.folder, dict(mesh.shape), jax.devices()[0])
    return tasks, run, mesh


def _check_held_out(config: RunConfig, tasks: Mapping[str, Task]) -> None:
    """Refuses text that states relations which a task holds out of training."""
    if config.corpus.source != 'countries' or set(map(text_of, config.arms)) <= {DATA_ARM}:
        return
    for name, task in tasks.items():
        held_out = task.held_out_relations if isinstance(task, Pairing) else ()
        stated = [relation for relation in held_out if relation in countries.STATES]
        if stated:
            raise ConfigError(
                f'config.tasks.{name}.held_out has {stated[0]!r}, which the text of'
                " config.corpus.source = 'countries' states; name another source, or hold out"
                f' relations other than {", ".join(countries.STATES)}'
            )


def trains(config: RunConfig) -> bool:
    """Whether the mode fine-tunes."""
    return config.mode in ('study', 'train')


def check_model(config: RunConfig, model: DecoderConfig, mesh: jax.sharding.Mesh) -> None:
    """Checks mesh, memory and training fields against the model's own config.

    Raises:
      InputError: naming the field and the size that do not fit.
    """
    batch = config.train.batch_rows // config.train.accumulate if trains(config) else None
    mesh_lib.check_divides(model, mesh, batch)
    sizes.check_fits(model, config.model.param_dtype, mesh)
    if not trains(config):
        return
    if config.train.row_tokens > model.max_positions:
        raise InputError(
            f'config.train.row_tokens is {config.train.row_tokens};'
            f' {config.model.source} takes {model.max_positions} positions'
        )
    if config.train.method == 'lora':
        lora.check_targets(model, config.train.lora_targets)
    elif config.model.param_dtype == 'bfloat16':
        logging.warning(
            'config.model.param_dtype is bfloat16: an update smaller than 1/512 of its weight is'
            ' lost to rounding, at common learning rates nearly all are; use float32, or'
            " config.train.method 'lora', whose adapters are float32"
        )


def _log_to(path: pathlib.Path) -> None:
    """Also writes the log to the run folder."""
    handler = std_logging.FileHandler(path, encoding='utf-8')
    handler.setFormatter(logging.get_absl_handler().formatter)
    std_logging.getLogger().addHandler(handler)
