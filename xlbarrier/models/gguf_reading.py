"""Metadata of GGUF files: one architecture's keys, and those of rotary positions and windows."""

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.models.config import Rope
from xlbarrier.models.families import FAMILIES, LOCAL, WHOLE
from xlbarrier.models.families.family import Names
from xlbarrier.models.gguf import GgufFile
from xlbarrier.models.gguf_rope import FACTORS, rope_of_factors

RMS, LAYER_NORM = 'attention.layer_norm_rms_epsilon', 'attention.layer_norm_epsilon'
WINDOW, PATTERN = 'attention.sliding_window', 'attention.sliding_window_pattern'
EXPERTS, KV_HEADS, D_FF = 'expert_count', 'attention.head_count_kv', 'feed_forward_length'
REFUSED = {  # key -> values that are supported
    EXPERTS: (0, None),
    'attention.causal': (True, None),
    'attention.scale': (0.0, None),
    'attention.temperature_scale': (0.0, None),
    'nextn_predict_layers': (0, None),
    'rope.dimension_sections': (None,),
    'rope.scaling.attn_factor': (1.0, None),
    'rope.scaling.yarn_ext_factor': (1.0, None),
}


def window_of(get: 'Reader') -> int:
    """The window's size; 0 where the file has none."""
    return get(WINDOW, 0)


@dataclass(frozen=True)
class Architecture:
    """One `general.architecture`, or the files of it that are of one family.

    Attributes:
      family: a key of `families.FAMILIES`.
      names: parameter -> tensor; or that, from the names of all tensors of a file.
      epsilon: key of the norms' epsilon.
      interleaved: whether rotary pairs are side by side. Llama's were permuted so by the
        converter, Cohere's and GLM's models have them so; all others keep two halves.
      rotary: whether it has rotary positions.
      window: reads `attention.sliding_window`; without, a file that has one is refused.
      partial: whether `rope.dimension_count` may be a part of a head.
      factors: whether a table of rotary factors may be that of Llama 3.1's scaling.
      nested: whether local layers have a rotary base of their own.
      reads: what `more` reads of the keys of REFUSED, and FACTORS.
      lists: keys that may have a value for each layer; `more` reads them.
      more: further fields of config.json, from a reader of keys and the fields so far.
      other: a key, and the architecture that a file is of where it has that key.
    """

    family: str
    names: Names | Callable[[Container[str]], Names]
    epsilon: str = RMS
    interleaved: bool = False
    rotary: bool = True
    window: Callable[['Reader'], int] | None = None
    partial: bool = False
    factors: bool = False
    nested: bool = False
    reads: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    more: Callable[['Reader', dict[str, Any]], dict[str, Any]] = lambda get, raw: {}
    other: tuple[str, 'Architecture'] | None = None


class Reader:
    """Reads keys of one architecture.

    Attributes:
      file: the GGUF file.
      architecture: its general.architecture.
      kind: the entry of the table that the file is read by.

    Raises:
      ValueError: for an architecture that is not in the table.
    """

    def __init__(self, file: GgufFile, architectures: Mapping[str, Architecture]):
        self.file = file
        name = file.metadata.get('general.architecture')
        if not isinstance(name, str) or name not in architectures:
            raise InputError(
                f'general.architecture = {name!r} is not supported; supported:'
                f' {", ".join(map(repr, architectures))}'
            )
        self.architecture, self.kind = name, architectures[name]
        if self.kind.other and file.metadata.get(f'{name}.{self.kind.other[0]}'):
            self.kind = self.kind.other[1]

    def __call__(self, key: str, default: Any = None) -> Any:
        """The value, or the default; a float as the shortest decimal that the file's 32 bits are.

        Raises:
          ValueError: for a list, as of heads that are not as many in all layers.
        """
        name = f'{self.architecture}.{key}'
        value = self.file.metadata.get(name)
        if isinstance(value, list) and value and key in self.kind.lists:
            value = value[0]
        if isinstance(value, list):
            raise InputError(f'{name} = {value} is not supported; supported: one for all layers')
        if isinstance(value, float):
            value = float(str(np.float32(value)))
        return default if value is None else value

    def each(self, key: str, layers: int) -> list[Any]:
        """The value of each layer, where it may be given once for all of them.

        Raises:
          ValueError: for a list of another length, or where the file has none.
        """
        value = self.file.metadata.get(f'{self.architecture}.{key}')
        if not isinstance(value, list):
            return [self.need(key)] * layers
        if len(value) != layers:
            raise InputError(
                f'{self.architecture}.{key} has {len(value)} values; expected one for each of'
                f' {layers} layers'
            )
        return value

    def need(self, key: str) -> Any:
        """The value.

        Raises:
          ValueError: where the file has none.
        """
        value = self(key)
        if value is None:
            raise InputError(f'the metadata has no {f"{self.architecture}.{key}"!r}')
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        """The value, a whole number above 0.

        Raises:
          ValueError: for another, or where the file has none and there is no default.
        """
        value = self.need(key) if default is None else self(key, default)
        if type(value) is not int or value < 1:
            raise InputError(
                f'{self.architecture}.{key} = {value!r}; expected a whole number above 0'
            )
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
                f'{self.architecture}.{key} = {value!r} is not supported; supported:'
                f' {listed or None}'
            )


