"""The run folder: opened once, continued later, never half written.

docs/run_folder.md describes the layout and the formats, which other programs read.
"""

import contextlib
import datetime
import fcntl
import itertools
import json
import os
import pathlib
import platform
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from xlbarrier import config as config_lib
from xlbarrier import datafiles
from xlbarrier.datafiles import DataError, places, write_atomic, writing
from xlbarrier.errors import OtherRunError, RunError, XlbarrierError
from xlbarrier.mirror import Mirror

PACKAGES = (  # whose versions run.json records
    'jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'transformers', 'tokenizers',
    'safetensors', 'gguf', 'babel', 'numpy', 'pyarrow', 'xlbarrier',
)  # fmt: skip

_TEMPORARY = re.compile(r'\..+\.\d+\.tmp')  # of `write_atomic`


class Run:
    """An open run folder, locked against another run until this process ends.

    Of the processes of one run, only the lead writes: for the others every write does nothing.
    """

    def __init__(self, folder: pathlib.Path, lock: int | None):
        self.folder = folder
        self._lock = lock

    @property
    def lead(self) -> bool:
        """Whether this process writes."""
        return self._lock is not None

    def path(self, *parts: str) -> pathlib.Path:
        """A path inside the folder; its parent exists."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_json(self, name: str, value: Any) -> None:
        """Writes `value` to `name`, whole or not at all."""
        if not self.lead:
            return
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomic(self.path(name), (text + '\n').encode(), private=has_address(text))

    def read_json(self, name: str) -> dict[str, Any]:
        """Reads a JSON file of the folder.

        Raises:
          RunError: when the file is absent or is not a JSON object.
        """
        return _read_json(self.folder / name)

    def update_provenance(self, **fields: Any) -> None:
        """Adds fields to run.json; a dict is merged into the dict that is there."""
        if not self.lead:
            return
        record = self.read_json('run.json')
        for name, value in fields.items():
            if isinstance(value, dict):
                value = {**record.get(name, {}), **value}
            record[name] = value
        self.write_json('run.json', record)

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Adds one line to metrics.jsonl."""
        path = self.path('metrics.jsonl')
        with writing(path), path.open('a', encoding='utf-8') as f:
            f.write(json.dumps(row, ensure_ascii=False) + '\n')

    def last_step(self, arm: str) -> int:
        """The last training step of an arm in metrics.jsonl; 0 where there is none."""
        return int(self.last_logged(arm).get('step', 0))

    def last_logged(self, arm: str) -> dict[str, Any]:
        """The row of metrics.jsonl with the last training step of an arm; {} where there is none.

        Raises:
          RunError: naming the line that is not a logged step.
        """
        path = self.folder / 'metrics.jsonl'
        try:
            text = datafiles.read_text(path) if path.exists() else ''
        except DataError as error:
            raise RunError(f'{error}: remove what is broken in it') from error
        last: dict[str, Any] = {}
        for number, line in enumerate(text.removesuffix('\n').split('\n') if text else (), 1):
            try:
                row = datafiles.parse_object(line, f'{path}, line {number}')
                if row['arm'] == arm and row['step'] > last.get('step', 0):
                    last = row
            except (DataError, KeyError, TypeError) as error:
                raise RunError(
                    f'{path}, line {number} is not a logged step ({error}): remove the line'
                ) from error
        return last

    def mend_metrics(self) -> None:
        """Cuts a last line of metrics.jsonl that a killed process left unfinished."""
        path = self.folder / 'metrics.jsonl'
        if path.exists():
            data = path.read_bytes()
            whole = data[: data.rfind(b'\n') + 1]
            if whole != data:
                write_atomic(path, whole)

    def safe_point(self) -> None:
        """Uploads a folder that is the copy of one on an object store: nothing is half written.

        Raises:
          RunError: when it cannot be written there.
        """
        if self.lead and _mirror is not None:
            _mirror.push()

    def close(self) -> None:
        """Gives the lock back."""
        if self._lock is not None:
            os.close(self._lock)


