"""Runs as two real processes of four fake devices each: the same numbers as one process has."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

from tests.test_study import ROOT, command, outcome, start

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
    """The two processes, started."""
    shared = {
        'JAX_NUM_CPU_DEVICES': '4',
        'COORDINATOR_ADDRESS': f'localhost:{free_port()}',
        'NUM_PROCESSES': '2',
    }
    return [
        subprocess.Popen(
            command(model, workdir, *FLAGS, *flags),
            cwd=ROOT,
            env=os.environ | shared | {'PROCESS_ID': str(number)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]


def ends(processes, timeout=600):
    """Return codes and error outputs."""
    errors = [process.communicate(timeout=timeout)[1] for process in processes]
    return [process.returncode for process in processes], errors


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
def test_an_error_of_the_lead_alone_ends_both(tiny_llama, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/config.json').write_text('{"mode": "eval"}')
    codes, errors = ends(both(tiny_llama, tmp_path / 'run'), timeout=200)
    assert codes[0] == 1
    assert codes[1] != 0
    assert 'another config' in errors[0]


def test_half_of_the_distributed_settings_is_refused(tiny_llama, tmp_path, monkeypatch):
    monkeypatch.setenv('COORDINATOR_ADDRESS', 'localhost:1')
    answer = start(tiny_llama, tmp_path / 'run', check=False)
    assert answer.returncode != 0
    assert 'COORDINATOR_ADDRESS set but not NUM_PROCESSES, PROCESS_ID' in answer.stderr
    assert not (tmp_path / 'run').exists()
