"""The families in GGUF files: metadata to config, tensor names to parameters (llama.cpp's).

What convert_hf_to_gguf.py writes is turned into the config.json that it was written from, and read
as one; keys that a converter leaves out have the values that llama.cpp then takes.
"""

import dataclasses
from collections.abc import Container
from typing import Any

from xlbarrier.errors import InputError
from xlbarrier.models import gguf_fields, hf_config
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.families import FAMILIES, Fused, Style, names_of
from xlbarrier.models.families.family import QKV, Names
from xlbarrier.models.gguf import GgufFile
from xlbarrier.models.gguf_reading import (
    D_FF,
    EXPERTS,
    KV_HEADS,
    LAYER_NORM,
    REFUSED,
    WINDOW,
    Architecture,
    Reader,
    rope_fields,
    rotated_part,
    window_fields,
    window_of,
)
from xlbarrier.models.gguf_rope import FACTORS
from xlbarrier.models.tables import make_table
from xlbarrier.models.weights import Entry

HEAD = 'output.weight'

NAMES: Names = {
    'embed': 'token_embd',
    'embed_norm': 'token_embd_norm',
    'positions': 'position_embd',
    'attn_norm': 'attn_norm',
    'attn.q': 'attn_q',
    'attn.k': 'attn_k',
    'attn.v': 'attn_v',
    'attn.q_norm': 'attn_q_norm',
    'attn.k_norm': 'attn_k_norm',
    'attn.sinks': 'attn_sinks.weight',
    'attn.o': 'attn_output',
    'attn_post_norm': 'post_attention_norm',
    'mlp_norm': 'ffn_norm',
    'mlp.gate': 'ffn_gate',
    'mlp.up': 'ffn_up',
    'mlp.down': 'ffn_down',
    'mlp.act.alpha_p': 'xielu.alpha_p',  # of the metadata, see `gguf.LISTS`
    'mlp.act.alpha_n': 'xielu.alpha_n',
    'mlp_post_norm': 'post_ffw_norm',
    'final_norm': 'output_norm',
    'head': 'output',
}
FUSED_QKV: Names = dict.fromkeys(QKV, Fused('attn_qkv', QKV))
FUSED_GATE: Names = dict.fromkeys(('mlp.gate', 'mlp.up'), Fused('ffn_up', ('mlp.gate', 'mlp.up')))
MIXTURE: Names = {
    'mlp.router': 'ffn_gate_inp',
    'mlp.gate': 'ffn_gate_exps',
    'mlp.up': 'ffn_up_exps',
    'mlp.down': 'ffn_down_exps',
}
APART: Names = {f'mlp.{part}': f'ffn_{part}.{{expert}}' for part in ('gate', 'up', 'down')}
SECOND_NORM: Names = {'mlp_norm': 'post_attention_norm'}  # of Seed-OSS and gpt-oss
GEMMA4: Names = {
    'inputs.embed': 'per_layer_token_embd',
    'inputs.map': 'per_layer_model_proj',
    'inputs.norm': 'per_layer_proj_norm',
    'own.gate': 'inp_gate',
    'own.down': 'proj',
    'own.norm': 'post_norm',
    'out.scalar': 'layer_output_scale.weight',
}
# Our field -> its key; {arch} is left out. Head dimensions and kv heads have defaults, see below.
KEYS = {
    'd_model': 'embedding_length',
    'num_layers': 'block_count',
    'num_heads': 'attention.head_count',
    'd_ff': D_FF,
    'max_positions': 'context_length',
}
PRESENT = {  # our field -> the tensors whose presence says so, or others
    'qkv_bias': (
        {'blk.0.attn_q.bias', 'blk.0.attn_k.bias', 'blk.0.attn_v.bias'},
        {'blk.0.attn_qkv.bias'},
    ),
    'o_bias': ({'blk.0.attn_output.bias'},),
    'mlp_bias': ({'blk.0.ffn_up.bias', 'blk.0.ffn_down.bias'},),
}


