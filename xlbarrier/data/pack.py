"""Token ids packed into rows of one length: written once, read at random.

Text is laid end to end and cut at the rows' ends, so that every row is full. Examples that must
stay whole (question and answer) are put side by side in rows, as many as fit; see examples.py.
"""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any

import numpy as np

from xlbarrier import datafiles
from xlbarrier.datafiles import temporary_of, write_atomic, writing
from xlbarrier.errors import InputError

DTYPES = {'tokens': 'int32', 'positions': 'int32', 'until': 'int32', 'weights': 'float32'}
RECORD = 'rows.json'
BLOCK_TOKENS = 1 << 18  # laid at a time


@dataclass(frozen=True)
class PackedRows:
    """Training rows. A document that crosses a row's end goes on in the next as a new segment.

    Attributes:
      tokens: int32 [R, T] token ids; 0 in the padding at the end of a row.
      positions: int32 [R, T] positions within the segment.
      until: int32 [R, T] position in the row of the segment's last token, the last that may see it.
      weights: float32 [R, T] weight of predicting the token AT this position from the one before: 0
        for a segment's first token, for padding, and for what is not to be learned.
    """

    tokens: np.ndarray
    positions: np.ndarray
    until: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and tokens of a row."""
        return self.tokens.shape

    @property
    def largest_token(self) -> int:
        """The largest token id in the rows."""
        return int(self.tokens.max())

    @property
    def loss_tokens(self) -> int:
        """Tokens that are predicted."""
        return int(self.weights.sum(dtype=np.float64))

    def take(self, rows: int) -> 'PackedRows':
        """The first `rows` rows.

        Raises:
          ValueError: when there are fewer.
        """
        if rows > len(self):
            raise InputError(f'{rows} rows were asked for, {len(self)} are packed')
        return PackedRows(*(getattr(self, f.name)[:rows] for f in fields(self)))

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The named rows as a dict of arrays [B, T]."""
        return {f.name: np.asarray(getattr(self, f.name)[rows]) for f in fields(self)}

    def save(self, folder: pathlib.Path, record: Mapping[str, Any] | None = None) -> None:
        """Writes one .npy file per array, and rows.json last: without it `load` refuses the folder.

        Args:
          folder: made if absent; what it held is replaced.
          record: further fields of rows.json.

        Raises:
          RunError: naming the file that cannot be written.
        """
        with RowWriter(folder, self.shape[1]) as writer:
            writer.add(self)
            writer.finish(record or {})

    @classmethod
    def load(cls, folder: pathlib.Path) -> 'PackedRows':
        """Memory-maps what `save` or `RowWriter` wrote.

        Raises:
          ValueError: naming the file that is absent, truncated, or of another shape or type.
        """
        shape = read_record(folder)
        expected = (shape['rows'], shape['row_tokens'])
        arrays = {}
        for f in fields(cls):
            path = folder / f'{f.name}.npy'
            try:
                arrays[f.name] = np.load(path, mmap_mode='r')
            except (OSError, ValueError) as error:
                raise InputError(f'{path} cannot be read: {error}') from error
            met = (str(arrays[f.name].dtype), arrays[f.name].shape)
            if met != (DTYPES[f.name], expected):
                raise InputError(f'{path} has {met}, expected {(DTYPES[f.name], expected)}')
        return cls(**arrays)


def read_record(folder: pathlib.Path) -> dict[str, Any]:
    """rows.json of a folder of saved rows: `rows`, `row_tokens`, and what else was recorded.

    Raises:
      ValueError: when it is absent or damaged: the rows were not saved whole.
    """
    try:
        record = datafiles.read_object(folder / RECORD)
        return {**record, 'rows': int(record['rows']), 'row_tokens': int(record['row_tokens'])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{folder / RECORD} cannot be read ({error!r}): the rows were not saved whole'
        ) from error


