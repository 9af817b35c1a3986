"""Packed rows: every token once, segments and weights in step with each other."""

import os
import re
import signal
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlbarrier.data.examples import Encoded, ExamplePacker, assign, chunks
from xlbarrier.data.pack import PackedRows, RowWriter, flow, pack, read_record
from xlbarrier.errors import RunError

DOCUMENTS = st.lists(st.lists(st.integers(1, 60_000), max_size=23), min_size=1, max_size=12).filter(
    any
)
ROW_TOKENS = st.integers(2, 17)


def reference(documents, row_tokens):
    """The same rows, token by token: (token, position, until, weight)."""
    flat = [(d, i, t) for d, ids in enumerate(documents) for i, t in enumerate(ids)]
    rows = []
    for start in range(0, len(flat), row_tokens):
        row = flat[start : start + row_tokens]
        cells = []
        for j, (d, _, token) in enumerate(row):
            mates = [k for k, (other, _, _) in enumerate(row) if other == d]
            cells.append((token, j - mates[0], mates[-1], float(j > mates[0])))
        cells += [(0, 0, j, 0.0) for j in range(len(row), row_tokens)]
        rows.append(cells)
    return rows


def cells(packed: PackedRows):
    return [
        list(zip(*(getattr(packed, n)[r].tolist() for n in FIELDS), strict=True))
        for r in range(len(packed))
    ]


FIELDS = ('tokens', 'positions', 'until', 'weights')


@settings(deadline=None, max_examples=200)
@given(DOCUMENTS, ROW_TOKENS)
def test_rows_equal_a_token_by_token_reference(documents, row_tokens):
    packed = pack(documents, row_tokens)
    assert cells(packed) == reference(documents, row_tokens)
    for name, kind in zip(FIELDS, ('int32', 'int32', 'int32', 'float32'), strict=True):
        assert getattr(packed, name).dtype == kind, name
        assert getattr(packed, name).shape == (len(packed), row_tokens), name


@settings(deadline=None, max_examples=100)
@given(DOCUMENTS, ROW_TOKENS)
def test_every_token_once_and_only_the_tail_padded(documents, row_tokens):
    packed = pack(documents, row_tokens)
    flat = [token for ids in documents for token in ids]
    assert packed.tokens.reshape(-1)[: len(flat)].tolist() == flat
    assert len(packed) == -(-len(flat) // row_tokens)
    padding = packed.tokens.reshape(-1)[len(flat) :]
    assert len(padding) < row_tokens and not padding.any()
    # Every token is predicted but the first of a segment.
    segments = sum(
        1 for row in reference(documents, row_tokens) for t, p, _, _ in row if t and p == 0
    )
    assert packed.loss_tokens == len(flat) - segments


@settings(deadline=None, max_examples=100)
@given(DOCUMENTS, ROW_TOKENS)
def test_a_token_sees_its_own_segment_and_nothing_else(documents, row_tokens):
    """The visibility rule, i sees j iff j <= i <= until[j], against the documents themselves."""
    packed = pack(documents, row_tokens)
    owner = np.full(packed.tokens.size, -1)
    flat = [d for d, ids in enumerate(documents) for _ in ids]
    owner[: len(flat)] = flat
    i, j = np.arange(row_tokens)[:, None], np.arange(row_tokens)[None]
    for row, own in enumerate(owner.reshape(packed.tokens.shape)):
        sees = (j <= i) & (i <= packed.until[row][None])
        same = (own[:, None] == own[None]) & (own[:, None] >= 0)
        assert (sees == ((j <= i) & (same | (i == j)))).all()
        assert (sees.sum(1) == packed.positions[row] + 1).all()
        # What is predicted has a token of its own document before it.
        assert (packed.weights[row] == (packed.positions[row] > 0)).all()


def test_a_document_over_a_rows_end_is_two_segments():
    packed = pack([[5, 6, 7], [8, 9, 10, 11, 12]], 5)
    assert packed.tokens.tolist() == [[5, 6, 7, 8, 9], [10, 11, 12, 0, 0]]
    assert packed.positions.tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 0, 0]]
    assert packed.until.tolist() == [[2, 2, 2, 4, 4], [2, 2, 2, 3, 4]]
    assert packed.weights.tolist() == [[0, 1, 1, 0, 1], [0, 1, 1, 0, 0]]
    assert packed.loss_tokens == 5


