"""Where a token stands: the fields of config.json that say so, and rotary, ALiBi and other tables.

Positions count from the start of a token's own text, so packed documents and tries need nothing
special; a window is a difference of positions.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig, Rope

KINDS = ('default', 'linear', 'dynamic', 'llama3')
LOCAL, WHOLE = 'sliding_attention', 'full_attention'
MISTRAL_WINDOW = 4096  # transformers' default where config.json has none


def read_positions(
    raw: Mapping[str, Any], name: str, theta: float, c: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields `rope` and `local_rope` of a config.json, of transformers 4 or 5.

    Args:
      raw: the config.json.
      name: model_type.
      theta: the family's default base.
      c: the fields read so far.

    Raises:
      ValueError: for a kind of scaling or a partial rotation that is not supported, or a value of
        another kind.
    """
    if c.get('positions', 'rope') != 'rope':
        return {}
    for field in ('rope_parameters', 'rope_scaling'):
        if not isinstance(raw.get(field) or {}, Mapping):
            raise InputError(f'{field} = {raw[field]!r}; wanted an object of fields')
    new, old = raw.get('rope_parameters') or {}, raw.get('rope_scaling') or {}
    kinds = {WHOLE, LOCAL} if name == 'gemma3_text' and new else set()
    nested = {key for key, value in new.items() if isinstance(value, Mapping)}
    if not nested <= kinds or (kinds and not nested):
        met = ', '.join(sorted(nested)) or 'all layers alike'
        wanted = ', '.join(sorted(kinds)) or 'all layers alike'
        raise InputError(
            f'rope_parameters of {met} are not supported; supported: those of {wanted}'
        )
    part = new.get('partial_rotary_factor', raw.get('partial_rotary_factor', 1.0))
    if part not in (1.0, None) and name != 'phi3':
        raise InputError(f'partial_rotary_factor = {part} is not supported; supported: 1.0')
    base = raw.get('rope_theta') or theta
    if name != 'gemma3_text':  # where both are there, transformers 5 takes the older, whole
        kinds = ('default',) if name == 'phi3' else KINDS  # transformers refuses Phi 3's others
        return {'rope': _read_rope(old or new, base, c['max_positions'], kinds)}
    local_base = raw.get('rope_local_base_freq') or 10_000.0
    whole = {**(new.get(WHOLE) or {}), **old}
    return {
        'rope': _read_rope(whole or {}, base, c['max_positions']),
        'local_rope': _read_rope(new.get(LOCAL) or {}, local_base, c['max_positions']),
    }


def write_positions(config: DecoderConfig) -> dict[str, Any]:
    """Those fields again, under the names of transformers 4 and of 5."""
    if config.positions != 'rope':
        return {}
    rope = config.local_rope if config.rope.theta == 0 else config.rope
    whole = _write_rope(rope)
    raw = {
        'rope_theta': rope.theta,
        'rope_scaling': None if rope.kind == 'default' else whole,
        'rope_parameters': whole,
    }
    if config.rotary_dim:
        whole['partial_rotary_factor'] = config.rotary_dim / config.head_dim
    if config.family == 'gemma3_text':
        raw['rope_local_base_freq'] = config.local_rope.theta
        raw['rope_parameters'] = {WHOLE: whole, LOCAL: _write_rope(config.local_rope)}
    return raw


def read_windows(
    raw: Mapping[str, Any], name: str, num_layers: int, local_every: int
) -> dict[str, Any]:
    """The fields `window` and `local_layers` of a config.json.

    Args:
      raw: the config.json.
      name: model_type.
      num_layers: of the model.
      local_every: the family's rule where config.json names no layer types: a layer is whole
        where its number, from 1, divides by this.

    Raises:
      ValueError: for an unknown layer type, or a size that is none.
    """
    for field in ('sliding_window', 'max_window_layers', 'sliding_window_pattern'):
        if type(raw.get(field) or 0) is not int or (raw.get(field) or 0) < 0:
            raise InputError(f'{field} = {raw[field]!r}; wanted a whole number')
    if name in ('qwen2', 'qwen3'):
        window = raw.get('sliding_window', 4096) if raw.get('use_sliding_window') else 0
        whole = raw.get('max_window_layers')
        local = [i >= (28 if whole is None else whole) for i in range(num_layers)]
    elif name in ('mistral', 'phi3'):
        window = raw.get('sliding_window', MISTRAL_WINDOW if name == 'mistral' else None)
        local = [True] * num_layers
    elif local_every:
        window = raw.get('sliding_window', 4096)
        every = raw.get('sliding_window_pattern') or raw.get('_sliding_window_pattern')
        local = [bool((i + 1) % (every or local_every)) for i in range(num_layers)]
    else:
        return {}
    types = raw.get('layer_types') if name != 'phi3' else None  # transformers' has one mask
    if types is not None and window:
        unknown = sorted({kind for kind in types if kind not in (LOCAL, WHOLE)})
        if unknown or len(types) != num_layers:
            raise InputError(
                f'layer_types = {unknown or len(types)} is not supported; supported: {LOCAL},'
                f' {WHOLE}, one for each of {num_layers} layers'
            )
        local = [kind == LOCAL for kind in types]
    if not window or not any(local):
        return {}
    return {'window': int(window), 'local_layers': () if all(local) else tuple(local)}


def write_windows(config: DecoderConfig) -> dict[str, Any]:
    """Those fields again."""
    types = [LOCAL if local else WHOLE for local in config.local]
    if config.family in ('qwen2', 'qwen3'):
        raw: dict[str, Any] = {'use_sliding_window': bool(config.window), 'layer_types': types}
    elif config.family in ('mistral', 'phi3'):
        return {'sliding_window': config.window or None}
    elif config.family in ('gemma2', 'gemma3_text', 'cohere2'):
        raw = {'layer_types': types}
    else:
        return {}
    return raw | ({'sliding_window': config.window} if config.window else {})


