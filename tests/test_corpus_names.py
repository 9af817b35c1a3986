"""The arm `names`: a lexicon of places that says nothing about them."""

import itertools
import unicodedata

import pytest

from xlbarrier.config import CorpusConfig
from xlbarrier.corpus import build as corpus_lib
from xlbarrier.corpus.countries import names
from xlbarrier.tasks.worldfacts_relations import candidates
from xlbarrier.text import world

LANGUAGES = ('en', 'ar', 'de', 'hi', 'ja', 'zh')


@pytest.fixture(scope='module')
def rows():
    return names.rows(LANGUAGES, seed=0)


def test_a_document_is_one_place_in_every_language(rows):
    assert len(rows) == len({row['id'] for row in rows})
    places = {row['id'].rsplit('/', 1)[0] for row in rows}
    assert len(rows) == names.ROUNDS * len(places)
    named = {'city': world.city_name, 'country': world.country_name}
    for row in rows[:400]:
        kind, _, code = row['id'].removeprefix('names/').rpartition('/')[0].partition('/')
        assert sorted(row['languages']) == sorted(LANGUAGES)
        assert row['units'] == [f'{one}: {named[kind](code, one)}' for one in row['languages']]
        assert row['text'] == ' | '.join(row['units'])
        assert unicodedata.is_normalized('NFC', row['text'])


def test_every_asked_place_is_named_and_no_document_has_two(rows):
    """So that no document says in which country a city is."""
    asked = {f'city/{c.subject}' for c in candidates('city_country')}
    asked |= {f'country/{c.answer}' for c in candidates('city_country')}
    assert asked < {row['id'].removeprefix('names/').rpartition('/')[0] for row in rows}
    said = [set(row['units']) for row in rows[: len(rows) // names.ROUNDS]]
    for fact in candidates('city_country'):
        city, country = world.city_name(fact.subject, 'ja'), world.country_name(fact.answer, 'ja')
        assert not [units for units in said if {f'ja: {city}', f'ja: {country}'} <= units]


def test_orders_are_drawn_and_do_not_depend_on_other_places(rows):
    again = names.rows(LANGUAGES, seed=0)
    assert again == rows and names.rows(LANGUAGES, seed=1) != rows
    of_one = [row for row in rows if row['id'].startswith('names/city/Europe/Warsaw/')]
    assert len(of_one) == names.ROUNDS
    assert len({tuple(row['languages']) for row in of_one}) > names.ROUNDS / 2
    firsts = [row['languages'][0] for row in rows]
    for code in LANGUAGES:
        assert firsts.count(code) == pytest.approx(len(rows) / len(LANGUAGES), rel=0.15)


def test_it_is_built_and_found_again(tmp_path):
    config = CorpusConfig(languages=('en', 'ar', 'zh'), documents=40)
    folder = corpus_lib.build(config, 'names', tmp_path / 'names')
    read = list(corpus_lib.read_rows(folder))
    assert read == names.rows(('en', 'ar', 'zh'), config.seed, 40)
    manifest = corpus_lib.read_manifest(folder)
    assert manifest['documents'] == 40 and manifest['arm'] == 'names'
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    corpus_lib.build(config, 'names', folder)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize('fields', [{'source': 'text:a.txt'}, {'languages': ('en',)}])
def test_what_has_no_names_is_refused(fields, tmp_path):
    with pytest.raises(ValueError, match="arm 'names' has the names of places in two languages"):
        corpus_lib.check(CorpusConfig(**fields), ('names',), tmp_path)


def test_more_documents_than_there_are_names_for(tmp_path):
    config = CorpusConfig(documents=99_999)
    with pytest.raises(ValueError, match='documents is 99999, but the arm names has'):
        corpus_lib.build(config, 'names', tmp_path / 'c')
    assert not (tmp_path / 'c').exists()


def test_languages_and_places_do_not_mix(rows):
    """A unit is in the script of its language."""
    for row, script in itertools.product(rows[:200], ('ar', 'hi')):
        unit = row['units'][row['languages'].index(script)].partition(': ')[2]
        word = {'ar': 'ARABIC', 'hi': 'DEVANAGARI'}[script]
        assert any(unicodedata.name(c, '').startswith(word) for c in unit), unit
