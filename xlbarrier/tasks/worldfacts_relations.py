"""All relations of the world facts, and those beyond cities, currencies and official languages."""

import collections
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from babel.core import get_global

from xlbarrier.tasks.worldfacts_facts import (
    NO_DISTRACTOR,
    Candidate,
    city_country,
    country_currency,
    country_language,
    without,
    wrong_answers,
)
from xlbarrier.tasks.worldfacts_names import Name, distinct, names, tells
from xlbarrier.tasks.worldfacts_rights import MISNAMED, SCRIPT_IN_DOUBT, TWO_CONTINENTS, VARIETIES
from xlbarrier.text import states, world

CHOICES = 4
LANGUAGES_A_SCRIPT = 30
TOLD = ('country_currency', 'country_language')  # relations with giveaways
# Scripts of today: the first are those of many languages, and come first as distractors.
SCRIPTS = (
    ('Arab', 'Cyrl', 'Deva', 'Ethi', 'Hebr', 'Latn'),
    ('Armn', 'Beng', 'Geor', 'Grek', 'Khmr', 'Mymr', 'Taml', 'Telu', 'Thai', 'Tibt'),
)


@functools.cache
def candidates(relation: str) -> tuple[Candidate, ...]:
    """All facts of a relation that can be asked in every template language, by subject."""
    return tuple(c for c in MAKERS[relation]() if sum(map(len, c.wrong)) >= CHOICES - 1)


@functools.cache
def given_away(candidate: Candidate) -> bool:
    """Whether the subject's name tells the answer in a language: Denmark's Danish krone."""
    relation = candidate.relation
    return _tells(
        SUBJECT_NAME[relation], candidate.subject, ANSWER_NAME[relation], candidate.answer
    )


def askable(
    candidate: Candidate, choices: Sequence[str], languages: tuple[str, ...], told: bool
) -> bool:
    """Whether a question has distinct names in further languages, and no name tells the answer.

    Args:
      candidate: a fact that can be asked in the template's LANGUAGES.
      choices: codes of the question's options.
      languages: out of FURTHER.
      told: whether names of currencies and official languages may tell the answer.
    """
    relation = candidate.relation
    subject = names(SUBJECT_NAME[relation], candidate.subject, languages)
    name = ANSWER_NAME[relation]
    if any(
        (each, code) in MISNAMED for each in languages for code in (candidate.subject, *choices)
    ):
        return False
    pairs = itertools.combinations(choices, 2)
    if subject is None or not all(distinct(name, one, two, languages) for one, two in pairs):
        return False
    if not (told and relation in TOLD):
        answer = names(name, candidate.answer, languages)
        if answer is None or tells(subject, answer, languages):
            return False
    return relation != 'city_country' or all(
        _cities_named(language)[folded] == 1
        for language, folded in zip(languages, subject, strict=True)
    )


@functools.cache
def _cities_named(language: str) -> collections.Counter[str]:
    """How many cities have a folded name."""
    found = (names(world.city_name, city.zone, (language,)) for city in world.cities())
    return collections.Counter(each[0] for each in found if each)


def country_capital() -> Iterable[Candidate]:
    """Capitals among the cities of `city_country`; distractors are capitals too."""
    capital = {
        c.country: c.subject for c in candidates('city_country') if c.subject in states.CAPITALS
    }
    for country, answer in sorted(capital.items()):
        wrong = wrong_answers(
            country, answer, world.city_name, lambda c: [capital[c]], sorted(capital)
        )
        yield Candidate('country_capital', country, answer, country, wrong)


def country_continent() -> Iterable[Candidate]:
    """Countries of one continent only; distractors are the other continents."""
    for country in world.countries():
        if country.code in NO_DISTRACTOR | TWO_CONTINENTS:
            continue
        answer = world.continent(country.region)
        if not _tells(world.country_name, country.code, world.region_name, answer):
            wrong = tuple(sorted(set(world.CONTINENTS) - {answer}))
            yield Candidate('country_continent', country.code, answer, country.code, (wrong, ()))


def country_neighbour() -> Iterable[Candidate]:
    """A country and the neighbour it is paired with; no distractor is a neighbour of it."""
    asked = [c.code for c in world.countries() if c.code not in NO_DISTRACTOR | states.DISPUTED]
    for country, answer in sorted(paired().items()):
        if _tells(world.country_name, country, world.country_name, answer):
            continue
        wrong = wrong_answers(country, answer, world.country_name, lambda c: [c], asked)
        right = states.neighbours(country) | states.in_doubt(country)
        yield Candidate(
            'country_neighbour', country, answer, country, without(wrong, sorted(right))
        )


