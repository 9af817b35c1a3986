"""Measures one model on world facts in thirteen languages, by log-likelihood and by letter.

    python -m xlbarrier.main --config=configs/worldfacts.py --workdir=runs/worldfacts \
        --config.model.source=hf:ORG/NAME

With --config.mode=prompts it writes the prompts, and loads no model.
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict

LANGUAGES = ('en', 'ar', 'de', 'es', 'fr', 'he', 'hi', 'it', 'ja', 'pl', 'pt', 'ru', 'zh')


def get_config() -> ConfigDict:
    """The quickstart's fields, with other tasks; no model is fine-tuned."""
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'eval'
    config.tasks.worldfacts.relations = ('city_country', 'country_currency', 'country_language')
    config.tasks.worldfacts.questions = 300
    config.tasks.worldfacts.languages = LANGUAGES
    config.tasks.worldfacts.variants = ('english', 'full', 'question', 'options', 'mixup')
    config.tasks.worldfacts.methods = ('loglikelihood', 'letter')
    return config
