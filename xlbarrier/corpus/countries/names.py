"""The arm `names`: what a place is called in each language of the corpus, and nothing about it.

One document per city or country and round, its name in every language in a drawn order:

    de: Warschau | en: Warsaw | pl: Warszawa

A lexicon ties the languages word by word, as the dictionary stage of PreAlign (arXiv 2407.16222)
does with its word pairs. A document has one place and states no fact about it: in which
country a city is must come from what the model knows already. Names are CLDR's; a place that lacks
one in some language is left out.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from xlbarrier import draw
from xlbarrier.errors import InputError
from xlbarrier.text import world

ARM = 'names'
ROUNDS = 8  # documents of a place, each with another order of languages
BETWEEN = ' | '


def rows(languages: Sequence[str], seed: int, documents: int = 0) -> list[dict[str, Any]]:
    """The documents in a drawn order, all of one round before the next.

    Args:
      languages: codes of the corpus languages.
      seed: of the orders.
      documents: at most so many; 0: all.

    Returns:
      Rows as a corpus has them: id, text, languages (of the units), units ('de: Warschau').

    Raises:
      InputError: when there are not so many.
    """
    places = sorted(_places(languages))
    made = []
    for round_ in range(ROUNDS):
        for place, names in draw.shuffled(places, seed, f'names {round_}'):
            identifier = f'{ARM}/{place}/{round_}'
            order = draw.shuffled(range(len(languages)), seed, identifier)
            units = [f'{languages[i]}: {names[i]}' for i in order]
            row = {
                'id': identifier,
                'text': BETWEEN.join(units),
                'languages': [languages[i] for i in order],
                'units': units,
            }
            made.append(row)
    if documents > len(made):
        raise InputError(
            f'config.corpus.documents is {documents}, but the arm {ARM} has {len(made)}: ask for'
            ' fewer, or for 0, which means all'
        )
    return made[: documents or None]


def _places(languages: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each city and country, as 'city/ZONE' or 'country/CODE', and its names."""
    named: list[tuple[str, Callable[[str, str], str], set[str]]] = [
        ('city', world.city_name, {city.zone for city in world.cities()}),
        ('country', world.country_name, {country.code for country in world.countries()}),
    ]
    for kind, name, codes in named:
        for code in codes:
            try:
                yield f'{kind}/{code}', tuple(name(code, language) for language in languages)
            except world.MissingNameError:
                continue
