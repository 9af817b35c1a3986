"""All answers of a run as columns that the page's browser unpacks where they are looked at.

A *block* is gzip in base64. The page has an index (JSON) and blocks:

- `TASK/items`: JSON, `[ids, subject numbers]` of the task's questions.
- `TASK/codes`: columns of one unsigned integer per question, one after the other. Columns with the
  same content are stored once; the index refers to them by number. `NONE` in a column stands for an
  answer that could not be read, `ABSENT` for a question that was not asked.
- `TASK/LAYER/CHUNK`: JSON, the texts of CHUNK questions in one layer: a language's question and
  options, or what one model wrote. A sheet's codes say which layer each of its texts is in, so that
  nine variants of a question share the texts of a language.

docs/run_folder.md describes the format.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from xlbarrier.results.answers import READINGS, AnswersKey, Predictions, models_of
from xlbarrier.results.rows import SOURCE
from xlbarrier.text import languages

CHUNK = 512  # questions whose texts are unpacked together
ONE_FILE = 6_000_000  # bytes of blocks; with more, the texts are in files beside the page
TEXTS = 'report_texts'  # their folder
Sheet = tuple[str, str]  # variant, language


def pack(
    predictions: Predictions, models: Sequence[str], one_file: int = ONE_FILE
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The answers as the page holds them.

    Args:
      predictions: (model, task, variant, language) -> table.
      models: in the page's order.
      one_file: the most bytes of blocks that the page itself holds.

    Returns:
      What the page embeds, to be written as JSON; and the files beside it, by their relative path,
      none unless the blocks take more than `one_file`. There are no tasks where nothing can be
      shown.
    """
    tasks: list[dict[str, Any]] = []
    blocks: dict[str, str] = {}
    for name in sorted({key[1] for key in predictions}):
        sheets = {key: table for key, table in predictions.items() if key[1] == name}
        sheets = {key: t for key, t in sheets.items() if 'question' in t.column_names and len(t)}
        if sheets:
            packed = _Task(name, f't{len(tasks)}', sheets, models)
            tasks.append(packed.index)
            blocks |= packed.blocks
    codes = {code for task in tasks for code in _codes(task)}
    page: dict[str, Any] = {
        'chunk': CHUNK,
        'tasks': tasks,
        'languages': {code: _language(code) for code in sorted(codes)},
    }
    files: dict[str, bytes] = {}
    if sum(len(block) for block in blocks.values()) > one_file:
        apart: dict[str, dict[str, str]] = {}
        for block in [name for name in blocks if name.count('/') == 2]:
            layer = block.rpartition('/')[0]
            apart.setdefault(layer, {})[block] = blocks.pop(block)
        page['files'] = {layer: f'{TEXTS}/{layer.replace("/", ".")}.js' for layer in apart}
        for layer, own in apart.items():
            files[page['files'][layer]] = f'xlbarrierBlocks({json.dumps(own)});\n'.encode()
    page['blocks'] = blocks
    return page, files


def embedded(page: Mapping[str, Any]) -> str:
    """JSON that nothing in it can end the script element of."""
    return json.dumps(page, separators=(',', ':')).replace('<', '\\u003c')


def _codes(task: Mapping[str, Any]) -> Iterator[str]:
    yield from (sheet['language'] for sheet in task['sheets'])
    yield from (layer['language'] for layer in task['layers'] if 'language' in layer)


def _language(code: str) -> dict[str, str]:
    found = languages.named(code)
    return {'name': found.english_name, 'direction': found.direction}


