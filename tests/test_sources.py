"""Files as documents: every format and compression, and every way in which a file can be bad."""

import bz2
import gzip
import json
import lzma
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xlbarrier import datafiles
from xlbarrier.config.corpus import TextConfig
from xlbarrier.corpus import sources
from xlbarrier.datafiles import DataError

TEXTS = ['First text.\nTwo lines.', '  ', 'Zweiter „Text“, ein längerer.', '第三。', 'é' * 10]
KEPT = [text.strip() for text in TEXTS if text.strip()]


def read(spec, **fields):
    source = sources.open_source(spec, TextConfig(**fields))
    return [[part.text for part in document.parts] for document in source.documents()]


def zstd(data):
    return pa.Codec('zstd').compress(data, asbytes=True)


PACK = {'': bytes, '.gz': gzip.compress, '.xz': lzma.compress, '.zst': zstd, '.bz2': bz2.compress}


def write_all(folder, suffix):
    """The same texts as JSONL, CSV and TSV, packed."""
    pack = PACK[suffix]
    jsonl = ''.join(json.dumps({'id': i, 'text': t}) + '\n' for i, t in enumerate(TEXTS))
    (folder / f'a.jsonl{suffix}').write_bytes(pack(jsonl.encode()))
    for name, mark in (('csv', ','), ('tsv', '\t')):
        rows = ''.join(f'{i}{mark}"{t}"\r\n' for i, t in enumerate(TEXTS))
        (folder / f'a.{name}{suffix}').write_bytes(pack(f'id{mark}text\r\n{rows}'.encode()))


@pytest.mark.parametrize('suffix', PACK)
def test_the_same_texts_from_every_format(tmp_path, suffix):
    write_all(tmp_path, suffix)
    for spec in ('jsonl:{}/a.jsonl', 'csv:{}/a.csv', 'csv:{}/a.tsv'):
        assert read(spec.format(tmp_path) + suffix) == [[text] for text in KEPT]


def test_parquet(tmp_path):
    table = pa.table({'id': range(len(TEXTS)), 'body': TEXTS})
    pq.write_table(table, tmp_path / 'a.parquet', row_group_size=2)
    spec = f'parquet:{tmp_path}/*.parquet'
    assert read(spec, field='body') == [[text] for text in KEPT]
    with pytest.raises(DataError, match="no 'text'; it has 'id', 'body'"):
        sources.open_source(spec, TextConfig())
    with pytest.raises(DataError, match="column 'id' is int64; expected string"):
        sources.open_source(spec, TextConfig(field='id'))
    whole = (tmp_path / 'a.parquet').read_bytes()
    (tmp_path / 'b.parquet').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r'b\.parquet is not Parquet'):
        sources.open_source(spec, TextConfig(field='body'))


