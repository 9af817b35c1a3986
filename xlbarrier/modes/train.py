"""Mode train: fine-tunes one model on one arm's rows, and exports it."""

import contextlib
import functools
import pathlib
from typing import Any

import jax
from absl import logging
from flax import nnx

from xlbarrier import run as run_lib
from xlbarrier.config import ModelConfig, RunConfig, TrainConfig
from xlbarrier.config.run import ArmRun
from xlbarrier.data import tokenize
from xlbarrier.data.tokenize import PreTrainedTokenizerFast
from xlbarrier.integrations import trackers
from xlbarrier.models import adapters, load, lora, source
from xlbarrier.models.decoder import Decoder
from xlbarrier.modes import pairs, training_data
from xlbarrier.modes.corpus import build_all
from xlbarrier.modes.ready import Ready
from xlbarrier.modes.start import begin
from xlbarrier.progress import Progress
from xlbarrier.report import model_card
from xlbarrier.train import loop
from xlbarrier.train.batches import Sources


def train(folder: pathlib.Path, config: RunConfig, ready: Ready | None = None) -> None:
    """Fine-tunes one model; it is exported to export/<arm>."""
    tasks, run, mesh = begin(folder, config, ready)
    with contextlib.closing(run):
        (arm,) = config.arms
        rows = training_data.prepare(run, config, build_all(run, config, tasks), tasks)
        sources = pairs.prepare(run, config, mesh, tasks, rows)
        export = fine_tune(run, config, mesh, config.models_of(arm)[0], sources.get(arm))
        path = source.resolve(config.model.source)
    described = load.describe(config.model.source, path)
    run.update_provenance(
        models={'base': described},
        finished=run_lib.now(),
        peak_memory_bytes=run_lib.peak_memory(),
    )
    if run.lead:
        model_card.write_all(run.folder)
    logging.info('fine-tuned model: %s', export)


def fine_tune(
    run: run_lib.Run,
    config: RunConfig,
    mesh: jax.sharding.Mesh,
    one: ArmRun,
    sources: Sources | None,
) -> pathlib.Path:
    """Fine-tunes the base model on one arm's rows and exports it; returns the export's folder.

    Args:
      run: the open run folder.
      config: `model`, `train`, `export`.
      mesh: devices of the model.
      one: the model's name, its arm and its seed.
      sources: its rows; None if an earlier start has exported the model.
    """
    arm = one.name
    export = run.path('export', arm)
    if (export / 'config.json').exists():
        logging.info('%s: fine-tuned already', arm)
        return export
    assert sources is not None, 'an arm that is not exported has rows'
    with Progress(f'{arm}: loading {config.model.source}'):
        path = source.resolve(config.model.source)
        tokenizer = tokenize.load_tokenizer(
            source.resolve_tokenizer(config.model.tokenizer, path),
            load.read_config(path).vocab_size,
        )
        decoder = load.load_decoder(
            path,
            mesh,
            param_dtype=config.model.param_dtype,
            compute_dtype=config.train.compute_dtype,
            adapter=config.model.adapter,
        )
    train_config = config.training_of(one.arm).for_rows(len(sources.text))
    logging.info('%s: fine-tuning, %d updates', arm, train_config.steps)
    logged = run.last_step(arm)
    boards: list[trackers.Tracker] = []
    if run.lead:
        written = run.read_json('config.json')
        boards = trackers.open_trackers(
            config.report.to, run.folder, arm, written, logged_through=logged
        )
    decoder = loop.train(
        decoder,
        sources,
        train_config,
        folder=run.path('checkpoints', arm),
        seed=one.seed,
        log=functools.partial(_log_step, run, boards, arm),
        logged_through=logged,
        snapshot=lambda step, trained: _export(
            run, config, snapshot_of(arm, step), nnx.clone(trained), tokenizer
        ),
        saved=run.safe_point,
    )
    trackers.close(boards)
    run.update_provenance(trained={arm: _cost(run, arm, train_config)})
    with Progress(f'{arm}: exporting'):
        _export(run, config, arm, decoder, tokenizer)
    run.safe_point()
    return export


def _cost(run: run_lib.Run, name: str, config: TrainConfig) -> dict[str, Any]:
    """What a model's training read; equal positions are equal products of its weights."""
    last = run.last_logged(name)
    return {
        'objective': config.objective,
        'updates': config.steps,
        'positions': config.steps * config.batch_rows * config.row_tokens,
        'tokens_seen': last.get('tokens_seen'),
        'tokens_predicted': last.get('tokens'),
    }


def snapshot_of(arm: str, step: int) -> str:
    """The name of an arm's model after an update of config.train.snapshots."""
    return f'{arm}-{step}steps'


def _export(
    run: run_lib.Run,
    config: RunConfig,
    name: str,
    decoder: Decoder,
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """Writes a trained model to export/<name>, and its adapter beside it; merges the adapter."""
    if config.train.method == 'lora':
        adapter = run.path('export', f'{name}-adapter')
        adapters.save_adapter(decoder, adapter, base=_base_of(config.model))
        lora.merge_lora(decoder)
    shard_bytes = int(config.export.shard_gb * 1e9)
    export = run.path('export', name)
    load.export_hf(decoder, export, tokenizer=tokenizer, shard_bytes=shard_bytes)


def _base_of(model: ModelConfig) -> str:
    """What a new adapter is trained on: the source, with `model.adapter` merged if there is one."""
    return f'{model.source} with {model.adapter} merged' if model.adapter else model.source


def _log_step(
    run: run_lib.Run, boards: list[trackers.Tracker], arm: str, row: dict[str, Any]
) -> None:
    run.append_metrics({'arm': arm, **row})
    trackers.log(boards, row)
