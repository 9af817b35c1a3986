"""What the page shows of each task: plots, tables and sentences of its numbers."""

import math
from collections.abc import Mapping
from typing import Any

from xlbarrier.report import beside, between, plots, words
from xlbarrier.report.beside import language_words
from xlbarrier.report.words import interval, percent, points
from xlbarrier.results.numbers import ALPHA, Numbers, at_chance
from xlbarrier.results.rows import ALL, MEAN, SOURCE, ResultRow, has

P_VALUES = ('forget_quality',)  # metrics that are p-values, beside those that end in _p


def section(
    numbers: Numbers, task: str, method: str, models: list[str], steps: Mapping[str, int]
) -> dict[str, Any]:
    """A multiple-choice task in one reading: its sentences, tables and plots.

    Args:
      numbers: of the run.
      task, method: of the section.
      models: in the page's order.
      steps: arm -> updates of its training.
    """
    key = {'task': task, 'method': method}
    first = numbers.rows_of('accuracy', **key)[0]
    shown = accuracies(numbers, models, key)
    gaps = _gaps(numbers, models, key)
    return {
        'task': task,
        'method': method,
        'n': first['n'],
        'chance': first['chance'],
        'headline': words.headline(numbers, task, method)
        + words.seeds(numbers, task, method)
        + words.at_test_time(numbers, task, method)
        + words.unreadable(numbers, task, method),
        'left_out': words.left_out(numbers, task),
        'heat': [_heat(numbers, model, key) for model in models],
        'accuracy': shown
        and plots.dots(
            shown,
            title=f'Accuracy by language and model, {task}, {method}',
            unit='right answers, %; bars: 95 % intervals; dashed line: guessing',
            span=(0.0, 1.0),
            guide=first['chance'],
        ),
        'gaps': gaps
        and plots.dots(
            gaps,
            title=f'Barrier gaps by language and variant, {task}, {method}',
            unit='accuracy in English minus accuracy in the language, points; bars: 95 % intervals',
            span=_span(gaps),
            guide=0.0,
        ),
        'picture': shown,
        'figures': between.figures(numbers, models, key, steps),
        'tests': _tests(numbers, key),
        'tables': beside.tables(numbers, models, key),
    }


def accuracies(
    numbers: Numbers, models: list[str], key: dict[str, str]
) -> dict[str, dict[str, plots.Point]]:
    """The accuracy of each model by language, in the variant `full`, English first."""
    found = _points(numbers, models, 'accuracy', 'full', key)
    if found and not numbers.rows_of('accuracy', variant='full', language=SOURCE, **key):
        found = _points(numbers, models, 'accuracy', 'english', key) | found
    return found


def plain(numbers: Numbers, task: str) -> dict[str, Any]:
    """A task's numbers as they are: one line per model, variant, language and method."""
    rows = [
        row
        for row in numbers.rows
        if row['task'] == task and not row['metric'].startswith(words.LEFT_OUT)
    ]
    metrics = list(dict.fromkeys(row['metric'] for row in rows))
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    order = {name: number for number, name in enumerate(numbers.values('model', task=task))}
    for row in sorted(rows, key=lambda r: (order[r['model']], r['language'] != SOURCE)):
        key = (row['model'], row['variant'], language_words(row['language']), row['method'])
        lines.setdefault(key, {})[row['metric']] = _number(row)
    return {
        'task': task,
        'head': ['model', 'variant', 'language', 'method', *metrics],
        'lines': [[*key, *[cells.get(m, '–') for m in metrics]] for key, cells in lines.items()],
        'n': sorted({row['n'] for row in rows if row['n']}),
        'left_out': words.left_out(numbers, task),
    }


def _number(row: ResultRow) -> str:
    def form(value: float) -> str:
        return f'{value:.3f}' if abs(value) < 2 else f'{value:.1f}'

    if row['value'] is None:
        return f'– ({row["reason"]})'
    if row['metric'].endswith('_p') or row['metric'] in P_VALUES:
        return words.p_value(row['value'])
    return f'{form(row["value"])} {interval(row, form)}'.rstrip()


