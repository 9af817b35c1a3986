"""Files to a sharded decoder, and back."""

import contextlib
import functools
import hashlib
import json
import math
import mmap
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from xlbarrier import multihost
from xlbarrier.errors import InputError
from xlbarrier.gguf_header import part_files
from xlbarrier.mesh import check_divides
from xlbarrier.models import (
    adapters,
    gguf_families,
    hf_config,
    lora,
    safetensors_io,
    tables,
    weights,
)
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.gguf import GgufFile
from xlbarrier.run import RunError, writing

SHARD_BYTES = 5 * 10**9
READERS = 2  # threads
PIECE_BYTES = 4 << 20  # of a tensor, in float32, that a thread reads at once
STRIPE = 64  # values
# Of Gemma 3 with images: what its text part does not have.
VISION = ('vision_tower.', 'multi_modal_projector.')
HEADS = ('lm_head.weight', 'language_model.lm_head.weight')
COMPARED_ROWS = 4096  # of two tables at once
BUFFERS = ('rotary_emb.inv_freq', '.attn.bias', '.attn.masked_bias', 'embed_positions.weights')


def read_config(path: pathlib.Path) -> DecoderConfig:
    """The decoder's config, from a Hugging Face folder or a .gguf file.

    Raises:
      ValueError, FileNotFoundError: naming the file and the field that is missing or unsupported.
    """
    path = pathlib.Path(path)
    if path.suffix == '.gguf':
        return _named(path, gguf_families.from_gguf, GgufFile(path))
    config = path / 'config.json'
    if not config.exists():
        raise FileNotFoundError(f'{config} does not exist: {path} is no Hugging Face model folder')
    try:
        raw = json.loads(config.read_text(encoding='utf-8'))
    except ValueError as error:
        raise InputError(f'{config} is not JSON: {error}') from error
    return _named(config, hf_config.from_hf, raw)


def init_decoder(
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    seed: int = 0,
    *,
    param_dtype: str = 'float32',
    compute_dtype: str = 'float32',
) -> Decoder:
    """A decoder with random weights, each made in its shards."""
    check_divides(config, mesh)

    @nnx.jit
    def make() -> Decoder:
        return Decoder(
            config, param_dtype=param_dtype, compute_dtype=compute_dtype, rngs=nnx.Rngs(seed)
        )

    with jax.set_mesh(mesh):
        return make()


def load_decoder(
    path: str | pathlib.Path,
    mesh: jax.sharding.Mesh,
    *,
    param_dtype: str = 'float32',
    compute_dtype: str = 'float32',
    adapter: str | pathlib.Path = '',
) -> Decoder:
    """Loads weights onto the mesh, one tensor of the file in host memory at a time.

    Args:
      path: a Hugging Face folder of safetensors, or a .gguf file.
      mesh: from `mesh.make_mesh`.
      param_dtype, compute_dtype: 'float32' or 'bfloat16'.
      adapter: folder of a LoRA adapter in PEFT's format, merged into the weights.

    Raises:
      ValueError, FileNotFoundError: naming the file and the tensor that is missing, surplus,
        misshapen or not finite.
    """
    path = pathlib.Path(path)
    if path.suffix == '.gguf':
        file = GgufFile(path)
        config = _named(path, gguf_families.from_gguf, file)
        table = gguf_families.gguf_table(config)
        ignored = functools.partial(gguf_families.carries_no_parameter, config)
    else:
        config = read_config(path)
        file = safetensors_io.SafetensorsFolder(path)
        table = tables.hf_table(config)
        table = _as_spelled(table, config, file.shapes)
        ignored = _ignored_in_hf(config)
    check_divides(config, mesh)
    weights.match(table, config.num_layers, file.shapes, file.where, ignored, config.family)
    if path.suffix != '.gguf' and config.tied:
        _check_tied_head(file, table['embed.embedding'].key)
    decoder = _fill(config, mesh, table, file, param_dtype, compute_dtype)
    if adapter:
        lora.merge_lora(adapters.load_adapter(decoder, adapter))
    return decoder


