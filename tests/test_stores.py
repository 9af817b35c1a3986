"""Places on object stores: what is read is fetched, a run folder is mirrored, the rest is refused.

fsspec's memory:// replaces a store: it has objects and no folders, as gs:// and s3:// have.
"""

import json
import pathlib
import shutil
import sqlite3

import fsspec
import pytest

from xlbarrier import config as config_lib
from xlbarrier import datafiles, mirror, modes
from xlbarrier import run as run_lib
from xlbarrier.config import ConfigError
from xlbarrier.datafiles import DataError, places
from xlbarrier.errors import RunError
from xlbarrier.mirror import LIST, Mirror
from xlbarrier.models import source
from xlbarrier.modes import training_data
from xlbarrier.train import checkpoint


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv('XLBARRIER_CACHE', str(tmp_path / 'cache'))
    found = fsspec.filesystem('memory')
    found.store.clear()
    found.pseudo_dirs[:] = ['']
    yield found
    found.store.clear()


def objects(store):
    return {name: store.cat_file(name) for name in store.find('/')}


@pytest.mark.parametrize('place', ['gs://b/x', 's3://b', 'memory://a', 'GS://b/x', 'gs:/b/x'])
def test_a_scheme_is_a_store(place):
    assert places.is_remote(place)


@pytest.mark.parametrize('place', ['runs/x', '/gs:', './gs://b', 'C:/x', 'hf:a/b', 'http://a/b'])
def test_a_path_is_none(place):
    assert not places.is_remote(place)


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('model.adapter', 'gs://b/adapter'),
        ('rescore.root', 's3://b/x'),
        ('corpus.translator.place', 'gs://b/{source}-{target}.tsv'),
        ('corpus.translator.cache', 'gs://b/x.sqlite'),
        ('corpus.filters.rows', 'gs://b/rows.txt'),
        ('tasks.user.source', 'gs://b/q.jsonl'),
    ],
)
def test_a_field_that_takes_no_store_refuses_it(field, value):
    overrides = [('model.source', 'gs://b/model'), ('tasks.user.source', 'q.jsonl'), (field, value)]
    with pytest.raises(ConfigError, match=rf'config.{field} is .*object store.*model.source'):
        config_lib.flags.read('quickstart', overrides)


def test_fields_that_take_one_and_addresses_of_servers_are_let_through():
    overrides = [
        ('model.source', 'gs://b/model'),
        ('corpus.source', 'text:s3://b/*.txt'),
        ('data.files', 'gs://b/*.jsonl'),
        ('corpus.translator.kind', 'service'),
        ('corpus.translator.place', 'https://localhost:5000'),
    ]
    config_lib.flags.read('quickstart', overrides)


def test_a_path_that_was_made_of_a_place_is_never_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_lib.flags.read('quickstart', [])
    for place in ('gs://bucket/run', pathlib.Path('gs://bucket/run')):
        with pytest.raises(RunError, match=r'gs:/{1,2}bucket/run is on an object store'):
            run_lib.open_run(place, config)
    assert not list(tmp_path.iterdir())


def test_a_store_without_its_package_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r'nosuch://b/x: .*nosuch'):
        datafiles.find('nosuch://b/x')


def test_files_are_fetched_once_until_they_change(store, monkeypatch):
    store.pipe_file('/b/one.txt', b'one')
    store.pipe_file('/b/two.txt', b'two')
    first = datafiles.find('memory://b/*.txt')
    assert [(p.name, p.read_text()) for p in first] == [('one.txt', 'one'), ('two.txt', 'two')]
    fetched = []
    get_file = type(store).get_file
    monkeypatch.setattr(
        type(store), 'get_file', lambda *args: fetched.append(args[1]) or get_file(*args)
    )
    assert datafiles.find('memory://b/*.txt') == first and not fetched
    store.pipe_file('/b/two.txt', b'zwei')
    assert datafiles.find('memory://b/two.txt')[0].read_text() == 'zwei'
    assert fetched == ['/b/two.txt']
    with pytest.raises(DataError, match='no such object'):
        datafiles.find('memory://b/three.txt')


def test_a_broken_download_is_no_file(store, tmp_path, monkeypatch):
    store.pipe_file('/b/one.txt', b'one')

    def half(self, path, into, **_):
        pathlib.Path(into).write_bytes(b'o')

    monkeypatch.setattr(type(store), 'get_file', half)
    with pytest.raises(DataError, match='has 3 bytes, but 1 came'):
        datafiles.find('memory://b/one.txt')
    assert not [p for p in (tmp_path / 'cache').rglob('*') if p.is_file()]


def test_a_model_is_fetched_without_what_is_not_its_own(store, tiny_llama):
    for path in tiny_llama.iterdir():
        store.put_file(str(path), f'/m/Tiny/{path.name}')
    store.pipe_file('/m/Tiny/pytorch_model.bin', b'pickle')
    folder = source.resolve('memory://m/Tiny')
    assert folder.name == 'Tiny' and not (folder / 'pytorch_model.bin').exists()
    for name in ('model.safetensors', 'config.json', 'tokenizer.json'):
        assert (folder / name).read_bytes() == (tiny_llama / name).read_bytes()
    with pytest.raises(DataError, match='no such object'):
        source.resolve('memory://m/None')


