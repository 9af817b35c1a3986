"""Remakes CLiKA's tables of accuracy, RA and en-CO (Gao et al. 2024, tables 2 to 4).

From recorded answers, of which every model, task and language below the folder is found:

    python -m xlbarrier.main --config=configs/clika.py --workdir=runs/clika \\
        --config.mode=rescore --config.rescore.root=FOLDER

runs/clika/tables then holds them as CSV, Markdown and LaTeX, runs/clika/results.json every number.
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The quickstart's fields; RA with the published constants."""
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'eval'
    config.rescore.layouts = ('clika',)
    return config
