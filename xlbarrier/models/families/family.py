"""What a model family is: what its config.json and its files call things, and what it cannot have.

A new family is an entry of this kind in one of the tables of this package. What its config.json
says in ways of its own is read and written by the entry's two functions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xlbarrier.models.config import DecoderConfig

LOCAL, WHOLE = 'sliding_attention', 'full_attention'
ROPE_KINDS = ('default', 'linear', 'dynamic', 'llama3', 'yarn', 'longrope')

Raw = Mapping[str, Any]  # a config.json
Fields = Mapping[str, Any]  # those of a DecoderConfig, read so far


@dataclass(frozen=True)
class Fused:
    """A file's array that holds several maps.

    Attributes:
      key: of the array.
      maps: in their order: one after another, or
      by_head: each kv head's queries, then its key and its value.
    """

    key: str
    maps: tuple[str, ...]
    by_head: bool = False


# Parameter (without kernel, scale, bias) -> what the files call it.
Names = dict[str, str | Fused]


@dataclass(frozen=True)
class Style:
    """What a family's files call things; keys without '.weight', of layers without their prefix.

    Attributes:
      base: prefix of all but the head; checkpoints of bare models lack it.
      layer: prefix of a layer, after `base`.
      names: parameter (without kernel, scale, bias) -> key or Fused. '{expert}' in a key is
        the number of an expert.
      transposed: whether linear maps are [in, out] (GPT-2's Conv1D).
      interleaved: whether rotary pairs are side by side (Cohere, GLM).
      joint_norms: whether norms of queries and keys have one axis for heads and channels.
      experts_out: whether the arrays of all experts are [E, out, in] (GGUF), not [E, in, out].
      constants: keys, of layers, of arrays that files have and that are the same in all models.
    """

    base: str
    layer: str
    names: Mapping[str, str | Fused]
    transposed: bool = False
    interleaved: bool = False
    joint_norms: bool = False
    experts_out: bool = False
    constants: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
      architecture: transformers' class.
      style: of its files; None: given by `style_of`.
      style_of: the style, where it depends on the config.
      names: our field -> its name in config.json, where it is not that of COMMON.
      defaults: our field -> value where config.json lacks it; callables get the fields read so far.
      fixed: our field -> value for all models of the family.
      refused: name in config.json -> values that are supported; others are refused.
      theta: default base of the rotary frequencies.
      theta_name: its name in config.json.
      scaling: `rope_scaling` where the file has neither that nor `rope_parameters`; with
        `nested_rope`, `rope_parameters`.
      rope_kinds: of scaling that are supported.
      rotated: default share of a head's channels that rotate; None: always all.
      rotated_name: its name in config.json.
      nested_rope: whether whole and local layers have rotary fields of their own.
      local_theta: default base of local layers, where it is not that of whole ones.
      alpha: whether a fixed `alpha` changes the base (Hunyuan).
      outer_original: whether original_max_position_embeddings is not among the rotary fields.
      windows: which layers have a window: '' none, 'all', 'upper' (Qwen's), 'pattern'.
      window: default size.
      local_every: of 'pattern': a layer is whole where its number, from 1, divides by this.
      layer_types: whether config.json may name each layer's kind.
      read: (config.json, fields read so far) -> further fields.
      write: (config) -> those fields of config.json again.
      supported: a line for docs/models.md.
    """

    architecture: str
    style: Style | None = None
    style_of: Callable[[DecoderConfig], Style] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    theta: float = 10_000.0
    theta_name: str = 'rope_theta'
    scaling: Mapping[str, Any] = field(default_factory=dict)
    rope_kinds: tuple[str, ...] = ROPE_KINDS
    rotated: float | None = None
    rotated_name: str = 'partial_rotary_factor'
    nested_rope: bool = False
    local_theta: float = 0.0
    alpha: bool = False
    outer_original: bool = False
    windows: str = ''
    window: int | None = None
    local_every: int = 0
    layer_types: bool = False
    read: Callable[[Raw, Fields], dict[str, Any]] | None = None
    write: Callable[[DecoderConfig], dict[str, Any]] | None = None
    supported: str = ''


# Our field -> its usual name in config.json.
COMMON = {
    'vocab_size': 'vocab_size',
    'd_model': 'hidden_size',
    'num_layers': 'num_hidden_layers',
    'num_heads': 'num_attention_heads',
    'num_kv_heads': 'num_key_value_heads',
    'head_dim': 'head_dim',
    'd_ff': 'intermediate_size',
    'norm_eps': 'rms_norm_eps',
    'max_positions': 'max_position_embeddings',
    'activation': 'hidden_act',
    'tied': 'tie_word_embeddings',
}
DEFAULTS: dict[str, Any] = {
    'num_kv_heads': lambda c: c['num_heads'],
    'head_dim': lambda c: c['d_model'] // c['num_heads'],
    'norm_eps': 1e-6,
    'activation': 'silu',
    'tied': False,
    'max_positions': 2048,
}

# Parameter -> key, as Llama's files have it.
LLAMA: Names = {
    'embed': 'embed_tokens',
    'attn_norm': 'input_layernorm',
    'attn.q': 'self_attn.q_proj',
    'attn.k': 'self_attn.k_proj',
    'attn.v': 'self_attn.v_proj',
    'attn.q_norm': 'self_attn.q_norm',
    'attn.k_norm': 'self_attn.k_norm',
    'attn.o': 'self_attn.o_proj',
    'mlp_norm': 'post_attention_layernorm',
    'mlp.gate': 'mlp.gate_proj',
    'mlp.up': 'mlp.up_proj',
    'mlp.down': 'mlp.down_proj',
    'final_norm': 'norm',
    'head': 'lm_head',
}
LAYERS = 'layers.{layer}.'
QKV = ('attn.q', 'attn.k', 'attn.v')
GATE_UP: Names = dict.fromkeys(
    ('mlp.gate', 'mlp.up'), Fused('mlp.gate_up_proj', ('mlp.gate', 'mlp.up'))
)
LLAMA_STYLE = Style('model.', LAYERS, LLAMA)


def same_as(field_name: str) -> Callable[[Fields], Any]:
    """A value that is that of another field."""
    return lambda c: c[field_name]


def head_size(c: Fields) -> int:
    """The width of a head where config.json has no field for it."""
    return int(c['d_model'] // c['num_heads'])


def names_of(family: Family) -> dict[str, str]:
    """Our field -> its name in config.json, for the fields that the family does not fix."""
    return {
        ours: theirs
        for ours, theirs in {**COMMON, **family.names}.items()
        if ours not in family.fixed
    }
