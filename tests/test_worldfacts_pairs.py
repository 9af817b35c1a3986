"""The pairs that the world facts give: none states an asked fact."""

import collections
import dataclasses
import itertools

import pytest

from tests.test_worldfacts_relations import RELATIONS, countries_of, everything, half
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.datafiles import DataError
from xlbarrier.qa import pairs as qa_pairs
from xlbarrier.tasks import worldfacts
from xlbarrier.tasks.base import Pairing
from xlbarrier.tasks.worldfacts import LANGUAGES, WorldFacts
from xlbarrier.tasks.worldfacts_relations import ANSWER_NAME, SUBJECT_NAME


@pytest.fixture(scope='module')
def task():
    return everything()


@pytest.fixture(scope='module')
def test_part():
    return half()


def test_no_country_of_a_test_question_is_in_dev_or_in_a_pair(test_part):
    dev = everything(part='dev')
    asked = [
        {c for q in task.questions('full', 'en') for c in countries_of(q.subject, q.id)}
        for task in (dev, test_part)
    ]
    items = {(pair.relation, pair.source.item) for pair in test_part.pairs()}
    taught = {country for relation, item in items for country in countries_of(relation, item)}
    assert all((*asked, taught))
    for one, two in itertools.combinations((*asked, taught), 2):
        assert not one & two


def test_no_pair_states_an_asked_fact(test_part):
    """By code, in either direction; and by text, in every language."""
    assert isinstance(test_part, Pairing)
    pairs = test_part.pairs()
    answer = {f'{r}:{c.subject}': c.answer for r in RELATIONS for c in worldfacts.candidates(r)}
    asked = {
        frozenset((q.id.partition(':')[2], answer[q.id])) for q in test_part.questions('full', 'en')
    }
    taught = {pair.source.item for pair in pairs}
    assert len(asked) > 400 and len(taught) > 300
    assert not {frozenset((item.partition(':')[2], answer[item])) for item in taught} & asked
    assert not {pair.relation for pair in pairs} & {'city_country', 'country_neighbour'}
    assert {pair.target.language for pair in pairs} == set(LANGUAGES) - {'en', 'hi', 'pl'}
    for language in LANGUAGES:
        sides = {
            side.item: side
            for pair in pairs
            for side in (pair.source, pair.target)
            if side.language == language
        }
        assert (not sides) == (language in ('hi', 'pl'))
        texts = [
            (side.context, ANSWER_NAME[item.partition(':')[0]](answer[item], language))
            for item, side in sides.items()
        ]
        for question in test_part.questions('full', language):
            relation, _, code = question.id.partition(':')
            subject = SUBJECT_NAME[relation](code, language)
            said = question.choices[question.answer]
            both = [f'{t} {a}' for t, a in texts if said in t + a and subject in t + a]
            # The name of Greece is part of that of Greek, which is also said of Cyprus.
            assert not [text for text in both if subject in text.replace(said, '')], question.id


def test_pairs_that_state_what_another_task_asks_are_refused(test_part, task):
    test_part.check_pairs({'a': test_part, 'dev': everything(part='dev')})
    with pytest.raises(DataError, match=r'worldfacts: its pair .* states what config\.tasks\.all'):
        test_part.check_pairs({'a': test_part, 'all': task})
    with pytest.raises(DataError, match='same split_seed'):
        test_part.check_pairs({'other': everything(part='test', split_seed=1)})


def test_pairs_of_a_held_out_further_language_are_checked_whole():
    """Vietnamese is asked and takes items out; the pairs without it have them all."""
    continents = {'relations': ('country_continent',), 'questions': 0, 'part': 'test'}
    taught = WorldFacts(
        WorldFactsConfig(**continents, languages=('en', 'de', 'vi'), held_out_languages=('vi',))
    )
    paired = {pair.source.item for pair in taught.pairs()}
    asked = WorldFacts(WorldFactsConfig(**continents, languages=('en', 'de'), split_seed=1))
    both = paired & {question.id for question in asked.questions('full', 'en')}
    unnamed = both - {
        q.id for q in WorldFacts(
            WorldFactsConfig(relations=('country_continent',), questions=0, languages=('en', 'vi'))
        ).questions('full', 'en')
    }  # fmt: skip
    assert unnamed
    one = next(item for item in asked._items if item.id in unnamed)
    asked._items = [one]
    with pytest.raises(DataError, match=f'its pair {one.id!r} states what'):
        taught.check_pairs({'taught': taught, 'asked': asked})


