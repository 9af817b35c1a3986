"""An arm of the corpus on disk: JSONL shards and a manifest; atomic, resumable, reusable.

config.json                    what was asked for; written first
shard-00000-of-00003.jsonl     a line a document: id, text, languages[], units[]
manifest.json                  counts, source, digests; written last: its presence means done
"""

import functools
import hashlib
import itertools
import json
import os
import pathlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import babel
from babel.core import get_cldr_version

from xlbarrier import config as config_lib
from xlbarrier import run as run_lib
from xlbarrier.config import CorpusConfig
from xlbarrier.corpus import countries, mix, wording
from xlbarrier.corpus.country_templates import check_languages

SHARD_DOCUMENTS = 256
WORD_RULE = (
    'a word is a run of letters, marks and digits, with apostrophes and hyphens inside it;'
    ' in zh and ja each ideograph or kana counts as one'
)


class CorpusError(ValueError):
    """The folder cannot be used for this corpus; names it and says what to do."""


def build(
    config: CorpusConfig,
    arm: str,
    folder: str | os.PathLike,
    distribution: Mapping[str, float] | None = None,
) -> pathlib.Path:
    """Writes one arm of the corpus into `folder`, or finds it there.

    Args:
      config: languages, seed, number of documents (0: all).
      arm: 'english', 'mixed', 'single:LANGUAGE' or 'monolingual-mix'.
      folder: of this arm alone; made if absent.
      distribution: share of each language in a drawn arm; None: uniform.

    Returns:
      `folder` as a path.

    Raises:
      ValueError: for an arm, language or distribution that cannot be had.
      CorpusError: when the folder holds a corpus of another config (the fields are named), other
        files, or a finished corpus that was damaged.
      RunError: when a file cannot be written; it is named, and a next start begins afresh.
    """
    folder = pathlib.Path(folder)
    check_languages(config.languages, 'config.corpus.languages')
    languages = mix.arm_languages(arm, config.languages)
    check_languages(languages, f'arm {arm}')
    share = mix.shares(languages, distribution if arm in mix.DRAWN else None)
    wanted = config_lib.to_dict(config) | {'arm': arm, 'distribution': share}
    if _finished(folder, wanted):
        return folder
    docs = countries.documents(languages, config.seed, config.documents)
    with run_lib.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in sorted(folder.glob('.*.tmp')) + sorted(folder.glob('shard-*.jsonl')):
            left.unlink()
    _write_json(folder / 'config.json', wanted)
    lines = [_line(doc, arm, config.seed, share) for doc in docs]
    shards = _write_shards(folder, lines)
    _write_json(folder / 'manifest.json', _manifest(lines, wanted, shards))
    return folder


def read(folder: str | os.PathLike) -> Iterator[str]:
    """The text of each document of a finished corpus, in order.

    Raises:
      CorpusError: when the corpus is not finished.
    """
    for row in read_rows(folder):
        yield row['text']


def read_rows(folder: str | os.PathLike) -> Iterator[dict[str, Any]]:
    """Each document of a finished corpus: id, text, and languages and units, one a sentence."""
    folder = pathlib.Path(folder)
    for shard in read_manifest(folder)['shards']:
        with (folder / shard['name']).open(encoding='utf-8') as f:
            yield from map(json.loads, f)


def read_manifest(folder: str | os.PathLike) -> dict[str, Any]:
    """The manifest of a finished corpus.

    Raises:
      CorpusError: when there is none, or it is not JSON.
    """
    return _read_json(pathlib.Path(folder) / 'manifest.json')


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


def _finished(folder: pathlib.Path, wanted: dict[str, Any]) -> bool:
    """Whether the corpus lies there whole; refuses a folder that holds something else."""
    if not folder.exists():
        return False
    if not (folder / 'config.json').exists():
        foreign = sorted(p.name for p in folder.iterdir() if not p.name.startswith('.'))
        if foreign:
            raise CorpusError(
                f'{folder} holds files that are no corpus ({", ".join(foreign[:5])}):'
                ' take another folder'
            )
        return False
    differing = config_lib.diff(_read_json(folder / 'config.json'), wanted)
    if differing:
        fields = '; '.join(f'{name}: there {old!r}, now {new!r}' for name, old, new in differing)
        raise CorpusError(
            f'{folder} holds a corpus of another config ({fields}): take another folder, or'
            ' remove this one'
        )
    if not (folder / 'manifest.json').exists():
        return False
    for shard in read_manifest(folder)['shards']:
        path = folder / shard['name']
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != shard['sha256']:
            raise CorpusError(
                f'{path} is missing or is not what manifest.json says (sha256 {shard["sha256"]}):'
                f' remove {folder} to have it built again'
            )
    return True


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


def _write_shards(folder: pathlib.Path, lines: Sequence[dict]) -> list[dict[str, Any]]:
    count = -(-len(lines) // SHARD_DOCUMENTS)
    shards = []
    for i in range(count):
        rows = lines[i * SHARD_DOCUMENTS : (i + 1) * SHARD_DOCUMENTS]
        data = ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows).encode()
        path = folder / f'shard-{i:05d}-of-{count:05d}.jsonl'
        run_lib.write_atomic(path, data)
        digest = hashlib.sha256(data).hexdigest()
        shards.append({'name': path.name, 'documents': len(rows), 'sha256': digest})
    return shards


def _manifest(lines: Sequence[dict], wanted: dict, shards: list[dict]) -> dict[str, Any]:
    units: dict[str, int] = {}
    words: dict[str, int] = {}
    switches = 0
    for line in lines:
        for language, unit in zip(line['languages'], line['units'], strict=True):
            units[language] = units.get(language, 0) + 1
            words[language] = words.get(language, 0) + count_words(unit, language)
        switches += sum(a != b for a, b in itertools.pairwise(line['languages']))
    content = ''.join(shard['sha256'] for shard in shards)
    return {
        'arm': wanted['arm'],
        'seed': wanted['seed'],
        'unit': wanted['unit'],
        'source': f'CLDR {get_cldr_version()} through Babel {babel.__version__}',
        'translator': 'none: parallel sentences, written from templates in each language',
        'documents': len(lines),
        'units': {'total': sum(units.values()), 'by_language': dict(sorted(units.items()))},
        'words': {'total': sum(words.values()), 'by_language': dict(sorted(words.items()))},
        'word_rule': WORD_RULE,
        'switches': switches,
        'switches_per_100_words': round(100 * switches / max(sum(words.values()), 1), 4),
        'config': wanted,
        'shards': shards,
        'sha256': hashlib.sha256(content.encode()).hexdigest(),
    }


def _write_json(path: pathlib.Path, value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    run_lib.write_atomic(path, (text + '\n').encode())


def _read_json(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise CorpusError(f'{path} does not exist: the corpus is not finished, build it') from error
    except ValueError as error:
        raise CorpusError(
            f'{path} is not JSON ({error}): remove {path.parent} to have it built again'
        ) from error
