"""Where a task's rows come from: a file, or a split of a dataset."""

import pathlib
from collections.abc import Iterable, Mapping

from xlbarrier import datafiles
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import hub

SHOWN = 8  # ids or names listed in an error


def place_of(source: str, language: str, codes: Iterable[str] = ()) -> str:
    """A source with its {language} filled in; `codes` (such as 'ar=AR_XY') rename languages."""
    return source.replace('{language}', renamed(codes).get(language, language))


def renamed(codes: Iterable[str]) -> dict[str, str]:
    """How each language is written, of a config's `codes`, such as 'ar=AR_XY'."""
    return dict(code.split('=', 1) for code in codes)


def read(place: str, split: str = 'test') -> list[DataRow]:
    """The rows of a file, or of 'hf:NAME[@REVISION][:SUBSET]'.

    Raises:
      DataError: when it cannot be read or has no row.
    """
    if place.startswith('hf:'):
        return read_dataset(place, split)
    return datafiles.read_rows(place)


def read_dataset(place: str, split: str) -> list[DataRow]:
    """The rows of a split of 'hf:NAME[@REVISION][:SUBSET]', '' for the only one; see `hub.load`.

    Raises:
      DataError: when there is no such dataset or split; lists the splits.
    """
    found = hub.load(place)
    if isinstance(found, Mapping):
        if not split and len(found) == 1:
            (split,) = found
        if split not in found:
            raise DataError(f'{place} has no split {split!r}; it has {", ".join(map(str, found))}')
        found = found[split]
    rows = [DataRow(f'{place} {split}, row {i}', row) for i, row in enumerate(found)]
    if not rows:
        raise DataError(f'{place} has no row in its split {split!r}')
    return rows


def file_in(folder: str, names: Iterable[str]) -> pathlib.Path:
    """The file of a folder, or of its folder `data`, that has one of the names and any suffix.

    Raises:
      DataError: when there is none.
    """
    root, names = pathlib.Path(folder).expanduser(), list(dict.fromkeys(names))
    for name in names:
        for suffix in datafiles.SUFFIXES:
            for base in (root, root / 'data'):
                if (base / f'{name}{suffix}').exists():
                    return base / f'{name}{suffix}'
    raise DataError(
        f'{root} has no file {" or ".join(names)} that ends in {", ".join(datafiles.SUFFIXES)}'
    )
