"""Translates word for word by dictionaries; words without an entry are kept, and counted."""

import collections
import functools
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import snowballstemmer

from xlbarrier.text import languages, segment
from xlbarrier.translate import codes, places, wordlists
from xlbarrier.translate.protocol import Failed, digest, unsupported

# How a word was found.
ENTRY, INFLECTED, PARTS, KEPT, NUMBER = 'entry', 'inflected', 'parts', 'kept', 'number'
FOUND = (ENTRY, INFLECTED, PARTS)
LONGEST = 4  # words of a headword, such as 'Addis Ababa'
_MEMO = 1 << 16  # words kept in memory for each pair of languages: the frequent ones

_SNOWBALL = {
    code: name
    for code, name in {
        'ar': 'arabic', 'hy': 'armenian', 'eu': 'basque', 'ca': 'catalan', 'da': 'danish',
        'nl': 'dutch', 'en': 'english', 'eo': 'esperanto', 'et': 'estonian', 'fi': 'finnish',
        'fr': 'french', 'de': 'german', 'el': 'greek', 'hi': 'hindi', 'hu': 'hungarian',
        'id': 'indonesian', 'ga': 'irish', 'it': 'italian', 'lt': 'lithuanian', 'ne': 'nepali',
        'nb': 'norwegian', 'fa': 'persian', 'pl': 'polish', 'pt': 'portuguese', 'ro': 'romanian',
        'ru': 'russian', 'sr': 'serbian', 'es': 'spanish', 'sv': 'swedish', 'ta': 'tamil',
        'tr': 'turkish', 'yi': 'yiddish',
    }.items()
    if name in snowballstemmer.algorithms()
}  # fmt: skip
_HYPHENS = '-‐‑'
_DOTTED_I = ('tr', 'az')
_APOSTROPHES = "'’"
# Scripts without spaces between words, and their punctuation.
_DENSE = (
    '\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef'
    '\U00020000-\U0003ffff'
)
_DENSE_SPACE = re.compile(f'(?<=[{_DENSE}]) (?=[{_DENSE}])')


@dataclass(frozen=True)
class Coverage:
    """How many words of the texts translated into a language were found, and how.

    Attributes:
      words: words with a letter; numbers do not count.
      entry: with an entry as they are, apart from capitals.
      inflected: with the entry of their stem, or without a possessive 's.
      parts: compounds of which at least one part was found.
    """

    words: int
    entry: int
    inflected: int
    parts: int

    @property
    def found(self) -> int:
        """How many words were found."""
        return self.entry + self.inflected + self.parts

    @property
    def share(self) -> float:
        """Share of the words that were found; 0 without words."""
        return self.found / max(1, self.words)


class DictionaryTranslator:
    """Word lists; see `Translator`. Nothing fails: a word without an entry is kept, and counted."""

    def __init__(self, place: str, stem: bool = True):
        """Finds the word lists; each is read when it is first asked for.

        Args:
          place: their path, with {source} and {target}; see `wordlists.read` for the forms.
          stem: whether an inflected word takes the entry of its stem.

        Raises:
          TranslatorError: for files that are not there or cannot be read.
        """
        self._stem = stem
        self._words: dict[str, dict[str, dict[str, str]]] = {}
        parts: list[str | bytes] = [
            _RULES,
            f'stem={stem}',
            f'snowball={version("snowballstemmer")}' if stem else '',
        ]
        for (source, target), path in places.find(place, ('source', 'target')).items():
            words, files = wordlists.read(path)
            self._words.setdefault(source, {})[target] = words
            parts += [codes.canonical(source), codes.canonical(target)]
            parts += [file.read_bytes() for file in files]
        self.fingerprint = digest(*parts)
        self._ready: dict[tuple[str, str], _Pair] = {}

    def supports(self, source: str, target: str) -> bool:
        """Whether there is a word list of the two languages."""
        return codes.choose(target, codes.choose(source, self._words) or {}) is not None

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str | Failed]:
        """The texts word for word; white space and punctuation stay where they are.

        Between words of a script without spaces there is none; between words of a script with
        them there is one, whatever the source has.

        Raises:
          TranslatorError: for a pair of languages without a word list.
        """
        pair = self._ready.get((source, target))
        if pair is None:
            words = codes.choose(target, codes.choose(source, self._words) or {})
            if words is None:
                raise unsupported(source, target, 'the dictionary translator')
            pair = self._ready[source, target] = _Pair(words, source, target, self._stem)
        return [pair.translate(text) for text in texts]

    def coverage(self) -> dict[str, Coverage]:
        """Of each target language that was asked for, how many words were found."""
        counts: dict[str, collections.Counter] = {}
        for (_, target), pair in self._ready.items():
            counts.setdefault(target, collections.Counter()).update(pair.counts)
        return {
            target: Coverage(
                sum(count[kind] for kind in (*FOUND, KEPT)), *(count[kind] for kind in FOUND)
            )
            for target, count in sorted(counts.items())
        }


# Changes when the rules do, so that no cache of older rules is used.
_RULES = 'dictionary 4'


