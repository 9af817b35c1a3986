"""The other relations of the world facts, and the split of the countries."""

import collections
import hashlib
import json
import typing

import babel
import pytest
from babel.core import get_global

from xlbarrier import config as config_lib
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.tasks import Relation, WorldFactsConfig
from xlbarrier.corpus import countries
from xlbarrier.corpus.countries.templates import FIELDS
from xlbarrier.modes.start import begin
from xlbarrier.tasks import worldfacts, worldfacts_relations, worldfacts_split
from xlbarrier.tasks.worldfacts import LANGUAGES, WorldFacts
from xlbarrier.tasks.worldfacts_names import names, tells
from xlbarrier.tasks.worldfacts_relations import ANSWER_NAME, SUBJECT_NAME
from xlbarrier.tasks.worldfacts_templates import TEMPLATES
from xlbarrier.text import states, world

RELATIONS = typing.get_args(Relation)
NEW = ('country_capital', 'country_continent', 'country_neighbour', 'language_script')


def everything(**fields):
    fields = {'questions': 0, 'languages': LANGUAGES, 'variants': ('full',), **fields}
    return WorldFacts(WorldFactsConfig(relations=RELATIONS, **fields))


@pytest.fixture(scope='module')
def task():
    return everything()


def half():
    """As an effect study asks: two relations and two languages held out, half of the countries."""
    return everything(
        part='test', held_out=('city_country', 'country_neighbour'), held_out_languages=('hi', 'pl')
    )


@pytest.fixture(scope='module')
def test_part():
    return half()


def test_more_than_800_items_in_more_than_twelve_languages(task):
    counts = {
        language: collections.Counter(q.subject for q in task.questions('full', language))
        for language in LANGUAGES
    }
    print('\n'.join(f'{language} {dict(count)}' for language, count in counts.items()))
    assert set(TEMPLATES) == set(RELATIONS) == set(worldfacts_relations.MAKERS)
    assert {'ar', 'de', 'en', 'es', 'fr', 'hi', 'it', 'ja', 'pl', 'pt', 'ru', 'zh'} < set(LANGUAGES)
    assert all(count == counts['en'] for count in counts.values())
    assert len(counts['en']) == 7 and counts['en'].total() >= 1000
    assert min(counts['en'].values()) >= 90


def test_more_than_800_items_whose_names_do_not_tell_the_answer(task):
    """All of the other relations, and those currencies and languages that are not named alike."""
    kept = everything(giveaways='drop').questions('full', 'en')
    counts = collections.Counter(q.subject for q in kept)
    assert counts.total() == 879 and counts['country_currency'] == 57
    assert counts['country_language'] == 121
    gone = {q.id for q in task.questions('full', 'en')} - {q.id for q in kept}
    assert {item.partition(':')[0] for item in gone} == {'country_currency', 'country_language'}
    assert {'country_currency:DK', 'country_language:FR'} <= gone


@pytest.mark.parametrize(
    ('relation', 'subject', 'answer'),
    [
        ('country_capital', 'FR', 'Europe/Paris'),
        ('country_capital', 'KE', 'Africa/Nairobi'),
        ('country_capital', 'AR', 'America/Argentina/Buenos_Aires'),
        ('country_continent', 'BR', '019'),
        ('country_continent', 'JP', '142'),
        ('country_neighbour', 'PT', 'ES'),
        ('country_neighbour', 'IE', 'GB'),
        ('country_neighbour', 'HT', 'DO'),
        ('language_script', 'hi', 'Deva'),
        ('language_script', 'ru', 'Cyrl'),
        ('language_script', 'fa', 'Arab'),
        ('language_script', 'sw', 'Latn'),
        ('language_script', 'ti', 'Ethi'),
    ],
)
def test_facts_are_true(relation, subject, answer):
    (found,) = [c for c in worldfacts.candidates(relation) if c.subject == subject]
    assert found.answer == answer


