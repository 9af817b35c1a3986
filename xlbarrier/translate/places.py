"""Files whose names say which languages they hold."""

import glob
import gzip
import os
import pathlib
import re
import zlib

from xlbarrier.translate import codes
from xlbarrier.translate.protocol import TranslatorError

# In a name, a language is written in small letters, a script with a capital, a region in capitals:
# so 'en-zh-CN' can be read in one way only.
CODE = r'[a-z]{2,3}(?:[-_][A-Z][a-z]{3})?(?:[-_](?:[A-Z]{2}|\d{3}))?'
_FIELD = re.compile(r'\{(source|target|language)\}|\*')


def find(place: str) -> dict[tuple[str, ...], pathlib.Path]:
    """The files of a place, by the canonical codes in their names.

    Args:
      place: a path with {source} and {target}, or {language}; '*' stands for anything.

    Returns:
      {(source, target): path} or {(language,): path}; sorted.

    Raises:
      TranslatorError: when there is no such file, or two of one language or pair.
    """
    names: list[str] = []
    pattern, wanted, end = '', '', 0
    for match in _FIELD.finditer(place):
        pattern += re.escape(place[end : match.start()])
        wanted += glob.escape(place[end : match.start()]) + '*'
        end, name = match.end(), match[1]
        if not name:
            pattern += '[^/]*'
        elif name in names:
            pattern += f'(?P={name})'
        else:
            names.append(name)
            pattern += f'(?P<{name}>{CODE})'
    whole = re.compile(pattern + re.escape(place[end:]))
    found: dict[tuple[str, ...], pathlib.Path] = {}
    for path in sorted(glob.glob(wanted + glob.escape(place[end:]))):
        match = whole.fullmatch(path)
        if not match:
            continue
        key = tuple(codes.canonical(match[name]) for name in sorted(names))
        if key in found:
            raise TranslatorError(
                f'{found[key]} and {path} are both of {"-".join(key)}: keep one of them, or name'
                ' the files more closely in config.corpus.translator.place'
            )
        found[key] = pathlib.Path(path)
    if not found:
        raise TranslatorError(
            f'no file matches config.corpus.translator.place = {place!r}; its {{source}},'
            ' {target} and {language} stand for codes such as de, deu or zh-CN'
        )
    return dict(sorted(found.items()))


def read(path: str | os.PathLike) -> bytes:
    """The bytes of a file, unpacked where they are gzip's or dictzip's.

    Raises:
      TranslatorError: naming a file that cannot be read.
    """
    try:
        data = pathlib.Path(path).read_bytes()
        return gzip.decompress(data) if data[:2] == b'\x1f\x8b' else data
    except (OSError, EOFError, zlib.error) as error:
        raise TranslatorError(f'{path} cannot be read: {error}') from error


def decode(data: bytes, path: str | os.PathLike) -> str:
    """The text of a file in UTF-8, a byte order mark left out.

    Raises:
      TranslatorError: naming the file and the first byte that is none of UTF-8.
    """
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise TranslatorError(
            f'{path} is not UTF-8: byte {data[error.start]:#04x} at offset {error.start}; convert'
            " it, for example with 'iconv -t UTF-8'"
        ) from error
