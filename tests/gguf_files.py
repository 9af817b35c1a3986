"""GGUF files of torch models, written here as llama.cpp's convert_hf_to_gguf.py writes them.

The names of tensors are the gguf package's own; nothing of ours is used. That the files are those
of the converter was seen by running both (llama.cpp of August 2026): same tensors, same metadata.
"""

import math
import re

import gguf
import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType as Type

from tests import torch_families
from tests.torch_cases import EVEN, Case

ARCHITECTURES = {  # model_type -> general.architecture, where it differs
    'mistral': 'llama',
    'cohere': 'command-r',
    'gemma3_text': 'gemma3',
    'qwen3_moe': 'qwen3moe',
}
LLAMAS = ('llama', 'mistral', 'smollm3', 'granite')  # their converters permute queries and keys
WINDOW = dict(sliding_window=7)
WIDE = dict(head_dim=256, query_pre_attn_scalar=256)  # what transformers' reader takes for granted
LOCAL_ROPE = {
    'full_attention': dict(rope_type='default', rope_theta=1e6),
    'sliding_attention': dict(rope_type='default', rope_theta=1e4),
}
OLD = ('num_key_value_heads', 'intermediate_size', 'max_position_embeddings')
GPT2 = {k: v for k, v in EVEN.items() if k not in OLD} | dict(n_positions=1024)
# Models that a GGUF file can tell: some options of `torch_families.CASES` get lost in it.
CASES = {
    'qwen3_wide': Case('Qwen3', EVEN | dict(head_dim=128)),
    'gemma2_wide': Case('Gemma2', EVEN | WINDOW | WIDE),
    'gemma3_wide': Case(
        'Gemma3', EVEN | WINDOW | WIDE | dict(num_hidden_layers=7, rope_parameters=LOCAL_ROPE)
    ),
    'phi3_whole': Case('Phi3', EVEN | dict(sliding_window=None)),
    'gpt2_long': Case('GPT2', GPT2, 'LMHeadModel'),
    'smollm3_four': Case('SmolLM3', EVEN | dict(num_hidden_layers=4)),
    'gpt2_long_untied': Case('GPT2', GPT2 | dict(tie_word_embeddings=False), 'LMHeadModel'),
}


def make(name):
    """The random model of a case, of this file's or of `torch_families`."""
    with pytest.MonkeyPatch.context() as patch:
        if name in CASES:
            patch.setitem(torch_families.CASES, name, CASES[name])
        return torch_families.make(name)


def architecture_of(model):
    kind = model.config.model_type
    return ARCHITECTURES.get(kind, kind)


def heads_of(c):
    heads = c.num_attention_heads
    kv = heads if c.model_type in ('bloom', 'gpt2') else c.num_key_value_heads
    return heads, kv


def permute(array, heads):
    split = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return split.swapaxes(1, 2).reshape(array.shape)


def rope_factors(c):
    """Llama 3.1's table: what each frequency is divided by."""
    rope = c.rope_parameters
    factors = []
    for i in range(0, c.head_dim, 2):
        wavelength = 2 * math.pi * rope['rope_theta'] ** (i / c.head_dim)
        low = rope['original_max_position_embeddings'] / rope['low_freq_factor']
        high = rope['original_max_position_embeddings'] / rope['high_freq_factor']
        if wavelength < high:
            factors.append(1)
        elif wavelength > low:
            factors.append(rope['factor'])
        else:
            turns = rope['original_max_position_embeddings'] / wavelength
            width = rope['high_freq_factor'] - rope['low_freq_factor']
            smooth = (turns - rope['low_freq_factor']) / width
            factors.append(1 / ((1 - smooth) / rope['factor'] + smooth))
    return np.array(factors, np.float32)


def turned(key, array, c):
    """A tensor as the converter changes it."""
    heads, kv = heads_of(c)
    if c.model_type in LLAMAS and re.search(r'[qk]_proj\.', key):
        return permute(array, heads if 'q_proj' in key else kv)
    if ('gemma' in c.model_type or c.model_type == 'nemotron') and key.endswith('norm.weight'):
        return array + 1
    if c.model_type == 'bloom' and 'query_key_value' in key:
        each = array.reshape(heads, 3, -1, *array.shape[1:])
        return np.concatenate([each[:, i].reshape(-1, *array.shape[1:]) for i in range(3)])
    if c.model_type == 'gpt2' and re.search(r'c_(attn|proj|fc)\.weight', key):
        return np.ascontiguousarray(array.T)
    return array


