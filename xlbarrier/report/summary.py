"""What a run prints at its end: accuracy by language, the barrier, and the verdict in words."""

from collections.abc import Sequence
from typing import Any

from xlbarrier.config.run import AT
from xlbarrier.report import words
from xlbarrier.report.beside import language_words
from xlbarrier.report.words import Numbers, interval, percent, points
from xlbarrier.results.rows import MEAN, SOURCE, ResultRow

LEAST = 20  # characters of the column of languages
METRICS = ('accuracy', 'barrier_gap')  # also in the JSON events


def text(rows: Sequence[ResultRow]) -> str:
    """The numbers of a run in words and one table for each task and method, for a terminal.

    Args:
      rows: of results.json.
    """
    numbers = Numbers(rows)
    tested = [row for row in numbers.rows if row['metric'] == 'above_chance_p']
    blocks = []
    for task, method in dict.fromkeys((row['task'], row['method']) for row in tested):
        table = _table(numbers, task, method)
        said = words.headline(numbers, task, method) + words.unreadable(numbers, task, method)
        blocks.append('\n'.join([*table, *([''] if table else []), *said]))
    shown = {row['task'] for row in tested}
    others = dict.fromkeys(row['task'] for row in rows if row['task'] not in shown)
    blocks += [f'{task}: its numbers are in the report and in results.json' for task in others]
    return '\n\n'.join(blocks)


def headline(rows: Sequence[ResultRow]) -> list[dict[str, Any]]:
    """The same for programs: the rows of accuracies and barriers, where all is in the language."""
    return [
        dict(row) for row in rows if row['metric'] in METRICS and row['variant'] in ('full', 'all')
    ]


def _table(numbers: Numbers, task: str, method: str) -> list[str]:
    key = {'task': task, 'method': method, 'variant': 'full'}
    every = numbers.values('model', metric='accuracy', **key)
    # A single seed is part of the arm that pools it.
    models = [name for name in every if AT not in name or name.partition(AT)[0] not in every]
    codes = numbers.values('language', metric='accuracy', **key)
    if not codes:
        return []
    codes.sort(key=lambda code: (code != SOURCE, code == MEAN, code))
    first = numbers.rows_of('accuracy', **key)[0]
    chance = '' if first['chance'] is None else f' (guessing: {percent(first["chance"])})'
    head = [f'{task}, {method}: right of {first["n"]}, %{chance}', *models]
    lines = [
        [language_words(code), *[_cell(numbers, key, m, 'accuracy', code) for m in models]]
        for code in codes
    ]
    gaps = ['barrier, points', *[_cell(numbers, key, m, 'barrier_gap', MEAN) for m in models]]
    lines += [gaps] if any(gaps[1:]) else []
    widths = [max(LEAST, *(len(line[i]) for line in [head, *lines])) for i in range(len(head))]
    made = [
        '  '.join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in [head, *lines]
    ]
    return [line.rstrip() for line in made]


def _cell(numbers: Numbers, key: dict[str, str], model: str, metric: str, language: str) -> str:
    row = numbers.find(metric=metric, model=model, language=language, **key)
    if row is None or row['value'] is None:
        return ''
    form = percent if metric == 'accuracy' else points
    return f'{form(row["value"])} {interval(row, form)}'.rstrip()
