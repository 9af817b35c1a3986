"""How a country writes dates, times, numbers and its own name: CLDR's locale of its main language.

A usage that CLDR does not give for the country, or that Babel does not render as it is written
there (another calendar, other digits), is absent, never guessed.
"""

import datetime
import functools
from collections.abc import Iterable
from dataclasses import dataclass

from babel import Locale, dates, localedata, numbers
from babel.core import get_global

# CLDR supplemental data: the calendar in everyday use is not the Gregorian one.
OTHER_CALENDARS = frozenset({'AF', 'ET', 'IR', 'SA', 'TH'})
# CLDR supplemental data, measurementData: paperSize US-Letter; measurementSystem not metric.
US_LETTER = frozenset(
    ('BZ', 'CA', 'CL', 'CO', 'CR', 'GT', 'MX', 'NI', 'PA', 'PH', 'PR', 'SV', 'US', 'VE')
)
US_UNITS = frozenset({'US'})
MIXED_UNITS = frozenset({'GB', 'LR', 'MM'})  # neither sentence about units would be true of them
# ISO 3166 codes where CLDR's aliases also list withdrawn ones.
ISO_CODES = {
    'CD': ('COD', '180'),
    'DE': ('DEU', '276'),
    'ET': ('ETH', '231'),
    'FR': ('FRA', '250'),
    'MM': ('MMR', '104'),
    'SD': ('SDN', '729'),
    'TL': ('TLS', '626'),
    'YE': ('YEM', '887'),
}
NOT_IN_ISO = frozenset({'XK'})  # CLDR's codes for Kosovo are of the range for private use
_INVISIBLE = dict.fromkeys(map(ord, '\u200e\u200f\u061c')) | {0xA0: ' ', 0x202F: ' '}


@dataclass(frozen=True)
class Usage:
    """What is written in a country; None where it cannot be known."""

    language: str  # the main official language: code
    script: str | None  # its script there: ISO 15924 code
    own_name: str | None  # of the country in that language
    symbol: str | None  # of its currency, where it is not the code
    number: str | None  # 1234567.89 as written there
    first_day: int | None  # of the week; 0 is Monday
    _locale: str | None  # CLDR locale whose dates and times are used

    def date(self, day: datetime.date) -> str | None:
        """The short date as written there."""
        return self._locale and clean(dates.format_date(day, 'short', self._locale))

    def time(self, time: datetime.time) -> str | None:
        """The short time of day as written there."""
        return self._locale and clean(dates.format_time(time, 'short', locale=self._locale))


def clean(text: str) -> str:
    """Without direction marks, with plain spaces."""
    return text.translate(_INVISIBLE)


@functools.cache
def usage(country: str, language: str, currency: str | None) -> Usage:
    """What CLDR says about a country (ISO 3166 code), its main language and its currency."""
    full = get_global('likely_subtags').get(f'{language}_{country}') or get_global(
        'likely_subtags'
    ).get(language)
    script = _script(language, country, full)
    name = next((n for n in _locale_names(language, script, country) if localedata.exists(n)), None)
    if name is None:
        return Usage(language, script, None, None, None, None, None)
    locale = Locale.parse(name)
    symbol = currency and clean(numbers.get_currency_symbol(currency, locale))
    usual = locale.default_numbering_system == 'latn'
    own_name = locale.territories.get(country)
    return Usage(
        language=language,
        script=script,
        own_name=own_name and clean(own_name),
        symbol=symbol if symbol and symbol != currency else None,
        number=clean(numbers.format_decimal(1234567.89, locale=locale)) if usual else None,
        first_day=locale.first_week_day,
        _locale=name if usual and country not in OTHER_CALENDARS else None,
    )


def iso_codes(country: str) -> tuple[str, str] | None:
    """ISO 3166-1 alpha-3 and numeric code of an alpha-2 code, or None if CLDR has none."""
    if country in ISO_CODES:
        return ISO_CODES[country]
    codes = _aliases().get(country, []) if country not in NOT_IN_ISO else []
    letters = [c for c in codes if c.isalpha()]
    digits = [c for c in codes if c.isdigit()]
    return (letters[0], digits[0]) if len(letters) == len(digits) == 1 else None


@functools.cache
def _aliases() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for alias, codes in sorted(get_global('territory_aliases').items()):
        if len(alias) == 3 and len(codes) == 1:
            found.setdefault(codes[0], []).append(alias)
    return found


def _script(language: str, country: str, full: str | None) -> str | None:
    if '_' in language:
        return language.split('_')[1]
    return full.split('_')[1] if full and full.count('_') == 2 else None


def _locale_names(language: str, script: str | None, country: str) -> Iterable[str]:
    yield f'{language}_{country}'
    if script and '_' not in language:
        yield f'{language}_{script}_{country}'