_mirror: Mirror | None = None  # of the run folder that this process works in


@contextlib.contextmanager
def placed(place: str | os.PathLike) -> Iterator[pathlib.Path]:
    """The local folder of a run: the place itself, or the copy of one on an object store.

    The copy is uploaded at every safe point, and when the block ends, however it ends.

    Raises:
      RunError, DataError: when the store cannot be read or written, or has other files there.
    """
    global _mirror
    if not places.is_remote(str(place)):
        yield pathlib.Path(place).expanduser()
        return
    mirror = Mirror(str(place))
    folder = mirror.pull()
    _mirror = mirror
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(XlbarrierError):  # the first error is the one to be shown
            mirror.push()
        raise
    else:
        mirror.push()
    finally:
        _mirror = None


def on_disk(place: str | os.PathLike) -> pathlib.Path:
    """A path; a place on an object store, which would be taken for one, is refused.

    Raises:
      RunError: naming the place.
    """
    if '\0' in str(place):
        raise OtherRunError(f'{str(place)!r} contains a NUL character, which no file name can')
    if places.is_remote(str(place)):
        raise OtherRunError(
            f'{place} is on an object store; expected a folder on a disk: copy it first'
        )
    return pathlib.Path(place).expanduser()


def is_copy() -> bool:
    """Whether the run works in a copy of a folder on an object store."""
    return _mirror is not None


def open_run(folder: str | os.PathLike, config: config_lib.RunConfig, **provenance: Any) -> Run:
    """Opens a run folder for `config`: a new one, or one begun with the same config.

    config.json and run.json are written before anything else happens.

    Args:
      folder: the workdir.
      config: the resolved config.
      **provenance: further fields of run.json (devices, mesh, command).

    Raises:
      RunError: when the folder has another config (the differing fields are named), has files that
        are not a run's, is in use by another process, or cannot be written.
    """
    check_folder(folder, config)  # before it is made, or gets a lock
    run = _lock_folder(pathlib.Path(folder).expanduser().resolve())
    try:
        _write_start(run, config, provenance)
    except BaseException:
        run.close()
        raise
    return run


def check_folder(folder: str | os.PathLike, config: config_lib.RunConfig) -> None:
    """Refuses a folder that is not this config's, without writing anything.

    Raises:
      RunError: as `open_run` does for another config or other files.
    """
    path = on_disk(folder).resolve()
    if not path.exists():
        return
    with writing(path):
        begun = (path / 'config.json').exists()
        foreign = not begun and _foreign_files(path)
    if begun:
        _refuse_other_config(Run(path, None), config_lib.to_dict(config))
    elif foreign:
        raise OtherRunError(
            f'{path} has files but no config.json (first: {foreign[0]}); a run needs a folder'
            ' of its own: take an empty or new --workdir'
        )


def default_folder(config: config_lib.RunConfig, root: str | os.PathLike = 'runs') -> pathlib.Path:
    """The folder of a run that names none: runs/MODEL-MODE, or with -2, -3 ... if that is taken.

    Args:
      config: whose model and mode name the folder; one that was begun with the same config, or not
        begun at all, is its own.
      root: of all runs.
    """
    place = config.model.source.partition('@')[0].rstrip('/').removesuffix('.gguf')
    name = re.sub(r'[^\w.-]+', '-', re.split('[/:]', place)[-1]).strip('.-')[:80]
    for number in itertools.count(1):
        ending = f'-{number}' if number > 1 else ''
        path = pathlib.Path(root) / f'{name or "model"}-{config.mode}{ending}'
        try:
            check_folder(path, config)
        except RunError:
            continue
        return path
    raise AssertionError('there is always another number')


