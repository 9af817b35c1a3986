"""Mixtures of experts: their balance in training, on meshes, with adapters and a cache."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from tests import torch_families
from tests.family_parity import ids, logits, one
from xlbarrier import mesh as mesh_lib
from xlbarrier.errors import InputError
from xlbarrier.models import cached, experts, hf_config, load, lora
from xlbarrier.models.reading import jit_decoder
from xlbarrier.train.loss import next_token_loss


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Folders of two cases."""
    root = tmp_path_factory.mktemp('experts')
    return {name: torch_families.save(root / name, name) for name in ('mixtral', 'gpt_oss')}


def host_batch(tokens_BT, lengths):
    """Texts of these lengths, each in a row of its own, and padding."""
    index_T = np.arange(tokens_BT.shape[1], dtype=np.int32)
    text_BT = index_T < np.array(lengths)[:, None]
    last_B1 = np.array(lengths, np.int32)[:, None] - 1
    return {
        'tokens': tokens_BT,
        'positions': np.where(text_BT, index_T, 0).astype(np.int32),
        'until': np.where(text_BT, last_B1, index_T).astype(np.int32),
        'weights': (text_BT & (index_T > 0)).astype(np.float32),
    }


def batch_of(tokens_BT, lengths):
    """`host_batch` on one device."""
    return mesh_lib.put_batch(host_batch(tokens_BT, lengths), one())


@pytest.mark.parametrize('name', ['mixtral', 'gpt_oss'])
def test_the_gradient_has_the_load_balancing_loss_of_transformers(folders, name):
    """Of the router, which it moves most; the coefficient is large, so that it shows."""
    tokens_BT, lengths = ids(2, 24), (24, 15)
    decoder = load.load_decoder(folders[name], one())
    decoder.config = decoder.config.replace(balance=3.0)
    with jax.set_mesh(one()):
        loss = nnx.jit(nnx.value_and_grad(lambda d, b: next_token_loss(d, b), has_aux=True))
        (nats, weight), grads = loss(decoder, batch_of(tokens_BT, lengths))
        router = nnx.to_pure_dict(grads)['layers']['mlp']['router']['kernel']

    model = torch_families.read(folders[name])
    model.config.router_aux_loss_coef = model.router_aux_loss_coef = 3.0
    mask = torch.tensor(np.arange(24) < np.array(lengths)[:, None])
    x = torch.tensor(tokens_BT.astype(np.int64))
    labels = torch.where(mask, x, -100)
    out = model(x, attention_mask=mask.long(), labels=labels, output_router_logits=True)
    assert float(out.aux_loss.detach()) > 1  # its least value, of even loads, is that of top 2
    out.loss.backward()
    named = dict(model.named_parameters())
    key = next(k for k in named if 'layers.1' in k and k.endswith(('gate.weight', 'router.weight')))
    ours, theirs = np.asarray(router[1]).T / float(weight), named[key].grad.numpy()
    assert np.abs(ours - theirs).max() <= 1e-3 * np.abs(theirs).max()
    # The number stays the cross-entropy.
    cross_entropy = float((out.loss - 3.0 * out.aux_loss).detach())
    assert float(nats / weight) == pytest.approx(cross_entropy, rel=1e-5)


def test_padding_counts_for_no_expert(folders):
    decoder = load.load_decoder(folders['mixtral'], one())
    balanced = jit_decoder(lambda d, *arrays: d.balanced(*arrays)[1])

    def balance(tokens_BT, counts_BT):
        batch = batch_of(tokens_BT, counts_BT.sum(1).astype(int))
        arrays = (batch['tokens'], batch['positions'], batch['until'])
        return float(balanced(decoder, *arrays, jnp.asarray(counts_BT)))

    with jax.set_mesh(one()):
        whole = balance(ids(1, 20), np.ones((1, 20), np.float32))
        counts = (np.arange(28) < 20).astype(np.float32)[None]
        padded = balance(np.pad(ids(1, 20), ((0, 0), (0, 8))), counts)
    assert padded == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize('name', ['mixtral', 'gpt_oss'])