def from_gguf(file: GgufFile) -> DecoderConfig:
    """The config, from the metadata and the names of the tensors.

    A copy of the embedding as output.weight (GPT-2, BLOOM) is no head of its own.

    Raises:
      ValueError: for an architecture or an option that is not supported, or a missing key; it
        names the key or the tensor, its value and what is supported.
    """
    get = Reader(file, ARCHITECTURES)
    architecture = get.kind
    for key, allowed in REFUSED.items():
        if key not in architecture.reads:
            get.require(key, allowed)
    names = names_of(FAMILIES[architecture.family])
    c: dict[str, Any] = {ours: get.whole(key) for ours, key in KEYS.items()}
    if c['num_layers'] > len(file.shapes):
        raise InputError(
            f'{get.architecture}.block_count = {c["num_layers"]}, but the file has'
            f' {len(file.shapes)} tensors'
        )
    c['norm_eps'] = get.need(architecture.epsilon)
    c['num_kv_heads'] = get.whole(KV_HEADS, c['num_heads'])
    c['head_dim'] = get.whole('attention.key_length', c['d_model'] // c['num_heads'])
    get.require('attention.value_length', (c['head_dim'], None))
    tokens = file.metadata.get('tokenizer.ggml.tokens')
    if tokens is None:
        c['vocab_size'] = get.need('vocab_size')
    elif isinstance(tokens, list):
        c['vocab_size'] = get('vocab_size', len(tokens))
    else:
        raise InputError(f'tokenizer.ggml.tokens = {tokens!r}; expected a list of tokens')
    c['tied'] = HEAD not in file.shapes or file.same('token_embd.weight', HEAD)
    for ours, kinds in PRESENT.items():
        c[ours] = any(tensors <= file.shapes.keys() for tensors in kinds)
    raw: dict[str, Any] = {'model_type': architecture.family}
    raw |= {theirs: c[ours] for ours, theirs in names.items() if ours in c}
    for name, key in (('bos', 'bos'), ('eos', 'eos'), ('pad', 'padding')):
        raw[f'{name}_token_id'] = file.metadata.get(f'tokenizer.ggml.{key}_token_id')
    # Chat models have an end of a turn or of a message besides that of a text.
    named = [file.metadata.get(f'tokenizer.ggml.{end}_token_id') for end in ('eos', 'eot', 'eom')]
    ends = [
        number for i, number in enumerate(named) if number is not None and number not in named[:i]
    ]
    if len(ends) > 1:
        raw['eos_token_id'] = ends
    if architecture.rotary:
        raw |= rope_fields(get, c['head_dim'])
    raw |= window_fields(get, c['num_layers'])
    raw |= architecture.more(get, raw)
    if 'rope_parameters' in raw:
        del raw['rope_scaling']
    return hf_config.from_hf(raw)


def gguf_table(c: DecoderConfig, present: Container[str] = ()) -> dict[str, Entry]:
    """Parameter path -> entry of a llama.cpp GGUF file.

    Args:
      c: the config.
      present: the names of the file's tensors, as some architectures are written in several ways.
    """
    architecture = BY_FAMILY[c.family]
    names = architecture.names
    style = Style(
        '',
        'blk.{layer}.',
        names(present) if callable(names) else names,
        interleaved=architecture.interleaved,
        joint_norms=c.qk_norm == 'joint',
        experts_out=True,
    )
    table = make_table(c, style)
    if not c.norm.endswith('_one'):
        return table
    return {  # the converter adds the 1
        path: dataclasses.replace(entry, shift=1.0) if path.endswith('.scale') else entry
        for path, entry in table.items()
    }


def carries_no_parameter(c: DecoderConfig, key: str) -> bool:
    """Whether a tensor needs no entry in the table.

    These are rotary factors, a copy of the embedding, and keys and values of layers that take those
    of earlier ones (Gemma 4).
    """
    if key == FACTORS or (c.tied and key == HEAD):
        return True
    stem, _, name = key.removeprefix('blk.').partition('.')
    shared = stem in {str(layer) for layer, shares in enumerate(c.shares) if shares}
    return shared and name in ('attn_k.weight', 'attn_v.weight', 'attn_k_norm.weight')


def architectures_of(family: str) -> list[str]:
    """The `general.architecture` of the files that a family's models are written to."""
    found = [name for name, each in ARCHITECTURES.items() if family in _families(each)]
    return (['llama'] if family == 'mistral' else []) + found


def _families(architecture: Architecture) -> list[str]:
    other = architecture.other
    return [architecture.family, *([other[1].family] if other else [])]


def _falcon_names(present: Container[str]) -> Names:
    # 40B's norm of the feed-forward part is the first of its two.
    two: Names = {'attn_norm': 'attn_norm_2', 'mlp_norm': 'attn_norm'}
    return NAMES | FUSED_QKV | (two if 'blk.0.attn_norm_2.weight' in present else {})


def _chatglm_names(present: Container[str]) -> Names:
    # Fused where it was written from the first files of GLM-4, not from those of transformers.
    fused = FUSED_QKV if 'blk.0.attn_qkv.weight' in present else {}
    return NAMES | FUSED_GATE | fused


def _mixtral_names(present: Container[str]) -> Names:
    # An array for each expert, as converters wrote until April 2024.
    return NAMES | MIXTURE | (APART if 'blk.0.ffn_gate.0.weight' in present else {})


MIXTRAL = Architecture(
    'mixtral',
    _mixtral_names,
    interleaved=True,
    factors=True,
    reads=(EXPERTS,),
    more=gguf_fields.experts,
)
OLMO3 = Architecture('olmo3', NAMES, window=window_of, nested=True, more=gguf_fields.olmo3)
MINISTRAL3 = Architecture(
    'ministral3',
    NAMES,
    interleaved=True,
    window=window_of,
    reads=('attention.temperature_scale',),
    more=gguf_fields.ministral3,
)
ARCHITECTURES = {
    'llama': Architecture('llama', NAMES, interleaved=True, factors=True, other=(EXPERTS, MIXTRAL)),
    'mistral3': Architecture(
        'mistral',
        NAMES,
        interleaved=True,
        window=window_of,
        other=('attention.temperature_scale', MINISTRAL3),
    ),
    'qwen2': Architecture('qwen2', NAMES),
    'qwen3': Architecture('qwen3', NAMES),
    'qwen3moe': Architecture(
        'qwen3_moe', NAMES | MIXTURE, reads=(EXPERTS,), more=gguf_fields.qwen3moe
    ),
    'gemma': Architecture('gemma', NAMES),
    'gemma2': Architecture(
        'gemma2', NAMES, window=lambda get: get(WINDOW, 4096), more=gguf_fields.gemma2
    ),
    'gemma3': Architecture(
        'gemma3_text', NAMES, window=window_of, nested=True, more=gguf_fields.gemma3
    ),
    'gemma4': Architecture(
        'gemma4_text',
        NAMES | GEMMA4,
        window=window_of,
        nested=True,
        reads=(FACTORS,),
        lists=(KV_HEADS, D_FF),
        more=gguf_fields.gemma4,
    ),
    'command-r': Architecture(
        'cohere', NAMES, epsilon=LAYER_NORM, interleaved=True, more=gguf_fields.command_r
    ),
    'cohere2': Architecture(
        'cohere2',
        NAMES,
        epsilon=LAYER_NORM,
        interleaved=True,
        window=lambda get: get.need(WINDOW),
        more=gguf_fields.cohere2,
    ),
    'phi3': Architecture(  # llama.cpp reads the window and does without
        'phi3',
        NAMES | FUSED_QKV | FUSED_GATE,
        window=window_of,
        partial=True,
        more=gguf_fields.phi3,
    ),
    'smollm3': Architecture('smollm3', NAMES, interleaved=True),
    'olmo2': Architecture('olmo2', NAMES, other=(WINDOW, OLMO3)),
    'granite': Architecture(
        'granite', NAMES, interleaved=True, reads=('attention.scale',), more=gguf_fields.granite
    ),
    'apertus': Architecture('apertus', NAMES, factors=True, more=gguf_fields.apertus),
    'chatglm': Architecture(
        'glm', _chatglm_names, interleaved=True, partial=True, more=rotated_part
    ),
    'glm4': Architecture(
        'glm4', NAMES | FUSED_GATE, interleaved=True, partial=True, more=rotated_part
    ),
    'exaone4': Architecture('exaone4', NAMES, window=window_of, factors=True),
    'seed_oss': Architecture('seed_oss', NAMES | SECOND_NORM),
    'hunyuan-dense': Architecture('hunyuan_v1_dense', NAMES),
    'stablelm': Architecture(
        'stablelm', NAMES, LAYER_NORM, partial=True, more=gguf_fields.stablelm
    ),
    'nemotron': Architecture('nemotron', NAMES, LAYER_NORM, partial=True, more=rotated_part),
    'bloom': Architecture('bloom', NAMES | FUSED_QKV, LAYER_NORM, rotary=False),
    'gpt2': Architecture('gpt2', NAMES | FUSED_QKV, LAYER_NORM, rotary=False),
    'gptneox': Architecture(
        'gpt_neox', NAMES | FUSED_QKV, LAYER_NORM, partial=True, more=gguf_fields.gptneox
    ),
    'falcon': Architecture('falcon', _falcon_names, LAYER_NORM, more=gguf_fields.falcon),
    'gpt-oss': Architecture(
        'gpt_oss',
        NAMES | MIXTURE | SECOND_NORM,
        window=window_of,
        reads=(EXPERTS,),
        more=gguf_fields.gpt_oss,
    ),
}
BY_FAMILY = {each.family: each for each in (*ARCHITECTURES.values(), MIXTRAL, OLMO3, MINISTRAL3)}