def tensors_of(model):
    """Name -> array of all tensors of a file."""
    c = model.config
    architecture = architecture_of(model)
    number = next(k for k, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(number, c.num_hidden_layers)
    dropped = c.tie_word_embeddings or architecture in ('gemma', 'gemma2')
    found = {}
    if getattr(c, 'rope_parameters', None) and c.rope_parameters.get('rope_type') == 'llama3':
        found['rope_freqs.weight'] = rope_factors(c)
    for key, value in model.state_dict().items():
        if key == 'lm_head.weight' and dropped:
            continue
        if '.experts.' in key:
            layer = key.split('.')[2]
            both = np.split(value.numpy(), 2, axis=1) if 'gate_up' in key else [value.numpy()]
            parts = ('gate', 'up') if 'gate_up' in key else ('down',)
            found |= {
                f'blk.{layer}.ffn_{part}_exps.weight': array
                for part, array in zip(parts, both, strict=True)
            }
            continue
        if key == 'lm_head.weight' or c.model_type != 'bloom':
            name = names.get_name(key, ('.weight', '.bias'))
        else:
            name = names.get_name(key.removeprefix('transformer.'), ('.weight', '.bias'))
        assert name, key
        found[name] = turned(key, value.numpy(), c)
    return found


def stored(name, array, kind):
    """The bytes and their type; what the converter keeps whole, it keeps whole here."""
    whole = array.ndim == 1 or name.endswith('_norm.weight') or name == 'position_embd.weight'
    if whole:
        kind = 'F32'
    elif kind == 'Q8_0' and array.shape[-1] % 32:
        kind = 'F16'
    return gguf.quants.quantize(np.ascontiguousarray(array), Type[kind]), Type[kind]


def _add_metadata(writer, c, architecture):
    heads, kv = heads_of(c)
    norm = {'bloom': 'layer_norm_epsilon', 'gpt2': 'layer_norm_epsilon', 'nemotron': 'norm_eps'}
    norm |= dict.fromkeys(('cohere', 'cohere2', 'stablelm'), 'layer_norm_eps')
    if c.model_type in norm:
        writer.add_layer_norm_eps(getattr(c, norm[c.model_type]))
    else:
        writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    bare = c.model_type in ('bloom', 'gpt2')
    length = {'bloom': lambda: c.hidden_size, 'gpt2': lambda: c.n_positions}
    writer.add_context_length(length.get(c.model_type, lambda: c.max_position_embeddings)())
    writer.add_embedding_length(c.hidden_size)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_feed_forward_length(4 * c.hidden_size if bare else c.intermediate_size)
    writer.add_head_count(heads)
    if architecture != 'gpt2':
        writer.add_head_count_kv(kv)
    if architecture in ('llama', 'smollm3', 'granite', 'cohere2'):
        writer.add_vocab_size(c.vocab_size)
    head_dim = getattr(c, 'head_dim', None) or c.hidden_size // heads
    if not bare and architecture != 'phi3' and getattr(c, 'head_dim', None):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    rope = getattr(c, 'rope_parameters', None) or {}
    rope = rope.get('full_attention', rope)
    if architecture in ('llama', 'smollm3', 'granite', 'cohere2'):
        writer.add_rope_dimension_count(head_dim)
    if rope and architecture not in ('gemma', 'gemma2'):
        writer.add_rope_freq_base(rope['rope_theta'])
    if rope.get('rope_type') == 'linear':
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope['factor'])
    if architecture in ('command-r', 'cohere2'):
        writer.add_logit_scale(c.logit_scale)
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    if architecture in ('gemma2', 'gemma3', 'cohere2'):
        writer.add_sliding_window(c.sliding_window)
    if architecture == 'gemma2':
        writer.add_attn_logit_softcapping(c.attn_logit_softcapping)
        writer.add_final_logit_softcapping(c.final_logit_softcapping)
    if architecture == 'gemma3':
        writer.add_rope_freq_base_swa(c.rope_parameters['sliding_attention']['rope_theta'])
        if c.final_logit_softcapping:
            writer.add_final_logit_softcapping(c.final_logit_softcapping)
    if architecture == 'qwen3moe':
        writer.add_expert_count(c.num_experts)
        writer.add_expert_used_count(c.num_experts_per_tok)
        writer.add_expert_feed_forward_length(c.moe_intermediate_size)
    if architecture == 'granite':
        writer.add_attention_scale(c.attention_multiplier)
        writer.add_embedding_scale(c.embedding_multiplier)
        writer.add_residual_scale(c.residual_multiplier)
        writer.add_logit_scale(c.logits_scaling)
    if architecture in ('stablelm', 'nemotron'):
        writer.add_rope_dimension_count(int(rope['partial_rotary_factor'] * head_dim))
    if architecture == 'stablelm':
        writer.add_parallel_residual(c.use_parallel_residual)
    if architecture == 'phi3':
        part = rope.get('partial_rotary_factor', 1.0)
        writer.add_rope_dimension_count(int(part * c.hidden_size) // heads)
        writer.add_rope_scaling_orig_ctx_len(c.original_max_position_embeddings)
        writer.add_sliding_window(c.sliding_window or 0)


def write(path, model, kind='F32', *, change=lambda tensors: tensors, metadata=None, copy=False):
    """Writes a model as a GGUF file.

    Args:
      path: of the file.
      model: of transformers.
      kind: type of the matrices.
      change: of the tensors, name -> array, before they are written.
      metadata: key -> (value, type) in place of, or beside, the converter's; None: left out.
      copy: whether the embedding is stored again as the head, as older converters did.
    """
    architecture = architecture_of(model)
    writer = gguf.GGUFWriter(path, architecture)
    _add_metadata(writer, model.config, architecture)
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_pad_token_id):
        add(1)
    writer.add_token_list([f'<{i}>' for i in range(model.config.vocab_size)])
    for key, value in (metadata or {}).items():
        writer.kv_data[0].pop(key, None)
        if value is not None:
            writer.add_key_value(key, *value)
    tensors = tensors_of(model)
    if copy:
        tensors['output.weight'] = tensors['token_embd.weight']
    for name, array in change(tensors).items():
        data, used = stored(name, array, kind)
        writer.add_tensor(name, data, raw_dtype=used)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
