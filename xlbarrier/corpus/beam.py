"""Translation by an Apache Beam pipeline: on this machine, or on Dataflow, Flink or Spark.

The build stays as it is: one process reads, filters, cuts, draws and writes, and its batches of
texts are those of a build without Beam, so the bytes are the same whatever the runner. Only the
translation, nearly all of the cost, is done by the runner's workers. A wave of batches is written
to a folder that driver and workers share, one file per batch; the pipeline answers each file with
another one, and a killed build finds the answers that are there.
"""

import hashlib
import json
import pathlib
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import logging

from xlbarrier import datafiles
from xlbarrier.corpus import translation
from xlbarrier.errors import InputError, StateError
from xlbarrier.translate import protocol

WAVE = 1024  # batches of one pipeline: about 25 million words


class BeamTranslators(translation.Translators):
    """Translators whose work is done by a Beam runner."""

    def __init__(
        self,
        make: translation.Make,
        source: str,
        folder: pathlib.Path,
        runner: str,
        options: str,
    ):
        """Args:
          make: makes the translator behind its cache; picklable.
          source: BCP-47 code of the texts.
          folder: of the batches; shared by driver and workers, removed at the end.
          runner: DirectRunner, DataflowRunner, FlinkRunner, SparkRunner or another of Beam's.
          options: further pipeline options, as on a command line.

        Raises:
          InputError: when Beam is not installed.
        """
        super().__init__(make, source, 1)
        try:
            import apache_beam  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"config.corpus.translator.runner is {runner!r}: pip install 'xlbarrier[beam]'"
                f' ({error})'
            ) from error
        self._make, self._runner, self._options = make, runner, shlex.split(options)
        self._folder = folder
        self._due: list[pathlib.Path] = []
        self.ahead = WAVE
        with datafiles.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        super().__exit__(kind, *error)
        if kind is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def submit(self, texts: Sequence[tuple[str, str]]) -> Callable[[], dict[tuple[str, str], Any]]:
        """Writes a batch down; the first result that is asked for translates the whole wave."""
        texts = list(dict.fromkeys(texts))
        if not texts:
            return dict
        data = json.dumps([self._source, texts], ensure_ascii=False).encode()
        place = self._folder / hashlib.sha256(data).hexdigest()
        if not place.with_suffix('.out').exists():
            datafiles.write_atomic(place, data)
            self._due.append(place)
        return lambda: self._answers(place, texts)

    def _answers(
        self, place: pathlib.Path, texts: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], Any]:
        path = place.with_suffix('.out')
        if not path.exists():
            due, self._due = list(dict.fromkeys(self._due)), []
            logging.info('%d batches to translate by %s', len(due), self._runner)
            run_pipeline(self._make, [str(place) for place in due], self._runner, self._options)
        if not path.exists():
            raise StateError(
                f'{path} was not written by the workers of {self._runner}: the folder of the corpus'
                ' must be on storage that driver and workers share'
            )
        record = datafiles.read_object(path)
        self.count.hits += record['hits']
        self.count.misses += record['misses']
        found = [
            answer if isinstance(answer, str) else protocol.Failed(answer['failed'])
            for answer in record['answers']
        ]
        return dict(zip(texts, found, strict=True))


def run_pipeline(
    make: translation.Make, places: Sequence[str], runner: str, options: Sequence[str]
) -> None:
    """Translates each batch file into its answer file.

    Args:
      make: makes the cached translator, once per worker.
      places: paths of the batch files.
      runner, options: of the pipeline.

    Raises:
      StateError: when the pipeline fails; the answers that are there are kept.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    class Translate(beam.DoFn):
        """One translator per worker."""

        def setup(self) -> None:
            self._translator = make()

        def teardown(self) -> None:
            self._translator.close()

        def process(self, place: str) -> Iterator[str]:
            translate_file(self._translator, place)
            yield place

    try:
        with beam.Pipeline(runner=runner, options=PipelineOptions(list(options))) as pipeline:
            batches = pipeline | beam.Create(list(places)) | beam.Reshuffle()
            batches | beam.ParDo(Translate())
    except Exception as error:  # a runner's own kinds
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise StateError(
            f'the {runner} pipeline failed: {reason}. What was translated is kept: start again'
        ) from error


def translate_file(translator: Any, place: str) -> None:
    """Writes the answers to a batch beside it, unless they are there: on a worker."""
    path = pathlib.Path(place)
    if path.with_suffix('.out').exists():
        return
    source, texts = json.loads(path.read_bytes())
    answers, hits, misses = translation.translate_all(
        translator, source, [(language, text) for language, text in texts]
    )
    written = [a if isinstance(a, str) else {'failed': a.reason} for a in answers]
    record = {'answers': written, 'hits': hits, 'misses': misses}
    data = json.dumps(record, ensure_ascii=False).encode()
    datafiles.write_atomic(path.with_suffix('.out'), data)
