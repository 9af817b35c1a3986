"""Names that a question needs in every language, and what one name says about another."""

import functools
from collections.abc import Callable, Sequence

from xlbarrier.tasks.worldfacts_templates import LANGUAGES
from xlbarrier.text import languages as languages_lib
from xlbarrier.text import world

Name = Callable[[str, str], str]  # of a code in a language, as `world.country_name`


@functools.cache
def names(name: Name, code: str, languages: tuple[str, ...] = LANGUAGES) -> tuple[str, ...] | None:
    """The folded names in all of these languages; None if one is missing."""
    try:
        return tuple(world.fold(name(code, language)) for language in languages)
    except world.MissingNameError:
        return None


@functools.cache
def distinct(name: Name, one: str, two: str, languages: tuple[str, ...] = LANGUAGES) -> bool:
    """Whether both have names, and neither name is part of the other, in every language."""
    first, second = names(name, one, languages), names(name, two, languages)
    if one == two or first is None or second is None:
        return False
    return not any(a in b or b in a for a, b in zip(first, second, strict=True))


def tells(
    subject: Sequence[str], answer: Sequence[str], languages: Sequence[str] = LANGUAGES
) -> bool:
    """Whether a name gives the answer away in a language: one contains the other, or they begin
    alike.

    Args:
      subject, answer: folded names in each of the languages; no name gives nothing away.
    """
    return any(
        one in two or two in one or _alike(one, two, language)
        for one, two, language in zip(subject, answer, languages, strict=True)
    )


def _alike(one: str, two: str, language: str) -> bool:
    letters = 4 if languages_lib.language(language).spaces else 3
    return len(one) >= letters and one[:letters] == two[:letters]