@pytest.mark.parametrize(
    'kind', [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_every_kind_of_text_column_of_parquet(tmp_path, kind):
    pq.write_table(pa.table({'text': pa.array(TEXTS).cast(kind)}), tmp_path / 'a.parquet')
    assert read(f'parquet:{tmp_path}/a.parquet') == [[text] for text in KEPT]


def test_a_name_with_the_signs_of_a_glob(tmp_path):
    (tmp_path / 'a[1].txt').write_text('one')
    (tmp_path / 'a1.txt').write_text('other')
    assert read(f'text:{tmp_path}/a[1].txt') == [['one']]


def test_plain_text_as_lines_paragraphs_and_files(tmp_path):
    (tmp_path / 'a.txt').write_text('\ufeffone\ntwo\n \n\nthree', encoding='utf-8')
    (tmp_path / 'b.txt').write_text('four\r\n', encoding='utf-8')
    spec = f'text:{tmp_path}/*.txt'
    assert read(spec, documents='line') == [['one'], ['two'], ['three'], ['four']]
    assert read(spec, documents='paragraph') == [['one\ntwo'], ['three'], ['four']]
    assert read(spec, documents='file') == [['one\ntwo\n \n\nthree'], ['four']]
    source = sources.open_source(spec, TextConfig(documents='line'))
    assert [d.parts[0].row for d in source.documents()] == [0, 1, 2, 3]
    assert [d.id for d in source.documents()] == ['0', '1', '2', '3']
    assert source.described == {
        'files': [{'name': 'a.txt', 'bytes': 19}, {'name': 'b.txt', 'bytes': 6}]
    }


def refused(spec, message, **fields):
    with pytest.raises(DataError, match=message):
        read(spec, **fields)


def test_wrong_encodings_are_told_with_file_and_byte(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'good line\n' * 100 + 'schön'.encode('latin-1') + b'\n')
    refused(f'text:{path}', r'a\.txt: byte 1003 is 0xf6, .* perhaps ISO 8859-1')
    (tmp_path / 'a.txt.gz').write_bytes(gzip.compress(path.read_bytes()))
    refused(f'text:{tmp_path}/a.txt.gz', r'a\.txt\.gz: byte 1003 is 0xf6')
    path.write_text('UTF-16 it is', encoding='utf-16')
    refused(f'text:{path}', r'byte 0 is 0xff, .* UTF-16')
    path.write_bytes(b'good line\n' + 'no mark'.encode('utf-16-le'))
    refused(f'text:{path}', r'byte 11 is NUL')
    (tmp_path / 'a.jsonl').write_text('{"text": "ok"}\n{"text": "half \\ud83d pair"}\n')
    refused(f'jsonl:{tmp_path}/a.jsonl', r'a\.jsonl, line 2: text: character 5 is U\+D83D')


def test_empty_files(tmp_path):
    (tmp_path / 'a.txt').write_text('text')
    (tmp_path / 'b.txt').touch()
    for kind in ('text', 'wikitext', 'jsonl', 'csv', 'parquet'):
        with pytest.raises(DataError, match=r'b\.txt is empty \(0 bytes\)'):
            sources.open_source(f'{kind}:{tmp_path}/*.txt', TextConfig())
    (tmp_path / 'b.txt').write_text('\n \n')
    for kind in ('text', 'wikitext'):
        refused(f'{kind}:{tmp_path}/*.txt', r'b\.txt has no line of text')
    (tmp_path / 'b.jsonl').write_text('{"text": " "}\n')
    refused(f'jsonl:{tmp_path}/b.jsonl', r"b\.jsonl has no text in its field 'text'")
    (tmp_path / 'b.csv').write_text('text\n')
    refused(f'csv:{tmp_path}/b.csv', r'b\.csv has no row')


def test_a_line_of_50_mb_is_refused_before_it_is_read_whole(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'short\n' + b'long line ' * 5_000_000 + b'\nshort\n')
    for kind in ('text', 'wikitext'):
        tracemalloc.start()
        refused(f'{kind}:{path}', r'a\.txt: the line at byte 6 is longer than 16777216 bytes')
        assert tracemalloc.get_traced_memory()[1] < 45e6
        tracemalloc.stop()
    (tmp_path / 'b.txt').write_bytes(b'many lines\n' * 2_000_000)
    refused(f'text:{tmp_path}/b.txt', r'the paragraph at byte 1677.* is longer than')
    assert datafiles.lines(tmp_path / 'b.txt').__next__() == (0, 'many lines\n')
    packed = tmp_path / 'c.parquet'
    pq.write_table(pa.table({'text': ['x' * 17_000_000]}), packed)
    refused(f'parquet:{packed}', r'row 0: a text of 17000000 bytes')


@pytest.mark.parametrize('suffix', ['.gz', '.xz', '.zst', '.bz2'])
def test_truncated_and_damaged_compressed_files(tmp_path, suffix):
    data = PACK[suffix](b''.join(b'line %d of the text\n' % (i * i) for i in range(30_000)))
    path = tmp_path / f'a.txt{suffix}'
    path.write_bytes(data[: len(data) * 2 // 3])
    refused(f'text:{path}', r'ends early or is damaged after byte \d+', documents='line')
    path.write_bytes(data[:2000] + bytes(200) + data[2200:])
    refused(f'text:{path}', r'ends early or is damaged after byte \d+', documents='line')


def test_bad_records_are_named(tmp_path):
    path = tmp_path / 'a.jsonl'
    for line, message in [
        ('{"text": "a"', r'line 2 is not JSON'),
        ('["a"]', r'line 2 is a list .*; expected an object'),
        ('{"body": "a"}', r"line 2 has no 'text'; it has 'body'"),
        ('{"text": 3}', r"line 2: field 'text' is a number; expected a text"),
        ('{"text": null}', r"field 'text' is a null"),
    ]:
        path.write_text('{"text": "a"}\n' + line + '\n')
        refused(f'jsonl:{path}', message)
    path = tmp_path / 'a.csv'
    for text, message in [
        ('id,body\n1,a\n', r"line 2 has no 'text'; it has 'id', 'body'"),
        ('id,text\n1,a\n2,b,c\n', r'line 3: 3 cells; the 2 columns are id, text'),
        ('id,text\n1,a\n2,"b\n', r'begins in line 3 cannot be read'),
    ]:
        path.write_text(text)
        refused(f'csv:{path}', message)


def test_bad_places_are_told_when_the_source_is_opened(tmp_path):
    for spec, message in [
        ('book:a.txt', "source is 'book:a.txt'; expected countries, or KIND:PLACE"),
        ('text:', 'expected countries, or KIND:PLACE'),
        ('a.txt', 'expected countries, or KIND:PLACE'),
        (f'text:{tmp_path}/*.txt', 'no such file'),
        (f'text:{tmp_path}', 'no such file'),
    ]:
        with pytest.raises(DataError, match=message):
            sources.open_source(spec, TextConfig())
    (tmp_path / 'a.jsonl').write_text('{"body": "a"}\n')
    with pytest.raises(DataError, match="no 'text'; it has 'body'"):
        sources.open_source(f'jsonl:{tmp_path}/a.jsonl', TextConfig())


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for size in (16_000, 64_000):  # each larger than any reader's buffer
        path = tmp_path / f'{size}.jsonl.gz'
        lines = (json.dumps({'text': f'Text number {i}. ' * 20}) + '\n' for i in range(size))
        path.write_bytes(gzip.compress(''.join(lines).encode(), 1))
        source = sources.open_source(f'jsonl:{path}', TextConfig())
        tracemalloc.start()
        assert sum(1 for _ in source.documents()) == size
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 50_000
