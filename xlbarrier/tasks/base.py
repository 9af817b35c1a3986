"""What a task gives: multiple-choice questions, row-aligned over languages and variants.

A task that is not multiple choice measures a model by itself: see `measured`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

LETTERS = 'ABCDEFGHIJ'
Sheet = tuple[str, str]  # variant, language
Row = dict[str, Any]


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
      meta: what else the task knows of it; 'row' is its number in a prompt row, where it is given.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int
    language: str
    choice_languages: tuple[str, ...]
    subject: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prompt:
    """What a model reads, and what is scored after it.

    Attributes:
      context: all that is read; the digest is of it.
      continuations: one a choice; begin with a space where the context wants one before them.
      unconditional: the answer cue alone, the context of PMI's second term.
      shots, demos, intervention: for the record: the number of demonstrations, 'none', 'same' (as
        the question) or 'english', and -1 or the number of the published intervention.
      new_tokens, stops: where a written answer ends (method 'generate').
      cue: what the model writes before its answer, where it does; '': it begins with it.
    """

    context: str
    continuations: tuple[str, ...]
    unconditional: str
    shots: int = 0
    demos: str = 'none'
    intervention: int = -1
    new_tokens: int = 32
    stops: tuple[str, ...] = ('\n\n',)
    cue: str = ''


class Task(Protocol):
    """A set of questions in several languages and variants (Chua et al. 2024).

    What is translated: `english`: nothing. `full`: all. `question`: the question. `options`: the
    options. `gt`: the right option. `gt_question`: it and the question. `onewrong`: one wrong
    option. `threewrong`: all wrong options. `mixup`: the question is in the language, and each
    option in a language of its own.
    """

    name: str

    def sheets(self) -> list[tuple[str, str]]:
        """(variant, language) of all that is asked."""

    def questions(self, variant: str, language: str) -> list[Question]:
        """The questions of a sheet, in an order that all sheets share."""

    def render(self, question: Question, method: str) -> Prompt:
        """The prompt of one of its questions; `prompts.render` where no form is published.

        For 'generate', an answer that the model writes, `evaluate` asks for the prompt 'letter';
        a task with prompts of its own for it has the attribute `writes`, which is true.
        """


@runtime_checkable
class Numbered(Protocol):
    """A task that makes its own numbers of its answers."""

    name: str

    def rows(self, tables: Mapping[Sheet, pa.Table], *, draws: int, seed: int) -> list[Row]:
        """The numbers of one model.

        Args:
          tables: the answers of each sheet.
          draws, seed: of every bootstrap.

        Returns:
          Rows of results.json: variant, language, method, metric, and the fields of
          `metrics.Estimate.as_row`, with `chance` where there is one.
        """


def sheets(variants: Sequence[str], languages: Sequence[str]) -> list[tuple[str, str]]:
    """Every variant in every language; the variant `english` knows one language."""
    return [
        (variant, language)
        for variant in variants
        for language in (('en',) if variant == 'english' else languages)
    ]


def slot_languages(
    variant: str,
    language: str,
    order: Sequence[str],
    *,
    count: int,
    answer: int,
    one_wrong: int | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Language of the question and of each option; see `Task`.

    `mixup` goes round the item's permutation of the languages from the question's on: with more
    languages than options all slots differ, with fewer each is used as evenly as can be.

    Args:
      order: the item's permutation of the task's languages.
      count: number of options.
      answer, one_wrong: index of the right option, and of the wrong one that `onewrong` translates.
    """
    if variant == 'mixup':
        start = order.index(language)
        return language, tuple(order[(start + 1 + k) % len(order)] for k in range(count))
    translated = {
        'english': (),
        'full': range(count),
        'question': (),
        'options': range(count),
        'gt': (answer,),
        'gt_question': (answer,),
        'onewrong': (one_wrong,),
        'threewrong': [k for k in range(count) if k != answer],
    }[variant]
    question = language if variant in ('full', 'question', 'gt_question') else 'en'
    return question, tuple(language if k in translated else 'en' for k in range(count))
