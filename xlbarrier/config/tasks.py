"""The part of a config that says what is asked: one dataclass a task, each checking itself."""

from dataclasses import dataclass, field

from xlbarrier.config import translate as config_translate
from xlbarrier.config.checks import ConfigError, at_least, distinct, each_of, one_of
from xlbarrier.config.corpus import TextConfig
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.config.written import MgsmConfig, TofuConfig, TranslationConfig, XquadConfig

VARIANTS = (
    *('english', 'full', 'question', 'options', 'gt', 'gt_question', 'onewrong', 'threewrong'),
    'mixup',
)
METHODS = ('loglikelihood', 'letter', 'generate')
RELATIONS = ('city_country', 'country_currency', 'country_language')
DEMOS = ('english', 'same')
CLIKA_SETS = ('x_csqa', 'x_copa', 'x_name', 'x_geo')
CLIKA_LANGUAGES = ('en', 'de', 'fr', 'it', 'pl', 'ru', 'ar', 'he', 'ja', 'zh')
HP_LANGUAGES = ('en', 'de', 'es', 'fr', 'it')
ANSWER_FORMS = ('auto', 'letter', 'index', 'text')
EQUAL_OPTIONS = ('refuse', 'drop', 'keep')


@dataclass(frozen=True)
class WorldFactsConfig:
    """The embedded benchmark: real facts, named in each language by CLDR."""

    relations: tuple[str, ...] = ('city_country',)
    questions: int = 100  # over all relations
    languages: tuple[str, ...] = ('en', 'de', 'fr', 'es', 'it')
    variants: tuple[str, ...] = ('full', 'mixup')
    methods: tuple[str, ...] = ('loglikelihood',)
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        each_of(f'{where}.relations', self.relations, RELATIONS)
        _check_asking(where, self)
        at_least(where, self, questions=1)


@dataclass(frozen=True)
class MmluConfig:
    """MMLU in mixed languages (Chua et al. 2024), from row-aligned translations."""

    source: str = ''  # a folder or hf:NAME[:SUBSET] with {language}, or the published `data` folder
    languages: tuple[str, ...] = ('en', 'de', 'fr', 'es', 'it')
    variants: tuple[str, ...] = ('english', 'full', 'mixup')
    methods: tuple[str, ...] = ('letter',)
    shots: int = 5  # demonstrations before each question, from the dev split
    demos: str = 'english'  # or 'same': in the variant and language of the question
    intervention: int = -1  # -1 none; 0, 1 a sentence; 2 translate, then answer
    subjects: tuple[str, ...] = ()  # (): all 57
    limit: int = 0  # the first so many questions of each subject; 0: all
    mixup: str = ''  # folder or hf:NAME of a published mixup set, read as it is; '': built here
    codes: tuple[str, ...] = ()  # 'ar=AR_XY': how {language} is written where it is not the code
    seed: int = 0  # of mixup's permutations and of onewrong's option

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        _check_asking(where, self)
        _check_codes(where, self.codes)
        at_least(where, self, shots=0, limit=0)
        if self.shots > 5:
            raise ConfigError(f'{where}.shots is {self.shots}; the dev split has 5 a subject')
        one_of(f'{where}.demos', self.demos, DEMOS)
        if self.intervention not in (-1, 0, 1, 2):
            raise ConfigError(f'{where}.intervention is {self.intervention}; wanted -1, 0, 1 or 2')
        if self.intervention == 2 and self.methods != ('generate',):
            raise ConfigError(
                f'{where}.methods is {self.methods} and {where}.intervention is 2;'
                " translate-then-answer is written: it goes with ('generate',)"
            )


@dataclass(frozen=True)
class ClikaConfig:
    """A set of CLiKA (Gao et al. 2024), which the task's name says, with the published prompt."""

    source: str = ''  # folder that holds x_csqa ..., or hf:NAME with {subset} and {language}
    languages: tuple[str, ...] = CLIKA_LANGUAGES
    variants: tuple[str, ...] = ('full',)
    methods: tuple[str, ...] = ('letter',)
    shots: int = 1  # the published example; or 0
    limit: int = 0  # the first so many items; 0: all
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        _check_asking(where, self)
        at_least(where, self, shots=0, limit=0)
        if self.shots > 1:
            raise ConfigError(f'{where}.shots is {self.shots}; CLiKA published one example')


