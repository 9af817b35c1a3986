"""config.json of a Hugging Face folder: read into a DecoderConfig, and written again."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig, Rope
from xlbarrier.models.families import DEFAULTS, FAMILIES, names_of
from xlbarrier.models.positions import (
    read_positions,
    read_windows,
    write_positions,
    write_windows,
)

REQUIRED = object()
NULLABLE = ('attn_logit_softcapping', 'final_logit_softcapping')  # null there means none
ACTIVATIONS = {  # of config.json -> ours
    'silu': 'silu',
    'swish': 'silu',
    'gelu': 'gelu',
    'gelu_new': 'gelu_tanh',
    'gelu_pytorch_tanh': 'gelu_tanh',
}
ACTIVATION_NAMES = {'silu': 'silu', 'gelu': 'gelu', 'gelu_tanh': 'gelu_pytorch_tanh'}
SIZES = ('vocab_size', 'd_model', 'num_layers', 'num_heads', 'num_kv_heads', 'head_dim', 'd_ff')
SIZES += ('max_positions',)
SWITCHES = ('tied', 'qkv_bias', 'mlp_bias')
REFUSED = {'quantization_config': (None,), 'num_experts': (None,)}  # for all families
SPELLINGS = {'hidden_size': ('n_embed',), 'n_layer': ('num_hidden_layers',)} | {
    'n_head': ('num_attention_heads',),
    'num_layers': ('num_hidden_layers',),
    'attention_heads': ('num_attention_heads',),
}  # that transformers reads too


def from_hf(raw: Mapping[str, Any]) -> DecoderConfig:
    """Reads a config.json, of transformers 4 or 5.

    Raises:
      ValueError: for a family that is not in the table, a missing field, or an option that this
        decoder does not have; it names the field, its value and what is supported.
    """
    if not isinstance(raw, Mapping):
        raise InputError(f'holds a {type(raw).__name__}; wanted an object of fields')
    raw = _text_part(raw)
    name = raw.get('model_type')
    if name not in FAMILIES:
        own = ', and its own code (auto_map) is never run' if raw.get('auto_map') else ''
        raise InputError(
            f'model_type = {name!r} is not supported{own}; supported: {", ".join(FAMILIES)}'
        )
    family = FAMILIES[name]
    for option, allowed in {**REFUSED, **family.refused}.items():
        _require(raw, option, allowed)
    c: dict[str, Any] = {'family': name}
    defaults = {**DEFAULTS, **family.defaults}
    for ours, theirs in names_of(family).items():
        c[ours] = _read(raw, theirs, defaults.get(ours, REQUIRED), c)
        _check_kind(ours, theirs, c[ours])
    if 'activation' in c:
        spelled = names_of(family)['activation']
        _require({spelled: c['activation']}, spelled, tuple(ACTIVATIONS))
        c['activation'] = ACTIVATIONS[c['activation']]
    for ours, value in family.fixed.items():
        c[ours] = value(c) if callable(value) else value
    for ours in ('attn_softcap', 'logit_softcap', 'query_scalar', 'norm_eps'):
        c[ours] = float(c.get(ours) or 0.0)
    if c['num_heads'] % c['num_kv_heads']:
        raise InputError(
            f'num_key_value_heads = {c["num_kv_heads"]} does not divide num_attention_heads ='
            f' {c["num_heads"]}'
        )
    c |= read_windows(raw, name, c['num_layers'], family.local_every)
    c |= read_positions(raw, name, family.theta, c)
    if name in READERS:
        c |= READERS[name](raw, c)
    return DecoderConfig(
        **c,
        bos_id=_first(raw.get('bos_token_id')),
        eos_id=_first(raw.get('eos_token_id')),
        pad_id=raw.get('pad_token_id'),
        extra=json.dumps(raw, sort_keys=True),
    )


def to_hf(config: DecoderConfig, dtype: str) -> dict[str, Any]:
    """The config.json that transformers 4 and 5 load; `dtype` is that of the weights."""
    family = FAMILIES[config.family]
    names = names_of(family)
    origin = json.loads(config.extra) if config.extra else {}
    raw = origin | {
        'architectures': [family.architecture],
        'model_type': config.family,
        'dtype': dtype,
        'torch_dtype': dtype,
        **{theirs: getattr(config, ours) for ours, theirs in names.items()},
    }
    if 'activation' in names:  # its own spelling stays: formulas of one function round differently
        kept = origin.get(names['activation'])
        same = kept in ACTIVATIONS and ACTIVATIONS[kept] == config.activation
        raw[names['activation']] = kept if same else ACTIVATION_NAMES[config.activation]
    for ours in ('attn_softcap', 'logit_softcap'):
        if ours in names:
            raw[names[ours]] = getattr(config, ours) or None
    if 'query_scalar' in names:  # transformers wants a whole number
        raw[names['query_scalar']] = int(config.query_scalar or config.head_dim)
    raw |= write_windows(config)
    raw |= write_positions(config)
    if config.family in WRITERS:
        raw |= WRITERS[config.family](config)
    for ours in ('bos', 'eos', 'pad'):
        theirs = f'{ours}_token_id'  # a list of several ends stays as it was read
        if _first(raw.get(theirs)) != getattr(config, f'{ours}_id'):
            raw[theirs] = getattr(config, f'{ours}_id')
        raw.setdefault(theirs, None)
    return raw


def _text_part(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    # Gemma 3 from 4B on is a model of images and text; its text part is a model of its own.
    if raw.get('model_type') != 'gemma3' or not isinstance(raw.get('text_config'), Mapping):
        return raw
    ids = {
        name: raw[name] for name in ('bos_token_id', 'eos_token_id', 'pad_token_id') if name in raw
    }
    return {**ids, **raw['text_config'], 'model_type': 'gemma3_text'}


def _read(raw: Mapping[str, Any], name: str, default: Any, sofar: Mapping[str, Any]) -> Any:
    if name in NULLABLE and name in raw:
        return raw[name]
    if name == 'num_key_value_heads' and name in raw and raw[name] is None:
        return sofar['num_heads']  # as transformers, whatever the default of an absent field
    for spelling in (name, *SPELLINGS.get(name, ())):
        if raw.get(spelling) is not None:
            return raw[spelling]
    if default is REQUIRED:
        raise InputError(f'the model config has no {name!r}')
    return default(sofar) if callable(default) else default


def _check_kind(ours: str, theirs: str, value: Any) -> None:
    if ours in SIZES and (type(value) is not int or value < 1):
        raise InputError(f'{theirs} = {value!r}; wanted a whole number above 0')
    if ours in SWITCHES and type(value) is not bool:
        raise InputError(f'{theirs} = {value!r}; wanted true or false')
    if ours == 'norm_eps' and (type(value) not in (int, float) or value <= 0):
        raise InputError(f'{theirs} = {value!r}; wanted a number above 0')


def _require(raw: Mapping[str, Any], name: str, allowed: tuple) -> None:
    if raw.get(name) not in allowed:
        listed = ', '.join(repr(value) for value in allowed if value is not None)
        raise InputError(
            f'{name} = {raw.get(name)!r} is not supported; supported: {listed or None}'
        )


def _first(value: int | list[int] | None) -> int | None:
    return (value[0] if value else None) if isinstance(value, list) else value


def _phi3(raw: Mapping[str, Any], c: Mapping[str, Any]) -> dict[str, Any]:
    rotated = (raw.get('rope_parameters') or {}).get('partial_rotary_factor')
    rotated = rotated or raw.get('partial_rotary_factor', 1.0)
    return {'rotary_dim': 0 if rotated == 1.0 else int(c['head_dim'] * rotated)}


def _cohere(raw: Mapping[str, Any], c: Mapping[str, Any]) -> dict[str, Any]:
    return {
        'logit_scale': float(_read(raw, 'logit_scale', 0.0625, c)),
        'qk_norm': 'heads' if raw.get('use_qk_norm') else '',
    }


def _cohere2(raw: Mapping[str, Any], c: Mapping[str, Any]) -> dict[str, Any]:
    # Only layers with a window have positions (transformers' Cohere2Attention).
    return {
        'logit_scale': float(_read(raw, 'logit_scale', 0.0625, c)),
        'local_rope': c['rope'],
        'rope': Rope(theta=0.0),
    }


def _baichuan(raw: Mapping[str, Any], c: Mapping[str, Any]) -> dict[str, Any]:
    # As in the published modeling_baichuan.py: the 13B models have ALiBi and, in place of
    # max_position_embeddings, model_max_length; Baichuan 2 (125,696 tokens) normalises its head.
    alibi = raw.get('max_position_embeddings') is None
    return {
        'positions': 'alibi' if alibi else 'rope',
        'max_positions': raw.get('model_max_length', 4096) if alibi else c['max_positions'],
        'normed_head': raw.get('z_loss_weight') is not None,
    }


def _xglm(raw: Mapping[str, Any], c: Mapping[str, Any]) -> dict[str, Any]:
    return {'embed_scale': c['d_model'] ** 0.5 if raw.get('scale_embedding', True) else 1.0}


READERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    'phi3': _phi3,
    'cohere': _cohere,
    'cohere2': _cohere2,
    'baichuan': _baichuan,
    'xglm': _xglm,
}


def _write_baichuan(config: DecoderConfig) -> dict[str, Any]:
    raw: dict[str, Any] = {'z_loss_weight': 0.0} if config.normed_head else {}
    if config.positions == 'alibi':
        raw |= {'max_position_embeddings': None, 'model_max_length': config.max_positions}
    return raw


WRITERS: dict[str, Callable[[DecoderConfig], dict[str, Any]]] = {
    'phi3': lambda c: {'partial_rotary_factor': (c.rotary_dim or c.head_dim) / c.head_dim},
    'cohere': lambda c: {'logit_scale': c.logit_scale, 'use_qk_norm': bool(c.qk_norm)},
    'cohere2': lambda c: {'logit_scale': c.logit_scale},
    'baichuan': _write_baichuan,
    'xglm': lambda c: {'scale_embedding': c.embed_scale != 1.0},
}
