"""World facts: the embedded benchmark, made from CLDR at run time.

Which country is a city in, what is the currency of a country, what is an official language of it.
The items of a relation do not depend on the languages that are asked: each has names, and is
unambiguous, in all template languages. Pool, distractors and orders depend on the seed only.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from babel.languages import get_official_languages

from xlbarrier import draw
from xlbarrier.config.checks import nearest
from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.errors import InputError
from xlbarrier.tasks import base
from xlbarrier.tasks.base import Question
from xlbarrier.tasks.chat import chat_of
from xlbarrier.tasks.multiple_choice import MultipleChoice
from xlbarrier.tasks.worldfacts_rights import ALSO_SPOKEN, ALSO_TENDER, ALSO_THERE
from xlbarrier.tasks.worldfacts_templates import LANGUAGES, TEMPLATES
from xlbarrier.text import languages as languages_lib
from xlbarrier.text import world

CHOICES = 4
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
VARIETIES = frozenset({'gsw', 'nb', 'nn'})  # of other languages in CLDR's list


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


@dataclass(frozen=True)
class Item:
    """A question before it is worded: codes, in the order of the options."""

    candidate: Candidate
    choices: tuple[str, ...]
    answer: int
    language_order: tuple[str, ...]  # a permutation of the task's languages, for `mixup`

    @property
    def id(self) -> str:
        """The same in every language and variant."""
        return f'{self.candidate.relation}:{self.candidate.subject}'


class WorldFacts(MultipleChoice):
    """The task."""

    def __init__(self, config: WorldFactsConfig, name: str = 'worldfacts'):
        """Makes the items.

        Raises:
          InputError: for a language that is not in CLDR or has no templates, a variant that needs
            English without it, or more questions than there are facts.
        """
        self.name, self.methods, self.chat = name, config.methods, chat_of(config, name)
        self.languages, self.variants = config.languages, config.variants
        for code in config.languages:
            languages_lib.language(code)
            if code not in LANGUAGES:
                raise InputError(
                    f'config.tasks.{name}.languages: no question templates in {code!r}.'
                    f'{nearest(code, LANGUAGES)} There are: {", ".join(LANGUAGES)}'
                )
        needs = set(config.variants) - {'full', 'mixup'}
        if needs and 'en' not in config.languages:
            raise InputError(f'config.tasks.{name}.languages lacks en, which {sorted(needs)} need')
        self._items = make_items(config)

    def sheets(self) -> list[tuple[str, str]]:
        """See `MultipleChoice`."""
        return base.sheets(self.variants, self.languages)

    def questions(self, variant: str, language: str) -> list[Question]:
        """All items in a variant."""
        return [self._worded(item, variant, language) for item in self._items]

    def _worded(self, item: Item, variant: str, language: str) -> Question:
        question_language, choice_languages = base.slot_languages(
            variant,
            language,
            item.language_order,
            count=CHOICES,
            answer=item.answer,
            one_wrong=(item.answer + 1) % CHOICES,
        )
        relation = item.candidate.relation
        template = TEMPLATES[relation][question_language]
        subject = SUBJECT_NAME[relation](item.candidate.subject, question_language)
        return Question(
            id=item.id,
            question=template.format(subject=subject),
            choices=tuple(
                ANSWER_NAME[relation](choice, code)
                for choice, code in zip(item.choices, choice_languages, strict=True)
            ),
            answer=item.answer,
            language=question_language,
            choice_languages=choice_languages,
            subject=relation,
            meta={'country': item.candidate.country, 'choices': item.choices},
        )


def make_items(config: WorldFactsConfig) -> list[Item]:
    """Draws the items: relations in turn, the best-known fact of each country first.

    Raises:
      InputError: when a relation has fewer facts than the config asks for; names both numbers.
    """
    chosen: list[Candidate] = []
    for number, relation in enumerate(config.relations):
        share, rest = divmod(config.questions, len(config.relations))
        expected = share + (number < rest)
        pool = candidates(relation)
        if expected > len(pool):
            raise InputError(
                f'config.tasks.worldfacts.questions asks for {expected} questions of {relation};'
                f' CLDR has {len(pool)} that are certain and have one right answer'
            )
        of = {candidate.subject: candidate for candidate in pool}
        ranks = {subject: candidate.rank for subject, candidate in of.items()}
        order = _drawn(of, config.seed, relation)
        taken = sorted(order, key=ranks.__getitem__)[:expected]
        chosen += [of[subject] for subject in order if subject in set(taken)]
    positions = _balanced_positions(len(chosen), config.seed)
    return [
        _item(candidate, position, config.seed, config.languages)
        for candidate, position in zip(chosen, positions, strict=True)
    ]


@functools.cache
def candidates(relation: str) -> tuple[Candidate, ...]:
    """All facts of a relation that can be asked in every template language, by subject."""
    return tuple(c for c in MAKERS[relation]() if sum(map(len, c.wrong)) >= CHOICES - 1)


def _city_country() -> Iterable[Candidate]:
    names = [_names(world.city_name, city.zone) for city in world.cities()]
    count: dict[str, int] = {}
    for folded in names:
        for name in set(folded or ()):
            count[name] = count.get(name, 0) + 1
    countries = [c.code for c in world.countries() if c.code not in NO_DISTRACTOR]
    usable: dict[str, list[str]] = {}
    for city, folded in zip(world.cities(), names, strict=True):
        if folded is None or city.country in NO_DISTRACTOR or city.zone in NOT_ASKED:
            continue
        repeated = any(count[name] > 1 for name in folded)
        given_away = any(
            _tells(name, code, city.country) for code, name in zip(LANGUAGES, folded, strict=True)
        )
        if not repeated and not given_away:
            usable.setdefault(city.country, []).append(city.zone)
    for country in sorted(usable):
        best_first = sorted(usable[country], key=world.familiarity)
        for rank, zone in enumerate(best_first[:CITIES_A_COUNTRY]):
            wrong = _wrong(country, country, world.country_name, lambda c: [c], countries)
            wrong = _without(wrong, ALSO_THERE.get(zone, ()))
            yield Candidate('city_country', zone, country, country, wrong, rank)


def _country_currency() -> Iterable[Candidate]:
    """Countries with one legal tender; distractors are the single tenders of others."""
    single = {c.code: c.currencies for c in world.countries() if len(c.currencies) == 1}
    for country in single:
        (answer,) = single[country]
        if _names(world.currency_name, answer) is None or country in CURRENCY_CHANGED:
            continue
        wrong = _wrong(country, answer, world.currency_name, lambda c: single[c], sorted(single))
        wrong = _without(wrong, ALSO_TENDER.get(country, ()))
        yield Candidate('country_currency', country, answer, country, wrong)


def _country_language() -> Iterable[Candidate]:
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
        answer = next((c for c in lawful if _names(world.language_name, c) is not None), None)
        if answer is not None:
            wrong = _wrong(
                country, answer, world.language_name, lambda c: official[c], sorted(official)
            )
            wrong = _without(wrong, (*spoken, *VARIETIES, *ALSO_SPOKEN.get(country, ())))
            yield Candidate('country_language', country, answer, country, wrong)


MAKERS: dict[str, Callable[[], Iterable[Candidate]]] = {
    'city_country': _city_country,
    'country_currency': _country_currency,
    'country_language': _country_language,
}
SUBJECT_NAME = {
    'city_country': world.city_name,
    'country_currency': world.country_name,
    'country_language': world.country_name,
}
ANSWER_NAME = {
    'city_country': world.country_name,
    'country_currency': world.currency_name,
    'country_language': world.language_name,
}


def _wrong(
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

    def usable(codes: Iterable[str], without: Iterable[str]) -> tuple[str, ...]:
        kept = sorted(set(codes) - {answer, *without})
        return tuple(c for c in kept if _distinct(name, answer, c))

    closest = usable(near, ())
    return closest, usable(far, closest)


def _without(
    wrong: tuple[tuple[str, ...], tuple[str, ...]], right: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    near, far = wrong
    return tuple(c for c in near if c not in right), tuple(c for c in far if c not in right)


def _item(candidate: Candidate, position: int, seed: int, languages: Sequence[str]) -> Item:
    name = ANSWER_NAME[candidate.relation]
    purpose = f'{candidate.relation}:{candidate.subject}'
    drawn: list[str] = []
    for part in candidate.wrong:
        for code in _drawn(part, seed, f'{purpose} wrong'):
            if len(drawn) < CHOICES - 1 and all(_distinct(name, code, d) for d in drawn):
                drawn.append(code)
    if len(drawn) < CHOICES - 1:
        raise InputError(
            f'{purpose} has {len(drawn)} distractors of distinct names, expected {CHOICES - 1}'
        )
    choices = (*drawn[:position], candidate.answer, *drawn[position:])
    order = tuple(_drawn(languages, seed, f'{purpose} languages'))
    return Item(candidate, choices, position, order)


def _balanced_positions(count: int, seed: int) -> list[int]:
    """Positions of the right answers; each occurs equally often, within one.

    Every CHOICES consecutive questions have all of them, so that the relations are balanced too.
    """
    positions: list[int] = []
    while len(positions) < count:
        positions += draw.shuffled(range(CHOICES), seed, f'worldfacts places {len(positions)}')
    return positions[:count]


def _names(name: Callable[[str, str], str], code: str) -> tuple[str, ...] | None:
    """The folded names in all template languages; None if one is missing."""
    try:
        return tuple(world.fold(name(code, language)) for language in LANGUAGES)
    except world.MissingNameError:
        return None


@functools.cache
def _distinct(name: Callable[[str, str], str], one: str, two: str) -> bool:
    """Whether both have names, and neither name is part of the other, in every language."""
    first, second = _names(name, one), _names(name, two)
    if one == two or first is None or second is None:
        return False
    return not any(a in b or b in a for a, b in zip(first, second, strict=True))


def _tells(folded_city: str, language: str, country: str) -> bool:
    """Whether a city's name gives its country away: one contains the other, or they begin alike."""
    name = world.fold(world.country_name(country, language))
    if folded_city in name or name in folded_city:
        return True
    alphabetic = languages_lib.language(language).spaces
    alike = 4 if alphabetic else 3
    return len(folded_city) >= alike and folded_city[:alike] == name[:alike]


def _drawn(codes: Iterable[str], seed: int, purpose: str) -> list[str]:
    """The codes in a drawn order; the order of two codes does not depend on the others."""
    return sorted(
        codes,
        key=lambda code: (int(draw.words(seed, f'worldfacts {purpose} {code}', 0, 1)[0]), code),
    )
