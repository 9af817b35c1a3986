"""The report of a run: report.md, and report.html, one file that loads nothing else."""

import json
import math
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2

from xlbarrier.datafiles import write_atomic
from xlbarrier.errors import InputError
from xlbarrier.report import beside, examples, plots, words
from xlbarrier.report.beside import language_words
from xlbarrier.report.table_files import markdown_cell
from xlbarrier.report.words import Numbers, interval, percent, points
from xlbarrier.results.answers import read_predictions
from xlbarrier.results.numbers import verdict as find_verdict
from xlbarrier.results.rows import ALL, MEAN, SOURCE, ResultRow, has

VARIANT_WORDS = {
    'english': 'all in English',
    'full': 'all in the language',
    'question': 'question in the language, options in English',
    'options': 'question in English, options in the language',
    'gt': 'right option in the language, the rest in English',
    'gt_question': 'question and right option in the language, the rest in English',
    'onewrong': 'one wrong option in the language, the rest in English',
    'threewrong': 'wrong options in the language, the rest in English',
    'mixup': 'question in the language, each option in another one (where there are fewer languages'
    ' than question and options, all are used as evenly as possible)',
}


def write_report(folder: pathlib.Path) -> None:
    """Writes report.html, report.md and plots/ from the files of a run folder.

    Args:
      folder: with results.json, config.json, run.json, predictions/, and metrics.jsonl where
        something was trained.

    Raises:
      FileNotFoundError, ValueError: naming the file that is missing or broken.
      RunError: naming the file that cannot be written.
    """
    facts = _facts(pathlib.Path(folder))
    (folder / 'plots').mkdir(exist_ok=True)
    # A task without the variant full has no accuracy by language to draw.
    for section in [section for section in facts['sections'] if section['picture']][:1]:
        plots.barrier_picture(
            folder / 'plots',
            section['picture'],
            title=f'{facts["model"]}: right answers by language',
            note=f'{section["task"]}, {section["n"]} questions, {section["method"]};'
            ' bars: 95 % Wilson intervals',
            chance=section['chance'],
        )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template('page.html.j2').render(**facts)
    write_atomic(folder / 'report.html', page.encode())
    write_atomic(folder / 'report.md', _markdown(facts).encode())


def _facts(folder: pathlib.Path) -> dict[str, Any]:
    numbers = Numbers(_json(folder / 'results.json')['rows'])
    config, run = _json(folder / 'config.json'), _json(folder / 'run.json')
    if not numbers.rows:
        raise InputError(f'{folder / "results.json"} has no rows: nothing to report')
    models = numbers.values('model')
    predictions = read_predictions(folder / 'predictions')
    # Tasks whose accuracies are tested for guessing have a section; the others have a table.
    tested = [row for row in numbers.rows if row['metric'] == 'above_chance_p']
    asked = list(dict.fromkeys((row['task'], row['method']) for row in tested))
    sections = [_section(numbers, task, method, models) for task, method in asked]
    described = {task for task, _ in asked}
    colours = plots.colours_of(models)
    name = _name(config, run)
    verdict = find_verdict(numbers)
    return {
        'model': name,
        'verdict': words.verdict(verdict, name) if verdict else [],
        'models': models,
        'sections': sections,
        'plain': [
            _plain(numbers, task) for task in numbers.values('task') if task not in described
        ],
        'curves': _curves(folder / 'metrics.jsonl', colours),
        'examples': examples.differing(
            predictions, models, config['report']['examples'], config['seed']
        ),
        'config_json': json.dumps(config, indent=1, ensure_ascii=False),
        'run': run,
        'training': run.get('training', {}),
        'manifests': {
            path.parent.name: _json(path) for path in sorted(folder.glob('corpus/*/manifest.json'))
        },
        'variant_words': VARIANT_WORDS,
        'colours': colours,
    }


