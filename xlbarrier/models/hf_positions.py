"""The fields of config.json that say where a token is: rotary positions and windows, both ways."""

import math
from collections.abc import Mapping
from typing import Any

from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig, Rope
from xlbarrier.models.families import FAMILIES, LOCAL, WHOLE, Family

# What a kind of rope scaling needs beside its base; a tuple of factors is checked apart.
NEEDED: dict[str, tuple[str, ...]] = {
    'default': (),
    'linear': ('factor',),
    'dynamic': ('factor',),
    'llama3': ('factor', 'low_freq_factor', 'high_freq_factor'),
    'yarn': ('factor',),
    'longrope': (),
    'proportional': (),
}
STRETCHED = ('llama3', 'yarn', 'longrope')  # they know the length of the first training
ORIGINAL = 'original_max_position_embeddings'


def read_positions(raw: Mapping[str, Any], family: Family, c: Mapping[str, Any]) -> dict[str, Any]:
    """The fields `rope`, `local_rope` and `rotary_dim`, of transformers 4 or 5.

    Args:
      raw: the config.json.
      family: of the model.
      c: the fields read so far.

    Raises:
      InputError: for a kind of scaling or a partial rotation that is not supported, or a value of
        another kind.
    """
    if c.get('positions', 'rope') != 'rope':
        return {}
    for field in ('rope_parameters', 'rope_scaling'):
        if not isinstance(raw.get(field) or {}, Mapping):
            raise InputError(f'{field} = {raw[field]!r}; expected an object of fields')
    new, old = raw.get('rope_parameters') or {}, raw.get('rope_scaling') or {}
    if not new and not old:
        new, old = (family.scaling, {}) if family.nested_rope else ({}, family.scaling)
    nested = {key for key, value in new.items() if isinstance(value, Mapping)}
    kinds = {WHOLE, LOCAL} if family.nested_rope and new else set()
    if not nested <= kinds or (kinds and not nested):
        met = ', '.join(sorted(nested)) or 'all layers alike'
        expected = ', '.join(sorted(kinds)) or 'all layers alike'
        raise InputError(
            f'rope_parameters of {met} are not supported; supported: those of {expected}'
        )
    base = raw.get(family.theta_name) or family.theta
    read = {'rotary_dim': _rotary_dim(raw, new | old, family, c)}
    c = {**c, **read}
    if not family.nested_rope:  # where both are there, transformers 5 takes the older, whole
        return read | {'rope': _read_rope(raw, old or new, base, family, c)}
    local_base = raw.get('rope_local_base_freq') or family.local_theta or base
    whole = {**(new.get(WHOLE) or {}), **old}
    return read | {
        'rope': _read_rope(raw, whole, base, family, c),
        'local_rope': _read_rope({}, new.get(LOCAL) or {}, local_base, family, c),
    }


def write_positions(config: DecoderConfig) -> dict[str, Any]:
    """Those fields again, under the names of transformers 4 and of 5."""
    if config.positions != 'rope':
        return {}
    family = FAMILIES[config.family]
    rope = config.local_rope if config.rope.theta == 0 and config.local_rope else config.rope
    whole = _write_rope(rope)
    share = (config.rotary_dim or config.head_dim) / config.head_dim
    raw: dict[str, Any] = {'rope_parameters': whole}
    older = 'proportional' not in family.rope_kinds  # Gemma 4 knows only the later name
    if older:
        raw[family.theta_name] = rope.theta
        raw['rope_scaling'] = None if rope.kind == 'default' else whole
    if family.rotated is not None:
        raw[family.rotated_name] = whole['partial_rotary_factor'] = share
    if config.query_beta:
        whole['llama_4_scaling_beta'] = config.query_beta
    if family.nested_rope and config.local_rope is not None:
        if family.local_theta and older:
            raw['rope_local_base_freq'] = config.local_rope.theta
        raw['rope_parameters'] = {WHOLE: whole, LOCAL: _write_rope(config.local_rope)}
    if rope.kind in STRETCHED and family.outer_original:
        raw[ORIGINAL] = rope.original_positions
    return raw


