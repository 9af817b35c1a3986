"""What is asked: multiple choice, and the table of all kinds of tasks.

Tasks that measure in a way of their own are in written.py.
"""

import typing
from dataclasses import dataclass
from typing import Annotated, Literal

from xlbarrier.config import written
from xlbarrier.config.checks import ConfigError, Count, Range, Several, Size, nearest
from xlbarrier.config.written import CLIKA_SETS, ClikaLanguage, Codes, Source, TaskConfig

Variant = Literal[
    'english', 'full', 'question', 'options', 'gt', 'gt_question', 'onewrong', 'threewrong', 'mixup'
]
Method = Literal['loglikelihood', 'letter', 'generate']
Relation = Literal['city_country', 'country_currency', 'country_language']
Demos = Literal['english', 'same']
HpLanguage = Literal['en', 'de', 'es', 'fr', 'it']


@dataclass(frozen=True)
class WorldFactsConfig(TaskConfig):
    """The embedded benchmark: real facts, named in each language by CLDR."""

    relations: Several[Relation] = ('city_country',)  # also country_currency, country_language
    questions: Size = 100  # over all relations, the same in each language
    languages: Several[str] = ('en', 'de', 'fr', 'es', 'it')  # of the questions
    variants: Several[Variant] = ('full', 'mixup')  # any of docs/tasks.md
    methods: Several[Method] = ('loglikelihood',)  # also letter, generate


@dataclass(frozen=True)
class ChoiceConfig(TaskConfig):
    """Base of the tasks that read multiple-choice questions from files."""

    source: Source = ''  # a folder, a file or hf:NAME
    languages: Several[str] = ('en', 'de', 'fr', 'es', 'it')  # of the questions
    variants: Several[Variant] = ('full',)  # any of docs/tasks.md
    methods: Several[Method] = ('letter',)  # also loglikelihood
    limit: Count = 0  # the first so many questions; 0: all


@dataclass(frozen=True)
class MmluConfig(ChoiceConfig):
    """MMLU in mixed languages (Chua et al. 2024), from row-aligned translations."""

    source: Source = ''  # folder or hf:NAME[:SUBSET] with {language}, or the published data folder
    variants: Several[Variant] = ('english', 'full', 'mixup')  # any of docs/tasks.md
    methods: Several[Method] = ('letter',)  # also loglikelihood; generate with intervention 2
    shots: Annotated[int, Range(0, 5, 'the dev split has 5 of each subject')] = 5  # of that split
    demos: Demos = 'english'  # or same: in the variant and language of the question
    intervention: Literal[-1, 0, 1, 2] = -1  # -1 none; 0, 1 a sentence; 2 translate, then answer
    subjects: tuple[str, ...] = ()  # (): all 57
    limit: Count = 0  # the first so many questions of each subject; 0: all
    mixup: str = ''  # folder or hf:NAME of a published mixup set, read as it is; '': built here
    codes: Codes = ()  # 'ar=AR_XY': how {language} is written where it is not the code

    def check_together(self, where: str) -> None:
        if self.intervention == 2 and self.methods != ('generate',):
            raise ConfigError(
                f'{where}.methods is {self.methods} and {where}.intervention is 2;'
                " translate-then-answer is written: it goes with ('generate',)"
            )


@dataclass(frozen=True)
class ClikaConfig(ChoiceConfig):
    """A set of CLiKA (Gao et al. 2024), which the task's name says, with the published prompt."""

    source: Source = ''  # folder that holds x_csqa ..., or hf:NAME with {subset} and {language}
    languages: Several[str] = typing.get_args(ClikaLanguage)  # of the questions
    shots: Annotated[int, Range(0, 1, 'CLiKA published one example')] = 1  # the example; or 0


