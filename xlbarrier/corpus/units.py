"""A document as units in their languages: cut, drawn, and put together again.

A unit is in one language: the document, a sentence, or a run of words. A piece is translated in
one go: the unit, or each sentence of a document. Where a document stays in
one language (`single:l`, `monolingual-mix`) runs of words make no difference to the result, and
pieces and units are sentences. For a translator that looks up aligned lines, a line is a sentence.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xlbarrier.corpus import mix
from xlbarrier.corpus.documents import Document
from xlbarrier.text import languages as languages_lib
from xlbarrier.text import segment
from xlbarrier.text.languages import FULL_WIDTH

_LINE_START = re.compile(r'(?<=\n)')
_SPACE = re.compile(r'\s+')


@dataclass(frozen=True)
class Plan:
    """A document cut, and the language of each piece.

    Attributes:
      id: of the document.
      pieces: source texts, without white space around them.
      behind: the white space after each piece in the source; '' after the last.
      languages: of each piece.
      units: how many pieces each unit has.
    """

    id: str
    pieces: tuple[str, ...]
    behind: tuple[str, ...]
    languages: tuple[str, ...]
    units: tuple[int, ...]

    def to_translate(self, source: str) -> list[tuple[str, str]]:
        """(language, text) of each piece to be translated: those with a letter or digit."""
        return [
            (language, to_translate(piece))
            for piece, language in zip(self.pieces, self.languages, strict=True)
            if language != source and has_word(piece)
        ]


def unit_of(unit: str, arm: str) -> str:
    """The unit that an arm is built of: no runs of words where a document stays in one language."""
    runs = segment.parse_unit(unit)[0] == 'words'
    return 'sentence' if runs and arm.partition(':')[0] in ('single', 'monolingual-mix') else unit


def plan(
    document: Document,
    unit: str,
    arm: str,
    source: str,
    seed: int,
    share: Mapping[str, float],
    *,
    lines: bool = False,
) -> Plan:
    """Cuts a document and draws its languages: a function of its arguments only.

    Args:
      document: its parts are cut one by one, each on a line of its own.
      unit: 'document', 'sentence' or 'words:K', as `unit_of` gives it.
      arm: see `mix.arm_languages`.
      source: BCP-47 code of the text.
      seed: of the draw, which is keyed by (seed, document, unit).
      share: of each language in a drawn arm.
      lines: cuts at line breaks instead of at the ends of sentences.
    """
    cut = 'sentence' if unit == 'document' else unit
    pieces: list[str] = []
    behind: list[str] = []
    for part in document.parts:
        if behind:
            behind[-1] = '\n'
        aligned = lines and cut == 'sentence'
        for text in (
            _LINE_START.split(part.text) if aligned else segment.split(part.text, cut, source)
        ):
            core = text.rstrip()
            if not core:  # cannot be at a part's beginning: parts are stripped
                behind[-1] += text
                continue
            pieces.append(core)
            behind.append(text[len(core) :])
    behind[-1] = ''
    units = (len(pieces),) if unit == 'document' else (1,) * len(pieces)
    drawn = mix.unit_languages(document.id, len(units), arm, seed, share)
    languages = drawn * len(pieces) if unit == 'document' else drawn
    return Plan(document.id, tuple(pieces), tuple(behind), languages, units)


def has_word(text: str) -> bool:
    """Whether there is anything to translate: a letter or a digit."""
    return any(map(str.isalnum, text))


def to_translate(piece: str) -> str:
    """A piece on one line, as translators expect it."""
    if '\n' not in piece and '\r' not in piece:
        return piece
    return _SPACE.sub(lambda run: ' ' if '\n' in run[0] or '\r' in run[0] else run[0], piece)


def grouped(
    plan: Plan, pieces: Sequence[str], languages: Sequence[str], source: str
) -> tuple[list[str], list[str]]:
    """The text and the language of each unit; of a unit in two languages, that of most pieces."""
    texts, codes, place = [], [], 0
    for count in plan.units:
        mine = languages[place : place + count]
        behind = plan.behind[place : place + count]
        texts.append(join(pieces[place : place + count], behind, mine, source))
        codes.append(max(dict.fromkeys(mine), key=mine.count))
        place += count
    return texts, codes


def join(
    pieces: Sequence[str], behind: Sequence[str], languages: Sequence[str], source: str
) -> str:
    """The pieces as one text, with the white space that their languages have between them.

    Between two pieces in the source's language nothing changes, and a line break is kept. Otherwise
    there is a space between two pieces, except between two languages written without (zh, ja);
    between runs of words of one clause, no script without spaces between words has one.
    """
    parts = []
    for i, piece in enumerate(pieces):
        parts.append(piece)
        if i + 1 < len(pieces):
            parts.append(_between(piece, behind[i], languages[i], languages[i + 1], source))
    return ''.join(parts)


def _between(piece: str, behind: str, left: str, right: str, source: str) -> str:
    if left == right == source or '\n' in behind:
        return behind
    if not behind and languages_lib.language(source).spaces:
        return ''  # a cut inside a word's marks, such as before an opening bracket
    if left.split('-')[0] in FULL_WIDTH and right.split('-')[0] in FULL_WIDTH:
        return ''
    spaces = languages_lib.language(left).spaces or languages_lib.language(right).spaces
    return ' ' if spaces or piece[-1:] in '.!?…。！？' else ''
