"""Where a task's rows come from: a file, or a split of a dataset."""

import pathlib
from collections.abc import Iterable, Mapping

from xlbarrier import datafiles
from xlbarrier.datafiles import DataError, DataRow

SHOWN = 8  # ids or names listed in an error


def place_of(source: str, language: str, codes: Iterable[str] = ()) -> str:
    """A source with its {language} filled in; `codes` (such as 'ar=AR_XY') rename languages."""
    renamed = dict(code.split('=', 1) for code in codes)
    return source.replace('{language}', renamed.get(language, language))


def read(place: str, split: str = 'test') -> list[DataRow]:
    """The rows of a file, or of 'hf:NAME[:SUBSET]'.

    Raises:
      DataError: when it cannot be read or has no row.
    """
    if place.startswith('hf:'):
        return read_dataset(place, split)
    return datafiles.read_rows(place)


def read_dataset(place: str, split: str) -> list[DataRow]:
    """The rows of a split of 'hf:NAME[:SUBSET]'; NAME can be a folder that `save_to_disk` made.

    Raises:
      DataError: when there is no such dataset or split; lists the splits.
    """
    import datasets

    name, _, subset = place.removeprefix('hf:').partition(':')
    folder = pathlib.Path(name).expanduser()
    try:
        if folder.is_dir():
            below = folder / subset if subset else folder
            found = datasets.load_from_disk(str(below))
        else:
            found = datasets.load_dataset(name, subset or None)
    except Exception as error:  # the library raises errors of many classes
        raise DataError(f'{place} cannot be opened: {error}') from error
    if isinstance(found, Mapping):
        if split not in found:
            raise DataError(f'{place} has no split {split!r}; it has {", ".join(map(str, found))}')
        found = found[split]
    rows = [DataRow(f'{place} {split}, row {i}', values) for i, values in enumerate(found)]
    if not rows:
        raise DataError(f'{place} has no row in its split {split!r}')
    return rows
