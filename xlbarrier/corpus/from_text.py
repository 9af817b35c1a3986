"""A corpus from any text: read, filtered, cut into units, translated, written shard by shard.

One process reads, cuts, draws and writes, in the source's order; `translation` runs the
translators. So the bytes are the same for any number of processes. Where a Beam runner is
configured, its workers do the work of this process by the same functions; see `beam`. A shard is
written whole, with its record; a killed build reads the source again, skips what the finished
shards have (their records have the digest of the text so far, so that a changed source is
noticed), and finds what was translated in the cache.

config.json, shard-*.jsonl.zst, manifest.json    see store.py; the same bytes always
failures.jsonl    pieces without a translation, if any; they are kept as they were, and `failed` of
                  their row says so
build.json        of the start that finished: time, speed, cache hits; no two are the same
"""

import contextlib
import functools
import hashlib
import pathlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from absl import logging

from xlbarrier import config as config_lib
from xlbarrier import datafiles
from xlbarrier import run as run_lib
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.corpus import rows, sources, store, translation, units
from xlbarrier.corpus.filters import Filters, read_rows
from xlbarrier.corpus.shards import PROGRESS, Shards
from xlbarrier.corpus.store import CorpusError
from xlbarrier.progress import Progress
from xlbarrier.text import languages as languages_lib
from xlbarrier.text import segment

Questions = Mapping[str, Sequence[str]]


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
      InputError: for a Beam runner that cannot be used.
    """
    asked = _asked(config, arm, share)
    if store.finished(folder, asked):
        shutil.rmtree(folder / PROGRESS, ignore_errors=True)
        return folder
    beam = pipelines(config)
    source = sources.open_source(config.source, config.text)
    began = time.monotonic()
    targets = _targets(config, share)
    make = (make or maker(config, folder.parent)) if targets else None
    workers = config.translator.workers if make and not beam else 1
    with contextlib.ExitStack() as stack:
        works = stack.enter_context(translation.Translators(make, config.text.language, workers))
        fingerprint = works.check(targets)
        _begin(folder, asked, fingerprint)
        if beam:
            stack.close()  # the workers make their own
        filters = Filters(config.filters, config.text.language, folder, questions)
        stack.callback(filters.close)
        recipe = rows.Recipe(config, arm, share)
        if beam:
            work = beam.Work(recipe, folder, make)
            shards, digest = beam.write(work, source, filters, questions or {}, works.count)
        else:
            shards, digest = _write(recipe, folder, source, filters, works)
        report = filters.report()
    if not shards.total.counts.documents:
        raise CorpusError(f'{config.source}: the filters left no document: {report}')
    entries = shards.finish()
    who = config.runner or workers
    _write_build(folder, shards, works.count, who, time.monotonic() - began)
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
      DataError, TranslatorError, InputError: as `build`.
    """
    pipelines(config)
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


def pipelines(config: CorpusConfig) -> Any:
    """The module `beam` where its runner builds the corpus; None: this process does.

    Raises:
      InputError: for a runner that cannot be used.
    """
    if not config.runner:
        return None
    from xlbarrier.corpus import beam  # Apache Beam is an extra

    beam.check(config.runner, config.runner_options)
    return beam


# Fields of the translator that do not change its output.
_MEANS = (*('workers', 'cache', 'max_failed', 'key_variable', 'rate', 'attempts', 'timeout'),)


def _asked(config: CorpusConfig, arm: str, share: Mapping[str, float]) -> dict[str, Any]:
    """What decides the bytes."""
    asked = config_lib.to_dict(config) | {'arm': arm, 'distribution': dict(share)}
    for name in ('shares', 'preview', 'count_tokens', 'runner', 'runner_options'):
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
    recipe: rows.Recipe,
    folder: pathlib.Path,
    source: sources.Source,
    filters: Filters,
    works: translation.Translators,
) -> tuple[Shards, str]:
    """Everything from the source to the last shard but one; returns the source's digest too."""
    shards = Shards(folder, recipe.config.translator.max_failed)
    running = hashlib.sha256()
    judged = ((document, filters.judge(document)) for document in source.documents())
    with Progress(f'{recipe.arm}: text', unit='words') as progress:
        documents = rows.taken(judged, filters, recipe.config.documents, running)
        for row in rows.rows(shards.unwritten(documents), recipe, works):
            shards.add(row)
            progress.update(row.tally.counts.total_words)
    return shards, running.hexdigest()


def _write_build(
    folder: pathlib.Path,
    shards: Shards,
    count: translation.Count,
    workers: int | str,
    seconds: float,
) -> None:
    words = shards.total.counts.total_words - shards.earlier.total_words
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
            'documents_of_earlier_starts': shards.earlier.documents,
            'words_per_second': round(words / seconds, 1),
            'workers': workers,
            'cache': {**asdict(count), 'rate': round(count.rate, 4)},
        },
    )