def test_what_is_in_doubt_is_not_asked():
    asked = {r: {c.subject for c in worldfacts.candidates(r)} for r in NEW}
    assert not asked['country_capital'] & {'BO', 'ID', 'LK', 'SZ', 'ZA', 'IL', 'CI', 'TZ'}
    assert not asked['country_continent'] & {'EG', 'RU', 'TR', 'KZ', 'GE', 'CY', 'ID', 'ZA', 'CF'}
    assert not asked['country_neighbour'] & {'IL', 'PS', 'XK', 'VA', 'JP', 'GW'}
    assert not asked['language_script'] & {'sr', 'kk', 'uz', 'az', 'pa', 'ks', 'el', 'he', 'ja'}


def test_no_second_answer_is_right(task):
    """Over all items: by the tables themselves, read here in another way than the task does."""
    borders = {
        frozenset((one, two)) for one, rest in states.BORDERS.items() for two in rest.split()
    }
    doubtful = {frozenset(pair.split()) for pair in states.IN_DOUBT}
    region = {c.code: world.continent(c.region) for c in world.countries()}
    capital = {c.subject: c.answer for c in worldfacts.candidates('country_capital')}
    place = {c.subject: c.country for c in worldfacts.candidates('city_country')}
    scripts = collections.defaultdict(set)
    for tag, full in get_global('likely_subtags').items():
        scripts[tag.split('_')[0]].add(full.split('_')[1])
    met = collections.Counter()
    for question in task.questions('full', 'en'):
        subject = question.id.partition(':')[2]
        wrong = list(question.meta['choices'])
        right = wrong.pop(question.answer)
        met[question.subject] += 1
        if question.subject == 'country_capital':
            assert place[right] == subject and right in states.CAPITALS
            assert all(w in capital.values() and place[w] != subject for w in wrong)
        elif question.subject == 'country_continent':
            assert right == region[subject] and right not in wrong
        elif question.subject == 'country_neighbour':
            assert frozenset((subject, right)) in borders - doubtful
            assert not {frozenset((subject, w)) for w in wrong} & (borders | doubtful)
            assert not {right, *wrong} & {'XK', 'PS', 'VA', 'IL'}
        elif question.subject == 'language_script':
            assert right in scripts[subject] and not set(wrong) & scripts[subject]
    assert sum(met[relation] for relation in NEW) > 500


def test_names_of_options_differ_and_none_is_told_by_the_subject(task):
    for relation in NEW:
        for candidate in worldfacts.candidates(relation):
            subject = names(SUBJECT_NAME[relation], candidate.subject)
            assert not tells(subject, names(ANSWER_NAME[relation], candidate.answer)), candidate
    for language in LANGUAGES:
        for question in task.questions('full', language):
            assert len({world.fold(choice) for choice in question.choices}) == 4, question.id


@pytest.mark.parametrize('relation', NEW)
def test_every_fact_has_four_options_whatever_the_seed(relation):
    for seed in (1, 2):
        config = WorldFactsConfig(relations=(relation,), questions=0, seed=seed)
        items = worldfacts.make_items(config)
        assert {item.candidate for item in items} == set(worldfacts.candidates(relation))
        assert all(len(set(item.choices)) == 4 for item in items)


def test_borders_are_between_states_each_pair_once():
    codes = {c.code for c in world.countries()}
    pairs = [(one, two) for one, rest in states.BORDERS.items() for two in rest.split()]
    assert len(pairs) == len(set(pairs)) == 317 and all(one < two for one, two in pairs)
    assert {code for pair in pairs for code in pair} <= codes
    assert {z.zone for z in world.cities()} >= states.CAPITALS
    place = {z.zone: z.country for z in world.cities()}
    assert len({place[zone] for zone in states.CAPITALS}) == len(states.CAPITALS)
    assert states.neighbours('PT') == {'ES'} and 'BR' in states.in_doubt('FR')
    assert states.neighbours('JP') == frozenset()


def test_two_neighbours_are_paired_where_they_can_be():
    paired = worldfacts_relations.paired()
    mutual = [country for country, other in paired.items() if paired[other] == country]
    assert len(mutual) > 0.75 * len(paired)
    assert max(map(len, worldfacts_split.groups())) <= 4


