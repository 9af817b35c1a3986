"""The model families: what each one's config.json calls things, has in common, and cannot have.

What differs in kind (rotary positions, windows) is read by the functions of `hf_config`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
      architecture: transformers' class.
      names: our field -> its name in config.json, where it is not that of COMMON.
      defaults: our field -> value where config.json lacks it; callables get the fields read so far.
      fixed: our field -> value for all models of the family.
      refused: name in config.json -> values that are supported; others are refused.
      theta: default base of the rotary frequencies.
      local_every: a layer is whole where its number, from 1, divides by this; 0: by other rules.
      supported: a line for docs/models.md.
    """

    architecture: str
    names: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, tuple] = field(default_factory=dict)
    theta: float = 10_000.0
    local_every: int = 0
    supported: str = ''


# Our field -> its usual name in config.json.
COMMON = {
    'vocab_size': 'vocab_size',
    'd_model': 'hidden_size',
    'num_layers': 'num_hidden_layers',
    'num_heads': 'num_attention_heads',
    'num_kv_heads': 'num_key_value_heads',
    'head_dim': 'head_dim',
    'd_ff': 'intermediate_size',
    'norm_eps': 'rms_norm_eps',
    'max_positions': 'max_position_embeddings',
    'activation': 'hidden_act',
    'tied': 'tie_word_embeddings',
}
DEFAULTS = {
    'num_kv_heads': lambda c: c['num_heads'],
    'head_dim': lambda c: c['d_model'] // c['num_heads'],
    'norm_eps': 1e-6,
    'activation': 'silu',
    'tied': False,
    'max_positions': 2048,
}
BIASES = dict(qkv_bias=True, o_bias=True, mlp_bias=True, norm_bias=True)
GEMMA = dict(norm='rms_one', embed_scale=lambda c: c['d_model'] ** 0.5)

