"""Measures one model on world facts in thirteen languages, by log-likelihood and by letter.

    python -m xlbarrier.main --config=configs/worldfacts.py --workdir=runs/worldfacts \\
        --config.model.source=hf:ORG/NAME

--config.tasks.worldfacts.questions=0 asks all 879. With --config.mode=prompts it writes the
prompts without loading a model.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart

LANGUAGES = ('en', 'ar', 'de', 'es', 'fr', 'he', 'hi', 'it', 'ja', 'pl', 'pt', 'ru', 'zh')

RELATIONS = (
    *('city_country', 'country_currency', 'country_language', 'country_capital'),
    *('country_continent', 'country_neighbour', 'language_script'),
)


def get_config() -> ConfigDict:
    """The quickstart's model on more facts; nothing is fine-tuned."""
    config = quickstart.get_config()
    config.mode = 'eval'
    config.tasks.worldfacts = {
        'relations': RELATIONS,
        'questions': 300,
        'giveaways': 'drop',
        'languages': LANGUAGES,
        'variants': ('english', 'full', 'question', 'options', 'mixup'),
        'methods': ('loglikelihood', 'letter'),
    }
    return config
