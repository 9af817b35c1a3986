"""Processes that watch each other: the death of one ends the others, and nothing else does."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.test_study import ROOT
from xlbarrier import peers

# A process of the pod: it joins, reports that, and follows its orders. A file is the shared store.
PROCESS = """
import os, pathlib, sys, time
from xlbarrier import peers

number, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])

def write(key, value):
    (folder / 'partial').write_text(value)
    (folder / 'partial').rename(folder / 'address')

def read(key, milliseconds):
    while not (folder / 'address').exists():
        time.sleep(0.01)
    return (folder / 'address').read_text()

peers.join(number, 3, 'localhost', write, read)
print('joined', flush=True)
for line in sys.stdin:
    if line == 'end\\n':
        break
    exec(line)
"""


@pytest.fixture
def pod(tmp_path):
    """Three processes that have joined, and wait for lines of Python."""
    processes = [
        subprocess.Popen(
            [sys.executable, '-c', PROCESS, str(number), str(tmp_path)],
            cwd=ROOT,
            env=os.environ | {'PYTHONPATH': str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == 'joined\n'
    time.sleep(0.3)  # until process 0 has greeted both
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def do(process, line):
    process.stdin.write(f'{line}\n')
    process.stdin.flush()


def ends(processes):
    """Statuses and errors, once all have ended."""
    codes = [process.wait(timeout=20) for process in processes]
    return codes, [process.stderr.read() for process in processes]


@pytest.mark.parametrize('victim', [0, 1, 2])
def test_the_death_of_one_is_said_in_one_line_and_ends_the_others(pod, victim):
    began = time.monotonic()
    pod[victim].send_signal(signal.SIGKILL)
    codes, errors = ends(pod)
    assert time.monotonic() - began < 10
    for number in {0, 1, 2} - {victim}:
        assert codes[number] == peers.DIED
        (line,) = errors[number].splitlines()
        assert line.startswith(f'ERROR: process {victim} of 3 has died')
        assert f'This one, {number}, ends too' in line


@pytest.mark.parametrize('victim', [0, 2])
@pytest.mark.parametrize(
    ('how', 'code'), [('peers.status = 3; sys.exit(3)', 3), ('raise OSError', 1)]
)
def test_an_error_of_one_ends_the_others_with_its_status(pod, victim, how, code):
    do(pod[victim], how)
    codes, errors = ends(pod)
    assert codes == [code] * 3
    for number in {0, 1, 2} - {victim}:
        assert f'process {victim} of 3 has ended with status {code}' in errors[number]
    assert 'has ended' not in errors[victim]


def test_an_error_that_all_have_is_shown_by_all(pod):
    for process in pod:
        do(process, "print('mine', file=sys.stderr); peers.status = 2; sys.exit(2)")
    codes, errors = ends(pod)
    assert codes == [2, 2, 2]
    assert errors == ['mine\n'] * 3


def test_processes_that_are_done_leave_one_by_one(pod):
    for process in (pod[1], pod[0], pod[2]):
        do(process, 'end')
        assert process.wait(timeout=20) == 0
        time.sleep(0.3)
    assert ends(pod) == ([0, 0, 0], ['', '', ''])


def test_one_that_is_stopped_or_busy_is_not_taken_for_dead(pod):
    pod[1].send_signal(signal.SIGSTOP)
    do(pod[2], 'sum(range(10**7))')
    time.sleep(3)
    pod[1].send_signal(signal.SIGCONT)
    for process in pod:
        do(process, 'end')
    assert ends(pod)[0] == [0, 0, 0]


def test_a_stranger_at_the_port_ends_nothing(pod, tmp_path):
    port = int((tmp_path / 'address').read_text().split()[0])
    for hello in (b'', b'GET / HTTP/1.1\r\n\r\n', b'0 1\n', b'\xff\n'):
        with socket.create_connection(('localhost', port)) as stranger:
            stranger.sendall(hello)
    time.sleep(0.5)
    assert [process.poll() for process in pod] == [None, None, None]
    for process in pod:
        do(process, 'end')
    assert ends(pod) == ([0, 0, 0], ['', '', ''])


def test_an_unforeseen_error_waits_for_its_cause(pod):
    do(pod[1], 'time.sleep(1); peers.settle(); raise OSError("a consequence")')
    time.sleep(1.5)
    pod[2].send_signal(signal.SIGKILL)
    codes, errors = ends(pod)
    assert codes[:2] == [peers.DIED] * 2
    assert 'process 2 of 3 has died' in errors[1] and 'a consequence' not in errors[1]
