"""GGUF files of torch models, written here as llama.cpp's convert_hf_to_gguf.py writes them.

The names of tensors are the gguf package's own; nothing of ours is used. That the files are those
of the converter was seen by running both (llama.cpp of August 2026) for the families up to Qwen 3's
mixtures: same tensors, same metadata. Those after them are laid out as the converter's source says
(`conversion/` of llama.cpp in 2026: base.py and llama.py, mistral3.py, gemma.py, olmo.py with
Seed-OSS, apertus.py, chatglm.py, glm.py, exaone.py, hunyuan.py, falcon.py, gpt_neox.py,
gpt_oss.py).
"""

import math
import re

import gguf
import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType as Type

from tests import gguf_metadata, torch_families
from tests.gguf_metadata import config_of, heads_of, whole_of
from tests.torch_cases import EVEN, LLAMA3, Case, case
from tests.torch_newer import EXPERTS, SMALL, TYPES

ARCHITECTURES = {  # model_type -> general.architecture, where it differs
    'mistral': 'llama',
    'cohere': 'command-r',
    'gemma3_text': 'gemma3',
    'qwen3_moe': 'qwen3moe',
    'mixtral': 'llama',
    'ministral3': 'mistral3',
    'olmo3': 'olmo2',
    'glm': 'chatglm',
    'gemma4_text': 'gemma4',
    'hunyuan_v1_dense': 'hunyuan-dense',
    'gpt_neox': 'gptneox',
    'gpt_oss': 'gpt-oss',
}
# Their converters permute queries and keys.
LLAMAS = ('llama', 'mistral', 'smollm3', 'granite', 'mixtral', 'ministral3')
ONE_MORE = ('gemma', 'gemma2', 'gemma3_text', 'nemotron')  # their norms are written plus 1
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
    'mixtral_whole': Case('Mixtral', EVEN | EXPERTS | dict(num_local_experts=4)),
    # What the converter writes of all files of transformers' own GLM-4.
    'glm_plain': case('Glm', SMALL, head_dim=8, rms_norm_eps=1e-5, max_position_embeddings=32),
    'exaone4_llama3': Case(
        'Exaone4', SMALL | WINDOW | dict(layer_types=TYPES, rope_parameters=LLAMA3)
    ),
    'falcon_40b_plain': case(
        'Falcon',
        SMALL,
        without=('num_key_value_heads', 'intermediate_size'),
        new_decoder_architecture=True,
        num_kv_heads=2,
    ),
    # Experts of 32 channels and their multiples can be MXFP4.
    'gpt_oss_wide': case(
        'GptOss', EVEN | EXPERTS | WINDOW, head_dim=8, num_local_experts=4, intermediate_size=64
    ),
}


def make(name):
    """The random model of a case, of this file's or of `torch_families`."""
    with pytest.MonkeyPatch.context() as patch:
        if name in CASES:
            patch.setitem(torch_families.CASES, name, CASES[name])
        model = torch_families.make(name)
    model.config._experts_implementation = 'eager'  # the others take multiples of four alone
    return model


def architecture_of(model):
    kind = model.config.model_type
    return ARCHITECTURES.get(kind, kind)


def permute(array, heads):
    split = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return split.swapaxes(1, 2).reshape(array.shape)


def rope_factors(c):
    """Llama 3.1's table: what each frequency is divided by."""
    rope = c.rope_parameters
    factors, head_dim = [], getattr(c, 'head_dim', None) or c.hidden_size // c.num_attention_heads
    for i in range(0, head_dim, 2):
        wavelength = 2 * math.pi * rope['rope_theta'] ** (i / head_dim)
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


