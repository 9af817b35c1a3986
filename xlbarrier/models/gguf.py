"""GGUF files: metadata and dequantised tensors, through the `gguf` package."""

import os
import pathlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.constants import GGMLQuantizationType
from gguf.quants import dequantize

from xlbarrier.errors import InputError

CHUNK_BYTES = 2**20  # of float32 dequantised at once; the temporaries are a few times as large


@dataclass(frozen=True)
class _Tensor:
    """Where a tensor stands in the file; shape as numpy has it."""

    type: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    size: int


class GgufFile:
    """An open GGUF file.

    Tensors are read, not memory-mapped: pages of a mapping would count as this process's memory for
    as long as the file is open.

    Attributes:
      metadata: all keys and values of the header; long lists (tokens, merges) included.
      shapes: tensor name -> shape.

    Raises (on opening and reading):
      ValueError: naming the file, when it is truncated, is no GGUF file, or holds a quantisation
        that cannot be undone.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        try:
            reader = GGUFReader(path)
            # Plain values: the reader keeps several array views for every token.
            self.metadata: dict[str, Any] = {
                name: field.contents() for name, field in reader.fields.items()
            }
            self._tensors = {
                # GGUF lists dimensions from the fastest; numpy's order is the reverse.
                t.name: _Tensor(
                    t.tensor_type,
                    tuple(int(n) for n in reversed(t.shape)),
                    int(t.data_offset),
                    int(t.n_bytes),
                )
                for t in reader.tensors
            }
        except (ValueError, IndexError, OSError, UnicodeDecodeError, KeyError) as error:
            raise InputError(
                f'{path} is not a whole GGUF file ({error}); fetch it again'
            ) from error
        self._check_whole()
        self.shapes = {name: tensor.shape for name, tensor in self._tensors.items()}

    def read(self, key: str, index: tuple[slice, ...]) -> np.ndarray:
        """A part of a tensor as float32; only its rows are read, a few at a time."""
        tensor = self._tensors[key]
        rows, *rest = (
            range(size)[part] for part, size in zip(index, tensor.shape, strict=True)
        )  # slices of step 1, cut to the shape
        out = np.empty((len(rows), *map(len, rest)), np.float32)
        row_bytes = tensor.size // tensor.shape[0]
        row_values = max(1, int(np.prod(tensor.shape[1:])))
        step = max(1, CHUNK_BYTES // (4 * row_values))
        with self.path.open('rb') as f:
            for start in range(0, len(rows), step):
                many = min(step, len(rows) - start)
                f.seek(tensor.offset + (rows.start + start) * row_bytes)
                raw = np.fromfile(f, np.uint8, many * row_bytes)
                values = self._dequantised(key, raw).reshape(many, *tensor.shape[1:])
                out[start : start + many] = values[:, *index[1:]]
        return out

    def same(self, first: str, second: str) -> bool:
        """Whether two tensors are there and have the same type, shape and bytes."""
        a, b = self._tensors.get(first), self._tensors.get(second)
        if a is None or b is None or (a.type, a.shape) != (b.type, b.shape):
            return False
        with self.path.open('rb') as f:
            for start in range(0, a.size, CHUNK_BYTES):
                many = min(CHUNK_BYTES, a.size - start)
                if os.pread(f.fileno(), many, a.offset + start) != os.pread(
                    f.fileno(), many, b.offset + start
                ):
                    return False
        return True

    def where(self, key: str | None = None) -> pathlib.Path:
        """The file that holds the tensor."""
        return self.path

    def quantisation(self) -> dict[str, int]:
        """How many tensors there are of each type, by name."""
        names = sorted(t.type.name for t in self._tensors.values())
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def _dequantised(self, key: str, raw: np.ndarray) -> np.ndarray:
        kind = self._tensors[key].type
        try:
            return dequantize(raw[None], kind)  # one long row: gguf loops over groups of rows
        except NotImplementedError as error:
            raise InputError(
                f'{self.path}: tensor {key!r} is quantised as {kind.name},'
                ' which the gguf package cannot dequantise'
            ) from error

    def _check_whole(self) -> None:
        size = self.path.stat().st_size
        for name, tensor in self._tensors.items():
            end = tensor.offset + tensor.size
            if end > size:
                raise InputError(
                    f'{self.path} is truncated: tensor {name!r} ends at byte {end},'
                    f' the file at {size}; fetch it again'
                )
