"""Which option a free-text answer names: by the published rule, and by one that understands more.

Both give the option's index, or None where the answer cannot be read. An unreadable answer counts
as wrong; `metrics.unreadable` gives their share, without which an accuracy says little.

Every pattern is linear in the text: repeated characters are matched possessively, and what may
follow a word is matched step by step.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xlbarrier.metrics.answer_words import LATIN, LETTERS, SCRIPTS, WORDS
from xlbarrier.metrics.thought import without_thought

_INDEX = {
    form: index
    for _, letters in SCRIPTS
    for letter, index in letters.items()
    for form in (letter, letter.lower())
}
# A Turkish copula, which an apostrophe joins to the letter: 'C’dir'.
_COPULA = r"(?:['’](?:d[ıiuü]r|t[ıiuü]r)(?![a-z]))"
# A letter without neighbours of its own script: the C of 'Cです', not that of 'Cat'.
_LETTER_FORM = '(?P<letter>{})'.format(
    '|'.join(
        rf"(?<![{script}\d'’])[{''.join(letters)}{''.join(letters).lower()}]"
        rf"(?![{script}\d])(?!(?!{_COPULA})['’])"
        for script, letters in SCRIPTS
    )
)
_OPEN_FORM = r'[\s"“”«»\'‘(\[{:=\-–—፡፦>→]*+'
_LETTER, _OPEN = re.compile(_LETTER_FORM, re.IGNORECASE), re.compile(_OPEN_FORM)
_SPACED = f'{LATIN}Ͱ-ϿЀ-ԯא-תء-ۓ'  # scripts in which a word ends before the next letter
_MOST_LINKS = 6
_AHEAD = 64  # characters after a letter that decide whether it names an option


def _normal(text: str) -> str:
    """NFKC (full-width and circled letters), without invisible marks."""
    return ''.join(
        c for c in unicodedata.normalize('NFKC', text) if unicodedata.category(c) != 'Cf'
    )


def _words(field: str, codes: Sequence[str] | None = None) -> list[str]:
    """A field's words in some languages, the longest first."""
    found = {
        _normal(word)
        for code in codes or WORDS
        for word in getattr(WORDS[code], field).split('|')
        if word
    }
    return sorted(found, key=lambda word: (-len(word), word))


def _any_of(words: Sequence[str]) -> str:
    """A pattern of any of the words, whole where their script separates words by spaces."""
    whole = (rf'{re.escape(w)}(?![{_SPACED}])' for w in words if re.match(f'[{_SPACED}]', w[-1]))
    joined = (re.escape(w) for w in words if not re.match(f'[{_SPACED}]', w[-1]))
    return f'(?:{"|".join([*whole, *joined]) or "(?!)"})'


@functools.cache
def _links_of(cue: str) -> re.Pattern[str]:
    """What may come between a word for 'answer' and the letter: words of its language, or English.

    The list is closed, so that 'the answer is not C' names nothing.
    """
    codes = [c for c, w in WORDS.items() if cue in _normal(w.answer).casefold().split('|')]
    return re.compile(_any_of(_words('link', [*codes, 'en'] if codes else None)), re.IGNORECASE)


# What introduces an answer: a whole word, but Arabic and Hebrew join 'and' or 'so' to it. The first
# letters are tried before the words, which is many times faster.
_CASED = f'{LATIN}Ͱ-ϿЀ-ԯ'
_CUE = re.compile(
    '(?=[{}])(?:{})'.format(
        ''.join(sorted({form for w in _words('answer') for form in (w[0], w[0].upper())})),
        '|'.join(
            (rf'(?<![{_CASED}])' if re.match(f'[{_CASED}]', word) else '') + re.escape(word)
            for word in _words('answer')
        ),
    ),
    re.IGNORECASE,
)
_OPTION = re.compile(_any_of(_words('option')), re.IGNORECASE)
_START = re.compile(
    rf'{_OPEN_FORM}(?P<option>{_any_of(_words("option"))}\s*+)?+{_OPEN_FORM}{_LETTER_FORM}',
    re.IGNORECASE,
)
_BOXED = re.compile(rf'\\boxed\s*+\{{\s*+(?:\\\w++\s*+\{{)?+\s*+\(?+\s*+{_LETTER_FORM}')
# 'B or C', 'A/B': two letters are not an answer.
_OTHER = re.compile(
    r'\s*+(?:[,/&+]|(?:or|and|oder|und|ou|et|o|y|e|lub|oraz|или|и|أو|او)\b|或|和|か)\s*+[("]*+'
    rf'[A-JА-Г](?![{LATIN}Ѐ-ӿ])'
)
# 'A is correct' is as readable as 'C is correct', and 'B is wrong' names no answer.
_TOLD = re.compile(r'\s+(?:is|because|since|ist|weil|est|es)\b')
_DENIED = re.compile(
    r"\s+(?:is|ist|est|es)(?:n[’']t|\s+(?:not|wrong|incorrect|false|nicht|falsch|pas|faux"
    rf'|incorrecta?|falsa?))\b|\s*+{_any_of(_words("denied"))}',
    re.IGNORECASE,
)
_CALLED = re.compile(rf'{_COPULA}|\s++{_any_of(_words("after"))}', re.IGNORECASE)
_BRACKETED = re.compile(rf'\(\s*+{_LETTER_FORM}\s*+\)')
# A model that does not stop asks itself the next question.
_NEXT_QUESTION = re.compile(
    rf'^[^\S\n]*+{_any_of(_words("question"))}\s*+\d*+\s*+[:.]', re.IGNORECASE | re.MULTILINE
)
_SPECIAL_TOKEN = re.compile(
    r'</?s>|<\|[^<>|]{1,30}\|>|<(?:eos|bos|pad|unk|end_of_turn)>|\[/?INST\]'
)
_MARKUP = re.compile(r'[*_`#$~]|[\u0640\ufffd]')
_ENDS = frozenset('.,;:!?)]}"”»\'’|/\\،؛。、，；：！？）】」』-–—।॥።')


