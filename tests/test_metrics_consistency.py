"""TotCons, transfer both ways, option probabilities, RankC above chance, words of any script."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlbarrier import metrics


def test_tot_cons_is_right_in_every_language():
    correct = {'en': [1, 1, 1, 0], 'de': [1, 1, 0, 0], 'sw': [1, 0, 1, 0]}
    found = metrics.tot_cons(correct)
    assert (found.value, found.n) == (0.25, 4)
    assert (found.low, found.high) == metrics.wilson(1, 4)
    assert metrics.tot_cons({}).reason == 'there are no items'
    with pytest.raises(ValueError, match="'de': 2"):
        metrics.tot_cons({'en': [1], 'de': [1, 0]})


def test_transfer_in_both_directions():
    en, de = [1, 1, 1, 0], [1, 0, 0, 1]
    assert metrics.transfer(en, de) == pytest.approx(1 / 3)
    assert metrics.transfer_back(en, de) == pytest.approx(1 / 2)
    table = metrics.across_languages({'en': en, 'de': de}, draws=400)['de']
    assert table['transfer_back'].value == pytest.approx(1 / 2)
    assert (
        metrics.across_languages({'en': en, 'de': [0] * 4}, draws=99)['de']['transfer_back'].reason
        == 'no item is right in the language'
    )
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 300)) < 0.6
    there = metrics.across_languages({'en': a, 'de': b}, draws=500)['de']['transfer_back']
    back = metrics.across_languages({'en': b, 'de': a}, draws=500)['de']['transfer']
    assert there.value == back.value
    assert there.low < there.value < there.high


P, Q = np.log([0.5, 0.5]), np.log([0.9, 0.1])


def test_chi_square_distance_by_hand():
    (found,) = metrics.chi_square_distances([P], [Q])
    assert found == pytest.approx((0.16 / 1.4 + 0.16 / 0.6) / 2)
    assert metrics.chi_square_distances([Q], [P]) == pytest.approx([found]), 'symmetric'
    assert metrics.chi_square_distances([P + 7], [P]) == pytest.approx([0]), 'normalised'
    far = metrics.chi_square_distances([[0, -900]], [[-900, 0]])
    assert far == pytest.approx([1])
    with pytest.raises(ValueError, match='item 0 has 2 options'):
        metrics.chi_square_distances([P], [[0, 0, 0]])
    with pytest.raises(ValueError, match='all finite'):
        metrics.chi_square_distances([P], [[0, np.nan]])


def test_variance_share_by_hand():
    source, target = (
        np.log([[0.6, 0.4], [0.9, 0.1], [0.9, 0.1]]),
        np.log([[0.4, 0.6], [0.1, 0.9], [0.8, 0.2]]),
    )
    found = metrics.variance_share(source, target, draws=200)
    assert found.value == pytest.approx(0.5) and found.n == 2, 'of the answers that differ'
    assert metrics.variance_share([P], [P]).value is None


@pytest.mark.parametrize('candidates', [1, 2, 3, 4])
def test_rankc_by_chance_is_the_mean_over_all_rankings(candidates):
    rankings = [list(r) for r in itertools.permutations(range(candidates))]
    first = [list(range(candidates))] * len(rankings)
    mean = metrics.rank_consistency(first, rankings).mean()
    assert metrics.rankc_by_chance(candidates) == pytest.approx(mean)


def test_rescaled_rankc():
    assert metrics.rankc_by_chance(4) == pytest.approx(0.3768, abs=1e-4), 'as PolyFact has it'
    scores = [[4, 3, 2, 1], [2, 1], [5]]
    same = metrics.rank_consistency_above_chance(scores, scores)
    assert same == pytest.approx([1, 1]), 'one candidate has no rank'
    reverse = metrics.rank_consistency_above_chance([[4, 3, 2, 1]], [[1, 2, 3, 4]])
    assert reverse[0] == pytest.approx((0.0902 - 0.3768) / (1 - 0.3768), abs=1e-3)


@pytest.mark.parametrize(
    ('answer', 'reference', 'match', 'f1'),
    [
        ('in der Stadt Berlin', 'Berlin', 0, 0.4),
        ('北京市', '北京', 0, 0.8),
        ('１９９０年。', '1990年', 1, 1),
        ('القاهرة!', 'القاهرة', 1, 1),
        ('МОСКВА', 'Москва', 1, 1),
        ('दिल्ली', 'दिल्ली', 1, 1),
        ('', 'x', 0, 0),
    ],
)
def test_match_and_f1_in_any_script(answer, reference, match, f1):
    assert metrics.text_match(answer, [reference]) == match
    assert metrics.text_f1(answer, [reference, 'zzz']) == pytest.approx(f1)
    with pytest.raises(ValueError, match='no reference'):
        metrics.text_f1(answer, [])


@given(st.text(max_size=30), st.text(max_size=30))
def test_f1_is_bounded_and_symmetric(one, other):
    assert 0 <= metrics.text_f1(one, [other]) <= 1
    assert metrics.text_f1(one, [other]) == pytest.approx(metrics.text_f1(other, [one]))
