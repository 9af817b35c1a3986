"""The launch scripts: what --dry-run prints, and what a real start hands to the tool of the place.

kubectl, sbatch, sky and nvidia-smi are stand-ins that note how they are called: no cluster is here.
launch/local_pod.sh starts real processes; in the fast tests they are small programs.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from tests.test_study import command, outcome
from tests.test_two_processes import FLAGS, logged, without_compiled

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = ('--config=configs/quickstart.py', '--workdir=/data/it\'s a "run" $HOME')
COMMON = ('bash', 'cat', 'dirname', 'env', 'git', 'grep', 'mktemp', 'rm', 'seq')


@pytest.fixture
def tools(tmp_path) -> pathlib.Path:
    """A PATH with the usual tools and stand-ins that note their words and what they are fed."""
    place = tmp_path / 'bin'
    place.mkdir()
    for tool in COMMON:
        (place / tool).symlink_to(shutil.which(tool))
    program = f"""#!{sys.executable}
import json, os, sys
name = os.path.basename(sys.argv[0])
fed = '' if name in ('nvidia-smi', 'sky', 'python') else sys.stdin.read()
if name == 'sky':
    fed = open(sys.argv[-1]).read()
if name == 'nvidia-smi':
    print('GPU 0: a\\nGPU 1: b')
with open({str(tmp_path / 'calls')!r}, 'a') as f:
    f.write(json.dumps([name, sys.argv[1:], fed]) + '\\n')
"""
    for tool in ('kubectl', 'sbatch', 'sky', 'nvidia-smi', 'python'):
        (place / tool).write_text(program)
        (place / tool).chmod(0o755)
    return tmp_path


def launch(script, *words, tools=None, **variables):
    env = os.environ | variables
    if tools is not None:
        env['PATH'] = str(tools / 'bin')
    return subprocess.run(
        [shutil.which('bash'), str(ROOT / 'launch' / script), *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def calls(tools):
    return [json.loads(line) for line in (tools / 'calls').read_text().splitlines()]


GKE = {'NAME': 'run-1', 'IMAGE': 'example.org/xlbarrier:tpu', 'BUCKET': 'bucket', 'TOPOLOGY': '4x8'}


def test_gke_gets_a_jobset_with_a_worker_for_each_host(tools):
    dry = launch('gke.sh', '--dry-run', *WORDS, **GKE)
    assert dry.returncode == 0, dry.stderr
    job = yaml.safe_load(dry.stdout)
    assert (job['apiVersion'], job['kind']) == ('jobset.x-k8s.io/v1alpha2', 'JobSet')
    assert job['spec']['failurePolicy'] == {'maxRestarts': 10}
    (replicated,) = job['spec']['replicatedJobs']
    spec = replicated['template']['spec']
    assert (spec['parallelism'], spec['completions'], spec['backoffLimit']) == (8, 8, 0)
    pod = spec['template']['spec']
    assert pod['nodeSelector']['cloud.google.com/gke-tpu-topology'] == '4x8'
    (container,) = pod['containers']
    assert container['command'] == ['python', '-m', 'xlbarrier.main', *WORDS]
    assert container['env'] == [{'name': 'XLBARRIER_DISTRIBUTED', 'value': '1'}]
    assert container['resources']['limits'] == {'google.com/tpu': '4'}
    assert container['volumeMounts'][0]['name'] == pod['volumes'][0]['name']
    wet = launch('gke.sh', *WORDS, tools=tools, **GKE)
    assert wet.returncode == 0, wet.stderr
    assert calls(tools) == [['kubectl', ['apply', '-f', '-'], dry.stdout]]


def test_slurm_gets_a_job_that_is_requeued_with_its_checkpoint(tools):
    variables = {'NODES': '2', 'GPUS_PER_NODE': '4', 'PARTITION': 'gpu'}
    dry = launch('slurm.sh', '--dry-run', *WORDS, **variables)
    assert dry.returncode == 0, dry.stderr
    options = re.findall(r'^#SBATCH --([\w-]+)(?:=(.*))?$', dry.stdout, re.M)
    assert dict(options) | {'nodes': '2', 'ntasks-per-node': '4', 'gpus-per-node': '4',
                            'partition': 'gpu', 'requeue': '', 'signal': 'TERM@300'} == dict(
        options
    )  # fmt: skip
    (line,) = [line for line in dry.stdout.splitlines() if line.startswith('srun ')]
    program = ['.venv/bin/python', '-m', 'xlbarrier.main', *WORDS]
    assert shlex.split(line) == ['srun', '--kill-on-bad-exit=1', *program]
    wet = launch('slurm.sh', *WORDS, tools=tools, **variables)
    assert wet.returncode == 0, wet.stderr
    assert calls(tools) == [['sbatch', [], dry.stdout]]


@pytest.mark.parametrize(('status', 'requeued'), [(143, True), (1, False), (0, False)])
def test_the_slurm_job_runs_and_is_requeued_only_after_a_checkpoint(tmp_path, status, requeued):
    """The job's own text, run here with stand-ins for srun and scontrol."""
    job = launch('slurm.sh', '--dry-run', *WORDS).stdout
    functions = f'srun() {{ return {status}; }}\nscontrol() {{ echo "$@" > {tmp_path}/asked; }}\n'
    answer = subprocess.run(
        ['bash', '-c', functions + job], env=os.environ | {'SLURM_JOB_ID': '7'}, timeout=30
    )
    assert answer.returncode == status
    assert (tmp_path / 'asked').exists() == requeued
    assert not requeued or (tmp_path / 'asked').read_text() == 'requeue 7\n'


