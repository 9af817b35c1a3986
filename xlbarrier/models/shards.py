"""Tensors of files to parameters in their shards: each device's box is read, checked and turned."""

import ctypes
import math
import mmap
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.models import safetensors_io, weights
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.gguf import GgufFile

READERS = 2  # threads
PIECE_BYTES = 1 << 20  # of a tensor, in float32, that a thread reads at once
STRIPE = 64  # values
ALIASED = 1024  # bytes: rows so far apart share few sets of the cache
STEP = 16 << 20  # bytes of fresh memory at once
HUGE_SECONDS = 0.01  # a step in small pages takes as long
POPULATE_WRITE = 23  # Linux's MADV_POPULATE_WRITE, which the mmap module does not name


def read_param(
    entry: weights.Entry,
    config: DecoderConfig,
    file: GgufFile | safetensors_io.SafetensorsFolder,
    sharding: jax.NamedSharding,
    dtype: jnp.dtype,
) -> jax.Array:
    """A parameter from its tensors; of each, only the box that this host's devices hold is read."""
    keys = weights.keys_of(entry, config.num_layers)
    stacked = weights.LAYER in entry.key
    lead = (config.num_layers,) if stacked else ()  # the layer axis is never split
    shape = (*lead, *entry.shape)

    def box_of(index: tuple[slice, ...] | None) -> weights.Box:
        assert index is not None  # every device of the sharding has a part
        return _box(index[len(lead) :], entry.shape)

    boxes = sorted({*map(box_of, sharding.addressable_devices_indices_map(shape).values())})
    axes = list(zip(*boxes, strict=True))
    host = tuple((min(a for a, _ in axis), max(b for _, b in axis)) for axis in axes)
    parts = {box: _fresh((*lead, *(b - a for a, b in box)), dtype) for box in boxes}

    def fill(layer: int | None, key: str, piece: weights.Box) -> None:
        own, key = entry.of(layer), entry.key_of(key, piece)
        # A layer that is smaller than others fills a part of its piece.
        smaller = None if own is entry else weights.within(entry, own, piece)
        inner = piece if smaller is None else smaller[0]
        if any(a == b for a, b in inner):
            return
        array = file.read(key, own.file_index(inner))
        if array.dtype.itemsize < dtype.itemsize:  # now: casting what is turned is slow
            array = array.astype(dtype)
        array = own.to_param(array, inner)
        if not _finite(array):
            raise InputError(f'{file.where(key)}: tensor {key!r} contains NaN or infinity')
        if smaller is not None:
            whole = np.zeros([b - a for a, b in piece], array.dtype)
            whole[np.ix_(*smaller[1])] = array
            array = whole
        for box, part in parts.items():
            both = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(piece, box, strict=True)]
            if all(a < b for a, b in both):
                inside, outside = (
                    tuple(
                        slice(a - first, b - first)
                        for (a, b), (first, _) in zip(both, of, strict=True)
                    )
                    for of in (piece, box)
                )
                _put((part if layer is None else part[layer])[outside], array[inside])

    pieces = entry.pieces(host, PIECE_BYTES // 4)
    # Reading, checking and turning leave Python's lock; more threads would only hold more pieces.
    with ThreadPoolExecutor(READERS) as pool:
        work = [
            pool.submit(_populate, part, first)
            for part in parts.values()
            for first in range(0, part.nbytes, STEP)
        ]
        work += [pool.submit(fill, i, key, piece) for i, key in keys for piece in pieces]
        try:
            for done in work:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return jax.make_array_from_callback(shape, sharding, lambda index: parts[box_of(index)])


def _fresh(shape: tuple[int, ...], dtype: jnp.dtype) -> np.ndarray:
    """An array of zeros that a CPU device takes as it is, without a copy: it begins with a page."""
    size = math.prod(shape) * dtype.itemsize
    pages = mmap.mmap(-1, max(1, size), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, dtype, math.prod(shape)).reshape(shape)


def _populate(array: np.ndarray, first: int) -> None:
    """Gives memory to a step of a fresh array, from a byte on: a call, not a fault for each page.

    In pages of 4 kB that takes two thirds of the time; in pages of 2 MB a fifth, but several times
    as long where memory is fragmented, or new to a virtual machine: they are given up then.
    """
    if _MADVISE is None:
        return
    start, size = array.ctypes.data + first, min(STEP, array.nbytes - first)
    begun = time.thread_time()
    huge = size == STEP and not _huge.off
    if huge:
        _MADVISE(start, size, mmap.MADV_HUGEPAGE)
    _MADVISE(start, size, POPULATE_WRITE)  # without effect on a kernel that lacks it
    if huge and time.thread_time() - begun > HUGE_SECONDS:
        _huge.off = True


class _Huge:
    off = False  # once they were slow


def _madvise() -> Callable[[int, int, int], int] | None:
    """Linux's madvise; that of the mmap module keeps Python's lock."""
    if sys.platform != 'linux' or not hasattr(mmap, 'MADV_HUGEPAGE'):
        return None
    call = ctypes.CDLL(None).madvise
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return call


_huge, _MADVISE = _Huge(), _madvise()


def _put(out: np.ndarray, array: np.ndarray) -> None:
    """`out[...] = array`; of an array that is turned, in stripes that stay in the cache."""
    if array.ndim < 2 or array.strides[0] > array.strides[1]:
        out[...] = array
        return
    rows = np.moveaxis(array, 0, -1)  # as in the file
    if rows.strides[-2] % ALIASED == 0:
        apart = np.empty((*rows.shape[:-1], rows.shape[-1] + STRIPE), array.dtype)
        apart = apart[..., : rows.shape[-1]]
        apart[...] = rows
        array = np.moveaxis(apart, -1, 0)
    step = max(1, STRIPE // math.prod(array.shape[2:]))
    for start in range(0, array.shape[1], step):
        out[:, start : start + step] = array[:, start : start + step]


def _finite(array: np.ndarray) -> bool:
    """Whether all values are.

    A sum of squares would be a little faster, but BLAS shares it out among threads of its own, for
    which two readers then wait.
    """
    flat = array.ravel(order='K')
    if array.dtype == jnp.bfloat16:  # the largest exponent is that of NaN and infinity
        return not array.size or bool((flat.view(np.uint16) & 0x7F80).max() < 0x7F80)
    return bool(np.isfinite(flat).all())


def _box(index: tuple[slice, ...], shape: tuple[int, ...]) -> weights.Box:
    return tuple(part.indices(size)[:2] for part, size in zip(index, shape, strict=True))
