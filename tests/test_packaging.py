"""What an installation has: the recipes by name, the console command, the files that code reads."""

import fnmatch
import importlib
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import xlbarrier

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))


def test_the_recipes_are_a_package_of_the_wheel_and_the_folder_of_the_checkout():
    assert os.readlink(ROOT / 'xlbarrier/recipes') == '../configs'
    assert (ROOT / 'configs/__init__.py').is_file(), 'setuptools finds packages by it'
    quickstart = importlib.import_module('xlbarrier.recipes.quickstart')
    assert pathlib.Path(quickstart.__file__).samefile(ROOT / 'configs/quickstart.py')


def test_every_file_that_is_no_module_is_package_data():
    data = PROJECT['tool']['setuptools']['package-data']
    patterns = [
        f'{package.replace(".", "/")}/{pattern}'
        for package, names in data.items()
        for pattern in names
    ]
    tracked = subprocess.run(
        ['git', 'ls-files', 'xlbarrier', 'configs'], cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines()
    names = [re.sub('^configs/', 'xlbarrier/recipes/', name) for name in tracked]
    others = [name for name in names if not name.endswith('.py') and name != 'xlbarrier/recipes']
    missing = [n for n in others if not any(fnmatch.fnmatch(n, pattern) for pattern in patterns)]
    assert not missing, 'these files would be left out of the wheel'
    folders = {name.rpartition('/')[0] for name in names if name.endswith('.py')}
    lacking = [folder for folder in folders if f'{folder}/__init__.py' not in names]
    assert not lacking, 'these folders would be left out of the wheel'


def test_the_console_command_is_a_function():
    module, _, function = PROJECT['project']['scripts']['xlbarrier'].partition(':')
    assert callable(getattr(importlib.import_module(module), function))


PINS = {'constraints.txt': ('test', 'dev'), 'constraints-newest.txt': ('newest',)}


def pins_of(file):
    lines = (ROOT / file).read_text(encoding='utf-8').splitlines()
    pins = (line.split('==') for line in lines if '==' in line)
    return {
        name.lower().replace('-', '_'): tuple(map(int, re.findall(r'\d+', version)))
        for name, version in pins
    }


@pytest.mark.parametrize('file', PINS)
def test_the_pins_are_within_the_ranges(file):
    pins, optional = pins_of(file), PROJECT['project']['optional-dependencies']
    extras = [requirement for extra in PINS[file] for requirement in optional[extra]]
    for requirement in [*PROJECT['project']['dependencies'], *extras]:
        name, bounds = re.fullmatch(r'([\w-]+)(.*)', requirement).groups()
        if name == 'pip':
            continue
        version = pins[name.lower().replace('-', '_')]
        for sign, bound in re.findall(r'(>=|<)([\d.]+)', bounds):
            limit = tuple(map(int, bound.split('.')))
            assert version >= limit if sign == '>=' else version < limit, requirement


def test_two_minor_versions_of_jax_are_tested():
    assert [pins_of(file)['jax'][:2] for file in PINS] == [(0, 10), (0, 11)]


def test_the_hashed_requirements_are_the_pins_without_torch():
    pins = (ROOT / 'constraints.txt').read_text(encoding='utf-8').lower().replace('_', '-')
    text = (ROOT / 'requirements-hashed.txt').read_text(encoding='utf-8')
    one = r' \\\n    --hash=sha256:[0-9a-f]{64}'
    hashed = re.findall(rf'^([\w.-]+==[^\s;]+)((?:{one})+)$', text, re.M)
    assert len(hashed) == text.count('==')
    expected = {line for line in pins.split() if '==' in line and not line.startswith('torch==')}
    assert {name for name, _ in hashed} == expected, 'run launch/hashes.sh'


def test_importing_the_package_imports_nothing_heavy():
    heavy = ('jax', 'numpy', 'transformers', 'ml_collections')
    code = f'import xlbarrier, sys; print([name for name in {heavy} if name in sys.modules])'
    answer = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert answer.stdout.strip() == '[]', answer.stderr
    assert re.fullmatch(r'\d+\.\d+\.\d+', xlbarrier.__version__)
