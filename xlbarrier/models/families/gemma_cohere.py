"""Gemma's and Cohere's families: scaled norms and embeddings, soft caps, parallel parts."""

from typing import Any

from xlbarrier.models.config import Rope
from xlbarrier.models.families.family import (
    LAYERS,
    LLAMA,
    LLAMA_STYLE,
    Family,
    Fields,
    Names,
    Raw,
    Style,
    same_as,
)

ATTENTION_BIAS = {'qkv_bias': 'attention_bias'}
O_BIAS: dict[str, Any] = {'o_bias': same_as('qkv_bias')}
GEMMA: dict[str, Any] = {
    'norm': 'rms_one',
    'embed_scale': lambda c: c['d_model'] ** 0.5,
    **O_BIAS,
}
POST: Names = {
    'attn_post_norm': 'post_attention_layernorm',
    'mlp_norm': 'pre_feedforward_layernorm',
    'mlp_post_norm': 'post_feedforward_layernorm',
}
GEMMA_POST = Style('model.', LAYERS, LLAMA | POST)
COHERE_STYLE = Style('model.', LAYERS, LLAMA, interleaved=True)
COHERE: dict[str, Any] = {'norm': 'layer', 'parallel': True, **O_BIAS}
COHERE_DEFAULTS: dict[str, Any] = {
    'max_positions': 8192,
    'tied': True,
    'qkv_bias': False,
    'norm_eps': 1e-5,
}
COHERE_NAMES = ATTENTION_BIAS | {'norm_eps': 'layer_norm_eps', 'logit_scale': 'logit_scale'}


def read_qk_norm(raw: Raw, c: Fields) -> dict[str, Any]:
    """Command R+: each head has a norm of its own."""
    return {'qk_norm': 'heads' if raw.get('use_qk_norm') else ''}


def read_local_positions(raw: Raw, c: Fields) -> dict[str, Any]:
    """Command R7B: only layers with a window have positions (transformers' Cohere2Attention)."""
    return {'local_rope': c['rope'], 'rope': Rope(theta=0.0)}


GEMMA_COHERE = {
    'gemma': Family(
        'GemmaForCausalLM',
        LLAMA_STYLE,
        names=ATTENTION_BIAS,
        defaults={
            'num_kv_heads': 16,
            'head_dim': 256,
            'activation': 'gelu_pytorch_tanh',
            'max_positions': 8192,
            'tied': True,
            'qkv_bias': False,
        },
        fixed=GEMMA | {'activation': 'gelu_tanh'},
        refused={
            'hidden_activation': ('gelu_pytorch_tanh', None),
            'hidden_act': ('gelu_pytorch_tanh', 'gelu', None),  # 'gelu' means tanh's there
            'use_bidirectional_attention': (False, None),
        },
        supported='Gemma 1',
    ),
    'gemma2': Family(
        'Gemma2ForCausalLM',
        GEMMA_POST,
        names=ATTENTION_BIAS
        | {
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
        fixed=GEMMA | {'post_norms': True},
        refused={'use_bidirectional_attention': (False, None)},
        windows='pattern',
        window=4096,
        local_every=2,
        layer_types=True,
        supported='Gemma 2; soft caps, alternating windows, scaled embeddings',
    ),
    'gemma3_text': Family(
        'Gemma3ForCausalLM',
        GEMMA_POST,
        names=ATTENTION_BIAS
        | {
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
        fixed=GEMMA | {'post_norms': True, 'qk_norm': 'head'},
        refused={
            'use_bidirectional_attention': (False, None),
            'attn_logit_softcapping': (None,),  # transformers' Gemma3Attention has the field alone
        },
        theta=1_000_000.0,
        local_theta=10_000.0,
        nested_rope=True,
        windows='pattern',
        window=4096,
        local_every=6,
        layer_types=True,
        supported='Gemma 3, text; two rotary bases, norms of queries and keys',
    ),
    'cohere': Family(
        'CohereForCausalLM',
        COHERE_STYLE,
        names=COHERE_NAMES,
        defaults=COHERE_DEFAULTS | {'logit_scale': 0.0625},
        fixed=COHERE,
        theta=500_000.0,
        read=read_qk_norm,
        write=lambda c: {'use_qk_norm': bool(c.qk_norm)},
        supported='Command R, Aya 23 and Expanse; parallel block, logit scale, per-head norms',
    ),
    'cohere2': Family(
        'Cohere2ForCausalLM',
        COHERE_STYLE,
        names=COHERE_NAMES,
        defaults=COHERE_DEFAULTS | {'logit_scale': 0.0625},
        fixed=COHERE,
        windows='pattern',
        window=4096,
        local_every=4,
        layer_types=True,
        read=read_local_positions,
        supported='Command R7B, Command A; windows, whole layers without positions',
    ),
}
