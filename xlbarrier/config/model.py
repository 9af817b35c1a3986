"""Which model is measured, on which devices, and how models are written."""

import typing
from typing import Annotated, Literal

from xlbarrier.config.checks import AnyOf, ConfigError, Matches, Positive, Section

Dtype = Literal['float32', 'bfloat16']
DTYPES = typing.get_args(Dtype)


class ModelConfig(Section):
    """Which model is measured, and in which precision."""

    source: str = ''  # pypi:NAME==VERSION, hf:ORG/NAME[@REVISION], a folder, or a .gguf file
    # Mode eval: models measured beside it, in the same table, each as 'NAME=SOURCE'.
    others: AnyOf[Annotated[str, Matches(r'[\w.-]+=.+', "the form 'NAME=hf:ORG/MODEL'")]] = ()
    adapter: str = ''  # folder of a LoRA adapter in PEFT's format, merged into the weights
    tokenizer: str = ''  # instead of the source's: a folder, hf:ORG/NAME[@REVISION], a .gguf file
    param_dtype: Dtype = 'float32'  # of the weights in memory, and of files that are written
    compute_dtype: Dtype = 'float32'  # of scoring; bfloat16 moves scores by 0.1 to 0.6 nats

    def check_together(self, where: str) -> None:
        names = ['base', *self.named]
        if len(names) <= len(self.others):
            raise ConfigError(f'{where}.others is {self.others}; expected each name once')
        if names.count('base') > 1:
            raise ConfigError(f"{where}.others names 'base', which is {where}.source: rename it")

    @property
    def named(self) -> dict[str, str]:
        """The source of each of `others`, by name."""
        pairs = (other.partition('=') for other in self.others)
        return {name: source for name, _, source in pairs}


class MeshConfig(Section):
    """Devices along each mesh axis; one of them may be -1, which takes the rest."""

    data: int = -1  # copies of the model
    fsdp: int = 1  # shards of the weights, gathered layer by layer
    tensor: int = 1  # shards of each product; must divide heads, kv heads and vocabulary

    def check_together(self, where: str) -> None:
        sizes = {'data': self.data, 'fsdp': self.fsdp, 'tensor': self.tensor}
        for name, size in sizes.items():
            if size != -1 and size < 1:
                raise ConfigError(f'{where}.{name} is {size}; expected -1 (the rest) or at least 1')
        if list(sizes.values()).count(-1) > 1:
            raise ConfigError(f'{where}: at most one of data, fsdp and tensor may be -1')


class ExportConfig(Section):
    """How models are written."""

    shard_gb: Positive = 5.0  # largest safetensors file, in units of 10^9 bytes
