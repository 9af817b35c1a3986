"""The modes of a run, top-down: measure the base model, fine-tune the arms, measure again, report.

Each part leaves its result in the run folder whole, and is taken from there by a later start.
"""

import contextlib
import functools
import logging as std_logging
import pathlib
import resource
import sys
from typing import Any

import jax
from absl import logging
from tensorboardX import SummaryWriter

from xlbarrier import api, corpora, multihost, training_data
from xlbarrier import mesh as mesh_lib
from xlbarrier import run as run_lib
from xlbarrier.aot import report as aot_report
from xlbarrier.config import ModelConfig, RunConfig
from xlbarrier.data import tokenize
from xlbarrier.data.mixture import Mixture
from xlbarrier.data.pack import PackedRows
from xlbarrier.errors import InputError
from xlbarrier.models import adapters, load, lora, source
from xlbarrier.progress import Progress
from xlbarrier.report import page, table_files
from xlbarrier.results.answers import read_predictions
from xlbarrier.results.run import result_rows
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks import evaluate, registry
from xlbarrier.tasks.base import Numbered, Task
from xlbarrier.tasks.measured import Asked, MeasuredTask
from xlbarrier.train import loop

BASE = 'base'


def study(folder: pathlib.Path, config: RunConfig) -> None:
    """Base and arms on the same questions, then the report: the main job."""
    tasks, run, mesh = _begin(folder, config)
    rows = training_data.prepare(run, config, corpora.build_all(run, config, tasks), tasks)
    _measure(run, config, mesh, tasks, BASE, config.model.source)
    for arm in config.arms:
        export = _fine_tune(run, config, mesh, arm, rows.get(arm))
        _measure(run, config, mesh, tasks, arm, export)
    _finish(run, config, tasks)


def evaluation(folder: pathlib.Path, config: RunConfig) -> None:
    """One model on the tasks, and a report of it."""
    tasks, run, mesh = _begin(folder, config)
    _measure(run, config, mesh, tasks, BASE, config.model.source)
    _finish(run, config, tasks)


def training(folder: pathlib.Path, config: RunConfig) -> None:
    """One model fine-tuned on one arm's text; the export stands in export/<arm>."""
    tasks, run, mesh = _begin(folder, config)
    (arm,) = config.arms
    rows = training_data.prepare(run, config, corpora.build_all(run, config, tasks), tasks)
    export = _fine_tune(run, config, mesh, arm, rows.get(arm))
    run.update_provenance(finished=run_lib.now(), peak_memory_bytes=_peak_memory())
    logging.info('fine-tuned model: %s', export)


def corpus(folder: pathlib.Path, config: RunConfig) -> None:
    """The text of each arm, or a preview of it; loads no model."""
    corpora.mode(folder, config, registry.make_tasks(config))


def prompts(folder: pathlib.Path, config: RunConfig) -> None:
    """Writes every prompt with its digest; loads no model."""
    tasks = registry.make_tasks(config)
    run = run_lib.open_run(folder, config)
    for name, task in tasks.items():
        methods = config.tasks[name].methods
        evaluate.write_prompts(task, run.folder / 'prompts', methods)
    run.update_provenance(finished=run_lib.now())
    logging.info('prompts written to %s', run.folder / 'prompts')


def report(folder: pathlib.Path, config: RunConfig) -> None:
    """Draws the report of a finished run again, from what its folder holds; loads no model."""
    del config  # the folder's own config.json says what was run
    run = run_lib.open_finished(folder)
    page.write_report(run.folder)
    logging.info('report: %s', run.folder / 'report.html')


def conversion(folder: pathlib.Path, config: RunConfig) -> None:
    """Any model in, with its adapter where one is named; a Hugging Face folder out."""
    multihost.initialize()
    mesh = mesh_lib.make_mesh(config.mesh.data, config.mesh.fsdp, config.mesh.tensor)
    run = run_lib.follow(folder)
    if multihost.is_lead():
        run = run_lib.open_run(folder, config, mesh=dict(mesh.shape))
    multihost.barrier('run folder')
    out = run.path('export', 'model')
    with Progress(f'loading {config.model.source}'):
        dtype = config.model.param_dtype
        model = api.load_model(config.model.source, dtype, mesh=mesh, adapter=config.model.adapter)
    with Progress(f'writing {out}'):
        shard_bytes = int(config.export.shard_gb * 1e9)
        load.export_hf(model.decoder, out, tokenizer=model.tokenizer, shard_bytes=shard_bytes)
    if run.lead:
        run.update_provenance(finished=run_lib.now(), peak_memory_bytes=_peak_memory())
    logging.info('converted model: %s', out)


def compilation(folder: pathlib.Path, config: RunConfig) -> None:
    """Compiles the steps for a machine that is not there; loads no weights, needs no device."""
    prepared = aot_report.prepare(config)
    run = run_lib.open_run(folder, config)
    record = aot_report.report(prepared)
    run.write_json('compile.json', record)
    run.update_provenance(finished=run_lib.now(), peak_memory_bytes=_peak_memory())
    print(aot_report.text(record), flush=True)


MODES = {
    'study': study,
    'eval': evaluation,
    'train': training,
    'corpus': corpus,
    'prompts': prompts,
    'report': report,
    'convert': conversion,
    'compile': compilation,
}


