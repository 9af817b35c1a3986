"""Runs as two real processes of four fake devices each: the same numbers as one process has."""

import ast
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from tests.test_study import ROOT, command, outcome, start
from xlbarrier import peers

FLAGS = (
    *('--config.tasks.worldfacts.questions=6', '--config.train.steps=8'),
    *('--config.train.warmup_steps=1', '--config.train.checkpoint_every=100'),
    # fsdp goes over both processes: every weight is in two halves, on one of them each.
    *('--config.mesh.data=1', '--config.mesh.fsdp=4', '--config.mesh.tensor=2'),
    "--config.arms=('mixed',)",
)


def free_port():
    with socket.socket() as s:
        s.bind(('localhost', 0))
        return s.getsockname()[1]


def both(model, workdir, *flags):
    """The two processes of the quickstart's config, started."""
    return started(command(model, workdir, *FLAGS, *flags))


def without_compiled():
    """The environment without the tests' cache of compiled programs, as a CPU's users have it.

    Where one process compiles a training step and another reads it back, their collectives can come
    in different orders, and both wait for ever: seen once, with jax 0.11.2.
    """
    return {k: v for k, v in os.environ.items() if k != 'JAX_COMPILATION_CACHE_DIR'}


def started(words):
    """Two processes of one command.

    What a program wants to say to its test it writes to a file: gloo writes to the standard output
    from threads of its own, also in the middle of a line.
    """
    shared = {
        'JAX_NUM_CPU_DEVICES': '4',
        'COORDINATOR_ADDRESS': f'localhost:{free_port()}',
        'NUM_PROCESSES': '2',
    }
    return [
        subprocess.Popen(
            words,
            cwd=ROOT,
            env=without_compiled() | shared | {'PROCESS_ID': str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(2)
    ]


def ends(processes, timeout=600):
    """Return codes and outputs."""
    outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    for output in outputs:
        # A connection that gloo makes later breaks the run where one process is 30 seconds late.
        assert '[Gloo]' not in output.partition('run folder ')[2]
    return [process.returncode for process in processes], outputs


def logged(workdir):
    path = workdir / 'metrics.jsonl'
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.slow
def test_two_processes_run_a_study_as_one_also_when_one_is_told_to_stop(tiny_llama, tmp_path):
    one, two = tmp_path / 'one', tmp_path / 'two'
    env = os.environ | {'JAX_NUM_CPU_DEVICES': '8'}
    alone = subprocess.run(
        command(tiny_llama, one, *FLAGS), cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert alone.returncode == 0, alone.stderr[-3000:]

    # A machine of the pod is taken away: it alone gets the signal, both stop at one step.
    processes = both(tiny_llama, two)
    until = time.monotonic() + 300
    while logged(two) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    codes, errors = ends(processes)
    assert codes == [143, 143], errors[0][-3000:] + errors[1][-3000:]
    assert 2 <= logged(two) < 8
    assert not (two / 'export/mixed').exists()

    codes, errors = ends(both(tiny_llama, two))
    assert codes == [0, 0], errors[0][-3000:] + errors[1][-3000:]
    assert 'continuing from the checkpoint of step' in errors[0]
    assert len(json.loads((two / 'run.json').read_text())['devices']) == 8
    a, b = outcome(one), outcome(two)
    assert len(a['losses']) == 8
    for (arm, step, loss), (arm_b, step_b, loss_b) in zip(a['losses'], b['losses'], strict=True):
        assert (arm, step) == (arm_b, step_b)
        assert loss == pytest.approx(loss_b, rel=1e-5)
    sheets = [name for name in a if name.endswith('.parquet')]
    assert sheets == [name for name in b if name.endswith('.parquet')]
    for name in sheets:
        for row, row_b in zip(a[name], b[name], strict=True):
            assert row['id'] == row_b['id']
            assert row['scores'] == pytest.approx(row_b['scores'], abs=1e-3)


@pytest.mark.slow
def test_the_death_of_one_ends_the_other_at_once_and_no_bit_is_lost(tiny_llama, tmp_path):
    whole, run = tmp_path / 'whole', tmp_path / 'run'
    often = '--config.train.checkpoint_every=2'
    codes, errors = ends(both(tiny_llama, whole, often))
    assert codes == [0, 0], errors[0][-3000:] + errors[1][-3000:]
    for victim, steps in ((1, 3), (0, 5)):
        processes = both(tiny_llama, run, often)
        until = time.monotonic() + 300
        while logged(run) < steps and time.monotonic() < until:
            time.sleep(0.05)
        processes[victim].send_signal(signal.SIGKILL)
        began = time.monotonic()
        errors = processes[1 - victim].communicate(timeout=100)[0]
        assert time.monotonic() - began < 30, 'jax alone takes 100 seconds'
        # Where process 0 dies, jax may be the first to notice, and aborts with lines of its own.
        if victim == 0 and processes[1].returncode == -signal.SIGABRT:
            assert 'coordination service' in errors.lower()
        else:
            assert processes[1 - victim].returncode == peers.DIED
            assert f'ERROR: process {victim} of 2 has died' in errors
        assert 'Traceback' not in errors
        processes[victim].communicate()
        assert logged(run) < 8
    codes, errors = ends(both(tiny_llama, run, often))
    assert codes == [0, 0], errors[0][-3000:] + errors[1][-3000:]
    assert 'continuing from the checkpoint of step' in errors[0]
    assert outcome(run) == outcome(whole)


CONFIG = """
from ml_collections import ConfigDict


def get_config():
    return ConfigDict({{
        'mode': 'eval',
        'model': {{'source': {model!r}}},
        'mesh': {{'data': 2, 'fsdp': 4}},
        'score': {{'generate_rows': 4, 'rows_per_device': 2}},
        'report': {{'bootstrap_draws': 100}},
        'tasks': {{
            'translation': {{
                'source': {place!r} + '/{{language}}.txt', 'languages': ('de',), 'shots': 12,
                'new_tokens': 8,
            }},
            'embedding': {{
                'source': 'text:' + {place!r} + '/texts.txt', 'languages': ('de',), 'texts': 20,
                'words': 6, 'rates': (0.2, 0.5),
                'translator': {{'place': {place!r} + '/{{source}}-{{target}}.tsv'}},
            }},
        }},
    }})
"""


@pytest.mark.slow
def test_two_processes_write_and_embed_as_one_also_in_a_second_start(tiny_llama, tmp_path):
    animals, deeds = ('cat', 'dog', 'horse', 'bird'), ('sleeps', 'runs', 'eats', 'sings', 'waits')
    words = {w: f'{w[::-1]}e' for w in (*animals, *deeds, 'the', 'old', 'house', 'by')}
    english = [f'the {a} {deed} by the {of} {b}' for a in animals for b in animals for deed in deeds
               for of in ('old', 'house')]  # fmt: skip
    (tmp_path / 'en.txt').write_text('\n'.join(english))
    german = [' '.join(words[w] for w in line.split()) for line in english]
    (tmp_path / 'de.txt').write_text('\n'.join(german))
    (tmp_path / 'texts.txt').write_text('\n\n'.join(english))
    (tmp_path / 'en-de.tsv').write_text(''.join(f'{a}\t{b}\n' for a, b in words.items()))
    file = tmp_path / 'config.py'
    file.write_text(CONFIG.format(model=str(tiny_llama), place=str(tmp_path)))

    def of(workdir):
        return [sys.executable, '-m', 'xlbarrier.main', f'--config={file}', f'--workdir={workdir}']

    one, two = tmp_path / 'one', tmp_path / 'two'
    env = os.environ | {'JAX_NUM_CPU_DEVICES': '8'}
    alone = subprocess.run(of(one), cwd=ROOT, env=env, capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr[-3000:]
    # What the sentences begin with is read once: P of its shapes is not 0.
    shapes = re.search(r'shapes \(B, P, T, S\) (.*), cache', alone.stderr)[1]
    assert max(shape[1] for shape in ast.literal_eval(shapes)) > 0
    sheets = sorted(path.relative_to(one) for path in one.rglob('*.parquet'))
    assert [str(sheet.relative_to('predictions/base')) for sheet in sheets] == [
        'embedding/mixing.de.parquet',
        'translation/en-x.de.parquet',
        'translation/x-en.de.parquet',
    ]
    for again in (False, True):
        if again:  # everything is in the store
            shutil.rmtree(two / 'predictions')
        codes, errors = ends(started(of(two)))
        assert codes == [0, 0], errors[0][-3000:] + errors[1][-3000:]
        assert ('(0 stored)' in errors[0]) != again
        for sheet in sheets:
            ours, theirs = (pq.read_table(folder / sheet).to_pylist() for folder in (one, two))
            for row, row_b in zip(ours, theirs, strict=True):
                for name, value in row.items():
                    near = name.startswith('cosine')
                    assert row_b[name] == (pytest.approx(value, abs=1e-5) if near else value)


@pytest.mark.slow
def test_an_error_of_the_lead_alone_ends_both(tiny_llama, tmp_path):
    (tmp_path / 'run').mkdir()
    with (tmp_path / 'run/.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        codes, errors = ends(both(tiny_llama, tmp_path / 'run'), timeout=200)
    assert codes == [3, 3]
    assert 'is in use by another process' in errors[0]
    assert 'process 0 of 2 has ended with status 3' in errors[1]
    assert time.monotonic() - began < 90, 'jax alone takes 100 seconds'


def test_half_of_the_distributed_settings_is_refused(tiny_llama, tmp_path, monkeypatch):
    monkeypatch.setenv('COORDINATOR_ADDRESS', 'localhost:1')
    answer = start(tiny_llama, tmp_path / 'run', check=False)
    assert answer.returncode != 0
    assert 'COORDINATOR_ADDRESS set but not NUM_PROCESSES, PROCESS_ID' in answer.stderr
    assert not (tmp_path / 'run').exists()


AGREED = """
import json, pathlib, sys
from xlbarrier import multihost
multihost.initialize()
import jax
from xlbarrier.mesh import make_mesh
lead = multihost.is_lead()
with jax.set_mesh(make_mesh(1, 4, 2)):  # as in a training
    said = [multihost.everywhere(x) for x in (True, lead, False)]
pathlib.Path(f'{sys.argv[1]}-{jax.process_index()}').write_text(json.dumps(said))
"""


def test_what_is_true_on_one_process_is_not_true_everywhere(tmp_path):
    codes, outputs = ends(started([sys.executable, '-c', AGREED, str(tmp_path / 'said')]))
    assert codes == [0, 0], outputs
    for number in range(2):
        assert json.loads((tmp_path / f'said-{number}').read_text()) == [True, False, False]
