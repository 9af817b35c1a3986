"""The weight tables: which array of a family's files is which parameter, read both ways."""

import math
from collections.abc import Mapping

from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.families import FAMILIES, Fused, Style
from xlbarrier.models.weights import EXPERT, Entry

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
ROUTER = 'mlp.router'
SUFFIXES = {
    'kernel': '.weight',
    'scale': '.weight',
    'embedding': '.weight',
    'scalar': '_scalar',
}  # else its own name
# Beside MAPS: inputs, outputs.
LINEAR = {
    **MAPS,
    'head': ('D', 'V'),
    ROUTER: ('D', 'E'),
    'inputs.map': ('D', 'J'),
    'own.gate': ('D', 'I'),
    'own.down': ('I', 'D'),
}


def style_of(c: DecoderConfig) -> Style:
    """What the files of the config's family call things."""
    family = FAMILIES[c.family]
    if family.style_of is not None:
        return family.style_of(c)
    assert family.style is not None, c.family
    return family.style


def constants_of(c: DecoderConfig) -> dict[str, float]:
    """Keys of arrays of one value that the family's files have and no parameter is."""
    style = style_of(c)
    return {
        style.base + style.layer.format(layer=layer) + key: value
        for layer in range(c.num_layers)
        for key, value in style.constants.items()
    }


def hf_table(c: DecoderConfig) -> dict[str, Entry]:
    """Parameter path -> entry of a Hugging Face checkpoint of the config's family."""
    return make_table(c, style_of(c))


def make_table(c: DecoderConfig, style: Style) -> dict[str, Entry]:
    """Parameter path -> entry, of all parameters that a decoder of this config has."""
    sizes = {
        'V': c.vocab_size,
        'D': c.d_model,
        'N': c.num_heads,
        'K': c.num_kv_heads,
        'H': c.head_dim,
        'F': c.d_ff,
        'P': c.max_positions + c.position_offset,
        'E': c.experts,
        'I': c.layer_inputs,
        'J': c.num_layers * c.layer_inputs,
        'W': c.layer_vocab,
        '1': 1,
    }
    table = {}
    for path, axes in parameters(c).items():
        stem, kind = path.removeprefix('layers.').rsplit('.', 1)
        named = style.names.get(f'{stem}.{kind}')  # some have a name with its ending
        name = style.names[stem] if named is None else named
        prefix = style.base if stem != 'head' else ''
        if path.startswith('layers.'):
            prefix += style.layer
        key = name.key if isinstance(name, Fused) else name
        ending = SUFFIXES.get(kind, f'.{kind}') if named is None else ''
        if c.experts and stem in MAPS and stem.startswith('mlp.'):
            table[path] = _of_experts(prefix, name, stem, kind, axes, sizes, style.experts_out)
            continue
        split, order = _axes(stem, kind, axes, style)
        entry = Entry(
            prefix + key + ending,
            split=split,
            order=order,
            sizes=sizes,
            interleaved=style.interleaved
            and stem in ('attn.q', 'attn.k', 'attn.q_norm', 'attn.k_norm'),
            rotary=c.rotary_dim,
            own=_own_sizes(c, stem, axes),
        )
        table[path] = _in_fused(entry, name, stem, style) if isinstance(name, Fused) else entry
    return table


def parameters(c: DecoderConfig) -> dict[str, str]:
    """Path -> dimensions of every parameter of a decoder, without the layer axis."""
    found = {'embed.embedding': 'VD'}
    if c.positions == 'learned':
        found['positions.embedding'] = 'PD'
    if c.layer_inputs:
        found |= {'inputs.embed.embedding': 'WJ', 'inputs.map.kernel': 'DJ'}
        found |= {'inputs.norm.scale': 'I', 'layers.own.gate.kernel': 'DI'}
        found |= {'layers.own.down.kernel': 'ID', 'layers.own.norm.scale': 'D'}
    if c.layer_scale:
        found['layers.out.scalar'] = '1'
    if c.embed_norm:
        found |= _norm(c, 'embed_norm')
    if c.pre_norms:
        found |= _norm(c, 'layers.attn_norm')
    for name, (inputs, outputs) in MAPS.items():
        if name == 'mlp.gate' and not c.gated:
            continue
        expert = 'E' if c.experts and 'mlp' in name else ''
        found[f'layers.{name}.kernel'] = expert + inputs + outputs
        biased = {'attn.o': c.o_bias}.get(name, c.qkv_bias if 'attn' in name else c.mlp_bias)
        if biased or (expert and c.expert_bias):
            found[f'layers.{name}.bias'] = expert + outputs
        if name == 'attn.v' and c.qk_norm:
            one = c.qk_norm == 'head'
            found['layers.attn.q_norm.scale'] = 'H' if one else 'NH'
            found['layers.attn.k_norm.scale'] = 'H' if one else 'KH'
        if name == 'attn.o':
            found |= {'layers.attn.sinks': 'N'} if c.sinks else {}
            found |= _norm(c, 'layers.attn_post_norm') if c.post_norms else {}
            found |= _norm(c, 'layers.mlp_norm') if c.mlp_norm else {}
            found |= {f'layers.{ROUTER}.kernel': 'DE'} if c.experts else {}
            found |= {f'layers.{ROUTER}.bias': 'E'} if c.router_bias else {}
    if c.activation == 'xielu':
        found |= {f'layers.mlp.act.{name}': '1' for name in ('alpha_p', 'alpha_n')}
    found |= _norm(c, 'layers.mlp_post_norm') if c.post_norms else {}
    found |= _norm(c, 'final_norm')
    if not c.tied:
        found['head.kernel'] = 'DV'
    return found