def test_a_mesh_has_the_gradients_of_one_device(folders, name):
    """Rows are split over data and fsdp, experts over tensor; the balance has its part."""

    @nnx.jit
    def gradients(decoder, batch):
        return nnx.grad(next_token_loss, has_aux=True)(decoder, batch)

    found = []
    for mesh in (one(), mesh_lib.make_mesh(2, 2, 2)):
        decoder = load.load_decoder(folders[name], mesh)
        decoder.config = decoder.config.replace(balance=0.5)
        batch = mesh_lib.put_batch(host_batch(ids(4, 14), (14, 9, 14, 3)), mesh)
        with jax.set_mesh(mesh):
            grads, _ = gradients(decoder, batch)
        found.append({path: np.asarray(v[...]) for path, v in nnx.to_flat_state(grads)})
    whole, split = found
    least = 1e-4 * np.sqrt(sum((g**2).sum() for g in whole.values()))
    for path in whole:
        distance = np.linalg.norm(whole[path] - split[path])
        assert distance <= 1e-4 * max(np.linalg.norm(whole[path]), least), path


def test_an_even_load_has_the_least_loss():
    even = jnp.full((3, 2, 4), 5.0).at[:, 0].set(10.0)
    assert float(experts.balance(even, jnp.float32(20))) == pytest.approx(2.0)
    all_to_two = jnp.zeros((3, 2, 4)).at[:, 0, :2].set(20.0).at[:, 1, :2].set(10.0)
    assert float(experts.balance(all_to_two, jnp.float32(20))) == pytest.approx(4.0)


def test_experts_that_the_mesh_does_not_divide_are_an_error(tmp_path):
    folder = torch_families.save(tmp_path / 'odd', 'mixtral')
    config = load.read_config(folder).replace(experts=5)
    with pytest.raises(InputError, match='tensor = 2 does not divide experts = 5'):
        mesh_lib.check_divides(config, mesh_lib.make_mesh(2, 2, 2))


def test_adapters_are_those_of_attention(folders):
    decoder = load.load_decoder(folders['mixtral'], one())
    before = logits(decoder, one(), ids(1, 12))
    with pytest.raises(InputError, match=r"'gate': expected some of q, k, v, o .*experts"):
        lora.add_lora(decoder, rank=2, alpha=4.0, targets=('q', 'gate'), seed=0)
    lora.add_lora(decoder, rank=2, alpha=4.0, targets=('q', 'o'), seed=0)
    b = decoder.layers.attn.o.lora_b
    b.set_value(jax.random.normal(jax.random.key(1), b[...].shape) * 0.1)
    adapted = logits(decoder, one(), ids(1, 12))
    merged = logits(lora.merge_lora(decoder), one(), ids(1, 12))
    assert np.abs(adapted - before).max() > 0.01 * np.abs(before).max()
    assert np.abs(adapted - merged).max() <= 1e-5 * np.abs(before).max()


def test_a_cache_reads_what_a_whole_row_reads(folders):
    """Sinks, windows and experts, a token at a time."""
    decoder = load.load_decoder(folders['gpt_oss'], one())
    tokens_BT = ids(1, 14)
    whole = logits(decoder, one(), tokens_BT)[0]
    read = jit_decoder(lambda d, t, p: cached.read(d, t, p, 14))
    step = jit_decoder(lambda d, kept, t: cached.step(d, kept, t))
    unembed = jit_decoder(lambda d, h: d.unembed(h))
    with jax.set_mesh(one()):
        rows = mesh_lib.put_batch(
            {'first': tokens_BT[:, :11], 'pads': np.zeros(1, np.int32)}, one()
        )
        hidden, cache = read(decoder, rows['first'], rows['pads'])
        for place in range(11, 14):
            row = mesh_lib.put_batch({'next': tokens_BT[:, place]}, one())
            hidden, cache = step(decoder, cache, row['next'])
        last = np.asarray(unembed(decoder, hidden))[0]
    assert np.abs(last - whole[-1]).max() <= 1e-5 * np.abs(whole).max()


@pytest.mark.parametrize(
    'name, changes, words',
    [
        ('mixtral', {'num_experts_per_tok': 9}, 'num_experts_per_tok = 9; expected at most'),
        ('mixtral', {'num_local_experts': 0}, 'num_local_experts = 0; expected a whole'),
        ('gpt_oss', {'swiglu_limit': 5.0}, 'swiglu_limit = 5.0 is not supported'),
        (
            'gpt_oss',
            {'quantization_config': {'quant_method': 'mxfp4'}},
            'quantization_config = .*mxfp4',
        ),
    ],
)
def test_an_option_that_a_mixture_does_not_have_is_named(folders, name, changes, words):
    raw = hf_config.to_hf(load.read_config(folders[name]), 'float32') | changes
    with pytest.raises(InputError, match=words):
        hf_config.from_hf(raw)
