"""The default corpus: parallel documents of several sentences about the countries of the world.

Every fact is CLDR's, through Babel, and every name is the one CLDR gives in the language of the
sentence. Four kinds of documents: a country's profile, three countries compared, the countries of
a subregion, the countries that share a language or a currency. What is said, in which order and
in which of the wordings depends on the seed alone, so that the languages run in parallel and the
documents are the same whichever languages are asked for.

No city is named: the study asks in which country a city is. And a country's name in another
language is given only where that is not a language of the corpus ('Sverige', 'Ελλάδα'): the English
arm, the control, must not teach the names that the mixed arm ties together.
"""

import datetime
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from babel.languages import get_official_languages

from xlbarrier import draw
from xlbarrier.corpus.countries.local_usage import (
    MIXED_UNITS,
    US_LETTER,
    US_UNITS,
    Usage,
    iso_codes,
    usage,
)
from xlbarrier.corpus.countries.templates import LANGUAGES, WORDINGS, check_languages
from xlbarrier.corpus.countries.wording import (
    Fact,
    Field,
    Joined,
    Paired,
    Value,
    name,
    named_everywhere,
    sentence,
)
from xlbarrier.errors import InputError
from xlbarrier.text import world

PROFILE_FACTS = (8, 12)  # sentences of a profile after the first: at least, at most
LIST_LENGTH = 6  # names in a list of countries, at most
GROUP = 5  # countries of a subregion, language or currency in one document, at most
COMPARED = 3  # countries in a comparison
ROUNDS = 2  # comparisons that a country takes part in, about
MOST_LANGUAGES = 4  # a longer list of official languages is left out
BESIDE_LANGUAGE = ('codes', 'currency', 'place', 'week')  # what the text about a language also says
TIME = datetime.time(15, 30)
FIRST_DATE = datetime.date(2001, 1, 1)
YEARS = 24

# CLDR names these two after the cities that distinguish them: 'Congo - Kinshasa'.
NAMED_AFTER_CITY = frozenset({'CD', 'CG'})


@dataclass(frozen=True)
class Document:
    """Parallel sentences: `sentences[i][language]` are one meaning; `facts[i]` is its template."""

    id: str
    facts: tuple[str, ...]
    sentences: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class _Plan:
    id: str
    facts: tuple[Fact, ...]


def documents(languages: Sequence[str], seed: int, limit: int = 0) -> list[Document]:
    """The documents, in an order drawn by the seed.

    Args:
      languages: codes out of `templates.LANGUAGES`.
      seed: decides order, facts, wordings and lists, the same way in all languages.
      limit: how many documents; 0 for all there are.

    Raises:
      ValueError: for a language without sentences, or more documents than there are.
    """
    check_languages(languages, 'languages')
    plans = _plans(seed)
    if limit > len(plans):
        raise InputError(
            f'config.corpus.documents is {limit}, but the default corpus has {len(plans)}:'
            ' ask for fewer, or for 0, which means all'
        )
    return [_written(plan, languages, seed) for plan in plans[: limit or None]]


def _written(plan: _Plan, languages: Sequence[str], seed: int) -> Document:
    keys = [fact.key for fact in plan.facts]
    # A fact that comes several times in a document takes its wordings in turn.
    wordings = [
        keys[:i].count(key) + draw.below(seed, f'wording/{plan.id}/{key}', 0, WORDINGS)
        for i, key in enumerate(keys)
    ]
    return Document(
        plan.id,
        tuple(keys),
        tuple(
            {language: sentence(fact, wording, language) for language in languages}
            for fact, wording in zip(plan.facts, wordings, strict=True)
        ),
    )


@functools.lru_cache(maxsize=4)
def _plans(seed: int) -> tuple[_Plan, ...]:
    plans = [
        *(_profile(country, seed) for country in _countries()),
        *_comparisons(seed),
        *_regions(seed),
        *_shared_languages(seed),
        *_shared_currencies(seed),
    ]
    plans = [_Plan(p.id, tuple(filter(named_everywhere, p.facts))) for p in plans]
    return tuple(draw.shuffled(sorted(plans, key=lambda p: p.id), seed, 'documents'))