def _begin(
    folder: pathlib.Path, config: RunConfig
) -> tuple[dict[str, Task | MeasuredTask], run_lib.Run, jax.sharding.Mesh]:
    """Everything that can be wrong with a config is found here, before any long work."""
    tasks = registry.make_tasks(config)
    if config.mode in ('study', 'train'):
        training_data.check(folder, config, tasks)
    multihost.initialize()
    mesh = mesh_lib.make_mesh(config.mesh.data, config.mesh.fsdp, config.mesh.tensor)
    run = run_lib.follow(folder)
    if multihost.is_lead():
        kinds = [device.device_kind for device in jax.devices()]
        run = run_lib.open_run(folder, config, devices=kinds, mesh=dict(mesh.shape))
        _log_to(run.path('log.txt'))
    multihost.barrier('run folder')
    logging.info('run folder %s, mesh %s, %s', run.folder, dict(mesh.shape), jax.devices()[0])
    with Progress(f'reading {config.model.source}'):
        model_config = load.read_config(source.resolve(config.model.source))
    trains = config.mode in ('study', 'train')
    batch = config.train.batch_rows // config.train.accumulate if trains else None
    mesh_lib.check_divides(model_config, mesh, batch)
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
            ' lost to rounding, at common learning rates nearly all are; take float32, or'
            " config.train.method 'lora', whose adapters are float32"
        )
    return tasks, run, mesh


def _measure(
    run: run_lib.Run,
    config: RunConfig,
    mesh: jax.sharding.Mesh,
    tasks: dict[str, Task | MeasuredTask],
    name: str,
    model_source: str | pathlib.Path,
) -> None:
    """Asks one model all questions; what an earlier start has written is not asked again."""
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
            if isinstance(task, MeasuredTask):
                asked = Asked(
                    *(name, model.decoder, model.tokenizer, mesh, folder, store), config.score
                )
                task.measure(asked)
                continue
            evaluate.evaluate(
                task,
                model.decoder,
                model.tokenizer,
                methods=config.tasks[task_name].methods,
                mesh=mesh,
                folder=folder,
                store=store,
                row_tokens=config.score.row_tokens,
                rows_per_device=config.score.rows_per_device,
                generate_rows=config.score.generate_rows,
                letter_tokens=config.score.letter_tokens,
                model_name=name,
            )
    run.write_json(f'predictions/{name}/done.json', {'fingerprint': model.fingerprint})


def _fine_tune(
    run: run_lib.Run,
    config: RunConfig,
    mesh: jax.sharding.Mesh,
    arm: str,
    packed: PackedRows | Mixture | None,
) -> pathlib.Path:
    """Fine-tunes the base model on one arm's rows and exports it; returns the export's folder.

    Rows are not needed where an earlier start has exported the arm.
    """
    export = run.path('export', arm)
    if (export / 'config.json').exists():
        logging.info('%s: fine-tuned already', arm)
        return export
    with Progress(f'{arm}: loading {config.model.source}'):
        path = source.resolve(config.model.source)
        tokenizer = tokenize.load_tokenizer(path, load.read_config(path).vocab_size)
        decoder = load.load_decoder(
            path,
            mesh,
            param_dtype=config.model.param_dtype,
            compute_dtype=config.train.compute_dtype,
            adapter=config.model.adapter,
        )
    logging.info('%s: fine-tuning, %d updates', arm, config.train.steps)
    logged = run.last_step(arm)
    # tensorboardX writes from a thread of its own; a process that is not the lead logs no step.
    place = str(run.path('tensorboard', arm))
    board = SummaryWriter(place, purge_step=logged + 1, write_to_disk=run.lead)
    decoder = loop.train(
        decoder,
        packed,
        config.train,
        folder=run.path('checkpoints', arm),
        seed=config.seed,
        log=functools.partial(_log_step, run, board, arm),
        logged_through=logged,
    )
    board.close()
    with Progress(f'{arm}: exporting'):
        if config.train.method == 'lora':
            adapter = run.path('export', f'{arm}-adapter')
            adapters.save_adapter(decoder, adapter, base=_base_of(config.model))
            lora.merge_lora(decoder)
        shard_bytes = int(config.export.shard_gb * 1e9)
        load.export_hf(decoder, export, tokenizer=tokenizer, shard_bytes=shard_bytes)
    return export


def _base_of(model: ModelConfig) -> str:
    """What a new adapter is for; upon the bare source it would be another model's."""
    return f'{model.source} with {model.adapter} merged' if model.adapter else model.source


def _log_step(run: run_lib.Run, board: SummaryWriter, arm: str, row: dict[str, Any]) -> None:
    run.append_metrics({'arm': arm, **row})
    for name, value in row.items():
        if name != 'step':
            board.add_scalar(f'train/{name}', value, row['step'])
    board.flush()


def _finish(run: run_lib.Run, config: RunConfig, tasks: dict[str, Task | MeasuredTask]) -> None:
    if not run.lead:
        return
    with Progress('numbers and report'):
        _report(run, config, tasks)
    logging.info('report: %s', run.folder / 'report.html')


def _report(run: run_lib.Run, config: RunConfig, tasks: dict[str, Task | MeasuredTask]) -> None:
    predictions = read_predictions(run.folder / 'predictions')
    rows = result_rows(
        predictions,
        reference=BASE,
        control='english',
        seed=config.seed,
        draws=config.report.bootstrap_draws,
        numbered={name: task for name, task in tasks.items() if isinstance(task, Numbered)},
    )
    run.write_json('results.json', {'schema': 1, 'rows': rows})
    table_files.write(rows, run.path('tables', 'results.csv').parent)
    run.update_provenance(finished=run_lib.now(), peak_memory_bytes=_peak_memory())
    page.write_report(run.folder)


def _log_to(path: pathlib.Path) -> None:
    """Keeps the log in the run folder too."""
    handler = std_logging.FileHandler(path, encoding='utf-8')
    handler.setFormatter(logging.get_absl_handler().formatter)
    std_logging.getLogger().addHandler(handler)


def _peak_memory() -> int:
    """Largest resident size of this process so far, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024