def resting_factors(c):
    """The table of Gemma 4's whole layers: the channels that do not rotate have a huge divisor."""
    share = c.rope_parameters['full_attention']['partial_rotary_factor']
    width = whole_of(c)['head_dim']
    turning = int(width * share / 2)
    return np.array([1.0] * turning + [1e30] * (width // 2 - turning), np.float32)


def mxfp4(codes, scales):
    """Blocks [..., 17] of GGUF's MXFP4, from four-bit codes [..., 32] and scales [...].

    Block after block: the scale, then bytes whose low halves are the first 16 codes.
    """
    return np.concatenate([scales[..., None], codes[..., :16] | codes[..., 16:] << 4], -1)


def of_experts(key, array, kind):
    """Tensor of a file -> array, of an array of all experts."""
    layer = key.split('.')[2]
    ending = 'bias' if key.endswith('bias') else 'weight'
    if kind == 'gpt_oss':  # gate and up in turn, [E, in, out]
        array = array if ending == 'bias' else array.swapaxes(1, 2)
        both = (array[:, ::2], array[:, 1::2])
    else:
        both = np.split(array, 2, axis=1) if 'gate_up' in key else ()
    parts = {'gate': 0, 'up': 1} if 'gate_up' in key else {'down': None}
    return {
        f'blk.{layer}.ffn_{part}_exps.{ending}': array if place is None else both[place]
        for part, place in parts.items()
    }


def turned(key, array, c):
    """A tensor as the converter changes it."""
    heads, kv = heads_of(c)
    if c.model_type in LLAMAS and re.search(r'[qk]_proj\.', key):
        return permute(array, heads if 'q_proj' in key else kv)
    if c.model_type in ONE_MORE and key.endswith('norm.weight'):
        return array + 1
    if c.model_type == 'falcon' and 'query_key_value' in key:
        groups = array.reshape(kv, heads // kv + 2, -1, *array.shape[1:])
        parts = (groups[:, :-2], groups[:, -2], groups[:, -1])
        return np.concatenate([part.reshape(-1, *array.shape[1:]) for part in parts])
    if c.model_type in ('bloom', 'gpt_neox') and 'query_key_value' in key:
        each = array.reshape(heads, 3, -1, *array.shape[1:])
        return np.concatenate([each[:, i].reshape(-1, *array.shape[1:]) for i in range(3)])
    if c.model_type == 'gpt2' and re.search(r'c_(attn|proj|fc)\.weight', key):
        return np.ascontiguousarray(array.T)
    return array


def tensors_of(model):
    """Name -> array of all tensors of a file."""
    c, architecture = config_of(model), architecture_of(model)
    number = next(k for k, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(number, c.num_hidden_layers)
    dropped = c.tie_word_embeddings or architecture in ('gemma', 'gemma2')
    found = {}
    rope = getattr(c, 'rope_parameters', None) or {}
    if rope.get('rope_type') == 'llama3':
        found['rope_freqs.weight'] = rope_factors(c)
    if c.model_type == 'gemma4_text':
        found['rope_freqs.weight'] = resting_factors(c)
    for key, value in model.state_dict().items():
        if key == 'lm_head.weight' and dropped:
            continue
        if '.experts.' in key:
            found |= of_experts(key, value.numpy(), c.model_type)
            continue
        if '.act_fn.' in key:  # in the metadata
            continue
        if key.endswith(('sinks', 'layer_scalar')):
            key += '.weight'
        if key == 'lm_head.weight' or c.model_type != 'bloom':
            name = names.get_name(key, ('.weight', '.bias'))
        else:
            name = names.get_name(key.removeprefix('transformer.'), ('.weight', '.bias'))
        assert name, key
        found[name] = turned(key, value.numpy(), c)
    return found


def stored(name, array, kind):
    """The bytes and their type; what the converter keeps whole, it keeps whole here."""
    if array.dtype == np.uint8:
        return array, Type.MXFP4
    whole = array.ndim == 1 or name.endswith('_norm.weight') or name == 'position_embd.weight'
    if whole:
        kind = 'F32'
    elif kind == 'Q8_0' and array.shape[-1] % 32:
        kind = 'F16'
    return gguf.quants.quantize(np.ascontiguousarray(array), Type[kind]), Type[kind]


def write(
    path,
    model,
    kind='F32',
    *,
    change=lambda tensors: tensors,
    metadata=None,
    copy=False,
    architecture=None,
):
    """Writes a model as a GGUF file.

    Args:
      path: of the file.
      model: of transformers.
      kind: type of the matrices.
      change: of the tensors, name -> array, before they are written.
      metadata: key -> (value, type) in place of, or beside, the converter's; None: left out.
      copy: whether the embedding is stored again as the head, as older converters did.
      architecture: in place of the family's own, of the same tensors.
    """
    architecture = architecture or architecture_of(model)
    writer = gguf.GGUFWriter(path, architecture)
    gguf_metadata.add(writer, model, architecture)
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
