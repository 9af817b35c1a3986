"""What a task is: questions, prompts, and the protocols that the rest of the package uses."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pyarrow as pa

from xlbarrier.qa.pairs import Pair
from xlbarrier.tasks.rows import Lesson, NumberRow, PromptRow, Sheet

if TYPE_CHECKING:
    from xlbarrier.data.tokenize import PreTrainedTokenizerFast
    from xlbarrier.tasks.asked import Asked

LETTERS = 'ABCDEFGHIJ'


@dataclass(frozen=True)
class Question:
    """One multiple-choice question in one variant.

    Attributes:
      id: the same in every language and variant.
      question: its text.
      choices: the options' texts.
      answer: index of the right option.
      language: BCP-47 code of the question's language.
      choice_languages: of each option.
      subject: group for tables.
      meta: what else the task knows about it; 'row', if present, is its number in a prompt row.
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
      context: everything before the answer; the digest is of it.
      continuations: one per choice, each with the space that separates it from the context.
      unconditional: the answer cue by itself, the context of PMI's second term.
      shots, demos, intervention: for the record: the number of demonstrations, 'none', 'same' (as
        the question) or 'english', and -1 or the number of the published intervention.
      new_tokens, stops: where a written answer ends (method 'generate').
      cue: the text that the model writes before its answer; '': it begins with the answer.
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


@dataclass(frozen=True)
class LeftOut:
    """The number of items that are not asked in any language, and of all items."""

    count: int
    of: int


class Task(Protocol):
    """Something that a model is asked in several languages and variants.

    Variants of multiple choice (Chua et al. 2024) by what is translated: `english`: nothing.
    `full`: all. `question`: the question. `options`: the options. `gt`: the right option.
    `gt_question`: it and the question. `onewrong`: one wrong option. `threewrong`: all wrong
    options. `mixup`: the question is in the language, and each option in a different language.
    `translated`: all is in English, translated from the language when it is asked.
    """

    name: str
    left_out: Mapping[str, LeftOut]  # by reason: 'equal_options', 'common', 'unnamed' ...

    def measure(self, asked: 'Asked') -> None:
        """Asks the model all questions, and writes each sheet with `Asked.write`."""

    def prompts(
        self, tokenizer: 'PreTrainedTokenizerFast | None'
    ) -> Iterable[tuple[Sheet, Sequence[PromptRow]]]:
        """The prompts of each sheet, as mode prompts writes them; loads no model.

        Args:
          tokenizer: of the model; only needed if `needs_tokenizer` is true.
        """

    @property
    def needs_tokenizer(self) -> bool:
        """Whether the prompts depend on the model's tokenizer: on its chat template."""

    def texts(self, language: str) -> Sequence[str]:
        """The questions in a language, so that training text can be kept free of them."""


@runtime_checkable
class Numbered(Protocol):
    """A task that computes its own numbers from its answers.

    All others are multiple choice, whose numbers are those of docs/metrics.md.
    """

    def rows(self, tables: Mapping[Sheet, pa.Table], *, draws: int, seed: int) -> list[NumberRow]:
        """The numbers of one model.

        Args:
          tables: the answers of each sheet.
          draws, seed: of every bootstrap.
        """


@runtime_checkable
class Teaching(Protocol):
    """A task that provides rows to train on: 'task:NAME' among config.data.files."""

    name: str
    lessons: Sequence[Lesson]

    def check_lessons(self) -> None:
        """Refuses to train on rows that do not teach what is asked.

        Raises:
          DataError: naming what they do not teach.
        """

    def write_lessons(self, path: pathlib.Path) -> None:
        """Writes the rows to train on, one JSON object per line."""


@runtime_checkable
class Pairing(Protocol):
    """A task that provides pairs to train on: 'task:NAME' among config.train.pairs.files.

    Attributes:
      held_out_relations, held_out_languages: what the task keeps for its questions; no pair of the
        run, from whatever file, may be of one.
    """

    name: str
    held_out_relations: Sequence[str]
    held_out_languages: Sequence[str]

    def pairs(self) -> Sequence[Pair]:
        """The pairs of the languages that are trained on; none states an asked fact."""

    def check_pairs(self, tasks: Mapping[str, Task]) -> None:
        """Refuses to train on pairs that state what a task of the run asks.

        Raises:
          DataError: naming the pair, and the question and the task that ask it.
        """

    def write_split(self, path: pathlib.Path) -> None:
        """Writes what is trained on, dev and test, and what is asked, as one JSON object."""


def sheets(variants: Sequence[str], languages: Sequence[str]) -> list[tuple[str, str]]:
    """Every variant in every language; `english` only in English, `translated` not in English."""
    return [
        (variant, language)
        for variant in variants
        for language in (('en',) if variant == 'english' else languages)
        if (variant, language) != ('translated', 'en')
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

    `mixup` takes the languages in the order of the item's permutation, starting at the question's:
    with more languages than options all of them differ, with fewer each is used as evenly as
    possible.

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
