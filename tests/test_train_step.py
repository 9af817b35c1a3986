"""The update: accumulation, optimizer against torch, meshes, donation, precision."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.test_train_loss import decoder_on, documents
from xlbarrier.config import TrainConfig
from xlbarrier.data.pack import pack
from xlbarrier.data.pipeline import batch_at
from xlbarrier.mesh import make_mesh
from xlbarrier.models import lora
from xlbarrier.train import optimizer as optimizer_lib
from xlbarrier.train.step import init_state, put_microbatches, split_decoder, train_step

TRAIN = TrainConfig(steps=5, batch_rows=16, row_tokens=24, warmup_steps=1, learning_rate=1e-2)


@pytest.fixture(scope='module')
def packed():
    """Rows with many short documents, and a batch whose microbatches have unequal weights."""
    rows = pack(documents(110, seed=8), TRAIN.row_tokens)
    rows.weights[::3, 5:] = 0
    return rows


def updates(mesh, config, batches, seed=0):
    """Losses of the updates, and the state after them."""
    decoder = decoder_on(mesh)
    decoder.compute_dtype, decoder.remat = config.compute_dtype, config.remat
    graph, params, frozen = split_decoder(decoder, config)
    state = init_state(params, config)
    losses = []
    with jax.set_mesh(mesh):
        for batch in batches:
            laid = put_microbatches(batch, mesh, config.accumulate)
            state, numbers = train_step(state, frozen, laid, graph=graph, config=config, seed=seed)
            losses.append(float(numbers['nats'] / numbers['weight']))
    return losses, state, numbers


def batches_of(packed, count=5):
    return [batch_at(packed, step, TRAIN.batch_rows, seed=0) for step in range(count)]


@pytest.fixture(scope='module')
def one_device(packed):
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    losses, state, _ = updates(mesh, TRAIN, batches_of(packed))
    return losses, jax.tree.map(np.asarray, state.params)


def test_accumulation_equals_the_whole_batch_with_ragged_weights(packed):
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    (batch,) = batches_of(packed, 1)
    quarters = batch['weights'][:, 1:].reshape(4, -1).sum(1)
    assert len(set(quarters)) == 4  # else a mean of means would pass
    results = {}
    for accumulate in (1, 4):
        # Plain gradient in the first moment: b1 = 0 and no clipping.
        config = dataclasses.replace(TRAIN, accumulate=accumulate, b1=0.0, clip_norm=1e9)
        losses, state, numbers = updates(mesh, config, [batch])
        results[accumulate] = losses[0], float(numbers['grad_norm']), state
    assert results[4][0] == pytest.approx(results[1][0], rel=1e-6)
    assert results[4][1] == pytest.approx(results[1][1], rel=1e-5)
    gradients = [
        jax.tree.leaves(jax.tree.map(np.asarray, results[a][2].optimizer[1][0].mu)) for a in (1, 4)
    ]
    for whole, parts in zip(*gradients, strict=True):
        np.testing.assert_allclose(parts, whole, atol=1e-6)
        assert np.abs(whole).max() > 1e-5


@pytest.mark.parametrize('sizes', [(1, 2, 1), (8, 1, 1), (1, 8, 1), (2, 2, 2)])
def test_meshes_train_alike(packed, one_device, sizes):
    mesh = make_mesh(*sizes, devices=jax.devices()[: math.prod(sizes)])
    losses, state, _ = updates(mesh, TRAIN, batches_of(packed))
    np.testing.assert_allclose(losses, one_device[0], rtol=1e-5)
    kernel = state.params['layers']['mlp']['up']['kernel']
    moment = state.optimizer[1][0].mu['layers']['mlp']['up']['kernel']
    assert kernel.sharding.spec == moment.sharding.spec == jax.P(None, 'fsdp', 'tensor')
    assert len(kernel.addressable_shards) == math.prod(sizes)


def test_training_lowers_the_loss(packed, one_device):
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    batch = batches_of(packed, 1)[0]
    losses, _, _ = updates(mesh, TRAIN, [batch] * 5)
    assert losses[-1] < losses[0] - 0.05
    assert one_device[0][0] == losses[0]


def test_remat_recomputes_the_same_numbers(packed, one_device):
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    config = dataclasses.replace(TRAIN, remat='full')
    losses, _, _ = updates(mesh, config, batches_of(packed, 2))
    np.testing.assert_allclose(losses, one_device[0][:2], rtol=1e-6)


def test_bfloat16_compute_keeps_float32_parameters(packed, one_device):
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    config = dataclasses.replace(TRAIN, compute_dtype='bfloat16')
    losses, state, _ = updates(mesh, config, batches_of(packed, 3))
    assert {x.dtype for x in jax.tree.leaves(state.params)} == {jnp.dtype('float32')}
    assert {x.dtype for x in jax.tree.leaves(state.optimizer[1][0].nu)} == {jnp.dtype('float32')}
    assert losses != one_device[0][:3]
    np.testing.assert_allclose(losses, one_device[0][:3], rtol=2e-2)


def test_the_state_is_donated_and_the_rest_is_not(packed):
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    graph, params, frozen = split_decoder(decoder_on(mesh), TRAIN)
    state = init_state(params, TRAIN)
    laid = put_microbatches(batches_of(packed, 1)[0], mesh, 1)
    with jax.set_mesh(mesh):
        train_step(state, frozen, laid, graph=graph, config=TRAIN)
    assert all(x.is_deleted() for x in jax.tree.leaves((state.params, state.optimizer)))
    assert not any(x.is_deleted() for x in laid.values())


def test_seeds_share_a_compiled_program_and_not_their_noise(packed):
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    config = dataclasses.replace(TRAIN, method='lora', lora_dropout=0.3)
    norms, before = [], train_step.here._cache_size()
    for seed in (0, 1, 2**32 - 1, 0):
        rank, alpha, targets = config.lora_rank, config.lora_alpha, config.lora_targets
        decoder = lora.add_lora(decoder_on(mesh), rank, alpha, targets, seed=3)
        graph, params, frozen = split_decoder(decoder, config)
        with jax.set_mesh(mesh):
            laid = put_microbatches(batches_of(packed, 1)[0], mesh, 1)
            _, numbers = train_step(
                init_state(params, config),
                frozen,
                laid,
                graph=graph,
                config=config,
                seed=np.uint32(seed),
            )
        norms.append(float(numbers['grad_norm']))
    assert train_step.here._cache_size() == before + 1
    assert len(set(norms)) == 3 and norms[0] == norms[-1]


def test_padding_alone_changes_nothing_but_the_step(packed):
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    (batch,) = batches_of(packed, 1)
    batch['weights'] = np.zeros_like(batch['weights'])
    before = decoder_on(mesh).embed.embedding[...]
    _, state, numbers = updates(mesh, TRAIN, [batch])
    np.testing.assert_array_equal(state.params['embed']['embedding'], before)
    assert float(numbers['weight']) == 0 and float(numbers['grad_norm']) == 0


def test_rows_that_do_not_divide_over_the_devices_are_refused():
    with pytest.raises(ValueError, match=r'batch_rows = 12 .* accumulate 2 .* 8 = 16'):
        put_microbatches({'tokens': np.zeros((12, 4), np.int32)}, make_mesh(), 2)


def test_adamw_and_clipping_equal_torch():
    import torch

    config = TrainConfig(
        steps=12, warmup_steps=3, learning_rate=0.03, weight_decay=0.1, clip_norm=0.7, b2=0.95
    )
    rng = np.random.default_rng(0)
    params = {
        'linear': {'kernel': rng.normal(size=(2, 5, 3)).astype(np.float32)},
        'norm': {'scale': rng.normal(size=(2, 5)).astype(np.float32)},
    }
    tensors = [torch.tensor(params[a][b]) for a, b in (('linear', 'kernel'), ('norm', 'scale'))]
    reference = torch.optim.AdamW(
        [
            {'params': [tensors[0]], 'weight_decay': 0.1},
            {'params': [tensors[1]], 'weight_decay': 0.0},
        ],
        betas=(config.b1, config.b2),
        eps=1e-8,
    )
    ours = optimizer_lib.make_optimizer(config)
    state = ours.init(params)
    for step in range(8):
        grads = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32) / 20, params)
        grads = jax.tree.map(lambda x, step=step: x * (1 + 9 * (step % 2)), grads)
        updates, state = ours.update(grads, state, params)
        params = jax.tree.map(lambda p, u: np.asarray(p + u), params, updates)
        tensors[0].grad = torch.tensor(grads['linear']['kernel'])
        tensors[1].grad = torch.tensor(grads['norm']['scale'])
        norm = torch.nn.utils.clip_grad_norm_(tensors, config.clip_norm)
        assert (norm > config.clip_norm) == (step % 2 == 1)  # both cases are met
        share = (step + 1) / 4 if step < 3 else 0.5 * (1 + math.cos(math.pi * (step - 3) / 9))
        for group in reference.param_groups:
            group['lr'] = 0.03 * share
        reference.step()
        np.testing.assert_allclose(params['linear']['kernel'], tensors[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(params['norm']['scale'], tensors[1], rtol=1e-5, atol=1e-6)


def test_the_schedule_warms_up_and_ends_near_zero():
    config = TrainConfig(steps=10, warmup_steps=4, learning_rate=1.0)
    rates = [float(optimizer_lib.make_schedule(config)(step)) for step in range(10)]
    np.testing.assert_allclose(rates[:5], [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-6)
    assert all(a > b > 0 for a, b in itertools.pairwise(rates[4:]))
    with pytest.raises(ValueError, match=r'warmup_steps is 10, config\.train\.steps 10'):
        optimizer_lib.make_schedule(dataclasses.replace(config, warmup_steps=10))


def test_decay_leaves_norms_alone():
    graph_params = {'embed': {'embedding': 0}, 'layers': {'attn_norm': {'scale': 0}}}
    assert optimizer_lib.decayed(graph_params) == {
        'embed': {'embedding': True},
        'layers': {'attn_norm': {'scale': False}},
    }


def test_padded_rows_of_ragged_texts_train_as_in_transformers(tmp_path):
    """Twenty updates of Chua et al.'s kind: one text per row, a rate that only rises."""
    import torch
    import transformers

    from tests import torch_llama
    from xlbarrier.data.examples import Encoded, ExamplePacker
    from xlbarrier.models.load import load_decoder

    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    sizes = {'num_hidden_layers': 2, 'hidden_size': 32, 'intermediate_size': 48}
    folder = torch_llama.save(tmp_path, 'tied_gqa', initializer_range=0.05, **sizes)
    model = torch_llama.read(folder).train()
    config = TrainConfig(
        steps=20, batch_rows=4, row_tokens=24, pad=True, warmup_steps=0, learning_rate=2e-3,
        schedule='rising', weight_decay=0.01,
    )  # fmt: skip
    texts = documents(48, seed=2, longest=25)
    with ExamplePacker(config.row_tokens, tmp_path, pad=True) as packer:
        packer.add([Encoded(text, [0.0] + [1.0] * (len(text) - 1)) for text in texts if text[1:]])
        (rows,) = packer.rows()
    batches = [batch_at(rows, step, config.batch_rows, seed=0) for step in range(config.steps)]

    decoder = load_decoder(folder, mesh)
    decoder.compute_dtype, decoder.remat = config.compute_dtype, 'none'
    graph, params, frozen = split_decoder(decoder, config)
    state = init_state(jax.tree.map(jnp.copy, params), config)
    ours, theirs = [], []
    with jax.set_mesh(mesh):
        for batch in batches:
            laid = put_microbatches(batch, mesh, 1)
            state, numbers = train_step(state, frozen, laid, graph=graph, config=config, seed=0)
            ours.append(float(numbers['nats'] / numbers['weight']))

    # transformers' Trainer decays all but norms and biases.
    decayed = [p for name, p in model.named_parameters() if 'norm' not in name]
    others = [p for name, p in model.named_parameters() if 'norm' in name]
    optimizer = torch.optim.AdamW(
        [{'params': decayed, 'weight_decay': 0.01}, {'params': others, 'weight_decay': 0.0}],
        lr=config.learning_rate,
    )
    scheduler = transformers.get_scheduler('linear', optimizer, config.steps, config.steps)
    for batch in batches:
        ids = torch.tensor(batch['tokens'], dtype=torch.long)
        kept = torch.tensor(batch['weights'] > 0)
        kept[:, 0] = True  # the first token is read, and not predicted
        labels = ids.masked_fill(~kept, -100)
        loss = model(input_ids=ids, attention_mask=kept.long(), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        scheduler.step()
        theirs.append(loss.item())
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert theirs[-1] < theirs[0] - 0.1


SCHEDULES = {'cosine': 'cosine', 'linear': 'linear', 'constant': 'constant'}
SCHEDULES |= {'inverse_sqrt': 'inverse_sqrt', 'rising': 'linear'}


@pytest.mark.parametrize('name', SCHEDULES)
def test_twenty_steps_of_each_schedule_equal_those_of_transformers(name):
    """A regression by AdamW: ours and torch's, at transformers' learning rates."""
    import optax
    import torch
    import transformers

    config = TrainConfig(steps=20, warmup_steps=0, learning_rate=0.05, schedule=name)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 8)).astype('f'), rng.standard_normal(64).astype('f')
    kernel = {'kernel': jnp.asarray(rng.standard_normal(8).astype('f'))}
    theirs = torch.nn.Parameter(torch.from_numpy(np.array(kernel['kernel'])))
    torch_optimizer = torch.optim.AdamW([theirs], lr=0.05, weight_decay=0.0)
    scheduler = transformers.get_scheduler(
        SCHEDULES[name],
        torch_optimizer,
        num_warmup_steps=config.steps if name == 'rising' else 0,
        num_training_steps=config.steps,
    )
    optimizer = optimizer_lib.make_optimizer(config)
    moments, schedule = optimizer.init(kernel), optimizer_lib.make_schedule(config)
    differentiate = jax.value_and_grad(lambda p: jnp.mean((x @ p['kernel'] - y) ** 2))
    for step in range(config.steps):
        assert float(schedule(step)) == pytest.approx(
            scheduler.get_last_lr()[0], rel=1e-5, abs=1e-9
        )
        loss, grads = differentiate(kernel)
        updates, moments = optimizer.update(grads, moments, kernel)
        kernel = optax.apply_updates(kernel, updates)
        torch_optimizer.zero_grad()
        torch_loss = ((torch.from_numpy(x) @ theirs - torch.from_numpy(y)) ** 2).mean()
        torch_loss.backward()
        torch.nn.utils.clip_grad_norm_([theirs], config.clip_norm)
        torch_optimizer.step()
        scheduler.step()
        assert float(loss) == pytest.approx(float(torch_loss), rel=1e-4)


@pytest.mark.parametrize('name', SCHEDULES)
def test_schedules_warm_up_alike_and_reach_the_peak(name):
    config = TrainConfig(steps=40, warmup_steps=9, learning_rate=1.0, schedule=name)
    rates = np.array([float(optimizer_lib.make_schedule(config)(n)) for n in range(40)])
    if name == 'rising':
        np.testing.assert_allclose(rates, np.arange(40) / 40, rtol=1e-6)
        return
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10, rtol=1e-6)
    after = {
        'cosine': (1 + np.cos(np.pi * np.arange(31) / 31)) / 2,
        'linear': 1 - np.arange(31) / 31,
        'constant': np.ones(31),
        'inverse_sqrt': np.sqrt(9 / (np.arange(31) + 9)),
    }[name]
    np.testing.assert_allclose(rates[9:], after, rtol=1e-5)