def _name(config: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """The base model's own name, or where run.json has none, its source."""
    measured = run.get('models', {}).get('base', {})
    return str(measured.get('name') or str(config['model']['source']).split(':')[-1])


def _section(numbers: Numbers, task: str, method: str, models: list[str]) -> dict[str, Any]:
    key = {'task': task, 'method': method}
    first = numbers.rows_of('accuracy', **key)[0]
    accuracies = _points(numbers, models, 'accuracy', 'full', key)
    if accuracies and not numbers.rows_of('accuracy', variant='full', language=SOURCE, **key):
        accuracies = _points(numbers, models, 'accuracy', 'english', key) | accuracies
    gaps = _gaps(numbers, models, key)
    return {
        'task': task,
        'method': method,
        'n': first['n'],
        'chance': first['chance'],
        'headline': words.headline(numbers, task, method) + words.unreadable(numbers, task, method),
        'left_out': words.left_out(numbers, task),
        'heat': [_heat(numbers, model, key) for model in models],
        'accuracy': accuracies
        and plots.dots(
            accuracies,
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
        'picture': accuracies,
        'tests': _tests(numbers, key),
        'tables': beside.tables(numbers, models, key),
    }


def _plain(numbers: Numbers, task: str) -> dict[str, Any]:
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
                    'guessing': words.at_chance(numbers, model, variant, code, key),
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
            found.append(
                {
                    'model': row['model'],
                    'what': names[row['metric']],
                    'variant': row['variant'],
                    'language': language_words(row['language']),
                    'value': points(row['value']),
                    'interval': interval(row, points),
                    'p': words.p_value(row['p_holm']),
                    'verdict': 'significant' if row['p_holm'] <= words.ALPHA else 'not significant',
                    'mean': row['language'] in (MEAN, ALL),
                }
            )
    english = language_words(SOURCE)
    return sorted(found, key=lambda row: (not row['mean'], row['language'] != english))


def _curves(path: pathlib.Path, colours: Mapping[str, str]) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    if path.exists():
        for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
            try:
                row = json.loads(line)
                lines.setdefault(row['arm'], []).append((row['tokens'], row['loss']))
            except (ValueError, KeyError) as error:
                raise InputError(f'{path}, line {number}: {error!r}') from error
    return plots.curves(
        lines,
        title='Training loss by arm',
        unit='tokens predicted; loss in nats a token',
        colours=colours,
    )


def _markdown(facts: dict[str, Any]) -> str:
    lines = [f'# The cross-lingual knowledge barrier of {markdown_cell(facts["model"])}', '']
    lines += [f'**{markdown_cell(" ".join(facts["verdict"]))}**', ''] if facts['verdict'] else []
    for section in facts['sections']:
        lines += [f'## {markdown_cell(section["task"])}, method {section["method"]}', '']
        lines += [
            f'{markdown_cell(sentence)}\n' for sentence in section['headline'] + section['left_out']
        ]
        for heat in section['heat']:
            head = ['language', *heat['variants']]
            body = [[row['name'], *[_cell(cell) for cell in row['cells']]] for row in heat['rows']]
            name = markdown_cell(heat['model'])
            lines += [f'Accuracy of {name}, %:', '', *_table(head, body), '']
        if section['tests']:
            head = [
                'model',
                'difference',
                'variant',
                'language',
                'points',
                '95 % interval',
                'p (Holm)',
            ]
            body = [
                [
                    *[
                        row[k]
                        for k in ('model', 'what', 'variant', 'language', 'value', 'interval')
                    ],
                    f'{row["p"]}, {row["verdict"]}',
                ]
                for row in section['tests']
            ]
            lines += ['Paired differences:', '', *_table(head, body), '']
        for table in section['tables']:
            if not table['folded']:
                lines += [markdown_cell(f'{table["title"]}. {table["caption"]}'), '']
                lines += [*_table(table['head'], table['lines']), '']
    for plain in facts['plain']:
        lines += [
            f'## {markdown_cell(plain["task"])}',
            '',
            *(f'{sentence}\n' for sentence in plain['left_out']),
            *_table(plain['head'], plain['lines']),
            '',
        ]
    run = facts['run']
    lines += ['## Run it again', '', f'    {run["command"]}', '']
    lines += [f'Commit {run["git_commit"]}, seed {run["seed"]}.', '']
    return '\n'.join(lines)


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return '–'
    mark = ' (not significantly above guessing)' if cell['guessing'] else ''
    return f'{cell["text"]} {cell["interval"]}{mark}'


def _table(head: list[str], body: Iterable[list[str]]) -> list[str]:
    rows = ([markdown_cell(cell) for cell in row] for row in (head, ['---'] * len(head), *body))
    return ['| ' + ' | '.join(row) + ' |' for row in rows]


def _json(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise InputError(f'{path} is not JSON: {error}') from error
