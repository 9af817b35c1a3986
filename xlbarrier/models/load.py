"""Files to a sharded decoder, and back."""

import hashlib
import json
import pathlib
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from xlbarrier import multihost
from xlbarrier.mesh import check_divides
from xlbarrier.models import safetensors_io, weights
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.gguf import IGNORED, GgufFile
from xlbarrier.run import write_atomic, writing

SHARD_BYTES = 5 * 10**9


def read_config(path: pathlib.Path) -> DecoderConfig:
    """The decoder's config, from a Hugging Face folder or a .gguf file.

    Raises:
      ValueError, FileNotFoundError: naming the file and the field that is missing or unsupported.
    """
    path = pathlib.Path(path)
    if path.suffix == '.gguf':
        file = GgufFile(path)
        return _named(path, DecoderConfig.from_gguf, file.metadata, tied=_is_tied(file))
    config = path / 'config.json'
    if not config.exists():
        raise FileNotFoundError(f'{config} does not exist: {path} is no Hugging Face model folder')
    try:
        raw = json.loads(config.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{config} is not JSON: {error}') from error
    return _named(config, DecoderConfig.from_hf, raw)


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
) -> Decoder:
    """Loads weights onto the mesh, one tensor of the file in host memory at a time.

    Args:
      path: a Hugging Face folder of safetensors, or a .gguf file.
      mesh: from `mesh.make_mesh`.
      param_dtype, compute_dtype: 'float32' or 'bfloat16'.

    Raises:
      ValueError, FileNotFoundError: naming the file and the tensor that is missing, surplus,
        misshapen or not finite.
    """
    path = pathlib.Path(path)
    config = read_config(path)
    check_divides(config, mesh)
    if path.suffix == '.gguf':
        file, table = GgufFile(path), weights.gguf_table(config)
        weights.match(table, config, file.shapes, str(path), IGNORED.__contains__)
    else:
        file, table = safetensors_io.SafetensorsFolder(path), weights.hf_table(config)
        weights.match(table, config, file.shapes, str(path), _ignored_in_hf(config))
    return _fill(config, mesh, table, file, param_dtype, compute_dtype)


def export_hf(
    decoder: Decoder,
    folder: str | pathlib.Path,
    *,
    tokenizer: Any = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Writes a Hugging Face folder that transformers loads; config.json is written last.

    Args:
      decoder: merged, if it had adapters.
      folder: replaced when it stands there unfinished.
      tokenizer: a transformers tokenizer to save beside the weights.
      shard_bytes: largest safetensors file.

    Raises:
      RunError: naming the file that could not be written; `folder` then holds no config.json.
    """
    folder = pathlib.Path(folder)
    config = decoder.config
    params = _flat_params(decoder)
    table = weights.hf_table(config)
    entries = {
        key: (path, entry, layer)
        for path, entry in table.items()
        for layer, key in enumerate(weights.keys_of(entry, config))
    }

    def read(key: str) -> np.ndarray:
        path, entry, layer = entries[key]
        array = params[path][layer] if '{layer}' in entry.key else params[path]
        return entry.to_file(_to_host(array))

    dtype = params['embed.embedding'].dtype
    sizes = {key: int(np.prod(e.file_shape)) * dtype.itemsize for key, (_, e, _) in entries.items()}
    if not multihost.is_lead():
        for key in sizes:  # the lead's gathers need every process
            read(key)
        return
    with writing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    safetensors_io.write_folder(folder, sizes, read, shard_bytes)
    text = json.dumps(config.to_hf(str(dtype)), indent=1)
    write_atomic(folder / 'config.json', text.encode())


def fingerprint(path: str | pathlib.Path) -> str:
    """SHA-256 (hex) of the bytes of the weights' files and of the model config."""
    path = pathlib.Path(path)
    if path.suffix == '.gguf':
        files = [path]
    else:
        files = [path / 'config.json', *safetensors_io.weight_files(path)]
    digest = hashlib.sha256()
    for file in files:
        with file.open('rb') as f:
            digest.update(hashlib.file_digest(f, 'sha256').digest())
    return digest.hexdigest()


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
    keys = list(weights.keys_of(entry, config))
    stacked = '{layer}' in entry.key
    shape = (len(keys), *entry.shape) if stacked else entry.shape
    slices = sharding.addressable_devices_indices_map(shape)
    parts = {_key(index, shape): _empty(index, shape, dtype) for index in slices.values()}
    for layer, key in enumerate(keys):
        array = entry.to_param(file.read(key))
        if not np.isfinite(array.astype(np.float32, copy=False)).all():
            raise ValueError(f'tensor {key!r} holds NaN or infinity')
        for index in slices.values():
            part = parts[_key(index, shape)]
            if stacked:
                part[layer] = array[index[1:]]
            else:
                part[...] = array[index]
    return jax.make_array_from_callback(shape, sharding, lambda index: parts[_key(index, shape)])


def _key(index: tuple[slice, ...], shape: tuple[int, ...]) -> tuple:
    return tuple(part.indices(size) for part, size in zip(index, shape, strict=True))


def _empty(index: tuple[slice, ...], shape: tuple[int, ...], dtype: jnp.dtype) -> np.ndarray:
    bounds = _key(index, shape)
    return np.empty([stop - start for start, stop, _ in bounds], dtype)


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


def _is_tied(file: GgufFile) -> bool:
    return 'output.weight' not in file.shapes


def _ignored_in_hf(config: DecoderConfig) -> Any:
    # Older checkpoints store the rotary frequencies; some tied ones store the head again.
    return lambda key: (
        key.endswith('rotary_emb.inv_freq') or (config.tied and key == 'lm_head.weight')
    )


def _named(path: pathlib.Path, make: Any, *args: Any, **kwargs: Any) -> DecoderConfig:
    try:
        return make(*args, **kwargs)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
