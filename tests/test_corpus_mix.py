"""The language of each unit: proportions, independence of order, arms."""

import itertools

import numpy as np
import pytest
from scipy import stats

from xlbarrier import draw
from xlbarrier.corpus import countries, mix

FIVE = ('en', 'de', 'fr', 'es', 'it')


def language_of(seed, document, unit, share):
    """The language of one unit, as a document that ends with it has it."""
    return mix.unit_languages(document, unit + 1, 'mixed', seed, share)[unit]


def drawn(share, count=4000, seed=0):
    return [language_of(seed, f'doc/{i // 8}', i % 8, share) for i in range(count)]


@pytest.mark.parametrize(
    'distribution', [None, {'en': 5, 'de': 1, 'fr': 2, 'es': 1, 'it': 1}, {'de': 1, 'it': 3}]
)
def test_languages_come_in_the_proportions_asked_for(distribution):
    share = mix.shares(FIVE, distribution)
    assert sum(share.values()) == pytest.approx(1)
    seen = drawn(share)
    positive = [language for language in FIVE if share[language] > 0]
    assert set(seen) == set(positive)
    counts = [seen.count(language) for language in positive]
    # Fixed draws: the p-value is one number, and not an extreme one in either direction.
    p = stats.chisquare(counts, [len(seen) * share[language] for language in positive]).pvalue
    assert 0.01 < p < 0.99


def test_neighbouring_units_are_independent():
    seen = drawn(mix.shares(FIVE, None))
    table = np.zeros((5, 5))
    for a, b in itertools.pairwise(seen):
        table[FIVE.index(a), FIVE.index(b)] += 1
    assert stats.chi2_contingency(table).pvalue > 0.01


def test_draw_does_not_depend_on_order_or_company():
    share = mix.shares(FIVE, None)
    places = [(f'profile/{code}', unit) for code in ('FR', 'DE', 'JP') for unit in range(14)]
    forward = {p: language_of(3, *p, share) for p in places}
    backward = {p: language_of(3, *p, share) for p in reversed(places)}
    alone = language_of(3, 'profile/DE', 7, share)
    assert forward == backward and forward['profile/DE', 7] == alone
    other_seed = [language_of(4, *p, share) for p in places]
    assert other_seed != list(forward.values())


def test_draws_are_the_same_on_every_machine():
    """Golden words of Philox4x64-10: change them only with a new rule for the key or counter,
    which changes every corpus there is."""
    assert draw.words(0, 'profile/FR', 2, 2).tolist() == GOLDEN_WORDS
    assert draw.words(0, 'profile/FR', 2, 1).tolist() == GOLDEN_WORDS[:1]
    assert not set(draw.words(0, 'profile/FR', 3, 8)) & set(draw.words(0, 'profile/FR', 2, 8))


GOLDEN_WORDS = [186752607552470346, 15277887443426657307]


def test_many_at_once_are_the_same_draws():
    for seed, name, count in ((0, 'unit/a', 1), (7, 'unit/ü', 1000), (2**40, '', 5), (1, 'x', 0)):
        one_by_one = [draw.uniform(seed, name, i) for i in range(count)]
        assert draw.uniforms(seed, name, count).tolist() == one_by_one


def test_shuffled_and_below():
    items = list('abcdefghij')
    mixed = draw.shuffled(items, 1, 'x')
    assert sorted(mixed) == items and mixed != items and mixed == draw.shuffled(items, 1, 'x')
    assert draw.shuffled([], 1, 'x') == []
    values = [draw.below(0, 'n', i, 3) for i in range(300)]
    assert set(values) == {0, 1, 2}


def test_arms():
    doc = countries.documents(FIVE, 0, 1)[0]
    share = mix.shares(FIVE, None)
    count = len(doc.sentences)
    assert mix.unit_languages(doc.id, count, 'english', 0, share) == ('en',) * count
    assert mix.unit_languages(doc.id, count, 'single:de', 0, share) == ('de',) * count
    mixed = mix.unit_languages(doc.id, count, 'mixed', 0, share)
    assert len(set(mixed)) > 1
    assert mixed == tuple(language_of(0, doc.id, i, share) for i in range(count))
    whole = [mix.unit_languages(f'd{i}', 3, 'monolingual-mix', 0, share) for i in range(60)]
    assert {len(set(languages)) for languages in whole} == {1}
    assert {languages[0] for languages in whole} == set(FIVE)
    assert mix.arm_languages('english', FIVE) == ('en',)
    assert mix.arm_languages('mixed', FIVE) == mix.arm_languages('monolingual-mix', FIVE) == FIVE
    assert mix.arm_languages('single:ja', FIVE) == ('ja',)
    for arm in ('mix', 'single:', 'single'):
        with pytest.raises(ValueError, match=f"arm is '{arm}'"):
            mix.arm_languages(arm, FIVE)


@pytest.mark.parametrize(
    ('distribution', 'message'),
    [
        ({'ja': 1}, "'ja', which is not among the languages"),
        ({'de': -1}, r"\['de'\] is -1"),
        ({'de': float('nan')}, r"\['de'\] is nan"),
        ({'de': 0}, 'zero for every language'),
    ],
)
def test_bad_distributions_are_refused(distribution, message):
    with pytest.raises(ValueError, match=message):
        mix.shares(FIVE, distribution)
