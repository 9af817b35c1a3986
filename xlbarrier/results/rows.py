"""The rows of results.json: one type, one list of fields, one adjustment for many tests."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, NotRequired, TypedDict, cast

from xlbarrier import metrics
from xlbarrier.metrics import CorpusScore, Estimate

SOURCE = 'en'  # the language that a study compares others with
MEAN = metrics.mean_name(SOURCE)  # the mean over the other languages
ALL = 'mean:all'
PAIR = '~'  # between the two languages of a number that has no direction


class ResultRow(TypedDict):
    """One number of results.json; docs/run_folder.md describes the fields."""

    model: str
    arm: str | None
    task: str
    variant: str
    language: str
    method: str
    metric: str
    value: float | None
    n: int | None
    ci_low: float | None
    ci_high: float | None
    chance: float | None
    subject: NotRequired[str]
    signature: NotRequired[str]
    p: NotRequired[float]
    reason: NotRequired[str]
    p_holm: NotRequired[float]
    seeds: NotRequired[int]


OPTIONAL = ('subject', 'signature', 'p', 'reason', 'p_holm', 'seeds')
FIELDS = tuple(name for name in ResultRow.__annotations__ if name not in OPTIONAL)
KEYS = FIELDS[: FIELDS.index('value')]  # with `subject`, what names a number


class RowKey(NamedTuple):
    """Model, task, sheet and method of a number: all that names it except the metric."""

    model: str
    arm: str | None
    task: str
    variant: str
    language: str
    method: str


def result_row(
    key: RowKey,
    metric: str,
    estimate: Estimate | CorpusScore,
    *,
    chance: float | None = None,
    subject: str | None = None,
) -> ResultRow:
    """The row of one number.

    Args:
      key: model, task, sheet and method.
      metric: its name.
      estimate: value, interval, and p or the reason why there is no value.
      chance: of an accuracy: that of guessing.
      subject: the part of the task that it is of.
    """
    fields = key._asdict() | {'metric': metric}
    row = dict.fromkeys(FIELDS) | fields | estimate.as_row() | {'chance': chance}
    return cast(ResultRow, row if subject is None else row | {'subject': subject})


def task_row(model: str, arm: str | None, task: str, fields: Mapping[str, object]) -> ResultRow:
    """The row of a number that a task computed: `fields` are all except model, arm and task."""
    row = dict.fromkeys(FIELDS) | {'model': model, 'arm': arm, 'task': task} | dict(fields)
    return cast(ResultRow, row)


def has(row: Mapping[str, object], fields: Mapping[str, object]) -> bool:
    """Whether a row has these values in these fields."""
    return all(row.get(name) == value for name, value in fields.items())


def is_mean(language: str) -> bool:
    """Whether a row's `language` names the mean of several."""
    return language.startswith('mean:')


def adjust(rows: Sequence[ResultRow]) -> None:
    """Adds `p_holm` to the rows with a `p`: Holm's adjustment within a table of comparisons.

    A table is a task, method and metric; of a metric NAME:OTHER, with all others. The means over
    languages, which the headline reads, are a table of their own.
    """
    tests: dict[Hashable, Estimate] = {}
    family: dict[Hashable, Hashable] = {}
    for number, row in enumerate(rows):
        if 'p' in row:
            tests[number] = Estimate(row['value'], p=row['p'])
            metric = row['metric'].partition(':')[0]
            family[number] = (row['task'], row['method'], metric, is_mean(row['language']))
    adjusted = metrics.holm_table(tests, family)
    for number, row in enumerate(rows):
        if number in adjusted:
            row['p_holm'] = adjusted[number]
