"""Our own fictional set: invented places and people, made from a seed, in every template language.

The conductivity test of Gao et al. 2024 (arXiv 2404.04659, section 5) for any language and size,
with nothing to download. Facts of type 0 are taught in English and in each language, those of type
1 in English only; translation pairs of all names connect the languages. Same seed, same bytes; a
world does not depend on the languages that are asked, so its names are distinct, and not real, in
all of them.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from babel.core import get_global

from xlbarrier import draw
from xlbarrier.errors import InputError
from xlbarrier.tasks import fictional_spelling as spelling
from xlbarrier.tasks.fictional_spelling import PLACE_FORMS, Stem, spell
from xlbarrier.tasks.fictional_templates import LANGUAGES, TEMPLATES
from xlbarrier.text import languages, world

SOURCE = 'en'
ALIKE = 4  # a real name of at least so many letters may not be part of an invented one
# Parts of invented names that would read as an insult in one of the languages here.
UNWELCOME = (
    'nigr', 'niga', 'nige', 'puta', 'puto', 'kaka', 'kuka', 'pedo', 'gagi', 'merd', 'fick',
    'fika', 'tito', 'nazi', 'pipi', 'pisi', 'popo', 'tets', 'kurv', 'gove', 'fote', 'porn',
    'pusi',
)  # fmt: skip
TRIES = 40  # draws for one name, after which an error reports that none is left


@dataclass(frozen=True)
class Fact:
    """An invented fact about one subject.

    Attributes:
      id: the same in every language.
      relation: a key of TEMPLATES.
      type: 0: taught in all languages, 1: taught in English.
      subject, answer: numbers of names.
      choices: numbers of names, the answer among them, in the order they are asked in.
    """

    id: str
    relation: str
    type: int
    subject: int
    answer: int
    choices: tuple[int, ...]


@dataclass(frozen=True)
class World:
    """An invented world.

    Attributes:
      names: of every land, place and person, by number: code -> spelling.
      kinds: of each name: 'land', 'place' or 'person'.
      facts: in the order they are asked in.
    """

    names: tuple[dict[str, str], ...]
    kinds: tuple[str, ...]
    facts: tuple[Fact, ...]


def make_world(
    *,
    facts: int,
    continents: int,
    relations: Sequence[str] = ('place_continent',),
    choices: int = 4,
    seed: int = 0,
) -> World:
    """Invents a world.

    Args:
      facts: of each relation, half of each type (type 0 has one more if the number is odd).
      continents: lands that the places are on, as evenly as possible.
      relations: of TEMPLATES; a person's home is one of the world's places.
      choices: options of a question.
      seed: of all names and draws.

    Raises:
      ValueError: when there are fewer possible answers than `choices`, or no name is left.
    """
    places = facts if 'place_continent' in relations else max(choices, facts // 2)
    pools = {'place_continent': continents, 'person_place': places}
    for relation in relations:
        if pools[relation] < choices:
            raise InputError(
                f'{relation} has {pools[relation]} possible answers, and a question {choices}'
                ' choices: invent more, or ask for fewer choices'
            )
    people = facts if 'person_place' in relations else 0
    continents = continents if 'place_continent' in relations else 0
    counts = {'land': continents, 'place': places, 'person': people}
    names = _names(counts, seed)
    numbers = {
        'place_continent': (range(continents, continents + places), range(continents)),
        'person_place': (
            range(continents + places, len(names)),
            range(continents, continents + places),
        ),
    }
    made: list[Fact] = []
    for relation in relations:
        subjects, answers = numbers[relation]
        made += _facts(relation, subjects, answers, choices, seed)
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    return World(tuple(names), tuple(kinds), tuple(made))


def _facts(
    relation: str, subjects: Sequence[int], answers: Sequence[int], choices: int, seed: int
) -> Iterator[Fact]:
    """Every answer occurs equally often (within one), within each type too."""
    order = draw.shuffled(list(answers), seed, f'fictional {relation} answers')
    for number, subject in enumerate(subjects):
        purpose = f'fictional {relation} {number}'
        half, kind = divmod(number, 2)
        answer = order[half % len(order)]
        wrong = draw.shuffled([a for a in answers if a != answer], seed, f'{purpose} wrong')
        shown = draw.shuffled([answer, *wrong[: choices - 1]], seed, f'{purpose} order')
        yield Fact(f'{relation}:{number}', relation, kind, subject, answer, tuple(shown))


def _names(counts: Mapping[str, int], seed: int) -> list[dict[str, str]]:
    """The given number of names of each kind; no two are alike in any language."""
    taken: set[tuple[str, str]] = set()
    names: list[dict[str, str]] = []
    for kind, count in counts.items():
        for number in range(count):
            names.append(_name(kind, number, seed, taken))
    return names


def _name(kind: str, number: int, seed: int, taken: set[tuple[str, str]]) -> dict[str, str]:
    for attempt in range(TRIES):
        parts = _stems(kind, seed, f'fictional {kind} {number} {attempt}')
        folded = {
            (code, world.fold(spell(stem, code))) for stem in parts for code in spelling.LANGUAGES
        }
        if folded & taken or any(is_real(name, code) for code, name in folded):
            continue
        taken |= folded
        names = {
            code: spelling.JOINS.get(code, ' ').join(spell(stem, code) for stem in parts)
            for code in spelling.LANGUAGES
        }
        if kind == 'place':
            forms = len(PLACE_FORMS[SOURCE])
            form = draw.below(seed, f'fictional {kind} {number} form', 0, forms)
            names = {code: PLACE_FORMS[code][form].format(name) for code, name in names.items()}
        return names
    raise InputError(
        f'no name is left for {kind} {number} after {TRIES} draws: the world is too large'
    )


def _stems(kind: str, seed: int, purpose: str) -> tuple[Stem, ...]:
    """Sounds of a name: three syllables; a person's are two names, of two and of three."""
    words = draw.words(seed, purpose, 0, 24).tolist()

    def drawn(part: Sequence[str]) -> str:
        return part[words.pop() % len(part)]

    def syllables(count: int) -> list[tuple[str, str, str]]:
        return [
            (drawn(spelling.ONSETS), drawn(spelling.VOWELS), drawn(spelling.CODAS))
            for _ in range(count)
        ]

    if kind == 'land':
        *first, (onset, _, _) = syllables(3)
        return (Stem((*first, (onset, 'i', '')), land=True),)
    lengths = (2, 3) if kind == 'person' else (3,)
    return tuple(Stem(tuple(syllables(length))) for length in lengths)


