"""The run folder: provenance first, continued with the same config, refused with another."""

import errno
import json
import subprocess
import sys

import pytest

from tests.test_config import recipe
from xlbarrier import config as config_lib
from xlbarrier import run as run_lib


def resolved(**train):
    values = recipe().to_dict()
    values['train'] |= train
    return config_lib.resolve(values)


def test_config_and_provenance_are_written_first(tmp_path):
    config = resolved()
    run = run_lib.open_run(tmp_path / 'a', config, devices=['cpu'], mesh={'data': 1})
    assert json.loads((run.folder / 'config.json').read_text()) == config_lib.to_dict(config)
    record = json.loads((run.folder / 'run.json').read_text())
    assert record['seed'] == config.seed and record['devices'] == ['cpu']
    assert record['versions']['jax'] and record['versions']['python']
    assert len(record['starts']) == 1 and record['started'] == record['starts'][0]
    run.close()


def test_a_second_start_continues_and_keeps_what_the_first_recorded(tmp_path):
    run = run_lib.open_run(tmp_path, resolved())
    run.update_provenance(models={'base': {'fingerprint': 'f'}})
    run.update_provenance(models={'mixed': {'fingerprint': 'g'}})
    run.close()
    run = run_lib.open_run(tmp_path, resolved())
    record = run.read_json('run.json')
    assert set(record['models']) == {'base', 'mixed'}
    assert len(record['starts']) == 2
    run.close()


def test_another_config_is_refused_with_the_fields_named(tmp_path):
    run_lib.open_run(tmp_path, resolved(steps=5)).close()
    before = (tmp_path / 'config.json').read_bytes()
    with pytest.raises(run_lib.RunError) as error:
        run_lib.open_run(tmp_path, resolved(steps=6, row_tokens=64))
    message = str(error.value)
    assert 'config.train.steps: there 5, now 6' in message
    assert 'config.train.row_tokens: there 128, now 64' in message
    assert 'config.seed' not in message
    assert (tmp_path / 'config.json').read_bytes() == before


def test_a_folder_of_other_files_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / 'thesis.tex').write_text('x')
    with pytest.raises(run_lib.RunError, match=r'thesis\.tex'):
        run_lib.open_run(tmp_path, resolved())
    assert [p.name for p in tmp_path.iterdir()] == ['thesis.tex'], 'no lock either'


def test_report_and_export_fields_are_no_part_of_what_a_run_is(tmp_path):
    run_lib.open_run(tmp_path, resolved()).close()
    values = recipe().to_dict()
    values['report'] = {'bootstrap_draws': 123, 'examples': 1}
    values['export'] = {'shard_gb': 1.5}
    values['train'] |= {'log_every': 7, 'checkpoint_every': 3}
    changed = config_lib.resolve(values)
    run_lib.open_run(tmp_path, changed).close()
    there = json.loads((tmp_path / 'config.json').read_text())
    assert there == config_lib.to_dict(changed), 'what the report is drawn with is recorded'
    values['score'] = {'row_tokens': 64}  # moves scores by rounding
    with pytest.raises(run_lib.RunError, match=r'config\.score\.row_tokens: there 0, now 64'):
        run_lib.open_run(tmp_path, config_lib.resolve(values))


def test_a_name_that_no_folder_can_have_is_named(tmp_path):
    with pytest.raises(run_lib.RunError, match='NUL'):
        run_lib.open_run(f'{tmp_path}/a\0b', resolved())


def test_free_fields_exist():
    for free in config_lib.FREE:
        at = config_lib.to_dict(resolved())
        for part in free.split('.'):
            at = at[part]
    assert config_lib.is_free('report.examples') and not config_lib.is_free('train.log_every_x')


