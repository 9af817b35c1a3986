"""MMLU in a new language: a translator translates its questions, then a model is asked them.

    python -m xlbarrier.main --config=configs/translated_mmlu.py:sw,ha --workdir=runs/mmlu_sw \\
        --config.model.source=hf:ORG/NAME --config.questions.source=hf:cais/mmlu:all \\
        --config.corpus.translator.kind=seq2seq --config.corpus.translator.place=models/nllb

The questions are in translated/<language> of the run folder, which the task mmlu reads in later
runs too. With --config.questions.ask=false no model is asked. See docs/tasks.md.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config(languages: str = 'de') -> ConfigDict:
    """The quickstart's model on the translated questions.

    Args:
      languages: to translate into, with commas between them.
    """
    config = quickstart.get_config()
    config.mode = 'translate'
    config.questions.languages = tuple(languages.split(','))
    config.tasks = {
        'mmlu': {
            'source': 'translated/{language}',
            'languages': ('en', *config.questions.languages),
            'variants': ('full', 'mixup'),
        }
    }
    return config
