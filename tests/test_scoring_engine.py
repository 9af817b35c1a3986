"""The engine: scores against torch, invariances, and continuing after a stop or a SIGKILL."""

import itertools
import logging
import os
import pathlib
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests import torch_llama
from tests.scoring_cases import ragged, torch_scores, with_greedy
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load
from xlbarrier.scoring import engine
from xlbarrier.scoring.request import Request
from xlbarrier.scoring.store import ScoreStore, StoreError

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = 64


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return torch_llama.save(tmp_path_factory.mktemp('engine') / 'model', 'tied_gqa')


@pytest.fixture(scope='module')
def reference(folder):
    return torch_llama.read(folder)


@pytest.fixture(scope='module')
def requests(reference):
    return with_greedy(reference, ragged(256))


def mesh_of(*sizes):
    return mesh_lib.make_mesh(*sizes, devices=jax.devices()[: int(np.prod(sizes))])


@pytest.fixture(scope='module')
def mesh():
    return mesh_of(1, 1, 1)


@pytest.fixture(scope='module')
def decoder(folder, mesh):
    return load.load_decoder(folder, mesh)


@pytest.fixture(scope='module')
def undisturbed(decoder, mesh, requests):
    return engine.score(decoder, requests, mesh=mesh, row_tokens=ROW)


@pytest.fixture
def dispatched(monkeypatch):
    """The token arrays of all batches that are computed."""
    seen = []

    def watch(name, real):
        def spy(*arguments, **arrays):
            seen.append(np.asarray(arrays['tokens']))
            return real(*arguments, **arrays)

        monkeypatch.setattr(engine, name, spy)

    for name in ('score_rows', 'score_suffixes', 'keep_prefixes', 'extend_prefixes'):
        watch(name, getattr(engine, name))
    return seen


def values(scores):
    return np.array([s.log_likelihood for s in scores])


def test_scores_are_torchs_sums_of_log_softmax(reference, requests, undisturbed):
    expected = torch_scores(reference, requests)
    np.testing.assert_allclose(values(undisturbed), [v for v, _ in expected], atol=1e-4)
    greedy = [s.is_greedy for s in undisturbed]
    assert greedy == [g for _, g in expected]
    assert sum(greedy) >= 4 and not greedy[-1]  # the last one is spoiled in its last token


def test_scores_are_those_of_a_plain_pass_a_request(decoder, mesh, requests, undisturbed):
    forward, plain = nnx.jit(lambda decoder, *row: decoder(*row)), []
    for request in requests[::3]:
        ids = request.context + request.continuation
        tokens, positions, until = np.zeros((3, 1, 80), np.int32)
        tokens[0, : len(ids)], positions[0], until[0] = ids, np.arange(80), 79
        with jax.set_mesh(mesh):
            logits_TV = np.asarray(forward(decoder, tokens, positions, until))[0]
        steps = logits_TV[len(request.context) - 1 : len(ids) - 1].astype(np.float64)
        chosen = steps[np.arange(len(steps)), request.continuation]
        plain.append((chosen - np.logaddexp.reduce(steps, axis=1)).sum())
    np.testing.assert_allclose(values(undisturbed)[::3], plain, atol=1e-4)


def test_the_order_of_requests_changes_no_bit(decoder, mesh, requests, undisturbed):
    backwards = engine.score(decoder, requests[::-1], mesh=mesh, row_tokens=ROW)
    assert backwards[::-1] == undisturbed


def test_a_repeated_request_has_one_answer(requests, undisturbed):
    first = requests.index(requests[39])
    assert first < 39 and undisturbed[first] == undisturbed[39]


@pytest.mark.parametrize(('row_tokens', 'rows'), [(32, 1), (128, 3), (512, 1)])
def test_the_layout_changes_rounding_only(decoder, mesh, requests, undisturbed, row_tokens, rows):
    scores = engine.score(decoder, requests, mesh=mesh, row_tokens=row_tokens, rows_per_device=rows)
    np.testing.assert_allclose(values(scores), values(undisturbed), atol=1e-4)
    assert [s.is_greedy for s in scores] == [s.is_greedy for s in undisturbed]


@pytest.mark.parametrize('sizes', [(2, 1, 1), (8, 1, 1), (1, 8, 1), (2, 2, 2)], ids=str)
def test_meshes_agree(folder, requests, undisturbed, sizes):
    mesh = mesh_of(*sizes)
    scores = engine.score(load.load_decoder(folder, mesh), requests, mesh=mesh, row_tokens=ROW)
    np.testing.assert_allclose(values(scores), values(undisturbed), atol=1e-4)
    assert [s.is_greedy for s in scores] == [s.is_greedy for s in undisturbed]


