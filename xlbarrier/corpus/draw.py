"""Counter-based draws: a number depends on what it is for, never on what was drawn before it."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar('Item')


def words(seed: int, name: str, unit: int, count: int) -> np.ndarray:
    """`count` random uint64 words for the place `unit` of the thing called `name`.

    Philox4x64-10 (Salmon et al. 2011) keyed by SHA-256 of (seed, name), its counter starting at
    (0, 0, 0, unit): raw words, whose stream numpy holds fixed over versions and machines.
    """
    digest = hashlib.sha256(f'{seed}\0{name}'.encode()).digest()
    key = np.frombuffer(digest[:16], '<u8').astype(np.uint64)
    counter = np.array([0, 0, 0, unit], np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(count)


def uniform(seed: int, name: str, unit: int) -> float:
    """A float64 in [0, 1): the upper 53 bits of one word."""
    return float(words(seed, name, unit, 1)[0] >> np.uint64(11)) * 2.0**-53


def below(seed: int, name: str, unit: int, limit: int) -> int:
    """An integer in [0, limit)."""
    return int(uniform(seed, name, unit) * limit)


def shuffled(items: Sequence[Item], seed: int, name: str) -> list[Item]:
    """The items in a drawn order (sorted by one word each)."""
    keys = words(seed, name, 0, len(items)).tolist() if items else []
    return [items[i] for _, i in sorted(zip(keys, range(len(items)), strict=True))]