def test_the_split_has_its_shares_and_depends_on_its_seed_alone():
    one = worldfacts_split.part_of(WorldFactsConfig())
    sizes = collections.Counter(one.values())
    assert len(one) == 196
    for part, share in (('train', 0.4), ('dev', 0.1), ('test', 0.5)):
        assert abs(sizes[part] - 196 * share) < 3
    same = WorldFactsConfig(seed=7, part='test', relations=('country_currency',))
    assert worldfacts_split.part_of(same) == one
    assert worldfacts_split.part_of(WorldFactsConfig(split_seed=1)) != one
    none = worldfacts_split.part_of(WorldFactsConfig(dev_share=0.0, test_share=1.0))
    assert set(none.values()) == {'test'}


def countries_of(relation, item_id):
    """The country of an item, and that of its right answer if it is one."""
    (found,) = [
        c for c in worldfacts.candidates(relation) if c.subject == item_id.partition(':')[2]
    ]
    return {found.country, *([found.answer] if relation == 'country_neighbour' else ())}


def test_text_that_states_a_held_out_relation_is_refused(tmp_path):
    asked = {'relations': RELATIONS, 'held_out': ('country_neighbour', 'language_script')}
    values = {'model': {'source': 'm'}, 'tasks': {'worldfacts': {'part': 'test', **asked}}}
    with pytest.raises(
        ConfigError, match=r"worldfacts\.held_out has 'language_script'.*'countries'"
    ):
        begin(tmp_path / 'run', config_lib.resolve(values))
    assert not (tmp_path / 'run').exists()


def test_the_countries_text_states_what_it_is_said_to(task):
    """By the fields of its templates: no city, and of two countries only the lists they are in."""
    kinds = {field for fields in FIELDS.values() for field in fields}
    assert not {field for field in kinds if 'city' in field or 'border' in field}
    assert {'currency', 'languages', 'continent', 'script'} <= kinds
    assert set(RELATIONS) - set(countries.STATES) == {
        *('city_country', 'country_capital', 'country_neighbour')
    }
    with_two = {
        key for key, fields in FIELDS.items() if fields & {'countries', 'items', 'before', 'after'}
    }
    # In lists by code, by subregion, by language and by currency, never by border.
    assert with_two == {
        *('cmp_codes', 'cmp_currency', 'cmp_intro', 'cmp_language', 'cmp_week'),
        *('place', 'reg_list', 'region', 'same_currency', 'same_language'),
    }


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'dev_share': 0.6}, r'dev_share is 0\.6 and t\.test_share is 0\.5; expected at most 1'),
        ({'part': 'dev', 'dev_share': 0.0}, r"part is 'dev', and t\.dev_share is 0"),
        ({'held_out_languages': ('zh',)}, r"has 'zh', which is not in t\.languages"),
        ({'held_out': ('city',)}, r"held_out\[0\] is 'city'.*Did you mean 'city_country'"),
    ],
)
def test_a_split_that_cannot_be_is_refused(fields, words):
    with pytest.raises(ConfigError, match=words):
        WorldFactsConfig(**fields).check('t')


def test_too_many_questions_of_a_part():
    with pytest.raises(ValueError, match=r'CLDR has 11 that .*about the countries of dev'):
        WorldFacts(WorldFactsConfig(questions=100, part='dev'))


def test_the_split_in_the_runs_files(test_part, task, tmp_path):
    task.write_split(tmp_path / 'split' / 'all.json')
    assert not (tmp_path / 'split').exists(), 'no split, no file'
    test_part.write_split(tmp_path / 'split' / 'worldfacts.json')
    record = json.loads((tmp_path / 'split' / 'worldfacts.json').read_text())
    assert record['part'] == 'test' and record['held_out'] == ['city_country', 'country_neighbour']
    assert record['asked'] == [q.id for q in test_part.questions('full', 'en')]
    assert record['countries'] == worldfacts_split.part_of(test_part.config)


# Change this digest only with a change that is meant to change the questions.
GOLDEN = '24597510f71e3b2c7a1dcc4d17b0e3065633e7542939c921b683be6f0585fbba'


@pytest.mark.skipif(babel.__version__ != '2.18.0', reason='the digest is of CLDR 47, Babel 2.18.0')
def test_golden_questions(task):
    rows = [
        [q.id, q.question, q.choices, q.answer]
        for language in LANGUAGES
        for q in task.questions('full', language)
        if q.subject in NEW
    ]
    found = hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
    assert found == GOLDEN
