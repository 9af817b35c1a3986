"""SIGKILL at random moments: the finished corpus is the same, and no text is translated twice."""

import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.corpus_translators import begun, content

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOST_IN_WORK = 200  # pieces of a batch of 600 characters, for each process: far more than it has


def start(folder, cache, source, workers, slow):
    command = [sys.executable, '-m', 'tests.corpus_killed', *map(str, (folder, cache, source))]
    return subprocess.Popen([*command, str(workers), str(slow)], cwd=ROOT)


def children(pid):
    """Processes whose parent is `pid`, as the kernel lists them."""
    path = pathlib.Path(f'/proc/{pid}/task/{pid}/children')
    return [int(child) for child in path.read_text().split()] if path.exists() else []


@pytest.fixture
def source(tmp_path):
    draw = random.Random(0)
    words = [f'{a}{b}' for a in 'bcdfghjklm' for b in ('ag', 'est', 'in', 'ond', 'ur')]
    texts = [' '.join(draw.choices(words, k=draw.randint(5, 60))) + '.' for _ in range(300)]
    path = tmp_path / 'text.txt'
    path.write_text('\n\n'.join(texts + texts[:30]))
    return path


def kill_at(process, cache, texts, seconds):
    """SIGKILL `seconds` after so many texts were begun; whether it came before the end."""
    while process.poll() is None and (not cache.exists() or sum(begun(cache).values()) < texts):
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.parametrize('workers', [1, 2])
def test_killed_at_random_moments(tmp_path, source, workers):
    whole, folder, slow = tmp_path / 'whole', tmp_path / 'killed', 0.0005
    assert start(whole, tmp_path / 'a.sqlite', source, workers, 0).wait() == 0
    wanted = begun(tmp_path / 'a.sqlite').keys()
    draw, cache, kills = random.Random(workers), tmp_path / 'b.sqlite', 0
    for part in (0.0, 0.4, 0.8)[workers - 1 :]:
        process = start(folder, cache, source, workers, slow)
        texts = int((part + draw.uniform(0, 0.2)) * len(wanted))
        kills += kill_at(process, cache, texts, draw.uniform(0, 0.05))
    assert kills == 4 - workers
    process = start(folder, cache, source, workers, slow)
    assert process.wait() == 0
    assert content(folder) == content(whole)
    assert begun(cache).keys() == wanted
    # A text that was in work when its process was killed was not kept, and is begun again.
    counts = collections.Counter(begun(cache).values())
    again = sum(count for times, count in counts.items() if times > 1)
    assert max(counts) <= 1 + kills and again <= kills * workers * MOST_IN_WORK
    assert json.loads((folder / 'build.json').read_text())['cache']['hits'] > 0


def test_translating_processes_end_with_the_one_they_work_for(tmp_path, source):
    cache = tmp_path / 'c.sqlite'
    process = start(tmp_path / 'c', cache, source, 2, 0.001)
    while process.poll() is None and (not cache.exists() or not begun(cache)):
        time.sleep(0.01)
    orphans = [pid for pid in children(process.pid) if running(pid)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(orphans) >= 2
    for _ in range(300):
        if not any(map(running, orphans)):
            break
        time.sleep(0.1)
    assert not any(map(running, orphans))


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = pathlib.Path(f'/proc/{pid}/stat')
    return stat.exists() and stat.read_text().rpartition(')')[2].split()[0] != 'Z'
