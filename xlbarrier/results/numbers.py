"""Looking up the rows of results.json, and what a table of them says on the whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlbarrier.results.rows import MEAN, SOURCE, ResultRow, has, is_mean

ALPHA = 0.05  # of every test that words call significant


class Numbers:
    """Finds rows of results.json by their fields."""

    def __init__(self, rows: Sequence[ResultRow]):
        self.rows = list(rows)
        self._by_metric: dict[str, list[ResultRow]] = {}
        for row in self.rows:
            self._by_metric.setdefault(row['metric'], []).append(row)

    def rows_of(self, metric: str, **fields: Any) -> list[ResultRow]:
        """The rows of a metric with these fields."""
        return list(self._with(metric, fields))

    def find(self, *, metric: str, **fields: Any) -> ResultRow | None:
        """The first row of a metric with these fields, or None."""
        return next(self._with(metric, fields), None)

    def values(self, name: str, metric: str | None = None, **fields: Any) -> list[Any]:
        """The distinct values of a field among the rows with these fields, in their order."""
        rows: Iterator[Mapping[str, Any]] = self._with(metric, fields)
        return list(dict.fromkeys(row[name] for row in rows))

    def _with(self, metric: str | None, fields: Mapping[str, Any]) -> Iterator[ResultRow]:
        rows = self.rows if metric is None else self._by_metric.get(metric, ())
        return (row for row in rows if has(row, fields))


@dataclass(frozen=True)
class Barrier:
    """What the numbers of one model, task and method say about the barrier.

    Attributes:
      model, task, method: whose answers, and how they were read.
      source: accuracy in English.
      readable: whether that is significantly above guessing; no barrier can be measured otherwise.
      others: mean accuracy in the other languages; None where there are none.
      gap: English minus `others`; None likewise.
      languages: number of other languages.
      widest: the gap of the language where it is widest; None with fewer than two of them.
    """

    model: str
    task: str
    method: str
    source: ResultRow
    readable: bool
    others: ResultRow | None
    gap: ResultRow | None
    languages: int
    widest: ResultRow | None

    @property
    def found(self) -> bool:
        """Whether there is a barrier that is not chance: the gap's interval is above 0."""
        low = None if self.gap is None else self.gap['ci_low']
        return self.readable and low is not None and low > 0


@dataclass(frozen=True)
class Verdict:
    """The finding that stands for the whole run.

    Attributes:
      barrier: of the base model, in the task and method that show one best.
      change: the gap of the arm with the lowest gap minus that of the base model; None without
        arms.
      settings: number of pairs of a task and a method in the run.
    """

    barrier: Barrier
    change: ResultRow | None
    settings: int


def verdict(numbers: Numbers) -> Verdict | None:
    """The finding of the first multiple-choice task and method in which English is understood.

    Without one it is that of the first; None where no task has accuracies that are tested.
    """
    tested = numbers.rows_of('above_chance_p')
    asked = list(dict.fromkeys((row['task'], row['method']) for row in tested))
    found = [one for each in asked if (one := barrier(numbers, *each)) is not None]
    if not found:
        return None
    chosen = next((one for one in found if one.readable and one.gap is not None), found[0])
    here = {'task': chosen.task, 'method': chosen.method, 'variant': 'full', 'language': MEAN}
    changes = [
        (row['value'], number, row)
        for number, row in enumerate(numbers.rows_of('gap_difference_to_base', **here))
        if row['value'] is not None
    ]
    return Verdict(chosen, min(changes)[2] if changes else None, len(asked))


def barrier(numbers: Numbers, task: str, method: str, model: str | None = None) -> Barrier | None:
    """What the numbers of a task and method say; None where there is no accuracy in English.

    Args:
      numbers: of a run.
      task, method: of the rows.
      model: the first by default, which others are compared with.
    """
    key = {'task': task, 'method': method}
    models = numbers.values('model', metric='accuracy', **key)
    if not models:
        return None
    key['model'] = model or models[0]
    # Where English is asked as the variant `english` alone, that is what others are compared with.
    english = [
        numbers.find(metric='accuracy', variant=variant, language=SOURCE, **key)
        for variant in ('full', 'english')
    ]
    source = next((row for row in english if row is not None), None)
    if source is None:
        return None
    full = {'variant': 'full', **key}
    gap = numbers.find(metric='barrier_gap', language=MEAN, **full)
    gaps = [
        (row['value'], -number, row)
        for number, row in enumerate(numbers.rows_of('barrier_gap', **full))
        if row['value'] is not None and not is_mean(row['language'])
    ]
    return Barrier(
        key['model'],
        task,
        method,
        source,
        not at_chance(numbers, key['model'], source['variant'], SOURCE, key),
        numbers.find(metric='accuracy', language=MEAN, **full),
        gap if gap is not None and gap['ci_low'] is not None else None,
        len(gaps),
        max(gaps)[2] if len(gaps) > 1 else None,
    )


def at_chance(
    numbers: Numbers, model: str, variant: str, language: str, key: Mapping[str, str]
) -> bool:
    """Whether the accuracy is not significantly above guessing, after Holm's adjustment."""
    fields = dict(key) | {'model': model, 'variant': variant, 'language': language}
    row = numbers.find(metric='above_chance_p', **fields)
    return row is not None and row['p_holm'] > ALPHA
