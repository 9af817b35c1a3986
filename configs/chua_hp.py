"""Reproduces the Harry Potter Quiz table of Chua et al. 2024: 300 questions in five languages.

    python -m xlbarrier.main --config=configs/chua_hp.py --workdir=runs/hp \
        --config.model.source=hf:ORG/NAME

The questions come from the hub. Without the hub, --config=configs/chua_hp.py:FOLDER reads a folder
with English.csv, French.csv ... (or .jsonl, .parquet) in the published columns.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config(source: str = 'hf:cross-ling-know/HarryPotter-Quiz') -> ConfigDict:
    """The quickstart's fields, with the quiz.

    Args:
      source: where the questions are.
    """
    config = quickstart.get_config()
    config.mode = 'eval'
    config.score.letter_tokens = 'published'
    config.tasks = {'hp_quiz': {'source': source, 'languages': ('en', 'fr', 'de', 'es', 'it')}}
    return config
