"""The command line: what flags, recipes and modes people type become, and what is refused."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from xlbarrier import cli, main
from xlbarrier.config import MODES, ConfigError, flags, resolve, to_dict
from xlbarrier.config.checks import hints
from xlbarrier.config.tasks import TASK_CONFIGS
from xlbarrier.modes import MODES as TABLE

ROOT = pathlib.Path(__file__).resolve().parent.parent


def read(*words, recipe='quickstart'):
    rest, overrides = flags.split(words)
    assert not rest
    return flags.read(recipe, overrides)


@pytest.mark.parametrize(
    ('text', 'languages'),
    [
        ('en,de,sw', ('en', 'de', 'sw')),
        ('en, de', ('en', 'de')),
        ('en,', ('en',)),
        ('sw', ('sw',)),
        ('("en","de")', ('en', 'de')),
        ("('en',)", ('en',)),
        ("['en', 'de']", ('en', 'de')),
        ("('en')", ('en',)),
        ('"en","de"', ('en', 'de')),
    ],
)
def test_lists_are_taken_as_people_type_them(text, languages):
    config = read(f'--config.tasks.worldfacts.languages={text}')
    assert config.tasks['worldfacts'].languages == languages


def test_any_field_of_any_section_and_any_task_can_be_set_in_any_recipe():
    config = read(
        *('--config.corpus.text.language=de', '--config.corpus.filters.min_words', '12'),
        *('--config.corpus.translator.stem=false', '--config.rescore.ra_clip=no'),
        *('--config.corpus.count_tokens=True', '--config.train.learning_rate=1e-5'),
        *('--config.tasks.mmlu.source=data', '--config.tasks.mmlu_aware.source=a=b'),
        *('--config.tasks.mmlu_aware.intervention=1', '--config.data.files='),
        *('--config.corpus.shares=0.2,0.2,0.2,0.2,.2', '--config.model.source=3'),
    )
    assert config.corpus.text.language == 'de' and config.corpus.filters.min_words == 12
    assert config.corpus.translator.stem is False and config.rescore.ra_clip is False
    assert config.corpus.count_tokens is True and config.train.learning_rate == 1e-5
    assert set(config.tasks) == {'worldfacts', 'mmlu', 'mmlu_aware'}
    assert config.tasks['mmlu_aware'].source == 'a=b'
    assert config.tasks['mmlu_aware'].intervention == 1
    assert config.tasks['worldfacts'].questions == 160, 'what the recipe set is kept'
    assert config.data.files == () and config.corpus.shares == (0.2,) * 5
    assert config.model.source == '3', 'the field, not the text, says what type it is'


@pytest.mark.parametrize(
    ('flag', 'words'),
    [
        ('--config.train.stepps=3', ['config.train.stepps', "'steps'"]),
        ('--config.corpus.text.langage=de', ['config.corpus.text.langage', "'language'"]),
        ('--config.tasks.worldfacts.question=3', ['worldfacts.question:', "'questions'"]),
        ('--config.tasks.mmllu.limit=3', ['config.tasks.mmllu', "'mmlu'"]),
        ('--config.trian.steps=3', ['config.trian', "'train'"]),
        ('--config.train=3', ["config.train is '3'; expected its fields", 'steps']),
        ('--config.tasks=mmlu', ['config.tasks is', 'config.tasks.TASK.FIELD']),
        ('--config.tasks.mmlu=a', ['config.tasks.mmlu is', 'source']),
        ('--config.seed.x=3', ['config.seed is a field']),
        ('--config.preview=3', ['config.corpus.preview now']),
        ('--config.train.steps', ['--config.train.steps has no value']),
        ('--config.train.steps=x', ['config.train.steps', "'x'"]),
        ('--config.train.steps=1.5', ['config.train.steps', "'1.5'", 'int']),
        ('--config.rescore.ra_clip=maybe', ['config.rescore.ra_clip', "'maybe'", 'bool']),
        ('--config.arms=("mixd",)', ['config.arms[0]', "'mixed'"]),
        ('--config.arms=("mixed', ['config.arms', 'commas']),
    ],
)
def test_a_wrong_flag_is_named(flag, words):
    with pytest.raises(ConfigError) as error:
        read(flag)
    for word in words:
        assert word in str(error.value)
    assert '\n' not in str(error.value)


def command(*words, cwd=ROOT, **more):
    environment = os.environ | {'PYTHONPATH': str(ROOT)} | more
    return subprocess.run(
        [sys.executable, '-m', 'xlbarrier.main', *words],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (('--config=quickstart', '--config.train.stepps=3'), ["'steps'"]),
        (('--config=configs/quickstart.py', '--no_such_flag'), ['no_such_flag']),
        (('--config=configs/none.py',), ['no config file configs/none.py', 'Recipes: chua']),
        (('eval', '--config=worldfact'), ["'worldfacts'", 'Recipes: chua_embedding, chua_hp']),
        (('evl', '--config=worldfacts'), ["no mode 'evl'", "'eval'"]),
        (('eval', 'worldfacts'), ["unexpected argument 'worldfacts'"]),
        (('eval',), ['--config is missing', '--config=quickstart']),
        (('config', 'quickstar'), ["'quickstart'"]),
    ],
)
def test_a_wrong_command_is_one_line_and_leaves_no_folder(words, expected, tmp_path):
    answer = command(*words, f'--workdir={tmp_path}/run')
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    for word in ['ERROR: ', *expected]:
        assert word in line
    assert not (tmp_path / 'run').exists(), 'nothing is written before the config is right'


def test_without_a_workdir_the_line_says_which_flag_is_missing():
    answer = command('eval', '--config=worldfacts')
    assert answer.returncode == 1 and '--workdir=runs/first' in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_the_first_word_sets_the_mode(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(
        main.modes, 'load', lambda name: lambda folder, config: ran.append((name, folder, config))
    )
    words = [f'--workdir={tmp_path}', '--config=quickstart', '--config.mode=study']
    main.main(['xlbarrier', 'eval', *words])
    main.main(['xlbarrier', *words])
    assert [(name, folder) for name, folder, _ in ran] == [('eval', tmp_path), ('study', tmp_path)]
    assert ran[0][2].mode == 'eval'


def test_a_recipe_of_ones_own_outside_the_checkout_builds_on_ours(tmp_path):
    (tmp_path / 'mine.py').write_text(
        'from xlbarrier.recipes import quickstart\n'
        'def get_config(steps="7"):\n'
        '    config = quickstart.get_config()\n'
        '    config.train.steps = int(steps)\n'
        '    return config\n'
    )
    answer = command('config', 'mine.py:11', '--config.arms=english', cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert 'config.train.steps = 11  #' in answer.stdout
    assert "config.arms = ('english',)" in answer.stdout
    assert read(recipe=str(tmp_path / 'mine.py')).train.steps == 7


@pytest.mark.parametrize(
    ('body', 'words'),
    [
        ('config.trian.steps = 3', ['mine.py, line 4: AttributeError', 'trian']),
        ('config.train.stepps = 3', ['config.train.stepps', "'steps'"]),
        ('1 / 0', ['mine.py, line 4: ZeroDivisionError']),
        ('return 3', ['get_config() returns 3']),
        ('return (', ['SyntaxError']),
    ],
)
def test_a_fault_in_a_recipe_is_named_with_its_line(body, words, tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        'from xlbarrier.recipes import quickstart\n'
        f'def get_config():\n    config = quickstart.get_config()\n    {body}\n    return config\n'
    )
    with pytest.raises(ConfigError) as error:
        read(recipe=str(path))
    for word in words:
        assert word in str(error.value)


def test_show_prints_every_field_with_its_comment_and_can_be_run_again():
    config = read('--config.tasks.mmlu.source=data', '--config.train.steps=9')
    lines = cli.show(config).splitlines()
    fields = {}
    for before, line in zip(['', *lines], lines, strict=False):
        if line.startswith('config.'):
            assert re.search('  # .', line) or before.startswith('# '), 'a comment for each field'
            name, _, value = line.partition(' = ')
            fields[name] = value  # and its comment, which eval passes over
        assert len(line) <= cli.WIDTH or '#' not in line
    assert 'config.train.steps = 9  # updates [default: 39]' in lines
    values = {}
    for name, text in fields.items():
        *path, last = name.split('.')[1:]
        at = values
        for part in path:
            at = at.setdefault(part, {})
        at[last] = eval(text)
    assert to_dict(resolve(values)) == to_dict(config)


@pytest.mark.parametrize(
    'section',
    sorted(set(TASK_CONFIGS.values()), key=lambda s: s.__name__),
    ids=lambda s: s.__name__,
)
def test_every_field_of_every_task_has_a_comment(section):
    notes = cli.comments(section)
    lacking = [n for n in hints(section) if not notes[n] and n not in ('text', 'translator')]
    assert not lacking


def test_help_lists_every_mode_and_recipe_and_loads_no_jax():
    text = cli.help_text()
    for name in (*MODES, *flags.recipe_names()):
        assert re.search(rf'^    {name}  +\S', text, re.MULTILINE)
    assert set(TABLE) == set(MODES) == set(cli.ABOUT)
    code = (
        'import sys; from xlbarrier import main; main.main(["xlbarrier", "--help"]);'
        ' sys.exit([m for m in ("jax", "numpy", "transformers") if m in sys.modules] or None)'
    )
    answer = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert '--config.FIELD=VALUE' in answer.stdout
