"""Small random models of every family, of transformers and torch: the reference for ours."""

import pathlib
from dataclasses import dataclass, field

import numpy as np
import torch
import transformers

# Heads, kv heads, ffn and vocabulary divide over the tests' meshes in 'even', nothing is a power
# of two in 'odd'; each family adds what is its own.
EVEN = dict(
    vocab_size=128,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    initializer_range=0.2,
)
ODD = EVEN | dict(
    vocab_size=131,
    hidden_size=42,
    intermediate_size=50,
    num_hidden_layers=2,
    num_attention_heads=3,
    num_key_value_heads=1,
    head_dim=14,
)
LLAMA3 = dict(
    rope_type='llama3',
    rope_theta=500_000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
)


@dataclass(frozen=True)
class Case:
    """One shape of one family: the class's stem and the fields of its config."""

    stem: str
    fields: dict = field(default_factory=dict)
    model: str = 'ForCausalLM'


def _case(stem, base, model='ForCausalLM', without=(), **changes):
    fields = {k: v for k, v in (base | changes).items() if k not in without}
    return Case(stem, fields, model)


_OLD = ('num_key_value_heads', 'intermediate_size', 'max_position_embeddings', 'head_dim')
WINDOWS = dict(sliding_window=7)
CASES = {
    'llama': _case('Llama', EVEN, tie_word_embeddings=True),
    'llama_mha_untied': _case('Llama', EVEN, num_key_value_heads=4, tie_word_embeddings=False),
    'llama_mha_odd': _case('Llama', ODD, num_key_value_heads=3, tie_word_embeddings=False),
    'llama_odd_biases': _case('Llama', ODD, attention_bias=True, mlp_bias=True),
    'llama_linear': _case(
        'Llama', EVEN, rope_parameters=dict(rope_type='linear', factor=4.0, rope_theta=1e4)
    ),
    'llama_dynamic': _case(
        'Llama',
        EVEN,
        rope_parameters=dict(rope_type='dynamic', factor=2.0, rope_theta=1e4),
        max_position_embeddings=16,
    ),
    'llama3': _case('Llama', EVEN, rope_parameters=LLAMA3),
    'mistral': _case('Mistral', EVEN, **WINDOWS),
    'mistral_odd': _case('Mistral', ODD, sliding_window=None),
    'qwen2': _case('Qwen2', EVEN, tie_word_embeddings=True),
    'qwen2_odd_windows': _case(
        'Qwen2', ODD, without=('head_dim',), use_sliding_window=True, max_window_layers=1, **WINDOWS
    ),
    'qwen3': _case('Qwen3', EVEN, head_dim=16, tie_word_embeddings=True),
    'qwen3_odd': _case('Qwen3', ODD),
    'gemma': _case('Gemma', EVEN, head_dim=16),
    'gemma_odd': _case('Gemma', ODD, tie_word_embeddings=False),
    'gemma2': _case('Gemma2', EVEN, head_dim=16, query_pre_attn_scalar=20, **WINDOWS),
    'gemma2_odd': _case('Gemma2', ODD, attn_logit_softcapping=None, tie_word_embeddings=False),
    'gemma3': _case(
        'Gemma3',
        EVEN,
        head_dim=16,
        query_pre_attn_scalar=16,
        num_hidden_layers=7,
        rope_parameters={
            'full_attention': dict(rope_type='linear', factor=8.0, rope_theta=1e6),
            'sliding_attention': dict(rope_type='default', rope_theta=1e4),
        },
        **WINDOWS,
    ),
    'gemma3_odd': _case(
        'Gemma3', ODD, layer_types=['full_attention', 'sliding_attention'], sliding_window=5
    ),
    'cohere': _case('Cohere', EVEN, use_qk_norm=True),
    'cohere_odd': _case('Cohere', ODD, without=('head_dim',), tie_word_embeddings=False),
    'cohere2': _case('Cohere2', EVEN, num_hidden_layers=5, **WINDOWS),
    'cohere2_odd': _case('Cohere2', ODD, without=('head_dim',), **WINDOWS),
    'phi3': _case('Phi3', EVEN, **WINDOWS),
    'phi3_odd_partial': _case(
        'Phi3',
        ODD,
        without=('head_dim',),
        rope_parameters=dict(rope_type='default', rope_theta=1e4, partial_rotary_factor=4 / 7),
    ),
    'bloom': _case('Bloom', EVEN, without=_OLD),
    'bloom_odd_untied': _case(
        'Bloom', ODD, without=_OLD, num_attention_heads=6, tie_word_embeddings=False
    ),
    'gpt2': _case('GPT2', EVEN, 'LMHeadModel', without=_OLD, n_positions=64),
    'gpt2_odd_untied': _case(
        'GPT2', ODD, 'LMHeadModel', without=_OLD, n_positions=50, tie_word_embeddings=False
    ),
    'xglm': _case('XGLM', EVEN, without=(*_OLD, 'hidden_size'), d_model=32, ffn_dim=48),
    'xglm_odd_unscaled': _case(
        'XGLM',
        ODD,
        without=(*_OLD, 'hidden_size'),
        d_model=42,
        ffn_dim=50,
        scale_embedding=False,
        tie_word_embeddings=False,
    ),
}


def make(name: str):
    """The random model of a case, float32; norms and biases are random too."""
    case = CASES[name]
    torch.manual_seed(0)
    stem = 'Gemma3Text' if case.stem == 'Gemma3' else case.stem
    pads = {} if case.stem == 'XGLM' else {'pad_token_id': None}
    ids = {'bos_token_id': 1, 'eos_token_id': 2, **pads}
    config = getattr(transformers, f'{stem}Config')(**{**ids, **case.fields})
    config._attn_implementation = 'eager'
    model = getattr(transformers, case.stem + case.model)(config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if 'norm' in key or '.ln_' in key:
                shift = 0.0 if 'gemma' in name or key.endswith('bias') else 1.0
                parameter.uniform_(shift - 0.5, shift + 0.5)
            elif key.endswith('bias'):
                parameter.uniform_(-0.5, 0.5)
            elif parameter.ndim > 1:
                parameter.normal_(0, 0.2)
    return model


def save(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Writes `make(name)` as a Hugging Face folder."""
    make(name).save_pretrained(folder)
    return folder


def read(folder: pathlib.Path):
    """The model of a folder, float32, with plain attention."""
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation='eager'
    ).eval()


def logits(model, ids) -> np.ndarray:
    """float32 [T, V] of one sequence of ids."""
    with torch.no_grad():
        return model(torch.tensor([list(map(int, ids))]), use_cache=False).logits[0].numpy()
