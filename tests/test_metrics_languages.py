"""What languages share: across_languages, RankC, XRR; by property, by hand, and where null."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

from xlbarrier import metrics

DRAWS = 200
tables = st.integers(1, 40).flatmap(
    lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=2, max_size=4)
)
scores = st.lists(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=8),
    min_size=1,
    max_size=5,
)


def named(rows):
    return dict(zip(('en', 'de', 'fr', 'zh'), rows, strict=False))


@settings(max_examples=40, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_across_languages_agrees_with_the_single_measures_and_ignores_the_order(rows, random):
    correct = named(rows)
    found = metrics.across_languages(correct, chance=0.25, draws=DRAWS)
    order = list(range(len(rows[0])))
    random.shuffle(order)
    shuffled = {name: [row[i] for i in order] for name, row in correct.items()}
    assert metrics.across_languages(shuffled, chance=0.25, draws=DRAWS) == found
    others = [name for name in correct if name != 'en']
    for name in others:
        for metric in ('barrier_gap', 'en_co', 'kappa', 'transfer'):
            want = getattr(metrics, metric)(correct['en'], correct[name])
            got = found[name][metric]
            assert got.value == want
            assert (got.reason is None) == (want is not None)
            if got.low is not None:
                least = 0 if metric in ('en_co', 'transfer') else -1
                assert least - 1e-9 <= got.low <= got.high <= 1 + 1e-9
        assert found[name]['barrier_gap'].p == metrics.mcnemar(correct['en'], correct[name])
    for name, row in correct.items():
        accuracy = found[name]['accuracy']
        assert accuracy[:3] == (sum(row) / len(row), *metrics.wilson(sum(row), len(row)))
        assert found[name]['relative_accuracy'].value == max(0, (accuracy.value - 0.25) / 0.75)
    mean = found['mean:non-en']
    assert mean['accuracy'].value == pytest.approx(np.mean([correct[x] for x in others]))
    assert mean['barrier_gap'].value == pytest.approx(
        np.mean([found[x]['barrier_gap'].value for x in others])
    )


@settings(max_examples=40, deadline=None)
@given(tables)
def test_kappa_is_that_of_statsmodels(rows):
    a, b = np.array(rows[0]), np.array(rows[1])
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    ours = metrics.kappa(a, b)
    with np.errstate(invalid='ignore', divide='ignore'):
        want = cohens_kappa(np.array(table), return_results=False)
    assert ours is None if math.isnan(want) else ours == pytest.approx(want, abs=1e-9)


options = st.none() | st.integers(0, 3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(options, options), min_size=1, max_size=40))
def test_the_kappa_of_answers_is_that_of_statsmodels_and_symmetric(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    ours = metrics.answer_kappa(a, b, draws=DRAWS)
    kinds = [None, 0, 1, 2, 3]
    table = np.array([[pairs.count((x, y)) for y in kinds] for x in kinds])
    with np.errstate(invalid='ignore', divide='ignore'):
        want = cohens_kappa(table, return_results=False)
    if ours.value is None:
        assert len({*a, *b}) == 1 and 'the same in both' in ours.reason
    else:
        assert ours.value == pytest.approx(want, abs=1e-9) and -1 <= ours.value <= 1
        assert metrics.answer_kappa(b, a, draws=DRAWS).value == pytest.approx(ours.value)
        assert metrics.answer_kappa(a[::-1], b[::-1], draws=DRAWS) == ours


def test_one_letter_for_everything_shares_no_answers():
    said = [0, 1, 2, 3, 0, 0]
    assert metrics.answer_kappa([0] * 6, said).value == pytest.approx(0)
    assert metrics.answer_kappa(said, said).value == pytest.approx(1)
    assert metrics.answer_kappa([], []).reason == 'there are no items'
    with pytest.raises(ValueError, match='1 items in the source, 2'):
        metrics.answer_kappa([0], [0, 1])


def test_the_interval_of_the_overlap_is_that_of_scipys_paired_bootstrap():
    rng = np.random.Generator(np.random.PCG64(5))
    skill = rng.random(400)
    a, b = skill + 0.3 * rng.random(400) > 0.5, skill + 0.3 * rng.random(400) > 0.7
    found = metrics.across_languages({'en': a, 'de': b})['de']
    for metric in ('en_co', 'kappa', 'transfer'):
        measure = getattr(metrics, metric)
        want = stats.bootstrap(
            (a, b), measure, paired=True, vectorized=False, n_resamples=2000, method='percentile',
            rng=1,
        ).confidence_interval  # fmt: skip
        assert found[metric][1:3] == pytest.approx((want.low, want.high), abs=0.015)


def test_a_language_that_is_missing_gives_null_with_the_reason():
    found = metrics.across_languages({'en': [1, 0], 'de': [1, 1]}, languages=['en', 'de', 'xx'])
    for estimate in found['xx'].values():
        assert estimate.value is None and estimate.reason == 'there are no answers in xx'
    without = metrics.across_languages({'de': [1, 1], 'fr': [0, 1]})
    assert without['de']['accuracy'].value == 1
    for name in ('de', 'fr', 'mean:non-en'):
        assert without[name]['en_co'].reason == 'there are no answers in en'
    assert without['mean:non-en']['accuracy'].value == 0.75
    assert metrics.across_languages({}) == {}


def test_no_items_and_an_empty_union_give_null_with_the_reason():
    nothing = metrics.across_languages({'en': [], 'de': []}, chance=0.5)
    assert nothing['de']['accuracy'].reason == 'there are no items in de'
    assert nothing['de']['en_co'].reason == 'there are no items in de and en'
    wrong = metrics.across_languages({'en': [0, 0], 'de': [0, 0]}, draws=DRAWS)
    assert wrong['de']['en_co'].reason == 'no item is right in either language'
    assert wrong['de']['transfer'].reason == 'no item is right in the source language'
    assert wrong['mean:non-en']['en_co'].value is None
    assert 'all wrong' in wrong['de']['kappa'].reason


def test_a_ratio_that_most_draws_leave_undefined_has_no_interval():
    rare = {'en': [1] + [0] * 99, 'de': [0] * 100}
    found = metrics.across_languages(rare, draws=2000)['de']['en_co']
    assert (found.value, found.low, found.high) == (0.0, None, None)


def test_languages_must_have_as_many_items():
    with pytest.raises(ValueError, match=r"different numbers of items: \{'de': 1, 'en': 2\}"):
        metrics.across_languages({'de': [1], 'en': [1, 0]})


def test_ra_with_the_constants_of_the_paper():
    """By hand from the paper's references; in percent (55 - 25) / (97 - 25)."""
    assert metrics.clika_ra('x_geo', 0.55) == pytest.approx(30 / 72, abs=1e-12)
    assert metrics.clika_ra('x_csqa', 0.746) == pytest.approx(1, abs=1e-12)
    assert metrics.clika_ra('x_copa', 0.4) == 0
    assert metrics.clika_ra('x_name', 0.922) == pytest.approx(1, abs=1e-12)
    with pytest.raises(ValueError, match="'x_foo' is not a task of CLiKA"):
        metrics.clika_ra('x_foo', 0.5)


