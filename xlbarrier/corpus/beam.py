"""A corpus by Apache Beam pipelines: on this machine, or on Dataflow, Flink or Spark.

Workers run the functions of the ordinary build, each by its key, so the bytes are the same whatever
the runner, the number of its workers and their order:

read     a file     its documents, in chunks
judge    a chunk    the filters that look at one document alone
write    a shard    units, draw, translation, rows; the shard and its record

Between the second and the third the launching process goes through the documents once, in the
source's order (`rows.taken`), for what depends on all documents before: the digest of the source,
duplicates, the number of documents, and where shards begin.

Chunks, plans of shards and errors are files in a folder that all share; the pipelines carry their
names. Each is written atomically under the name of its key, so a bundle may be done twice. A killed
build reads and judges again, and keeps the shards that are finished.
"""

import bisect
import contextlib
import functools
import hashlib
import json
import pathlib
import shlex
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from absl import logging

from xlbarrier import datafiles
from xlbarrier.corpus import rows, sources, translation
from xlbarrier.corpus.documents import Document
from xlbarrier.corpus.filters import Filters, Judge, Judged
from xlbarrier.corpus.shards import Shard, Shards, Taken
from xlbarrier.datafiles import DataError
from xlbarrier.errors import InputError, StateError, XlbarrierError

CHUNK_CHARACTERS = 4 << 20  # of text that is judged together
WAVE = 1024  # shards of one pipeline; between two, the share of failed translations is looked at
WORKER = 'worker'  # names an error that came before any item


@dataclass(frozen=True)
class Work:
    """What every worker is given; picklable.

    Attributes:
      recipe: of the corpus.
      folder: of the corpus.
      make: makes the translator behind its cache; None where nothing is translated.
    """

    recipe: rows.Recipe
    folder: pathlib.Path
    make: translation.Make | None

    def path(self, name: str = '') -> pathlib.Path:
        """A file of the folder that the launching process and the workers share."""
        return self.folder.parent / f'{self.folder.name}.beam' / name


@dataclass(frozen=True)
class Chunk:
    """Documents of one file, as they were read.

    Attributes:
      name: of its files.
      before: rows of the source before its file.
      first: the row of its first document, over all files.
    """

    name: str
    before: int
    first: int


# Gives what does an item, in a worker, for as long as the worker lives.
Begin = Callable[[Work], AbstractContextManager[Callable[[Any], None]]]


def check(runner: str, options: str) -> None:
    """Checks that a runner can be used, before any long work.

    Args:
      runner: DirectRunner, DataflowRunner, FlinkRunner, SparkRunner or another of Beam's.
      options: of the pipelines, as on a command line.

    Raises:
      InputError: when Beam is not installed, or has no such runner.
    """
    try:
        from apache_beam.runners import create_runner
    except ImportError as error:
        raise InputError(
            f"config.corpus.runner is {runner!r}: pip install 'xlbarrier[beam]' ({error})"
        ) from error
    try:
        shlex.split(options)
    except ValueError as error:
        raise InputError(f'config.corpus.runner_options is {options!r}: {error}') from error
    try:
        create_runner(runner)
    except Exception as error:  # the runners' own kinds
        raise InputError(f'config.corpus.runner is {runner!r}: {_first_line(error)}') from error


def write(
    work: Work,
    source: sources.Source,
    filters: Filters,
    questions: Mapping[str, Sequence[str]],
    count: translation.Count,
) -> tuple[Shards, str]:
    """Everything from the source to the last shard.

    Args:
      work: for the workers.
      source: opened.
      filters: count what is left out, and find duplicates.
      questions: of each task, for decontamination.
      count: of translations; added to.

    Returns:
      The shards, and the digest of the source.

    Raises:
      CorpusError: when the source has changed since a shard was written, or too many translations
        failed.
      InputError, StateError: as the functions of the workers; names the document.
    """
    config = work.recipe.config
    shards = Shards(work.folder, config.translator.max_failed, gaps=True)
    shutil.rmtree(work.path(), ignore_errors=True)
    with datafiles.writing(work.path()):
        work.path().mkdir(parents=True)
    _save(work.path('questions'), questions)
    chunks, error = _read_all(work, source)
    _run(judging, work, {f'{chunk.name}.judged': chunk for chunk in chunks})
    running = hashlib.sha256()
    judged = _judged(work, chunks, error)
    planned = _plan(work, chunks, rows.taken(judged, filters, config.documents, running))
    for number, record in shards.finished.items():
        shards.check(record, *(planned[number] if number < len(planned) else (0, '')))
    due = [number for number in range(len(planned)) if number not in shards.finished]
    for start in range(0, len(due), WAVE):
        wave = due[start : start + WAVE]
        _run(writing, work, {f'{_plan_name(number)}.count': number for number in wave})
        shards.collect()
        for number in wave:
            found = datafiles.read_object(work.path(f'{_plan_name(number)}.count'))
            count.hits += found['hits']
            count.misses += found['misses']
    shutil.rmtree(work.path(), ignore_errors=True)
    return shards, running.hexdigest()


