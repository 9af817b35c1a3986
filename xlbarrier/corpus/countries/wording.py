"""Facts put into words: values named in a language, set into a template, made a sentence."""

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babel import Locale, dates, lists, numbers

from xlbarrier.corpus.countries.local_usage import clean
from xlbarrier.corpus.countries.templates import TEMPLATES, WORDINGS
from xlbarrier.errors import InputError
from xlbarrier.text import world
from xlbarrier.text.languages import FULL_WIDTH

# English names that have the article in running text, by ISO 3166 and UN M49 code.
ENGLISH_THE = frozenset(
    ('AE', 'BS', 'CF', 'DO', 'GB', 'GM', 'KM', 'MH', 'MV', 'NL', 'PH', 'PS', 'SB', 'US')
) | {'019', '029', '057'}
# CLDR's list pattern with 'y', which becomes 'e' before the sound i.
_SPANISH_I = ('I', 'Í', 'Hi', 'Hí')


@dataclass(frozen=True)
class Value:
    """Something with a name in every language: `kind` says which, `code` which one."""

    kind: str  # country, region, currency, language, script, day, date
    code: str | int | datetime.date


@dataclass(frozen=True)
class Joined:
    """A list of values, joined as the language joins lists."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Paired:
    """Each value with another in brackets behind it, joined as a list: 'France (euro), ...'."""

    pairs: tuple[tuple[Value, 'Value | Joined | str'], ...]


Field = Value | Joined | Paired | str


@dataclass(frozen=True)
class Fact:
    """A sentence in no language yet: a template's key and the values of its fields."""

    key: str
    fields: Mapping[str, Field]


class MissingName(InputError):
    """CLDR has no name for a value in a language."""


def sentence(fact: Fact, wording: int, language: str) -> str:
    """The fact in a language, in its wording number `wording` modulo those there are.

    Raises:
      MissingName: where a value has no name in the language; never another language's instead.
    """
    template = TEMPLATES[language][fact.key][wording % WORDINGS]
    text = template.format(**{k: _field(v, language) for k, v in fact.fields.items()})
    if text.endswith('..'):  # an abbreviation at the end brings its own full stop
        text = text[:-1]
    return text[0].upper() + text[1:]


def join(sentences: Sequence[str], languages: Sequence[str]) -> str:
    """The sentences as one text: a space between two, but none between two of zh or ja."""
    parts = [sentences[0]] if sentences else []
    for i in range(1, len(sentences)):
        tight = languages[i - 1] in FULL_WIDTH and languages[i] in FULL_WIDTH
        parts += ['' if tight else ' ', sentences[i]]
    return ''.join(parts)


def _field(field: Field, language: str) -> str:
    if isinstance(field, str):
        return field
    if isinstance(field, Value):
        return name(field, language)
    if isinstance(field, Joined):
        return _joined([name(v, language) for v in field.values], language)
    brackets = '（{}）' if language in FULL_WIDTH else ' ({})'
    return _joined(
        [name(v, language) + brackets.format(_field(w, language)) for v, w in field.pairs], language
    )


def _joined(names: Sequence[str], language: str) -> str:
    text = lists.format_list(list(names), 'standard', locale=language)
    if language == 'es' and names[-1].startswith(_SPANISH_I):
        head, _, last = text.rpartition(f' y {names[-1]}')
        text = text if last else f'{head} e {names[-1]}' if len(names) > 1 else text
    return text


@functools.cache
def name(value: Value, language: str) -> str:
    """The value's name in a language.

    Raises:
      MissingName: where CLDR has none.
    """
    try:
        text = _NAMES[value.kind](value.code, language)
    except (LookupError, ValueError) as error:
        raise _missing(value, language) from error
    if not text:
        raise _missing(value, language)
    text = clean(text)
    if language == 'en' and value.code in ENGLISH_THE and value.kind in ('country', 'region'):
        return f'the {text}'
    return text


def named_everywhere(fact: Fact) -> bool:
    """Whether CLDR names every value of the fact in every language of the corpus."""
    return all(_named(value) for field in fact.fields.values() for value in _values(field))


def _values(field: Field) -> list[Value]:
    if isinstance(field, Joined):
        return list(field.values)
    if isinstance(field, Paired):
        return [v for pair in field.pairs for part in pair for v in _values(part)]
    return [field] if isinstance(field, Value) else []


@functools.cache
def _named(value: Value) -> bool:
    try:
        return all(name(value, language) for language in TEMPLATES)
    except MissingName:
        return False


def _missing(value: Value, language: str) -> MissingName:
    return MissingName(f'CLDR has no name for {value.kind} {value.code!r} in {language!r}')


def _currency(code: str, language: str) -> str:
    if language == 'en':  # 'euro', as in running text; the bare name is a headline's 'Euro'
        return numbers.get_currency_name(code, 1, locale='en')
    text = world.currency_name(code, language)
    # CLDR writes Portuguese currencies as in a menu, with a capital; running text has none.
    return text[0].lower() + text[1:] if language == 'pt' else text


def _date(day: datetime.date, language: str) -> str:
    text = clean(dates.format_date(day, 'long', language))
    return text.replace(' г.', ' года') if language == 'ru' else text


def _day(day: int, language: str) -> str:
    return Locale.parse(language).days['stand-alone']['wide'][day]


_NAMES: Mapping[str, Callable[[Any, str], str | None]] = {
    'country': lambda code, language: world.country_name(code, language),
    'region': lambda code, language: world.region_name(code, language),
    'currency': _currency,
    'language': lambda code, language: world.language_name(code, language),
    'script': lambda code, language: world.script_name(code, language),
    'day': _day,
    'date': _date,
}
