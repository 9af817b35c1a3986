"""The corpora of a run: checked together, built one arm after another, or previewed."""

import os
import pathlib
import sys
from collections.abc import Mapping

from absl import logging

from xlbarrier import multihost
from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.corpus import build as corpus_lib
from xlbarrier.corpus import preview
from xlbarrier.progress import Progress
from xlbarrier.tasks.base import Task, sheets


def build_all(
    run: run_lib.Run, config: RunConfig, tasks: Mapping[str, Task]
) -> dict[str, pathlib.Path]:
    """The folder of each arm's corpus; what is wrong with any arm is told before the first.

    Args:
      run: the open run folder; its lead process builds.
      config: `corpus` and `arms`.
      tasks: whose questions the text is kept free of, where the config asks for it.

    Raises:
      ValueError: for a source, language or arm that cannot be had; see `corpus.build`.
    """
    folders = _folders(run, config)
    if run.lead:
        _build(run, config, tasks)
    multihost.barrier('corpora')
    return folders


def mode(folder: pathlib.Path, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    """Mode `corpus`: builds the arms' text into corpus/<arm>, or shows units of it."""
    if config.preview:
        _show(folder, config, tasks)
        return
    run = run_lib.open_run(folder, config)
    _build(run, config, tasks)
    for arm, place in _folders(run, config).items():
        manifest = corpus_lib.read_manifest(place)
        words = manifest['words']
        shares = ', '.join(
            f'{code} {number / words["total"]:.1%}' for code, number in words['by_language'].items()
        )
        logging.info(
            '%s: %s, %d documents, %d words (%s), %.2f switches per 100 words',
            *(arm, place, manifest['documents'], words['total'], shares),
            manifest['switches_per_100_words'],
        )
    run.update_provenance(finished=run_lib.now())


def _folders(run: run_lib.Run, config: RunConfig) -> dict[str, pathlib.Path]:
    return {arm: run.path('corpus', arm) for arm in config.arms}


def _build(run: run_lib.Run, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    of_text = {} if config.corpus.source == 'countries' else {'questions': _asked(config, tasks)}
    folders = _folders(run, config)
    if not all((folder / 'manifest.json').exists() for folder in folders.values()):
        with Progress('checking the corpora'):
            corpus_lib.check(config.corpus, config.arms, run.path('corpus'))
    for arm, folder in folders.items():
        with Progress(f'corpus of the {arm} arm'):
            corpus_lib.build(config.corpus, arm, folder, **of_text)


def _show(folder: pathlib.Path, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    """Prints units of the first arm whose languages are drawn, or else of the first arm."""
    if config.corpus.source == 'countries':
        raise ValueError(
            "config.preview is for text sources; config.corpus.source is 'countries': look into"
            ' the corpus itself, its rows hold the units'
        )
    arm = next((arm for arm in config.arms if arm in ('mixed', 'monolingual-mix')), config.arms[0])
    colour = sys.stdout.isatty() and not os.environ.get('NO_COLOR')
    colour = colour or bool(os.environ.get('FORCE_COLOR'))
    folder = folder.expanduser().resolve() / 'corpus'
    lines = preview.preview(
        config.corpus,
        arm,
        corpus_lib.share_of(config.corpus, arm),
        config.preview,
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
    source = config.corpus.text.language
    asked: dict[str, list[str]] = {}
    for name, task in tasks.items():
        kinds = [(variant, language) for variant, language in sheets(task) if language == source]
        texts = [
            q.question for kind in kinds for q in task.questions(*kind) if q.language == source
        ]
        asked[name] = list(dict.fromkeys(texts))
    return asked
