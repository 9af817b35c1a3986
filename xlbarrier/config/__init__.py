"""The configuration of a run: one dataclass per section; a field holds its own default."""

from xlbarrier.config.checks import ConfigError
from xlbarrier.config.corpus import CorpusConfig, FilterConfig, TextConfig
from xlbarrier.config.data import DataConfig
from xlbarrier.config.rescore import RescoreConfig
from xlbarrier.config.run import (
    DTYPES,
    LORA_TARGETS,
    MODES,
    CompileConfig,
    ExportConfig,
    MeshConfig,
    ModelConfig,
    ReportConfig,
    RunConfig,
    ScoreConfig,
    TrainConfig,
    config_hash,
    diff,
    flatten,
    resolve,
    to_dict,
)
from xlbarrier.config.translate import TranslatorConfig

__all__ = [
    'DTYPES',
    'LORA_TARGETS',
    'MODES',
    'CompileConfig',
    'ConfigError',
    'CorpusConfig',
    'DataConfig',
    'ExportConfig',
    'FilterConfig',
    'MeshConfig',
    'ModelConfig',
    'ReportConfig',
    'RescoreConfig',
    'RunConfig',
    'ScoreConfig',
    'TextConfig',
    'TrainConfig',
    'TranslatorConfig',
    'config_hash',
    'diff',
    'flatten',
    'resolve',
    'to_dict',
]
