"""Corpora from WikiText-2 with dictionaries: words a second, memory at 1x and 8x, twenty kills.

    python benchmarks/corpus.py speed|kill|beam [--data FOLDER] [--units words:8,sentence]
        [--kills 20] [--copies 1]

Wants the test data (XLBARRIER_TEST_DATA): wikitext2/*.txt and FreeDict's word lists. Prints one
JSON object a line, the machine first. `speed` builds the mixed arm in en, fr, it, pl, ru and es,
each time in a new process with a new cache; memory is that of the process with its children, and
words are those of the finished corpus. At 8x the source contains it eight times, as other
files; documents have other numbers and so other draws. `kill` sends SIGKILL at random moments of a
build, starts it again until it finishes, and compares it with one that was let alone; and does so
with another build until it has killed often enough. `beam` (needs apache-beam) builds each unit in
the ordinary way, and by DirectRunner in this process and in two others, and compares the bytes.
"""

import argparse
import collections
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import platform
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from xlbarrier.config.corpus import CorpusConfig, TranslatorConfig
from xlbarrier.corpus import build, rows, shards, translation

LANGUAGES = ('en', 'fr', 'it', 'pl', 'ru', 'es')
PACKAGES = ('icu4py', 'sentencex', 'numpy', 'pyarrow')


class Recorded:
    """A cached translator that writes down every text before it is translated."""

    def __init__(self, cached, path: str):
        self._cached, self._inner = cached, cached.translator.translate
        self._base = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._base.execute('PRAGMA journal_mode = WAL')
        self._base.execute('CREATE TABLE IF NOT EXISTS begun (target TEXT, text TEXT)')
        cached.translator.translate = self._translate

    def __getattr__(self, name: str):
        return getattr(self._cached, name)

    def _translate(self, texts, source: str, target: str):
        self._base.execute('BEGIN IMMEDIATE')
        self._base.executemany('INSERT INTO begun VALUES (?, ?)', [(target, t) for t in texts])
        self._base.execute('COMMIT')
        return self._inner(texts, source, target)


def recorded(config: TranslatorConfig, cache: str, log: str) -> Recorded:
    """The configured translator, recorded; a module's function, so that processes can share it."""
    return Recorded(translation.configured(config, cache), log)


# Options of DirectRunner.
HERE = '--direct_num_workers=1'
TWO = '--direct_num_workers=2 --direct_running_mode=multi_processing'


def child(
    folder: str, source: str, unit: str, workers: str, place: str, log: str, options: str = ''
) -> None:
    """Builds one corpus, with its cache beside it; `options`: by DirectRunner with these."""
    config = CorpusConfig(
        source=f'wikitext:{source}',
        languages=LANGUAGES,
        unit=unit,
        runner='DirectRunner' if options else '',
        runner_options=options,
        translator=TranslatorConfig(place=place, workers=int(workers), max_failed=1.0),
    )
    make = None
    if log:
        # Small shards and batches, so that a kill meets every kind of moment.
        shards.SHARD_CHARACTERS, rows.BATCH_CHARACTERS = 1 << 17, 1 << 13
        cache = str(pathlib.Path(folder).parent / 'translations.sqlite')
        make = functools.partial(recorded, config.translator, cache, log)
    build.build(config, 'mixed', folder, make=make)


def start(
    data: pathlib.Path, folder, source, unit: str, workers: int, log='', options=''
) -> subprocess.Popen:
    """A build in a separate process."""
    place = str(data / 'freedict/freedict-{source}-{target}.index')
    command = [sys.executable, __file__, 'child', folder, source, unit, workers, place, log]
    command.append(options)
    return subprocess.Popen(
        [str(part) for part in command], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=sys.stderr
    )


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and its children; 0 when they are gone."""
    total, todo = 0, [pid]
    while todo:
        now = todo.pop()
        try:
            status = pathlib.Path(f'/proc/{now}/status').read_text()
            # Of every thread: Beam starts its workers from others than the first.
            tasks = pathlib.Path(f'/proc/{now}/task').glob('*/children')
            children = ' '.join(task.read_text() for task in tasks)
        except OSError:
            continue
        found = re.search(r'VmRSS:\s+(\d+) kB', status)
        total += int(found[1]) * 1024 if found else 0
        todo += [int(child) for child in children.split()]
    return total


def cpu_seconds() -> float:
    """Of all processes that this one started and that have ended: counts on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(process: subprocess.Popen) -> dict[str, float]:
    """Waits for a build: seconds, those of the processors, and the most memory."""
    began, peak, cpu = time.monotonic(), [0], cpu_seconds()

    def watch() -> None:
        while process.poll() is None:
            peak[0] = max(peak[0], tree_memory(process.pid))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.monotonic() - began
    watcher.join()
    if code:
        raise SystemExit(f'the build ended with {code}')
    cpu = cpu_seconds() - cpu
    return {'seconds': round(seconds, 2), 'cpu': round(cpu, 2), 'peak_mb': round(peak[0] / 1e6)}


def copied(data: pathlib.Path, work: pathlib.Path, copies: int) -> str:
    """A glob of WikiText-2's files, so many times."""
    source = work / f'{copies}x'
    source.mkdir()
    for i in range(copies):
        for path in sorted((data / 'wikitext2').glob('*.txt')):
            shutil.copy(path, source / f'{i}-{path.name}')
    return f'{source}/*.txt'


