"""Reproduces Chua et al. 2024 on MMLU: the barrier by variant, and what helps at inference time.

    python -m xlbarrier.main --config=configs/chua_mmlu.py:SOURCE --workdir=runs/mmlu \
        --config.model.source=hf:ORG/NAME

SOURCE is the paper's own `data` folder (test/, dev/, test_full_de/, test_mixup/ ...), or any folder
or dataset with {language} in its name, such as data/mmlu_{language}: CSV files as Hendrycks et al.
published them, with a header, or as pandas writes them. See docs/tasks.md.

The tasks are the settings of the paper's tables of mixed-language MMLU: no demonstrations, five in
English, five in the variant itself; the two multilingual-aware sentences without demonstrations;
translate-then-answer with five; and options named 1 to 4 and C to F. To run only some of them, name
them: --config=configs/chua_mmlu.py:SOURCE,mmlu,mmlu_aware_0. The sixteen languages of the second
version of the paper have to be named, since they need as many translations: SOURCE,mmlu_16. Mode
prompts writes all prompts, and mode study fine-tunes as well.
"""

from collections.abc import Iterable
from typing import Any

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.recipes import quickstart

VARIANTS = (
    *('english', 'full', 'question', 'options', 'gt', 'gt_question'),
    *('onewrong', 'threewrong', 'mixup'),
)
LANGUAGES = ('en', 'fr', 'de', 'es', 'it')
OTHERS = ('ms', 'da', 'fi', 'no', 'bn', 'am', 'ru', 'zh', 'he', 'ar', 'hi')  # of the second version
MIXED = {'variants': ('mixup',)}
# What differs from no demonstrations, every variant and LANGUAGES.
SETTINGS: dict[str, dict[str, Any]] = {
    'mmlu': {},
    'mmlu_5_english': {'shots': 5, 'demos': 'english'},
    'mmlu_5_same': {'shots': 5, 'demos': 'same'},
    'mmlu_aware_0': {'intervention': 0, **MIXED},
    'mmlu_aware_1': {'intervention': 1, **MIXED},
    'mmlu_translate': {
        **{'shots': 5, 'demos': 'same', 'intervention': 2, 'methods': ('generate',)},
        **MIXED,
    },
    'mmlu_ids_1234': {'option_ids': '1234', 'variants': ('english', 'mixup')},
    'mmlu_ids_CDEF': {'option_ids': 'CDEF', 'variants': ('english', 'mixup')},
    'mmlu_16': {'languages': (*LANGUAGES, *OTHERS)},
}
UNLESS_NAMED = ('mmlu_16',)  # not asked


def get_config(source: str = 'data') -> ConfigDict:
    """The quickstart's fields, with MMLU in mixed languages.

    Args:
      source: where the files are, and after commas names of SETTINGS; without names, all of them
        but those of UNLESS_NAMED.

    Raises:
      ConfigError: for a name that is not one of SETTINGS.
    """
    source, *names = source.split(',')
    if set(names) - set(SETTINGS):
        raise ConfigError(f'settings are {names}; expected some of {", ".join(SETTINGS)}')
    config = quickstart.get_config()
    config.mode = 'eval'
    config.score.letter_tokens = 'published'
    config.tasks = tasks(source, names or [n for n in SETTINGS if n not in UNLESS_NAMED])
    return config


def tasks(source: str, names: Iterable[str]) -> dict[str, Any]:
    """MMLU in some of SETTINGS, as config.tasks takes them."""
    asked = {'source': source, 'languages': LANGUAGES, 'variants': VARIANTS, 'shots': 0}
    return {name: {**asked, **SETTINGS[name]} for name in names}
