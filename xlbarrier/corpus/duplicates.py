"""Finds exact or near duplicates (minhash) of earlier documents; what was seen is kept on disk."""

import contextlib
import hashlib
import pathlib
import sqlite3

import numpy as np

from xlbarrier import datafiles
from xlbarrier.text import segment

PERMUTATIONS = 128
SHINGLE = 5  # words
RECALL = 0.99  # probability that a pair of exactly the given similarity shares a band

# Of a document: the digest of its words, and its 128 minhashes (b'' where they are not compared).
Mark = tuple[bytes, bytes]


def mark(text: str, language: str, *, near: bool) -> Mark:
    """What a document is compared by: a function of its text.

    Args:
      text: of the document.
      language: its BCP-47 code.
      near: whether near duplicates are searched for, not only exact ones.
    """
    words = [word.casefold() for word in segment.words(text, language)]
    digest = hashlib.sha256('\0'.join(words).encode()).digest()[:16]
    return digest, _minhashes(words).tobytes() if near else b''


def _minhashes(words: list[str]) -> np.ndarray:
    from datasketch import MinHash  # here, since it imports half of scipy

    shingles = {' '.join(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))}
    sketch = MinHash(num_perm=PERMUTATIONS)
    sketch.update_batch([shingle.encode() for shingle in sorted(shingles)])
    return sketch.hashvalues.astype(np.uint64)


class Duplicates:
    """The digests of the documents seen so far, in an SQLite file: memory stays flat.

    'exact' compares the words, casefolded: white space and marks make no difference. 'near' also
    finds a document whose set of word 5-grams has a Jaccard similarity, as minhash estimates it
    (Broder 1997), of at least the threshold with an earlier one's. The first one is kept.
    """

    def __init__(self, path: pathlib.Path, threshold: float):
        """Args:
        path: of the file; an existing one is overwritten.
        threshold: least similarity of near duplicates, above 0.
        """
        self._path, self._threshold = path, threshold
        self._rows = _band_rows(threshold)
        self._remove()
        with datafiles.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None)
        # The file need not survive a crash: it is only used by this process.
        self._base.executescript(
            'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32000;'
            'CREATE TABLE exact (digest BLOB PRIMARY KEY) WITHOUT ROWID;'
            'CREATE TABLE signature (id INTEGER PRIMARY KEY, hashes BLOB);'
            'CREATE TABLE band (number INTEGER, hash BLOB, id INTEGER,'
            ' PRIMARY KEY (number, hash, id)) WITHOUT ROWID;'
        )

    def seen(self, found: Mark) -> bool:
        """Whether a duplicate was seen before; if not, this document is remembered."""
        digest, hashes = found
        if not self._base.execute('INSERT OR IGNORE INTO exact VALUES (?)', (digest,)).rowcount:
            return True
        return bool(hashes) and self._seen_nearly(np.frombuffer(hashes, np.uint64))

    def close(self) -> None:
        """Removes the file."""
        self._base.close()
        self._remove()

    def _seen_nearly(self, hashes: np.ndarray) -> bool:
        bands = [
            (i, hashlib.blake2b(hashes[i : i + self._rows].tobytes(), digest_size=8).digest())
            for i in range(0, PERMUTATIONS - self._rows + 1, self._rows)
        ]
        candidates = set()
        for band in bands:
            rows = self._base.execute('SELECT id FROM band WHERE number = ? AND hash = ?', band)
            candidates |= {row[0] for row in rows}
        for candidate in candidates:
            row = self._base.execute('SELECT hashes FROM signature WHERE id = ?', (candidate,))
            other = np.frombuffer(row.fetchone()[0], np.uint64)
            if np.mean(other == hashes) >= self._threshold:
                return True
        key = self._base.execute(
            'INSERT INTO signature (hashes) VALUES (?)', (hashes.tobytes(),)
        ).lastrowid
        self._base.executemany(
            'INSERT INTO band VALUES (?, ?, ?)', [(*band, key) for band in bands]
        )
        return False

    def _remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()


def _band_rows(threshold: float) -> int:
    """Hashes in a band: the most with which a pair at the threshold is still found."""
    fitting = [
        rows
        for rows in range(1, PERMUTATIONS + 1)
        if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= RECALL
    ]
    return max(fitting, default=1)
