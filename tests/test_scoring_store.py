"""The store: exact numbers back, keys that do not mix, and a disk that is full or damaged."""

import sqlite3

import pytest

from xlbarrier.scoring.request import Request
from xlbarrier.scoring.store import Score, ScoreStore, StoreError

F32 = 'float32'
A, B, C = Request((1, 2), (3,)), Request((1,), (2, 3)), Request((49_151,), (7, 8, 9))
SCORES = [(A, Score(-1 / 3, True)), (B, Score(-123.456789012345678, False))]


@pytest.fixture
def store(tmp_path):
    with ScoreStore(tmp_path / 'scores.sqlite', 'model one') as opened:
        yield opened


def test_what_was_put_comes_back_to_the_last_bit(store):
    store.put(SCORES, F32)
    assert store.get([B, C, A], F32) == [SCORES[1][1], None, SCORES[0][1]]
    assert isinstance(store.get([A], F32)[0].is_greedy, bool)
    with ScoreStore(store.path, 'model one') as again:
        assert again.get([A, B], F32) == [s for _, s in SCORES]


def test_another_model_or_dtype_never_hits(store):
    store.put(SCORES, F32)
    assert store.get([A, B], 'bfloat16') == [None, None]
    with ScoreStore(store.path, 'model two') as other:
        assert other.get([A, B], F32) == [None, None]
        other.put([(A, Score(-9.0, False))], F32)
    assert store.get([A], F32) == [SCORES[0][1]]


def test_the_boundary_belongs_to_the_key(store):
    store.put([(A, Score(-1.0, True))], F32)
    assert store.get([B, Request((1, 2, 3), (3,))], F32) == [None, None]


def test_a_full_disk_is_an_error_that_names_the_file_and_loses_nothing(store):
    store.put(SCORES, F32)
    # SQLite's own 'database or disk is full', as a write beyond the last free block gives it.
    pages = store._db.execute('PRAGMA page_count').fetchone()[0]
    store._db.execute(f'PRAGMA max_page_count={pages + 1}')
    many = [(Request((n,), (n, 1)), Score(-float(n), False)) for n in range(1, 2000)]
    with pytest.raises(StoreError, match=r'scores\.sqlite: database or disk is full.*make room'):
        store.put(many, F32)
    assert store.get([A, B], F32) == [s for _, s in SCORES]
    assert store.get([many[0][0]], F32) == [None]  # all or none
    store._db.execute('PRAGMA max_page_count=100000')
    store.put(many, F32)
    with ScoreStore(store.path, 'model one') as again:
        assert again.get([r for r, _ in many], F32) == [s for _, s in many]


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / 'scores.sqlite'
    path.write_bytes(b'this is not a database ' * 100)
    with pytest.raises(StoreError, match=r'scores\.sqlite cannot be opened.*damaged: remove it'):
        ScoreStore(path, 'model one')
    assert path.read_bytes().startswith(b'this is not')  # left for its owner to look at


def test_a_damaged_page_is_an_error_not_a_wrong_answer(tmp_path):
    path = tmp_path / 'scores.sqlite'
    many = [(Request((n,), (n, 1)), Score(-float(n), False)) for n in range(1, 2000)]
    with ScoreStore(path, 'model one') as store:
        store.put(many, F32)
    data = bytearray(path.read_bytes())
    data[8192:] = b'\xa5' * (len(data) - 8192)
    path.write_bytes(data)
    with (
        ScoreStore(path, 'model one') as store,
        pytest.raises(StoreError, match=r'cannot read .*scores\.sqlite: .*malformed.*remove it'),
    ):
        store.get([r for r, _ in many], F32)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(StoreError, match=r'nowhere/scores\.sqlite cannot be opened'):
        ScoreStore(tmp_path / 'nowhere' / 'scores.sqlite', 'model one')


def test_a_store_that_another_process_writes_is_said_to_be_busy(store):
    store._db.execute('PRAGMA busy_timeout=10')
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute('BEGIN EXCLUSIVE')
    with pytest.raises(StoreError, match='Another process is using it'):
        store.put(SCORES, F32)
    other.execute('ROLLBACK')
    other.close()
    store.put(SCORES, F32)
    assert store.get([A], F32) == [SCORES[0][1]]
