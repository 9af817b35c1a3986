"""Data files: text, JSON, JSONL, CSV, TSV, Parquet, compressed or not; errors name file and row.

All rooms read the files of users through this package, so that the same file gives the same error
everywhere: text that is not UTF-8, JSON that is nested without end, half a surrogate pair, a file
that unpacks to a thousand times its size, a pipe where a file is expected. Files are read as
streams; only one line or record of at most `MAX_RECORD_BYTES` is held in memory.

The first bytes of a file decide whether it is compressed (gzip, xz, zstd, bzip2). The suffix of its
name, before one such as '.gz', decides the format of its records.
"""

from xlbarrier.datafiles.files import (
    MAX_RECORD_BYTES,
    DataError,
    check_unicode,
    decode,
    file_size,
    find,
    lines,
    open_stream,
    read_bytes,
    read_text,
    suffix,
    text_lines,
)
from xlbarrier.datafiles.json_reader import (
    as_object,
    decode_json,
    kind_of,
    parse_json,
    parse_object,
    read_json,
    read_object,
)
from xlbarrier.datafiles.rows import (
    MAX_TABLE_BYTES,
    SUFFIXES,
    DataRow,
    as_text,
    is_empty,
    read_cells,
    read_rows,
    stream_rows,
)
from xlbarrier.datafiles.writing import temporary_of, write_atomic, writing

__all__ = [
    'MAX_RECORD_BYTES',
    'MAX_TABLE_BYTES',
    'SUFFIXES',
    'DataError',
    'DataRow',
    'as_object',
    'as_text',
    'check_unicode',
    'decode',
    'decode_json',
    'file_size',
    'find',
    'is_empty',
    'kind_of',
    'lines',
    'open_stream',
    'parse_json',
    'parse_object',
    'read_bytes',
    'read_cells',
    'read_json',
    'read_object',
    'read_rows',
    'read_text',
    'stream_rows',
    'suffix',
    'temporary_of',
    'text_lines',
    'write_atomic',
    'writing',
]
