"""Mode study: measure the base model, fine-tune one model per arm, measure each, report.

Each stage writes its complete result to the run folder, where a later start finds it.
"""

import contextlib
import pathlib

from xlbarrier.config import RunConfig
from xlbarrier.modes import pairs, training_data
from xlbarrier.modes.corpus import build_all
from xlbarrier.modes.evaluate import BASE, measure
from xlbarrier.modes.ready import Ready
from xlbarrier.modes.results import finish
from xlbarrier.modes.start import begin
from xlbarrier.modes.train import fine_tune, snapshot_of


def study(folder: pathlib.Path, config: RunConfig, ready: Ready | None = None) -> None:
    """Asks the base model and every arm the same questions, then writes the report."""
    tasks, run, mesh = begin(folder, config, ready)
    with contextlib.closing(run):
        rows = training_data.prepare(run, config, build_all(run, config, tasks), tasks)
        measure(run, config, mesh, tasks, BASE, config.model.source)
        sources = pairs.prepare(run, config, mesh, tasks, rows)
        for one in [one for arm in config.arms for one in config.models_of(arm)]:
            export = fine_tune(run, config, mesh, one, sources.get(one.arm))
            for step in sorted(config.train.snapshots):
                name = snapshot_of(one.name, step)
                measure(run, config, mesh, tasks, name, run.folder / 'export' / name)
            measure(run, config, mesh, tasks, one.name, export)
        finish(run, config, tasks)