@given(scores)
def test_rankc_is_bounded_symmetric_and_by_its_formula(queries):
    a, b = [[x for x, _ in q] for q in queries], [[y for _, y in q] for q in queries]
    got = metrics.rank_consistency(a, b)
    assert ((got >= 0) & (got <= 1)).all()
    assert got.tolist() == metrics.rank_consistency(b, a).tolist()
    assert metrics.rank_consistency(a, a) == pytest.approx(1)
    for one, mine, other in zip(got, a, b, strict=True):
        n = len(mine)
        tops = [sorted(range(n), key=lambda i, s=s: (-s[i], i)) for s in (mine, other)]
        weights = [math.exp(n - j) for j in range(1, n + 1)]
        overlap = [len(set(tops[0][:j]) & set(tops[1][:j])) / j for j in range(1, n + 1)]
        want = sum(w * o for w, o in zip(weights, overlap, strict=True)) / sum(weights)
        assert one == pytest.approx(want)


@given(st.permutations(range(6)), st.lists(st.floats(-5, 5), min_size=12, max_size=12, unique=True))
def test_rankc_does_not_depend_on_the_order_of_candidates(order, values):
    a, b = values[:6], values[6:]
    shuffled = metrics.rank_consistency([[a[i] for i in order]], [[b[i] for i in order]])
    assert shuffled == pytest.approx(metrics.rank_consistency([a], [b]))