class _Pair:
    """A word list, ready to translate."""

    def __init__(self, words: Mapping[str, str], source: str, target: str, stem: bool):
        self._words = words
        self._source, self._target = source, target
        self._dense_source = not languages.language(source).spaces
        self._dense_target = not languages.language(target).spaces
        self.counts: collections.Counter[str] = collections.Counter()
        # 'Us' is 'us' before it is 'US'.
        self._lower = {word: words[word] for word in words if word == _lower(word, source)}
        for word, translation in words.items():
            self._lower.setdefault(_lower(word, source), translation)
        # By first word, the most words that a headword with it has.
        self._phrases: dict[str, int] = {}
        for word in self._lower:
            first, space, rest = word.partition(' ')
            if space and rest.count(' ') + 2 <= LONGEST:
                length = rest.count(' ') + 2
                self._phrases[first] = max(length, self._phrases.get(first, 0))
        name = _SNOWBALL.get(codes.canonical(source).split('-')[0]) if stem else None
        self._stemmer = snowballstemmer.stemmer(name) if name else None
        self._stems: dict[str, list[str]] = {}
        if self._stemmer:
            for word in self._lower:
                if ' ' not in word:
                    self._stems.setdefault(self._stemmer.stemWord(word), []).append(word)
        self._look_up: Callable[[str], tuple[str, str]] = functools.lru_cache(_MEMO)(self._find)

    def translate(self, text: str) -> str:
        pieces = _gaps_and_words(text, self._source) if self._dense_source else _WORD.split(text)
        count: collections.Counter[str] = collections.Counter()
        out = [pieces[0]]
        i = 1
        while i < len(pieces):
            long = self._phrase(pieces, i)
            if long:
                translation, i_next = long
                kind = ENTRY
                count[kind] += (i_next - i) // 2 - 1
            else:
                translation, kind = self._look_up(pieces[i])
                i_next = i + 2
            count[kind] += 1
            out.append(translation)
            gap = pieces[i_next - 1]
            if self._dense_source and not self._dense_target and not gap:
                gap = ' ' if i_next < len(pieces) else ''
            out.append(gap)
            i = i_next
        self.counts.update(count)
        whole = ''.join(out)
        if self._dense_target and not self._dense_source:
            return _DENSE_SPACE.sub('', whole)
        return whole

    def _phrase(self, pieces: list[str], i: int) -> tuple[str, int] | None:
        """The translation of the longest headword of several words here, and where it ends."""
        if self._dense_source:
            longest, glue = LONGEST, ''
        else:
            longest, glue = self._phrases.get(_lower(pieces[i], self._source), 0), ' '
        for length in range(min(longest, (len(pieces) - i) // 2), 1, -1):
            end = i + 2 * length
            if any(gap != glue for gap in pieces[i + 1 : end - 2 : 2]):
                continue
            words = glue.join(pieces[i : end - 1 : 2])
            found = self._entry(words)
            if found:
                return found, end
        return None

    def _find(self, word: str) -> tuple[str, str]:
        """The translation of a word, and how it was found."""
        plain = unicodedata.normalize('NFC', word)
        if not any(map(str.isalpha, plain)):
            return word, NUMBER
        found = self._entry(plain)
        if found:
            return found, ENTRY
        bare = _without_possessive(plain) if self._source.split('-')[0] == 'en' else plain
        found = (self._entry(bare) if bare != plain else None) or self._by_stem(bare)
        if found:
            return found, INFLECTED
        parts = _COMPOUND.split(word)
        if len(parts) > 1:
            looked = [self._look_up(part) if part else ('', NUMBER) for part in parts[::2]]
            if any(kind in FOUND for _, kind in looked):
                joints = [*parts[1::2], '']
                return ''.join(a + b for (a, _), b in zip(looked, joints, strict=True)), PARTS
        return word, KEPT

    def _entry(self, word: str) -> str | None:
        found = self._words.get(word)
        if found:
            return found
        found = self._lower.get(_lower(word, self._source))
        return _as_written(found, word, self._target) if found else None

    def _by_stem(self, word: str) -> str | None:
        if self._stemmer is None:
            return None
        low = _lower(word, self._source)
        headwords = self._stems.get(self._stemmer.stemWord(low))
        if not headwords:
            return None
        best = min(headwords, key=lambda head: (-_common(head, low), len(head), head))
        return _as_written(self._lower[best], word, self._target)


def _gaps_and_words(text: str, source: str) -> list[str]:
    """Gap, word, gap, word ... gap, as `_WORD.split` gives them, by the segmenter's words."""
    pieces, end = [], 0
    for word in segment.words(text, source):
        start = text.index(word, end)
        pieces += [text[end:start], word]
        end = start + len(word)
    return [*pieces, text[end:]]


def _without_possessive(word: str) -> str:
    if len(word) > 2 and word[-2] in _APOSTROPHES and word[-1] in 'sS':
        return word[:-2]
    return word.rstrip(_APOSTROPHES)


def _as_written(translation: str, word: str, language: str) -> str:
    """The translation, of a language, in the capitals of the word."""
    if len(word) > 1 and word.isupper():
        return _upper(translation, language)
    if word[:1].isupper():
        return _upper(translation[:1], language) + translation[1:]
    return translation


def _lower(text: str, language: str) -> str:
    """In small letters; Turkish has an i with a dot and one without, in both sizes."""
    if language.split('-')[0] in _DOTTED_I:
        text = text.replace('İ', 'i').replace('I', 'ı')
    return text.lower()


def _upper(text: str, language: str) -> str:
    if language.split('-')[0] in _DOTTED_I:
        text = text.replace('i', 'İ')
    return text.upper()


def _common(a: str, b: str) -> int:
    length = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        length += 1
    return length


def _word_pattern() -> re.Pattern[str]:
    """A word: letters, digits and the marks on them, which `\\w` leaves out; with joints inside."""
    marks = ''.join(
        re.escape(chr(i))
        for i in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
        if unicodedata.category(chr(i))[0] == 'M'
    )
    letters = f'[^\\W_{marks}][\\w{marks}\u200c\u200d]*'
    joints = re.escape(_HYPHENS + _APOSTROPHES)
    return re.compile(f'({letters}(?:[{joints}]{letters})*)')


_WORD = _word_pattern()
_COMPOUND = re.compile(f'([{re.escape(_HYPHENS + _APOSTROPHES)}])')
