"""The loop: what it logs and when, what it refuses, and that being killed changes no bit."""

import dataclasses
import json
import logging
import os
import pathlib
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from tests.test_train_loss import decoder_on, documents
from xlbarrier import main
from xlbarrier import progress as progress_lib
from xlbarrier.config import TrainConfig
from xlbarrier.data.pack import pack
from xlbarrier.mesh import make_mesh
from xlbarrier.models import lora
from xlbarrier.train import loop
from xlbarrier.train.batches import Sources
from xlbarrier.train.checkpoint import CheckpointError, Checkpoints

ROOT = pathlib.Path(__file__).resolve().parent.parent
TRAIN = TrainConfig(
    steps=6,
    batch_rows=4,
    row_tokens=20,
    warmup_steps=1,
    learning_rate=1e-2,
    checkpoint_every=4,
)


@pytest.fixture(scope='module')
def mesh():
    return make_mesh(2, 1, 1, devices=jax.devices()[:2])


@pytest.fixture(scope='module')
def packed():
    return pack(documents(31, seed=6), TRAIN.row_tokens)


def run(mesh, packed, config, folder, **options):
    rows = []
    options = {'log': rows.append, 'seed': 1, **options}
    decoder = loop.train(decoder_on(mesh), packed, config, folder=folder, **options)
    return decoder, rows


@pytest.fixture(scope='module')
def finished(mesh, packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp('finished')
    decoder, rows = run(mesh, packed, TRAIN, folder)
    return folder, decoder, rows


def arrays(decoder):
    return jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(decoder)))


def test_each_step_is_logged_once_with_its_numbers(finished, packed):
    _, _, rows = finished
    assert [row['step'] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert len(packed) < TRAIN.steps * TRAIN.batch_rows  # more than one epoch
    tokens = np.diff([0, *(row['tokens'] for row in rows)])
    assert all(0 < n <= 4 * 19 for n in tokens) and len(set(tokens)) > 1
    assert rows[0]['learning_rate'] == pytest.approx(5e-3)
    assert rows[1]['learning_rate'] == pytest.approx(1e-2)
    for row in rows:
        assert 3 < row['loss'] < 6 and row['grad_norm'] > 0 and row['tokens_per_second'] > 0
    seconds = [row['seconds'] for row in rows]
    assert seconds == sorted(seconds)


def test_a_finished_training_is_read_and_not_repeated(mesh, packed, finished):
    folder, decoder, _ = finished
    again, rows = run(mesh, packed, TRAIN, folder)
    assert rows == []
    jax.tree.map(np.testing.assert_array_equal, arrays(again), arrays(decoder))


def test_log_every_thins_the_log_and_keeps_the_last(mesh, packed, finished, tmp_path):
    config = dataclasses.replace(TRAIN, log_every=4, checkpoint_every=100)
    _, rows = run(mesh, packed, config, tmp_path)
    assert [row['step'] for row in rows] == [4, 6]
    assert [row['loss'] for row in rows] == [finished[2][3]['loss'], finished[2][5]['loss']]


def test_a_step_is_dispatched_before_the_one_before_is_read(mesh, packed, tmp_path, monkeypatch):
    events, step = [], loop.train_step

    def dispatched(state, *args, **kwargs):
        events.append('dispatch')
        return step(state, *args, **kwargs)

    monkeypatch.setattr(loop, 'train_step', dispatched)
    config = dataclasses.replace(TRAIN, checkpoint_every=100)
    run(mesh, packed, config, tmp_path, log=lambda row: events.append(row['step']))
    assert events == ['dispatch'] + [event for n in range(1, 6) for event in ('dispatch', n)] + [6]


def test_an_error_in_between_is_continued_with_the_same_bits(mesh, packed, finished, tmp_path):
    rows = []

    def fails_at_5(row):
        if row['step'] == 5 and len(rows) == 4:
            raise KeyboardInterrupt
        rows.append(row)

    with pytest.raises(KeyboardInterrupt):
        run(mesh, packed, TRAIN, tmp_path, log=fails_at_5)
    decoder, _ = run(mesh, packed, TRAIN, tmp_path, log=rows.append, logged_through=4)
    for name in ('step', 'loss', 'tokens', 'grad_norm', 'learning_rate'):
        assert [row[name] for row in rows] == [row[name] for row in finished[2]]
    jax.tree.map(np.testing.assert_array_equal, arrays(decoder), arrays(finished[1]))


@pytest.mark.parametrize('moment', ['step', 'save'])
def test_sigterm_at_the_very_end_stops_and_is_continued(
    mesh, packed, finished, tmp_path, monkeypatch, moment
):
    where, name = (Sources, 'at') if moment == 'step' else (Checkpoints, 'save')
    plain, calls = getattr(where, name), []

    def told(*args, **kwargs):
        calls.append(args)
        if len(calls) == {'step': TRAIN.steps, 'save': 2}[moment]:  # the last of each
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(*args, **kwargs)

    monkeypatch.setattr(where, name, told)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(loop.Stopped):
        run(mesh, packed, TRAIN, tmp_path)
    assert signal.getsignal(signal.SIGTERM) == before
    monkeypatch.undo()
    decoder, rows = run(mesh, packed, TRAIN, tmp_path, logged_through=TRAIN.steps)
    assert rows == []
    jax.tree.map(np.testing.assert_array_equal, arrays(decoder), arrays(finished[1]))


def test_snapshots_are_taken_on_the_way_and_again_after_an_interruption(
    mesh, packed, finished, tmp_path
):
    config = dataclasses.replace(TRAIN, snapshots=(3, 5), checkpoint_every=2)
    whole, parts = {}, {}
    decoder, rows = run(
        mesh, packed, config, tmp_path / 'whole', snapshot=lambda n, d: whole.update({n: arrays(d)})
    )
    assert [row['loss'] for row in rows] == [row['loss'] for row in finished[2]]
    jax.tree.map(np.testing.assert_array_equal, arrays(decoder), arrays(finished[1]))
    assert list(whole) == [3, 5]
    assert not np.array_equal(*(whole[n]['embed']['embedding'] for n in (3, 5)))

    def take(step, decoder):
        parts[step] = arrays(decoder)
        if step == 3 and len(parts) == 1:
            raise KeyboardInterrupt  # in the export of the first: no checkpoint of step 3 or later

    options = {'snapshot': take}
    with pytest.raises(KeyboardInterrupt):
        run(mesh, packed, config, tmp_path / 'parts', **options)
    parts = {0: None}
    run(mesh, packed, config, tmp_path / 'parts', **options)
    assert list(parts) == [0, 3, 5]
    for step in (3, 5):
        jax.tree.map(np.testing.assert_array_equal, parts[step], whole[step])


def test_lora_trains_adapters_alone(mesh, packed, tmp_path):
    config = dataclasses.replace(
        TRAIN, method='lora', steps=3, checkpoint_every=2, lora_rank=2, lora_dropout=0.2
    )
    before = arrays(decoder_on(mesh))
    decoder, rows = run(mesh, packed, config, tmp_path)
    assert lora.adapted(decoder.layers.attn.q) and not lora.adapted(decoder.layers.mlp.up)
    after = arrays(lora.merge_lora(decoder))
    assert jax.tree.structure(after) == jax.tree.structure(before)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), after, before)
    assert all(moved['layers']['attn'][name]['kernel'] for name in 'qkvo')
    assert not any(jax.tree.leaves((moved['embed'], moved['layers']['mlp'], moved['final_norm'])))
    again, none = run(mesh, packed, config, tmp_path)
    assert len(rows) == 3 and none == []
    jax.tree.map(np.testing.assert_array_equal, arrays(lora.merge_lora(again)), after)


