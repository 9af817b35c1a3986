"""Remakes Chua et al. 2024 on MMLU: the barrier by variant, and what helps at inference time.

    python -m xlbarrier.main --config=configs/chua_mmlu.py:SOURCE --workdir=runs/mmlu \
        --config.model.source=hf:ORG/NAME

SOURCE is the paper's own `data` folder (test/, dev/, test_full_de/, test_mixup/ ...), or any folder
or dataset with {language} in its name, such as data/mmlu_{language}: CSV files as Hendrycks et al.
published them, with a header, or as pandas writes them. See docs/tasks.md.

The tasks are the settings of the paper's tables of mixed-language MMLU: no demonstration, five in
English, five in the variant itself, and the two multilingual-aware sentences. Those wanted can be
named: --config=configs/chua_mmlu.py:SOURCE,mmlu,mmlu_aware_0. Mode prompts writes all prompts, and
mode study fine-tunes as well.
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict

LANGUAGES = ('en', 'fr', 'de', 'es', 'it')
VARIANTS = (
    *('english', 'full', 'question', 'options', 'gt', 'gt_question', 'onewrong', 'threewrong'),
    'mixup',
)
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
      source: where the files are; after commas the wanted names of SETTINGS, without them all.

    Raises:
      ValueError: for a name that is not one of SETTINGS.
    """
    source, *names = source.split(',')
    if set(names) - set(SETTINGS):
        raise ValueError(f'settings are {names}; wanted some of {", ".join(SETTINGS)}')
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'eval'
    config.score.row_tokens = 1024  # five demonstrations are shared by the questions of a row
    config.score.letter_tokens = 'published'
    config.tasks = ConfigDict()
    for name in names or SETTINGS:
        shots, demos, intervention = SETTINGS[name]
        task = config.tasks[name] = ConfigDict()
        task.source = source
        task.languages = LANGUAGES
        task.variants = VARIANTS
        task.methods = ('letter',)  # loglikelihood; generate with intervention 2
        task.shots = shots  # 0 to 5, from the dev split
        task.demos = demos  # english, or same: as the question
        task.intervention = intervention  # -1 none; 0, 1 a sentence; 2 translate, then answer
        task.subjects = ()  # (): all 57
        task.limit = 0  # the first so many questions of each subject; 0: all
        task.mixup = ''  # folder or hf:cross-ling-know/mixup-lang-mmlu; '': as SOURCE has it
        task.codes = ()  # 'ar=AR_XY' where {language} is not written as the code
        task.seed = 0  # of mixup's permutations and of onewrong's option
    return config
