"""Reproduces CLiKA's tables of accuracy, RA and en-CO (Gao et al. 2024).

From recorded answers, of every model, task and language found below the folder:

    python -m xlbarrier.main --config=configs/clika.py --workdir=runs/clika \\
        --config.mode=rescore --config.rescore.root=FOLDER

The tables are in runs/clika/tables as CSV, Markdown and LaTeX, every number in
runs/clika/results.json.

From a model, by the letter's log-probability, on the published sets (SETS contains x_csqa, x_copa,
x_name and x_geo):

    python -m xlbarrier.main --config=configs/clika.py:SETS --workdir=runs/clika-mine \\
        --config.model.source=hf:ORG/NAME

To run only some of the sets, name them: --config=configs/clika.py:SETS,x_geo,x_copa.
"""

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.config.tasks import CLIKA_SETS
from xlbarrier.recipes import quickstart


def get_config(sets: str = 'data/clika') -> ConfigDict:
    """The quickstart's fields; RA with the published constants.

    Args:
      sets: folder of the published sets, and after commas names of CLIKA_SETS; without names,
        all of them.

    Raises:
      ConfigError: for a name that is not one of CLIKA_SETS.
    """
    sets, *names = sets.split(',')
    if set(names) - set(CLIKA_SETS):
        raise ConfigError(f'sets are {names}; expected some of {", ".join(CLIKA_SETS)}')
    config = quickstart.get_config()
    config.mode = 'eval'
    config.rescore.layouts = ('clika',)
    config.tasks = {name: {'source': sets} for name in names or CLIKA_SETS}
    return config
