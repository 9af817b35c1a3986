"""Which text is made, of what, and how it is translated."""

import dataclasses
from typing import Annotated, Literal

from xlbarrier.config.checks import ConfigError, Count, Matches, Section, Seed, Several, Share
from xlbarrier.config.translate import TranslatorConfig

STAGE = Matches(r'monolingual|sentence|words:[1-9]\d*', "'words:K', 'sentence' or 'monolingual'")
UNIT = Matches(r'document|sentence|words:[1-9]\d*', "'document', 'sentence' or 'words:K'")


class TextConfig(Section):
    """How a text source is read; each kind of source uses its own fields."""

    language: str = 'en'  # of the source
    field: str = 'text'  # of JSONL, CSV, Parquet and datasets
    subset: str = ''  # of a dataset: its configuration
    split: str = 'train'  # of a dataset
    data_dir: str = ''  # of tfds; '': its own
    documents: Literal['paragraph', 'line', 'file'] = 'paragraph'  # of plain text
    headings: Literal['keep', 'drop'] = 'keep'  # of WikiText
    unknown: Literal['remove', 'keep', 'drop'] = 'remove'  # <unk> of WikiText; drop: the line
    detokenize: bool = True  # of WikiText: 'a , b' becomes 'a, b'


class FilterConfig(Section):
    """Which parts and documents of a text source are taken; the default takes all."""

    rows: str = ''  # file of the row numbers to take, counted over rows that are not blank
    keywords: tuple[str, ...] = ()  # takes documents with one of them
    min_words: Count = 0  # of a document
    max_words: Count = 0  # of a document; 0: no limit
    language: Share = 0.0  # least probability that a document is in its language; 0: not asked
    duplicates: Literal['keep', 'exact', 'near'] = 'keep'  # which are dropped; the first is kept
    similarity: Share = 0.8  # of near duplicates: least Jaccard similarity of word 5-grams
    decontaminate: Count = 0  # drops parts that share so many words on end with a question; 0: off


class CorpusConfig(Section):
    """The text that the arms of a study are made from."""

    # 'countries' is embedded; or KIND:PLACE with KIND text, wikitext, jsonl, csv, parquet (files,
    # globs, compressed or not), hf (a dataset's name or folder) or tfds (a dataset's name).
    source: str = 'countries'
    languages: Several[str] = ('en', 'de', 'fr', 'es', 'it')  # of the drawn arms
    unit: Annotated[str, UNIT] = 'sentence'  # put into a drawn language; document or words:K
    seed: Seed = 0  # of wordings, order and language draw
    documents: Count = 0  # at most so many, after the filters; 0: all there are
    shares: tuple[float, ...] = ()  # of the languages in a drawn arm; (): uniform
    # Of the arm curriculum, in order: mixed text with such units, or the arm monolingual-mix.
    stages: Several[Annotated[str, STAGE]] = ('words:1', 'sentence', 'monolingual')
    preview: Count = 0  # mode corpus: show so many units in every language, and build nothing
    count_tokens: bool = False  # mode corpus: also the tokens, by the tokenizer of model.source
    # Of Apache Beam, which builds the text: DirectRunner, DataflowRunner ...; '': this process.
    runner: str = ''
    runner_options: str = ''  # of its pipelines: --project=P --region=R ...
    text: TextConfig = TextConfig()
    filters: FilterConfig = FilterConfig()
    translator: TranslatorConfig = TranslatorConfig()

    def of_stage(self, stage: str) -> 'CorpusConfig':
        """The corpus of a stage of a curriculum."""
        return self if stage == 'monolingual' else dataclasses.replace(self, unit=stage)

    def check_together(self, where: str) -> None:
        if self.source == 'countries' and self.unit != 'sentence':
            raise ConfigError(
                f'{where}.unit is {self.unit!r}; expected sentence, the unit of'
                f' {where}.source = countries'
            )
        if self.source == 'countries' and self.runner:
            raise ConfigError(
                f'{where}.runner is {self.runner!r}; a runner builds corpora from text, and'
                f" {where}.source = countries needs none: expected ''"
            )
        if self.translator.kind == 'parallel' and self.unit.startswith('words'):
            raise ConfigError(
                f'{where}.unit is {self.unit!r}; a parallel translator looks up whole lines:'
                " expected 'sentence' (a line is one) or 'document'"
            )
        if self.shares and len(self.shares) != len(self.languages):
            raise ConfigError(
                f'{where}.shares has {len(self.shares)} numbers; expected one for each of the'
                f' {len(self.languages)} languages, or none'
            )
