"""Reproduces the embedding analysis of Chua et al. 2024: is a mixed text close to the original?

    python -m xlbarrier.main --config=configs/chua_embedding.py --workdir=runs/embedding \\
        --config.model.source=hf:ORG/NAME

reads 1,000 paragraphs of WikiText-103 from the hub and FreeDict's word lists from data/freedict;
other sources (docs/corpus.md) and translators (docs/translators.md) work too:

    --config.tasks.embedding.source=text:FILE
    --config.tasks.embedding.translator.place='FOLDER/{source}-{target}.tsv'

In the paper each word is put into each of five languages, one of them English, with a probability
of 0.16: 64 % of the words change. That is the sheet `mul` at the rate 0.64; a sheet with a single
language at 0.16 has that language's share alone. Measured at every depth are the cosines of a text
with its mixed version, with random tokens at the same positions, and without the tokens there.

Before and after the fine-tuning of chua_finetune, in one study:

    --config=configs/chua_embedding.py:llama2-7b,wikitext2,sentence
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import chua_finetune, quickstart


def get_config(what: str = '') -> ConfigDict:
    """The embedding task, before and, if asked for, after fine-tuning.

    Args:
      what: '', or model, corpus and unit of chua_finetune.
    """
    config = chua_finetune.get_config(what) if what else quickstart.get_config()
    if not what:
        config.mode = 'eval'
    config.tasks = {
        'embedding': {
            'source': 'hf:Salesforce/wikitext',
            'text': {'subset': 'wikitext-103-raw-v1'},
            'languages': ('fr', 'de', 'es', 'it'),
            'translator': {'place': 'data/freedict/freedict-{source}-{target}.index'},
            'texts': 1000,
            'rates': (0.16, 0.64),
            'dropped': True,
        }
    }
    return config
