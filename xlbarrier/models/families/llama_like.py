"""Families that are Llama with something changed: root-mean-square norms, rotary positions."""

from typing import Any

from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig, Rope
from xlbarrier.models.families.family import (
    GATE_UP,
    LAYERS,
    LLAMA,
    LLAMA_STYLE,
    LOCAL,
    QKV,
    WHOLE,
    Family,
    Fields,
    Fused,
    Names,
    Raw,
    Style,
    same_as,
)

POST: Names = {  # norms after the two parts, none before them
    'attn_post_norm': 'post_attention_layernorm',
    'mlp_post_norm': 'post_feedforward_layernorm',
}
GLM4_NORMS: Names = {
    'attn_post_norm': 'post_self_attn_layernorm',
    'mlp_post_norm': 'post_mlp_layernorm',
}
PHI3: Names = {**GATE_UP, **dict.fromkeys(QKV, Fused('self_attn.qkv_proj', QKV))}
W_PACK: Names = {**dict.fromkeys(QKV, Fused('self_attn.W_pack', QKV))}
APERTUS: Names = {
    'attn_norm': 'attention_layernorm',
    'mlp_norm': 'feedforward_layernorm',
    'mlp.act': 'mlp.act_fn',
}
ATTENTION_BIAS = {'qkv_bias': 'attention_bias'}
O_BIAS: dict[str, Any] = {'o_bias': same_as('qkv_bias')}


def glm(architecture: str, style: Style, supported: str, **fixed: Any) -> Family:
    """What the two GLM families have in common."""
    return Family(
        architecture,
        style,
        names=ATTENTION_BIAS,
        defaults={
            'num_kv_heads': 2,
            'head_dim': 128,
            'norm_eps': 1.5625e-07,
            'max_positions': 131_072,
            'qkv_bias': True,
        },
        fixed=fixed,
        rotated=0.5,
        supported=supported,
    )


def read_nope(raw: Raw, c: Fields) -> dict[str, Any]:
    """SmolLM3: some layers have no positions, and these may have a window."""
    layers, every = c['num_layers'], raw.get('no_rope_layer_interval') or 4
    rotates = raw.get('no_rope_layers')  # 1 where a layer has positions, whatever the name says
    if rotates is None:
        rotates = [(i + 1) % every for i in range(layers)]
    rotates = tuple(bool(value) for value in rotates)
    if len(rotates) != layers or not any(rotates):
        raise InputError(
            f'no_rope_layers has {len(rotates)} values, {sum(rotates)} of them not 0; expected'
            f' {layers} values, one of them not 0 at least'
        )
    window = raw.get('sliding_window') if raw.get('use_sliding_window') else None
    types = [WHOLE if rotate else LOCAL for rotate in rotates]
    if window and (raw.get('layer_types') or types) != types:
        raise InputError(
            'layer_types is not supported with windows elsewhere than on the layers without'
            f' positions; supported: {types}'
        )
    if all(rotates):
        return {}
    if window:
        local = tuple(not rotate for rotate in rotates)
        return {'window': int(window), 'local_layers': local, 'local_rope': Rope(theta=0.0)}
    return {'local_layers': rotates, 'local_rope': c['rope'], 'rope': Rope(theta=0.0)}


def write_nope(config: DecoderConfig) -> dict[str, Any]:
    """The fields that `read_nope` reads."""
    rotates = [
        (config.local_rope if local and config.local_rope else config.rope).theta != 0
        for local in config.local
    ]
    types = [LOCAL if config.window and local else WHOLE for local in config.local]
    return {
        'no_rope_layers': [int(rotate) for rotate in rotates],
        'use_sliding_window': bool(config.window),
        'sliding_window': config.window or None,
        'layer_types': types,
    }


def read_exaone(raw: Raw, c: Fields) -> dict[str, Any]:
    """EXAONE 4: with windows, whole layers have no positions (transformers' Exaone4Attention)."""
    if raw.get('sliding_window', 4096) is None:
        return {}
    return {'local_rope': c['rope'], 'rope': Rope(theta=0.0)}


def read_granite(raw: Raw, c: Fields) -> dict[str, Any]:
    """Granite: logits are divided by a constant."""
    scaling = raw.get('logits_scaling', 1.0)
    if type(scaling) not in (int, float) or scaling <= 0:
        raise InputError(f'logits_scaling = {scaling!r}; expected a number above 0')
    return {'logit_scale': 1 / scaling}


def read_query_beta(raw: Raw, c: Fields) -> dict[str, Any]:
    """Ministral 3: queries grow with their position, after Llama 4."""
    fields = raw.get('rope_parameters') or raw.get('rope_scaling') or MINISTRAL3_ROPE
    beta = fields.get('llama_4_scaling_beta')
    if (
        not isinstance(beta, int | float)
        or isinstance(beta, bool)
        or not c['rope'].original_positions
    ):
        raise InputError(
            f'llama_4_scaling_beta = {beta!r} with rope type {c["rope"].kind!r}; expected a number,'
            " with 'yarn'"
        )
    return {'query_beta': float(beta)}


