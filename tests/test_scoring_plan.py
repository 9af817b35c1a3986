"""The plan: what the step and the visibility rule rely on, on random requests."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlbarrier.scoring import layout as layout_lib
from xlbarrier.scoring import plan as plan_lib
from xlbarrier.scoring import request as request_lib
from xlbarrier.scoring import rows as rows_lib
from xlbarrier.scoring.layout import Sizes
from xlbarrier.scoring.request import Request

# Three tokens only, so that prefixes are shared often; ragged lengths.
TOKENS = st.integers(0, 2)
REQUESTS = st.lists(
    st.builds(
        Request,
        st.lists(TOKENS, min_size=1, max_size=11).map(tuple),
        st.lists(TOKENS, min_size=1, max_size=6).map(tuple),
    ),
    min_size=1,
    max_size=60,
    unique=True,
)
ROWS = st.integers(1, 24)


def planned(requests, row_tokens, rows=2, cache=12, shards=1, cheap=True):
    """A plan in which short prefixes are shared, where `cheap`."""
    if not cheap:
        return plan_lib.plan(
            requests, Sizes(row_tokens, cache=cache), rows_per_device=rows, shards=shards
        )
    with (
        mock.patch.object(layout_lib, 'MIN_PREFIX', 1),
        mock.patch.object(layout_lib, 'PREFIX_COST', -1000),
        mock.patch.object(plan_lib, 'SHORTEST', 1),
        mock.patch.object(plan_lib, 'COLUMNS', 4),
    ):
        return plan_lib.plan(
            requests, Sizes(row_tokens, cache=cache), rows_per_device=rows, shards=shards
        )


def nodes_of(request):
    return tuple(request.context + request.continuation[:-1])


def distinct_prefixes(requests):
    return {nodes_of(r)[:n] for r in requests for n in range(1, len(nodes_of(r)) + 1)}


def replayed(plan):
    """Runs a plan as a device would, with paths in place of keys.

    Yields:
      (batch, its arrays, path of each node [B][T]): the tokens that the node sees, in the order of
      their positions. Every position from 0 on is seen once.
    """
    pool = {}
    for batch in plan.batches:
        a = rows_lib.arrays(batch.rows, batch.shape, plan.layout, batch.first_column)
        B, T = a['tokens'].shape
        order = a.get('order', np.tile(np.arange(T), (B, 1)))
        paths = [[None] * T for _ in range(B)]
        for b in range(B):
            for t in range(T):
                seen = []
                for p in range(batch.shape.columns):
                    if a['column_order'][b, p] <= order[b, t] <= a['column_until'][b, p]:
                        path = pool[a['columns'][b, p]]
                        assert len(path) == a['column_positions'][b, p] + 1
                        seen.append((len(path) - 1, path[-1]))
                for s in range(T):
                    if order[b, s] <= order[b, t] <= a['until'][b, s]:
                        seen.append((a['positions'][b, s], a['tokens'][b, s]))
                seen.sort()
                if t < (len(batch.rows[b].tokens) if b < len(batch.rows) else 0):
                    assert [position for position, _ in seen] == list(range(len(seen)))
                    assert len(seen) == a['positions'][b, t] + 1
                else:  # padding sees itself alone
                    assert len(seen) == 1
                paths[b][t] = tuple(int(token) for _, token in seen)
        if 'kept' in a:
            for b, t in np.argwhere(a['kept'] >= 0):
                assert a['kept'][b, t] < plan.cache
                pool[a['kept'][b, t]] = paths[b][t]
        yield batch, a, paths


@settings(max_examples=150, deadline=None)
@given(REQUESTS, ROWS, st.integers(1, 3), st.integers(0, 30))
def test_every_answer_is_read_where_its_own_tokens_lead(requests, row_tokens, rows, cache):
    answered = []
    for batch, a, paths in replayed(planned(requests, row_tokens, rows, cache)):
        for number, row, indices in batch.answers:
            request = requests[number]
            answered.append(number)
            assert list(a['pair_tokens'][row, indices]) == list(request.continuation)
            for i, index in enumerate(indices):
                position = a['slots'][row, a['pair_slots'][row, index]]
                # What it sees is the request up to there: nothing more, nothing less.
                assert paths[row][position] == nodes_of(request)[: len(request.context) + i]
    assert sorted(answered) == list(range(len(requests)))


@settings(max_examples=100, deadline=None)
@given(REQUESTS, ROWS, st.integers(0, 30))
def test_rows_and_prefixes_hold_no_path_twice(requests, row_tokens, cache):
    plan = planned(requests, row_tokens, cache=cache)
    assert plan.tree == len(distinct_prefixes(requests))
    for batch, _, paths in replayed(plan):
        for row, of_row in zip(batch.rows, paths, strict=False):
            own = of_row[: len(row.tokens)]
            assert len(own) <= batch.shape.length
            assert set(own) <= distinct_prefixes(requests)
            by_prefix = {(own[t], len(row.columns)) for t in range(len(own))}
            # A trie, where questions follow one prefix or none. Prefixes that are computed side by
            # side may begin alike.
            if batch.shape.slots and len({c for c, _, _ in row.columns}) <= 1:
                assert len(by_prefix) == len(own)


@settings(max_examples=60, deadline=None)
@given(REQUESTS, ROWS, st.randoms(use_true_random=False))
def test_the_batches_do_not_depend_on_the_order_of_the_requests(requests, row_tokens, random):
    order = list(range(len(requests)))
    random.shuffle(order)
    one = planned(requests, row_tokens)
    two = planned([requests[i] for i in order], row_tokens)
    for (a, arrays, _), (b, others, _) in zip(replayed(one), replayed(two), strict=True):
        assert arrays.keys() == others.keys()
        for name in arrays:
            np.testing.assert_array_equal(arrays[name], others[name])
        assert a.answers == [(order[n], row, indices) for n, row, indices in b.answers]


@settings(max_examples=60, deadline=None)
@given(REQUESTS, ROWS, st.integers(0, 30), st.integers(0, 2**60))
def test_what_remains_has_all_that_it_needs_and_no_more(requests, row_tokens, cache, known):
    plan = planned(requests, row_tokens, cache=cache)
    stored = [bool(known >> i & 1) for i in range(len(requests))]
    remaining = plan.remaining(stored)
    held = set()
    for batch in remaining:
        assert {(batch.chapter, p) for p in batch.needs} <= held
        held |= {(batch.chapter, p) for p in batch.makes}
    answers = [n for batch in remaining for n, _, _ in batch.answers]
    assert {n for n in range(len(requests)) if not stored[n]} <= set(answers)
    for batch in remaining:
        if batch.shape.slots:
            assert not all(stored[n] for n, _, _ in batch.answers)
    assert plan.remaining([True] * len(requests)) == []
    assert plan.remaining([False] * len(requests)) == plan.batches


def demonstrations(
    subjects=12, questions=40, shown=(300, 900), own=(20, 160), seed=0, instruction=0
):
    """Letters after questions behind the demonstrations of their subject."""
    rng = np.random.default_rng(seed)

    def draw(count):
        return tuple(map(int, rng.integers(0, 50_000, count)))

    requests, head = [], draw(instruction)
    for _ in range(subjects):
        before = head + draw(rng.integers(*shown))
        for _ in range(questions):
            context = before + draw(int(rng.lognormal(np.log(own[0] * 3), 0.6)) % own[1] + own[0])
            requests += [Request(context, (letter,)) for letter in range(4)]
    return requests


@pytest.mark.parametrize('instruction', [0, 200])
@pytest.mark.parametrize('row_tokens', [128, 256, 512, 1024, 2048])
def test_demonstrations_are_computed_once_at_any_row_size(row_tokens, instruction):
    requests = demonstrations(instruction=instruction)
    plan = planned(requests, row_tokens, rows=1, cache=16_384, cheap=False)
    assert plan.tree < plan.asked / 20
    # Long rows are not filled by the 40 questions of a subject; mixing subjects would cost more.
    assert plan.computed <= (1.15 if row_tokens <= 512 else 1.25) * plan.tree
    assert len(plan.shapes) <= 14
    lengths = sorted({prefix.start for prefix in plan.layout.prefixes})
    assert lengths == ([0, instruction] if instruction else [0])


def test_the_cache_bounds_what_is_kept_at_once():
    requests = demonstrations()
    plan = planned(requests, 512, rows=1, cache=2_000, cheap=False)
    assert plan.cache <= 2_048
    assert len({batch.chapter for batch in plan.batches}) > 2
    assert plan.computed <= 1.25 * plan.tree
    for _ in replayed(planned(demonstrations(4, 5, own=(5, 30)), 64, cache=1_000, cheap=False)):
        pass


def test_a_prefix_longer_than_a_row_or_than_the_cache():
    requests = demonstrations(2, 30, shown=(700, 701))
    plan = planned(requests, 64, rows=1, cache=16_384, cheap=False)
    assert [p.stop - p.start for p in plan.layout.prefixes] == [700, 700]
    assert max(shape.length for shape in plan.shapes) == 768  # the multiple of 128 that fits
    beyond = planned(requests, 64, rows=1, cache=600, cheap=False)
    assert not beyond.layout.prefixes and beyond.cache == 0
    assert sorted(n for b in beyond.batches for n, _, _ in b.answers) == list(range(len(requests)))


def test_a_short_prefix_is_repeated_in_each_row():
    requests = demonstrations(1, 60, shown=(20, 21))
    plan = planned(requests, 1024, rows=4, cache=16_384, cheap=False)
    assert not plan.layout.prefixes


def test_rows_of_several_devices():
    plan = planned(demonstrations(), 256, rows=3, cache=16_384, shards=4, cheap=False)
    assert all(shape.rows % 4 == 0 for shape in plan.shapes)
    assert max(shape.rows for shape in plan.shapes) <= 12


def test_a_question_with_four_options_costs_the_question_once():
    question = tuple(range(100, 150))
    options = [(1, 2, 3), (1, 2, 4), (5,), (6, 7)]
    requests = [Request(question, option) for option in options]
    plan = planned(requests, 64, rows=1, cheap=False)
    (batch,) = plan.batches
    a = rows_lib.arrays(batch.rows, batch.shape, plan.layout, batch.first_column)
    tokens = a['tokens'][0]
    # 50 of the question, then 1, 2 (shared) and 6; the last token of an option is never an input.
    assert tokens[:53].tolist() == [*question, 1, 2, 6] and not tokens[53:].any()
    assert a['until'][0, :53].tolist() == [52] * 50 + [51, 51, 52]
    assert sorted(a['slots'][0, :4].tolist()) == [49, 50, 51, 52]
    # The first token 1 of two options is one pair.
    pairs = [indices for _, _, indices in sorted(batch.answers)]
    assert pairs[0][:2] == pairs[1][:2] and pairs[0][2] != pairs[1][2]
    assert len({index for indices in pairs for index in indices}) == 7


def test_another_boundary_on_the_same_tokens_is_the_same_path():
    requests = [Request((1, 2), (3, 4)), Request((1, 2, 3), (4,)), Request((1,), (2, 3, 4))]
    (batch,) = planned(requests, 8, rows=1, cheap=False).batches
    assert batch.rows[0].tokens.tolist() == [1, 2, 3]
    assert [len(indices) for _, _, indices in sorted(batch.answers)] == [2, 1, 3]


def test_the_words_of_a_plan():
    plan = planned(demonstrations(), 512, rows=1, cache=16_384, cheap=False)
    assert f'{plan.asked:,} positions asked, {plan.tree:,} distinct' in plan.words()
    assert f'12 shared prefixes of {sum(p.stop for p in plan.layout.prefixes):,}' in plan.words()


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


def test_contexts_in_a_run_are_stored_once():
    requests = request_lib.with_shared_contexts([([1, 2], [3]), ([1, 2], [4]), ([1], [2])])
    assert requests[0].context is requests[1].context
    assert requests == [Request((1, 2), (3,)), Request((1, 2), (4,)), Request((1,), (2,))]
    assert len({*requests, Request((1,), (2,))}) == 3
    with pytest.raises(ValueError, match='token id does not fit in 32 bits: 4294967296'):
        Request((1, 1 << 32), (3,))


def test_a_row_of_no_tokens_is_refused():
    with pytest.raises(ValueError, match='row_tokens is 0'):
        planned([Request((1,), (2,))], 0)