def _points(
    numbers: Numbers,
    models: list[str],
    metric: str,
    variant: str,
    key: dict[str, str],
    prefix: str = '',
) -> dict[str, dict[str, plots.Point]]:
    groups: dict[str, dict[str, plots.Point]] = {}
    found = numbers.values('language', metric=metric, variant=variant, **key)
    for language in sorted(found, key=lambda code: (code != SOURCE, code in (MEAN, ALL), code)):
        for model in models:
            row = numbers.find(
                metric=metric, variant=variant, language=language, model=model, **key
            )
            if row is None:
                continue
            value, low, high = row['value'], row['ci_low'], row['ci_high']
            if value is not None and low is not None and high is not None:
                label = prefix + language_words(language)
                text = f'{model}, {label}: {percent(value)} {interval(row)}'
                groups.setdefault(label, {})[model] = plots.Point(value, low, high, text)
    return groups


def _gaps(
    numbers: Numbers, models: list[str], key: dict[str, str]
) -> dict[str, dict[str, plots.Point]]:
    """Gaps of full and mixup by language, and of each other variant the mean."""
    points = _points(numbers, models, 'barrier_gap', 'full', key)
    for variant in numbers.values('variant', metric='barrier_gap', **key):
        if variant == 'mixup':
            points |= _points(numbers, models, 'barrier_gap', variant, key, 'mixup: ')
        elif variant != 'full':
            found = _points(numbers, models, 'barrier_gap', variant, key)
            points[variant] = found.get(words.LANGUAGE_WORDS[MEAN], {})
    return points


def _span(groups: dict[str, dict[str, plots.Point]]) -> tuple[float, float]:
    """The range of an axis, in whole tenths, that covers 0 and all intervals."""
    ends = [0.0, *(end for row in groups.values() for p in row.values() for end in (p.low, p.high))]
    low, high = math.floor(10 * min(ends)) / 10, math.ceil(10 * max(ends)) / 10
    return min(low, -0.2), max(high, 0.4)


def _heat(numbers: Numbers, model: str, key: dict[str, str]) -> dict[str, Any]:
    variants = numbers.values('variant', metric='accuracy', model=model, **key)
    codes = numbers.values('language', metric='accuracy', model=model, **key)
    codes = [c for c in codes if c not in (MEAN, ALL)]
    codes.sort(key=lambda code: (code != SOURCE, code))
    rows = []
    for code in codes:
        cells: list[dict[str, Any] | None] = []
        for variant in variants:
            row = numbers.find(
                metric='accuracy', model=model, variant=variant, language=code, **key
            )
            if row is None or row['value'] is None or row['chance'] is None:
                cells.append(None)
                continue
            above = (row['value'] - row['chance']) / (1 - row['chance'])
            cells.append(
                {
                    'text': percent(row['value']),
                    'interval': interval(row),
                    'shade': round(min(1.0, max(0.0, above)), 3),
                    'guessing': at_chance(numbers, model, variant, code, key),
                }
            )
        rows.append({'code': code, 'name': language_words(code), 'cells': cells})
    return {'model': model, 'variants': variants, 'rows': rows}


def _tests(numbers: Numbers, key: dict[str, str]) -> list[dict[str, Any]]:
    names = {
        'difference_to_base': 'accuracy minus that of base',
        'difference_to_english': 'accuracy minus that of the English arm',
        'gap_difference_to_base': 'gap minus that of base',
        'gap_difference_to_english': 'gap minus that of the English arm',
    }
    found: list[dict[str, Any]] = []
    for row in numbers.rows:
        if row['metric'] in names and has(row, key):
            verdict = 'significant' if row['p_holm'] <= ALPHA else 'not significant'
            cells = (
                row['model'],
                names[row['metric']],
                row['variant'],
                language_words(row['language']),
                points(row['value']),
                interval(row, points),
                words.p_value(row['p_holm']),
                verdict,
            )
            found.append({'cells': cells, 'mean': row['language'] in (MEAN, ALL)})
    english = language_words(SOURCE)
    return sorted(found, key=lambda row: (not row['mean'], row['cells'][3] != english))
