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

To run only some of the sets, name them: --config=configs/clika.py:SETS,x_geo,x_copa. The word chat
puts the prompts into the tokenizer's chat template, as the authors' inference.py did for Baichuan2
chat, Mistral and ChatGLM, and for no other model: --config=configs/clika.py:SETS,chat. They decoded
with one of the letters forced; that the letter of the largest probability is the same answer is
tested (docs/papers.md).
"""

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.config.tasks import CLIKA_SETS
from xlbarrier.recipes import quickstart


def get_config(sets: str = 'data/clika') -> ConfigDict:
    """The quickstart's fields; RA with the published constants.

    Args:
      sets: folder of the published sets, and after commas `chat` and names of CLIKA_SETS;
        without names, all of them.

    Raises:
      ConfigError: for a name that is not one of CLIKA_SETS.
    """
    sets, *names = sets.split(',')
    chat = {'chat': True} if 'chat' in names else {}
    names = [name for name in names if name != 'chat']
    if set(names) - set(CLIKA_SETS):
        raise ConfigError(f'sets are {names}; expected some of {", ".join(CLIKA_SETS)}')
    config = quickstart.get_config()
    config.mode = 'eval'
    config.rescore.layouts = ('clika',)
    config.tasks = {name: {'source': sets, **chat} for name in names or CLIKA_SETS}
    return config
