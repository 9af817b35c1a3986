"""The end of a study or an evaluation: results.json, its tables and the report."""

from collections.abc import Mapping

from absl import logging

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.progress import Progress
from xlbarrier.report import page, table_files
from xlbarrier.results.answers import read_predictions
from xlbarrier.results.run import result_rows
from xlbarrier.tasks.base import Numbered, Task

BASE = 'base'  # name of the model that config.model names, among the arms


def finish(run: run_lib.Run, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    """Computes the numbers of all models measured and writes the report, on the lead process."""
    if not run.lead:
        return
    with Progress('numbers and report'):
        predictions = read_predictions(run.folder / 'predictions')
        rows = result_rows(
            predictions,
            reference=BASE,
            control='english',
            seed=config.seed,
            draws=config.report.bootstrap_draws,
            numbered={name: task for name, task in tasks.items() if isinstance(task, Numbered)},
        )
        run.write_json('results.json', {'schema': 1, 'rows': rows})
        table_files.write(rows, run.path('tables', 'results.csv').parent)
        run.update_provenance(finished=run_lib.now(), peak_memory_bytes=run_lib.peak_memory())
        page.write_report(run.folder)
    logging.info('report: %s', run.folder / 'report.html')
