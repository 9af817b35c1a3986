"""The scoring step against whole logits, on meshes that split rows, weights and vocabulary."""

from typing import NamedTuple

import jax
import numpy as np
import pytest

from tests import torch_llama
from tests.scoring_cases import ragged
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load
from xlbarrier.scoring import plan as plan_lib
from xlbarrier.scoring import rows as rows_lib
from xlbarrier.scoring import step
from xlbarrier.scoring.layout import Sizes

MESHES = [(1, 1, 1), (2, 1, 1), (8, 1, 1), (1, 8, 1), (2, 2, 2), (1, 1, 2)]


@pytest.fixture(scope='module', params=['tied_gqa', 'untied_mha'])
def folder(request, tmp_path_factory):
    return torch_llama.save(tmp_path_factory.mktemp('step') / 'model', request.param)


def run(folder, sizes, batch):
    count = int(np.prod(sizes))
    mesh = mesh_lib.make_mesh(*sizes, devices=jax.devices()[:count])
    decoder = load.load_decoder(folder, mesh)
    with jax.set_mesh(mesh):
        outputs = step.score_rows(decoder, **mesh_lib.put_batch(batch.arrays, mesh))
    # Whole on every device, so that any process can read them.
    assert all(x.sharding.is_fully_replicated for x in outputs)
    return [np.asarray(x) for x in outputs]


class Laid(NamedTuple):
    """A batch and its arrays."""

    arrays: dict[str, np.ndarray]
    answers: list


@pytest.fixture(scope='module')
def batch():
    requests = list(dict.fromkeys(ragged(256)))
    plan = plan_lib.plan(requests, Sizes(64, cache=0), rows_per_device=1, shards=8)
    first = plan.batches[0]
    arrays = rows_lib.arrays(first.rows, first.shape, plan.layout, first.first_column)
    assert len(first.rows) > 1 and len(arrays['tokens']) == 8
    return Laid(arrays, first.answers)


@pytest.fixture(scope='module')
def expected(folder, batch):
    """From the logits that torch gives for the path of each pair."""
    model = torch_llama.read(folder)
    a = batch.arrays
    values = np.full(a['pair_tokens'].shape, np.nan)
    greedy = np.zeros(a['pair_tokens'].shape, bool)
    for _, row, indices in batch.answers:
        for index in indices:
            place = a['slots'][row, a['pair_slots'][row, index]]
            path = np.flatnonzero(
                (np.arange(a['until'].shape[1]) <= place) & (a['until'][row] >= place)
            )
            logits_V = torch_llama.logits(model, a['tokens'][row, path])[-1].astype(np.float64)
            token = a['pair_tokens'][row, index]
            values[row, index] = logits_V[token] - np.logaddexp.reduce(logits_V)
            greedy[row, index] = logits_V.argmax() == token
    return values, greedy


@pytest.mark.parametrize('sizes', MESHES, ids=str)
def test_every_pair_is_what_torch_says_on_every_mesh(folder, batch, expected, sizes):
    values, greedy = run(folder, sizes, batch)
    asked = ~np.isnan(expected[0])
    assert asked.sum() > 50
    np.testing.assert_allclose(values[asked], expected[0][asked], atol=5e-5)
    np.testing.assert_array_equal(greedy[asked], expected[1][asked])


@pytest.mark.parametrize('sizes', [(1, 1, 1), (2, 2, 2)], ids=str)
def test_logits_in_chunks_are_the_same(folder, batch, expected, sizes, monkeypatch):
    monkeypatch.setattr(step, 'CHUNK_BYTES', 8 * 4 * 256 * 5)  # five places at a time at most
    slots = batch.arrays['slots'].shape[1]
    assert step._chunks(slots, 8 * 4 * 256) == slots // 4
    jax.clear_caches()
    values, greedy = run(folder, sizes, batch)
    jax.clear_caches()
    asked = ~np.isnan(expected[0])
    np.testing.assert_allclose(values[asked], expected[0][asked], atol=5e-5)
    np.testing.assert_array_equal(greedy[asked], expected[1][asked])


def test_chunks_divide_the_places():
    for places in (1, 31, 32, 96, 224):
        for each in (1, step.CHUNK_BYTES // 7, step.CHUNK_BYTES * 2):
            count = step._chunks(places, each)
            assert places % count == 0
            assert places // count * each <= step.CHUNK_BYTES or count == places


def test_the_weights_are_read_and_not_given_back(folder, batch):
    """nnx.jit would give them back: a copy of all of them, at every call."""
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    decoder = load.load_decoder(folder, mesh)
    with jax.set_mesh(mesh):
        arrays = mesh_lib.put_batch(batch.arrays, mesh)
        outputs = jax.tree.leaves(step.score_rows(decoder, **arrays))
        given = step.score_rows.trace(decoder, **arrays).lower().compile().memory_analysis()
    assert sum(x.nbytes for x in outputs) <= given.output_size_in_bytes < 10_000
    assert decoder.embed.embedding[...].nbytes > 10_000
