"""The families in GGUF files: metadata to config, tensor names to parameters (llama.cpp's).

What convert_hf_to_gguf.py writes is turned into the config.json that it was written from, and read
as one; keys that a converter leaves out have the values that llama.cpp then takes.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.models import hf_config
from xlbarrier.models.config import DecoderConfig, Rope
from xlbarrier.models.families import FAMILIES, LOCAL, WHOLE, Fused, Style, names_of
from xlbarrier.models.families.family import QKV, Names
from xlbarrier.models.gguf import GgufFile
from xlbarrier.models.gguf_rope import FACTORS, rope_of_factors
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
    'attn.o': 'attn_output',
    'attn_post_norm': 'post_attention_norm',
    'mlp_norm': 'ffn_norm',
    'mlp.gate': 'ffn_gate',
    'mlp.up': 'ffn_up',
    'mlp.down': 'ffn_down',
    'mlp_post_norm': 'post_ffw_norm',
    'final_norm': 'output_norm',
    'head': 'output',
}
FUSED_QKV: Names = dict.fromkeys(QKV, Fused('attn_qkv', QKV))
FUSED_GATE: Names = dict.fromkeys(('mlp.gate', 'mlp.up'), Fused('ffn_up', ('mlp.gate', 'mlp.up')))
EXPERTS: Names = {
    'mlp.router': 'ffn_gate_inp',
    'mlp.gate': 'ffn_gate_exps',
    'mlp.up': 'ffn_up_exps',
    'mlp.down': 'ffn_down_exps',
}
# Our field -> its key; {arch} is left out. Head dimensions and kv heads have defaults, see below.
KEYS = {
    'd_model': 'embedding_length',
    'num_layers': 'block_count',
    'num_heads': 'attention.head_count',
    'd_ff': 'feed_forward_length',
    'max_positions': 'context_length',
}
RMS, LAYER_NORM = 'attention.layer_norm_rms_epsilon', 'attention.layer_norm_epsilon'
PRESENT = {  # our field -> the tensors whose presence says so
    'qkv_bias': {'blk.0.attn_q.bias', 'blk.0.attn_k.bias', 'blk.0.attn_v.bias'},
    'mlp_bias': {'blk.0.ffn_up.bias', 'blk.0.ffn_down.bias'},
}
REFUSED = {  # key -> values that are supported
    'expert_count': (0, None),
    'attention.causal': (True, None),
    'attention.scale': (0.0, None),
    'rope.scaling.attn_factor': (1.0, None),
}


@dataclass(frozen=True)
class Architecture:
    """One `general.architecture`.

    Attributes:
      family: a key of `families.FAMILIES`.
      names: parameter -> tensor.
      epsilon: key of the norms' epsilon.
      interleaved: whether rotary pairs are side by side. Llama's were permuted so by the
        converter, Cohere's models have them so; all others keep two halves.
      rotary: whether it has rotary positions.
      window: reads `attention.sliding_window`; without, a file that has one is refused.
      partial: whether `rope.dimension_count` may be a part of a head.
      reads: keys of REFUSED that `more` reads.
      more: further fields of config.json, from a reader of keys and the fields so far.
    """

    family: str
    names: Mapping[str, str | Fused] = field(default_factory=lambda: NAMES)
    epsilon: str = RMS
    interleaved: bool = False
    rotary: bool = True
    window: Callable[['Reader'], int] | None = None
    partial: bool = False
    reads: tuple[str, ...] = ()
    more: Callable[['Reader', dict[str, Any]], dict[str, Any]] = lambda get, raw: {}


class Reader:
    """Reads keys of one architecture.

    Attributes:
      file: the GGUF file.
      architecture: its general.architecture.
    """

    def __init__(self, file: GgufFile):
        self.file = file
        name = file.metadata.get('general.architecture')
        if not isinstance(name, str) or name not in ARCHITECTURES:
            raise InputError(
                f'general.architecture = {name!r} is not supported; supported:'
                f' {", ".join(map(repr, ARCHITECTURES))}'
            )
        self.architecture = name

    def __call__(self, key: str, default: Any = None) -> Any:
        """The value, or the default; a float as the shortest decimal that the file's 32 bits are.

        Raises:
          ValueError: for a list, as of heads that are not as many in all layers.
        """
        name = f'{self.architecture}.{key}'
        value = self.file.metadata.get(name)
        if isinstance(value, list):
            raise InputError(f'{name} = {value} is not supported; supported: one for all layers')
        if isinstance(value, float):
            value = float(str(np.float32(value)))
        return default if value is None else value

    def need(self, key: str) -> Any:
        """The value.

        Raises:
          ValueError: where the file has none.
        """
        value = self(key)
        if value is None:
            raise InputError(f'the metadata has no {f"{self.architecture}.{key}"!r}')
        return value

    def require(self, key: str, allowed: tuple) -> None:
        """Checks that the value is one of those.

        Raises:
          ValueError: naming the key, the value and those that are supported.
        """
        value = self(key)
        if value not in allowed:
            listed = ', '.join(repr(each) for each in allowed if each is not None)
            raise InputError(
                f'{self.architecture}.{key} = {value!r} is not supported; supported: {listed}'
            )


def from_gguf(file: GgufFile) -> DecoderConfig:
    """The config, from the metadata and the names of the tensors.

    A copy of the embedding as output.weight (GPT-2, BLOOM) is no head of its own.

    Raises:
      ValueError: for an architecture or an option that is not supported, or a missing key; it
        names the key or the tensor, its value and what is supported.
    """
    get = Reader(file)
    architecture = ARCHITECTURES[get.architecture]
    for key, allowed in REFUSED.items():
        if key not in architecture.reads:
            get.require(key, allowed)
    names = names_of(FAMILIES[architecture.family])
    c: dict[str, Any] = {ours: _positive(get, key) for ours, key in KEYS.items()}
    if c['num_layers'] > len(file.shapes):
        raise InputError(
            f'{get.architecture}.block_count = {c["num_layers"]}, but the file has'
            f' {len(file.shapes)} tensors'
        )
    c['norm_eps'] = get.need(architecture.epsilon)
    c['num_kv_heads'] = _positive(get, 'attention.head_count_kv', c['num_heads'])
    c['head_dim'] = _positive(get, 'attention.key_length', c['d_model'] // c['num_heads'])
    get.require('attention.value_length', (c['head_dim'], None))
    tokens = file.metadata.get('tokenizer.ggml.tokens')
    if tokens is None:
        c['vocab_size'] = get.need('vocab_size')
    elif isinstance(tokens, list):
        c['vocab_size'] = get('vocab_size', len(tokens))
    else:
        raise InputError(f'tokenizer.ggml.tokens = {tokens!r}; expected a list of tokens')
    c['tied'] = HEAD not in file.shapes or file.same('token_embd.weight', HEAD)
    c |= {ours: tensors <= file.shapes.keys() for ours, tensors in PRESENT.items()}
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
        raw |= _rope(get, c['head_dim'])
    raw |= _windows(get, architecture, c['num_layers'])
    return hf_config.from_hf(raw | architecture.more(get, raw))


def _positive(get: Reader, key: str, default: int | None = None) -> int:
    value = get.need(key) if default is None else get(key, default)
    if type(value) is not int or value < 1:
        raise InputError(f'{get.architecture}.{key} = {value!r}; expected a whole number above 0')
    return value


def gguf_table(c: DecoderConfig) -> dict[str, Entry]:
    """Parameter path -> entry of a llama.cpp GGUF file."""
    architecture = ARCHITECTURES[ARCHITECTURE_OF.get(c.family, c.family)]
    style = Style(
        '',
        'blk.{layer}.',
        architecture.names,
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
    """Whether a tensor needs no entry in the table: rotary factors, a copy of the embedding."""
    return key == FACTORS or (c.tied and key == HEAD)


def _rope(get: Reader, head_dim: int) -> dict[str, Any]:
    """rope_theta and rope_scaling."""
    theta = float(get('rope.freq_base', 10_000.0))
    if not ARCHITECTURES[get.architecture].partial:
        get.require('rope.dimension_count', (head_dim, None))
    if get.architecture != 'gemma3':
        get.require('rope.freq_base_swa', (theta, None))
    get.require('rope.scaling.type', ('none', 'linear', None))
    factor = get('rope.scaling.factor', get('rope.scale_linear', 0.0))  # llama.cpp's older key
    scaled = get('rope.scaling.type') != 'none' and factor not in (0.0, 1.0)
    scaling = {'rope_type': 'linear', 'factor': factor} if scaled else None
    if FACTORS in get.file.shapes:
        if get.architecture != 'llama' or scaled:
            raise InputError(f'tensor {FACTORS!r} is not supported in such a file')
        if get.file.shapes[FACTORS] != (head_dim // 2,):
            raise InputError(
                f'tensor {FACTORS!r} has shape {get.file.shapes[FACTORS]},'
                f' expected {(head_dim // 2,)} by its metadata'
            )
        rope = rope_of_factors(get.file.read(FACTORS, (slice(None),)).astype(np.float64), theta)
        scaling = None if rope.kind == 'default' else _llama3(rope)
    return {'rope_theta': theta, 'rope_scaling': scaling}


def _llama3(rope: Rope) -> dict[str, Any]:
    return {
        'rope_type': rope.kind,
        'factor': rope.factor,
        'low_freq_factor': rope.low_freq_factor,
        'high_freq_factor': rope.high_freq_factor,
        'original_max_position_embeddings': rope.original_positions,
    }


def _windows(get: Reader, architecture: Architecture, num_layers: int) -> dict[str, Any]:
    """sliding_window and layer_types; the last layer of each repeat of the pattern is whole."""
    if architecture.window is None:
        get.require('attention.sliding_window', (0, None))
        return {}
    window = architecture.window(get) or None
    every = FAMILIES[architecture.family].local_every
    if not every:
        return {'sliding_window': window}
    every = get('attention.sliding_window_pattern', every)
    types = [LOCAL if not every or i % every < every - 1 else WHOLE for i in range(num_layers)]
    return {'sliding_window': window, 'layer_types': types}


def _query_scalar(raw: Mapping[str, Any], large: int) -> int:
    # llama.cpp knows the 27B models by their layers; only they do not divide by head_dim's root.
    if raw['num_hidden_layers'] == large:
        return raw['hidden_size'] // raw['num_attention_heads']
    return raw['head_dim']


def _gemma2(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    return {
        'attn_logit_softcapping': get('attn_logit_softcapping', 50.0),
        'final_logit_softcapping': get('final_logit_softcapping', 30.0),
        'query_pre_attn_scalar': _query_scalar(raw, 46),
    }


def _gemma3(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    return {
        'final_logit_softcapping': get('final_logit_softcapping', 0.0) or None,
        'query_pre_attn_scalar': _query_scalar(raw, 62),
        'rope_local_base_freq': float(get('rope.freq_base_swa', 10_000.0)),
    }


def _command_r(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    normed = 'blk.0.attn_q_norm.weight' in get.file.shapes
    return {'logit_scale': get('logit_scale', 0.0) or 1.0, 'use_qk_norm': normed}


def _cohere2(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    return {'logit_scale': get.need('logit_scale') or 1.0}


def _part(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    heads = raw['num_attention_heads']
    whole = raw.get('head_dim') or raw['hidden_size'] // heads
    rotated = get('rope.dimension_count', whole)
    part = rotated / whole
    if int(whole * part) < rotated:  # as it is read, rounded down
        part = math.nextafter(part, 1.0)
    return {'partial_rotary_factor': part}


def _phi3(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    positions = get('rope.scaling.original_context_length', raw['max_position_embeddings'])
    return _part(get, raw) | {'original_max_position_embeddings': positions}


def _stablelm(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    # llama.cpp tells it by the norm that only serial parts have, whatever the key says.
    parallel = 'blk.0.ffn_norm.weight' not in get.file.shapes
    return _part(get, raw) | {'use_parallel_residual': parallel}


def _qwen3moe(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    return {
        'num_experts': _positive(get, 'expert_count'),
        'num_experts_per_tok': _positive(get, 'expert_used_count'),
        'moe_intermediate_size': _positive(get, 'expert_feed_forward_length'),
        'intermediate_size': raw[
            'moe_intermediate_size'
        ],  # of layers without experts: there are none
        'norm_topk_prob': True,  # as llama.cpp has it
    }


def _granite(get: Reader, raw: dict[str, Any]) -> dict[str, Any]:
    head_dim = raw.get('head_dim') or raw['hidden_size'] // raw['num_attention_heads']
    return {
        'attention_multiplier': get('attention.scale', 0.0) or head_dim**-0.5,
        'embedding_multiplier': get('embedding_scale', 0.0) or 1.0,
        'residual_multiplier': get('residual_scale', 0.0) or 1.0,
        'logits_scaling': get('logit_scale', 0.0) or 1.0,
    }


ARCHITECTURES = {
    'llama': Architecture('llama', interleaved=True),
    'qwen2': Architecture('qwen2'),
    'qwen3': Architecture('qwen3'),
    'qwen3moe': Architecture('qwen3_moe', NAMES | EXPERTS, reads=('expert_count',), more=_qwen3moe),
    'gemma': Architecture('gemma'),
    'gemma2': Architecture(
        'gemma2', window=lambda get: get('attention.sliding_window', 4096), more=_gemma2
    ),
    'gemma3': Architecture(
        'gemma3_text', window=lambda get: get('attention.sliding_window', 0), more=_gemma3
    ),
    'command-r': Architecture('cohere', epsilon=LAYER_NORM, interleaved=True, more=_command_r),
    'cohere2': Architecture(
        'cohere2',
        epsilon=LAYER_NORM,
        interleaved=True,
        window=lambda get: get.need('attention.sliding_window'),
        more=_cohere2,
    ),
    'phi3': Architecture(  # llama.cpp reads the window and does without
        'phi3',
        NAMES | FUSED_QKV | FUSED_GATE,
        window=lambda get: get('attention.sliding_window', 0),
        partial=True,
        more=_phi3,
    ),
    'smollm3': Architecture('smollm3', interleaved=True),
    'olmo2': Architecture('olmo2'),
    'granite': Architecture('granite', interleaved=True, reads=('attention.scale',), more=_granite),
    'stablelm': Architecture('stablelm', epsilon=LAYER_NORM, partial=True, more=_stablelm),
    'nemotron': Architecture('nemotron', epsilon=LAYER_NORM, partial=True, more=_part),
    'bloom': Architecture('bloom', NAMES | FUSED_QKV, LAYER_NORM, rotary=False),
    'gpt2': Architecture('gpt2', NAMES | FUSED_QKV, LAYER_NORM, rotary=False),
}
# Families whose architecture is called otherwise.
ARCHITECTURE_OF = {
    'mistral': 'llama',
    'cohere': 'command-r',
    'gemma3_text': 'gemma3',
    'qwen3_moe': 'qwen3moe',
}
