"""Units side by side in colour: what a corpus will contain, before it is built."""

import itertools
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.corpus import from_text, sources, translation, units
from xlbarrier.corpus.filters import Filters
from xlbarrier.text import languages as languages_lib

# Foregrounds of the 256-colour table that can be distinguished on black and on white.
COLOURS = (33, 166, 34, 162, 136, 99, 37, 160, 64, 129, 30, 172, 69, 125, 70, 61)
BOLD, RESET = '\x1b[1m', '\x1b[0m'
# A right-to-left text between these does not disturb its line's label.
ISOLATE, END_ISOLATE = '\u2068', '\u2069'
# Control characters, which a terminal obeys, and marks that change the direction of a text.
_CONTROLS = re.compile('[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]')


def preview(
    config: CorpusConfig,
    arm: str,
    share: Mapping[str, float],
    count: int,
    folder: pathlib.Path,
    *,
    colour: bool,
    make: translation.Make | None = None,
    questions: from_text.Questions | None = None,
) -> Iterator[str]:
    """The lines to print: `count` units in every language, and the text that they make in the arm.

    The language that was drawn for a unit is marked with '>'. Translations go through the
    cache, where the build finds them.

    Args:
      config: of the corpus.
      arm: whose draw is shown.
      share: of each language of the arm.
      count: units to show; those of one document after the other, from the first.
      folder: of the cache and of what the filters have seen.
      colour: whether to write ANSI colours.
      make: makes a cached translator; None: the configured one.
      questions: see `from_text.build`.

    Raises:
      DataError, TranslatorError: as `from_text.build`.
    """
    language, unit = config.text.language, units.unit_of(config.unit, arm)
    targets = [code for code, part in share.items() if part > 0 and code != language]
    lines = config.translator.kind == 'parallel'
    paint = _painter((language, *targets), colour)
    source = sources.open_source(config.source, config.text)
    filters = Filters(config.filters, language, folder, questions)
    make = (make or from_text.maker(config, folder)) if targets else None
    try:
        with translation.Translators(make, language, 1) as works:
            works.check(targets)
            shown = 0
            for document in filters.apply(source.documents()):
                plan = units.plan(document, unit, arm, language, config.seed, share, lines=lines)
                part = _first(plan, count - shown)
                name = printable(document.id)
                yield f'{BOLD if colour else ""}document {name}{RESET if colour else ""}'
                yield from _document(part, language, targets, works, paint)
                shown += len(part.units)
                if shown >= count:
                    return
    finally:
        filters.close()


def _document(
    plan: units.Plan,
    source: str,
    targets: Sequence[str],
    works: translation.Translators,
    paint: Callable[[str, str], str],
) -> Iterator[str]:
    asked = [
        (code, units.to_translate(piece))
        for piece in plan.pieces
        for code in targets
        if units.has_word(piece)
    ]
    answers = works.submit(asked)()
    versions = {source: list(plan.pieces)}
    for code in targets:
        found = [answers.get((code, units.to_translate(p)), p) for p in plan.pieces]
        versions[code] = [
            text if isinstance(text, str) else f'[failed: {text.reason}]' for text in found
        ]
    place = 0
    for number, size in enumerate(plan.units):
        yield f'unit {number}'
        for code, pieces in versions.items():
            behind = plan.behind[place : place + size]
            text = units.join(pieces[place : place + size], behind, [code] * size, source)
            mark = '>' if code == plan.languages[place] else ' '
            yield f'{mark} {code:<5} ' + paint(code, text.replace('\n', ' / '))
        place += size
    drawn = [versions[code][i] for i, code in enumerate(plan.languages)]
    painted = [paint(code, text) for code, text in zip(plan.languages, drawn, strict=True)]
    yield 'together'
    yield units.join(painted, plan.behind, plan.languages, source)
    yield ''


def _first(plan: units.Plan, count: int) -> units.Plan:
    """The plan of the first units of a document."""
    kept = plan.units[:count]
    pieces = sum(kept)
    behind = (*plan.behind[: pieces - 1], '') if pieces else ()
    return units.Plan(plan.id, plan.pieces[:pieces], behind, plan.languages[:pieces], kept)


def printable(text: str) -> str:
    """A text without characters that a terminal obeys, such as escape sequences; U+FFFD instead."""
    return _CONTROLS.sub('\ufffd', text)


def _painter(codes: Sequence[str], colour: bool) -> Callable[[str, str], str]:
    number = dict(zip(codes, itertools.cycle(COLOURS), strict=False))

    def paint(code: str, text: str) -> str:
        text = printable(text)
        if languages_lib.language(code).direction == 'rtl':
            text = f'{ISOLATE}{text}{END_ISOLATE}'
        return f'\x1b[38;5;{number[code]}m{text}{RESET}' if colour else text

    return paint