@functools.cache
def _countries() -> tuple[world.Country, ...]:
    """The countries that can be written about, by code: named by CLDR in every language."""
    return tuple(
        c
        for c in world.countries()
        if c.code not in NAMED_AFTER_CITY and named_everywhere(Fact('intro', _place_fields(c)))
    )


def _usage(country: world.Country) -> Usage | None:
    official = _official(country)
    return usage(country.code, official[0], _currency(country)) if official else None


def _currency(country: world.Country) -> str | None:
    """The one legal tender, or None where there are several."""
    return country.currencies[0] if len(country.currencies) == 1 else None


def _value(country: world.Country) -> Value:
    return Value('country', country.code)


def _joined(countries: Sequence[world.Country]) -> Joined:
    return Joined(tuple(map(_value, countries)))


@functools.cache
def _official(country: world.Country) -> tuple[str, ...]:
    """The languages official by law (where there is none, in fact), each once: CLDR lists some in
    each of their scripts ('sr_Latn' beside 'sr'), and Norwegian beside its two written forms."""
    by_law = get_official_languages(country.code)
    named = [c for c in country.official_languages if '_' not in c]
    codes = [c for c in named if c in by_law] or named
    return tuple(c for c in codes if c != 'no' or 'nb' not in codes)


def _languages(country: world.Country) -> Joined:
    return Joined(tuple(Value('language', code) for code in _official(country)))


def _some(countries: Sequence[world.Country], seed: int, key: str) -> Joined:
    return _joined(draw.shuffled(countries, seed, key)[:LIST_LENGTH])


def _profile(country: world.Country, seed: int) -> _Plan:
    key = f'profile/{country.code}'
    intro = Fact('intro', _place_fields(country))
    said = [f for f in _country_facts(country, seed) if named_everywhere(f)]
    rest = draw.shuffled(said, seed, f'order/{key}')
    least, most = PROFILE_FACTS
    length = least + draw.below(seed, f'length/{key}', 0, most - least + 1)
    return _Plan(key, (intro, *rest[:length]))


def _place_fields(country: world.Country) -> dict[str, Value]:
    return {
        'country': _value(country),
        'region': Value('region', country.region),
        'continent': Value('region', world.continent(country.region)),
    }


def _country_facts(country: world.Country, seed: int) -> Iterator[Fact]:
    """All facts about a country that CLDR lets us state, its place on the map apart."""
    it = {'country': _value(country)}
    yield from _money_facts(country, seed)
    yield from _language_facts(country, seed)
    yield from filter(None, (_codes(country), _list_place(country)))
    same_region = [c for c in _countries() if c.region == country.region and c != country]
    if len(same_region) > 1:
        some = _some(same_region, seed, f'region/{country.code}')
        yield Fact('region', it | {'region': Value('region', country.region), 'countries': some})
    yield from _usage_facts(country, seed)
    if country.code not in MIXED_UNITS:
        key = 'us_units' if country.code in US_UNITS else 'metric'
        yield Fact(key, it | {'paper': 'US Letter' if country.code in US_LETTER else 'A4'})


def _money_facts(country: world.Country, seed: int) -> Iterator[Fact]:
    code = _currency(country)
    if not code:
        return
    it = {'country': _value(country), 'currency': Value('currency', code)}
    yield Fact('currency', it | {'code': code})
    used = _usage(country)
    if used and used.symbol:
        yield Fact('symbol', it | {'symbol': used.symbol})
    others = [c for c in _countries() if code in c.currencies and c != country]
    if len(others) > 1:
        some = _some(others, seed, f'currency/{country.code}')
        yield Fact('same_currency', {'currency': it['currency'], 'countries': some})


