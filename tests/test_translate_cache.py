"""The cache: never twice, killed at any moment, shared, damaged, of others, on a full disk."""

import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from tests.corpus_translators import begun, marked
from xlbarrier.translate.cache import CachedTranslator, CacheError
from xlbarrier.translate.protocol import Failed, TranslatorError

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXTS = [f'text {i} of many' for i in range(400)]
# Translates TEXTS in small batches, slowly, into the cache named by its argument.
CHILD = """
import sys
from tests.corpus_translators import marked
from tests.test_translate_cache import TEXTS
cached = marked(sys.argv[1], slow=float(sys.argv[2]))
cached._batch = 16
answers = cached.translate(TEXTS, 'en', 'de')
assert answers == [f'de({text})' for text in TEXTS]
cached.close()
"""


class Stopping:
    """Fails at the second batch, as a translator that cannot go on."""

    fingerprint = 'stopping'

    def __init__(self):
        self.calls = 0

    def supports(self, source, target):
        return True

    def translate(self, texts, source, target):
        self.calls += 1
        if self.calls == 2:
            raise TranslatorError('the key was refused')
        return [text.upper() for text in texts]


def child(path, slow=0.0):
    return subprocess.Popen([sys.executable, '-c', CHILD, str(path), str(slow)], cwd=ROOT)


def test_what_was_translated_is_found(tmp_path):
    path = tmp_path / 'c.sqlite'
    with marked(path) as cached:
        assert cached.translate(['a', 'b', 'a'], 'en', 'de') == ['de(a)', 'de(b)', 'de(a)']
        assert (cached.hits, cached.misses, cached.failed) == (1, 2, 0)
        assert cached.translate([], 'en', 'de') == []
        # Another language, another source, and what differs in a byte are other texts.
        assert cached.translate(['a'], 'en', 'fr') == ['fr(a)']
        assert cached.translate(['a '], 'en', 'de') == ['de(a )']
        odd = ['', 'e\u0301', 'é', 'x' * 100_000, "';--", '\u2028']
        assert cached.translate(odd, 'en', 'fr') != cached.translate(odd, 'en', 'de')
    with marked(path) as again:
        assert again.translate(['b', 'a'], 'en', 'de') == ['de(b)', 'de(a)']
        assert again.translate(odd[3:], 'en', 'de') == [f'de({text})' for text in odd[3:]]
        assert (again.hits, again.misses) == (5, 0)
    assert set(begun(path).values()) == {1}


def test_another_translator_shares_the_file_and_nothing_else(tmp_path):
    path = tmp_path / 'c.sqlite'
    with marked(path) as cached:
        cached.translate(['a'], 'en', 'de')
    with CachedTranslator(Stopping(), path) as other:
        assert other.translate(['a'], 'en', 'de') == ['A'] and other.misses == 1
    with marked(path) as cached:
        assert cached.translate(['a'], 'en', 'de') == ['de(a)'] and cached.hits == 1


def test_failures_are_not_kept(tmp_path):
    path = tmp_path / 'c.sqlite'
    with marked(path, fails=('bad',)) as cached:
        good, bad = cached.translate(['good', 'bad'], 'en', 'de')
        assert good == 'de(good)' and isinstance(bad, Failed)
        assert (cached.misses, cached.failed) == (2, 1)
    with marked(path) as mended:
        assert mended.translate(['bad', 'good'], 'en', 'de') == ['de(bad)', 'de(good)']
        assert (mended.misses, mended.failed, mended.hits) == (1, 0, 1)


def test_a_blank_translation_has_failed_and_is_asked_for_again(tmp_path):
    path, answers = tmp_path / 'c.sqlite', ['', ' \n', 'Haus']

    class Blank(Stopping):
        def translate(self, texts, source, target):
            return [answers.pop(0) for _ in texts]

    for wanted in (Failed, Failed, str, str):  # the last is found
        with CachedTranslator(Blank(), path) as cached:
            (answer,) = cached.translate(['house'], 'en', 'de')
            assert isinstance(answer, wanted)
    assert answer == 'Haus' and cached.hits == 1 and not answers


def test_a_translator_that_stops_gives_up_its_claims_and_keeps_what_it_made(tmp_path):
    path = tmp_path / 'c.sqlite'
    with CachedTranslator(Stopping(), path, batch=2) as cached:
        with pytest.raises(TranslatorError, match='the key was refused'):
            cached.translate(list('abcd'), 'en', 'de')
        with CachedTranslator(Stopping(), path) as other:  # waits for nobody
            assert other.translate(list('abcd'), 'en', 'de') == list('ABCD')
            assert (other.hits, other.misses) == (2, 2)


def test_two_processes_at_once_translate_nothing_twice(tmp_path):
    path = tmp_path / 'c.sqlite'
    both = [child(path, 0.0005) for _ in range(3)]
    assert [process.wait(60) for process in both] == [0, 0, 0]
    counts = begun(path)
    assert len(counts) == len(TEXTS) and set(counts.values()) == {1}
    assert not list(tmp_path.glob('*.owner'))


