"""Pairs: files of them, and what is refused."""

import json

import pytest

from xlbarrier.datafiles import DataError
from xlbarrier.qa import pairs
from xlbarrier.qa.pairs import Pair, Side

EN = {'context': 'Capital of Italy:', 'options': [' Rome', ' Paris', ' Bern']}
DE = {'context': 'Hauptstadt von Italien:', 'options': [' Rom', ' Paris', ' Bern']}


def written(tmp_path, *rows):
    path = tmp_path / 'pairs.jsonl'
    path.write_text('\n'.join(json.dumps(row) for row in rows))
    return str(path)


def row(**languages):
    return {'id': 'Q38', 'relation': 'capital', 'languages': {'en': EN, **languages}}


def read(path):
    return pairs.check(pairs.read(path))


def test_a_row_gives_a_pair_of_english_and_each_other_language(tmp_path):
    french = {
        'context': 'Capitale :',
        'options': [' Berne', ' Rome', ' Paris'],
        'option_ids': [3, 1, 2],
    }
    english = EN | {'option_ids': [1, 2, 3]}
    found = read(written(tmp_path, row(en=english, fr=french, de=DE)))
    assert [p.target.language for p in found] == ['fr', 'de']
    assert found[0].relation == 'capital' and found[0].source.options == tuple(EN['options'])
    assert found[0].target.options == (' Rome', ' Paris', ' Berne')  # in the order of English


@pytest.mark.parametrize(
    ('languages', 'words'),
    [
        (
            {'de': DE | {'id': 'Q39'}},
            r"line 1: the sides 'Q38' \(en\) and 'Q39' \(de\) are not one item",
        ),
        ({'de': DE | {'options': [' Rom', ' Bern']}}, '3 and 2 options: the two sides are not'),
        (
            {'en': EN | {'option_ids': [1, 2, 3]}, 'de': DE | {'option_ids': [1, 2, 4]}},
            r'languages\.de: option_ids are \[1, 2, 4\], in en \[1, 2, 3\]',
        ),
        (
            {'de': DE | {'options': [' Rom', ' Bern', ' bern ']}},
            r"options 2 and 3 of 'Q38' are equal in 'de' \('Bern'\)",
        ),
        ({'en': EN | {'options': []}, 'de': DE | {'options': []}}, 'has 0 options; this objective'),
        ({}, "has no 'languages' with 'en' and another"),
        ({'de': DE | {'context': ' '}}, r'languages\.de: context is empty'),
        ({'de': DE | {'answer': 1}}, r"languages\.de has 'answer'; expected id, context"),
    ],
)
def test_what_is_no_pair_is_refused(tmp_path, languages, words):
    with pytest.raises(DataError, match=words):
        read(written(tmp_path, row(**languages)))


def test_what_is_held_out_is_refused_by_name():
    sides = Side('Q38', 'en', 'Capital:', (' a', ' b')), Side('Q38', 'de', 'Stadt:', (' a', ' b'))
    pair = Pair('capital', *sides, where='task:worldfacts')
    assert pairs.check([pair], relations=('currency',), languages=('fr',)) == [pair]
    with pytest.raises(DataError, match=r"'Q38' is of the relation 'capital', which is held out"):
        pairs.check([pair], relations=('capital',))
    with pytest.raises(DataError, match=r"'Q38' is in 'de', which is held out"):
        pairs.check([pair], languages=('de',))
    with pytest.raises(DataError, match='there is no pair to train on'):
        pairs.check([])


def test_sides_of_one_language_differ_in_their_options_or_not_at_all():
    side = Side('Q38', 'en', 'Capital:', (' a', ' b'))
    mixed, other = side._replace(options=(' a', ' c')), side._replace(context='Stadt:')
    kept = [Pair('capital', side, target, 'a task') for target in (side, mixed)]
    assert pairs.check(kept) == kept and [pair.is_own for pair in kept] == [True, False]
    with pytest.raises(DataError, match='are not one item in two languages'):
        pairs.check([Pair('capital', side, other, 'a task')])
