"""The main job end to end on a tiny random Llama: formats, continuation after SIGKILL, refusals.

The tiny model stands in for a real one only to make the runs short; the slow test of this file and
launch/quickstart.sh run the real one.
"""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LANGUAGES = ('en', 'fr', 'ar', 'zh')
ROW_FIELDS = (
    *('model', 'arm', 'task', 'variant', 'language', 'method', 'metric'),
    *('value', 'n', 'ci_low', 'ci_high', 'chance'),
)


def command(model, workdir, *flags):
    return [
        *(sys.executable, '-m', 'xlbarrier.main', '--config=configs/quickstart.py'),
        f'--workdir={workdir}',
        f'--config.model.source={model}',
        f'--config.tasks.worldfacts.languages={LANGUAGES}',
        '--config.tasks.worldfacts.questions=12',
        "--config.tasks.worldfacts.methods=('loglikelihood','letter')",
        f'--config.corpus.languages={LANGUAGES}',
        '--config.corpus.documents=40',
        '--config.train.steps=6',
        '--config.train.row_tokens=64',
        '--config.train.checkpoint_every=2',
        '--config.score.row_tokens=128',
        '--config.report.bootstrap_draws=200',
        *flags,
    ]


def start(model, workdir, *flags, check=True):
    answer = subprocess.run(
        command(model, workdir, *flags), cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert not check or answer.returncode == 0, answer.stderr[-4000:]
    return answer


def outcome(folder):
    """Digest of everything a run computed: answers, numbers, fine-tuned weights, losses."""
    found = {}
    for path in sorted(folder.rglob('*.parquet')):
        found[str(path.relative_to(folder))] = pq.read_table(path).to_pylist()
    for path in sorted(folder.rglob('*.safetensors')):
        found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    found['results'] = json.loads((folder / 'results.json').read_text())
    log = folder / 'metrics.jsonl'  # an evaluation has none
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    found['losses'] = [(row['arm'], row['step'], row['loss']) for row in lines]
    return found


@pytest.fixture(scope='module')
def finished(tiny_llama, tmp_path_factory):
    folder = tmp_path_factory.mktemp('study') / 'run'
    start(tiny_llama, folder)
    return folder


def test_the_run_folder_holds_what_the_design_says(finished):
    results = json.loads((finished / 'results.json').read_text())
    assert results['schema'] == 1
    for row in results['rows']:
        assert set(ROW_FIELDS) <= set(row)
        assert row['value'] is not None or row['reason']
    models = {row['model'] for row in results['rows']}
    assert models == {'base', 'english', 'mixed'}
    accuracy = [r for r in results['rows'] if r['metric'] == 'accuracy' and r['variant'] == 'full']
    for language in LANGUAGES:
        found = [r for r in accuracy if r['language'] == language]
        assert {(r['model'], r['method']) for r in found} >= {
            (model, method) for model in models for method in ('loglikelihood', 'letter')
        }
        assert {r['n'] for r in found} == {12}
    for model in models:
        for variant in ('full', 'mixup'):
            for language in LANGUAGES:
                path = finished / f'predictions/{model}/worldfacts/{variant}.{language}.parquet'
                rows = pq.read_table(path).to_pylist()
                assert len(rows) == 12
                assert all(row['question_language'] == language for row in rows)
    for arm in ('english', 'mixed'):
        assert json.loads((finished / f'corpus/{arm}/manifest.json').read_text())
        assert (finished / f'export/{arm}/config.json').exists()
    report = (finished / 'report.html').read_text()
    assert 'http://' not in report.replace('http://www.w3.org', '') and 'src="http' not in report


def test_accuracy_rows_recompute_from_the_answers(finished):
    results = json.loads((finished / 'results.json').read_text())['rows']
    for model in ('base', 'mixed'):
        for language in LANGUAGES:
            path = finished / f'predictions/{model}/worldfacts/full.{language}.parquet'
            rows = pq.read_table(path).to_pylist()
            right = sum(max(range(4), key=r['scores'].__getitem__) == r['answer'] for r in rows)
            (row,) = [
                r
                for r in results
                if (r['model'], r['variant'], r['language']) == (model, 'full', language)
                and (r['metric'], r['method']) == ('accuracy', 'loglikelihood')
            ]
            assert row['value'] == pytest.approx(right / len(rows))


def test_both_arms_train_on_the_same_number_of_tokens(finished):
    training = json.loads((finished / 'run.json').read_text())['training']
    assert training['english']['tokens'] == training['mixed']['tokens'] == 6 * 4 * 64


def test_the_arms_differ_from_the_base_and_each_other(finished):
    prints = json.loads((finished / 'run.json').read_text())['models']
    assert len({prints[name]['fingerprint'] for name in ('base', 'english', 'mixed')}) == 3


def test_a_second_start_changes_nothing(finished, tiny_llama):
    before = outcome(finished)
    began = time.monotonic()
    answer = start(tiny_llama, finished)
    assert outcome(finished) == before
    assert 'measured already' in answer.stderr
    assert time.monotonic() - began < 120


def test_another_config_is_refused_before_any_work(finished, tiny_llama):
    answer = start(tiny_llama, finished, '--config.train.steps=7', check=False)
    assert answer.returncode != 0
    assert 'config.train.steps: there 6, now 7' in answer.stderr


def test_report_mode_draws_again_without_a_model(finished, tiny_llama):
    (finished / 'report.html').unlink()
    start('/nowhere', finished, '--config.mode=report')
    assert (finished / 'report.html').stat().st_size > 10_000


def test_prompts_mode_writes_digests_without_a_model(tmp_path):
    start('/nowhere', tmp_path / 'run', '--config.mode=prompts')
    files = sorted((tmp_path / 'run/prompts/worldfacts').glob('*.jsonl'))
    assert [f.name for f in files] == sorted(
        f'{variant}.{language}.jsonl' for variant in ('full', 'mixup') for language in LANGUAGES
    )
    for file in files:
        rows = [json.loads(line) for line in file.read_text(encoding='utf-8').splitlines()]
        assert rows
        for row in rows:
            assert hashlib.sha256(row['prompt'].encode()).hexdigest() == row['sha256']
            assert (row['shots'], row['demos'], row['intervention']) == (0, 'none', -1)


@pytest.mark.slow
def test_sigkill_at_several_moments_changes_no_result(finished, tiny_llama, tmp_path):
    """Killed while scoring, training, between arms and while reporting: the same in the end."""
    folder = tmp_path / 'run'
    log = tmp_path / 'log'
    kills = 0
    for moment in ('asking worldfacts', 'english: fine-tuning', 'english: asking', 'step 4'):
        with log.open('w') as stderr:
            process = subprocess.Popen(
                command(tiny_llama, folder), cwd=ROOT, stderr=stderr, stdout=stderr
            )
            while process.poll() is None and moment not in log.read_text():
                time.sleep(0.01)
            time.sleep(0.3)
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            process.wait()
    assert kills >= 3
    start(tiny_llama, folder)
    assert outcome(folder) == outcome(finished)
