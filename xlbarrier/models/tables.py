"""The weight tables: which array of a family's files is which parameter, read both ways."""

from collections.abc import Mapping
from dataclasses import dataclass

from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.weights import Entry

# Linear map -> its inputs, its outputs.
MAPS = {
    'attn.q': ('D', 'NH'),
    'attn.k': ('D', 'KH'),
    'attn.v': ('D', 'KH'),
    'attn.o': ('NH', 'D'),
    'mlp.gate': ('D', 'F'),
    'mlp.up': ('D', 'F'),
    'mlp.down': ('F', 'D'),
}


@dataclass(frozen=True)
class Fused:
    """A file's array that holds several maps: one after another, or for each head in turn."""

    key: str
    maps: tuple[str, ...]
    by_head: bool = False


@dataclass(frozen=True)
class Style:
    """What a family's files call things; keys without '.weight', of layers without their prefix.

    Attributes:
      base: prefix of all but the head; checkpoints of bare models lack it.
      layer: prefix of a layer, after `base`.
      names: parameter (without kernel, scale, bias) -> key or Fused.
      transposed: whether linear maps are [in, out] (GPT-2's Conv1D).
      interleaved: whether rotary pairs stand side by side (Cohere).
    """

    base: str
    layer: str
    names: Mapping[str, str | Fused]
    transposed: bool = False
    interleaved: bool = False


