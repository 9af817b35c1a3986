"""Codes of languages: the ones of files, models and services, brought to one form.

'deu', 'de', 'de-DE' and NLLB's 'deu_Latn' are one language; so are 'zh', 'zho-CN' and 'zh_Hans'.
CLDR's aliases and likely subtags decide that, not a list of ours.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import TypeVar

from babel.core import get_global

T = TypeVar('T')

# What CLDR does not say. 'no' is Bokmål wherever models or files use it; the others are codes of
# M2M-100 (ns), of LibreTranslate (pb, zt), and of NLLB, whose ISO 639-3 codes name one language of
# a macrolanguage, or one that CLDR takes for another's dialect.
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
    first, *rest = code.replace('_', '-').split('-')
    first = first.lower()
    for _ in range(2):  # an alias may lead to one of ours: nor, no, nb
        alias = _OWN.get(first) or get_global('language_aliases').get(first, first)
        first, *more = alias.replace('_', '-').split('-')
        rest = rest or more
    script = next((part.title() for part in rest if len(part) == 4 and part.isalpha()), '')
    script = 'Kore' if script == 'Hang' else script  # Hangul, with or without Han, is one script
    region = next((part.upper() for part in rest if len(part) in (2, 3)), '')
    likely = get_global('likely_subtags')
    for key in ((first, script, region), (first, region), (first, script), (first,)):
        if all(key) and '_'.join(key) in likely:
            first, likely_script, likely_region = likely['_'.join(key)].split('_')[:3]
            return '-'.join((first, script or likely_script, region or likely_region))
    return '-'.join(part for part in (first, script, region) if part)


def choose(code: str, known: Mapping[str, T]) -> T | None:
    """What `known` holds for a language.

    Args:
      code: BCP-47 or another code that `canonical` knows.
      known: by canonical code.

    Returns:
      That of the same language, script and region, or else of the only one that has the same
      language and script ('en-GB' takes the one English there is); None where there is none.
    """
    wanted = canonical(code)
    if wanted in known:
        return known[wanted]
    near = [value for name, value in known.items() if name.split('-')[:2] == wanted.split('-')[:2]]
    return near[0] if len(near) == 1 else None


def table(codes: Iterable[str]) -> dict[str, str]:
    """Each code under its canonical one; of two codes of one language the first stays."""
    found: dict[str, str] = {}
    for code in codes:
        found.setdefault(canonical(code), code)
    return found
