"""The documents: parallel, true to CLDR, long enough, and without any city."""

import datetime
import re

import pytest
from babel import Locale
from babel.core import get_global

from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.corpus import countries
from xlbarrier.corpus.countries import local_usage, plans, wording
from xlbarrier.corpus.countries.templates import LANGUAGES
from xlbarrier.tasks import worldfacts
from xlbarrier.text import world

# Time zones whose exemplar city has the name of a country, or a part of one, in some language of
# the corpus ('Singapore', 'Bissau', Spanish 'Túnez', Russian 'Алжир'). These names occur in the
# corpus, as the names of the countries; no other city's does.
CITIES_NAMED_LIKE_COUNTRIES = {
    *('Africa/Algiers', 'Africa/Bissau', 'Africa/Djibouti', 'Africa/Sao_Tome', 'Africa/Tunis'),
    *('America/Antigua', 'America/Barbados', 'America/Belize', 'America/Costa_Rica'),
    *('America/Dominica', 'America/El_Salvador', 'America/Grenada', 'America/Guatemala'),
    *('America/Guyana', 'America/Jamaica', 'America/Panama', 'America/St_Kitts'),
    *('America/St_Lucia', 'America/St_Vincent', 'Asia/Bahrain', 'Asia/Brunei', 'Asia/Kuwait'),
    *('Asia/Qatar', 'Asia/Singapore', 'Atlantic/Cape_Verde', 'Europe/Andorra'),
    *('Europe/Luxembourg', 'Europe/Malta', 'Europe/Monaco', 'Europe/San_Marino'),
    *('Europe/Vatican', 'Indian/Comoro', 'Indian/Maldives', 'Indian/Mauritius'),
    *('Pacific/Fiji', 'Pacific/Nauru', 'Pacific/Palau'),
}
# Cities whose name is the word for something else the corpus names, both in Arabic: 'سول' is
# Seoul and the Peruvian sol, and CLDR calls Gilbertese 'the language of Gibraltar'.
CITIES_NAMED_LIKE_OTHER_THINGS = {'Asia/Seoul', 'Europe/Gibraltar'}
# Words of the corpus that hold a city's name inside: a kilometre holds Lomé in Japanese.
WORDS_HOLDING_CITIES = {'ja': ('キロメートル',)}


@pytest.fixture(scope='module')
def docs():
    return countries.documents(LANGUAGES, 0)


def texts(docs, language):
    return [s[language] for doc in docs for s in doc.sentences]


def occurs(name, text, language):
    """Whether the name stands in the text as a word; in zh and ja, at all."""
    if name not in text:
        return False
    if language in ('zh', 'ja'):
        return True
    letter = r'[\w\u0900-\u097f\u0300-\u036f]'  # marks are no \w
    prefix = '' if language not in ('ar', 'he') else '[وובלמהכש]?'
    return bool(re.search(f'(?<!{letter}){prefix}{re.escape(name)}(?!{letter})', text))


def test_documents_run_in_parallel(docs):
    assert len({doc.id for doc in docs}) == len(docs) > 300
    for doc in docs:
        assert 6 <= len(doc.sentences) <= 14, doc.id
        assert len(doc.facts) == len(doc.sentences)
        assert all(s.keys() == set(LANGUAGES) and all(s.values()) for s in doc.sentences), doc.id
    kinds = {doc.id.split('/')[0] for doc in docs}
    assert kinds == {'profile', 'compare', 'region', 'language', 'currency'}


def test_no_sentence_is_told_twice_in_a_document(docs):
    for doc in docs:
        for language in ('en', 'ja', 'ar'):
            told = [s[language] for s in doc.sentences]
            assert len(set(told)) == len(told), doc.id


def test_documents_do_not_depend_on_the_languages_asked_for(docs):
    for languages in (('en',), ('ja', 'en')):
        some = countries.documents(languages, 0, 40)
        assert [d.id for d in some] == [d.id for d in docs[:40]]
        for few, full in zip(some, docs, strict=False):
            assert few.facts == full.facts
            assert [s['en'] for s in few.sentences] == [s['en'] for s in full.sentences]


