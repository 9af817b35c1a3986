"""Word lists on disk: MUSE and TSV lines, JSON, and FreeDict's dictd form.

Each reader yields (word, translation) pairs in order of preference: the first translation of a
word is the one to use.
"""

import os
import pathlib
import re
import unicodedata
from collections.abc import Iterator

from xlbarrier import datafiles
from xlbarrier.translate.protocol import TranslatorError

_BASE64 = {
    char: i
    for i, char in enumerate('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
}
_DICT_SUFFIXES = ('.dict', '.dict.dz', '.dict.txt')
# What is beside a translation in a dictd entry: part of speech, usage, pronunciation.
_ASIDE = re.compile(r'<[^<>]*>|\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|(?<!\w)/[^/]+/')
_NUMBER = re.compile(r'^(?:(?:[IVX]+|\d+|[a-z])\.(?:\s+|$)|-\s+)+')
_TAG = re.compile(r'<[^<>]*>')
_OTHER_HEADWORD = ('Phras', 'Comp', 'Idiom')  # in a tag
_LONGER = 3  # letters of a pronunciation that make it another word's
_PRONOUNCED = re.compile(r'\s/([^/]*)/')
_HEADWORD_END = re.compile(r'(?<!\s)\s++[/<\[]')
_NESTED = 20  # nested asides that are removed


def read(path: str | os.PathLike) -> tuple[dict[str, str], list[pathlib.Path]]:
    """A word list, and the files it was read from.

    Args:
      path: `.index` (dictd; the `.dict`, `.dict.dz` or `.dict.txt` is beside it), `.json`
        ({"word": "translation"} or {"word": ["translation", ...]}), or any other name for lines of
        a word and its translation, with a tab, or one space, between them. All may be gzipped.

    Returns:
      The first translation of each word, and the paths of all files.

    Raises:
      TranslatorError: for a file that cannot be read; names it, and the line or offset.
    """
    path = pathlib.Path(path)
    name = path.name.removesuffix('.gz')
    if name.endswith('.index'):
        body = _body_of(path)
        pairs, files = _dictd(path, body), [path, body]
    elif name.endswith('.json'):
        pairs, files = _json(path), [path]
    else:
        pairs, files = _lines(path), [path]
    words: dict[str, str] = {}
    for word, translation in pairs:
        words.setdefault(unicodedata.normalize('NFC', word), translation)
    if not words:
        raise TranslatorError(f'{path} has no word with a translation')
    return words, files


def _lines(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(datafiles.read_text(path).split('\n'), 1):
        if not line.strip():
            continue
        parts = line.strip('\r').split('\t') if '\t' in line else line.split()
        if len(parts) < 2 or ('\t' not in line and len(parts) != 2):
            raise TranslatorError(
                f'{path} line {number} is {line[:60]!r}; expected a word and its translation with a'
                ' tab between them (or one space, where both are one word)'
            )
        word, translation = parts[0].strip(), parts[1].strip()
        if word and translation:
            yield word, translation


def _json(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    for word, found in datafiles.read_object(path).items():
        for translation in found if isinstance(found, list) else [found]:
            if not isinstance(translation, str):
                raise TranslatorError(
                    f'{path} has {translation!r:.60} for {word!r:.60}; expected a text or a list'
                    ' of them'
                )
            if word.strip() and translation.strip():
                yield word.strip(), translation.strip()


def _dictd(index: pathlib.Path, body: pathlib.Path) -> Iterator[tuple[str, str]]:
    """The entries of a FreeDict dictionary.

    Several entries of one headword are mostly phrases that lost their other words ('acuarela' for
    'water', of 'water colour'). Those with a clearly longer pronunciation count as such; of
    the others, the one with the most translations is taken, and the first of equals.
    """
    data = datafiles.read_bytes(body)
    found: dict[str, list[tuple[int, str, list[str]]]] = {}
    for number, line in enumerate(datafiles.read_text(index).split('\n'), 1):
        if not line or line.startswith(('00database', '00-database')):
            continue
        parts = line.split('\t')
        if len(parts) < 3:
            raise TranslatorError(
                f'{index} line {number} is {line[:60]!r}; expected headword, offset,'
                ' length with tabs'
            )
        start, length = (_number(part, index, number) for part in parts[1:3])
        if start + length > len(data):
            raise TranslatorError(
                f'{index} line {number} points at bytes {start} to {start + length} of {body},'
                f' which has {len(data)}: the two files are not of one edition'
            )
        entry = datafiles.decode(data[start : start + length], body, start)
        spoken = _PRONOUNCED.search(entry.partition('\n')[0])
        translations = _translations(entry)
        if parts[0].strip() and translations:
            length = len(spoken[1]) if spoken else 0
            written = _headword(entry, parts[0].strip())
            found.setdefault(parts[0].strip(), []).append((length, written, translations))
    for entries in found.values():
        shortest = min(length for length, _, _ in entries)
        entries.sort(key=lambda entry: (entry[0] > shortest + _LONGER, -len(entry[2])))
        for _, written, translations in entries:
            for translation in translations:
                yield written, translation


def _number(text: str, index: pathlib.Path, line: int) -> int:
    value = 0
    for char in text:
        if char not in _BASE64:
            raise TranslatorError(f'{index} line {line}: {text!r} is not a number in base 64')
        value = value * 64 + _BASE64[char]
    return value


def _body_of(index: pathlib.Path) -> pathlib.Path:
    base = str(index).removesuffix('.gz').removesuffix('.index')
    for suffix in _DICT_SUFFIXES:
        if os.path.exists(base + suffix):
            return pathlib.Path(base + suffix)
    raise TranslatorError(
        f'{index} has no entries beside it: none of'
        f' {", ".join(os.path.basename(base) + suffix for suffix in _DICT_SUFFIXES)} is there'
    )


def _headword(entry: str, indexed: str) -> str:
    """The headword as it is written; the index may have it in small letters, without its dot."""
    written = _HEADWORD_END.split(entry.partition('\n')[0].strip(), maxsplit=1)[0].strip()
    return written if _letters(written) == _letters(indexed) else indexed


def _letters(text: str) -> str:
    return ''.join(char for char in text.casefold() if char.isalnum())


def _translations(entry: str) -> list[str]:
    """The translations of an entry, sense by sense.

    What is about another headword, examples and references are left out.
    """
    found = []
    for line in entry.split('\n')[1:]:
        line = line.strip()
        if line.startswith(('"', 'See also', 'Synonym', 'Note')) or _about_another(line):
            continue
        for _ in range(_NESTED):  # 'I.  <N> 1.  [gatunek]  pies': asides and numbers by turns
            previous = line
            line = _NUMBER.sub('', _ASIDE.sub(' ', line).strip()).strip()
            if line == previous:
                break
        found += [part for part in map(_clean, re.split('[,;]', line)) if part]
    return found


def _about_another(line: str) -> bool:
    return any(name in tag for tag in _TAG.findall(line) for name in _OTHER_HEADWORD)


def _clean(part: str) -> str:
    """A translation without remains of broken brackets; '' if no word is left."""
    part = ' '.join(part.split())
    if any(char in '<>[](){}"/=~' for char in part) or not any(map(str.isalpha, part)):
        return ''
    return part
