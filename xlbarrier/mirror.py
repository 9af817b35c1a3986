"""A run folder on an object store: a local copy, fetched at the start and uploaded at safe points.

The run itself works in the copy, so that every rule of a local run folder holds: one lock, files
that appear whole, checkpoints that are renamed into place. At a safe point nothing is half written,
and `push` uploads what has changed, then the list of all files (`LIST`), then removes what is no
longer there. A later start, on this machine or another, takes the files of the last list. What a
kill leaves between two lists does no harm: files that are not listed are not taken, and a listed
file that is newer than its list is one that a local kill could have left as well: scores, answers
and logs grow, and checkpoints, corpora and exports have names that are never used again.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from typing import Any

from absl import logging

from xlbarrier import datafiles
from xlbarrier.datafiles import places, write_atomic
from xlbarrier.errors import RunError, XlbarrierError

LIST = '.xlbarrier-files.json'  # of the store: {"state": ..., "files": {path: bytes}}
PROBE = '.xlbarrier-probe'  # of the store: written and removed at the start
STATE = '.xlbarrier-state'  # of the copy: the state of the list that it is equal to, or ahead of
UNFINISHED = ('.orbax-checkpoint-tmp', '.partial', '.old', '.tmp')
SQLITE = '.sqlite'


class Mirror:
    """The local copy of a run folder on an object store."""

    def __init__(self, place: str):
        """Connects to the store.

        Args:
          place: SCHEME://BUCKET/PATH.

        Raises:
          DataError: when its package is not installed, or the place cannot be read.
        """
        self.place = place.rstrip('/')
        self._store, self._root = places.open_store(self.place)
        name = hashlib.sha256(self.place.encode()).hexdigest()[:16]
        self.folder = places.cache_folder() / 'runs' / f'{os.path.basename(self.place)}-{name}'
        self._pushed: dict[str, tuple[int, int]] = {}
        self._state = ''

    def pull(self) -> pathlib.Path:
        """Makes the local copy equal to the last list; a copy that is ahead of it is kept.

        Raises:
          RunError: for a place that has other files, or a file that is gone.
          DataError: when the store cannot be read or written.
        """
        there = places.first_answer(self.place, self._list)
        if there is None:
            with places.asking(self.place):
                others = self._others()
            if others:
                raise RunError(
                    f'{self.place} has objects, but no {LIST}: it is no run folder; take an empty'
                    ' or new place as --workdir'
                )
        places.first_answer(self.place, self._write_probe, 'written')
        state = self.folder / STATE
        if there is None:
            if state.exists():  # of a run that is no longer there; without, none was uploaded yet
                shutil.rmtree(self.folder, ignore_errors=True)
        elif not state.exists() or state.read_text() != there['state']:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            state.write_text('')  # of no list, until all of it is here
            for name in there['files']:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with places.asking(f'{self.place}/{name}'):
                    self._store.get_file(f'{self._root}/{name}', str(path))
            state.write_text(there['state'])
        self._state = there['state'] if there else ''
        logging.info('%s: working in %s', self.place, self.folder)
        return self.folder

    def push(self) -> None:
        """Uploads what has changed; to be called where nothing is half written.

        Raises:
          RunError: when the store cannot be written, or another process has written to it.
        """
        if not (self.folder / 'config.json').exists():
            return  # refused before it was claimed
        try:
            self._push()
        except XlbarrierError:
            raise
        except Exception as error:  # each store has classes of its own
            first = (str(error).strip().splitlines() or [repr(error)])[0]
            raise RunError(
                f'{self.place} cannot be written: {type(error).__name__}: {first}. The run is kept'
                f' in {self.folder}: start again on this machine when that is mended'
            ) from error

    def _push(self) -> None:
        there = self._list()
        if (there['state'] if there else '') != self._state:
            raise RunError(
                f'{self.place} was written by another process since this run began: one run at a'
                f' time can have it. What this one did is in {self.folder}'
            )
        files = {p.relative_to(self.folder).as_posix(): p for p in _finished(self.folder)}
        sizes: dict[str, int] = {}
        for name, path in sorted(files.items(), key=lambda item: item[1].stat().st_mtime_ns):
            found = path.stat()
            sizes[name] = found.st_size
            if self._pushed.get(name) == (found.st_size, found.st_mtime_ns):
                continue
            with _steady(path) as steady:
                sizes[name] = steady.stat().st_size
                self._store.put_file(str(steady), f'{self._root}/{name}')
            self._pushed[name] = (found.st_size, found.st_mtime_ns)
        state = uuid.uuid4().hex
        listed = json.dumps({'state': state, 'files': dict(sorted(sizes.items()))}, indent=1)
        self._store.pipe_file(f'{self._root}/{LIST}', listed.encode())
        self._state = state
        write_atomic(self.folder / STATE, state.encode())
        for name in set(there['files'] if there else ()) - sizes.keys():
            with contextlib.suppress(FileNotFoundError):
                self._store.rm_file(f'{self._root}/{name}')
            self._pushed.pop(name, None)

    def _others(self) -> list[str]:
        """Objects at the place, apart from what a killed start may have left."""
        try:
            found = self._store.find(self._root)
        except FileNotFoundError:  # no such bucket
            return []
        return [name for name in found if os.path.basename(name) != PROBE]

    def _write_probe(self) -> None:
        """Shows before any work that the bucket is there and can be written."""
        self._store.pipe_file(f'{self._root}/{PROBE}', b'xlbarrier')
        self._store.rm_file(f'{self._root}/{PROBE}')

    def _list(self) -> dict[str, Any] | None:
        """The last list of the store; None where there is none."""
        self._store.invalidate_cache()
        try:
            data = self._store.cat_file(f'{self._root}/{LIST}')
        except FileNotFoundError:
            return None
        found = datafiles.parse_object(data.decode(), f'{self.place}/{LIST}')
        names = found.get('files')
        if not isinstance(names, dict) or not isinstance(found.get('state'), str):
            raise RunError(f'{self.place}/{LIST} is damaged: restore it, or take a new --workdir')
        for name in names:
            if pathlib.PurePosixPath(name).is_absolute() or '..' in name.split('/'):
                raise RunError(f'{self.place}/{LIST} names {name!r}, which is outside the folder')
        return found


@contextlib.contextmanager
def _steady(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file that does not change while it is read: of a database, a copy of its last commit."""
    if path.suffix != SQLITE:
        yield path
        return
    copy = path.with_name(f'.{path.name}.copy.tmp')
    try:
        with (
            contextlib.closing(sqlite3.connect(path)) as source,
            contextlib.closing(sqlite3.connect(copy)) as into,
        ):
            source.backup(into)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _finished(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files below a folder, except the lock and what is being written."""
    return [
        path
        for path in folder.rglob('*')
        if path.is_file()
        and not path.is_symlink()
        and path.name not in ('.lock', STATE)
        and not path.name.endswith(('-wal', '-shm', '-journal'))
        and not any(end in part for part in path.relative_to(folder).parts for end in UNFINISHED)
    ]
