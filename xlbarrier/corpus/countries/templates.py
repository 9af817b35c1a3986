"""The sentences of the embedded corpus: three wordings per fact and language, from tables.

A wording is chosen by its number, the same in every language, so that wordings of one number say
the same thing. The tables are beside this file, one per group of languages.
"""

import difflib
from collections.abc import Mapping, Sequence

from xlbarrier.corpus.countries import (
    templates_asian,
    templates_french_italian,
    templates_germanic,
    templates_semitic,
    templates_slavic,
    templates_spanish_portuguese,
)
from xlbarrier.errors import InputError

WORDINGS = 3

# The fields that every wording of a fact in every language must have, each once, besides those it
# may leave out: 'currency' names the money and its code in whatever words.
FIELDS: dict[str, frozenset[str]] = {
    fact: frozenset(fields.split())
    for fact, fields in {
        'intro': 'country region continent',
        'currency': 'country currency code',
        'symbol': 'country currency symbol',
        'language': 'country languages',
        'script': 'country language script',
        'codes': 'country iso2 iso3 number',
        'place': 'country before after',
        'region': 'country countries',
        'date': 'country date local',
        'time': 'country local',
        'number': 'country local',
        'week': 'country day',
        'metric': 'country paper',
        'us_units': 'country paper',
        'same_currency': 'currency countries',
        'same_language': 'language countries',
        'own_name': 'country language name',
        'cmp_intro': 'region countries',
        'cmp_currency': 'items',
        'cmp_language': 'items',
        'cmp_codes': 'items',
        'cmp_week': 'items',
        'reg_intro': 'region continent count',
        'reg_list': 'region countries',
        'lang_intro': 'language script count',
        'cur_intro': 'currency code count',
    }.items()
}
OPTIONAL: dict[str, frozenset[str]] = {'region': frozenset({'region'})}

TEMPLATES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    'en': templates_germanic.EN,
    'de': templates_germanic.DE,
    'fr': templates_french_italian.FR,
    'es': templates_spanish_portuguese.ES,
    'it': templates_french_italian.IT,
    'pt': templates_spanish_portuguese.PT,
    'pl': templates_slavic.PL,
    'ru': templates_slavic.RU,
    'ar': templates_semitic.AR,
    'he': templates_semitic.HE,
    'zh': templates_asian.ZH,
    'ja': templates_asian.JA,
    'hi': templates_asian.HI,
}
LANGUAGES = tuple(TEMPLATES)


def check_languages(languages: Sequence[str], where: str) -> None:
    """Checks that the corpus can be written in each of `languages`.

    Raises:
      ValueError: naming the place `where`, the language, and those there are.
    """
    for i, language in enumerate(languages):
        if language not in TEMPLATES:
            near = difflib.get_close_matches(language, LANGUAGES, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ''
            raise InputError(
                f'{where}[{i}] is {language!r}: the default corpus has no sentences in it.{hint}'
                f' It is written in: {", ".join(LANGUAGES)}'
            )
    if not languages or len(set(languages)) != len(languages):
        raise InputError(f'{where} is {tuple(languages)}; expected one or more, each once')
