"""Translations in SQLite, stored as they come: no text is translated twice, by any process.

A process claims a text before it translates it, in the same transaction that finds it missing. A
process that finds a text claimed by another waits for that translation; it waits only when it has
no claims of its own, so there are no deadlocks. A claim lives as long as its owner: each owner
holds a lock on a file of its own beside the cache, which the system releases when the process is
killed, and a process that waits for it then takes the claim over.
"""

import fcntl
import glob
import hashlib
import os
import pathlib
import sqlite3
import time
import uuid
from collections.abc import Sequence
from typing import BinaryIO

from xlbarrier.errors import StateError
from xlbarrier.translate.protocol import Failed, Translator

VERSION = 1
APPLICATION = 0x786C6274  # 'xlbt'
BUSY = 60.0  # seconds for another process that is writing
BATCH = 256  # texts translated before they are stored: the most that a killed process loses
_POLL = 0.01  # seconds between two looks for what another process translates
_MANY = 500  # parameters of one statement

_SCHEMA = """
CREATE TABLE routes (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, source TEXT NOT NULL,
  target TEXT NOT NULL, UNIQUE (fingerprint, source, target));
CREATE TABLE translations (route INTEGER NOT NULL, digest BLOB NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (route, digest)) WITHOUT ROWID;
CREATE TABLE claims (route INTEGER NOT NULL, digest BLOB NOT NULL, owner TEXT NOT NULL,
  PRIMARY KEY (route, digest)) WITHOUT ROWID;
"""


class CacheError(StateError):
    """The cache's file cannot be read or written, or is of another version; names it."""


