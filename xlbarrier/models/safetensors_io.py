"""Safetensors folders: what is in them, one tensor of them, and writing them in shards."""

import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import logging
from safetensors import SafetensorError, safe_open

from xlbarrier import datafiles
from xlbarrier.errors import InputError

WHOLE, INDEX = 'model.safetensors', 'model.safetensors.index.json'
# Names of the format's dtypes that hold weights; others are codes of a quantised checkpoint.
CODES = {
    'int8': 'I8',
    'uint8': 'U8',
    'int32': 'I32',
    'int64': 'I64',
    'float8_e4m3fn': 'F8_E4M3',
    'float8_e5m2': 'F8_E5M2',
}
DTYPES = {'float64': 'F64', 'float32': 'F32', 'bfloat16': 'BF16', 'float16': 'F16'}

MASKS = ('.attn.bias', '.attn.masked_bias')  # the causal masks that older GPT-2 files contain


class SafetensorsFolder:
    """A Hugging Face folder's weights, one file or several with an index.

    Raises (all methods):
      ValueError, FileNotFoundError: naming the file that is missing, truncated or broken.
    """

    def __init__(
        self, folder: pathlib.Path, files: Sequence[pathlib.Path] = (), *, codes: bool = False
    ):
        self.folder = folder
        self._dtypes = DTYPES | CODES if codes else DTYPES
        self.files: dict[str, pathlib.Path] = {}  # key -> file
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.stored: dict[
            str, tuple[int, ...]
        ] = {}  # shapes of the arrays as they are in the files
        self._places: dict[str, tuple[np.dtype, int]] = {}  # key -> dtype, first byte in the file
        named = {} if files else _weight_map(folder)
        seen = set()
        for path in files or weight_files(folder):
            for key, fields in _header(path).items():
                # The index decides between copies: another shard may have an older one.
                if named.get(key, path.name) == path.name:
                    self._add(path, key, fields)
                    seen.add(key)
        if named.keys() - seen:
            key = min(named.keys() - seen)
            raise InputError(
                f'{folder / INDEX}: tensor {key!r} is expected in {named[key]}, which does not'
                ' have it'
            )

    def read(self, key: str, index: tuple[slice, ...]) -> np.ndarray:
        """A part of a tensor, in its own dtype; nothing else of the file is read.

        Rows are read into memory; any other part is in the mapped file: copy what you keep.

        Raises:
          ValueError: naming the file, when it has become shorter.
        """
        (dtype, first), shape = self._places[key], self.stored[key]
        rows, *rest = (range(size)[part] for part, size in zip(index, shape, strict=True))
        if [len(part) for part in rest] != list(shape[1:]):
            # Mapped anew each time: pages of a map that were read would count as ours until it
            # ends.
            return np.memmap(self.files[key], dtype, 'r', first, shape).view(np.ndarray)[index]
        out = np.empty((len(rows), *shape[1:]), dtype)
        raw = out.reshape(-1).view(np.uint8).data
        first += rows.start * math.prod(shape[1:]) * dtype.itemsize
        with self.files[key].open('rb', buffering=0) as file:
            file.seek(first)
            while raw:
                many = file.readinto(raw)
                if not many:
                    raise InputError(f'{self.files[key]} was cut while it was read')
                raw = raw[many:]
        return out

    def where(self, key: str | None = None) -> pathlib.Path:
        """The file that contains the tensor, or the folder."""
        return self.folder if key is None else self.files.get(key, self.folder)

    def dtype_of(self, key: str) -> str:
        """Name of the type that a tensor is stored in, as numpy and ml_dtypes have it."""
        return self._places[key][0].name

    def is_code(self, key: str) -> bool:
        """Whether a tensor is stored in a type of codes, not of weights."""
        return self.dtype_of(key) in CODES

    def _add(self, path: pathlib.Path, key: str, fields: Mapping[str, Any]) -> None:
        if key in self.files:
            raise InputError(f'{path}: tensor {key!r} is also in {self.files[key].name}')
        if fields['dtype'] == 'BOOL' and key.endswith(MASKS):
            return
        if fields['dtype'] not in self._dtypes.values():
            raise InputError(
                f'{path}: tensor {key!r} is of type {fields["dtype"]};'
                f' expected one of {", ".join(DTYPES.values())}, as config.json names no'
                ' quantisation that is read'
            )
        name = next(name for name, code in self._dtypes.items() if code == fields['dtype'])
        self.files[key] = path
        self.shapes[key] = self.stored[key] = tuple(fields['shape'])
        self._places[key] = jnp.dtype(name), fields['first']


