"""Whether rows to train on state what is asked: a set that cannot be learned is found beforehand.

The published Chinese training file of CLiKA teaches other names of the continents than its test
asks for: no training reaches the gate, and the accuracies would be read as the model's fault.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xlbarrier.metrics import Estimate
from xlbarrier.metrics.estimate import share
from xlbarrier.tasks.files import SHOWN


@dataclass(frozen=True)
class Stated:
    """Of the facts of one sheet, what the rows to train on say.

    Attributes:
      facts: how many there are.
      stated: names of the subjects whose right answer a row gives.
      contradicted: names of those for which a row gives another answer of the sheet, whether or
        not the right one is given too.
    """

    facts: int
    stated: tuple[str, ...]
    contradicted: tuple[str, ...]

    @property
    def share(self) -> Estimate:
        """Share of the facts that are stated, with Wilson's interval."""
        return share(len(self.stated), self.facts)

    def told(self) -> str:
        """A line on it."""
        line = f'{len(self.stated)} of {self.facts} facts stated ({self.share.value:.0%})'
        if self.contradicted:
            names = ', '.join(self.contradicted[:SHOWN])
            more = ', ...' if len(self.contradicted) > SHOWN else ''
            line += f', {len(self.contradicted)} contradicted ({names}{more})'
        return line


def compare(
    facts: Sequence[tuple[str, str]], rows: Iterable[tuple[str, str]], *, beside: bool = True
) -> Stated:
    """Holds facts against rows to train on.

    A row is about the longest subject that stands in its question, and gives the longest answers
    of the sheet that stand in its answer.

    Args:
      facts: (subject, right answer) of each fact; a subject may come twice.
      rows: (question with what it is about, answer) of each row.
      beside: whether the subject's name in the answer is passed over: a city may bear the name of
        a continent that it is not on. A name may well be its own translation.
    """
    subjects = list(dict.fromkeys(subject for subject, _ in facts))
    answers = list(dict.fromkeys(answer for _, answer in facts))
    given: dict[str, set[str]] = {subject: set() for subject in subjects}
    for question, answer in rows:
        about = max((s for s in subjects if s in question), key=len, default=None)
        if about is not None:
            given[about] |= _longest(answers, answer.replace(about, '\0') if beside else answer)
    return Stated(
        len(facts),
        tuple(subject for subject, answer in facts if answer in given[subject]),
        tuple(subject for subject, answer in facts if given[subject] - {answer}),
    )


def _longest(names: Sequence[str], text: str) -> set[str]:
    """The names that stand in a text, but not inside a longer one that does."""
    found = [name for name in names if name in text]
    return {a for a in found if not any(a != b and a in b for b in found)}
