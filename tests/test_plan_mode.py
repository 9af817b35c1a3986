"""A dry run: what it counts is what the run asks, and it neither loads nor writes anything."""

import json
import shutil

import pytest

from xlbarrier import config as config_lib
from xlbarrier import modes, terminal
from xlbarrier.errors import InputError, StateError
from xlbarrier.models import load
from xlbarrier.modes import plan


def resolved(source, mode='study', **sections):
    values = {
        'mode': mode,
        'model': {'source': str(source)},
        'tasks': {'worldfacts': {'languages': ('en', 'ar'), 'questions': 12}},
        'train': {'steps': 6, 'batch_rows': 8, 'row_tokens': 64},
    }
    return config_lib.resolve(values | sections)


def shown(folder, config, capsys):
    """The fields of the plan that `modes.run` tells."""
    with terminal.shown(as_json=True):
        modes.run(folder, config, dry=True)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [event for event in events if event['event'] == 'plan']
    return told


@pytest.fixture(autouse=True)
def no_weights(monkeypatch):
    monkeypatch.setattr(load, 'load_decoder', None)


def test_a_study_is_planned_without_a_folder_or_weights(tiny_llama, tmp_path, capsys):
    told = shown(tmp_path / 'run', resolved(tiny_llama), capsys)
    for words in (
        *('worldfacts: 4 sheets, 48 questions', 'for each of 3 models'),
        *('english, mixed on countries, 6 updates of 8 rows of 64 tokens', '3,072 tokens per arm'),
    ):
        assert words in told['text']
    weights = sum(f.stat().st_size for f in tiny_llama.glob('*.safetensors'))  # float32
    assert told['memory_bytes'] == pytest.approx(4 * weights, rel=0.01), 'gradients and two moments'
    assert told['mesh'] == {'data': 8, 'fsdp': 1, 'tensor': 1} and told['seconds'] > 0
    assert not (tmp_path / 'run').exists()


def test_every_seed_of_every_arm_is_counted(tiny_llama, tmp_path, capsys):
    arms, pairs = ('mixed', 'mixed+dco', 'curriculum'), {'files': ('task:worldfacts',), 'rows': 4}
    sections = {
        'arms': arms,
        'corpus': {'stages': ('sentence', 'monolingual'), 'languages': ('en', 'ar')},
        'tasks': {'worldfacts': {'languages': ('en', 'ar'), 'questions': 12, 'part': 'test'}},
        'train': {'steps': 6, 'batch_rows': 8, 'row_tokens': 64, 'pairs': pairs},
    }
    one = shown(tmp_path / 'one', resolved(tiny_llama, **sections), capsys)
    assert 'for each of 4 models' in one['text'] and 'seeds' not in one['text']
    two = shown(tmp_path / 'two', resolved(tiny_llama, seeds=(0, 1), **sections), capsys)
    assert 'for each of 7 models' in two['text'] and 'each with 2 seeds' in two['text']
    assert two['seconds'] > 1.5 * one['seconds'] and two['disk_bytes'] > 1.5 * one['disk_bytes']


def test_a_dry_run_checks_the_texts_of_a_curriculum(tiny_llama, tmp_path):
    stages = {'stages': ('sentence', 'monolingual'), 'languages': ('en', 'tlh')}
    config = resolved(tiny_llama, arms=('curriculum',), corpus=stages)
    with pytest.raises(InputError, match='tlh'):
        modes.run(tmp_path / 'run', config, dry=True)


def test_an_evaluation_needs_no_room_on_the_disk(tiny_llama, tmp_path, capsys):
    told = shown(tmp_path / 'run', resolved(tiny_llama, mode='eval'), capsys)
    assert told['disk_bytes'] == 0 and 'training' not in told['text']


def test_a_full_disk_and_a_mesh_that_does_not_fit_are_refused(tiny_llama, tmp_path, monkeypatch):
    config = resolved(tiny_llama)
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(plan.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(StateError, match=r'GiB free: make room'):
        modes.run(tmp_path / 'run', config, dry=True)
    with pytest.raises(InputError, match='do not divide the batch of 6 rows'):
        modes.run(
            tmp_path / 'run',
            resolved(tiny_llama, train={'batch_rows': 6, 'row_tokens': 64}),
            dry=True,
        )
    with pytest.raises(InputError, match='tlh'):
        modes.run(
            tmp_path / 'run', resolved(tiny_llama, corpus={'languages': ('en', 'tlh')}), dry=True
        )
