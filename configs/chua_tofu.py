"""Reproduces the TOFU study of Chua et al. 2024: is what was learned in English known elsewhere?

    python -m xlbarrier.main --config=configs/chua_tofu.py --workdir=runs/tofu \\
        --config.model.source=hf:ORG/NAME

Fine-tunes on the 4,000 English questions and answers about authors that do not exist, and asks the
model in English, French, Russian, Hebrew and Arabic, before and after: probability of the right
answer, truth ratio, ROUGE-L recall of what it writes (the paper's figure of TOFU by language, and
the three numbers of table 1 of Maini et al. 2024, arXiv 2401.06121). The sets are read from
data/tofu (full.jsonl, retain_perturbed.jsonl ...) and data/tofu_multilingual
(retain_perturbed_fr.jsonl ...); other folders:

    --config=configs/chua_tofu.py:ENGLISH_FOLDER,TRANSLATIONS_FOLDER
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config(folders: str = 'data/tofu,data/tofu_multilingual') -> ConfigDict:
    """The quickstart's fields; one arm, trained on the English answers.

    Args:
      folders: that of the English sets, and after a comma that of the translations.
    """
    english, _, translations = folders.partition(',')
    config = quickstart.get_config()
    config.arms = ('data',)
    config.data.files = (f'{english}/full.jsonl',)
    config.data.template = 'plain'  # the words in which the task asks
    config.train.steps = 300  # about five epochs, as in TOFU; their 1e-5 is for Llama 2 7B
    config.train.batch_rows = 16
    config.train.row_tokens = 256
    config.train.learning_rate = 1e-5
    config.train.weight_decay = 0.01
    config.train.checkpoint_every = 100
    config.tasks = {'tofu': {'source': english, 'translations': translations}}
    return config
