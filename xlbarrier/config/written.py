"""The part of a config that says what a model is asked to write."""

from dataclasses import dataclass

from xlbarrier.config.checks import ConfigError, at_least, distinct, each_of, one_of
from xlbarrier.config.data import TEMPLATES

TOFU_SETS = ('retain', 'forget01', 'forget05', 'forget10', 'real_authors', 'world_facts')
MGSM_LANGUAGES = ('en', 'de', 'fr', 'es', 'ru', 'zh', 'ja', 'th', 'sw', 'bn', 'te')


@dataclass(frozen=True)
class TofuConfig:
    """TOFU (Maini et al. 2024) in several languages: what does a model know of its authors?"""

    source: str = ''  # folder with retain_perturbed.jsonl ..., or hf:NAME, whose subsets they are
    translations: str = ''  # folder with retain_perturbed_fr.jsonl ...; '': the same
    languages: tuple[str, ...] = ('en', 'fr', 'ru', 'he', 'ar')
    sets: tuple[str, ...] = ('retain', 'real_authors', 'world_facts')
    methods: tuple[str, ...] = ('probability', 'generate')
    template: str = 'plain'  # as of config.data.template: what the model was trained on
    codes: tuple[str, ...] = ('he=iw',)  # how a language is written in the names of files
    new_tokens: int = 128  # of an answer
    limit: int = 0  # the first so many items of a set; 0: all
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        distinct(f'{where}.languages', self.languages)
        each_of(f'{where}.sets', self.sets, TOFU_SETS)
        each_of(f'{where}.methods', self.methods, ('probability', 'generate'))
        one_of(f'{where}.template', self.template, tuple(t for t in TEMPLATES if t != 'auto'))
        _check_codes(where, self.codes)
        at_least(where, self, new_tokens=1, limit=0)


@dataclass(frozen=True)
class TranslationConfig:
    """Translation out of and into English: FLORES, NTREX, or any aligned files."""

    source: str = ''  # file with {language}: a sentence a line, or `column` of a table or hf:NAME
    languages: tuple[str, ...] = ('de', 'fr', 'es', 'it')  # besides English
    directions: tuple[str, ...] = ('en-x', 'x-en')
    methods: tuple[str, ...] = ('generate',)
    shots: int = 4  # the first sentences, as demonstrations; they are not asked
    codes: tuple[str, ...] = ()  # 'en=src.eng': how {language} is written
    column: str = 'sentence'  # of a table
    split: str = 'devtest'  # of a dataset
    comet: str = ''  # model of unbabel-comet, whose program comet-score must be there; '': none
    new_tokens: int = 256
    limit: int = 0
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        if '{language}' not in self.source:
            raise ConfigError(f'{where}.source is {self.source!r}; wanted {{language}} in it')
        distinct(f'{where}.languages', self.languages)
        if 'en' in self.languages:
            raise ConfigError(f'{where}.languages has en; wanted the other side of each pair')
        each_of(f'{where}.directions', self.directions, ('en-x', 'x-en'))
        each_of(f'{where}.methods', self.methods, ('generate',))
        _check_codes(where, self.codes)
        at_least(where, self, shots=0, new_tokens=1, limit=0)


@dataclass(frozen=True)
class MgsmConfig:
    """MGSM (Shi et al. 2022): 250 sums of a school, told in eleven languages."""

    source: str = ''  # the published folder, with mgsm_de.tsv ..., or hf:NAME:{language}
    languages: tuple[str, ...] = MGSM_LANGUAGES
    methods: tuple[str, ...] = ('generate',)
    exemplars: str = ''  # the published exemplars.py, whose questions and cue words are taken
    shots: int = 0  # of the exemplars, 8 as published
    new_tokens: int = 320
    limit: int = 0
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        distinct(f'{where}.languages', self.languages)
        each_of(f'{where}.languages', self.languages, MGSM_LANGUAGES)
        each_of(f'{where}.methods', self.methods, ('generate',))
        at_least(where, self, shots=0, new_tokens=1, limit=0)
        if self.shots > 8:
            raise ConfigError(f'{where}.shots is {self.shots}; 8 exemplars are published')
        if self.shots and not self.exemplars:
            raise ConfigError(
                f'{where}.shots is {self.shots} and {where}.exemplars is empty; wanted the'
                ' published exemplars.py (google-research/url-nlp), or no shots'
            )


@dataclass(frozen=True)
class XquadConfig:
    """XQuAD (Artetxe et al. 2020): 1,190 questions on paragraphs, in SQuAD's form."""

    source: str = ''  # the published folder, with xquad.de.json ..., or hf:NAME:{language}
    languages: tuple[str, ...] = ('en', 'de', 'es', 'ru', 'ar', 'zh')
    methods: tuple[str, ...] = ('generate',)
    new_tokens: int = 32
    limit: int = 0
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        distinct(f'{where}.languages', self.languages)
        each_of(f'{where}.methods', self.methods, ('generate',))
        at_least(where, self, new_tokens=1, limit=0)


def _check_source(where: str, source: str) -> None:
    if not source:
        raise ConfigError(f'{where}.source is empty; wanted a folder, a file or hf:NAME')


def _check_codes(where: str, codes: tuple[str, ...]) -> None:
    for i, code in enumerate(codes):
        if not all(code.partition('=')):
            raise ConfigError(f"{where}.codes[{i}] is {code!r}; wanted the form 'ar=AR_XY'")
