"""Numbers in texts, and the words of short answers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlbarrier import metrics


@pytest.mark.parametrize(
    ('text', 'want'),
    [
        ('5 + 6 = 11.', '11'),
        ('So it costs $1,234.50 in all', '1234.50'),
        ('70.000 Euro', '70000'),
        ('1\u202f234\u202f567', '1234567'),
        ('2,5 Liter', '2.5'),
        ('minus −3', '-3'),
        ('about 12-15', '15'),
        ('0.125 of it', '0.125'),
        ('0,500 kg', '0.5'),
        ('উত্তর হল ১১।', '11'),
        ('คำตอบคือ ๑๘', '18'),
        ('答えは１８です', '18'),
        ('الجواب ١٬٢٣٤', '1234'),
        ('none', None),
        ('', None),
    ],
)
def test_the_last_number(text, want):
    assert metrics.final_number(text) == (None if want is None else Decimal(want))


@given(st.integers(-(10**9), 10**9))
def test_whole_numbers_are_read_back(n):
    for text in (f'{n}', f'{n:,}', f'{n:,}'.replace(',', '.'), f'so {n}.'):
        assert metrics.final_number(text) == n


@pytest.mark.parametrize(
    ('text', 'language', 'squad', 'mlqa'),
    [
        ('The Broncos!', 'en', ['broncos'], ['broncos']),
        ('der große Fluss', 'de', ['der', 'große', 'fluss'], ['große', 'fluss']),
        ('¿la Casa?', 'es', ['¿la', 'casa'], ['casa']),
        ('308分。', 'zh', ['308分。'], ['308', '分']),
        ('в Москве', 'ru', ['в', 'москве'], ['в', 'москве']),
    ],
)
def test_the_words_of_both_scripts(text, language, squad, mlqa):
    assert metrics.squad_tokens(text) == squad
    assert metrics.mlqa_tokens(text, language) == mlqa


WORDS = st.lists(st.sampled_from('abcd'), max_size=6)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
def test_f1_is_within_bounds_and_one_only_for_the_same_words(answer, references):
    f1, match = metrics.token_f1(answer, references), metrics.token_match(answer, references)
    assert 0 <= f1 <= 1 and match in (0, 1)
    if answer and match:
        assert f1 == 1
    if f1 == 1:
        assert sorted(answer) in [sorted(reference) for reference in references]
    assert f1 == pytest.approx(max(metrics.token_f1(r, [answer]) for r in references))


def test_f1_of_squads_example():
    assert metrics.token_f1(['a', 'b', 'c'], [['b'], ['b', 'c']]) == pytest.approx(0.8)
    with pytest.raises(ValueError, match='no reference answer'):
        metrics.token_f1(['a'], [])