def _own_sizes(c: DecoderConfig, stem: str, axes: str) -> tuple[Mapping[str, int] | None, ...]:
    """For each layer its own sizes where they are smaller than the parameter's (`Entry.own`)."""
    keys, values = stem in ('attn.k', 'attn.k_norm'), stem == 'attn.v'
    if not (stem.startswith('attn.') or stem in MAPS):
        return ()
    found: list[Mapping[str, int] | None] = []
    for is_local, shares in zip(c.local, c.shares, strict=True):
        own = {
            'H': c.local_head_dim if is_local else 0,
            'K': 0 if is_local else c.whole_kv_heads,
            'F': 0 if shares else c.unshared_d_ff,
        }
        if (shares and (keys or values)) or (values and c.keys_as_values and not is_local):
            found.append(None)
        else:
            found.append({name: size for name, size in own.items() if size and name in axes})
    return tuple(found) if any(own is None or own for own in found) else ()


def _norm(c: DecoderConfig, path: str) -> dict[str, str]:
    return {f'{path}.{part}': 'D' for part in (('scale', 'bias') if c.norm_bias else ('scale',))}


def _axes(
    stem: str, kind: str, axes: str, style: Style
) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """The file's axes as products of the parameter's, and the parameter's."""
    order = tuple(axes)
    if stem in LINEAR and kind == 'bias':
        return (order,), order
    if stem in LINEAR:
        inputs, outputs = LINEAR[stem]
        split = (tuple(inputs), tuple(outputs))
        return (split if style.transposed and stem != 'head' else split[::-1]), order
    if stem in ('attn.q_norm', 'attn.k_norm') and style.joint_norms:
        return (order,), order
    return tuple((name,) for name in order), order


def _in_fused(entry: Entry, fused: Fused, stem: str, style: Style) -> Entry:
    """The entry as part of an array that holds several maps."""
    sizes, outputs = entry.sizes, tuple(MAPS[stem][1])
    place = fused.maps.index(stem)
    if fused.by_head:  # of each kv head its group of queries, its key and its value
        group = sizes['N'] // sizes['K']
        first, count = ((0, group), (group, 1), (group + 1, 1))[place]
        split = tuple(
            ('K', 'p', *names[1:]) if names == outputs else names for names in entry.split
        )
        return entry.replace(split=split, sizes={**sizes, 'p': group + 2}, part=first, parts=count)

    def width(name: str) -> int:
        return math.prod(sizes[letter] for letter in MAPS[name][1])

    return entry.replace(
        start=sum(width(name) for name in fused.maps[:place]),
        total=sum(width(name) for name in fused.maps),
        fused=entry.split.index(outputs),
    )


def _of_experts(
    prefix: str,
    name: str | Fused,
    stem: str,
    kind: str,
    axes: str,
    sizes: Mapping[str, int],
    experts_out: bool,
) -> Entry:
    """Experts in an array each, [out, in], or all in one, [E, in, out] (gpt-oss) or turned."""
    order = tuple(axes)
    inputs, outputs = MAPS[stem]
    split: tuple[tuple[str, ...], ...]
    if isinstance(name, str) and EXPERT in name:
        split = ((outputs,), (inputs,)) if kind == 'kernel' else ((outputs,),)
        return Entry(prefix + name + SUFFIXES.get(kind, f'.{kind}'), split, order, sizes)
    key = prefix + (name.key if isinstance(name, Fused) else name)
    if experts_out:
        split = (('E',), (outputs,), (inputs,)) if kind == 'kernel' else (('E',), (outputs,))
        return Entry(key + SUFFIXES.get(kind, f'.{kind}'), split, order, sizes)
    key += '_bias' if kind == 'bias' else ''
    split = (('E',), (inputs,), (outputs,)) if kind == 'kernel' else (('E',), (outputs,))
    if not isinstance(name, Fused):
        return Entry(key, split, order, sizes)
    split = (*split[:-1], (outputs, 'p'))  # columns of gate and up in turn
    part = name.maps.index(stem)
    return Entry(key, split, order, {**sizes, 'p': len(name.maps)}, part=part)
