"""Files as bytes and as text: what may be opened, decompression, UTF-8, limits."""

import bz2
import glob
import gzip
import io
import lzma
import os
import pathlib
import stat
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from xlbarrier.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_RECORD_BYTES = 16 << 20  # of one line, record or document: it is held in memory whole
MAX_RATIO = 100  # unpacked bytes per byte of a compressed file that is read as a whole
ALWAYS_BYTES = 64 << 20  # a small file may unpack to this many, whatever the ratio
CHUNK_BYTES = 1 << 16
COMPRESSIONS = {
    b'\x1f\x8b': 'gzip',
    b'\xfd7zXZ\x00': 'xz',
    b'\x28\xb5\x2f\xfd': 'zstd',
    b'BZh': 'bzip2',
}
COMPRESSION_SUFFIXES = ('.gz', '.xz', '.zst', '.zstd', '.bz2')
# What decompressing streams raise.
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, OSError)


class DataError(InputError):
    """Data that cannot be used: names the file, the row and the field."""


def find(pattern: str) -> list[pathlib.Path]:
    """The files of a path or glob, by name. The exact name of a file is not a glob: 'a[1].txt'.

    A path or glob on an object store gives local copies; see `places`.

    Raises:
      DataError: when there is none, or one of them is empty, cannot be read, or is not a file.
    """
    from xlbarrier.datafiles import places

    place = os.path.expanduser(pattern)
    if '\0' in place:
        raise DataError(f'{pattern!r} contains a NUL character, which no file name can')
    if places.is_remote(place):
        paths = places.fetch_files(place)
    else:
        names = [place] if os.path.exists(place) else sorted(glob.glob(place, recursive=True))
        paths = [pathlib.Path(name) for name in names if not os.path.isdir(name)]
    if not paths:
        raise DataError(f'{pattern}: no such file. Expected a path, or a glob such as texts/*.txt')
    for path in paths:
        if not file_size(path):
            raise DataError(f'{path} is empty (0 bytes): remove it or leave it out')
        try:
            path.open('rb').close()
        except OSError as error:
            raise DataError(f'{path} cannot be read: {error.strerror}') from error
    return paths


def file_size(path: str | os.PathLike) -> int:
    """The size of an ordinary file in bytes. A pipe or device, which may never end, is refused.

    Raises:
      DataError: when there is no such file, or it is a folder, pipe, socket or device.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        said = getattr(error, 'strerror', None) or error
        raise DataError(f'{path} cannot be read: {said}') from error
    if not stat.S_ISREG(found.st_mode):
        kinds = ((stat.S_ISDIR, 'folder'), (stat.S_ISFIFO, 'pipe'), (stat.S_ISSOCK, 'socket'))
        kind = next((name for test, name in kinds if test(found.st_mode)), 'device')
        raise DataError(f'{path} is a {kind}; expected a file: save its content to one first')
    return found.st_size


def suffix(path: pathlib.Path) -> str:
    """The suffix that gives the format, in lower case, without one of compression: '.csv'."""
    name = path.with_suffix('') if path.suffix.lower() in COMPRESSION_SUFFIXES else path
    return name.suffix.lower()


def open_stream(path: pathlib.Path) -> BinaryIO:
    """The bytes of a file, decompressed where its first bytes are those of a compressed file.

    Raises:
      DataError: when it cannot be opened, or is not a file.
    """
    file_size(path)
    try:
        with path.open('rb') as f:
            head = f.read(6)
        kind = next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), '')
        return _opened(path, kind)
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror or error}') from error


def _opened(path: pathlib.Path, kind: str) -> BinaryIO:
    if kind == 'gzip':
        return cast(BinaryIO, gzip.open(path, 'rb'))
    if kind == 'xz':
        return cast(BinaryIO, lzma.open(path, 'rb'))
    if kind == 'bzip2':
        return cast(BinaryIO, bz2.open(path, 'rb'))
    if kind == 'zstd':
        import pyarrow as pa

        return io.BufferedReader(_Readable(pa.CompressedInputStream(pa.OSFile(str(path)), 'zstd')))
    return path.open('rb')


class _Readable(io.RawIOBase):
    """A decompressing stream of pyarrow as a raw stream of Python."""

    def __init__(self, stream: 'pa.NativeFile'):
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def read_bytes(path: str | os.PathLike) -> bytes:
    """All bytes of a file, decompressed; compressed at most `MAX_RATIO` to 1 beyond 64 MiB.

    Raises:
      DataError: when it cannot be read or decompressed, or unpacks to far more than its size.
    """
    path = pathlib.Path(path)
    limit = max(64 << 20, MAX_RATIO * file_size(path))
    parts, size = [], 0
    with open_stream(path) as stream:
        while data := read_part(stream, path, size):
            parts.append(data)
            size += len(data)
            if size > limit:
                raise DataError(
                    f'{path} unpacks to more than {limit} bytes, {MAX_RATIO} times its size:'
                    ' decompress it yourself if that is as it should be'
                )
    return b''.join(parts)


def read_text(path: str | os.PathLike) -> str:
    """The text of a UTF-8 file, compressed or not, without a byte order mark.

    Raises:
      DataError: as `read_bytes` does, or naming the first byte that is not UTF-8.
    """
    path = pathlib.Path(path)
    return decode(read_bytes(path), path).removeprefix('\ufeff')


def lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Each line of a UTF-8 file and the offset of its first byte in the decompressed text.

    Lines end at line feeds only: texts contain other characters at which Python ends lines. The end
    of each line is kept; a byte order mark at the start is not.

    Raises:
      DataError: for bytes that are not UTF-8, a NUL, a line longer than MAX_RECORD_BYTES, or
        compressed data that ends early or is damaged.
    """
    offset = 0
    with open_stream(path) as stream:
        while data := read_part(stream, path, offset, line=True):
            if len(data) > MAX_RECORD_BYTES:
                raise DataError(
                    f'{path}: the line at byte {offset} is longer than {MAX_RECORD_BYTES} bytes'
                    ' (16 MiB), the most that a line may have: cut it into lines first'
                )
            text = decode(data, path, offset)
            yield offset, text.removeprefix('\ufeff') if not offset else text
            offset += len(data)


