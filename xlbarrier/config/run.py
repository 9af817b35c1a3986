"""The whole configuration of a run."""

import typing
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from xlbarrier.config.build import build
from xlbarrier.config.checks import ConfigError, Section, Seed, Several, nearest
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.config.data import DATA_ARM, DataConfig, check_with
from xlbarrier.config.model import ExportConfig, MeshConfig, ModelConfig
from xlbarrier.config.questions import QuestionsConfig
from xlbarrier.config.rescore import RescoreConfig
from xlbarrier.config.score import COMPILED_ROW, ReportConfig, ScoreConfig
from xlbarrier.config.tasks import TaskConfig
from xlbarrier.config.train import CompileConfig, TrainConfig

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
ARMS = ('english', 'mixed', 'monolingual-mix', DATA_ARM)  # and single:LANGUAGE


class RunConfig(Section):
    """Everything that decides what a run computes; it is written to `config.json`."""

    mode: Mode = 'study'  # what is done; the command's first word sets it too
    seed: Seed = 0  # of the data order and of new parameters
    # One fine-tuned model each; also single:LANGUAGE, monolingual-mix, and data (files alone).
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
            kind, _, language = arm.partition(':')
            if arm not in ARMS and not (kind == 'single' and language):
                raise ConfigError(
                    f'{where}.arms[{i}] is {arm!r}; expected one of {", ".join(ARMS)},'
                    f' single:LANGUAGE.{nearest(arm, ARMS)}'
                )
        if self.mode in ('study', 'train') and self.model.others:
            raise ConfigError(
                f'{where}.model.others is {self.model.others} and {where}.mode is {self.mode};'
                ' they are measured in mode eval'
            )
        if self.mode == 'train' and len(self.arms) != 1:
            raise ConfigError(
                f'{where}.arms is {self.arms}; mode train fine-tunes one model:'
                ' name one arm, for example --config.arms=mixed'
            )
        check_with(self.data, self.arms, self.mode)
        row_tokens = self.score.row_tokens or COMPILED_ROW
        if self.compile.score_places > row_tokens:
            raise ConfigError(
                f'{where}.compile.score_places is {self.compile.score_places}, more than'
                f' {where}.score.row_tokens = {row_tokens}'
                f'{"" if self.score.row_tokens else ", which 0 stands for"}; expected at most'
                ' that, or 0: all'
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
