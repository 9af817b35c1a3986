"""LoRA adapters in PEFT's file format: adapter_config.json and adapter_model.safetensors.

PEFT names a module of torch's model and gives it A [r, in] and B [out, r]. Where a file fuses maps
that our decoder keeps apart (W_pack, query_key_value, c_attn, qkv_proj, gate_up_proj), the module's
A is read as that of each map, and its B in their parts; maps whose A differ are written one below
another, with B in blocks, so the rank is the sum of theirs.
"""

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from xlbarrier import multihost
from xlbarrier.datafiles import writing
from xlbarrier.errors import InputError
from xlbarrier.mesh import to_host
from xlbarrier.models import adapter_config, lora, safetensors_io, tables, weights
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.weights import LAYER, Entry

CONFIG, WEIGHTS = adapter_config.FILE, 'adapter_model.safetensors'
PREFIX = 'base_model.model.'


@dataclasses.dataclass(frozen=True)
class Module:
    """A linear map of torch's model, and the decoder's maps in it.

    Attributes:
      key: its name, with {layer}.
      maps: our name ('attn.q') -> entries of its A^T [in, r] and B^T [r, out] in the file.
      outputs: rows of the module's B, the most of all layers.
    """

    key: str
    maps: dict[str, tuple[Entry, Entry]]
    outputs: int

    def outputs_of(self, layer: int) -> int:
        """Rows of a layer's B, which may be fewer."""
        out = next(iter(self.maps.values()))[1]
        if not out.own:
            return self.outputs
        return math.prod(out.of(layer).sizes[name] for name in out.split[0])


def save_adapter(decoder: Decoder, folder: str | pathlib.Path, *, base: str) -> None:
    """Writes a decoder's adapters as PEFT does; every process of a pod calls this.

    Args:
      decoder: with adapters, all of one rank and scale.
      folder: new, or an earlier adapter's.
      base: what the adapter is for, `base_model_name_or_path`.

    Raises:
      ValueError: for a decoder without adapters.
      RunError: naming the folder, when it cannot be written.
    """
    folder = pathlib.Path(folder)
    adapted = {name: linear for name, linear in _linears(decoder).items() if lora.adapted(linear)}
    if not adapted:
        raise InputError('the decoder has no adapters to save')
    tensors, ranks, alphas = {}, {}, {}
    of_layers: dict[str, float] = {}  # alphas of modules whose layers have several
    for module in modules_of(decoder).values():
        arrays = {
            name: tuple(to_host(part[...]) for part in (linear.lora_a, linear.lora_b))
            for name, linear in adapted.items()
            if name in module.maps
        }
        if not arrays:
            continue
        entries = [module.maps[name][1] for name in arrays]
        stem = module.key.removeprefix(tables.style_of(decoder.config).base)
        stem = stem.partition(f'{LAYER}.')[2]
        for layer in _layers_of(entries[0], decoder.config.num_layers):
            of_layer = {n: (x[layer], y[layer]) for n, (x, y) in arrays.items()}
            a, b = _joined(module, layer, of_layer)
            name = PREFIX + module.key.format(layer=layer)
            tensors[f'{name}.lora_A.weight'] = a
            tensors[f'{name}.lora_B.weight'] = b
        ranks[stem] = a.shape[0]
        alpha_L = to_host(adapted[next(iter(arrays))].lora_scale[...]) * ranks[stem]
        alphas[stem] = float(alpha_L[0])
        if np.any(alpha_L != alpha_L[0]):
            of_layers |= {module.key.format(layer=i): float(a) for i, a in enumerate(alpha_L)}
    if multihost.is_lead():
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            config = _config(ranks, alphas, base, decoder)
            # Before those of all layers: PEFT takes the first that matches.
            config['alpha_pattern'] = of_layers | config['alpha_pattern']
            (folder / CONFIG).write_text(json.dumps(config, indent=1), encoding='utf-8')
            shapes = {key: tensors[key].shape for key in sorted(tensors)}
            dtype = np.dtype(np.float32)
            safetensors_io.write_file(folder / WEIGHTS, shapes, dtype, tensors.__getitem__)
    multihost.barrier(f'adapter {folder}')


