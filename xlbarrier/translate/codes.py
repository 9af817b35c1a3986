"""Codes of languages: those of files, models and services, brought to one form.

'deu', 'de', 'de-DE' and NLLB's 'deu_Latn' are one language; so are 'zh', 'zho-CN' and 'zh_Hans'.
CLDR's aliases and likely subtags decide that, not a list of ours. Where several are offered, the
one that is spelt like the request comes first: 'pt' and 'pt-BR' are two offers.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import TypeVar

from babel.core import get_global

T = TypeVar('T')

# What CLDR does not say. 'no' is Bokmål wherever models or files use it; the others are codes of
# M2M-100 (ns), of LibreTranslate (pb, zt), and of NLLB, whose ISO 639-3 codes name one language of
# a macrolanguage, or one that CLDR considers a dialect of another.
_OWN = {
    'no': 'nb',
    'ns': 'nso',
    'pb': 'pt-BR',
    'zt': 'zh-Hant',
    'ajp': 'ajp',
    'prs': 'prs',
    'twi': 'twi',
    'als': 'sq',
    'ayr': 'ay',
    'azj': 'az',
    'dik': 'din',
    'fuv': 'ff',
    'gaz': 'om',
    'khk': 'mn',
    'kmr': 'ku',
    'lvs': 'lv',
    'npi': 'ne',
    'ory': 'or',
    'pbt': 'ps',
    'pes': 'fa',
    'plt': 'mg',
    'quy': 'qu',
    'swh': 'sw',
    'uzn': 'uz',
    'ydd': 'yi',
    'zsm': 'ms',
}


@functools.cache
def canonical(code: str) -> str:
    """A code with language, script and region, as far as CLDR knows them: 'deu' is 'de-Latn-DE'."""
    first, script, region = _parts(code)
    likely = get_global('likely_subtags')
    for key in ((first, script, region), (first, region), (first, script), (first,)):
        if all(key) and '_'.join(key) in likely:
            first, likely_script, likely_region = likely['_'.join(key)].split('_')[:3]
            return '-'.join((first, script or likely_script, region or likely_region))
    return '-'.join(part for part in (first, script, region) if part)


@functools.cache
def plain(code: str) -> str:
    """A code in BCP-47's form, with what it says and no more: 'deu' is 'de', 'pt_br' is 'pt-BR'.

    So 'pt' and 'pt-BR' stay distinct, which `canonical` merges: CLDR's likely region of Portuguese
    is Brazil, but where both are offered, the first is mostly European.
    """
    return '-'.join(part for part in _parts(code) if part)


def _parts(code: str) -> tuple[str, str, str]:
    """Language, script and region of a code; '' for what it does not say."""
    first, *rest = code.replace('_', '-').split('-')
    first = first.lower()
    for _ in range(2):  # an alias may lead to one of ours: nor, no, nb
        alias = _OWN.get(first) or get_global('language_aliases').get(first, first)
        first, *more = alias.replace('_', '-').split('-')
        rest = rest or more
    script = next((part.title() for part in rest if len(part) == 4 and part.isalpha()), '')
    script = 'Kore' if script == 'Hang' else script  # Hangul, with or without Han, is one script
    region = next((part.upper() for part in rest if len(part) in (2, 3)), '')
    return first, script, region


def choose(code: str, known: Mapping[str, T]) -> T | None:
    """The entry of `known` for a language.

    Args:
      code: BCP-47 or another code that `plain` knows.
      known: by `plain` code.

    Returns:
      The first of these that exists: that of the same code; that of the same language, script
      and region once CLDR's likely ones are added ('pt' for 'pt-BR'); that of the same language and
      script without a region, if it is the only one; the only one of the same language and script
      ('en-GB' takes the one English there is). None without any of them.
    """
    if plain(code) in known:
        return known[plain(code)]
    asked = canonical(code)
    for name, value in known.items():
        if canonical(name) == asked:
            return value
    near = [name for name in known if canonical(name).split('-')[:2] == asked.split('-')[:2]]
    bare = [name for name in near if not _parts(name)[2]]
    found = bare if len(bare) == 1 else near
    return known[found[0]] if len(found) == 1 else None


def table(codes: Iterable[str]) -> dict[str, str]:
    """Each code under its plain one; of two spellings of one code the first stays."""
    found: dict[str, str] = {}
    for code in codes:
        found.setdefault(plain(code), code)
    return found
