"""Fields of config.json that an architecture's GGUF metadata gives in a way of its own.

Each function takes a reader of the keys and the fields so far, and returns further ones.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.models.families import LOCAL, WHOLE
from xlbarrier.models.gguf_reading import (
    D_FF,
    EXPERTS,
    KV_HEADS,
    Reader,
    read_factors,
    rotated_part,
)
from xlbarrier.models.gguf_rope import FACTORS

ORIGINAL = 'original_max_position_embeddings'


def query_scalar(raw: Mapping[str, Any], large: int) -> int:
    """What queries are divided by the root of: `large` is the number of layers of the 27B model."""
    # llama.cpp knows the 27B models by their layers; only they do not divide by head_dim's root.
    if raw['num_hidden_layers'] == large:
        return raw['hidden_size'] // raw['num_attention_heads']
    return raw['head_dim']


def gemma2(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Gemma 2: soft caps, which llama.cpp knows without the keys."""
    return {
        'attn_logit_softcapping': get('attn_logit_softcapping', 50.0),
        'final_logit_softcapping': get('final_logit_softcapping', 30.0),
        'query_pre_attn_scalar': query_scalar(raw, 46),
    }


def gemma3(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Gemma 3: a rotary base of local layers."""
    return {
        'final_logit_softcapping': get('final_logit_softcapping', 0.0) or None,
        'query_pre_attn_scalar': query_scalar(raw, 62),
        'rope_local_base_freq': float(get('rope.freq_base_swa', 10_000.0)),
    }


def gemma4(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """What whole layers have of their own, where the keys without `_swa` are theirs."""
    types, shapes = raw['layer_types'], get.file.shapes
    layers, whole_dim = len(types), raw['head_dim']
    head_dim = get.whole('attention.key_length_swa')
    get.require('attention.value_length_swa', (head_dim, None))
    get.require('rope.dimension_count_swa', (head_dim, None))
    kv_heads = dict(zip(types, get.each(KV_HEADS, layers), strict=True))
    widths = get.each(D_FF, layers)
    shared = get('attention.shared_kv_layers', 0)
    inputs = get('embedding_length_per_layer_input', 0)
    factors = read_factors(get.file, whole_dim) if FACTORS in shapes else np.ones(whole_dim // 2)
    turning = int((factors == 1).sum())  # the others are divided by 1e30
    expected = [1.0] * turning + [np.float64(np.float32(1e30))] * (len(factors) - turning)
    if not turning or factors.tolist() != expected:
        raise InputError(f'tensor {FACTORS!r} is not that of a Gemma 4: ones, then 1e30')
    whole = types.index(WHOLE) if WHOLE in types else None
    own_values = whole is None or f'blk.{whole}.attn_v.weight' in shapes
    table = shapes.get('per_layer_token_embd.weight', (raw['vocab_size'],))
    proportional = {'rope_type': 'proportional', 'partial_rotary_factor': turning / len(factors)}
    return {
        'head_dim': head_dim,
        'global_head_dim': whole_dim,
        'num_key_value_heads': kv_heads.get(LOCAL, raw['num_key_value_heads']),
        'num_global_key_value_heads': kv_heads.get(WHOLE),
        'attention_k_eq_v': not own_values,
        'intermediate_size': widths[0],
        'use_double_wide_mlp': widths[-1] == 2 * widths[0],
        'num_kv_shared_layers': shared,
        'hidden_size_per_layer_input': inputs,
        'vocab_size_per_layer_input': table[0],
        'final_logit_softcapping': get('final_logit_softcapping', 0.0) or None,
        **_nested(get, raw, proportional, 10_000.0),
    }


def _nested(
    get: Reader, raw: dict[str, Any], whole: Mapping[str, Any], theta: float
) -> dict[str, Any]:
    """rope_parameters of whole layers, and of local ones, whose base is `theta` by default."""
    local = float(get('rope.freq_base_swa', theta))
    return {
        'rope_parameters': {
            WHOLE: {'rope_theta': raw['rope_theta'], **whole},
            LOCAL: {'rope_type': 'default', 'rope_theta': local},
        },
    }


def olmo3(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """OLMo 3: yarn is that of whole layers alone."""
    return _nested(get, raw, raw['rope_scaling'], raw['rope_theta'])


def command_r(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Command R: norms of heads, where the file has them."""
    normed = 'blk.0.attn_q_norm.weight' in get.file.shapes
    return {'logit_scale': get('logit_scale', 0.0) or 1.0, 'use_qk_norm': normed}


def cohere2(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Command R7B: the logits' scale."""
    return {'logit_scale': get.need('logit_scale') or 1.0}


def phi3(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Phi 3: partial rotation, the length of the first training."""
    positions = get('rope.scaling.original_context_length', raw['max_position_embeddings'])
    return rotated_part(get, raw) | {'original_max_position_embeddings': positions}


def stablelm(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """StableLM: parallel or serial parts."""
    # llama.cpp tells it by the norm that only serial parts have, whatever the key says.
    parallel = 'blk.0.ffn_norm.weight' not in get.file.shapes
    return rotated_part(get, raw) | {'use_parallel_residual': parallel}


def gptneox(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """GPT-NeoX: parallel or serial parts."""
    return rotated_part(get, raw) | {'use_parallel_residual': get('use_parallel_residual', True)}


def falcon(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Falcon's forms, by the number of its norms and kv heads: all have parallel parts."""
    heads, kv_heads = raw['num_attention_heads'], get.whole(KV_HEADS, 1)
    two = 'blk.0.attn_norm_2.weight' in get.file.shapes
    return {
        'new_decoder_architecture': two or kv_heads not in (1, heads),
        'num_ln_in_parallel_attn': 2 if two else 1,
        'num_kv_heads': kv_heads,
        'multi_query': kv_heads == 1,
        'parallel_attn': True,
    }


def ministral3(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Ministral 3: queries that grow with their position."""
    scaling = raw['rope_scaling']
    get.require('attention.temperature_length', (scaling.get(ORIGINAL), None))
    beta = get.need('attention.temperature_scale')
    return {'rope_scaling': scaling | {'llama_4_scaling_beta': beta}}


def apertus(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Apertus: xIELU's constants are those of all its models."""
    for key, value in (('beta', 0.5), ('eps', -1e-6)):
        values: Any = get.file.metadata.get(f'xielu.{key}')
        near = np.allclose(values, value, rtol=1e-2, atol=0)  # bfloat16's 1e-6
        if not isinstance(values, list) or not near:
            raise InputError(f'xielu.{key} = {values} is not supported; supported: {value}')
    return {}


def experts(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Mixtral: how many experts there are, and how many a token goes to."""
    return {
        'num_local_experts': get.whole(EXPERTS),
        'num_experts_per_tok': get.whole('expert_used_count'),
    }


def gpt_oss(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """gpt-oss: experts, and yarn whose bounds are not rounded, as the published models have it."""
    fields = experts(get, raw) | {'intermediate_size': get.whole('expert_feed_forward_length')}
    return fields | {'rope_scaling': raw['rope_scaling'] | {'truncate': False}}


def qwen3moe(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Qwen 3 with experts in every layer."""
    width = get.whole('expert_feed_forward_length')
    return {
        'num_experts': get.whole(EXPERTS),
        'num_experts_per_tok': get.whole('expert_used_count'),
        'moe_intermediate_size': width,
        'intermediate_size': width,  # of layers without experts: there are none
        'norm_topk_prob': True,  # as llama.cpp has it
    }


def granite(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    """Granite: multipliers; 0 stands for none."""
    head_dim = raw.get('head_dim') or raw['hidden_size'] // raw['num_attention_heads']
    return {
        'attention_multiplier': get('attention.scale', 0.0) or head_dim**-0.5,
        'embedding_multiplier': get('embedding_scale', 0.0) or 1.0,
        'residual_multiplier': get('residual_scale', 0.0) or 1.0,
        'logits_scaling': get('logit_scale', 0.0) or 1.0,
    }
