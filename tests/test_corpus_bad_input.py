"""What is wrong with the input of a corpus is told by the program itself, before long work."""

import functools
import json
import pathlib
import random
import sqlite3
import subprocess
import sys

import pytest

from tests.corpus_translators import content
from xlbarrier import run as run_lib
from xlbarrier.config.corpus import CorpusConfig, TextConfig, TranslatorConfig
from xlbarrier.corpus import build, translation
from xlbarrier.corpus import rows as rows_lib
from xlbarrier.datafiles import DataError
from xlbarrier.translate.cache import CacheError
from xlbarrier.translate.protocol import TranslatorError

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def place(tmp_path):
    """A dictionary of two words, and a text for it."""
    (tmp_path / 'en-de.tsv').write_text('dog\tHund\nhouse\tHaus\n')
    (tmp_path / 'a.txt').write_text('A dog.\n\nThe house of dogs.\n')
    return str(tmp_path / '{source}-{target}.tsv')


def config(source, place, languages=('en', 'de'), **fields):
    translator = TranslatorConfig(place=place, cache=fields.pop('cache', ''))
    return CorpusConfig(source=source, languages=languages, translator=translator, **fields)


@pytest.mark.parametrize(
    ('kind', 'before'), [('text', b'first line\n'), ('jsonl', b'{"text": "a"}\n')]
)
def test_one_line_of_50_mb(tmp_path, place, kind, before):
    path = tmp_path / 'long'
    with path.open('wb') as file:
        file.write(before + (b'{"text": "' if kind == 'jsonl' else b''))
        for _ in range(50):
            file.write(b'word ' * 200_000)
    made = config(f'{kind}:{path}', place, unit='words:8', text=TextConfig(documents='line'))
    with pytest.raises(DataError, match=rf'long: the line at byte {len(before)} is longer than 16'):
        build.build(made, 'mixed', tmp_path / 'corpus' / 'mixed')


def test_a_long_line_that_is_allowed_is_cut_into_units(tmp_path, place):
    (tmp_path / 'long').write_text('dog house ' * 200_000)
    made = config(f'text:{tmp_path}/long', place, unit='words:8')
    folder = build.build(made, 'mixed', tmp_path / 'corpus' / 'mixed')
    assert build.read_manifest(folder)['words']['total'] == 400_000


def test_encoding_and_emptiness(tmp_path, place):
    (tmp_path / 'b.txt').write_bytes(b'good\n' * 10 + b'caf\xe9\n')
    with pytest.raises(DataError, match=r'b\.txt: byte 53 is 0xe9, which is not UTF-8'):
        build.build(config(f'text:{tmp_path}/b.txt', place), 'mixed', tmp_path / 'x' / 'mixed')
    (tmp_path / 'c.txt').write_bytes(b'')
    with pytest.raises(DataError, match=r'c\.txt is empty \(0 bytes\)'):
        build.build(config(f'text:{tmp_path}/c.txt', place), 'mixed', tmp_path / 'y' / 'mixed')


def test_a_cache_of_another_version(tmp_path, place):
    made = config(f'text:{tmp_path}/a.txt', place, cache=f'{tmp_path}/c.sqlite')
    build.build(made, 'mixed', tmp_path / 'one' / 'mixed')
    with sqlite3.connect(tmp_path / 'c.sqlite') as base:
        base.execute('PRAGMA user_version = 2')
    with pytest.raises(
        CacheError, match=r'c\.sqlite is a cache of translations of version 2, expected 1'
    ):
        build.build(made, 'mixed', tmp_path / 'two' / 'mixed')
    assert not (tmp_path / 'two').exists()


def on_a_small_disk(translator, path, pages):
    """The configured translator behind a cache whose file cannot grow beyond so many pages."""
    cached = translation.configured(translator, path)
    cached._db.execute(f'PRAGMA max_page_count = {pages}')
    return cached


