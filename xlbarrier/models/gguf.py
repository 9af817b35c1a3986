"""GGUF files: metadata and dequantised tensors, through the `gguf` package."""

import pathlib

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


class GgufFile:
    """An open GGUF file, memory-mapped.

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
            self.metadata = {name: field.contents() for name, field in reader.fields.items()}
        except (ValueError, IndexError, OSError, UnicodeDecodeError, KeyError) as error:
            raise ValueError(
                f'{path} is not a whole GGUF file ({error}); fetch it again'
            ) from error
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        self._check_whole()
        # GGUF lists dimensions from the fastest; numpy's order is the reverse.
        self.shapes = {
            name: tuple(int(n) for n in reversed(t.shape)) for name, t in self._tensors.items()
        }

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
