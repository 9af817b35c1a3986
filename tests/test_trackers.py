"""Trackers of a training: TensorBoard for real, wandb offline and trackio where they are installed.

Elsewhere a stand-in for wandb and trackio records how they are called; it shows nothing about them.
"""

import sqlite3
import sys
import types

import pytest
from tensorboardX.proto import event_pb2

from xlbarrier.config import ConfigError, resolve
from xlbarrier.errors import InputError, StateError
from xlbarrier.integrations import trackers

ROWS = [{'step': step, 'loss': 3.0 - step, 'tokens': 100 * step} for step in (1, 2, 3)]
CONFIG = {'train': {'steps': 3}}


def logged(names, folder, **more):
    for tracker in trackers.open_trackers(names, folder, 'mixed', CONFIG, **more):
        for row in ROWS:
            tracker.log(row)
        tracker.close()


def events(folder):
    """(step, name, value) of each scalar in event files."""
    found = []
    for path in sorted(folder.rglob('events.*')):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], 'little')
            event = event_pb2.Event.FromString(data[12 : 12 + size])
            found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
            data = data[16 + size :]
    return found


def test_tensorboard_has_each_number_of_each_step(tmp_path):
    logged(('tensorboard',), tmp_path)
    found = events(tmp_path / 'tensorboard/mixed')
    assert (2, 'train/loss', 1.0) in found and (3, 'train/tokens', 300.0) in found
    assert len(found) == 6


def test_a_tracker_whose_disk_is_full_is_left_out_and_the_training_goes_on(tmp_path, caplog):
    opened = trackers.open_trackers(('tensorboard',), tmp_path, 'mixed', CONFIG)
    (board,) = opened
    board._board.add_scalar = lambda *_: (_ for _ in ()).throw(OSError('No space left on device'))
    for row in ROWS:
        trackers.log(opened, row)
    assert opened == []
    assert caplog.text.count('left out from step 1 on: No space left') == 1
    trackers.close([board])


@pytest.mark.parametrize('name', ['wandb', 'trackio'])
def test_a_stand_in_is_given_one_run_per_arm_which_a_later_start_continues(
    name, tmp_path, monkeypatch
):
    started, taken = [], []
    run = types.SimpleNamespace(
        log=lambda numbers, step: taken.append((step, numbers)), finish=lambda: taken.append('end')
    )
    stub = types.ModuleType(name)
    stub.init = lambda **fields: started.append(fields) or run
    monkeypatch.setitem(sys.modules, name, stub)
    for _ in range(2):
        logged((name,), tmp_path / 'run')
    assert started[0] == started[1] and started[0]['resume'] == 'allow'
    assert started[0]['project'] == 'xlbarrier' and started[0]['config'] == CONFIG
    assert taken[:4] == [*((r['step'], {'train/loss': r['loss'], 'train/tokens': r['tokens']})
                          for r in ROWS), 'end']  # fmt: skip
    stub.init = lambda **fields: (_ for _ in ()).throw(RuntimeError('no login'))
    with pytest.raises(StateError, match=f'{name} cannot be started: no login'):
        logged((name,), tmp_path / 'run')


def test_a_tracker_that_is_not_installed_is_named_at_the_start(monkeypatch):
    monkeypatch.setattr(trackers.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(InputError, match='pip install trackio'):
        trackers.check(('trackio',))
    with pytest.raises(ConfigError, match=r'config\.report\.to'):
        resolve({'model': {'source': 'x'}, 'report': {'to': ('mlflow',)}, 'mode': 'train'})


def test_wandb_itself_writes_a_run_without_a_login(tmp_path, monkeypatch):
    pytest.importorskip('wandb')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_SILENT', 'true')
    logged(('wandb',), tmp_path)
    (path,) = (tmp_path / 'wandb').glob('offline-run-*/run-*.wandb')
    data = path.read_bytes()
    assert b'train/loss' in data and b'train/tokens' in data


def test_trackio_itself_keeps_each_step(tmp_path, monkeypatch):
    monkeypatch.setenv('TRACKIO_DIR', str(tmp_path / 'trackio'))  # read when it is imported
    pytest.importorskip('trackio')
    logged(('trackio',), tmp_path / 'run')
    (path,) = (tmp_path / 'trackio').glob('*.db')
    with sqlite3.connect(path) as db:
        rows = list(db.execute('SELECT step, metrics FROM metrics ORDER BY step'))
    assert [step for step, text in rows if 'train/loss' in str(text)] == [1, 2, 3]
