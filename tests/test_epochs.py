"""train.epochs: counted in updates once an arm's rows are known, and recorded."""

import dataclasses
import json

import pytest

from xlbarrier import config as config_lib
from xlbarrier import run as run_lib
from xlbarrier.config import ConfigError, TrainConfig
from xlbarrier.modes import corpus, training_data

TRAIN = TrainConfig(steps=0, epochs=1.5, batch_rows=4, row_tokens=64, warmup_steps=1)


def prepared(folder, model, **values):
    """Rows by arm, and run.json's training."""
    train = {'train': config_lib.to_dict(TRAIN), 'tasks': {'worldfacts': {}}}
    text = {'documents': 24, 'languages': ('en', 'fr', 'ar', 'zh')}
    settings = train | {'model': {'source': str(model)}, 'corpus': text} | values
    config = config_lib.resolve(settings)
    run = run_lib.open_run(folder, config)
    try:
        rows = training_data.prepare(run, config, corpus.build_all(run, config, {}))
        return rows, run.read_json('run.json')['training']
    finally:
        run.close()


def test_each_arm_has_the_updates_of_its_own_rows(tiny_llama, tmp_path):
    rows, training = prepared(tmp_path / 'run', tiny_llama, arms=('english', 'mixed'))
    for arm in ('english', 'mixed'):
        steps = int(1.5 * len(rows[arm])) // 4
        assert (training[arm]['rows'], training[arm]['steps']) == (len(rows[arm]), steps)
        assert training[arm]['epochs'] == pytest.approx(1.5, abs=4 / len(rows[arm]))
        resolved = TRAIN.for_rows(len(rows[arm]))
        assert (resolved.steps, resolved.epochs) == (steps, 0)
    # The whole text of each is packed, and the translations are longer.
    assert training['english']['steps'] < training['mixed']['steps']


def test_a_mixture_fills_its_epochs_with_its_weights(tiny_llama, tmp_path):
    file = tmp_path / 'a.jsonl'
    lines = [{'question': f'What is {i} and {i}?', 'answer': str(2 * i)} for i in range(200)]
    file.write_text('\n'.join(map(json.dumps, lines)))
    data = {'files': (str(file),), 'weights': (1, 1)}
    rows, training = prepared(tmp_path / 'run', tiny_llama, arms=('english',), data=data)
    mixed = rows['english']
    assert sum(mixed.counts) == 4 * training['english']['steps']
    assert training['english']['steps'] == int(1.5 * len(mixed)) // 4
    shares = [part['share'] for part in training['english']['parts']]
    assert shares == pytest.approx([0.5, 0.5], abs=0.02)


def test_warm_up_and_snapshots_end_before_the_training():
    assert dataclasses.replace(TRAIN, warmup_steps=0).for_rows(1).steps == 1
    with pytest.raises(ConfigError, match=r'warmup_steps is 9; .* the 7 updates of .* = 1\.5 over'):
        dataclasses.replace(TRAIN, warmup_steps=9).for_rows(20)
    with pytest.raises(ConfigError, match=r'snapshots has 7; expected less than the 7 updates'):
        dataclasses.replace(TRAIN, snapshots=(2, 7)).for_rows(20)
