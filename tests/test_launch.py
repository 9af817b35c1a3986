"""The launch scripts: syntax, the environment made once. The pod's is in test_tpu_pod.py."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / 'launch').glob('*.sh'))


def bash(*words, cwd=ROOT, **env):
    return subprocess.run(
        ['bash', *words], cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize('path', [*SCRIPTS, ROOT / '.ci/run'], ids=lambda p: p.name)
def test_scripts_parse(path):
    answer = bash('-n', str(path))
    assert answer.returncode == 0, answer.stderr


def test_ci_calls_the_test_command_and_nothing_cleverer():
    assert 'exec bash launch/test.sh' in (ROOT / '.ci/run').read_text()


def fake_checkout(folder, pip_status=0, pip_seconds=0):
    """A folder with launch/ whose .venv python records its calls instead of installing."""
    (folder / 'launch').symlink_to(ROOT / 'launch')
    (folder / 'constraints.txt').write_text('numpy==1\n')
    (folder / 'setup.py').write_text('setup\n')
    (folder / 'pyproject.toml').write_text('[project]\n')
    python = folder / '.venv/bin/python'
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\necho "$@" >> calls\n'
        f'case "$*" in *install*) sleep {pip_seconds}; exit {pip_status};; *) exit 0;; esac\n'
    )
    python.chmod(0o755)


def installs(folder):
    calls = folder / 'calls'
    return [c for c in calls.read_text().splitlines() if ' install ' in c] if calls.exists() else []


def test_a_second_call_does_not_install_again(tmp_path):
    fake_checkout(tmp_path)
    for _ in range(2):
        answer = bash('-c', 'source launch/environment.sh && install_into_venv ""', cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
    assert len(installs(tmp_path)) == 1
    assert '--constraint constraints.txt' in installs(tmp_path)[0]
    (tmp_path / 'constraints.txt').write_text('numpy==2\n')
    bash('-c', 'source launch/environment.sh && install_into_venv ""', cwd=tmp_path)
    assert len(installs(tmp_path)) == 2, 'other pins are installed'
    (tmp_path / 'pyproject.toml').write_text('[project]\nname = "other"\n')
    bash('-c', 'source launch/environment.sh && install_into_venv ""', cwd=tmp_path)
    assert len(installs(tmp_path)) == 3, 'other dependencies are installed'


@pytest.mark.slow
def test_a_long_installation_shows_that_it_goes_on(tmp_path):
    fake_checkout(tmp_path, pip_seconds=6)
    answer = bash('-c', 'source launch/environment.sh && install_into_venv ""', cwd=tmp_path)
    assert 'installing, 5 s' in answer.stdout and 'Terminated' not in answer.stderr


def test_extras_are_an_installation_of_their_own(tmp_path):
    fake_checkout(tmp_path)
    for extras in ('', '[test,dev]', '[test,dev]', ''):
        bash('-c', f'source launch/environment.sh && install_into_venv "{extras}"', cwd=tmp_path)
    assert len(installs(tmp_path)) == 2


def test_a_failed_installation_is_reported_and_tried_again(tmp_path):
    fake_checkout(tmp_path, pip_status=1)
    for _ in range(2):
        answer = bash('-c', 'source launch/environment.sh && install_into_venv ""', cwd=tmp_path)
        assert answer.returncode != 0 and 'installation failed' in answer.stderr
    assert len(installs(tmp_path)) == 2


def test_an_old_python_is_refused(tmp_path):
    answer = bash('-c', 'source launch/environment.sh && find_python', PYTHON='/bin/false')
    assert answer.returncode != 0 and '3.11' in answer.stderr


def test_a_newer_python_is_found_in_path_or_among_pyenvs(tmp_path):
    find = 'source launch/environment.sh && find_newest_python'

    def python(folder, minor):
        folder.mkdir(parents=True)
        path = folder / 'python'
        path.write_text(f'#!/bin/sh\nexit {int(minor < 12)}\n')
        path.chmod(0o755)
        return str(path)

    some = [python(tmp_path / f'versions/3.{minor}.0/bin', minor) for minor in (9, 11, 12, 13)]
    path = f'{tmp_path}/none:/usr/bin:/bin'
    for name in ('python3.14', 'python3.13', 'python3.12'):  # as pyenv's shims, when not chosen
        (tmp_path / 'none').mkdir(exist_ok=True)
        (tmp_path / 'none' / name).symlink_to('/bin/false')
    given = {'PATH': path, 'PYENV_ROOT': str(tmp_path), 'XLBARRIER_NEWEST_PYTHON': ''}
    assert bash('-c', find, **given).stdout.strip() == some[-1]
    chosen = bash('-c', find, **given | {'XLBARRIER_NEWEST_PYTHON': some[2]})
    assert chosen.stdout.strip() == some[2]
    empty = bash('-c', find, **given | {'PYENV_ROOT': str(tmp_path / 'empty')})
    assert (empty.returncode, empty.stdout) == (1, '')


@pytest.mark.parametrize('status', [0, 1])
def test_the_newest_environment_is_made_once_or_said_to_have_failed(tmp_path, status):
    (tmp_path / 'launch').symlink_to(ROOT / 'launch')
    for name in ('pyproject.toml', 'constraints-newest.txt'):
        (tmp_path / name).write_text('')
    python = tmp_path / 'python'
    python.write_text(
        '#!/bin/sh\necho "$@" >> calls\n'
        f'case "$*" in *install*) exit {status};; *venv*) mkdir -p .venv-newest/bin;'
        ' cp python .venv-newest/bin;; esac\n'
    )
    python.chmod(0o755)
    code = 'set -e; source launch/environment.sh; if install_newest ./python; then echo made; fi'
    for _ in range(2):
        answer = bash('-c', code, cwd=tmp_path)
        assert answer.returncode == 0 and answer.stdout.endswith('made\n') == (status == 0)
    made = installs(tmp_path)
    assert len(made) == 1 + status and '--constraint constraints-newest.txt' in made[0]
    assert len(list(tmp_path.glob('.venv-newest/installed-*'))) == 1 - status
    (tmp_path / 'constraints-newest.txt').write_text('jax==1\n')
    bash('-c', code, cwd=tmp_path)
    assert len(installs(tmp_path)) == 2 + status, 'other pins'
