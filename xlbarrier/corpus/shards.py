"""Shards, each written atomically and with its record, and continued after a kill."""

import contextlib
import hashlib
import itertools
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from xlbarrier import datafiles
from xlbarrier.corpus import store
from xlbarrier.corpus.counts import Counts
from xlbarrier.corpus.documents import Document
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
class Taken:
    """A document that the filters take.

    Attributes:
      document: with the parts that are left.
      source: digest of the source through this document.
      last: whether a shard ends with it.
    """

    document: Document
    source: str
    last: bool


@dataclass(frozen=True)
class CorpusRow:
    """A document as it is written, and where it comes from.

    Attributes:
      line: the JSON object.
      tally: of this document alone.
      taken: what it was made of.
    """

    line: Mapping[str, Any]
    tally: Tally
    taken: Taken


class Shard:
    """A shard that is being filled."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._tally, self._source = Tally(), ''

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, row: CorpusRow) -> None:
        """Adds a document."""
        self._lines.append(store.lines([row.line]))
        self._tally.merge(row.tally)
        self._source = row.taken.source

    def write(self, folder: pathlib.Path, number: int) -> dict[str, Any]:
        """Writes the shard, then its record, which is returned.

        Raises:
          RunError: when one of them cannot be written.
        """
        data = b''.join(self._lines)
        packed = pa.Codec('zstd', 3).compress(data, asbytes=True)
        path = folder / f'shard-{number:05d}.jsonl.zst'
        record = {
            'name': path.name,
            'documents': len(self._lines),
            'sha256': hashlib.sha256(packed).hexdigest(),
            'content_sha256': hashlib.sha256(data).hexdigest(),
            'source': self._source,
            'tally': asdict(self._tally),
        }
        datafiles.write_atomic(path, packed)
        store.write_json(folder / PROGRESS / f'{path.name}.json', record)
        return record


class Shards:
    """The shards of one folder: the finished ones, and the one that is being filled.

    Attributes:
      finished: the records of the shards that were there at the start, by number.
      earlier: documents and words of these.
      total: of all shards that were taken up or added to.
    """

    def __init__(self, folder: pathlib.Path, max_failed: float, *, gaps: bool = False):
        """Continues with what is in the folder.

        Args:
          folder: of the corpus; it has a config.json.
          max_failed: share of the translations that may fail; above it `add` stops the build.
          gaps: keeps finished shards that follow one that is not, as of several processes.

        Raises:
          RunError: when what is left of an unfinished shard cannot be removed.
        """
        self._folder, self._max_failed = folder, max_failed
        self._records: list[dict[str, Any]] = []
        self.finished: dict[int, dict[str, Any]] = {}
        self.earlier, self.total = Counts(), Tally()
        with datafiles.writing(folder):
            written = (folder / PROGRESS).glob('shard-[0-9]*.json')
            for number in sorted(int(path.name[6:].partition('.')[0]) for path in written):
                record = self._record(number)
                if record and (gaps or number == len(self.finished)):
                    self.finished[number] = record
                    self.earlier.merge(Counts(**record['tally']['counts']))
            kept = {'translator', *(record['name'] for record in self.finished.values())}
            kept |= {record['name'] + '.json' for record in self.finished.values()}
            for left in (*folder.glob('shard-*'), *(folder / PROGRESS).iterdir()):
                if left.name not in kept:
                    left.unlink()
            for left in (*folder.glob('.*.tmp'), folder / FAILURES):
                left.unlink(missing_ok=True)
        self._take_up()
        self._shard = Shard()

    def unwritten(self, documents: Iterator[Taken]) -> Iterator[Taken]:
        """The documents after those that the finished shards have.

        Raises:
          CorpusError: when the source has changed since they were written.
        """
        for record in self._records:
            mine = list(itertools.islice(documents, record['documents']))
            self.check(record, len(mine), mine[-1].source if mine else '')
        yield from documents

    def check(self, record: Mapping[str, Any], documents: int, source: str) -> None:
        """Compares a finished shard with the documents that it would have now.

        Args:
          record: of the shard.
          documents: how many it would have.
          source: digest of the source through the last of them.

        Raises:
          CorpusError: when the source has changed since it was written.
        """
        if (record['documents'], record['source']) != (documents, source):
            raise CorpusError(
                f'{self._folder}: the source has changed since {record["name"]} was written: take'
                ' another folder, or remove this one'
            )

    def collect(self) -> None:
        """Takes up the shards that other processes have finished.

        Raises:
          CorpusError: as `add`.
        """
        self._take_up()
        self._stop_above_share(FEW)

    def add(self, row: CorpusRow) -> None:
        """Adds a document to the shard, and closes the shard where it is full.

        Raises:
          CorpusError: when too many translations failed; they are listed in failures.jsonl.
          RunError: when the shard cannot be written.
        """
        self._shard.add(row)
        self.total.merge(row.tally)
        self._stop_above_share(FEW)
        if row.taken.last:
            self._close_shard()

    def finish(self) -> list[dict[str, Any]]:
        """Closes the last shard and lists what failed; returns the manifest's entries.

        Raises:
          CorpusError, RunError: as `add`.
        """
        self._stop_above_share(1)
        if len(self._shard):
            self._close_shard()
        if self.total.failures:
            datafiles.write_atomic(self._folder / FAILURES, store.lines(self.total.failures))
        fields = ('name', 'documents', 'sha256', 'content_sha256')
        return [{name: record[name] for name in fields} for record in self._records]

    def _close_shard(self) -> None:
        self._records.append(self._shard.write(self._folder, len(self._records)))
        self._shard = Shard()

    def _take_up(self) -> None:
        while True:
            number = len(self._records)
            record = self.finished.get(number) or self._record(number)
            if record is None:
                return
            self._records.append(record)
            counts = Counts(**record['tally']['counts'])
            self.total.merge(Tally(**{**record['tally'], 'counts': counts}))

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
        datafiles.write_atomic(path, store.lines(total.failures))
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
