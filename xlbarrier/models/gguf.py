"""GGUF files: metadata and dequantised tensors, through the `gguf` package."""

import pathlib
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


class GgufFile:
    """An open GGUF file, memory-mapped.

    Raises (on opening and reading):
      ValueError: naming the file, when it is truncated, is no GGUF file, or holds a quantisation
        that cannot be undone.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        try:
            self._reader = GGUFReader(path)
        except (ValueError, IndexError, OSError, UnicodeDecodeError, KeyError) as error:
            raise ValueError(
                f'{path} is not a whole GGUF file ({error}); fetch it again'
            ) from error
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        self._check_whole()
        # GGUF lists dimensions from the fastest; numpy's order is the reverse.
        self.shapes = {
            name: tuple(int(n) for n in reversed(t.shape)) for name, t in self._tensors.items()
        }

    @property
    def metadata(self) -> dict[str, Any]:
        """All keys and values of the header; long lists (tokens, merges) included."""
        return {name: field.contents() for name, field in self._reader.fields.items()}

    def value(self, key: str, default: Any = None) -> Any:
        """One metadata value."""
        field = self._reader.fields.get(key)
        return default if field is None else field.contents()

    def read(self, key: str, index: tuple[slice, ...]) -> np.ndarray:
        """A part of a tensor, its rows dequantised to float32."""
        tensor = self._tensors[key]
        try:
            rows = dequantize(tensor.data[index[0]], tensor.tensor_type)
        except NotImplementedError as error:
            raise ValueError(
                f'{self.path}: tensor {key!r} is quantised as {tensor.tensor_type.name},'
                ' which the gguf package cannot dequantise'
            ) from error
        return rows[:, *index[1:]]

    def where(self, key: str | None = None) -> pathlib.Path:
        """The file that holds the tensor."""
        return self.path

    def quantisation(self) -> dict[str, int]:
        """How many tensors there are of each type, by name."""
        names = sorted(t.tensor_type.name for t in self._tensors.values())
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def _check_whole(self) -> None:
        size = self.path.stat().st_size
        for name, tensor in self._tensors.items():
            end = int(tensor.data_offset) + int(tensor.n_bytes)
            if end > size:
                raise ValueError(
                    f'{self.path} is truncated: tensor {name!r} ends at byte {end},'
                    f' the file at {size}; fetch it again'
                )
