"""Places on object stores (gs://, s3://, any scheme of fsspec): what is read is fetched first.

An object is kept in the cache under a digest of its place, size and version, so that it is fetched
again when it changes and only then. What cannot be fetched is refused: nothing is ever written to a
folder named 'gs:'.
"""

import contextlib
import fnmatch
import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from xlbarrier.datafiles.files import DataError
from xlbarrier.errors import XlbarrierError

_REMOTE = re.compile(r'([A-Za-z][A-Za-z0-9+.-]+):/{1,2}[^/]')
NOT_STORES = ('http', 'https', 'file')
# What says that an object is another one than before, by store; the first that is there.
VERSIONS = ('ETag', 'etag', 'md5Hash', 'generation', 'LastModified', 'mtime', 'created')
# Seconds that a store has for its first answer. Its package tries again by itself: s3fs gives up
# after 4 seconds where nothing listens, and after many minutes where a server never answers.
FIRST_ANSWER = 20


def is_remote(place: str) -> bool:
    """Whether a place is on an object store: it begins with a scheme, such as gs://.

    'gs:/bucket', which a path becomes where its slashes are joined, counts too.
    """
    match = _REMOTE.match(place)
    return match is not None and match[1].lower() not in NOT_STORES


def cache_folder() -> pathlib.Path:
    """XLBARRIER_CACHE, or `xlbarrier` below the user's cache folder."""
    given = os.environ.get('XLBARRIER_CACHE')
    if given:
        return pathlib.Path(given).expanduser()
    base = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
    return pathlib.Path(base) / 'xlbarrier'


def open_store(place: str) -> tuple[Any, str]:
    """The file system of a place (fsspec's), and the path in it.

    Raises:
      DataError: when the scheme is not known, or its package is not installed.
    """
    import fsspec

    scheme = place.partition(':')[0]
    if '://' not in place:
        raise DataError(f'{place!r} is neither a path nor a place: expected {scheme}://...')
    try:
        store, path = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise DataError(f'{place}: {error} (gs:// needs gcsfs, s3:// needs s3fs)') from error
    return store, path.rstrip('/')


@contextlib.contextmanager
def asking(place: str, done: str = 'read') -> Iterator[None]:
    """Turns what a store raises into a DataError that names the place and what cannot be done."""
    try:
        yield
    except XlbarrierError:
        raise
    except Exception as error:  # each store has classes of its own
        first = (str(error).strip().splitlines() or [repr(error)])[0]
        raise DataError(
            f'{place} cannot be {done}: {type(error).__name__}: {first} (does it exist, and do the'
            ' credentials of this machine allow it?)'
        ) from error


def first_answer(place: str, ask: Callable[[], Any], done: str = 'read') -> Any:
    """What `ask` returns, for the first question to a store: within FIRST_ANSWER seconds.

    Raises:
      DataError: when the store cannot be reached, does not answer, or refuses.
    """
    answers: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    # A daemon, since it may wait for a server for minutes after this process has said so.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(FIRST_ANSWER)
    with asking(place, done):
        if errors:
            raise errors[0]
    if not answers:
        raise DataError(
            f'{place}: the store has not answered within {FIRST_ANSWER} seconds. Is its address'
            ' right, and is it reached from this machine?'
        ) from TimeoutError()
    return answers[0]


def check(pattern: str) -> None:
    """Refuses a place or glob of which a store has nothing, without fetching anything.

    Raises:
      DataError: also when the store cannot be read.
    """
    store, path = open_store(pattern)
    if _info(pattern, store, path) is not None:
        return
    fixed = re.split(r'[*?[]', path)[0]
    if fixed == path or _info(pattern, store, os.path.dirname(fixed)) is None:
        raise _nothing(pattern, store, path)


def fetch_files(pattern: str) -> list[pathlib.Path]:
    """Local copies of the objects of a place or glob, by name.

    Raises:
      DataError: when there is none, or one cannot be fetched.
    """
    store, path = open_store(pattern)
    info = _info(pattern, store, path)
    with asking(pattern):
        if info is not None and info['type'] == 'file':
            objects = {path: info}
        else:
            found = store.glob(path, detail=True)
            objects = {name: found[name] for name in sorted(found) if found[name]['type'] == 'file'}
    if not objects:
        raise _nothing(pattern, store, path)
    return [
        _fetched(pattern, store, {os.path.basename(name): (name, info)}) / os.path.basename(name)
        for name, info in objects.items()
    ]


def fetch_folder(place: str, patterns: Sequence[str]) -> pathlib.Path:
    """A local copy of the objects directly below a place whose names match one of the patterns.

    Raises:
      DataError: when there is none, or one cannot be fetched.
    """
    store, path = open_store(place)
    if _info(place, store, path) is None:
        raise _nothing(place, store, path)
    with asking(place):
        below = store.ls(path, detail=True)
    objects = {
        name: (info['name'], info)
        for info in below
        for name in [os.path.basename(info['name'].rstrip('/'))]
        if info['type'] == 'file' and any(fnmatch.fnmatch(name, p) for p in patterns)
    }
    if not objects:
        raise DataError(f'{place} has no object that is named {", ".join(patterns)}')
    return _fetched(place, store, objects)


def _info(place: str, store: Any, path: str) -> Mapping[str, Any] | None:
    """What a store knows of an object or folder; None where there is none.

    Of the ways to ask, `info` alone tells a refusal from an absence in every store.
    """

    def ask() -> Mapping[str, Any] | None:
        store.invalidate_cache()
        try:
            return store.info(path)
        except FileNotFoundError:
            return None

    return first_answer(place, ask)


def _nothing(pattern: str, store: Any, path: str) -> DataError:
    """That a place or glob has nothing, or no bucket."""
    bucket = path.strip('/').partition('/')[0]
    if _info(pattern, store, bucket) is None:
        return DataError(f'{pattern}: there is no bucket {bucket!r}')
    return DataError(f'{pattern}: no such object or folder')


def _fetched(
    place: str, store: Any, objects: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> pathlib.Path:
    """The folder of these objects in the cache; written whole or not at all."""
    versions = {name: [info.get('size'), _version(info)] for name, (_, info) in objects.items()}
    key = hashlib.sha256(json.dumps([place, versions], sort_keys=True).encode()).hexdigest()
    # The last part keeps the place's name: a model is named by its folder.
    name = re.sub(r'[^\w.-]', '-', os.path.basename(place.rstrip('/')))[-80:]
    target = cache_folder() / 'objects' / key[:24] / name
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = pathlib.Path(tempfile.mkdtemp(prefix='.partial-', dir=target.parent))
        try:
            for name, (path, info) in objects.items():
                with asking(place):
                    store.get_file(path, str(partial / name))
                size = (partial / name).stat().st_size
                if info.get('size') not in (None, size):
                    raise DataError(f'{path} has {info["size"]} bytes, but {size} came: try again')
            with contextlib.suppress(FileExistsError):
                partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        if target.exists():  # another process was quicker
            return target
        raise DataError(
            f'{place} cannot be kept in {target}: {error.strerror or error}; make room, or set'
            ' XLBARRIER_CACHE to another folder'
        ) from error
    return target


def _version(info: Mapping[str, Any]) -> str:
    return str(next((info[name] for name in VERSIONS if info.get(name)), ''))
