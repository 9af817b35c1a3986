"""The sign-flip test of whole differences is exact, and ties count."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlbarrier import metrics


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_whole_differences_are_tested_exactly(differences):
    signs = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(row, differences, strict=True))) for row in signs]
    want = np.mean(np.array(sums) >= abs(sum(differences)))
    assert metrics.sign_flip(differences, [0] * len(differences)) == pytest.approx(want, abs=1e-12)


def test_of_right_and_wrong_it_is_mcnemars():
    rng = np.random.default_rng(0)
    for share in (0.3, 0.5, 0.9):
        a, b = rng.random(400) < share, rng.random(400) < 0.5
        assert metrics.sign_flip(a.astype(int), b.astype(int)) == metrics.mcnemar(a, b)


def test_thousands_of_items_and_the_least_p():
    rng = np.random.default_rng(1)
    many = rng.integers(-9, 11, 14_042)
    drawn = metrics.sign_flip(many + 1e-7 * rng.random(many.size), np.zeros(many.size), 4000)
    exact = metrics.sign_flip(many, np.zeros(many.size))
    assert exact == pytest.approx(drawn, abs=0.02)
    assert metrics.sign_flip(np.ones(60), np.zeros(60)) == 2.0**-59
    twos = metrics.sign_flip(np.array([2, 1] * 40), np.zeros(80))
    assert 0 < twos < 1e-12


def test_a_change_of_a_gap_with_ties():
    """Of 160 items a change of a gap takes few values; lost ties made p too small."""
    rng = np.random.default_rng(3)
    a, b, c, d = (rng.random(160) < share for share in (0.75, 0.38, 0.65, 0.32))
    exact = metrics.sign_flip(a.astype(int) - b, c.astype(int) - d)
    change = (a.astype(int) - b) - (c.astype(int) - d)
    signs = 1 - 2 * rng.integers(0, 2, (20_000, 160))
    want = (np.abs(signs @ change) >= abs(change.sum())).mean()
    assert exact == pytest.approx(want, abs=0.015)
