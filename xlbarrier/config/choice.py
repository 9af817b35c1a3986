"""Multiple-choice questions from files: the base of their tasks' sections."""

from typing import Literal

from xlbarrier.config.checks import Count, Several
from xlbarrier.config.written import PromptedConfig, Source

Variant = Literal[
    'english', 'full', 'question', 'options', 'gt', 'gt_question', 'onewrong', 'threewrong', 'mixup'
]
Method = Literal['loglikelihood', 'letter', 'generate']


class ChoiceConfig(PromptedConfig):
    """Base of the tasks that read multiple-choice questions from files."""

    source: Source = ''  # a folder, a file or hf:NAME
    languages: Several[str] = ('en', 'de', 'fr', 'es', 'it')  # of the questions
    variants: Several[Variant] = ('full',)  # any of docs/tasks.md
    methods: Several[Method] = ('letter',)  # also loglikelihood
    limit: Count = 0  # the first so many questions; 0: all
    items: Literal['same', 'common'] = 'same'  # common: only those that all languages have