def _read_all(work: Work, source: sources.Source) -> tuple[list[Chunk], str | None]:
    """The chunks of all files, up to the first that has an error, and that error."""
    items = {_file_name(i): (i, reader) for i, reader in enumerate(source.readers)}
    if source.files:
        _run(reading, work, items)
    else:
        _read(work, (0, source.readers[0]))
    chunks, before = [], 0
    for i, name in enumerate(items):
        found = datafiles.read_object(work.path(name))
        for place, first in enumerate(found['firsts']):
            chunks.append(Chunk(_chunk_name(i, place), before, before + first))
        if found['error']:
            return chunks, found['error']
        before += found['rows']
    return chunks, None


def _judged(
    work: Work, chunks: Sequence[Chunk], error: str | None
) -> Iterator[tuple[Document, Judged]]:
    """Each document as it was read and as it was judged, in the source's order.

    Raises:
      DataError: with the message `error`, behind the last document.
    """
    for chunk in chunks:
        judged = (Judged.from_json(value) for value in _load(work.path(f'{chunk.name}.judged')))
        yield from zip(_documents(work, chunk), judged, strict=True)
        work.path(f'{chunk.name}.read').unlink()
    if error:
        raise DataError(error)


def _plan(work: Work, chunks: Sequence[Chunk], documents: Iterator[Taken]) -> list[tuple[int, str]]:
    """Writes down what each shard contains; returns its documents' number and source digest."""
    planned: list[tuple[int, str]] = []
    firsts = [chunk.first for chunk in chunks]
    for ids, source in _by_shard(documents):
        ends = [bisect.bisect_right(firsts, int(name)) for name in (ids[0], ids[-1])]
        names = [chunk.name for chunk in chunks[ends[0] - 1 : ends[1]]]
        plan = {'chunks': names, 'ids': ids, 'source': source}
        _save(work.path(_plan_name(len(planned))), plan)
        planned.append((len(ids), source))
    return planned


def _by_shard(documents: Iterator[Taken]) -> Iterator[tuple[list[str], str]]:
    ids: list[str] = []
    source = ''
    for taken in documents:
        ids.append(taken.document.id)
        source = taken.source
        if taken.last:
            yield ids, source
            ids = []
    if ids:
        yield ids, source


@contextlib.contextmanager
def reading(work: Work) -> Iterator[Callable[[Any], None]]:
    """Reads a file, given as its number and reader, into chunks."""
    yield functools.partial(_read, work)


def _read(work: Work, item: tuple[int, sources.Reader]) -> None:
    number, reader = item
    found: dict[str, Any] = {'firsts': [], 'rows': 0, 'error': None}
    for place, chunk in enumerate(_chunks(_read_from(reader, found))):
        found['firsts'].append(int(chunk[0].id))
        path = work.path(f'{_chunk_name(number, place)}.read')
        _save(path, [document.to_json() for document in chunk])
    _save(work.path(_file_name(number)), found)


def _read_from(reader: sources.Reader, found: dict[str, Any]) -> Generator[Document, None, None]:
    """The documents of a file; its number of rows, or what is wrong with it, is put in `found`."""
    try:
        found['rows'] = yield from reader(0)
    except InputError as error:  # raised where the documents before it have been taken
        found['error'] = str(error)


def _chunks(documents: Iterator[Document]) -> Iterator[list[Document]]:
    chunk, characters = [], 0
    for document in documents:
        chunk.append(document)
        characters += document.characters
        if characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


@contextlib.contextmanager
def judging(work: Work) -> Iterator[Callable[[Any], None]]:
    """Judges the documents of a chunk."""
    config = work.recipe.config
    judge = Judge(config.filters, config.text.language, _load(work.path('questions')))
    yield functools.partial(_judge, work, judge)


def _judge(work: Work, judge: Judge, chunk: Chunk) -> None:
    judged = [judge(document).to_json() for document in _documents(work, chunk)]
    _save(work.path(f'{chunk.name}.judged'), judged)


