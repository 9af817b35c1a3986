"""A corpus from any text: read, filtered, cut into units, translated, written shard by shard.

One process reads, cuts, draws and writes, in the source's order; `translation` runs the
translators. So the bytes are the same for any number of processes. A shard is written whole, with
its record; a killed build reads the source again, skips what the finished shards have (their
records have the digest of the text so far, so that a changed source is noticed), and finds what
was translated in the cache.

config.json, shard-*.jsonl.zst, manifest.json    see store.py; the same bytes always
failures.jsonl    pieces without a translation, if any; they are kept as they were, and `failed` of
                  their row says so
build.json        of the start that finished: time, speed, cache hits; no two are the same
"""

import collections
import functools
import hashlib
import itertools
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from absl import logging

from xlbarrier import config as config_lib
from xlbarrier import datafiles
from xlbarrier import run as run_lib
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.corpus import sources, store, translation, units
from xlbarrier.corpus.counts import Counts
from xlbarrier.corpus.documents import Document
from xlbarrier.corpus.filters import Filters, read_rows
from xlbarrier.corpus.shards import PROGRESS, CorpusRow, Shards, Tally
from xlbarrier.corpus.store import CorpusError
from xlbarrier.progress import Progress
from xlbarrier.text import languages as languages_lib
from xlbarrier.text import segment

BATCH_CHARACTERS = 1 << 17  # of source text that is translated together

Questions = Mapping[str, Sequence[str]]
# A document, its source digest, and its plan.
Cut = tuple[Document, str, units.Plan]


def build(
    config: CorpusConfig,
    arm: str,
    folder: pathlib.Path,
    share: Mapping[str, float],
    *,
    make: translation.Make | None = None,
    questions: Questions | None = None,
) -> pathlib.Path:
    """Writes one arm into `folder`, continues one that was begun, or finds it there.

    Args:
      config: source, languages, unit, filters, translator.
      arm: as `build.build` takes it.
      folder: of this arm alone; made if absent.
      share: of each language of the arm.
      make: makes a cached translator; None: the configured one.
      questions: texts of each task, for `config.filters.decontaminate`.

    Raises:
      CorpusError: see `store.finished`; or too many translations failed (failures.jsonl lists
        them), nothing of the source is left, or it has changed since the build began.
      DataError: for a source that cannot be read.
      TranslatorError: for a translator that cannot be used, or not for every language.
    """
    asked = _asked(config, arm, share)
    if store.finished(folder, asked):
        shutil.rmtree(folder / PROGRESS, ignore_errors=True)
        return folder
    source = sources.open_source(config.source, config.text)
    began = time.monotonic()
    targets = _targets(config, share)
    make = (make or maker(config, folder.parent)) if targets else None
    with _translators(config, make, folder) as works:
        fingerprint = works.check(targets)
        _begin(folder, asked, fingerprint)
        filters = Filters(config.filters, config.text.language, folder, questions)
        try:
            shards, digest = _write(config, arm, folder, share, source, filters, works)
            report = filters.report()
        finally:
            filters.close()
    if not shards.total.counts.documents:
        raise CorpusError(f'{config.source}: the filters left no document: {report}')
    entries = shards.finish()
    _write_build(folder, shards, works.count, config.translator.workers, time.monotonic() - began)
    total = shards.total
    manifest = {
        'arm': arm,
        'seed': config.seed,
        'unit': units.unit_of(config.unit, arm),
        'source': {'spec': config.source, **source.described, 'sha256': digest},
        'translator': f'{config.translator.kind} {fingerprint}'
        if targets
        else 'none: one language',
        **total.counts.fields(segment.WORD_RULE),
        'filters': report,
        'translations': {'wanted': total.asked, 'failed': len(total.failures)},
        'config': asked,
        'shards': entries,
        'sha256': store.total_digest(entries, 'content_sha256'),
    }
    store.write_json(folder / 'manifest.json', manifest)
    shutil.rmtree(folder / PROGRESS, ignore_errors=True)
    return folder


