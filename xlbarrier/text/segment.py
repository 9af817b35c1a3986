"""Text cut into units, losslessly: documents, sentences, or k words, in any script.

ICU (icu4py) proposes the ends of sentences, and sentencex (Wikimedia's segmenter, with the
abbreviations of some 300 languages) says which of them are abbreviations: alone, ICU cuts after
'Dr.' and sentencex loses sentences between quotation marks (docs/corpus.md has the figures). Words
and graphemes are ICU's, which cuts Chinese, Japanese, Thai, Khmer, Lao and Burmese by dictionary.
The units of a text, joined, are the text: a unit keeps the white space after it.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator

import sentencex
from icu4py.breakers import CharacterBreaker, SentenceBreaker, WordBreaker

from xlbarrier.errors import InputError

WORD_RULE = (
    'a word is what stands between two word boundaries of ICU and holds a letter or a digit;'
    ' parts joined by a hyphen are one word'
)
KINDS = ('document', 'sentence', 'words:K')

_BLANK_LINE = re.compile(r'\n[^\S\n]*\n\s*')
# Below U+0300 there are neither combining marks nor joined letters, but CR LF is one grapheme.
_MAY_JOIN = re.compile('[^\x00-\u02ff]|\r')
_HYPHENS = frozenset('-‐‑־')
# ICU ends a sentence at each of these.
_LINE_BREAKS = dict.fromkeys((0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029), ' ')
_OPENING = '“‘«「『（《〈【〔([{„‚¿¡'  # marks that open what follows
# A closing mark that French sets apart from what it closes: '« Non ! » dit-il.'
_CLOSING = re.compile(r'[»”’›]+(?!\w)[,.;:]*\s*')
_LONGEST = 256  # characters of a sentence's last word, and of the next, that are looked at
_WORD_START = re.compile(rf'\w\S{{0,{_LONGEST - 1}}}')
# Written without a full stop: a space ends a clause.
_BY_SPACE = frozenset(('th', 'lo'))
# '3.' is 'third' in these.
_ORDINAL_DOT = frozenset(
    (
        *('bs', 'cs', 'da', 'de', 'et', 'fi', 'hr', 'hu', 'is', 'lb'),
        *('lv', 'nb', 'nn', 'no', 'pl', 'sk', 'sl', 'sr', 'tr'),
    )
)
# Titles and the like that sentencex 1.0.32 does not know.
_ABBREVIATIONS = {
    'ar': ('د', 'أ', 'م', 'ص', 'ج', 'هـ', 'ق', 'ت', 'ط'),
    'de': ('St',),
    'es': ('St',),
    'fr': ('M', 'MM', 'Mme', 'Mlle', 'Mgr', 'Dr', 'St', 'cf', 'Cf', 'av', 'apr', 'env'),
    'hi': ('मि', 'मिस', 'श्री', 'डॉ', 'डा', 'प्रो', 'सं'),
    'it': ('St',),
    'pl': ('św', 'ul'),
    'ru': ('ул', 'им', 'св', 'стр', 'рис', 'табл'),
}


def parse_unit(unit: str) -> tuple[str, int]:
    """('document', 0), ('sentence', 0), or ('words', k).

    Raises:
      ValueError: for another unit, or words:k without a k of at least 1.
    """
    kind, colon, number = unit.partition(':')
    if unit in ('document', 'sentence'):
        return unit, 0
    if kind == 'words' and colon and number.isdecimal() and int(number) >= 1:
        return 'words', int(number)
    raise InputError(
        f"unit is {unit!r}; expected 'document', 'sentence' or 'words:K' with K >= 1: words:8"
    )


def split(text: str, unit: str, language: str) -> list[str]:
    """The units of a text; `''.join` of them is the text.

    No sentence or run of words extends over a blank line; a single line break is white space.

    Args:
      text: any text.
      unit: 'document', 'sentence' or 'words:K'.
      language: BCP-47 code of the text.

    Raises:
      ValueError: for an unknown unit.
    """
    kind, k = parse_unit(unit)
    if kind == 'document':
        return [text] if text else []
    cut = _sentences if kind == 'sentence' else functools.partial(_runs, k=k)
    units = []
    for paragraph in paragraphs(text):
        units += cut(paragraph, language)
    return units


def paragraphs(text: str) -> list[str]:
    """The text cut after its blank lines."""
    edges = [0, *(_end_of_blank(text, match) for match in _BLANK_LINE.finditer(text)), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges) if b > a]


def _end_of_blank(text: str, match: re.Match) -> int:
    """Behind a blank line and the white space before the next; a mark may sit on the last of it."""
    end = match.end()
    around = text[end - 1 : end + 1]
    if _MAY_JOIN.match(around, 1) and len(graphemes(around, 'en')) == 1:
        return text.rindex('\n', 0, end) + 1
    return end


def words(text: str, language: str) -> list[str]:
    """The words of a text, by `WORD_RULE`."""
    tokens = list(WordBreaker(text, language))
    return [''.join(tokens[a:b]) for a, b in _word_spans(tokens)]


def count_words(text: str, language: str) -> int:
    """How many words a text has, by `WORD_RULE`."""
    return sum(1 for _ in _word_spans(list(WordBreaker(text, language))))


def graphemes(text: str, language: str) -> list[str]:
    """Letters and signs as a reader sees them (Unicode's extended grapheme clusters)."""
    return list(CharacterBreaker(text, language))


def _sentences(text: str, language: str) -> list[str]:
    base = language.split('-')[0]
    units: list[list[str]] = []  # of parts, so that a long one is put together once
    wordy: list[bool] = []  # whether a unit has a letter or digit
    opening = ''
    end = 0
    for length in map(len, SentenceBreaker(text.translate(_LINE_BREAKS), base)):
        piece, opening = _without_opening(opening + text[end : end + length], base)
        end += length
        closing = _CLOSING.match(piece) if units else None
        if closing:
            units[-1].append(closing[0])
            piece = piece[closing.end() :]
        # A closing quotation mark or a row of dots alone is not a sentence: it ends the one before.
        has_word = any(map(str.isalnum, piece))
        whole = units and wordy[-1] and has_word
        if units and not (whole and _ends(_last(units[-1]), piece, base)):
            units[-1].append(piece)
            wordy[-1] |= has_word
        elif piece:
            units.append([piece])
            wordy.append(has_word)
    if opening:
        units.append([opening])
    whole_units = [''.join(parts) for parts in units]
    if base in _BY_SPACE:
        return [clause for unit in whole_units for clause in _clauses(unit)]
    return whole_units


def _last(parts: list[str]) -> str:
    """The last `_LONGEST` characters of a unit, at least."""
    size = taken = 0
    while taken < len(parts) and size < _LONGEST:
        taken += 1
        size += len(parts[-taken])
    return ''.join(parts[-taken:])


def _without_opening(piece: str, base: str) -> tuple[str, str]:
    """The piece, and the opening marks at its end, which belong to what follows.

    ICU takes every quotation mark behind a full stop for a closing one.
    """
    core = piece.rstrip()
    before = core.rstrip(_OPENING)
    spaced = before != before.rstrip()
    if before == core or (core[len(before)] in '“‘«' and base not in ('zh', 'ja') and not spaced):
        return piece, ''  # the German closing mark “, without white space before it
    return before, piece[len(before) :]


def _ends(sentence: str, following: str, base: str) -> bool:
    """Whether the sentence ends there, and not in an abbreviation, an initial or an ordinal."""
    # Of the end alone: a list of initials is one sentence, however long.
    last = sentence[-_LONGEST:].split()[-1:]
    after = _WORD_START.search(following)
    if not last or not last[0].endswith('.') or not after:
        return True
    word = last[0].lstrip('"\'“„«‘([‚»')
    # As they are listed, or with a capital: 'св.' and 'Св.', but not 'm.' for 'M.'.
    forms = {word[:-1], word[:1].lower() + word[1:-1]}
    if forms.intersection(_ABBREVIATIONS.get(base, ())) or (len(word) == 2 and word[0].isupper()):
        return False
    if base in _ORDINAL_DOT and word[:-1].isdecimal() and len(word) <= 3:
        return False
    return _is_end(base, word, after[0])


@functools.lru_cache(1 << 16)
def _is_end(base: str, last: str, following: str) -> bool:
    return len(sentencex.segment(base, f'{last} {following}')) > 1


def _clauses(text: str) -> list[str]:
    """Thai and Lao, cut at the spaces between two of their own letters."""
    edges = [0]
    for match in re.finditer(r'\s+', text):
        a, b = match.span()
        if a and b < len(text) and _is_letter(text[a - 1]) and _is_letter(text[b]):
            edges.append(b)
    edges.append(len(text))
    return [text[a:b] for a, b in itertools.pairwise(edges) if b > a]


def _is_letter(char: str) -> bool:
    if not '\u0e01' <= char <= '\u0eff' or char in 'ๆฯ':  # a word repeated, a name cut short
        return False
    return unicodedata.category(char)[0] in 'LM'


def _runs(text: str, language: str, k: int) -> list[str]:
    """Runs of k words; the marks around a word go with it, opening ones with the next word."""
    tokens = list(WordBreaker(text, language))
    cuts, count, end = [], 0, 0
    for start, stop in _word_spans(tokens):
        if count == k:
            cuts.append(_cut(tokens, end, start))
            count = 0
        count, end = count + 1, stop
    edges = [0, *cuts, len(tokens)]
    units = [''.join(tokens[a:b]) for a, b in itertools.pairwise(edges)]
    if len(units) > 1 and _MAY_JOIN.search(text):
        units = _whole_graphemes(text, units, language)
    return [unit for unit in units if unit]


def _cut(tokens: list[str], end: int, start: int) -> int:
    """Where to cut between two words: behind the white space, and before what opens the next."""
    cut = start
    while cut > end and not tokens[cut - 1].isspace():
        cut -= 1
    if cut == end:  # no white space: marks stay with the word before, except opening ones
        cut = start
    before = cut
    while before > end and (tokens[before - 1].isspace() or _opens(tokens[before - 1])):
        before -= 1
        if _opens(tokens[before]):
            cut = before
    return cut


def _opens(token: str) -> bool:
    return unicodedata.category(token[0]) in ('Ps', 'Pi') or token[0] in '¿¡'


def _whole_graphemes(text: str, units: list[str], language: str) -> list[str]:
    """The units with every cut that falls inside a grapheme moved behind it."""
    inside, place = iter(CharacterBreaker(text, language)), 0
    edges, end = [0], 0
    for unit in units[:-1]:
        end += len(unit)
        while place < end:
            place += len(next(inside))
        edges.append(place)
    edges.append(len(text))
    return [text[a:b] for a, b in itertools.pairwise(edges)]


def _word_spans(tokens: list[str]) -> Iterator[tuple[int, int]]:
    """First and last-but-one token of each word."""
    start = stop = -1
    for i, token in enumerate(tokens):
        if not (token[0].isalnum() or any(map(str.isalnum, token))):
            continue
        if start >= 0:
            if i == stop + 1 and tokens[stop] in _HYPHENS:
                stop = i + 1
                continue
            yield start, stop
        start, stop = i, i + 1
    if start >= 0:
        yield start, stop