def read_windows(raw: Mapping[str, Any], family: Family, num_layers: int) -> dict[str, Any]:
    """The fields `window` and `local_layers` of a config.json.

    Raises:
      InputError: for an unknown layer type, or a size that is none.
    """
    for field in ('sliding_window', 'max_window_layers'):
        if type(raw.get(field) or 0) is not int or (raw.get(field) or 0) < 0:
            raise InputError(f'{field} = {raw[field]!r}; expected a whole number')
    window = raw.get('sliding_window', family.window)
    if family.windows == 'upper':
        window = window if raw.get('use_sliding_window') else 0
        first = raw.get('max_window_layers')
        local = [i >= (28 if first is None else first) for i in range(num_layers)]
    elif family.windows == 'all':
        local = [True] * num_layers
    elif family.windows == 'pattern':
        every = raw.get('sliding_window_pattern') or raw.get('_sliding_window_pattern')
        local = _pattern(every or family.local_every, num_layers)
    else:
        return {}
    types = raw.get('layer_types') if family.layer_types else None
    if types is not None and window:
        local = layer_types(types, num_layers)
    if not window or not any(local):
        return {}
    return {'window': int(window), 'local_layers': () if all(local) else tuple(local)}


def layer_types(types: Any, num_layers: int) -> list[bool]:
    """The field `layer_types`: for each layer, whether it is local.

    Raises:
      InputError: for another kind of layer, or a list of another length.
    """
    unknown = sorted({str(kind) for kind in types if kind not in (LOCAL, WHOLE)})
    if unknown or len(types) != num_layers:
        raise InputError(
            f'layer_types = {unknown or len(types)} is not supported; supported: {LOCAL},'
            f' {WHOLE}, one for each of {num_layers} layers'
        )
    return [kind == LOCAL for kind in types]


def write_windows(config: DecoderConfig) -> dict[str, Any]:
    """Those fields again."""
    family = FAMILIES[config.family]
    types = [LOCAL if local else WHOLE for local in config.local]
    if family.windows == 'upper':
        raw: dict[str, Any] = {'use_sliding_window': bool(config.window)}
    elif family.windows == 'all':
        raw = {'sliding_window': config.window or None}
    elif family.windows == 'pattern':
        raw = {}
    else:
        return {}
    if family.layer_types:
        raw['layer_types'] = types
    return raw | ({'sliding_window': config.window} if config.window else {})


def _pattern(every: Any, num_layers: int) -> list[bool]:
    """A layer is whole where its number, from 1, divides by `every`; or 'LLLG', EXAONE's."""
    if isinstance(every, str) and every and set(every) <= {'L', 'G'}:
        return [every[i % len(every)] == 'L' for i in range(num_layers)]
    if type(every) is not int or every < 1:
        raise InputError(f'sliding_window_pattern = {every!r}; expected a whole number')
    return [bool((i + 1) % every) for i in range(num_layers)]


def _rotary_dim(
    raw: Mapping[str, Any], rope: Mapping[str, Any], family: Family, c: Mapping[str, Any]
) -> int:
    part = rope.get('partial_rotary_factor')
    part = raw.get(family.rotated_name, family.rotated) if part is None else part
    part = 1.0 if part is None else part
    if type(part) not in (int, float) or not 0 < part <= 1:
        raise InputError(f'{family.rotated_name} = {part!r}; expected a number in (0, 1]')
    if part != 1 and family.rotated is None:
        raise InputError(f'{family.rotated_name} = {part} is not supported; supported: 1.0')
    rotated = int(c['head_dim'] * part)
    if rotated % 2 or not rotated:
        raise InputError(
            f'{family.rotated_name} = {part} rotates {rotated} of {c["head_dim"]} channels;'
            ' expected an even number'
        )
    return 0 if rotated == c['head_dim'] else rotated


