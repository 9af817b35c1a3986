"""Translators for tests of the corpus: what they do to a text can be seen in it."""

import hashlib
import pathlib
import sqlite3
import time
from collections.abc import Sequence

from xlbarrier.translate.cache import CachedTranslator
from xlbarrier.translate.protocol import Failed


class Marked:
    """'a text' becomes 'de(a text)'. Every text it is at work on is written down first.

    The record is one file for all processes, and is read by `begun`: a text that stands there more
    often than once was not kept the first time, since its process was killed at work on it.
    """

    def __init__(self, log, languages, slow, fails):
        self.fingerprint = 'marked-1'
        self._languages, self._slow, self._fails = languages, slow, fails
        self._base = sqlite3.connect(log, timeout=60, isolation_level=None, check_same_thread=False)
        self._base.execute('PRAGMA journal_mode = WAL')
        self._base.execute('CREATE TABLE IF NOT EXISTS begun (target TEXT, text TEXT)')

    def supports(self, source: str, target: str) -> bool:
        return source == 'en' and target in self._languages

    def translate(self, texts: Sequence[str], source: str, target: str) -> list:
        self._base.execute('BEGIN IMMEDIATE')
        self._base.executemany('INSERT INTO begun VALUES (?, ?)', [(target, t) for t in texts])
        self._base.execute('COMMIT')
        time.sleep(self._slow * len(texts))
        return [
            Failed(f'refused {text!r}')
            if any(word in text for word in self._fails)
            else f'{target}({text})'
            for text in texts
        ]

    def close(self) -> None:
        self._base.close()


def marked(cache, languages=('de', 'fr', 'ja', 'ar'), slow=0.0, fails=()) -> CachedTranslator:
    """`Marked` behind the real cache at `cache`; slow: seconds a text; fails: words it refuses."""
    return CachedTranslator(Marked(f'{cache}.log', languages, slow, fails), cache)


def begun(cache) -> dict[tuple[str, str], int]:
    """How often each (target, text) was given to the translator behind a cache."""
    if not pathlib.Path(f'{cache}.log').exists():
        return {}
    base = sqlite3.connect(f'{cache}.log', timeout=60)
    try:
        rows = base.execute('SELECT target, text, COUNT(*) FROM begun GROUP BY target, text')
        return {(target, text): count for target, text, count in rows}
    except sqlite3.OperationalError:  # the table is not there yet
        return {}
    finally:
        base.close()


def content(folder) -> dict[str, str]:
    """Digest of every file of a corpus but build.json, which no two builds share."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and path.name != 'build.json'
    }
