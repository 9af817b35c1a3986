"""Numbers in running text, in any script's digits and any locale's grouping, as answers to sums.

Unicode CLDR has the separators and group sizes of each locale: groups of three, separated by a
comma, a full stop, an apostrophe, an Arabic separator or a space of any width, or three and then
twos (1,14,200 in Bengali, Hindi and most languages of India).
"""

import re
import unicodedata
from decimal import Decimal

from xlbarrier.metrics.thought import without_thought

_SPACES = '\u00a0\u202f\u2009\u2007'
_NEVER_DECIMAL = frozenset(f"{_SPACES} '’٬،⹁")
_SEPARATORS = rf"[.,٬٫،⹁'’{_SPACES}]"
# A hyphen after a digit is that of a range or a difference: '12-15', '20-8'. A plain space
# separates groups only where all of them have three digits: '18 000', not '12 15' nor '2019 100'.
_NUMBER = re.compile(
    r'(?:(?<!\d)-)?(?:'
    rf'(?<!\d)(?<!\d{_SEPARATORS})\d{{1,3}}(?: \d{{3}})+(?:[.,]\d+)?(?!{_SEPARATORS}?\d)'
    rf'|\d+(?:{_SEPARATORS}\d+)*)'
)
_SEPARATOR = re.compile(rf'{_SEPARATORS}| ')
_PLAIN_SIZES = re.compile(r'[1-3](?:,3)+|[12](?:,2)+,3')


def numbers(text: str) -> list[Decimal]:
    """Every number of a text, in order.

    Groups of three digits, or of three at the end and two before, are thousands or lakhs ('1.234',
    '1,234', '1 234', '1,14,200': sums in benchmarks have whole answers), unless the number begins
    with 0. Where the last separator differs from those before it, or the groups have other
    sizes, the last separator is the decimal one.
    """
    plain = ''.join(_digit(c) for c in text).replace('−', '-')
    return [_value(match.group()) for match in _NUMBER.finditer(plain)]


def final_number(text: str) -> Decimal | None:
    """The last number of a text: what a chain of thought arrives at; None without one.

    Text inside marks of thought is not read (see `thought`).
    """
    found = numbers(without_thought(text))
    return found[-1] if found else None


def _digit(c: str) -> str:
    return str(unicodedata.digit(c)) if c.isdecimal() else c


def _value(text: str) -> Decimal:
    sign = '-' if text.startswith('-') else ''
    parts = _SEPARATOR.split(text.removeprefix('-'))
    separators = _SEPARATOR.findall(text)
    if not separators:
        return Decimal(text)
    *before, last = separators
    sizes = ','.join(str(len(part)) for part in parts)
    alike = all(one == last for one in before) and last != '٫'
    grouped = alike and _PLAIN_SIZES.fullmatch(sizes) and not parts[0].startswith('0')
    if grouped or (alike and last in _NEVER_DECIMAL):
        return Decimal(sign + ''.join(parts))
    return Decimal(f'{sign}{"".join(parts[:-1])}.{parts[-1]}')
