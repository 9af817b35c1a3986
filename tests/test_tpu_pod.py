"""launch/tpu_pod.sh: what --dry-run prints is what it runs, seen by a gcloud that only notes it."""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = ROOT / 'launch/tpu_pod.sh'
VARIABLES = {
    'PROJECT': 'my-project',
    'ZONE': 'europe-west4-b',
    'TPU_NAME': 'pod-1',
    'REPO': 'https://example.org/xlbarrier.git',
    'COMMIT': '0123abc',
}
FLAGS = ('--config=configs/quickstart.py', "--workdir=/mnt/all of us/it's a run")
CREATION = {'CREATE': '1', 'ACCELERATOR_TYPE': 'v5p-32', 'RUNTIME_VERSION': 'v2-alpha-tpuv5'}
TOOLS = (
    'bash',
    'dirname',
    'git',
    'sed',
    'sleep',
)  # all that the script may find: never a real gcloud
NAMES = {*VARIABLES, *CREATION, 'FOLDER', 'COMMAND', 'SSH_FLAGS'}


@pytest.fixture
def bare(tmp_path) -> pathlib.Path:
    """A folder whose `bin`, the script's whole PATH, has the tools and no gcloud."""
    (tmp_path / 'bin').mkdir()
    for tool in TOOLS:
        (tmp_path / 'bin' / tool).symlink_to(shutil.which(tool))
    return tmp_path


@pytest.fixture
def gcloud(bare) -> pathlib.Path:
    """The same with a `gcloud` that notes its arguments, and fails where it should."""
    program = f"""#!{sys.executable}
import json, os, sys
with open({str(bare / 'calls')!r}, 'a') as f:
    f.write(json.dumps(sys.argv[1:]) + '\\n')
words = ' '.join(sys.argv)
if 'describe' in words:
    print(os.environ['STATE'])
if 'XLBARRIER_DISTRIBUTED' in words and os.environ.get('LOST'):
    lost = {str(bare / 'lost')!r}
    if len(open(lost).read() if os.path.exists(lost) else '') < int(os.environ['LOST']):
        open(lost, 'a').write('x')
        sys.exit(255)
sys.exit(3 if os.environ.get('FAILING', 'nothing') in ' '.join(sys.argv) else 0)
"""
    path = bare / 'bin/gcloud'
    path.write_text(program)
    path.chmod(0o755)
    return bare


def launch(*args: str, path: pathlib.Path, variables=None, script=SCRIPT, **more: str):
    environment = {k: v for k, v in os.environ.items() if k not in NAMES}
    environment |= VARIABLES if variables is None else variables
    environment['PATH'] = str(path / 'bin')
    return subprocess.run(
        [shutil.which('bash'), str(script), *args],
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=30,
    )


def commands(printed: str) -> list[list[str]]:
    """The printed commands as a shell would read them."""
    words, found = shlex.split(printed), []
    for word in words:
        if word == 'gcloud':
            found.append([])
        found[-1].append(word)
    return [command[1:] for command in found]


def calls(folder: pathlib.Path) -> list[list[str]]:
    path = folder / 'calls'
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def remote(command: list[str]) -> str:
    (text,) = [w.removeprefix('--command=') for w in command if w.startswith('--command=')]
    return text


@pytest.mark.parametrize('create', [False, True])
def test_a_dry_run_prints_what_a_run_runs(gcloud, create):
    flags = (*FLAGS, '--config.seed=3', '--config.note=a "b" $HOME')
    more = CREATION if create else {}
    dry = launch('--dry-run', *flags, path=gcloud, **more)
    assert dry.returncode == 0, dry.stderr
    assert calls(gcloud) == []
    wet = launch(*flags, path=gcloud, **more)
    assert wet.returncode == 0, wet.stderr
    assert wet.stdout == dry.stdout
    assert commands(dry.stdout) == calls(gcloud)
    assert len(calls(gcloud)) == 2 + create