def _language_facts(country: world.Country, seed: int) -> Iterator[Fact]:
    if not _official(country):
        return
    if len(_official(country)) <= MOST_LANGUAGES:
        yield Fact('language', {'country': _value(country), 'languages': _languages(country)})
    main = _official(country)[0]
    yield from filter(None, (_script(country, main),))
    others = [c for c in _countries() if main in _official(c) and c != country]
    if len(others) > 1:
        some = _some(others, seed, f'language/{country.code}')
        yield Fact('same_language', {'language': Value('language', main), 'countries': some})
    own = usage(country.code, main, None).own_name
    if own and main.split('_')[0] not in LANGUAGES and own != name(_value(country), 'en'):
        fields: dict[str, Field] = {
            'country': _value(country),
            'language': Value('language', main),
            'name': own,
        }
        yield Fact('own_name', fields)


def _script(country: world.Country, language: str) -> Fact | None:
    script = usage(country.code, language, None).script
    if not script:
        return None
    return Fact(
        'script',
        {
            'country': _value(country),
            'language': Value('language', language),
            'script': Value('script', script),
        },
    )


def _codes(country: world.Country) -> Fact | None:
    codes = iso_codes(country.code)
    if codes is None:
        return None
    fields: dict[str, Field] = {'country': _value(country), 'iso2': country.code}
    return Fact('codes', fields | {'iso3': codes[0], 'number': codes[1]})


def _list_place(country: world.Country) -> Fact | None:
    """The country's place among all sovereign states ordered by their two-letter code."""
    states = [c.code for c in world.countries()]
    i = states.index(country.code)
    near = states[i - 1 : i] + states[i + 1 : i + 2]
    if len(near) < 2 or not NAMED_AFTER_CITY.isdisjoint(near):
        return None
    before, after = (Value('country', code) for code in near)
    return Fact('place', {'country': _value(country), 'before': before, 'after': after})


def _usage_facts(country: world.Country, seed: int) -> Iterator[Fact]:
    used = _usage(country)
    if not used:
        return
    it = {'country': _value(country)}
    if used.first_day is not None:
        yield Fact('week', it | {'day': Value('day', used.first_day)})
    if used.number:
        yield Fact('number', it | {'local': used.number})
    # Past the twelfth of the month, so that the order of day and month can be read off.
    days = draw.below(seed, f'date/{country.code}', 0, 365 * YEARS)
    day = FIRST_DATE + datetime.timedelta(days)
    day = day.replace(day=13 + day.day % 15)
    if local := used.date(day):
        yield Fact('date', it | {'date': Value('date', day), 'local': local})
    if local := used.time(TIME):
        yield Fact('time', it | {'local': local})


def _comparisons(seed: int) -> Iterator[_Plan]:
    for region in sorted({c.region for c in _countries()}):
        members = [
            c
            for c in _countries()
            if c.region == region
            and _currency(c)
            and 0 < len(_official(c)) <= MOST_LANGUAGES
            and named_everywhere(Fact('language', {'languages': _languages(c)}))
        ]
        for turn in range(ROUNDS):
            order = draw.shuffled(members, seed, f'compare/{region}/{turn}')
            for i in range(0, len(order) - COMPARED + 1, COMPARED):
                yield _comparison(region, order[i : i + COMPARED], turn, seed)


def _comparison(region: str, trio: list[world.Country], turn: int, seed: int) -> _Plan:
    key = f'compare/{turn}/' + '-'.join(c.code for c in trio)
    facts = [
        Fact('cmp_intro', {'region': Value('region', region), 'countries': _joined(trio)}),
        _paired('cmp_currency', [(c, Value('currency', c.currencies[0])) for c in trio]),
        _paired('cmp_language', [(c, _languages(c)) for c in trio]),
        _paired('cmp_codes', [(c, c.code) for c in trio]),
    ]
    used = [_usage(c) for c in trio]
    week = [u.first_day for u in used if u is not None and u.first_day is not None]
    if len(week) == len(trio):
        days = [(c, Value('day', day)) for c, day in zip(trio, week, strict=True)]
        facts.append(_paired('cmp_week', days))
    for country in trio:
        more = [f for f in (_list_place(country), _codes(country)) if f]
        facts += draw.shuffled(more, seed, f'more/{key}/{country.code}')[:1]
    return _Plan(key, tuple(facts))


