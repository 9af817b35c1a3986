"""Mode eval continued: what is whole is not asked again, a sheet that is gone is."""

import json
import re

import pytest

from xlbarrier import config as config_lib
from xlbarrier import terminal
from xlbarrier.errors import InputError
from xlbarrier.modes import evaluate as evaluate_lib
from xlbarrier.modes.evaluate import evaluate
from xlbarrier.scoring import engine


@pytest.fixture(scope='module')
def config(tiny_llama):
    tasks = {
        'worldfacts': {'languages': ('en', 'ar'), 'questions': 4},
        'worldfacts_more': {'languages': ('zh',), 'questions': 4, 'variants': ('full',)},
    }
    values = {
        'mode': 'eval',
        'model': {'source': str(tiny_llama)},
        'tasks': tasks,
        'score': {'row_tokens': 128},
        'report': {'bootstrap_draws': 100},
    }
    return config_lib.resolve(values)


@pytest.fixture
def measured(config, tmp_path):
    evaluate(tmp_path, config)
    return tmp_path


def rows(folder):
    return json.loads((folder / 'results.json').read_text())['rows']


def test_done_lists_the_sheets_with_their_digests(measured):
    done = json.loads((measured / 'predictions/base/done.json').read_text())
    assert sorted(done['sheets']) == [
        *(f'worldfacts/{variant}.{code}.parquet' for variant in ('full', 'mixup')
          for code in ('ar', 'en')),
        'worldfacts_more/full.zh.parquet',
    ]  # fmt: skip
    assert all(len(digest) == 64 for digest in done['sheets'].values())


@pytest.mark.parametrize('damage', ['gone', 'cut'])
def test_a_sheet_that_is_gone_or_cut_is_asked_again_from_the_store(
    measured, config, monkeypatch, caplog, damage
):
    before = rows(measured)
    sheet = measured / 'predictions/base/worldfacts/full.ar.parquet'
    whole = sheet.read_bytes()
    if damage == 'gone':
        sheet.unlink()
    else:
        sheet.write_bytes(whole[:100])
    kept = measured / 'predictions/base/worldfacts_more/full.zh.parquet'
    made = kept.stat().st_mtime_ns
    monkeypatch.setattr(engine, 'score_rows', None)  # computing anything would fail
    evaluate(measured, config)
    assert rows(measured) == before
    assert sheet.read_bytes() == whole
    assert kept.stat().st_mtime_ns == made
    assert 'full.ar.parquet is gone or was changed' in caplog.text


def test_what_is_whole_is_not_asked_again(measured, config, monkeypatch):
    before = rows(measured)
    monkeypatch.setattr(evaluate_lib.api, 'load_model', lambda *_, **__: pytest.fail('loaded'))
    evaluate(measured, config)
    assert rows(measured) == before
    done = measured / 'predictions/base/done.json'
    done.write_text(json.dumps({'fingerprint': json.loads(done.read_text())['fingerprint']}))
    evaluate(measured, config)  # as an earlier version wrote it


def test_the_numbers_are_told_at_the_end(measured, config, capsys):
    with terminal.shown(quiet=True):
        evaluate(measured, config)
    said = capsys.readouterr().out
    assert re.search(r'^worldfacts, loglikelihood: right of 4, %', said, re.MULTILINE)
    assert re.search(r'^English  +\d', said, re.MULTILINE)
    assert f'{measured}/report.html' in said and f'{measured}/results.json' in said


@pytest.mark.parametrize(
    ('field', 'value', 'words'),
    [
        ('source', '/no/such/model', "'/no/such/model' does not exist"),
        ('tensor', 3, 'mesh data=-1 x fsdp=1 x tensor=3 does not fit 8 devices'),
        ('tensor', 8, 'mesh axis tensor = 8 does not divide query heads = 4'),
    ],
)
def test_a_folder_is_claimed_only_once_model_and_mesh_fit(tmp_path, config, field, value, words):
    values = config_lib.to_dict(config)
    values['model' if field == 'source' else 'mesh'][field] = value
    with pytest.raises(InputError, match=re.escape(words)):
        evaluate(tmp_path / 'run', config_lib.resolve(values))
    assert not (tmp_path / 'run').exists()