def test_packed_rows_are_keyed_alike_on_every_machine(store, tmp_path, monkeypatch):
    for name in ('a', 'b'):
        store.pipe_file(f'/b/{name}/x.jsonl', name.encode())
    here = training_data._digests('memory://b/*/x.jsonl')
    assert len(set(here.values())) == 2
    monkeypatch.setenv('XLBARRIER_CACHE', str(tmp_path / 'another machine'))
    assert training_data._digests('memory://b/*/x.jsonl') == here


def begun(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'config.json').write_text('{}')
    for name, text in files.items():
        (folder / name).write_text(text)


def test_another_machine_gets_the_last_list_and_nothing_half_uploaded(store, monkeypatch):
    here = Mirror('memory://b/run')
    begun(here.pull(), a='1', b='2')
    (here.folder / 'checkpoints/3.orbax-checkpoint-tmp').mkdir(parents=True)
    (here.folder / 'checkpoints/3.orbax-checkpoint-tmp/x').write_text('half')
    (here.folder / '.lock').touch()
    here.push()
    assert set(objects(store)) == {f'/b/run/{n}' for n in ('a', 'b', 'config.json', LIST)}
    (here.folder / 'b').unlink()
    (here.folder / 'new').write_text('3')
    with monkeypatch.context() as patch:  # killed before the list is written
        patch.setattr(type(store), 'pipe_file', lambda *args: 1 / 0)
        with pytest.raises(RunError, match=r'cannot be written: ZeroDivisionError'):
            here.push()
    assert store.exists('/b/run/new')
    shutil.rmtree(here.folder)
    there = Mirror('memory://b/run')
    names = {p.name for p in there.pull().iterdir()}
    assert names == {'a', 'b', 'config.json', mirror.STATE}
    (there.folder / 'b').unlink()
    there.push()
    assert not store.exists('/b/run/b'), 'removed once the list is without it'


def test_a_copy_that_is_ahead_is_kept_and_one_that_is_behind_is_not(store):
    here = Mirror('memory://b/run')
    begun(here.pull(), a='1')
    here.push()
    (here.folder / 'ahead').write_text('2')
    assert (Mirror('memory://b/run').pull() / 'ahead').exists()
    listed = json.loads(store.cat_file(f'/b/run/{LIST}'))
    store.pipe_file(f'/b/run/{LIST}', json.dumps(listed | {'state': 'another'}).encode())
    with pytest.raises(RunError, match='written by another process'):
        here.push()
    assert not (Mirror('memory://b/run').pull() / 'ahead').exists()


def test_a_database_is_uploaded_as_of_its_last_commit(store):
    here = Mirror('memory://b/run')
    begun(here.pull())
    database = sqlite3.connect(here.folder / 'scores.sqlite')
    database.execute('CREATE TABLE t (x)')
    database.execute('INSERT INTO t VALUES (1)')
    database.commit()
    database.execute('INSERT INTO t VALUES (2)')
    here.push()
    database.close()
    shutil.rmtree(here.folder)
    copy = sqlite3.connect(Mirror('memory://b/run').pull() / 'scores.sqlite')
    assert copy.execute('SELECT x FROM t').fetchall() == [(1,)]
    copy.close()


def test_a_place_with_other_objects_is_refused(store):
    store.pipe_file('/b/run/thesis.tex', b'x')
    with pytest.raises(RunError, match='it is no run folder'):
        Mirror('memory://b/run').pull()
    store.pipe_file(f'/b/run/{LIST}', b'{"state": "x", "files": {"../x": 1}}')
    with pytest.raises(RunError, match='outside the folder'):
        Mirror('memory://b/run').pull()


class Killed(BaseException):
    """Acts like SIGKILL: nothing catches it, and nothing is uploaded after it."""


def test_a_training_killed_and_continued_on_another_machine_has_the_same_bits(
    store, tiny_llama, tmp_path, monkeypatch
):
    values = {
        'mode': 'train',
        'arms': ('english',),
        'model': {'source': str(tiny_llama)},
        'corpus': {'documents': 20},
        'train': {
            'steps': 5, 'batch_rows': 8, 'row_tokens': 32, 'checkpoint_every': 2, 'warmup_steps': 1,
        },
    }  # fmt: skip
    config = config_lib.resolve(values)
    modes.run(tmp_path / 'whole', config)

    save, push = checkpoint.Checkpoints.save, Mirror.push

    def killed_at_four(self, state, *args, **kwargs):
        if int(state.step) == 4:
            monkeypatch.setattr(Mirror, 'push', lambda self: None)
            raise Killed
        save(self, state, *args, **kwargs)

    monkeypatch.setattr(checkpoint.Checkpoints, 'save', killed_at_four)
    with pytest.raises(Killed):
        modes.run('memory://b/run', config)
    assert any('/checkpoints/english/2/' in name for name in store.find('/b/run'))
    assert not run_lib.is_copy()
    monkeypatch.setattr(checkpoint.Checkpoints, 'save', save)
    monkeypatch.setattr(Mirror, 'push', push)
    shutil.rmtree(tmp_path / 'cache')
    modes.run('memory://b/run', config)
    lines = store.cat_file('/b/run/metrics.jsonl').decode().splitlines()
    assert [json.loads(line)['step'] for line in lines] == [1, 2, 3, 4, 5]
    weights = 'export/english/model.safetensors'
    assert store.cat_file(f'/b/run/{weights}') == (tmp_path / 'whole' / weights).read_bytes()
