"""Config: files resolve, wrong fields are named with the nearest right one, tuples survive JSON."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

from xlbarrier import config as config_lib

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIGS = sorted((ROOT / 'configs').glob('*.py'))


def recipe(name='quickstart'):
    path = ROOT / 'configs' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_every_config_file_resolves_and_says_how_it_is_run(path):
    config_lib.resolve(recipe(path.stem))
    assert f'--config=configs/{path.name}' in path.read_text()


def test_quickstart_names_every_field_so_that_flags_can_set_it():
    values = recipe().to_dict()
    flat = dict(config_lib.flatten(config_lib.to_dict(config_lib.resolve(values))))
    # Of a text source; configs/corpus_wikitext.py names them.
    text = ('corpus.text.', 'corpus.filters.', 'corpus.translator.')
    wanted = {name for name in flat if not name.startswith(text)}
    assert wanted == {name for name, _ in config_lib.flatten(values)}


@pytest.mark.parametrize(
    ('field', 'value', 'words'),
    [
        ('train.stepps', 3, ['config.train.stepps', "'steps'"]),
        ('trian', {}, ['config.trian', "'train'"]),
        ('tasks.worldfact', {}, ['config.tasks.worldfact', "'worldfacts'"]),
        ('train.steps', 'many', ['config.train.steps', "'many'", 'int']),
        ('train.steps', True, ['config.train.steps', 'True', 'int']),
        ('train.steps', 0, ['config.train.steps', '0', 'at least 1']),
        ('train.learning_rate', float('nan'), ['config.train.learning_rate', 'finite']),
        ('train.learning_rate', float('inf'), ['config.train.learning_rate', 'finite']),
        ('train.weight_decay', float('nan'), ['config.train.weight_decay', 'finite']),
        ('seed', -1, ['config.seed', '-1', '0 <= seed']),
        ('seed', 2**32, ['config.seed', '4294967296', '0 <= seed']),
        ('tasks.worldfacts.seed', -1, ['config.tasks.worldfacts.seed', '-1']),
        ('train.warmup_steps', 48, ['config.train.warmup_steps', '48', 'less than']),
        ('train.accumulate', 3, ['config.train.accumulate', 'does not divide', '4']),
        ('train.remat', 'dot', ['config.train.remat', "'dots'"]),
        ('arms', 'mixed', ['config.arms', 'tuple']),
        ('arms', ('mixed', 'mixed'), ['config.arms', 'twice']),
        ('arms', ('mixd',), ['config.arms[0]', "'mixed'"]),
        ('mode', 'studdy', ['config.mode', "'study'"]),
        ('mesh.data', 0, ['config.mesh.data', '0']),
        ('mesh.fsdp', -1, ['config.mesh', 'at most one']),
        ('tasks.worldfacts.variants', ('mixed',), ['variants[0]', "'mixed'"]),
        ('tasks.worldfacts.languages', (), ['languages', 'at least one']),
        ('model.compute_dtype', 'float16', ['config.model.compute_dtype', 'float32']),
    ],
)
def test_wrong_fields_are_named(field, value, words):
    values = recipe().to_dict()
    *path, last = field.split('.')
    at = values
    for part in path:
        at = at[part]
    at[last] = value
    with pytest.raises(config_lib.ConfigError) as error:
        config_lib.resolve(values)
    for word in words:
        assert word in str(error.value)


def test_a_missing_field_is_named():
    values = recipe().to_dict()
    del values['model']['source']
    with pytest.raises(config_lib.ConfigError, match=r'config\.model\.source is missing'):
        config_lib.resolve(values)


def test_train_mode_takes_one_arm():
    values = recipe().to_dict() | {'mode': 'train'}
    with pytest.raises(config_lib.ConfigError, match='one arm'):
        config_lib.resolve(values)


def test_hash_and_diff_follow_the_values():
    values = recipe().to_dict()
    one = config_lib.resolve(values)
    values['train']['steps'] += 1
    values['arms'] = ('mixed', 'english')
    two = config_lib.resolve(values)
    assert config_lib.config_hash(one) != config_lib.config_hash(two)
    changes = config_lib.diff(config_lib.to_dict(one), config_lib.to_dict(two))
    assert changes == [
        ('arms', ['english', 'mixed'], ['mixed', 'english']),
        ('train.steps', one.train.steps, one.train.steps + 1),
    ]


@pytest.mark.parametrize(
    ('flag', 'words'),
    [
        ('--config.train.stepps=3', ['stepps', 'steps']),
        ('--config.train.steps=x', ['config.train.steps', "'x'"]),
        ('--config.arms=("mixd",)', ['config.arms[0]', "'mixed'"]),
        ('--no_such_flag', ['no_such_flag']),
        ('--config=configs/none.py', ['no config file configs/none.py']),
    ],
)
def test_a_wrong_flag_is_one_line_and_not_a_traceback(flag, words, tmp_path):
    answer = subprocess.run(
        [
            *(sys.executable, '-m', 'xlbarrier.main', '--config=configs/quickstart.py'),
            *(f'--workdir={tmp_path}/run', flag),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode != 0
    assert 'Traceback' not in answer.stderr
    for word in words:
        assert word in answer.stderr
    assert not (tmp_path / 'run').exists(), 'nothing is written before the config is right'
