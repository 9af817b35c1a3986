"""docs/your_own_task.md, run as it stands: its files, its commands, and the prompts it shows."""

import ast
import dataclasses
import functools
import importlib.util
import json
import pathlib
import re
import shlex

import pytest

from xlbarrier import config as config_lib
from xlbarrier import modes
from xlbarrier.config.tasks import UserConfig

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = (ROOT / 'docs' / 'your_own_task.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'```(\w+)\n(.*?)\n?```', PAGE, re.S)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The page's files, and what its commands left."""
    made = tmp_path_factory.mktemp('page')
    files = re.findall(r'`([\w.]+\.(?:jsonl|csv))`:?\n\n```\w+\n(.*?)```', PAGE, re.S)
    assert [name for name, _ in files] == ['capitals.en.jsonl', 'capitals.de.jsonl', 'facts.csv']
    for name, content in files:
        (made / name).write_text(content, encoding='utf-8')
    commands = [text for kind, text in BLOCKS if kind == 'bash']
    assert len(commands) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        for command in commands:
            carry_out(command)
    return made


def recipe(name):
    """The get_config of a file in configs."""
    spec = importlib.util.spec_from_file_location('recipe', ROOT / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config


def carry_out(command):
    """The command of the page, in this process: a new one would only load jax again."""
    python, module, program, *flags = shlex.split(command.replace('\\\n', ' '))
    assert (python, module, program) == ('python', '-m', 'xlbarrier.main')
    given = dict(flag.removeprefix('--').split('=', 1) for flag in flags)
    name, _, source = given.pop('config').partition(':')
    workdir, config = given.pop('workdir'), recipe(name)(source)
    for field, value in given.items():
        *path, last = field.split('.')[1:]
        at = functools.reduce(lambda here, part: here[part], path, config)
        at[last] = ast.literal_eval(value) if value.startswith('(') else value
    resolved = config_lib.resolve(config)
    modes.load(resolved.mode)(pathlib.Path(workdir), resolved)


def prompts(folder, run, sheet, task='user'):
    path = folder / 'runs' / run / 'prompts' / task / f'{sheet}.jsonl'
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def test_the_prompts_are_those_of_the_page(folder):
    bare, listed, mixed = [text for kind, text in BLOCKS if kind == 'text']
    rows = prompts(folder, 'prompts', 'full.de')
    shown = {(row['id'], row['method']): row['prompt'] for row in rows}
    assert shown['peru', 'loglikelihood'] == bare
    assert shown['peru', 'letter'] == listed
    rows = prompts(folder, 'prompts', 'gt.de')
    shown = {(row['id'], row['method']): row['prompt'] for row in rows}
    assert shown['oman', 'letter'] == mixed
    assert len(rows) == 2 * 3, 'two methods, three questions'


def test_the_pairs_are_completed(folder):
    (row,) = prompts(folder, 'facts', 'full.de')
    assert (row['prompt'], row['label']) == ('Die Donau mündet ins', 'Schwarze Meer.')


def test_every_field_of_the_table_exists():
    known = {f.name: f.default for f in dataclasses.fields(UserConfig)}
    table = PAGE[PAGE.index('| field of') : PAGE.index('Item ids, the number')]
    named = {
        name
        for line in table.strip().splitlines()[2:]
        for name in re.findall(r'`(\w+)`', line.split('|')[1])
    }
    assert named <= set(known)
    config = recipe('configs/user.py')('x.jsonl').tasks.user
    assert set(config) == {'source', 'methods'}, 'what differs from the defaults'
    assert all(config[name] != known[name] for name in config)