def test_two_arms_have_the_same_tokens_in_the_same_rows():
    rng = np.random.default_rng(0)
    arms = [[rng.integers(1, 9, n).tolist() for n in rng.integers(1, 40, 60)] for _ in range(2)]
    taken = [pack(arm, 16).take(50) for arm in arms]
    assert [t.tokens.size for t in taken] == [800, 800]
    assert all(t.tokens.all() for t in taken)  # no padding: no token is 0
    assert (taken[0].tokens == pack(arms[0], 16).tokens[:50]).all()


def test_what_cannot_be_packed_or_taken_is_refused():
    with pytest.raises(ValueError, match='2 documents have no token'):
        pack([[], []], 8)
    with pytest.raises(ValueError, match='0 documents have no token'):
        pack([], 8)
    with pytest.raises(ValueError, match='row_tokens is 1; expected at least 2'):
        pack([[1, 2]], 1)
    with pytest.raises(ValueError, match='3 rows were asked for, 2 are packed'):
        pack([[1, 2, 3, 4]], 2).take(3)


# --- on disk


@pytest.fixture
def packed() -> PackedRows:
    return pack([list(range(1, n)) for n in (5, 2, 30, 11)], 8)


def test_saved_rows_come_back_as_memory_maps(packed, tmp_path):
    packed.save(tmp_path / 'a/rows')
    loaded = PackedRows.load(tmp_path / 'a/rows')
    assert cells(loaded) == cells(packed)
    assert isinstance(loaded.tokens, np.memmap) and not loaded.tokens.flags.writeable
    assert loaded.loss_tokens == packed.loss_tokens
    batch = loaded.take(3).batch(np.array([2, 0]))
    assert sorted(batch) == sorted(FIELDS)
    assert batch['tokens'].tolist() == packed.tokens[[2, 0]].tolist()
    names = sorted(p.name for p in (tmp_path / 'a/rows').iterdir())
    assert names == ['positions.npy', 'rows.json', 'tokens.npy', 'until.npy', 'weights.npy']


def test_rows_saved_again_replace_the_old_under_an_open_reader(packed, tmp_path):
    packed.save(tmp_path)
    before = PackedRows.load(tmp_path)
    other = pack([[7] * 100], 4)
    other.save(tmp_path)
    assert cells(PackedRows.load(tmp_path)) == cells(other)
    assert cells(before) == cells(packed)


@pytest.mark.parametrize(
    ('name', 'damage', 'message'),
    [
        ('tokens.npy', 'truncate', r'tokens\.npy cannot be read'),
        ('until.npy', 'remove', r'until\.npy cannot be read: .*No such file'),
        ('weights.npy', 'type', r"weights\.npy has \('float64', .*expected \('float32'"),
        ('positions.npy', 'shape', r'positions\.npy has \(.int32., \(2, 8\)\), expected'),
        ('rows.json', 'remove', r'rows\.json cannot be read .* not saved whole'),
        ('rows.json', 'truncate', r'rows\.json cannot be read'),
    ],
)
def test_damaged_rows_are_named(packed, tmp_path, name, damage, message):
    packed.save(tmp_path)
    path = tmp_path / name
    if damage == 'truncate':
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == 'remove':
        path.unlink()
    elif damage == 'type':
        np.save(path, packed.weights.astype(np.float64))
    else:
        np.save(path, packed.positions[:2])
    with pytest.raises(ValueError, match=message):
        PackedRows.load(tmp_path)


