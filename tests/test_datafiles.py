"""Data files: every format gives the same rows, and what is wrong with a file is named, not raised.

The limits are tested with files that reach them, under a limit of time and memory each.
"""

import bz2
import gzip
import json
import lzma
import math
import os
import socket
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlbarrier import datafiles
from xlbarrier.datafiles import DataError, DataRow, json_reader
from xlbarrier.datafiles import files as files_lib
from xlbarrier.datafiles import rows as rows_lib

ROWS = [
    {'id': 'a', 'text': 'Wo liegt Lomé?', 'n': 1},
    {'id': 'b', 'text': 'أين تقع بغداد؟', 'n': None},
    {'id': 'c', 'text': 'איפה\u2028חיפה?\nבקיצור', 'n': 3},
    {'id': 'd', 'text': '东京 "在" 哪里？', 'n': 4},
]


def jsonl(rows) -> str:
    return ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)


def values(path) -> list[dict]:
    return [dict(row.values) for row in datafiles.read_rows(path)]


def refused(path, words: str):
    with pytest.raises(DataError, match=words) as caught:
        datafiles.read_rows(path)
    assert str(path) in str(caught.value)


# --- formats


def test_every_format_and_compression_gives_the_same_rows(tmp_path):
    text = jsonl(ROWS).encode()
    whole = json.dumps(ROWS, ensure_ascii=False, indent=1).encode()
    contents = {
        'a.jsonl': text,
        'b.ndjson': b'\xef\xbb\xbf' + text.rstrip(b'\n'),
        'c.json': whole,
        'd.json': text,  # an object per line
        'e.jsonl.gz': gzip.compress(text),
        'f.json.xz': lzma.compress(whole),
        'g.jsonl.zst': pa.compress(text, 'zstd', asbytes=True),
        'h.json.bz2': bz2.compress(whole),
        'i.jsonl': gzip.compress(text),  # the first bytes decide, not the name
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert values(tmp_path / name) == ROWS, name
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / 'j.parquet', row_group_size=2)
    assert values(tmp_path / 'j.parquet') == ROWS
    for name, mark in (('k.csv', ','), ('l.tsv', '\t')):
        lines = [['id', 'text'], *([row['id'], row['text']] for row in ROWS)]
        quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row] for row in lines]
        written = '\r\n'.join(mark.join(row) for row in quoted).replace('\nב', '\r\nב')
        (tmp_path / name).write_bytes(b'\xef\xbb\xbf' + written.encode())
        assert values(tmp_path / name) == [{'id': r['id'], 'text': r['text']} for r in ROWS], name


def test_places_of_rows(tmp_path):
    path = tmp_path / 'x.csv'
    path.write_text('id,text\n\na,"two\nlines"\nb,x\n')
    assert [row.where for row in datafiles.read_rows(path)] == [
        f'{path}, line 3',
        f'{path}, line 5',
    ]
    path = tmp_path / 'x.jsonl'
    path.write_text('\n{}\n\n{}')
    assert [row.where for row in datafiles.read_rows(path)] == [
        f'{path}, line 2',
        f'{path}, line 4',
    ]
    path = tmp_path / 'x.json'
    path.write_text('[{}, {}]')
    assert [row.where for row in datafiles.read_rows(path)][1] == f'{path}, record 1'


