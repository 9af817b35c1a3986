"""Writes the embedded corpus: it is small, so each arm is written in one go.

config.json      what was asked for; written first
shard-*.jsonl    one line per document: id, text, languages[], units[]
manifest.json    counts, source, digests; written last: its presence means that the corpus is done
"""

import functools
import hashlib
import pathlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import babel
from babel.core import get_cldr_version

from xlbarrier import config as config_lib
from xlbarrier import datafiles
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.corpus import mix, store
from xlbarrier.corpus.countries import names, wording
from xlbarrier.corpus.countries.plans import Document, documents
from xlbarrier.corpus.counts import Counts
from xlbarrier.text.languages import FULL_WIDTH

SHARD_DOCUMENTS = 256
WORD_RULE = (
    'a word is a run of letters, marks and digits, with apostrophes and hyphens inside it;'
    ' in zh and ja each ideograph or kana counts as one'
)
# Fields that do not concern this corpus.
OF_TEXT = ('shares', 'text', 'filters', 'translator')
NOT_BYTES = ('preview', 'count_tokens')  # fields that do not affect the text


def build(
    config: CorpusConfig, arm: str, folder: pathlib.Path, share: Mapping[str, float]
) -> pathlib.Path:
    """Writes one arm into `folder`, or finds it there; see `corpus.build.build`.

    Raises:
      CorpusError: when the folder contains something else.
      RunError: when a file cannot be written.
    """
    asked = config_lib.to_dict(config) | {'arm': arm, 'distribution': dict(share)}
    asked = {name: value for name, value in asked.items() if name not in OF_TEXT + NOT_BYTES}
    if store.finished(folder, asked):
        return folder
    if arm == names.ARM:
        rows = names.rows(tuple(share), config.seed, config.documents)
    else:
        chosen = documents(tuple(share), config.seed, config.documents)
        rows = [_line(document, arm, config.seed, share) for document in chosen]
    with datafiles.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in sorted(folder.glob('.*.tmp')) + sorted(folder.glob('shard-*.jsonl')):
            left.unlink()
    store.write_json(folder / 'config.json', asked)
    shards = _write_shards(folder, rows)
    store.write_json(folder / 'manifest.json', _manifest(rows, asked, shards))
    return folder


def count_words(text: str, language: str) -> int:
    """Words of a text by `WORD_RULE`."""
    count, inside = 0, False
    for i, char in enumerate(text):
        kind = _kind(char)
        if kind == 'each' and language in FULL_WIDTH:
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


def _line(document: Document, arm: str, seed: int, share: Mapping[str, float]) -> dict[str, Any]:
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
        datafiles.write_atomic(path, data)
        digest = hashlib.sha256(data).hexdigest()
        shards.append({'name': path.name, 'documents': len(mine), 'sha256': digest})
    return shards


def _manifest(rows: Sequence[dict], asked: dict, shards: list[dict]) -> dict[str, Any]:
    counts = Counts()
    for row in rows:
        counts.add(row['units'], row['languages'], count_words)
    return {
        'arm': asked['arm'],
        'seed': asked['seed'],
        'unit': asked['unit'],
        'source': f'CLDR {get_cldr_version()} through Babel {babel.__version__}',
        'translator': 'none: parallel sentences, written from templates in each language',
        **counts.fields(WORD_RULE),
        'config': asked,
        'shards': shards,
        'sha256': store.total_digest(shards),
    }