@pytest.mark.parametrize('replaced', range(5))
def test_a_save_that_is_killed_leaves_no_mixture(packed, tmp_path, replaced):
    """Old rows of the same shape are there; the process dies as it puts a file in its place."""
    packed.save(tmp_path)
    program = f"""
import os, pathlib, signal
from xlbarrier.data import pack
real, calls = os.replace, []
def replace(old, new):
    if len(calls) == {replaced}:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(new)
    real(old, new)
os.replace = replace
pack.pack([[9] * {packed.tokens.size}], 8).save(pathlib.Path({str(tmp_path)!r}))
"""
    answer = subprocess.run([sys.executable, '-c', program], env=os.environ, timeout=60)
    assert answer.returncode == -signal.SIGKILL
    with pytest.raises(ValueError, match=r'rows\.json cannot be read .* not saved whole'):
        PackedRows.load(tmp_path)
    packed.save(tmp_path)
    assert cells(PackedRows.load(tmp_path)) == cells(packed)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ['positions.npy', 'rows.json', 'tokens.npy', 'until.npy', 'weights.npy']


def test_a_write_that_fails_names_the_file(packed, tmp_path):
    """A limit on the size of files stands in for a full disk: the system call fails alike."""
    program = f"""
import pathlib, resource
from xlbarrier.data import pack
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
pack.pack([[9] * 100_000], 8).save(pathlib.Path({str(tmp_path)!r}))
"""
    answer = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert re.search(r'RunError: cannot write .*tokens\.npy: File too large', answer.stderr)
    assert not list(tmp_path.iterdir())
    (tmp_path / 'file').write_text('')
    with pytest.raises(RunError, match=r'cannot write .*file'):
        packed.save(tmp_path / 'file')


# --- a stream, and rows written as they come


@settings(deadline=None, max_examples=100)
@given(st.lists(DOCUMENTS, min_size=1, max_size=4), ROW_TOKENS, st.integers(1, 60))
def test_a_stream_gives_the_rows_of_the_whole(batches, row_tokens, block_tokens):
    blocks = list(flow(batches, row_tokens, block_tokens))
    whole = pack([document for batch in batches for document in batch], row_tokens)
    assert [row for block in blocks for row in cells(block)] == cells(whole)
    assert max(map(len, blocks)) <= max(1, block_tokens // row_tokens)


def test_rows_written_as_they_come_are_those_saved_at_once(packed, tmp_path):
    packed.save(tmp_path / 'a', {'note': 'é'})
    with RowWriter(tmp_path / 'b', 8) as writer:
        for first in range(len(packed)):
            writer.add(PackedRows(*(getattr(packed, n)[first : first + 1] for n in FIELDS)))
        assert cells(writer.finish({'note': 'é'})) == cells(packed)
    for path in (tmp_path / 'a').iterdir():
        assert path.read_bytes() == (tmp_path / 'b' / path.name).read_bytes(), path.name
    assert read_record(tmp_path / 'b') == {'rows': len(packed), 'row_tokens': 8, 'note': 'é'}


# --- examples that stay whole

EXAMPLES = st.lists(st.lists(st.integers(1, 60_000), min_size=1, max_size=9), min_size=1)


@settings(deadline=None, max_examples=200)
@given(EXAMPLES, st.integers(9, 25), st.randoms(use_true_random=False))
def test_examples_stay_whole_once_each_and_keep_their_weights(documents, row_tokens, random):
    weights = [[random.choice([0.0, 1.0]) for _ in ids] for ids in documents]
    with ExamplePacker(row_tokens) as packer:
        packer.add(Encoded(*pair) for pair in zip(documents, weights, strict=True))
        rows = [row for block in packer.rows() for row in cells(block)]
    found = []
    for row in rows:
        at = 0
        while at < row_tokens and row[at][0]:
            end = row[at][2] + 1
            segment = row[at:end]
            assert [cell[1] for cell in segment] == list(range(end - at))
            assert {cell[2] for cell in segment} == {end - 1}
            found.append((tuple(c[0] for c in segment), tuple(c[3] for c in segment)))
            at = end
        assert row[at:] == [(0, 0, j, 0.0) for j in range(at, row_tokens)]
    wanted = [(tuple(i), (0.0, *w[1:])) for i, w in zip(documents, weights, strict=True)]
    assert sorted(found) == sorted(wanted)


LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=40)


