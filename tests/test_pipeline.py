"""The batch of a step: a pure function, permutations of all rows, no replay on resume."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlbarrier.data.pack import PackedRows, pack
from xlbarrier.data.pipeline import batch_at

ROW = 4


def rows_of(count: int) -> PackedRows:
    """Rows that carry their own number in every token."""
    return pack([[number + 1] * ROW for number in range(count)], ROW)


def numbers(batch) -> list[int]:
    assert (batch['tokens'] == batch['tokens'][:, :1]).all()
    return (batch['tokens'][:, 0] - 1).tolist()


SIZES = (st.integers(1, 13), st.integers(1, 9), st.integers(0, 2**31))


@settings(deadline=None, max_examples=100)
@given(*SIZES)
def test_epochs_are_permutations(rows, batch_rows, seed):
    packed, epochs = rows_of(rows), 3
    steps = -(-rows * epochs // batch_rows)
    seen = [n for step in range(steps) for n in numbers(batch_at(packed, step, batch_rows, seed))]
    for epoch in range(epochs):
        assert sorted(seen[epoch * rows : (epoch + 1) * rows]) == list(range(rows))


@settings(deadline=None, max_examples=50)
@given(*SIZES, st.integers(0, 40))
def test_a_resume_neither_repeats_nor_skips(rows, batch_rows, seed, at):
    packed = rows_of(rows)
    undisturbed = [numbers(batch_at(packed, step, batch_rows, seed)) for step in range(at + 4)]
    resumed = [numbers(batch_at(packed, step, batch_rows, seed)) for step in range(at, at + 4)]
    assert resumed == undisturbed[at:]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 13), st.integers(1, 5), st.integers(0, 9))
def test_the_order_does_not_depend_on_the_batch_size(rows, batch_rows, seed):
    packed = rows_of(rows)
    singles = [numbers(batch_at(packed, step, 1, seed))[0] for step in range(4 * batch_rows)]
    batches = [n for step in range(4) for n in numbers(batch_at(packed, step, batch_rows, seed))]
    assert batches == singles


def test_a_batch_holds_whole_rows_of_all_arrays():
    packed = pack([list(range(1, n)) for n in (7, 2, 30, 11, 5)], 8)
    batch = batch_at(packed, step=3, batch_rows=4, seed=5)
    kinds = {'tokens': 'int32', 'positions': 'int32', 'until': 'int32', 'weights': 'float32'}
    assert {name: str(array.dtype) for name, array in batch.items()} == kinds
    chosen = [packed.tokens.tolist().index(row) for row in batch['tokens'].tolist()]
    for name in kinds:
        assert batch[name].tolist() == getattr(packed, name)[chosen].tolist()


def test_seeds_and_epochs_differ():
    packed = rows_of(50)
    first = numbers(batch_at(packed, 0, 50, seed=0))
    assert first != numbers(batch_at(packed, 1, 50, seed=0))
    assert first != numbers(batch_at(packed, 0, 50, seed=1))
    assert first != list(range(50))


def test_memory_maps_give_the_same_batches_that_may_be_changed(tmp_path):
    packed = rows_of(9)
    packed.save(tmp_path)
    loaded = PackedRows.load(tmp_path)
    for step in range(5):
        batch = batch_at(loaded, step, 4, seed=3)
        assert numbers(batch) == numbers(batch_at(packed, step, 4, seed=3))
        assert not isinstance(batch['tokens'], np.memmap)
        batch['tokens'][:] = 0
    assert numbers(batch_at(loaded, 0, 9, seed=3)) == numbers(batch_at(packed, 0, 9, seed=3))


def test_another_process_draws_the_same():
    """Golden: numpy's PCG64([seed, epoch]).permutation(7), epoch after epoch.

    It changes only if the order of training is meant to change: a run could not be continued.
    """
    golden = [[3, 1, 4, 5], [2, 0, 6, 5], [0, 6, 4, 3], [1, 2, 4, 3]]
    program = """
from xlbarrier.data.pack import pack
from xlbarrier.data.pipeline import batch_at
packed = pack([[n + 1] * 4 for n in range(7)], 4)
print([(batch_at(packed, s, 4, 11)['tokens'][:, 0] - 1).tolist() for s in (0, 1, 2, 3)])
"""
    answer = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.strip() == str(golden)


def test_bad_positions_are_refused():
    packed = rows_of(3)
    with pytest.raises(ValueError, match='step is -1'):
        batch_at(packed, -1, 2, 0)
    with pytest.raises(ValueError, match='batch_rows is 0'):
        batch_at(packed, 0, 0, 0)
