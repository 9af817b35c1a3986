"""The trie plan: what the step and the visibility rule rely on, on random requests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlbarrier.scoring import plan as plan_lib
from xlbarrier.scoring import request as request_lib
from xlbarrier.scoring.request import Request

# Four tokens only, so that prefixes are shared often; ragged lengths.
TOKENS = st.integers(0, 3)
REQUESTS = st.lists(
    st.builds(
        Request,
        st.lists(TOKENS, min_size=1, max_size=9).map(tuple),
        st.lists(TOKENS, min_size=1, max_size=6).map(tuple),
    ),
    min_size=1,
    max_size=40,
    unique=True,
)


def nodes_of(request):
    return tuple(request.context + request.continuation[:-1])


def visible(until_T, query):
    """The rule of the decoder, spelled out."""
    return [key for key in range(len(until_T)) if key <= query <= until_T[key]]


def distinct_prefixes(requests):
    return {nodes_of(r)[:n] for r in requests for n in range(1, len(nodes_of(r)) + 1)}


@settings(max_examples=150, deadline=None)
@given(REQUESTS, st.integers(1, 24), st.integers(1, 3))
def test_every_answer_is_read_where_its_own_tokens_lead(requests, row_tokens, batch_rows):
    answered = []
    for batch in plan_lib.plan(requests, row_tokens=row_tokens, batch_rows=batch_rows):
        a = batch.arrays
        for number, row, indices in batch.answers:
            request = requests[number]
            answered.append(number)
            assert list(a['pair_tokens'][row, indices]) == list(request.continuation)
            for i, index in enumerate(indices):
                place = a['slots'][row, a['pair_slots'][row, index]]
                seen = visible(a['until'][row], place)
                # What the place sees is the request up to there: nothing more, nothing less.
                wanted = nodes_of(request)[: len(request.context) + i]
                assert tuple(a['tokens'][row, seen]) == wanted
                assert list(a['positions'][row, seen]) == list(range(len(wanted)))
    assert sorted(answered) == list(range(len(requests)))


@settings(max_examples=100, deadline=None)
@given(REQUESTS, st.integers(1, 24), st.integers(1, 3))
def test_rows_are_tries_without_repetition(requests, row_tokens, batch_rows):
    for batch in plan_lib.plan(requests, row_tokens=row_tokens, batch_rows=batch_rows):
        B, T = batch.arrays['tokens'].shape
        assert batch_rows == B
        rows = {row for _, row, _ in batch.answers}
        for row in range(B):
            members = [requests[n] for n, r, _ in batch.answers if r == row]
            tokens, until = batch.arrays['tokens'][row], batch.arrays['until'][row]
            count = len(distinct_prefixes(members))
            assert count <= T
            paths = [tuple(tokens[visible(until, q)]) for q in range(count)]
            assert set(paths) == distinct_prefixes(members)  # each prefix once, and no other node
            # Padding sees itself and is seen by none.
            assert all(visible(until, q) == [q] for q in range(count, T))
            assert all(until[q] < count for q in range(count))
            if row not in rows:
                assert count == 0


@settings(max_examples=60, deadline=None)
@given(REQUESTS, st.integers(1, 24), st.randoms(use_true_random=False))
def test_the_rows_do_not_depend_on_the_order_of_the_requests(requests, row_tokens, random):
    order = list(range(len(requests)))
    random.shuffle(order)
    one = plan_lib.plan(requests, row_tokens=row_tokens, batch_rows=2)
    two = plan_lib.plan([requests[i] for i in order], row_tokens=row_tokens, batch_rows=2)
    for a, b in zip(one, two, strict=True):
        for name in a.arrays:
            np.testing.assert_array_equal(a.arrays[name], b.arrays[name])
        assert a.answers == [(order[n], row, indices) for n, row, indices in b.answers]


@settings(max_examples=60, deadline=None)
@given(REQUESTS, st.integers(1, 24))
def test_a_longer_request_doubles_its_row_and_each_length_has_one_shape(requests, row_tokens):
    batches = plan_lib.plan(requests, row_tokens=row_tokens, batch_rows=1)
    lengths = [batch.arrays['tokens'].shape[1] for batch in batches]
    for batch, length in zip(batches, lengths, strict=True):
        assert length % row_tokens == 0 and (length // row_tokens).bit_count() == 1
        for number, _, _ in batch.answers:
            need = len(nodes_of(requests[number]))
            assert need <= length and (length == row_tokens or need > length // 2)
    shapes = plan_lib.shapes(batches)
    assert len(shapes) == len(set(lengths))
    for _, T, P, K in shapes:
        assert P == T or P % plan_lib.ROUND == 0
        assert K % plan_lib.ROUND == 0


def test_a_question_with_four_options_costs_the_question_once():
    question = tuple(range(100, 150))
    options = [(1, 2, 3), (1, 2, 4), (5,), (6, 7)]
    requests = [Request(question, option) for option in options]
    (batch,) = plan_lib.plan(requests, row_tokens=64, batch_rows=1)
    tokens = batch.arrays['tokens'][0]
    # 50 of the question, then 1, 2 (shared) and 6; the last token of an option is never an input.
    assert tokens[:53].tolist() == [*question, 1, 2, 6] and not tokens[53:].any()
    assert batch.arrays['until'][0, :53].tolist() == [52] * 50 + [51, 51, 52]
    assert batch.arrays['slots'][0, :4].tolist() == [49, 50, 51, 52]
    # The first token 1 of two options is one pair.
    pairs = [indices for _, _, indices in sorted(batch.answers)]
    assert pairs[0][:2] == pairs[1][:2] and pairs[0][2] != pairs[1][2]
    assert len({index for indices in pairs for index in indices}) == 7


def test_another_boundary_on_the_same_tokens_is_the_same_path():
    requests = [Request((1, 2), (3, 4)), Request((1, 2, 3), (4,)), Request((1,), (2, 3, 4))]
    (batch,) = plan_lib.plan(requests, row_tokens=8, batch_rows=1)
    assert batch.arrays['tokens'][0].tolist() == [1, 2, 3, 0, 0, 0, 0, 0]
    assert [len(indices) for _, _, indices in sorted(batch.answers)] == [2, 1, 3]


def test_rows_fill_up_before_a_new_one_begins():
    requests = [Request((7, i), (1,)) for i in range(9)]
    batches = plan_lib.plan(requests, row_tokens=4, batch_rows=2)
    # A shared root and three leaves a row.
    assert [len(batch.answers) for batch in batches] == [6, 3]
    assert not batches[1].arrays['tokens'][1].any()


@pytest.mark.parametrize(
    ('request_', 'words'),
    [
        (Request((1,), ()), 'request 7: the continuation has no token'),
        (Request((), (1,)), r'request 7: the context has no token \(and no BOS\)'),
        (Request((1,) * 6, (1,) * 4), 'request 7 has 10 tokens; the model takes 8 positions'),
        (Request((1, 50), (2,)), 'request 7 has token 50; the model has 0 to 49'),
        (Request((1,), (2, -1)), 'request 7 has token -1'),
    ],
)
def test_a_request_that_cannot_be_scored_is_named(request_, words):
    with pytest.raises(ValueError, match=words):
        request_lib.check(request_, 7, max_positions=8, vocab_size=50)


def test_the_last_token_needs_no_position():
    request_lib.check(Request((1,) * 6, (1,) * 3), 0, max_positions=8, vocab_size=50)


def test_a_row_of_no_tokens_is_refused():
    with pytest.raises(ValueError, match='row_tokens is 0'):
        plan_lib.plan([Request((1,), (2,))], row_tokens=0, batch_rows=1)