def check(
    config: CorpusConfig,
    shares: Mapping[str, Mapping[str, float]],
    folder: pathlib.Path,
    *,
    make: translation.Make | None = None,
) -> None:
    """Opens the source, and asks the translator for every language of every arm.

    Args:
      config: of all arms.
      shares: of each language, by arm.
      folder: that will contain the arms' folders; the cache is in it.
      make: makes a cached translator; None: the configured one.

    Raises:
      DataError, TranslatorError: as `build`.
    """
    sources.open_source(config.source, config.text)
    if config.filters.rows:
        read_rows(config.filters.rows)
    targets = sorted(
        {language for share in shares.values() for language in _targets(config, share)}
    )
    if targets:
        make = make or maker(config, folder)
        with translation.Translators(make, config.text.language, 1) as works:
            works.check(targets)


def maker(config: CorpusConfig, folder: pathlib.Path) -> translation.Make:
    """What makes the configured translator behind its cache; picklable, for other processes.

    Args:
      config: its translator.
      folder: of the cache, unless the config names a file.
    """
    path = config.translator.cache or str(folder / 'translations.sqlite')
    return functools.partial(translation.configured, config.translator, path)


def _translators(
    config: CorpusConfig, make: translation.Make | None, folder: pathlib.Path
) -> translation.Translators:
    """What translates an arm: this process, several, or a Beam runner."""
    translator, language = config.translator, config.text.language
    if make is None or not translator.runner:
        return translation.Translators(make, language, translator.workers if make else 1)
    from xlbarrier.corpus import beam  # Apache Beam is an extra

    place = folder.parent / f'{folder.name}.beam'
    return beam.BeamTranslators(make, language, place, translator.runner, translator.runner_options)


# Fields of the translator that do not change its output.
_MEANS = (
    *('runner', 'runner_options', 'workers', 'cache', 'max_failed', 'key_variable', 'rate'),
    *('attempts', 'timeout'),
)


def _asked(config: CorpusConfig, arm: str, share: Mapping[str, float]) -> dict[str, Any]:
    """What decides the bytes."""
    asked = config_lib.to_dict(config) | {'arm': arm, 'distribution': dict(share)}
    for name in ('shares', 'preview', 'count_tokens'):
        del asked[name]
    asked['translator'] = {
        name: value for name, value in asked['translator'].items() if name not in _MEANS
    }
    return asked


def _targets(config: CorpusConfig, share: Mapping[str, float]) -> list[str]:
    for language in (config.text.language, *share):
        languages_lib.language(language)  # raises for a code that CLDR does not know
    return [code for code, part in share.items() if part > 0 and code != config.text.language]


def _begin(folder: pathlib.Path, asked: Mapping[str, Any], fingerprint: str) -> None:
    """Marks the folder as this corpus's; a translator that has changed since is refused."""
    with datafiles.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    store.write_json(folder / 'config.json', asked)
    with datafiles.writing(folder):
        (folder / PROGRESS).mkdir(exist_ok=True)
    path = folder / PROGRESS / 'translator'
    if path.exists() and path.read_text('utf-8') != fingerprint:
        raise CorpusError(
            f'{folder} was begun with another translator ({path.read_text("utf-8")}; now'
            f' {fingerprint}): take another folder, or remove this one'
        )
    datafiles.write_atomic(path, fingerprint.encode())


def _write(
    config: CorpusConfig,
    arm: str,
    folder: pathlib.Path,
    share: Mapping[str, float],
    source: sources.Source,
    filters: Filters,
    works: translation.Translators,
) -> tuple[Shards, str]:
    """Everything from the source to the last shard but one; returns the source's digest too."""
    shards = Shards(folder, config.translator.max_failed)
    running = hashlib.sha256()
    documents = filters.apply(_hashed(source.documents(), running))
    if config.documents:
        documents = itertools.islice(documents, config.documents)
    digested = ((document, running.hexdigest()) for document in documents)
    language, unit = config.text.language, units.unit_of(config.unit, arm)
    lines = config.translator.kind == 'parallel'
    with Progress(f'{arm}: text', unit='words') as progress:
        cut = (
            (doc, digest, units.plan(doc, unit, arm, language, config.seed, share, lines=lines))
            for doc, digest in shards.unwritten(digested)
        )
        for row in _translated(cut, language, works):
            shards.add(row)
            progress.update(row.tally.counts.total_words)
    return shards, running.hexdigest()


