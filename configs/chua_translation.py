"""Reproduces the translation table of Chua et al. 2024, from and into English: BLEU, chrF, COMET.

    python -m xlbarrier.main --config=configs/chua_translation.py:FOLDER --workdir=runs/mt \\
        --config.model.source=hf:ORG/NAME

asks in the words of ALMA, as the paper asked open models, for the first 100 sentences. FOLDER
contains FLORES as published, en.devtest, de.devtest and so on, one sentence per line; any
aligned files work, for instance NTREX:

    --config.tasks.translation.source='NTREX/newstest2019-{language}.txt' \\
    --config.tasks.translation.languages=de,zh \\
    --config.tasks.translation.codes=en=src.eng,de=ref.deu,zh=ref.zho-CN

The recorded translations of the paper are scored without a model:

    python -m xlbarrier.main --config=configs/chua_translation.py --workdir=runs/recorded \\
        --config.mode=rescore --config.rescore.root=FOLDER_ABOVE_data_AND_outputs
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config(folder: str = 'data/flores') -> ConfigDict:
    """The quickstart's fields, with translation; no model is fine-tuned.

    Args:
      folder: the folder with the sentences.
    """
    config = quickstart.get_config()
    config.mode = 'eval'
    config.rescore.layouts = ('translation',)
    source = f'{folder}/{{language}}.devtest'
    config.tasks = {'translation': {'source': source, 'prompt': 'alma', 'shots': 0, 'limit': 100}}
    return config
