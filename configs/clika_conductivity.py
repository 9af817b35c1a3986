"""Reproduces the conductivity table of CLiKA (Gao et al. 2024): XRR on the published fictional set.

    python -m xlbarrier.main --config=configs/clika_conductivity.py:SET,de --workdir=runs/xrr-de \\
        --config.model.source=hf:ORG/NAME

SET is the folder with the published `train` and `test`. One language besides English is one cell of
the table; several are taught together. Fine-tunes on the published rows in their template, then
asks for translations and facts of types 0 and 1. XRR is reported if at least 90 % of what was
taught is known. The rows are first compared with the questions: the published Chinese rows (zh)
answer none of them, and are refused.

The batch and the learning rate are our choice; the paper's data does not include its
hyperparameters.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config(settings: str = 'data/clika/fictional,de') -> ConfigDict:
    """The quickstart's fields; one arm, trained on the rows of the task.

    Args:
      settings: folder of the set, and the languages, separated by commas.
    """
    source, *languages = settings.split(',')
    config = quickstart.get_config()
    config.arms = ('data',)
    config.data.files = ('task:conductivity',)
    config.train.row_tokens = 256
    config.train.batch_rows = 16
    config.train.steps = 1000  # 10,200 rows of about 65 tokens: 2,600 packed rows, six epochs
    config.train.warmup_steps = 30
    config.train.learning_rate = 2e-5
    config.train.checkpoint_every = 100
    config.train.log_every = 10
    config.tasks = {
        'conductivity': {'source': source, 'languages': ('en', *(languages or ['de']))},
    }
    return config
