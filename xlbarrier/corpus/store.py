"""A corpus folder: reading it, and whether it is complete and is what was asked for.

config.json      what was asked for; written first
shard-*.jsonl    one line per document: id, text, languages[], units[]; or .jsonl.zst
manifest.json    counts, source, digests; written last: its presence means that the corpus is done
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xlbarrier import config as config_lib
from xlbarrier import datafiles
from xlbarrier import run as run_lib
from xlbarrier.datafiles import DataError
from xlbarrier.errors import InputError


class CorpusError(InputError):
    """The folder cannot be used for this corpus; names it and says what to do."""


def finished(folder: pathlib.Path, asked: Mapping[str, Any]) -> bool:
    """Whether the corpus is there, complete.

    Raises:
      CorpusError: when the folder has a corpus of another config (the fields are named), other
        files, or a finished corpus that was damaged.
    """
    if not folder.exists():
        return False
    if not (folder / 'config.json').exists():
        foreign = sorted(p.name for p in folder.iterdir() if not p.name.startswith('.'))
        if foreign:
            raise CorpusError(
                f'{folder} contains files that are not a corpus ({", ".join(foreign[:5])}):'
                ' take another folder'
            )
        return False
    differing = config_lib.diff(read_json(folder / 'config.json'), asked)
    if differing:
        fields = '; '.join(f'{name}: there {old!r}, now {new!r}' for name, old, new in differing)
        raise CorpusError(
            f'{folder} has a corpus of another config ({fields}): take another folder, or'
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


def read(folder: str | os.PathLike) -> Iterator[str]:
    """The text of each document of a finished corpus, in order.

    Raises:
      CorpusError: when the corpus is not finished.
    """
    for row in read_rows(folder):
        yield row['text']


def read_rows(folder: str | os.PathLike) -> Iterator[dict[str, Any]]:
    """Each document of a finished corpus: id, text, and a list of languages and one of units."""
    folder = pathlib.Path(folder)
    for shard in read_manifest(folder)['shards']:
        for offset, line in datafiles.lines(folder / shard['name']):
            yield datafiles.parse_object(line, f'{folder / shard["name"]}, byte {offset}')


def read_manifest(folder: str | os.PathLike) -> dict[str, Any]:
    """The manifest of a finished corpus.

    Raises:
      CorpusError: when there is none, or it is not a manifest.
    """
    path = pathlib.Path(folder) / 'manifest.json'
    manifest = read_json(path)
    shards = manifest.get('shards')
    whole = isinstance(shards, list) and all(
        isinstance(shard, dict)
        and all(isinstance(shard.get(name), str) for name in ('name', 'sha256'))
        and pathlib.PurePath(shard['name']).name == shard['name']
        for shard in shards
    )
    if not whole or not isinstance(manifest.get('sha256'), str):
        raise CorpusError(
            f'{path} does not list the shards of a corpus: remove {path.parent} to have it built'
            ' again'
        )
    return manifest


def lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as JSONL."""
    return ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows).encode()


def total_digest(shards: Sequence[Mapping[str, Any]], field: str = 'sha256') -> str:
    """SHA-256 over the digests of the shards, which identifies the corpus."""
    return hashlib.sha256(''.join(shard[field] for shard in shards).encode()).hexdigest()


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a JSON file, atomically."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    private = run_lib.has_address(text)
    datafiles.write_atomic(path, (text + '\n').encode(), private=private)


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """The object in a JSON file of the folder.

    Raises:
      CorpusError: when it is absent or is not a JSON object.
    """
    if not path.exists():
        raise CorpusError(f'{path} does not exist: the corpus is not finished, build it')
    try:
        return datafiles.read_object(path)
    except DataError as error:
        raise CorpusError(f'{error}: remove {path.parent} to have it built again') from error
