"""Items: questions as they are in files, checked, and aligned across languages."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from absl import logging

from xlbarrier import draw
from xlbarrier.config.tasks import ToEnglishConfig
from xlbarrier.datafiles import DataError
from xlbarrier.tasks import base, translated
from xlbarrier.tasks.base import LETTERS, LeftOut, Question
from xlbarrier.tasks.chat import ChatFields, chat_of
from xlbarrier.tasks.files import SHOWN
from xlbarrier.tasks.multiple_choice import MultipleChoice
from xlbarrier.text import languages as languages_lib

SOURCE = 'en'


@dataclass(frozen=True)
class Item:
    """One question in one language.

    Attributes:
      id: the same in every language.
      question, choices, answer, subject: as of `Question`.
      where: file and row, for errors.
      meta: goes into `Question.meta`.
      numbered: whether the id is only the row's number, which says nothing if rows are missing.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int
    subject: str
    where: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    numbered: bool = False


class AlignedConfig(ChatFields, Protocol):
    """The fields of a config that an `AlignedTask` reads."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Of the questions."""

    @property
    def variants(self) -> tuple[str, ...]:
        """What is in which language; see `base.Task`."""

    @property
    def methods(self) -> tuple[str, ...]:
        """See `MultipleChoice`."""

    @property
    def to_english(self) -> ToEnglishConfig:
        """How the variant `translated` is put into English."""

    @property
    def items(self) -> str:
        """'same' refuses a language with missing items, 'common' leaves these out in every one."""

    @property
    def seed(self) -> int:
        """Of mixup's permutations and of onewrong's option."""


def answer_index(value: Any, count: int, where: str, base: int = 0) -> int:
    """The index that an answer key names: a letter, or a number counted from `base`.

    Raises:
      DataError: for a key outside the options.
    """
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and len(text) == 1 and text.upper() in LETTERS[:count]:
        return LETTERS.index(text.upper())
    if isinstance(text, str) and text.isascii() and text.isdigit():
        text = int(text)
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text - base < count:
        return text - base
    raise DataError(
        f'{where}: the answer is {value!r}, outside the {count} options; expected A to'
        f' {_letter(count - 1)}, or {base} to {base + count - 1}'
    )


def _letter(index: int) -> str:
    return LETTERS[index] if index < len(LETTERS) else f'option {index}'


def normalised(text: str) -> str:
    """A text as it is compared: NFKC, case folded, white space as single spaces."""
    return ' '.join(unicodedata.normalize('NFKC', text).casefold().split())


def checked(items: Iterable[Item], what: str, equal_options: str) -> list[Item]:
    """The items, if each has its own id and at least two options, none alike.

    Args:
      what: names the set in errors.
      equal_options: 'refuse' an item that has options alike after `normalised`, or 'keep' it:
        published sets have some, which the log counts. 'drop' ignores them here: the caller leaves
        them out in all languages together (`alike`).

    Raises:
      DataError: naming the row and what is wrong with it.
    """
    kept, alike_ids = [], []
    seen: dict[str, str] = {}
    for item in items:
        if item.id in seen:
            raise DataError(f'{item.where}: id {item.id!r} occurs twice; first in {seen[item.id]}')
        seen[item.id] = item.where
        if len(item.choices) < 2:
            raise DataError(f'{item.where}: {len(item.choices)} options; expected at least 2')
        if equal_options != 'drop' and alike(item):
            folded = [normalised(choice) for choice in item.choices]
            if equal_options == 'refuse':
                pair = next((a, b) for b in range(len(folded)) for a in range(b)
                            if folded[a] == folded[b])  # fmt: skip
                raise DataError(
                    f'{item.where}: options {_letter(pair[0])} {item.choices[pair[0]]!r} and'
                    f' {_letter(pair[1])} {item.choices[pair[1]]!r} are alike; correct them, or set'
                    " equal_options to 'drop' or 'keep'"
                )
            alike_ids.append(item.id)
        kept.append(item)
    if alike_ids:
        logging.warning(
            '%s: %d items with options alike, kept: %s',
            what,
            len(alike_ids),
            ', '.join(alike_ids[:SHOWN]),
        )
    if not seen:
        raise DataError(f'{what} has no item (n = 0)')
    return kept


def aligned(by_language: Mapping[str, Sequence[Item]], what: str) -> dict[str, list[Item]]:
    """The items of all languages in the order of the first one's.

    Raises:
      DataError: for items that a language does not have, or an item with a different number of
        options or right answer there; shows the first row that differs.
    """
    first, *others = by_language
    order = {item.id: item for item in by_language[first]}
    found = {first: list(order.values())}
    for language in others:
        here = {item.id: item for item in by_language[language]}
        for short, long, a, b in ((here, order, language, first), (order, here, first, language)):
            missing = [id_ for id_ in long if id_ not in short]
            if missing:
                advice = (
                    ''
                    if long[missing[0]].numbered
                    else ". Set items to 'common' to ask only those that all languages have"
                )
                raise DataError(
                    f'{what}: {a} is missing {len(missing)} items that {b} has:'
                    f' {", ".join(missing[:SHOWN])}{" ..." if len(missing) > SHOWN else ""}{advice}'
                )
        for id_, item in order.items():
            other = here[id_]
            if (item.answer, len(item.choices)) != (other.answer, len(other.choices)):
                raise DataError(
                    f'{what} is not aligned; the first row that differs is {id_}:\n'
                    f'  {_shown(first, item)}\n  {_shown(language, other)}'
                )
        found[language] = [here[id_] for id_ in order]
    return found


