"""Reproduces the embedding analysis of Chua et al. 2024: is a mixed text close to the original?

    python -m xlbarrier.main --config=configs/chua_embedding.py --workdir=runs/embedding \\
        --config.model.source=hf:ORG/NAME

reads WikiText from data/wikitext and FreeDict's word lists from data/freedict; other sources
(docs/corpus.md) and translators (docs/translators.md) work too:

    --config.tasks.embedding.source=text:FILE
    --config.tasks.embedding.translator.place='FOLDER/{source}-{target}.tsv'

With 10 % to 90 % of a text's words translated, it measures at every depth the cosine of the two
texts' mean hidden states, and that of the text and one with random tokens at the same positions.
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
            'languages': ('fr', 'es', 'it'),  # shares of the words to mix; also all of them
            'translator': {'place': 'data/freedict/freedict-{source}-{target}.index'},
        }
    }
    return config