@contextlib.contextmanager
def writing(work: Work) -> Iterator[Callable[[Any], None]]:
    """Writes the shard of a number."""
    with translation.Translators(work.make, work.recipe.config.text.language, 1) as works:
        yield functools.partial(_write, work, works)


def _write(work: Work, works: translation.Translators, number: int) -> None:
    plan = datafiles.read_object(work.path(_plan_name(number)))
    ids, hits, misses = set(plan['ids']), works.count.hits, works.count.misses
    judged = (
        Judged.from_json(value)
        for name in plan['chunks']
        for value in _load(work.path(f'{name}.judged'))
    )
    documents = (
        Taken(found.document, plan['source'], last=False)
        for found in judged
        if found.document.id in ids
    )
    shard = Shard()
    for row in rows.rows(documents, work.recipe, works):
        shard.add(row)
    shard.write(work.folder, number)
    made = {'hits': works.count.hits - hits, 'misses': works.count.misses - misses}
    _save(work.path(f'{_plan_name(number)}.count'), made)


def _run(begin: Begin, work: Work, items: Mapping[str, Any]) -> None:
    """Has the workers do each item, which is named by the file that it makes.

    Raises:
      InputError, StateError: the first error in the items' order, if any; or a file is not there.
    """
    config = work.recipe.config
    logging.info('%s: %s %d items by %s', work.folder, begin.__name__, len(items), config.runner)
    failure: Exception | None = None
    try:
        run_pipeline(begin, work, items, config.runner, shlex.split(config.runner_options))
    except Exception as error:  # a runner's own kinds
        failure = error
    for name in (WORKER, *items):
        path = work.path(f'{name}.error')
        if path.exists():
            found = datafiles.read_object(path)
            raise (InputError if found['input'] else StateError)(found['text']) from failure
    if failure is not None:
        raise StateError(
            f'the {config.runner} pipeline failed: {_first_line(failure)}. The shards that are'
            ' finished are kept: start again'
        ) from failure
    for name in items:
        if not work.path(name).exists():
            raise StateError(
                f'{work.path(name)} was not written by the workers of {config.runner}: the folder'
                ' of the corpus must be on storage that they and the launching process share'
            )


def run_pipeline(
    begin: Begin, work: Work, items: Mapping[str, Any], runner: str, options: Sequence[str]
) -> None:
    """Does each item on some worker.

    Args:
      begin: called once by each worker.
      work: its argument.
      items: by name.
      runner, options: of the pipeline.

    Raises:
      Exception: of the runner's own kinds, when the pipeline fails.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    class Each(beam.DoFn):
        """Begins once, and then does each item."""

        def setup(self) -> None:
            self._open = contextlib.ExitStack()
            with _recorded(work, WORKER):
                self._do = self._open.enter_context(begin(work))

        def teardown(self) -> None:
            self._open.close()

        def process(self, named: tuple[str, Any]) -> None:
            do(work, self._do, *named)

    with beam.Pipeline(runner=runner, options=PipelineOptions(list(options))) as pipeline:
        named = pipeline | beam.Create(list(items.items())) | beam.Reshuffle()
        named | beam.ParDo(Each())


def do(work: Work, function: Callable[[Any], None], name: str, item: Any) -> None:
    """Does an item; an error is written down for the launching process.

    Raises:
      Exception: what `function` raises, so that the runner tries again; except an InputError,
        which would come again.
    """
    with contextlib.suppress(InputError), _recorded(work, name):
        function(item)


@contextlib.contextmanager
def _recorded(work: Work, name: str) -> Iterator[None]:
    path = work.path(f'{name}.error')
    try:
        yield
    except Exception as error:
        kind = () if isinstance(error, XlbarrierError) else (type(error).__name__,)
        text = ': '.join((*getattr(error, '__notes__', ()), *kind, str(error)))
        _save(path, {'text': text, 'input': isinstance(error, InputError)})
        raise
    path.unlink(missing_ok=True)


def _documents(work: Work, chunk: Chunk) -> Iterator[Document]:
    """The documents of a chunk, numbered over all files."""
    for value in _load(work.path(f'{chunk.name}.read')):
        yield Document.from_json(value).after(chunk.before)


def _file_name(number: int) -> str:
    return f'file-{number:06d}'


def _chunk_name(file: int, place: int) -> str:
    return f'chunk-{file:06d}-{place:06d}'


def _plan_name(number: int) -> str:
    return f'shard-{number:06d}'


def _save(path: pathlib.Path, value: Any) -> None:
    datafiles.write_atomic(path, json.dumps(value, ensure_ascii=False).encode())


def _load(path: pathlib.Path) -> Any:
    return json.loads(path.read_bytes())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
