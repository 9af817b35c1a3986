"""Texts and examples in padded rows, one in each, as the papers' scripts train."""

import itertools

import numpy as np
import pytest

from xlbarrier.config.data import DataConfig
from xlbarrier.data import tokenize
from xlbarrier.data.pack import PackedRows, read_record
from xlbarrier.datafiles import DataError
from xlbarrier.progress import Progress
from xlbarrier.qa import forms, packing

TEXTS = ['Lomé liegt in Togo.', 'x', 'بغداد في العراق ' * 9, '東京は日本にある。' * 5, 'The end.']
ROW = 16


def padded(tokenizer, folder, texts, limit=0):
    key = {'row_tokens': ROW, 'limit': limit, 'pad': True}
    with Progress('packing') as progress:
        packing.pack_texts(iter(texts), tokenizer, key, folder, progress)
    return PackedRows.load(folder), read_record(folder)


def test_a_chunk_of_a_text_in_each_row(tokenizer, tmp_path):
    rows, record = padded(tokenizer, tmp_path, TEXTS)
    documents = list(itertools.chain(*tokenize.encode_stream(tokenizer, TEXTS)))
    pieces = [ids[i : i + ROW] for ids in documents for i in range(0, len(ids), ROW)]
    pieces = [piece for piece in pieces if len(piece) > 1]
    assert len(rows) == len(pieces) > len(TEXTS)
    for i, piece in enumerate(pieces):
        size = len(piece)
        assert rows.tokens[i].tolist() == [*piece, *[0] * (ROW - size)]
        assert rows.weights[i].tolist() == [0, *[1] * (size - 1), *[0] * (ROW - size)]
        assert rows.positions[i, :size].tolist() == list(range(size))
        assert (rows.until[i, :size] == size - 1).all()
        assert rows.until[i, size:].tolist() == list(range(size, ROW))  # padding sees itself alone
    assert record['tokens'] == sum(map(len, pieces)) and record['documents'] == len(TEXTS)
    assert record['loss_tokens'] == sum(len(piece) - 1 for piece in pieces)


def test_the_limit_is_of_rows_and_no_more_is_read(tokenizer, tmp_path):
    whole, _ = padded(tokenizer, tmp_path / 'whole', TEXTS)
    read = []
    endless = (read.append(i) or TEXTS[i % len(TEXTS)] for i in itertools.count())
    rows, record = padded(tokenizer, tmp_path / 'some', endless, limit=4)
    assert len(rows) == 4 and len(read) < 100_000
    np.testing.assert_array_equal(rows.tokens, whole.tokens[:4])
    assert record['tokens'] == record['loss_tokens'] + 4


@pytest.mark.parametrize('pad', [False, True])
def test_examples_padded_and_packed_have_the_same_tokens_and_weights(tokenizer, tmp_path, pad):
    asked = [{'question': 'Who?', 'answer': 'I' * n} for n in (1, 9, 3, 20, 2)]
    examples = [forms.example(record, f'line {i}') for i, record in enumerate(asked)]
    key = {'row_tokens': 64, **({'pad': True} if pad else {})}
    with Progress('packing') as progress:
        packing.pack_examples(DataConfig(), iter(examples), tokenizer, key, tmp_path, progress)
    rows, record = PackedRows.load(tmp_path), read_record(tmp_path)
    (encoded,) = packing.encode_examples(DataConfig(), examples, tokenizer)
    assert (len(rows) == len(examples)) == pad
    assert record['examples'] == len(examples)
    assert record['tokens'] == sum(len(e.ids) for e in encoded)
    segments = []
    for i in range(len(rows)):
        for start in np.flatnonzero(rows.positions[i] == 0):
            cut = slice(start, rows.until[i, start] + 1)
            if rows.weights[i, cut].any():
                segments.append((rows.tokens[i, cut].tolist(), rows.weights[i, cut].tolist()))
    expected = [(list(e.ids), [0, *e.weights[1:]]) for e in encoded]
    assert (segments == expected) or (not pad and sorted(segments) == sorted(expected))


def test_no_text_at_all(tokenizer, tmp_path):
    with pytest.raises(ValueError, match='there is no example'):
        padded(tokenizer, tmp_path, [])


def test_an_example_that_is_too_long_for_its_row_is_an_error(tokenizer, tmp_path):
    long = forms.example({'question': 'Who?', 'answer': 'I ' * 60}, 'qa.jsonl, line 3')
    with (
        Progress('packing') as progress,
        pytest.raises(DataError, match=r'line 3: the example has'),
    ):
        key = {'row_tokens': 16, 'pad': True}
        packing.pack_examples(DataConfig(), iter([long]), tokenizer, key, tmp_path, progress)