class _Named(NamedTuple):
    """A letter that an answer names: the option's index, and where the letter ends."""

    option: int
    end: int


def first_character(answer: str, options: int) -> int | None:
    """The option whose letter is the answer's first character: CLiKA's published rule.

    Nothing is stripped or normalised: ' C', 'c' and 'The answer is C' are unreadable.
    """
    return _within(LETTERS.find(answer[:1]) if answer else -1, options)


def robust(answer: str, options: int, choices: Sequence[str] | None = None) -> int | None:
    r"""The option that an answer names in one of the ways in which models name it.

    Text inside marks of thought is not read (see `thought`). Then in this order: a \boxed letter;
    the letter that the answer begins with ('C.', '(C)', 'c)', 'Option C', full-width 'Ｃ', letters
    of the scripts in `answer_words.SCRIPTS`), or that it states in one of the languages of
    `answer_words.WORDS` ('The answer is C', 'Antwort: C', '答案是C'); the only letter in round
    brackets; the text of exactly one option. Where it begins with one letter and states another,
    or states two, it is unreadable. What follows a next question that the model asks itself is not
    read; 'A dog' is no A.

    Args:
      answer: what the model wrote.
      options: how many options there were; a later letter is unreadable.
      choices: the options' texts; without them no answer is read by its text.
    """
    if len(answer) == 1 and answer in LETTERS:  # most answers: no pattern needs to be tried
        return _within(LETTERS.index(answer), options)
    text = _clean(without_thought(answer))
    following = _NEXT_QUESTION.search(text)
    if following:
        text = text[: following.start()].rstrip()
    if not text:
        return None
    boxed = [_INDEX[match['letter']] for match in _BOXED.finditer(text)]
    if boxed:
        return _within(boxed[-1], options)
    found = list(_stated(text))
    start = _START.match(text)
    if start and _accepted(start['letter'], text, start.end(), optional=bool(start['option'])):
        found.append(_Named(_INDEX[start['letter']], start.end()))
    if any(_OTHER.match(text, one.end) for one in found):
        return None
    named = {one.option for one in found}
    if not named:
        bracketed = _BRACKETED.finditer(text)
        named = {_INDEX[match['letter']] for match in bracketed if match['letter'].isupper()}
    if not named and choices is not None:
        own = _plain(text)
        named = {i for i, choice in enumerate(choices) if own and _plain(_clean(choice)) == own}
    return _within(named.pop(), options) if len(named) == 1 else None


def _stated(text: str) -> Iterator[_Named]:
    """The letters that follow a word for 'answer', with nothing but links between."""
    for cue in _CUE.finditer(text):
        links = _links_of(cue.group().casefold())
        at = _past_opening(text, cue.end())
        optional = False
        for _ in range(_MOST_LINKS + 1):
            letter, link = _LETTER.match(text, at), links.match(text, at)
            if letter and _accepted(letter['letter'], text, letter.end(), stated=True):
                yield _Named(_INDEX[letter['letter']], letter.end())
                break
            step = link or (None if optional else _OPTION.match(text, at))
            if step is None:
                break
            optional = step is not link
            at = _past_opening(text, step.end())


def _past_opening(text: str, start: int) -> int:
    match = _OPEN.match(text, start)
    return match.end() if match else start


def _clean(text: str) -> str:
    """The text normalised, without special tokens and markup."""
    if text.isascii() and text.isalnum():
        return text
    return _MARKUP.sub('', _normal(_SPECIAL_TOKEN.sub(' ', text))).strip()


def _plain(text: str) -> str:
    kept = (c for c in text.casefold() if unicodedata.category(c)[0] in 'LMN' or c.isspace())
    return ' '.join(''.join(kept).split())


def _accepted(
    letter: str, text: str, end: int, *, stated: bool = False, optional: bool = False
) -> bool:
    """Whether a letter is an option's and not a word: 'c.' but not 'a dog'; 'B It was'.

    Args:
      letter, text, end: the letter, and where it ends in the text.
      stated: whether a word for 'answer' introduces it.
      optional: whether a word for 'option' does.
    """
    rest = text[end : end + _AHEAD]
    if _DENIED.match(rest):
        return False
    if not rest.strip() or rest[0] == '\n' or rest.lstrip()[0] in _ENDS:
        return True
    after = rest.lstrip()[0]
    if letter.upper() not in LETTERS or (not stated and optional):
        return False  # alone in its script a letter may be a word, in Latin 'option C is wrong'
    if letter.islower():
        return False
    # A, E and I are words in several languages, but not before a capital or another script.
    is_word = letter in 'AEI' and re.match(f'[{LATIN}]', after) and not after.isupper()
    return not is_word or bool(_TOLD.match(rest) or _CALLED.match(rest))


def _within(index: int, options: int) -> int | None:
    return index if 0 <= index < options else None