def test_pairs_are_one_item_with_the_same_options(test_part):
    pairs = qa_pairs.check(
        test_part.pairs(),
        relations=test_part.held_out_relations,
        languages=test_part.held_out_languages,
    )
    assert len(pairs) == len({(p.source.item, p.target.language) for p in pairs}) > 3000
    for pair in pairs:
        name, code = ANSWER_NAME[pair.relation], pair.target.language
        of = {name(c, 'en'): name(c, code) for c in answers(pair.relation)}
        assert [of[option.strip()] for option in pair.source.options] == [
            option.strip() for option in pair.target.options
        ]
    japanese = next(p for p in pairs if p.target.language == 'ja').target
    assert japanese.context.startswith('質問：国名：') and japanese.context.endswith('\n答え：')


def test_pairs_with_options_in_several_languages(test_part):
    config = dataclasses.replace(test_part.config, pair_variants=('mixup', 'full'))
    pairs = worldfacts.WorldFacts(config).pairs()
    plain = test_part.pairs()
    items = {pair.target.item for pair in plain}
    # An English question too may have options in several languages; some are spelled as in English.
    assert 2 * len(plain) < len(pairs) < 2 * len(plain) + len(items)
    assert not any(pair.is_own for pair in pairs)
    assert {p.target for p in plain} < {p.target for p in pairs}
    spoken = set(LANGUAGES) - {'hi', 'pl'}
    mixed = [p for p in pairs if p.target not in {p.target for p in plain}]
    contexts = {side.context for pair in plain for side in (pair.source, pair.target)}
    for pair in mixed[::37]:
        name = ANSWER_NAME[pair.relation]
        of = {name(c, 'en'): {name(c, code) for code in spoken} for c in answers(pair.relation)}
        for english, option in zip(pair.source.options, pair.target.options, strict=True):
            assert option.strip() in of[english.strip()]
        assert pair.target.context in contexts
    assert {p.target.language for p in mixed} == spoken
    assert qa_pairs.check(pairs, relations=set(), languages={'hi', 'pl'})


def test_items_paired_with_themselves_are_whole_in_each_language_that_is_trained_on(test_part):
    config = dataclasses.replace(test_part.config, pair_variants=('own',))
    own = worldfacts.WorldFacts(config).pairs()
    plain = test_part.pairs()
    assert all(pair.is_own for pair in own)
    assert {p.target for p in own} == {side for p in plain for side in (p.source, p.target)}
    thrice = dataclasses.replace(config, own_in_english=3)
    english = [p for p in own if p.target.language == 'en']
    more = worldfacts.WorldFacts(thrice).pairs()
    assert collections.Counter(more) == collections.Counter(own + english + english)
    with pytest.raises(ConfigError, match=r'own_in_english is 3.*pair_variants is .*full'):
        dataclasses.replace(thrice, pair_variants=('full',)).check_together('config.tasks.w')
    assert qa_pairs.check(own, languages={'hi', 'pl'}) == own


def answers(relation):
    return {
        a for c in worldfacts.candidates(relation) for a in (c.answer, *c.wrong[0], *c.wrong[1])
    }


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({}, r"tasks\.worldfacts\.part is 'all'"),
        ({'part': 'test', 'held_out': ('city_country',)}, r'without held_out are \(\)'),
        ({'part': 'test', 'held_out_languages': ('de',)}, r'held_out_languages \(\)'),
        ({'part': 'test', 'dev_share': 0.5}, 'leave no country to train on'),
        ({'part': 'test', 'chat': True}, 'chat is True; pairs to train on are plain text'),
    ],
)
def test_what_leaves_no_pairs_is_reported(fields, words):
    made = WorldFacts(
        WorldFactsConfig(**{'languages': ('en', 'de'), 'questions': 4, **fields}),
    )
    with pytest.raises(DataError, match=words):
        made.pairs()
