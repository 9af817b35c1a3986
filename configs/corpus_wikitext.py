"""Mixed-language text from WikiText files, translated word by word with dictionaries.

    python -m xlbarrier.main --config=configs/corpus_wikitext.py --workdir=runs/wikitext \
        --config.corpus.source='wikitext:wikitext-2/*.txt' \
        --config.corpus.translator.place='dictionaries/{source}-{target}.tsv'

builds corpus/english and corpus/mixed in the run folder; with --config.preview=5 it shows units
in every language instead. With --config.mode=study it fine-tunes a model on each, and measures it,
as configs/quickstart.py does on its own corpus. docs/corpus.md says more.
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The quickstart's fields, with a corpus made from text."""
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'corpus'
    config.preview = 0  # units to show in every language; then nothing is built
    config.count_tokens = False  # also the tokens, by the tokenizer of model.source
    config.arms = ('english', 'mixed')  # also single:LANGUAGE and monolingual-mix

    corpus = config.corpus
    # KIND:PLACE with KIND text, wikitext, jsonl, csv, parquet (files, globs, compressed or not),
    # hf (a dataset's name or folder) or tfds (a dataset's name).
    corpus.source = 'wikitext:wikitext-2/*.txt'
    corpus.languages = ('en', 'fr', 'de', 'es', 'it')  # of the drawn arms
    corpus.shares = ()  # of these languages; (): uniform
    corpus.unit = 'words:8'  # or document, sentence, words:1 (code-switching)
    corpus.seed = 0  # of the language draw
    corpus.documents = 0  # at most so many, after the filters; 0: all there are

    corpus.text = ConfigDict()
    corpus.text.language = 'en'  # of the source
    corpus.text.field = 'text'  # of JSONL, CSV, Parquet and datasets
    corpus.text.subset = ''  # of a dataset: its configuration
    corpus.text.split = 'train'  # of a dataset
    corpus.text.data_dir = ''  # of tfds; '': its own
    corpus.text.documents = 'paragraph'  # of plain text; or line, file
    corpus.text.headings = 'keep'  # of WikiText; or drop
    corpus.text.unknown = 'remove'  # <unk> of WikiText; or keep, drop (the line)
    corpus.text.detokenize = True  # of WikiText: 'a , b' becomes 'a, b'

    corpus.filters = ConfigDict()
    corpus.filters.rows = ''  # file of row numbers over rows that are not blank
    corpus.filters.keywords = ()  # takes documents with one of them
    corpus.filters.min_words = 0  # of a document
    corpus.filters.max_words = 0  # of a document; 0: no limit
    corpus.filters.language = 0.0  # least probability of text.language (needs lingua); 0: off
    corpus.filters.duplicates = 'keep'  # or exact, near: the first is kept
    corpus.filters.similarity = 0.8  # least Jaccard similarity of word 5-grams, for near
    corpus.filters.decontaminate = 0  # words shared with a question of config.tasks; 0: off

    corpus.translator = ConfigDict()
    # docs/translators.md has every kind.
    corpus.translator.kind = 'dictionary'  # or parallel, seq2seq, service
    corpus.translator.place = 'dictionaries/{source}-{target}.tsv'  # files, model or address
    corpus.translator.cache = ''  # SQLite file shared by runs; '': in the run folder
    corpus.translator.max_failed = 0.01  # share of translations; above it the build stops
    corpus.translator.workers = 1  # processes that translate
    corpus.translator.stem = True  # dictionary: an inflected word takes the entry of its stem
    corpus.translator.subset = ''  # parallel, of a dataset: its configuration
    corpus.translator.split = 'train'  # parallel, of a dataset
    corpus.translator.column = '{language}'  # parallel: name of a language's column
    corpus.translator.beam = 4  # seq2seq; 1: greedy
    corpus.translator.batch_tokens = 2048  # seq2seq
    corpus.translator.max_tokens = 512  # seq2seq: of a text, and of its translation
    corpus.translator.device = 'auto'  # seq2seq; or cpu, cuda
    corpus.translator.compute_type = 'default'  # seq2seq: such as int8, float32
    corpus.translator.key_variable = ''  # service: environment variable that holds the key
    corpus.translator.rate = 0.0  # service: most requests a minute; 0: no limit
    corpus.translator.attempts = 5  # service: of one request, before its texts have failed
    corpus.translator.timeout = 60.0  # service: seconds for one answer
    corpus.translator.batch_texts = 32  # service: in one request
    corpus.translator.revision = ''  # service: a name for its state
    return config