def read_baichuan(raw: Raw, c: Fields) -> dict[str, Any]:
    """As in the published modeling_baichuan.py.

    The 13B models have ALiBi and, in place of max_position_embeddings, model_max_length; Baichuan 2
    (125,696 tokens) normalises its head.
    """
    alibi = raw.get('max_position_embeddings') is None
    return {
        'positions': 'alibi' if alibi else 'rope',
        'max_positions': raw.get('model_max_length', 4096) if alibi else c['max_positions'],
        'normed_head': raw.get('z_loss_weight') is not None,
    }


def write_baichuan(config: DecoderConfig) -> dict[str, Any]:
    """The fields that `read_baichuan` reads."""
    raw: dict[str, Any] = {'z_loss_weight': 0.0} if config.normed_head else {}
    if config.positions == 'alibi':
        raw |= {'max_position_embeddings': None, 'model_max_length': config.max_positions}
    return raw


MINISTRAL3_ROPE: dict[str, Any] = dict(
    rope_type='yarn',
    rope_theta=1e6,
    factor=16.0,
    original_max_position_embeddings=16384,
    beta_fast=32.0,
    beta_slow=1.0,
    mscale=1.0,
    mscale_all_dim=1.0,
    llama_4_scaling_beta=0.1,
)
APERTUS_ROPE: dict[str, Any] = dict(
    rope_type='llama3',
    rope_theta=12e6,
    factor=8.0,
    original_max_position_embeddings=8192,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
)

