"""The header of a GGUF file: its metadata and where its tensors are.

The format is described in ggml's docs/gguf.md: little-endian; magic, version, number of tensors,
number of keys; then each key with its value; then each tensor's name, dimensions, type and offset.
Every count and length is compared with the size of the file before anything of that size is made,
and arrays of numbers are read whole, so that a vocabulary of 262,144 tokens takes a second.
"""

import functools
import math
import pathlib
import re
import struct
from dataclasses import dataclass

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from xlbarrier.errors import InputError

MAGIC = b'GGUF'
VERSIONS = (2, 3)
ALIGNMENT = 32  # bytes, where general.alignment does not say otherwise
STRING, ARRAY = 8, 9
# Number of a value's type -> numpy's; 7 is a bool of one byte.
SCALARS = {
    0: '<u1',
    1: '<i1',
    2: '<u2',
    3: '<i2',
    4: '<u4',
    5: '<i4',
    6: '<f4',
    7: '?',
    10: '<u8',
    11: '<i8',
    12: '<f8',
}
LEAST_KEY, LEAST_TENSOR = 13, 24  # bytes that the shortest entries take
MOST_DIMENSIONS = 4
# How llama-gguf-split names the parts of a model.
PART = re.compile(r'(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf')

Value = str | int | float | bool | list['Value']


@dataclass(frozen=True)
class Tensor:
    """Where a tensor is in its file.

    Attributes:
      type: how its values are stored.
      shape: in numpy's order, the slowest dimension first.
      offset: its first byte in the file.
      size: in bytes.
    """

    type: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True)
class Header:
    """What a file says before its weights; shared between callers, so change nothing in it."""

    metadata: dict[str, Value]
    tensors: dict[str, Tensor]


def read_header(path: pathlib.Path) -> Header:
    """The header of a file, kept for the next caller as long as the file does not change.

    Raises:
      InputError: naming the file, when it cannot be read, is no GGUF file, is truncated, or claims
        more than it contains.
    """
    try:
        found = path.stat()
        return _read(path.resolve(), found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror or error}') from error
    except _Broken as error:
        raise InputError(f'{path} is not a whole GGUF file ({error}); fetch it again') from error


def part_files(path: pathlib.Path) -> list[pathlib.Path]:
    """The files of the model that a GGUF file is or is a part of, in order.

    Raises:
      InputError: naming a part that is not there.
    """
    found = PART.fullmatch(path.name)
    if found is None:
        return [path]
    count = int(found['count'])
    if not 1 <= int(found['number']) <= count:
        raise InputError(f'{path} is part {int(found["number"])} of {count} by its name')
    names = (f'{found["stem"]}-{i + 1:05}-of-{count:05}.gguf' for i in range(count))
    files = [path.with_name(name) for name in names]
    for each in files:
        if not each.exists():
            raise InputError(f'{path} is one of {count} parts of a model; {each.name} is missing')
    return files


class _Broken(Exception):
    """What is wrong with the bytes."""


@functools.lru_cache(maxsize=4)
def _read(path: pathlib.Path, size: int, mtime: int) -> Header:
    if not size:
        raise _Broken('it is empty')
    # Pages of a mapping count as this process's memory only until it ends, which is soon.
    return _Parser(np.memmap(path, np.uint8, 'r')).header()


