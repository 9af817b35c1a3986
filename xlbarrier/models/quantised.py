"""Quantised checkpoints of Hugging Face: their weights as float32, by the formats' own documents.

| quant_method | what is read |
|---|---|
| bitsandbytes | 8 bits (LLM.int8), 4 bits (nf4, fp4), double quantisation included |
| gptq | 2, 4 and 8 bits, with and without act-order; gptq and gptq_v2 |
| awq | 4 bits, version gemm |
| fp8 | E4M3 weights with scales of blocks, or of the whole |
| fbgemm_fp8 | E4M3 weights with scales of rows |
| mxfp4 | the experts of gpt-oss: E2M1 in blocks of 32 with a power of two |
| compressed-tensors | float-quantized, int-quantized, naive-quantized, pack-quantized (4, 8 bits) |

Activations are not quantised here, so scales of inputs and of the cache are passed over. All other
methods are refused by name.
"""

import functools
import json
import math
import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.models.safetensors_io import SafetensorsFolder

FIELDS = ('quantization_config', 'compression_config')  # of config.json
KEPT = 8  # tensors in float32 at a time
NIBBLES = (0, 2, 4, 6, 1, 3, 5, 7)  # AWQ: the column of each 4 bits of an int32, lowest first
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
ACTIVATIONS = ('.input_scale', '.output_scale', '.k_scale', '.v_scale', '.input_zero_point')
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Codes:
    """How one weight is stored.

    Attributes:
      shape: of the weight.
      parts: role -> key in the files.
      undo: the parts as the weight, float32.
    """

    shape: tuple[int, ...]
    parts: Mapping[str, str]
    undo: Callable[[Arrays], np.ndarray]


def method_of(raw: Mapping[str, Any], path: pathlib.Path) -> Mapping[str, Any] | None:
    """The quantisation that a config.json names, or None.

    Raises:
      InputError: naming the file and the format, when it is not read here.
    """
    found = next((raw[field] for field in FIELDS if raw.get(field)), None)
    if found is None:
        return None
    name = found.get('quant_method') if isinstance(found, Mapping) else found
    if name not in METHODS:
        raise InputError(
            f'{path}: quantization_config.quant_method = {name!r}: checkpoints in this format are'
            f' not read; those that are: {", ".join(METHODS)}. Take the model before quantisation'
        )
    assert isinstance(found, Mapping)
    return found


class QuantisedFolder(SafetensorsFolder):
    """A folder whose weights are codes; `shapes` and `read` are those of the weights.

    Raises:
      InputError: naming the file and the tensor, where a scale or another part is missing.
    """

    def __init__(self, folder: pathlib.Path, config: Mapping[str, Any]):
        super().__init__(folder, codes=True)
        self._codes: dict[str, Codes] = dict(METHODS[config['quant_method']](self, config))
        used = {key for codes in self._codes.values() for key in codes.parts.values()}
        for key in (*used, *(key for key in self.shapes if key.endswith(ACTIVATIONS))):
            self.shapes.pop(key, None)
        for key, codes in self._codes.items():
            self.shapes[key] = codes.shape
        left = [key for key in self.shapes if key not in self._codes and self.is_code(key)]
        if left:
            raise InputError(
                f'{self.where(left[0])}: tensor {left[0]!r} is of type {self.dtype_of(left[0])},'
                f' which is no part of a weight of {config["quant_method"]}'
            )
        self._lock = threading.Lock()
        self._undone = functools.lru_cache(maxsize=KEPT)(self._undo)

    def read(self, key: str, index: tuple[slice, ...]) -> np.ndarray:
        """A part of a weight, float32 where it was quantised."""
        if key not in self._codes:
            return super().read(key, index)
        with self._lock:  # not twice at once
            return self._undone(key)[index]

    def where(self, key: str | None = None) -> pathlib.Path:
        """The file that contains the weight's codes, or the folder."""
        codes = self._codes.get(key or '') if hasattr(self, '_codes') else None
        return super().where(next(iter(codes.parts.values())) if codes else key)

    def part(self, key: str, of: str, method: str) -> str:
        """The key of a part that must be there."""
        if key not in self.files:
            raise InputError(
                f'{self.where(of)}: tensor {of!r} is quantised ({method}), and {key!r} is missing'
            )
        return key

    def stems(self, ending: str) -> Iterator[str]:
        """The names of modules that have such a tensor."""
        for key in list(self.files):
            if key.endswith(ending):
                yield key.removesuffix(ending)

    def whole(self, key: str) -> np.ndarray:
        """All of a tensor as it is stored."""
        return super().read(key, tuple(slice(None) for _ in self.stored[key]))

    def _undo(self, key: str) -> np.ndarray:
        codes = self._codes[key]
        weight = codes.undo({role: self.whole(part) for role, part in codes.parts.items()})
        if weight.shape != codes.shape:
            raise InputError(
                f'{self.where(key)}: {key!r} is stored in parts of shapes that do not fit'
                f' ({weight.shape}; expected {codes.shape})'
            )
        return weight