def test_a_disk_that_fills_up_midway(tmp_path, place, monkeypatch):
    """What was stored is kept, and the next start ends with the bytes of an undisturbed build."""
    monkeypatch.setattr(rows_lib, 'BATCH_CHARACTERS', 2000)
    words = ['dog', 'house', 'sea', 'lobster', 'crab']
    draw = random.Random(0)
    (tmp_path / 'a.txt').write_text(
        '\n\n'.join(' '.join(draw.choices(words, k=40)) for _ in range(300))
    )
    made = config(f'text:{tmp_path}/a.txt', place, unit='words:8')
    whole = build.build(made, 'mixed', tmp_path / 'whole' / 'mixed')
    folder, cache = tmp_path / 'full' / 'mixed', tmp_path / 'full' / 'c.sqlite'
    make = functools.partial(on_a_small_disk, made.translator, str(cache), 12)
    with pytest.raises(CacheError, match=r'c\.sqlite: database or disk is full.* make room'):
        build.build(made, 'mixed', folder, make=make)
    assert not (folder / 'manifest.json').exists()
    make = functools.partial(translation.configured, made.translator, str(cache))
    build.build(made, 'mixed', folder, make=make)
    assert content(folder) == content(whole)
    built = json.loads((folder / 'build.json').read_text())
    assert built['cache']['hits'] > 0 and built['cache']['misses'] > 0


def test_a_cache_that_cannot_lie_there(tmp_path, place):
    (tmp_path / 'file').write_text('')
    made = config(f'text:{tmp_path}/a.txt', place, cache=f'{tmp_path}/file/c.sqlite')
    with pytest.raises(run_lib.RunError, match='file'):
        build.build(made, 'mixed', tmp_path / 'one' / 'mixed')


def test_aligned_files_of_different_lengths(tmp_path):
    for name, count in (('en', 5), ('de', 7)):
        (tmp_path / f'{name}.txt').write_text('a line\n' * count)
    made = CorpusConfig(
        source=f'text:{tmp_path}/en.txt',
        languages=('en', 'de'),
        translator=TranslatorConfig(kind='parallel', place=f'{tmp_path}/{{language}}.txt'),
    )
    with pytest.raises(TranslatorError, match=r'de\.txt has 7 lines and .*en\.txt has 5'):
        build.build(made, 'mixed', tmp_path / 'corpus' / 'mixed')


def main(tmp_path, *flags):
    """The program, as a user starts it."""
    return subprocess.run(
        [
            *(sys.executable, '-m', 'xlbarrier.main', '--config=configs/corpus_wikitext.py'),
            *(f'--workdir={tmp_path}/run', f'--config.corpus.source=text:{tmp_path}/a.txt'),
            *flags,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_from_the_command_line(tmp_path, place):
    """A language that nothing translates into is told at the start; then it is built."""
    where = f'--config.corpus.translator.place={place}'
    refused = main(tmp_path, where)
    assert refused.returncode != 0
    assert 'no translator for en-es, en-fr, en-it with' in refused.stderr
    assert not list((tmp_path / 'run').glob('corpus/*/shard*'))
    languages = "--config.corpus.languages=('en', 'de')"
    built = main(tmp_path, where, languages, f'--workdir={tmp_path}/run2')
    assert built.returncode == 0, built.stderr
    rows = list(build.read_rows(tmp_path / 'run2/corpus/mixed'))
    english = list(build.read_rows(tmp_path / 'run2/corpus/english'))
    assert [row['text'] for row in english] == ['A dog.', 'The house of dogs.']
    for row, source in zip(rows, english, strict=True):
        german = source['text'].replace('dogs', 'Hund').replace('dog', 'Hund')
        assert row['text'] in (source['text'], german.replace('house', 'Haus'))
    assert json.loads((tmp_path / 'run2/config.json').read_text())


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('config.json', '[]'),
        ('config.json', 'null'),
        ('config.json', '{"a": ' + '[' * 100_000),
        ('config.json', '{'),
        ('manifest.json', '{}'),
        ('manifest.json', '[1]'),
        ('manifest.json', '{"shards": {}, "sha256": "x"}'),
        ('manifest.json', '{"shards": [3], "sha256": "x"}'),
        ('manifest.json', '{"shards": [{"name": "../x", "sha256": "y"}], "sha256": "x"}'),
        ('manifest.json', '{"shards": [{"name": "x"}], "sha256": "x"}'),
        ('manifest.json', '{"shards": ' + '[' * 100_000),
    ],
)
def test_a_damaged_corpus_folder_is_named(tmp_path, name, content):
    config = CorpusConfig(languages=('en', 'de'), documents=4)
    folder = build.build(config, 'mixed', tmp_path / 'mixed')
    (folder / name).write_text(content)
    with pytest.raises(build.CorpusError, match=rf'{name}.*have it built again'):
        build.build(config, 'mixed', folder)
