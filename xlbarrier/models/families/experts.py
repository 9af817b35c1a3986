"""Families whose feed-forward part is a mixture of experts."""

from xlbarrier.models.families.family import (
    LAYERS,
    LLAMA,
    Family,
    Fused,
    Names,
    Style,
    same_as,
)

MIXTRAL: Names = {
    'mlp.router': 'block_sparse_moe.gate',
    'mlp.gate': 'block_sparse_moe.experts.{expert}.w1',
    'mlp.up': 'block_sparse_moe.experts.{expert}.w3',
    'mlp.down': 'block_sparse_moe.experts.{expert}.w2',
}
QWEN: Names = {
    'mlp.router': 'mlp.gate',
    'mlp.gate': 'mlp.experts.{expert}.gate_proj',
    'mlp.up': 'mlp.experts.{expert}.up_proj',
    'mlp.down': 'mlp.experts.{expert}.down_proj',
}
GPT_OSS: Names = {
    'attn': 'self_attn',  # its sinks
    'mlp.router': 'mlp.router',
    **dict.fromkeys(
        ('mlp.gate', 'mlp.up'), Fused('mlp.experts.gate_up_proj', ('mlp.gate', 'mlp.up'))
    ),
    'mlp.down': 'mlp.experts.down_proj',
}
GPT_OSS_ROPE = dict(
    rope_type='yarn',
    rope_theta=150_000.0,
    factor=32.0,
    beta_fast=32.0,
    beta_slow=1.0,
    truncate=False,
    original_max_position_embeddings=4096,
)
TOP = {'experts_per_token': 'num_experts_per_tok', 'balance': 'router_aux_loss_coef'}

EXPERTS = {
    'mixtral': Family(
        'MixtralForCausalLM',
        Style('model.', LAYERS, LLAMA | MIXTRAL),
        names=TOP | {'experts': 'num_local_experts'},
        defaults={
            'num_kv_heads': 8,
            'norm_eps': 1e-5,
            'max_positions': 4096 * 32,
            'experts': 8,
            'experts_per_token': 2,
            'balance': 0.001,
        },
        refused={'router_jitter_noise': (0, None)},
        theta=1e6,
        windows='all',
        supported='Mixtral; experts',
    ),
    'qwen3_moe': Family(
        'Qwen3MoeForCausalLM',
        Style('model.', LAYERS, LLAMA | QWEN),
        names=TOP
        | {
            'qkv_bias': 'attention_bias',
            'd_ff': 'moe_intermediate_size',
            'experts': 'num_experts',
            'norm_top': 'norm_topk_prob',
        },
        defaults={
            'd_ff': 768,
            'num_kv_heads': 4,
            'max_positions': 32768,
            'qkv_bias': False,
            'experts': 128,
            'experts_per_token': 8,
            'norm_top': False,
            'balance': 0.001,
        },
        fixed={'o_bias': same_as('qkv_bias'), 'qk_norm': 'head'},
        refused={
            'use_sliding_window': (False, None),
            'decoder_sparse_step': (1, None),
            'mlp_only_layers': ([], None),
        },
        supported='Qwen 3, mixtures of experts in every layer',
    ),
    'gpt_oss': Family(
        'GptOssForCausalLM',
        Style('model.', LAYERS, LLAMA | GPT_OSS),
        names=TOP | {'qkv_bias': 'attention_bias', 'experts': 'num_local_experts'},
        defaults={
            'num_kv_heads': 8,
            'head_dim': 64,
            'norm_eps': 1e-5,
            'max_positions': 131_072,
            'qkv_bias': True,
            'experts': 128,
            'experts_per_token': 4,
            'balance': 0.001,
        },
        fixed={
            'o_bias': same_as('qkv_bias'),
            'activation': 'clamped',
            'sinks': True,
            'router_bias': True,
            'expert_bias': True,
        },
        refused={
            'hidden_act': ('silu', None),
            'swiglu_alpha': (1.702, None),
            'swiglu_limit': (7.0, None),
        },
        theta=150_000.0,
        scaling=GPT_OSS_ROPE,
        windows='pattern',
        window=128,
        local_every=2,
        layer_types=True,
        supported='gpt-oss, also in MXFP4; attention sinks, clamped experts, windows',
    ),
}
