"""Languages by BCP-47 code: names, script, direction, and whether words have spaces."""

import difflib
import functools
import re
from dataclasses import dataclass

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.localedata import locale_identifiers

from xlbarrier.errors import InputError

# Scripts written without spaces between words.
NO_SPACES = frozenset({'Hans', 'Hant', 'Jpan', 'Thai', 'Khmr', 'Laoo', 'Mymr', 'Tibt'})

RIGHT_TO_LEFT = frozenset({'Adlm', 'Arab', 'Hebr', 'Mand', 'Nkoo', 'Rohg', 'Syrc', 'Thaa'})

_FORM = re.compile(r'[a-z]{2,3}(-[A-Za-z0-9]{2,8})*')

FULL_WIDTH = ('zh', 'ja')  # full-width brackets, and no space between sentences

SEVERAL = 'mul'  # BCP-47's code of a text in several languages


class UnknownLanguageError(InputError):
    """CLDR has no such language; names it and near ones."""


@dataclass(frozen=True)
class Language:
    """A language.

    Attributes:
      code: BCP-47, for example 'pt' or 'zh'.
      english_name, native_name: CLDR's names of it.
      script: ISO 15924 code of its usual script.
      direction: 'ltr' or 'rtl'.
      spaces: whether words are divided by spaces.
    """

    code: str
    english_name: str
    native_name: str
    script: str
    direction: str
    spaces: bool


@functools.cache
def language(code: str) -> Language:
    """The language of a BCP-47 code.

    Raises:
      UnknownLanguageError: when CLDR does not have it.
    """
    if code == SEVERAL:
        return Language(code, 'several languages', 'several languages', 'Zyyy', 'ltr', True)
    found = locale(code)
    script = found.script or likely_script(code)
    return Language(
        code=code,
        english_name=found.get_display_name('en') or code,
        native_name=found.get_display_name(code.replace('-', '_')) or code,
        script=script,
        direction=found.character_order.replace('right-to-left', 'rtl').replace(
            'left-to-right', 'ltr'
        ),
        spaces=script not in NO_SPACES,
    )


@functools.cache
def named(code: str) -> Language:
    """The language of a code, also of one that CLDR has no locale for: many of Belebele's 122.

    Such a language has CLDR's English name, or else its code as its name, and the direction of the
    script that it is most likely written in.

    Raises:
      UnknownLanguageError: when CLDR has neither a locale nor a name, and the code is not one of
        three letters, as ISO 639-3 has them, without a shorter one.
    """
    try:
        return language(code)
    except UnknownLanguageError:
        base = code.split('-')[0]
        name = Locale('en').languages.get(base, code)
        longer = base in get_global('language_aliases')  # deu, for de
        if longer or not _FORM.fullmatch(code) or (name == code and len(base) != 3):
            raise
        script = likely_script(code)
        direction = 'rtl' if script in RIGHT_TO_LEFT else 'ltr'
        return Language(code, name, name, script, direction, script not in NO_SPACES)


@functools.cache
def locale(code: str) -> Locale:
    """Babel's locale of a BCP-47 code.

    Raises:
      UnknownLanguageError: when CLDR does not have it.
    """
    try:
        found = Locale.parse(code, sep='-')
        # Babel also accepts EN, iw and und, as en, he and American English.
        if code == 'root' or found.language != code.split('-')[0]:
            raise InputError(f'{code!r} is not a code in use')
        return found
    except (UnknownLocaleError, ValueError) as error:
        known = sorted(name.replace('_', '-') for name in locale_identifiers())
        near = difflib.get_close_matches(code.lower(), known, n=3, cutoff=0.4)
        hint = f'; near ones: {", ".join(near)}' if near else ''
        raise UnknownLanguageError(
            f'CLDR has no language {code!r}{hint}. Expected a BCP-47 code such as en, pt or zh'
        ) from error


def likely_script(code: str) -> str:
    """ISO 15924 code of the most likely script of a language, by CLDR; 'Zyyy' if unknown."""
    base = code.replace('-', '_')
    subtags = get_global('likely_subtags').get(base) or get_global('likely_subtags').get(
        base.split('_')[0], ''
    )
    parts = [part for part in subtags.split('_') if len(part) == 4]
    return parts[0] if parts else 'Zyyy'
