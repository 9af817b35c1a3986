"""Mode report: draws the report of a finished run again; loads no model."""

import pathlib

from absl import logging

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.report import page


def report(folder: pathlib.Path, config: RunConfig) -> None:
    """Draws the report from the files of the run folder."""
    del config  # the folder's own config.json says what was run
    run = run_lib.open_finished(folder)
    page.write_report(run.folder)
    logging.info('report: %s', run.folder / 'report.html')
