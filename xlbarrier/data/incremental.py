"""Token ids of a text that begins as another one, without tokenising their beginning again.

Prompts share demonstrations, and the options of a question share the prompt. A tokenizer cuts a
text into pieces (words, runs of digits) and tokenises each by itself; where a piece ends depends on
a few characters around it. So the tokens before a border of pieces, well inside what two texts have
in common, are the same in both, and those after it are the tokens of the rest of the text alone, if
those do not depend on being the first: that is looked at, in the known text, for every border that
is used. A tokenizer without pieces (SentencePiece's BPE over whole texts) has no
borders, and its texts are tokenised whole.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Encoding, Tokenizer

MARGIN = 64  # characters that have to follow a border in both texts
SHORTEST = 256  # characters before a border that are worth looking for it
NEAR = 32  # borders of which one may serve
TRIES = 4  # of them that are looked at
RECENT = 4  # texts that are kept: a question is put in several ways, one after the other
_WORD = re.compile(r'\s\S')


@dataclass
class Tokenised:
    """A text's ids, and where they may be cut.

    Attributes:
      text: of any length.
      ids: of the whole text, without those that a tokenizer adds.
      places: characters at which a piece may begin, rising, and `tokens` before each.
      proved: places at which the tokens after it are those of the rest of the text by itself.
      failed: places at which they are not.
      hopeless: whether no border of a text like this one was of use.
    """

    text: str
    ids: list[int]
    places: list[int]
    tokens: list[int]
    proved: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    hopeless: bool = False


class Texts:
    """Tokenises texts of which each begins as one of the last few, if any does."""

    def __init__(self) -> None:
        self._recent: tuple[Tokenised, ...] = ()  # replaced as a whole: threads may share it

    def __call__(self, core: Tokenizer, text: str) -> Tokenised:
        """The text's ids; the same as those of the whole text by itself."""
        if len(text) < SHORTEST + MARGIN:
            return tokenised(core, text)
        recent = self._recent
        known = max(recent, key=lambda each: common_length(each.text, text), default=None)
        made = tokenised(core, text) if known is None else continued(core, known, text)
        if known is not None and common_length(known.text, text) >= SHORTEST + MARGIN:
            # The new one has all that they share.
            recent = tuple(each for each in recent if each is not known)
        self._recent = (*recent, made)[-RECENT:]
        return made


def tokenised(core: Tokenizer, text: str) -> Tokenised:
    """A text that is tokenised whole."""
    encoding = core.encode(text, add_special_tokens=False)
    return Tokenised(text, encoding.ids, *_places(encoding))


def continued(core: Tokenizer, known: Tokenised, text: str) -> Tokenised:
    """`tokenised(core, text)`, from what is known of a text with the same beginning."""
    number = _border(core, known, text)
    if number is None:
        made = tokenised(core, text)
        made.hopeless = known.hopeless
        return made
    place, count = known.places[number], known.tokens[number]
    encoding = core.encode(text[place:], add_special_tokens=False)
    places, tokens = _places(encoding)
    return Tokenised(
        text,
        known.ids[:count] + encoding.ids,
        known.places[:number] + [place + each for each in places],
        known.tokens[:number] + [count + each for each in tokens],
        {each for each in known.proved if each <= place},
        {each for each in known.failed if each <= place},
    )


def continued_ids(core: Tokenizer, known: Tokenised, text: str) -> list[int]:
    """The ids of `continued`, of a text that none will begin as."""
    number = _border(core, known, text)
    if number is None:
        return core.encode(text, add_special_tokens=False).ids
    rest = core.encode(text[known.places[number] :], add_special_tokens=False)
    return known.ids[: known.tokens[number]] + rest.ids


def _border(core: Tokenizer, known: Tokenised, text: str) -> int | None:
    """The number of the last border up to which the ids of both texts are the same, if any."""
    common = common_length(known.text, text)
    # A word begins after the border and before the last characters that are the same in both, so
    # that no run of white space and no word extends from one to the other.
    word = next(_words_before(text, common - MARGIN // 2), -1)
    last = bisect_right(known.places, min(word, common - MARGIN))
    if known.hopeless:
        return None
    # Some tokenizers put a space before a text that does not begin with one.
    candidates = sorted(
        range(last - 1, max(last - NEAR, 0) - 1, -1),
        key=lambda number: not text[known.places[number]].isspace(),
    )
    new = [n for n in candidates if known.places[n] not in known.failed]
    tried = [n for n in new if known.places[n] >= SHORTEST][:TRIES]
    for number in tried:
        if _proves(core, known, number):
            return number
    known.hopeless = len(tried) == TRIES and not known.proved
    return None


def _proves(core: Tokenizer, known: Tokenised, number: int) -> bool:
    """Whether the known text's tokens after a border are those of its rest by itself."""
    place = known.places[number]
    if place not in known.proved:
        rest = core.encode(known.text[place:], add_special_tokens=False).ids
        same = rest == known.ids[known.tokens[number] :]
        (known.proved if same else known.failed).add(place)
    return place in known.proved


def _places(encoding: Encoding) -> tuple[list[int], list[int]]:
    """The characters at which pieces begin, and the tokens before each.

    Offsets may leave out the space that a token begins with: a piece begins where the one before
    it ends.
    """
    places: list[int] = []
    tokens: list[int] = []
    before, end = None, 0
    for number, (word, (start, stop)) in enumerate(
        zip(encoding.word_ids, encoding.offsets, strict=True)
    ):
        if (
            word is not None
            and word != before
            and end <= start
            and (not places or end > places[-1])
        ):
            places.append(end)
            tokens.append(number)
        before, end = word, max(end, stop)
    return places, tokens


def _words_before(text: str, end: int) -> Iterator[int]:
    """Places before `end` where white space is followed by something else, the last first."""
    while end > 0:
        start = max(0, end - MARGIN)
        for found in reversed(list(_WORD.finditer(text, start, end))):
            yield found.start()
        end = start


def common_length(a: Sequence[Any], b: Sequence[Any]) -> int:
    """How much two texts or lists begin alike."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
