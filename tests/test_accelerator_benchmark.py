"""benchmarks/accelerator.py at its tiny size: both sides of every kind of part, on a CPU."""

import pathlib
import re
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / 'benchmarks/accelerator.py'


def run(*options):
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), '--tiny', *options],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_ours_measures_every_part():
    table = run('--sides=ours', '--seconds=880')
    for part, unit in (
        ('train', 'tokens'),
        ('letters', 'questions'),
        ('options', 'questions'),
        ('generate', 'tokens'),
        ('long', 'tokens'),
        ('lora', 'tokens'),
        ('save', 'tokens'),
    ):
        assert re.search(rf'^{part} +ours +[\d,.]+ {unit}/s', table, re.MULTILINE), table
    assert re.search(r'[+-][\d.]+% for a save of [\d.]+ GB in 50 updates', table), table


@pytest.mark.slow
def test_the_peer_is_asked_the_same():
    table = run('--sides=peer', '--parts=letters,options,generate', '--seconds=880')
    assert len(re.findall(r'^\w+ +peer +[\d,.]+ \w+/s', table, re.MULTILINE)) == 3, table


def test_a_part_without_time_is_named():
    table = run('--parts=train', '--seconds=1')
    assert table.count('left out') == 2 and 'jax' in table.splitlines()[0]
