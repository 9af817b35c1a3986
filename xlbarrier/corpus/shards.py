"""Shards written one after another, each atomically, and continued after a kill."""

import contextlib
import hashlib
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from xlbarrier import datafiles
from xlbarrier import run as run_lib
from xlbarrier.corpus import store
from xlbarrier.corpus.counts import Counts
from xlbarrier.corpus.store import CorpusError
from xlbarrier.datafiles import DataError

SHARD_CHARACTERS = 4 << 20  # of source text, after which a shard is closed
PROGRESS = 'progress'  # folder of the records of finished shards, until the manifest is written
FAILURES = 'failures.jsonl'
FEW = 500  # with fewer translations the share of failures says nothing


@dataclass
class Tally:
    """What a shard, or all of them, contains."""

    counts: Counts = field(default_factory=Counts)
    asked: int = 0  # pieces to be translated
    failures: list[dict[str, Any]] = field(default_factory=list)

    def merge(self, other: 'Tally') -> None:
        """Adds another shard's."""
        self.counts.merge(other.counts)
        self.asked += other.asked
        self.failures += other.failures


@dataclass(frozen=True)
class CorpusRow:
    """A document as it is written, and where it comes from.

    Attributes:
      line: the JSON object.
      tally: of this document alone.
      characters: of its source text.
      source: digest of the source through this document.
    """

    line: Mapping[str, Any]
    tally: Tally
    characters: int
    source: str


class Shards:
    """The shards of one folder: the finished ones, and the one that is being filled."""

    def __init__(self, folder: pathlib.Path, max_failed: float):
        """Continues with what is in the folder.

        Args:
          folder: of the corpus; it has a config.json.
          max_failed: share of the translations that may fail; above it `add` stops the build.

        Raises:
          RunError: when what is left of an unfinished shard cannot be removed.
        """
        self._folder, self._max_failed = folder, max_failed
        self._records: list[dict[str, Any]] = []
        self.total = Tally()
        with run_lib.writing(folder):
            while record := self._record(len(self._records)):
                self._records.append(record)
                counts = Counts(**record['tally']['counts'])
                self.total.merge(Tally(**{**record['tally'], 'counts': counts}))
            kept = {'translator', *(record['name'] for record in self._records)}
            kept |= {record['name'] + '.json' for record in self._records}
            for left in (*folder.glob('shard-*'), *(folder / PROGRESS).iterdir()):
                if left.name not in kept:
                    left.unlink()
            for left in (*folder.glob('.*.tmp'), folder / FAILURES):
                left.unlink(missing_ok=True)
        self.earlier_documents = self.total.counts.documents
        self.earlier_words = self.total.counts.total_words
        self._begin_shard()

    def unwritten(self, documents: Iterator[tuple[Any, str]]) -> Iterator[tuple[Any, str]]:
        """(document, source digest) after those that the finished shards have.

        Raises:
          CorpusError: when the source has changed since they were written.
        """
        ends, place = {}, 0
        for written in self._records:
            place += written['documents']
            ends[place] = written
        for number in range(1, place + 1):
            _, source = next(documents, (None, None))
            record = ends.get(number)
            if source is None or (record and source != record['source']):
                name = (record or self._records[-1])['name']
                raise CorpusError(
                    f'{self._folder}: the source has changed since {name} was written: take'
                    ' another folder, or remove this one'
                )
        yield from documents

    def add(self, row: CorpusRow) -> None:
        """Adds a document to the shard, and closes the shard where it is full.

        Raises:
          CorpusError: when too many translations failed; they are listed in failures.jsonl.
          RunError: when the shard cannot be written.
        """
        self._lines.append(store.lines([row.line]))
        self._tally.merge(row.tally)
        self._characters += row.characters
        self._source = row.source
        self.total.merge(row.tally)
        self._stop_above_share(FEW)
        if self._characters >= SHARD_CHARACTERS:
            self._close_shard()

    def finish(self) -> list[dict[str, Any]]:
        """Closes the last shard and lists what failed; returns the manifest's entries.

        Raises:
          CorpusError, RunError: as `add`.
        """
        self._stop_above_share(1)
        if self._lines:
            self._close_shard()
        if self.total.failures:
            run_lib.write_atomic(self._folder / FAILURES, store.lines(self.total.failures))
        fields = ('name', 'documents', 'sha256', 'content_sha256')
        return [{name: record[name] for name in fields} for record in self._records]

    def _begin_shard(self) -> None:
        self._lines: list[bytes] = []
        self._tally, self._characters, self._source = Tally(), 0, ''

    def _close_shard(self) -> None:
        data = b''.join(self._lines)
        packed = pa.Codec('zstd', 3).compress(data, asbytes=True)
        path = self._folder / f'shard-{len(self._records):05d}.jsonl.zst'
        record = {
            'name': path.name,
            'documents': len(self._lines),
            'sha256': hashlib.sha256(packed).hexdigest(),
            'content_sha256': hashlib.sha256(data).hexdigest(),
            'source': self._source,
            'tally': asdict(self._tally),
        }
        run_lib.write_atomic(path, packed)
        store.write_json(self._folder / PROGRESS / f'{path.name}.json', record)
        self._records.append(record)
        self._begin_shard()

    def _record(self, number: int) -> dict[str, Any] | None:
        name = f'shard-{number:05d}.jsonl.zst'
        with contextlib.suppress(FileNotFoundError, DataError, KeyError):
            record = datafiles.read_object(self._folder / PROGRESS / f'{name}.json')
            packed = (self._folder / name).read_bytes()
            if hashlib.sha256(packed).hexdigest() == record['sha256']:
                return record
        return None

    def _stop_above_share(self, least: int) -> None:
        total = self.total
        if total.asked < least or len(total.failures) <= self._max_failed * total.asked:
            return
        path = self._folder / FAILURES
        run_lib.write_atomic(path, store.lines(total.failures))
        # So that the next start asks for what failed in finished shards too.
        for record in self._records:
            if record['tally']['failures']:
                (self._folder / PROGRESS / f'{record["name"]}.json').unlink(missing_ok=True)
        raise CorpusError(
            f'{len(total.failures)} of {total.asked} translations failed, more than'
            f' config.corpus.translator.max_failed = {self._max_failed} allows; the first:'
            f' {total.failures[0]["reason"]}. {path} lists them. Those that succeeded are kept:'
            ' mend the translator and start again'
        )
