"""Gemma 4, its text part: layers of two shapes, shared keys and values, inputs of each layer.

After transformers' configuration_gemma4.py and modeling_gemma4.py (5.23).
"""

from collections.abc import Mapping
from typing import Any

from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.families.family import (
    LAYERS,
    LLAMA,
    WHOLE,
    Family,
    Fields,
    Names,
    Raw,
    Style,
)
from xlbarrier.models.families.gemma_cohere import ATTENTION_BIAS, O_BIAS, POST

OWN: Names = {
    'inputs.embed': 'embed_tokens_per_layer',
    'inputs.map': 'per_layer_model_projection',
    'inputs.norm': 'per_layer_projection_norm',
    'own.gate': 'per_layer_input_gate',
    'own.down': 'per_layer_projection',
    'own.norm': 'post_per_layer_input_norm',
    'out': 'layer',
}
HEAD_DIM, KV_HEADS = 'head_dim', 'num_key_value_heads'
WHOLE_HEAD_DIM, WHOLE_KV_HEADS = 'global_head_dim', 'num_global_key_value_heads'
BY_LAYER = 'per_layer_config'


def read_uneven(raw: Raw, c: Fields) -> dict[str, Any]:
    """What differs between the layers.

    Raises:
      InputError: naming a field that is of another kind, or layers that differ otherwise.
    """
    local = c.get('local_layers') or (bool(c.get('window')),) * c['num_layers']
    local = (*local[:-1], False)  # whatever the file says
    keys_as_values = raw.get('attention_k_eq_v') or False
    whole = {HEAD_DIM: c['head_dim'], KV_HEADS: c['num_kv_heads']}
    whole |= _of_whole_layers(raw, local, keys_as_values)
    head_dim, kv_heads = whole[HEAD_DIM], whole[KV_HEADS]
    for name, mine, theirs in (
        (WHOLE_HEAD_DIM, head_dim, c['head_dim']),
        (WHOLE_KV_HEADS, c['num_kv_heads'], kv_heads),
    ):
        if type(mine) is not int or type(theirs) is not int or theirs < 1 or mine < theirs:
            raise InputError(
                f'{name} is not supported: whole layers have heads of {head_dim!r} channels and'
                f' {kv_heads!r} kv heads, local ones {c["head_dim"]} and {c["num_kv_heads"]};'
                ' expected at least as many channels, and at most as many heads'
            )
    if c['num_kv_heads'] % kv_heads or head_dim % 2 or c['head_dim'] % 2:
        raise InputError(
            f'{WHOLE_KV_HEADS} = {kv_heads} does not divide {KV_HEADS} = {c["num_kv_heads"]}, or a'
            ' head has an odd number of channels'
        )
    for name in ('hidden_size_per_layer_input', 'vocab_size_per_layer_input'):
        if type(raw.get(name) or 0) is not int or (raw.get(name) or 0) < 0:
            raise InputError(f'{name} = {raw[name]!r}; expected a whole number')
    shared = raw.get('num_kv_shared_layers') or 0
    own = local[: len(local) - shared] if type(shared) is int and shared >= 0 else ()
    if set(own) != set(local):
        raise InputError(
            f'num_kv_shared_layers = {shared!r}; expected a whole number that leaves a layer of'
            ' each kind with keys and values of its own'
        )
    wide = bool(raw.get('use_double_wide_mlp')) and shared > 0
    uneven = c['head_dim'] != head_dim and any(local)
    return {
        'local_layers': local,
        'head_dim': head_dim,
        'local_head_dim': c['head_dim'] if uneven else 0,
        'whole_kv_heads': kv_heads if kv_heads != c['num_kv_heads'] else 0,
        'shared_layers': shared,
        'd_ff': c['d_ff'] * (2 if wide else 1),
        'unshared_d_ff': c['d_ff'] if wide else 0,
        'keys_as_values': keys_as_values,
        'layer_vocab': c['layer_vocab'] if c['layer_inputs'] else 0,
    }