class SafetensorsFile(SafetensorsFolder):
    """One safetensors file, by its own name."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        super().__init__(path.parent, [path])


def _header(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Key -> dtype, shape and `first`, its first byte in the file, of a file that is whole."""
    try:
        with safe_open(path, framework='numpy'):  # checks the header and the file's length
            pass
        with path.open('rb') as f:
            size = int.from_bytes(f.read(8), 'little')
            header = json.loads(f.read(size))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(
            f'{path} is not a whole safetensors file ({error}); fetch it again'
        ) from error
    header.pop('__metadata__', None)
    return {
        key: {**fields, 'first': 8 + size + fields['data_offsets'][0]}
        for key, fields in header.items()
    }


def weight_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The safetensors files that a folder's weights are read from, in order.

    As transformers decides it: `model.safetensors` where there is one, whatever an index beside it
    says, which may be that of an earlier save; else the files that the index names.

    Raises:
      FileNotFoundError: when there is none, or the index names one that is absent.
      InputError: when the index is not readable, or names a file outside the folder.
    """
    whole, index = folder / WHOLE, folder / INDEX
    if whole.exists():
        if index.exists():
            logging.warning(
                '%s has %s and %s: %s is read, as transformers does; remove the other',
                folder,
                WHOLE,
                INDEX,
                WHOLE,
            )
        return [whole]
    return [folder / name for name in sorted(set(_weight_map(folder).values()))]


def _weight_map(folder: pathlib.Path) -> dict[str, str]:
    """Key -> file name, of the index; of a folder with a file that needs none, empty."""
    index = folder / INDEX
    if (folder / WHOLE).exists():
        return {}
    if not index.exists():
        raise FileNotFoundError(f'{folder} has neither {WHOLE} nor {INDEX}')
    found = datafiles.read_object(index).get('weight_map')
    if not isinstance(found, dict) or not found:
        raise InputError(f'{index} is no safetensors index: it has no weight_map of tensors')
    for key, name in found.items():
        if not _is_file_name(name):
            raise InputError(
                f'{index}: weight_map[{key!r}] is {name!r}; expected the name of a file in {folder}'
            )
    for name in sorted(set(found.values())):
        if not (folder / name).exists():
            raise FileNotFoundError(f'{index} names {name}, which is not in {folder}')
    return found


def _is_file_name(name: object) -> bool:
    """Whether a text names a file in the folder itself, not elsewhere."""
    if not isinstance(name, str) or name in ('', '.', '..') or '\\' in name or '\0' in name:
        return False
    return pathlib.PurePosixPath(name).name == name


def write_folder(
    folder: pathlib.Path,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: np.dtype,
    read: Callable[[str], np.ndarray],
    shard_bytes: int,
) -> None:
    """Writes tensors as one file, or as shards with an index, holding one tensor at a time.

    Args:
      folder: exists.
      shapes: key -> shape, in the order to write.
      dtype: of all of them.
      read: gives the tensor of a key.
      shard_bytes: largest shard, unless one tensor is larger.

    Raises:
      OSError: when a file cannot be written.
    """
    sizes = {key: math.prod(shape) * dtype.itemsize for key, shape in shapes.items()}
    shards = _shards(sizes, shard_bytes)
    names = [WHOLE]
    if len(shards) > 1:
        names = [f'model-{i + 1:05}-of-{len(shards):05}.safetensors' for i in range(len(shards))]
    for name, keys in zip(names, shards, strict=True):
        write_file(folder / name, {key: shapes[key] for key in keys}, dtype, read)
    if len(shards) > 1:
        keys_of = zip(names, shards, strict=True)
        weight_map = {key: name for name, keys in keys_of for key in keys}
        index = {'metadata': {'total_size': sum(sizes.values())}, 'weight_map': weight_map}
        (folder / INDEX).write_text(json.dumps(index, indent=1), encoding='utf-8')


def write_file(
    path: pathlib.Path,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: np.dtype,
    read: Callable[[str], np.ndarray],
) -> None:
    """Writes one file, holding one tensor at a time; arguments as of `write_folder`."""
    # The format is a length, a JSON header and the raw arrays; the safetensors package would hold
    # all of them, twice, before it writes the first.
    header: dict[str, dict[str, Any]] = {'__metadata__': {'format': 'pt'}}
    end = 0
    for key, shape in shapes.items():
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[key] = {
            'dtype': DTYPES[dtype.name],
            'shape': list(shape),
            'data_offsets': [start, end],
        }
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)  # so that the arrays are aligned
    with path.open('wb') as f:
        f.write(len(text).to_bytes(8, 'little') + text)
        for key in shapes:
            # As bytes: the buffer protocol does not know bfloat16.
            f.write(np.ascontiguousarray(read(key)).reshape(-1).view(np.uint8).data)
        f.flush()
        os.fsync(f.fileno())


def _shards(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    room = limit
    for key, size in sizes.items():
        if shards[-1] and size > room:
            shards.append([])
            room = limit
        shards[-1].append(key)
        room -= size
    return shards
