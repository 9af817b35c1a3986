"""WikiText files as articles: headings apart from paragraphs, tokens turned back into text.

Rules, each applied to every line that is not blank:
1. ` = Title = ` after a blank line or a heading begins an article; with more signs it is a
   heading inside one. The signs are removed. (Formulas that look like it follow running text.)
2. ` @-@ `, ` @,@ `, ` @.@ ` become `-`, `,`, `.` without white space around.
3. `<unk>`: 'remove' removes it with the space before it, a hyphen or 's attached to it, and marks
   that enclosed nothing else; 'keep' keeps it; 'drop' leaves out the line. A line without a letter
   or digit left is left out.
4. With `detokenize`, the white space that tokenisation put around marks is removed: before closing
   marks that are alone, after opening ones, inside a pair of quotation marks (found first), before
   's and 't and the like, around the colon of a time and the dash of a range.
"""

import pathlib
import re
from collections.abc import Generator

from xlbarrier import datafiles
from xlbarrier.corpus.documents import Document, Part
from xlbarrier.datafiles import MAX_RECORD_BYTES, DataError

UNKNOWN = ('remove', 'keep', 'drop')

# Runs of white space that no WikiText file has; squeezed, so that each pattern below is linear.
_LONG_SPACE = re.compile(r'(?<!\s)\s{8,}')
_AT = re.compile(r'\s*@([-,.])@\s*')
_UNKNOWN = re.compile(r"(?<=[\"(\[])<unk> |(?:\s*@[-,.]@)?\s*<unk>(?: @[-,.]@|(?: 's)(?!\w))?")
# Marks with nothing left between them once <unk> is removed.
_EMPTIED = (
    (re.compile(r'"\s*"|\([\s,;:/–-]*\)'), ''),
    (re.compile(r'([,;])(?:\s*[,;])+'), r'\1'),
    (re.compile(r'(?<=\() *[,;:] *'), ''),
)
_PAIRS = (
    (re.compile(r'"\s+([^"]*?)\s+"'), r'"\1"'),
    (re.compile(r"(?<!\S)' ([^']+?) '(?!\S)"), r"'\1'"),
)
_RULES = (
    (re.compile(r'\s\s+'), ' '),
    (re.compile(r"(?<=\w) (['’]) ?(s|t|re|ve|ll|d|m)(?!\w)"), r'\1\2'),
    (re.compile(r"(?<=s) '(?= \w)"), "'"),
    (re.compile(r'(?<=\d) : (?=\d\d(?!\d))'), ':'),
    (re.compile(r'(?<=\d) ([–-]) (?=\d)'), r'\1'),
    (re.compile(r'\s+(?=(?:[,.;:!?%)\]}”]|\.\.\.)(?:[\s"\'”,.;:!?)\]]|$))'), ''),
    (re.compile(r'((?:^|(?<=[\s"(\[“]))[(\[{“$£€]) (?=\S)'), r'\1'),
)


def articles(
    path: pathlib.Path, row: int, *, unknown: str, detokenize: bool, headings: bool
) -> Generator[Document, None, int]:
    """The articles of a WikiText file, in order; returns the number of the row after its last.

    Args:
      path: token or raw version, the same format.
      row: number of its first row.
      unknown: how `<unk>` is treated, see rule 3.
      detokenize: whether rule 4 is applied.
      headings: whether titles and headings are parts too.

    Raises:
      DataError: for a file without a line of text, or an article of more than 16 MiB.
    """
    parts: list[Part] = []
    size, before, apart = 0, row, True
    for offset, line in datafiles.lines(path):
        text = line.strip()
        if not text:
            apart = True
            continue
        level, title = heading(text) if apart else (0, '')
        apart = level > 0
        if level == 1 and parts:
            yield Document(str(parts[0].row), tuple(parts), row)
            parts, size = [], 0
        text = plain(title if level else text, unknown, detokenize)
        if any(map(str.isalnum, text)) and (headings or not level):
            parts.append(Part(text, row, level > 0))
            size += len(line)
            if size > MAX_RECORD_BYTES:
                raise DataError(
                    f'{path}: the article that ends behind byte {offset} is longer than'
                    f' {MAX_RECORD_BYTES} bytes (16 MiB): are its titles written = so = ?'
                )
        row += 1
    if row == before:
        raise DataError(f'{path} has no line of text: remove it or leave it out')
    if parts:
        yield Document(str(parts[0].row), tuple(parts), row)
    return row


def heading(line: str) -> tuple[int, str]:
    """Level and text of a heading: (2, 'Life cycle') of '= = Life cycle = ='; (0, '') of others."""
    before = behind = 0
    while line.startswith('= ', 2 * before):
        before += 1
    while line.endswith(' =', 0, len(line) - 2 * behind):
        behind += 1
    # A sign may be of either side, as in '= = ='; the title has at least one character.
    for level in range(before, 0, -1):
        rest = len(line) - 2 * level
        closing = min(behind, (rest - 1) // 2)
        if closing > 0 and not line[2 * level].isspace():
            title = line[2 * level : len(line) - 2 * level]
            return (level, title) if closing == level else (0, '')
    return 0, ''


def plain(text: str, unknown: str = 'remove', detokenize: bool = True) -> str:
    """A line's text by rules 2 to 4; '' where the line is to be left out."""
    if '<unk>' in text and unknown == 'drop':
        return ''
    text = _LONG_SPACE.sub(' ', text)
    rules = _PAIRS if detokenize else ()
    if '<unk>' in text and unknown == 'remove':
        rules = (*rules, (_UNKNOWN, ''), *_EMPTIED)
    for pattern, replacement in (*rules, (_AT, r'\1'), *(_RULES if detokenize else ())):
        text = pattern.sub(replacement, text)
    return text.strip()