def export_hf(
    decoder: Decoder,
    folder: str | pathlib.Path,
    *,
    tokenizer: Any = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Writes a Hugging Face folder that transformers loads, whole or not at all.

    The parameters' dtype is the files'. Every process of a pod calls this; the lead writes.

    Args:
      decoder: without adapters (`lora.merge_lora` first).
      folder: new, empty, or an earlier export, which is replaced.
      tokenizer: a transformers tokenizer to save beside the weights.
      shard_bytes: largest safetensors file.

    Raises:
      ValueError: for a decoder with adapters.
      RunError: naming the folder, when it holds other files or cannot be written; what stood there
        before still stands.
    """
    folder = pathlib.Path(folder)
    config, params = decoder.config, _flat_params(decoder)
    table = tables.hf_table(config)
    if params.keys() != table.keys():
        extra = sorted(params.keys() ^ table.keys())[0]
        raise InputError(f'cannot export parameter {extra!r}: merge adapters first (merge_lora)')
    dtype = params['embed.embedding'].dtype
    arrays = dict(weights.arrays_of(table, config.num_layers))

    def layer_of(path: str, layer: int | None) -> np.ndarray:
        return _to_host(params[path] if layer is None else params[path][layer])

    def read(key: str) -> np.ndarray:
        return weights.assemble(arrays[key], dtype, layer_of)

    shapes = {key: parts[0][1].file_shape for key, parts in arrays.items()}
    if multihost.is_lead():
        with writing(folder), _replacing(folder) as partial:
            if tokenizer is not None:
                tokenizer.save_pretrained(partial)
            safetensors_io.write_folder(partial, shapes, dtype, read, shard_bytes)
            text = json.dumps(hf_config.to_hf(config, str(dtype)), indent=1, sort_keys=True)
            (partial / 'config.json').write_text(text, encoding='utf-8')
    else:
        for key in shapes:  # the lead's gathers need every process
            read(key)
    multihost.barrier(f'export {folder}')


def fingerprint(path: str | pathlib.Path, adapter: str | pathlib.Path = '') -> str:
    """SHA-256 (hex) of the bytes of the weights' files, the model config and the adapter."""
    path = pathlib.Path(path)
    files = weight_files(path)
    if path.suffix != '.gguf':
        files = [path / 'config.json', *files]
    if adapter:
        folder = pathlib.Path(adapter)
        files += [folder / adapters.CONFIG, folder / adapters.WEIGHTS]
    digest = hashlib.sha256()
    for file in files:
        with file.open('rb') as f:
            digest.update(hashlib.file_digest(f, 'sha256').digest())
    return digest.hexdigest()


def weight_files(path: str | pathlib.Path) -> list[pathlib.Path]:
    """The files that the weights of a folder or a .gguf file are read from, for the provenance."""
    path = pathlib.Path(path)
    return part_files(path) if path.suffix == '.gguf' else safetensors_io.weight_files(path)


def _fill(
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    table: dict[str, weights.Entry],
    file: GgufFile | safetensors_io.SafetensorsFolder,
    param_dtype: str,
    compute_dtype: str,
) -> Decoder:
    dtype = jnp.dtype(param_dtype)
    with jax.set_mesh(mesh):
        abstract = nnx.eval_shape(
            lambda: Decoder(
                config, param_dtype=param_dtype, compute_dtype=compute_dtype, rngs=nnx.Rngs(0)
            )
        )
        graph, state = nnx.split(abstract)
        for path, variable in nnx.to_flat_state(state):
            name = '.'.join(str(part) for part in path)
            sharding = jax.NamedSharding(mesh, variable.get_metadata('out_sharding'))
            variable.set_value(_read_param(table.pop(name), config, file, sharding, dtype))
        if table:
            raise AssertionError(f'weight table entries without a parameter: {sorted(table)}')
        return nnx.merge(graph, state)


def _read_param(
    entry: weights.Entry,
    config: DecoderConfig,
    file: GgufFile | safetensors_io.SafetensorsFolder,
    sharding: jax.NamedSharding,
    dtype: jnp.dtype,
) -> jax.Array:
    """A parameter from its tensors; of each, only the box that this host's devices hold is read."""
    keys = list(weights.keys_of(entry, config.num_layers))
    lead = (len(keys),) if weights.LAYER in entry.key else ()  # the layer axis is never split
    shape = (*lead, *entry.shape)
    indices = sharding.addressable_devices_indices_map(shape).values()
    boxes = sorted({_box(index[len(lead) :], entry.shape) for index in indices})
    axes = list(zip(*boxes, strict=True))
    host = tuple((min(a for a, _ in axis), max(b for _, b in axis)) for axis in axes)
    parts = {box: _fresh((*lead, *(b - a for a, b in box)), dtype) for box in boxes}

    def fill(layer: int, key: str, piece: weights.Box) -> None:
        array = file.read(key, entry.file_index(piece))
        if array.dtype.itemsize < dtype.itemsize:  # now: casting what is turned is slow
            array = array.astype(dtype)
        array = entry.to_param(array, piece)
        if not _finite(array):
            raise InputError(f'{file.where(key)}: tensor {key!r} holds NaN or infinity')
        for box, part in parts.items():
            both = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(piece, box, strict=True)]
            if all(a < b for a, b in both):
                inside, place = (
                    tuple(
                        slice(a - first, b - first)
                        for (a, b), (first, _) in zip(both, of, strict=True)
                    )
                    for of in (piece, box)
                )
                _put((part[layer] if lead else part)[place], array[inside])

    pieces = entry.pieces(host, PIECE_BYTES // 4)
    # Reading, checking and turning leave Python's lock; more threads would only hold more pieces.
    with ThreadPoolExecutor(READERS) as pool:
        work = [pool.submit(fill, i, key, piece) for i, key in enumerate(keys) for piece in pieces]
        try:
            for done in work:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return jax.make_array_from_callback(
        shape, sharding, lambda index: parts[_box(index[len(lead) :], entry.shape)]
    )


def _fresh(shape: tuple[int, ...], dtype: jnp.dtype) -> np.ndarray:
    """An array of zeros that a CPU device takes as it is, without a copy: it begins with a page."""
    # Not numpy's: it asks for huge pages, which a virtual machine may have to fetch first.
    size = math.prod(shape) * dtype.itemsize
    pages = mmap.mmap(-1, max(1, size), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, dtype, math.prod(shape)).reshape(shape)


def _put(out: np.ndarray, array: np.ndarray) -> None:
    """`out[...] = array`; of an array that is turned, in stripes that stay in the cache."""
    if array.ndim < 2 or array.strides[0] > array.strides[1]:
        out[...] = array
        return
    step = max(1, STRIPE // math.prod(array.shape[2:]))
    for start in range(0, array.shape[1], step):
        out[:, start : start + step] = array[:, start : start + step]


def _finite(array: np.ndarray) -> bool:
    """Whether all values are, in one or two passes."""
    flat = array.ravel(order='K')
    if array.dtype == jnp.bfloat16:  # the largest exponent is that of NaN and infinity
        return not array.size or bool((flat.view(np.uint16) & 0x7F80).max() < 0x7F80)
    if array.dtype in (np.float32, np.float64) and np.isfinite(np.vdot(flat, flat)):
        return True  # a sum of squares that is not may also have overflowed
    return bool(np.isfinite(flat).all())


def _box(index: tuple[slice, ...], shape: tuple[int, ...]) -> weights.Box:
    return tuple(part.indices(size)[:2] for part, size in zip(index, shape, strict=True))


@contextlib.contextmanager
def _replacing(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new folder beside `folder` that takes its place when the block ends without an error."""
    if folder.exists() and any(folder.iterdir()) and not (folder / 'config.json').exists():
        raise RunError(f'{folder} holds files that are no export: take an empty or new folder')
    partial, old = (folder.with_name(f'.{folder.name}.{kind}') for kind in ('partial', 'old'))
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _flat_params(decoder: Decoder) -> dict[str, jax.Array]:
    return {
        '.'.join(str(part) for part in path): variable.get_value()
        for path, variable in nnx.to_flat_state(nnx.state(decoder, nnx.Param))
    }


def _to_host(array: jax.Array) -> np.ndarray:
    if array.is_fully_addressable:
        return np.asarray(array)
    whole = jax.jit(lambda x: x, out_shardings=jax.NamedSharding(array.sharding.mesh, jax.P()))
    return np.asarray(whole(array).addressable_data(0))


def _ignored_in_hf(config: DecoderConfig) -> Callable[[str], bool]:
    # Older checkpoints store rotary frequencies and causal masks; some tied ones the head again.
    def ignored(key: str) -> bool:
        tied_head = config.tied and key in HEADS  # see _check_tied_head
        seeing = config.family == 'gemma3_text' and key.removeprefix('model.').startswith(VISION)
        return tied_head or seeing or key.endswith(BUFFERS)

    return ignored


def _check_tied_head(file: safetensors_io.SafetensorsFolder, embed: str) -> None:
    """Refuses a second table that is none: which of the two the model has would be a guess."""
    for head in HEADS:
        if head not in file.shapes:
            continue
        same = file.shapes[head] == file.shapes[embed]
        for first in range(0, file.shapes[embed][0] if same else 0, COMPARED_ROWS):
            rows = (slice(first, first + COMPARED_ROWS), slice(None))
            a, b = (file.read(key, rows).astype(np.float32) for key in (head, embed))
            same = same and np.array_equal(a, b, equal_nan=True)
        if not same:
            raise InputError(
                f'{file.where(head)}: tensor {head!r} is not {embed!r}, though the config says'
                ' tie_word_embeddings = true: set it to false in config.json, if the model has a'
                ' head of its own, or take the tensor out'
            )


def _as_spelled(
    table: dict[str, weights.Entry], config: DecoderConfig, present: Mapping[str, Any]
) -> dict[str, weights.Entry]:
    """The table with the prefix that the file's keys have.

    Checkpoints of bare models (AutoModel's, and the published BLOOM and GPT-2) have none, those of
    models of images and text have one more.
    """
    base = tables.STYLES[config.family].base
    embed = table['embed.embedding'].key.removeprefix(base)
    prefixes = (base, '', f'language_model.{base}', f'{base}language_model.')
    found = next((prefix for prefix in prefixes if prefix + embed in present), base)
    outer = 'language_model.' if found.startswith('language_model.') else ''

    def respell(key: str) -> str:
        return found + key.removeprefix(base) if key.startswith(base) else outer + key

    return table if found == base else weights.renamed(table, respell)


def _named(path: pathlib.Path, make: Any, *args: Any, **kwargs: Any) -> DecoderConfig:
    try:
        return make(*args, **kwargs)
    except ValueError as error:
        raise InputError(f'{path}: {error}') from error
