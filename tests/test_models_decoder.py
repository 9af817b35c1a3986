"""The decoder against transformers and torch in float32, on every mesh, under the visibility rule.

Ids are drawn by numpy's PCG64 from fixed seeds; nothing here is a golden number.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from tests import torch_llama
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load, tables, weights

MESHES = [(1, 1, 1), (8, 1, 1), (1, 8, 1), (2, 2, 2), (1, 4, 2)]


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp('llamas')
    return {name: torch_llama.save(root / name, name) for name in torch_llama.SHAPES}


def make_mesh(sizes=(1, 1, 1)):
    return mesh_lib.make_mesh(*sizes, devices=jax.devices()[: int(np.prod(sizes))])


def draw(*shape, vocab=131, seed=0):
    return np.random.default_rng(seed).integers(0, vocab, shape).astype(np.int32)


def lay(mesh, tokens_BT, positions_BT=None, until_BT=None):
    """A batch on the mesh; plain causal rows where nothing else is said."""
    T = tokens_BT.shape[1]
    places = np.broadcast_to(np.arange(T, dtype=np.int32), tokens_BT.shape)
    batch = {
        'tokens': tokens_BT,
        'positions': places if positions_BT is None else positions_BT,
        'until': np.full_like(tokens_BT, T - 1) if until_BT is None else until_BT,
    }
    return mesh_lib.put_batch({k: np.asarray(v, np.int32) for k, v in batch.items()}, mesh)


@nnx.jit
def forward(decoder, batch):
    return decoder(batch['tokens'], batch['positions'], batch['until'])


def run(decoder, mesh, *args):
    with jax.set_mesh(mesh):
        return np.asarray(forward(decoder, lay(mesh, *args)))


@nnx.jit
def gradients(decoder, batch, weights_BT):
    """Of the weighted sum of next-token losses, in nats."""

    def loss(decoder):
        logits_BTV = decoder(batch['tokens'], batch['positions'], batch['until'])[:, :-1]
        targets_BT = batch['tokens'][:, 1:]
        hot_BTV = jax.nn.one_hot(targets_BT, logits_BTV.shape[-1])
        nats_BT = jax.nn.logsumexp(logits_BTV, -1) - (logits_BTV * hot_BTV).sum(-1)
        return (nats_BT * weights_BT).sum()

    return nnx.grad(loss)(decoder)


def flat(state):
    return {'.'.join(map(str, path)): np.asarray(v[...]) for path, v in nnx.to_flat_state(state)}


@pytest.mark.parametrize('shape', list(torch_llama.SHAPES))
def test_logits_equal_those_of_transformers(folders, shape):
    mesh = make_mesh()
    decoder = load.load_decoder(folders[shape], mesh)
    reference = torch_llama.read(folders[shape])
    tokens_BT = draw(4, 37)
    ours = run(decoder, mesh, tokens_BT)
    for row, ids in zip(ours, tokens_BT, strict=True):
        theirs = torch_llama.logits(reference, ids)
        assert np.abs(row - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize('shape', list(torch_llama.SHAPES))
def test_gradients_equal_those_of_torch(folders, shape):
    mesh = make_mesh()
    decoder = load.load_decoder(folders[shape], mesh)
    reference = torch_llama.read(folders[shape])
    tokens_BT, lengths = draw(3, 24), (24, 17, 5)
    weights_BT = (np.arange(1, 24) < np.array(lengths)[:, None]).astype(np.float32)
    for ids, length in zip(tokens_BT, lengths, strict=True):
        x = torch.tensor(ids[None, :length].astype(np.int64))
        losses = torch.nn.functional.cross_entropy(
            reference(x).logits[0, :-1], x[0, 1:], reduction='sum'
        )
        losses.backward()
    theirs = {name: p.grad.numpy() for name, p in reference.named_parameters()}
    with jax.set_mesh(mesh):
        ours = flat(gradients(decoder, lay(mesh, tokens_BT), weights_BT))
    seen = set()
    table = tables.hf_table(decoder.config)
    for key, parts in weights.arrays_of(table, decoder.config.num_layers):
        wanted = theirs[key]
        got = weights.assemble(
            parts, wanted.dtype, lambda p, i: ours[p] if i is None else ours[p][i]
        )
        error = np.linalg.norm(got - wanted) / np.linalg.norm(wanted)
        assert error <= 1e-3, (key, error)
        seen.add(key)
    assert seen == set(theirs)


@pytest.mark.parametrize('shape', ['tied_gqa', 'untied_mha'])
def test_every_mesh_gives_the_same_logits(folders, shape):
    tokens_BT = draw(8, 16)
    results = []
    for sizes in MESHES:
        mesh = make_mesh(sizes)
        results.append(run(load.load_decoder(folders[shape], mesh), mesh, tokens_BT))
    for sizes, result in zip(MESHES, results, strict=True):
        assert np.abs(result - results[0]).max() <= 1e-5 * np.abs(results[0]).max(), sizes


def test_parameters_lie_in_shards(folders):
    decoder = load.load_decoder(folders['untied_mha'], make_mesh((2, 2, 2)))
    shards = {
        name: value.addressable_shards[0].data.shape
        for name, value in (
            ('embed', decoder.embed.embedding[...]),
            ('head', decoder.head.kernel[...]),
            ('q', decoder.layers.attn.q.kernel[...]),
            ('down', decoder.layers.mlp.down.kernel[...]),
        )
    }
    assert shards == {
        'embed': (128, 32),
        'head': (32, 128),
        'q': (3, 32, 2, 16),
        'down': (3, 64, 32),
    }


def test_random_weights_do_not_depend_on_the_mesh(folders):
    config = load.read_config(folders['untied_mha'])
    first = flat(nnx.state(load.init_decoder(config, make_mesh(), seed=3)))
    split = flat(nnx.state(load.init_decoder(config, make_mesh((2, 2, 2)), seed=3)))
    other = flat(nnx.state(load.init_decoder(config, make_mesh(), seed=4)))
    assert first.keys() == split.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], split[name], err_msg=name)
    assert np.abs(first['head.kernel'] - other['head.kernel']).max() > 0.01
    assert 0.018 < first['layers.mlp.up.kernel'].std() < 0.022


def test_packed_documents_equal_separate_runs(folders):
    mesh = make_mesh()
    decoder = load.load_decoder(folders['tied_gqa'], mesh)
    reference = torch_llama.read(folders['tied_gqa'])
    lengths, T = (9, 1, 13, 4), 32  # five places of padding
    tokens, positions, until = draw(T), np.zeros(T, np.int32), np.arange(T, dtype=np.int32)
    start = 0
    for length in lengths:
        positions[start : start + length] = np.arange(length)
        until[start : start + length] = start + length - 1
        start += length
    ours = run(decoder, mesh, tokens[None], positions[None], until[None])[0]
    start = 0
    for length in lengths:
        theirs = torch_llama.logits(reference, tokens[start : start + length])
        got = ours[start : start + length]
        assert np.abs(got - theirs).max() <= 1e-4 * np.abs(theirs).max()
        start += length
    changed = tokens.copy()
    changed[start:] = 7  # padding is seen by nobody
    again = run(decoder, mesh, changed[None], positions[None], until[None])[0]
    np.testing.assert_array_equal(ours[:start], again[:start])
    assert np.isfinite(again).all()


def test_a_trie_of_texts_equals_separate_runs(folders):
    """Depth-first: stem of 6, branch a of 3 with leaves of 2 and 4, branch b of 5."""
    mesh = make_mesh()
    decoder = load.load_decoder(folders['odd'], mesh)
    reference = torch_llama.read(folders['odd'])
    # (first place, length, depth of its first token, last place of its subtree)
    nodes = {
        'stem': (0, 6, 0, 19),
        'a': (6, 3, 6, 14),
        'a1': (9, 2, 9, 10),
        'a2': (11, 4, 9, 14),
        'b': (15, 5, 6, 19),
    }
    T = 20
    tokens, positions, until = draw(T, seed=5), np.zeros(T, np.int32), np.zeros(T, np.int32)
    for first, length, depth, last in nodes.values():
        positions[first : first + length] = depth + np.arange(length)
        until[first : first + length] = last
    ours = run(decoder, mesh, tokens[None], positions[None], until[None])[0]
    for path in (['stem', 'a', 'a1'], ['stem', 'a', 'a2'], ['stem', 'b']):
        places = np.concatenate([np.arange(nodes[n][0], sum(nodes[n][:2])) for n in path])
        theirs = torch_llama.logits(reference, tokens[places])
        assert np.abs(ours[places] - theirs).max() <= 1e-4 * np.abs(theirs).max(), path


@pytest.mark.parametrize('remat', ['dots', 'full'])
def test_rematerialisation_changes_no_gradient(folders, remat):
    mesh = make_mesh((2, 2, 2))
    decoder = load.load_decoder(folders['tied_gqa'], mesh)
    with jax.set_mesh(mesh):
        batch = lay(mesh, draw(8, 12))
        ones = jnp.ones((8, 11), out_sharding=jax.P(('data', 'fsdp'), None))
        plain = flat(gradients(decoder, batch, ones))
        decoder.remat = remat
        again = flat(gradients(decoder, batch, ones))
    for name, gradient in plain.items():
        error = np.linalg.norm(again[name] - gradient) / np.linalg.norm(gradient)
        assert error < 1e-5, (name, error)


def test_bfloat16_compute_stays_near_and_logits_stay_float32(folders):
    mesh = make_mesh((2, 2, 2))
    tokens_BT = draw(8, 16)
    exact = run(load.load_decoder(folders['tied_gqa'], mesh), mesh, tokens_BT)
    decoder = load.load_decoder(folders['tied_gqa'], mesh, compute_dtype='bfloat16')
    assert decoder.embed.embedding[...].dtype == jnp.float32
    with jax.set_mesh(mesh):
        batch = lay(mesh, tokens_BT)
        hidden = nnx.jit(lambda d, b: d.hidden(b['tokens'], b['positions'], b['until']))
        assert hidden(decoder, batch).dtype == jnp.bfloat16
        rough = forward(decoder, batch)
    assert rough.dtype == jnp.float32
    error = np.linalg.norm(np.asarray(rough) - exact) / np.linalg.norm(exact)
    assert 1e-4 < error < 0.05


def test_unembed_takes_one_or_two_leading_axes(folders):
    mesh = make_mesh()
    decoder = load.load_decoder(folders['untied_mha'], mesh)
    with jax.set_mesh(mesh):
        hidden_BTD = jax.random.normal(jax.random.key(0), (2, 3, 64))
        whole = np.asarray(decoder.unembed(hidden_BTD))
        part = np.asarray(decoder.unembed(hidden_BTD[1]))
    assert whole.shape == (2, 3, 256)
    np.testing.assert_allclose(part, whole[1], rtol=1e-5, atol=1e-5)


def test_a_mesh_that_does_not_divide_is_refused_before_the_weights_are_read(folders):
    with pytest.raises(ValueError, match='tensor = 4 does not divide kv heads = 2'):
        load.load_decoder(folders['tied_gqa'], make_mesh((2, 1, 4)))
