"""Translators for tests of the corpus: what they do to a text can be seen in it.

They speak the protocol of xlbarrier.translate, and keep what they did in one SQLite file, so that
several processes, also killed ones, can be counted over.
"""

import hashlib
import sqlite3
import time
from collections.abc import Sequence

from xlbarrier.translate.base import Failed


class Marked:
    """'a text' becomes 'de(a text)'; with a cache, and a record of every text it was at work on.

    `begun` holds each text a translation was begun for, `done` each whose translation was kept:
    a text begun more often than that was in work when its process was killed.
    """

    def __init__(self, path, languages=('de', 'fr', 'ja', 'ar'), slow=0.0, fails=()):
        self.fingerprint = 'marked-1'
        self.hits = self.misses = 0
        self._languages, self._slow, self._fails = languages, slow, fails
        self._base = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._base.execute('PRAGMA journal_mode = WAL')
        self._base.executescript(
            'CREATE TABLE IF NOT EXISTS begun (target TEXT, text TEXT);'
            'CREATE TABLE IF NOT EXISTS done (target TEXT, text TEXT, answer TEXT,'
            ' PRIMARY KEY (target, text));'
        )

    def supports(self, source: str, target: str) -> bool:
        return source == 'en' and target in self._languages

    def translate(self, texts: Sequence[str], source: str, target: str) -> list:
        found = {}
        for text in dict.fromkeys(texts):
            row = self._base.execute(
                'SELECT answer FROM done WHERE target = ? AND text = ?', (target, text)
            ).fetchone()
            if row:
                found[text] = row[0]
        new = [text for text in dict.fromkeys(texts) if text not in found]
        self.hits += len(texts) - len(new)
        self.misses += len(new)
        self._base.execute('BEGIN IMMEDIATE')
        self._base.executemany('INSERT INTO begun VALUES (?, ?)', [(target, t) for t in new])
        self._base.execute('COMMIT')
        time.sleep(self._slow * len(new))
        failed = [text for text in new if any(word in text for word in self._fails)]
        answers = {text: f'{target}({text})' for text in new if text not in failed}
        self._base.execute('BEGIN IMMEDIATE')
        self._base.executemany(
            'INSERT INTO done VALUES (?, ?, ?)', [(target, t, a) for t, a in answers.items()]
        )
        self._base.execute('COMMIT')
        found |= answers
        return [found.get(text, Failed(f'refused {text!r}')) for text in texts]

    def close(self) -> None:
        self._base.close()


def begun(path) -> dict[tuple[str, str], int]:
    """How often each (target, text) was begun."""
    base = sqlite3.connect(path, timeout=60)
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
