"""Remakes CLiKA's tables of accuracy, RA and en-CO (Gao et al. 2024).

From recorded answers, of which every model, task and language below the folder is found:

    python -m xlbarrier.main --config=configs/clika.py --workdir=runs/clika \\
        --config.mode=rescore --config.rescore.root=FOLDER

runs/clika/tables then has them as CSV, Markdown and LaTeX, runs/clika/results.json every number.

From a model, by the letter's log-probability, on the published sets (SETS contains x_csqa, x_copa,
x_name and x_geo):

    python -m xlbarrier.main --config=configs/clika.py:SETS --workdir=runs/clika-mine \\
        --config.model.source=hf:ORG/NAME

Some of the sets can be named: --config=configs/clika.py:SETS,x_geo,x_copa.
"""

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.config.tasks import CLIKA_SETS
from xlbarrier.recipes import quickstart


def get_config(sets: str = 'data/clika') -> ConfigDict:
    """The quickstart's fields; RA with the published constants.

    Args:
      sets: folder of the published sets; after commas some of CLIKA_SETS, or all without any.

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