def test_another_seed_tells_it_differently(docs):
    other = countries.documents(('en',), 1)
    assert [d.id for d in other] != [d.id for d in docs]
    by_id = {d.id: d for d in other}
    profiles = [d for d in docs if d.id.startswith('profile/')]
    same = sum([s['en'] for s in d.sentences] == texts([by_id[d.id]], 'en') for d in profiles)
    assert same < len(profiles) / 20


def test_first_documents_are_a_mixture(docs):
    assert len({doc.id.split('/')[0] for doc in docs[:60]}) == 5


def test_limit(docs):
    assert len(countries.documents(('en',), 0, 7)) == 7
    with pytest.raises(ValueError, match=f'documents is 100000, but .* has {len(docs)}'):
        countries.documents(('en',), 0, 100_000)


def test_english_is_long_enough(docs, tokenizer):
    text = [' '.join(s['en'] for s in doc.sentences) for doc in docs]
    ids = tokenizer(text, add_special_tokens=False)['input_ids']
    assert sum(map(len, ids)) >= 60_000


def city_names(language):
    """Exemplar city of every time zone, straight from CLDR, not by way of our own tables."""
    zones = Locale.parse(language).time_zones
    for zone in sorted(get_global('zone_territories')):
        if '/' in zone and not zone.startswith('Etc/'):
            name = zones.get(zone, {}).get('city') or zone.split('/')[-1].replace('_', ' ')
            yield zone, name


def names_of_other_things(language):
    """Names of countries, currencies, languages, scripts and regions, the longest first."""
    locale = Locale.parse(language)
    tables = (locale.territories, locale.currencies, locale.languages, locale.scripts)
    names = {local_usage.clean(n) for table in tables for n in table.values()}
    if language == 'en':  # in running text currencies are written small
        names |= {n[0] + n[1:].lower() for n in locale.currencies.values()}
        names |= {wording._currency(c, 'en') for c in locale.currencies}
    names |= {n[0].lower() + n[1:] for n in names if language == 'pt'}
    return sorted(names, key=lambda n: (-len(n), n))


@pytest.mark.parametrize('language', LANGUAGES)
def test_no_city_is_named(docs, language):
    text = '\n'.join(texts(docs, language))
    present = [(zone, name) for zone, name in city_names(language) if occurs(name, text, language)]
    allowed = CITIES_NAMED_LIKE_COUNTRIES | CITIES_NAMED_LIKE_OTHER_THINGS
    if language not in ('zh', 'ja'):  # there a short name may lie inside a longer one
        assert {zone for zone, _ in present} <= allowed
    # And where such a name stands, it is the name of the other thing, or within it.
    for name in (*WORDS_HOLDING_CITIES.get(language, ()), *names_of_other_things(language)):
        text = text.replace(name, '\0')
    left = [(zone, name) for zone, name in present if occurs(name, text, language)]
    assert not left


def test_exclusions_are_needed(docs):
    """Each name excused above does occur; an excuse no longer needed is to be struck out."""
    found = set()
    for language in LANGUAGES:
        text = '\n'.join(texts(docs, language))
        found |= {zone for zone, name in city_names(language) if occurs(name, text, language)}
    assert found >= CITIES_NAMED_LIKE_COUNTRIES | CITIES_NAMED_LIKE_OTHER_THINGS


def test_no_answer_of_the_study_is_in_the_corpus(docs):
    """No document, in no language, holds both the city that a question asks about and the country
    that is its answer."""
    pool = worldfacts.candidates('city_country')
    task = worldfacts.WorldFacts(WorldFactsConfig(questions=len(pool), languages=LANGUAGES))
    for language in LANGUAGES:
        whole = ['\n'.join(s[language] for s in doc.sentences) for doc in docs]
        questions = task.questions('full', language)
        assert len(questions) == len(pool) > 100
        for question in questions:
            city = world.city_name(question.id.removeprefix('city_country:'), language)
            assert city in question.question
            answer = question.choices[question.answer]
            held = [text for text in whole if answer in text and occurs(city, text, language)]
            if language == 'ja':  # a kilometre holds Lomé
                held = [t for t in held if occurs(city, t.replace('キロメートル', ''), language)]
            assert not held, (city, answer, held[0])


