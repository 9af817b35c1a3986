"""What each reader makes of each recorded answer."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier import metrics
from xlbarrier.rescore.records import Sheet
from xlbarrier.run import write_atomic

FIRST_CHARACTER, ROBUST = 'recorded:first_character', 'recorded:robust'
Options = tuple[int | None, ...]  # of each item the option that was read, None where unreadable


@dataclass(frozen=True)
class Reading:
    """A sheet, and the options that each method reads in it."""

    sheet: Sheet
    options: Mapping[str, Options]


def _first_character(sheet: Sheet) -> Options:
    pairs = zip(sheet.texts, sheet.choices, strict=True)
    return tuple(metrics.first_character(text, len(choices)) for text, choices in pairs)


def _robust(sheet: Sheet) -> Options:
    pairs = zip(sheet.texts, sheet.choices, strict=True)
    return tuple(
        metrics.robust(text, len(choices), choices if all(choices) else None)
        for text, choices in pairs
    )


READERS: dict[str, Callable[[Sheet], Options]] = {
    FIRST_CHARACTER: _first_character,
    ROBUST: _robust,
}


def read(sheets: Sequence[Sheet], source: str) -> dict[tuple[str, str, str], list[Reading]]:
    """(task, variant, model) -> its languages, the source first, all in one order of items.

    Args:
      sheets: checked by `records.check_same_items`.
      source: the language that others are compared with.
    """
    groups: dict[tuple[str, str, str], list[Reading]] = {}
    for sheet in sorted(sheets, key=lambda s: (s.language != source, s.language)):
        group = groups.setdefault((sheet.task, sheet.variant, sheet.model), [])
        ordered = _in_order(sheet, group[0].sheet.ids) if group else sheet
        options = {method: reader(ordered) for method, reader in READERS.items()}
        group.append(Reading(ordered, options))
    return dict(sorted(groups.items()))


def write(groups: Mapping[tuple[str, str, str], Sequence[Reading]], path: pathlib.Path) -> None:
    """Writes every answer and what was read in it as a Parquet file, one row an answer."""
    names = ('model', 'task', 'variant', 'language')
    schema = pa.schema(
        [
            *((name, pa.string()) for name in (*names, 'id', 'text')),
            ('answer', pa.int64()),
            *((_column(method), pa.int64()) for method in READERS),
        ]
    )
    parts = []
    for reading in (one for group in groups.values() for one in group):
        sheet = reading.sheet
        columns = {name: [getattr(sheet, name)] * len(sheet.ids) for name in names}
        columns |= {'id': [str(name) for name in sheet.ids], 'text': sheet.texts}
        columns |= {'answer': sheet.answers}
        columns |= {_column(method): options for method, options in reading.options.items()}
        parts.append(pa.table(columns, schema))
    whole = pa.concat_tables(parts)
    write_atomic(path, lambda temporary: pq.write_table(whole, temporary))


def _in_order(sheet: Sheet, ids: Sequence) -> Sheet:
    if sheet.ids == tuple(ids):
        return sheet
    at = {name: i for i, name in enumerate(sheet.ids)}
    parts = (sheet.ids, sheet.texts, sheet.answers, sheet.choices, sheet.subjects)
    ordered = (tuple(part[at[name]] for name in ids) if part else () for part in parts)
    return Sheet(sheet.model, sheet.task, sheet.variant, sheet.language, sheet.path, *ordered)


def _column(method: str) -> str:
    return method.replace('recorded:', 'prediction_')
