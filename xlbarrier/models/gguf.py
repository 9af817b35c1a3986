"""GGUF models, in one file or split into several: metadata and dequantised tensors."""

import math
import os
import pathlib
from typing import Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from xlbarrier.datafiles.gguf_header import Header, Tensor, part_files, read_header
from xlbarrier.errors import InputError

CHUNK_BYTES = 2**20  # of float32 dequantised at once; the temporaries are a few times as large
LISTS = ('xielu.alpha_p', 'xielu.alpha_n')  # metadata that are parameters (Apertus)


class GgufFile:
    """An open GGUF model.

    Tensors are read, not memory-mapped: pages of a mapping would count as this process's memory for
    as long as the file is open.

    Attributes:
      path: the file, of a split model the first.
      files: all files of the model.
      metadata: all keys and values of the (first) header, long lists (tokens, merges) included;
        shared with other readers of the file.
      shapes: tensor name -> shape; values of `LISTS` are tensors `blk.{layer}.{key}` of one value.

    Raises (on opening and reading):
      InputError: naming the file, when it is truncated, is no GGUF file, is one part of a model
        whose other parts are missing, or contains a quantisation that cannot be undone.
    """

    def __init__(self, path: pathlib.Path):
        headers = {each: read_header(each) for each in part_files(path)}
        self.files = list(headers)
        self.path = self.files[0]
        self.metadata = headers[self.path].metadata
        _check_parts(headers)
        self._tensors: dict[str, Tensor] = {}
        self._files: dict[str, pathlib.Path] = {}
        for each, header in headers.items():
            for name, tensor in header.tensors.items():
                if name in self._tensors:
                    raise InputError(f'{each}: tensor {name!r} is also in {self._files[name].name}')
                _check_type(each, name, tensor)
                self._tensors[name], self._files[name] = tensor, each
        self._values = {
            f'blk.{layer}.{key}': np.array([value], np.float32)
            for key in LISTS
            for layer, value in enumerate(_numbers(path, key, self.metadata.get(key, [])))
        }
        self.shapes = {name: tensor.shape for name, tensor in self._tensors.items()}
        self.shapes |= {name: array.shape for name, array in self._values.items()}

    def read(self, key: str, index: tuple[slice, ...]) -> np.ndarray:
        """A part of a tensor as float32; only its rows are read, a few at a time."""
        if key in self._values:
            return self._values[key][index]
        tensor = self._tensors[key]
        rows, *rest = (
            range(size)[part] for part, size in zip(index, tensor.shape, strict=True)
        )  # slices of step 1, cut to the shape
        out = np.empty((len(rows), *map(len, rest)), np.float32)
        row_bytes = tensor.size // tensor.shape[0]
        step = max(1, CHUNK_BYTES // (4 * max(1, math.prod(tensor.shape[1:]))))
        with self._files[key].open('rb') as f:
            for start in range(0, len(rows), step):
                many = min(step, len(rows) - start)
                f.seek(tensor.offset + (rows.start + start) * row_bytes)
                raw = np.fromfile(f, np.uint8, many * row_bytes)
                if len(raw) < many * row_bytes:
                    raise InputError(f'{self._files[key]} was cut while it was read')
                # One long row: gguf loops over groups of rows.
                values = dequantize(raw[None], tensor.type).reshape(many, *tensor.shape[1:])
                out[start : start + many] = values[:, *index[1:]]
        return out

    def same(self, first: str, second: str) -> bool:
        """Whether two tensors are there and have the same type, shape and bytes."""
        a, b = self._tensors.get(first), self._tensors.get(second)
        if a is None or b is None or (a.type, a.shape) != (b.type, b.shape):
            return False
        with self._files[first].open('rb') as one, self._files[second].open('rb') as other:
            for start in range(0, a.size, CHUNK_BYTES):
                many = min(CHUNK_BYTES, a.size - start)
                if os.pread(one.fileno(), many, a.offset + start) != os.pread(
                    other.fileno(), many, b.offset + start
                ):
                    return False
        return True

    def where(self, key: str | None = None) -> pathlib.Path:
        """The file that contains the tensor, or the (first) file."""
        return self.path if key is None else self._files.get(key, self.path)


def _numbers(path: pathlib.Path, key: str, values: Any) -> list[float]:
    if not isinstance(values, list) or not all(isinstance(value, float) for value in values):
        raise InputError(f'{path}: {key} = {values!r}; expected a list of numbers')
    return values


def _check_parts(headers: dict[pathlib.Path, Header]) -> None:
    """Compares what the parts say of themselves with their names."""
    for number, (path, header) in enumerate(headers.items()):
        count = header.metadata.get('split.count', 0)
        if count in (0, 1) and len(headers) == 1:
            continue
        if count != len(headers):
            raise InputError(
                f'{path}: split.count = {count!r}, but its name makes it one of {len(headers)};'
                ' name the parts as llama-gguf-split does (NAME-00001-of-00003.gguf)'
            )
        if header.metadata.get('split.no') != number:
            raise InputError(
                f'{path}: split.no = {header.metadata.get("split.no")!r}; expected {number} by its'
                ' name'
            )
    first = next(iter(headers))
    total = headers[first].metadata.get('split.tensors.count')
    found = sum(len(header.tensors) for header in headers.values())
    if len(headers) > 1 and total not in (None, found):
        raise InputError(f'{first}: split.tensors.count = {total!r}, but the parts have {found}')


def _check_type(path: pathlib.Path, name: str, tensor: Tensor) -> None:
    """Refuses a type that the gguf package cannot dequantise, before anything is read."""
    _, block_bytes = GGML_QUANT_SIZES[tensor.type]
    if tensor.type in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
        return
    try:
        dequantize(np.zeros((1, block_bytes), np.uint8), tensor.type)
    except NotImplementedError as error:
        raise InputError(
            f'{path}: tensor {name!r} is quantised as {tensor.type.name},'
            ' which the gguf package cannot dequantise'
        ) from error
