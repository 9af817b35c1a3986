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
from xlbarrier.modes import pairs, training_data
from xlbarrier.progress import Progress
from xlbarrier.scoring import sizes
from xlbarrier.tasks import hub, registry
from xlbarrier.tasks.base import Pairing, Task


def begin(
    folder: pathlib.Path, config: RunConfig, asked: RunConfig | None = None
) -> tuple[dict[str, Task], run_lib.Run, jax.sharding.Mesh]:
    """Makes the tasks, starts the devices, opens the run folder, and checks the config.

    Args:
      folder: the workdir.
      config: of mode study, eval, train or translate.
      asked: where the tasks are; None: in `config`.

    Returns:
      The tasks by name, the open run folder and the mesh.

    Raises:
      XlbarrierError: naming the field, file or row that cannot be used.
    """
    with hub.recording() as commits:
        tasks = registry.make_tasks(asked or config)
    trains = config.mode in ('study', 'train')
    if trains:
        trackers.check(config.report.to)
        training_data.check(folder, config, tasks)
        _check_held_out(config, tasks)
        pairs.check(folder, config, tasks)
    run, mesh = open_on_devices(folder, config)
    if commits:
        run.update_provenance(datasets=commits)
    if run.lead:
        for name, task in tasks.items():
            if isinstance(task, Pairing):
                task.write_split(run.path('split', f'{name}.json'))
    logging.info('run folder %s, mesh %s, %s', run.folder, dict(mesh.shape), jax.devices()[0])
    with Progress(f'reading {config.model.source}'):
        model_config = load.read_config(source.resolve(config.model.source))
    batch = config.train.batch_rows // config.train.accumulate if trains else None
    mesh_lib.check_divides(model_config, mesh, batch)
    sizes.check_fits(model_config, config.model.param_dtype, mesh)
    if trains and config.train.row_tokens > model_config.max_positions:
        raise InputError(
            f'config.train.row_tokens is {config.train.row_tokens};'
            f' {config.model.source} takes {model_config.max_positions} positions'
        )
    if trains and config.train.method == 'lora':
        lora.check_targets(model_config, config.train.lora_targets)
    elif trains and config.model.param_dtype == 'bfloat16':
        logging.warning(
            'config.model.param_dtype is bfloat16: an update smaller than 1/512 of its weight is'
            ' lost to rounding, at common learning rates nearly all are; use float32, or'
            " config.train.method 'lora', whose adapters are float32"
        )
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


def open_on_devices(
    folder: pathlib.Path, config: RunConfig
) -> tuple[run_lib.Run, jax.sharding.Mesh]:
    """Joins the processes of the run, makes the mesh, and opens the run folder on the lead."""
    multihost.initialize()
    mesh_lib.keep_compiled(wheels.cache_folder() / 'compiled')
    mesh = mesh_lib.make_mesh(config.mesh.data, config.mesh.fsdp, config.mesh.tensor)
    run = run_lib.follow(folder)
    if multihost.is_lead():
        kinds = [device.device_kind for device in jax.devices()]
        run = run_lib.open_run(folder, config, devices=kinds, mesh=dict(mesh.shape))
        _log_to(run.path('log.txt'))
    multihost.barrier('run folder')
    return run, mesh


def _log_to(path: pathlib.Path) -> None:
    """Also writes the log to the run folder."""
    handler = std_logging.FileHandler(path, encoding='utf-8')
    handler.setFormatter(logging.get_absl_handler().formatter)
    std_logging.getLogger().addHandler(handler)
