"""Mode compile: compiles the steps for another machine; needs no device."""

import pathlib

from xlbarrier import run as run_lib
from xlbarrier.aot import report as aot_report
from xlbarrier.config import RunConfig


def compile_steps(folder: pathlib.Path, config: RunConfig) -> None:
    """Compiles train and score steps ahead of time and writes compile.json; loads no weights."""
    prepared = aot_report.prepare(config)
    run = run_lib.open_run(folder, config)
    record = aot_report.report(prepared)
    run.write_json('compile.json', record)
    run.update_provenance(finished=run_lib.now(), peak_memory_bytes=run_lib.peak_memory())
    print(aot_report.text(record), flush=True)
