"""Small random models of every family, of transformers and torch: the reference for ours."""

import pathlib

import numpy as np
import torch
import transformers

from tests.torch_cases import EVEN, LLAMA3, ODD, OLD, WINDOWS, case
from tests.torch_newer import NEWER

CASES = {
    'llama': case('Llama', EVEN, tie_word_embeddings=True),
    'llama_mha_untied': case('Llama', EVEN, num_key_value_heads=4, tie_word_embeddings=False),
    'llama_mha_odd': case('Llama', ODD, num_key_value_heads=3, tie_word_embeddings=False),
    'llama_odd_biases': case('Llama', ODD, attention_bias=True, mlp_bias=True),
    'llama_linear': case(
        'Llama', EVEN, rope_parameters=dict(rope_type='linear', factor=4.0, rope_theta=1e4)
    ),
    'llama_dynamic': case(
        'Llama',
        EVEN,
        rope_parameters=dict(rope_type='dynamic', factor=2.0, rope_theta=1e4),
        max_position_embeddings=16,
    ),
    'llama3': case('Llama', EVEN, rope_parameters=LLAMA3),
    'mistral': case('Mistral', EVEN, **WINDOWS),
    'mistral_odd': case('Mistral', ODD, sliding_window=None),
    'qwen2': case('Qwen2', EVEN, tie_word_embeddings=True),
    'qwen2_odd_windows': case(
        'Qwen2', ODD, without=('head_dim',), use_sliding_window=True, max_window_layers=1, **WINDOWS
    ),
    'qwen3': case('Qwen3', EVEN, head_dim=16, tie_word_embeddings=True),
    'qwen3_odd': case('Qwen3', ODD),
    'gemma': case('Gemma', EVEN, head_dim=16),
    'gemma_odd': case('Gemma', ODD, tie_word_embeddings=False),
    'gemma2': case('Gemma2', EVEN, head_dim=16, query_pre_attn_scalar=20, **WINDOWS),
    'gemma2_odd': case('Gemma2', ODD, attn_logit_softcapping=None, tie_word_embeddings=False),
    'gemma3': case(
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
    'gemma3_odd': case(
        'Gemma3', ODD, layer_types=['full_attention', 'sliding_attention'], sliding_window=5
    ),
    'cohere': case('Cohere', EVEN, use_qk_norm=True),
    'cohere_odd': case('Cohere', ODD, without=('head_dim',), tie_word_embeddings=False),
    'cohere2': case('Cohere2', EVEN, num_hidden_layers=5, **WINDOWS),
    'cohere2_odd': case('Cohere2', ODD, without=('head_dim',), **WINDOWS),
    'phi3': case('Phi3', EVEN, **WINDOWS),
    'phi3_odd_partial': case(
        'Phi3',
        ODD,
        without=('head_dim',),
        rope_parameters=dict(rope_type='default', rope_theta=1e4, partial_rotary_factor=4 / 7),
    ),
    'bloom': case('Bloom', EVEN, without=OLD),
    'bloom_odd_untied': case(
        'Bloom', ODD, without=OLD, num_attention_heads=6, tie_word_embeddings=False
    ),
    'gpt2': case('GPT2', EVEN, 'LMHeadModel', without=OLD, n_positions=64),
    'gpt2_odd_untied': case(
        'GPT2', ODD, 'LMHeadModel', without=OLD, n_positions=50, tie_word_embeddings=False
    ),
    'xglm': case('XGLM', EVEN, without=(*OLD, 'hidden_size'), d_model=32, ffn_dim=48),
    'xglm_odd_unscaled': case(
        'XGLM',
        ODD,
        without=(*OLD, 'hidden_size'),
        d_model=42,
        ffn_dim=50,
        scale_embedding=False,
        tie_word_embeddings=False,
    ),
    **NEWER,
}


def make(name: str):
    """The random model of a case, float32; norms and biases are random too."""
    case = CASES[name]
    torch.manual_seed(0)
    stem = case.stem + ('Text' if case.stem in ('Gemma3', 'Gemma4') else '')
    pads = {} if case.stem == 'XGLM' else {'pad_token_id': None}
    ids = {'bos_token_id': 1, 'eos_token_id': 2, **pads}
    config = getattr(transformers, f'{stem}Config')(**{**ids, **case.fields})
    config.dtype = torch.float32
    config._attn_implementation = 'eager'
    model = getattr(transformers, case.stem + case.model)(config).eval()
    # Their norms add 1.
    around_zero = ('gemma' in name and 'gemma4' not in name) or 'nemotron' in name
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if 'norm' in key or '.ln_' in key:
                shift = 0.0 if around_zero or key.endswith('bias') else 1.0
                parameter.uniform_(shift - 0.5, shift + 0.5)
            elif key.endswith(('bias', 'alpha_p', 'alpha_n', 'sinks')):
                parameter.uniform_(-0.5, 0.5)
            elif parameter.ndim > 1:
                parameter.normal_(0, 0.2)
        for key, buffer in model.named_buffers():
            if key.endswith('layer_scalar'):
                buffer.uniform_(0.5, 1.5)
    return model


def gradients(model) -> dict[str, np.ndarray]:
    """torch's gradients by the keys of the family's files."""
    found = {name: p.grad.numpy() for name, p in model.named_parameters()}
    kind = model.config.model_type
    for name, buffer in model.named_buffers():
        if name.endswith('layer_scalar'):  # in the files, and not trained
            found[name] = np.zeros(buffer.shape, np.float32)
    if kind == 'gpt_neox' and 'lm_head.weight' in found:
        found['embed_out.weight'] = found.pop('lm_head.weight')
    if kind not in ('mixtral', 'qwen3_moe'):
        return found
    part, gate, up, down = ('mlp', 'gate_proj', 'up_proj', 'down_proj')
    if kind == 'mixtral':
        part, gate, up, down = ('block_sparse_moe', 'w1', 'w3', 'w2')
    for name in list(found):
        stem, _, last = name.rpartition('.')
        stem = stem.replace('.mlp', f'.{part}')
        if last == 'gate_up_proj':
            for i, both in enumerate(found.pop(name)):
                pair = np.split(both, 2)
                found |= {
                    f'{stem}.{i}.{k}.weight': v for k, v in zip((gate, up), pair, strict=True)
                }
        elif last == 'down_proj':
            found |= {f'{stem}.{i}.{down}.weight': v for i, v in enumerate(found.pop(name))}
        elif '.mlp.gate.' in name:
            found[f'{stem}.{last}'] = found.pop(name)
    return found


def save(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Writes `make(name)` as a Hugging Face folder."""
    make(name).save_pretrained(folder)
    return folder


def read(folder: pathlib.Path):
    """The model of a folder, float32, with plain attention and experts."""
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation='eager',
        experts_implementation='eager',  # the others take sizes of multiples of four alone
    ).eval()


def logits(model, ids) -> np.ndarray:
    """float32 [T, V] of one sequence of ids."""
    with torch.no_grad():
        return model(torch.tensor([list(map(int, ids))]), use_cache=False).logits[0].numpy()
