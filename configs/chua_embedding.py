"""Remakes the embedding analysis of Chua et al. 2024: does a mixed text lie close to the text?

    python -m xlbarrier.main --config=configs/chua_embedding.py --workdir=runs/embedding \\
        --config.model.source=hf:ORG/NAME

reads WikiText from data/wikitext and FreeDict's word lists from data/freedict; any other source
(docs/corpus.md) and translator (docs/translators.md) will do:

    --config.tasks.embedding.source=text:FILE
    --config.tasks.embedding.translator.place='FOLDER/{source}-{target}.tsv'

For 10 % to 90 % of a text's words put into the language: the cosine of the two texts' mean hidden
states, and that of the text with random tokens in the same places; at every depth.
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The quickstart's fields, with the embedding task; no model is fine-tuned."""
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'eval'
    config.score.rows_per_device = 4
    config.tasks = ConfigDict()
    config.tasks.embedding = ConfigDict()
    config.tasks.embedding.source = 'wikitext:data/wikitext/wiki.valid.tokens'
    config.tasks.embedding.text = ConfigDict()
    config.tasks.embedding.text.language = 'en'  # of the texts; further fields: docs/corpus.md
    config.tasks.embedding.languages = ('fr', 'es', 'it')  # of the words; also all of them mixed
    config.tasks.embedding.translator = ConfigDict()
    config.tasks.embedding.translator.kind = 'dictionary'  # further fields: docs/translators.md
    config.tasks.embedding.translator.place = 'data/freedict/freedict-{source}-{target}.index'
    config.tasks.embedding.texts = 100  # the first paragraphs that are long enough
    config.tasks.embedding.words = 48  # of each paragraph
    config.tasks.embedding.rates = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
    config.tasks.embedding.skip = 0  # tokens at the start left out of the mean (docs/embeddings.md)
    config.tasks.embedding.methods = ('mean_hidden',)
    config.tasks.embedding.seed = 0  # of the words' order and the random tokens
    return config
