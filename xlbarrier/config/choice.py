"""Multiple-choice questions: the base of the sections of tasks that read files, and variants."""

from typing import Literal

from xlbarrier.config.checks import Count, Section, Several, Size
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.config.written import PromptedConfig, Source

Variant = Literal[
    'english', 'full', 'question', 'options', 'gt', 'gt_question', 'onewrong', 'threewrong',
    'mixup', 'translated',
]  # fmt: skip
Method = Literal['loglikelihood', 'letter', 'generate']
Demos = Literal['english', 'same']


class ToEnglishConfig(Section):
    """The variant `translated`: question and options in English, translated at test time."""

    # What translates: the model that is asked, which continues a few examples; or `translator`.
    by: Literal['model', 'translator'] = 'model'
    translator: TranslatorConfig = TranslatorConfig()
    new_tokens: Size = 64  # of a translation that the model writes; it ends with its line


class ChoiceConfig(PromptedConfig):
    """Base of the tasks that read multiple-choice questions from files."""

    source: Source = ''  # a folder, a file or hf:NAME
    languages: Several[str] = ('en', 'de', 'fr', 'es', 'it')  # of the questions
    variants: Several[Variant] = ('full',)  # any of docs/tasks.md
    methods: Several[Method] = ('letter',)  # also loglikelihood
    limit: Count = 0  # the first so many questions; 0: all
    items: Literal['same', 'common'] = 'same'  # common: only those that all languages have
    to_english: ToEnglishConfig = ToEnglishConfig()
