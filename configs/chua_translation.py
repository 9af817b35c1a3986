"""Remakes the translation table of Chua et al. 2024: out of and into English, BLEU, chrF, COMET.

    python -m xlbarrier.main --config=configs/chua_translation.py:FOLDER --workdir=runs/mt \\
        --config.model.source=hf:ORG/NAME

FOLDER holds FLORES as they publish it, en.devtest, de.devtest and so on, a sentence a line; any
aligned files will do, NTREX for instance:

    --config.tasks.translation.source='NTREX/newstest2019-{language}.txt' \\
    --config.tasks.translation.languages='("de","zh")' \\
    --config.tasks.translation.codes='("en=src.eng","de=ref.deu","zh=ref.zho-CN")'

The recorded translations of the paper are scored without a model:

    python -m xlbarrier.main --config=configs/chua_translation.py --workdir=runs/recorded \\
        --config.mode=rescore --config.rescore.root=FOLDER_ABOVE_data_AND_outputs
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict


def get_config(folder: str = 'data/flores') -> ConfigDict:
    """The quickstart's fields, with translation; no model is fine-tuned.

    Args:
      folder: of the sentences.
    """
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'eval'
    config.rescore.layouts = ('translation',)
    config.tasks = ConfigDict()
    config.tasks.translation = ConfigDict()
    config.tasks.translation.source = f'{folder}/{{language}}.devtest'
    config.tasks.translation.languages = ('de', 'fr', 'es', 'it')  # besides English
    config.tasks.translation.directions = ('en-x', 'x-en')
    config.tasks.translation.methods = ('generate',)
    config.tasks.translation.shots = 4  # the first sentences, as demonstrations; 0: none
    config.tasks.translation.codes = ()  # 'zh=zho-CN': how {language} is written
    config.tasks.translation.column = 'sentence'  # of a table or dataset
    config.tasks.translation.split = 'devtest'  # of a dataset
    config.tasks.translation.comet = ''  # Unbabel/wmt22-comet-da, where comet-score is installed
    config.tasks.translation.new_tokens = 256
    config.tasks.translation.limit = 0  # the first so many sentences; 0: all
    config.tasks.translation.seed = 0
    return config
