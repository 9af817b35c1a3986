"""Whether a training text states what a test asks, checked before training.

A test of what was learned in training (Gao et al. 2024, section 3.3, conductivity) means nothing
where the training text says something else: the published fictional/train/ZH.json teaches other
continent names than fictional/test asks for, so that no test fact can be learned from it.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xlbarrier.errors import InputError


@dataclass(frozen=True)
class Fact:
    """What a test question asks for.

    Attributes:
      id: of the question, for the report.
      entity: what the question is about, as the text would name it.
      answer: the right answer's text.
    """

    id: str
    entity: str
    answer: str


@dataclass(frozen=True)
class Stated:
    """What a training text states of a set of facts.

    Attributes:
      facts: how many there are.
      stated: those whose entity and answer are in one training text together.
      unmentioned: ids of those whose entity is in no training text.
      contradicted: ids of those whose entity is mentioned, but never with the answer.
    """

    facts: int
    stated: int
    unmentioned: tuple[str, ...]
    contradicted: tuple[str, ...]

    @property
    def share(self) -> float:
        """Share of the facts that the text states: 1.0 where all can be learned."""
        return self.stated / self.facts


def stated(texts: Iterable[str], facts: Sequence[Fact]) -> Stated:
    """The facts that training texts state, each text read by itself.

    A fact is stated where one text has both the entity and the answer as substrings, upper and
    lower case and compatibility forms (Unicode NFKC) alike. That is a necessary condition, not a
    sufficient one: 'Lomé is not in Ghana' states Lomé in Ghana. Names are searched for as they are
    given: where a language inflects them, give the form that the texts use.

    Args:
      texts: one training example or document each, question and answer together; a stream.
      facts: of the test.

    Raises:
      ValueError: when there is no fact, or one has a blank entity or answer.
    """
    if not facts:
        raise InputError('there is no fact to look for: the test has no questions')
    for fact in facts:
        for name in ('entity', 'answer'):
            if not getattr(fact, name).strip():
                raise InputError(f'fact {fact.id}: its {name} is blank; expected a text')
    folded = [(_fold(fact.entity), _fold(fact.answer)) for fact in facts]
    by_entity: dict[str, list[int]] = {}
    for i, (entity, _) in enumerate(folded):
        by_entity.setdefault(entity, []).append(i)
    finder = _Finder(by_entity)
    mentioned, found = set(), set()
    for text in texts:
        text = _fold(text)
        for entity in finder.found_in(text):
            for i in by_entity[entity]:
                mentioned.add(i)
                if i not in found and folded[i][1] in text:
                    found.add(i)
    return Stated(
        facts=len(facts),
        stated=len(found),
        unmentioned=tuple(f.id for i, f in enumerate(facts) if i not in mentioned),
        contradicted=tuple(f.id for i, f in enumerate(facts) if i in mentioned and i not in found),
    )


class _Finder:
    """Which of many names are in a text: names are looked up by their first letters."""

    LETTERS = 3

    def __init__(self, names: Iterable[str]):
        self._by_start: dict[str, list[str]] = {}
        for name in names:
            self._by_start.setdefault(name[: self.LETTERS], []).append(name)
        self._sizes = sorted({len(start) for start in self._by_start})

    def found_in(self, text: str) -> set[str]:
        """The names that are substrings of the text."""
        met = {text[i : i + size] for size in self._sizes for i in range(len(text) - size + 1)}
        starts = met & self._by_start.keys()
        return {name for start in starts for name in self._by_start[start] if name in text}


def _fold(text: str) -> str:
    return unicodedata.normalize('NFKC', text).casefold()
