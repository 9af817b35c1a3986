"""Recipes: each can be resolved, and the page of tasks knows every kind."""

import importlib.util
import pathlib
import re

import pytest

from xlbarrier import config as config_lib
from xlbarrier.config.tasks import TASK_CONFIGS
from xlbarrier.modes import corpus, pairs, training_data
from xlbarrier.tasks import registry

ROOT = pathlib.Path(__file__).resolve().parent.parent


def recipe(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / 'configs' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('name', 'source', 'tasks'),
    [
        (
            *('chua_mmlu', 'a'),
            [
                *('mmlu', 'mmlu_5_english', 'mmlu_5_same', 'mmlu_aware_0', 'mmlu_aware_1'),
                *('mmlu_ids_1234', 'mmlu_ids_CDEF', 'mmlu_translate'),
            ],
        ),
        ('chua_mmlu', 'a_{language},mmlu,mmlu_aware_1', ['mmlu', 'mmlu_aware_1']),
        ('chua_hp', 'a', ['hp_quiz']),
        ('clika', 'a', ['x_csqa', 'x_copa', 'x_name', 'x_geo']),
        ('clika', 'a,x_geo', ['x_geo']),
        ('user', 'a.{language}.csv', ['user']),
    ],
)  # fmt: skip
def test_recipes_resolve_with_the_tasks_that_are_named(name, source, tasks):
    config = config_lib.resolve(recipe(name).get_config(source))
    assert set(config.tasks) == set(tasks) and config.mode == 'eval'
    for task in config.tasks.values():
        assert task.source == source.split(',')[0]


@pytest.mark.parametrize(('name', 'wrong'), [('chua_mmlu', 'a,mmlu_6'), ('clika', 'a,x_geography')])
def test_a_task_that_a_recipe_does_not_know_is_named(name, wrong):
    with pytest.raises(ValueError, match=r'expected some of (mmlu, mmlu_5|x_csqa, x_copa)'):
        recipe(name).get_config(wrong)


@pytest.mark.parametrize('size', ['', 'quick'])
def test_an_effect_study_is_checked_whole_before_it_begins(size, tmp_path):
    config = config_lib.resolve(recipe('effect').get_config(size))
    tasks = registry.make_tasks(config)
    corpus.check(config, tmp_path)
    training_data.check(tmp_path, config, tasks)
    for name in ('worldfacts_taught', 'worldfacts_kept'):
        tasks[name].check_pairs(tasks)  # of facts that none of the tasks asks
    held_out = {code for task in tasks.values() for code in task.held_out_languages}
    asked = {code for task in tasks.values() for code in task.languages}
    assert held_out == {'hi'} < asked and 'hi' not in config.corpus.languages
    found = pairs.find(config, tasks)
    assert {pair.target.language for pair in found} == asked - held_out
    assert {p.relation for p in found if not p.is_own} == {'country_capital', 'country_language'}
    with pytest.raises(ValueError, match='effect:small; expected'):
        recipe('effect').get_config('small')


def test_the_page_of_tasks_has_every_kind_and_no_other():
    page = (ROOT / 'docs' / 'tasks.md').read_text(encoding='utf-8')
    kinds = page[page.index('| kind |') : page.index('## Sets of the hub')]
    sets = page[page.index('| task | id') : page.index('## Variants')]
    rows = [line.split('|') for line in [*kinds.splitlines()[2:], *sets.splitlines()[2:]]]
    rows = [cells for cells in rows if len(cells) > 5]
    assert {kind for cells in rows for kind in re.findall(r'`(\w+)`', cells[1])} == set(
        TASK_CONFIGS
    )
    for cells in rows:
        for name in re.findall(r'`(\w+)\.py`', cells[5]):
            assert (ROOT / 'configs' / f'{name}.py').is_file()
