"""A real S3 server on this machine, moto's: a run on it is killed and continued with the same bits.

tests/test_stores.py checks more cases with a store in memory.
"""

import contextlib
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest
import s3fs
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from tests.test_study import ROOT, outcome
from xlbarrier import datafiles
from xlbarrier.datafiles import DataError, places
from xlbarrier.errors import RunError
from xlbarrier.mirror import LIST, Mirror
from xlbarrier.models import source

LANGUAGES = ('en', 'fr', 'ar', 'zh')
TEXT = (
    'The river rises in the {} hills.\nIt flows for {} miles through {} old towns.\n\n'
    'In {} a bridge was built of {} stones.\n'
)


@pytest.fixture(scope='module')
def address():
    logging.getLogger('werkzeug').setLevel(logging.ERROR)
    server = ThreadedMotoServer('127.0.0.1', 0, verbose=False)
    server.start()
    yield 'http://{}:{}'.format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def store(address, tmp_path, monkeypatch):
    """An empty store with the bucket 'bucket', as s3fs and the processes of a test find it."""
    for name in [name for name in os.environ if name.startswith('AWS_')]:
        monkeypatch.delenv(name)
    for name, value in {
        'AWS_ENDPOINT_URL': address,
        'AWS_ACCESS_KEY_ID': 'key',
        'AWS_SECRET_ACCESS_KEY': 'secret',
        'AWS_EC2_METADATA_DISABLED': 'true',
        'AWS_CONFIG_FILE': str(tmp_path / 'none'),
        'AWS_SHARED_CREDENTIALS_FILE': str(tmp_path / 'none'),
        'XLBARRIER_CACHE': str(tmp_path / 'cache'),
    }.items():
        monkeypatch.setenv(name, value)
    post(address, 'reset')
    s3fs.S3FileSystem.clear_instance_cache()
    found = s3fs.S3FileSystem()
    found.mkdir('bucket')
    yield found
    post(address, 'reset')
    s3fs.S3FileSystem.clear_instance_cache()


def post(address, action, data=b''):
    """Calls moto's own interface, which is no part of S3."""
    place = f'{address}/moto-api/{action}'
    headers = {'Content-Type': 'text/plain'}
    urllib.request.urlopen(urllib.request.Request(place, data, headers, method='POST')).close()


@pytest.fixture
def refusing(store, address):
    """A server that knows no access key."""
    post(address, 'reset-auth', b'0')
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    post(address, 'reset-auth', b'inf')


@pytest.fixture
def silent():
    """The address of a server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(('127.0.0.1', 0))
        listening.listen(32)
        yield f'http://127.0.0.1:{listening.getsockname()[1]}'


@pytest.fixture
def closed():
    """An address at which nothing listens."""
    with socket.socket() as bound:
        bound.bind(('127.0.0.1', 0))
        yield f'http://127.0.0.1:{bound.getsockname()[1]}'


def command(workdir):
    return [
        *(sys.executable, '-m', 'xlbarrier.main', '--config=quickstart', f'--workdir={workdir}'),
        "--config.arms=('english',)",
        '--config.model.source=s3://bucket/models/Tiny',
        '--config.corpus.source=text:s3://bucket/texts/*.txt',
        '--config.corpus.text.documents=line',
        f'--config.tasks.worldfacts.languages={LANGUAGES}',
        '--config.tasks.worldfacts.questions=12',
        "--config.tasks.worldfacts.methods=('loglikelihood','letter')",
        '--config.train.steps=8',
        '--config.train.row_tokens=32',
        '--config.train.batch_rows=8',
        '--config.train.checkpoint_every=2',
        '--config.score.row_tokens=128',
        '--config.report.bootstrap_draws=200',
    ]


def begin(folder, *words):
    """Starts a command in an empty folder, in which it must leave nothing."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        words,
        cwd=folder,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_when(process, reached):
    """Sends SIGKILL as soon as `reached` is true."""
    until = time.monotonic() + 300
    while not reached():
        assert process.poll() is None and time.monotonic() < until, process.communicate()[1][-3000:]
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def rows(database):
    """How many scores a run has stored."""
    if not database.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f'file:{database}?mode=ro', uri=True)) as connection:
        try:
            return connection.execute('SELECT count(*) FROM scores').fetchone()[0]
        except sqlite3.OperationalError:  # not made yet
            return 0


def listed(store):
    """The files of the run, as of its last list."""
    store.invalidate_cache()
    return json.loads(store.cat_file(f'bucket/run/{LIST}'))['files']


def end(process):
    errors = process.communicate(timeout=600)[1]
    assert process.returncode == 0, errors[-3000:]
    return errors


