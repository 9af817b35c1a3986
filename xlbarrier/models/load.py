"""Files to a sharded decoder, and back."""

import contextlib
import functools
import hashlib
import json
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from xlbarrier import datafiles, multihost
from xlbarrier.datafiles import writing
from xlbarrier.datafiles.gguf_header import part_files
from xlbarrier.errors import InputError, RunError
from xlbarrier.mesh import check_divides, to_host
from xlbarrier.models import (
    adapters,
    generation_config,
    gguf_families,
    hf_config,
    identity,
    lora,
    quantised,
    safetensors_io,
    shards,
    tables,
    weights,
)
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.gguf import GgufFile

SHARD_BYTES = 5 * 10**9
# Of models of text and images: what the text part does not have.
VISION = (
    'vision_tower.',
    'multi_modal_projector.',
    'vision_model.',
    'visual.',
    'image_newline',
    'audio_tower.',
    'embed_vision.',
    'embed_audio.',
)
HEADS = ('lm_head.weight', 'language_model.lm_head.weight')
LAYERS = ('num_hidden_layers', 'n_layer', 'n_layers', 'num_layers')  # fields of config.json
NESTED = ('text_config', 'language_config', 'llm_config')
MOST_LAYERS = 10_000
COMPARED_ROWS = 4096  # of two tables at once
BUFFERS = (
    'rotary_emb.inv_freq',
    '.attn.bias',
    '.attn.masked_bias',
    'embed_positions.weights',
    '.attention.bias',
    '.attention.masked_bias',
)


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
    raw = datafiles.read_object(config)
    _check_layers(config, raw)
    if quantised.method_of(raw, config):
        raw = {name: value for name, value in raw.items() if name not in quantised.FIELDS}
    return generation_config.attach(_named(config, hf_config.from_hf, raw), path)


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
        decoder = Decoder(
            config, param_dtype=param_dtype, compute_dtype=compute_dtype, rngs=nnx.Rngs(seed)
        )
        for path, variable in nnx.to_flat_state(nnx.state(decoder)):
            entry = uneven.get('.'.join(str(part) for part in path))
            if entry is not None:
                mask = weights.filled(entry, config.num_layers)
                variable.set_value(jnp.where(mask, variable.get_value(), 0))
        return decoder

    uneven = {path: entry for path, entry in tables.hf_table(config).items() if entry.own}
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
    file: GgufFile | safetensors_io.SafetensorsFolder
    ignored: Callable[[str], bool]
    if path.suffix == '.gguf':
        file = GgufFile(path)
        config = _named(path, gguf_families.from_gguf, file)
        table = gguf_families.gguf_table(config, file.shapes)
        ignored = functools.partial(gguf_families.carries_no_parameter, config)
    else:
        config = read_config(path)
        file = open_folder(path)
        table = tables.hf_table(config)
        table = _as_spelled(table, config, file.shapes)
        ignored = _ignored_in_hf(config)
    check_divides(config, mesh)
    weights.match(table, config.num_layers, file.shapes, file.where, ignored, config.family)
    if isinstance(file, safetensors_io.SafetensorsFolder) and config.tied:
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
      RunError: naming the folder, when it has other files or cannot be written; what was there
        before is kept.
    """
    folder = pathlib.Path(folder)
    config, params = decoder.config, _flat_params(decoder)
    table = tables.hf_table(config)
    if params.keys() != table.keys():
        extra = sorted(params.keys() ^ table.keys())[0]
        raise InputError(f'cannot export parameter {extra!r}: merge adapters first (merge_lora)')
    dtype = params['embed.embedding'].dtype
    arrays = dict(weights.arrays_of(table, config.num_layers))
    constants = tables.constants_of(config)

    @functools.lru_cache(maxsize=1)  # the arrays of a layer's experts follow each other
    def layer_of(path: str, layer: int | None) -> np.ndarray:
        return to_host(params[path] if layer is None else params[path][layer])

    def read(key: str) -> np.ndarray:
        if key in constants:
            return np.array(constants[key], dtype)
        return weights.assemble(arrays[key], dtype, layer_of)

    shapes = {key: weights.file_shape(parts) for key, parts in arrays.items()}
    shapes |= dict.fromkeys(constants, ())
    if multihost.is_lead():
        with writing(folder), _replacing(folder) as partial:
            if tokenizer is not None:
                tokenizer.save_pretrained(partial)
            safetensors_io.write_folder(partial, shapes, dtype, read, shard_bytes)
            raw = hf_config.to_hf(config, str(dtype))
            raw.pop(generation_config.KEY, None)
            text = json.dumps(raw, indent=1, sort_keys=True)
            generation_config.write(config, partial)
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


def open_folder(path: pathlib.Path) -> safetensors_io.SafetensorsFolder:
    """The weights of a Hugging Face folder, which are dequantised where its config says so."""
    config = path / 'config.json'
    method = quantised.method_of(datafiles.read_object(config), config)
    if method is None:
        return safetensors_io.SafetensorsFolder(path)
    try:
        return quantised.QuantisedFolder(path, method)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error


def describe(model_source: str, path: str | pathlib.Path, digest: str = '') -> dict[str, Any]:
    """A model for the run's provenance: source, name, digest, files, and terms where known."""
    terms = identity.licence_of(model_source, path)
    return {
        'source': model_source,
        'name': identity.name_of(model_source, path),
        'files': [file.name for file in weight_files(path)],
        **({'fingerprint': digest} if digest else {}),
        **({'terms': terms} if terms else {}),
    }


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
            lambda: Decoder(config, param_dtype=param_dtype, compute_dtype=compute_dtype, rngs=None)
        )
        graph, state = nnx.split(abstract)
        for path, variable in nnx.to_flat_state(state):
            name = '.'.join(str(part) for part in path)
            sharding = jax.NamedSharding(mesh, variable.get_metadata('out_sharding'))
            variable.set_value(shards.read_param(table.pop(name), config, file, sharding, dtype))
        if table:
            raise AssertionError(f'weight table entries without a parameter: {sorted(table)}')
        return nnx.merge(graph, state)


