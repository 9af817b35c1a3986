"""What a model answers as it comes, in SQLite, so that a killed run asks nothing twice."""

import hashlib
import os
import pathlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from xlbarrier.errors import StateError
from xlbarrier.scoring.request import Request

WAIT = 60.0  # seconds for another process that is writing


class Score(NamedTuple):
    """log-likelihood of a continuation in nats, and whether each token of it is the likeliest."""

    log_likelihood: float
    is_greedy: bool


class StoreError(StateError):
    """The store's file cannot be read or written; names it."""


class ScoreStore:
    """Scores of one model, keyed by its fingerprint, the compute dtype and the token ids.

    Use as a context manager. What `put` was given is on the disk when it returns, also if the
    process is killed next. The journal is SQLite's default one, which network file systems bear.
    """

    def __init__(self, path: str | os.PathLike, fingerprint: str):
        """Opens or makes the file; another model's scores in it are never found.

        Args:
          path: of the file; its folder must exist.
          fingerprint: of the weights, as of `load.fingerprint`.

        Raises:
          StoreError: when it is no SQLite database or cannot be written.
        """
        self.path = pathlib.Path(path)
        self._fingerprint = fingerprint
        try:
            self._db = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
            self._db.execute(
                'CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY,'
                ' log_likelihood REAL NOT NULL, is_greedy INTEGER NOT NULL) WITHOUT ROWID'
            )
            self._db.execute(
                'CREATE TABLE IF NOT EXISTS generated (key BLOB PRIMARY KEY,'
                ' tokens BLOB NOT NULL) WITHOUT ROWID'
            )
            self._db.execute(
                'CREATE TABLE IF NOT EXISTS numbers (key BLOB PRIMARY KEY,'
                ' numbers BLOB NOT NULL) WITHOUT ROWID'
            )
        except sqlite3.Error as error:
            raise StoreError(
                f'{self.path} cannot be opened as a store of scores: {error}. {_advice(error)}'
            ) from error

    def __enter__(self) -> 'ScoreStore':
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()

    def get(self, requests: Sequence[Request], dtype: str) -> list[Score | None]:
        """The score of each request computed in `dtype`, or None where there is none.

        Raises:
          StoreError: naming the file, when it is damaged.
        """
        try:
            return [self._get(self._key(request, dtype)) for request in requests]
        except sqlite3.Error as error:
            raise StoreError(f'cannot read {self.path}: {error}. {_advice(error)}') from error

    def put(self, scored: Iterable[tuple[Request, Score]], dtype: str) -> None:
        """Stores scores computed in `dtype`, all or none of them.

        Raises:
          StoreError: naming the file; what was stored before is kept.
        """
        rows = [(self._key(request, dtype), *score) for request, score in scored]
        self._insert('INSERT OR IGNORE INTO scores VALUES (?, ?, ?)', rows)

    def get_generated(
        self, prompts: Sequence[Sequence[int]], how: str
    ) -> list[tuple[int, ...] | None]:
        """The tokens that each prompt was continued by, or None where that is not known.

        Args:
          prompts: their ids.
          how: all that the continuation depends on but the weights: dtype, length, ends.

        Raises:
          StoreError: naming the file, when it is damaged.
        """
        query = 'SELECT tokens FROM generated WHERE key = ?'
        found: list[tuple[int, ...] | None] = []
        try:
            for prompt in prompts:
                row = self._db.execute(query, (self._digest(how, prompt),)).fetchone()
                found.append(row and tuple(np.frombuffer(row[0], '<i4').tolist()))
        except sqlite3.Error as error:
            raise StoreError(f'cannot read {self.path}: {error}. {_advice(error)}') from error
        return found

    def put_generated(
        self, generated: Iterable[tuple[Sequence[int], Sequence[int]]], how: str
    ) -> None:
        """Stores (prompt, the tokens it was continued by), all or none of them.

        Raises:
          StoreError: naming the file; what was stored before is kept.
        """
        rows = [
            (self._digest(how, prompt), np.asarray(tokens, '<i4').tobytes())
            for prompt, tokens in generated
        ]
        self._insert('INSERT OR IGNORE INTO generated VALUES (?, ?)', rows)

    def get_numbers(
        self, asked: Sequence[Sequence[Sequence[int]]], how: str
    ) -> list[np.ndarray | None]:
        """The numbers, float64 [n], of each group of texts, or None where they are not known.

        Args:
          asked: the ids of the texts that belong together, in their order.
          how: all that the numbers depend on but the weights: what they are, dtype.

        Raises:
          StoreError: naming the file, when it is damaged.
        """
        query = 'SELECT numbers FROM numbers WHERE key = ?'
        found: list[np.ndarray | None] = []
        try:
            for texts in asked:
                row = self._db.execute(query, (self._digest(how, *texts),)).fetchone()
                found.append(None if row is None else np.frombuffer(row[0], '<f8'))
        except sqlite3.Error as error:
            raise StoreError(f'cannot read {self.path}: {error}. {_advice(error)}') from error
        return found

    def put_numbers(
        self, measured: Iterable[tuple[Sequence[Sequence[int]], np.ndarray]], how: str
    ) -> None:
        """Stores (texts that belong together, their numbers), all or none of them.

        Raises:
          StoreError: naming the file; what was stored before is kept.
        """
        rows = [
            (self._digest(how, *texts), np.asarray(numbers, '<f8').tobytes())
            for texts, numbers in measured
        ]
        self._insert('INSERT OR IGNORE INTO numbers VALUES (?, ?)', rows)

    def _insert(self, statement: str, rows: Sequence[tuple]) -> None:
        try:
            self._db.execute('BEGIN IMMEDIATE')
            self._db.executemany(statement, rows)
            self._db.execute('COMMIT')
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute('ROLLBACK')
            raise StoreError(f'cannot write {self.path}: {error}. {_advice(error)}') from error

    def _get(self, key: bytes) -> Score | None:
        row = self._db.execute(
            'SELECT log_likelihood, is_greedy FROM scores WHERE key = ?', (key,)
        ).fetchone()
        return None if row is None else Score(row[0], bool(row[1]))

    def _key(self, request: Request, dtype: str) -> bytes:
        return self._digest(dtype, request.context, request.continuation)

    def _digest(self, how: str, *texts: Sequence[int]) -> bytes:
        digest = hashlib.sha256(f'{self._fingerprint}/{how}/'.encode())
        for ids in texts:
            digest.update(len(ids).to_bytes(8, 'little'))
            digest.update(np.asarray(ids, '<i4').tobytes())
        return digest.digest()


def _advice(error: sqlite3.Error) -> str:
    """What to do about it. The first byte of SQLite's code is the kind."""
    code = getattr(error, 'sqlite_errorcode', 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return 'The file is damaged: remove it, and what it held is computed again'
    if code == sqlite3.SQLITE_BUSY:
        return 'Another process is using it: end that one, then start again'
    return (
        'What was stored before is kept: make room or mend the permission, then start again with'
        ' the same --workdir'
    )
