"""Tasks that measure by themselves: their answers, rows and page."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tests import report_run
from xlbarrier import metrics
from xlbarrier.modes.prompts import write_prompts
from xlbarrier.report import page
from xlbarrier.results.answers import read_predictions
from xlbarrier.results.rows import FIELDS
from xlbarrier.results.run import result_rows
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import Numbered, Teaching

SCHEMA = pa.schema([('id', pa.string()), ('language', pa.string()), ('length', pa.float64())])
TEXTS = {'en': ['one', 'three'], 'de': ['eins', 'drei', 'siebzehn']}


class Lengths:
    """How long its texts are, as the model's name multiplies them."""

    name = 'lengths'

    def measure(self, asked):
        for language, texts in TEXTS.items():
            rows = [
                {'id': text, 'language': language, 'length': len(text) * len(asked.name)}
                for text in texts
            ]
            asked.write(self.name, ('full', language), rows, SCHEMA)

    def rows(self, tables, *, draws, seed):
        found = []
        for (variant, language), table in tables.items():
            estimate = metrics.mean(np.asarray(table['length']), draws, seed)
            key = {'variant': variant, 'language': language, 'method': 'count', 'metric': 'length'}
            found.append(key | estimate.as_row())
        return found

    needs_tokenizer = False

    def prompts(self, tokenizer):
        for language, texts in TEXTS.items():
            yield ('full', language), [{'id': text, 'prompt': text} for text in texts]

    def texts(self, language):
        return TEXTS[language]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A finished run of multiple choice and of Lengths."""
    folder = tmp_path_factory.mktemp('run')
    report_run.write(folder, ('base', 'mixed'))
    for name in ('base', 'mixed'):
        Lengths().measure(Asked(name, None, None, None, folder / 'predictions' / name))
    return folder


@pytest.fixture(scope='module')
def rows(folder):
    found = read_predictions(folder / 'predictions')
    return result_rows(found, draws=200, numbered={'lengths': Lengths()})


def test_what_a_task_does_besides_asking():
    assert isinstance(Lengths(), Numbered) and not isinstance(Lengths(), Teaching)


def test_rows_have_all_fields_and_the_models_own_numbers(rows):
    own = [row for row in rows if row['task'] == 'lengths']
    assert all(set(FIELDS) <= row.keys() for row in own)
    assert [
        (r['model'], r['arm'], r['language'], r['metric'], r['value'], r['n']) for r in own
    ] == [
        ('base', None, 'de', 'length', 4 * 16 / 3, 3),
        ('base', None, 'en', 'length', 16.0, 2),
        ('mixed', 'mixed', 'de', 'length', 5 * 16 / 3, 3),
        ('mixed', 'mixed', 'de', 'length_difference_to_base', pytest.approx(16 / 3), 3),
        ('mixed', 'mixed', 'en', 'length', 20.0, 2),
        ('mixed', 'mixed', 'en', 'length_difference_to_base', 4.0, 2),
    ]
    for row in own:
        assert ('p_holm' in row) == (row['metric'] == 'length_difference_to_base')


def test_the_other_tasks_numbers_stay(rows, folder):
    alone = report_run.predictions(('base', 'mixed'))
    assert [r for r in rows if r['task'] != 'lengths'] == result_rows(alone, draws=200)


def test_the_report_shows_a_plain_table(rows, folder):
    (folder / 'results.json').write_text(json.dumps({'schema': 1, 'rows': rows}))
    page.write_report(folder)
    html, markdown = ((folder / f'report.{kind}').read_text() for kind in ('html', 'md'))
    assert '<h2 id="lengths">lengths<' in html and 'lengths, method' not in html
    assert '| base | full | German | count | 21.3 [16.0, 32.0] |' in markdown
    assert 'worldfacts, method loglikelihood' in html


def test_a_report_without_multiple_choice(rows, folder, tmp_path):
    for name in ('config.json', 'run.json'):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    own = [row for row in rows if row['task'] == 'lengths']
    (tmp_path / 'results.json').write_text(json.dumps({'schema': 1, 'rows': own}))
    page.write_report(tmp_path)
    assert '<h2 id="lengths">lengths<' in (tmp_path / 'report.html').read_text()


def test_prompts_are_written(tmp_path):
    paths = write_prompts(Lengths(), tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        'lengths/full.en.jsonl',
        'lengths/full.de.jsonl',
    ]
    assert json.loads(paths[0].read_text().splitlines()[1]) == {'id': 'three', 'prompt': 'three'}
