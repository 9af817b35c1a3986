"""Countries, currencies, languages and cities: facts and names from CLDR, through Babel.

Names are looked up in one language and never fall back to another: a name that CLDR does not have
is a `MissingNameError`, so that no English name passes for, say, an Arabic one.
"""

import datetime
import functools
import unicodedata
from dataclasses import dataclass

from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies

from xlbarrier.text import languages

# Legal tender changes; a fixed day keeps the questions the same every day.
TENDER_DAY = datetime.date(2025, 1, 1)

# Sovereign states (United Nations members and observers, and XK) by subregion of UN M49, "Standard
# country or area codes for statistical use"; the codes are also CLDR's territory containment.
REGIONS = {
    '005': 'AR BO BR CL CO EC GY PE PY SR UY VE',
    '011': 'BF BJ CI CV GH GM GN GW LR ML MR NE NG SL SN TG',
    '013': 'BZ CR GT HN MX NI PA SV',
    '014': 'BI DJ ER ET KE KM MG MU MW MZ RW SC SO SS TZ UG ZM ZW',
    '015': 'DZ EG LY MA SD TN',
    '017': 'AO CD CF CG CM GA GQ ST TD',
    '018': 'BW LS NA SZ ZA',
    '021': 'CA US',
    '029': 'AG BB BS CU DM DO GD HT JM KN LC TT VC',
    '030': 'CN JP KP KR MN',
    '034': 'AF BD BT IN IR LK MV NP PK',
    '035': 'BN ID KH LA MM MY PH SG TH TL VN',
    '039': 'AD AL BA ES GR HR IT ME MK MT PT RS SI SM VA XK',
    '053': 'AU NZ',
    '054': 'FJ PG SB VU',
    '057': 'FM KI MH NR PW',
    '061': 'TO TV WS',
    '143': 'KG KZ TJ TM UZ',
    '145': 'AE AM AZ BH CY GE IL IQ JO KW LB OM PS QA SA SY TR YE',
    '151': 'BG BY CZ HU MD PL RO RU SK UA',
    '154': 'DK EE FI GB IE IS LT LV NO SE',
    '155': 'AT BE CH DE FR LI LU MC NL',
}

# The continents of UN M49 (the Americas as one), by their subregions.
CONTINENTS = {
    '002': ('011', '014', '015', '017', '018'),
    '009': ('053', '054', '057', '061'),
    '019': ('005', '013', '021', '029'),
    '142': ('030', '034', '035', '143', '145'),
    '150': ('039', '151', '154', '155'),
}

# Time zones of sovereign states that CLDR names after an island, a region or a base, not a city.
NOT_CITIES = frozenset(
    (
        *('America/Noronha', 'America/Bahia', 'America/Bahia_Banderas', 'Antarctica/Macquarie'),
        *('Asia/Kamchatka',),
        *('Asia/Hebron', 'Asia/Gaza', 'Atlantic/Azores', 'Atlantic/Canary', 'Atlantic/Madeira'),
        *('Atlantic/Cape_Verde', 'Australia/Eucla', 'Australia/Lord_Howe', 'Indian/Chagos'),
        *('Indian/Comoro', 'Indian/Mahe', 'Indian/Maldives', 'Indian/Mauritius'),
        *('Pacific/Chatham', 'Pacific/Easter', 'Pacific/Efate', 'Pacific/Enderbury'),
        *('Pacific/Fiji', 'Pacific/Galapagos', 'Pacific/Guadalcanal', 'Pacific/Kanton'),
        *('Pacific/Kiritimati', 'Pacific/Kosrae', 'Pacific/Kwajalein', 'Pacific/Majuro'),
        *('Pacific/Nauru', 'Pacific/Palau', 'Pacific/Ponape', 'Pacific/Pohnpei'),
        *('Pacific/Tarawa', 'Pacific/Tongatapu', 'Pacific/Truk', 'Pacific/Chuuk'),
        *('Pacific/Johnston', 'Pacific/Midway', 'Pacific/Wake', 'Pacific/Bougainville'),
        'Pacific/Funafuti',
        # Disputed: which country they are in is not for this project to judge.
        *('Europe/Simferopol', 'Asia/Jerusalem', 'Africa/El_Aaiun', 'Asia/Famagusta'),
        'Africa/Ceuta',
        # A village of 1,500 people.
        'Europe/Busingen',
        *('Asia/Sakhalin', 'Australia/Lindeman'),
    )
)

# The best-known cities of countries of which CLDR names several; it does not say itself which are.
# The first are asked about first. St. John's, Mérida and Cordoba are cities of other countries too.
BEST_KNOWN = (
    *('America/Argentina/Buenos_Aires',),
    *('America/New_York', 'America/Los_Angeles', 'America/Chicago', 'America/Phoenix'),
    *('America/Sao_Paulo', 'America/Fortaleza', 'America/Manaus', 'America/Recife'),
    *('America/Toronto', 'America/Vancouver', 'America/Edmonton', 'America/Winnipeg'),
    *('America/Monterrey', 'America/Tijuana', 'America/Cancun', 'America/Ciudad_Juarez'),
    *('Asia/Almaty', 'Asia/Aqtobe', 'Asia/Ulaanbaatar', 'Asia/Tashkent', 'Asia/Samarkand'),
    *('Asia/Jakarta', 'Asia/Makassar', 'Asia/Pontianak', 'Asia/Jayapura'),
    *('Asia/Kuala_Lumpur', 'Asia/Kuching', 'Asia/Shanghai', 'Asia/Urumqi'),
    *('Australia/Sydney', 'Australia/Melbourne', 'Australia/Brisbane', 'Australia/Perth'),
    *('Europe/Moscow', 'Asia/Novosibirsk', 'Asia/Yekaterinburg', 'Asia/Krasnoyarsk'),
)