def test_a_folder_in_use_is_refused_until_its_process_ends(tmp_path):
    code = (
        'import sys, tests.test_run as t, xlbarrier.run as r\n'
        'run = r.open_run(sys.argv[1], t.resolved()); print("open", flush=True); input()'
    )
    other = subprocess.Popen(
        [sys.executable, '-c', code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == 'open\n'
    with pytest.raises(run_lib.RunError, match='in use'):
        run_lib.open_run(tmp_path, resolved())
    other.kill()  # SIGKILL: the lock must go with the process
    other.wait()
    run_lib.open_run(tmp_path, resolved()).close()


def test_a_broken_config_json_is_named(tmp_path):
    run_lib.open_run(tmp_path, resolved()).close()
    (tmp_path / 'config.json').write_text('{"mode": ')
    with pytest.raises(run_lib.RunError, match=r'config\.json is not JSON'):
        run_lib.open_run(tmp_path, resolved())


def test_a_failed_write_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch):
    run = run_lib.open_run(tmp_path, resolved())
    run.write_json('results.json', {'rows': [1]})

    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(run_lib.os, 'fsync', full)
    with pytest.raises(run_lib.RunError, match=r'results\.json: No space left'):
        run.write_json('results.json', {'rows': [2]})
    assert run.read_json('results.json') == {'rows': [1]}
    assert not list(tmp_path.glob('.*.tmp'))
    run.close()


def test_a_mac_has_no_affinity_to_tell(tmp_path, monkeypatch):
    monkeypatch.delattr(run_lib.os, 'sched_getaffinity')
    run = run_lib.open_run(tmp_path, resolved())
    assert run.read_json('run.json')['machine']['cpus'] >= 1
    run.close()


def test_results_never_hold_nan(tmp_path):
    run = run_lib.open_run(tmp_path, resolved())
    with pytest.raises(ValueError, match='JSON compliant'):
        run.write_json('results.json', {'value': float('nan')})
    run.close()


def test_a_torn_last_line_of_the_metrics_is_cut(tmp_path):
    run = run_lib.open_run(tmp_path, resolved())
    run.append_metrics({'step': 1})
    run.append_metrics({'step': 2})
    run.close()
    with (tmp_path / 'metrics.jsonl').open('a') as f:
        f.write('{"step": 3, "lo')
    run = run_lib.open_run(tmp_path, resolved())
    lines = (tmp_path / 'metrics.jsonl').read_text().splitlines()
    assert [json.loads(line)['step'] for line in lines] == [1, 2]
    run.close()


def test_report_needs_a_finished_run(tmp_path):
    run_lib.open_run(tmp_path, resolved()).close()
    with pytest.raises(run_lib.RunError, match=r'results\.json does not exist'):
        run_lib.open_finished(tmp_path)


def test_a_folder_of_an_earlier_version_is_refused_in_words(tmp_path):
    config = config_lib.resolve(recipe())
    old = config_lib.to_dict(config) | {'preview': 0, 'topology': 'v5e:4x4'}
    del old['corpus']['preview'], old['compile']['topology']
    (tmp_path / 'config.json').write_text(json.dumps(old))
    with pytest.raises(run_lib.RunError) as error:
        run_lib.open_run(tmp_path, config)
    for words in (
        *('another version of xlbarrier', 'config.preview (now config.corpus.preview)'),
        *('config.topology (now config.compile.topology)', 'another --workdir'),
    ):
        assert words in str(error.value)
    assert json.loads((tmp_path / 'config.json').read_text()) == old


def test_temporary_files_of_killed_processes_are_removed(tmp_path):
    run_lib.open_run(tmp_path, resolved()).close()
    (tmp_path / 'predictions/base').mkdir(parents=True)
    left = ['.report.html.123.tmp', 'predictions/base/.full.en.parquet.9.tmp']
    kept = ['.mine.tmp', 'predictions/base/full.en.parquet']
    for name in left + kept:
        (tmp_path / name).write_text('x')
    with pytest.raises(run_lib.RunError, match='another config'):
        run_lib.open_run(tmp_path, resolved(steps=7))
    assert all((tmp_path / name).exists() for name in left + kept)
    run_lib.open_run(tmp_path, resolved()).close()
    assert not any((tmp_path / name).exists() for name in left)
    assert all((tmp_path / name).exists() for name in kept)


def test_no_file_of_a_foreign_folder_is_removed(tmp_path):
    (tmp_path / '.thesis.tex.12.tmp').write_text('x')
    run_lib.open_run(tmp_path, resolved()).close()
    assert (tmp_path / '.thesis.tex.12.tmp').exists()


@pytest.mark.parametrize('content', ['[]', 'null', '{', '[' * 200_000, '"x"'])
@pytest.mark.parametrize('name', ['config.json', 'run.json'])
def test_a_damaged_file_of_the_run_folder_is_named(tmp_path, name, content):
    run_lib.open_run(tmp_path, resolved()).close()
    (tmp_path / name).write_text(content)
    with pytest.raises(run_lib.RunError, match=rf'{name}.*restore it or take a new workdir'):
        run_lib.open_run(tmp_path, resolved())


@pytest.mark.parametrize('line', ['[]', '{"arm": "mixed"}', '{', '{"arm": "mixed", "step": "x"}'])
def test_a_damaged_line_of_the_log_is_named(tmp_path, line):
    run = run_lib.open_run(tmp_path, resolved())
    run.append_metrics({'arm': 'mixed', 'step': 3})
    assert (run.last_step('mixed'), run.last_step('english')) == (3, 0)
    with (run.folder / 'metrics.jsonl').open('a') as f:
        f.write(line + '\n')
    with pytest.raises(run_lib.RunError, match=r'metrics\.jsonl, line 2'):
        run.last_step('mixed')
    run.close()
