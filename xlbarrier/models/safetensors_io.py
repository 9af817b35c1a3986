"""Safetensors folders: what is in them, one tensor of them, and writing them in shards."""

import json
import pathlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from xlbarrier.run import write_atomic

INDEX = 'model.safetensors.index.json'


class SafetensorsFolder:
    """A Hugging Face folder's weights, one file or several with an index.

    Raises (all methods):
      ValueError, FileNotFoundError: naming the file that is missing, truncated or broken.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.files: dict[str, pathlib.Path] = {}  # key -> file
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._open = {}
        for path in weight_files(folder):
            handle = self._handle(path)
            for key in handle.keys():  # noqa: SIM118 (a safetensors handle is no mapping)
                if key in self.files:
                    raise ValueError(f'{path}: tensor {key!r} is also in {self.files[key].name}')
                self.files[key] = path
                self.shapes[key] = tuple(handle.get_slice(key).get_shape())

    def read(self, key: str) -> np.ndarray:
        """The whole tensor, in its own dtype."""
        return self._handle(self.files[key]).get_tensor(key)

    def _handle(self, path: pathlib.Path):
        if path not in self._open:
            try:
                self._open[path] = safe_open(path, framework='numpy')
            except (SafetensorError, OSError) as error:
                raise ValueError(
                    f'{path} is not a whole safetensors file ({error}); fetch it again'
                ) from error
        return self._open[path]


def weight_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The safetensors files of a folder, in order.

    Raises:
      FileNotFoundError: when there is none, or the index names one that is absent.
      ValueError: when the index is not readable.
    """
    index = folder / INDEX
    if not index.exists():
        if not (folder / 'model.safetensors').exists():
            raise FileNotFoundError(f'{folder} has neither model.safetensors nor {INDEX}')
        return [folder / 'model.safetensors']
    try:
        names = sorted(set(json.loads(index.read_text())['weight_map'].values()))
    except (ValueError, KeyError, AttributeError) as error:
        raise ValueError(f'{index} is no safetensors index: {error!r}') from error
    for name in names:
        if not (folder / name).exists():
            raise FileNotFoundError(f'{index} names {name}, which is not in {folder}')
    return [folder / name for name in names]


def write_folder(
    folder: pathlib.Path,
    sizes: Mapping[str, int],
    read: Callable[[str], np.ndarray],
    shard_bytes: int,
) -> None:
    """Writes tensors as one file, or as shards with an index, holding one shard at a time.

    Args:
      folder: exists.
      sizes: key -> bytes, in the order to write.
      read: gives the tensor of a key.
      shard_bytes: largest shard, unless one tensor is larger.

    Raises:
      RunError: naming the file that could not be written.
    """
    shards = _shards(sizes, shard_bytes)
    names = ['model.safetensors']
    if len(shards) > 1:
        names = [f'model-{i + 1:05}-of-{len(shards):05}.safetensors' for i in range(len(shards))]
    for name, keys in zip(names, shards, strict=True):
        # A callable, so that one shard is in memory at a time.
        write_atomic(folder / name, lambda path, keys=keys: _save(keys, read, path))
    if len(shards) > 1:
        index = {
            'metadata': {'total_size': sum(sizes.values())},
            'weight_map': {
                key: name for name, keys in zip(names, shards, strict=True) for key in keys
            },
        }
        write_atomic(folder / INDEX, json.dumps(index, indent=1).encode())


def _save(keys: Iterable[str], read: Callable[[str], np.ndarray], path: pathlib.Path) -> None:
    tensors = {key: np.ascontiguousarray(read(key)) for key in keys}
    try:
        save_file(tensors, path, metadata={'format': 'pt'})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _shards(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    shards, room = [[]], limit
    for key, size in sizes.items():
        if shards[-1] and size > room:
            shards.append([])
            room = limit
        shards[-1].append(key)
        room -= size
    return shards
