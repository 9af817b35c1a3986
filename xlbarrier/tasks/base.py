"""What every task gives: multiple-choice questions, row-aligned over languages and variants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Question:
    """One multiple-choice question in one variant.

    Attributes:
      id: the same in every language and variant.
      question: its text.
      choices: the options' texts.
      answer: index of the right one.
      language: BCP-47 code of the question's language.
      choice_languages: of each option.
      subject: group for tables.
      meta: what else the task knows of it.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int
    language: str
    choice_languages: tuple[str, ...]
    subject: str
    meta: Mapping[str, Any] = field(default_factory=dict)


class Task(Protocol):
    """A set of questions in several languages and variants (Chua et al. 2024).

    `english`: all in English. `full`: all in the language. `question`: only the question is
    translated. `options`: only the options are. `mixup`: the question in the language, and each
    option in a language of its own.
    """

    name: str
    languages: Sequence[str]
    variants: Sequence[str]

    def questions(self, variant: str, language: str) -> list[Question]:
        """The questions of a variant, in an order that all variants and languages share."""


def sheets(task: Task) -> list[tuple[str, str]]:
    """(variant, language) of all that a task asks; the variant `english` knows one language."""
    return [
        (variant, language)
        for variant in task.variants
        for language in (('en',) if variant == 'english' else task.languages)
    ]
