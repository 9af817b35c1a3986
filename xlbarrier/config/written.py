"""What is asked: tasks that a model writes for, or that measure in a way of their own."""

import typing
from dataclasses import dataclass
from typing import Annotated, Literal

from xlbarrier.config.checks import (
    ConfigError,
    Count,
    Matches,
    Range,
    Section,
    Seed,
    Several,
    Share,
    Size,
)  # fmt: skip
from xlbarrier.config.corpus import TextConfig
from xlbarrier.config.data import Template
from xlbarrier.config.translate import TranslatorConfig

ClikaLanguage = Literal['en', 'de', 'fr', 'it', 'pl', 'ru', 'ar', 'he', 'ja', 'zh']
CLIKA_LANGUAGES = typing.get_args(ClikaLanguage)
CLIKA_SETS = ('x_csqa', 'x_copa', 'x_name', 'x_geo')
MgsmLanguage = Literal['en', 'de', 'fr', 'es', 'ru', 'zh', 'ja', 'th', 'sw', 'bn', 'te']
TofuSet = Literal['retain', 'forget01', 'forget05', 'forget10', 'real_authors', 'world_facts']
Source = Annotated[str, Matches('.+', 'a folder, a file or hf:NAME')]
Codes = tuple[Annotated[str, Matches('[^=]+=.+', "the form 'ar=AR_XY'")], ...]
Two = Annotated[int, Range(2)]


@dataclass(frozen=True)
class TaskConfig(Section):
    """Base of the sections of tasks: the fields that every task has."""

    languages: Several[str] = ()  # that are asked in
    methods: Several[str] = ()  # how answers are read
    seed: Seed = 0  # of whatever the task draws: wrong options, orders, a mixup's permutations


@dataclass(frozen=True)
class EmbeddingConfig(TaskConfig):
    """Cosines of texts with their word-mixed versions (Chua et al. 2024)."""

    source: Source = ''  # KIND:PLACE, as of config.corpus.source
    text: TextConfig = TextConfig()
    languages: Several[str] = ('fr',)  # of the replaced words; of several, also all mixed
    translator: TranslatorConfig = TranslatorConfig()
    texts: Two = 100  # the first paragraphs that are long enough
    words: Two = 48  # of each paragraph
    # Shares of the words that are replaced.
    rates: Several[Annotated[float, Range(0, 1, above=True)]] = (
        0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    )  # fmt: skip
    skip: Count = 0  # tokens at the start that are left out of the mean; a BOS always is
    methods: Several[Literal['mean_hidden']] = ('mean_hidden',)  # the only one

    def check_together(self, where: str) -> None:
        if self.text.language in self.languages:
            raise ConfigError(
                f'{where}.languages has {self.text.language}, which is the language of the text'
            )
        if not self.translator.place:
            raise ConfigError(
                f'{where}.translator.place is empty; expected the files, the model or the address'
                ' of the translator'
            )


@dataclass(frozen=True)
class TaughtConfig(TaskConfig):
    """Base of the tasks that measure what crosses from English into other languages."""

    languages: Several[str] = ('en', 'de')  # English, and those it is to cross into
    methods: Several[Literal['loglikelihood', 'greedy', 'generate']] = ('loglikelihood', 'greedy')
    gate: Share = 0.9  # least accuracy of what is taught; below it there is no XRR

    def check_together(self, where: str) -> None:
        if self.methods[0] != 'loglikelihood':
            raise ConfigError(f'{where}.methods[0] is {self.methods[0]}; expected loglikelihood')
        if 'en' not in self.languages or len(self.languages) < 2:
            raise ConfigError(
                f'{where}.languages is {self.languages}; expected en, in which everything is'
                ' taught, and at least one other language'
            )


@dataclass(frozen=True)
class FictionalConfig(TaughtConfig):
    """Facts of an invented world, made from the seed: what crosses into another language?

    The conductivity test of Gao et al. 2024 for any language and size. The task also gives the
    rows to train on: name them in config.data.files as 'task:' and the task's name.
    """

    languages: Several[str] = ('en', 'de', 'fr')  # English, and those it is to cross into
    # Also person_place.
    relations: Several[Literal['place_continent', 'person_place']] = ('place_continent',)
    facts: Two = 40  # of each relation, half of each type
    continents: Two = 8  # of the world
    wordings: Annotated[int, Range(1, 3)] = 3  # of each fact in training; it is asked in another
    choices: Two = 4  # options of a question