def _paired(key: str, pairs: Sequence[tuple[world.Country, Value | Joined | str]]) -> Fact:
    return Fact(key, {'items': Paired(tuple((_value(c), v) for c, v in pairs))})


def _groups(
    countries: Sequence[world.Country], seed: int, key: str
) -> Iterator[tuple[str, list[world.Country]]]:
    """The countries in a drawn order, cut into nearly equal groups, each with its document's id."""
    order = draw.shuffled(countries, seed, key)
    count = -(-len(order) // GROUP)
    for i in range(count):
        yield f'{key}/{i}', order[i::count]


def _regions(seed: int) -> Iterator[_Plan]:
    for region in sorted({c.region for c in _countries()}):
        members = [c for c in _countries() if c.region == region]
        place: dict[str, Field] = {
            'region': Value('region', region),
            'continent': Value('region', world.continent(region)),
            # of the whole list, the two Congos with it
            'count': str(sum(c.region == region for c in world.countries())),
        }
        for key, group in _groups(members, seed, f'region/{region}'):
            facts = [
                Fact('reg_intro', place),
                Fact('reg_list', {'region': place['region'], 'countries': _joined(group)}),
            ]
            for country in group:
                said = [*_language_facts(country, seed), *_money_facts(country, seed)]
                facts += [f for f in said if f.key in ('language', 'currency')]
            yield _Plan(key, tuple(facts))


def _shared_languages(seed: int) -> Iterator[_Plan]:
    for code in sorted({code for c in _countries() for code in _official(c)}):
        speakers = [c for c in _countries() if code in _official(c)]
        language = Value('language', code)
        script = usage(speakers[0].code, code, None).script
        if len(speakers) < COMPARED or not script:
            continue
        intro: dict[str, Field] = {'language': language, 'script': Value('script', script)}
        intro['count'] = str(sum(code in _official(c) for c in world.countries()))
        if not named_everywhere(Fact('lang_intro', intro)):
            continue
        for key, group in _groups(speakers, seed, f'language/{code}'):
            facts = [Fact('lang_intro', intro)]
            for country in group:
                facts += filter(None, (_script(country, code),))
                others = [f for f in _country_facts(country, seed) if f.key in BESIDE_LANGUAGE]
                facts += draw.shuffled(others, seed, f'more/{key}/{country.code}')[:1]
            facts += _rest('same_language', {'language': language}, speakers, group, seed, key)
            yield _Plan(key, tuple(facts))


def _shared_currencies(seed: int) -> Iterator[_Plan]:
    for code in sorted({code for c in _countries() for code in c.currencies}):
        users = [c for c in _countries() if c.currencies == (code,)]
        if len(users) < COMPARED:
            continue
        currency = Value('currency', code)
        intro: dict[str, Field] = {'currency': currency, 'code': code}
        intro['count'] = str(sum(code in c.currencies for c in world.countries()))
        for key, group in _groups(users, seed, f'currency/{code}'):
            facts = [Fact('cur_intro', intro)]
            for country in group:
                said = [*_money_facts(country, seed), *filter(None, (_codes(country),))]
                facts += [f for f in said if f.key in ('currency', 'symbol', 'codes')][:2]
            facts += _rest('same_currency', {'currency': currency}, users, group, seed, key)
            yield _Plan(key, tuple(facts))


def _rest(
    key: str,
    fields: dict[str, Field],
    all_of_them: list[world.Country],
    said: list[world.Country],
    seed: int,
    name_: str,
) -> list[Fact]:
    """A sentence that lists the others, if there are any."""
    others = [c for c in all_of_them if c not in said]
    if len(others) < 2:
        return []
    return [Fact(key, fields | {'countries': _some(others, seed, f'rest/{name_}')})]
