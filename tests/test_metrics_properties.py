"""Properties of the metrics: bounds, symmetry, blindness to order, agreement with libraries."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import multitest

from xlbarrier import metrics

DRAWS = 200
reals = st.floats(-1e3, 1e3).map(lambda x: round(x, 6))
shares = st.floats(0, 1)
quick = settings(max_examples=40, deadline=None)


def columns(number, most=3, items=20):
    """Lists of as many numbers each."""
    return st.integers(1, items).flatmap(
        lambda n: st.lists(st.lists(number, min_size=n, max_size=n), min_size=1, max_size=most)
    )


def reordered(rows, random):
    order = list(range(len(rows[0])))
    random.shuffle(order)
    return [[row[i] for i in order] for row in rows]


@quick
@given(columns(reals), st.integers(0, 9), st.randoms(use_true_random=False))
def test_bootstrap_means_lie_between_the_values_and_do_not_see_the_order(rows, seed, random):
    drawn = metrics.bootstrap_means(rows, DRAWS, seed)
    assert drawn.shape == (len(rows), DRAWS)
    for row, means in zip(rows, drawn, strict=True):
        assert (means >= min(row) - 1e-9).all() and (means <= max(row) + 1e-9).all()
    again = metrics.bootstrap_means(reordered(rows, random), DRAWS, seed)
    assert np.array_equal(again, drawn)
    # Paired: the means of a sum are the sum of the means.
    total = metrics.bootstrap_means([*rows, np.sum(rows, axis=0)], DRAWS, seed)
    assert total[-1] == pytest.approx(total[:-1].sum(axis=0), abs=1e-6)


@quick
@given(st.lists(reals, min_size=1, max_size=200), st.floats(0.5, 0.99))
def test_percentile_intervals_are_scipys_quantiles(values, confidence):
    low, high = metrics.percentile_interval(np.array(values), confidence)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    want = stats.mstats.mquantiles(values, tails, alphap=1, betap=1)
    assert (low, high) == pytest.approx(tuple(want), abs=1e-6)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@quick
@given(st.lists(reals, min_size=1, max_size=200))
def test_the_bootstrap_p_is_a_p_and_blind_to_the_sign(values):
    drawn = np.array(values)
    p = metrics.bootstrap_p(drawn)
    assert 0 < p <= 1
    assert metrics.bootstrap_p(-drawn) == metrics.bootstrap_p(drawn[::-1]) == p
    if (drawn > 0).all():
        assert p == min(1, 2 / (len(values) + 1)), 'the smallest there is'


@given(st.integers(0, 60), st.integers(0, 60))
def test_shares_of_right_and_of_unreadable_answers(some, others):
    found = metrics.accuracy([True] * some + [False] * others)
    assert found == metrics.accuracy([False] * others + [True] * some)
    assert found == metrics.share(some, some + others)
    unreadable = metrics.unreadable([2] * others + [None] * some)
    assert unreadable == found
    if some + others:
        assert 0 <= found.low <= found.value == some / (some + others) <= found.high <= 1
    else:
        assert found.value is None and found.reason


@given(shares, shares, st.floats(0, 0.98), st.floats(0.01, 1))
def test_relative_accuracy_rises_from_chance_to_the_reference(one, other, chance, above):
    reference = chance + above * (1 - chance)
    if reference <= chance:
        return
    values = [metrics.relative_accuracy(x, chance, reference) for x in sorted((one, other))]
    assert 0 <= values[0] <= values[1]
    assert metrics.relative_accuracy(chance, chance, reference) == 0
    assert metrics.relative_accuracy(reference, chance, reference) == 1
    free = metrics.relative_accuracy(one, chance, reference, clip=False)
    assert metrics.relative_accuracy(one, chance, reference) == max(0, free)
    with pytest.raises(ValueError, match='is not above chance'):
        metrics.relative_accuracy(one, reference, chance)


@given(st.sampled_from(sorted(metrics.CLIKA_CHANCE)), shares)
def test_the_papers_ra_is_the_formula_in_percent(task, accuracy):
    chance, reference = metrics.CLIKA_CHANCE[task], metrics.CLIKA_REFERENCE[task]
    want = max(0, (100 * accuracy - chance) / (reference - chance))
    assert metrics.clika_ra(task, accuracy) == pytest.approx(want, abs=1e-12)


@quick
@given(columns(reals, most=2), st.randoms(use_true_random=False))
def test_a_paired_difference_turns_its_sign_with_its_sides(rows, random):
    a, b = rows if len(rows) == 2 else (rows[0], rows[0][::-1])
    found = metrics.paired_difference(a, b, DRAWS)
    turned = metrics.paired_difference(b, a, DRAWS)
    assert found.value == pytest.approx(np.mean(a) - np.mean(b), abs=1e-9)
    assert turned.value == -found.value
    assert 0 <= found.p <= 1
    binary = np.isin([a, b], (0, 1)).all()
    assert binary or found.p == metrics.sign_flip(a, b, DRAWS)
    widest = max(abs(x - y) for x, y in zip(a, b, strict=True))
    assert -widest - 1e-6 <= found.low <= found.high <= widest + 1e-6
    again = metrics.paired_difference(*reordered([a, b], random), DRAWS)
    assert again[1:3] == found[1:3] and again.p == pytest.approx(found.p)


@settings(max_examples=5, deadline=None)  # statsmodels takes half a second a call
@given(
    st.dictionaries(
        st.integers(0, 30), st.tuples(st.one_of(st.none(), shares), st.sampled_from('ab'))
    )
)
def test_a_table_of_comparisons_is_adjusted_family_by_family_as_statsmodels_does(table):
    estimates = {key: metrics.Estimate(0.0, p=p) for key, (p, _) in table.items()}
    found = metrics.holm_table(estimates, {key: name for key, (_, name) in table.items()})
    assert set(found) == {key for key, (p, _) in table.items() if p is not None}
    for name in 'ab':
        keys = [key for key in found if table[key][1] == name]
        if keys:
            want = multitest.multipletests([table[key][0] for key in keys], method='holm')[1]
            assert [found[key] for key in keys] == pytest.approx(list(want))
    assert all(table[key][0] <= adjusted <= 1 for key, adjusted in found.items())


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_utility_lies_between_the_least_and_the_mean(numbers, random):
    utility = metrics.model_utility(numbers)
    assert utility == pytest.approx(stats.hmean(numbers))
    assert min(numbers) - 1e-9 <= utility <= np.mean(numbers) + 1e-9
    shuffled = random.sample(numbers, len(numbers))
    assert metrics.model_utility(shuffled) == pytest.approx(utility)
    assert metrics.model_utility([*numbers, 0.0]) == 0


@quick
@given(st.lists(shares, min_size=1, max_size=30), st.lists(shares, min_size=1, max_size=30))
def test_forget_quality_is_scipys_and_symmetric(one, other):
    p = metrics.forget_quality(one, other)
    assert p == stats.ks_2samp(one, other).pvalue and 0 <= p <= 1
    assert metrics.forget_quality(other, one) == pytest.approx(p)
    assert metrics.forget_quality(one, one[::-1]) == pytest.approx(1)


@given(st.lists(st.floats(0, 50).map(lambda x: round(x, 6)), min_size=1, max_size=20))
def test_scores_of_truth_ratios_are_shares(ratios):
    for forget in (False, True):
        scores = metrics.truth_ratio_score(ratios, forget)
        assert ((scores >= 0) & (scores <= 1)).all()
    tellable = [ratio for ratio in ratios if ratio > 1e-6]
    turned = metrics.truth_ratio_score([1 / ratio for ratio in tellable], forget=True)
    assert turned == pytest.approx(metrics.truth_ratio_score(tellable, forget=True))


@quick
@given(
    st.dictionaries(
        st.sampled_from(metrics.SUBJECTS), st.lists(st.booleans(), min_size=1, max_size=9)
    ),
    st.randoms(use_true_random=False),
)
def test_mmlu_pools_its_questions_whatever_their_order(correct, random):
    found = metrics.mmlu_accuracies(correct)
    pooled = [right for answers in correct.values() for right in answers]
    assert found.weighted == metrics.accuracy(pooled)
    assert set(found.subjects) == set(correct)
    for part in (found.categories, found.groups, found.subjects):
        assert sum(e.n for e in part.values()) == len(pooled), 'each question once'
        right = sum(round(e.value * e.n) for e in part.values() if e.n)
        assert right == sum(pooled)
    names = random.sample(sorted(correct), len(correct))
    assert metrics.mmlu_accuracies({name: correct[name][::-1] for name in names}) == found


@quick
@given(st.integers(2, 5).flatmap(lambda n: columns(st.lists(reals, min_size=n, max_size=n), 4, 6)))
def test_the_table_of_rankings_is_rankc_of_every_pair(rows):
    scores = dict(zip(('en', 'de', 'fr', 'zh'), rows, strict=False))
    table = metrics.rankc_table(scores, draws=DRAWS)
    assert set(table) == set(itertools.combinations(scores, 2))
    for (one, other), found in table.items():
        want = metrics.rankc(scores[other], scores[one], DRAWS)
        assert found.value == pytest.approx(want.value, abs=1e-12)
        assert 0 <= found.low <= found.high <= 1 and found.n == len(rows[0])


@quick
@given(st.lists(st.tuples(shares, shares), min_size=2, max_size=30))
def test_cosines_against_their_control(pairs):
    mixed, control = map(list, zip(*pairs, strict=True))
    found = metrics.cosine_alignment(mixed, control, DRAWS)
    turned = metrics.cosine_alignment(control, mixed, DRAWS)
    assert (found.mixed.value, found.control.value) == (
        turned.control.value,
        turned.mixed.value,
    )
    assert found.auc.value == pytest.approx(1 - turned.auc.value)
    assert found.mixed.low <= found.mixed.value + 1e-9


words = st.lists(
    st.sampled_from(['the', 'cat', 'sat', 'Haus', 'кот', '猫', 'بيت', '.']), min_size=1, max_size=8
).map(' '.join)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=4))
def test_translations_score_between_nothing_and_all(pairs):
    ours, references = map(list, zip(*pairs, strict=True))
    for score in (
        lambda a, b: metrics.bleu(a, b, 'en'),
        metrics.chrf,
    ):
        found = score(ours, references)
        assert 0 <= found.value <= 100 + 1e-9 and found.n == len(pairs) and found.signature
        assert found.low is None or found.low <= found.value <= found.high
        assert score(ours[::-1], references[::-1]).value == pytest.approx(found.value)
    assert metrics.chrf(references, references).value == pytest.approx(100)


def test_chrf_has_an_interval_where_a_sample_shares_nothing():
    """sacrebleu's own mean fails here: a Python zero among numpy's numbers."""
    found = metrics.chrf(['the', 'the'], ['the', 'Haus'])
    assert found.low == 0 < found.value < found.high < 100