@contextlib.contextmanager
def _replacing(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new folder beside `folder` that takes its place when the block ends without an error."""
    if folder.exists() and any(folder.iterdir()) and not (folder / 'config.json').exists():
        raise RunError(f'{folder} has files that are no export: take an empty or new folder')
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


def _ignored_in_hf(config: DecoderConfig) -> Callable[[str], bool]:
    constants = tuple(f'.{key}' for key in tables.style_of(config).constants)

    # Older checkpoints store rotary frequencies and causal masks; some tied ones the head again.
    def ignored(key: str) -> bool:
        tied_head = config.tied and key in HEADS  # see _check_tied_head
        seeing = config.within and key.removeprefix('model.').startswith(VISION)
        return tied_head or seeing or shared(key) or key.endswith((*BUFFERS, *constants))

    # Gemma 4's files may have keys and values of layers that take those of earlier ones.
    unused = [f'layers.{i}.self_attn.' for i, shares in enumerate(config.shares) if shares]

    def shared(key: str) -> bool:
        _, found, part = key.partition('.self_attn.')
        layer = key.removesuffix(part).rpartition('.layers.')[2]
        names = ('k_proj.', 'v_proj.', 'k_norm.', 'v_norm.')
        return bool(found) and f'layers.{layer}' in unused and part.startswith(names)

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
    base = tables.style_of(config).base
    embed = table['embed.embedding'].key.removeprefix(base)
    bare = base.removeprefix('model.')  # OPT's
    prefixes = (base, '', f'language_model.{base}', f'{base}language_model.', bare)
    found = next((prefix for prefix in prefixes if prefix + embed in present), base)
    outer = 'language_model.' if found.startswith('language_model.') else ''

    def respell(key: str) -> str:
        return found + key.removeprefix(base) if key.startswith(base) else outer + key

    return table if found == base else weights.renamed(table, respell)


def _check_layers(path: pathlib.Path, raw: Mapping[str, Any]) -> None:
    """Refuses a number of layers that no model has, before anything of that size is made."""
    parts = [raw, *(raw[name] for name in NESTED if isinstance(raw.get(name), Mapping))]
    for name in LAYERS:
        for part in parts:
            value = part.get(name)
            if isinstance(value, int) and value > MOST_LAYERS:
                raise InputError(f'{path}: {name} = {value}; expected at most {MOST_LAYERS}')


def _named(path: pathlib.Path, make: Any, *args: Any, **kwargs: Any) -> DecoderConfig:
    try:
        return make(*args, **kwargs)
    except ValueError as error:
        raise InputError(f'{path}: {error}') from error
