"""config.json of a Hugging Face folder: read into a DecoderConfig, and written again."""

import json
from collections.abc import Mapping
from typing import Any

from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.families import DEFAULTS, FAMILIES, Family, names_of
from xlbarrier.models.hf_positions import (
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
    'relu': 'relu',
    'relu2': 'relu2',
}
ACTIVATION_NAMES = {
    'silu': 'silu',
    'gelu': 'gelu',
    'gelu_tanh': 'gelu_pytorch_tanh',
    'relu': 'relu',
    'relu2': 'relu2',
}
SIZES = (
    'vocab_size',
    'd_model',
    'num_layers',
    'num_heads',
    'num_kv_heads',
    'head_dim',
    'd_ff',
    'max_positions',
    'experts',
    'experts_per_token',
)
SWITCHES = ('tied', 'qkv_bias', 'o_bias', 'mlp_bias', 'parallel', 'norm_top')
POSITIVE = ('norm_eps', 'embed_scale', 'residual_scale', 'score_multiplier', 'logit_scale')
REFUSED: dict[str, tuple[Any, ...]] = {'quantization_config': (None,)}  # for all families
EXPERTS = ('num_experts', 'num_local_experts')  # for all families without experts
SPELLINGS = {
    'hidden_size': ('n_embed',),
    'n_layer': ('num_hidden_layers',),
    'n_head': ('num_attention_heads',),
    'num_layers': ('num_hidden_layers',),
    'attention_heads': ('num_attention_heads',),
    'num_hidden_layers': ('n_layer',),
    'num_attention_heads': ('n_head',),
    'num_experts': ('num_local_experts',),
    'num_local_experts': ('num_experts',),
}  # that transformers reads too
# Models of text and images (or sound) whose text part is a model of its own: their model_type ->
# that of the text part, where its config does not say it or says it otherwise.
WITHIN: dict[str, dict[str, str]] = {
    'gemma3': {'': 'gemma3_text'},
    'gemma4': {'': 'gemma4_text'},
    'aya_vision': {'': 'cohere2'},
    'cohere2_vision': {'': 'cohere2'},
    'llava': {'': 'llama'},
    'llava_next': {'': 'llama'},
    'mistral3': {'': 'mistral'},
    'qwen2_vl': {'': 'qwen2', 'qwen2_vl_text': 'qwen2', 'qwen2_vl': 'qwen2'},
    'qwen2_5_vl': {'': 'qwen2', 'qwen2_5_vl_text': 'qwen2', 'qwen2_5_vl': 'qwen2'},
    'qwen3_vl': {'': 'qwen3', 'qwen3_vl_text': 'qwen3'},
}
# What LLaVA's text part leaves out, as transformers fills it in.
TEXT_DEFAULTS: dict[str, dict[str, int]] = {
    name: dict(
        hidden_size=4096,
        num_hidden_layers=32,
        num_attention_heads=32,
        intermediate_size=d_ff,
        num_key_value_heads=kv_heads,
    )
    for name, d_ff, kv_heads in (('llama', 11008, 32), ('mistral', 14336, 8))
}
# Families that are refused by name, and why.
RECURRENT = 'its layers have a state or linear attention, which this decoder does not have'
UNSUPPORTED = {
    **dict.fromkeys(
        (
            'falcon_h1',
            'qwen3_next',
            'qwen3_5',
            'qwen3_5_text',
            'qwen3_5_moe',
            'lfm2',
            'lfm2_moe',
            'jamba',
            'bamba',
            'mamba',
            'mamba2',
            'falcon_mamba',
            'zamba2',
            'nemotron_h',
            'granitemoehybrid',
            'recurrent_gemma',
            'rwkv',
            'olmo_hybrid',
            'kimi_linear',
        ),
        RECURRENT,
    ),
    **dict.fromkeys(
        ('deepseek_v2', 'deepseek_v3', 'minicpm3', 'kimi_k25', 'glm4_moe_lite'),
        'its attention is latent (MLA), which this decoder does not have',
    ),
    **dict.fromkeys(
        ('gemma3n', 'gemma3n_text'),
        'it predicts several streams and corrects them (AltUp), which this decoder does not have',
    ),
    **dict.fromkeys(
        ('llama4', 'llama4_text'),
        'its attention is in chunks and a part is shared by all experts, which this decoder lacks',
    ),
    'chatglm': 'its published files load only with their own code (auto_map), which is never run;'
    ' GLM-4 loads from the files whose names end in -hf',
}