def _unpacked(packed: np.ndarray, bits: int, axis: int) -> np.ndarray:
    """Unsigned codes of an int32 array along an axis, the lowest bits first."""
    words = np.moveaxis(packed.view(np.uint32), axis, -1)
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    codes = (words[..., None] >> shifts) & np.uint32(2**bits - 1)
    codes = codes.reshape(*words.shape[:-1], -1).astype(np.int32)
    return np.moveaxis(codes, -1, axis)


def _bits(config: Mapping[str, Any], allowed: tuple[int, ...]) -> int:
    name = 'bits' if 'bits' in config else 'w_bit'
    bits = config.get(name)
    if bits not in allowed:
        raise InputError(
            f'quantization_config.{name} = {bits!r} of {config["quant_method"]} is not supported;'
            f' supported: {", ".join(map(str, allowed))}'
        )
    return int(bits)


def _bitsandbytes(file: QuantisedFolder, config: Mapping[str, Any]) -> Iterator[tuple[str, Codes]]:
    """Keys and layout: bitsandbytes' `QuantState.as_dict`, and `Int8Params`."""
    for stem in file.stems('.weight'):
        key = f'{stem}.weight'
        states = [k for k in file.files if k.startswith(f'{key}.quant_state.bitsandbytes__')]
        if states:
            yield key, _four_bits(file, key, states[0])
        elif file.dtype_of(key) == 'int8':
            parts = {'weight': key, 'scale': file.part(f'{stem}.SCB', key, 'bitsandbytes, 8 bits')}
            if f'{stem}.weight_format' in file.files:
                parts['format'] = f'{stem}.weight_format'
            yield key, Codes(file.shapes[key], parts, _undo_int8)
        elif file.dtype_of(key) == 'uint8':
            file.part(f'{key}.quant_state.bitsandbytes__nf4', key, 'bitsandbytes, 4 bits')


def _undo_int8(parts: Arrays) -> np.ndarray:
    scale: np.ndarray = parts['scale'].astype(np.float32)[:, None] / 127
    return parts['weight'].astype(np.float32) * scale


def _four_bits(file: QuantisedFolder, key: str, state_key: str) -> Codes:
    try:
        state = json.loads(file.whole(state_key).tobytes())
        shape, block = tuple(int(n) for n in state['shape']), int(state['blocksize'])
        nested = {
            n: state[f'nested_{n}'] for n in ('blocksize', 'offset') if f'nested_{n}' in state
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f'{file.where(state_key)}: tensor {state_key!r} is broken') from error
    if 2 * math.prod(file.shapes[key]) != math.prod(shape) or block < 1:
        raise InputError(f'{file.where(key)}: tensor {key!r} does not have the codes of {shape}')
    method = 'bitsandbytes, 4 bits'
    parts = {
        'weight': key,
        'state': state_key,
        'absmax': file.part(f'{key}.absmax', key, method),
        'map': file.part(f'{key}.quant_map', key, method),
    }
    if nested:
        parts['nested_absmax'] = file.part(f'{key}.nested_absmax', key, method)
        parts['nested_map'] = file.part(f'{key}.nested_quant_map', key, method)

    def undo(arrays: Arrays) -> np.ndarray:
        absmax = arrays['absmax']
        if nested:
            scales = np.repeat(arrays['nested_absmax'], int(nested['blocksize']))[: absmax.size]
            absmax = arrays['nested_map'][absmax] * scales + np.float32(nested['offset'])
        packed = arrays['weight'].reshape(-1)
        codes = np.stack([packed >> 4, packed & 15], axis=1).reshape(-1)  # the first is the higher
        values = arrays['map'].astype(np.float32)[codes]
        values *= np.repeat(absmax.astype(np.float32), block)[: values.size]
        return values.reshape(shape)

    return Codes(shape, parts, undo)