@dataclass(frozen=True)
class UserConfig(ChoiceConfig):
    """A user's own multiple-choice file; see docs/your_own_task.md."""

    source: Source = ''  # a file, with {language} where each language has its own, or hf:NAME[:SUB]
    languages: Several[str] = ('en',)  # of the questions
    methods: Several[Method] = ('loglikelihood',)  # the first one's answers are recorded as such
    form: Literal['choices', 'pairs'] = 'choices'  # pairs: a stem, its true and false completion
    id: str = ''  # column of the item's name; '': the row number
    question: str = 'question'  # column of the question, or of the stem
    options: Several[str] = ('options',)  # one column with a list, or a column each
    answer: str = 'answer'  # column of the answer: a letter, an index, or the option's text
    answer_form: Literal['auto', 'letter', 'index', 'text'] = 'auto'  # what that column holds
    answer_base: Count = 0  # number of the first option where the answer is an index
    language: str = ''  # column of the language, where one file has them all
    subject: str = ''  # column of the group
    split: str = 'test'  # of a dataset
    instruction: str = ''  # text before everything
    shots: Count = 0  # the first rows, as demonstrations; they are not asked
    demos: Demos = 'english'  # or same: in the variant and language of the question
    cues: str = 'question'  # 'Question:' and 'Answer:' in the question's language, or one's code
    equal_options: Literal['refuse', 'drop', 'keep'] = 'refuse'  # items that have options alike

    def check_together(self, where: str) -> None:
        if self.form == 'pairs' and len(self.options) != 2:
            raise ConfigError(
                f'{where}.options is {self.options}; pairs need two columns:'
                ' the true and the false completion'
            )


@dataclass(frozen=True)
class HpQuizConfig(ChoiceConfig):
    """The Harry Potter Quiz of Chua et al. 2024: 300 questions in five languages."""

    source: Source = 'hf:cross-ling-know/HarryPotter-Quiz'  # or a folder, a file with {language}
    languages: Several[HpLanguage] = typing.get_args(HpLanguage)  # of the questions


@dataclass(frozen=True)
class BmlamaConfig(ChoiceConfig):
    """BMLAMA (Qi et al. 2023): prompts with a mask, each with a list of candidates."""

    source: Source = ''  # the folder of bmlama17 or bmlama53, with en.tsv ...
    languages: Several[str] = ('en', 'fr', 'es', 'ru', 'ar', 'he', 'ja', 'zh')  # of the prompts
    variants: Several[Literal['full']] = ('full',)  # the only one
    methods: Several[Literal['loglikelihood']] = ('loglikelihood',)  # the only one


@dataclass(frozen=True)
class XcopaConfig(ChoiceConfig):
    """XCOPA (Ponti et al. 2020): which sentence is the cause, or the effect."""

    source: Source = ''  # published data folder, with it/test.it.jsonl ..., or hf:NAME:{language}
    # Of the questions.
    languages: Several[str] = ('et', 'ht', 'id', 'it', 'qu', 'sw', 'ta', 'th', 'tr', 'vi', 'zh')
    split: str = 'test'  # or val


@dataclass(frozen=True)
class BelebeleConfig(ChoiceConfig):
    """Belebele (Bandarkar et al. 2023): reading, 900 questions in 122 language variants."""

    source: Source = ''  # published data folder, with eng_Latn.jsonl ..., or hf:NAME:{language}
    # How a language is written in the names of files.
    codes: Codes = ('en=eng_Latn', 'de=deu_Latn', 'fr=fra_Latn', 'es=spa_Latn', 'it=ita_Latn')


# A task's name in a config is one of these, or one of these, '_' and a word of the user's: several
# settings of one task are named apart (mmlu, mmlu_aware).
TASK_CONFIGS: dict[str, type[TaskConfig]] = {
    'worldfacts': WorldFactsConfig,
    'mmlu': MmluConfig,
    **dict.fromkeys(CLIKA_SETS, ClikaConfig),
    'user': UserConfig,
    'hp_quiz': HpQuizConfig,
    'bmlama': BmlamaConfig,
    'xcopa': XcopaConfig,
    'belebele': BelebeleConfig,
    **written.TASK_CONFIGS,
}


def kind_of(name: str) -> str | None:
    """The key of TASK_CONFIGS that a task's name in a config begins with; the longest of them."""
    found = [kind for kind in TASK_CONFIGS if name == kind or name.startswith(f'{kind}_')]
    return max(found, key=len, default=None)


def task_class(name: str, where: str) -> type[TaskConfig]:
    """The section of a task's name.

    Raises:
      ConfigError: for a name that is no task's; it offers the nearest one.
    """
    if kind := kind_of(name):
        return TASK_CONFIGS[kind]
    known = ', '.join(TASK_CONFIGS)
    close = nearest(name, TASK_CONFIGS)
    raise ConfigError(f'{where}.{name}: no such task.{close} Tasks: {known}')