@dataclass(frozen=True)
class ConductivityConfig(TaughtConfig):
    """CLiKA's published fictional set (Gao et al. 2024); it gives its training rows too."""

    source: Source = ''  # folder that holds the published train and test folders
    languages: Several[ClikaLanguage] = ('en', 'de')  # English, and those it is to cross into
    limit: Count = 0  # the first so many questions of a sheet; 0: all
    unstated: Literal['refuse', 'keep'] = 'refuse'  # rows that state too little of what is asked


@dataclass(frozen=True)
class WrittenConfig(TaskConfig):
    """Base of the tasks whose answers a model writes."""

    source: Source = ''  # a folder, a file or hf:NAME
    methods: Several[str] = ('generate',)  # the only one
    new_tokens: Size = 32  # of an answer
    limit: Count = 0  # the first so many items; 0: all


@dataclass(frozen=True)
class TofuConfig(WrittenConfig):
    """TOFU (Maini et al. 2024) in several languages: what does a model know of its authors?"""

    source: Source = ''  # folder with retain_perturbed.jsonl ..., or hf:NAME with them as subsets
    translations: str = ''  # folder with retain_perturbed_fr.jsonl ...; '': the same
    languages: Several[str] = ('en', 'fr', 'ru', 'he', 'ar')  # of the questions
    sets: Several[TofuSet] = ('retain', 'real_authors', 'world_facts')  # also forget01, 05, 10
    methods: Several[Literal['probability', 'generate']] = ('probability', 'generate')  # or one
    template: Template = 'plain'  # as config.data.template: what the model was trained on
    codes: Codes = ('he=iw',)  # how a language is written in the names of files
    new_tokens: Size = 128  # of an answer
    limit: Count = 0  # the first so many items of a set; 0: all


@dataclass(frozen=True)
class TranslationConfig(WrittenConfig):
    """Translation out of and into English: FLORES, NTREX, or any aligned files."""

    # File with {language}, one sentence per line; or `column` of a table or of hf:NAME.
    source: Annotated[str, Matches(r'.*\{language\}.*', '{language} in it')] = ''
    languages: Several[str] = ('de', 'fr', 'es', 'it')  # besides English
    directions: Several[Literal['en-x', 'x-en']] = ('en-x', 'x-en')  # out of English, into it
    methods: Several[Literal['generate']] = ('generate',)  # the only one
    shots: Count = 4  # the first sentences, as demonstrations; they are not asked
    codes: Codes = ()  # 'en=src.eng': how {language} is written
    column: str = 'sentence'  # of a table or a dataset
    split: str = 'devtest'  # of a dataset
    comet: str = ''  # model of unbabel-comet, whose program comet-score must be there; '': none
    new_tokens: Size = 256  # of a translation

    def check_together(self, where: str) -> None:
        if 'en' in self.languages:
            raise ConfigError(f'{where}.languages has en; expected the other side of each pair')


@dataclass(frozen=True)
class MgsmConfig(WrittenConfig):
    """MGSM (Shi et al. 2022): 250 word problems of primary school in eleven languages."""

    source: Source = ''  # the published folder, with mgsm_de.tsv ..., or hf:NAME:{language}
    languages: Several[MgsmLanguage] = typing.get_args(MgsmLanguage)  # of the problems
    methods: Several[Literal['generate']] = ('generate',)  # the only one
    exemplars: str = ''  # the published exemplars.py, whose questions and cue words are taken
    shots: Annotated[int, Range(0, 8, '8 exemplars are published')] = 0  # of the exemplars
    new_tokens: Size = 320  # of an answer

    def check_together(self, where: str) -> None:
        if self.shots and not self.exemplars:
            raise ConfigError(
                f'{where}.shots is {self.shots} and {where}.exemplars is empty; expected the'
                ' published exemplars.py (google-research/url-nlp), or no shots'
            )


@dataclass(frozen=True)
class XquadConfig(WrittenConfig):
    """XQuAD (Artetxe et al. 2020): 1,190 questions on paragraphs, in SQuAD's form."""

    source: Source = ''  # the published folder, with xquad.de.json ..., or hf:NAME:{language}
    languages: Several[str] = ('en', 'de', 'es', 'ru', 'ar', 'zh')  # of the questions
    methods: Several[Literal['generate']] = ('generate',)  # the only one


TASK_CONFIGS: dict[str, type[TaskConfig]] = {
    'embedding': EmbeddingConfig,
    'fictional': FictionalConfig,
    'conductivity': ConductivityConfig,
    'tofu': TofuConfig,
    'translation': TranslationConfig,
    'mgsm': MgsmConfig,
    'xquad': XquadConfig,
}
