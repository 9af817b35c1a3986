"""Every number of a run, as rows of results.json.

A row has the FIELDS below, a `reason` where its value is null, and for tests `p` and `p_holm`.
`language` is a code, or MEAN, the mean over the languages other than English, or for the variant
`mixup` (where a code is the question's language) ALL, the mean over all of them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from xlbarrier import metrics
from xlbarrier.errors import InputError
from xlbarrier.report import alignment
from xlbarrier.report.alignment import ALL, MEAN, SOURCE
from xlbarrier.tasks.base import Numbered

FIELDS = (
    *('model', 'arm', 'task', 'variant', 'language', 'method', 'metric'),
    *('value', 'n', 'ci_low', 'ci_high', 'chance'),
)
# (method, metric) -> the column of the predicted index.
READINGS = {
    ('loglikelihood', 'accuracy'): 'prediction_raw',
    ('loglikelihood', 'accuracy_char'): 'prediction_char',
    ('loglikelihood', 'accuracy_byte'): 'prediction_byte',
    ('loglikelihood', 'accuracy_token'): 'prediction_token',
    ('loglikelihood', 'accuracy_pmi'): 'prediction_pmi',
    ('letter', 'accuracy'): 'letter_prediction',
    ('generate:first_character', 'accuracy'): 'first_character_prediction',
    ('generate:robust', 'accuracy'): 'robust_prediction',
}
_PLACE = ('variant', 'language', 'method')
Key = tuple[str, str, str, str]  # model, task, variant, language
Correct = dict[Key, np.ndarray]  # bool [items], in the same order of items for all keys of a task


def result_rows(
    predictions: Mapping[Key, pa.Table],
    *,
    reference: str = 'base',
    control: str = 'english',
    seed: int = 0,
    draws: int = 10_000,
    numbered: Mapping[str, Numbered] | None = None,
) -> list[dict[str, Any]]:
    """All numbers of recorded answers.

    Args:
      predictions: (model, task, variant, language) -> table with the columns of
        docs/run_folder.md.
      reference: the model that others are compared with.
      control: the arm that other arms are compared with.
      seed, draws: of every bootstrap.
      numbered: tasks by name that make their own numbers.

    Returns:
      Rows in a fixed order.

    Raises:
      ValueError: when two sheets of a task do not hold the same items in the same order; names the
        sheet and the first id that differs.
    """
    numbered = numbered or {}
    _check_aligned({k: table for k, table in predictions.items() if k[1] not in numbered})
    rows = []
    for task in sorted({key[1] for key in predictions}):
        sheets = {key: table for key, table in predictions.items() if key[1] == task}
        if task in numbered:
            rows += _own_rows(numbered[task], task, sheets, reference, draws, seed)
            continue
        chance = _chance(sheets)
        for (method, metric), column in READINGS.items():
            correct = _correct(sheets, column)
            if correct:
                book = _Book(task, method, metric, chance, correct, seed, draws, reference)
                rows += book.rows(control)
                if method.startswith('generate'):
                    rows += _unreadable(task, method, column, sheets, reference)
                if metric == 'accuracy':
                    rows += _beside(task, method, column, sheets, chance, reference, draws, seed)
    _adjust(rows)
    return rows


def _own_rows(
    numbered: Numbered,
    task: str,
    sheets: Mapping[Key, pa.Table],
    reference: str,
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    made = []
    for model in sorted({key[0] for key in sheets}, key=lambda m: (m != reference, m)):
        tables = {key[2:]: table for key, table in sheets.items() if key[0] == model}
        arm = None if model == reference else model
        for row in numbered.rows(tables, draws=draws, seed=seed):
            fixed = dict.fromkeys(FIELDS) | {'model': model, 'arm': arm, 'task': task}
            made.append(fixed | row)
            key = (task, row['variant'], row['language'])
            if arm is None or (reference, *key) not in sheets or (model, *key) not in sheets:
                continue
            change = _change(
                *(sheets[model, *key], sheets[reference, *key]), row['metric'], draws, seed
            )
            if change is not None:
                named = {'metric': f'{row["metric"]}_difference_to_base'}
                made.append(fixed | {k: row[k] for k in _PLACE} | named | change.as_row())
    return made


def _change(
    mine: pa.Table, theirs: pa.Table, metric: str, draws: int, seed: int
) -> metrics.Estimate | None:
    """The paired difference of a metric that is a mean over items: it is a column of theirs."""
    if metric not in mine.column_names or not pa.types.is_floating(mine.schema.field(metric).type):
        return None
    other = dict(zip(theirs['id'].to_pylist(), theirs[metric].to_pylist(), strict=True))
    pairs = [
        (value, other.get(id_))
        for id_, value in zip(mine['id'].to_pylist(), mine[metric].to_pylist(), strict=True)
    ]
    kept = np.array([pair for pair in pairs if None not in pair], np.float64).reshape(-1, 2)
    return metrics.paired_difference(kept[:, 0], kept[:, 1], draws, seed)


def _unreadable(
    task: str, method: str, column: str, sheets: Mapping[Key, pa.Table], reference: str
) -> list[dict[str, Any]]:
    """The share of written answers in which no option can be read, of each sheet."""
    made = []
    for key in sorted(sheets, key=lambda k: (k[0] != reference, k)):
        model, _, variant, language = key
        fixed = {'model': model, 'arm': None if model == reference else model, 'task': task}
        fixed |= {'variant': variant, 'language': language, 'method': method}
        share = metrics.unreadable(sheets[key][column].to_pylist()).as_row()
        made.append(dict.fromkeys(FIELDS) | fixed | {'metric': 'unreadable_share'} | share)
    return made


def _beside(
    task: str,
    method: str,
    column: str,
    sheets: Mapping[Key, pa.Table],
    chance: float,
    reference: str,
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """The rows of `alignment.rows`, model by model."""
    made = []
    for model in sorted({key[0] for key in sheets}, key=lambda m: (m != reference, m)):
        own = {
            key[2:]: sheets[key] for key in sorted(sheets) if key[0] == model and len(sheets[key])
        }
        fixed = {'model': model, 'arm': None if model == reference else model, 'task': task}
        fixed |= {'method': method}
        found = alignment.rows(task, own, column, chance=chance, draws=draws, seed=seed)
        made += [dict.fromkeys(FIELDS) | fixed | row for row in found]
    return made


class _Book:
    """The rows of one task and one reading."""

    def __init__(
        self,
        task: str,
        method: str,
        metric: str,
        chance: float,
        correct: Correct,
        seed: int,
        draws: int,
        reference: str,
    ):
        self.task, self.method, self.metric, self.chance = task, method, metric, chance
        self.correct, self.reference = correct, reference
        self.keys = sorted(correct)
        # One draw of items for all: any difference of means is paired.
        drawn = metrics.bootstrap_means(np.stack([correct[k] for k in self.keys]), draws, seed)
        self.drawn = dict(zip(self.keys, drawn, strict=True))
        self.models = sorted({k[0] for k in self.keys}, key=lambda m: (m != reference, m))
        self.n = len(next(iter(correct.values())))

    def rows(self, control: str) -> list[dict[str, Any]]:
        """Accuracies, then for the plain accuracy what is derived from them."""
        made = []
        for model in self.models:
            made += self._accuracies(model)
        if self.metric != 'accuracy':
            return made
        for model in self.models:
            made += self._alignment(model)
        for model in self.models:
            if model != self.reference and self.reference in self.models:
                made += self._differences(model, self.reference, 'base')
            if model not in (self.reference, control) and control in self.models:
                made += self._differences(model, control, 'english')
        return made

    def _accuracies(self, model: str) -> Iterable[dict[str, Any]]:
        for variant, language, keys in self._groups(model):
            values = self._mean(keys, self.correct)
            if len(keys) == 1:
                right = int(self.correct[keys[0]].sum())
                yield self._row(
                    model,
                    variant,
                    language,
                    self.metric,
                    values.mean(),
                    metrics.wilson(right, self.n),
                    chance=self.chance,
                )
                if self.metric == 'accuracy':
                    p = metrics.above_chance(right, self.n, self.chance)
                    yield self._row(model, variant, language, 'above_chance_p', p, p=p)
            else:
                interval = metrics.percentile_interval(self._mean(keys, self.drawn))
                yield self._row(
                    model,
                    variant,
                    language,
                    self.metric,
                    values.mean(),
                    interval,
                    chance=self.chance,
                )

    def _alignment(self, model: str) -> Iterable[dict[str, Any]]:
        for variant, language, source, keys in self._gaps(model):
            value = (
                self._mean([source], self.correct).mean() - self._mean(keys, self.correct).mean()
            )
            drawn = self._mean([source], self.drawn) - self._mean(keys, self.drawn)
            p = (
                metrics.mcnemar(self.correct[source], self.correct[keys[0]])
                if len(keys) == 1
                else metrics.bootstrap_p(drawn)
            )
            interval = metrics.percentile_interval(drawn)
            yield self._row(model, variant, language, 'barrier_gap', value, interval, p=p)

    def _differences(self, model: str, other: str, name: str) -> Iterable[dict[str, Any]]:
        for variant, language, keys in self._groups(model):
            against = [(other, *key[1:]) for key in keys]
            if not all(key in self.correct for key in against):
                continue
            value = self._mean(keys, self.correct).mean() - self._mean(against, self.correct).mean()
            drawn = self._mean(keys, self.drawn) - self._mean(against, self.drawn)
            if len(keys) == 1:
                p = metrics.mcnemar(self.correct[keys[0]], self.correct[against[0]])
            else:
                p = metrics.bootstrap_p(drawn)
            interval = metrics.percentile_interval(drawn)
            yield self._row(model, variant, language, f'difference_to_{name}', value, interval, p=p)
        mine, theirs = (
            {(variant, language): (source, keys) for variant, language, source, keys in gaps}
            for gaps in (self._gaps(model), self._gaps(other))
        )
        for variant, language in mine:
            if (variant, language) not in theirs:
                continue
            values, drawn = (
                [
                    self._mean([source], table) - self._mean(keys, table)
                    for source, keys in (mine[variant, language], theirs[variant, language])
                ]
                for table in (self.correct, self.drawn)
            )
            change = drawn[0] - drawn[1]
            yield self._row(
                model,
                variant,
                language,
                f'gap_difference_to_{name}',
                values[0].mean() - values[1].mean(),
                metrics.percentile_interval(change),
                p=metrics.bootstrap_p(change),
            )

    def _groups(self, model: str) -> Iterable[tuple[str, str, list[Key]]]:
        """(variant, language, keys) of each sheet, and of the means over languages."""
        variants: dict[str, list[Key]] = {}
        for key in self.keys:
            if key[0] == model:
                variants.setdefault(key[2], []).append(key)
        for variant, keys in variants.items():
            for key in keys:
                yield variant, key[3], [key]
            others = [key for key in keys if key[3] != SOURCE]
            if variant == 'mixup':
                yield variant, ALL, keys
            elif others and variant != 'english':
                yield variant, MEAN, others

    def _gaps(self, model: str) -> Iterable[tuple[str, str, Key, list[Key]]]:
        """(variant, language, English sheet, compared sheets)."""
        sources = [(model, self.task, 'full', SOURCE), (model, self.task, 'english', SOURCE)]
        source = next((key for key in sources if key in self.correct), None)
        if source is None:
            return
        for variant, language, keys in self._groups(model):
            if variant != 'english' and (variant, language) != ('full', SOURCE):
                yield variant, language, source, keys

    @staticmethod
    def _mean(keys: list[Key], table: Mapping[Key, np.ndarray]) -> np.ndarray:
        return np.mean([table[key] for key in keys], axis=0)

    def _row(
        self,
        model: str,
        variant: str,
        language: str,
        metric: str,
        value: float,
        interval: metrics.Interval | None = None,
        *,
        chance: float | None = None,
        p: float | None = None,
    ) -> dict[str, Any]:
        row = dict.fromkeys(FIELDS)
        row |= {
            'model': model,
            'arm': None if model == self.reference else model,
            'task': self.task,
            'variant': variant,
            'language': language,
            'method': self.method,
            'metric': metric,
            'value': float(value),
            'n': self.n,
            'chance': chance,
        }
        if interval is not None:
            row |= {'ci_low': interval.low, 'ci_high': interval.high}
        if p is not None:
            row['p'] = float(p)
        return row


def _check_aligned(predictions: Mapping[Key, pa.Table]) -> None:
    wanted: dict[str, tuple[Key, list[str]]] = {}
    for key in sorted(predictions):
        ids = predictions[key]['id'].to_pylist()
        first, expected = wanted.setdefault(key[1], (key, ids))
        if ids == expected:
            continue
        names = f'{"/".join(key)} and {"/".join(first)}'
        if len(ids) != len(expected):
            raise InputError(f'answers of {names}: {len(ids)} and {len(expected)} rows')
        row = next(i for i, (a, b) in enumerate(zip(ids, expected, strict=True)) if a != b)
        raise InputError(f'answers of {names}: row {row} is {ids[row]!r}, and {expected[row]!r}')


def _correct(sheets: Mapping[Key, pa.Table], column: str) -> Correct:
    """Right or wrong under a reading, of the sheets that record it."""
    return {
        key: np.asarray(table[column]) == np.asarray(table['answer'])
        for key, table in sheets.items()
        if column in table.column_names and len(table)
    }


def _chance(sheets: Mapping[Key, pa.Table]) -> float:
    """Mean of 1 / number of options."""
    lengths = [len(c) for table in sheets.values() for c in table['choices'].to_pylist()]
    return float(np.mean(1 / np.asarray(lengths)))


def _adjust(rows: list[dict[str, Any]]) -> None:
    """Adds `p_holm`: Holm's adjustment within a table of comparisons.

    A table is a task, method and metric; the means, which the headline reads, are one of their own.
    """
    families: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        if 'p' in row:
            mean = row['language'] in (MEAN, ALL)
            family = (row['task'], row['method'], row['metric'], mean)
            families.setdefault(family, []).append(row)
    for family in families.values():
        for row, adjusted in zip(family, metrics.holm([r['p'] for r in family]), strict=True):
            row['p_holm'] = float(adjusted)
