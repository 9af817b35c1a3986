"""Documents laid end to end in rows of one length, made once, read at random."""

import json
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from xlbarrier.run import write_atomic, writing

DTYPES = {'tokens': 'int32', 'positions': 'int32', 'until': 'int32', 'weights': 'float32'}


@dataclass(frozen=True)
class PackedRows:
    """Training rows. A document that crosses a row's end goes on in the next row as a new segment.

    Attributes:
      tokens: int32 [R, T] token ids; 0 in the padding at the end of the last row.
      positions: int32 [R, T] places within the segment.
      until: int32 [R, T] last place of the segment, in the row: what may see the token ends there.
      weights: float32 [R, T] weight of predicting the token AT this place from the one before: 0
        for a segment's first token and for padding.
    """

    tokens: np.ndarray
    positions: np.ndarray
    until: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

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
            raise ValueError(f'{rows} rows asked for, {len(self)} packed')
        return PackedRows(*(getattr(self, f.name)[:rows] for f in fields(self)))

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The named rows as a dict of arrays [B, T]."""
        return {f.name: np.asarray(getattr(self, f.name)[rows]) for f in fields(self)}

    def save(self, folder: pathlib.Path) -> None:
        """Writes one .npy file an array, and rows.json last: without it `load` refuses the folder.

        Raises:
          RunError: naming the file that cannot be written.
        """
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / 'rows.json').unlink(missing_ok=True)  # of earlier rows: no mixture of two
        for f in fields(self):
            path = folder / f'{f.name}.npy'
            array = getattr(self, f.name)
            write_atomic(path, lambda p, array=array: _save(p, array))
        shape = {'rows': len(self), 'row_tokens': self.tokens.shape[1]}
        write_atomic(folder / 'rows.json', json.dumps(shape).encode())

    @classmethod
    def load(cls, folder: pathlib.Path) -> 'PackedRows':
        """Memory-maps what `save` wrote.

        Raises:
          ValueError: naming the file that is absent, truncated, or of another shape or type.
        """
        try:
            shape = json.loads((folder / 'rows.json').read_text())
            wanted = (shape['rows'], shape['row_tokens'])
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f'{folder / "rows.json"} cannot be read ({error!r}): the rows were not saved whole'
            ) from error
        arrays = {}
        for f in fields(cls):
            path = folder / f'{f.name}.npy'
            try:
                arrays[f.name] = np.load(path, mmap_mode='r')
            except (OSError, ValueError) as error:
                raise ValueError(f'{path} cannot be read: {error}') from error
            met = (str(arrays[f.name].dtype), arrays[f.name].shape)
            if met != (DTYPES[f.name], wanted):
                raise ValueError(f'{path} holds {met}, wanted {(DTYPES[f.name], wanted)}')
        return cls(**arrays)


def pack(documents: Sequence[Sequence[int]], row_tokens: int) -> PackedRows:
    """Lays documents end to end and cuts at the rows' ends.

    Every row is full but the last, so that two corpora give the same number of training tokens for
    the same number of rows.

    Args:
      documents: token ids of each document; empty ones are passed over.
      row_tokens: T.

    Raises:
      ValueError: when there is nothing to pack or a row could not hold two tokens.
    """
    if row_tokens < 2:
        raise ValueError(f'row_tokens is {row_tokens}; wanted at least 2')
    lengths = np.array([len(document) for document in documents], np.int64)
    total = int(lengths.sum())
    if total == 0:
        raise ValueError(f'{len(documents)} documents hold no token: nothing to pack')
    rows = -(-total // row_tokens)
    flat = np.zeros(rows * row_tokens, np.int32)
    flat[:total] = np.concatenate([np.asarray(d, np.int32) for d in documents if len(d)])
    # A segment starts where a document or a row does; each padding token is one of its own.
    starts = np.zeros(rows * row_tokens, bool)
    ends = np.cumsum(lengths)
    starts[(ends - lengths)[lengths > 0]] = True
    starts[::row_tokens] = True
    starts[total:] = True
    place = np.arange(rows * row_tokens)
    first = np.maximum.accumulate(np.where(starts, place, 0))
    following = np.append(np.flatnonzero(starts)[1:], len(flat))
    last = following[np.cumsum(starts) - 1] - 1
    weights = np.where(starts, 0.0, 1.0).astype(np.float32)
    shape = (rows, row_tokens)
    return PackedRows(
        tokens=flat.reshape(shape),
        positions=(place - first).astype(np.int32).reshape(shape),
        until=(last % row_tokens).astype(np.int32).reshape(shape),
        weights=weights.reshape(shape),
    )


def _save(path: pathlib.Path, array: np.ndarray) -> None:
    with path.open('wb') as f:  # np.save would add .npy to a temporary name
        np.save(f, np.ascontiguousarray(array), allow_pickle=False)