@dataclass(frozen=True)
class UserConfig:
    """A user's own multiple-choice file; see docs/your_own_task.md."""

    source: str = ''  # a file, with {language} where each language has its own, or hf:NAME[:SUBSET]
    languages: tuple[str, ...] = ('en',)
    variants: tuple[str, ...] = ('full',)
    methods: tuple[str, ...] = ('loglikelihood',)
    form: str = 'choices'  # or 'pairs': a stem, its true and its false completion
    id: str = ''  # column of the item's name; '': the row number
    question: str = 'question'  # column of the question, or of the stem
    options: tuple[str, ...] = ('options',)  # one column with a list, or a column each
    answer: str = 'answer'  # column of the answer: a letter, an index, or the option's text
    answer_form: str = 'auto'  # or 'letter', 'index', 'text'
    answer_base: int = 0  # number of the first option where the answer is an index
    language: str = ''  # column of the language, where one file has them all
    subject: str = ''  # column of the group
    split: str = 'test'  # of a dataset
    instruction: str = ''  # text before everything
    shots: int = 0  # the first rows, as demonstrations; they are not asked
    demos: str = 'english'  # or 'same'
    cues: str = 'question'  # 'Question:' and 'Answer:' in the question's language, or one's code
    equal_options: str = 'refuse'  # or 'drop', 'keep' the items that have options alike
    limit: int = 0
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        _check_asking(where, self)
        one_of(f'{where}.form', self.form, ('choices', 'pairs'))
        one_of(f'{where}.demos', self.demos, DEMOS)
        one_of(f'{where}.answer_form', self.answer_form, ANSWER_FORMS)
        one_of(f'{where}.equal_options', self.equal_options, EQUAL_OPTIONS)
        distinct(f'{where}.options', self.options)
        if self.form == 'pairs' and len(self.options) != 2:
            raise ConfigError(
                f'{where}.options is {self.options}; pairs want two columns:'
                ' the true and the false completion'
            )
        at_least(where, self, shots=0, limit=0, answer_base=0)


@dataclass(frozen=True)
class HpQuizConfig:
    """The Harry Potter Quiz of Chua et al. 2024: 300 questions in five languages."""

    source: str = 'hf:cross-ling-know/HarryPotter-Quiz'  # or a folder, a file with {language}
    languages: tuple[str, ...] = HP_LANGUAGES
    variants: tuple[str, ...] = ('full',)
    methods: tuple[str, ...] = ('letter',)
    limit: int = 0
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        _check_asking(where, self)
        each_of(f'{where}.languages', self.languages, HP_LANGUAGES)
        at_least(where, self, limit=0)


@dataclass(frozen=True)
class BmlamaConfig:
    """BMLAMA (Qi et al. 2023): prompts with a mask, each with a list of candidates."""

    source: str = ''  # the folder of bmlama17 or bmlama53, with en.tsv ...
    languages: tuple[str, ...] = ('en', 'fr', 'es', 'ru', 'ar', 'he', 'ja', 'zh')
    variants: tuple[str, ...] = ('full',)
    methods: tuple[str, ...] = ('loglikelihood',)
    limit: int = 0
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        _check_asking(where, self)
        each_of(f'{where}.variants', self.variants, ('full',))
        each_of(f'{where}.methods', self.methods, ('loglikelihood',))
        at_least(where, self, limit=0)


@dataclass(frozen=True)
class XcopaConfig:
    """XCOPA (Ponti et al. 2020): which sentence is the cause, or the effect."""

    source: str = (
        ''  # the published `data` folder, with it/test.it.jsonl ..., or hf:NAME:{language}
    )
    languages: tuple[str, ...] = ('et', 'ht', 'id', 'it', 'qu', 'sw', 'ta', 'th', 'tr', 'vi', 'zh')
    variants: tuple[str, ...] = ('full',)
    methods: tuple[str, ...] = ('letter',)
    split: str = 'test'
    limit: int = 0
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        _check_asking(where, self)
        at_least(where, self, limit=0)


@dataclass(frozen=True)
class BelebeleConfig:
    """Belebele (Bandarkar et al. 2023): reading, 900 questions in 122 language variants."""

    source: str = ''  # folder of the published data, with eng_Latn.jsonl ..., or hf:NAME:{language}
    languages: tuple[str, ...] = ('en', 'de', 'fr', 'es', 'it')
    variants: tuple[str, ...] = ('full',)
    methods: tuple[str, ...] = ('letter',)
    codes: tuple[str, ...] = ('en=eng_Latn', 'de=deu_Latn', 'fr=fra_Latn', 'es=spa_Latn',
                              'it=ita_Latn')  # fmt: skip
    limit: int = 0
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        _check_asking(where, self)
        _check_codes(where, self.codes)
        at_least(where, self, limit=0)


@dataclass(frozen=True)
class EmbeddingConfig:
    """Cosines of texts with their word-mixed versions (Chua et al. 2024)."""

    source: str = ''  # KIND:PLACE, as of config.corpus.source
    text: TextConfig = field(default_factory=TextConfig)
    languages: tuple[str, ...] = ('fr',)  # of the replaced words; of several, also all mixed
    translator: TranslatorConfig = field(default_factory=TranslatorConfig)
    texts: int = 100  # the first paragraphs that are long enough
    words: int = 48  # of each paragraph
    rates: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of replaced words
    skip: int = 0  # tokens at the start that are left out of the mean; a BOS always is
    methods: tuple[str, ...] = ('mean_hidden',)
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        each_of(f'{where}.methods', self.methods, ('mean_hidden',))
        distinct(f'{where}.languages', self.languages)
        if self.text.language in self.languages:
            raise ConfigError(
                f'{where}.languages has {self.text.language}, which is the language of the text'
            )
        distinct(f'{where}.rates', self.rates)
        for i, rate in enumerate(self.rates):
            if not 0 < rate <= 1:
                raise ConfigError(f'{where}.rates[{i}] is {rate}; wanted 0 < rate <= 1')
        at_least(where, self, texts=2, words=2, skip=0)
        config_translate.check(f'{where}.translator', self.translator)
        if not self.translator.place:
            raise ConfigError(
                f'{where}.translator.place is empty: a translator has to be told where its files,'
                ' model or server are'
            )


