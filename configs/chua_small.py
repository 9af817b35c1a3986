"""The main experiment of Chua et al. 2024 at a size for two CPU cores.

    python -m xlbarrier.main --config=configs/chua_small.py:UNIT --workdir=runs/small-UNIT

UNIT is english, document, sentence or words:8. As chua_finetune, but with SmolLM2-135M, and with
25,000 tokens of the valid and test parts of WikiText-2 in data/wikitext2, packed into rows. Word
lists of FreeDict in data/freedict translate them into three of the paper's four languages. The rate
rises to 1e-4, not 2e-5, for there are fewer updates. MMLU is too hard for such a model: cities and
countries are asked about instead, in the languages of the text and in Russian. docs/papers.md has
the result of every UNIT, also with Gemma 3 270M.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import chua_finetune, quickstart

LANGUAGES = ('en', 'fr', 'es', 'it')
UNSEEN = ('ru',)


def get_config(unit: str = 'sentence') -> ConfigDict:
    """A study of one arm, three seeds of it.

    Args:
      unit: one of chua_finetune.UNITS.
    """
    config = chua_finetune.get_config(f'{quickstart.get_config().model.source},wikitext2,{unit}')
    config.seeds = (0, 1, 2)
    config.arms = ('english',) if unit == 'english' else ('mixed',)
    config.corpus.source = 'wikitext:data/wikitext2/*.txt'
    config.corpus.text.subset = ''
    config.corpus.languages = LANGUAGES
    config.corpus.translator = {
        'kind': 'dictionary',
        'place': 'data/freedict/freedict-{source}-{target}.index',
    }
    config.train.steps, config.train.epochs = 48, 0.0
    config.train.pad = False
    config.train.batch_rows, config.train.row_tokens = 2, 256
    config.train.learning_rate = 1e-4
    config.train.compute_dtype = 'float32'
    config.tasks = {
        'worldfacts': {
            'relations': ('city_country', 'country_capital', 'country_continent'),
            'questions': 150,
            'languages': (*LANGUAGES, *UNSEEN),
            'variants': ('full', 'mixup'),
        }
    }
    return config