class MissingNameError(KeyError):
    """CLDR has no name for a code in a language."""

    def __str__(self) -> str:
        return self.args[0]


@dataclass(frozen=True)
class Country:
    """A sovereign state.

    Attributes:
      code: ISO 3166-1 alpha-2.
      region: UN M49 code of its subregion.
      currencies: ISO 4217 codes of its legal tender on TENDER_DAY.
      official_languages: codes, the most spoken first; regional languages are not among them.
      cities: time zones of its cities.
    """

    code: str
    region: str
    currencies: tuple[str, ...]
    official_languages: tuple[str, ...]
    cities: tuple[str, ...]


@dataclass(frozen=True)
class City:
    """A city that CLDR names as the example of a time zone."""

    zone: str
    country: str


@functools.cache
def countries() -> tuple[Country, ...]:
    """All sovereign states, by code."""
    cities_of: dict[str, list[str]] = {}
    for city in cities():
        cities_of.setdefault(city.country, []).append(city.zone)
    found = []
    for region, codes in REGIONS.items():
        for code in codes.split():
            found.append(
                Country(
                    code=code,
                    region=region,
                    currencies=tuple(
                        get_territory_currencies(code, start_date=TENDER_DAY, end_date=TENDER_DAY)
                    ),
                    official_languages=tuple(get_official_languages(code, de_facto=True)),
                    cities=tuple(sorted(cities_of.get(code, ()))),
                )
            )
    return tuple(sorted(found, key=lambda country: country.code))


def continent(region: str) -> str:
    """UN M49 code of the continent that a subregion belongs to."""
    return next(code for code, regions in CONTINENTS.items() if region in regions)


@functools.cache
def cities() -> tuple[City, ...]:
    """The cities of time zones in sovereign states, by zone; see NOT_CITIES for those left out."""
    states = {code for codes in REGIONS.values() for code in codes.split()}
    found = []
    for zone, code in sorted(get_global('zone_territories').items()):
        # 'America/Indiana/Knox' is named in English as 'Knox, Indiana'.
        plain = zone.count('/') == 1 or zone in BEST_KNOWN
        if code in states and zone not in NOT_CITIES and plain:
            found.append(City(zone, code))
    return tuple(found)


@functools.cache
def city_name(zone: str, code: str) -> str:
    """The city of a time zone in a language.

    In Latin script CLDR leaves out a name that is the last part of the zone's own identifier
    ('Europe/Berlin' in German); elsewhere nothing replaces a missing name.

    Raises:
      MissingNameError: when CLDR does not have it.
    """
    zones = languages.locale(code).time_zones
    names = (zones.get(name, {}).get('city') for name in (zone, *_former_names(zone)))
    found = next((name for name in names if name), None)
    if found is None and languages.language(code).script == 'Latn':
        found = zone.rsplit('/', 1)[-1].replace('_', ' ')
    return _present(found, zone, 'city', code)


@functools.cache
def country_name(country: str, code: str) -> str:
    """The country's name in a language, as CLDR has it for lists (nominative, no article).

    Raises:
      MissingNameError: when CLDR does not have it.
    """
    return _present(languages.locale(code).territories.get(country), country, 'country', code)


@functools.cache
def region_name(region: str, code: str) -> str:
    """The name of a UN M49 region in a language; raises MissingNameError if CLDR has none."""
    return _present(languages.locale(code).territories.get(region), region, 'region', code)


@functools.cache
def currency_name(currency: str, code: str) -> str:
    """The currency's name in a language; raises MissingNameError when CLDR does not have it."""
    return _present(languages.locale(code).currencies.get(currency), currency, 'currency', code)


@functools.cache
def language_name(language: str, code: str) -> str:
    """A language's name in a language; raises MissingNameError when CLDR does not have it."""
    return _present(languages.locale(code).languages.get(language), language, 'language', code)


@functools.cache
def script_name(script: str, code: str) -> str:
    """A script's name in a language; raises MissingNameError when CLDR does not have it."""
    return _present(languages.locale(code).scripts.get(script), script, 'script', code)


def fold(text: str) -> str:
    """Text for comparison: case-folded, without accents, points, punctuation or spaces.

    A mark that does not combine (class 0) is a vowel of an Indic script: Moscow and Minsk differ in
    nothing else in Hindi. One of class 8 distinguishes a Japanese ba from a ha.
    """
    kept = []
    for c in unicodedata.normalize('NFKD', text).casefold():
        kind = unicodedata.category(c)[0]
        if kind in 'LN' or (kind == 'M' and unicodedata.combining(c) in (0, 8)):
            kept.append(c)
    return ''.join(kept)


def familiarity(zone: str) -> tuple[int, str]:
    """Sorts the cities of a country: New York before Yakutat (see BEST_KNOWN)."""
    return (BEST_KNOWN.index(zone) if zone in BEST_KNOWN else len(BEST_KNOWN), zone)


@functools.cache
def _former_names(zone: str) -> tuple[str, ...]:
    """Older identifiers of a zone, under which CLDR still files its names."""
    return tuple(sorted(old for old, new in get_global('zone_aliases').items() if new == zone))


def _present(found: str | None, what: str, kind: str, code: str) -> str:
    # A CLDR name in the language's own script: an untranslated one would give the answer away.
    if not found or found == what:
        raise MissingNameError(f'CLDR has no name of {kind} {what} in {code!r}')
    return found.replace('\u00ad', '')  # German hyphenates Reykjavík, unseen but not untokenised