def is_real(folded: str, code: str) -> bool:
    """Whether a name is one of CLDR's, or reads as one: a city, a territory or a language.

    Args:
      folded: by `world.fold`.
      code: language of its spelling. A name in Latin letters is compared with the real names of
        all languages in Latin letters: neither may contain the other, if that has four letters or
        more.
    """
    if folded in _real_names(code):
        return True
    if languages.language(code).script != 'Latn':
        return False
    if any(part in folded for part in UNWELCOME):
        return True
    starts = (folded[a:b] for a in range(len(folded)) for b in range(a + ALIKE, len(folded) + 1))
    return any(part in _latin_names() for part in starts) or any(
        folded in name for name in _latin_names()
    )


@functools.cache
def _real_names(code: str) -> frozenset[str]:
    """CLDR's cities, territories and languages in a language, folded; parts of names too."""
    locale = languages.locale(code)
    cities = [zone.get('city') for zone in locale.time_zones.values()]
    if languages.language(code).script == 'Latn':
        cities += [zone.rsplit('/', 1)[-1] for zone in get_global('zone_territories')]
    found = [*filter(None, cities), *locale.territories.values(), *locale.languages.values()]
    return frozenset(_folded(found))


@functools.cache
def _latin_names() -> frozenset[str]:
    codes = [code for code in LANGUAGES if languages.language(code).script == 'Latn']
    return frozenset(n for code in codes for n in _real_names(code) if len(n) >= ALIKE)


def _folded(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        for part in (name, *name.replace('_', ' ').replace('-', ' ').split()):
            yield world.fold(part)


def question(fact: Fact, world_: World, code: str, wording: int) -> str:
    """The question of a fact in a language; wording TAUGHT is the one used in the test."""
    return TEMPLATES[fact.relation][code][wording].format(subject=world_.names[fact.subject][code])