def load_adapter(decoder: Decoder, folder: str | pathlib.Path) -> Decoder:
    """Puts a PEFT adapter on a decoder, in place; returns the same decoder.

    Raises:
      FileNotFoundError, ValueError: naming the file, and the field or tensor of an adapter that is
        no plain LoRA, or that is for another base model (as its modules or shapes show).
    """
    folder = pathlib.Path(folder)
    raw = adapter_config.read_config(folder)
    if not (folder / WEIGHTS).exists():
        raise FileNotFoundError(
            f'{folder} has no {WEIGHTS} (a pickled adapter_model.bin is not read: save it again'
            ' with PEFT, safe_serialization=True)'
        )
    logging.info('adapter %s was made for %s', folder, raw.get('base_model_name_or_path'))
    file = safetensors_io.SafetensorsFile(folder / WEIGHTS)
    modules = _as_spelled(modules_of(decoder), decoder.config, file)
    adapted = _modules_in(file, modules, decoder.config.num_layers, raw)
    ranks = {name: _check_tensors(file, modules[name], raw, adapted[name]) for name in adapted}
    linears = _linears(decoder)
    for name, rank_of in ranks.items():
        rank = max(rank_of.values())
        whole = (slice(None), slice(None))
        scale_L = np.zeros(decoder.config.num_layers)
        pairs: list[tuple[np.ndarray, np.ndarray] | None] = [None] * decoder.config.num_layers
        for layer, own in rank_of.items():
            key = PREFIX + name.format(layer=layer)
            scale_L[layer] = adapter_config.scale(raw, key.removeprefix(PREFIX), own)
            a, b = (file.read(f'{key}.lora_{part}.weight', whole) for part in 'AB')
            # The ranks of layers may differ: zeros change nothing.
            more = rank - own
            pairs[layer] = np.pad(a, ((0, more), (0, 0))), np.pad(b, ((0, 0), (0, more)))
        for map_name, (into, out) in modules[name].maps.items():
            lora.attach(
                linears[map_name],
                map_name.partition('.')[2],
                np.stack([_taken(_ranked(into, rank), i, p and p[0]) for i, p in enumerate(pairs)]),
                np.stack([_taken(_ranked(out, rank), i, p and p[1]) for i, p in enumerate(pairs)]),
                scale_L,
            )
    return decoder


def modules_of(decoder: Decoder) -> dict[str, Module]:
    """The linear maps of torch's model, by their names without a layer's number."""
    table = tables.hf_table(decoder.config)
    found: dict[str, Module] = {}
    for name, (inputs, outputs) in tables.MAPS.items():
        entry = table.get(f'layers.{name}.kernel')
        if entry is None or name.rpartition('.')[2] not in decoder.config.adaptable:
            continue
        key = entry.key.removesuffix('.weight')
        heads = {'K' if entry.grouped and letter == 'N' else letter for letter in outputs}
        axis = next(i for i, letters in enumerate(entry.split) if heads <= set(letters))
        into = dataclasses.replace(
            entry,
            split=(('R',), tuple(inputs)),
            order=(*inputs, 'R'),
            fused=-1,
            interleaved=False,
            part=0,
            parts=1,
        )
        out = dataclasses.replace(
            entry,
            split=(entry.split[axis], ('R',)),
            order=('R', *outputs),
            fused=-1 if entry.fused < 0 else 0,
        )
        module = found.setdefault(key, Module(key, {}, entry.file_shape[axis]))
        module.maps[name] = (into, out)
    return found


