"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685) on the decoder's linear maps.

y = W x + (alpha / rank) B A dropout(x); A starts random, B at zero, so a new adapter changes
nothing. `layers.project` computes the second term where a map has the two arrays.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import PartitionSpec as P

from xlbarrier.errors import InputError
from xlbarrier.mesh import mesh_of, spec_of
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.layers import ADAPTERS
from xlbarrier.models.parts import Kernel

PARTS = ('lora_a', 'lora_b', 'lora_scale', 'lora_noise', 'lora_keep')


class Constant(nnx.Variable):
    """An array of each layer that is neither trained nor stored."""


def add_lora(
    decoder: Decoder, rank: int, alpha: float, targets: Sequence[str], seed: int
) -> Decoder:
    """Puts adapters, float32, on the named maps, in place; loaded weights stay as they are.

    Args:
      decoder: without adapters.
      rank: r; a map [in, out] gets A [in, r] and B [r, out] (a leading layer axis on each).
      alpha: the adapters' output is scaled by alpha / rank.
      targets: names of layers.PROJECTIONS.
      seed: of A, which is uniform in +-1 / sqrt(in), as in PEFT.

    Returns:
      The same decoder.

    Raises:
      ValueError: for a rank below 1, an unknown target, or a target that has an adapter.
    """
    if rank < 1:
        raise InputError(f'LoRA rank is {rank}; expected at least 1')
    check_targets(decoder.config, targets)
    found = _maps(decoder)
    for name in targets:
        if adapted(found[name]):
            raise InputError(f'LoRA target {name!r} has an adapter: merge it first')
    with jax.set_mesh(mesh_of(decoder.embed.embedding[...])):
        for number, name in enumerate(found):  # numbered over all maps: A of one map depends
            if name in targets:  # on the seed alone, not on which others are chosen
                key = jax.random.fold_in(jax.random.key(seed), number)
                _attach(found[name], name, key, rank, alpha)
    return decoder


def check_targets(config: DecoderConfig, targets: Sequence[str]) -> None:
    """Refuses a target that a model of this config does not have; needs no weights.

    Raises:
      ValueError: naming the target, and the possible ones.
    """
    for name in targets:
        if name not in config.adaptable:
            why = ' (adapters of experts are not supported)' if config.experts else ''
            raise InputError(
                f'LoRA target {name!r}: expected some of {", ".join(config.adaptable)}{why}'
            )


def merge_lora(decoder: Decoder) -> Decoder:
    """Adds each adapter to its kernel and takes it off, in place; returns the same decoder."""
    for linear in _maps(decoder).values():
        if not adapted(linear):
            continue
        kernel, a, b = linear.kernel[...], linear.lora_a[...], linear.lora_b[...]
        with jax.set_mesh(mesh_of(kernel)):
            linear.kernel.set_value(_merged(kernel, a, b, linear.lora_scale[...]))
        for part in PARTS:
            if hasattr(linear, part):
                delattr(linear, part)
    return decoder


def set_noise(decoder: Decoder, key: jax.Array, rate: float) -> None:
    """Lets adapters drop inputs in the next forward pass: decided by `key`, layer and map alone."""
    layers = decoder.config.num_layers
    for number, linear in enumerate(_maps(decoder).values()):
        if adapted(linear):
            keys = jax.random.split(jax.random.fold_in(key, number), layers)
            linear.lora_noise = Constant(jax.random.key_data(keys))
            linear.lora_keep = Constant(jnp.full(layers, 1 - rate, jnp.float32))


def adapted(linear: Kernel) -> bool:
    """Whether a linear map has an adapter."""
    return hasattr(linear, 'lora_a')


def attach(linear: Kernel, name: str, a: np.ndarray, b: np.ndarray, scale_L: np.ndarray) -> None:
    """Puts an adapter of given arrays on a linear map that has none.

    Args:
      linear: the map `name` of layers.PROJECTIONS, of all layers.
      a, b: float32 [L, in, r] and [L, r, out], laid out in the map's shards.
      scale_L: of each layer's product (alpha / r).

    Raises:
      ValueError: when the map has an adapter.
    """
    if adapted(linear):
        raise InputError(f'{name} has an adapter: merge it first')
    mesh = mesh_of(linear.kernel[...])
    for part, array, spec in zip(('lora_a', 'lora_b'), (a, b), _specs(linear, name), strict=True):
        sharding = jax.NamedSharding(mesh, spec)
        laid = jax.make_array_from_callback(array.shape, sharding, array.__getitem__)
        with jax.set_mesh(mesh):
            setattr(linear, part, nnx.LoRAParam(laid, out_sharding=spec))
    linear.lora_scale = Constant(_constant(scale_L, mesh))


def _maps(decoder: Decoder) -> dict[str, Kernel]:
    blocks = (decoder.layers.attn, decoder.layers.mlp)
    names = [name for name in ADAPTERS if name in decoder.config.adaptable]
    return {
        name: getattr(block, name) for name in names for block in blocks if hasattr(block, name)
    }


def _attach(linear: Kernel, name: str, key: jax.Array, rank: int, alpha: float) -> None:
    kernel = linear.kernel[...]
    a_spec, b_spec = _specs(linear, name)
    a, b = _initial(key, kernel.shape, len(ADAPTERS[name].inputs), rank, a_spec, b_spec)
    linear.lora_a = nnx.LoRAParam(a, out_sharding=a_spec)
    linear.lora_b = nnx.LoRAParam(b, out_sharding=b_spec)
    linear.lora_scale = Constant(jnp.full(kernel.shape[0], alpha / rank, jnp.float32))


def _specs(linear: Kernel, name: str) -> tuple[P, P]:
    spec, inputs = spec_of(linear.kernel[...]), len(ADAPTERS[name].inputs)
    return P(*spec[: 1 + inputs], None), P(None, None, *spec[1 + inputs :])


def _constant(values_L: np.ndarray, mesh: jax.sharding.Mesh) -> jax.Array:
    array = np.asarray(values_L, np.float32)
    sharding = jax.NamedSharding(mesh, P())
    return jax.make_array_from_callback(array.shape, sharding, array.__getitem__)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 5))
def _initial(
    key: jax.Array, shape: tuple[int, ...], inputs: int, rank: int, a_spec: P, b_spec: P
) -> tuple[jax.Array, jax.Array]:
    layers, into, out = shape[0], shape[1 : 1 + inputs], shape[1 + inputs :]
    bound = 1 / math.sqrt(math.prod(into))
    a_shape = (layers, *into, rank)
    a = jax.random.uniform(key, a_shape, jnp.float32, -bound, bound, out_sharding=a_spec)
    return a, jnp.zeros((layers, rank, *out), jnp.float32, out_sharding=b_spec)


@jax.jit
def _merged(kernel: jax.Array, a: jax.Array, b: jax.Array, scale_L: jax.Array) -> jax.Array:
    flat = 'ijkm'
    inputs, outputs = flat[: a.ndim - 2], flat[a.ndim - 2 : a.ndim + b.ndim - 4]
    equation = f'L{inputs}R,LR{outputs}->L{inputs}{outputs}'
    delta = jnp.einsum(equation, a, b, precision=jax.lax.Precision.HIGHEST)
    delta *= scale_L.reshape(-1, *[1] * (kernel.ndim - 1))
    return (kernel.astype(jnp.float32) + delta).astype(kernel.dtype)
