"""What a model is asked to write; and the base of the sections of all tasks."""

import typing
from typing import Annotated, Literal

from xlbarrier.config.checks import (
    ConfigError,
    Count,
    Matches,
    Range,
    Section,
    Seed,
    Several,
    Size,
)  # fmt: skip
from xlbarrier.config.data import Template

MgsmLanguage = Literal['en', 'de', 'fr', 'es', 'ru', 'zh', 'ja', 'th', 'sw', 'bn', 'te']
TofuSet = Literal['retain', 'forget01', 'forget05', 'forget10', 'real_authors', 'world_facts']
Source = Annotated[str, Matches('.+', 'a folder, a file or hf:NAME')]
Codes = tuple[Annotated[str, Matches('[^=]+=.+', "the form 'ar=AR_XY'")], ...]


class TaskConfig(Section):
    """Base of the sections of tasks: the fields that every task has."""

    languages: Several[str] = ()  # that are asked in
    methods: Several[str] = ()  # how answers are read
    seed: Seed = 0  # of whatever the task draws: wrong options, orders, a mixup's permutations


class PromptedConfig(TaskConfig):
    """Base of the tasks whose prompts can go through the tokenizer's chat template."""

    chat: bool = False  # prompts are the user's messages; off as in lm-evaluation-harness
    system: str = ''  # text of the chat's system message; '': none
    thinking: bool = False  # the chat template's switch, where it has one


class WrittenConfig(PromptedConfig):
    """Base of the tasks whose answers a model writes."""

    source: Source = ''  # a folder, a file or hf:NAME
    methods: Several[str] = ('generate',)  # the only one
    new_tokens: Size = 32  # of an answer
    limit: Count = 0  # the first so many items; 0: all


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

    def check_together(self, where: str) -> None:
        if self.chat or self.system or self.thinking:
            raise ConfigError(
                f'{where}.chat: TOFU is asked as it was trained; for a chat set {where}.template to'
                " 'chat'"
            )


class TranslationConfig(WrittenConfig):
    """Translation out of and into English: FLORES, NTREX, or any aligned files."""

    # File with {language}, one sentence per line; or `column` of a table or of hf:NAME.
    source: Annotated[str, Matches(r'.*\{language\}.*', '{language} in it')] = ''
    languages: Several[str] = ('de', 'fr', 'es', 'it')  # besides English
    directions: Several[Literal['en-x', 'x-en']] = ('en-x', 'x-en')  # out of English, into it
    methods: Several[Literal['generate']] = ('generate',)  # the only one
    # How a sentence is asked; alma: in the words of ALMA (Xu et al. 2023), as Chua et al. asked.
    prompt: Literal['plain', 'alma'] = 'plain'
    shots: Count = 4  # the first sentences, as demonstrations; they are not asked
    codes: Codes = ()  # 'en=src.eng': how {language} is written
    column: str = 'sentence'  # of a table or a dataset
    split: str = 'devtest'  # of a dataset
    comet: str = ''  # model of unbabel-comet, whose program comet-score must be there; '': none
    new_tokens: Size = 256  # of a translation

    def check_together(self, where: str) -> None:
        if 'en' in self.languages:
            raise ConfigError(f'{where}.languages has en; expected the other side of each pair')


class MgsmConfig(WrittenConfig):
    """MGSM (Shi et al. 2022): 250 word problems of primary school in eleven languages."""

    source: Source = 'hf:juletxara/mgsm'  # or the published folder, with mgsm_de.tsv ...
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


class XquadConfig(WrittenConfig):
    """XQuAD (Artetxe et al. 2020): 1,190 questions on paragraphs, in SQuAD's form."""

    # Or the published folder, with xquad.de.json ...
    source: Source = 'hf:google/xquad:xquad.{language}'
    languages: Several[str] = ('en', 'de', 'es', 'ru', 'ar', 'zh')  # of the questions
    methods: Several[Literal['generate']] = ('generate',)  # the only one
    items: Literal['same', 'common'] = 'same'  # common: only those that all languages have


TASK_CONFIGS: dict[str, type[TaskConfig]] = {
    'tofu': TofuConfig,
    'translation': TranslationConfig,
    'mgsm': MgsmConfig,
    'xquad': XquadConfig,
}
