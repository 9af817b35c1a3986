"""The whole configuration of a run."""

import dataclasses
import re
import typing
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, NamedTuple

from xlbarrier.config.build import build, flatten, plain
from xlbarrier.config.checks import AnyOf, ConfigError, Section, Seed, Several, nearest
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.config.data import DATA_ARM, DataConfig, check_with
from xlbarrier.config.model import ExportConfig, MeshConfig, ModelConfig
from xlbarrier.config.questions import QuestionsConfig
from xlbarrier.config.rescore import RescoreConfig
from xlbarrier.config.score import COMPILED_ROW, ReportConfig, ScoreConfig
from xlbarrier.config.tasks import TaskConfig
from xlbarrier.config.train import (
    ALTERNATING,
    NEXT_TOKEN,
    OBJECTIVES,
    CompileConfig,
    TrainConfig,
)

Mode = Literal[
    'study',
    'eval',
    'train',
    'corpus',
    'rescore',
    'prompts',
    'report',
    'convert',
    'compile',
    'translate',
]
MODES = typing.get_args(Mode)
ASKING = ('study', 'eval', 'prompts')  # modes that need tasks
# Fields and sections that are no part of a run's identity: a later start may have other values.
# Nothing that is kept depends on them: the report and its numbers are made anew, from all answers,
# at the end of every start; the others say when something is written, or into how many files.
FREE = ('report', 'export', 'train.checkpoint_every', 'train.log_every', 'corpus.count_tokens')
# Fields that may be on an object store: gs://, s3:// and other schemes of fsspec.
ON_STORES = ('model.source', 'model.tokenizer', 'corpus.source', 'data.files')
_ON_STORE = re.compile(r'(?:\w+:)?(?!https?:|file:)[A-Za-z][A-Za-z0-9+.-]+://')
CURRICULUM = 'curriculum'  # the text of config.corpus.stages, one after another
# And single:LANGUAGE.
ARMS = ('english', 'mixed', 'monolingual-mix', 'names', CURRICULUM, DATA_ARM)
AND, AT = '+', '@'  # in names: 'mixed+dco' has an objective, 'mixed+dco@1' is its seed 1


class ArmRun(NamedTuple):
    """One model that is fine-tuned: its name in the run, its arm, and its seed."""

    name: str
    arm: str
    seed: int


def text_of(arm: str) -> str:
    """The text of an arm: its name without an objective."""
    return arm.partition(AND)[0]