def _write_start(run: Run, config: config_lib.RunConfig, provenance: Mapping[str, Any]) -> None:
    """Writes config.json and run.json, or checks that the folder was begun with the config."""
    expected = config_lib.to_dict(config)
    check_folder(run.folder, config)  # it may have been begun since the first check
    if (run.folder / 'config.json').exists():
        _remove_temporary(run.folder)
        run.mend_metrics()
    if not (run.folder / 'config.json').exists() or run.read_json('config.json') != expected:
        run.write_json('config.json', expected)
    record = run.read_json('run.json') if (run.folder / 'run.json').exists() else {}
    starts = [*record.get('starts', []), now()]
    record |= _provenance() | {'seed': config.seed, 'starts': starts, **provenance}
    record.setdefault('started', record['starts'][0])
    run.write_json('run.json', record)


def follow(folder: str | os.PathLike) -> Run:
    """The run folder that the lead process has opened, for another process of the same run."""
    return Run(pathlib.Path(folder).expanduser().resolve(), None)


def open_finished(folder: str | os.PathLike) -> Run:
    """Opens the folder of an earlier run to read it (mode `report`).

    Raises:
      RunError: when it is no run folder or has no results.
    """
    path = on_disk(folder).resolve()
    for name in ('config.json', 'run.json', 'results.json'):
        if not (path / name).exists():
            raise RunError(f'{path / name} does not exist: mode report needs a finished run')
    return _lock_folder(path)


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024


def has_address(text: str) -> bool:
    """Whether JSON names the server of a translator, which is no business of other users."""
    return '"place": "http' in text


def _lock_folder(folder: pathlib.Path) -> Run:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / '.lock', os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise RunError(
            f'{folder} is in use by another process; wait for it, or take another'
        ) from error
    return Run(folder, lock)


def _remove_temporary(folder: pathlib.Path) -> None:
    """Removes what a killed process left half written; the folder is locked, so none is in use."""
    for path in folder.rglob('.*.tmp'):
        if _TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            with writing(path):
                path.unlink()


def _read_json(path: pathlib.Path) -> dict[str, Any]:
    try:
        return datafiles.read_object(path)
    except DataError as error:
        raise RunError(f'{error}: restore it or take a new workdir') from error


def _refuse_other_config(run: Run, expected: dict[str, Any]) -> None:
    there = run.read_json('config.json')
    others = [
        name
        for name in config_lib.other_fields(there, expected)
        if not config_lib.is_free(name.removeprefix('config.'))
    ]
    if others:
        raise OtherRunError(
            f'{run.folder} was begun by another version of xlbarrier, whose config.json has other'
            f' fields: {", ".join(others)}. Take another --workdir, or continue this run with the'
            ' version that its run.json names'
        )
    differing = [x for x in config_lib.diff(there, expected) if not config_lib.is_free(x[0])]
    if differing:
        lines = [f'  config.{name}: there {old!r}, now {new!r}' for name, old, new in differing]
        raise OtherRunError(
            f'{run.folder} was begun with another config; take another --workdir or the same'
            ' values for:\n' + '\n'.join(lines)
        )


def _foreign_files(folder: pathlib.Path) -> list[str]:
    # A start that was killed at once may have left the lock and temporary files.
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith('.'))


def _provenance() -> dict[str, Any]:
    return {
        'versions': {'python': platform.python_version(), **_package_versions()},
        'machine': {
            'system': platform.platform(),
            'processor': _processor(),
            'cpus': _cpus(),
        },
        'git_commit': _git_commit(),
        'command': shlex.join(['python', '-m', 'xlbarrier.main', *sys.argv[1:]]),
    }


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def _cpus() -> int | None:
    """Cores that this process may use; on macOS, which does not say, those of the machine."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor()


def _git_commit() -> str | None:
    """Commit of the source tree, with '+changes' where files differ from it; None outside git."""
    here = pathlib.Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ['git', 'describe', '--always', '--abbrev=40', '--dirty=+changes', '--exclude=*'],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
