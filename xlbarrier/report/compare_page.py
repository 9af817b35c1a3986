"""compare.html: a leaderboard of the models of several runs, their differences, and all answers."""

import pathlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from xlbarrier import config as config_lib
from xlbarrier.datafiles import write_atomic
from xlbarrier.report import answer_data, page, plots, sections, words
from xlbarrier.report.words import interval, percent, points
from xlbarrier.results.answers import Predictions
from xlbarrier.results.compare import CommonTask
from xlbarrier.results.numbers import ALPHA, Numbers, barrier
from xlbarrier.results.rows import MEAN, SOURCE, ResultRow


@dataclass(frozen=True)
class Run:
    """A run that is compared.

    Attributes:
      name: in the page.
      path: of its folder, as the user wrote it.
      config, record: its config.json and run.json.
    """

    name: str
    path: str
    config: Mapping[str, Any]
    record: Mapping[str, Any]


def write(
    folder: pathlib.Path,
    runs: Sequence[Run],
    tasks: Sequence[CommonTask],
    rows: Sequence[ResultRow],
    answers: Predictions,
) -> None:
    """Writes compare.html, and where the answers are many, the files beside it.

    Args:
      folder: an existing folder.
      runs: in the order of the command.
      tasks, rows, answers: from `results.compare`.
    """
    numbers = Numbers(rows)
    models = list(dict.fromkeys(key[0] for key in answers))
    packed, files = answer_data.pack(answers, models)
    shutil.rmtree(folder / answer_data.TEXTS, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_atomic(folder / name, data)
    methods = {t.name: numbers.values('method', metric='accuracy', task=t.name) for t in tasks}
    facts = {
        'runs': _runs(runs),
        'models': models,
        'colours': plots.colours_of(models),
        'board': _board(numbers, tasks, methods, models),
        'sections': [
            _section(numbers, task, method) for task in tasks for method in methods[task.name]
        ],
        'plain': [sections.plain(numbers, task.name) for task in tasks if not methods[task.name]],
        'common': {task.name: _common(task) for task in tasks},
        'configs': _configs(runs),
        'answers': Markup(answer_data.embedded(packed)) if packed['tasks'] else '',
    }
    whole = page.render('compare.html.j2', facts, bool(files))
    write_atomic(folder / 'compare.html', whole.encode())


def _runs(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for run in runs:
        measured = run.record.get('models', {})
        base = measured.get('base', {})
        source = str(run.config.get('model', {}).get('source', ''))
        arms = ', '.join(name for name in measured if name != 'base') or '–'
        finished = str(run.record.get('finished', '–'))[:16].replace('T', ' ')
        commit = str(run.record.get('git_commit') or '–')[:12]
        lines.append((run.name, str(base.get('name') or source), arms, finished, commit, run.path))
    return lines


def _configs(runs: Sequence[Run]) -> tuple[list[str], list[list[str]]]:
    """Fields of the configs that are not the same in all runs: head and lines of a table."""
    values: dict[str, dict[str, Any]] = {}
    for run in runs[1:]:
        for name, there, here in config_lib.diff(runs[0].config, run.config):
            values.setdefault(name, {runs[0].name: there})[run.name] = here
    lines = [
        [name, *(str(of.get(run.name, of[runs[0].name])) for run in runs)]
        for name, of in sorted(values.items())
    ]
    return ['field', *(run.name for run in runs)], lines


def _common(task: CommonTask) -> str:
    """A sentence on what is compared."""
    said = (
        f'{task.items:,} questions have the same text and options for all {len(task.models)} models'
        f' in {len(task.sheets)} pairs of a variant and a language'
    )
    if task.of > task.items:
        said += f'; {task.of - task.items:,} others are left out'
    if task.left_out:
        named = ', '.join('/'.join(sheet) for sheet in task.left_out[:6])
        more = f' and {len(task.left_out) - 6} more' if len(task.left_out) > 6 else ''
        said += f'; not all models were asked {named}{more}'
    return f'{said}.'


def _board(
    numbers: Numbers,
    tasks: Sequence[CommonTask],
    methods: Mapping[str, Sequence[str]],
    models: Sequence[str],
) -> tuple[list[str], list[list[str]]]:
    """Every model in every task: accuracy in English, in the other languages, and the gap."""
    asked = [(task.name, method) for task in tasks for method in methods[task.name]]
    parts = ('English', 'other languages', 'barrier')
    lines = []
    for model in models:
        cells = [model]
        for task, method in asked:
            seen = barrier(numbers, task, method, model)
            found = (None, None, None) if seen is None else (seen.source, seen.others, seen.gap)
            cells += ['–' if row is None else percent(row['value']) for row in found]
        lines.append(cells)
    several = len(asked) > 1
    head = [
        f'{task}, {method}: {part}' if several else part for task, method in asked for part in parts
    ]
    return ['model', *head], lines


def _section(numbers: Numbers, task: CommonTask, method: str) -> dict[str, Any]:
    key = {'task': task.name, 'method': method}
    models = [m for m in task.models if numbers.find(metric='accuracy', model=m, **key)]
    seen = {model: barrier(numbers, task.name, method, model) for model in models}
    first = models[0]
    lines = []
    for model, found in seen.items():
        change = numbers.find(
            metric=f'difference_to:{first}', model=model, variant='full', language=MEAN, **key
        )
        shown = (None, None, None) if found is None else (found.source, found.others, found.gap)
        cells = [
            '–' if row is None else f'{percent(row["value"])} {interval(row)}' for row in shown
        ]
        if change is None:
            cells += ['–', '–']
        else:
            cells += [
                f'{points(change["value"])} {interval(change, points)}',
                words.p_value(change['p_holm']),
            ]
        value = found.others['value'] if found and found.others else None
        lines.append((value if value is not None else -1.0, [model, *cells]))
    lines.sort(key=lambda line: -line[0])
    accuracies = sections.accuracies(numbers, models, key)
    return {
        'task': task.name,
        'method': method,
        'n': task.items,
        'models': models,
        'head': [
            'model', 'English, %', 'other languages, %', 'barrier, points',
            f'other languages, minus {first}', 'p',
        ],
        'lines': [cells for _, cells in lines],
        'plot': accuracies
        and plots.dots(
            accuracies,
            title=f'Accuracy by language and model, {task.name}, {method}',
            unit='right answers, %; bars: 95 % intervals',
            span=(0.0, 1.0),
        ),
        'pairs': _pairs(numbers, models, key),
    }  # fmt: skip


def _pairs(numbers: Numbers, models: Sequence[str], key: Mapping[str, str]) -> list[list[str]]:
    """Each pair of models: the difference in English, elsewhere, and of the gaps."""
    lines = []
    for i, model in enumerate(models):
        for other in models[:i]:
            for what, metric, language in (
                ('accuracy in English', 'difference_to', SOURCE),
                ('accuracy in the other languages', 'difference_to', MEAN),
                ('barrier', 'gap_difference_to', MEAN),
            ):
                row = numbers.find(
                    metric=f'{metric}:{other}',
                    model=model,
                    variant='full',
                    language=language,
                    **key,
                )
                if row is None or row['value'] is None:
                    continue
                p = row['p_holm']
                lines.append(
                    [
                        model, other, what, points(row['value']), interval(row, points),
                        words.p_value(p), 'significant' if p <= ALPHA else 'not significant',
                    ]
                )  # fmt: skip
    return lines