@pytest.mark.slow
def test_a_study_killed_while_scoring_and_training_has_the_same_bits(
    store, tiny_llama, tmp_path, monkeypatch
):
    for path in tiny_llama.iterdir():
        store.put_file(str(path), f'bucket/models/Tiny/{path.name}')
    for name in ('one', 'two'):
        lines = ''.join(TEXT.format(*(f'{name}{n}' for n in range(i, i + 5))) for i in range(40))
        store.pipe_file(f'bucket/texts/{name}.txt', lines.encode())
    here = tmp_path / 'here'
    end(begin(here, *command(tmp_path / 'whole')))

    copy = Mirror('s3://bucket/run').folder
    kill_when(begin(here, *command('s3://bucket/run')), lambda: rows(copy / 'scores.sqlite'))
    assert not (copy / 'predictions/base/done.json').exists()
    assert 'corpus/english/manifest.json' in listed(store)
    copy = Mirror('s3://bucket/run').pull()
    assert rows(copy / 'scores.sqlite'), 'the copy is ahead of the store'

    process = begin(here, *command('s3://bucket/run'))
    kill_when(
        process, lambda: any(name.startswith('checkpoints/english/2/') for name in listed(store))
    )
    assert re.search(r', [1-9]\d* of them stored', (copy / 'log.txt').read_text())
    assert 'export/english/model.safetensors' not in listed(store)

    monkeypatch.setenv('XLBARRIER_CACHE', str(tmp_path / 'another machine'))
    errors = end(begin(here, *command('s3://bucket/run')))
    assert 'base: measured already' in errors
    assert 'continuing from the checkpoint of step' in errors
    store.get('bucket/run', str(tmp_path / 'fetched'), recursive=True)
    assert outcome(tmp_path / 'fetched') == outcome(tmp_path / 'whole')
    assert not list(here.iterdir()), "a folder 's3:' is never made"


def test_a_place_that_is_none_is_refused_in_seconds(store, tmp_path):
    began = time.monotonic()
    process = begin(tmp_path / 'here', *command('s3://none/run'))
    errors = process.communicate(timeout=60)[1]
    assert time.monotonic() - began < 30
    assert process.returncode == 2
    (line,) = errors.splitlines()
    assert line.startswith('ERROR: s3://none/run cannot be written: ')
    assert 'bucket does not exist' in line
    assert not list((tmp_path / 'here').iterdir())


def test_what_is_not_there_is_named(store):
    store.pipe_file('bucket/x/a.txt', b'a')
    for ask in (datafiles.find, places.check, source.check, source.resolve):
        for place in ('s3://none/x', 's3://none/x/*.txt')[: 2 if ask is places.check else 1]:
            with pytest.raises(DataError, match=r"s3://none/x.*: there is no bucket 'none'"):
                ask(place)
        with pytest.raises(DataError, match='s3://bucket/y: no such object or folder'):
            ask('s3://bucket/y')
    with pytest.raises(DataError, match=r's3://bucket/y/\*.txt: no such object'):
        places.check('s3://bucket/y/*.txt')
    for place in ('s3://bucket/x/a.txt', 's3://bucket/x/*.txt', 's3://bucket/*/*.txt'):
        places.check(place)
        assert [path.read_bytes() for path in datafiles.find(place)] == [b'a']


def test_an_object_that_is_empty_is_refused(store):
    store.pipe_file('bucket/x/a.txt', b'')
    with pytest.raises(DataError, match=r'a\.txt is empty'):
        datafiles.find('s3://bucket/x/*.txt')


def asks(place):
    """Every way in which a place is asked for the first time."""
    return (
        lambda: datafiles.find(f'{place}/*.txt'),
        lambda: datafiles.find(f'{place}/a.txt'),
        lambda: source.check(place),
        lambda: source.resolve(place),
        lambda: Mirror(place).pull(),
    )


def test_a_key_that_the_store_does_not_know_is_said(refusing):
    for ask in asks('s3://bucket/x'):
        with pytest.raises(DataError, match=r's3://bucket/x.* cannot be read: PermissionError: '):
            ask()


def test_a_key_that_is_not_set_is_said(store, monkeypatch):
    monkeypatch.delenv('AWS_ACCESS_KEY_ID')
    monkeypatch.delenv('AWS_SECRET_ACCESS_KEY')
    s3fs.S3FileSystem.clear_instance_cache()
    for ask in asks('s3://bucket/x'):
        with pytest.raises(DataError, match='cannot be read: NoCredentialsError: '):
            ask()


def test_a_place_that_can_be_read_only_is_refused_before_any_work(store, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError('Access Denied')

    monkeypatch.setattr(store, 'pipe_file', refused)
    with pytest.raises(DataError, match=r's3://bucket/run cannot be written: .*Access Denied'):
        Mirror('s3://bucket/run').pull()


def test_a_server_that_is_away_is_said(store, closed, monkeypatch):
    monkeypatch.setenv('AWS_ENDPOINT_URL', closed)
    s3fs.S3FileSystem.clear_instance_cache()
    began = time.monotonic()
    with pytest.raises(DataError, match=f's3://bucket/x cannot be read: .*{closed}'):
        Mirror('s3://bucket/x').pull()
    assert time.monotonic() - began < places.FIRST_ANSWER


def test_a_server_that_never_answers_is_said(store, silent, monkeypatch):
    monkeypatch.setenv('AWS_ENDPOINT_URL', silent)
    monkeypatch.setattr(places, 'FIRST_ANSWER', 2)
    s3fs.S3FileSystem.clear_instance_cache()
    for ask in asks('s3://bucket/x'):
        with pytest.raises(DataError, match=r's3://bucket/x.*has not answered within 2 seconds'):
            ask()


def test_a_copy_outlives_a_start_that_could_not_upload(store, monkeypatch):
    here = Mirror('s3://bucket/run')
    folder = here.pull()
    folder.mkdir(parents=True)
    (folder / 'config.json').write_text('{}')
    with monkeypatch.context() as patch:
        patch.setattr(store, 'put_file', lambda *args: 1 / 0)
        with pytest.raises(RunError, match='The run is kept in'):
            here.push()
    assert (Mirror('s3://bucket/run').pull() / 'config.json').exists()
    here.push()
    store.rm('bucket/run', recursive=True)
    assert not (Mirror('s3://bucket/run').pull() / 'config.json').exists()