def _block(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


class _Task:
    """The blocks of one task, and its part of the index."""

    def __init__(
        self,
        name: str,
        key: str,
        sheets: Mapping[AnswersKey, pa.Table],
        models: Sequence[str],
    ):
        self.name, self.key, self.sheets = name, key, sheets
        found = models_of(list(sheets), models[0] if models else '')
        self.models = [m for m in models if m in found]
        self._first = next(iter(sheets.values()))['id']
        self._row = {id_: i for i, id_ in enumerate(self._first.to_pylist())}
        for table in sheets.values():
            if not table['id'].equals(self._first):
                for id_ in table['id'].to_pylist():
                    self._row.setdefault(id_, len(self._row))
        self.ids = list(self._row)
        self.layers: list[dict[str, Any]] = []
        self._texts: list[dict[int, np.ndarray]] = []  # of a layer: slot -> text of each item
        self._layers_of: dict[str, list[int]] = {}  # of a language
        self._columns: dict[bytes, int] = {}
        first = next(iter(sheets.values()))
        self.choice = 'choices' in first.column_names
        most = max(_most_options(t) for t in sheets.values()) if self.choice else 2
        self.type = np.dtype('<u1' if most < 254 else '<u2')
        self.none = int(np.iinfo(self.type).max)
        made = self._choice_sheets() if self.choice else self._written_sheets()
        self.index = {
            'name': name,
            'key': key,
            'kind': 'choice' if self.choice else 'written',
            'items': len(self.ids),
            'width': self.type.itemsize,
            'models': self.models,
            **made,
            'layers': self.layers,
            'subjects': self._subjects(),
        }
        self.blocks = dict(self._packed())

    def _packed(self) -> Iterator[tuple[str, str]]:
        items = json.dumps([self.ids, self.subject_numbers], separators=(',', ':'))
        yield f'{self.key}/items', _block(items.encode())
        yield f'{self.key}/codes', _block(b''.join(self._columns))
        for number, slots in enumerate(self._texts):
            depth = max(slots, default=-1) + 1
            columns = [slots.get(slot, self._no_texts()) for slot in range(depth)]
            for chunk, start in enumerate(range(0, len(self.ids), CHUNK)):
                part = [column[start : start + CHUNK].tolist() for column in columns]
                text = json.dumps(part, ensure_ascii=False, separators=(',', ':'))
                yield f'{self.key}/{number}/{chunk}', _block(text.encode('utf-8', 'replace'))

    def _subjects(self) -> list[str]:
        """The subjects' names; `subject_numbers` has each item's, -1 for none."""
        of: dict[str, str] = {}
        for table in self.sheets.values():
            if 'subject' in table.column_names and len(of) < len(self.ids):
                subjects = table['subject'].to_pylist()
                of |= dict(zip(table['id'].to_pylist(), subjects, strict=True))
        names = sorted({subject for subject in of.values() if subject})
        number = {subject: i for i, subject in enumerate(names)}
        self.subject_numbers = [number.get(of.get(id_, ''), -1) for id_ in self.ids]
        return names

    def _choice_sheets(self) -> dict[str, Any]:
        asked: dict[Sheet, dict[str, Any]] = {}
        readings: dict[str, dict[str, dict[int, int]]] = {}
        wrote: dict[str, dict[int, int]] = {}
        for sheet in _in_order(self.sheets):
            number = len(asked)
            first = next(t for key, t in self.sheets.items() if key[2:] == sheet)
            rows = self._rows_of(first)
            choices = [*zip(*_padded(first['choices'].to_pylist()), strict=True)]
            codes = [*zip(*_padded(first['choice_languages'].to_pylist()), strict=True)]
            slots = [
                self._layered(slot, rows, texts, of)
                for slot, (texts, of) in enumerate(
                    zip(
                        [first['question'].to_pylist(), *choices],
                        [first['question_language'].to_pylist(), *codes],
                        strict=True,
                    )
                )
            ]
            asked[sheet] = {
                'variant': sheet[0],
                'language': sheet[1],
                'answer': self._column(rows, first['answer']),
                'slots': slots,
            }
            for model in self.models:
                table = self.sheets.get((model, self.name, *sheet))
                if table is None:
                    continue
                rows = self._rows_of(table)
                for (method, metric), column in READINGS.items():
                    if metric == 'accuracy' and column in table.column_names:
                        own = readings.setdefault(method, {}).setdefault(model, {})
                        own[number] = self._column(rows, table[column])
                if 'written' in table.column_names:
                    wrote.setdefault(model, {})[number] = self._wrote(rows, table, [])
        return {
            'sheets': list(asked.values()),
            'readings': [{'method': m, 'chosen': chosen} for m, chosen in readings.items()],
            'written': wrote,
        }

    def _written_sheets(self) -> dict[str, Any]:
        """Questions with the right answers as further texts; measures beside what is written."""
        some = next(iter(self.sheets.values()))
        measures = [f.name for f in some.schema if pa.types.is_floating(f.type)]
        right = next((m for m in measures if self._zero_or_one(m)), None)
        asked: dict[Sheet, dict[str, Any]] = {}
        chosen: dict[str, dict[int, int]] = {}
        wrote: dict[str, dict[int, int]] = {}
        for sheet in _in_order(self.sheets):
            number = len(asked)
            first = next(t for key, t in self.sheets.items() if key[2:] == sheet)
            rows = self._rows_of(first)
            columns = [first['question'].to_pylist()]
            if 'references' in first.column_names:
                columns += [*zip(*_padded(first['references'].to_pylist()), strict=True)]
            of = [sheet[1]] * len(rows)
            slots = [self._layered(s, rows, texts, of) for s, texts in enumerate(columns)]
            ones = self._column(rows, pa.array(np.ones(len(rows), np.int64)))
            asked[sheet] = {
                'variant': sheet[0],
                'language': sheet[1],
                'answer': ones,
                'slots': slots,
            }
            for model in self.models:
                table = self.sheets.get((model, self.name, *sheet))
                if table is None or 'written' not in table.column_names:
                    continue
                own = self._rows_of(table)
                shown = [m for m in measures if m in table.column_names]
                wrote.setdefault(model, {})[number] = self._wrote(own, table, shown)
                if right is not None:
                    codes = table[right].cast(pa.int64(), safe=False)
                    chosen.setdefault(model, {})[number] = self._column(own, codes)
        method = 'generate'
        return {
            'sheets': list(asked.values()),
            'readings': [{'method': method, 'chosen': chosen}] if chosen else [],
            'written': wrote,
            'measures': measures,
        }

    def _zero_or_one(self, measure: str) -> bool:
        tables = [t for t in self.sheets.values() if measure in t.column_names]
        values = np.concatenate([t[measure].to_numpy() for t in tables])
        return bool(np.isin(values, (0.0, 1.0)).all())

    def _rows_of(self, table: pa.Table) -> np.ndarray:
        """The number of each row's question."""
        ids = table['id']
        if ids.equals(self._first) and len(ids) == len(self.ids):
            return np.arange(len(ids))
        return np.array([self._row[id_] for id_ in ids.to_pylist()])

    def _column(self, rows: np.ndarray, values: Any) -> int:
        """The number of a column of codes, which is stored unless it is there already."""
        own = values.fill_null(-1).to_numpy()
        column = np.full(len(self.ids), self.none - 1, self.type)
        column[rows] = np.where(own < 0, self.none, own)
        return self._columns.setdefault(column.tobytes(), len(self._columns))

    def _layered(
        self, slot: int, rows: np.ndarray, texts: Sequence[str], codes: Sequence[str | None]
    ) -> int:
        """Puts texts into layers of their languages; the column that names each text's layer."""
        own, of = np.array(texts, object), np.array(codes, object)
        layers = np.full(len(rows), -1)
        for code in sorted({code for code in codes if code is not None}):
            left = np.flatnonzero(of == code)
            for number in self._of_language(code):
                column = self._texts[number].setdefault(slot, self._no_texts())
                there = column[rows[left]]
                fits = np.array([text is None for text in there]) | (there == own[left])
                column[rows[left[fits]]] = own[left[fits]]
                layers[left[fits]] = number
                left = left[~fits]
                if not len(left):
                    break
        return self._column(rows, pa.array(layers))

    def _of_language(self, code: str) -> Iterator[int]:
        """The layers of a language; at their end a new one."""
        known = self._layers_of.setdefault(code, [])
        yield from known
        while True:
            known.append(self._new_layer({'language': code}))
            yield known[-1]

    def _wrote(self, rows: np.ndarray, table: pa.Table, measures: Sequence[str]) -> int:
        """The layer of what one model wrote: the text, then its measures."""
        number = self._new_layer({'written': True})
        columns = [table['written'].to_pylist()]
        columns += [[_short(v) for v in table[m].to_pylist()] for m in measures]
        for slot, values in enumerate(columns):
            self._texts[number][slot] = self._no_texts()
            self._texts[number][slot][rows] = np.array(values, object)
        return number

    def _new_layer(self, about: dict[str, Any]) -> int:
        self.layers.append(about)
        self._texts.append({})
        return len(self.layers) - 1

    def _no_texts(self) -> np.ndarray:
        return np.full(len(self.ids), None, object)


def _in_order(sheets: Mapping[AnswersKey, pa.Table]) -> list[Sheet]:
    """Variants by name, `full` first, and in each English first."""
    found = {key[2:] for key in sheets}
    return sorted(
        found, key=lambda sheet: (sheet[0] != 'full', sheet[0], sheet[1] != SOURCE, sheet[1])
    )


def _most_options(table: pa.Table) -> int:
    return max(map(len, table['choices'].to_pylist()))


def _padded(lists: Sequence[Sequence[str]]) -> list[list[str | None]]:
    most = max(map(len, lists))
    return [[*one, *[None] * (most - len(one))] for one in lists]


def _short(value: float | None) -> str:
    return '' if value is None else f'{value:.3g}'