@settings(deadline=None, max_examples=60)
@given(st.lists(st.dictionaries(st.text(min_size=1), st.text() | st.none() | st.integers())))
def test_lists_are_read_in_chunks_of_any_size(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp('x') / 'x.json'
    path.write_text(json.dumps(rows, ensure_ascii=not len(rows) % 2), encoding='utf-8')
    whole = files_lib.CHUNK_BYTES
    try:
        for size in (1, 3, 7):
            rows_lib.files.CHUNK_BYTES = size
            if rows and b'\\u0000' not in path.read_bytes() and b'\0' not in path.read_bytes():
                assert values(path) == rows
    finally:
        rows_lib.files.CHUNK_BYTES = whole


def test_parquet_of_categories_lists_and_nulls(tmp_path):
    table = pa.table(
        {
            'text': pa.array(['a', None, 'b', 'a']).dictionary_encode(),
            'large': pa.array(['x', 'é', None, 'z'], pa.large_string()),
            'options': [['p', 'q'], [], None, ['r']],
            'number': [1.5, float('nan'), None, 2.0],
        }
    )
    pq.write_table(table, tmp_path / 'x.parquet')
    found = values(tmp_path / 'x.parquet')
    assert [row['text'] for row in found] == ['a', None, 'b', 'a']
    assert [row['large'] for row in found] == ['x', 'é', None, 'z']
    assert [row['options'] for row in found] == [['p', 'q'], [], None, ['r']]
    assert math.isnan(found[1]['number'])
    for i in (1, 2):
        with pytest.raises(DataError, match='row, y: number is empty; expected a value'):
            DataRow('row, y', found[i]).get('number')


# --- JSON


def test_nan_is_an_empty_cell_and_numbers_are_written_out(tmp_path):
    path = tmp_path / 'x.jsonl'
    path.write_text(
        '{"a": NaN, "b": 3, "c": "NaN", "d": 2.5, "e": Infinity, "f": true, "g": "  "}\n'
    )
    (row,) = datafiles.read_rows(path)
    for name in ('a', 'g'):
        with pytest.raises(DataError, match=rf'x\.jsonl, line 1: {name} is empty; expected a'):
            row.text(name)
    assert [row.text(name) for name in 'bcd'] == ['3', 'NaN', '2.5']
    for name in 'ef':
        with pytest.raises(DataError, match=rf'line 1: {name} is .*; expected a text'):
            row.text(name)
    for empty in (np.float64('nan'), float('nan'), None):
        assert datafiles.is_empty(empty)
    assert not datafiles.is_empty(0) and not datafiles.is_empty('')


@pytest.mark.parametrize('opening', ['[', '{"a":', '[{"b":['])
@pytest.mark.parametrize('count', [101, 2_000, 200_000])
@pytest.mark.parametrize('closed', [True, False])
def test_deep_nesting(tmp_path, opening, count, closed):
    closing = {'[': ']', '{"a":': '}', '[{"b":[': ']}]'}[opening]
    text = '{"id": ' + opening * count + '1' + (closing * count if closed else '') + '}'
    for name, content in (('x.jsonl', text), ('y.json', f'[{text}]')):
        (tmp_path / name).write_text(content)
        refused(tmp_path / name, 'nested|not JSON|is cut')
    with pytest.raises(DataError, match=r'y\.json is not JSON'):
        datafiles.read_json(tmp_path / 'y.json')


def test_nesting_up_to_the_limit_is_read():
    depth = json_reader.MAX_DEPTH
    text = '[' * depth + ']' * depth
    assert json.dumps(datafiles.decode_json(text)) == text
    flat = json.dumps([[], {}] * 500)
    assert datafiles.decode_json(f' {flat}\n') == json.loads(flat)
    with pytest.raises(ValueError, match='nested more than 100'):
        datafiles.decode_json(f'[{text}]')


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('[1]', r'is a list \(\[1\]\); expected an object'),
        ('null', 'is a null'),
        ('"x"', 'is a text'),
        ('3', 'is a number'),
        ('true', 'is a boolean'),
        ('{"a": 1} {"b": 2}', 'more after its value, at character 9'),
        ('{"a": ' + '9' * 5000 + '}', 'number of more than 4,300 digits'),
        ('{"a": 1', 'is not JSON'),
        ("{'a': 1}", 'is not JSON'),
        ('{"a": {"b": ["x", "\\ud800"]}}', r'line 2: a\.b\[1\]: character 0 is U\+D800, half a'),
        ('{"\\udfff": 1}', r'a name in the object: character 0 is U\+DFFF'),
    ],
)
def test_lines_that_are_refused(tmp_path, line, words):
    path = tmp_path / 'x.jsonl'
    path.write_text('{"ok": "\\ud83d\\ude00 \\\\ud800"}\n' + line + '\n')
    refused(path, words)
    with pytest.raises(DataError, match='line 2'):
        datafiles.read_rows(path)
    listed = tmp_path / 'x.json'
    listed.write_text(f'[{{"ok": 1}}, {line}]')
    with pytest.raises(DataError, match=r'x\.json'):
        datafiles.read_rows(listed)


def test_objects_of_a_whole_file(tmp_path):
    path = tmp_path / 'x.json'
    for content in ('[]', 'null', '"a"', '3', '', '{', '[' * 100_000, '{} {}'):
        path.write_text(content)
        with pytest.raises(DataError, match=r'x\.json'):
            datafiles.read_object(path)
    path.write_bytes(b'\xef\xbb\xbf {"a": NaN, "b": Infinity}\n')
    assert datafiles.read_object(path) == {'a': None, 'b': math.inf}
    path.write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(DataError, match='byte 7 is 0xe9, which is not UTF-8'):
        datafiles.read_object(path)


# --- what is no file, and files that claim or unpack to too much


def test_pipes_devices_folders_and_odd_names(tmp_path):
    os.mkfifo(tmp_path / 'pipe.jsonl')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / 's.json'))
    (tmp_path / 'd.csv').mkdir()
    for name, kind in (('pipe.jsonl', 'pipe'), ('s.json', 'socket'), ('d.csv', 'folder')):
        for read in (datafiles.read_rows, datafiles.read_text, datafiles.read_json):
            with pytest.raises(DataError, match=f'{name} is a {kind}; expected a file'):
                read(tmp_path / name)
    with pytest.raises(DataError, match=r'pipe\.jsonl is a pipe'):
        datafiles.find(str(tmp_path / 'pipe*'))
    for place in ('/dev/zero', '/dev/stdin'):
        with pytest.raises(DataError, match='expected a file'):
            datafiles.find(place) and datafiles.read_text(place)
    for name in ('a\0b.jsonl', 'x' * 300 + '.jsonl', '../none.jsonl'):
        for read in (datafiles.read_rows, datafiles.find, datafiles.read_json):
            with pytest.raises(DataError):
                read(str(tmp_path / name))