def language_script() -> Iterable[Candidate]:
    """Languages written in one script today, in the order of their speakers in each script."""
    scripts, territory, spoken = _scripts_of_languages()
    used = [script for part in SCRIPTS for script in part]
    count: dict[str, int] = {}
    for code in sorted(scripts, key=lambda code: (-spoken[code], code)):
        answer, *others = scripts[code]
        usable = answer in used and code not in SCRIPT_IN_DOUBT | VARIETIES
        if not usable or names(world.language_name, code) is None:
            continue
        if _tells(world.language_name, code, world.script_name, answer):
            continue
        rank = count[answer] = count.get(answer, 0) + 1
        if rank <= LANGUAGES_A_SCRIPT:
            near, far = (
                tuple(s for s in part if s not in others and distinct(world.script_name, answer, s))
                for part in SCRIPTS
            )
            yield Candidate('language_script', code, answer, territory[code], (near, far), rank - 1)


MAKERS: dict[str, Callable[[], Iterable[Candidate]]] = {
    'city_country': city_country,
    'country_currency': country_currency,
    'country_language': country_language,
    'country_capital': country_capital,
    'country_continent': country_continent,
    'country_neighbour': country_neighbour,
    'language_script': language_script,
}
SUBJECT_NAME: Mapping[str, Name] = {
    'city_country': world.city_name,
    'country_currency': world.country_name,
    'country_language': world.country_name,
    'country_capital': world.country_name,
    'country_continent': world.country_name,
    'country_neighbour': world.country_name,
    'language_script': world.language_name,
}
ANSWER_NAME: Mapping[str, Name] = {
    'city_country': world.country_name,
    'country_currency': world.currency_name,
    'country_language': world.language_name,
    'country_capital': world.city_name,
    'country_continent': world.region_name,
    'country_neighbour': world.country_name,
    'language_script': world.script_name,
}


@functools.cache
def paired() -> dict[str, str]:
    """Of each country with a neighbour, one of them; two countries are each other's if they can be.

    Countries with the fewest neighbours choose first, so that few are left over; one that is left
    over takes a neighbour with a partner. So the pairs make small groups, which a split can keep
    together: a neighbour's question never crosses from one part of the split to another.
    """
    asked = {c.code for c in world.countries()} - NO_DISTRACTOR - states.DISPUTED
    near = {c: (states.neighbours(c) & asked) - states.in_doubt(c) for c in sorted(asked)}
    found: dict[str, str] = {}
    for country in sorted(near, key=lambda c: (len(near[c]), c)):
        free = sorted(near[country] - found.keys(), key=lambda c: (len(near[c]), c))
        if country not in found and free:
            found[country], found[free[0]] = free[0], country
    followers = dict.fromkeys(found, 0)
    for country in sorted(near.keys() - found.keys()):
        if near[country]:
            partner = min(sorted(near[country]), key=lambda c: followers[c])
            followers[partner] += 1
            found[country] = partner
    return found


def _tells(subject: Name, one: str, answer: Name, two: str) -> bool:
    """Whether a name is missing, or gives the answer away."""
    first, second = names(subject, one), names(answer, two)
    return first is None or second is None or tells(first, second)


@functools.cache
def _scripts_of_languages() -> tuple[dict[str, list[str]], dict[str, str], dict[str, float]]:
    """By language: its usual script and others in use, its usual country, and a measure of use.

    CLDR lists the languages of each territory with the share of the people who use each; the sum of
    these shares over all territories sorts languages, and is no count of speakers.
    """
    sovereign = {c.code for c in world.countries()}
    spoken: dict[str, float] = {}
    more: dict[str, set[str]] = {}
    for languages in get_global('territory_languages').values():
        for code, use in languages.items():
            language, _, script = code.partition('_')
            spoken[language] = spoken.get(language, 0) + use['population_percent']
            if len(script) == 4:
                more.setdefault(language, set()).add(script)
    likely = {tag: full.split('_') for tag, full in get_global('likely_subtags').items()}
    for tag, (_, script, _) in likely.items():
        more.setdefault(tag.split('_')[0], set()).add(script)
    scripts, territory = {}, {}
    for language in spoken:
        _, script, place = likely.get(language, ('', '', ''))
        if place in sovereign:
            scripts[language] = [script, *sorted(more[language] - {script})]
            territory[language] = place
    return scripts, territory, spoken
