"""A dry run: everything that can be checked and estimated without loading the model."""

import math
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from xlbarrier import mesh as mesh_lib
from xlbarrier.config import RunConfig
from xlbarrier.config.run import ArmRun
from xlbarrier.data import tokenize
from xlbarrier.errors import StateError
from xlbarrier.models import load, source
from xlbarrier.modes import corpus, training_data
from xlbarrier.modes.start import check_model, trains
from xlbarrier.progress import tell
from xlbarrier.scoring import sizes
from xlbarrier.tasks.base import Task
from xlbarrier.tasks.multiple_choice import MultipleChoice

SAMPLE = 16  # questions of a sheet whose tokens are counted
SECONDS = 8.0  # most time for counting; what is left out is said
TRAINING = 3.0  # a step's FLOPs over those of reading: forward, and backward for inputs and weights
MOMENTS = 2  # of AdamW, in float32, and so are the weights they belong to
GIB = 1 << 30


@dataclass
class Asked:
    """How much a task asks of one model."""

    sheets: int = 0
    questions: int = 0
    tokens: float = 0  # of all prompts and options, by a sample
    counted: bool = True  # whether the time sufficed for all sheets


def show(folder: pathlib.Path, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    """Checks data, model, mesh, memory and disk, and tells what a run would do and cost.

    Args:
      folder: of the run; nothing is written to it.
      config: checked.
      tasks: of the config.

    Raises:
      XlbarrierError: naming what cannot be used, as the run itself would.
    """
    mesh = mesh_lib.make_mesh(config.mesh.data, config.mesh.fsdp, config.mesh.tensor)
    kinds = f'{len(mesh.devices.flat)} x {mesh.devices.flat[0].device_kind}'
    lines = [f'{config.mode} of {config.model.source} in {folder}', f'devices: {kinds}']
    facts: dict[str, Any] = {'mode': config.mode, 'folder': str(folder), 'mesh': dict(mesh.shape)}
    if trains(config):
        _check_training_text(folder, config, tasks)
    if not config.model.source or config.mode in ('corpus', 'rescore', 'report'):
        tell('plan', '\n'.join(lines), **facts)
        return
    described = source.describe(config.model.source)
    lines.append(f'model: {described.words}')
    if described.path is None:
        lines.append('its mesh, memory and questions are checked once it is here')
        tell('plan', '\n'.join(lines), **facts)
        return
    model = load.read_config(described.path)
    check_model(config, model, mesh)
    named = source.resolve_tokenizer(config.model.tokenizer, described.path)
    tokenizer = tokenize.load_tokenizer(named, model.vocab_size)
    weights = sizes.parameters(model) * jnp.dtype(config.model.param_dtype).itemsize
    seconds = sizes.seconds_per_position(model, mesh)
    models = 1 + (len(_trained(config)) if config.mode == 'study' else 0)
    reading = 0.0
    for name, task in tasks.items() if config.mode in ('study', 'eval') else ():
        asked = _asked(task, tokenizer)
        reading += asked.tokens * seconds * models
        lines.append(
            f'{name}: {asked.sheets} sheets, {asked.questions:,} questions'
            + (f', {asked.tokens:,.0f} tokens' if asked.tokens else '')
            + ('' if asked.counted else ' (of the first sheets; counting takes longer)')
            + (f', for each of {models} models' if models > 1 else '')
        )
    training = _training(config, lines, seconds)
    memory, disk = _bytes(config, weights)
    lines += _room(folder, mesh, memory, disk)
    lines.append(
        f'time: about {_duration(reading)} for questions'
        + (f' and {_duration(training)} for training' if training else '')
        + ', by the rate that such devices usually reach; compiling not counted'
    )
    facts |= {'memory_bytes': memory, 'disk_bytes': disk, 'seconds': round(reading + training, 1)}
    tell('plan', '\n'.join(lines), **facts)


def _check_training_text(
    folder: pathlib.Path, config: RunConfig, tasks: Mapping[str, Task]
) -> None:
    training_data.check(folder, config, tasks)
    with tempfile.TemporaryDirectory() as place:  # of the translator's cache
        corpus.check(config, pathlib.Path(place) / 'corpus')


def _asked(task: Task, tokenizer: Any) -> Asked:
    """The questions of a task, and their tokens by a sample of each sheet."""
    asked, began = Asked(), time.monotonic()
    if not isinstance(task, MultipleChoice):
        for _, rows in task.prompts(tokenizer):
            asked.sheets += 1
            asked.questions += len(rows)
            sample = [row['prompt'] for row in rows[:: max(1, len(rows) // SAMPLE)]]
            lengths = tokenize.lengths(tokenizer, sample)
            asked.tokens += len(rows) * sum(lengths) / max(1, len(lengths))
        return asked
    for sheet in task.sheets():
        if time.monotonic() - began > SECONDS:
            asked.counted = False
            break
        questions = task.questions(*sheet)
        sample = questions[:: max(1, len(questions) // SAMPLE)]
        texts = []
        for question in sample:
            for method in task.methods:
                prompt = task.prompt(question, method, tokenizer)
                texts += [prompt.context, *prompt.continuations]
        asked.sheets += 1
        asked.questions += len(questions)
        lengths = tokenize.lengths(tokenizer, texts)
        asked.tokens += len(questions) * sum(lengths) / max(1, len(sample))
    return asked


def _training(config: RunConfig, lines: list[str], seconds: float) -> float:
    """Adds a line on training; the seconds that it takes."""
    if not trains(config):
        return 0.0
    train = config.train
    tokens = train.steps * train.batch_rows * train.row_tokens
    lines.append(
        f'training: {", ".join(config.arms)} on {config.corpus.source}, {train.steps} updates of'
        f' {train.batch_rows} rows of {train.row_tokens} tokens each, {tokens:,} tokens per arm'
        + (f', each with {len(config.seeds)} seeds' if len(config.seeds) > 1 else '')
    )
    return len(_trained(config)) * tokens * TRAINING * seconds


def _trained(config: RunConfig) -> list[ArmRun]:
    return [one for arm in config.arms for one in config.models_of(arm)]


def _bytes(config: RunConfig, weights: int) -> tuple[int, int]:
    """Memory that weights and optimizer take on all devices together, and disk, in bytes."""
    if not trains(config):
        return weights, weights if config.mode == 'convert' else 0
    full = config.train.method == 'full'
    state = weights * (2 + MOMENTS) if full else weights
    checkpoint = weights * (1 + MOMENTS) if full else 0
    models = len(_trained(config))
    # A checkpoint is whole before the one before it is deleted; the last one has no moments.
    return state, models * weights + (models - 1) * (weights if full else 0) + 2 * checkpoint


def _room(folder: pathlib.Path, mesh: jax.sharding.Mesh, memory: int, disk: int) -> list[str]:
    """Lines on memory and disk; refuses a disk that is too small."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        raise StateError(f'{there} cannot be written: take another --workdir')
    if disk > free:
        raise StateError(
            f'the run writes about {disk / GIB:.1f} GiB; {there} has {free / GIB:.1f} GiB free:'
            ' make room, or take another --workdir'
        )
    shares = mesh.shape['fsdp'] * mesh.shape['tensor']
    has = sizes.device_bytes(mesh.devices.flat[0])
    held = memory / (1 if mesh.devices.flat[0].platform == 'cpu' else shares)
    of = f' of {has / GIB:.1f}' if has else ''
    warned = '; this may not fit: try config.train.method=lora, or more devices along fsdp'
    return [
        f'memory: {held / GIB:.2f}{of} GiB per device for weights and optimizer'
        + (warned if has and held > 0.9 * has else ''),
        f'disk: {disk / GIB:.2f} of {free / GIB:.1f} GiB free',
    ]


def _duration(seconds: float) -> str:
    """A time that is only roughly known: '40 s', '12 min', '3.5 h'."""
    if seconds < 90:
        return f'{math.ceil(seconds)} s'
    return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'
