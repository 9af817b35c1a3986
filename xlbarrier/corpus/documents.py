"""What a source yields: documents of parts, in order."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Part:
    """A stretch of text; no unit extends over its end.

    Attributes:
      text: not blank, no white space around it.
      row: number, from 0, of the line or record it comes from, among those that are not blank.
      heading: whether it is the title of what follows.
    """

    text: str
    row: int
    heading: bool = False


@dataclass(frozen=True)
class Document:
    """Parts that belong together.

    Attributes:
      id: the row of the first as it was read.
      parts: in order.
      end: the row after the last that was read for it; 0: the one after the last part's. Rows may
        have no part: those of WikiText that contain nothing but <unk>.
    """

    id: str
    parts: tuple[Part, ...]
    end: int = 0

    @property
    def characters(self) -> int:
        """Of its text."""
        return sum(len(part.text) for part in self.parts)

    def after(self, rows: int) -> 'Document':
        """The document as it is numbered where so many rows come before its file."""
        parts = tuple(dataclasses.replace(part, row=part.row + rows) for part in self.parts)
        return Document(str(int(self.id) + rows), parts, self.end and self.end + rows)

    def to_json(self) -> list[Any]:
        """For a file of documents."""
        return [self.id, self.end, [[part.text, part.row, part.heading] for part in self.parts]]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> 'Document':
        """The document that `to_json` gave."""
        name, end, parts = value
        return cls(name, tuple(Part(*part) for part in parts), end)


@contextlib.contextmanager
def noting(what: str) -> Iterator[None]:
    """Adds to an error what was in work; a traceback ends with it."""
    try:
        yield
    except Exception as error:
        error.add_note(what)
        raise


def single(text: str, row: int) -> Document:
    """A document of one part."""
    return Document(str(row), (Part(text.strip(), row),))