LLAMA = {
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
QKV = ('attn.q', 'attn.k', 'attn.v')
W_PACK = dict.fromkeys(QKV, Fused('self_attn.W_pack', QKV))
PHI3 = dict.fromkeys(QKV, Fused('self_attn.qkv_proj', QKV)) | dict.fromkeys(
    ('mlp.gate', 'mlp.up'), Fused('mlp.gate_up_proj', ('mlp.gate', 'mlp.up'))
)
GEMMA_POST = {
    'attn_post_norm': 'post_attention_layernorm',
    'mlp_norm': 'pre_feedforward_layernorm',
    'mlp_post_norm': 'post_feedforward_layernorm',
}
BLOOM = {
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
GPT2 = {
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
XGLM = LLAMA | {
    'attn_norm': 'self_attn_layer_norm',
    'attn.o': 'self_attn.out_proj',
    'mlp_norm': 'final_layer_norm',
    'mlp.up': 'fc1',
    'mlp.down': 'fc2',
    'final_norm': 'layer_norm',
}
_LAYERS = 'layers.{layer}.'
_LLAMA = Style('model.', _LAYERS, LLAMA)
STYLES = {
    **dict.fromkeys(('llama', 'mistral', 'qwen2', 'qwen3', 'gemma'), _LLAMA),
    **dict.fromkeys(('gemma2', 'gemma3_text'), Style('model.', _LAYERS, LLAMA | GEMMA_POST)),
    **dict.fromkeys(('cohere', 'cohere2'), Style('model.', _LAYERS, LLAMA, interleaved=True)),
    'phi3': Style('model.', _LAYERS, LLAMA | PHI3),
    'baichuan': Style('model.', _LAYERS, LLAMA | W_PACK),
    'bloom': Style('transformer.', 'h.{layer}.', BLOOM),
    'gpt2': Style('transformer.', 'h.{layer}.', GPT2, transposed=True),
    'xglm': Style('model.', _LAYERS, XGLM),
}


def hf_table(c: DecoderConfig) -> dict[str, Entry]:
    """Parameter path -> entry of a Hugging Face checkpoint of the config's family."""
    return make_table(c, STYLES[c.family])


def make_table(c: DecoderConfig, style: Style) -> dict[str, Entry]:
    """Parameter path -> entry, of all parameters that a decoder of this config has."""
    sizes = {
        'V': c.vocab_size,
        'D': c.d_model,
        'N': c.num_heads,
        'K': c.num_kv_heads,
        'H': c.head_dim,
        'F': c.d_ff,
        'P': c.max_positions,
    }
    table = {}
    for path, axes in parameters(c).items():
        stem, kind = path.removeprefix('layers.').rsplit('.', 1)
        name = style.names[stem]
        prefix = style.base if stem != 'head' else ''
        if path.startswith('layers.'):
            prefix += style.layer
        key = name.key if isinstance(name, Fused) else name
        suffix = '.bias' if kind == 'bias' else '.weight'
        split, order = _axes(stem, kind, axes, style)
        fields = _fused(name, stem, kind, split, sizes, style) if isinstance(name, Fused) else {}
        rotates = stem in ('attn.q', 'attn.k', 'attn.q_norm', 'attn.k_norm')
        table[path] = Entry(
            prefix + key + suffix,
            **({'split': split, 'sizes': sizes} | fields),
            order=order,
            interleaved=style.interleaved and rotates,
        )
    return table


def parameters(c: DecoderConfig) -> dict[str, str]:
    """Path -> dimensions of every parameter of a decoder, without the layer axis."""
    found = {'embed.embedding': 'VD'}
    if c.positions == 'learned':
        found['positions.embedding'] = 'PD'
    if c.embed_norm:
        found |= _norm(c, 'embed_norm')
    found |= _norm(c, 'layers.attn_norm')
    for name, (inputs, outputs) in MAPS.items():
        if name == 'mlp.gate' and not c.gated:
            continue
        found[f'layers.{name}.kernel'] = inputs + outputs
        biased = {'attn.o': c.o_bias}.get(name, c.qkv_bias if 'attn' in name else c.mlp_bias)
        if biased:
            found[f'layers.{name}.bias'] = outputs
        if name == 'attn.v' and c.qk_norm:
            each = c.qk_norm == 'heads'
            found['layers.attn.q_norm.scale'] = 'NH' if each else 'H'
            found['layers.attn.k_norm.scale'] = 'KH' if each else 'H'
        if name == 'attn.o':
            found |= _norm(c, 'layers.attn_post_norm') if c.post_norms else {}
            found |= {} if c.parallel else _norm(c, 'layers.mlp_norm')
    found |= _norm(c, 'layers.mlp_post_norm') if c.post_norms else {}
    found |= _norm(c, 'final_norm')
    if not c.tied:
        found['head.kernel'] = 'DV'
    return found


def _norm(c: DecoderConfig, path: str) -> dict[str, str]:
    return {f'{path}.{part}': 'D' for part in (('scale', 'bias') if c.norm_bias else ('scale',))}


def _axes(
    stem: str, kind: str, axes: str, style: Style
) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """The file's axes as products of the parameter's, and the parameter's."""
    order = tuple(axes)
    if stem in MAPS and kind == 'bias':
        return (order,), order
    if stem in MAPS or stem == 'head':
        inputs, outputs = MAPS.get(stem, ('D', 'V'))
        split = (tuple(inputs), tuple(outputs))
        return (split if style.transposed and stem != 'head' else split[::-1]), order
    return tuple((name,) for name in order), order


def _fused(
    fused: Fused,
    stem: str,
    kind: str,
    split: tuple[tuple[str, ...], ...],
    sizes: Mapping[str, int],
    style: Style,
) -> dict:
    outputs = tuple(MAPS[stem][1])
    axis = split.index(outputs)
    if fused.by_head:  # each head's q, k and v: heads and kv heads are as many
        split = tuple((names[0], 'p', *names[1:]) if names == outputs else names for names in split)
        return {
            'split': split,
            'sizes': {**sizes, 'p': len(fused.maps)},
            'part': fused.maps.index(stem),
        }

    def width(name: str) -> int:
        size = 1
        for letter in MAPS[name][1]:
            size *= sizes[letter]
        return size

    place = fused.maps.index(stem)
    return {
        'start': sum(width(name) for name in fused.maps[:place]),
        'total': sum(width(name) for name in fused.maps),
        'fused': axis,
    }
