"""Adapters: nothing changed at the start, only adapters trained, merged equals forward."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from flax import nnx

from tests.test_train_loss import CONFIG, decoder_on, documents, plain
from xlbarrier.config import LORA_TARGETS, TrainConfig
from xlbarrier.data.pack import pack
from xlbarrier.mesh import make_mesh, put_batch
from xlbarrier.models import lora
from xlbarrier.train.step import init_state, put_microbatches, split_decoder, train_step

TRAIN = TrainConfig(
    method='lora',
    steps=6,
    warmup_steps=1,
    batch_rows=8,
    row_tokens=24,
    learning_rate=2e-2,
    lora_rank=3,
    lora_alpha=5.0,
    lora_targets=('o', 'up'),
)


@pytest.fixture(scope='module')
def mesh():
    return make_mesh(2, 2, 2)


@nnx.jit
def forward(decoder, batch):
    return decoder(batch['tokens'], batch['positions'], batch['until'])


def logits(decoder, mesh):
    text = plain([5, 9, 80, 2, 2, 31, 64])
    with jax.set_mesh(mesh):
        batch = put_batch({k: np.repeat(v, 4, 0) for k, v in text.items()}, mesh)
        return np.asarray(forward(decoder, batch))


def trained(mesh, config, steps=2, seed=0):
    """A decoder with adapters after some updates, the frozen arrays, and the losses."""
    decoder = lora.add_lora(
        decoder_on(mesh),
        config.lora_rank,
        config.lora_alpha,
        config.lora_targets,
        seed,
    )
    graph, params, frozen = split_decoder(decoder, config)
    state = init_state(params, config)
    batch = pack(documents(60, seed=3), config.row_tokens).batch(np.arange(8))
    losses = []
    with jax.set_mesh(mesh):
        laid = put_microbatches(batch, mesh, config.accumulate)
        for _ in range(steps):
            state, numbers = train_step(state, frozen, laid, graph=graph, config=config, seed=seed)
            losses.append(float(numbers['nats']))
    nnx.update(decoder, state.params)
    return decoder, state, losses


@pytest.fixture(scope='module')
def after(mesh):
    return trained(mesh, TRAIN)


def test_a_new_adapter_changes_nothing(mesh):
    decoder = decoder_on(mesh)
    before = logits(decoder, mesh)
    lora.add_lora(decoder, 4, 8.0, ('q', 'down'), seed=0)
    np.testing.assert_array_equal(logits(decoder, mesh), before)
    lora.merge_lora(decoder)
    np.testing.assert_array_equal(logits(decoder, mesh), before)


def test_only_adapters_are_trained_and_held_by_the_optimizer(mesh, after):
    decoder, state, losses = after
    assert losses[-1] < losses[0]
    names = {path[-1].key for path, _ in jax.tree.leaves_with_path(state.params)}
    assert names == {'lora_a', 'lora_b'}
    moments = state.optimizer[1][0].mu
    assert jax.tree.structure(moments) == jax.tree.structure(state.params)
    assert len(jax.tree.leaves(state.params)) == 4
    assert np.abs(decoder.layers.attn.o.lora_b[...]).max() > 0
    assert np.abs(decoder.layers.mlp.up.lora_b[...]).max() > 0
    for path, variable in nnx.to_flat_state(nnx.state(decoder_on(mesh))):
        found = functools.reduce(getattr, path, decoder)
        np.testing.assert_array_equal(found[...], variable[...])


def test_merged_logits_equal_the_adapters_forward(mesh):
    decoder = lora.add_lora(decoder_on(mesh), 3, 5.0, LORA_TARGETS, seed=0)
    before = logits(decoder, mesh)
    rng = np.random.default_rng(0)
    for path, b in nnx.to_flat_state(nnx.state(decoder, nnx.LoRAParam)):
        if path[-1] == 'lora_b':
            values = rng.normal(size=b.shape).astype(np.float32) / 4
            laid = jax.device_put(values, b[...].sharding)
            functools.reduce(getattr, path, decoder).set_value(laid)
            with_adapters = logits(decoder, mesh)
            assert np.abs(with_adapters - before).max() > 1e-5, path  # each map has its part
            before = with_adapters
    q = decoder.layers.attn.q
    a, b = np.asarray(q.lora_a[...], np.float64), np.asarray(q.lora_b[...], np.float64)
    wanted = np.asarray(q.kernel[...]) + 5 / 3 * np.einsum('LDR,LRNH->LDNH', a, b)
    spec = q.kernel[...].sharding.spec
    lora.merge_lora(decoder)
    np.testing.assert_allclose(q.kernel[...], wanted, atol=1e-6)
    assert q.kernel[...].sharding.spec == spec
    np.testing.assert_allclose(logits(decoder, mesh), with_adapters, atol=5e-6)
    names = {path[-1] for path, _ in nnx.to_flat_state(nnx.state(decoder))}
    assert names == {'kernel', 'scale', 'embedding'}


def test_dropout_depends_on_seed_and_step_alone(mesh, after):
    config = dataclasses.replace(TRAIN, lora_dropout=0.4)
    # Before the first update B is zero, so that the second loss is the first to show the noise.
    _, state, losses = trained(mesh, config)
    _, again, same = trained(mesh, config)
    assert same == losses
    jax.tree.map(np.testing.assert_array_equal, state.params, again.params)
    one = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    np.testing.assert_allclose(trained(one, config)[2], losses, rtol=1e-5)
    assert after[2][1:] != losses[1:]


def test_dropout_is_drawn_apart_for_layers_maps_and_microbatches(mesh):
    decoder = lora.add_lora(decoder_on(mesh), 2, 2.0, ('q', 'up'), seed=0)
    with jax.set_mesh(mesh):
        lora.set_noise(decoder, jax.random.key(4), 0.5)
    noise = [decoder.layers.attn.q.lora_noise[...], decoder.layers.mlp.up.lora_noise[...]]
    keys = {tuple(np.asarray(key)) for keys in noise for key in keys}
    assert len(keys) == 2 * CONFIG.num_layers
    np.testing.assert_array_equal(decoder.layers.attn.q.lora_keep[...], [0.5, 0.5])


def test_dropped_inputs_are_scaled_to_keep_their_mean(mesh):
    """With one input and A = B = 1 the adapter's output is the dropped input itself."""
    from xlbarrier.models.layers import adapt

    weights = {
        'lora_a': np.eye(16, dtype=np.float32),
        'lora_b': np.eye(16, 24, dtype=np.float32),
        'lora_scale': np.float32(1),
        'lora_noise': np.asarray(jax.random.key_data(jax.random.key(0))),
        'lora_keep': np.float32(0.75),
    }
    with jax.set_mesh(mesh):
        x = put_batch({'x': np.ones((8, 50, 16), np.float32)}, mesh)['x']
        out = np.asarray(jax.jit(lambda w, x: adapt('up', w, x))(weights, x))[..., :16]
    assert set(np.unique(out.round(5))) == {0.0, np.float32(4 / 3).round(5)}
    assert out.mean() == pytest.approx(1, abs=0.03)


def test_adapters_are_the_same_whichever_others_are_made(mesh):
    few = lora.add_lora(decoder_on(mesh), 2, 2.0, ('v',), seed=9)
    many = lora.add_lora(decoder_on(mesh), 2, 2.0, LORA_TARGETS, seed=9)
    a = np.asarray(few.layers.attn.v.lora_a[...])
    np.testing.assert_array_equal(a, many.layers.attn.v.lora_a[...])
    assert np.abs(a).max() <= 0.25 and a.std() > 0.1  # uniform in +-1 / sqrt(16)


def test_what_cannot_be_adapted_is_named(mesh):
    decoder = decoder_on(mesh)
    with pytest.raises(ValueError, match=r"'w1': expected some of q, k, v, o, gate, up, down"):
        lora.add_lora(decoder, 2, 2.0, ('w1',), seed=0)
    with pytest.raises(ValueError, match='rank is 0'):
        lora.add_lora(decoder, 0, 2.0, ('q',), seed=0)
    lora.add_lora(decoder, 2, 2.0, ('q',), seed=0)
    with pytest.raises(ValueError, match="'q' has an adapter"):
        lora.add_lora(decoder, 2, 2.0, ('q',), seed=0)