def test_glob_and_exact_names(tmp_path):
    for name in ('a[1].txt', 'a1.txt', 'b.txt'):
        (tmp_path / name).write_text('x')
    assert [p.name for p in datafiles.find(f'{tmp_path}/a[1].txt')] == ['a[1].txt']
    assert [p.name for p in datafiles.find(f'{tmp_path}/a*')] == ['a1.txt', 'a[1].txt']
    (tmp_path / 'c.txt').touch()
    with pytest.raises(DataError, match=r'c\.txt is empty \(0 bytes\)'):
        datafiles.find(f'{tmp_path}/*.txt')


def test_files_that_unpack_to_too_much(tmp_path):
    """In a process that may use 1 GB."""
    block = b'{"text": "' + b'a' * (1 << 20) + b'"}\n'
    with lzma.open(tmp_path / 'bomb.jsonl.xz', 'wb', preset=0) as f:
        for _ in range(300):
            f.write(block)
    with gzip.open(tmp_path / 'line.jsonl.gz', 'wb', compresslevel=1) as f:
        for _ in range(80):
            f.write(b' ' * (1 << 20))
    texts = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(400, np.int32)), pa.array(['a' * (12 << 20)])
    )
    pq.write_table(pa.table({'text': texts}), tmp_path / 'bomb.parquet', compression='zstd')
    script = """
import resource, sys
from xlbarrier import datafiles
import pyarrow, pyarrow.parquet
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
for name in sys.argv[1:]:
    for read in (datafiles.read_rows, datafiles.read_text):
        try:
            read(name)
        except datafiles.DataError as error:
            print(str(error).removeprefix(name)[:50])
"""
    names = ('bomb.jsonl.xz', 'line.jsonl.gz', 'bomb.parquet')
    assert all((tmp_path / name).stat().st_size < 1 << 20 for name in names)
    done = subprocess.run(
        [sys.executable, '-c', script, *(str(tmp_path / name) for name in names)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.splitlines()
    assert len(said) == 6, said
    assert 'too many to' in said[0] or 'texts so far' in said[0]
    assert 'unpacks to more than' in said[1] and 'unpacks to more than' in said[3]
    assert 'longer than' in said[2]
    assert 'texts so far' in said[4]


def test_parquet_that_claims_more_than_it_holds(tmp_path):
    path = tmp_path / 'x.parquet'
    path.write_bytes(b'PAR1' + b'\xff' * 200 + b'\xff\xff\xff\x7fPAR1')
    refused(path, 'cannot be read as Parquet')
    pq.write_table(pa.table({'text': ['x'] * 1000}), path)
    whole = path.read_bytes()
    for end in (4, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:end])
        refused(path, 'cannot be read as Parquet')


@pytest.mark.parametrize('pack', [gzip.compress, lzma.compress, bz2.compress, 'zstd'])
def test_cut_and_damaged_compression(tmp_path, pack):
    content = jsonl([{'i': i, 'text': os.urandom(60).hex()} for i in range(3000)]).encode()
    packed = pa.compress(content, 'zstd', asbytes=True) if pack == 'zstd' else pack(content)
    path = tmp_path / 'x.jsonl.gz'
    path.write_bytes(packed[: len(packed) // 2])
    refused(path, 'ends early or is damaged|is not JSON|is cut')
    with pytest.raises(DataError, match=r'x\.jsonl\.gz'):
        datafiles.read_json(path)


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'id,text\na,"open\n' + b'b,c\n' * 9, 'begins in line 2 cannot be read'),
        (b'id,id\na,b\n', 'line 1: the header names a column twice'),
        (b'id,text\na,b\nc\n', 'line 3: 1 cells; the 2 columns are id, text'),
        (b'id,text\n', 'has no row'),
        (b'', 'has no row'),
        (b'id,text\na,\xe9\n', 'byte 10 is 0xe9'),
        ('id,text\na,b\n'.encode('utf-16'), 'UTF-16'),
        (b'id,text\na,b\0\n', 'byte 11 is NUL'),
    ],
)
def test_csv_that_is_refused(tmp_path, content, words):
    path = tmp_path / 'x.csv'
    path.write_bytes(content)
    refused(path, words)


def test_other_suffixes(tmp_path):
    path = tmp_path / 'x.pkl'
    path.write_bytes(b'x')
    refused(path, r'expected a name that ends in \.jsonl, \.json')