def test_foreign_names_are_no_names_in_a_language_of_the_corpus(docs):
    """The English arm must not teach what the mixed arm ties together."""
    for plan in plans._plans(0):
        for fact in plan.facts:
            if fact.key == 'own_name':
                assert fact.fields['language'].code.split('_')[0] not in LANGUAGES


def test_facts_of_some_countries():
    facts = {c: {f.key: f for f in plans._country_facts(country(c), 0)} for c in SAMPLE}
    assert facts['FR']['currency'].fields['code'] == 'EUR'
    assert [facts['FR']['codes'].fields[k] for k in ('iso2', 'iso3', 'number')] == [
        *('FR', 'FRA', '250')
    ]
    assert facts['FR']['number'].fields['local'] == '1 234 567,89'
    assert facts['FR']['metric'].fields['paper'] == 'A4'
    assert facts['FR']['week'].fields['day'].code == 0
    assert facts['US']['us_units'].fields['paper'] == 'US Letter'
    assert facts['US']['week'].fields['day'].code == 6
    assert facts['GB'].keys().isdisjoint({'metric', 'us_units'})
    assert facts['SE']['own_name'].fields['name'] == 'Sverige'
    assert 'own_name' not in facts['DE']
    assert facts['JP']['script'].fields['script'].code == 'Jpan'
    assert facts['TH'].keys().isdisjoint({'date'})  # Buddhist calendar
    assert facts['EG'].keys().isdisjoint({'date', 'time', 'number'})  # Arabic-Indic digits
    before, after = (facts['FR']['place'].fields[k].code for k in ('before', 'after'))
    states = [c.code for c in world.countries()]
    assert [before, 'FR', after] == states[states.index('FR') - 1 : states.index('FR') + 2]


SAMPLE = ('FR', 'US', 'GB', 'SE', 'DE', 'JP', 'TH', 'EG')


def country(code):
    return next(c for c in world.countries() if c.code == code)


@pytest.mark.parametrize(
    ('code', 'languages'),
    [
        ('FR', ('fr',)),
        ('CH', ('de', 'fr', 'it')),  # Swiss German is spoken, not official
        ('NO', ('nb', 'nn')),
        ('US', ('en',)),  # in fact, though not by law
        ('RS', ('sr',)),  # in two scripts, once
        ('UA', ('uk',)),
    ],
)
def test_official_languages_are_those_by_law_each_once(code, languages):
    assert plans._official(country(code)) == languages


def test_countries_named_after_a_city_are_left_out():
    codes = {c.code for c in plans._countries()}
    assert codes.isdisjoint({'CD', 'CG'}) and len(codes) >= 180
    for plan in plans._plans(0):
        for fact in plan.facts:
            for field in fact.fields.values():
                assert not {v.code for v in wording._values(field)} & {'CD', 'CG'}, plan.id


@pytest.mark.parametrize(
    ('code', 'language', 'date', 'time'),
    [
        ('US', 'en', '5/14/20', '3:30 PM'),
        ('GB', 'en', '14/05/2020', '15:30'),
        ('DE', 'de', '14.05.20', '15:30'),
        ('SE', 'sv', '2020-05-14', '15:30'),
        ('TH', 'th', None, None),
    ],
)
def test_dates_and_times_as_written_there(code, language, date, time):
    used = local_usage.usage(code, language, None)
    assert used.date(datetime.date(2020, 5, 14)) == date
    assert used.time(datetime.time(15, 30)) == time


def test_iso_codes_are_the_current_ones():
    assert local_usage.iso_codes('DE') == ('DEU', '276')
    assert local_usage.iso_codes('TL') == ('TLS', '626')
    assert local_usage.iso_codes('PL') == ('POL', '616')
    assert local_usage.iso_codes('--') is None
    assert {c.code for c in world.countries() if not local_usage.iso_codes(c.code)} == {'XK'}
