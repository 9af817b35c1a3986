"""Metrics by their properties, against scipy, and on cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables, multitest, proportion

from xlbarrier import metrics
from xlbarrier.metrics import stats as bootstrap

pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def split(items):
    return [a for a, _ in items], [b for _, b in items]


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilson_is_scipys(right, wrong):
    n = right + wrong
    if n == 0:
        assert metrics.wilson(0, 0) is None
        return
    low, high = metrics.wilson(right, n)
    want = stats.binomtest(right, n).proportion_ci(0.95, 'wilson')
    assert (low, high) == pytest.approx((want.low, want.high), abs=1e-12)
    assert (low, high) == pytest.approx(
        proportion.proportion_confint(right, n, method='wilson'), abs=1e-12
    )
    assert 0 <= low <= right / n <= high <= 1
    assert (low == 0) == (right == 0) and (high == 1) == (wrong == 0)


@given(pairs)
def test_mcnemar_is_the_binomial_test_and_symmetric(items):
    a, b = split(items)
    only_a = sum(x and not y for x, y in items)
    only_b = sum(y and not x for x, y in items)
    want = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert metrics.mcnemar(a, b) == pytest.approx(want)
    assert metrics.mcnemar(b, a) == pytest.approx(want)
    theirs = contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=True)
    assert metrics.mcnemar(a, b) == pytest.approx(theirs.pvalue)


def test_mcnemar_by_hand():
    # 1 item only the first has right, 5 only the second: 2 * (C(6,0) + C(6,1)) / 2^6 = 14 / 64.
    a, b = [1, 0, 0, 0, 0, 0, 1, 0], [0, 1, 1, 1, 1, 1, 1, 0]
    assert metrics.mcnemar(a, b) == pytest.approx(14 / 64)


@given(pairs, st.randoms(use_true_random=False))
def test_alignment_bounds_and_order(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    for name in ('barrier_gap', 'en_co', 'kappa', 'transfer'):
        measure = getattr(metrics, name)
        value = measure(*split(items))
        again = measure(*split(shuffled))
        assert (value is None) == (again is None)
        if value is not None:
            assert value == pytest.approx(again)
            assert -1 - 1e-12 <= value <= 1 + 1e-12
    a, b = split(items)
    assert metrics.en_co(a, b) == metrics.en_co(b, a)
    assert metrics.barrier_gap(a, b) == pytest.approx(-metrics.barrier_gap(b, a))


def test_alignment_by_hand():
    a, b = [1, 1, 1, 0, 0], [1, 0, 1, 1, 0]
    assert metrics.barrier_gap(a, b) == 0
    assert metrics.en_co(a, b) == pytest.approx(2 / 4)
    assert metrics.transfer(a, b) == pytest.approx(2 / 3)
    # observed 3/5, expected (3/5)^2 + (2/5)^2 = 13/25: (15 - 13) / (25 - 13).
    assert metrics.kappa(a, b) == pytest.approx(2 / 12)
    assert metrics.en_co([0, 0], [0, 0]) is None
    assert metrics.transfer([0, 0], [1, 0]) is None
    assert metrics.kappa([1, 1], [1, 1]) is None
    assert metrics.barrier_gap([], []) is None
    with pytest.raises(ValueError, match='2 items in the source, 1'):
        metrics.en_co([1, 0], [1])


def test_kappa_shows_that_the_overlap_of_a_constant_answer_is_empty():
    """A model that is right where the answer is A, in any language: high overlap, no skill."""
    a = np.arange(400) % 4 == 0
    b = np.arange(400) // 4 % 4 == 0
    assert metrics.kappa(a, b) == pytest.approx(0, abs=1e-9)
    assert metrics.kappa(a, a) == pytest.approx(1)


def test_relative_accuracy_is_the_papers():
    assert metrics.relative_accuracy(55.0, 25.0, 97.0) == pytest.approx(30 / 72)
    assert metrics.relative_accuracy(20.0, 25.0, 97.0) == 0
    assert metrics.relative_accuracy(20.0, 25.0, 97.0, clip=False) == pytest.approx(-5 / 72)
    with pytest.raises(ValueError, match='not above chance'):
        metrics.relative_accuracy(0.5, 0.5, 0.5)


@given(p_values)
def test_holm_is_monotone_and_bounded(values):
    adjusted = metrics.holm(values)
    order = np.argsort(values, kind='stable')
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= np.asarray(values) - 1e-15).all() and (adjusted <= 1).all()


@settings(max_examples=5, deadline=None)
@given(p_values)
def test_holm_is_that_of_statsmodels(values):
    want = multitest.multipletests(values, method='holm')[1]
    assert metrics.holm(values) == pytest.approx(want)


def test_holm_by_hand():
    # Sorted: .01 * 4, .02 * 3, .03 * 2, .04 * 1, never below the one before.
    assert metrics.holm([0.04, 0.01, 0.03, 0.02]).tolist() == pytest.approx(
        [0.06, 0.04, 0.06, 0.06]
    )
    with pytest.raises(ValueError, match='expected 0 <= p <= 1'):
        metrics.holm([0.5, 1.5])


@given(st.integers(1, 80), st.data())
def test_above_chance_is_scipys(n, data):
    right = data.draw(st.integers(0, n))
    want = stats.binomtest(right, n, 0.25, alternative='greater').pvalue
    assert metrics.above_chance(right, n, 0.25) == pytest.approx(want)


def test_the_bootstrap_is_that_of_scipy():
    rng = np.random.Generator(np.random.PCG64(3))
    a, b = rng.random(300) < 0.7, rng.random(300) < 0.4
    drawn = metrics.bootstrap_means(np.stack([a, b]), 10_000, seed=1)
    ours = metrics.percentile_interval(drawn[0] - drawn[1])
    want = stats.bootstrap(
        (a.astype(float) - b,), np.mean, n_resamples=10_000, method='percentile', rng=2
    ).confidence_interval
    assert ours == pytest.approx((want.low, want.high), abs=0.01)
    assert drawn.mean(axis=1) == pytest.approx([a.mean(), b.mean()], abs=0.002)


def test_the_bootstrap_pairs_its_columns_and_is_seeded():
    a = np.arange(50) % 3 == 0
    drawn = metrics.bootstrap_means(np.stack([a, a, ~a]), 500, seed=4)
    assert (drawn[0] == drawn[1]).all(), 'equal columns see the same items'
    assert drawn[0] + drawn[2] == pytest.approx(np.ones(500))
    again = metrics.bootstrap_means(np.stack([a, a, ~a]), 500, seed=4)
    assert (again == drawn).all()
    assert (metrics.bootstrap_means(a, 500, seed=5) != drawn[0]).any()


def test_the_bootstrap_does_not_depend_on_the_order_of_items():
    rng = np.random.Generator(np.random.PCG64(0))
    a = rng.random(80) < 0.5
    shuffled = metrics.bootstrap_means(rng.permutation(a), 200, seed=1)
    assert (shuffled == metrics.bootstrap_means(a, 200, seed=1)).all()


def test_the_bootstrap_refuses_nothing_and_nan():
    for values in (np.zeros((2, 0)), [[1.0, np.nan]]):
        with pytest.raises(ValueError, match='expected at least one, all finite'):
            metrics.bootstrap_means(values)


def test_many_different_items_are_drawn_one_by_one_to_the_same_end(monkeypatch):
    """Real values draw indices, patterns their counts: the same distribution."""
    rng = np.random.Generator(np.random.PCG64(2))
    values = np.stack([rng.random(90), rng.random(90) < 0.5])
    by_count = metrics.bootstrap_means(values, 8000)
    monkeypatch.setattr(bootstrap, '_PATTERNS', 1)
    by_index = metrics.bootstrap_means(values, 8000)
    assert (by_index != by_count).any()
    for one, other, column in zip(by_index, by_count, values, strict=True):
        assert one.std() == pytest.approx(column.std() / 90**0.5, rel=0.05)
        assert np.quantile(one, [0.025, 0.5, 0.975]) == pytest.approx(
            np.quantile(other, [0.025, 0.5, 0.975]), abs=0.015
        )
    shuffled = metrics.bootstrap_means(values[:, rng.permutation(90)], 8000)
    assert (shuffled == by_index).all(), 'the order of items changes nothing'
    same = metrics.bootstrap_means(np.stack([values[0], values[0]]), 100)
    assert (same[0] == same[1]).all(), 'columns see the same items'


def test_draws_made_in_parts_are_all_drawn(monkeypatch):
    monkeypatch.setattr(bootstrap, '_CHUNK', 64)
    drawn = metrics.bootstrap_means(np.arange(10.0), 1001)
    assert drawn.shape == (1, 1001)
    assert abs(drawn.mean() - 4.5) < 0.15 and len(np.unique(drawn)) > 50


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-50, -0.01), min_size=2, max_size=6), st.data())
def test_normalisations_by_their_formulas(scores, data):
    texts = [data.draw(st.text(min_size=1, max_size=9)) for _ in scores]
    texts = [t.encode('utf-8', 'ignore').decode() or 'x' for t in texts]
    tokens = [data.draw(st.integers(1, 5)) for _ in scores]
    prior = [data.draw(st.floats(-50, -0.01)) for _ in scores]
    got = metrics.predictions(scores, texts, tokens=tokens, unconditional=prior)
    n = range(len(scores))
    assert got['raw'] == max(n, key=lambda i: scores[i])
    assert got['char'] == max(n, key=lambda i: scores[i] / len(texts[i]))
    assert got['byte'] == max(n, key=lambda i: scores[i] / len(texts[i].encode()))
    assert got['token'] == max(n, key=lambda i: scores[i] / tokens[i])
    assert got['pmi'] == max(n, key=lambda i: scores[i] - prior[i])


def test_bytes_and_characters_differ_across_scripts():
    # -5 over 2 characters and 6 bytes, against -4 over 4 of both.
    got = metrics.predictions([-5.0, -4.0], ['日本', 'Mali'])
    assert (got['char'], got['byte']) == (1, 0)
    assert metrics.predictions([-1.0, -1.0], ['a', 'b'])['raw'] == 0, 'the first of equals'


@pytest.mark.parametrize(
    ('scores', 'texts', 'words'),
    [
        ([-1.0], ['a', 'b'], '1 scores but 2 choices'),
        ([-1.0, float('nan')], ['a', 'b'], 'all finite'),
        ([-1.0, -2.0], ['a', ''], 'an option is empty'),
        ([], [], 'at least one'),
    ],
)
def test_predictions_refuse_what_has_no_answer(scores, texts, words):
    with pytest.raises(ValueError, match=words):
        metrics.predictions(scores, texts)


@pytest.mark.parametrize('value', [np.nan, 2, None, 'A', 'False', 0.5])
def test_what_is_neither_right_nor_wrong_is_refused(value):
    for call in (
        lambda: metrics.accuracy([1, value]),
        lambda: metrics.kappa([1, value], [True, False]),
        lambda: metrics.across_languages({'en': [True, False], 'de': [1, value]}),
    ):
        with pytest.raises(ValueError, match=r'item 1 is .*; expected True or False'):
            call()
    assert metrics.accuracy([1, 0.0, True, np.True_]).value == 0.75
