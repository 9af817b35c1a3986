"""Malformed inputs by the hundred: each is refused by an error raised on purpose, or accepted.

Inputs are made from valid ones by seeded mutations (tests/fuzz), so that a failure names the number
that makes it again:

    python -m tests.test_fuzz 1000      # the first thousand, wherever they lead
"""

import pathlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback

import pytest

from tests import report_run
from tests.fuzz import mutate, surfaces
from xlbarrier.errors import XlbarrierError

COUNT = 500
LONGEST = 30  # seconds for one input
GROWTH = 1 << 30  # bytes
SECONDS = 60  # after which the rest is left out; the first COUNT take a third of it


class Hang(BaseException):
    """An input took longer than LONGEST; not an Exception, so that nothing catches it."""


def hang(*_):
    raise Hang


def attempt(number, kinds):
    """What is wrong with the handling of one input; '' where it is handled."""
    rng = random.Random(number)
    kind = kinds[number % (len(kinds) + 1)] if number % (len(kinds) + 1) < len(kinds) else None
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        if kind is None:
            given = surfaces.flags(rng)
            name, read, what = f'flags {given}', surfaces.read_config, given
        else:
            path = rng.choice(kind.files(folder))
            name = f'{kind.name} {path.name}: {mutate.spoil(path, rng)}'
            read, what = kind.read, folder
        signal.alarm(LONGEST)
        try:
            read(what)
        except (XlbarrierError, OSError) as error:
            if '\n' in str(error).strip() and 'config' not in str(error):
                return f'{number}, {name}: more than a line: {error}'
        except Hang:
            return f'{number}, {name}: more than {LONGEST} s'
        except Exception:
            frames = traceback.format_exc().splitlines()
            return f'{number}, {name}: {" | ".join(frames[-7:])}'
        finally:
            signal.alarm(0)
            for left in folder.rglob('*'):  # a folder in a file's place cannot always be removed
                if left.is_dir() and not left.is_symlink():
                    left.chmod(0o700)
    return ''


def run(count, seconds):
    """Faults among the first inputs, the number tried, and the growth of the process."""
    signal.signal(signal.SIGALRM, hang)
    finished = pathlib.Path(tempfile.mkdtemp())
    try:
        report_run.write(finished, models=('base',))
        kinds = surfaces.surfaces(surfaces.tiny_decoder(), finished)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        until, faults, tried = time.monotonic() + seconds, [], 0
        for number in range(count):
            if time.monotonic() > until:
                break
            fault = attempt(number, kinds)
            if fault:
                print(fault, flush=True)
                faults.append(fault)
            tried += 1
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return faults, tried, after - before
    finally:
        shutil.rmtree(finished)


@pytest.mark.slow
def test_malformed_inputs_are_refused_in_one_line_without_a_hang_or_a_bomb():
    faults, tried, growth = run(COUNT, SECONDS)
    assert not faults, f'{len(faults)} of {tried}:\n' + '\n'.join(faults)
    assert growth < GROWTH, f'grew by {growth / 2**20:.0f} MiB over {tried} inputs'
    assert tried >= COUNT // 10


if __name__ == '__main__':
    found, number, grown = run(int(sys.argv[1]), 3600)
    print(f'{len(found)} faults in {number} inputs, grown by {grown / 2**20:.0f} MiB')
