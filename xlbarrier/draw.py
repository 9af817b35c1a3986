"""Counter-based draws: a number depends on what it is for, never on what was drawn before it."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar('Item')

# Philox4x64-10: multipliers and Weyl constants of the key (Salmon et al. 2011, tables 2 and 5).
_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def words(seed: int, name: str, unit: int, count: int) -> np.ndarray:
    """`count` random uint64 words for the place `unit` of the thing called `name`.

    Philox4x64-10 (Salmon et al. 2011) keyed by SHA-256 of (seed, name), its counter starting at
    (0, 0, 0, unit): raw words, whose stream numpy holds fixed over versions and machines.
    """
    counter = np.array([0, 0, 0, unit], np.uint64)
    return np.random.Philox(key=_key(seed, name), counter=counter).random_raw(count)


def uniform(seed: int, name: str, unit: int) -> float:
    """A float64 in [0, 1): the upper 53 bits of one word."""
    return float(words(seed, name, unit, 1)[0] >> np.uint64(11)) * 2.0**-53


def uniforms(seed: int, name: str, units: int) -> np.ndarray:
    """float64 [units]: `uniform` of the places 0 to units - 1, all at once."""
    key = _key(seed, name)
    zero = np.zeros(units, np.uint64)
    # numpy counts before it draws: the first block is that of (1, 0, 0, unit).
    c0, c1, c2, c3 = zero + np.uint64(1), zero, zero, np.arange(units, dtype=np.uint64)
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        high0, low0 = _product(_M0, c0)
        high1, low1 = _product(_M1, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint64(k0), low1, high0 ^ c3 ^ np.uint64(k1), low0
        k0, k1 = (k0 + _W0) % 2**64, (k1 + _W1) % 2**64
    return (c0 >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(seed: int, name: str, unit: int, limit: int) -> int:
    """An integer in [0, limit)."""
    return int(uniform(seed, name, unit) * limit)


def shuffled(items: Sequence[Item], seed: int, name: str) -> list[Item]:
    """The items in a drawn order (sorted by one word each)."""
    keys = words(seed, name, 0, len(items)).tolist() if items else []
    return [items[i] for _, i in sorted(zip(keys, range(len(items)), strict=True))]


def _key(seed: int, name: str) -> np.ndarray:
    digest = hashlib.sha256(f'{seed}\0{name}'.encode()).digest()
    return np.frombuffer(digest[:16], '<u8').astype(np.uint64)


def _product(a: np.uint64, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower 64 bits of the products, by halves."""
    a_low, a_high, b_low, b_high = a & _LOW, a >> _HALF, b & _LOW, b >> _HALF
    low, middle, other = a_low * b_low, a_high * b_low, a_low * b_high
    carry = (low >> _HALF) + (middle & _LOW) + (other & _LOW)
    high = a_high * b_high + (middle >> _HALF) + (other >> _HALF) + (carry >> _HALF)
    return high, a * b
