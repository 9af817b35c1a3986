"""What a source yields: documents of parts, in order."""

from dataclasses import dataclass


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


def single(text: str, row: int) -> Document:
    """A document of one part."""
    return Document(str(row), (Part(text.strip(), row),))
