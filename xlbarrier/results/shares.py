"""Shares computed of any answers: unreadable and commonest ones, and the parts of MMLU."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from xlbarrier import metrics
from xlbarrier.results.answers import ReadAnswers
from xlbarrier.results.rows import ALL, ResultRow, RowKey, result_row


def commonest_row(key: RowKey, chosen: Sequence[int | None]) -> ResultRow:
    """The share of the commonest answer among those that could be read."""
    return result_row(key, 'commonest_answer_share', metrics.commonest(chosen))


def unreadable_row(key: RowKey, chosen: Sequence[int | None]) -> ResultRow:
    """The share of answers in which no option can be read."""
    return result_row(key, 'unreadable_share', metrics.unreadable(chosen))


def unreadable_mean_row(
    key: RowKey, chosen: Mapping[str, Sequence[int | None]], draws: int, seed: int
) -> ResultRow:
    """The mean of that share over languages, each with the same items in the same order."""
    blank = np.array([[a is None for a in answers] for answers in chosen.values()])
    estimate = metrics.mean(blank.mean(axis=0), draws, seed)
    return result_row(key._replace(language=ALL), 'unreadable_share', estimate)


def by_subject(answers: ReadAnswers) -> dict[str, np.ndarray]:
    """Subject -> right or wrong of its questions."""
    names = np.asarray(answers.subjects)
    return {str(name): answers.right[names == name] for name in np.unique(names)}


def subject_rows(key: RowKey, answers: ReadAnswers, chance: float) -> Iterator[ResultRow]:
    """Accuracy of each part of a task, where there are several."""
    parts = by_subject(answers)
    for subject, right in parts.items() if len(parts) > 1 else ():
        estimate = metrics.accuracy(right)
        yield result_row(key, 'accuracy_subject', estimate, chance=chance, subject=subject)


def mmlu_rows(key: RowKey, answers: ReadAnswers, chance: float) -> Iterator[ResultRow]:
    """Accuracies of MMLU's four categories, 17 groups and 57 subjects.

    The sheet's plain `accuracy` is weighted by the subjects' sizes, as published.
    """
    table = metrics.mmlu_accuracies(by_subject(answers))
    for name, part in (
        ('category', table.categories),
        ('group', table.groups),
        ('subject', table.subjects),
    ):
        for subject, estimate in part.items():
            yield result_row(key, f'accuracy_{name}', estimate, chance=chance, subject=subject)
