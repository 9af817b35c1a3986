"""The weight tables: which array of a file is which parameter, read both ways.

A parameter path is like 'layers.attn.q.kernel'. Tables hold, for each, the file's key (with {layer}
where the parameter is stacked) and how the file's array becomes the parameter's slice of one layer.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from xlbarrier.models.config import DecoderConfig

Box = tuple[tuple[int, int], ...]  # (start, stop) along each axis


@dataclass(frozen=True)
class Entry:
    """One line of a table.

    Attributes:
      key: name in the file; '{layer}' stands for the number of the layer.
      file_shape: shape in the file.
      shape: shape of the parameter, without its layer axis.
      transpose: whether the file holds [out, in] where the parameter is [in, out]. `shape` splits
        or joins the head axes after it.
      rotary_dim: where not 0, llama.cpp has interleaved the rotary halves of each head, of this
        many channels (GGUF's q and k).
    """

    key: str
    file_shape: tuple[int, ...]
    shape: tuple[int, ...]
    transpose: bool
    rotary_dim: int = 0

    def file_index(self, box: Box) -> tuple[slice, ...]:
        """The part of the file's array that holds the box of the parameter (whole heads)."""
        axes = zip(self.shape, box, strict=True)
        index = []
        for size in self.file_shape[::-1] if self.transpose else self.file_shape:
            outer, (start, stop) = next(axes)
            inner = size // outer  # channels of a head, where the file joins the two axes
            while outer < size:
                outer *= next(axes)[0]
            index.append(slice(start * inner, stop * inner))
        return tuple(index[::-1] if self.transpose else index)

    def to_param(self, array: np.ndarray, box: Box) -> np.ndarray:
        """The array at `file_index(box)` as that box of one layer of the parameter."""
        if self.rotary_dim:
            array = _uninterleave(array, self.rotary_dim)
        shape = [stop - start for start, stop in box]
        return (array.T if self.transpose else array).reshape(shape)

    def to_file(self, array: np.ndarray) -> np.ndarray:
        """One layer of the parameter as the file's array."""
        if self.transpose:
            return array.reshape(self.file_shape[::-1]).T
        return array.reshape(self.file_shape)


def hf_table(c: DecoderConfig) -> dict[str, Entry]:
    """Parameter path -> entry of a Hugging Face Llama checkpoint."""
    layer = 'model.layers.{layer}.'
    D, N, K, H, F, V = c.d_model, c.num_heads, c.num_kv_heads, c.head_dim, c.d_ff, c.vocab_size
    attn, mlp = f'{layer}self_attn.', f'{layer}mlp.'
    table = {
        'embed.embedding': Entry('model.embed_tokens.weight', (V, D), (V, D), False),
        'layers.attn_norm.scale': Entry(f'{layer}input_layernorm.weight', (D,), (D,), False),
        'layers.attn.q.kernel': Entry(f'{attn}q_proj.weight', (N * H, D), (D, N, H), True),
        'layers.attn.k.kernel': Entry(f'{attn}k_proj.weight', (K * H, D), (D, K, H), True),
        'layers.attn.v.kernel': Entry(f'{attn}v_proj.weight', (K * H, D), (D, K, H), True),
        'layers.attn.o.kernel': Entry(f'{attn}o_proj.weight', (D, N * H), (N, H, D), True),
        'layers.mlp_norm.scale': Entry(
            f'{layer}post_attention_layernorm.weight', (D,), (D,), False
        ),
        'layers.mlp.gate.kernel': Entry(f'{mlp}gate_proj.weight', (F, D), (D, F), True),
        'layers.mlp.up.kernel': Entry(f'{mlp}up_proj.weight', (F, D), (D, F), True),
        'layers.mlp.down.kernel': Entry(f'{mlp}down_proj.weight', (D, F), (F, D), True),
        'final_norm.scale': Entry('model.norm.weight', (D,), (D,), False),
    }
    if not c.tied:
        table['head.kernel'] = Entry('lm_head.weight', (V, D), (D, V), True)
    return table


GGUF_KEYS = {
    'model.embed_tokens.weight': 'token_embd.weight',
    'model.norm.weight': 'output_norm.weight',
    'lm_head.weight': 'output.weight',
    'input_layernorm.weight': 'attn_norm.weight',
    'self_attn.q_proj.weight': 'attn_q.weight',
    'self_attn.k_proj.weight': 'attn_k.weight',
    'self_attn.v_proj.weight': 'attn_v.weight',
    'self_attn.o_proj.weight': 'attn_output.weight',
    'post_attention_layernorm.weight': 'ffn_norm.weight',
    'mlp.gate_proj.weight': 'ffn_gate.weight',
    'mlp.up_proj.weight': 'ffn_up.weight',
    'mlp.down_proj.weight': 'ffn_down.weight',
}


def gguf_table(c: DecoderConfig) -> dict[str, Entry]:
    """Parameter path -> entry of a llama.cpp GGUF file."""
    table = {}
    for path, entry in hf_table(c).items():
        stem = entry.key.removeprefix('model.layers.{layer}.')
        prefix = 'blk.{layer}.' if stem != entry.key else ''
        rotary = c.head_dim if path in ('layers.attn.q.kernel', 'layers.attn.k.kernel') else 0
        key = prefix + GGUF_KEYS[stem]
        table[path] = dataclasses.replace(entry, key=key, rotary_dim=rotary)
    return table


def match(
    table: dict[str, Entry],
    c: DecoderConfig,
    present: dict[str, tuple[int, ...]],
    where: Callable[[str | None], pathlib.Path],
    ignored: Callable[[str], bool] = lambda key: False,
) -> None:
    """Checks that every key of the file and every parameter are matched exactly once.

    Args:
      table: from `hf_table` or `gguf_table`.
      c: the model's config.
      present: key -> shape of all arrays in the file.
      where: the file that holds a key, or of None the whole, for the message.
      ignored: keys known to carry no parameter.

    Raises:
      ValueError: naming the missing, surplus or misshapen keys.
    """
    wanted = {key: entry.file_shape for entry in table.values() for key in keys_of(entry, c)}
    missing = sorted(wanted.keys() - present.keys())
    surplus = sorted(key for key in present.keys() - wanted.keys() if not ignored(key))
    if missing:
        raise ValueError(
            f'{where(None)}: {len(missing)} tensor(s) missing, first {missing[0]!r} of shape'
            f' {wanted[missing[0]]}; the file is incomplete or its config.json is not its own'
        )
    if surplus:
        raise ValueError(
            f'{where(surplus[0])}: {len(surplus)} tensor(s) too many, first {surplus[0]!r} of shape'
            f' {present[surplus[0]]}; a {c.family} decoder of {c.num_layers} layers has no such'
        )
    for key in sorted(wanted):
        if tuple(present[key]) != wanted[key]:
            raise ValueError(
                f'{where(key)}: tensor {key!r} has shape {tuple(present[key])},'
                f' wanted {wanted[key]} by its config'
            )


def keys_of(entry: Entry, c: DecoderConfig) -> Iterable[str]:
    """The file's keys of an entry: one a layer where the parameter is stacked."""
    if '{layer}' not in entry.key:
        return [entry.key]
    return [entry.key.format(layer=i) for i in range(c.num_layers)]


def _uninterleave(array: np.ndarray, head_dim: int) -> np.ndarray:
    """Undoes convert_hf_to_gguf.py's `permute`: heads of [H/2, 2] rows back to [2, H/2]."""
    rows, width = array.shape
    split = array.reshape(rows // head_dim, head_dim // 2, 2, width)
    return split.swapaxes(1, 2).reshape(rows, width)
