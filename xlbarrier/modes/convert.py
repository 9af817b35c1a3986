"""Mode convert: writes a model, with its adapter if one is configured, as a Hugging Face folder."""

import pathlib

from absl import logging

from xlbarrier import api, multihost
from xlbarrier import mesh as mesh_lib
from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.models import load
from xlbarrier.progress import Progress
from xlbarrier.report import model_card


def convert(folder: pathlib.Path, config: RunConfig) -> None:
    """Loads `config.model` and writes it to export/model."""
    multihost.initialize()
    mesh = mesh_lib.make_mesh(config.mesh.data, config.mesh.fsdp, config.mesh.tensor)
    multihost.connect(mesh)
    run = run_lib.follow(folder)
    if multihost.is_lead():
        run = run_lib.open_run(folder, config, mesh=dict(mesh.shape))
    multihost.barrier('run folder')
    out = run.path('export', 'model')
    with Progress(f'loading {config.model.source}'):
        dtype = config.model.param_dtype
        model = api.load_model(
            config.model.source,
            dtype,
            mesh=mesh,
            adapter=config.model.adapter,
            tokenizer=config.model.tokenizer,
        )
    with Progress(f'writing {out}'):
        shard_bytes = int(config.export.shard_gb * 1e9)
        load.export_hf(model.decoder, out, tokenizer=model.tokenizer, shard_bytes=shard_bytes)
    if run.lead:
        run.update_provenance(
            models={'base': load.describe(model.source, model.path, model.fingerprint)},
            finished=run_lib.now(),
            peak_memory_bytes=run_lib.peak_memory(),
        )
        model_card.write_all(run.folder)
    logging.info('converted model: %s', out)