@dataclass(frozen=True)
class FictionalConfig:
    """Facts of an invented world, made from the seed: what crosses into another language?

    The conductivity test of Gao et al. 2024 for any language and size. The task also gives the
    rows to train on: name them in config.data.files as 'task:' and the task's name.
    """

    languages: tuple[str, ...] = ('en', 'de', 'fr')  # English, and those it is to cross into
    relations: tuple[str, ...] = ('place_continent',)  # or person_place
    facts: int = 40  # of each relation, half of each type
    continents: int = 8
    wordings: int = 3  # of each fact in training; it is asked in another one
    choices: int = 4  # options of a question
    methods: tuple[str, ...] = ('loglikelihood', 'greedy')  # or generate
    gate: float = 0.9  # least accuracy of what is taught; below it there is no XRR
    seed: int = 0

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        each_of(f'{where}.relations', self.relations, ('place_continent', 'person_place'))
        _check_conductivity(where, self)
        at_least(where, self, facts=2, continents=2, wordings=1, choices=2)
        if self.wordings > 3:
            raise ConfigError(f'{where}.wordings is {self.wordings}; wanted at most 3')


@dataclass(frozen=True)
class ConductivityConfig:
    """CLiKA's published fictional set (Gao et al. 2024); it gives its training rows too."""

    source: str = ''  # folder that holds the published train and test folders
    languages: tuple[str, ...] = ('en', 'de')  # English, and those it is to cross into
    methods: tuple[str, ...] = ('loglikelihood', 'greedy')  # or generate
    limit: int = 0  # the first so many questions of a sheet; 0: all
    gate: float = 0.9  # least accuracy of what is taught; below it there is no XRR
    unstated: str = 'refuse'  # rows that state a smaller share of what is asked; or 'keep' them
    seed: int = 0  # of the options of a translation

    def check(self, where: str) -> None:
        """Raises ConfigError, naming the field."""
        _check_source(where, self.source)
        _check_conductivity(where, self)
        each_of(f'{where}.languages', self.languages, CLIKA_LANGUAGES)
        one_of(f'{where}.unstated', self.unstated, ('refuse', 'keep'))
        at_least(where, self, limit=0)


# A task's name in a config is one of these, or one of these, '_' and a word of the user's: several
# settings of one task stand side by side (mmlu, mmlu_aware).
TASK_CONFIGS: dict[str, type] = {
    'worldfacts': WorldFactsConfig,
    'mmlu': MmluConfig,
    **dict.fromkeys(CLIKA_SETS, ClikaConfig),
    'user': UserConfig,
    'hp_quiz': HpQuizConfig,
    'bmlama': BmlamaConfig,
    'xcopa': XcopaConfig,
    'belebele': BelebeleConfig,
    'embedding': EmbeddingConfig,
    'fictional': FictionalConfig,
    'conductivity': ConductivityConfig,
    'tofu': TofuConfig,
    'translation': TranslationConfig,
    'mgsm': MgsmConfig,
    'xquad': XquadConfig,
}


def kind_of(name: str) -> str | None:
    """The key of TASK_CONFIGS that a task's name in a config begins with; the longest of them."""
    found = [kind for kind in TASK_CONFIGS if name == kind or name.startswith(f'{kind}_')]
    return max(found, key=len, default=None)


def _check_asking(where: str, task: object) -> None:
    each_of(f'{where}.variants', task.variants, VARIANTS)
    each_of(f'{where}.methods', task.methods, METHODS)
    distinct(f'{where}.languages', task.languages)


def _check_conductivity(where: str, task: object) -> None:
    each_of(f'{where}.methods', task.methods, ('loglikelihood', 'greedy', 'generate'))
    one_of(f'{where}.methods[0]', task.methods[0], ('loglikelihood',))
    distinct(f'{where}.languages', task.languages)
    if 'en' not in task.languages or len(task.languages) < 2:
        raise ConfigError(
            f'{where}.languages is {task.languages}; wanted en, in which all is taught, and at'
            ' least one language more'
        )
    if not 0 <= task.gate <= 1:
        raise ConfigError(f'{where}.gate is {task.gate}; wanted 0 <= gate <= 1')


def _check_source(where: str, source: str) -> None:
    if not source:
        raise ConfigError(f'{where}.source is empty; wanted a folder, a file or hf:NAME')


def _check_codes(where: str, codes: tuple[str, ...]) -> None:
    for i, code in enumerate(codes):
        if not all(code.partition('=')):
            raise ConfigError(f"{where}.codes[{i}] is {code!r}; wanted the form 'ar=AR_XY'")