def _gptq(file: QuantisedFolder, config: Mapping[str, Any]) -> Iterator[tuple[str, Codes]]:
    """Keys and layout: AutoGPTQ's `QuantLinear.pack`."""
    bits = _bits(config, (2, 4, 8))
    # The first format stores zero points less one.
    shift = 0 if config.get('checkpoint_format') == 'gptq_v2' else 1

    def undo(arrays: Arrays) -> np.ndarray:
        codes = _unpacked(arrays['qweight'], bits, 0)  # [in, out]
        zeros = (_unpacked(arrays['qzeros'], bits, 1) + shift) & (2**bits - 1 if shift else -1)
        scales = arrays['scales'].astype(np.float32)  # [groups, out]
        if 'g_idx' in arrays:
            group = arrays['g_idx']
        else:
            group = np.arange(len(codes)) // (len(codes) // len(scales))
        return np.ascontiguousarray(((codes - zeros[group]) * scales[group]).T)

    for stem in file.stems('.qweight'):
        key = f'{stem}.qweight'
        rows, columns = file.shapes[key]
        parts = {'qweight': key} | {
            role: file.part(f'{stem}.{role}', key, 'gptq') for role in ('qzeros', 'scales')
        }
        if f'{stem}.g_idx' in file.files:
            parts['g_idx'] = f'{stem}.g_idx'
        yield f'{stem}.weight', Codes((columns, rows * 32 // bits), parts, undo)


def _awq(file: QuantisedFolder, config: Mapping[str, Any]) -> Iterator[tuple[str, Codes]]:
    """Keys and layout: AutoAWQ's `WQLinear_GEMM.from_linear`."""
    _bits(config, (4,))
    if str(config.get('version', 'gemm')).lower() != 'gemm':
        raise InputError(
            f'quantization_config.version = {config["version"]!r} of awq is not supported;'
            " supported: 'gemm'"
        )
    order = np.argsort(NIBBLES)

    def columns(packed: np.ndarray) -> np.ndarray:
        codes = _unpacked(packed, 4, 1)
        return codes.reshape(len(codes), -1, 8)[:, :, order].reshape(len(codes), -1)

    def undo(arrays: Arrays) -> np.ndarray:
        codes, zeros = columns(arrays['qweight']), columns(arrays['qzeros'])
        scales = arrays['scales'].astype(np.float32)
        size = len(codes) // len(scales)
        zeros, scales = np.repeat(zeros, size, 0), np.repeat(scales, size, 0)
        return np.ascontiguousarray(((codes - zeros) * scales).T)

    for stem in file.stems('.qweight'):
        key = f'{stem}.qweight'
        rows, packed = file.shapes[key]
        parts = {'qweight': key} | {
            role: file.part(f'{stem}.{role}', key, 'awq') for role in ('qzeros', 'scales')
        }
        yield f'{stem}.weight', Codes((packed * 8, rows), parts, undo)


def _float8(file: QuantisedFolder, config: Mapping[str, Any]) -> Iterator[tuple[str, Codes]]:
    """E4M3 weights with `weight_scale_inv` (DeepSeek V3's blocks) or `weight_scale`."""
    block = tuple(config.get('weight_block_size') or ())

    def undo(arrays: Arrays) -> np.ndarray:
        return _scaled(arrays['weight'].astype(np.float32), arrays['scale'], block)

    for stem in file.stems('.weight'):
        key = f'{stem}.weight'
        if file.dtype_of(key) in ('float8_e4m3fn', 'float8_e5m2'):
            names = (f'{key}_scale_inv', f'{key}_scale')
            found = next((name for name in names if name in file.files), names[0])
            parts = {'weight': key, 'scale': file.part(found, key, config['quant_method'])}
            yield key, Codes(file.shapes[key], parts, undo)


def _scaled(weight: np.ndarray, scale: np.ndarray, block: tuple[int, ...] = ()) -> np.ndarray:
    """A weight times scales of the whole, of rows, of groups of columns, or of blocks."""
    scale = scale.astype(np.float32)
    if scale.size == 1 or scale.ndim == 0:
        return weight * scale.reshape(())
    scale = scale.reshape(len(scale), -1)
    if not block:
        block = (1, -(-weight.shape[1] // scale.shape[1]))
    whole = np.repeat(np.repeat(scale, block[0], 0), block[1], 1)
    return weight * whole[: weight.shape[0], : weight.shape[1]]


def _mxfp4(file: QuantisedFolder, config: Mapping[str, Any]) -> Iterator[tuple[str, Codes]]:
    """OCP's MX format: [E, out, in / 32, 16] bytes of two codes, the first the lower."""
    for stem in file.stems('_blocks'):
        key = f'{stem}_blocks'
        parts = {'blocks': key, 'scales': file.part(f'{stem}_scales', key, 'mxfp4')}
        experts, rows, groups, size = file.shapes[key]
        yield stem, Codes((experts, groups * size * 2, rows), parts, _undo_mxfp4)


def _undo_mxfp4(arrays: Arrays) -> np.ndarray:
    blocks = arrays['blocks']
    codes = np.stack([blocks & 15, blocks >> 4], axis=-1)
    values = E2M1[codes.reshape(*blocks.shape[:3], -1)]
    values = np.ldexp(values, arrays['scales'].astype(np.int32)[..., None] - 127)
    return np.ascontiguousarray(values.reshape(*blocks.shape[:2], -1).swapaxes(1, 2))


def _compressed(file: QuantisedFolder, config: Mapping[str, Any]) -> Iterator[tuple[str, Codes]]:
    """Keys and layout: the compressed-tensors package's compressors, by `format`."""
    kind = str(config.get('format'))
    if kind not in COMPRESSED:
        raise InputError(
            f'quantization_config.format = {kind!r} of compressed-tensors is not supported;'
            f' supported: {", ".join(COMPRESSED)}'
        )
    if kind == 'pack-quantized':
        yield from _packed(file, config)
        return
    for stem in file.stems('.weight_scale'):
        key = f'{stem}.weight'
        parts = {'weight': file.part(key, f'{key}_scale', kind), 'scale': f'{key}_scale'}
        parts |= _zeros_of(file, key)
        yield key, Codes(file.shapes[key], parts, _undo_compressed)
    for stem in file.stems('.weight'):
        if file.is_code(f'{stem}.weight'):
            file.part(f'{stem}.weight_scale', f'{stem}.weight', kind)


def _zeros_of(file: QuantisedFolder, key: str) -> dict[str, str]:
    return {'zero': f'{key}_zero_point'} if f'{key}_zero_point' in file.files else {}


def _undo_compressed(arrays: Arrays) -> np.ndarray:
    weight = arrays['weight'].astype(np.float32)
    if 'zero' in arrays and arrays['zero'].any():
        zero = arrays['zero'].astype(np.float32)
        weight = weight - _scaled(np.ones_like(weight), zero)
    return _scaled(weight, arrays['scale'])


def _packed(file: QuantisedFolder, config: Mapping[str, Any]) -> Iterator[tuple[str, Codes]]:
    for stem in file.stems('.weight_packed'):
        key = f'{stem}.weight_packed'
        parts = {
            'packed': key,
            'scale': file.part(f'{stem}.weight_scale', key, 'pack-quantized'),
            'shape': file.part(f'{stem}.weight_shape', key, 'pack-quantized'),
        }
        if f'{stem}.weight_zero_point' in file.files or f'{stem}.weight_g_idx' in file.files:
            raise InputError(
                f'{file.where(key)}: {stem!r} has zero points or an order of activations, which'
                ' are not read for pack-quantized'
            )
        rows, columns = (int(n) for n in file.whole(parts['shape']))
        bits = 32 * file.shapes[key][1] // max(1, columns)
        if bits not in (4, 8):
            raise InputError(f'{file.where(key)}: {stem!r} has {bits} bits; supported: 4, 8')

        def undo(arrays: Arrays, bits: int = bits, columns: int = columns) -> np.ndarray:
            codes = _unpacked(arrays['packed'], bits, 1)[:, :columns] - 2 ** (bits - 1)
            return _scaled(codes.astype(np.float32), arrays['scale'])

        yield f'{stem}.weight', Codes((rows, columns), parts, undo)


METHODS = {
    'bitsandbytes': _bitsandbytes,
    'gptq': _gptq,
    'awq': _awq,
    'fp8': _float8,
    'fbgemm_fp8': _float8,
    'mxfp4': _mxfp4,
    'compressed-tensors': _compressed,
}
COMPRESSED = ('float-quantized', 'int-quantized', 'naive-quantized', 'pack-quantized')
