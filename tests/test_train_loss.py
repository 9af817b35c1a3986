"""Chunked cross-entropy: against transformers, in chunks of any size, packed and apart, sharded."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xlbarrier.data.pack import pack
from xlbarrier.mesh import make_mesh, put_batch
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.load import init_decoder
from xlbarrier.train.loss import chunks_of, cross_entropy, next_token_loss

CONFIG = DecoderConfig(
    family='llama',
    vocab_size=88,
    num_layers=2,
    d_model=16,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    d_ff=24,
    norm_eps=1e-5,
    tied=True,
    max_positions=64,
)


@functools.cache
def initial(seed):
    """Graph and host arrays of a random decoder: made once, laid on many meshes."""
    one = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    graph, params = nnx.split(init_decoder(CONFIG, one, seed))
    specs = jax.tree.map(lambda x: x.sharding.spec, nnx.to_pure_dict(params))
    return graph, jax.tree.map(np.array, nnx.to_pure_dict(params)), specs


def decoder_on(mesh, seed=3):
    """A new decoder with random weights, the same on every mesh."""
    graph, arrays, specs = initial(seed)
    laid = jax.tree.map(lambda x, s: jax.device_put(x, jax.NamedSharding(mesh, s)), arrays, specs)
    with jax.set_mesh(mesh):
        return nnx.merge(graph, laid)


@pytest.fixture(scope='module')
def mesh():
    return make_mesh(1, 1, 1, devices=jax.devices()[:1])


@pytest.fixture(scope='module')
def decoder(mesh):
    return decoder_on(mesh)


def documents(count, seed=0, longest=21):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, CONFIG.vocab_size, n).tolist() for n in rng.integers(1, longest, count)]


@functools.partial(jax.jit, static_argnames=('graph', 'chunk_tokens'))
def jitted(graph, params, batch, chunk_tokens):
    return next_token_loss(nnx.merge(graph, params), batch, chunk_tokens)


def value(decoder, mesh, batch, chunk_tokens=128):
    graph, params = nnx.split(decoder)
    with jax.set_mesh(mesh):
        laid = put_batch(batch, mesh)
        nats, weight = jitted(graph, nnx.to_pure_dict(params), laid, chunk_tokens)
    return float(nats), float(weight)


def plain(ids, padding=0):
    """One document as a batch of one row; padding after it, which nothing in it can see."""
    length = max(len(ids), padding)
    return {
        'tokens': np.array([[*ids, *[0] * (length - len(ids))]], np.int32),
        'positions': np.arange(length, dtype=np.int32)[None],
        'until': np.full((1, length), length - 1, np.int32),
        'weights': (np.arange(length) < len(ids)).astype(np.float32)[None],
    }


def test_cross_entropy_by_hand():
    logits = jnp.log(jnp.array([[[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]]))
    found = cross_entropy(logits, jnp.array([[1, 2]]))
    np.testing.assert_allclose(found, -np.log([[0.2, 0.5]]), rtol=1e-6)


def test_packed_rows_give_the_loss_of_separate_documents(decoder, mesh):
    ids = documents(9)
    whole = pack(ids, 256)  # one row: no document is cut
    assert len(whole) == 1
    nats, weight = value(decoder, mesh, whole.batch(np.array([0])))
    apart = [value(decoder, mesh, plain(d, padding=21)) for d in ids if len(d) > 1]
    assert weight == sum(len(d) - 1 for d in ids) == whole.loss_tokens
    np.testing.assert_allclose(nats, sum(n for n, _ in apart), rtol=1e-5)


def test_the_chunk_size_changes_nothing(decoder, mesh):
    packed = pack(documents(30, seed=1), 29)
    batch = packed.batch(np.arange(len(packed)))  # the last row is ragged
    assert batch['weights'].sum() < batch['weights'][:, 1:].size
    whole = value(decoder, mesh, batch, chunk_tokens=10_000)
    for chunk_tokens in (1, len(packed) * 7, len(packed) * 28):
        found = value(decoder, mesh, batch, chunk_tokens=chunk_tokens)
        assert found == pytest.approx(whole, rel=2e-6)


def test_a_chunk_of_a_cpu_takes_no_more_than_the_head_gradient(decoder, mesh):
    config = dataclasses.replace(decoder.config, d_model=576)
    with jax.set_mesh(mesh):
        assert [chunks_of(config, B, 256) for B in (1, 2, 4, 8)] == [1, 1, 2, 4]
        assert chunks_of(decoder.config, 4, 256) == 8  # never fewer than 128 tokens
        assert chunks_of(config, 1024, 256) == 256  # a token of each row
        assert chunks_of(config, 2, 256, chunk_tokens=64) == 8
    with jax.set_mesh(make_mesh(8, 1, 1)):
        assert chunks_of(config, 32, 256) == 2  # 4 rows on each device


def test_weights_count_each_token_by_itself(decoder, mesh):
    batch = plain(documents(1, seed=4, longest=40)[0] + [5, 6, 7])
    total = 0.0
    for place in range(1, batch['tokens'].shape[1]):
        one = {**batch, 'weights': np.zeros_like(batch['weights'])}
        one['weights'][0, place] = 2.5
        nats, weight = value(decoder, mesh, one)
        assert weight == 2.5
        total += nats / 2.5
    np.testing.assert_allclose(total, value(decoder, mesh, batch)[0], rtol=1e-5)
    none = {**batch, 'weights': np.zeros_like(batch['weights'])}
    none['weights'][0, 0] = 1  # nothing comes before the first token
    assert value(decoder, mesh, none) == (0.0, 0.0)


def test_no_array_of_whole_logits_is_made(decoder, mesh):
    packed = pack(documents(40, seed=2), 32)
    batch = packed.batch(np.arange(8))
    with jax.set_mesh(mesh):
        laid = put_batch(batch, mesh)
        text = str(jax.make_jaxpr(lambda b: next_token_loss(decoder, b, chunk_tokens=64))(laid))
    shapes = {re.sub(r'@\([^)]*\)|@\w+', '', s) for s in re.findall(r'f32\[[^]]*\]', text)}
    assert 'f32[8,8,88]' in shapes  # 8 rows x 8 places a chunk
    assert 'f32[8,32,88]' not in shapes


@pytest.mark.parametrize('sizes', [(8, 1, 1), (1, 8, 1), (2, 2, 2)])
def test_meshes_agree_with_one_device(decoder, mesh, sizes):
    packed = pack(documents(60, seed=5), 26)
    batch = packed.batch(np.arange(len(packed) - 16, len(packed)))
    wide = make_mesh(*sizes)
    spread = decoder_on(wide)
    expected = value(decoder, mesh, batch, chunk_tokens=40)
    assert value(spread, wide, batch, chunk_tokens=40) == pytest.approx(expected, rel=2e-6)


def test_loss_and_gradients_equal_those_of_transformers(tmp_path, mesh):
    """Labels of -100 stand for weight 0; the model sees rows of plain causal text."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from xlbarrier.models.load import load_decoder

    torch.manual_seed(1)
    reference = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=88,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            tie_word_embeddings=False,
            initializer_range=0.3,
        )
    )
    reference.save_pretrained(tmp_path)
    ours = load_decoder(tmp_path, mesh)
    rng = np.random.default_rng(7)
    tokens = rng.integers(0, 88, (3, 19)).astype(np.int32)
    weights = (rng.random((3, 19)) < 0.6).astype(np.float32)
    labels = np.where(weights > 0, tokens, -100).astype(np.int64)
    loss = reference(
        input_ids=torch.from_numpy(tokens).long(), labels=torch.from_numpy(labels)
    ).loss
    loss.backward()
    batch = {
        'tokens': tokens,
        'positions': np.broadcast_to(np.arange(19, dtype=np.int32), (3, 19)),
        'until': np.full((3, 19), 18, np.int32),
        'weights': weights,
    }
    graph, params = nnx.split(ours)

    def mean(params, batch):
        nats, weight = next_token_loss(nnx.merge(graph, params), batch, chunk_tokens=15)
        return nats / weight

    with jax.set_mesh(mesh):
        pure = nnx.to_pure_dict(params)
        found, grads = jax.jit(jax.value_and_grad(mean))(pure, put_batch(batch, mesh))
    assert float(found) == pytest.approx(loss.item(), rel=2e-6)
    layers = reference.model.layers

    def close(array, expected, shape=None):
        expected = expected.numpy() if shape is None else expected.numpy().T.reshape(shape)
        np.testing.assert_allclose(array, expected, rtol=2e-4, atol=2e-6)

    close(grads['embed']['embedding'], reference.model.embed_tokens.weight.grad)
    close(grads['head']['kernel'], reference.lm_head.weight.grad.T)
    close(grads['final_norm']['scale'], reference.model.norm.weight.grad)
    for i, layer in enumerate(layers):
        attn, mlp = grads['layers']['attn'], grads['layers']['mlp']
        close(attn['q']['kernel'][i], layer.self_attn.q_proj.weight.grad, (16, 4, 4))
        close(attn['k']['kernel'][i], layer.self_attn.k_proj.weight.grad, (16, 2, 4))
        close(attn['v']['kernel'][i], layer.self_attn.v_proj.weight.grad, (16, 2, 4))
        close(attn['o']['kernel'][i], layer.self_attn.o_proj.weight.grad, (4, 4, 16))
        close(mlp['gate']['kernel'][i], layer.mlp.gate_proj.weight.grad.T)
        close(mlp['down']['kernel'][i], layer.mlp.down_proj.weight.grad.T)
        scale = grads['layers']['attn_norm']['scale'][i]
        close(scale, layer.input_layernorm.weight.grad)


@pytest.mark.parametrize('chunk_tokens', [8, 64])
def test_a_batch_of_one_row_has_a_gradient(decoder, mesh, chunk_tokens):
    graph, params = nnx.split(decoder)
    with jax.set_mesh(mesh):
        laid = put_batch(plain(list(range(1, 21))), mesh)
        grads = jax.jit(
            jax.grad(lambda p: next_token_loss(nnx.merge(graph, p), laid, chunk_tokens)[0])
        )(nnx.to_pure_dict(params))
    assert np.abs(grads['embed']['embedding']).max() > 1e-3
