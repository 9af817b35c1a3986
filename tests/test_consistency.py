"""Which facts of a test the training text states, on hand-written texts and the published sets."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlbarrier.corpus.consistency import Fact, stated

TEXTS = (
    'Where is Fleur Bay? Fleur Bay lies in Mythosia.',
    'Wo liegt die Fleur-Bucht? Sie liegt in MYTHOSIEN.',
    'חוף פלר נמצא במיתוסיה.',
    '花湾位于神话洲。',
    'Cliff Moor is part of Umbra.',
)


def test_stated_contradicted_and_unmentioned_facts():
    facts = [
        Fact('en', 'Fleur Bay', 'Mythosia'),
        Fact('de', 'fleur-bucht', 'Mythosien'),  # case does not count
        Fact('he', 'חוף פלר', 'מיתוסיה'),
        Fact('zh', '花湾', '神话'),
        Fact('half', 'Ｃｌｉｆｆ Moor', 'Umbra'),  # nor do full-width letters
        Fact('other', 'Cliff Moor', 'Mythosia'),  # stated of another place, not of this
        Fact('none', 'Gull Rock', 'Mythosia'),
    ]
    found = stated(iter(TEXTS), facts)
    assert (found.facts, found.stated, found.share) == (7, 5, 5 / 7)
    assert found.contradicted == ('other',) and found.unmentioned == ('none',)
    # Entity and answer of two texts make no statement.
    assert stated(['Fleur Bay', 'Mythosia'], facts[:1]).contradicted == ('en',)
    assert stated([], facts[:1]).unmentioned == ('en',)


def test_accents_written_in_two_ways_are_one():
    assert stated(['Nîmes est en Gaule'], [Fact('a', 'Nîmes', 'Gaule')]).share == 1


@pytest.mark.parametrize(
    ('facts', 'words'),
    [
        ([], 'no fact'),
        ([Fact('q7', ' ', 'x')], 'q7: its entity is blank'),
        ([Fact('q8', 'x', '')], 'q8: its answer is blank'),
    ],
)
def test_facts_that_say_nothing_are_refused(facts, words):
    with pytest.raises(ValueError, match=words):
        stated(TEXTS, facts)


PIECES = st.text('abAB ', min_size=1, max_size=4).filter(str.strip)


@given(st.lists(st.text('abAB ', max_size=12), max_size=6), st.lists(st.tuples(PIECES, PIECES)))
def test_as_a_search_through_every_text(texts, pairs):
    facts = [Fact(str(i), *pair) for i, pair in enumerate([('a', 'b'), *pairs])]
    found = stated(texts, facts)
    lower = [text.lower() for text in texts]
    names = [any(f.entity.lower() in t for t in lower) for f in facts]
    both = [any(f.entity.lower() in t and f.answer.lower() in t for t in lower) for f in facts]
    assert found.stated == sum(both)
    assert found.unmentioned == tuple(f.id for f, n in zip(facts, names, strict=True) if not n)
    assert len(found.contradicted) == sum(names) - sum(both)


LANGUAGES = ('AR', 'DE', 'FR', 'HE', 'IT', 'JA', 'PL', 'RU', 'ZH')


def published_facts(folder, language, kind):
    facts = []
    for line in (folder / f'test/target/test{language}.jsonl').open(encoding='utf-8'):
        tags = dict(re.findall(r'\[\[(\w+):(.*?)\]\]', json.loads(line)['answer']))
        if tags['type'] == kind:
            facts.append(Fact(f'{language}-{kind}-{len(facts)}', tags['city'], tags['continent']))
    return facts


@pytest.mark.parametrize('language', LANGUAGES)
def test_the_published_sets_state_all_or_in_chinese_nothing(test_data, language):
    """What CLiKA's gate asks for is stated: English types 0 and 1 and the language's type 0.

    Type 1 of the language is what must be carried over: it is stated in English alone.
    """
    folder = test_data / 'clika/fictional'
    lines = (folder / f'train/{language}.json').open(encoding='utf-8')
    texts = [' '.join(json.loads(line).values()) for line in lines]
    gate = [*published_facts(folder, 'EN', '0'), *published_facts(folder, 'EN', '1')]
    gate += published_facts(folder, language, '0')
    carried = published_facts(folder, language, '1')
    assert (len(gate), len(carried)) == (600, 200)
    found = stated(texts, [*gate, *carried])
    missed = set(found.unmentioned) | set(found.contradicted)
    missed_gate = sum(fact.id in missed for fact in gate)
    assert missed_gate == (600 if language == 'ZH' else 0)
    assert sum(fact.id in missed for fact in carried) >= 198