def test_shapes_are_few_counted_and_logged(decoder, mesh, requests, caplog):
    with caplog.at_level(logging.INFO, logger='absl'):
        engine.score(decoder, requests, mesh=mesh, row_tokens=16)
    (line,) = [r.getMessage() for r in caplog.records if 'shapes' in r.getMessage()]
    assert f'{len(requests)} requests' in line and 'positions asked' in line
    assert 1 <= int(line.split(' shapes')[0].split()[-1]) <= 4
    assert 'attention by xla;' in line


def test_the_programs_of_earlier_windows_are_given_up(decoder, mesh, requests, monkeypatch):
    monkeypatch.setattr(engine, '_compiled', set())
    given_up = []
    program = engine.score_rows
    monkeypatch.setattr(type(program), 'forget', lambda self: given_up.append(self))
    wanted = engine.score(decoder, requests, mesh=mesh, row_tokens=16)
    few = len(engine._compiled)
    assert few and not given_up
    monkeypatch.setattr(engine, 'PROGRAMS', few)
    engine.score(decoder, requests, mesh=mesh, row_tokens=16)
    assert len(engine._compiled) == few and not given_up, 'the same shapes'
    for row_tokens in (24, 48, 96):
        found = engine.score(decoder, requests, mesh=mesh, row_tokens=row_tokens)
        np.testing.assert_allclose(
            [score.log_likelihood for score in found],
            [score.log_likelihood for score in wanted],
            atol=1e-4,
        )
    assert program in given_up and len(engine._compiled) <= few


def test_what_is_given_up_is_compiled_again(decoder, mesh, requests):
    wanted = engine.score(decoder, requests, mesh=mesh, row_tokens=16)
    for program in (engine.score_rows, engine.score_suffixes):
        program.forget()
    assert engine.score(decoder, requests, mesh=mesh, row_tokens=16) == wanted


def test_nothing_to_score_is_no_work(decoder, mesh):
    assert engine.score(decoder, [], mesh=mesh) == []


@pytest.mark.parametrize(
    ('bad', 'words'),
    [
        (Request((1,), ()), 'request 2: the continuation has no token'),
        (Request((), (1,)), 'request 2: the context has no token'),
        (Request((1,) * 512, (1, 2)), 'request 2 has 514 tokens; the model takes 512'),
        (Request((1, 256), (2,)), 'request 2 has token 256; the model has 0 to 255'),
    ],
)
def test_a_bad_request_is_refused_before_anything_is_computed(
    decoder, mesh, dispatched, bad, words
):
    with pytest.raises(ValueError, match=words):
        engine.score(decoder, [Request((1,), (2,)), Request((1,), (3,)), bad], mesh=mesh)
    assert not dispatched


def test_the_longest_request_fits(decoder, reference, mesh):
    longest = [Request(tuple(n % 256 for n in range(511)), (7, 9))]
    (score,) = engine.score(decoder, longest, mesh=mesh, row_tokens=ROW)
    assert score.log_likelihood == pytest.approx(torch_scores(reference, longest)[0][0], abs=1e-4)


def test_broken_weights_are_an_error_and_are_not_stored(folder, mesh, tmp_path):
    decoder = load.load_decoder(folder, mesh)
    decoder.final_norm.scale[...] = decoder.final_norm.scale[...].at[3].set(jnp.nan)
    with ScoreStore(tmp_path / 's.sqlite', 'broken') as store:
        with pytest.raises(FloatingPointError, match='is nan; expected a finite number'):
            engine.score(decoder, [Request((1,), (2,))], mesh=mesh, store=store)
        assert store.get([Request((1,), (2,))], 'float32') == [None]


def test_stored_answers_are_not_computed_again(
    decoder, mesh, requests, undisturbed, dispatched, tmp_path
):
    path = tmp_path / 's.sqlite'
    with ScoreStore(path, 'one') as store:
        first = engine.score(decoder, requests, mesh=mesh, row_tokens=ROW, store=store)
        count = len(dispatched)
        assert count >= 2 and first == undisturbed
        assert engine.score(decoder, requests, mesh=mesh, row_tokens=ROW, store=store) == first
        assert len(dispatched) == count
    with ScoreStore(path, 'two') as store:  # another model's scores never hit
        engine.score(decoder, requests, mesh=mesh, row_tokens=ROW, store=store)
        assert len(dispatched) == 2 * count


