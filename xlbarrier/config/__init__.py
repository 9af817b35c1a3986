"""The configuration of a run: one dataclass per section; each field states its default."""

from xlbarrier.config.build import current, diff, flatten, other_fields, to_dict
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.corpus import CorpusConfig, FilterConfig, TextConfig
from xlbarrier.config.data import DataConfig
from xlbarrier.config.flags import default_config
from xlbarrier.config.model import DTYPES, ExportConfig, MeshConfig, ModelConfig
from xlbarrier.config.rescore import RescoreConfig
from xlbarrier.config.run import FREE, MODES, RunConfig, is_free, resolve
from xlbarrier.config.score import ReportConfig, ScoreConfig
from xlbarrier.config.train import LORA_TARGETS, CompileConfig, TrainConfig
from xlbarrier.config.translate import TranslatorConfig

__all__ = [
    'DTYPES', 'FREE', 'LORA_TARGETS', 'MODES', 'CompileConfig', 'ConfigError', 'CorpusConfig',
    'DataConfig', 'ExportConfig', 'FilterConfig', 'MeshConfig', 'ModelConfig', 'ReportConfig',
    'RescoreConfig', 'RunConfig', 'ScoreConfig', 'TextConfig', 'TrainConfig', 'TranslatorConfig',
    'current', 'default_config', 'diff', 'flatten', 'is_free', 'other_fields', 'resolve', 'to_dict',
]  # fmt: skip
