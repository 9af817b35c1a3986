"""Families with layer norms: GPT-2's descendants and their like."""

from typing import Any

from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.families.family import (
    LAYERS,
    LLAMA,
    LLAMA_STYLE,
    QKV,
    Family,
    Fields,
    Fused,
    Names,
    Raw,
    Style,
    head_size,
    same_as,
)

BIASES: dict[str, Any] = {'qkv_bias': True, 'o_bias': True, 'mlp_bias': True, 'norm_bias': True}
PLAIN: dict[str, Any] = {  # of all that are neither grouped nor gated
    'num_kv_heads': same_as('num_heads'),
    'head_dim': head_size,
    'norm': 'layer',
    'gated': False,
}
BLOOM: Names = {
    'embed': 'word_embeddings',
    'embed_norm': 'word_embeddings_layernorm',
    'attn_norm': 'input_layernorm',
    **dict.fromkeys(QKV, Fused('self_attention.query_key_value', QKV, by_head=True)),
    'attn.o': 'self_attention.dense',
    'mlp_norm': 'post_attention_layernorm',
    'mlp.up': 'mlp.dense_h_to_4h',
    'mlp.down': 'mlp.dense_4h_to_h',
    'final_norm': 'ln_f',
    'head': 'lm_head',
}
FALCON_TWO: Names = {'attn_norm': 'ln_attn', 'mlp_norm': 'ln_mlp'}
NEOX: Names = BLOOM | {
    'embed': 'embed_in',
    **dict.fromkeys(QKV, Fused('attention.query_key_value', QKV, by_head=True)),
    'attn.o': 'attention.dense',
    'final_norm': 'final_layer_norm',
    'head': 'embed_out',
}
GPT2: Names = {
    'embed': 'wte',
    'positions': 'wpe',
    'attn_norm': 'ln_1',
    **dict.fromkeys(QKV, Fused('attn.c_attn', QKV)),
    'attn.o': 'attn.c_proj',
    'mlp_norm': 'ln_2',
    'mlp.up': 'mlp.c_fc',
    'mlp.down': 'mlp.c_proj',
    'final_norm': 'ln_f',
    'head': 'lm_head',
}
XGLM: Names = LLAMA | {
    'attn_norm': 'self_attn_layer_norm',
    'attn.o': 'self_attn.out_proj',
    'mlp_norm': 'final_layer_norm',
    'mlp.up': 'fc1',
    'mlp.down': 'fc2',
    'final_norm': 'layer_norm',
}
OPT: Names = XGLM | {'positions': 'embed_positions', 'final_norm': 'final_layer_norm'}


def read_xglm(raw: Raw, c: Fields) -> dict[str, Any]:
    """XGLM: embeddings may be scaled."""
    return {'embed_scale': c['d_model'] ** 0.5 if raw.get('scale_embedding', True) else 1.0}


def read_opt(raw: Raw, c: Fields) -> dict[str, Any]:
    """OPT: embeddings are as wide as the states (the 350M model's are not)."""
    width = raw.get('word_embed_proj_dim')
    if width not in (None, c['d_model']):
        raise InputError(
            f'word_embed_proj_dim = {width} is not supported; supported: hidden_size ='
            f' {c["d_model"]}'
        )
    return {}


def falcon_style(c: DecoderConfig) -> Style:
    """Falcon's two norms have other names where there are two beside each other."""
    names = BLOOM | FALCON_TWO if c.two_norms else BLOOM
    return Style('transformer.', 'h.{layer}.', names)


def read_falcon(raw: Raw, c: Fields) -> dict[str, Any]:
    """Falcon's three forms: 7B's, 40B's (`new_decoder_architecture`), and one like BLOOM's."""
    new, heads = bool(raw.get('new_decoder_architecture')), c['num_heads']
    parallel = raw.get('parallel_attn', True)
    if new and not parallel:
        raise InputError('parallel_attn = False is not supported with new_decoder_architecture')
    norms = raw.get('num_ln_in_parallel_attn')
    norms = (2 if new else 1) if norms is None else norms
    if norms not in (1, 2) or (norms == 2 and not new):
        raise InputError(
            f'num_ln_in_parallel_attn = {norms!r} is not supported; supported: 1, and 2 with'
            ' new_decoder_architecture'
        )
    if new:
        kv_heads = raw.get('num_kv_heads') or heads
    else:
        kv_heads = 1 if raw.get('multi_query', True) else heads
    return {
        'num_kv_heads': kv_heads,
        'parallel': bool(parallel),
        'two_norms': norms == 2 and bool(parallel),
    }


def write_falcon(config: DecoderConfig) -> dict[str, Any]:
    """The fields that `read_falcon` reads."""
    new = config.two_norms or config.num_kv_heads not in (1, config.num_heads)
    return {
        'new_decoder_architecture': new,
        'multi_query': config.num_kv_heads == 1,
        'num_kv_heads': config.num_kv_heads,
        'parallel_attn': config.parallel,
        'num_ln_in_parallel_attn': (2 if config.two_norms else 1) if new else None,
    }


