"""Codes of languages: those of files, NLLB, M2M-100, LibreTranslate and BCP-47 are one."""

import pytest

from xlbarrier.translate import codes

# NLLB's codes of the languages of FLORES-200 that the papers use, and others' for the same.
SAME = [
    ('en', 'eng', 'eng_Latn', 'en-US', 'EN'),
    ('de', 'deu', 'deu_Latn', 'ger', 'de_DE'),
    ('fr', 'fra', 'fre', 'fra_Latn'),
    ('es', 'spa', 'spa_Latn'),
    ('ar', 'ara', 'arb', 'arb_Arab'),
    ('zh', 'zho', 'zho_Hans', 'zho-CN', 'zh_Hans', 'zh-CN', 'chi'),
    ('zh-Hant', 'zho_Hant', 'zh-TW', 'zt'),
    ('he', 'iw', 'heb', 'heb_Hebr'),
    ('no', 'nb', 'nob', 'nob_Latn', 'nor'),
    ('sw', 'swa', 'swh', 'swh_Latn'),
    ('fa', 'pes', 'pes_Arab', 'fas', 'per'),
    ('ms', 'zsm', 'zsm_Latn', 'msa'),
    ('id', 'ind', 'in', 'ind_Latn'),
    ('ja', 'jpn', 'jpn_Jpan'),
    ('ko', 'kor', 'kor_Hang', 'ko-KR'),
    ('pt-BR', 'pb', 'por_Latn', 'pt'),
    ('tl', 'fil', 'tgl'),
]


@pytest.mark.parametrize('same', SAME, ids=lambda same: same[0])
def test_codes_of_one_language(same):
    assert len({codes.canonical(code) for code in same}) == 1, {
        code: codes.canonical(code) for code in same
    }


def test_codes_of_different_languages_differ():
    firsts = [same[0] for same in SAME]
    assert len({codes.canonical(code) for code in firsts}) == len(firsts)
    for a, b in [('zh', 'zh-Hant'), ('sr-Latn', 'sr-Cyrl'), ('pt-PT', 'pt-BR'), ('nn', 'nb')]:
        assert codes.canonical(a) != codes.canonical(b)


def test_choose_takes_the_nearest_of_the_same_script():
    known = codes.table(['en_GB', 'zho_Hant', 'pt-PT', 'pt-BR'])
    assert codes.choose('en', known) == 'en_GB'
    assert codes.choose('zh-TW', known) == 'zho_Hant'
    assert codes.choose('zh', known) is None  # another script is no substitute
    assert codes.choose('pt-BR', known) == 'pt-BR' and codes.choose('pt-PT', known) == 'pt-PT'
    assert codes.choose('pt-AO', known) is None  # which of the two is not ours to say
    assert codes.choose('de', known) is None


@pytest.mark.parametrize(
    ('asked', 'offered', 'taken'),
    [
        ('pt-BR', ['pt', 'pt-BR'], 'pt-BR'),
        ('pt', ['pt-BR', 'pt'], 'pt'),
        ('pt-PT', ['pt', 'pt-BR'], 'pt'),
        ('pt-BR', ['pt', 'pb'], 'pb'),  # LibreTranslate's older code
        ('pt-BR', ['por_Latn', 'es'], 'por_Latn'),
        ('pt-AO', ['pt-PT', 'pt-BR', 'pt'], 'pt'),
        ('en-GB', ['en', 'en-GB', 'en-US'], 'en-GB'),
        ('en-AU', ['en-US', 'en-GB'], None),
        ('fr-CA', ['fr', 'fr-FR'], 'fr'),
        ('zh-TW', ['zh', 'zh-Hant'], 'zh-Hant'),
        ('zh', ['zh-Hant', 'zh-Hans'], 'zh-Hans'),
        ('es-MX', ['es'], 'es'),
        ('sr-Latn', ['sr', 'sr-Latn'], 'sr-Latn'),
    ],
)
def test_a_region_that_was_asked_for_comes_before_the_bare_language(asked, offered, taken):
    for order in (offered, offered[::-1]):
        assert codes.choose(asked, codes.table(order)) == taken


def test_of_two_codes_of_one_language_the_first_stays():
    assert codes.table(['zh', 'zho', 'zh-CN']) == {'zh': 'zh', 'zh-CN': 'zh-CN'}
    assert codes.canonical('xxq') == 'xxq'