def test_scores_in_another_dtype_never_hit(folder, mesh, tmp_path, requests):
    with ScoreStore(tmp_path / 's.sqlite', 'one') as store:
        scores = [
            engine.score(
                load.load_decoder(folder, mesh, compute_dtype=dtype),
                requests,
                mesh=mesh,
                row_tokens=ROW,
                store=store,
            )
            for dtype in ('float32', 'bfloat16')
        ]
    gap = np.abs(values(scores[0]) - values(scores[1]))
    assert 1e-3 < gap.max() < 2


def test_a_full_disk_stops_the_run_and_the_next_start_continues(
    decoder, mesh, dispatched, tmp_path
):
    path = tmp_path / 's.sqlite'
    with ScoreStore(path, 'one') as store:
        pages = store._db.execute('PRAGMA page_count').fetchone()[0]
        store._db.execute(f'PRAGMA max_page_count={pages + 3}')
        with pytest.raises(StoreError, match=r's\.sqlite: database or disk is full'):
            engine.score(decoder, many(), mesh=mesh, row_tokens=ROW, store=store)
    dispatched.clear()
    with ScoreStore(path, 'one') as store:
        kept = sum(s is not None for s in store.get(many(), 'float32'))
        scores = engine.score(decoder, many(), mesh=mesh, row_tokens=ROW, store=store)
    after = [a.tobytes() for a in dispatched]
    dispatched.clear()
    assert scores == engine.score(decoder, many(), mesh=mesh, row_tokens=ROW)
    whole = [a.tobytes() for a in dispatched]
    assert 0 < kept < len(many())
    assert after == whole[-len(after) :] and len(after) < len(whole)


CHILD = """
import sys, time
import jax
jax.config.update('jax_num_cpu_devices', 8)
from tests.test_scoring_engine import ROW, mesh_of, many
from xlbarrier.models import load
from xlbarrier.scoring import engine, store
folder, path = sys.argv[1:]
put = store.ScoreStore.put
def told(self, scored, dtype):
    put(self, scored, dtype)
    print('stored', flush=True)
    time.sleep(0.02)
store.ScoreStore.put = told
mesh = mesh_of(2, 1, 1)
decoder = load.load_decoder(folder, mesh)
with store.ScoreStore(path, 'one') as opened:
    engine.score(decoder, many(), mesh=mesh, row_tokens=ROW, store=opened)
"""


def many():
    """Enough requests for tens of batches."""
    return ragged(256, count=500, seed=1)


@pytest.mark.slow
def test_sigkill_and_continue_equals_an_undisturbed_run_bit_for_bit(folder, dispatched, tmp_path):
    path = tmp_path / 's.sqlite'
    for batches in (3, 5):
        child = subprocess.Popen(
            [sys.executable, '-c', CHILD, folder, path],
            cwd=ROOT,
            env=os.environ | {'PYTHONPATH': str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        lines = list(itertools.islice((x for x in child.stdout if x == 'stored\n'), batches))
        assert len(lines) == batches
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    mesh = mesh_of(2, 1, 1)
    decoder = load.load_decoder(folder, mesh)
    with ScoreStore(path, 'one') as store:
        scores = engine.score(decoder, many(), mesh=mesh, row_tokens=ROW, store=store)
    after = [a.tobytes() for a in dispatched]
    dispatched.clear()
    assert scores == engine.score(decoder, many(), mesh=mesh, row_tokens=ROW)
    whole = [a.tobytes() for a in dispatched]
    stored = len(whole) - len(after)
    assert after == whole[stored:]  # the batches that were not stored, and those only
    assert 8 <= stored < len(whole)


@pytest.mark.slow
def test_smollm2_scores_pairs_in_ten_scripts_as_transformers_does(smollm2_gguf, tokenizer, mesh):
    from benchmarks import parity
    from xlbarrier.data.tokenize import encode_pair

    pairs = []
    for _, sentence in parity.SENTENCES:
        cut = len(sentence) * 3 // 5
        context, continuation = encode_pair(tokenizer, sentence[:cut], sentence[cut:])
        pairs.append(Request(tuple(context), tuple(continuation)))
    assert len(pairs) == 20 and len({script for script, _ in parity.SENTENCES}) == 10
    logits = parity.torch_logits(smollm2_gguf, [r.context + r.continuation for r in pairs])
    scores = engine.score(load.load_decoder(smollm2_gguf, mesh), pairs, mesh=mesh)
    for request, score, logits_TV in zip(pairs, scores, logits, strict=True):
        steps = logits_TV[len(request.context) - 1 : -1].astype(np.float64)
        chosen = steps[np.arange(len(steps)), request.continuation]
        expected = (chosen - np.logaddexp.reduce(steps, axis=1)).sum()
        assert score.log_likelihood == pytest.approx(expected, abs=1e-3)
        assert score.is_greedy == (steps.argmax(1) == request.continuation).all()
