"""An arm of the corpus on disk, whatever its source; atomic, resumable, reusable.

The embedded corpus is written by `countries.build`, one from other text by `from_text`; `store`
describes the files of both.
"""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.corpus import from_text, mix
from xlbarrier.corpus.countries import build as countries_build
from xlbarrier.corpus.countries.templates import check_languages
from xlbarrier.corpus.store import CorpusError, read, read_manifest, read_rows
from xlbarrier.errors import InputError

__all__ = ['CorpusError', 'build', 'check', 'read', 'read_manifest', 'read_rows', 'share_of']


def build(
    config: CorpusConfig,
    arm: str,
    folder: str | os.PathLike,
    distribution: Mapping[str, float] | None = None,
    **of_text: Any,
) -> pathlib.Path:
    """Writes one arm of the corpus into `folder`, or finds it there.

    Args:
      config: source, languages, seed, number of documents (0: all).
      arm: 'english', 'mixed', 'single:LANGUAGE', 'monolingual-mix', or 'names' where the source is
        'countries'.
      folder: of this arm alone; made if absent.
      distribution: share of each language in a drawn arm; None: `config.shares`.
      **of_text: further arguments of `from_text.build`, for text sources.

    Returns:
      `folder` as a path.

    Raises:
      ValueError: for an arm, language, distribution or source that cannot be used.
      CorpusError: when the folder has a corpus of another config (the fields are named), other
        files, or a finished corpus that was damaged.
      RunError: when a file cannot be written; it is named, and the next start continues or begins
        afresh.
    """
    folder = pathlib.Path(folder)
    share = share_of(config, arm, distribution)
    if config.source != 'countries':
        return from_text.build(config, arm, folder, share, **of_text)
    return countries_build.build(config, arm, folder, share)


def check(
    config: CorpusConfig, arms: Sequence[str], folder: str | os.PathLike, **of_text: Any
) -> None:
    """Checks the corpora of a run before any of them is built.

    Args:
      config: of all arms.
      arms: as `build` takes them.
      folder: that will contain the arms' folders.
      **of_text: further arguments of `from_text.check`, for text sources.

    Raises:
      ValueError: for an arm, language, share or source that cannot be used, or a language that no
        translator puts the source into.
    """
    shares = {arm: share_of(config, arm) for arm in arms}
    if config.source != 'countries':
        from_text.check(config, shares, pathlib.Path(folder), **of_text)


def share_of(
    config: CorpusConfig, arm: str, distribution: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The share of each language of an arm; `distribution` as in `build`.

    Raises:
      ValueError: for an arm, language or distribution that cannot be used.
    """
    languages = mix.arm_languages(arm, config.languages)
    if arm == 'names' and (config.source != 'countries' or len(languages) < 2):
        raise InputError(
            "the arm 'names' has the names of places in two languages at least, and comes with the"
            f' embedded corpus: config.corpus.source is {config.source!r},'
            f' config.corpus.languages {languages}'
        )
    if config.source == 'countries':
        check_languages(config.languages, 'config.corpus.languages')
        check_languages(languages, f'arm {arm}')
    if distribution is None and config.shares:
        distribution = dict(zip(config.languages, config.shares, strict=True))
    return mix.shares(languages, distribution if arm in mix.DRAWN else None)
