"""Llama 3.1's rope scaling, found again from the table of factors that a GGUF file has of it."""

import math

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.models.config import Rope
from xlbarrier.models.positions import inverse_frequencies

FACTORS = 'rope_freqs.weight'
TOLERANCE = 1e-5  # of a factor of FACTORS, relative
LOW, HIGH = 1.0, 4.0  # low_freq_factor and high_freq_factor of all Llama 3.x


def rope_of_factors(factors: np.ndarray, theta: float) -> Rope:
    """Llama 3.1's scaling, from what its converter makes of it: a divisor for each frequency.

    Args:
      factors: [H / 2], the file's table.
      theta: base of the frequencies.

    Raises:
      ValueError: where no such scaling has these divisors, up to a relative 1e-5.
    """
    if (factors == 1.0).all():
        return Rope(theta)
    plain = inverse_frequencies(Rope(theta), 2 * len(factors))
    factor = float(str(np.float32(factors.max())))
    lengths = _lengths(factors, factor, 2 * math.pi / plain) if factors.min() >= 1 else []
    for length in lengths:
        rope = Rope(theta, 'llama3', factor, LOW, HIGH, length)
        made = plain / inverse_frequencies(rope, 2 * len(factors))
        if np.allclose(made, factors, rtol=TOLERANCE, atol=0):
            return rope
    raise InputError(
        f'tensor {FACTORS!r} is not the rope scaling of a Llama 3.1 (low_freq_factor {LOW:g},'
        f' high_freq_factor {HIGH:g}), and no other is supported'
    )


def _lengths(factors: np.ndarray, factor: float, wavelengths: np.ndarray) -> list[int]:
    """Lengths of the first training that may have led to these divisors."""
    # 1 / divisor = (1 - s) / factor + s, s = (length / wavelength - LOW) / (HIGH - LOW) in 0..1
    smooth = (1 / factors - 1 / factor) / (1 - 1 / factor)
    between = (smooth > TOLERANCE) & (smooth < 1 - TOLERANCE)
    if between.any():
        each = (smooth * (HIGH - LOW) + LOW) * wavelengths
        return [round(float(np.median(each[between])))]
    # Any length between the whole and the divided frequencies has this table.
    least = max(1.0, HIGH * wavelengths[factors == 1.0].max(initial=0.0))
    return [2 ** math.ceil(math.log2(least)), math.ceil(least)]
