"""The functions of a block: norms, rotations, linear maps, the feed-forward part.

Weights come as plain dicts of one layer's arrays. A weight sharded over `fsdp` is gathered where
it is used (so one layer at a time), one sharded over `tensor` stays split.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import RULES, platform
from xlbarrier.models.config import DecoderConfig

Weights = Mapping[str, Any]

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    'silu': jax.nn.silu,
    'gelu': functools.partial(jax.nn.gelu, approximate=False),
    'gelu_tanh': functools.partial(jax.nn.gelu, approximate=True),
    'relu': jax.nn.relu,
    'relu2': lambda x: jnp.square(jax.nn.relu(x)),  # So et al. 2021
}

# kernel -> (einsum, layout once gathered over fsdp, layout of the product)
PROJECTIONS = {
    'q': ('BTD,DNH->BTNH', P(None, 'tensor', None), None),
    'k': ('BSD,DKH->BSKH', P(None, 'tensor', None), None),
    'v': ('BSD,DKH->BSKH', P(None, 'tensor', None), None),
    'o': ('BTNH,NHD->BTD', P('tensor', None, None), RULES.hidden_BTD),
    'gate': ('BTD,DF->BTF', P(None, 'tensor'), None),
    'up': ('BTD,DF->BTF', P(None, 'tensor'), None),
    'down': ('BTF,FD->BTD', P('tensor', None), RULES.hidden_BTD),
}


class Adapter(NamedTuple):
    """The einsums of a low-rank adapter: down to its rank R, up to the map's outputs."""

    inputs: str  # the kernel's dimensions that are summed over
    down: str
    up: str


ADAPTERS = {
    'q': Adapter('D', 'BTD,DR->BTR', 'BTR,RNH->BTNH'),
    'k': Adapter('D', 'BSD,DR->BSR', 'BSR,RKH->BSKH'),
    'v': Adapter('D', 'BSD,DR->BSR', 'BSR,RKH->BSKH'),
    'o': Adapter('NH', 'BTNH,NHR->BTR', 'BTR,RD->BTD'),
    'gate': Adapter('D', 'BTD,DR->BTR', 'BTR,RF->BTF'),
    'up': Adapter('D', 'BTD,DR->BTR', 'BTR,RF->BTF'),
    'down': Adapter('F', 'BTF,FR->BTR', 'BTR,RD->BTD'),
}


def product(
    equation: str, x: jax.Array, kernel: jax.Array, dtype: Any = None, out_sharding: Any = None
) -> jax.Array:
    """einsum that accumulates in float32, and in float32 uses the full precision of the machine.

    Its backward products have operands of the same dtype: by jax's own rule a float32 result of
    bfloat16 operands makes them products of float32 arrays, at half the speed or less on an
    accelerator.
    """
    dtype = dtype or x.dtype
    if platform() == 'cpu':  # float32 products are the fast ones there
        return _wide_on_cpu(equation, out_sharding, x, kernel).astype(dtype)
    if x.dtype == jnp.float32:
        return _wide(equation, x, kernel, out_sharding).astype(dtype)
    if dtype == x.dtype:
        return jnp.einsum(equation, x, kernel, out_sharding=out_sharding)
    return _wide_narrow_back(equation, out_sharding, x, kernel).astype(dtype)


def _wide(equation: str, x: jax.Array, kernel: jax.Array, out_sharding: Any) -> jax.Array:
    return jnp.einsum(
        equation,
        x,
        kernel,
        precision=_precision(x),
        preferred_element_type=jnp.float32,
        out_sharding=out_sharding,
    )


def _precision(x: jax.Array) -> jax.lax.Precision | None:
    return jax.lax.Precision.HIGHEST if x.dtype == jnp.float32 else None


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _wide_narrow_back(
    equation: str, out_sharding: Any, x: jax.Array, kernel: jax.Array
) -> jax.Array:
    """A float32 product whose gradient is rounded to the operands' dtype before it goes back."""
    return _wide(equation, x, kernel, out_sharding)


