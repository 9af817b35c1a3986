"""Local files as streams of text: globs, compression, and errors that name the byte."""

import bz2
import glob
import gzip
import io
import lzma
import os
import pathlib
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from xlbarrier.corpus.documents import MAX_DOCUMENT_BYTES, SourceError

COMPRESSIONS = {
    b'\x1f\x8b': 'gzip',
    b'\xfd7zXZ\x00': 'xz',
    b'\x28\xb5\x2f\xfd': 'zstd',
    b'BZh': 'bzip2',
}
SUFFIXES = ('.gz', '.xz', '.zst', '.zstd', '.bz2')


def find(pattern: str) -> list[pathlib.Path]:
    """The files of a path or glob, by name. What is a file's very name is no glob: 'a[1].txt'.

    Raises:
      SourceError: when there is none, or one of them is empty or cannot be read.
    """
    place = os.path.expanduser(pattern)
    names = [place] if os.path.isfile(place) else sorted(glob.glob(place, recursive=True))
    files = [pathlib.Path(name) for name in names if not os.path.isdir(name)]
    if not files:
        raise SourceError(f'{pattern}: no such file. Wanted a path, or a glob such as texts/*.txt')
    for path in files:
        try:
            with path.open('rb') as f:
                if not f.read(1):
                    raise SourceError(f'{path} is empty (0 bytes): remove it or leave it out')
        except OSError as error:
            raise SourceError(f'{path} cannot be read: {error.strerror}') from error
    return files


def suffix(path: pathlib.Path) -> str:
    """The ending that says the format, without one that says the compression: '.csv'."""
    name = path.with_suffix('') if path.suffix in SUFFIXES else path
    return name.suffix.lower()


def open_stream(path: pathlib.Path) -> BinaryIO:
    """The file's bytes, decompressed where its first bytes say gzip, xz, zstd or bzip2."""
    with path.open('rb') as f:
        head = f.read(6)
    kind = next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), None)
    if kind == 'gzip':
        return gzip.open(path, 'rb')
    if kind == 'xz':
        return lzma.open(path, 'rb')
    if kind == 'bzip2':
        return bz2.open(path, 'rb')
    if kind == 'zstd':
        return io.BufferedReader(_Readable(pa.CompressedInputStream(pa.OSFile(str(path)), 'zstd')))
    return path.open('rb')


def lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Each line of a UTF-8 file with the byte it begins at, in the decompressed text.

    The line's own end is kept; a byte order mark at the start is not.

    Raises:
      SourceError: for bytes that are not UTF-8, a NUL, a line of more than MAX_DOCUMENT_BYTES, or
        compressed data that ends early or is damaged.
    """
    offset = 0
    with open_stream(path) as stream:
        while data := _line(stream, path, offset):
            if len(data) > MAX_DOCUMENT_BYTES:
                raise SourceError(
                    f'{path}: the line at byte {offset} is longer than {MAX_DOCUMENT_BYTES} bytes'
                    ' (16 MiB), which a document may not be: cut it into lines first'
                )
            text = decode(data, path, offset)
            yield offset, text.removeprefix('\ufeff') if not offset else text
            offset += len(data)


def decode(data: bytes, path: pathlib.Path, offset: int) -> str:
    """UTF-8 bytes of a file as text; `offset` is where in the file they begin.

    Raises:
      SourceError: naming the byte that is not UTF-8, or is NUL.
    """
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError as error:
        place = offset + error.start
        utf16 = offset == 0 and data[:2] in (b'\xff\xfe', b'\xfe\xff')
        guess = 'UTF-16 (by its first bytes)' if utf16 else 'perhaps ISO 8859-1'
        raise SourceError(
            f'{path}: byte {place} is 0x{data[error.start]:02x}, which is not UTF-8 there; it is'
            f' {guess}. Convert it: iconv -f {"UTF-16" if utf16 else "LATIN1"} -t UTF-8'
        ) from error
    if '\0' in text:
        place = offset + data.index(b'\0')
        raise SourceError(f'{path}: byte {place} is NUL: no text, or UTF-16; convert it to UTF-8')
    return text


def check_unicode(text: str, where: str) -> str:
    r"""The text, where it can be written as UTF-8.

    Raises:
      SourceError: for half a surrogate pair, which JSON's \ud800 can smuggle in.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SourceError(
            f'{where}: character {error.start} is U+{ord(text[error.start]):04X}, half a surrogate'
            ' pair: no valid text'
        ) from error
    if len(text) * 4 > MAX_DOCUMENT_BYTES and len(text.encode()) > MAX_DOCUMENT_BYTES:
        raise SourceError(
            f'{where}: a text of {len(text.encode())} bytes; a document may have'
            f' {MAX_DOCUMENT_BYTES} (16 MiB): cut it first'
        )
    return text


class _Readable(io.RawIOBase):
    """pyarrow's decompressing stream as Python's raw stream."""

    def __init__(self, stream: pa.NativeFile):
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _line(stream: BinaryIO, path: pathlib.Path, offset: int) -> bytes:
    try:
        return stream.readline(MAX_DOCUMENT_BYTES + 1)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise SourceError(
            f'{path}: the compressed data ends early or is damaged behind byte {offset} of its'
            f' text ({error}): fetch the file again'
        ) from error