def text_lines(path: pathlib.Path) -> list[str]:
    """The lines of a text file without their ends, LF or CRLF.

    Raises:
      DataError: for what cannot be read or is not UTF-8, or a file without a line.
    """
    found = [line.removesuffix('\n').removesuffix('\r') for _, line in lines(path)]
    if found in ([], ['']):
        raise DataError(f'{path} has no line')
    return found


def read_part(stream: BinaryIO, path: pathlib.Path, offset: int, *, line: bool = False) -> bytes:
    """The next bytes of a stream, or its next line; errors name the offset that was reached.

    Raises:
      DataError: for compressed data that ends early or is damaged.
    """
    try:
        return stream.readline(MAX_RECORD_BYTES + 1) if line else stream.read(CHUNK_BYTES)
    except _DAMAGED as error:
        raise DataError(
            f'{path}: the compressed data ends early or is damaged after byte {offset} of its'
            f' text ({error}): fetch the file again'
        ) from error


def decode(data: bytes, path: str | os.PathLike, offset: int = 0) -> str:
    """UTF-8 bytes of a file as text; `offset` is the position of their first byte in the file.

    Raises:
      DataError: naming the byte that is not UTF-8, or is NUL.
    """
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError as error:
        place = offset + error.start
        utf16 = offset == 0 and data[:2] in (b'\xff\xfe', b'\xfe\xff')
        guess = 'UTF-16 (by its first bytes)' if utf16 else 'perhaps ISO 8859-1'
        raise DataError(
            f'{path}: byte {place} is 0x{data[error.start]:02x}, which is not UTF-8 there; it is'
            f' {guess}. Convert it: iconv -f {"UTF-16" if utf16 else "LATIN1"} -t UTF-8'
        ) from error
    if '\0' in text:
        place = offset + data.index(b'\0')
        raise DataError(f'{path}: byte {place} is NUL: not text, or UTF-16; convert it to UTF-8')
    return text


def check_unicode(text: str, where: str) -> str:
    r"""The text, if it can be written as UTF-8 and is short enough to be held in memory.

    Raises:
      DataError: for half a surrogate pair, which JSON's \ud800 can smuggle in, or a text longer
        than MAX_RECORD_BYTES.
    """
    try:
        size = len(text.encode()) if not text.isascii() else len(text)
    except UnicodeEncodeError as error:
        raise DataError(
            f'{where}: character {error.start} is U+{ord(text[error.start]):04X}, half a surrogate'
            ' pair: not valid text'
        ) from error
    if size > MAX_RECORD_BYTES:
        raise DataError(
            f'{where}: a text of {size} bytes; a text may have {MAX_RECORD_BYTES} (16 MiB):'
            ' cut it first'
        )
    return text
