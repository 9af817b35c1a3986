"""The families in GGUF files: metadata to config, tensor names to parameters (llama.cpp's)."""

from collections.abc import Mapping
from typing import Any

from xlbarrier.models.config import DecoderConfig, Rope
from xlbarrier.models.tables import Style, make_table
from xlbarrier.models.weights import Entry

ARCHITECTURES = ('llama',)
NAMES = {
    'embed': 'token_embd',
    'attn_norm': 'attn_norm',
    'attn.q': 'attn_q',
    'attn.k': 'attn_k',
    'attn.v': 'attn_v',
    'attn.o': 'attn_output',
    'mlp_norm': 'ffn_norm',
    'mlp.gate': 'ffn_gate',
    'mlp.up': 'ffn_up',
    'mlp.down': 'ffn_down',
    'final_norm': 'output_norm',
    'head': 'output',
}
# convert_hf_to_gguf.py permutes the rows of Llama's q and k, so that rotary pairs stand together.
STYLES = {'llama': Style('', 'blk.{layer}.', NAMES, interleaved=True)}


def gguf_table(c: DecoderConfig) -> dict[str, Entry]:
    """Parameter path -> entry of a llama.cpp GGUF file."""
    return make_table(c, STYLES[c.family])


def from_gguf(raw: Mapping[str, Any], *, tied: bool) -> DecoderConfig:
    """Reads the metadata of a GGUF file; whether it is tied, its tensors tell.

    Raises:
      ValueError: for another architecture or a missing key, which it names.
    """
    _require(raw, 'general.architecture', ARCHITECTURES)
    heads = _need(raw, 'llama.attention.head_count')
    d_model = _need(raw, 'llama.embedding_length')
    head_dim = raw.get('llama.attention.key_length', d_model // heads)
    _require(raw, 'llama.rope.dimension_count', (head_dim, None))
    _require(raw, 'llama.attention.value_length', (head_dim, None))
    _require(raw, 'llama.rope.scaling.type', ('none', None))
    _require(raw, 'llama.rope.scale_linear', (1.0, None))
    vocab = raw.get('llama.vocab_size') or len(_need(raw, 'tokenizer.ggml.tokens'))
    return DecoderConfig(
        family='llama',
        vocab_size=vocab,
        num_layers=_need(raw, 'llama.block_count'),
        d_model=d_model,
        num_heads=heads,
        num_kv_heads=raw.get('llama.attention.head_count_kv', heads),
        head_dim=head_dim,
        d_ff=_need(raw, 'llama.feed_forward_length'),
        rope=Rope(float(raw.get('llama.rope.freq_base', 10_000.0))),
        norm_eps=float(_need(raw, 'llama.attention.layer_norm_rms_epsilon')),
        tied=tied,
        max_positions=_need(raw, 'llama.context_length'),
        bos_id=raw.get('tokenizer.ggml.bos_token_id'),
        eos_id=raw.get('tokenizer.ggml.eos_token_id'),
        pad_id=raw.get('tokenizer.ggml.padding_token_id'),
    )


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
