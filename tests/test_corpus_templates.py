"""Every wording of every fact, in every language, filled with every plan's values."""

import string
import unicodedata

import pytest

from xlbarrier.corpus.countries import plans, wording
from xlbarrier.corpus.countries.templates import (
    FIELDS,
    LANGUAGES,
    OPTIONAL,
    TEMPLATES,
    WORDINGS,
    check_languages,
)

FINAL = {'zh': '。？', 'ja': '。', 'hi': '।?', 'ar': '.؟'}
SCRIPTS = {
    **{'ru': 'CYRILLIC', 'ar': 'ARABIC', 'he': 'HEBREW', 'hi': 'DEVANAGARI'},
    **{'zh': 'CJK', 'ja': ('CJK', 'HIRAGANA', 'KATAKANA')},
}


def all_facts():
    return [fact for plan in plans._plans(0) for fact in plan.facts]


def test_every_language_has_every_fact_in_three_different_wordings():
    assert WORDINGS >= 3
    western = {'en', 'de', 'fr', 'es', 'it', 'pt', 'pl'}
    assert set(LANGUAGES) >= western | {'ru', 'ar', 'he', 'zh', 'ja', 'hi'}
    for language, table in TEMPLATES.items():
        assert table.keys() == FIELDS.keys(), language
        for fact, wordings in table.items():
            assert len(set(wordings)) == WORDINGS, (language, fact)


@pytest.mark.parametrize('language', LANGUAGES)
def test_wordings_hold_the_fields_of_their_fact(language):
    for fact, wordings in TEMPLATES[language].items():
        for text in wordings:
            held = {field for _, field, _, _ in string.Formatter().parse(text) if field}
            assert FIELDS[fact] <= held <= FIELDS[fact] | OPTIONAL.get(fact, set()), (fact, text)


def test_corpus_uses_every_fact():
    assert {fact.key for fact in all_facts()} == FIELDS.keys()


@pytest.mark.parametrize('language', LANGUAGES)
def test_every_fact_in_every_wording_is_a_clean_sentence(language):
    final = FINAL.get(language, '.?')
    for fact in all_facts():
        for choice in range(WORDINGS):
            text = wording.sentence(fact, choice, language)
            assert not set('{}\n\t\u200e\u200f\xa0\u202f') & set(text), text
            assert '  ' not in text and text == text.strip(), text
            assert text[-1] in final, text
            if not text[:-1].endswith(quoted_by(fact)):  # '3:30 p. m.' before a full stop 。
                assert text[-2] not in '.。।?؟？,:;：', text
            assert not any(a in text for a in (' ,', ' .', ' 。', ' ।', '( ', ' )', '..')), text
            assert text.count('(') == text.count(')') and text.count('（') == text.count('）')
            assert not text[0].islower(), text
            if language in ('zh', 'ja'):
                assert not set(',?!') & set(text.replace(quoted_by(fact), '')), text


def quoted_by(fact):
    """What is quoted from abroad (numbers, dates, symbols) keeps its own punctuation."""
    local = fact.fields.get('local') or fact.fields.get('symbol')
    return local if isinstance(local, str) else '\0'


@pytest.mark.parametrize('language', sorted(SCRIPTS))
def test_text_is_in_the_script_of_its_language(language):
    """No name and no sentence falls back to English: of the letters of a sentence, those of
    another script are only codes, symbols and names quoted from abroad."""
    prefixes = SCRIPTS[language]
    for fact in all_facts():
        text = wording.sentence(fact, 0, language)
        for field in ('name', 'local', 'symbol', 'code', 'iso2', 'iso3', 'paper'):
            value = fact.fields.get(field)
            if isinstance(value, str):
                text = text.replace(value, '')
        letters = [c for c in text if c.isalpha()]
        foreign = [c for c in letters if not unicodedata.name(c).startswith(prefixes)]
        if fact.key == 'cmp_codes':  # two letters a country
            foreign = foreign[6:]
        # CLDR itself writes CFA, UTC and the like in Latin letters in some names.
        assert len(foreign) <= 0.25 * len(letters), text


def test_names_are_not_english_ones_in_other_languages():
    """A name equal to the English one must be CLDR's own name in the language, not a fallback:
    in languages of another script there is none at all."""
    values = {v for f in all_facts() for field in f.fields.values() for v in wording._values(field)}
    assert len(values) > 400
    for value in values:
        english = wording.name(value, 'en')
        for language in SCRIPTS:
            name = wording.name(value, language)
            assert name and name != english, (value, language)


def test_a_value_without_a_name_is_an_error_not_english():
    with pytest.raises(wording.MissingName, match=r"currency 'QQQ' in 'he'"):
        wording.name(wording.Value('currency', 'QQQ'), 'he')


@pytest.mark.parametrize(
    ('names', 'language', 'wanted'),
    [
        (('FR', 'IT'), 'es', 'Francia e Italia'),
        (('IT', 'FR'), 'es', 'Italia y Francia'),
        (('IT',), 'es', 'Italia'),
        (('FR', 'IN', 'IQ'), 'es', 'Francia, India e Irak'),
        (('FR', 'US'), 'en', 'France and the United States'),
        (('FR', 'DE'), 'zh', '法国和德国'),
        (('FR', 'DE'), 'ar', 'فرنسا وألمانيا'),
        (('FR', 'DE'), 'he', 'צרפת וגרמניה'),
    ],
)
def test_lists_are_joined_as_the_language_does(names, language, wanted):
    values = tuple(wording.Value('country', code) for code in names)
    assert wording._field(wording.Joined(values), language) == wanted


def test_languages_that_cannot_be_written_are_refused():
    with pytest.raises(ValueError, match=r"languages\[1\] is 'jp'.*Did you mean 'j?p?"):
        check_languages(('en', 'jp'), 'config.corpus.languages')
    with pytest.raises(ValueError, match='each once'):
        check_languages(('en', 'en'), 'config.corpus.languages')
    with pytest.raises(ValueError, match='one or more'):
        check_languages((), 'config.corpus.languages')