class _Parser:
    """Reads from the front; `next` is the next byte."""

    def __init__(self, data: np.ndarray):
        self.bytes = data.data
        self.next = 0

    def header(self) -> Header:
        magic = bytes(self.taken(4, 'the magic'))
        if magic != MAGIC:
            raise _Broken(f'it begins with {magic!r}, not with {MAGIC!r}')
        version = self.number('<I')
        if version not in VERSIONS:
            raise _Broken(f'version {version}; supported: {", ".join(map(str, VERSIONS))}')
        tensors, keys = self.number('<Q'), self.number('<Q')
        self.check(keys, LEAST_KEY, 'keys')
        metadata: dict[str, Value] = {}
        for _ in range(keys):
            key = self.string('a key')
            if key in metadata:
                raise _Broken(f'the key {key!r} is there twice')
            metadata[key] = self.value(self.number('<I'), key)
        self.check(tensors, LEAST_TENSOR, 'tensors')
        raw = [self.tensor() for _ in range(tensors)]
        alignment = metadata.get('general.alignment', ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise _Broken(f'general.alignment = {alignment!r}; expected a power of two')
        start = -(-self.next // alignment) * alignment
        found: dict[str, Tensor] = {}
        for name, kind, shape, offset in raw:
            if name in found:
                raise _Broken(f'the tensor {name!r} is there twice')
            found[name] = _located(name, kind, shape, start + offset, len(self.bytes))
        return Header(metadata, found)

    def tensor(self) -> tuple[str, int, tuple[int, ...], int]:
        name = self.string('the name of a tensor')
        dimensions = self.number('<I')
        if dimensions > MOST_DIMENSIONS:
            raise _Broken(f'tensor {name!r} has {dimensions} dimensions')
        # GGUF lists dimensions from the fastest; numpy's order is the reverse.
        shape = tuple(self.number('<Q') for _ in range(dimensions))[::-1]
        return name, self.number('<I'), shape, self.number('<Q')

    def value(self, kind: int, key: str, depth: int = 0) -> Value:
        if kind == STRING:
            return self.string(repr(key))
        if kind in SCALARS:
            return self.numbers(kind, 1, key)[0]
        if kind != ARRAY or depth > 1:
            raise _Broken(f'{key!r} is of an unknown type {kind}')
        of, many = self.number('<I'), self.number('<Q')
        if of in SCALARS:
            return self.numbers(of, many, key)
        self.check(many, 8, f'entries of {key!r}')
        return [self.value(of, key, depth + 1) for _ in range(many)]

    def numbers(self, kind: int, many: int, key: str) -> list[Value]:
        dtype = np.dtype(SCALARS[kind])
        self.check(many, dtype.itemsize, f'entries of {key!r}')
        found: list[Value] = np.frombuffer(
            self.taken(many * dtype.itemsize, repr(key)), dtype
        ).tolist()
        return found

    def string(self, of: str) -> str:
        length = self.number('<Q')
        self.check(length, 1, f'bytes of {of}')
        # Tokens of bytes that are no UTF-8 are in some files; they must not end the reading.
        return str(self.taken(length, of), 'utf-8', 'replace')

    def number(self, layout: str) -> int:
        raw = self.taken(struct.calcsize(layout), 'a number')
        return int(struct.unpack(layout, raw)[0])

    def check(self, many: int, each: int, of: str) -> None:
        left = len(self.bytes) - self.next
        if many * each > left:
            raise _Broken(f'it claims {many} {of}, but {left} bytes are left')

    def taken(self, size: int, of: str) -> memoryview:
        end = self.next + size
        if end > len(self.bytes):
            raise _Broken(f'it ends at byte {len(self.bytes)}, within {of}')
        taken = self.bytes[self.next : end]
        self.next = end
        return taken


def _located(name: str, kind: int, shape: tuple[int, ...], offset: int, end: int) -> Tensor:
    try:
        type_ = GGMLQuantizationType(kind)
        block, block_bytes = GGML_QUANT_SIZES[type_]
    except (ValueError, KeyError) as error:
        raise _Broken(f'tensor {name!r} is of an unknown type {kind}') from error
    if shape and shape[-1] % block:
        raise _Broken(f'tensor {name!r}: rows of {shape[-1]} values are no blocks of {block}')
    size = math.prod(shape) // block * block_bytes
    if offset + size > end:
        raise _Broken(f'truncated: tensor {name!r} ends at byte {offset + size}, the file at {end}')
    return Tensor(type_, shape, offset, size)
