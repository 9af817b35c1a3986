"""Row sizes that nobody set: from the device, its memory and the model.

The planner shortens rows and batches where there is less to score, so these are the sizes of a
long run. Measured on an H200 with a Llama-3-8B shape, dispatches of about 16,384 positions: 288
questions/s in rows of 512, 276 in rows of 1,024, 260 in rows of 2,048. On a CPU, rows of 256 tokens
one at a time were the fastest: attention grows with a row, and nothing is gained by more.
"""

import dataclasses
import math
import os
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from xlbarrier.config.score import COMPILED_ROW, ScoreConfig
from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.scoring.layout import Sizes
from xlbarrier.scoring.plan import Plan
from xlbarrier.scoring.prefixes import column_bytes

# Positions of a row, rows of a dispatch on each device, columns of prefixes kept at most.
DEFAULTS = {
    'cpu': (256, 1, 8_192),
    'gpu': (COMPILED_ROW['gpu'], 32, 32_768),
    'tpu': (COMPILED_ROW['tpu'], 8, 16_384),
}
# Texts that a device writes at once: a step reads all weights, however few they are.
WRITTEN = {'cpu': 8, 'gpu': 64, 'tpu': 32}
# Attention takes this many times the time that its FLOPs would take at the rate of the products.
SLOWER = 3.0
# FLOP/s of dense products (bfloat16; a core's float32 on a CPU), for a first estimate of time.
RATES = {
    'H200': 7.5e14, 'H100': 7e14, 'A100': 2.5e14, 'L4': 1e14, 'v5 lite': 1.9e14, 'v5e': 1.9e14,
    'v5p': 4.6e14, 'v5': 4.6e14, 'v6': 9e14, 'v4': 2.7e14, 'cpu': 6e10,
}  # fmt: skip
USED = 0.5  # of that rate
GIB = 1 << 30


@dataclass(frozen=True)
class Chosen:
    """Sizes for the planner.

    Attributes:
      sizes: of rows and of the cache of prefixes.
      rows_per_device: most rows of a dispatch on each device.
      seconds: estimate for one position that attends to nothing, on all devices.
      free_bytes: of a device beside the weights; 0: not known.
    """

    sizes: Sizes
    rows_per_device: int
    seconds: float
    free_bytes: int


