"""The preview: units language by language, what was drawn, and the text they make."""

import dataclasses
import functools
import re

import pytest

from tests.corpus_translators import begun, marked
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.corpus import build, preview
from xlbarrier.translate.protocol import TranslatorError

LANGUAGES = ('en', 'de', 'ar', 'ja')


@pytest.fixture
def made(tmp_path):
    (tmp_path / 'a.txt').write_text('One two three four five. Six\nseven.\n\nEight nine.\n\nTen.')
    return CorpusConfig(source=f'text:{tmp_path}/a.txt', languages=LANGUAGES, unit='words:2')


def show(made, tmp_path, count, **fields):
    make = functools.partial(marked, tmp_path / 'cache.sqlite', **fields.pop('marked', {}))
    share = build.share_of(made, 'mixed')
    lines = preview.preview(
        made, 'mixed', share, count, tmp_path, make=make, **{'colour': False, **fields}
    )
    return list(lines)


def test_units_in_every_language_and_together(made, tmp_path):
    lines = show(made, tmp_path, 5)
    assert lines[0] == 'document 0' and lines.count('together') == 2
    assert [line for line in lines if line.startswith('unit')] == [
        *(f'unit {i}' for i in range(4)),
        'unit 0',
    ]
    third = lines[lines.index('unit 3') + 1 :][:4]
    assert [line[2:4] for line in third] == list(LANGUAGES)
    assert third[0][2:] == 'en    seven.' and third[1][2:] == 'de    de(seven.)'
    assert third[2][2:] == 'ar    \u2068ar(seven.)\u2069'
    drawn = [line[2:4] for line in lines if line.startswith('> ')]
    folder = build.build(
        made, 'mixed', tmp_path / 'c', make=functools.partial(marked, tmp_path / 'cache.sqlite')
    )
    rows = list(build.read_rows(folder))
    assert drawn == [*rows[0]['languages'], *rows[1]['languages'][:1]]
    assert (
        lines[lines.index('together') + 1].replace('\u2068', '').replace('\u2069', '')
        == (rows[0]['text'])
    )
    # What the preview had translated is not translated again.
    assert set(begun(tmp_path / 'cache.sqlite').values()) == {1}


def test_units_are_those_of_the_build_where_a_document_stays_in_one_language(made, tmp_path):
    make = functools.partial(marked, tmp_path / 'cache.sqlite')
    lines = list(preview.preview(made, 'single:de', {'de': 1.0}, 9, tmp_path, make=make, colour=0))
    rows = build.read_rows(build.build(made, 'single:de', tmp_path / 'c', make=make))
    built = [unit.replace('\n', ' / ') for row in rows for unit in row['units']]
    assert [line[8:] for line in lines if line.startswith('> ')] == built
    assert set(begun(tmp_path / 'cache.sqlite').values()) == {1}


def test_a_language_without_a_share_needs_no_translator(made, tmp_path):
    some = dataclasses.replace(made, languages=('en', 'de', 'pl'), shares=(0.5, 0.5, 0.0))
    lines = show(some, tmp_path, 1)
    assert [line[2:4] for line in lines if line[:2] in ('> ', '  ')] == ['en', 'de']


def test_colours_one_a_language(made, tmp_path):
    text = '\n'.join(show(made, tmp_path, 2, colour=True))
    colours = dict.fromkeys(re.findall(r'(..)    (\x1b\[38;5;\d+m)', text))
    assert len({colour for _, colour in colours}) == len(LANGUAGES)
    assert text.count('\x1b[38') + text.count('\x1b[1m') == text.count('\x1b[0m')
    assert '\x1b' not in '\n'.join(show(made, tmp_path, 2))


def test_a_failure_is_shown_and_a_missing_language_refused(made, tmp_path):
    assert 'de    [failed: refused' in '\n'.join(
        show(made, tmp_path, 2, marked={'fails': ('three',)})
    )
    with pytest.raises(TranslatorError, match='for en-ja with'):
        show(made, tmp_path, 2, marked={'languages': ('de', 'ar')})


def test_what_a_terminal_obeys_is_not_printed(made, tmp_path):
    """Neither of the source nor of what a translator answered."""
    text = 'One \x1b]0;owned\x07two \x9b31mthree \x1b[2Jfour \u202efive\u2066 six.'
    (tmp_path / 'a.txt').write_text(text, encoding='utf-8')
    printed = ' '.join(show(made, tmp_path, 9, colour=True))
    printed = re.sub(r'\x1b\[(?:38;5;\d+|0|1)m', '', printed).replace('\u2068', '')
    assert not re.search('[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066\u2067]', printed)
    assert 'One \ufffd]0;' in printed and 'owned\ufffdtwo' in printed
