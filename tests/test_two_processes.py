"""The main job as two real processes of two fake devices each: the same numbers as one process."""

import json
import os
import socket
import subprocess

import pytest

from tests.test_study import ROOT, command, outcome, start

FLAGS = (
    *('--config.tasks.worldfacts.questions=6', '--config.train.steps=3'),
    '--config.train.warmup_steps=1',
    *('--config.mesh.data=2', '--config.mesh.fsdp=2', "--config.arms=('mixed',)"),
)


def free_port():
    with socket.socket() as s:
        s.bind(('localhost', 0))
        return s.getsockname()[1]


@pytest.mark.slow
def test_two_processes_run_a_study_as_one(tiny_llama, tmp_path):
    one, two = tmp_path / 'one', tmp_path / 'two'
    env = os.environ | {'JAX_NUM_CPU_DEVICES': '4'}
    alone = subprocess.run(
        command(tiny_llama, one, *FLAGS), cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert alone.returncode == 0, alone.stderr[-3000:]
    shared = {
        'JAX_NUM_CPU_DEVICES': '2',
        'COORDINATOR_ADDRESS': f'localhost:{free_port()}',
        'NUM_PROCESSES': '2',
    }
    processes = [
        subprocess.Popen(
            command(tiny_llama, two, *FLAGS),
            cwd=ROOT,
            env=os.environ | shared | {'PROCESS_ID': str(number)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    errors = [process.communicate(timeout=600)[1] for process in processes]
    for process, error in zip(processes, errors, strict=True):
        assert process.returncode == 0, error[-3000:]
    assert len(json.loads((two / 'run.json').read_text())['devices']) == 4
    a, b = outcome(one), outcome(two)
    for (arm, step, loss), (arm_b, step_b, loss_b) in zip(a['losses'], b['losses'], strict=True):
        assert (arm, step) == (arm_b, step_b)
        assert loss == pytest.approx(loss_b, rel=1e-5)
    sheets = [name for name in a if name.endswith('.parquet')]
    assert sheets == [name for name in b if name.endswith('.parquet')]
    for name in sheets:
        for row, row_b in zip(a[name], b[name], strict=True):
            assert row['id'] == row_b['id']
            assert row['scores'] == pytest.approx(row_b['scores'], abs=1e-3)


def test_half_of_the_distributed_settings_is_refused(tiny_llama, tmp_path, monkeypatch):
    monkeypatch.setenv('COORDINATOR_ADDRESS', 'localhost:1')
    answer = start(tiny_llama, tmp_path / 'run', check=False)
    assert answer.returncode != 0
    assert 'COORDINATOR_ADDRESS set but not NUM_PROCESSES, PROCESS_ID' in answer.stderr
    assert not (tmp_path / 'run').exists()
