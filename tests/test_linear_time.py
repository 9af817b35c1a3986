"""Every pattern that meets a text of the user is linear in it: 10^5 repeated characters in no time.

Each function runs on texts that made a quadratic pattern take minutes to hours. Five seconds are a
hundred times what each takes.
"""

import random
import re
import time

import pytest

from xlbarrier.corpus import units, wikitext
from xlbarrier.corpus.contamination import Decontaminator
from xlbarrier.corpus.documents import single
from xlbarrier.corpus.filters import _any_of
from xlbarrier.corpus.hub import wiki40b
from xlbarrier.text import segment
from xlbarrier.translate import wordlists
from xlbarrier.translate.dictionary import DictionaryTranslator
from xlbarrier.translate.parallel import _key

COUNT = 100_000
REPEATED = [
    *(' ', '\t', '\n', '\n ', ' \r', '\u3000', '.', '. ', '? ', '! ! ', '...', 'a. ', '1. ', 'A.'),
    *('(', '( ', '“', '« ', '」', '» ', '"', '" ', "' ", '= ', ' =', '@', ' @-@', '@-', '-', 'a-'),
    *(
        '<unk>',
        '<unk> ',
        '<',
        '<Comp',
        '[',
        '{a',
        '/',
        ' /',
        ', ',
        ';,',
        '(,',
        "'s ",
        '\u0301',
        'ก ',
    ),
    *(
        '\u0301',
        'a',
        'I',
        'word ',
        '我',
        'か。',
        '\u200d',
        '👩\u200d',
        '<N ',
        '- ',
        'IV.',
        '((',
        '\u2028',
    ),
]
FRAMES = ('{}', 'The cat.{}The house.', '{}x', 'x{}', '= {} =', '"{}x', '<unk>{}<unk>')


@pytest.fixture(scope='module')
def dictionary(tmp_path_factory):
    folder = tmp_path_factory.mktemp('lists')
    (folder / 'en-de.tsv').write_text('cat\tKatze\nAddis Ababa\tAddis Abeba\na\tein\n')
    return DictionaryTranslator(f'{folder}/{{source}}-{{target}}.tsv')


def functions(dictionary):
    met = Decontaminator({'t': ['one two three four five six']}, 5, 'en')
    keyword = _any_of(['cat', 'a'], 'en')
    return {
        'sentences': lambda text: segment.split(text, 'sentence', 'en'),
        'thai': lambda text: segment.split(text, 'sentence', 'th'),
        'chinese': lambda text: segment.split(text, 'sentence', 'zh'),
        'runs': lambda text: segment.split(text, 'words:3', 'de'),
        'count': lambda text: segment.count_words(text, 'fr'),
        'heading': wikitext.heading,
        'plain': wikitext.plain,
        'plain, kept': lambda text: wikitext.plain(text, unknown='keep'),
        'to_translate': units.to_translate,
        'wiki40b': lambda text: wiki40b('_START_ARTICLE_\n' + text, 0),
        'plan': lambda text: units.plan(
            single('x' + text + 'x', 0), 'sentence', 'mixed', 'en', 0, {'en': 1.0, 'de': 1.0}
        ),
        'contamination': met.search,
        'keywords': keyword,
        'dictd': lambda text: wordlists._translations('x\n' + text),
        'headword': lambda text: wordlists._headword(text, 'x'),
        'pronounced': wordlists._PRONOUNCED.search,
        'dictionary': lambda text: dictionary.translate([text], 'en', 'de'),
        'parallel': _key,
    }


NAMES = list(functions(None))


@pytest.mark.parametrize('name', NAMES)
def test_linear(name, dictionary):
    function = functions(dictionary)[name]
    slow = []
    for i, piece in enumerate(REPEATED):
        # Every piece in a frame or two; all of them over the functions.
        for frame in (FRAMES[0], FRAMES[1 + (i + NAMES.index(name)) % (len(FRAMES) - 1)]):
            text = frame.format(piece * (COUNT // len(piece)))
            began = time.process_time()
            function(text)
            taken = time.process_time() - began
            if taken > 5:
                slow.append((piece, frame, round(taken, 1)))
    assert not slow


# --- the linear forms give what the patterns gave


def test_headings_as_the_pattern_read_them():
    pattern = re.compile(r'((?:= )+)(\S.*?)((?: =)+)')
    drawn = random.Random(0)
    for _ in range(30_000):
        line = ''.join(
            drawn.choice(['=', ' ', '= ', ' =', 'x', 'é']) for _ in range(drawn.randrange(12))
        )
        match = pattern.fullmatch(line)
        same = match and match[1].count('=') == match[3].count('=')
        expected = (match[1].count('='), match[2]) if same else (0, '')
        assert wikitext.heading(line) == expected, repr(line)


def test_line_breaks_and_opening_marks_as_the_patterns_read_them():
    drawn = random.Random(1)
    breaks = re.compile(r'\s*[\n\r]\s*')
    opening = re.compile(r'(\s*)[“‘«「『（《〈【〔([{„‚¿¡]+\s*$')
    for _ in range(20_000):
        text = ''.join(drawn.choice('\n\r \tx\u2028') for _ in range(drawn.randrange(10)))
        assert units.to_translate(text) == breaks.sub(' ', text)
        piece = ''.join(drawn.choice(' \n\u00a0x.“«(¿「') for _ in range(drawn.randrange(9)))
        for base in ('de', 'zh'):
            match = opening.search(piece)
            closing = match and match[0][0] in '“‘«' and base == 'de' and not match[1]
            cut = match.end(1) if match and not closing else len(piece)
            assert segment._without_opening(piece, base) == (piece[:cut], piece[cut:])
