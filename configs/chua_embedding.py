"""Remakes the embedding analysis of Chua et al. 2024: is a mixed text close to the original?

    python -m xlbarrier.main --config=configs/chua_embedding.py --workdir=runs/embedding \\
        --config.model.source=hf:ORG/NAME

reads WikiText from data/wikitext and FreeDict's word lists from data/freedict; any other source
(docs/corpus.md) and translator (docs/translators.md) works too:

    --config.tasks.embedding.source=text:FILE
    --config.tasks.embedding.translator.place='FOLDER/{source}-{target}.tsv'

With 10 % to 90 % of a text's words translated: the cosine of the two texts' mean hidden states, and
that of the text with random tokens at the same positions, at every depth.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config() -> ConfigDict:
    """The quickstart's fields, with the embedding task; no model is fine-tuned."""
    config = quickstart.get_config()
    config.mode = 'eval'
    config.score.rows_per_device = 4
    config.tasks = {
        'embedding': {
            'source': 'wikitext:data/wikitext/wiki.valid.tokens',
            'languages': ('fr', 'es', 'it'),  # of the words; also all of them mixed
            'translator': {'place': 'data/freedict/freedict-{source}-{target}.index'},
        }
    }
    return config
