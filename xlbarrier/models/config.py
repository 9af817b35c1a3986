"""What a decoder is made of, read from config.json or from a GGUF file's metadata."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SUPPORTED = ('llama',)


@dataclass(frozen=True)
class DecoderConfig:
    """Shapes and constants of a decoder; one field a constant of the architecture."""

    family: str
    vocab_size: int
    num_layers: int
    d_model: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    d_ff: int
    rope_theta: float
    rms_eps: float
    tied: bool
    max_positions: int
    bos_id: int | None = None
    eos_id: int | None = None
    pad_id: int | None = None

    @classmethod
    def from_hf(cls, raw: Mapping[str, Any]) -> 'DecoderConfig':
        """Reads a Hugging Face config.json, of transformers 4 (`rope_theta`) or 5.

        Raises:
          ValueError: for another model_type or an option this decoder does not have; it names the
            field, its value and what is supported.
        """
        _require(raw, 'model_type', SUPPORTED)
        rope = raw.get('rope_parameters') or raw.get('rope_scaling') or {}
        kind = rope.get('rope_type', rope.get('type', 'default'))
        if kind != 'default':
            raise ValueError(f"rope type {kind!r} is not supported; wanted 'default'")
        if rope.get('partial_rotary_factor', raw.get('partial_rotary_factor', 1.0)) != 1.0:
            raise ValueError('partial_rotary_factor is not supported; wanted 1.0')
        for name in ('attention_bias', 'mlp_bias'):
            _require(raw, name, (False, None))
        _require(raw, 'quantization_config', (None,))
        _require(raw, 'hidden_act', ('silu', 'swish', None))
        heads = _need(raw, 'num_attention_heads')
        d_model = _need(raw, 'hidden_size')
        return cls(
            family='llama',
            vocab_size=_need(raw, 'vocab_size'),
            num_layers=_need(raw, 'num_hidden_layers'),
            d_model=d_model,
            num_heads=heads,
            num_kv_heads=raw.get('num_key_value_heads') or heads,
            head_dim=raw.get('head_dim') or d_model // heads,
            d_ff=_need(raw, 'intermediate_size'),
            rope_theta=float(rope.get('rope_theta', raw.get('rope_theta', 10_000.0))),
            rms_eps=float(raw.get('rms_norm_eps', 1e-6)),
            tied=bool(raw.get('tie_word_embeddings', False)),
            max_positions=raw.get('max_position_embeddings', 2048),
            bos_id=_first(raw.get('bos_token_id')),
            eos_id=_first(raw.get('eos_token_id')),
            pad_id=raw.get('pad_token_id'),
        )

    @classmethod
    def from_gguf(cls, raw: Mapping[str, Any], *, tied: bool) -> 'DecoderConfig':
        """Reads the metadata of a GGUF file; whether it is tied, its tensors tell.

        Raises:
          ValueError: for another architecture or a missing key, which it names.
        """
        _require(raw, 'general.architecture', SUPPORTED)
        heads = _need(raw, 'llama.attention.head_count')
        d_model = _need(raw, 'llama.embedding_length')
        head_dim = raw.get('llama.attention.key_length', d_model // heads)
        _require(raw, 'llama.rope.dimension_count', (head_dim, None))
        _require(raw, 'llama.attention.value_length', (head_dim, None))
        _require(raw, 'llama.rope.scaling.type', ('none', None))
        _require(raw, 'llama.rope.scale_linear', (1.0, None))
        vocab = raw.get('llama.vocab_size') or len(_need(raw, 'tokenizer.ggml.tokens'))
        return cls(
            family='llama',
            vocab_size=vocab,
            num_layers=_need(raw, 'llama.block_count'),
            d_model=d_model,
            num_heads=heads,
            num_kv_heads=raw.get('llama.attention.head_count_kv', heads),
            head_dim=head_dim,
            d_ff=_need(raw, 'llama.feed_forward_length'),
            rope_theta=float(raw.get('llama.rope.freq_base', 10_000.0)),
            rms_eps=float(_need(raw, 'llama.attention.layer_norm_rms_epsilon')),
            tied=tied,
            max_positions=_need(raw, 'llama.context_length'),
            bos_id=raw.get('tokenizer.ggml.bos_token_id'),
            eos_id=raw.get('tokenizer.ggml.eos_token_id'),
            pad_id=raw.get('tokenizer.ggml.padding_token_id'),
        )

    def to_hf(self, dtype: str) -> dict[str, Any]:
        """The config.json that transformers 4 and 5 load; `dtype` is that of the weights."""
        return {
            'architectures': ['LlamaForCausalLM'],
            'model_type': self.family,
            'vocab_size': self.vocab_size,
            'num_hidden_layers': self.num_layers,
            'hidden_size': self.d_model,
            'num_attention_heads': self.num_heads,
            'num_key_value_heads': self.num_kv_heads,
            'head_dim': self.head_dim,
            'intermediate_size': self.d_ff,
            'hidden_act': 'silu',
            'rope_theta': self.rope_theta,
            'rope_parameters': {'rope_type': 'default', 'rope_theta': self.rope_theta},
            'rms_norm_eps': self.rms_eps,
            'tie_word_embeddings': self.tied,
            'max_position_embeddings': self.max_positions,
            'attention_bias': False,
            'mlp_bias': False,
            'bos_token_id': self.bos_id,
            'eos_token_id': self.eos_id,
            'pad_token_id': self.pad_id,
            'dtype': dtype,
            'torch_dtype': dtype,
        }

    def replace(self, **changes: Any) -> 'DecoderConfig':
        """A copy with other values."""
        return dataclasses.replace(self, **changes)


def _need(raw: Mapping[str, Any], name: str) -> Any:
    if raw.get(name) is None:
        raise ValueError(f'the model config has no {name!r}')
    return raw[name]


def _require(raw: Mapping[str, Any], name: str, allowed: tuple) -> None:
    if raw.get(name) not in allowed:
        listed = ', '.join(repr(value) for value in allowed if value is not None)
        raise ValueError(
            f'{name} = {raw.get(name)!r} is not supported; supported: {listed or None}'
        )


def _first(value: int | list[int] | None) -> int | None:
    return (value[0] if value else None) if isinstance(value, list) else value