FAMILIES = {
    'llama': Family(
        'LlamaForCausalLM',
        names={'qkv_bias': 'attention_bias', 'mlp_bias': 'mlp_bias'},
        defaults={'qkv_bias': False, 'mlp_bias': False},
        fixed={'o_bias': lambda c: c['qkv_bias']},
        supported='Llama 1, 2, 3.x, Yi, Vicuna, SmolLM2; rope scaling linear, dynamic, llama3',
    ),
    'mistral': Family(
        'MistralForCausalLM',
        defaults={'num_kv_heads': 8, 'max_positions': 4096 * 32},
        supported='Mistral; sliding window',
    ),
    'qwen2': Family(
        'Qwen2ForCausalLM',
        defaults={'num_kv_heads': 32, 'max_positions': 32768},
        fixed={'qkv_bias': True},
        supported='Qwen 1.5, 2, 2.5; biases, windows of the upper layers',
    ),
    'qwen3': Family(
        'Qwen3ForCausalLM',
        names={'qkv_bias': 'attention_bias'},
        defaults={'num_kv_heads': 32, 'head_dim': 128, 'max_positions': 32768, 'qkv_bias': False},
        fixed={'qk_norm': 'head', 'o_bias': lambda c: c['qkv_bias']},
        supported='Qwen 3, dense; norms of queries and keys',
    ),
    'gemma': Family(
        'GemmaForCausalLM',
        names={'qkv_bias': 'attention_bias'},
        defaults={
            'num_kv_heads': 16,
            'head_dim': 256,
            'activation': 'gelu_pytorch_tanh',
            'max_positions': 8192,
            'tied': True,
            'qkv_bias': False,
        },
        fixed={**GEMMA, 'o_bias': lambda c: c['qkv_bias'], 'activation': 'gelu_tanh'},
        refused={
            'hidden_activation': ('gelu_pytorch_tanh', None),
            'hidden_act': ('gelu_pytorch_tanh', 'gelu', None),  # 'gelu' means tanh's there
            'use_bidirectional_attention': (False, None),
        },
        supported='Gemma 1',
    ),
    'gemma2': Family(
        'Gemma2ForCausalLM',
        names={
            'qkv_bias': 'attention_bias',
            'activation': 'hidden_activation',
            'query_scalar': 'query_pre_attn_scalar',
            'attn_softcap': 'attn_logit_softcapping',
            'logit_softcap': 'final_logit_softcapping',
        },
        defaults={
            'num_kv_heads': 4,
            'head_dim': 256,
            'activation': 'gelu_pytorch_tanh',
            'max_positions': 8192,
            'tied': True,
            'qkv_bias': False,
            'query_scalar': 256,
            'attn_softcap': 50.0,
            'logit_softcap': 30.0,
        },
        fixed={**GEMMA, 'post_norms': True, 'o_bias': lambda c: c['qkv_bias']},
        refused={'use_bidirectional_attention': (False, None)},
        local_every=2,
        supported='Gemma 2; soft caps, alternating windows, scaled embeddings',
    ),
    'gemma3_text': Family(
        'Gemma3ForCausalLM',
        names={
            'qkv_bias': 'attention_bias',
            'activation': 'hidden_activation',
            'query_scalar': 'query_pre_attn_scalar',
            'logit_softcap': 'final_logit_softcapping',
        },
        defaults={
            'vocab_size': 262_208,
            'num_heads': 8,
            'num_kv_heads': 4,
            'head_dim': 256,
            'activation': 'gelu_pytorch_tanh',
            'max_positions': 131_072,
            'tied': True,
            'qkv_bias': False,
            'query_scalar': 256,
            'logit_softcap': None,
        },
        fixed={
            **GEMMA,
            'post_norms': True,
            'qk_norm': 'head',
            'o_bias': lambda c: c['qkv_bias'],
        },
        refused={
            'use_bidirectional_attention': (False, None),
            'attn_logit_softcapping': (None,),  # transformers' Gemma3Attention has the field alone
        },
        theta=1_000_000.0,
        local_every=6,
        supported='Gemma 3, text; two rotary bases, norms of queries and keys',
    ),
    'cohere': Family(
        'CohereForCausalLM',
        names={'qkv_bias': 'attention_bias', 'norm_eps': 'layer_norm_eps'},
        defaults={'max_positions': 8192, 'tied': True, 'qkv_bias': False, 'norm_eps': 1e-5},
        fixed={'norm': 'layer', 'parallel': True, 'o_bias': lambda c: c['qkv_bias']},
        theta=500_000.0,
        supported='Command R, Aya 23 and Expanse; parallel block, logit scale, per-head norms',
    ),
    'cohere2': Family(
        'Cohere2ForCausalLM',
        names={'qkv_bias': 'attention_bias', 'norm_eps': 'layer_norm_eps'},
        defaults={'max_positions': 8192, 'tied': True, 'qkv_bias': False, 'norm_eps': 1e-5},
        fixed={'norm': 'layer', 'parallel': True, 'o_bias': lambda c: c['qkv_bias']},
        local_every=4,
        supported='Command R7B; windows, whole layers without positions',
    ),
    'phi3': Family(
        'Phi3ForCausalLM',
        defaults={'norm_eps': 1e-5, 'max_positions': 4096},
        supported='Phi 3 and 4 with plain rotary positions; fused maps, partial rotation',
    ),
    'baichuan': Family(
        'BaichuanForCausalLM',
        fixed={'num_kv_heads': lambda c: c['num_heads']},
        supported='Baichuan 1 and 2, 7B and 13B; fused W_pack, normalised head, ALiBi',
    ),
    'bloom': Family(
        'BloomForCausalLM',
        names={'num_layers': 'n_layer', 'num_heads': 'n_head', 'norm_eps': 'layer_norm_epsilon'},
        defaults={'norm_eps': 1e-5, 'tied': True},
        fixed={
            **BIASES,
            'd_ff': lambda c: 4 * c['d_model'],
            'num_kv_heads': lambda c: c['num_heads'],
            'head_dim': lambda c: c['d_model'] // c['num_heads'],
            'norm': 'layer',
            'positions': 'alibi',
            'activation': 'gelu_tanh',
            'gated': False,
            'embed_norm': True,
        },
        refused={
            'apply_residual_connection_post_layernorm': (False, None),
            'slow_but_exact': (False, None),  # transformers leaves two biases out there
        },
        supported='BLOOM, BLOOMZ; ALiBi, fused QKV, layer norms',
    ),
    'gpt2': Family(
        'GPT2LMHeadModel',
        names={
            'd_model': 'n_embd',
            'num_layers': 'n_layer',
            'num_heads': 'n_head',
            'd_ff': 'n_inner',
            'norm_eps': 'layer_norm_epsilon',
            'max_positions': 'n_positions',
            'activation': 'activation_function',
        },
        defaults={
            'd_ff': lambda c: 4 * c['d_model'],
            'norm_eps': 1e-5,
            'max_positions': 1024,
            'activation': 'gelu_new',
            'tied': True,
        },
        fixed={
            **BIASES,
            'num_kv_heads': lambda c: c['num_heads'],
            'head_dim': lambda c: c['d_model'] // c['num_heads'],
            'norm': 'layer',
            'positions': 'learned',
            'gated': False,
        },
        refused={
            'scale_attn_weights': (True, None),
            'scale_attn_by_inverse_layer_idx': (False, None),
            'add_cross_attention': (False, None),
        },
        supported='GPT-2; learned positions, fused transposed QKV',
    ),
    'xglm': Family(
        'XGLMForCausalLM',
        names={
            'd_model': 'd_model',
            'num_layers': 'num_layers',
            'num_heads': 'attention_heads',
            'd_ff': 'ffn_dim',
            'activation': 'activation_function',
        },
        defaults={'activation': 'gelu', 'tied': True},
        fixed={
            **BIASES,
            'norm_eps': 1e-5,
            'num_kv_heads': lambda c: c['num_heads'],
            'head_dim': lambda c: c['d_model'] // c['num_heads'],
            'norm': 'layer',
            'positions': 'sinusoidal',
            'gated': False,
        },
        refused={'add_cross_attention': (False, None)},
        supported='XGLM; sinusoidal positions',
    ),
}


def names_of(family: Family) -> dict[str, str]:
    """Our field -> its name in config.json, for the fields that the family does not fix."""
    return {
        ours: theirs
        for ours, theirs in {**COMMON, **family.names}.items()
        if ours not in family.fixed
    }
