"""Facts about countries that can be asked: of each, what would be right and what would be wrong."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from babel.languages import get_official_languages

from xlbarrier.tasks.worldfacts_names import distinct, names, tells
from xlbarrier.tasks.worldfacts_rights import ALSO_SPOKEN, ALSO_TENDER, ALSO_THERE, VARIETIES
from xlbarrier.text import world

CITIES_A_COUNTRY = 4
NO_DISTRACTOR = frozenset({'XK', 'PS', 'VA'})  # disputed, or inside another option
# In Italian and Polish CLDR names Ho Chi Minh City like the man.
NOT_ASKED = frozenset({'Asia/Ho_Chi_Minh'})
# Countries for which CLDR's data are out of date: Bulgaria took the euro in 2026; French lost its
# rank in Burkina Faso, Mali and Niger; Eritrea and Mauritius have no official language by law, and
# Kazakh and Arabic come before Russian and English in Kazakhstan and Sudan; Chinese and Japanese
# name North Korea's language after the South.
CURRENCY_CHANGED = frozenset({'BG'})
LANGUAGE_IN_DOUBT = frozenset({'BF', 'ER', 'KP', 'KZ', 'ML', 'MU', 'NE', 'SD'})


@dataclass(frozen=True)
class Candidate:
    """A fact that can be asked, with all answers that would be right or nearly so.

    Attributes:
      relation: a key of TEMPLATES.
      subject, answer: codes.
      country: the country that the fact is about.
      wrong: codes of possible distractors, near ones (same subregion) and far ones (continent).
      rank: 0 for the first fact of a country, 1 for the next ...
    """

    relation: str
    subject: str
    answer: str
    country: str
    wrong: tuple[tuple[str, ...], tuple[str, ...]]
    rank: int = 0


def city_country() -> Iterable[Candidate]:
    """Cities of a name that no other city has in any language; distractors are countries."""
    all_names = [names(world.city_name, city.zone) for city in world.cities()]
    count: dict[str, int] = {}
    for folded in all_names:
        for name in set(folded or ()):
            count[name] = count.get(name, 0) + 1
    countries = [c.code for c in world.countries() if c.code not in NO_DISTRACTOR]
    usable: dict[str, list[str]] = {}
    for city, folded in zip(world.cities(), all_names, strict=True):
        if folded is None or city.country in NO_DISTRACTOR or city.zone in NOT_ASKED:
            continue
        repeated = any(count[name] > 1 for name in folded)
        country_names = names(world.country_name, city.country)
        given_away = country_names is None or tells(folded, country_names)
        if not repeated and not given_away:
            usable.setdefault(city.country, []).append(city.zone)
    for country in sorted(usable):
        best_first = sorted(usable[country], key=world.familiarity)
        for rank, zone in enumerate(best_first[:CITIES_A_COUNTRY]):
            wrong = wrong_answers(country, country, world.country_name, lambda c: [c], countries)
            wrong = without(wrong, ALSO_THERE.get(zone, ()))
            yield Candidate('city_country', zone, country, country, wrong, rank)


def country_currency() -> Iterable[Candidate]:
    """Countries with one legal tender; distractors are the single tenders of others."""
    single = {c.code: c.currencies for c in world.countries() if len(c.currencies) == 1}
    for country in single:
        (answer,) = single[country]
        if names(world.currency_name, answer) is None or country in CURRENCY_CHANGED:
            continue
        wrong = wrong_answers(
            country, answer, world.currency_name, lambda c: single[c], sorted(single)
        )
        wrong = without(wrong, ALSO_TENDER.get(country, ()))
        yield Candidate('country_currency', country, answer, country, wrong)


def country_language() -> Iterable[Candidate]:
    """Any official language; no distractor is spoken officially, even in a part of the country."""
    official = {c.code: c.official_languages for c in world.countries() if c.official_languages}
    for country, codes in official.items():
        if country in LANGUAGE_IN_DOUBT:
            continue
        regional = get_official_languages(country, regional=True, de_facto=True)
        spoken = [code.split('_')[0] for code in regional]  # mn_Mong: Mongolian in its own script
        by_law = get_official_languages(country)
        # Senegal's language by law is French, whatever most people speak; Australia has none.
        lawful = [c for c in codes if c in by_law] or codes
        answer = next((c for c in lawful if names(world.language_name, c) is not None), None)
        if answer is not None:
            wrong = wrong_answers(
                country, answer, world.language_name, lambda c: official[c], sorted(official)
            )
            wrong = without(wrong, (*spoken, *VARIETIES, *ALSO_SPOKEN.get(country, ())))
            yield Candidate('country_language', country, answer, country, wrong)


def wrong_answers(
    country: str,
    answer: str,
    name: Callable[[str, str], str],
    answers_of: Callable[[str], Iterable[str]],
    others: Sequence[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Answers of the countries of the same subregion, and of the same continent; never `answer`."""
    region = {c.code: c.region for c in world.countries()}
    near: list[str] = []
    far: list[str] = []
    for other in others:
        if other == country:
            continue
        if region[other] == region[country]:
            near += answers_of(other)
        elif world.continent(region[other]) == world.continent(region[country]):
            far += answers_of(other)

    def usable(codes: Iterable[str], nearer: Iterable[str]) -> tuple[str, ...]:
        kept = sorted(set(codes) - {answer, *nearer})
        return tuple(c for c in kept if distinct(name, answer, c))

    closest = usable(near, ())
    return closest, usable(far, closest)


def without(
    wrong: tuple[tuple[str, ...], tuple[str, ...]], right: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The near and the far distractors without those that are right too."""
    near, far = wrong
    return tuple(c for c in near if c not in right), tuple(c for c in far if c not in right)
