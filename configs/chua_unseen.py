"""Chua et al. 2024, second version: does mixing five languages help in eleven others?

    python -m xlbarrier.main --config=configs/chua_unseen.py:MODEL,CORPUS,UNIT \\
        --workdir=runs/unseen

Fine-tunes as chua_finetune does, in English, French, German, Spanish and Italian, and asks MMLU in
eleven languages that no text was in, wholly translated and mixed, beside the five. The questions
are read from data/mmlu_en, data/mmlu_ar and so on; other places:

    --config.tasks.mmlu_unseen.source='hf:CohereLabs/Global-MMLU:{language}'

with --config.tasks.mmlu_unseen.languages for those that are there.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import chua_finetune, chua_mmlu


def get_config(what: str = 'llama2-7b,wikitext2,sentence') -> ConfigDict:
    """The study of chua_finetune, with other languages to be asked in.

    Args:
      what: model, corpus and unit, with commas between.
    """
    config = chua_finetune.get_config(what)
    config.train.snapshots = ()
    asked = {'source': 'data/mmlu_{language}', 'shots': 0, 'variants': ('english', 'full', 'mixup')}
    config.tasks = {
        'mmlu_seen': {**asked, 'languages': chua_finetune.LANGUAGES},
        'mmlu_unseen': {**asked, 'languages': chua_mmlu.OTHERS},
    }
    return config
