"""Will it fit, and how fast can it be? Compiles a model's steps for a pod without having one.

    python -m xlbarrier.main --config=configs/compile.py --workdir=runs/compile/8b-v5e-16 \\
        --config.model.source=configs/shapes/llama-3-8b --config.compile.topology=v5e:4x4

Needs the extra [tpu] (libtpu) but no TPU. The model may be a folder with only a config.json. Use
one workdir for each topology; batch, mesh and precision are the fields that training would use.
"""

import pathlib

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart

SHAPE = pathlib.Path(__file__).resolve().parent / 'shapes' / 'llama-3-8b'


def get_config() -> ConfigDict:
    """The quickstart's fields, with the shapes of a fine-tuning on a pod."""
    config = quickstart.get_config()
    config.mode = 'compile'
    here = pathlib.Path.cwd()
    config.model.source = str(SHAPE.relative_to(here) if SHAPE.is_relative_to(here) else SHAPE)
    config.model.compute_dtype = 'bfloat16'
    config.mesh.data, config.mesh.fsdp = 1, -1
    config.score.row_tokens = 2048
    config.train.row_tokens = 2048
    config.train.batch_rows = 16
    config.train.compute_dtype = 'bfloat16'
    config.train.remat = 'full'
    config.compile.score_places = 256
    return config
