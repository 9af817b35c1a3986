"""config.data: what is refused, and which weights an arm takes."""

import pytest

from xlbarrier import config as config_lib
from xlbarrier.config import data as config_data
from xlbarrier.config.data import DataConfig


def resolved(mode='study', arms=('english', 'mixed'), **data):
    return config_lib.resolve(
        {
            'mode': mode,
            'model': {'source': 'm'},
            'tasks': {'worldfacts': {}},
            'arms': arms,
            'data': data,
        }
    )


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'arms': ('data',)}, ['config.data.files is ()', "arm 'data'"]),
        ({'files': ('a', 'a')}, ['config.data.files', 'twice']),
        ({'files': ('a',), 'template': 'alpace'}, ['config.data.template', "'alpaca'"]),
        ({'files': ('a',), 'loss': 'answers'}, ['config.data.loss', "'answer'"]),
        ({'files': ('a',), 'too_long': 'cut'}, ['config.data.too_long', 'drop']),
        ({'weights': (1.0,)}, ['config.data.weights', 'files is ()']),
        ({'files': ('a',), 'weights': (1.0,)}, ['has 1 numbers', "'english' needs 1", 'one for']),
        ({'arms': ('data',), 'files': ('a',), 'weights': (1, 2, 3)}, ["'data' needs 1"]),
        ({'files': ('a',), 'weights': (1.0, -1.0)}, ['weights[1] is -1.0']),
        ({'files': ('a',), 'weights': (1.0, float('nan'))}, ['weights[1] is nan']),
        ({'files': ('a',), 'weights': (0.0, 0.0)}, ['all 0', "'english'"]),
    ],
)
def test_config_data_is_checked(fields, words):
    with pytest.raises(config_lib.ConfigError) as error:
        resolved(**fields)
    for word in words:
        assert word in str(error.value)


def test_modes_that_do_not_train_look_at_neither_files_nor_arms():
    assert resolved(mode='eval', arms=('data',)).arms == ('data',)
    assert resolved(mode='eval', files=('a',), weights=(1.0,)).data.weights == (1.0,)
    with pytest.raises(config_lib.ConfigError, match="'data' has no text of its own to build"):
        resolved(mode='corpus', arms=('data',))
    assert resolved(mode='corpus', arms=('data', 'mixed'))


def test_the_weights_of_an_arm():
    data = DataConfig(files=('a', 'b'), weights=(2.0, 1.0, 3.0))
    assert config_data.weights_of(data, 'mixed') == (2.0, 1.0, 3.0)
    assert config_data.weights_of(data, 'data') == (1.0, 3.0)
    alone = DataConfig(files=('a', 'b'), weights=(1.0, 3.0))
    assert config_data.weights_of(alone, 'data') == (1.0, 3.0)
    with pytest.raises(config_lib.ConfigError, match="'mixed' needs 2 for the files, and one for"):
        config_data.weights_of(alone, 'mixed')
    assert config_data.weights_of(DataConfig(files=('a',)), 'mixed') == ()
