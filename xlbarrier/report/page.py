"""The report of a run: report.md, and report.html, one file that loads nothing from a network."""

import base64
import functools
import hashlib
import json
import pathlib
import re
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq
from markupsafe import Markup

from xlbarrier import datafiles
from xlbarrier.datafiles import write_atomic
from xlbarrier.errors import InputError, RunError, XlbarrierError
from xlbarrier.report import answer_data, examples, markdown, plots, sections, words
from xlbarrier.results import seeds
from xlbarrier.results.answers import AnswersKey, sheet_files
from xlbarrier.results.numbers import Numbers
from xlbarrier.results.numbers import verdict as find_verdict

HERE = pathlib.Path(__file__).parent
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
    'translated': 'all translated into English when it is asked',
}


def _naming_the_folder(draw: Callable[..., None]) -> Callable[..., None]:
    """With an error in one line where a file that a user has edited is not as a run writes it."""

    @functools.wraps(draw)
    def drawn(folder: pathlib.Path, *args: Any, **options: Any) -> None:
        try:
            draw(folder, *args, **options)
        except XlbarrierError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, jinja2.TemplateError) as error:
            kind = type(error).__name__
            raise RunError(
                f'{folder}: the report cannot be drawn ({kind}: {error}): a value of results.json,'
                ' run.json, config.json, metrics.jsonl or predictions/ is not as a run writes it;'
                ' restore the file'
            ) from error

    return drawn


@_naming_the_folder
def write_report(folder: pathlib.Path, one_file: int = answer_data.ONE_FILE) -> None:
    """Writes report.html, report.md and plots/ from the files of a run folder.

    Args:
      folder: with results.json, config.json, run.json, predictions/, and metrics.jsonl where
        something was trained.
      one_file: with more bytes of packed answers the page has their texts in files of the folder
        report_texts.

    Raises:
      FileNotFoundError, ValueError: naming the file that is missing or broken.
      RunError: naming the file that cannot be written, or a folder with values that no run writes.
    """
    folder = pathlib.Path(folder)
    facts, files = _facts(folder, one_file)
    (folder / 'plots').mkdir(exist_ok=True)
    # A task without the variant full has no accuracy by language to draw.
    for section in [section for section in facts['sections'] if section['picture']][:1]:
        plots.barrier_picture(
            folder / 'plots',
            section['picture'],
            title=f'{facts["model"]}: right answers by language',
            note=f'{section["task"]}, {section["n"]} questions, {section["method"]};'
            ' bars: 95 % intervals',
            chance=section['chance'],
        )
    shutil.rmtree(folder / answer_data.TEXTS, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_atomic(folder / name, data)
    write_atomic(folder / 'report.html', render('page.html.j2', facts, bool(files)).encode())
    write_atomic(folder / 'report.md', markdown.document(facts).encode())


def render(template: str, facts: Mapping[str, Any], has_files: bool = False) -> str:
    """A page with its style and scripts inside, which runs no other script.

    Args:
      template: its file, which extends base.html.j2.
      facts: what it shows; with `answers`, those can be browsed.
      has_files: whether scripts beside the page are loaded too.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {'ident': ident, 'glued': glued}
    scripts = [_asset('page.js')]
    if facts.get('answers'):
        scripts.append(_asset('blocks.js') + _asset('browser.js'))
    allowed = [f"'sha256-{_digest(script)}'" for script in scripts]
    allowed += ["'self'", 'file:'] if has_files else []
    return environment.get_template(template).render(
        style=Markup(_asset('page.css')),
        scripts=[Markup(script) for script in scripts],
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src {' '.join(allowed)}",
        **facts,
    )


def ident(*parts: object) -> str:
    """An id for an element, to link to."""
    return re.sub(r'[^\w]+', '-', '-'.join(map(str, parts))).strip('-').lower()


def glued(text: str) -> str:
    """A sentence in which no interval and no percentage is broken across lines."""
    kept = re.sub(r'\[[^\]]*\]', lambda found: found[0].replace(' ', '\u00a0'), text)
    return kept.replace(' %', '\u00a0%')


def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding='utf-8')


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _facts(folder: pathlib.Path, one_file: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    # The seeds of an arm are in results.json; the page has the arms that pool them.
    rows = _json(folder / 'results.json')['rows']
    numbers = Numbers([row for row in rows if not seeds.is_one_seed(row['model'])])
    config, run = _json(folder / 'config.json'), _json(folder / 'run.json')
    if not numbers.rows:
        raise InputError(f'{folder / "results.json"} has no rows: nothing to report')
    models = numbers.values('model')
    predictions: dict[AnswersKey, pa.Table] = {}
    for key, path in sheet_files(folder / 'predictions').items():
        of_arm = (seeds.arm_of(key[0]), *key[1:])
        if of_arm not in predictions:  # an arm's first seed
            predictions[of_arm] = pq.read_table(path)
    # Tasks whose accuracies are tested for guessing have a section; the others have a table.
    tested = [row for row in numbers.rows if row['metric'] == 'above_chance_p']
    asked = list(dict.fromkeys((row['task'], row['method']) for row in tested))
    described = {task for task, _ in asked}
    training = run.get('training', {})
    steps = {arm: t['steps'] for arm, t in training.items() if 'steps' in t}
    colours = plots.colours_of(models)
    name = _name(config, run)
    verdict = find_verdict(numbers)
    answers, files = answer_data.pack(predictions, models, one_file)
    return {
        'model': name,
        'verdict': words.verdict(verdict, name) if verdict else [],
        'models': models,
        'sections': [sections.section(numbers, *each, models, steps) for each in asked],
        'plain': [
            sections.plain(numbers, task)
            for task in numbers.values('task')
            if task not in described
        ],
        'curves': _curves(folder / 'metrics.jsonl', colours),
        'examples': examples.differing(
            predictions, models, config['report']['examples'], config['seed']
        ),
        'answers': Markup(answer_data.embedded(answers)) if answers['tasks'] else '',
        'config_json': json.dumps(config, indent=1, ensure_ascii=False),
        'run': run,
        'training': training,
        'manifests': {
            path.parent.name: _json(path) for path in sorted(folder.glob('corpus/*/manifest.json'))
        },
        'variant_words': VARIANT_WORDS,
        'colours': colours,
    }, files


def _name(config: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """The base model's own name, or where run.json has none, its source."""
    measured = run.get('models', {}).get('base', {})
    return str(measured.get('name') or str(config['model']['source']).split(':')[-1])


def _curves(path: pathlib.Path, colours: Mapping[str, str]) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    shown: dict[str, str] = {}  # of an arm with several seeds, the first
    if path.exists():
        for number, line in enumerate(datafiles.read_text(path).split('\n'), 1):
            if not line:
                continue
            try:
                row = datafiles.parse_object(line, f'{path}, line {number}')
                arm = seeds.arm_of(row['arm'])
                if shown.setdefault(arm, row['arm']) == row['arm']:
                    lines.setdefault(arm, []).append((row['tokens'], row['loss']))
            except (KeyError, TypeError, AttributeError) as error:
                raise InputError(f'{path}, line {number}: {error!r}') from error
    return plots.curves(
        lines,
        title='Training loss by arm',
        unit='tokens predicted; loss in nats a token',
        colours=colours,
    )


def _json(path: pathlib.Path) -> Any:
    return datafiles.read_object(path)
