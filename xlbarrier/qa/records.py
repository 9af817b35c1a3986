"""Records of training files, as a stream; the columns that a config names get their usual names."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from xlbarrier import datafiles
from xlbarrier.datafiles import DataError


def read(
    path: pathlib.Path, fields: Mapping[str, str] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record of a file and its place, for an error to name; see `datafiles.stream_rows`.

    Args:
      path: of the file.
      fields: the file's own name of a field, by the name that `forms` has for it; where one is
        given, the record has the fields that are named and no other.

    Raises:
      DataError: naming the file and the row, as `datafiles.stream_rows` does; or for a record
        without a field that is named.
    """
    for row in datafiles.stream_rows(path):
        if not fields:
            yield row.where, dict(row.values)
            continue
        absent = [own for own in fields.values() if own not in row.values]
        if absent:
            raise DataError(
                f'{row.where} has no {absent[0]!r}, which config.data.fields names; it has'
                f' {", ".join(map(repr, row.values)) or "nothing"}'
            )
        yield row.where, {name: row.values[own] for name, own in fields.items()}
