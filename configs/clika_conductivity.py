"""Remakes the conductivity table of CLiKA (Gao et al. 2024): XRR on the published fictional set.

    python -m xlbarrier.main --config=configs/clika_conductivity.py:SET,de --workdir=runs/xrr-de \\
        --config.model.source=hf:ORG/NAME

SET is the folder with the published `train` and `test`; one language besides English is a cell of
the table, several are taught at once. Fine-tunes on the published rows in their template, then asks
translation, types 0 and 1; XRR is reported if everything that was taught is known to 90 %. The rows
are compared with the questions first: the published Chinese ones (zh) state none of them, and are
refused.

The batch and the learning rate are our choice; the paper's data does not include its
hyperparameters.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config(settings: str = 'data/clika/fictional,de') -> ConfigDict:
    """The quickstart's fields; one arm, trained on the rows of the task.

    Args:
      settings: folder of the set, and the languages, with commas between.
    """
    source, *languages = settings.split(',')
    config = quickstart.get_config()
    config.arms = ('data',)
    config.data.files = ('task:conductivity',)
    config.train.row_tokens = 256
    config.train.batch_rows = 16
    config.train.steps = 1000  # 10,200 rows of some 65 tokens: 2,600 packed rows, six epochs
    config.train.warmup_steps = 30
    config.train.learning_rate = 2e-5
    config.train.checkpoint_every = 100
    config.train.log_every = 10
    config.tasks = {
        'conductivity': {'source': source, 'languages': ('en', *(languages or ['de']))},
    }
    return config
