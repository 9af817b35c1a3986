"""The world: CLDR's own facts, and no name that falls back to another language."""

import unicodedata

import pytest
from babel.core import get_global

from xlbarrier.tasks.worldfacts_templates import LANGUAGES
from xlbarrier.text import world


def test_sovereign_states_and_their_regions():
    found = {c.code: c for c in world.countries()}
    assert len(found) == len(world.countries()) == 196
    assert {'FR', 'JP', 'BR', 'KE', 'AU', 'XK', 'PS', 'VA'} <= set(found)
    assert not {'RE', 'GP', 'HK', 'PR'} & set(found)
    regions = [region for regions in world.CONTINENTS.values() for region in regions]
    assert sorted(regions) == sorted(world.REGIONS)
    assert world.continent(found['JP'].region) == '142'
    assert found['FR'].cities == ('Europe/Paris',)
    assert found['CH'].currencies == ('CHF',) and 'de' in found['CH'].official_languages


def test_every_city_and_country_has_a_name_in_every_template_language():
    for language in LANGUAGES:
        for city in world.cities():
            assert world.city_name(city.zone, language)
        for country in world.countries():
            assert world.country_name(country.code, language)
            assert world.region_name(country.region, language)


@pytest.mark.parametrize(
    ('zone', 'language', 'name'),
    [
        ('Europe/Berlin', 'de', 'Berlin'),
        ('Europe/Kyiv', 'ru', 'Киев'),  # CLDR files it under the zone's former name
        ('Asia/Kolkata', 'de', 'Kalkutta'),
        ('Africa/Cairo', 'ar', 'القاهرة'),
        ('Europe/Paris', 'ja', 'パリ'),
        ('America/New_York', 'en', 'New York'),
    ],
)
def test_city_names(zone, language, name):
    assert world.city_name(zone, language) == name


def test_a_missing_name_is_an_error_and_not_an_english_name():
    with pytest.raises(world.MissingNameError, match="'hi'"):
        world.city_name('Europe/Nowhere', 'hi')
    with pytest.raises(world.MissingNameError, match='currency ZZZ'):
        world.currency_name('ZZZ', 'en')


def test_fold_compares_names_without_marks_case_and_spaces():
    assert world.fold('São Tomé') == world.fold('sao tome')
    assert world.fold('Guinea-Bissau') == 'guineabissau'
    assert world.fold('שׂרה') == world.fold('שרה') and world.fold('أُردن') == world.fold('اردن')


def test_fold_keeps_the_vowels_of_hindi():
    """Moscow and Minsk, Lima and Lomé have the same consonants."""
    for one, two in (('Europe/Moscow', 'Europe/Minsk'), ('America/Lima', 'Africa/Lome')):
        names = [world.city_name(zone, 'hi') for zone in (one, two)]
        assert world.fold(names[0]) != world.fold(names[1]), names


def test_fold_keeps_the_marks_of_japanese():
    assert world.fold('バリ') != world.fold('ハリ') != world.fold('パリ')
    assert world.fold(world.city_name('Europe/Paris', 'ja')) == world.fold('パリ')


def test_names_hold_no_soft_hyphens():
    """CLDR's German hyphenates Reykjavík; a tokenizer would split the word there."""
    assert world.city_name('Atlantic/Reykjavik', 'de') == 'Reykjavík'
    for language in LANGUAGES:
        names = [world.city_name(city.zone, language) for city in world.cities()]
        assert not [n for n in names if any(unicodedata.category(c) == 'Cf' for c in n)]


def test_no_entry_of_a_table_of_zones_is_misspelt():
    """A string unpacked by mistake would leave its letters there."""
    zones = set(get_global('zone_territories')) | set(get_global('zone_aliases'))
    assert zones >= world.NOT_CITIES
    assert {city.zone for city in world.cities()} >= set(world.BEST_KNOWN)
    assert len(set(world.BEST_KNOWN)) == len(world.BEST_KNOWN)
    assert not {city.zone for city in world.cities()} & world.NOT_CITIES