class CachedTranslator:
    """A translator that stores its translations; it has the same protocol.

    Failures are not kept: the next request tries again.

    Attributes:
      translator: the one whose translations are stored.
      fingerprint: of that translator.
      path: of the SQLite file.
      hits: texts that were found, in this process, including repeats within one call.
      misses: texts that this process translated, the failed ones among them.
      failed: of the misses, those without a translation.
    """

    def __init__(self, translator: Translator, path: str | os.PathLike, batch: int = BATCH):
        """Opens or creates the file.

        Args:
          translator: translates the texts that the cache does not have.
          path: of the file; its folder must exist, on a disk of this machine.
          batch: most texts that are translated before they are stored.

        Raises:
          CacheError: when it is not a cache, is of another version, or cannot be written.
        """
        self.translator = translator
        self.fingerprint = translator.fingerprint
        self.path = pathlib.Path(path)
        self.hits = self.misses = self.failed = 0
        self._batch = batch
        self._pid = os.getpid()
        self._owner = uuid.uuid4().hex
        self._lock: BinaryIO | None = None
        self._routes: dict[tuple[str, str], int] = {}
        try:
            # A worker of Beam begins in one thread and ends in another.
            self._db = sqlite3.connect(
                self.path, timeout=BUSY, isolation_level=None, check_same_thread=False
            )
            self._prepare()
            self._become_owner()
        except sqlite3.Error as error:
            raise CacheError(
                f'{self.path} cannot be opened as a cache of translations: {error}.'
                f' {_advice(error)}'
            ) from error

    def __enter__(self) -> 'CachedTranslator':
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file, and the translator where it can be closed."""
        self._db.close()
        if self._lock is not None:
            self._lock_file(self._owner).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None
        if hasattr(self.translator, 'close'):
            self.translator.close()

    def supports(self, source: str, target: str) -> bool:
        """Whether the translator behind the cache translates from `source` into `target`."""
        return self.translator.supports(source, target)

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str | Failed]:
        """One translation per text, in the texts' order; see `Translator`.

        Raises:
          CacheError: naming the file; what was stored before is kept.
          TranslatorError: of the translator; its claims are released.
        """
        if os.getpid() != self._pid:
            raise CacheError(
                f'{self.path} was opened in process {self._pid} and used in {os.getpid()}: a cache'
                ' does not live through a fork, open it in each process'
            )
        try:
            return self._translate(texts, source, target)
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute('ROLLBACK')
            raise CacheError(f'cannot use {self.path}: {error}. {_advice(error)}') from error

    def _translate(self, texts: Sequence[str], source: str, target: str) -> list[str | Failed]:
        route = self._route(source, target)
        by_key = {_digest(text): text for text in texts}
        found: dict[bytes, str | Failed] = dict(self._stored(route, list(by_key)))
        waiting = [key for key in by_key if key not in found]
        mine = 0
        while waiting:
            claimed, stored = self._claim(route, waiting)
            found |= stored
            if claimed:
                found |= self._work(route, claimed, by_key, source, target)
                mine += len(claimed)
            elif not stored:
                time.sleep(_POLL)
            waiting = [key for key in waiting if key not in found]
        self.misses += mine
        self.hits += len(texts) - mine
        return [found[_digest(text)] for text in texts]

    def _work(
        self, route: int, keys: list[bytes], texts: dict[bytes, str], source: str, target: str
    ) -> dict[bytes, str | Failed]:
        """Translates what was claimed, stores it and releases all claims, failures included."""
        rows: list[tuple[int, bytes, str]] = []
        try:
            answers = self.translator.translate([texts[key] for key in keys], source, target)
            # A blank answer is a failure; if stored, it would stay blank for ever.
            answers = [
                Failed('the translation is empty') if isinstance(a, str) and not a.strip() else a
                for a in answers
            ]
            rows = [
                (route, key, answer)
                for key, answer in zip(keys, answers, strict=True)
                if not isinstance(answer, Failed)
            ]
        finally:
            self._db.execute('BEGIN IMMEDIATE')
            self._db.executemany('INSERT OR IGNORE INTO translations VALUES (?, ?, ?)', rows)
            self._db.execute('DELETE FROM claims WHERE owner = ?', (self._owner,))
            self._db.execute('COMMIT')
        self.failed += len(keys) - len(rows)
        return dict(zip(keys, answers, strict=True))

    def _claim(self, route: int, keys: list[bytes]) -> tuple[list[bytes], dict[bytes, str]]:
        """Claims up to a batch of keys that are neither stored nor claimed; and what was stored."""
        self._db.execute('BEGIN IMMEDIATE')
        stored = dict(self._stored(route, keys))
        free = [key for key in keys if key not in stored]
        owners = self._owners(route, free)
        gone = {owner for owner in set(owners.values()) if self._is_gone(owner)}
        for owner in gone:
            self._db.execute('DELETE FROM claims WHERE owner = ?', (owner,))
        free = [key for key in free if owners.get(key, '') in gone or key not in owners]
        claimed = free[: self._batch]
        self._db.executemany(
            'INSERT INTO claims VALUES (?, ?, ?)', [(route, key, self._owner) for key in claimed]
        )
        self._db.execute('COMMIT')
        for owner in gone:
            self._lock_file(owner).unlink(missing_ok=True)
        return claimed, stored

    def _stored(self, route: int, keys: list[bytes]) -> list[tuple[bytes, str]]:
        return self._select('SELECT digest, text FROM translations', route, keys)

    def _owners(self, route: int, keys: list[bytes]) -> dict[bytes, str]:
        return dict(self._select('SELECT digest, owner FROM claims', route, keys))

    def _select(self, select: str, route: int, keys: list[bytes]) -> list[tuple]:
        rows: list[tuple] = []
        for i in range(0, len(keys), _MANY):
            some = keys[i : i + _MANY]
            marks = ', '.join('?' * len(some))
            query = f'{select} WHERE route = ? AND digest IN ({marks})'
            rows += self._db.execute(query, (route, *some)).fetchall()
        return rows

    def _become_owner(self) -> None:
        """Makes and locks this process's file, and removes those that killed processes left.

        In a transaction, so that no other process sees a file that is made and not yet locked.
        """
        self._db.execute('BEGIN IMMEDIATE')
        try:
            lock = self._lock_file(self._owner).open('xb')
            self._lock = lock
            fcntl.flock(lock, fcntl.LOCK_EX)
            pattern = f'{glob.escape(self.path.name)}.{"[0-9a-f]" * len(self._owner)}.owner'
            for path in self.path.parent.glob(pattern):
                if self._is_gone(path.name.split('.')[-2]):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise CacheError(f'cannot write beside {self.path}: {error}') from error
        finally:
            self._db.execute('COMMIT')

    def _is_gone(self, owner: str) -> bool:
        """Whether an owner has ended: its lock is free."""
        if owner == self._owner:
            return False
        try:
            with self._lock_file(owner).open('rb') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True

    def _lock_file(self, owner: str) -> pathlib.Path:
        return self.path.with_name(f'{self.path.name}.{owner}.owner')

    def _route(self, source: str, target: str) -> int:
        if (source, target) not in self._routes:
            names = (self.fingerprint, source, target)
            self._db.execute(
                'INSERT OR IGNORE INTO routes (fingerprint, source, target) VALUES (?, ?, ?)', names
            )
            self._routes[source, target] = self._db.execute(
                'SELECT id FROM routes WHERE fingerprint = ? AND source = ? AND target = ?', names
            ).fetchone()[0]
        return self._routes[source, target]

    def _wal_mode(self) -> str:
        """Asks for WAL mode; the mode the file is in then.

        SQLite does not wait for its timeout here where several processes make the file at once: it
        would wait with a lock that the others need.
        """
        ends = time.monotonic() + BUSY
        while True:
            try:
                return self._db.execute('PRAGMA journal_mode = WAL').fetchone()[0]
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > ends:
                    raise
                time.sleep(_POLL)

    def _prepare(self) -> None:
        """Makes the tables of a new file; refuses one that is not a cache of this version."""
        if self._wal_mode() != 'wal':
            raise CacheError(
                f'{self.path} cannot be a cache of translations: its disk does not bear WAL mode'
                ' (a network file system?); choose a local one in config.corpus.translator.cache'
            )
        # In WAL mode this loses nothing when a process is killed; a power cut may lose the last
        # translations, and damages nothing.
        self._db.execute('PRAGMA synchronous = NORMAL')
        self._db.execute('BEGIN IMMEDIATE')
        (version,) = self._db.execute('PRAGMA user_version').fetchone()
        (application,) = self._db.execute('PRAGMA application_id').fetchone()
        (tables,) = self._db.execute('SELECT COUNT(*) FROM sqlite_master').fetchone()
        if not tables:
            for statement in _SCHEMA.split(';'):
                self._db.execute(statement)
            self._db.execute(f'PRAGMA application_id = {APPLICATION}')
            self._db.execute(f'PRAGMA user_version = {VERSION}')
        self._db.execute('COMMIT')
        if tables and application != APPLICATION:
            self._refuse('is an SQLite file of another program')
        if tables and version != VERSION:
            self._refuse(f'is a cache of translations of version {version}, expected {VERSION}')

    def _refuse(self, what: str) -> None:
        self._db.close()
        raise CacheError(
            f'{self.path} {what}: name another file in config.corpus.translator.cache, or remove'
            ' this one and its texts are translated anew'
        )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode('utf-8', 'surrogatepass')).digest()


def _advice(error: sqlite3.Error) -> str:
    """What to do about it. The first byte of SQLite's code is the kind of error."""
    code = getattr(error, 'sqlite_errorcode', 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return 'The file is damaged: remove it, and what it held is translated again'
    if code == sqlite3.SQLITE_BUSY:
        return 'Another process is using it: stop that process, then start again'
    return (
        'What was stored before is kept: make room or mend the permission, then start again with'
        ' the same cache'
    )
