"""The findings in words: no difference that could be chance is reported as one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xlbarrier.results.rows import ALL, MEAN, SOURCE, ResultRow, has

ALPHA = 0.05


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


def percent(value: float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    return '–' if value is None else f'{100 * value:.1f}'


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign; a dash where there is none."""
    return '–' if value is None else f'{100 * value:+.1f}'.replace('-', '−')


def p_value(p: float) -> str:
    """A p-value with three digits; '< 0.001' where that would be 0.000."""
    return '< 0.001' if p < 0.0005 else f'{p:.3f}'


def interval(row: ResultRow, form: Any = percent) -> str:
    """The row's interval in brackets, or nothing."""
    if row.get('ci_low') is None:
        return ''
    return f'[{form(row["ci_low"])}, {form(row["ci_high"])}]'


def headline(numbers: Numbers, task: str, method: str) -> list[str]:
    """Sentences on the barrier and on how each arm changed it.

    Only the means over languages are tested here; their p-values are Holm-adjusted together.
    """
    key = {'task': task, 'method': method}
    models = numbers.values('model', metric='accuracy', **key)
    base = models[0]
    sentences = [_barrier(numbers, base, key)]
    sentences += [_effect(numbers, model, key) for model in models[1:]]
    return [sentence for sentence in sentences if sentence]


def unreadable(numbers: Numbers, task: str, method: str) -> list[str]:
    """A sentence on the written answers in which no option can be read, where there are any."""
    shares: dict[str, list[float]] = {}
    for row in numbers.rows:
        named = (row['task'], row['method'], row['metric']) == (task, method, 'unreadable_share')
        if named and row['value'] is not None:
            shares.setdefault(row['model'], []).append(row['value'])
    by_model = [f'{_named(m)} {percent(sum(s) / len(s))} %' for m, s in shares.items()]
    if not by_model:
        return []
    return [f'Answers that could not be read, which count as wrong: {", ".join(by_model)}.']


LEFT_OUT = 'left_out:'  # how the metrics begin that count items which were not asked
_LEFT_OUT_BECAUSE = {
    'common': 'they do not exist in every language',
    'empty_option': 'an option is empty',
    'equal_options': 'two options are equal',
    'one_candidate': 'they have only one candidate',
}


def left_out(numbers: Numbers, task: str) -> list[str]:
    """Sentences on the items of a task that were not asked in any language, where there are any."""
    found = {
        row['metric'].removeprefix(LEFT_OUT): row
        for row in numbers.rows
        if row['task'] == task and row['metric'].startswith(LEFT_OUT)  # the same for every model
    }
    return [
        f'{row["value"]:.0f} of {row["n"]} items were not asked in any language, because'
        f' {_LEFT_OUT_BECAUSE.get(reason, reason)}.'
        for reason, row in found.items()
    ]


def at_chance(
    numbers: Numbers, model: str, variant: str, language: str, key: Mapping[str, str]
) -> bool:
    """Whether the accuracy is not significantly above guessing, after Holm's adjustment."""
    row = numbers.find(
        model=model, variant=variant, language=language, metric='above_chance_p', **key
    )
    return row is not None and row['p_holm'] > ALPHA


def _barrier(numbers: Numbers, model: str, key: Mapping[str, str]) -> str:
    # Where English is asked as the variant `english` alone, that is what others are compared with.
    english = [
        numbers.find(model=model, variant=variant, language=SOURCE, metric='accuracy', **key)
        for variant in ('full', 'english')
    ]
    source = next((row for row in english if row is not None), None)
    others = numbers.find(model=model, variant='full', language=MEAN, metric='accuracy', **key)
    gap = numbers.find(model=model, variant='full', language=MEAN, metric='barrier_gap', **key)
    if source is None:
        return ''
    if at_chance(numbers, model, source['variant'], SOURCE, key):
        return (
            f'Even in English {_named(model)} is right on {percent(source["value"])} % of'
            f' {source["n"]} questions, which is not significantly above guessing'
            f' ({percent(source["chance"])} %): read this way, no barrier can be measured.'
        )
    if others is None or gap is None or gap['value'] is None or gap['ci_low'] is None:
        return (
            f'{_named(model).capitalize()} is right on {percent(source["value"])} % of'
            f' {source["n"]} questions.'
        )
    words = (
        f'{_named(model).capitalize()} is right on {percent(source["value"])} % of'
        f' {source["n"]} questions in English,'
        f' and on {percent(others["value"])} % on average in the other languages'
        f' (guessing: {percent(source["chance"])} %)'
    )
    if gap['ci_low'] > 0:
        return (
            f'{words}: a barrier of {100 * gap["value"]:.1f} points, 95 % interval {interval(gap)}.'
        )
    return f'{words}. The difference, 95 % interval {interval(gap)}, could be chance.'


def _effect(numbers: Numbers, model: str, key: Mapping[str, str]) -> str:
    here = {'model': model, 'variant': 'full', 'language': MEAN, **key}
    accuracy = numbers.find(metric='difference_to_base', **here)
    gap = numbers.find(metric='gap_difference_to_base', **here)
    control = numbers.find(metric='gap_difference_to_english', **here)
    if accuracy is None or gap is None:
        return ''
    words = (
        f'After fine-tuning on the text of the {model} arm, accuracy in the other languages'
        f' changed by {_change(accuracy)}, and the barrier by {_change(gap)}.'
    )
    if control is not None:
        words += (
            ' Compared with the English arm, the control, the barrier differs by'
            f' {_change(control)}.'
        )
    return words


def _change(row: ResultRow) -> str:
    p = p_value(row['p_holm'])
    verdict = 'significant' if row['p_holm'] <= ALPHA else 'not significant: it could be chance'
    return (
        f'{points(row["value"])} points {interval(row, points)}'
        f' (p {p if p.startswith("<") else f"= {p}"} after Holm’s adjustment, {verdict})'
    )


def _named(model: str) -> str:
    return 'the base model' if model == 'base' else f'the {model} arm'


LANGUAGE_WORDS = {MEAN: 'mean of the other languages', ALL: 'mean'}