def from_hf(raw: Mapping[str, Any]) -> DecoderConfig:
    """Reads a config.json, of transformers 4 or 5.

    Raises:
      InputError: for a family that is not in the table, a missing field, or an option that this
        decoder does not have; it names the field, its value and what is supported.
    """
    if not isinstance(raw, Mapping):
        raise InputError(f'it is a {type(raw).__name__}; expected an object of fields')
    outer, raw = raw, _text_part(raw)
    name = raw.get('model_type')
    family = _family(name, raw)
    refused = REFUSED | ({} if _mixes(family) else dict.fromkeys(EXPERTS, (None, 0, 1)))
    for option, allowed in {**refused, **family.refused}.items():
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
    for ours in ('attn_softcap', 'logit_softcap', 'query_scalar', 'norm_eps', 'balance'):
        c[ours] = float(c.get(ours) or 0.0)
    c |= read_windows(raw, family, c['num_layers'])
    c |= read_positions(raw, family, c)
    if family.read:
        c |= family.read(raw, c)
    if c['num_heads'] % c['num_kv_heads']:
        raise InputError(
            f'num_key_value_heads = {c["num_kv_heads"]} does not divide num_attention_heads ='
            f' {c["num_heads"]}'
        )
    if c.get('experts_per_token', 0) > c.get('experts', 0):
        raise InputError(
            f'num_experts_per_tok = {c["experts_per_token"]}; expected at most the'
            f' {c["experts"]} experts'
        )
    return DecoderConfig(
        **c,
        bos_id=_first(raw.get('bos_token_id')),
        eos_id=_first(raw.get('eos_token_id')),
        pad_id=raw.get('pad_token_id'),
        extra=json.dumps(raw, sort_keys=True),
        within=outer is not raw,
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
    if 'query_scalar' in names:  # transformers expects a whole number
        raw[names['query_scalar']] = int(config.query_scalar or config.head_dim)
    raw |= write_windows(config)
    raw |= write_positions(config)
    if family.write:
        raw |= family.write(config)
    for ours in ('bos', 'eos', 'pad'):
        theirs = f'{ours}_token_id'  # a list of several ends stays as it was read
        if _first(raw.get(theirs)) != getattr(config, f'{ours}_id'):
            raw[theirs] = getattr(config, f'{ours}_id')
        raw.setdefault(theirs, None)
    return raw


def _family(name: Any, raw: Mapping[str, Any]) -> Family:
    if name in FAMILIES:
        return FAMILIES[name]
    if name in UNSUPPORTED:
        raise InputError(f'model_type = {name!r} is not supported: {UNSUPPORTED[name]}')
    own = ', and its own code (auto_map) is never run' if raw.get('auto_map') else ''
    raise InputError(
        f'model_type = {name!r} is not supported{own}; supported: {", ".join(FAMILIES)}'
    )


def _mixes(family: Family) -> bool:
    return 'experts' in family.names


def _text_part(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config of the text part, of a model of text and images; else the config itself."""
    outer = str(raw.get('model_type'))
    if outer not in WITHIN:
        return raw
    kinds = WITHIN[outer]
    text = raw.get('text_config')
    if not isinstance(text, Mapping):  # the first Qwen 2.5 VL files have no part apart
        return _without_sections({**raw, 'model_type': kinds.get(outer, outer)})
    inner = kinds.get(str(text.get('model_type') or ''), text.get('model_type'))
    shared = ('bos_token_id', 'eos_token_id', 'pad_token_id', 'tie_word_embeddings')
    outside = {name: raw[name] for name in shared if raw.get(name) is not None}
    part = {**TEXT_DEFAULTS.get(str(inner), {}), **outside, **text, 'model_type': inner}
    return _without_sections(part)


def _without_sections(raw: dict[str, Any]) -> dict[str, Any]:
    """Qwen VL gives a position three numbers, of time, height and width; in texts they are one."""
    for field in ('rope_scaling', 'rope_parameters'):
        rope = raw.get(field)
        if isinstance(rope, Mapping) and 'mrope_section' in rope:
            plain = {k: v for k, v in rope.items() if not k.startswith('mrope') and k != 'type'}
            if plain.get('rope_type', 'mrope') == 'mrope':
                plain['rope_type'] = 'default'
            raw[field] = plain if len(plain) > 1 else None
    return raw


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
        raise InputError(f'{theirs} = {value!r}; expected a whole number above 0')
    if ours in SWITCHES and type(value) is not bool:
        raise InputError(f'{theirs} = {value!r}; expected true or false')
    if ours in POSITIVE and (type(value) not in (int, float) or value <= 0):
        raise InputError(f'{theirs} = {value!r}; expected a number above 0')


def _require(raw: Mapping[str, Any], name: str, allowed: tuple) -> None:
    if raw.get(name) not in allowed:
        listed = ', '.join(repr(value) for value in allowed if value is not None)
        raise InputError(
            f'{name} = {raw.get(name)!r} is not supported; supported: {listed or None}'
        )


def _first(value: int | list[int] | None) -> int | None:
    return (value[0] if value else None) if isinstance(value, list) else value
