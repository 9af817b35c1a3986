"""Plots between languages and over a training: consistency matrices and learning curves."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from xlbarrier.report import plots
from xlbarrier.report.beside import language_words
from xlbarrier.results.numbers import Numbers
from xlbarrier.results.rows import ALL, MEAN, PAIR, SOURCE

MATRICES = {
    'consistency': (
        'Consistency',
        'items right in both languages, as a share of those right in either (0 to 1). Languages'
        ' that know the same things are dark; compare with the accuracies, which bound it.',
    ),
    'rankc': (
        'Rankings in common',
        'RankC, how similarly two languages rank the candidates (0 to 1).',
    ),
}
COLOURS = (
    *('#2563eb', '#d97706', '#059669', '#db2777', '#7c3aed', '#0891b2', '#65a30d', '#dc2626'),
    *('#9333ea', '#b45309', '#0d9488', '#4b5563'),
)
_SNAPSHOT = re.compile(r'(?P<arm>.+)-(?P<step>\d+)steps')
Figure = dict[str, Any]


def figures(
    numbers: Numbers, models: Sequence[str], key: Mapping[str, str], steps: Mapping[str, int]
) -> list[Figure]:
    """The matrices of each model and the learning curves of each arm with snapshots.

    Args:
      numbers: of the run.
      models: in the page's order.
      key: task and method.
      steps: arm -> its updates.

    Returns:
      For each: title, caption, svg, and `colours`, name -> colour, for a legend.
    """
    plain = [model for model in models if not _SNAPSHOT.fullmatch(model)]
    made = [_matrix(numbers, model, metric, key) for metric in MATRICES for model in plain]
    made += [_learning(numbers, models, arm, key, steps) for arm in plain if arm in steps]
    return [figure for figure in made if figure['svg']]


def _matrix(numbers: Numbers, model: str, metric: str, key: Mapping[str, str]) -> Figure:
    title, caption = MATRICES[metric]
    found = {
        tuple(row['language'].split(PAIR)): row['value']
        for row in numbers.rows_of(metric, model=model, **key)
        if PAIR in row['language'] and row['value'] is not None
    }
    codes = sorted({code for pair in found for code in pair}, key=lambda c: (c != SOURCE, c))
    place = {code: number for number, code in enumerate(codes)}
    names = [language_words(code) for code in codes]
    cells = {}
    for pair, value in found.items():
        low, high = sorted(place[code] for code in pair)
        cells[high, low] = (value, f'{names[high]} and {names[low]}: {value:.3f}')
    drawn = plots.matrix(names, cells, title=f'{title}, {model}') if len(codes) > 2 else ''
    return {'title': f'{title}, {model}', 'caption': f'{model}: {caption}', 'svg': drawn} | {
        'colours': {}
    }


def _learning(
    numbers: Numbers,
    models: Sequence[str],
    arm: str,
    key: Mapping[str, str],
    steps: Mapping[str, int],
) -> Figure:
    """Accuracy by language over the updates: the base model, the snapshots, the arm itself."""
    reached = {'base': 0, arm: steps[arm]}
    for model in models:
        found = _SNAPSHOT.fullmatch(model)
        if found and found['arm'] == arm:
            reached[model] = int(found['step'])
    lines: dict[str, list[tuple[float, float]]] = {}
    codes = numbers.values('language', metric='accuracy', variant='full', model=arm, **key)
    for code in sorted(codes, key=lambda c: (c != SOURCE, c in (MEAN, ALL), c)):
        for model, step in sorted(reached.items(), key=lambda one: one[1]):
            row = numbers.find(metric='accuracy', variant='full', language=code, model=model, **key)
            if row is not None and row['value'] is not None:
                lines.setdefault(language_words(code), []).append((step, 100 * row['value']))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(lines)}
    title = f'Accuracy during training, {arm}'
    drawn = len(reached) > 2 and plots.curves(
        lines, title=title, unit='updates; right answers in %', colours=colours
    )
    return {
        'title': title,
        'caption': f'{arm}: accuracy by language after the updates at which it was measured.',
        'svg': drawn or '',
        'colours': colours,
    }
