"""The functions of a block: norm, rotary positions, linear maps, SwiGLU.

Weights come as plain dicts of one layer's arrays. A weight sharded over `fsdp` is gathered where
it is used (so a layer at a time), one sharded over `tensor` stays split.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import RULES

Weights = Mapping[str, Any]

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
    """einsum that accumulates in float32, and in float32 uses the full precision of the machine."""
    exact = jax.lax.Precision.HIGHEST if x.dtype == jnp.float32 else None
    out = jnp.einsum(
        equation,
        x,
        kernel,
        precision=exact,
        preferred_element_type=jnp.float32,
        out_sharding=out_sharding,
    )
    return out.astype(dtype or x.dtype)


def project(name: str, weights: Weights, x: jax.Array) -> jax.Array:
    """The linear map `name` of PROJECTIONS, with its adapter where it has one (see `lora`)."""
    equation, gathered, out_sharding = PROJECTIONS[name]
    kernel = jax.reshard(weights[name]['kernel'], gathered).astype(x.dtype)
    out = product(equation, x, kernel, out_sharding=out_sharding)
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


def rms_norm(x_BTD: jax.Array, scale_D: jax.Array, eps: float) -> jax.Array:
    """x / sqrt(mean(x^2) + eps) * scale (Zhang and Sennrich 2019), computed in float32."""
    x32 = x_BTD.astype(jnp.float32)
    x32 *= jax.lax.rsqrt(jnp.mean(x32 * x32, -1, keepdims=True) + eps)
    return x32.astype(x_BTD.dtype) * scale_D.astype(x_BTD.dtype)


def rope_table(positions_BT: jax.Array, head_dim: int, theta: float) -> tuple[jax.Array, jax.Array]:
    """Sines and cosines, float32 [B, T, 1, H / 2], of rotary positions (Su et al. 2021)."""
    # In float64, so that far positions do not amplify the rounding of the power.
    inverse = theta ** -(np.arange(0, head_dim, 2) / head_dim)
    angles = positions_BT.astype(jnp.float32)[:, :, None, None] * inverse.astype(np.float32)
    return jnp.sin(angles), jnp.cos(angles)


def rotate(x_BTNH: jax.Array, sin: jax.Array, cos: jax.Array) -> jax.Array:
    """Rotates the two halves of each head (the layout of Hugging Face's checkpoints)."""
    a, b = jnp.split(x_BTNH.astype(jnp.float32), 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1).astype(x_BTNH.dtype)


def feed_forward(weights: Weights, x_BTD: jax.Array) -> jax.Array:
    """SwiGLU (Shazeer 2020): down(silu(gate(x)) * up(x)). Returns [B, T, D]."""
    gate = jax.nn.silu(project('gate', weights, x_BTD))
    return project('down', weights, gate * project('up', weights, x_BTD))
