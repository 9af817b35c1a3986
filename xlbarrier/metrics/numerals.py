"""Numbers in running text, in any script's digits, as answers to sums."""

import re
import unicodedata
from decimal import Decimal

# A hyphen behind a digit is that of a range or a difference: '12-15', '20-8'.
_NUMBER = re.compile(r'(?:(?<!\d)-)?\d+(?:[.,٬٫\u00a0\u202f\u2009\'’]\d+)*')
_GROUPS = re.compile(r'-?[1-9]\d{0,2}(?:[.,٬\u00a0\u202f\u2009\'’]\d{3})+$')


def numbers(text: str) -> list[Decimal]:
    """Every number of a text, in order.

    Separated groups of three digits are thousands ('1.234', '1,234', '1 234' with a narrow space:
    sums of the field have whole answers), unless the number begins with 0; otherwise the last
    separator is the decimal one.
    """
    plain = ''.join(_digit(c) for c in text).replace('−', '-')
    return [_value(match.group()) for match in _NUMBER.finditer(plain)]


def final_number(text: str) -> Decimal | None:
    """The last number of a text: what a chain of thought arrives at; None without one."""
    found = numbers(text)
    return found[-1] if found else None


def _digit(c: str) -> str:
    return str(unicodedata.digit(c)) if c.isdecimal() else c


def _value(text: str) -> Decimal:
    if _GROUPS.match(text):
        return Decimal(re.sub(r'[^\d-]', '', text))
    *whole, last = re.split(r'[^\d-]', text)
    return Decimal(f'{"".join(whole)}.{last}' if whole else last)