def rope_table(positions_BT: jax.Array, rope: Rope, rotary_dim: int) -> tuple[jax.Array, jax.Array]:
    """Sines and cosines, float32 [B, T, 1, rotary_dim / 2], of rotary positions.

    Su et al. 2021 (arXiv 2104.09864); scaling as in transformers' modeling_rope_utils. For
    'dynamic' the length of a text is the largest position of its row.
    """
    angles = positions_BT.astype(jnp.float32)[:, :, None, None] * jnp.float32(1)
    if rope.kind == 'dynamic':
        angles = angles * _dynamic(positions_BT, rope, rotary_dim)
    else:
        angles = angles * inverse_frequencies(rope, rotary_dim).astype(np.float32)
    return jnp.sin(angles), jnp.cos(angles)


def inverse_frequencies(rope: Rope, rotary_dim: int) -> np.ndarray:
    """float64 [rotary_dim / 2]: radians a position, of all kinds but a long 'dynamic' one."""
    if rope.theta == 0:
        return np.zeros(rotary_dim // 2)
    # In float64, so that far positions do not amplify the rounding of the power.
    inverse = rope.theta ** -(np.arange(0, rotary_dim, 2) / rotary_dim)
    if rope.kind == 'linear':
        return inverse / rope.factor
    if rope.kind != 'llama3':
        return inverse
    wavelength = 2 * math.pi / inverse
    low, high = rope.low_freq_factor, rope.high_freq_factor
    smooth = np.clip((rope.original_positions / wavelength - low) / (high - low), 0, 1)
    return (1 - smooth) * inverse / rope.factor + smooth * inverse


def _dynamic(positions_BT: jax.Array, rope: Rope, rotary_dim: int) -> jax.Array:
    """float32 [B, 1, 1, rotary_dim / 2]: frequencies of rows that may be longer than trained on."""
    length_B = jnp.max(positions_BT, axis=1).astype(jnp.float32) + 1
    long_B = jnp.maximum(length_B, rope.original_positions)
    growth_B = rope.factor * long_B / rope.original_positions - (rope.factor - 1)
    base_B = rope.theta * growth_B ** (rotary_dim / (rotary_dim - 2))
    exponent = (np.arange(0, rotary_dim, 2) / rotary_dim).astype(np.float32)
    inverse = jnp.exp(-jnp.log(base_B)[:, None, None, None] * exponent)
    # Rows within the length of the training keep the exact table.
    plain = inverse_frequencies(rope, rotary_dim).astype(np.float32)
    return jnp.where((length_B > rope.original_positions)[:, None, None, None], inverse, plain)


def alibi_slopes(heads: int) -> np.ndarray:
    """float32 [N]: ALiBi's slopes (Press et al. 2022, arXiv 2108.12409, and its released code)."""

    def powers(n: int) -> list[float]:
        start = 2.0 ** -(2.0 ** -(math.log2(n) - 3))
        return [start ** (i + 1) for i in range(n)]

    closest = 2 ** math.floor(math.log2(heads))
    slopes = powers(closest)
    if closest < heads:  # every other slope of twice as many heads
        slopes += powers(2 * closest)[0::2][: heads - closest]
    return np.array(slopes, np.float32)


def sinusoids(positions_BT: jax.Array, d_model: int) -> jax.Array:
    """XGLM's positions, float32 [B, T, D]: sines, then cosines (tensor2tensor), from place 2."""
    half = d_model // 2
    inverse = np.exp(np.arange(half) * -(math.log(10_000) / (half - 1))).astype(np.float32)
    angles = (positions_BT.astype(jnp.float32) + 2)[:, :, None] * inverse
    table = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)
    return jnp.pad(table, ((0, 0), (0, 0), (0, d_model % 2)))


def _read_rope(
    fields: Mapping[str, Any], theta: float, max_positions: int, kinds: tuple[str, ...] = KINDS
) -> Rope:
    kind = fields.get('rope_type', fields.get('type', 'default'))
    if kind not in kinds:
        raise InputError(f'rope type {kind!r} is not supported; supported: {", ".join(kinds)}')
    theta = _positive('rope_theta', fields.get('rope_theta', theta))
    if kind == 'default':
        return Rope(theta)
    wanted = ['factor']
    if kind == 'llama3':
        wanted += ['low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings']
    for name in wanted:
        if name not in fields:
            raise InputError(f'rope type {kind!r} has no {name!r} in the model config')
        _positive(name, fields[name])
    factor = float(fields['factor'])
    if kind == 'linear':
        return Rope(theta, kind, factor)
    if kind == 'dynamic':
        return Rope(theta, kind, factor, original_positions=max_positions)
    return Rope(
        theta,
        kind,
        factor,
        float(fields['low_freq_factor']),
        float(fields['high_freq_factor']),
        int(fields['original_max_position_embeddings']),
    )


def _positive(name: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise InputError(f'{name} = {value!r}; wanted a number above 0')
    return float(value)


def _write_rope(rope: Rope) -> dict[str, Any]:
    fields: dict[str, Any] = {'rope_type': rope.kind, 'rope_theta': rope.theta}
    if rope.kind != 'default':
        fields['factor'] = rope.factor
    if rope.kind == 'llama3':
        fields |= {
            'low_freq_factor': rope.low_freq_factor,
            'high_freq_factor': rope.high_freq_factor,
            'original_max_position_embeddings': rope.original_positions,
        }
    return fields
