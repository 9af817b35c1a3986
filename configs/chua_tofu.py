"""Reproduces the TOFU study of Chua et al. 2024: is what was learned in English known elsewhere?

    python -m xlbarrier.main --config=configs/chua_tofu.py --workdir=runs/tofu \\
        --config.model.source=hf:meta-llama/Llama-2-7b-chat-hf

Fine-tunes on the 4,000 English questions and answers about authors that do not exist, and asks the
model in English, French, Russian, Hebrew and Arabic, before and after: probability of the right
answer, truth ratio, ROUGE-L recall of what it writes (the paper's figure of TOFU by language, and
the three numbers of table 1 of Maini et al. 2024, arXiv 2401.06121). The sets are read from
data/tofu (full.jsonl, retain_perturbed.jsonl ...) and data/tofu_multilingual
(retain_perturbed_fr.jsonl ...); other folders:

    --config=configs/chua_tofu.py:ENGLISH_FOLDER,TRANSLATIONS_FOLDER

Settings are those of TOFU's script for Llama 2 chat. For a model without its template, such as the
quickstart's, --config.data.template=plain --config.tasks.tofu.template=plain fits better. The
languages are those of the translations that are published; the paper's own are not.
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
    config.seed = 42
    config.data.template = 'tofu-llama2'  # as the task asks: [INST] question [/INST] answer
    config.train.steps = 0
    config.train.epochs = 5.0
    config.train.batch_rows = 16
    config.train.row_tokens = 500
    config.train.pad = True
    config.train.learning_rate = 1e-5
    config.train.schedule = 'linear'
    config.train.warmup_steps = 250  # one epoch of the 4,000 questions
    config.train.weight_decay = 0.01
    config.train.compute_dtype = 'bfloat16'
    config.train.checkpoint_every = 100
    config.train.log_every = 10
    config.tasks = {
        'tofu': {'source': english, 'translations': translations, 'template': 'tofu-llama2'}
    }
    return config