SKY = {'ACCELERATORS': 'H100:8', 'BUCKET': 's3://bucket', 'NODES': '2', 'COMMIT': 'c0ffee',
       'REPO': 'https://example.org/xlbarrier.git'}  # fmt: skip


def test_skypilot_gets_a_managed_job_of_several_nodes(tools):
    dry = launch('sky.sh', '--dry-run', *WORDS, **SKY)
    assert dry.returncode == 0, dry.stderr
    task = yaml.safe_load(dry.stdout)
    assert task['resources'] == {'accelerators': 'H100:8', 'use_spot': True}
    assert task['file_mounts'] == {'/data': {'source': 's3://bucket', 'mode': 'MOUNT'}}
    assert 'checkout --quiet --detach c0ffee' in task['setup'] and task['num_nodes'] == 2
    noting = task['run'].replace('exec .venv/bin/python', 'env; exec echo')
    nodes = {'SKYPILOT_NUM_NODES': '2', 'SKYPILOT_NODE_IPS': '10.0.0.1\n10.0.0.2',
             'SKYPILOT_NODE_RANK': '1'}  # fmt: skip
    ran = subprocess.run(
        ['bash', '-c', noting.replace('cd xlbarrier', ':')],
        env={'PATH': os.environ['PATH'], 'HOME': '/h', **nodes},
        capture_output=True,
        text=True,
    )
    assert {'COORDINATOR_ADDRESS=10.0.0.1:8476', 'NUM_PROCESSES=2', 'PROCESS_ID=1'} <= set(
        ran.stdout.splitlines()
    )
    assert ran.stdout.splitlines()[-1] == f'-m xlbarrier.main {" ".join(WORDS)}'
    wet = launch('sky.sh', *WORDS, tools=tools, **SKY)
    assert wet.returncode == 0, wet.stderr
    ((name, words, fed),) = calls(tools)
    assert (name, words[:5]) == ('sky', ['jobs', 'launch', '--yes', '--name', 'xlbarrier'])
    assert fed == dry.stdout


def test_all_gpus_of_a_machine_share_the_weights_unless_a_mesh_is_chosen(tools):
    dry = launch('gpus.sh', '--dry-run', *WORDS, tools=tools)
    assert dry.returncode == 0, dry.stderr
    mesh = ['--config.mesh.data=1', '--config.mesh.fsdp=2']
    program = ['.venv/bin/python', '-m', 'xlbarrier.main', *WORDS, *mesh]
    assert shlex.split(dry.stdout) == ['env', 'CUDA_VISIBLE_DEVICES=0,1', *program]
    wet = launch('gpus.sh', *WORDS, '--config.mesh.tensor=2', tools=tools, COMMAND='python -m run')
    assert wet.returncode == 0, wet.stderr
    assert calls(tools)[-1] == ['python', ['-m', 'run', *WORDS, '--config.mesh.tensor=2'], '']


@pytest.mark.parametrize(
    ('script', 'words', 'variables', 'named'),
    [
        ('gke.sh', WORDS, GKE | {'IMAGE': ''}, 'not set: IMAGE; see the top of launch/gke.sh'),
        ('gke.sh', WORDS, GKE | {'NAME': 'Run 1'}, "NAME is 'Run 1'"),
        ('gke.sh', WORDS, GKE | {'TOPOLOGY': '16'}, "TOPOLOGY is '16'"),
        ('gke.sh', (), GKE, 'no flags for xlbarrier.main'),
        ('slurm.sh', WORDS, {'NODES': 'two'}, "NODES is 'two'"),
        ('slurm.sh', (*WORDS, '--dry-run'), {}, '--dry-run must come first'),
        ('sky.sh', WORDS, SKY | {'BUCKET': 'bucket'}, 'expected s3://'),
        ('gpus.sh', WORDS, {'COUNT': 'all'}, "the number of GPUs is 'all'"),
        ('local_pod.sh', WORDS, {}, 'the number of processes is'),
        ('local_pod.sh', ('2',), {}, 'no flags for xlbarrier.main'),
    ],
)
def test_what_is_missing_is_named_before_anything_starts(script, words, variables, named):
    words = words if '--dry-run' in words else ('--dry-run', *words)
    answer = launch(script, *words, **variables)
    assert answer.returncode == 2 and answer.stdout == ''
    assert answer.stderr.startswith('ERROR: ') and named in answer.stderr


