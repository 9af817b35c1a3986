"""Files whose names say which languages they are in."""

import glob
import pathlib
import re

from xlbarrier.translate import codes
from xlbarrier.translate.protocol import TranslatorError

# In a name, a language is written in small letters, a script with a capital, a region in capitals:
# so 'en-zh-CN' can be read in one way only.
CODE = r'[a-z]{2,3}(?:[-_][A-Z][a-z]{3})?(?:[-_](?:[A-Z]{2}|\d{3}))?'
_FIELD = re.compile(r'\{(source|target|language)\}|\*')


def find(place: str, fields: tuple[str, ...]) -> dict[tuple[str, ...], pathlib.Path]:
    """The files of a place, by the plain codes in their names.

    Args:
      place: a path with all of `fields` in braces; '*' stands for anything.
      fields: ('source', 'target'), ('source',) or ('language',).

    Returns:
      The path by the codes of the fields, sorted.

    Raises:
      TranslatorError: for a place with other fields, or when there is no such file, or two of one
        language or pair.
    """
    met = tuple(name for name in ('source', 'target', 'language') if f'{{{name}}}' in place)
    if met != fields:
        expected = ' and '.join(f'{{{name}}}' for name in fields)
        raise TranslatorError(
            f'config.corpus.translator.place is {place!r}; expected a name with {expected} where'
            f' the codes of the languages are{_example(place, fields)}'
        )
    names: list[str] = []
    pattern, globbed, end = '', '', 0
    for match in _FIELD.finditer(place):
        pattern += re.escape(place[end : match.start()])
        globbed += glob.escape(place[end : match.start()]) + '*'
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
    for path in sorted(glob.glob(globbed + glob.escape(place[end:]))):
        found_name = whole.fullmatch(path)
        if not found_name:
            continue
        key = tuple(codes.plain(found_name[name]) for name in sorted(names))
        if key in found:
            raise TranslatorError(
                f'{found[key]} and {path} are both of {"-".join(key)}: keep one of them, or name'
                ' the files more closely in config.corpus.translator.place'
            )
        found[key] = pathlib.Path(path)
    if not found:
        raise TranslatorError(
            f'no file matches config.corpus.translator.place = {place!r}; its {{source}},'
            ' {target} and {language} are codes such as de, deu or zh-CN'
        )
    return dict(sorted(found.items(), key=lambda item: (*map(codes.canonical, item[0]), *item[0])))


def _example(place: str, fields: tuple[str, ...]) -> str:
    """How a place without fields may be written, where its name ends in as many codes."""
    name = re.compile('[-_.]'.join([rf'(?<![^\W_])({CODE})'] * len(fields)) + r'(?=\.\w+$)')
    match = name.search(place)
    if not match or '{' in place:
        return ''
    for i, field in reversed(list(enumerate(fields, 1))):
        place = place[: match.start(i)] + f'{{{field}}}' + place[match.end(i) :]
    return f', such as {place!r}'
