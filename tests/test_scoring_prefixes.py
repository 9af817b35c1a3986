"""Shared prefixes: the scores of a plain pass a request, in every kind of block, on any mesh."""

import dataclasses
import hashlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from tests import torch_families
from xlbarrier import mesh as mesh_lib
from xlbarrier.errors import StateError
from xlbarrier.models import load
from xlbarrier.scoring import engine
from xlbarrier.scoring import layout as layout_lib
from xlbarrier.scoring import plan as plan_lib
from xlbarrier.scoring import sizes as sizes_lib
from xlbarrier.scoring.layout import Sizes
from xlbarrier.scoring.request import Request
from xlbarrier.scoring.store import ScoreStore

# Pre-norm, learned positions, ALiBi, parallel blocks, windows, caps, one kv head, shared keys.
CASES = ('llama', 'gpt2', 'bloom', 'gemma2', 'gemma3', 'cohere2', 'gemma4')
ROW = 16


def asked(vocabulary=128):
    """Two subjects behind one instruction, ragged questions, and one that shares nothing."""
    rng = np.random.default_rng(3)

    def draw(count):
        return tuple(map(int, rng.integers(3, vocabulary, count)))

    instruction, requests = draw(9), [Request(draw(11), draw(3))]
    for length in (17, 12):
        before = instruction + draw(length)
        for own in (1, 2, 3, 5, 8, 9, 11):
            context = before + draw(own)
            requests += [Request(context, draw(1)), Request(context, draw(4))]
    return requests


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Prefixes are shared however short they are."""
    monkeypatch.setattr(layout_lib, 'MIN_PREFIX', 4)
    monkeypatch.setattr(layout_lib, 'PREFIX_COST', 0)
    monkeypatch.setattr(plan_lib, 'COLUMNS', 16)
    monkeypatch.setattr(plan_lib, 'SHORTEST', 8)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    root, made = tmp_path_factory.mktemp('families'), {}

    def folder(name):
        if name not in made:
            made[name] = torch_families.save(root / name, name)
        return made[name]

    return folder


def mesh_of(*sizes):
    return mesh_lib.make_mesh(*sizes, devices=jax.devices()[: int(np.prod(sizes))])


def values(scores):
    return np.array([score.log_likelihood for score in scores])


def theirs(model, requests):
    found = []
    for request in requests:
        ids = torch.tensor([[*request.context, *request.continuation]])
        start = len(request.context)
        with torch.no_grad():
            steps = model(ids).logits[0, start - 1 : -1].double().log_softmax(-1)
        found.append(steps.gather(-1, ids[0, start:, None]).sum().item())
    return np.array(found)


@pytest.mark.parametrize('name', CASES)
def test_every_kind_of_block_scores_as_transformers_does(folders, name):
    decoder = load.load_decoder(folders(name), mesh_of(1, 1, 1))
    planned = plan_lib.plan(asked(), Sizes(ROW, cache=64), rows_per_device=2)
    starts = {prefix.start for prefix in planned.layout.prefixes}
    assert len(planned.layout.prefixes) == 3 and starts == {0, 9}  # nested
    scores = engine.score(
        decoder, asked(), mesh=mesh_of(1, 1, 1), row_tokens=ROW, rows_per_device=2
    )
    expected = theirs(torch_families.read(folders(name)), asked())
    np.testing.assert_allclose(values(scores), expected, atol=5e-5)


@pytest.mark.parametrize('sizes', [(2, 1, 1), (1, 4, 1), (2, 2, 2)], ids=str)
def test_meshes_agree(folders, sizes):
    whole = load.load_decoder(folders('llama'), mesh_of(1, 1, 1))
    split = load.load_decoder(folders('llama'), mesh_of(*sizes))
    one = engine.score(whole, asked(), mesh=mesh_of(1, 1, 1), row_tokens=ROW)
    many = engine.score(split, asked(), mesh=mesh_of(*sizes), row_tokens=ROW, rows_per_device=1)
    np.testing.assert_allclose(values(many), values(one), atol=1e-5)


def test_scores_depend_on_neither_layout_nor_order_nor_company(folders, monkeypatch):
    mesh = mesh_of(1, 1, 1)
    decoder, requests = load.load_decoder(folders('llama'), mesh), asked()
    shared = engine.score(decoder, requests, mesh=mesh, row_tokens=ROW)
    backwards = engine.score(decoder, requests[::-1], mesh=mesh, row_tokens=ROW)
    assert backwards[::-1] == shared
    for row_tokens, rows in [(32, 3), (8, 1), (128, 1)]:
        other = engine.score(
            decoder, requests, mesh=mesh, row_tokens=row_tokens, rows_per_device=rows
        )
        np.testing.assert_allclose(values(other), values(shared), atol=1e-5)
    alone = [engine.score(decoder, [r], mesh=mesh, row_tokens=ROW)[0] for r in requests[::6]]
    np.testing.assert_allclose(values(alone), values(shared)[::6], atol=1e-5)
    monkeypatch.setattr(layout_lib, 'MIN_PREFIX', 10_000)  # as before prefixes were shared
    np.testing.assert_allclose(
        values(engine.score(decoder, requests, mesh=mesh, row_tokens=64)),
        values(shared),
        atol=1e-5,
    )


def test_the_spread_of_bfloat16_is_small(folders, record_property):
    mesh, found = mesh_of(1, 1, 1), []
    decoder = load.load_decoder(folders('llama'), mesh, compute_dtype='bfloat16')
    for row_tokens in (ROW, 256):
        found.append(values(engine.score(decoder, asked(), mesh=mesh, row_tokens=row_tokens)))
    spread = np.abs(found[0] - found[1]).max()
    record_property('bfloat16_spread_nats', float(spread))
    print(f'bfloat16: the same request in two layouts differs by up to {spread:.3f} nats')
    exact = load.load_decoder(folders('llama'), mesh)
    scores = values(engine.score(exact, asked(), mesh=mesh, row_tokens=ROW))
    rounding = np.abs(found[0] - scores).max()
    print(f'and from float32 by up to {rounding:.3f} nats')
    assert spread < 0.2 and 1e-3 < rounding < 0.2


def test_a_continued_run_computes_what_is_left_and_gets_the_same_bits(
    folders, tmp_path, monkeypatch
):
    mesh, requests = mesh_of(1, 1, 1), asked()
    decoder = load.load_decoder(folders('llama'), mesh)
    monkeypatch.setattr(
        sizes_lib,
        'DEFAULTS',
        {'cpu': (ROW, 1, 40)},  # a cache that takes few prefixes at once
    )
    real, calls, fails = engine.score_suffixes, [], [0]

    def counted(*arguments, **arrays):
        calls.append(np.asarray(arrays['tokens']).tobytes())
        if len(calls) == fails[0]:
            raise jax.errors.JaxRuntimeError('INTERNAL: the accelerator was lost')
        return real(*arguments, **arrays)

    monkeypatch.setattr(engine, 'score_suffixes', counted)
    undisturbed = engine.score(decoder, requests, mesh=mesh, row_tokens=ROW)
    whole = list(calls)
    calls.clear()
    fails[0] = 6
    with ScoreStore(tmp_path / 's', 'weights') as store:
        with pytest.raises(StateError, match=r'accelerator was lost.*start again with the same'):
            engine.score(decoder, requests, mesh=mesh, row_tokens=ROW, store=store)
        known = store.get(requests, 'float32')
        assert 0 < sum(score is not None for score in known) < len(requests)
        calls.clear()
        fails[0] = 0
        continued = engine.score(decoder, requests, mesh=mesh, row_tokens=ROW, store=store)
    assert continued == undisturbed
    assert 0 < len(calls) < len(whole) and calls == whole[-len(calls) :]


def test_a_device_without_memory_says_which_field_helps(folders, monkeypatch):
    mesh = mesh_of(1, 1, 1)
    decoder = load.load_decoder(folders('llama'), mesh)

    def full(*arguments, **arrays):
        raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes')

    monkeypatch.setattr(engine, 'keep_prefixes', full)
    with pytest.raises(StateError, match=r'config\.score\.rows_per_device=2'):
        engine.score(decoder, asked(), mesh=mesh, row_tokens=ROW, rows_per_device=4)
    with pytest.raises(StateError, match=r'config\.score\.row_tokens=16'):
        engine.score(decoder, asked(), mesh=mesh, row_tokens=32, rows_per_device=1)


def test_sheets_are_scored_in_windows_and_in_order(folders, monkeypatch):
    mesh, requests = mesh_of(1, 1, 1), asked()
    decoder = load.load_decoder(folders('llama'), mesh)
    whole = engine.score(decoder, requests, mesh=mesh, row_tokens=ROW)
    sheets = [requests[:7], [], requests[7:9], requests[9:]]
    for window in (1, 60, 1 << 24):
        monkeypatch.setattr(engine, 'WINDOW', window)
        taken = []

        def lazily(taken=taken):
            for sheet in sheets:
                taken.append(len(sheet))
                yield sheet

        found = engine.score_sheets(decoder, lazily(), mesh=mesh, row_tokens=ROW)
        first = next(found)
        assert len(taken) == (4 if window > 60 else 1)
        scores = [first, *found]
        assert [len(each) for each in scores] == [7, 0, 2, len(requests) - 9]
        flat = list(itertools.chain.from_iterable(scores))
        np.testing.assert_allclose(values(flat), values(whole), atol=1e-5)


def test_a_store_of_an_older_layout_is_valid(folders, tmp_path):
    """Keys are of weights, dtype and ids: written out here, so that they cannot change unseen."""
    requests = [Request((1, 2), (3,)), Request((5,), (6, 7))]
    with ScoreStore(tmp_path / 's', 'weights') as store:
        for number, request in enumerate(requests):
            key = hashlib.sha256(b'weights/float32/')
            for ids in (request.context, request.continuation):
                key.update(len(ids).to_bytes(8, 'little') + np.array(ids, '<i4').tobytes())
            store._db.execute('INSERT INTO scores VALUES (?, ?, 0)', (key.digest(), -1.5 - number))
        mesh = mesh_of(1, 1, 1)
        decoder = load.load_decoder(folders('llama'), mesh)
        scores = engine.score(decoder, requests, mesh=mesh, store=store)
    assert values(scores).tolist() == [-1.5, -2.5]


def test_dynamic_positions_share_no_prefix(folders):
    mesh = mesh_of(1, 1, 1)
    decoder = load.load_decoder(folders('llama'), mesh)
    rope = decoder.config.rope
    assert sizes_lib.choose(decoder, mesh).sizes.cache > 0
    decoder.config = decoder.config.replace(rope=dataclasses.replace(rope, kind='dynamic'))
    assert sizes_lib.choose(decoder, mesh).sizes.cache == 0


def test_sizes_follow_the_device_and_what_is_set(folders, monkeypatch):
    mesh = mesh_of(1, 1, 1)
    decoder = load.load_decoder(folders('llama'), mesh)
    auto = sizes_lib.choose(decoder, mesh)
    assert (auto.sizes.tokens, auto.rows_per_device) == (256, 1)
    chosen = sizes_lib.choose(decoder, mesh, row_tokens=64, rows_per_device=3)
    assert (chosen.sizes.tokens, chosen.rows_per_device) == (64, 3)
    monkeypatch.setattr(sizes_lib, 'platform_of', lambda device: 'gpu')
    monkeypatch.setattr(sizes_lib, 'device_bytes', lambda device: 80 << 30)
    large = sizes_lib.choose(decoder, mesh)
    assert large.sizes.tokens * large.rows_per_device == 16_384
    assert sizes_lib.choose(decoder, mesh, row_tokens=512).rows_per_device == 32
    monkeypatch.setattr(sizes_lib, 'device_bytes', lambda device: 64 << 20)
    small = sizes_lib.choose(decoder, mesh)
    assert small.sizes.tokens * small.rows_per_device < 4_096


def test_a_model_too_large_for_the_device_is_refused_before_loading(folders, monkeypatch):
    c = load.read_config(folders('llama'))
    mesh = mesh_of(1, 1, 1)
    sizes_lib.check_fits(c, 'float32', mesh)
    decoder = load.load_decoder(folders('llama'), mesh)
    state = [x.size for x in jax.tree.leaves(jax.tree.map(jnp.asarray, _parameters(decoder)))]
    assert 0.9 * sum(state) < sizes_lib.parameters(c) <= sum(state)
    monkeypatch.setattr(sizes_lib, 'device_bytes', lambda device: 3 * sizes_lib.parameters(c))
    with pytest.raises(ValueError, match=r'param_dtype=bfloat16 .*or config\.mesh\.fsdp=2'):
        sizes_lib.check_fits(c, 'float32', mesh)
    sizes_lib.check_fits(c, 'bfloat16', mesh)


def _parameters(decoder):
    return nnx.to_pure_dict(nnx.state(decoder, nnx.Param))