def test_the_containers_install_what_the_checkout_has():
    lines = (ROOT / 'launch/Dockerfile').read_text()
    copied = re.findall(r'^COPY (.*) \S+$', lines, re.M)
    for name in ' '.join(copied).split():
        assert (ROOT / name).exists()
    assert re.search(r'^FROM python:3\.1[1-3]-\S+$', lines, re.M), 'a pinned image'
    assert lines.rindex('USER xlbarrier') < lines.index('ENTRYPOINT')


PROGRAM = """
import os, pathlib, signal, sys, time
place, number = pathlib.Path(sys.argv[1]), os.environ['PROCESS_ID']
starts = place / f'starts-{number}'
with starts.open('a') as f:
    f.write(os.environ['COORDINATOR_ADDRESS'] + ' ' + os.environ['NUM_PROCESSES'] + '\\n')
first = len(starts.read_text().splitlines()) == 1
while number == '1' and not all((place / f'starts-{n}').exists() for n in (0, 2)):
    time.sleep(0.01)
if sys.argv[2] == 'error' and number == '1':
    sys.exit(3)
if sys.argv[2] == 'killed' and number == '1' and first:
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == 'error' or sys.argv[2] == 'killed' and first:
    time.sleep(60)
"""


@pytest.mark.parametrize(('how', 'status', 'starts'), [('killed', 0, 2), ('error', 3, 1)])
def test_a_killed_process_restarts_the_pod_and_an_error_ends_it(tmp_path, how, status, starts):
    (tmp_path / 'program.py').write_text(PROGRAM)
    began = time.monotonic()
    answer = launch(
        'local_pod.sh', '3', str(tmp_path), how,
        COMMAND=f'{sys.executable} {tmp_path / "program.py"}', LOGS=str(tmp_path / 'logs'),
    )  # fmt: skip
    assert answer.returncode == status, answer.stderr
    assert time.monotonic() - began < 30, 'the others were ended'
    for number in range(3):
        lines = (tmp_path / f'starts-{number}').read_text().splitlines()
        assert len(lines) == starts and all(line.endswith(' 3') for line in lines)
    assert ('all are started again' in answer.stderr) == (how == 'killed')


def test_the_words_of_each_process_are_shown():
    answer = launch('local_pod.sh', '--dry-run', '2', *WORDS, PORT='9', DEVICES='4')
    first, second = map(shlex.split, answer.stdout.splitlines())
    expected = ['env', 'COORDINATOR_ADDRESS=localhost:9', 'NUM_PROCESSES=2', 'PROCESS_ID=1']
    assert second[:6] == [*expected, 'JAX_PLATFORMS=cpu', 'JAX_NUM_CPU_DEVICES=4']
    assert second[6:] == ['.venv/bin/python', '-m', 'xlbarrier.main', *WORDS]
    assert 'PROCESS_ID=0' in first


@pytest.mark.slow
def test_a_local_pod_with_one_process_killed_ends_with_the_numbers_of_one_process(
    tiny_llama, tmp_path
):
    one, pod = tmp_path / 'one', tmp_path / 'pod'
    short = ('--config.train.checkpoint_every=2',)
    env = os.environ | {'JAX_NUM_CPU_DEVICES': '8'}
    alone = subprocess.run(
        command(tiny_llama, one, *FLAGS, *short), cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert alone.returncode == 0, alone.stderr[-3000:]
    _, _, _, *words = command(tiny_llama, pod, *FLAGS, *short)
    process = subprocess.Popen(
        ['bash', 'launch/local_pod.sh', '2', *words],
        cwd=ROOT,
        env=without_compiled()
        | {
            'DEVICES': '4',
            'LOGS': str(tmp_path / 'logs'),
            'COMMAND': f'{sys.executable} -m xlbarrier.main',
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 300
    while logged(pod) < 4 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() is None, process.stderr.read()[-5000:]
    found = subprocess.run(['pgrep', '-P', str(process.pid)], capture_output=True, text=True)
    second = sorted(map(int, found.stdout.split()))[1]
    os.kill(second, signal.SIGKILL)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors[-3000:]
    assert 'all are started again' in errors and 'continuing from the checkpoint' in errors
    a, b = outcome(one), outcome(pod)
    for (arm, step, loss), (arm_b, step_b, loss_b) in zip(a['losses'], b['losses'], strict=True):
        assert (arm, step) == (arm_b, step_b)
        assert loss == pytest.approx(loss_b, rel=1e-5)
