"""Config: recipes resolve, wrong fields are named with the nearest right one, JSON keeps all."""

import importlib
import json
import pathlib

import pytest

from xlbarrier import config as config_lib
from xlbarrier.config.build import build
from xlbarrier.config.checks import Section, hints, section_of
from xlbarrier.config.tasks import TASK_CONFIGS

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIGS = sorted((ROOT / 'configs').glob('[a-z]*.py'))


def recipe(name='quickstart'):
    return importlib.import_module(f'xlbarrier.recipes.{name}').get_config()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_every_config_file_resolves_and_says_how_it_is_run(path):
    config_lib.resolve(recipe(path.stem))
    assert f'--config=configs/{path.name}' in path.read_text()


def test_a_recipe_states_what_differs_and_nothing_else():
    """What a recipe sets to the default is a second place of the default."""
    default = dict(config_lib.flatten(config_lib.to_dict(config_lib.RunConfig())))
    resolved = dict(config_lib.flatten(config_lib.to_dict(config_lib.resolve(recipe()))))
    differing = {name for name, value in resolved.items() if default.get(name) != value}
    assert {name for name in differing if not name.startswith('tasks.')} == {
        'model.source',
        'rescore.layouts',
        'train.learning_rate',
        'train.steps',
    }
    assert len((ROOT / 'configs/quickstart.py').read_text().splitlines()) <= 35


def test_a_plain_mapping_has_the_same_defaults():
    config = config_lib.resolve({'model': {'source': 'm'}, 'tasks': {'worldfacts': {}}})
    assert config.train == config_lib.TrainConfig() and config.mode == 'study'
    assert config.tasks['worldfacts'] == TASK_CONFIGS['worldfacts']()


def sections(section=config_lib.RunConfig):
    yield section
    for hint in hints(section).values():
        if section_of(hint):
            yield from sections(section_of(hint))


SECTIONS = sorted({*sections(), *TASK_CONFIGS.values()}, key=lambda s: s.__name__)


@pytest.mark.parametrize('section', SECTIONS, ids=lambda s: s.__name__)
def test_every_default_has_the_type_that_its_annotation_states(section):
    assert issubclass(section, Section) and section.__doc__
    made = section()
    for name, hint in hints(section).items():
        built = build(section, {name: getattr(made, name)}, 'config.it')
        assert getattr(built, name) == getattr(made, name), (name, hint)