def rope_fields(get: Reader, head_dim: int) -> dict[str, Any]:
    """The base and `rope_scaling`."""
    theta = float(get('rope.freq_base', 10_000.0))
    if not get.kind.partial:
        get.require('rope.dimension_count', (head_dim, None))
    if not get.kind.nested:
        get.require('rope.freq_base_swa', (theta, None))
    get.require('rope.scaling.type', ('none', 'linear', 'yarn', None))
    kind = get('rope.scaling.type')
    factor = get('rope.scaling.factor', get('rope.scale_linear', 0.0))  # llama.cpp's older key
    scaled = kind != 'none' and factor not in (0.0, 1.0)
    scaling: dict[str, Any] = {'rope_type': 'default'}  # in place of the family's own default
    if scaled and kind == 'yarn':
        scaling = _yarn(get, factor)
    elif scaled:
        scaling = {'rope_type': 'linear', 'factor': factor}
    if FACTORS in get.file.shapes and FACTORS not in get.kind.reads:
        if not get.kind.factors or scaled:
            raise InputError(f'tensor {FACTORS!r} is not supported in such a file')
        rope = rope_of_factors(read_factors(get.file, head_dim), theta)
        scaling = scaling if rope.kind == 'default' else _llama3(rope)
    return {FAMILIES[get.kind.family].theta_name: theta, 'rope_scaling': scaling}


def read_factors(file: GgufFile, head_dim: int) -> np.ndarray:
    """The table of rotary factors, float64 [head_dim / 2].

    Raises:
      ValueError: for one of another shape.
    """
    if file.shapes[FACTORS] != (head_dim // 2,):
        raise InputError(
            f'tensor {FACTORS!r} has shape {file.shapes[FACTORS]},'
            f' expected {(head_dim // 2,)} by its metadata'
        )
    return file.read(FACTORS, (slice(None),)).astype(np.float64)


def _yarn(get: Reader, factor: float) -> dict[str, Any]:
    # llama.cpp takes `mscale` to be 1 where the file has a multiplier.
    multiplier = get('rope.scaling.yarn_log_multiplier', 0.0)
    found = {
        'rope_type': 'yarn',
        'factor': factor,
        'original_max_position_embeddings': get(
            'rope.scaling.original_context_length', get.need('context_length')
        ),
        'beta_fast': get('rope.scaling.yarn_beta_fast', 32.0),
        'beta_slow': get('rope.scaling.yarn_beta_slow', 1.0),
        'attention_factor': get('rope.scaling.yarn_attn_factor'),
    }
    return found | ({'mscale': 1.0, 'mscale_all_dim': multiplier} if multiplier else {})


def _llama3(rope: Rope) -> dict[str, Any]:
    return {
        'rope_type': rope.kind,
        'factor': rope.factor,
        'low_freq_factor': rope.low_freq_factor,
        'high_freq_factor': rope.high_freq_factor,
        'original_max_position_embeddings': rope.original_positions,
    }


def window_fields(get: Reader, num_layers: int) -> dict[str, Any]:
    """sliding_window and layer_types; the last layer of each repeat of a pattern is whole."""
    if get.kind.window is None:
        get.require(WINDOW, (0, None))
        return {}
    window = get.kind.window(get) or None
    every: Any = FAMILIES[get.kind.family].local_every
    if not every:
        return {'sliding_window': window}
    if isinstance(get.file.metadata.get(f'{get.architecture}.{PATTERN}'), list):
        local = [bool(value) for value in get.each(PATTERN, num_layers)]
    else:
        every = get(PATTERN, every)
        local = [not every or i % every < every - 1 for i in range(num_layers)]
    types = [LOCAL if each and window else WHOLE for each in local]
    return {'sliding_window': window, 'layer_types': types}


def rotated_part(get: Reader, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a head that rotates, under the family's name of it."""
    heads = raw['num_attention_heads']
    whole = raw.get('head_dim') or raw['hidden_size'] // heads
    rotated = get('rope.dimension_count', whole)
    part = rotated / whole
    if int(whole * part) < rotated:  # as it is read, rounded down
        part = math.nextafter(part, 1.0)
    return {FAMILIES[get.kind.family].rotated_name: part}
