"""Mixed-language text from WikiText files, translated word by word with dictionaries.

    python -m xlbarrier.main --config=configs/corpus_wikitext.py --workdir=runs/wikitext \\
        --config.corpus.source='wikitext:wikitext-2/*.txt' \\
        --config.corpus.translator.place='dictionaries/{source}-{target}.tsv'

builds corpus/english and corpus/mixed in the run folder; with --config.corpus.preview=5 it shows
units in every language instead. With --config.mode=study it fine-tunes a model on each and
measures it, as configs/quickstart.py does on its own corpus. See docs/corpus.md.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config() -> ConfigDict:
    """The quickstart's fields, with a corpus made from text."""
    config = quickstart.get_config()
    config.mode = 'corpus'
    config.corpus.source = 'wikitext:wikitext-2/*.txt'
    config.corpus.languages = ('en', 'fr', 'de', 'es', 'it')
    config.corpus.unit = 'words:8'  # or document, sentence, words:1 (code-switching)
    config.corpus.translator.place = 'dictionaries/{source}-{target}.tsv'
    return config