def _hashed(documents: Iterator[Document], running) -> Iterator[Document]:
    for document in documents:
        for part in document.parts:
            running.update(f'{document.id}\0{part.row}\0{part.text}\0'.encode())
        yield document


def _translated(
    cut: Iterator[Cut], language: str, works: translation.Translators
) -> Iterator[CorpusRow]:
    """The rows in order, with some batches of documents translated ahead."""
    waiting: collections.deque[tuple[list[Cut], Callable]] = collections.deque()
    for batch in _batches(cut):
        texts = [pair for _, _, plan in batch for pair in plan.to_translate(language)]
        waiting.append((batch, works.submit(texts)))
        if len(waiting) > works.ahead:
            yield from _rows(*waiting.popleft(), language)
    while waiting:
        yield from _rows(*waiting.popleft(), language)


def _batches(cut: Iterator[Cut]) -> Iterator[list[Cut]]:
    batch, size = [], 0
    for item in cut:
        batch.append(item)
        size += sum(map(len, item[2].pieces))
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _rows(batch: Sequence[Cut], answers: Callable, language: str) -> Iterator[CorpusRow]:
    translated = answers()
    for document, digest, plan in batch:
        yield _row(document, digest, plan, translated, language)


def _row(
    document: Document,
    digest: str,
    plan: units.Plan,
    translated: Mapping[tuple[str, str], Any],
    source: str,
) -> CorpusRow:
    """A document's line. A piece whose translation failed stays in the source's language, and is
    counted so; the number of its unit is in `failed`."""
    tally = Tally(Counts())
    pieces, languages = list(plan.pieces), list(plan.languages)
    failed = []
    unit_of_piece = [unit for unit, count in enumerate(plan.units) for _ in range(count)]
    for i, (piece, code) in enumerate(zip(plan.pieces, plan.languages, strict=True)):
        if code == source or not units.has_word(piece):
            continue
        tally.asked += 1
        answer = translated[code, units.to_translate(piece)]
        if isinstance(answer, str):
            pieces[i] = answer
            continue
        languages[i] = source
        failed.append(unit_of_piece[i])
        tally.failures.append(
            {
                'document': plan.id,
                'unit': unit_of_piece[i],
                'language': code,
                'text': piece,
                'reason': answer.reason,
            }
        )
    texts, codes = units.grouped(plan, pieces, languages, source)
    tally.counts.add(texts, codes, segment.count_words)
    line: dict[str, Any] = {
        'id': plan.id,
        'text': units.join(pieces, plan.behind, languages, source),
        'languages': codes,
        'units': texts,
    }
    if failed:
        line['failed'] = sorted(set(failed))
    return CorpusRow(line, tally, sum(len(part.text) for part in document.parts), digest)


def _write_build(
    folder: pathlib.Path, shards: Shards, count: translation.Count, workers: int, seconds: float
) -> None:
    words = shards.total.counts.total_words - shards.earlier_words
    logging.info(
        '%s: %d words in %.1f s; %d texts from the cache, %d translated now (%.1f %% found)',
        folder,
        words,
        seconds,
        count.hits,
        count.misses,
        100 * count.rate,
    )
    store.write_json(
        folder / 'build.json',
        {
            'finished': run_lib.now(),
            'seconds': round(seconds, 3),
            'documents_of_earlier_starts': shards.earlier_documents,
            'words_per_second': round(words / seconds, 1),
            'workers': workers,
            'cache': {**asdict(count), 'rate': round(count.rate, 4)},
        },
    )