def write_uneven(c: DecoderConfig) -> dict[str, Any]:
    """Those fields again, as the first and as the later transformers read them."""
    whole = {HEAD_DIM: c.head_dim}
    if c.whole_kv_heads:
        whole[KV_HEADS] = c.whole_kv_heads
    return {
        HEAD_DIM: c.local_head_dim or c.head_dim,
        WHOLE_HEAD_DIM: c.head_dim,
        WHOLE_KV_HEADS: c.whole_kv_heads or None,
        BY_LAYER: {str(i): whole for i, is_local in enumerate(c.local) if not is_local},
        'intermediate_size': c.unshared_d_ff or c.d_ff,
        'use_double_wide_mlp': bool(c.unshared_d_ff),
        'num_kv_shared_layers': c.shared_layers,
        'attention_k_eq_v': c.keys_as_values,
        'vocab_size_per_layer_input': c.layer_vocab or c.vocab_size,
    }


def _of_whole_layers(raw: Raw, local: tuple[bool, ...], keys_as_values: bool) -> dict[str, Any]:
    """The sizes that whole layers have of their own."""
    if raw.get(BY_LAYER) is None:
        found = {HEAD_DIM: raw.get(WHOLE_HEAD_DIM) or 512}
        if keys_as_values and raw.get(WHOLE_KV_HEADS) is not None:
            found[KV_HEADS] = raw[WHOLE_KV_HEADS]
        return found
    layers = raw[BY_LAYER]
    whole = [str(i) for i, is_local in enumerate(local) if not is_local]
    kinds = list(layers.values()) if isinstance(layers, Mapping) else []
    if (  # transformers pads the numbers to one width: '05'
        sorted(str(key).lstrip('0') or '0' for key in layers) != sorted(whole)
        or any(kind != kinds[0] for kind in kinds)
        or not isinstance(kinds[0], Mapping)
        or not set(kinds[0]) <= {HEAD_DIM, KV_HEADS}
    ):
        raise InputError(
            f'{BY_LAYER} is not supported: expected {HEAD_DIM} and {KV_HEADS} of the layers with'
            f' full_attention ({", ".join(whole)}), the same in all'
        )
    return dict(kinds[0])


GEMMA4 = {
    'gemma4_text': Family(
        'Gemma4ForCausalLM',
        Style('model.', LAYERS, LLAMA | POST | OWN),
        names=ATTENTION_BIAS
        | {
            'activation': 'hidden_activation',
            'logit_softcap': 'final_logit_softcapping',
            'layer_inputs': 'hidden_size_per_layer_input',
            'layer_vocab': 'vocab_size_per_layer_input',
        },
        defaults={
            'num_kv_heads': 4,
            'head_dim': 256,
            'activation': 'gelu_pytorch_tanh',
            'max_positions': 131_072,
            'tied': True,
            'qkv_bias': False,
            'logit_softcap': None,
            'layer_inputs': 256,
            'layer_vocab': 262_144,
        },
        fixed={
            'embed_scale': lambda c: c['d_model'] ** 0.5,
            'post_norms': True,
            'qk_norm': 'head',
            'norm_values': True,
            'score_multiplier': 1.0,
            'layer_scale': True,
            **O_BIAS,
        },
        refused={
            'attention_bias': (False, None),  # of layers of two sizes; no published file has them
            'use_bidirectional_attention': (None, 'vision', False),  # texts alone are causal
            'enable_moe_block': (False, None),
        },
        theta=1_000_000.0,
        local_theta=10_000.0,
        scaling={WHOLE: {'rope_type': 'proportional', 'partial_rotary_factor': 0.25}},
        rope_kinds=('default', 'proportional', 'linear'),
        nested_rope=True,
        windows='pattern',
        window=512,
        local_every=6,
        layer_types=True,
        read=read_uneven,
        write=write_uneven,
        supported='Gemma 4, text, without experts (E2B, E4B, 31B); layers of two shapes, shared'
        " keys and values, layers' own inputs",
    ),
}
