"""What is asked: one section for each kind of task, and the table of all kinds."""

import re
import typing
from typing import Annotated, Literal

from xlbarrier.config import sets, written
from xlbarrier.config.checks import (
    AnyOf,
    ConfigError,
    Count,
    Matches,
    Range,
    Seed,
    Several,
    Share,
    Size,
    nearest,
)
from xlbarrier.config.choice import ChoiceConfig, Demos, Method, ToEnglishConfig, Variant
from xlbarrier.config.corpus import TextConfig
from xlbarrier.config.data import ClikaTemplate
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.config.written import Codes, PromptedConfig, Source, TaskConfig

Relation = Literal[
    'city_country', 'country_currency', 'country_language', 'country_capital', 'country_continent',
    'country_neighbour', 'language_script',
]  # fmt: skip
ClikaLanguage = Literal['en', 'de', 'fr', 'it', 'pl', 'ru', 'ar', 'he', 'ja', 'zh']
CLIKA_LANGUAGES = typing.get_args(ClikaLanguage)
CLIKA_SETS = ('x_csqa', 'x_copa', 'x_name', 'x_geo')
HpLanguage = Literal['en', 'de', 'es', 'fr', 'it']
TaughtMethod = Literal['loglikelihood', 'greedy', 'generate']
OPTION_IDS = Matches(r'[A-Za-z0-9]{4}', 'four letters or digits, one for each option')
Two = Annotated[int, Range(2)]


class WorldFactsConfig(PromptedConfig):
    """The embedded benchmark: real facts, named in each language by CLDR."""

    relations: Several[Relation] = ('city_country',)  # asked; all are in docs/worldfacts.md
    questions: Count = 100  # over all relations, the same in each language; 0: all there are
    languages: Several[str] = ('en', 'de', 'fr', 'es', 'it')  # of the questions
    variants: Several[Variant] = ('full', 'mixup')  # any of docs/tasks.md
    methods: Several[Method] = ('loglikelihood',)  # also letter, generate
    to_english: ToEnglishConfig = ToEnglishConfig()
    giveaways: Literal['keep', 'drop'] = 'keep'  # items whose question's name tells the answer
    part: Literal['all', 'dev', 'test'] = 'all'  # of the countries: those that are asked about
    dev_share: Share = 0.1  # of the countries; what dev and test leave is trained on, in pairs
    test_share: Share = 0.5  # of the countries
    split_seed: Seed = 0  # of that split, whatever the seed of the questions
    held_out: AnyOf[Relation] = ()  # relations of which there are no pairs to train on
    held_out_languages: AnyOf[str] = ()  # languages in which there are no pairs to train on
    # Pairs of English with an item whole in a language, or with its options in several languages;
    # own: each item paired with itself, in English and each language, so that option_distillation,
    # which alone reads these, keeps the base model's answers there.
    pair_variants: Several[Literal['full', 'mixup', 'own']] = ('full',)
    own_in_english: Size = 1  # of own: how many times each item's pair in English is given

    def check_together(self, where: str) -> None:
        if self.dev_share + self.test_share > 1:
            raise ConfigError(
                f'{where}.dev_share is {self.dev_share} and {where}.test_share is'
                f' {self.test_share}; expected at most 1 together'
            )
        shares = {'dev': self.dev_share, 'test': self.test_share}
        if shares.get(self.part) == 0:
            raise ConfigError(f'{where}.part is {self.part!r}, and {where}.{self.part}_share is 0')
        if self.own_in_english > 1 and 'own' not in self.pair_variants:
            raise ConfigError(
                f'{where}.own_in_english is {self.own_in_english}, and {where}.pair_variants is'
                f' {self.pair_variants}; it counts pairs of own'
            )
        unknown = [code for code in self.held_out_languages if code not in self.languages]
        if unknown:
            raise ConfigError(
                f'{where}.held_out_languages has {unknown[0]!r}, which is not in {where}.languages:'
                ' a language is held out to be asked'
            )


class MmluConfig(ChoiceConfig):
    """MMLU in mixed languages (Chua et al. 2024), from row-aligned translations."""

    source: Source = ''  # folder or hf:NAME[:SUBSET] with {language}, or the published data folder
    variants: Several[Variant] = ('english', 'full', 'mixup')  # any of docs/tasks.md
    methods: Several[Method] = ('letter',)  # also loglikelihood; generate with intervention 2
    shots: Annotated[int, Range(0, 5, 'the dev split has 5 of each subject')] = 5  # of that split
    demos: Demos = 'english'  # or same: in the variant and language of the question
    intervention: Literal[-1, 0, 1, 2] = -1  # -1 none; 0, 1 a sentence; 2 translate, then answer
    subjects: tuple[str, ...] = ()  # (): all 57; common: those that all languages have
    limit: Count = 0  # the first so many questions of each subject; 0: all
    mixup: str = ''  # folder or hf:NAME of a published mixup set, read as it is; '': built here
    codes: Codes = ()  # 'ar=AR_XY': how {language} is written where it is not the code
    option_ids: Annotated[str, OPTION_IDS] = 'ABCD'  # what names the options: 1234, CDEF

    def check_together(self, where: str) -> None:
        if len(set(self.option_ids)) < len(self.option_ids):
            raise ConfigError(f'{where}.option_ids is {self.option_ids!r}; expected each once')
        if self.option_ids != 'ABCD' and 'generate' in self.methods:
            raise ConfigError(
                f'{where}.option_ids is {self.option_ids!r} and {where}.methods has generate, whose'
                ' readers know A to D: expected letter or loglikelihood'
            )
        if self.intervention == 2 and self.methods != ('generate',):
            raise ConfigError(
                f'{where}.methods is {self.methods} and {where}.intervention is 2;'
                " translate-then-answer is written: it goes with ('generate',)"
            )