def test_the_checkpoint_of_another_training_is_refused(mesh, packed, finished):
    other = dataclasses.replace(TRAIN, learning_rate=2e-2)
    with pytest.raises(CheckpointError, match=r'config\.train\.learning_rate: there 0\.01, now 0'):
        run(mesh, packed, other, finished[0])
    with pytest.raises(CheckpointError, match=r'config\.seed: there 1, now 2'):
        run(mesh, packed, TRAIN, finished[0], seed=2)


def test_what_does_not_fit_is_refused_before_any_work(mesh, packed, tmp_path):
    for change, message in [
        ({'row_tokens': 24}, r'expected at least one row of config\.train\.row_tokens = 24'),
        ({'batch_rows': 3}, r'batch_rows = 3 must be a multiple'),
        ({'warmup_steps': 6}, r'warmup_steps is 6'),
        ({'steps': 0, 'epochs': 1.0}, r'config\.train\.steps is 0'),
    ]:
        with pytest.raises(ValueError, match=message):
            run(mesh, packed, dataclasses.replace(TRAIN, **change), tmp_path)
    long = pack(documents(31, seed=6), 80)
    with pytest.raises(ValueError, match='row_tokens is 80, the model has 64 positions'):
        run(mesh, long, dataclasses.replace(TRAIN, row_tokens=80), tmp_path)
    vocabulary = decoder_on(mesh).config.vocab_size
    foreign = pack([[3, 5, vocabulary, 1] * TRAIN.row_tokens], TRAIN.row_tokens)
    with pytest.raises(ValueError, match=f'token {vocabulary}, the embedding has {vocabulary}'):
        run(mesh, foreign, TRAIN, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_finite_stops_and_is_not_saved(mesh, packed, tmp_path):
    config = dataclasses.replace(TRAIN, learning_rate=1e30, checkpoint_every=1)
    with pytest.raises(FloatingPointError, match=r'lower config\.train\.learning_rate'):
        run(mesh, packed, config, tmp_path)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 1  # its loss was that of the model before


def test_a_loss_that_is_not_finite_is_told_in_a_line(monkeypatch, capsys):
    report = loop._Reporter(TRAIN, progress_lib.Progress('x'), print, 0)
    numbers = dict.fromkeys(('nats', 'weight', 'grad_norm', 'learning_rate'), float('nan'))
    monkeypatch.setattr(main, 'main', lambda _: report(loop._Dispatched(1, 9, numbers)))
    with pytest.raises(SystemExit) as ended:
        main.console()
    assert ended.value.code == 2, 'to start again would give the same loss'
    assert capsys.readouterr().err.startswith('ERROR: step 1: loss nan')


def test_progress_lines_come_while_a_step_takes_long(mesh, packed, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(progress_lib, 'INTERVAL', 0.0005)
    with caplog.at_level(logging.INFO, logger='absl'):
        run(mesh, packed, TRAIN, tmp_path / 'mixed')
    lines = [r.getMessage() for r in caplog.records if 'fine-tuning in mixed' in r.getMessage()]
    assert any('(compiling)' in line for line in lines), 'the first step is not silent'
    whole = TRAIN.steps * TRAIN.batch_rows * TRAIN.row_tokens
    assert f'{whole:,}/{whole:,} tokens' in lines[-1]
    assert re.search(rf'step {TRAIN.steps} of {TRAIN.steps}, loss \d', lines[-1])
    assert any(re.search(r'tokens/s, \d+ s left', line) for line in lines[:-1])


CHILD = """
import json, os, pathlib, signal, sys, threading, time
import jax
jax.config.update('jax_num_cpu_devices', 2)
import numpy as np
from flax import nnx
from tests.test_train_loop import TRAIN
from tests.test_train_loss import CONFIG, documents
import dataclasses
from xlbarrier.config.train import GuardConfig, PairsConfig
from xlbarrier.data.pack import pack
from xlbarrier.data.pairs import EncodedPair, EncodedSide, lay_pairs
from xlbarrier.train.batches import Sources
from xlbarrier.mesh import make_mesh
from xlbarrier.models.load import init_decoder
from xlbarrier.train.loop import train

folder, what, at = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
log = folder / 'log.jsonl'
lines = log.read_text().splitlines() if log.exists() else []

def write(row):
    with log.open('a') as f:
        f.write(json.dumps(row) + chr(10))
    if row['step'] == at and what in ('SIGKILL', 'SIGTERM'):
        os.kill(os.getpid(), getattr(signal, what))

def watch():
    while not list((folder / 'checkpoints').glob(f'{at}.orbax-checkpoint-tmp*')):
        time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGKILL)

if what == 'in the write':
    threading.Thread(target=watch, daemon=True).start()
config = dataclasses.replace(
    TRAIN, steps=12, checkpoint_every=3, batch_rows=6, objective='dco', pairs=PairsConfig(rows=2),
    guard=GuardConfig(weight=0.5, rows=2),
)
packed = pack(documents(31, seed=6), TRAIN.row_tokens)
sides = [EncodedSide([n, 5, 7], ([8, n], [n + 1])) for n in range(1, 17)]
pairs = lay_pairs(
    [EncodedPair(n, tuple(sides[2 * n : 2 * n + 2]), '') for n in range(8)], TRAIN.row_tokens,
    np.linspace(-9, -1, 32, dtype='f').reshape(8, 2, 2),
)
decoder = train(
    init_decoder(CONFIG, make_mesh(1, 2, 1), 0), Sources(packed, pairs, packed), config,
    folder=folder / 'checkpoints', seed=1, log=write, logged_through=len(lines),
)
flat = nnx.to_flat_state(nnx.state(decoder))
np.savez(folder / 'end.npz', **{'.'.join(map(str, p)): np.asarray(v[...]) for p, v in flat})
"""


def child(folder, what='', at=0):
    folder.mkdir(exist_ok=True)
    answer = subprocess.run(
        [sys.executable, '-c', CHILD, str(folder), what, str(at)],
        cwd=ROOT,
        env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    steps = sorted(int(p.name) for p in (folder / 'checkpoints').glob('*') if p.name.isdigit())
    return answer, steps


def outcome(folder):
    rows = [json.loads(line) for line in (folder / 'log.jsonl').read_text().splitlines()]
    with np.load(folder / 'end.npz') as end:
        bits = {name: end[name].tobytes() for name in end.files}
    return [(row['step'], row['loss'], row['grad_norm'], row['tokens']) for row in rows], bits


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_bits(tmp_path):
    answer, _ = child(tmp_path / 'undisturbed')
    assert answer.returncode == 0, answer.stderr[-3000:]
    folder = tmp_path / 'killed'
    for what, at, status, checkpoints in [
        ('SIGKILL', 2, -signal.SIGKILL, []),  # before any checkpoint
        ('in the write', 6, -signal.SIGKILL, [3]),
        ('SIGTERM', 8, 128 + signal.SIGTERM, [9]),  # 9 was on its way: it is finished and kept
        ('SIGKILL', 11, -signal.SIGKILL, [9]),
        ('', 0, 0, [12]),
    ]:
        answer, steps = child(folder, what, at)
        assert answer.returncode == status, answer.stderr[-3000:]
        assert steps == checkpoints
    assert not list((folder / 'checkpoints').glob('*tmp*'))
    logged, bits = outcome(folder)
    assert [row[0] for row in logged] == list(range(1, 13))
    assert (logged, bits) == outcome(tmp_path / 'undisturbed')