LAYER_NORM = {
    'bloom': Family(
        'BloomForCausalLM',
        Style('transformer.', 'h.{layer}.', BLOOM),
        names={'num_layers': 'n_layer', 'num_heads': 'n_head', 'norm_eps': 'layer_norm_epsilon'},
        defaults={'norm_eps': 1e-5, 'tied': True},
        fixed=BIASES
        | PLAIN
        | {
            'd_ff': lambda c: 4 * c['d_model'],
            'positions': 'alibi',
            'activation': 'gelu_tanh',
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
        Style('transformer.', 'h.{layer}.', GPT2, transposed=True),
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
        fixed=BIASES | PLAIN | {'positions': 'learned'},
        refused={
            'scale_attn_weights': (True, None),
            'scale_attn_by_inverse_layer_idx': (False, None),
            'add_cross_attention': (False, None),
        },
        supported='GPT-2; learned positions, fused transposed QKV',
    ),
    'xglm': Family(
        'XGLMForCausalLM',
        Style('model.', LAYERS, XGLM),
        names={
            'd_model': 'd_model',
            'num_layers': 'num_layers',
            'num_heads': 'attention_heads',
            'd_ff': 'ffn_dim',
            'activation': 'activation_function',
        },
        defaults={'activation': 'gelu', 'tied': True},
        fixed=BIASES | PLAIN | {'norm_eps': 1e-5, 'positions': 'sinusoidal'},
        refused={'add_cross_attention': (False, None)},
        read=read_xglm,
        write=lambda c: {'scale_embedding': c.embed_scale != 1.0},
        supported='XGLM; sinusoidal positions',
    ),
    'opt': Family(
        'OPTForCausalLM',
        Style('model.decoder.', LAYERS, OPT),
        names={'d_ff': 'ffn_dim', 'activation': 'activation_function'},
        defaults={'activation': 'relu', 'tied': True},
        fixed=BIASES | PLAIN | {'norm_eps': 1e-5, 'positions': 'learned', 'position_offset': 2},
        refused={
            'do_layer_norm_before': (True, None),
            '_remove_final_layer_norm': (False, None),
            'enable_bias': (True, None),
            'layer_norm_elementwise_affine': (True, None),
        },
        read=read_opt,
        supported='OPT except 350M; learned positions',
    ),
    'gpt_neox': Family(
        'GPTNeoXForCausalLM',
        Style('gpt_neox.', LAYERS, NEOX),
        names={
            'norm_eps': 'layer_norm_eps',
            'qkv_bias': 'attention_bias',
            'parallel': 'use_parallel_residual',
        },
        defaults={'norm_eps': 1e-5, 'activation': 'gelu', 'qkv_bias': True, 'parallel': True},
        fixed=PLAIN
        | {
            'o_bias': same_as('qkv_bias'),
            'mlp_bias': True,
            'norm_bias': True,
            'two_norms': same_as('parallel'),
        },
        theta_name='rotary_emb_base',
        rotated=0.25,
        rotated_name='rotary_pct',
        supported='GPT-NeoX, Pythia, Polyglot-Ko; parallel parts, partial rotation, fused QKV',
    ),
    'falcon': Family(
        'FalconForCausalLM',
        style_of=falcon_style,
        names={
            'd_ff': 'ffn_hidden_size',
            'norm_eps': 'layer_norm_epsilon',
            'activation': 'activation',
            'qkv_bias': 'bias',
        },
        defaults={
            'd_ff': lambda c: 4 * c['d_model'],
            'norm_eps': 1e-5,
            'activation': 'gelu',
            'tied': True,
            'qkv_bias': False,
        },
        fixed=PLAIN
        | {'o_bias': same_as('qkv_bias'), 'mlp_bias': same_as('qkv_bias'), 'norm_bias': True},
        refused={'alibi': (False, None)},
        read=read_falcon,
        write=write_falcon,
        supported='Falcon 7B, 11B, 40B, 180B; parallel parts, fused QKV of groups',
    ),
    'stablelm': Family(
        'StableLmForCausalLM',
        LLAMA_STYLE,
        names={
            'norm_eps': 'layer_norm_eps',
            'qkv_bias': 'use_qkv_bias',
            'parallel': 'use_parallel_residual',
        },
        defaults={
            'num_kv_heads': 32,
            'norm_eps': 1e-5,
            'max_positions': 4096,
            'qkv_bias': False,
            'parallel': False,
        },
        fixed={'head_dim': head_size, 'norm': 'layer', 'norm_bias': True},
        refused={'qk_layernorm': (False, None)},
        rotated=0.25,
        supported='StableLM and StableLM 2 except 12B; partial rotation',
    ),
    'nemotron': Family(
        'NemotronForCausalLM',
        LLAMA_STYLE,
        names={'norm_eps': 'norm_eps', 'qkv_bias': 'attention_bias', 'mlp_bias': 'mlp_bias'},
        defaults={
            'norm_eps': 1e-5,
            'activation': 'relu2',
            'max_positions': 4096,
            'qkv_bias': False,
            'mlp_bias': False,
        },
        fixed={
            'o_bias': same_as('qkv_bias'),
            'norm': 'layer_one',
            'norm_bias': True,
            'gated': False,
        },
        rotated=0.5,
        supported='Nemotron 3, 4, Minitron; squared ReLU, partial rotation',
    ),
}
