"""How an array of a file is a parameter, and back; every key and every parameter exactly once.

A parameter path is like 'layers.attn.q.kernel'. A table (see `tables`) has for each the file's
key (with {layer} where the parameter is stacked) and how the file's array is cut and turned.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlbarrier.errors import InputError

Box = tuple[tuple[int, int], ...]  # (start, stop) along each axis
LAYER, EXPERT = '{layer}', '{expert}'


@dataclass(frozen=True)
class Entry:
    """One parameter in a file, the whole of an array or a part of a fused one.

    The file's axes are products of the parameter's: `split` (('N', 'H'), ('D',)) for a file's
    [N * H, D]. In a fused array either a file's axis holds several maps one after another (`start`,
    `total`), or each kv head has its own q, k and v ('p', a dimension of `sizes`, and `part`).

    Attributes:
      key: name in the file; '{layer}' stands for the number of the layer, '{expert}' for that of
        an expert, whose arrays have no axis 'E'.
      split: for each axis of the file the dimensions that make it up, outermost first.
      order: the parameter's dimensions.
      sizes: of each dimension.
      part: first index along 'p'.
      parts: how many: with several, 'K' and these are the parameter's 'N' (a group of queries).
      start, total: first index and length of the file's fused axis, in the axis `fused`.
      fused: that axis, or -1.
      interleaved: whether the file has the two rotary halves of each head interleaved.
      rotary: the channels of a head that are so; 0: all.
      shift: what the file has more than the parameter (GGUF's Gemma norms: 1).
      own: for each layer the sizes that are smaller in its array than in the parameter, which is
        zero elsewhere, or None for a layer without an array (Gemma 4); (): all layers are alike.
    """

    key: str
    split: tuple[tuple[str, ...], ...]
    order: tuple[str, ...]
    sizes: Mapping[str, int]
    part: int = 0
    parts: int = 1
    start: int = 0
    total: int = 0
    fused: int = -1
    interleaved: bool = False
    rotary: int = 0
    shift: float = 0.0
    own: tuple[Mapping[str, int] | None, ...] = ()

    def of(self, layer: int | None) -> 'Entry':
        """The entry of a layer's array, by its own sizes."""
        own = self.own[layer] if self.own and layer is not None else {}
        assert own is not None, f'{self.key} of layer {layer}'
        return self.replace(sizes={**self.sizes, **own}, own=()) if own else self

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the parameter, without its layer axis."""
        return tuple(self.sizes[name] for name in self.order)

    @property
    def file_shape(self) -> tuple[int, ...]:
        """Of the file's array."""
        shape = [math.prod(self.sizes[name] for name in axis) for axis in self.split]
        if self.fused >= 0:
            shape[self.fused] = self.total
        return tuple(shape)

    def file_index(self, box: Box) -> tuple[slice, ...]:
        """The part of the file's array that holds the box of the parameter (whole heads)."""
        ranges = dict(zip(self.order, box, strict=True))
        if self.grouped:
            start, stop = ranges['N']
            assert start % self.parts == 0 and stop % self.parts == 0, 'whole groups'
            ranges['K'] = (start // self.parts, stop // self.parts)
        index = []
        for axis, names in enumerate(self.split):
            for name in names[1:]:
                assert name == 'p' or ranges[name] == (0, self.sizes[name]), 'whole heads'
            inner = math.prod(self.sizes[name] for name in names[1:])
            start, stop = (place * inner for place in ranges[names[0]])
            first = self.start if axis == self.fused else 0
            index.append(slice(first + start, first + stop))
        return tuple(index)

    def pieces(self, box: Box, values: int) -> list[Box]:
        """The box in pieces that are rows of the file's array, `values` of it or one row each."""
        if EXPERT in self.key:  # an array for each expert
            start, stop = box[0]
            if stop - start > 1:
                boxes = [((expert, expert + 1), *box[1:]) for expert in range(start, stop)]
                return [piece for each in boxes for piece in self.pieces(each, values)]
        name, step = self.split[0][0], 1
        if self.grouped and name == 'K':
            name, step = 'N', self.parts
        axis = self.order.index(name)
        row = math.prod(self.file_shape) // (self.sizes[name] // step)
        start, stop = box[axis]
        step *= max(1, values // max(1, row))
        return [
            (*box[:axis], (first, min(first + step, stop)), *box[axis + 1 :])
            for first in range(start, stop, step)
        ]

    def key_of(self, key: str, box: Box) -> str:
        """The key with the number of the expert that the box is of, where there is one."""
        return key.replace(EXPERT, str(box[0][0]))

    def to_param(self, array: np.ndarray, box: Box) -> np.ndarray:
        """The array at `file_index(box)` as that box of one layer of the parameter."""
        sizes = {name: stop - start for name, (start, stop) in zip(self.order, box, strict=True)}
        if self.grouped:
            sizes['K'] = sizes['N'] // self.parts
        flat = [name for axis in self.split for name in axis]
        array = array.reshape([sizes.get(name, self.sizes[name]) for name in flat])
        if 'p' in flat:
            array, flat = self._taken(array, flat, sizes)
        if self.interleaved:
            array = self._swap(array, flat.index('H'), back=False)
        if EXPERT in self.key:
            array, flat = array[None], ['E', *flat]
        array = array.transpose([flat.index(name) for name in self.order])
        return array - array.dtype.type(self.shift) if self.shift else array

    def write(self, out: np.ndarray, array: np.ndarray) -> None:
        """Puts one layer of the parameter, of one expert, into its place of the file's array."""
        names = [name for name in self.order if name != 'E' or EXPERT not in self.key]
        flat = [name for axis in self.split for name in axis]
        if self.grouped:  # N is K and the parts
            axis = names.index('N')
            shape = array.shape
            shape = (*shape[:axis], self.sizes['K'], self.parts, *shape[axis + 1 :])
            array = array.reshape(shape)
            names[axis : axis + 1] = ['K', 'p']
        ours = [name for name in flat if name in names]
        array = array.transpose([names.index(name) for name in ours])
        if self.interleaved:
            array = self._swap(array, ours.index('H'), back=True)
        if self.shift:
            array = array + array.dtype.type(self.shift)
        whole = tuple((0, self.sizes[name]) for name in self.order)
        place = out[self.file_index(whole)]
        # A view of `out`: axes are only split, or all of a row-contiguous array is taken.
        view = place.reshape([self.sizes[name] for name in flat])
        assert np.shares_memory(view, out), self.key
        part = slice(self.part, self.part + self.parts) if self.grouped else self.part
        view[tuple(part if name == 'p' else slice(None) for name in flat)] = array

    @property
    def grouped(self) -> bool:
        """Whether the parameter's heads are groups along 'p'."""
        return 'N' in self.order and any('p' in axis and axis[0] == 'K' for axis in self.split)

    def replace(self, **changes: Any) -> 'Entry':
        """A copy with other values."""
        return dataclasses.replace(self, **changes)

    def _taken(
        self, array: np.ndarray, flat: list[str], sizes: Mapping[str, int]
    ) -> tuple[np.ndarray, list[str]]:
        """The parameter's part along 'p', and the dimensions that are left."""
        axis = flat.index('p')
        if not self.grouped:
            return array.take(self.part, axis), flat[:axis] + flat[axis + 1 :]
        index = (slice(None),) * axis + (slice(self.part, self.part + self.parts),)
        shape = [sizes.get(name, self.sizes[name]) for name in flat]
        joined = [*shape[: axis - 1], sizes['N'], *shape[axis + 1 :]]
        return array[index].reshape(joined), [*flat[: axis - 1], 'N', *flat[axis + 1 :]]

    def _swap(self, array: np.ndarray, axis: int, back: bool) -> np.ndarray:
        rotary = self.rotary or array.shape[axis]
        inner = rotary // 2 if back else 2
        if rotary == array.shape[axis]:
            return _swap_halves(array, axis, inner)
        turned, rest = np.split(array, [rotary], axis)
        return np.concatenate([_swap_halves(turned, axis, inner), rest], axis)


def places(name: str, own: int, full: int) -> np.ndarray:
    """Where the `own` values of a layer's dimension are among the parameter's `full` ones.

    Those of a head's two halves, which rotate together, begin each half; kv heads are in the place
    of the first of those that they stand for.
    """
    if name == 'H' and own < full:
        half = np.arange(own // 2)
        return np.concatenate([half, half + full // 2])
    return np.arange(own) * (full // own if name == 'K' else 1)


def within(entry: Entry, own: Entry, box: Box) -> tuple[Box, tuple[np.ndarray, ...]]:
    """The box of a layer's own array that is in a box of the parameter, and its places there."""
    found, inside = [], []
    for name, (start, stop) in zip(entry.order, box, strict=True):
        at = places(name, own.sizes[name], entry.sizes[name])
        first, last = np.searchsorted(at, (start, stop))
        found.append((int(first), int(last)))
        inside.append(at[first:last] - start)
    return tuple(found), tuple(inside)


def narrowed(entry: Entry, layer: int | None, array: np.ndarray) -> np.ndarray:
    """One layer of a parameter, without what is zero because other layers are larger."""
    own = entry.of(layer)
    if own is entry:
        return array
    return array[np.ix_(*within(entry, own, tuple((0, size) for size in entry.shape))[1])]


def filled(entry: Entry, num_layers: int) -> np.ndarray:
    """Bool [L, ...]: where a parameter of uneven layers is not zero."""
    mask = np.zeros((num_layers, *entry.shape), bool)
    whole = tuple((0, size) for size in entry.shape)
    for layer, sizes in enumerate(entry.own):
        if sizes is not None:
            mask[layer][np.ix_(*within(entry, entry.of(layer), whole)[1])] = True
    return mask


def keys_of(entry: Entry, num_layers: int) -> list[tuple[int | None, str]]:
    """Layer and the file's key of an entry's arrays: one for each layer where it is stacked.

    The number of an expert is left open (see `Entry.key_of`).
    """
    if LAYER not in entry.key:
        return [(None, entry.key)]
    layers = [i for i in range(num_layers) if not entry.own or entry.own[i] is not None]
    return [(i, entry.key.replace(LAYER, str(i))) for i in layers]


def shapes_of(entry: Entry, num_layers: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """All keys of the file that are of an entry, and their shapes."""
    for layer, key in keys_of(entry, num_layers):
        experts = range(entry.sizes['E']) if EXPERT in key else (0,)
        yield from ((key.replace(EXPERT, str(i)), entry.of(layer).file_shape) for i in experts)


Part = tuple[str, Entry, int | None, int | None]  # path, entry, layer, expert


def arrays_of(table: Mapping[str, Entry], num_layers: int) -> Iterator[tuple[str, list[Part]]]:
    """The file's keys in the table's order, each with the parts that it is made of."""
    parts: dict[str, list[tuple[str, Entry]]] = {}
    for path, entry in table.items():
        parts.setdefault(entry.key, []).append((path, entry))
    for key, entries in parts.items():
        experts = entries[0][1].sizes['E'] if EXPERT in key else 0
        for number, name in keys_of(entries[0][1], num_layers):
            for expert in range(experts) if experts else (None,):
                full = name if expert is None else name.replace(EXPERT, str(expert))
                yield full, [(path, entry, number, expert) for path, entry in entries]


def assemble(
    parts: list[Part],
    dtype: np.dtype,
    read: Callable[[str, int | None], np.ndarray],
) -> np.ndarray:
    """A file's array from the parameters in it; `read` gives one layer of a parameter."""
    out = np.empty(file_shape(parts), dtype)
    for path, entry, layer, expert in parts:
        array = narrowed(entry, layer, read(path, layer).reshape(entry.shape))
        entry.of(layer).write(out, array if expert is None else array[expert])
    return out


def file_shape(parts: list[Part]) -> tuple[int, ...]:
    """The shape of a file's array that is made of these parts."""
    _, entry, layer, _ = parts[0]
    return entry.of(layer).file_shape


def check_tiles(table: Mapping[str, Entry]) -> None:
    """Checks that the entries of a fused array fill it, once.

    Raises:
      AssertionError: naming the key; the table itself is wrong.
    """
    filled: dict[str, list[tuple[int, ...]]] = {}
    sizes: dict[str, int] = {}
    for entry in table.values():
        filled.setdefault(entry.key, []).append((entry.start, entry.part))
        each = entry.sizes['E'] if EXPERT in entry.key else 1
        sizes[entry.key] = sizes.get(entry.key, 0) + math.prod(entry.shape) // each
        if len(set(filled[entry.key])) < len(filled[entry.key]):
            raise AssertionError(f'{entry.key}: a part is taken twice')
    for entry in table.values():
        if sizes[entry.key] != math.prod(entry.file_shape):
            raise AssertionError(f'{entry.key}: parts of {sizes[entry.key]} values do not fill it')


def match(
    table: Mapping[str, Entry],
    num_layers: int,
    present: Mapping[str, tuple[int, ...]],
    where: Callable[[str | None], pathlib.Path],
    ignored: Callable[[str], bool] = lambda key: False,
    model: str = 'this',
) -> None:
    """Checks that every key of the file and every parameter are matched exactly once.

    Args:
      table: parameter path -> entry.
      num_layers: of the model.
      present: key -> shape of all arrays in the file.
      where: the file that contains a key, or for None the whole; for the message.
      ignored: keys known to carry no parameter.
      model: the family's name, for the message.

    Raises:
      ValueError: naming the missing, surplus or misshapen keys.
    """
    check_tiles(table)
    expected = {
        key: shape for entry in table.values() for key, shape in shapes_of(entry, num_layers)
    }
    missing = sorted(expected.keys() - present.keys())
    surplus = sorted(key for key in present.keys() - expected.keys() if not ignored(key))
    if missing and all(key.endswith('lm_head.weight') for key in missing):
        raise InputError(
            f'{where(None)}: tensor {missing[0]!r} is missing, though the config says (or leaves at'
            ' its default) tie_word_embeddings = false: if the head is the embedding, set'
            ' tie_word_embeddings to true in config.json; else the file is incomplete'
        )
    if missing:
        raise InputError(
            f'{where(None)}: {len(missing)} tensor(s) missing, first {missing[0]!r} of shape'
            f' {expected[missing[0]]}; the file is incomplete or its config.json is not its own'
        )
    if surplus:
        raise InputError(
            f'{where(surplus[0])}: {len(surplus)} tensor(s) too many, first {surplus[0]!r} of shape'
            f' {present[surplus[0]]}; a {model} decoder of {num_layers} layers has no such'
        )
    for key in sorted(expected):
        if tuple(present[key]) != expected[key]:
            raise InputError(
                f'{where(key)}: tensor {key!r} has shape {tuple(present[key])},'
                f' expected {expected[key]} by its config'
            )


def renamed(table: Mapping[str, Entry], rename: Callable[[str], str]) -> dict[str, Entry]:
    """The table with other keys."""
    return {
        path: dataclasses.replace(entry, key=rename(entry.key)) for path, entry in table.items()
    }


def _swap_halves(array: np.ndarray, axis: int, inner: int) -> np.ndarray:
    """Channels [outer, inner] of an axis as [inner, outer]: 2 undoes what H / 2 does.

    With inner = 2 it turns interleaved rotary pairs (GPT-J's order, and that of llama.cpp's
    `permute`) into two halves (GPT-NeoX's, and our decoder's).
    """
    shape = array.shape
    split = array.reshape(*shape[:axis], shape[axis] // inner, inner, *shape[axis + 1 :])
    return split.swapaxes(axis, axis + 1).reshape(shape)
