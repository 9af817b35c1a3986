"""Scores as they come, in SQLite, so that a killed run asks nothing twice."""

import hashlib
import os
import pathlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from xlbarrier.scoring.plan import Request


class Score(NamedTuple):
    """log-likelihood of a continuation in nats, and whether each token of it is the likeliest."""

    log_likelihood: float
    is_greedy: bool


class StoreError(RuntimeError):
    """The store's file cannot be read or written; names it."""


class ScoreStore:
    """Scores of one model, keyed by its fingerprint, the compute dtype and the token ids.

    Use as a context manager. `put` is durable when it returns.
    """

    def __init__(self, path: str | os.PathLike, fingerprint: str, compute_dtype: str = 'float32'):
        """Opens or makes the file.

        Raises:
          StoreError: when it is no SQLite database or cannot be written.
        """
        self.path = pathlib.Path(path)
        self._prefix = f'{fingerprint}/{compute_dtype}/'.encode()
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.execute('PRAGMA journal_mode=WAL')
            self._db.execute(
                'CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY,'
                ' log_likelihood REAL NOT NULL, is_greedy INTEGER NOT NULL) WITHOUT ROWID'
            )
        except sqlite3.Error as error:
            raise StoreError(
                f'{self.path} cannot be opened as a store of scores ({error}); remove it, and what'
                ' it held is computed again'
            ) from error

    def __enter__(self) -> 'ScoreStore':
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()

    def get(self, requests: Sequence[Request]) -> list[Score | None]:
        """The stored score of each request, or None."""
        try:
            return [self._get(self._key(request)) for request in requests]
        except sqlite3.Error as error:
            raise StoreError(f'{self.path} cannot be read ({error}); remove it') from error

    def put(self, scored: Iterable[tuple[Request, Score]]) -> None:
        """Stores scores, all or none of them.

        Raises:
          StoreError: naming the file; what was stored before is kept.
        """
        rows = [(self._key(request), *score) for request, score in scored]
        try:
            self._db.execute('BEGIN IMMEDIATE')
            self._db.executemany('INSERT OR IGNORE INTO scores VALUES (?, ?, ?)', rows)
            self._db.execute('COMMIT')
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute('ROLLBACK')
            raise StoreError(
                f'cannot write {self.path}: {error}. What was stored before is kept: make room,'
                ' then start again with the same --workdir'
            ) from error

    def _get(self, key: bytes) -> Score | None:
        row = self._db.execute(
            'SELECT log_likelihood, is_greedy FROM scores WHERE key = ?', (key,)
        ).fetchone()
        return None if row is None else Score(row[0], bool(row[1]))

    def _key(self, request: Request) -> bytes:
        digest = hashlib.sha256(self._prefix)
        for ids in (request.context, request.continuation):
            digest.update(len(ids).to_bytes(8, 'little'))
            digest.update(np.asarray(ids, '<i4').tobytes())
        return digest.digest()