def _joined(
    module: Module, layer: int, arrays: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """One layer's A [r, in] and B [out, r] of a module, of its maps' A^T and B^T."""
    rank = next(iter(arrays.values()))[0].shape[-1]
    rows = []
    for name, (a, _) in arrays.items():
        entry = _ranked(module.maps[name][0], rank)
        a = weights.narrowed(entry, layer, a)
        out = np.zeros((rank, math.prod(a.shape[:-1])), np.float32)
        entry.of(layer).write(out, a)
        rows.append(out)
    shared = all(np.array_equal(row, rows[0]) for row in rows)
    blocks = []
    b_whole = np.zeros((module.outputs_of(layer), rank), np.float32)
    for name, (_, b) in arrays.items():
        out = b_whole if shared else np.zeros_like(b_whole)
        entry = _ranked(module.maps[name][1], rank)
        entry.of(layer).write(out, weights.narrowed(entry, layer, b))
        blocks.append(out)
    if shared:
        return rows[0], b_whole
    return np.concatenate(rows), np.concatenate(blocks, axis=1)


def _taken(entry: Entry, layer: int, array: np.ndarray | None) -> np.ndarray:
    """The part of a module's array that is of one map; zeros for a layer without an adapter."""
    out = np.zeros(entry.shape, np.float32)
    if array is None:
        return out
    own, whole = entry.of(layer), tuple((0, size) for size in entry.shape)
    box, inside = weights.within(entry, own, whole)
    out[np.ix_(*inside)] = own.to_param(array[own.file_index(box)], box)
    return out


def _layers_of(entry: Entry, num_layers: int) -> list[int]:
    """The layers that have the map."""
    return [i for i in range(num_layers) if not entry.own or entry.own[i] is not None]


def _ranked(entry: Entry, rank: int) -> Entry:
    return dataclasses.replace(entry, sizes={**entry.sizes, 'R': rank})


def _config(
    ranks: Mapping[str, int], alphas: Mapping[str, float], base: str, decoder: Decoder
) -> dict[str, Any]:
    common_rank = max(sorted(set(ranks.values())), key=list(ranks.values()).count)
    common_alpha = max(sorted(set(alphas.values())), key=list(alphas.values()).count)
    return {
        'peft_type': 'LORA',
        'task_type': 'CAUSAL_LM',
        'base_model_name_or_path': base,
        'inference_mode': True,
        'r': common_rank,
        'lora_alpha': common_alpha,
        'lora_dropout': 0.0,
        'bias': 'none',
        'target_modules': sorted(ranks),
        'rank_pattern': {k: r for k, r in sorted(ranks.items()) if r != common_rank},
        'alpha_pattern': {k: a for k, a in sorted(alphas.items()) if a != common_alpha},
        'fan_in_fan_out': tables.style_of(decoder.config).transposed,
        'init_lora_weights': True,
        'use_rslora': False,
        'use_dora': False,
        'modules_to_save': None,
    }


def _as_spelled(
    modules: Mapping[str, Module], config: DecoderConfig, file: safetensors_io.SafetensorsFile
) -> dict[str, Module]:
    """The modules by the names that the file has, where the model has images too."""
    base, keys = tables.style_of(config).base, file.shapes
    for spelled in (f'{base}language_model.', f'language_model.{base}'):
        if any(key.startswith(PREFIX + spelled) for key in keys):
            names = {key: spelled + key.removeprefix(base) for key in modules}
            return {names[k]: dataclasses.replace(m, key=names[k]) for k, m in modules.items()}
    return dict(modules)


def _modules_in(
    file: safetensors_io.SafetensorsFile,
    modules: Mapping[str, Module],
    layers: int,
    raw: Mapping[str, Any],
) -> dict[str, list[int]]:
    """The modules that the file adapts, each with its layers; nothing else is in the file.

    A layer without tensors is one that the adapter's config leaves out (`layers_to_transform`,
    names or patterns of `target_modules`); else the file is not whole, or is for another model.
    """
    left = set(file.shapes)
    found: dict[str, list[int]] = {}
    for name, module in modules.items():
        present = _layers_of(next(iter(module.maps.values()))[1], layers)
        for layer in present:
            stem = PREFIX + module.key.format(layer=layer)
            keys = {f'{stem}.lora_{part}.weight' for part in 'AB'}
            if keys <= left:
                left -= keys
                found.setdefault(name, []).append(layer)
            elif keys & left:
                raise InputError(f'{file.path}: no tensor {min(keys - left)!r}')
        for layer in sorted(set(present) - set(found.get(name, present))):
            stem = module.key.format(layer=layer)
            if adapter_config.is_targeted(raw, stem, layer):
                raise InputError(
                    f'{file.path}: no tensor {f"{PREFIX}{stem}.lora_A.weight"!r}, though its'
                    f' {CONFIG} does not leave that layer out (layers_to_transform,'
                    f' target_modules); this model has {layers} layers, so the adapter is for'
                    ' another base model, or is not whole'
                )
    if left or not found:
        raise InputError(
            f'{file.path}: tensor {min(left, default=None)!r} is of no linear map of this base'
            f' model, whose maps are {", ".join(modules)} in {layers} layers:'
            ' the adapter is for another one'
        )
    return found


def _check_tensors(
    file: safetensors_io.SafetensorsFile,
    module: Module,
    raw: Mapping[str, Any],
    layers: Sequence[int],
) -> dict[int, int]:
    """The rank of a module's adapter in each of its layers, whose tensors are finite."""
    into = next(iter(module.maps.values()))[0]
    ranks: dict[int, int] = {}
    for layer in layers:
        stem = module.key.format(layer=layer)
        first = file.shapes[f'{PREFIX}{stem}.lora_A.weight']
        rank = first[0] if first else 0
        expected = adapter_config.of_pattern(raw, 'rank_pattern', stem, raw['r'])
        if rank != expected:
            raise InputError(
                f'{file.path}: tensor {f"{PREFIX}{stem}.lora_A.weight"!r} has rank {rank}, but'
                f' {CONFIG} says {expected} (r, rank_pattern): they are not of the same adapter'
            )
        sizes = into.of(layer).sizes
        inputs = math.prod(sizes[name] for name in into.split[1])
        for part, shape in {'A': (rank, inputs), 'B': (module.outputs_of(layer), rank)}.items():
            name = f'{PREFIX}{stem}.lora_{part}.weight'
            if file.shapes[name] != shape:
                raise InputError(
                    f'{file.path}: tensor {name!r} has shape {file.shapes[name]}, expected {shape}'
                    ' for this base model: the adapter is for another one'
                )
            if not np.isfinite(file.read(name, (slice(None), slice(None)))).all():
                raise InputError(f'{file.path}: tensor {name!r} contains NaN or infinity')
        ranks[layer] = rank
    return ranks


def _linears(decoder: Decoder) -> dict[str, Any]:
    blocks = {'attn': decoder.layers.attn, 'mlp': decoder.layers.mlp}
    return {
        name: getattr(blocks[block], last)
        for name in tables.MAPS
        for block, last in [name.split('.')]
        if last in decoder.config.adaptable
    }
