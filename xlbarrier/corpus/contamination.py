"""Text that shares a run of words with a task's questions is left out, and counted by task."""

from collections.abc import Mapping, Sequence
from typing import Any

from xlbarrier.text import segment

LEAST = 4  # words: a shorter question ('Who?') is in every text, and is not searched for

Met = tuple[str, int]  # a question that a text shares words with: its task and number


class Decontaminator:
    """Searches texts for n-grams of questions; words are compared casefolded, without marks.

    A question of fewer than n words, but at least `LEAST`, is searched for whole.
    """

    def __init__(self, questions: Mapping[str, Sequence[str]], n: int, language: str):
        """Args:
        questions: texts by task.
        n: consecutive words that a text must share with a question.
        language: BCP-47 code of questions and texts.
        """
        self._language = language
        self._least = min(n, LEAST)
        # The first words of a run, and the runs that begin so, with task and question number.
        self._runs: dict[tuple[str, ...], list[tuple[tuple[str, ...], str, int]]] = {}
        self._asked = {task: len(set(texts)) for task, texts in questions.items()}
        self._short = dict.fromkeys(questions, 0)
        self._parts = dict.fromkeys(questions, 0)
        self._met: dict[str, set[int]] = {task: set() for task in questions}
        for task, texts in questions.items():
            for number, text in enumerate(dict.fromkeys(texts)):
                self._add(task, number, self._words(text), n)

    def search(self, text: str) -> list[Met]:
        """The questions that a text shares a run with, sorted; nothing is counted."""
        words = self._words(text)
        met = set()
        for i in range(len(words) - self._least + 1):
            for run, task, number in self._runs.get(tuple(words[i : i + self._least]), ()):
                if tuple(words[i : i + len(run)]) == run:
                    met.add((task, number))
        return sorted(met)

    def count(self, met: Sequence[Met]) -> None:
        """Counts a part that is left out since it shares runs with these questions."""
        for task, number in met:
            self._met[task].add(number)
        for task in {task for task, _ in met}:
            self._parts[task] += 1

    def report(self) -> dict[str, Any]:
        """By task: questions, those too short, those met so far, and parts left out for them."""
        return {
            task: {
                'questions': self._asked[task],
                'too_short': self._short[task],
                'questions_met': len(self._met[task]),
                'parts_left_out': self._parts[task],
            }
            for task in sorted(self._asked)
        }

    def _add(self, task: str, number: int, words: list[str], n: int) -> None:
        if len(words) < self._least:
            self._short[task] += 1
            return
        size = min(n, len(words))
        for run in {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}:
            self._runs.setdefault(run[: self._least], []).append((run, task, number))

    def _words(self, text: str) -> list[str]:
        return [word.casefold() for word in segment.words(text, self._language)]
