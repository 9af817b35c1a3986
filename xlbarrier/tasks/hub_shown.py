"""Demonstrations for the hub's multiple-choice sets: of which split, or which items, they are."""

import collections
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from absl import logging

from xlbarrier.config.sets import SetConfig
from xlbarrier.datafiles import DataError
from xlbarrier.tasks import hub_sets
from xlbarrier.tasks.hub_sets import ChoiceSet
from xlbarrier.tasks.items import SOURCE, Item

ByLanguage = dict[str, list[Item]]
Group = Callable[[Item], str]  # items of one group have the same demonstrations


def split_of(row: ChoiceSet, config: SetConfig) -> str:
    """The published split of demonstrations; '' where the first items of what is asked are shown.

    Files and folders, also those of `save_to_disk`, may have no splits.
    """
    if row.english and config.demos == 'english' and row.name_of(SOURCE) is None:
        row = hub_sets.CHOICE_SETS[row.english.removeprefix('hf:')]
    elif not _has_splits(config.source) or row.shown == (config.split or row.split):
        return ''
    return row.shown


def _has_splits(source: str) -> bool:
    return source.startswith('hf:') and not source.removeprefix('hf:').startswith(('/', '.', '~'))


@contextlib.contextmanager
def reading(why: str) -> Iterator[None]:
    """Says in errors of the block why demonstrations are read."""
    try:
        yield
    except DataError as error:
        raise DataError(f'{why}; demonstrations cannot be read: {error}') from error


def parted(
    items: Mapping[str, Sequence[Item]], group: Group, shots: int, where: str, *, apart: bool
) -> tuple[ByLanguage, ByLanguage]:
    """The first items of each group, and those that are then asked.

    Nothing is asked about a text (`meta['passage']`) that a demonstration has.

    Args:
      items: of each language.
      group: of an item.
      shots: items of a group that are shown.
      where: dotted name of the task's section, for the log.
      apart: whether languages have items of their own; else they are divided as in the first one.
    """
    shown: ByLanguage = {}
    asked: ByLanguage = {}
    first = next(iter(items))
    for code, these in items.items():
        counts = collections.Counter[str]()
        texts = set()
        shown[code], asked[code] = [], []
        for item, divided in zip(these, these if apart else items[first], strict=True):
            counts[group(divided)] += 1
            text = divided.meta.get('passage')
            if counts[group(divided)] <= shots:
                texts.add(text)
                shown[code].append(item)
            elif text is None or text not in texts:
                asked[code].append(item)
        gone = counts.keys() - set(map(group, asked[code]))
        if gone and asked[code]:
            names = ', '.join(sorted(gone))
            logging.warning(
                '%s: all items of %s in %s are shown, none is asked', where, names, code
            )
    return shown, asked


def check(
    shown: Mapping[str, Sequence[Item]],
    asked: Mapping[str, Sequence[Item]],
    group: Group,
    shots: int,
    field: str,
    split: str,
) -> None:
    """Refuses demonstrations that are too few, or that leave nothing to be asked.

    Args:
      shown: items of each language that are shown, or English ones for all.
      asked: the others.
      group: of an item.
      shots: how many are needed.
      field: dotted name of that field, for the message.
      split: that they are of; '': the one that is asked.

    Raises:
      DataError: naming the language, and the group that has too few.
    """
    for code, these in asked.items():
        if not these:
            raise DataError(
                f'{field} is {shots}, and all items in {code!r} are shown: none is left to be'
                ' asked (n = 0)'
            )
        spoken = code if code in shown else SOURCE
        there = collections.Counter(map(group, shown[spoken]))
        few = next((each for each in map(group, these) if there[each] < shots), None)
        if few is not None:
            of = f' of {few}' if few else ''
            raise DataError(
                f'{field} is {shots}, and {split or "the set"} has {there[few]} items{of} in'
                f' {spoken!r}'
            )
