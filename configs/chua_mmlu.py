"""Reproduces Chua et al. 2024 on MMLU: the barrier by variant, and what helps at inference time.

    python -m xlbarrier.main --config=configs/chua_mmlu.py:SOURCE --workdir=runs/mmlu \
        --config.model.source=hf:ORG/NAME

SOURCE is the paper's own `data` folder (test/, dev/, test_full_de/, test_mixup/ ...), or any folder
or dataset with {language} in its name, such as data/mmlu_{language}: CSV files as Hendrycks et al.
published them, with a header, or as pandas writes them. See docs/tasks.md.

The tasks are the settings of the paper's tables of mixed-language MMLU: no demonstrations, five in
English, five in the variant itself, and the two multilingual-aware sentences. To run only some of
them, name them: --config=configs/chua_mmlu.py:SOURCE,mmlu,mmlu_aware_0. Mode prompts writes all
prompts, and mode study fine-tunes as well.
"""

import typing

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.config.tasks import Variant
from xlbarrier.recipes import quickstart

VARIANTS = typing.get_args(Variant)  # all of docs/tasks.md
# name: (shots, demonstrations, intervention)
SETTINGS = {
    'mmlu': (0, 'english', -1),
    'mmlu_5_english': (5, 'english', -1),
    'mmlu_5_same': (5, 'same', -1),
    'mmlu_aware_0': (5, 'english', 0),
    'mmlu_aware_1': (5, 'english', 1),
}


def get_config(source: str = 'data') -> ConfigDict:
    """The quickstart's fields, with MMLU in mixed languages.

    Args:
      source: where the files are, and after commas names of SETTINGS; without names, all of them.

    Raises:
      ConfigError: for a name that is not one of SETTINGS.
    """
    source, *names = source.split(',')
    if set(names) - set(SETTINGS):
        raise ConfigError(f'settings are {names}; expected some of {", ".join(SETTINGS)}')
    config = quickstart.get_config()
    config.mode = 'eval'
    config.score.row_tokens = 1024  # the questions of a row share five demonstrations
    config.score.letter_tokens = 'published'
    config.tasks = {}
    for name in names or SETTINGS:
        shots, demos, intervention = SETTINGS[name]
        config.tasks[name] = {
            'source': source,
            'languages': ('en', 'fr', 'de', 'es', 'it'),
            'variants': VARIANTS,
            'shots': shots,
            'demos': demos,
            'intervention': intervention,
        }
    return config
