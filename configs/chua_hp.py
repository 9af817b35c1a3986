"""Remakes the Harry Potter Quiz table of Chua et al. 2024: 300 questions in five languages.

    python -m xlbarrier.main --config=configs/chua_hp.py --workdir=runs/hp \
        --config.model.source=hf:ORG/NAME

The questions come from the hub; without it, --config=configs/chua_hp.py:FOLDER reads a folder with
English.csv, French.csv ... (or .jsonl, .parquet) in the published columns.
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict


def get_config(source: str = 'hf:cross-ling-know/HarryPotter-Quiz') -> ConfigDict:
    """The quickstart's fields, with the quiz.

    Args:
      source: where the questions are.
    """
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'eval'
    config.score.letter_tokens = 'published'
    config.tasks = ConfigDict()
    config.tasks.hp_quiz = ConfigDict()
    config.tasks.hp_quiz.source = source
    config.tasks.hp_quiz.languages = ('en', 'fr', 'de', 'es', 'it')
    config.tasks.hp_quiz.variants = ('full',)  # any of docs/tasks.md
    config.tasks.hp_quiz.methods = ('letter',)  # loglikelihood
    config.tasks.hp_quiz.limit = 0  # the first so many questions; 0: all
    config.tasks.hp_quiz.seed = 0
    return config