def _shown(language: str, item: Item) -> str:
    return (
        f'{language}: answer {_letter(item.answer)} of {len(item.choices)} options,'
        f' {item.question[:60]!r} ({item.where})'
    )


def alike(item: Item) -> bool:
    """Whether an item has options that are the same after `normalised`."""
    return len({normalised(choice) for choice in item.choices}) < len(item.choices)


def without(
    by_language: Mapping[str, Sequence[Item]],
    excluded: Callable[[Item], bool],
    what: str,
    why: str,
) -> tuple[dict[str, list[Item]], LeftOut]:
    """The items without those that are excluded in some language, and the count of these.

    Args:
      by_language: items of each language.
      excluded: whether an item is left out, in all languages.
      what: names the set in the log.
      why: the reason, for the log.
    """
    gone = list(dict.fromkeys(i.id for items in by_language.values() for i in items if excluded(i)))
    if gone:
        logging.warning(
            '%s: %d items left out in every language (%s): %s%s',
            what,
            len(gone),
            why,
            ', '.join(gone[:SHOWN]),
            ' ...' if len(gone) > SHOWN else '',
        )
    taken = set(gone)
    kept = {
        language: [item for item in items if item.id not in taken]
        for language, items in by_language.items()
    }
    if gone and not all(kept.values()):
        raise DataError(f'{what}: no item is left (n = 0); all were left out: {why}')
    everywhere = {item.id for items in by_language.values() for item in items}
    return kept, LeftOut(len(gone), len(everywhere))


def common(
    by_language: Mapping[str, Sequence[Item]], what: str
) -> tuple[dict[str, list[Item]], LeftOut]:
    """The items that all languages have, and the count of the others.

    Raises:
      DataError: for items whose ids are the numbers of their rows: after a missing row, equal
        numbers are different items.
    """
    numbered = next((i for items in by_language.values() for i in items if i.numbered), None)
    if numbered is not None:
        raise DataError(
            f"{what}.items is 'common', and the items have no ids of their own"
            f' ({numbered.where}): what the languages have in common is not known'
        )
    shared = set.intersection(*[{item.id for item in items} for items in by_language.values()])
    return without(by_language, lambda item: item.id not in shared, what, 'not in every language')


class AlignedTask(MultipleChoice):
    """A task of items aligned over languages.

    Every variant is assembled from the items of the languages it needs.
    """

    def __init__(
        self,
        name: str,
        config: AlignedConfig,
        by_language: Mapping[str, Sequence[Item]],
        left_out: Mapping[str, LeftOut] | None = None,
        *,
        apart: bool = False,
    ):
        """Aligns the items.

        Args:
          name: of the task in the config.
          config: see `AlignedConfig`.
          by_language: checked items of all languages that the variants need.
          left_out: items that were left out before, by reason.
          apart: whether each language has items of its own, which are not aligned.

        Raises:
          DataError: when they are not aligned, or English is needed and missing.
        """
        self.name, self.seed, self.methods = name, config.seed, tuple(config.methods)
        self.chat = chat_of(config, name)
        self.to_english = translated.of_config(config, name)
        self.languages, self.variants = tuple(config.languages), tuple(config.variants)
        for code in self.languages:
            languages_lib.named(code)
        needy = sorted(needs_english(self.variants))
        if needy and SOURCE not in by_language:
            raise DataError(
                f'config.tasks.{name}.variants has {", ".join(needy)}, which need items in {SOURCE}'
            )
        self.left_out = dict(left_out or {})
        if config.items == 'common' and not apart:
            by_language, gone = common(by_language, f'config.tasks.{name}')
            self.left_out['common'] = gone
        self.apart = apart
        self.items = (
            {code: list(found) for code, found in by_language.items()}
            if apart
            else aligned(by_language, name)
        )
        self.count = len(self.items[next(iter(self.items))])

    def sheets(self) -> list[tuple[str, str]]:
        """See `MultipleChoice`."""
        return base.sheets(self.variants, self.languages)

    def questions(self, variant: str, language: str) -> list[Question]:
        """All items in a variant."""
        if self.apart:
            own = {language: self.items[language]}
            return [self.worded(own, row, variant, language) for row in range(len(own[language]))]
        return [self.worded(self.items, row, variant, language) for row in range(self.count)]

    def worded(
        self, items: Mapping[str, Sequence[Item]], row: int, variant: str, language: str
    ) -> Question:
        """One row of aligned items in a variant."""
        item = items[SOURCE if SOURCE in items else language][row]
        count = len(item.choices)
        order = (
            draw.shuffled(self.languages, self.seed, f'{item.id} languages')
            if variant == 'mixup'
            else self.languages
        )
        wrong = None
        if variant == 'onewrong':
            others = [k for k in range(count) if k != item.answer]
            wrong = others[draw.below(self.seed, f'{item.id} wrong', 0, len(others))]
        asked, spoken = base.slot_languages(
            variant, language, order, count=count, answer=item.answer, one_wrong=wrong
        )
        return Question(
            id=item.id,
            question=items[asked][row].question,
            choices=tuple(items[code][row].choices[k] for k, code in enumerate(spoken)),
            answer=item.answer,
            language=asked,
            choice_languages=spoken,
            subject=item.subject,
            meta={**items[asked][row].meta, 'variant': variant, 'sheet': language},
        )


def needs_english(variants: Iterable[str]) -> set[str]:
    """The variants that take some part from English."""
    return set(variants) - {'full', 'mixup'}


def languages_needed(config: AlignedConfig) -> tuple[str, ...]:
    """The languages of a task, English first if a variant needs it."""
    if needs_english(config.variants) and SOURCE not in config.languages:
        return (SOURCE, *config.languages)
    return tuple(config.languages)