def _wide_forward(
    equation: str, out_sharding: Any, x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _wide(equation, x, kernel, out_sharding), (x, kernel)


def _wide_backward(
    equation: str, out_sharding: Any, kept: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    _, back = jax.vjp(lambda x, w: jnp.einsum(equation, x, w, out_sharding=out_sharding), *kept)
    return back(grad.astype(kept[0].dtype))


_wide_narrow_back.defvjp(_wide_forward, _wide_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _wide_on_cpu(equation: str, out_sharding: Any, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A float32 product whose backward products are laid out for XLA's matrix library on CPUs.

    By jax's own rule the kernel's gradient is the transpose of a product; XLA then computes its
    operands anew, transposed, and calls a slower product (benchmarks/training.py).
    """
    return _wide(equation, x, kernel, out_sharding)


def _on_cpu_backward(
    equation: str, _: Any, kept: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    of_x, rest = equation.split(',')
    of_kernel, out = rest.split('->')
    exact = _precision(x)
    grad = jax.lax.optimization_barrier(grad)  # in memory once, for both products
    to_x = jnp.einsum(
        f'{out},{of_kernel}->{of_x}', grad, kernel, precision=exact, out_sharding=_layout(x)
    )
    to_kernel = jnp.einsum(
        f'{of_x},{out}->{of_kernel}', x, grad, precision=exact, out_sharding=_layout(kernel)
    )
    return to_x.astype(x.dtype), to_kernel.astype(kernel.dtype)


_wide_on_cpu.defvjp(_wide_forward, _on_cpu_backward)


def _layout(x: jax.Array) -> P | None:
    """How an array is laid out on the mesh that is set; None where none is."""
    sharding = jax.typeof(x).sharding
    return None if sharding.mesh.empty else sharding.spec


def project(name: str, weights: Weights, x: jax.Array) -> jax.Array:
    """The linear map `name` of PROJECTIONS, with bias and adapter (`lora`) where it has them."""
    equation, gathered, out_sharding = PROJECTIONS[name]
    kernel = jax.reshard(weights[name]['kernel'], gathered).astype(x.dtype)
    out = product(equation, x, kernel, out_sharding=out_sharding)
    if 'bias' in weights[name]:
        out += weights[name]['bias'].astype(x.dtype)
    return out + adapt(name, weights[name], x) if 'lora_a' in weights[name] else out


def adapt(name: str, weights: Weights, x: jax.Array) -> jax.Array:
    """scale * B A dropout(x) (LoRA, Hu et al. 2021) of the map `name`."""
    _, gathered, out_sharding = PROJECTIONS[name]
    adapter = ADAPTERS[name]
    inputs = len(adapter.inputs)
    if 'lora_noise' in weights:
        key, keep = jax.random.wrap_key_data(weights['lora_noise']), weights['lora_keep']
        kept = jax.random.bernoulli(key, keep, x.shape, out_sharding=jax.typeof(x).sharding.spec)
        x = jnp.where(kept, x / keep.astype(x.dtype), 0)
    a = jax.reshard(weights['lora_a'], P(*gathered[:inputs], None)).astype(x.dtype)
    b = jax.reshard(weights['lora_b'], P(None, *gathered[inputs:])).astype(x.dtype)
    low = product(adapter.down, x, a, out_sharding=RULES.hidden_BTD)
    out = product(adapter.up, low, b, out_sharding=out_sharding)
    return out * weights['lora_scale'].astype(x.dtype)


def norm(
    x: jax.Array, weights: Weights, c: DecoderConfig, axes: int = 1, filled: jax.Array | None = None
) -> jax.Array:
    """The config's norm of the last axis, or the last two, computed in float32.

    'rms': x / sqrt(mean(x^2) + eps) * w (Zhang and Sennrich 2019); 'rms_one': the same by 1 + w
    (Gemma); 'layer': (x - mean) / sqrt(var + eps) * w + b (Ba et al. 2016), b where there is one;
    'layer_one': the same by 1 + w (Nemotron). `filled` is the part of the channels that the mean
    is of, where the others are zero (float32, 'rms' alone).
    """
    x32, scale = x.astype(jnp.float32), weights['scale']
    over = tuple(range(-axes, 0))
    if c.norm.startswith('layer'):
        x32 -= jnp.mean(x32, over, keepdims=True)
    square = jnp.mean(x32 * x32, over, keepdims=True)
    x32 *= jax.lax.rsqrt((square if filled is None else square / filled) + c.norm_eps)
    if c.norm == 'rms':
        return x32.astype(x.dtype) * scale.astype(x.dtype)
    x32 *= scale.astype(jnp.float32) + (1 if c.norm.endswith('_one') else 0)
    if 'bias' in weights:
        x32 += weights['bias'].astype(jnp.float32)
    return x32.astype(x.dtype)


def rotate(x_BTNH: jax.Array, sin: jax.Array, cos: jax.Array) -> jax.Array:
    """Rotates the two halves of each head's first channels, as many as the table has angles for."""
    rotary = 2 * sin.shape[-1]
    x32, rest = x_BTNH[..., :rotary].astype(jnp.float32), x_BTNH[..., rotary:]
    a, b = jnp.split(x32, 2, axis=-1)
    turned = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1).astype(x_BTNH.dtype)
    return jnp.concatenate([turned, rest], -1) if rest.shape[-1] else turned


def soft_cap(x: jax.Array, cap: float) -> jax.Array:
    """cap * tanh(x / cap) (Gemma 2); x itself where cap is 0."""
    return cap * jnp.tanh(x / cap) if cap else x


def xielu(x: jax.Array, slopes: Weights) -> jax.Array:
    """xIELU (Huang and Schlag 2024, arXiv 2411.13010) with beta = 0.5 and eps = -1e-6.

    a_p x^2 + x / 2 for positive x, a_n (exp(min(x, eps)) - 1 - x) + x / 2 for others; a_p is
    softplus(alpha_p), a_n is 1 / 2 + softplus(alpha_n).
    """
    x32 = x.astype(jnp.float32)
    a_p = jax.nn.softplus(slopes['alpha_p'].astype(jnp.float32))
    a_n = 0.5 + jax.nn.softplus(slopes['alpha_n'].astype(jnp.float32))
    above = a_p * x32 * x32
    below = a_n * (jnp.expm1(jnp.minimum(x32, -1e-6)) - x32)
    return (jnp.where(x32 > 0, above, below) + 0.5 * x32).astype(x.dtype)


def feed_forward(weights: Weights, x_BTD: jax.Array, c: DecoderConfig) -> jax.Array:
    """down(act(gate(x)) * up(x)) (Shazeer 2020), or down(act(up(x))). Returns [B, T, D]."""
    if c.activation == 'xielu':
        return project('down', weights, xielu(project('up', weights, x_BTD), weights['act']))
    act = ACTIVATIONS[c.activation]
    if not c.gated:
        return project('down', weights, act(project('up', weights, x_BTD)))
    gate = act(project('gate', weights, x_BTD))
    return project('down', weights, gate * project('up', weights, x_BTD))
