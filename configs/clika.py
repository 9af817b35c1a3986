"""Remakes CLiKA's tables of accuracy, RA and en-CO (Gao et al. 2024).

From recorded answers, of which every model, task and language below the folder is found:

    python -m xlbarrier.main --config=configs/clika.py --workdir=runs/clika \\
        --config.mode=rescore --config.rescore.root=FOLDER

runs/clika/tables then holds them as CSV, Markdown and LaTeX, runs/clika/results.json every number.

From a model, by the letter's log-probability, on the published sets (SETS holds x_csqa, x_copa,
x_name and x_geo):

    python -m xlbarrier.main --config=configs/clika.py:SETS --workdir=runs/clika-mine \\
        --config.model.source=hf:ORG/NAME

Some of the sets can be named: --config=configs/clika.py:SETS,x_geo,x_copa.
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict

SUBSETS = ('x_csqa', 'x_copa', 'x_name', 'x_geo')
LANGUAGES = ('en', 'de', 'fr', 'it', 'pl', 'ru', 'ar', 'he', 'ja', 'zh')


def get_config(sets: str = 'data/clika') -> ConfigDict:
    """The quickstart's fields; RA with the published constants.

    Args:
      sets: folder of the published sets; after commas the wanted ones of SUBSETS, without all.

    Raises:
      ValueError: for a name that is not one of SUBSETS.
    """
    sets, *names = sets.split(',')
    if set(names) - set(SUBSETS):
        raise ValueError(f'sets are {names}; wanted some of {", ".join(SUBSETS)}')
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'eval'
    config.rescore.layouts = ('clika',)
    config.tasks = ConfigDict()
    for name in names or SUBSETS:
        config.tasks[name] = ConfigDict()
        config.tasks[name].source = sets
        config.tasks[name].languages = LANGUAGES
        config.tasks[name].variants = ('full',)  # any of docs/tasks.md
        config.tasks[name].methods = ('letter',)  # loglikelihood
        config.tasks[name].shots = 1  # the published example; or 0
        config.tasks[name].limit = 0  # the first so many items; 0: all
        config.tasks[name].seed = 0
    return config
