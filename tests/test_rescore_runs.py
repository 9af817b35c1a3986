"""Our own run folders rescored: the numbers of a real run again, whatever kind its tasks are."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xlbarrier import config as config_lib
from xlbarrier.modes import rescore as rescore_mode
from xlbarrier.modes.evaluate import evaluate
from xlbarrier.rescore.records import RecordError

SENTENCES = {
    'en': ['The cat sleeps.', 'It rains.', 'I read a book.'],
    'ar': ['القطة نائمة.', 'إنها تمطر.', 'أقرأ كتابًا.'],
    'zh': ['猫在睡觉。', '下雨了。', '我在看书。'],
}
DRAWS = 100


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """The files that the tasks read."""
    place = tmp_path_factory.mktemp('data')
    for code, lines in SENTENCES.items():
        (place / f'{code}.txt').write_text('\n'.join(lines), encoding='utf-8')
    return place


@pytest.fixture(scope='module')
def finished(place, tiny_llama, tmp_path_factory):
    """A run of a tiny random Llama: translation, a conductivity test and world facts."""
    folder = tmp_path_factory.mktemp('runs') / 'first'
    translation = {'source': f'{place}/{{language}}.txt', 'languages': ('ar', 'zh')}
    tasks = {
        'translation_tiny': translation | {'new_tokens': 4, 'shots': 1},
        'fictional': {'languages': ('en', 'de'), 'facts': 4, 'continents': 4, 'wordings': 1},
        'worldfacts': {'languages': ('en', 'fr'), 'relations': ('city_country',), 'questions': 4},
    }
    values = {
        'mode': 'eval',
        'model': {'source': str(tiny_llama)},
        'tasks': tasks,
        'score': {'row_tokens': 128},
        'report': {'bootstrap_draws': DRAWS},
    }
    evaluate(folder, config_lib.resolve(values))
    return folder


def rescored(root, workdir, **fields):
    values = {'mode': 'rescore', 'report': {'bootstrap_draws': DRAWS}}
    values['rescore'] = {'root': str(root), 'layouts': ('run',)} | fields
    rescore_mode.rescore(workdir, config_lib.resolve(values))
    return json.loads((workdir / 'results.json').read_text())['rows']


def test_every_number_of_the_run_comes_out_again(finished, tmp_path):
    rows = json.loads((finished / 'results.json').read_text())['rows']
    assert {row['task'] for row in rows} == {'translation_tiny', 'fictional', 'worldfacts'}
    assert {'bleu', 'xrr', 'accuracy'} <= {row['metric'] for row in rows}
    assert rescored(finished, tmp_path / 'again') == rows


def test_parts_of_a_run(finished, tmp_path):
    rows = rescored(finished, tmp_path / 'a', tasks=('translation_tiny',), languages=('zh',))
    assert {(r['task'], r['language']) for r in rows} == {('translation_tiny', 'zh')}
    # XRR needs English too: without it, null with the reason.
    rows = rescored(finished, tmp_path / 'b', tasks=('fictional',), languages=('de',))
    xrr = [row for row in rows if row['metric'] == 'xrr']
    assert xrr and all(row['value'] is None and row['reason'] for row in xrr)


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / 'copy')
    return tmp_path / 'copy'


def test_a_run_without_its_config(copy, tmp_path):
    (copy / 'config.json').unlink()
    with pytest.raises(
        RecordError, match=r'config\.json cannot be used.*it configures fictional, translation_tiny'
    ):
        rescored(copy, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    # Multiple choice needs none.
    assert rescored(copy, tmp_path / 'out', tasks=('worldfacts',))


def test_a_config_of_another_version(copy, tmp_path):
    values = json.loads((copy / 'config.json').read_text())
    (copy / 'config.json').write_text(json.dumps(values | {'colour': 'red'}))
    with pytest.raises(RecordError, match=r'config\.json cannot be used.*colour: no such field'):
        rescored(copy, tmp_path / 'out')
    (copy / 'config.json').write_text('{"mode": ')
    with pytest.raises(RecordError, match=r'config\.json cannot be used'):
        rescored(copy, tmp_path / 'out')


def test_files_of_a_task_that_are_gone(copy, place, tmp_path):
    moved = place / 'zh.txt'
    held = moved.read_bytes()
    moved.unlink()
    try:
        with pytest.raises(
            RecordError, match=r'translation_tiny computes its own numbers.*zh\.txt'
        ):
            rescored(copy, tmp_path / 'out')
        assert rescored(copy, tmp_path / 'out', tasks=('fictional', 'worldfacts'))
    finally:
        moved.write_bytes(held)


def test_answers_of_no_task_of_this_version(copy, tmp_path):
    path = copy / 'predictions/base/lengths/full.en.parquet'
    path.parent.mkdir()
    pq.write_table(pa.table({'id': ['a'], 'length': [1.0]}), path)
    with pytest.raises(RecordError, match=r'base/lengths/full/en.*lengths is not a task'):
        rescored(copy, tmp_path / 'out')