class RunConfig(Section):
    """Everything that decides what a run computes; it is written to `config.json`."""

    mode: Mode = 'study'  # what is done; the command's first word sets it too
    seed: Seed = 0  # of the data order and of new parameters
    # Of the data order and of new parameters: one model for each of an arm; (): `seed` alone.
    seeds: AnyOf[Seed] = ()
    # One fine-tuned model each; also single:LANGUAGE, monolingual-mix, names, curriculum, and data
    # (files alone). Any of them may name an objective: 'mixed+dco' (docs/objectives.md).
    arms: Several[str] = ('english', 'mixed')
    model: ModelConfig = ModelConfig()
    mesh: MeshConfig = MeshConfig()
    tasks: Mapping[str, TaskConfig] = field(default_factory=dict)  # what is asked, by name
    score: ScoreConfig = ScoreConfig()
    corpus: CorpusConfig = CorpusConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    report: ReportConfig = ReportConfig()
    export: ExportConfig = ExportConfig()
    rescore: RescoreConfig = RescoreConfig()
    questions: QuestionsConfig = QuestionsConfig()
    compile: CompileConfig = CompileConfig()

    def check_together(self, where: str) -> None:
        if self.mode in ASKING and not self.tasks:
            raise ConfigError(f'{where}.tasks is {{}}; mode {self.mode} needs at least one task')
        if self.mode == 'rescore' and not self.rescore.root:
            raise ConfigError(
                f"{where}.rescore.root is ''; mode rescore needs the folder of the recorded"
                ' answers: --config.rescore.root=FOLDER'
            )
        if self.mode != 'rescore' and not self.model.source:
            raise ConfigError(
                f'{where}.model.source is missing: set it in the recipe, or with'
                ' --config.model.source=hf:ORG/NAME, a folder or a .gguf file'
            )
        for i, arm in enumerate(self.arms):
            self._check_arm(f'{where}.arms[{i}]', arm)
        if self.mode in ('study', 'train') and self.model.others:
            raise ConfigError(
                f'{where}.model.others is {self.model.others} and {where}.mode is {self.mode};'
                ' they are measured in mode eval'
            )
        if self.mode == 'train' and (len(self.arms) != 1 or len(self.seeds) > 1):
            raise ConfigError(
                f'{where}.arms is {self.arms}, {where}.seeds {self.seeds}; mode train fine-tunes'
                ' one model: name one arm, for example --config.arms=mixed, and no seeds'
            )
        check_with(self.data, tuple(map(text_of, self.arms)), self.mode)
        _check_stores(plain(self), where)
        platform = 'tpu' if self.compile.topology.startswith('v') else 'gpu'  # v5e:4x4, h100:8
        row_tokens = self.score.row_tokens or COMPILED_ROW[platform]
        if self.compile.score_places > row_tokens:
            raise ConfigError(
                f'{where}.compile.score_places is {self.compile.score_places}, more than'
                f' {where}.score.row_tokens = {row_tokens}'
                f'{"" if self.score.row_tokens else ", which 0 stands for"}; expected at most'
                ' that, or 0: all'
            )

    def _check_arm(self, where: str, arm: str) -> None:
        """Refuses a name that is no arm's, or an objective without what it needs."""
        text, _, objective = arm.partition(AND)
        kind, _, language = text.partition(':')
        if text not in ARMS and not (kind == 'single' and language):
            raise ConfigError(
                f'{where} is {arm!r}; expected one of {", ".join(ARMS)},'
                f' single:LANGUAGE.{nearest(text, ARMS)}'
            )
        if AND in arm and objective not in OBJECTIVES:
            raise ConfigError(
                f'{where} is {arm!r}; after {AND!r} an objective is expected, one of'
                f' {", ".join(OBJECTIVES)}.{nearest(objective, OBJECTIVES)}'
            )
        train = self.training_of(arm)
        if self.mode not in ('study', 'train'):
            return
        if train.objective != NEXT_TOKEN and not train.pairs.files:
            raise ConfigError(
                f'{where} is {arm!r}: the objective {train.objective} needs pairs, and'
                f" config.train.pairs.files is (): name files or 'task:NAME'"
            )
        train.check_rows('config.train')
        if text == CURRICULUM:
            if self.data.files or train.objective == ALTERNATING:
                raise ConfigError(
                    f'{where} is {arm!r}: a curriculum is an order of text; expected no'
                    f' config.data.files, and not the objective {ALTERNATING}'
                )
            for stage in self.corpus.stages:
                self.corpus.of_stage(stage).check('config.corpus')

    def training_of(self, arm: str) -> TrainConfig:
        """How an arm is trained: with the objective that it names, or the config's."""
        objective: Any = arm.partition(AND)[2] or self.train.objective
        return dataclasses.replace(self.train, objective=objective)

    def models_of(self, arm: str) -> tuple[ArmRun, ...]:
        """The models that are fine-tuned of an arm: one per seed."""
        if len(self.seeds) < 2:
            return (ArmRun(arm, arm, self.seeds[0] if self.seeds else self.seed),)
        return tuple(ArmRun(f'{arm}{AT}{seed}', arm, seed) for seed in self.seeds)


def _check_stores(values: Mapping[str, Any], where: str) -> None:
    """Refuses a place on an object store where none is read: it would be taken for a path."""
    for name, value in flatten(values):
        for item in value if isinstance(value, tuple) else (value,):
            # KIND:gs://... too, as corpus.source has it.
            if isinstance(item, str) and _ON_STORE.match(item) and name not in ON_STORES:
                raise ConfigError(
                    f'{where}.{name} is {item!r}: this field takes no place on an object store.'
                    ' Copy it to a disk, or mount the bucket; these fields take one:'
                    f' {", ".join(ON_STORES)}'
                )


def resolve(values: Mapping[str, Any]) -> RunConfig:
    """Makes a checked RunConfig of a ConfigDict or a plain mapping; what is absent is the default.

    Raises:
      ConfigError: for an unknown or mistyped field, or a value out of range; the message holds the
        dotted field name, the value met and the values expected.
    """
    config = build(RunConfig, values, 'config')
    config.check('config')
    return config


def is_free(name: str) -> bool:
    """Whether a field, by its dotted name without 'config.', is FREE or in a FREE section."""
    return any(name == free or name.startswith(f'{free}.') for free in FREE)