def _read_rope(
    raw: Mapping[str, Any],
    fields: Mapping[str, Any],
    theta: float,
    family: Family,
    c: Mapping[str, Any],
) -> Rope:
    kind = fields.get('rope_type', fields.get('type', 'default'))
    kind = 'longrope' if kind == 'su' else kind  # the first name of Phi 3's files
    if kind not in family.rope_kinds:
        raise InputError(
            f'rope type {kind!r} is not supported; supported: {", ".join(family.rope_kinds)}'
        )
    theta = _positive('rope_theta', fields.get('rope_theta', theta))
    for name in NEEDED[kind]:
        if name not in fields:
            raise InputError(f'rope type {kind!r} has no {name!r} in the model config')
        _positive(name, fields[name])
    if kind == 'default':
        return Rope(theta)
    if kind == 'linear':
        return Rope(theta, kind, float(fields['factor']))
    if kind == 'dynamic':
        # A fixed `alpha` is no dynamic scaling but another base (Hunyuan).
        if family.alpha and fields.get('alpha'):
            dim = c['head_dim']
            return Rope(theta * _positive('alpha', fields['alpha']) ** (dim / (dim - 2)))
        return Rope(theta, kind, float(fields['factor']), original_positions=c['max_positions'])
    if kind == 'proportional':
        factor = _positive('factor', fields.get('factor', 1.0))
        share = _positive('partial_rotary_factor', fields.get('partial_rotary_factor', 1.0))
        return Rope(theta, kind, factor, share=share)
    original = raw.get(ORIGINAL) or fields.get(ORIGINAL)
    if kind == 'llama3' and original is None:
        raise InputError(f'rope type {kind!r} has no {ORIGINAL!r} in the model config')
    original = int(_positive(ORIGINAL, original or c['max_positions']))
    if kind == 'llama3':
        low, high = float(fields['low_freq_factor']), float(fields['high_freq_factor'])
        return Rope(theta, kind, float(fields['factor']), low, high, original)
    factor = float(fields.get('factor') or c['max_positions'] / original)
    if kind == 'yarn':
        return Rope(
            theta,
            kind,
            factor,
            original_positions=original,
            beta_fast=float(fields.get('beta_fast') or 32),
            beta_slow=float(fields.get('beta_slow') or 1),
            truncate=bool(fields.get('truncate', True)),
            attention_factor=_yarn_attention(fields, factor),
        )
    grown = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
    given = fields.get('attention_factor')
    pairs = (c['rotary_dim'] or c['head_dim']) // 2
    return Rope(
        theta,
        kind,
        factor,
        original_positions=original,
        attention_factor=grown if given is None else _positive('attention_factor', given),
        short_factors=_factors('short_factor', fields, pairs),
        long_factors=_factors('long_factor', fields, pairs),
    )


def _yarn_attention(fields: Mapping[str, Any], factor: float) -> float:
    """As the released code has it: 0.1 log(factor) + 1, unless the file says otherwise."""
    given = fields.get('attention_factor')
    if given is not None:
        return _positive('attention_factor', given)

    def scale(by: float) -> float:
        return 0.1 * by * math.log(factor) + 1 if factor > 1 else 1.0

    one, all_dim = fields.get('mscale'), fields.get('mscale_all_dim')
    return scale(float(one)) / scale(float(all_dim)) if one and all_dim else scale(1.0)


def _factors(name: str, fields: Mapping[str, Any], pairs: int) -> tuple[float, ...]:
    values = fields.get(name)
    if not isinstance(values, list) or len(values) != pairs:
        met = f'{len(values)} values' if isinstance(values, list) else repr(values)
        raise InputError(f'{name} of longrope has {met}; expected a list of {pairs} numbers')
    return tuple(_positive(name, value) for value in values)


def _positive(name: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise InputError(f'{name} = {value!r}; expected a number above 0')
    return float(value)


def _write_rope(rope: Rope) -> dict[str, Any]:
    fields: dict[str, Any] = {'rope_type': rope.kind, 'rope_theta': rope.theta}
    if rope.kind != 'default':
        fields['factor'] = rope.factor
    if rope.kind == 'proportional':
        fields['partial_rotary_factor'] = rope.share
    if rope.kind in STRETCHED:
        fields[ORIGINAL] = rope.original_positions
    if rope.kind == 'llama3':
        fields |= {
            'low_freq_factor': rope.low_freq_factor,
            'high_freq_factor': rope.high_freq_factor,
        }
    if rope.kind == 'yarn':
        fields |= {
            'beta_fast': rope.beta_fast,
            'beta_slow': rope.beta_slow,
            'truncate': rope.truncate,
        }
    if rope.kind == 'longrope':
        fields |= {
            'short_factor': list(rope.short_factors),
            'long_factor': list(rope.long_factors),
        }
    if rope.kind in ('yarn', 'longrope'):
        fields['attention_factor'] = rope.attention_factor
    return fields