@settings(deadline=None, max_examples=300)
@given(LENGTHS, st.integers(12, 30))
def test_no_row_has_room_for_what_another_could_give(lengths, row_tokens):
    row_of = assign(np.array(lengths), row_tokens)
    rows = [[n for n, r in zip(lengths, row_of, strict=True) if r == row] for row in set(row_of)]
    assert len(rows) == row_of.max() + 1
    room = [row_tokens - sum(row) for row in rows]
    assert min(room) >= 0
    for i, row in enumerate(rows):
        for j in range(i):  # whichever was made first had no room for any of the other
            assert min(row) > room[j] or min(rows[j]) > room[i]
    _, firsts = np.unique(row_of, return_index=True)
    assert (np.diff(firsts) > 0).all()  # rows are numbered as their first examples come
    assert (assign(np.array(lengths), row_tokens) == row_of).all()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=7), st.integers(12, 20))
def test_the_first_row_is_as_full_as_any_with_the_longest_can_be(lengths, row_tokens):
    row_of = assign(np.array(lengths), row_tokens)
    longest = lengths.index(max(lengths))
    others = [n for i, n in enumerate(lengths) if i != longest]
    sums = {max(lengths) + sum(some) for k in range(7) for some in combinations(others, k)}
    fullest = max(s for s in sums if s <= row_tokens)
    assert np.bincount(row_of, lengths)[row_of[longest]] == fullest


@pytest.mark.parametrize(('row_tokens', 'fill'), [(512, 0.99), (1024, 0.99), (4096, 0.97)])
def test_examples_of_like_lengths_fill_rows_that_they_do_not_divide(row_tokens, fill):
    """Lengths as those of instructions are; first fit, longest first, fills 96 % of 512 tokens."""
    lengths = np.random.default_rng(0).normal(59, 6, 3000).astype(int).clip(47, 92)
    rows = assign(lengths, row_tokens).max() + 1
    assert lengths.sum() / (rows * row_tokens) >= fill


def test_examples_that_fit_no_row_are_refused():
    with pytest.raises(ValueError, match='1 to 9; expected 1 to row_tokens = 8'):
        assign(np.array([1, 9]), 8)
    with pytest.raises(ValueError, match='0 to 3'):
        assign(np.array([0, 3]), 8)
    with ExamplePacker(8) as packer, pytest.raises(ValueError, match='no example'):
        list(packer.rows())
    with pytest.raises(ValueError, match='row_tokens is 1'):
        ExamplePacker(1)


# --- padded rows


@settings(deadline=None, max_examples=100)
@given(DOCUMENTS, ROW_TOKENS)
def test_padded_rows_have_one_chunk_of_a_document_each(documents, row_tokens):
    pieces = [ids[i : i + row_tokens] for ids in documents for i in range(0, len(ids), row_tokens)]
    pieces = [piece for piece in pieces if len(piece) > 1]  # nothing predicts a token alone
    with ExamplePacker(row_tokens, pad=True) as packer:
        packer.add(piece for ids in documents for piece in chunks(ids, row_tokens))
        if not pieces:
            return
        (packed,) = packer.rows()
    expected = []
    for piece in pieces:
        row = [(t, i, len(piece) - 1, float(i > 0)) for i, t in enumerate(piece)]
        expected.append(row + [(0, 0, j, 0.0) for j in range(len(piece), row_tokens)])
    assert cells(packed) == expected


def test_padded_examples_keep_their_order_and_weights():
    examples = [Encoded([5, 6, 7], [0, 0, 1]), Encoded([8, 9], [0, 0.5]), Encoded([1] * 4, [1] * 4)]
    with ExamplePacker(4, pad=True) as packer:
        packer.add(examples)
        (packed,) = packer.rows()
    assert packed.tokens.tolist() == [[5, 6, 7, 0], [8, 9, 0, 0], [1, 1, 1, 1]]
    assert packed.weights.tolist() == [[0, 0, 1, 0], [0, 0.5, 0, 0], [0, 1, 1, 1]]
    with ExamplePacker(4, pad=True) as packer:
        packer.add([Encoded([1] * 5, [1] * 5)])
        with pytest.raises(ValueError, match='expected 1 to'):
            list(packer.rows())