def speed(data: pathlib.Path, work: pathlib.Path, units: list[str]) -> None:
    """Builds every unit at 1x and 8x, with one and two translating processes."""
    sources = {copies: copied(data, work, copies) for copies in (1, 8)}
    for unit in units:
        for copies, workers in ((1, 1), (1, 2), (8, 1), (8, 2)):
            folder = work / f'{unit}-{copies}-{workers}'.replace(':', '') / 'corpus'
            found = measured(start(data, folder, sources[copies], unit, workers))
            manifest = build.read_manifest(folder)
            built = json.loads((folder / 'build.json').read_text())
            words = manifest['words']['total']
            tell(
                unit=unit,
                copies=copies,
                workers=workers,
                words=words,
                seconds_with_start=found['seconds'],
                words_per_second_with_start=round(words / found['seconds']),
                words_per_second=round(built['words_per_second']),
                words_per_cpu_second=round(words / found['cpu']),
                load=round(os.getloadavg()[0], 1),
                peak_mb=found['peak_mb'],
                hit_rate=built['cache']['rate'],
                failed=manifest['translations']['failed'],
                switches_per_100_words=manifest['switches_per_100_words'],
            )


def beam(data: pathlib.Path, work: pathlib.Path, units: list[str], copies: int) -> None:
    """Builds every unit without and with Beam, in this process and in two others."""
    source = copied(data, work, copies)
    for unit in units:
        contents = []
        for i, options in enumerate(('', HERE, TWO)):
            folder = work / f'{unit}-{i}'.replace(':', '') / 'corpus'
            found = measured(start(data, folder, source, unit, 1, options=options))
            contents.append(content(folder))
            assert contents[0] == contents[-1], f'the bytes differ with {options}'
            words = build.read_manifest(folder)['words']['total']
            load = round(os.getloadavg()[0], 1)
            tell(
                unit=unit, copies=copies, options=options, words=words, **found, load=load,
                files=len(contents[-1]),
            )  # fmt: skip


def content(folder: pathlib.Path) -> dict[str, str]:
    """Digest of every file but build.json, which no two builds share."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and path.name != 'build.json'
    }


def begun(log: pathlib.Path) -> collections.Counter:
    """How many times each (target, text) was given to the translator."""
    with sqlite3.connect(log, timeout=60) as base:
        rows = base.execute('SELECT target, text, COUNT(*) FROM begun GROUP BY target, text')
        return collections.Counter({(target, text): count for target, text, count in rows})


def kill(data: pathlib.Path, work: pathlib.Path, units: list[str], kills: int) -> None:
    """Kills a build at random moments, for one and two translating processes."""
    source, unit = data / 'wikitext2/valid.txt', units[0]
    for workers in (1, 2):
        place = work / f'kill-{workers}'
        for name in ('whole', 'killed'):
            (place / name).mkdir(parents=True)
        began = time.monotonic()
        logs = {name: place / name / 'log.sqlite' for name in ('whole', 'killed')}
        whole = place / 'whole/corpus'
        assert start(data, whole, source, unit, workers, logs['whole']).wait() == 0
        seconds = time.monotonic() - began
        draw, done, builds, moments, again, most = random.Random(workers), 0, 0, [], 0, 0
        while done < kills:
            shutil.rmtree(place / 'killed')
            (place / 'killed').mkdir()
            folder, finished = place / 'killed/corpus', False
            while not finished:
                process = start(data, folder, source, unit, workers, logs['killed'])
                if done < kills:
                    moment = draw.uniform(0.1, 1.0) * seconds
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(moment)
                    process.send_signal(signal.SIGKILL)
                finished = process.wait() == 0
                if not finished:
                    done += 1
                    moments.append(round(moment, 2))
            counts = begun(logs['killed'])
            assert content(folder) == content(whole), 'the bytes differ'
            assert counts.keys() == begun(logs['whole']).keys(), 'the texts differ'
            builds += 1
            again += sum(count - 1 for count in counts.values())
            most = max(most, *counts.values())
        tell(
            unit=unit,
            workers=workers,
            kills=done,
            builds_finished_with_the_same_bytes=builds,
            seconds_of_a_whole_build=round(seconds, 2),
            moments=moments,
            texts=len(counts),
            translated_again_as_they_were_in_work=again,
            most_often_one_text=most,
        )


def tell(**fields) -> None:
    """Prints one line."""
    print(json.dumps(fields, ensure_ascii=False), flush=True)


def main() -> None:
    """Parses, prints the machine, runs."""
    if sys.argv[1:2] == ['child']:
        child(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('what', choices=('speed', 'kill', 'beam'))
    default = os.environ.get('XLBARRIER_TEST_DATA', ROOT / '../shared/data')
    parser.add_argument('--data', type=pathlib.Path, default=default)
    parser.add_argument('--units', default='words:8,sentence')
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--copies', type=int, default=1)
    options = parser.parse_args()
    data, units = options.data.resolve(), options.units.split(',')
    tell(
        machine=platform.platform(),
        cpus=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        versions={name: metadata.version(name) for name in PACKAGES},
    )
    with tempfile.TemporaryDirectory() as work:
        if options.what == 'speed':
            speed(data, pathlib.Path(work), units)
        elif options.what == 'beam':
            beam(data, pathlib.Path(work), units, options.copies)
        else:
            kill(data, pathlib.Path(work), units, options.kills)


if __name__ == '__main__':
    main()