class ClikaConfig(ChoiceConfig):
    """A set of CLiKA (Gao et al. 2024), which the task's name says, with the published prompt."""

    source: Source = ''  # folder that holds x_csqa ..., or hf:NAME with {subset} and {language}
    languages: Several[str] = typing.get_args(ClikaLanguage)  # of the questions
    shots: Annotated[int, Range(0, 1, 'CLiKA published one example')] = 1  # the example; or 0


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


class HpQuizConfig(ChoiceConfig):
    """The Harry Potter Quiz of Chua et al. 2024: 300 questions in five languages."""

    source: Source = 'hf:cross-ling-know/HarryPotter-Quiz'  # or a folder, a file with {language}
    languages: Several[HpLanguage] = typing.get_args(HpLanguage)  # of the questions


class BmlamaConfig(ChoiceConfig):
    """BMLAMA (Qi et al. 2023): prompts with a mask, each with a list of candidates."""

    source: Source = ''  # the folder of bmlama17 or bmlama53, with en.tsv ...
    languages: Several[str] = ('en', 'fr', 'es', 'ru', 'ar', 'he', 'ja', 'zh')  # of the prompts
    variants: Several[Literal['full']] = ('full',)  # the only one
    methods: Several[Literal['loglikelihood']] = ('loglikelihood',)  # the only one


class XcopaConfig(ChoiceConfig):
    """XCOPA (Ponti et al. 2020): which sentence is the cause, or the effect."""

    source: Source = 'hf:cambridgeltl/xcopa'  # or the data folder, with it/test.it.jsonl ...
    english: Source = 'hf:pkavumba/balanced-copa'  # the items in English, which XCOPA has not
    # Of the questions.
    languages: Several[str] = ('et', 'ht', 'id', 'it', 'qu', 'sw', 'ta', 'th', 'tr', 'vi', 'zh')
    split: str = 'test'  # or val; of a dataset validation


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
    dropped: bool = False  # a second control: the text without the tokens of the replaced words
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


class TaughtConfig(PromptedConfig):
    """Base of the tasks that measure what crosses from English into other languages."""

    languages: Several[str] = ('en', 'de')  # English, and those it is to cross into
    methods: Several[TaughtMethod] = ('loglikelihood', 'greedy')  # also generate
    gate: Share = 0.9  # least accuracy of what is taught; below it there is no XRR

    def check_together(self, where: str) -> None:
        if self.methods[0] != 'loglikelihood':
            raise ConfigError(f'{where}.methods[0] is {self.methods[0]!r}; expected loglikelihood')
        if 'en' not in self.languages or len(self.languages) < 2:
            raise ConfigError(
                f'{where}.languages is {self.languages}; expected en, in which everything is'
                ' taught, and at least one other language'
            )


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


class ConductivityConfig(TaughtConfig):
    """CLiKA's published fictional set (Gao et al. 2024); it gives its training rows too."""

    source: Source = ''  # folder that holds the published train and test folders
    # How rows are written and questions asked; 'clika' is LLaMA-Factory's alpaca, for base models.
    template: ClikaTemplate = 'clika'
    languages: Several[ClikaLanguage] = ('en', 'de')  # English, and those it is to cross into
    limit: Count = 0  # the first so many questions of a sheet; 0: all
    unstated: Literal['refuse', 'keep'] = 'refuse'  # rows that state too little of what is asked


MAX_NAME = 100  # characters of a task's name
_NAME = re.compile(rf'[A-Za-z0-9_.-]{{1,{MAX_NAME}}}')

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
    'embedding': EmbeddingConfig,
    'fictional': FictionalConfig,
    'conductivity': ConductivityConfig,
    **written.TASK_CONFIGS,
    **sets.TASK_CONFIGS,
}


def kind_of(name: str) -> str | None:
    """The key of TASK_CONFIGS that a task's name in a config begins with; the longest of them."""
    found = [kind for kind in TASK_CONFIGS if name == kind or name.startswith(f'{kind}_')]
    return max(found, key=len, default=None)


def task_class(name: str, where: str) -> type[TaskConfig]:
    """The section of a task's name.

    Raises:
      ConfigError: for a name that cannot be a folder's, as the run folder needs it, or that is no
        task's; it offers the nearest one.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f'{where}.{name[:80]!r}: the name of a task has letters, digits, "_", "." and "-", and'
            f' at most {MAX_NAME} of them; it names a folder'
        )
    if kind := kind_of(name):
        return TASK_CONFIGS[kind]
    known = ', '.join(TASK_CONFIGS)
    close = nearest(name, TASK_CONFIGS)
    raise ConfigError(f'{where}.{name}: no such task.{close} Tasks: {known}')