def choose(
    decoder: Decoder, mesh: jax.sharding.Mesh, *, row_tokens: int = 0, rows_per_device: int = 0
) -> Chosen:
    """Sizes for a model on a mesh; what is not 0 is kept.

    They depend on the model, the kind of device and its whole memory, not on what is free now, so
    that a continued run plans as the first start did.
    """
    c, dtype = decoder.config, decoder.compute_dtype
    device = mesh.devices.flat[0]
    tokens, rows, columns = DEFAULTS[platform_of(device)]
    shares = mesh.shape['fsdp'] * mesh.shape['tensor']
    weights = _bytes(nnx.state(decoder, nnx.Param)) // shares
    free = max(device_bytes(device) - weights, 0)
    if free:
        columns = min(columns, free // 8 // column_bytes(c, dtype) * mesh.shape['tensor'])
        fitting = free // 4 // activation_bytes(c, dtype, mesh.shape['tensor'])
        while rows > 1 and tokens * rows > fitting:
            rows //= 2
        while tokens > 128 and tokens * rows > fitting:
            tokens //= 2
    if row_tokens and not rows_per_device:
        rows_per_device = max(1, tokens * rows // row_tokens)
    if c.positions == 'rope' and c.rope.kind == 'dynamic':
        columns = 0  # the angles of a token depend on the length of its row
    # Attention's FLOPs for one more key over the products' of one position.
    column = 4 * c.num_layers * c.num_heads * c.head_dim
    body = 2 * body_parameters(c)
    sizes = Sizes(row_tokens or tokens, SLOWER * column / body, columns)
    return Chosen(sizes, rows_per_device or rows, seconds_per_position(c, mesh), free)


def seconds_per_position(c: DecoderConfig, mesh: jax.sharding.Mesh) -> float:
    """An estimate for one position that attends to nothing, on all devices of a mesh."""
    rate = _rate(mesh.devices.flat[0]) * len(mesh.devices.flat) * USED
    return 2 * body_parameters(c) / rate


def of_platform(score: ScoreConfig, platform: str) -> ScoreConfig:
    """The fields as they are on devices with enough memory, for a step that is compiled ahead.

    Args:
      score: of the run.
      platform: 'cpu', 'gpu' or 'tpu'.
    """
    tokens, rows, _ = DEFAULTS[platform]
    row_tokens = score.row_tokens or tokens
    fitting = max(1, tokens * rows // row_tokens)
    return dataclasses.replace(
        score, row_tokens=row_tokens, rows_per_device=score.rows_per_device or fitting
    )


def of_writing(device: jax.Device) -> int:
    """Texts that a device writes at once."""
    return WRITTEN[platform_of(device)]


def of_embedding(device: jax.Device, length: int) -> int:
    """Rows of `length` tokens that a device embeds at once."""
    tokens, rows, _ = DEFAULTS[platform_of(device)]
    return max(1, tokens * rows // max(length, tokens))


def estimate(planned: Plan, chosen: Chosen) -> float:
    """Seconds that a plan takes, from the kind of device; compiling not counted."""
    cost = chosen.sizes.column_cost
    positions = sum(
        batch.positions * (1 + cost * (batch.shape.columns + batch.shape.length))
        for batch in planned.batches
    )
    return positions * chosen.seconds


def body_parameters(c: DecoderConfig) -> int:
    """Weights that every position is multiplied by: all but the tables of tokens."""
    attention = c.d_model * c.head_dim * (2 * c.num_heads + 2 * c.num_kv_heads)
    feed_forward = (3 if c.gated else 2) * c.d_model * c.d_ff
    return c.num_layers * (attention + feed_forward)


def parameters(c: DecoderConfig) -> int:
    """All weights but those of norms and biases."""
    return body_parameters(c) + (1 if c.tied else 2) * c.vocab_size * c.d_model


def activation_bytes(c: DecoderConfig, dtype: str, tensor: int) -> int:
    """Bytes of one position in a step, generously: a layer's states and masks, and its logits."""
    size = jnp.dtype(dtype).itemsize
    wide = (3 * c.d_ff + 4 * c.num_heads * c.head_dim) // tensor
    return size * (6 * c.d_model + wide) + 4 * c.d_model + 16_384


def check_fits(c: DecoderConfig, param_dtype: str, mesh: jax.sharding.Mesh) -> None:
    """Refuses a model whose weights a device cannot take, before anything is loaded.

    Raises:
      ValueError: says what the weights need, what a device has, and what would fit.
    """
    device = mesh.devices.flat[0]
    limit, shares = device_bytes(device), mesh.shape['fsdp'] * mesh.shape['tensor']
    count = parameters(c)
    needed = count * jnp.dtype(param_dtype).itemsize // shares
    if platform_of(device) == 'cpu':  # all of a process's fake devices have one memory
        needed *= min(shares, len(jax.local_devices()))
    if not limit or needed <= 0.95 * limit:
        return
    fitting = []
    if param_dtype != 'bfloat16' and needed // 2 <= 0.9 * limit:
        fitting.append(f'config.model.param_dtype=bfloat16 ({needed / 2 / GIB:.1f} GiB)')
    more = math.ceil(needed * shares / (0.8 * limit))
    fitting.append(f'config.mesh.fsdp={1 << (more - 1).bit_length()} on as many devices')
    raise InputError(
        f'the weights ({count / 1e9:.2f} B in {param_dtype}) take {needed / GIB:.1f} GiB on each'
        f' {device.device_kind}, which has {limit / GIB:.1f} GiB: use {", or ".join(fitting)}, or a'
        ' smaller model'
    )


def device_bytes(device: jax.Device) -> int:
    """Memory of a device that programs may use; 0: not known."""
    if platform_of(device) == 'cpu':
        try:
            return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
        except (AttributeError, ValueError, OSError):
            return 0
    stats = device.memory_stats() or {}
    return int(stats.get('bytes_limit', 0))


def platform_of(device: jax.Device) -> str:
    """'cpu', 'gpu' or 'tpu'; a kind that is not known counts as a GPU."""
    return device.platform if device.platform in DEFAULTS else 'gpu'


def _rate(device: jax.Device) -> float:
    if platform_of(device) == 'cpu':
        return RATES['cpu'] * (os.cpu_count() or 1) / max(1, len(jax.local_devices()))
    kind = device.device_kind
    return next((rate for name, rate in RATES.items() if name in kind), 2e14)


def _bytes(state: nnx.State) -> int:
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(state))