@pytest.mark.parametrize(
    ('field', 'value', 'words'),
    [
        ('train.stepps', 3, ['config.train.stepps', "'steps'"]),
        ('trian', {}, ['config.trian', "'train'"]),
        ('preview', 3, ['config.preview', 'config.corpus.preview now']),
        ('tasks.worldfact', {}, ['config.tasks.worldfact', "'worldfacts'"]),
        ('tasks.worldfacts.question', 3, ['config.tasks.worldfacts.question', "'questions'"]),
        ('tasks', 3, ['config.tasks', 'by name']),
        ('train', 3, ['config.train is 3', 'batch_rows']),
        ('train.steps', 'many', ['config.train.steps', "'many'", 'int']),
        ('train.steps', True, ['config.train.steps', 'True', 'int']),
        ('train.steps', 0, ['config.train.steps is 0', 'train.epochs is 0', 'one of them']),
        ('train.epochs', 2, ['config.train.steps is 48', 'train.epochs is 2', 'one of them']),
        ('train.snapshots', (9, 48), ['config.train.snapshots has 48', 'less than', 'steps = 48']),
        ('train.learning_rate', float('nan'), ['config.train.learning_rate']),
        ('train.learning_rate', float('inf'), ['config.train.learning_rate', 'finite']),
        ('train.learning_rate', 0, ['config.train.learning_rate is 0.0', 'more than 0']),
        ('train.weight_decay', float('nan'), ['config.train.weight_decay', 'finite']),
        ('train.b1', 1, ['config.train.b1 is 1.0', '0 <= b1 < 1']),
        ('seed', -1, ['config.seed', '-1', '0 <= seed']),
        ('seed', 2**32, ['config.seed', '4294967296', '0 <= seed']),
        ('tasks.worldfacts.seed', -1, ['config.tasks.worldfacts.seed', '-1']),
        ('corpus.seed', -1, ['config.corpus.seed', '-1']),
        ('train.warmup_steps', 48, ['config.train.warmup_steps', '48', 'less than']),
        ('train.accumulate', 3, ['config.train.accumulate', 'does not divide', '4']),
        ('train.remat', 'dot', ['config.train.remat', "'dots'"]),
        ('train.lora_targets', ('qq',), ['config.train.lora_targets[0]', 'gate']),
        ('arms', ('mixed', 'mixed'), ['config.arms', 'twice']),
        ('arms', ('mixd',), ['config.arms[0]', "'mixed'"]),
        ('arms', ('single:',), ['config.arms[0]', 'single:LANGUAGE']),
        ('mode', 'studdy', ['config.mode', "'study'"]),
        ('mesh.data', 0, ['config.mesh.data', '0']),
        ('mesh.fsdp', -1, ['config.mesh', 'at most one']),
        ('tasks.worldfacts.variants', ('mixed',), ['variants[0]', "'mixup'"]),
        ('tasks.worldfacts.languages', (), ['languages', 'at least one']),
        ('tasks.worldfacts.languages', 3, ['languages[0] is 3', 'str']),
        ('model.compute_dtype', 'float16', ['config.model.compute_dtype', 'float32']),
        ('model.source', '', ['config.model.source is missing', '--config.model.source']),
        ('corpus.unit', 'word', ['config.corpus.unit', "'words:K'"]),
        ('corpus.unit', 'document', ['config.corpus.unit', 'countries']),
        ('corpus.text.headings', 'dropp', ['config.corpus.text.headings', "'drop'"]),
        ('corpus.filters.language', 2, ['config.corpus.filters.language', '0 <= language <= 1']),
        ('corpus.translator.column', 'de', ['config.corpus.translator.column', '{language}']),
        ('export.shard_gb', 0, ['config.export.shard_gb', 'more than 0']),
        (
            'compile.score_places',
            99_999,
            ['config.compile.score_places', 'row_tokens = 1024, which 0 stands for'],
        ),
        ('rescore.layouts', ('clikka',), ['config.rescore.layouts[0]', "'clika'"]),
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
    assert '\n' not in str(error.value)


def test_one_value_for_a_tuple_is_its_item():
    config = config_lib.resolve(recipe().to_dict() | {'arms': 'mixed', 'mode': 'train'})
    assert config.arms == ('mixed',)


def test_train_mode_takes_one_arm():
    values = recipe().to_dict() | {'mode': 'train'}
    with pytest.raises(config_lib.ConfigError, match='one arm'):
        config_lib.resolve(values)


def test_diff_follows_the_values_through_json():
    values = recipe().to_dict()
    one = config_lib.resolve(values)
    assert config_lib.resolve(json.loads(json.dumps(config_lib.to_dict(one)))) == one
    values['train']['steps'] += 1
    values['arms'] = ('mixed', 'english')
    two = config_lib.resolve(values)
    changes = config_lib.diff(config_lib.to_dict(one), config_lib.to_dict(two))
    assert changes == [
        ('arms', ['english', 'mixed'], ['mixed', 'english']),
        ('train.steps', one.train.steps, one.train.steps + 1),
    ]


def test_a_config_of_an_earlier_version_is_known_and_read():
    config = config_lib.resolve(recipe())
    old = config_lib.to_dict(config)
    old['preview'], old['topology'] = 5, 'v6e:8x8'
    old['count_tokens'] = old['corpus'].pop('count_tokens')
    del old['corpus']['preview'], old['compile']['topology']
    new = config_lib.to_dict(config)
    assert config_lib.other_fields(old, new) == [
        'config.count_tokens (now config.corpus.count_tokens)',
        'config.preview (now config.corpus.preview)',
        'config.topology (now config.compile.topology)',
    ]
    del old['train']['remat']
    assert config_lib.other_fields(old, new)[-1] == 'config.train.remat'
    other = config_lib.resolve(recipe('worldfacts'))
    assert config_lib.other_fields(config_lib.to_dict(other), new) == [], 'tasks differ by choice'
    now = config_lib.resolve(config_lib.current(old))
    assert (now.corpus.preview, now.compile.topology) == (5, 'v6e:8x8')
    assert old['preview'] == 5, 'the record that was read is left as it is'
