"""Tables of positions: rotary, ALiBi, sinusoidal.

Positions count from the start of a token's own text, so packed documents and tries need nothing
special; a window is a difference of positions.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from xlbarrier.models.config import Rope


def rope_table(positions_BT: jax.Array, rope: Rope, rotary_dim: int) -> tuple[jax.Array, jax.Array]:
    """Sines and cosines, float32 [B, T, 1, rotary_dim / 2], of rotary positions.

    Su et al. 2021 (arXiv 2104.09864); scaling as in transformers' modeling_rope_utils. For
    'dynamic' and 'longrope' the length of a text is that of the longest text of its row.
    """
    angles = positions_BT.astype(jnp.float32)[:, :, None, None] * jnp.float32(1)
    if rope.kind == 'dynamic':
        angles = angles * _dynamic(positions_BT, rope, rotary_dim)
    elif rope.kind == 'longrope':
        angles = angles * _longrope(positions_BT, rope, rotary_dim)
    else:
        angles = angles * inverse_frequencies(rope, rotary_dim).astype(np.float32)
    if rope.attention_factor == 1.0:
        return jnp.sin(angles), jnp.cos(angles)
    factor = jnp.float32(rope.attention_factor)
    return jnp.sin(angles) * factor, jnp.cos(angles) * factor


def inverse_frequencies(rope: Rope, rotary_dim: int) -> np.ndarray:
    """float64 [rotary_dim / 2]: radians a position, as in texts within `original_positions`."""
    if rope.theta == 0:
        return np.zeros(rotary_dim // 2)
    # In float64, so that far positions do not amplify the rounding of the power.
    inverse = rope.theta ** -(np.arange(0, rotary_dim, 2) / rotary_dim)
    if rope.kind == 'linear':
        return inverse / rope.factor
    if rope.kind == 'proportional':
        turning = np.arange(rotary_dim // 2) < int(rope.share * rotary_dim // 2)
        return np.where(turning, inverse / rope.factor, 0.0)
    if rope.kind == 'longrope':
        return inverse / np.array(rope.short_factors)
    if rope.kind == 'yarn':
        kept = _yarn_kept(rope, rotary_dim)
        return (1 - kept) * inverse / rope.factor + kept * inverse
    if rope.kind != 'llama3':
        return inverse
    wavelength = 2 * math.pi / inverse
    low, high = rope.low_freq_factor, rope.high_freq_factor
    smooth = np.clip((rope.original_positions / wavelength - low) / (high - low), 0, 1)
    return (1 - smooth) * inverse / rope.factor + smooth * inverse


def _yarn_kept(rope: Rope, rotary_dim: int) -> np.ndarray:
    """float64 [rotary_dim / 2]: how much of each frequency stays (Peng et al. 2023, 3.2)."""

    def channel(rotations: float) -> float:
        """The channel that rotates so often over the positions of the first training."""
        length = rope.original_positions / (rotations * 2 * math.pi)
        return rotary_dim * math.log(length) / (2 * math.log(rope.theta))

    low, high = channel(rope.beta_fast), channel(rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, rotary_dim - 1)
    high += 0.001 if low == high else 0  # as in the released code
    return 1 - np.clip((np.arange(rotary_dim // 2) - low) / (high - low), 0, 1)


def _longrope(positions_BT: jax.Array, rope: Rope, rotary_dim: int) -> jax.Array:
    """float32 [B, 1, 1, rotary_dim / 2]: rows longer than trained on have divisors of their own."""
    plain = inverse_frequencies(Rope(rope.theta), rotary_dim)
    short, long = (
        (plain / np.array(factors)).astype(np.float32)
        for factors in (rope.short_factors, rope.long_factors)
    )
    is_long_B = jnp.max(positions_BT, axis=1) + 1 > rope.original_positions
    return jnp.where(is_long_B[:, None, None, None], long, short)


def _dynamic(positions_BT: jax.Array, rope: Rope, rotary_dim: int) -> jax.Array:
    """float32 [B, 1, 1, rotary_dim / 2]: frequencies of rows that may be longer than trained on."""
    length_B = jnp.max(positions_BT, axis=1).astype(jnp.float32) + 1
    long_B = jnp.maximum(length_B, rope.original_positions)
    growth_B = rope.factor * long_B / rope.original_positions - (rope.factor - 1)
    base_B = rope.theta * growth_B ** (rotary_dim / (rotary_dim - 2))
    exponent = (np.arange(0, rotary_dim, 2) / rotary_dim).astype(np.float32)
    inverse = jnp.exp(-jnp.log(base_B)[:, None, None, None] * exponent)
    # Rows within the length of the training keep the exact table.
    plain = inverse_frequencies(rope, rotary_dim).astype(np.float32)
    return jnp.where((length_B > rope.original_positions)[:, None, None, None], inverse, plain)


def alibi_slopes(heads: int) -> np.ndarray:
    """float32 [N]: ALiBi's slopes (Press et al. 2022, arXiv 2108.12409, and its released code)."""

    def powers(n: int) -> list[float]:
        start = 2.0 ** -(2.0 ** -(math.log2(n) - 3))
        return [start ** (i + 1) for i in range(n)]

    closest = 2 ** math.floor(math.log2(heads))
    slopes = powers(closest)
    if closest < heads:  # every other slope of twice as many heads
        slopes += powers(2 * closest)[0::2][: heads - closest]
    return np.array(slopes, np.float32)


def sinusoids(positions_BT: jax.Array, d_model: int) -> jax.Array:
    """XGLM's positions, float32 [B, T, D]: sines, then cosines (tensor2tensor), from row 2."""
    half = d_model // 2
    inverse = np.exp(np.arange(half) * -(math.log(10_000) / (half - 1))).astype(np.float32)
    angles = (positions_BT.astype(jnp.float32) + 2)[:, :, None] * inverse
    table = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)
    return jnp.pad(table, ((0, 0), (0, 0), (0, d_model % 2)))
