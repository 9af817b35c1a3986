"""The part of a config that says which text is made, of what, and how it is translated."""

import re
from dataclasses import dataclass, field

from xlbarrier.config import translate as config_translate
from xlbarrier.config.checks import ConfigError, at_least, distinct, one_of
from xlbarrier.config.translate import TranslatorConfig


@dataclass(frozen=True)
class TextConfig:
    """How a text source is read; each kind of source looks at its own fields."""

    language: str = 'en'
    field: str = 'text'  # of JSONL, CSV, Parquet and datasets
    subset: str = ''  # of a dataset: its configuration
    split: str = 'train'  # of a dataset
    data_dir: str = ''  # of tfds; '': its own
    documents: str = 'paragraph'  # of plain text; or 'line', 'file'
    headings: str = 'keep'  # of WikiText; or 'drop'
    unknown: str = 'remove'  # <unk> of WikiText; or 'keep', 'drop' (the line)
    detokenize: bool = True  # WikiText


@dataclass(frozen=True)
class FilterConfig:
    """Which parts and documents of a text source are taken; the default takes all."""

    rows: str = ''  # file of the row numbers to take
    keywords: tuple[str, ...] = ()  # documents with one of them
    min_words: int = 0
    max_words: int = 0  # 0: no limit
    language: float = 0.0  # least probability that a document is in its language; 0: not asked
    duplicates: str = 'keep'  # or 'exact', 'near'
    similarity: float = 0.8  # of 'near': least Jaccard similarity of word 5-grams
    decontaminate: int = 0  # parts that share so many words on end with a task's question; 0: off


@dataclass(frozen=True)
class CorpusConfig:
    """The text that the arms of a study are made from."""

    source: str = 'countries'
    languages: tuple[str, ...] = ('en', 'de', 'fr', 'es', 'it')
    unit: str = 'sentence'
    seed: int = 0
    documents: int = 0  # 0: all there are
    shares: tuple[float, ...] = ()  # of the languages in a drawn arm; (): uniform
    text: TextConfig = field(default_factory=TextConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)
    translator: TranslatorConfig = field(default_factory=TranslatorConfig)


def check(corpus: CorpusConfig) -> None:
    """Refuses values that cannot be used.

    Raises:
      ConfigError: naming the field.
    """
    where = 'config.corpus'
    text, filters = corpus.text, corpus.filters
    if corpus.source == 'countries':
        one_of(f'{where}.unit', corpus.unit, ('sentence',))
    elif not re.fullmatch(r'document|sentence|words:[1-9]\d*', corpus.unit):
        raise ConfigError(
            f"{where}.unit is {corpus.unit!r}; wanted 'document', 'sentence' or 'words:K'"
        )
    elif corpus.translator.kind == 'parallel' and corpus.unit.startswith('words'):
        raise ConfigError(
            f'{where}.unit is {corpus.unit!r}; a parallel translator looks up whole lines: wanted'
            " 'sentence' (a line is one) or 'document'"
        )
    distinct(f'{where}.languages', corpus.languages)
    if corpus.shares and len(corpus.shares) != len(corpus.languages):
        raise ConfigError(
            f'{where}.shares has {len(corpus.shares)} numbers; wanted one for each of the'
            f' {len(corpus.languages)} languages, or none'
        )
    at_least(where, corpus, documents=0)
    one_of(f'{where}.text.documents', text.documents, ('paragraph', 'line', 'file'))
    one_of(f'{where}.text.headings', text.headings, ('keep', 'drop'))
    one_of(f'{where}.text.unknown', text.unknown, ('remove', 'keep', 'drop'))
    one_of(f'{where}.filters.duplicates', filters.duplicates, ('keep', 'exact', 'near'))
    at_least(f'{where}.filters', filters, min_words=0, max_words=0, decontaminate=0)
    config_translate.check(f'{where}.translator', corpus.translator)
    for name, value in (
        ('filters.language', filters.language),
        ('filters.similarity', filters.similarity),
    ):
        if not 0 <= value <= 1:
            raise ConfigError(f'{where}.{name} is {value}; wanted 0 to 1')
