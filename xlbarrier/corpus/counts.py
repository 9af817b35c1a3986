"""Documents, units, words and switches of a corpus, counted as it is written."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Counts:
    """What a manifest says about the text."""

    documents: int = 0
    units: dict[str, int] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)
    switches: int = 0

    def add(
        self, units: Sequence[str], languages: Sequence[str], count: Callable[[str, str], int]
    ) -> None:
        """Adds a document: its units' texts and languages; `count` gives the words of a text."""
        self.documents += 1
        for unit, language in zip(units, languages, strict=True):
            self.units[language] = self.units.get(language, 0) + 1
            self.words[language] = self.words.get(language, 0) + count(unit, language)
        self.switches += sum(a != b for a, b in itertools.pairwise(languages))

    def merge(self, other: 'Counts') -> None:
        """Adds the counts of other documents."""
        self.documents += other.documents
        self.switches += other.switches
        for mine, theirs in ((self.units, other.units), (self.words, other.words)):
            for language, number in theirs.items():
                mine[language] = mine.get(language, 0) + number

    @property
    def total_words(self) -> int:
        """Words in all languages."""
        return sum(self.words.values())

    def fields(self, word_rule: str) -> dict[str, Any]:
        """The manifest's fields, in its order."""
        return {
            'documents': self.documents,
            'units': _by_language(self.units),
            'words': _by_language(self.words),
            'word_rule': word_rule,
            'switches': self.switches,
            'switches_per_100_words': round(100 * self.switches / max(self.total_words, 1), 4),
        }


def _by_language(numbers: dict[str, int]) -> dict[str, Any]:
    return {'total': sum(numbers.values()), 'by_language': dict(sorted(numbers.items()))}
