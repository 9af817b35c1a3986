"""An arm of the corpus on disk: JSONL shards and a manifest; atomic, resumable, reusable.

config.json      what was asked for; written first
shard-*          a line a document: id, text, languages[], units[]
manifest.json    counts, source, digests; written last: its presence means done

The corpus about countries is parallel and small, and is made whole here; what is made from other
text goes through `from_text`.
"""

import functools
import hashlib
import os
import pathlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import babel
from babel.core import get_cldr_version

from xlbarrier import config as config_lib
from xlbarrier import run as run_lib
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.corpus import countries, from_text, mix, store, wording
from xlbarrier.corpus.country_templates import check_languages
from xlbarrier.corpus.counts import Counts
from xlbarrier.corpus.store import CorpusError, read, read_manifest, read_rows

__all__ = ['CorpusError', 'build', 'check', 'read', 'read_manifest', 'read_rows', 'share_of']

SHARD_DOCUMENTS = 256
WORD_RULE = (
    'a word is a run of letters, marks and digits, with apostrophes and hyphens inside it;'
    ' in zh and ja each ideograph or kana counts as one'
)
# Fields that say nothing of the corpus about countries.
OF_TEXT = ('shares', 'text', 'filters', 'translator')
NOT_BYTES = ('preview', 'count_tokens')  # fields that decide nothing in the text


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
      arm: 'english', 'mixed', 'single:LANGUAGE' or 'monolingual-mix'.
      folder: of this arm alone; made if absent.
      distribution: share of each language in a drawn arm; None: `config.shares`.
      **of_text: further arguments of `from_text.build`, for text sources.

    Returns:
      `folder` as a path.

    Raises:
      ValueError: for an arm, language, distribution or source that cannot be had.
      CorpusError: when the folder holds a corpus of another config (the fields are named), other
        files, or a finished corpus that was damaged.
      RunError: when a file cannot be written; it is named, and a next start goes on or begins
        afresh.
    """
    folder = pathlib.Path(folder)
    share = share_of(config, arm, distribution)
    if config.source != 'countries':
        return from_text.build(config, arm, folder, share, **of_text)
    wanted = config_lib.to_dict(config) | {'arm': arm, 'distribution': share}
    wanted = {name: value for name, value in wanted.items() if name not in OF_TEXT + NOT_BYTES}
    if store.finished(folder, wanted):
        return folder
    docs = countries.documents(tuple(share), config.seed, config.documents)
    with run_lib.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in sorted(folder.glob('.*.tmp')) + sorted(folder.glob('shard-*.jsonl')):
            left.unlink()
    store.write_json(folder / 'config.json', wanted)
    rows = [_line(doc, arm, config.seed, share) for doc in docs]
    shards = _write_shards(folder, rows)
    store.write_json(folder / 'manifest.json', _manifest(rows, wanted, shards))
    return folder


def check(
    config: CorpusConfig, arms: Sequence[str], folder: str | os.PathLike, **of_text: Any
) -> None:
    """Finds what is wrong with the corpora of a run before any of them is built.

    Args:
      config: of all arms.
      arms: as `build` takes them.
      folder: that the arms' folders will stand in.
      **of_text: further arguments of `from_text.check`, for text sources.

    Raises:
      ValueError: for an arm, language, share or source that cannot be had, or a language that no
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
      ValueError: for an arm, language or distribution that cannot be had.
    """
    languages = mix.arm_languages(arm, config.languages)
    if config.source == 'countries':
        check_languages(config.languages, 'config.corpus.languages')
        check_languages(languages, f'arm {arm}')
    if distribution is None and config.shares:
        distribution = dict(zip(config.languages, config.shares, strict=True))
    return mix.shares(languages, distribution if arm in mix.DRAWN else None)


def count_words(text: str, language: str) -> int:
    """Words of a text by `WORD_RULE`."""
    count, inside = 0, False
    for i, char in enumerate(text):
        kind = _kind(char)
        if kind == 'each' and language in wording.FULL_WIDTH:
            count, inside = count + 1, False
        elif kind in ('each', 'run'):
            count, inside = count + (not inside), True
        elif kind == 'mark' or (
            kind == 'joint' and inside and _kind(text[i + 1 : i + 2]) in ('run', 'each')
        ):
            continue
        else:
            inside = False
    return count


@functools.cache
def _kind(char: str) -> str:
    if not char:
        return 'other'
    category = unicodedata.category(char)
    if category[0] == 'M' or category == 'Lm':  # ー and 々 belong to the letter before them
        return 'mark'
    if category == 'Lo' and unicodedata.name(char, '').startswith(('CJK', 'HIRAGANA', 'KATAKANA')):
        return 'each'
    if category[0] in 'LN':
        return 'run'
    return 'joint' if char in "'’-‑־\u200c\u200d" else 'other'


def _line(
    document: countries.Document, arm: str, seed: int, share: Mapping[str, float]
) -> dict[str, Any]:
    languages = mix.unit_languages(document.id, len(document.sentences), arm, seed, share)
    units = [s[language] for s, language in zip(document.sentences, languages, strict=True)]
    return {
        'id': document.id,
        'text': wording.join(units, languages),
        'languages': list(languages),
        'units': units,
    }


def _write_shards(folder: pathlib.Path, rows: Sequence[dict]) -> list[dict[str, Any]]:
    count = -(-len(rows) // SHARD_DOCUMENTS)
    shards = []
    for i in range(count):
        mine = rows[i * SHARD_DOCUMENTS : (i + 1) * SHARD_DOCUMENTS]
        data = store.lines(mine)
        path = folder / f'shard-{i:05d}-of-{count:05d}.jsonl'
        run_lib.write_atomic(path, data)
        digest = hashlib.sha256(data).hexdigest()
        shards.append({'name': path.name, 'documents': len(mine), 'sha256': digest})
    return shards


def _manifest(rows: Sequence[dict], wanted: dict, shards: list[dict]) -> dict[str, Any]:
    counts = Counts()
    for row in rows:
        counts.add(row['units'], row['languages'], count_words)
    return {
        'arm': wanted['arm'],
        'seed': wanted['seed'],
        'unit': wanted['unit'],
        'source': f'CLDR {get_cldr_version()} through Babel {babel.__version__}',
        'translator': 'none: parallel sentences, written from templates in each language',
        **counts.fields(WORD_RULE),
        'config': wanted,
        'shards': shards,
        'sha256': store.total_digest(shards),
    }
