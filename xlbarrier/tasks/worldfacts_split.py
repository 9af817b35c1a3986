"""The split of the countries: those that pairs may be trained on, those of dev and those of test.

A fact belongs to its country: the country of a city, a capital, a currency, a neighbour, or the
country where CLDR says that a language is mostly used. Two countries that a question calls
neighbours are in one part. So whatever is asked of a part is not asked, in any direction, of
another: if 'Which country is Paris in?' is a test question, so is 'What is the capital of France?',
and neither is in dev or among the pairs.

What many countries share is in all parts: a currency such as the euro, a language such as Spanish,
a script, a part of the world. And a wrong option may name a country of any part.
"""

import functools

from xlbarrier import draw
from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.tasks.worldfacts_relations import paired
from xlbarrier.text import world

PARTS = ('train', 'dev', 'test')


def part_of(config: WorldFactsConfig) -> dict[str, str]:
    """'train', 'dev' or 'test' by country.

    The groups of countries come in a drawn order; each goes to the part that is furthest below its
    share, so that the sizes are those configured, within a group.

    Args:
      config: `dev_share`, `test_share` and `split_seed`; the rest of it changes nothing.
    """
    return dict(_split(config.dev_share, config.test_share, config.split_seed))


@functools.cache
def _split(dev: float, test: float, seed: int) -> tuple[tuple[str, str], ...]:
    shares = dict(zip(PARTS, (1 - dev - test, dev, test), strict=True))
    order = draw.shuffled(groups(), seed, 'worldfacts split')
    sizes, taken = dict.fromkeys(PARTS, 0), 0
    part: dict[str, str] = {}
    for group in order:
        taken += len(group)
        lacking = {name: shares[name] * taken - sizes[name] for name in PARTS if shares[name] > 0}
        chosen = max(PARTS, key=lambda name: lacking.get(name, -1.0 * taken - 1))
        sizes[chosen] += len(group)
        part |= dict.fromkeys(group, chosen)
    return tuple(sorted(part.items()))


@functools.cache
def groups() -> tuple[tuple[str, ...], ...]:
    """The countries, by code, in groups that the pairs of neighbours connect."""
    leader = {country.code: country.code for country in world.countries()}
    for country, other in sorted(paired().items()):
        first, second = sorted((leader[country], leader[other]))
        leader = {c: first if chief == second else chief for c, chief in leader.items()}
    found: dict[str, list[str]] = {}
    for country, chief in leader.items():
        found.setdefault(chief, []).append(country)
    return tuple(tuple(sorted(group)) for _, group in sorted(found.items()))
