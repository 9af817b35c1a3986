"""Pairs to train on: one item twice, with the same options in the same order.

The two sides are in two languages, or the options of one are in several. A pair needs no label: its
objectives compare what a model says of the options on its two sides.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from xlbarrier import datafiles
from xlbarrier.datafiles import DataError

FORM = "{'id': ..., 'relation': ..., 'languages': {'en': {'context': ..., 'options': [...]}, ...}}"
SIDE = ('id', 'context', 'options', 'option_ids')


class Side(NamedTuple):
    """An item in one language.

    Attributes:
      item: its id, the same in every language.
      language: BCP-47 code.
      context: all that is read before an option.
      options: continuations of the context, each with the space that separates it; (): the side is
        a sentence, for the objective `contrast` alone.
    """

    item: str
    language: str
    context: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """One item twice: in two languages, with options in several, or paired with itself.

    Attributes:
      relation: what the item is about; '' where it is unknown.
      source: the side that is learned from, usually English.
      target: the side in the other language, or with options in others; the source itself where
        the answers in its language are to stay as they were.
      where: the file and row, or the task, for messages.
    """

    relation: str
    source: Side
    target: Side
    where: str = field(compare=False)

    @property
    def is_own(self) -> bool:
        """Whether the item is paired with itself."""
        return self.source == self.target


def read(pattern: str) -> Iterator[Pair]:
    """The pairs of English and each other language of the rows that a glob names.

    A row is one item: `id`, `relation` (may be absent) and `languages`, which gives `context` and
    `options` by language. `option_ids`, where a side has them, say which options are the same, so
    that each language may have its own order; `id` of a side, where given, must be the row's.

    Raises:
      DataError: naming file, row and field of what is missing or is not text.
    """
    for path in datafiles.find(pattern):
        for row in datafiles.stream_rows(path):
            yield from _pairs_of(row.values, row.where)


def _pairs_of(values: Mapping[str, Any], where: str) -> Iterator[Pair]:
    languages = values.get('languages')
    if not isinstance(languages, Mapping) or 'en' not in languages or len(languages) < 2:
        raise DataError(f"{where} has no 'languages' with 'en' and another; expected {FORM}")
    item = datafiles.as_text(values.get('id'), 'id', where)
    relation = str(values.get('relation') or '')
    order = languages['en'].get('option_ids') if isinstance(languages['en'], Mapping) else None
    sides = {
        code: _side(given, item, code, order, f'{where}: languages.{code}')
        for code, given in languages.items()
        if given is not None  # Parquet writes an absent language as null
    }
    for code, side in sides.items():
        if code != 'en':
            yield Pair(relation, sides['en'], side, where)


def _side(given: Any, item: str, code: str, order: Any, where: str) -> Side:
    if not isinstance(given, Mapping):
        raise DataError(f'{where} is {given!r:.60}; expected {FORM}')
    for name in given:
        if name not in SIDE:
            raise DataError(f'{where} has {name!r}; expected {", ".join(SIDE)}')
    options = given.get('options') or ()
    if not isinstance(options, list | tuple):
        raise DataError(f'{where}: options is {options!r:.60}; expected a list')
    texts = [datafiles.as_text(o, f'options[{k}]', where) for k, o in enumerate(options)]
    ids = given.get('option_ids')
    if ids is not None and order is not None:
        if sorted(map(str, ids)) != sorted(map(str, order)) or len(ids) != len(texts):
            raise DataError(
                f'{where}: option_ids are {list(ids)}, in en {list(order)}: the two sides are not'
                ' the same item'
            )
        texts = [texts[list(ids).index(one)] for one in order]
    context = datafiles.as_text(given.get('context'), 'context', where)
    return Side(str(given.get('id') or item), code, context, tuple(texts))


def check(
    pairs: Iterable[Pair],
    *,
    relations: Collection[str] = (),
    languages: Collection[str] = (),
    options: bool = True,
) -> list[Pair]:
    """The pairs, after a look at each.

    Args:
      pairs: of a file or a task.
      relations, languages: held out: they are asked, and must not be trained on.
      options: whether the objective needs at least two options per side.

    Raises:
      DataError: naming the pair, when its sides are not the same item, are of one language and
        have the same options after other contexts, or have other numbers of options; when two
        options of a side are equal, or its relation or language is held out; or when there is no
        pair.
    """
    checked = []
    for pair in pairs:
        _check_one(pair, options)
        if pair.relation and pair.relation in relations:
            raise DataError(
                f'{pair.where}: the pair {pair.source.item!r} is of the relation'
                f' {pair.relation!r}, which is held out: it is asked, and must not be trained on'
            )
        for side in (pair.source, pair.target):
            if side.language in languages:
                raise DataError(
                    f'{pair.where}: the pair {side.item!r} is in {side.language!r}, which is held'
                    ' out: it is asked, and must not be trained on'
                )
        checked.append(pair)
    if not checked:
        raise DataError('there is no pair to train on')
    return checked


def _check_one(pair: Pair, options: bool) -> None:
    source, target = pair.source, pair.target
    names = f'{source.item!r} ({source.language}) and {target.item!r} ({target.language})'
    alike = (source.language, source.options) == (target.language, target.options)
    if source.item != target.item or (alike and source != target):
        raise DataError(f'{pair.where}: the sides {names} are not one item in two languages')
    if len(source.options) != len(target.options):
        raise DataError(
            f'{pair.where}: {names} have {len(source.options)} and {len(target.options)} options:'
            ' the two sides are not the same item'
        )
    if options and len(source.options) < 2:
        raise DataError(
            f'{pair.where}: {source.item!r} has {len(source.options)} options; this objective'
            ' compares options: expected at least 2'
        )
    for side in (source, target):
        equal = _first_equal(side.options)
        if equal is not None:
            first, second = equal
            raise DataError(
                f'{pair.where}: options {first + 1} and {second + 1} of {side.item!r} are equal in'
                f' {side.language!r} ({side.options[first].strip()!r}): one would be right and'
                ' wrong'
            )


def _first_equal(options: Sequence[str]) -> tuple[int, int] | None:
    seen: dict[str, int] = {}
    for number, option in enumerate(options):
        text = ' '.join(option.split()).casefold()
        if text in seen:
            return seen[text], number
        seen[text] = number
    return None
