"""The corpora of a run: checked together, built one arm after another, or previewed."""

import collections
import contextlib
import os
import pathlib
import sys
from collections.abc import Mapping

from absl import logging

from xlbarrier import multihost
from xlbarrier import run as run_lib
from xlbarrier.config import CorpusConfig, ModelConfig, RunConfig
from xlbarrier.config.data import DATA_ARM
from xlbarrier.config.run import CURRICULUM, text_of
from xlbarrier.corpus import build as corpus_lib
from xlbarrier.corpus import from_text, preview, sources, store
from xlbarrier.data import tokenize
from xlbarrier.errors import InputError
from xlbarrier.models import source
from xlbarrier.progress import Progress
from xlbarrier.tasks import registry
from xlbarrier.tasks.base import Task


def build_all(
    run: run_lib.Run, config: RunConfig, tasks: Mapping[str, Task]
) -> dict[str, pathlib.Path]:
    """Builds each arm's corpus and returns its folder; all arms are checked before the first.

    Args:
      run: the open run folder; its lead process builds.
      config: `corpus` and `arms`.
      tasks: whose questions the text is kept free of, if the config says so.

    Raises:
      ValueError: for a source, language or arm that is not available; see `corpus.build`.
    """
    folders = _folders(run, config)
    if run.lead:
        _build(run, config, tasks)
        run.safe_point()
    multihost.barrier('corpora')
    return folders


def check(config: RunConfig, folder: pathlib.Path) -> None:
    """Checks that every text of a run can be built.

    Args:
      config: `corpus`, `arms`, `train.guard`.
      folder: that will contain the texts' folders.

    Raises:
      ValueError: for a source, language or arm that is not available; see `corpus.check`.
    """
    together: dict[CorpusConfig, list[str]] = {}
    for made_of, arm in _corpora(config).values():
        together.setdefault(made_of, []).append(arm)
    for made_of, arms in together.items():
        corpus_lib.check(made_of, tuple(dict.fromkeys(arms)), folder)


def corpus(folder: pathlib.Path, config: RunConfig) -> None:
    """Mode `corpus`: builds the arms' text into corpus/<arm>, or shows units of it."""
    tasks = registry.make_tasks(config)
    if config.corpus.preview:
        _show(folder, config, tasks)
        return
    if config.corpus.source != 'countries':  # errors come before there is a folder
        from_text.pipelines(config.corpus)
        sources.open_source(config.corpus.source, config.corpus.text)
    with contextlib.closing(run_lib.open_run(folder, config)) as run:
        _build(run, config, tasks)
        for arm, place in _folders(run, config).items():
            if config.corpus.count_tokens:
                _count_tokens(place, config.model)
            logging.info('%s: %s', arm, _summary(place))
        run.update_provenance(finished=run_lib.now())


def _count_tokens(folder: pathlib.Path, model: ModelConfig) -> None:
    """Puts the tokens of the units, each tokenised by itself, into a finished manifest."""
    named = model.tokenizer or model.source
    path = source.resolve(model.source) if not model.tokenizer else pathlib.Path()
    tokenizer = tokenize.load_tokenizer(source.resolve_tokenizer(model.tokenizer, path))
    digest = tokenize.digest(tokenizer)
    manifest = corpus_lib.read_manifest(folder)
    if manifest.get('tokens', {}).get('tokenizer') == digest:
        return
    counts: collections.Counter[str] = collections.Counter()
    with Progress(f'counting tokens in {folder.name}', unit='documents') as progress:
        progress.begin(manifest['documents'])
        for row in corpus_lib.read_rows(folder):
            lengths = tokenize.lengths(tokenizer, row['units'])
            for language, length in zip(row['languages'], lengths, strict=True):
                counts[language] += length
            progress.update(1)
    tokens = {'total': counts.total(), 'by_language': dict(sorted(counts.items()))}
    manifest['tokens'] = {**tokens, 'tokenizer': digest, 'model': named}
    store.write_json(folder / 'manifest.json', manifest)


def _summary(folder: pathlib.Path) -> str:
    """One line about a finished corpus."""
    manifest = corpus_lib.read_manifest(folder)
    words = manifest['words']
    shares = ', '.join(
        f'{code} {number / words["total"]:.1%}' for code, number in words['by_language'].items()
    )
    return (
        f'{folder}: {manifest["documents"]:,} documents, {words["total"]:,} words ({shares}),'
        f' {manifest["switches_per_100_words"]:.2f} switches per 100 words'
    )


def texts_of(config: RunConfig, arm: str) -> tuple[str, ...]:
    """The names of the texts that an arm is trained on: one, none, or those of a curriculum."""
    text = text_of(arm)
    if text == CURRICULUM:
        return tuple(f'{CURRICULUM}.{stage}' for stage in config.corpus.stages)
    return () if text == DATA_ARM else (text,)


def _corpora(config: RunConfig) -> dict[str, tuple[CorpusConfig, str]]:
    """What each text is built from, and as which arm of the corpus: of all arms and the guard."""
    arms = (*config.arms, 'english') if config.train.guard.weight else config.arms
    found: dict[str, tuple[CorpusConfig, str]] = {}
    for arm in arms:
        for name in texts_of(config, arm):
            _, _, stage = name.partition(f'{CURRICULUM}.')
            built = {'': name, 'monolingual': 'monolingual-mix'}.get(stage, 'mixed')
            found[name] = (config.corpus.of_stage(stage) if stage else config.corpus, built)
    return found


def _arms(config: RunConfig) -> tuple[str, ...]:
    """The arms of the corpus that have text."""
    return tuple(dict.fromkeys(arm for _, arm in _corpora(config).values()))


def _folders(run: run_lib.Run, config: RunConfig) -> dict[str, pathlib.Path]:
    return {name: run.path('corpus', name) for name in _corpora(config)}


def _build(run: run_lib.Run, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    questions = {} if config.corpus.source == 'countries' else _asked(config, tasks)
    folders, corpora = _folders(run, config), _corpora(config)
    if not all((folder / 'manifest.json').exists() for folder in folders.values()):
        with Progress('checking the corpora'):
            check(config, run.path('corpus'))
    for name, folder in folders.items():
        made_of, arm = corpora[name]
        with Progress(f'corpus of the {name} arm'):
            if config.corpus.source == 'countries':
                corpus_lib.build(made_of, arm, folder)
            else:
                corpus_lib.build(made_of, arm, folder, questions=questions)


def _show(folder: pathlib.Path, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    """Prints units of the first arm with drawn languages, or else of the first arm."""
    if config.corpus.source == 'countries':
        raise InputError(
            "config.corpus.preview is for text sources; config.corpus.source is 'countries': look"
            ' at the corpus itself, whose rows contain the units'
        )
    arms = _arms(config)
    arm = next((arm for arm in arms if arm in ('mixed', 'monolingual-mix')), arms[0])
    colour = sys.stdout.isatty() and not os.environ.get('NO_COLOR')
    colour = colour or bool(os.environ.get('FORCE_COLOR'))
    folder = folder.expanduser().resolve() / 'corpus'
    lines = preview.preview(
        config.corpus,
        arm,
        corpus_lib.share_of(config.corpus, arm),
        config.corpus.preview,
        folder,
        colour=colour,
        questions=_asked(config, tasks),
    )
    for line in lines:
        print(line, flush=True)


def _asked(config: RunConfig, tasks: Mapping[str, Task]) -> dict[str, list[str]]:
    """The questions of each task in the language of the source."""
    if not config.corpus.filters.decontaminate:
        return {}
    language = config.corpus.text.language
    return {name: list(task.texts(language)) for name, task in tasks.items()}
