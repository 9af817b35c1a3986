"""Files are written whole or not at all."""

import contextlib
import os
import pathlib
import secrets
from collections.abc import Callable, Iterator

from xlbarrier.errors import RunError


def write_atomic(
    path: pathlib.Path,
    content: bytes | Callable[[pathlib.Path], None],
    *,
    private: bool = False,
) -> None:
    """Writes a file under a temporary name, syncs it, and renames it into place.

    Args:
      path: the file to be; its folder must exist.
      content: the bytes, or a function that writes the file whose path it is given.
      private: whether only its owner may read it (mode 0600).

    Raises:
      RunError: when the write fails; the file that was there before is untouched.
    """
    temporary = temporary_of(path)
    with writing(path):
        try:
            if private:
                temporary.touch(0o600)
            if callable(content):
                content(temporary)
            else:
                temporary.write_bytes(content)
            with temporary.open('rb') as f:
                os.fsync(f.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def temporary_of(path: pathlib.Path) -> pathlib.Path:
    """A new temporary name beside a file, also for processes of equal numbers on other machines."""
    return path.with_name(f'.{path.name}.{os.getpid()}{secrets.randbelow(10**9):09}.tmp')


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
    """Turns an OSError while `path` is written into a RunError that names it."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f'cannot write {path}: {error.strerror or error}. What was finished before is kept:'
            ' make room or correct the permissions, then start again with the same --workdir'
        ) from error