def test_rankc_by_hand_and_between_every_pair():
    # Heads of two: {0} against {1}, then both: weights e and 1 over e + 1.
    assert metrics.rank_consistency([[2, 1]], [[1, 2]])[0] == pytest.approx(1 / (1 + math.e))
    by_language = {'en': [[2, 1], [1, 2]], 'de': [[1, 2], [1, 2]], 'fr': [[2, 1], [1, 2]]}
    table = metrics.rankc_table(by_language, [*by_language, 'xx'], draws=DRAWS)
    assert list(table) == list(itertools.combinations(['en', 'de', 'fr', 'xx'], 2))
    assert table['en', 'fr'].value == 1
    assert table['en', 'de'].value == pytest.approx((1 / (1 + math.e) + 1) / 2)
    assert table['en', 'xx'].reason == 'there are no scores in xx'
    assert metrics.rankc([], []).reason == 'there are no items'


@pytest.mark.parametrize(
    ('a', 'b', 'words'),
    [
        ([[1]], [[1], [2]], '1 queries in the source, 2'),
        ([[1], [1, 2]], [[1], [1]], 'query 1: 2 candidates in the source, 1'),
        ([[]], [[]], 'query 0: 0 candidates'),
        ([[math.nan]], [[1]], 'query 0: a score is not a number'),
    ],
)
def test_rankc_refuses(a, b, words):
    with pytest.raises(ValueError, match=words):
        metrics.rank_consistency(a, b)


def answers(share, n=20):
    return [i < round(share * n) for i in range(n)]


def asked(**changes):
    right = dict(translation=1, source_type_0=1, source_type_1=0.9, target_type_0=0.95)
    right |= {'target_type_1': 0.45} | changes
    return {name: None if share is None else answers(share) for name, share in right.items()}


def test_xrr_is_a_ratio_once_the_training_is_complete():
    found = metrics.xrr(**asked())
    assert found.xrr.value == pytest.approx(0.5)
    assert found.xrr.low <= 0.5 <= found.xrr.high
    assert found.accuracies['target_type_0'].value == 0.95
    assert metrics.xrr(**asked(target_type_1=1)).xrr.value == pytest.approx(1 / 0.9)


@pytest.mark.parametrize(
    'short', ['translation', 'source_type_0', 'source_type_1', 'target_type_0']
)
def test_xrr_is_null_below_the_gate_and_tells_the_four_accuracies(short):
    found = metrics.xrr(**asked(**{short: 0.85}))
    assert found.xrr.value is None
    assert f'{short} 0.850' in found.xrr.reason
    for name in ('translation', 'source_type_0', 'source_type_1', 'target_type_0'):
        assert name in found.xrr.reason
    assert metrics.xrr(**asked(**{short: 0.85}), gate=0.85).xrr.value is not None


def test_xrr_is_null_without_answers_and_at_zero():
    assert 'translation' in metrics.xrr(**asked(translation=None)).xrr.reason
    assert 'no type 1 fact' in metrics.xrr(**asked(source_type_1=0), gate=0).xrr.reason
    with pytest.raises(ValueError, match='expected 0 <= gate <= 1'):
        metrics.xrr(**asked(), gate=90)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_xrr_lies_between_nothing_and_the_gates_inverse(pairs):
    target, source = [a for a, _ in pairs], [b for _, b in pairs]
    full = {name: [True] for name in ('translation', 'source_type_0', 'target_type_0')}
    found = metrics.xrr(**full, source_type_1=source, target_type_1=target, draws=DRAWS).xrr
    if found.value is not None:
        assert 0 <= found.value <= 1 / 0.9
        assert found.value == pytest.approx(np.mean(target) / np.mean(source))