class RowWriter:
    """Rows written as they come: four growing .npy files, renamed once all are whole.

    A process that is killed leaves temporary names, which the next writer removes, or arrays
    without a rows.json, which no reader takes.
    """

    def __init__(self, folder: pathlib.Path, row_tokens: int):
        self._folder, self._row_tokens, self._rows = folder, row_tokens, 0
        self._files: dict[str, Any] = {}
        self._temporary: dict[str, pathlib.Path] = {}

    def __enter__(self) -> 'RowWriter':
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / RECORD).unlink(missing_ok=True)  # of earlier rows: no mixture of two
            for left in self._folder.glob('.*.tmp'):
                left.unlink()
            for name in DTYPES:
                path = temporary_of(self._folder / f'{name}.npy')
                self._temporary[name], self._files[name] = path, path.open('wb')
                self._header(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name, file in self._files.items():
            with contextlib.suppress(OSError):  # a full disk: what could not be flushed
                file.close()
            self._temporary[name].unlink(missing_ok=True)

    def add(self, rows: PackedRows) -> None:
        """Appends rows.

        Raises:
          RunError: naming the file that cannot be written.
        """
        for name, dtype in DTYPES.items():
            with writing(self._folder / f'{name}.npy'):
                array = np.ascontiguousarray(getattr(rows, name), dtype)
                self._files[name].write(array.data.cast('B'))
        self._rows += len(rows)

    def finish(self, record: Mapping[str, Any]) -> PackedRows:
        """Puts the files in their places, rows.json last, and returns them memory-mapped.

        Args:
          record: further fields of rows.json.

        Raises:
          RunError: naming the file that cannot be written.
        """
        for name, file in self._files.items():
            with writing(self._folder / f'{name}.npy'):
                self._header(name)
                file.flush()
                os.fsync(file.fileno())
                file.close()
        for name in DTYPES:
            path = self._folder / f'{name}.npy'
            with writing(path):
                os.replace(self._temporary[name], path)
        shape = {'rows': self._rows, 'row_tokens': self._row_tokens}
        text = json.dumps({**shape, **record}, indent=1, ensure_ascii=False)
        write_atomic(self._folder / RECORD, text.encode())
        return PackedRows.load(self._folder)

    def _header(self, name: str) -> None:
        # numpy leaves room in the header for the first axis to grow.
        self._files[name].seek(0)
        np.lib.format.write_array_header_1_0(
            self._files[name],
            {
                'descr': np.lib.format.dtype_to_descr(np.dtype(DTYPES[name])),
                'fortran_order': False,
                'shape': (self._rows, self._row_tokens),
            },
        )


def pack(documents: Sequence[Sequence[int]], row_tokens: int) -> PackedRows:
    """Lays documents end to end and cuts at the rows' ends.

    Every row is full but the last, so that two corpora give the same number of training tokens for
    the same number of rows.

    Args:
      documents: token ids of each document; empty ones are passed over.
      row_tokens: T.

    Raises:
      ValueError: when there is nothing to pack or a row has no room for two tokens.
    """
    blocks = list(flow([documents], row_tokens))
    return PackedRows(*(np.concatenate([getattr(b, f) for b in blocks]) for f in DTYPES))


def flow(
    batches: Iterable[Sequence[Sequence[int]]], row_tokens: int, block_tokens: int = BLOCK_TOKENS
) -> Iterator[PackedRows]:
    """`pack` of a stream: blocks of rows which together are what `pack` makes of all documents.

    Args:
      batches: token ids of the documents, some at a time.
      row_tokens: T.
      block_tokens: about so many tokens are held.

    Raises:
      ValueError: when there is nothing to pack or a row has no room for two tokens.
    """
    if row_tokens < 2:
        raise InputError(f'row_tokens is {row_tokens}; expected at least 2')
    block = max(1, block_tokens // row_tokens) * row_tokens
    held: list[np.ndarray] = []  # tokens, and beside each whether a document starts there
    begun: list[np.ndarray] = []
    count = met = total = 0
    for batch in batches:
        met += len(batch)
        lengths = np.fromiter(map(len, batch), np.int64, len(batch))
        size = int(lengths.sum())
        if size == 0:
            continue
        flat = np.empty(size, np.int32)
        starts = np.zeros(size, bool)
        ends = np.cumsum(lengths)
        for ids, first, end in zip(batch, ends - lengths, ends, strict=True):
            flat[first:end] = ids
        starts[(ends - lengths)[lengths > 0]] = True
        held.append(flat)
        begun.append(starts)
        count += size
        total += size
        if count >= block:
            flat, starts = np.concatenate(held), np.concatenate(begun)
            whole = count // row_tokens * row_tokens
            for first in range(0, whole, block):
                last = min(first + block, whole)
                yield lay(flat[first:last], starts[first:last], row_tokens)
            held, begun, count = [flat[whole:].copy()], [starts[whole:].copy()], count - whole
    if total == 0:
        raise InputError(f'{met} documents have no token: nothing to pack')
    if count:
        yield lay(np.concatenate(held), np.concatenate(begun), row_tokens)


def lay(
    flat: np.ndarray, starts: np.ndarray, row_tokens: int, weights: np.ndarray | None = None
) -> PackedRows:
    """Rows of a flat run of tokens; the rest of the last row is padding.

    Args:
      flat: int32 [N] tokens.
      starts: bool [N], where a segment starts; a row's first token starts one in any case.
      row_tokens: T.
      weights: float32 [N] of predicting each token; None: 1. A segment's first weighs 0 always.
    """
    total = len(flat)
    rows = -(-total // row_tokens)
    missing = rows * row_tokens - total
    starts = np.concatenate([starts, np.ones(missing, bool)])  # padding: each a segment of its own
    starts[::row_tokens] = True
    place = np.arange(rows * row_tokens)
    first = np.maximum.accumulate(np.where(starts, place, 0))
    following = np.append(np.flatnonzero(starts)[1:], rows * row_tokens)
    last = following[np.cumsum(starts) - 1] - 1
    given = np.ones(total, np.float32) if weights is None else weights
    shape = (rows, row_tokens)
    return PackedRows(
        tokens=np.pad(flat.astype(np.int32, copy=False), (0, missing)).reshape(shape),
        positions=(place - first).astype(np.int32).reshape(shape),
        until=(last % row_tokens).astype(np.int32).reshape(shape),
        weights=np.where(starts, 0, np.pad(given, (0, missing))).astype(np.float32).reshape(shape),
    )