def test_processes_that_make_the_file_at_once_wait_for_each_other(tmp_path):
    """Another holds the new file's lock: SQLite refuses WAL mode then without waiting."""
    path = tmp_path / 'c.sqlite'
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute('BEGIN IMMEDIATE')
    other.execute('PRAGMA user_version = 0')
    letting_go = threading.Timer(0.3, other.execute, ['ROLLBACK'])
    letting_go.start()
    with marked(path) as cached:
        assert cached.translate(['a'], 'en', 'de') == ['de(a)']
    letting_go.join()
    other.close()


def test_sigkill_loses_the_batch_at_work_and_nobody_waits_for_the_dead(tmp_path):
    path = tmp_path / 'c.sqlite'
    kills = 0
    for wanted in (20, 120, 250):
        process = child(path, 0.002)
        other = child(path, 0.002) if wanted == 250 else None
        while process.poll() is None and sum(begun(path).values()) < wanted:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        if other:
            assert other.wait(60) == 0
    assert kills == 3
    assert child(path).wait(60) == 0
    counts = begun(path)
    assert len(counts) == len(TEXTS)
    # At most one batch of 16 was at work at each kill.
    assert sum(counts.values()) - len(TEXTS) <= 16 * kills
    with sqlite3.connect(path) as base:
        assert base.execute('SELECT COUNT(*) FROM claims').fetchone() == (0,)
        assert base.execute('PRAGMA integrity_check').fetchone() == ('ok',)
    assert not list(tmp_path.glob('*.owner'))


def test_files_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path):
    path = tmp_path / 'c.sqlite'
    dead = tmp_path / f'c.sqlite.{"0" * 32}.owner'  # killed before it claimed anything
    foreign = tmp_path / f'c.sqlite.b.{"0" * 32}.owner'
    for file in (dead, foreign):
        file.touch()
    with marked(path):
        (living,) = set(tmp_path.glob('*.owner')) - {dead, foreign}
        with marked(path):
            assert living.exists() and foreign.exists() and not dead.exists()
    assert list(tmp_path.glob('*.owner')) == [foreign]


def test_a_cache_of_another_version_is_refused(tmp_path):
    path = tmp_path / 'c.sqlite'
    marked(path).close()
    with sqlite3.connect(path) as base:
        base.execute('PRAGMA user_version = 7')
    with pytest.raises(
        CacheError, match=r'c\.sqlite is a cache of translations of version 7, expect'
    ):
        marked(path)


def test_an_sqlite_file_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / 'c.sqlite'
    with sqlite3.connect(path) as base:
        base.execute('CREATE TABLE bookmarks (url TEXT)')
    with pytest.raises(CacheError, match=r'c\.sqlite is an SQLite file of another program: name'):
        marked(path)
    with sqlite3.connect(path) as base:
        names = [name for (name,) in base.execute('SELECT name FROM sqlite_master')]
    assert names == ['bookmarks']


@pytest.mark.parametrize('damage', ['no database', 'torn'])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / 'c.sqlite'
    with marked(path) as cached:
        cached.translate(TEXTS, 'en', 'de')
    for left in tmp_path.glob('c.sqlite-*'):
        left.unlink()
    data = bytearray(path.read_bytes())
    data[:] = b'no database at all' * 500 if damage == 'no database' else data
    if damage == 'torn':
        data[4096:-4096] = os.urandom(len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(CacheError, match=r'c\.sqlite.*(damaged|malformed|not a database)'):
        marked(path).translate([*TEXTS, 'one more'], 'en', 'de')


def test_a_full_disk_is_told_and_what_was_stored_is_kept(tmp_path):
    path = tmp_path / 'c.sqlite'
    with marked(path) as cached:
        cached.translate(TEXTS[:50], 'en', 'de')
        (pages,) = cached._db.execute('PRAGMA page_count').fetchone()
        cached._db.execute(f'PRAGMA max_page_count = {pages + 2}')
        cached._batch = 16
        with pytest.raises(CacheError, match=r'c\.sqlite: database or disk is full.*make room'):
            cached.translate(['long ' * 500 + text for text in TEXTS], 'en', 'de')
    with marked(path) as again:
        assert again.translate(TEXTS[:50], 'en', 'de') == [f'de({text})' for text in TEXTS[:50]]
        assert again.misses == 0
        again.translate(['long ' * 500 + text for text in TEXTS[:20]], 'en', 'de')


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(CacheError, match=r'none/c\.sqlite cannot be opened as a cache'):
        CachedTranslator(Stopping(), tmp_path / 'none' / 'c.sqlite')


def test_a_cache_does_not_live_through_a_fork(tmp_path):
    with marked(tmp_path / 'c.sqlite') as cached:
        cached._pid -= 1  # as a forked child finds it
        with pytest.raises(CacheError, match='open it in each process'):
            cached.translate(['a'], 'en', 'de')