LLAMA_LIKE = {
    'llama': Family(
        'LlamaForCausalLM',
        LLAMA_STYLE,
        names=ATTENTION_BIAS | {'mlp_bias': 'mlp_bias'},
        defaults={'qkv_bias': False, 'mlp_bias': False},
        fixed=O_BIAS,
        supported='Llama 1, 2, 3.x, Yi, Vicuna, SmolLM2, Falcon 3',
    ),
    'mistral': Family(
        'MistralForCausalLM',
        LLAMA_STYLE,
        defaults={'num_kv_heads': 8, 'max_positions': 4096 * 32},
        windows='all',  # transformers passes layer_types over
        window=4096,
        supported='Mistral, Mistral Nemo, Mistral Small; sliding window',
    ),
    'ministral': Family(
        'MinistralForCausalLM',
        LLAMA_STYLE,
        defaults={'num_kv_heads': 8, 'max_positions': 4096 * 32},
        windows='all',
        window=4096,
        layer_types=True,
        supported='Ministral (2410); windows of some layers',
    ),
    'ministral3': Family(
        'Ministral3ForCausalLM',
        LLAMA_STYLE,
        defaults={
            'num_kv_heads': 8,
            'head_dim': 128,
            'norm_eps': 1e-5,
            'max_positions': 262_144,
        },
        theta=1e6,
        scaling=MINISTRAL3_ROPE,
        windows='all',
        read=read_query_beta,
        supported='Ministral 3; yarn, queries that grow with their position',
    ),
    'qwen2': Family(
        'Qwen2ForCausalLM',
        LLAMA_STYLE,
        defaults={'num_kv_heads': 32, 'max_positions': 32768},
        fixed={'qkv_bias': True},
        windows='upper',
        window=4096,
        layer_types=True,
        supported='Qwen 1.5, 2, 2.5; biases, windows of the upper layers',
    ),
    'qwen3': Family(
        'Qwen3ForCausalLM',
        LLAMA_STYLE,
        names=ATTENTION_BIAS,
        defaults={'num_kv_heads': 32, 'head_dim': 128, 'max_positions': 32768, 'qkv_bias': False},
        fixed=O_BIAS | {'qk_norm': 'head'},
        windows='upper',
        window=4096,
        layer_types=True,
        supported='Qwen 3, dense; norms of queries and keys',
    ),
    'phi3': Family(
        'Phi3ForCausalLM',
        Style('model.', LAYERS, LLAMA | PHI3),
        defaults={'norm_eps': 1e-5, 'max_positions': 4096},
        rope_kinds=('default', 'longrope'),  # transformers refuses Phi 3's others
        rotated=1.0,
        outer_original=True,
        windows='all',
        supported='Phi 3, 3.5, 4, 4-mini; fused maps, partial rotation, longrope',
    ),
    'baichuan': Family(
        'BaichuanForCausalLM',
        Style('model.', LAYERS, LLAMA | W_PACK),
        fixed={'num_kv_heads': same_as('num_heads')},
        read=read_baichuan,
        write=write_baichuan,
        supported='Baichuan 1 and 2, 7B and 13B; fused W_pack, normalised head, ALiBi',
    ),
    'smollm3': Family(
        'SmolLM3ForCausalLM',
        LLAMA_STYLE,
        names=ATTENTION_BIAS | {'mlp_bias': 'mlp_bias'},
        defaults={
            'num_kv_heads': 4,
            'max_positions': 32768,
            'tied': True,
            'qkv_bias': False,
            'mlp_bias': False,
        },
        fixed=O_BIAS,
        theta=2e6,
        read=read_nope,
        write=write_nope,
        supported='SmolLM3; layers without positions',
    ),
    'olmo2': Family(
        'Olmo2ForCausalLM',
        Style('model.', LAYERS, LLAMA | POST, joint_norms=True),
        names=ATTENTION_BIAS,
        defaults={'norm_eps': 1e-5, 'qkv_bias': False},
        fixed=O_BIAS | {'qk_norm': 'joint', 'pre_norms': False, 'post_norms': True},
        supported='OLMo 2; norms after each part, one norm over all heads',
    ),
    'olmo3': Family(
        'Olmo3ForCausalLM',
        Style('model.', LAYERS, LLAMA | POST, joint_norms=True),
        names=ATTENTION_BIAS,
        defaults={'norm_eps': 1e-5, 'qkv_bias': False},
        fixed=O_BIAS | {'qk_norm': 'joint', 'pre_norms': False, 'post_norms': True},
        theta=500_000.0,
        nested_rope=True,
        windows='pattern',
        window=4096,
        local_every=4,
        layer_types=True,
        supported='OLMo 3; OLMo 2 with windows, yarn on whole layers',
    ),
    'granite': Family(
        'GraniteForCausalLM',
        LLAMA_STYLE,
        names=ATTENTION_BIAS
        | {
            'mlp_bias': 'mlp_bias',
            'embed_scale': 'embedding_multiplier',
            'residual_scale': 'residual_multiplier',
            'score_multiplier': 'attention_multiplier',
        },
        defaults={
            'qkv_bias': False,
            'mlp_bias': False,
            'embed_scale': 1.0,
            'residual_scale': 1.0,
            'score_multiplier': 1.0,
        },
        fixed=O_BIAS,
        read=read_granite,
        write=lambda c: {'logits_scaling': round(1 / c.logit_scale, 9)},
        supported='Granite 3, dense; multipliers of embeddings, residuals, scores and logits',
    ),
    'apertus': Family(
        'ApertusForCausalLM',
        Style(
            'model.',
            LAYERS,
            LLAMA | APERTUS,
            constants={'mlp.act_fn.beta': 0.5, 'mlp.act_fn.eps': -1e-6},
        ),
        names=ATTENTION_BIAS,
        defaults={'norm_eps': 1e-5, 'max_positions': 65536, 'qkv_bias': False},
        fixed=O_BIAS | {'qk_norm': 'head', 'gated': False, 'activation': 'xielu'},
        refused={'hidden_act': ('xielu', None), 'post_norm': (False, None)},
        theta=12e6,
        scaling=APERTUS_ROPE,
        supported='Apertus; xIELU with trained slopes, norms of queries and keys',
    ),
    'glm': glm(
        'GlmForCausalLM',
        Style('model.', LAYERS, LLAMA | GATE_UP, interleaved=True),
        'GLM-4 and GLM Edge (`-hf` files); partial rotation of neighbouring channels',
    ),
    'glm4': glm(
        'Glm4ForCausalLM',
        Style('model.', LAYERS, LLAMA | GATE_UP | GLM4_NORMS, interleaved=True),
        'GLM-4-0414, GLM-Z1; norms before and after each part',
        post_norms=True,
    ),
    'exaone4': Family(
        'Exaone4ForCausalLM',
        Style('model.', LAYERS, LLAMA | POST),
        defaults={'num_kv_heads': 32, 'norm_eps': 1e-5},
        fixed={'qk_norm': 'head', 'pre_norms': False, 'post_norms': True},
        windows='pattern',
        window=4096,
        local_every=4,
        layer_types=True,
        read=read_exaone,
        write=lambda c: {'sliding_window': c.window or None},
        supported='EXAONE 4; norms after each part, whole layers without positions',
    ),
    'seed_oss': Family(
        'SeedOssForCausalLM',
        LLAMA_STYLE,
        names=ATTENTION_BIAS | {'o_bias': 'attention_out_bias', 'mlp_bias': 'mlp_bias'},
        defaults={
            'num_kv_heads': 8,
            'head_dim': 128,
            'max_positions': 524_288,
            'qkv_bias': True,
            'o_bias': False,
            'mlp_bias': False,
        },
        supported='Seed-OSS; biases of queries, keys and values',
    ),
    'hunyuan_v1_dense': Family(
        'HunYuanDenseV1ForCausalLM',
        Style(
            'model.',
            LAYERS,
            LLAMA
            | {
                'attn.q_norm': 'self_attn.query_layernorm',
                'attn.k_norm': 'self_attn.key_layernorm',
            },
        ),
        names=ATTENTION_BIAS,
        defaults={'norm_eps': 1e-5, 'qkv_bias': False},
        fixed=O_BIAS | {'qk_norm': 'head', 'qk_norm_after': True},
        alpha=True,
        supported='Hunyuan, dense; norms after the rotation, a base changed by `alpha`',
    ),
}