def test_the_same_command_goes_to_every_worker(gcloud):
    printed = launch('--dry-run', *FLAGS, '--config.note=a "b" $HOME', path=gcloud).stdout
    prepare, start = commands(printed)
    where = ['--project=my-project', '--zone=europe-west4-b', '--worker=all']
    for command in (prepare, start):
        assert command[:-1] == ['compute', 'tpus', 'tpu-vm', 'ssh', 'pod-1', *where]
    # Read by the worker's shell, the command has the words that were meant.
    change, export, run = remote(start).split(' && ')
    assert (change, export) == ('cd xlbarrier', 'export XLBARRIER_DISTRIBUTED=1')
    words = ['.venv/bin/python', '-m', 'xlbarrier.main', *FLAGS, '--config.note=a "b" $HOME']
    assert shlex.split(run) == words
    for part in ('https://example.org/xlbarrier.git xlbarrier', '--detach 0123abc', "'[tpu]'"):
        assert part in remote(prepare)


def test_the_workers_preparation_runs_and_runs_again(tmp_path, gcloud):
    """The text sent to a worker, run here: clone, check out, install (noted, not done)."""
    origin, home = tmp_path / 'origin', tmp_path / 'home'
    (origin / 'launch').mkdir(parents=True)
    home.mkdir()
    noted = 'find_python() { true; }\ninstall_into_venv() { echo "$1" >> installed; }\n'
    (origin / 'launch/environment.sh').write_text(noted)

    def git(*args: str) -> str:
        identity = ('-c', 'user.name=t', '-c', 'user.email=t@example.org')
        command = ['git', '-C', str(origin), *identity, *args]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git('init', '--quiet')
    git('add', '.')
    commits = []
    for message in ('one', 'two', 'three'):
        git('commit', '--quiet', '--allow-empty', '-m', message)
        commits.append(git('rev-parse', 'HEAD'))
    for commit in (commits[0], commits[1], commits[1]):
        printed = launch('--dry-run', *FLAGS, path=gcloud, REPO=str(origin), COMMIT=commit).stdout
        answer = subprocess.run(
            ['bash', '-c', remote(commands(printed)[0])],
            cwd=home,
            env={**os.environ, 'HOME': str(home)},
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr
        head = ['git', '-C', str(home / 'xlbarrier'), 'rev-parse', 'HEAD']
        assert subprocess.check_output(head, text=True).strip() == commit
    assert (home / 'xlbarrier/installed').read_text() == '[tpu]\n' * 3


def test_the_pod_is_made_only_when_asked(gcloud):
    plain = launch('--dry-run', *FLAGS, path=gcloud, **(CREATION | {'CREATE': '0'}))
    assert 'tpu-vm create' not in plain.stdout and 'costs' not in plain.stderr
    made = launch('--dry-run', *FLAGS, path=gcloud, **CREATION)
    assert commands(made.stdout)[0] == [
        *('compute', 'tpus', 'tpu-vm', 'create', 'pod-1', '--project=my-project'),
        *('--zone=europe-west4-b', '--accelerator-type=v5p-32', '--version=v2-alpha-tpuv5'),
    ]
    assert 'costs until: gcloud compute tpus tpu-vm delete pod-1' in made.stderr


@pytest.mark.parametrize(
    ('without', 'flags', 'named'),
    [
        (('ZONE',), FLAGS, 'not set: ZONE; see the top of launch/tpu_pod.sh'),
        (('PROJECT', 'TPU_NAME'), ('--dry-run', *FLAGS), 'not set: PROJECT, TPU_NAME;'),
        ((), (), 'expected at least --config=FILE --workdir'),
        ((), ('--dry-run',), 'expected at least --config=FILE --workdir'),
        ((), (*FLAGS, '--dry-run'), '--dry-run must come first; nothing was run'),
    ],
)
def test_what_is_missing_is_named_before_anything_runs(gcloud, without, flags, named):
    given = {k: v for k, v in VARIABLES.items() if k not in without}
    answer = launch(*flags, variables=given, path=gcloud)
    assert answer.returncode == 2
    assert answer.stderr.startswith('ERROR: ') and named in answer.stderr
    assert answer.stdout == '' and calls(gcloud) == []


def test_repository_and_commit_are_those_of_the_checkout(gcloud, tmp_path):
    checkout = tmp_path / 'checkout'
    (checkout / 'launch').mkdir(parents=True)
    for name in ('tpu_pod.sh', 'common.sh'):
        shutil.copy(ROOT / 'launch' / name, checkout / 'launch')
    given = {k: v for k, v in VARIABLES.items() if k not in ('REPO', 'COMMIT')}
    script = checkout / 'launch/tpu_pod.sh'
    answer = launch('--dry-run', *FLAGS, variables=given, path=gcloud, script=script)
    assert answer.returncode == 2 and 'not set: REPO, COMMIT;' in answer.stderr
    for args in (
        ('init', '--quiet'),
        ('remote', 'add', 'origin', 'https://example.org/fork.git'),
        ('add', '.'),
        ('-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '--quiet', '-m', 'one'),
    ):
        subprocess.run(['git', '-C', str(checkout), *args], check=True, capture_output=True)
    answer = launch('--dry-run', *FLAGS, variables=given, path=gcloud, script=script)
    assert answer.returncode == 0 and answer.stderr == ''
    head = subprocess.check_output(['git', '-C', str(checkout), 'rev-parse', 'HEAD'], text=True)
    text = remote(commands(answer.stdout)[0])
    assert 'clone --quiet https://example.org/fork.git xlbarrier' in text
    assert f'--detach {head.strip()}\n' in text
    script.write_text(script.read_text() + '# changed\n')
    answer = launch('--dry-run', *FLAGS, variables=given, path=gcloud, script=script)
    assert 'not committed stay here' in answer.stderr


def test_without_gcloud(bare):
    answer = launch(*FLAGS, path=bare)
    assert answer.returncode == 2 and answer.stdout == ''
    assert 'gcloud is not installed' in answer.stderr and '--dry-run' in answer.stderr
    assert launch('--dry-run', *FLAGS, path=bare).returncode == 0


def test_a_failure_on_the_workers_ends_it(gcloud):
    answer = launch(*FLAGS, path=gcloud, FAILING='clone')
    assert answer.returncode == 3
    assert len(calls(gcloud)) == 1  # nothing is started on workers that were not prepared


def test_own_command_and_flags(gcloud):
    given = {'COMMAND': 'python -c "print(1)"', 'SSH_FLAGS': '--tunnel-through-iap --quiet'}
    _, start = commands(launch('--dry-run', path=gcloud, **given, FOLDER='a folder').stdout)
    assert start[-3:-1] == ['--tunnel-through-iap', '--quiet']
    wanted = 'cd \'a folder\' && export XLBARRIER_DISTRIBUTED=1 && python -c "print(1)"'
    assert remote(start) == wanted


@pytest.mark.parametrize('state', ['PREEMPTED', 'READY'])
def test_a_pod_that_is_taken_away_is_made_again_and_a_failed_run_is_not_repeated(gcloud, state):
    answer = launch(*FLAGS, path=gcloud, RESTARTS='2', STATE=state, LOST='1', WAIT='0')
    done = [next(w for w in call if w in ('ssh', 'describe', 'delete', 'create'))
            for call in calls(gcloud)]  # fmt: skip
    if state == 'READY':
        assert done == ['ssh', 'ssh', 'describe'] and answer.returncode == 255
        assert 'its own lines above say why' in answer.stderr
    else:
        assert answer.returncode == 0, answer.stderr
        assert done == ['ssh', 'ssh', 'describe', 'delete', 'create', 'ssh', 'ssh']
        assert 'the pod is PREEMPTED: it is made again, start 2' in answer.stderr


def test_after_the_last_restart_the_status_is_the_run_s(gcloud):
    answer = launch(*FLAGS, path=gcloud, RESTARTS='1', STATE='PREEMPTED', LOST='9', WAIT='0')
    assert answer.returncode == 255
