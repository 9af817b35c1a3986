"""Ways in which a file can be wrong: a function of a seeded generator and the file's bytes."""

import gzip
import json
import os
import pathlib
import random
import struct
from typing import Any

DEEP = '[' * 20_000 + ']' * 20_000
ODD = [
    None, True, -1, 0, 2**31, 10**30, 1.5, '', ' ', 'x' * 10_000, 'a\0b', '../../x', '/etc/passwd',
    '\ud800', '\u202e', '＄', [], {}, [[]], {'a': {}}, [None], ['x', 1], '1e999', 'nan', '-0',
]  # fmt: skip
BYTES = [
    b'\0', b'\xff\xfe', b'\xef\xbb\xbf', b'\xed\xa0\x80', b'\n' * 50, b'"', b'\\', b'{', b',',
    b'NaN', b'1e999', b'-Infinity', DEEP.encode(), b' ' * 5_000, b'\r', b'\x1b[31m', b'\x85',
]  # fmt: skip
SPECIAL = ('empty', 'folder', 'pipe', 'packed', 'gone', 'link')


def spoil(path: pathlib.Path, rng: random.Random) -> str:
    """Changes a file in place; says how."""
    how = rng.choice(('bytes', 'bytes', 'cut', 'json', 'json', 'json', 'line', 'number', 'special'))
    data = path.read_bytes()
    if how == 'special':
        return _special(path, data, rng)
    if how == 'json':
        changed = _json(path, data, rng)
        how = 'json' if changed is not None else 'bytes'
    if how == 'bytes':
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 3, 20))):
            place = rng.randrange(len(changed) + 1)
            if rng.random() < 0.5 and place < len(changed):
                changed[place] = rng.randrange(256)
            else:
                changed[place:place] = rng.choice(BYTES)
    elif how == 'cut':
        changed = data[: rng.randrange(len(data) + 1)]
    elif how == 'line':
        lines = data.splitlines(keepends=True) or [b'']
        line = rng.randrange(len(lines))
        lines[line : line + 1] = rng.choice(([], [lines[line]] * 2, [lines[-1], lines[line]]))
        changed = b''.join(lines)
    elif how == 'number':  # a length or offset that a binary file claims
        changed = bytearray(data)
        if len(changed) >= 8:
            place = rng.randrange(0, min(len(changed) - 7, 400))
            value = rng.choice((0, 1, 2**31, 2**40, 2**62, 2**64 - 1))
            changed[place : place + 8] = struct.pack('<Q', value)
    path.write_bytes(bytes(changed))
    return how


def _special(path: pathlib.Path, data: bytes, rng: random.Random) -> str:
    how = rng.choice(SPECIAL)
    path.unlink()
    if how == 'empty':
        path.write_bytes(b'')
    elif how == 'folder':
        path.mkdir()
    elif how == 'pipe':
        os.mkfifo(path)
    elif how == 'packed':
        path.write_bytes(gzip.compress(rng.choice((data, b' ' * (64 << 20), data[:-1] + b'\xff'))))
    elif how == 'link':
        path.symlink_to(path)
    return how


def _json(path: pathlib.Path, data: bytes, rng: random.Random) -> bytes | None:
    """A value in a JSON or JSONL file replaced, removed or renamed."""
    try:
        lines = data.decode().splitlines() if path.suffix == '.jsonl' else [data.decode()]
        number = rng.randrange(len(lines))
        value = json.loads(lines[number])
    except (ValueError, RecursionError):
        return None
    lines[number] = json.dumps(odd(value, rng))
    return '\n'.join(lines).encode()


def odd(value: Any, rng: random.Random) -> Any:
    """A JSON value with one part of it, at any depth, made odd."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return rng.choice(ODD)
    copied = dict(value) if isinstance(value, dict) else list(value)
    key = rng.choice(list(copied)) if isinstance(copied, dict) else rng.randrange(len(copied))
    what = rng.random()
    if what < 0.15:
        del copied[key]
    elif what < 0.2 and isinstance(copied, dict):
        copied[rng.choice(('', 'a.b', 'x' * 300, key.upper()))] = copied.pop(key)
    else:
        copied[key] = odd(copied[key], rng)
    return copied
