"""Objectives: loss and gradients against a few lines of torch, packing, meshes, adapters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from tests import torch_llama
from xlbarrier.config import TrainConfig
from xlbarrier.config.train import OBJECTIVES, GuardConfig, PairsConfig
from xlbarrier.data.pack import pack
from xlbarrier.data.pairs import EncodedPair, EncodedSide, lay_pairs
from xlbarrier.datafiles import DataError
from xlbarrier.mesh import make_mesh, put_batch
from xlbarrier.models import load, lora
from xlbarrier.scoring import engine
from xlbarrier.scoring.request import Request
from xlbarrier.train import loop, objectives
from xlbarrier.train.batches import Sources, predicted, seen
from xlbarrier.train.objectives import options
from xlbarrier.train.step import init_state, put_microbatches, split_decoder, train_step

T, COUNT = 48, 12
ONE = make_mesh(1, 1, 1, devices=jax.devices()[:1])
PAIRED = tuple(name for name in OBJECTIVES if name != 'next_token')
TRAIN = TrainConfig(
    steps=4,
    batch_rows=16,
    row_tokens=T,
    warmup_steps=1,
    learning_rate=1e-2,
    pairs=PairsConfig(rows=8, weight=0.7, dpo_nll=0.3, layer=1),
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    small = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, vocab_size=96)
    return torch_llama.save(tmp_path_factory.mktemp('llama'), 'tied_gqa', **small)


@pytest.fixture(scope='module')
def model(folder):
    return torch_llama.read(folder)


def ids(rng, low, high):
    return rng.integers(1, 96, rng.integers(low, high)).tolist()


@pytest.fixture(scope='module')
def encoded():
    """Pairs of two to four options, whose options have one to three tokens; items come twice."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(COUNT):
        count = 2 + number % 3
        sides = [
            EncodedSide(ids(rng, 3, 8), tuple(ids(rng, 1, 4) for _ in range(count)))
            for _ in range(2)
        ]
        made.append(EncodedPair(number // 2, tuple(sides), f'pair {number}'))
    return made


def laid(encoded, objective):
    """The pairs as an objective has them, with drawn reference scores."""
    count = 4
    if objective in ('dco', 'pivot_dpo'):
        count = 2
        encoded = [
            e._replace(sides=tuple(s._replace(options=s.options[:2]) for s in e.sides))
            for e in encoded
        ]
    reference = np.random.default_rng(1).normal(-8, 3, (len(encoded), 2, count)).astype('f')
    return encoded, reference, lay_pairs(encoded, T, reference)


def config_of(objective, **values):
    return dataclasses.replace(TRAIN, objective=objective, **values)


# The references: one sequence at a time, no packing, no mask.


def torch_score(model, context, option):
    logged = torch.log_softmax(model(torch.tensor([[*context, *option]])).logits[0], -1)
    first = len(context) - 1
    return sum(logged[first + i, token] for i, token in enumerate(option))


def torch_scores(model, side):
    return torch.stack([torch_score(model, side.context, option) for option in side.options])


def torch_agreement(model, pair, reference):
    english, other = (torch.log_softmax(torch_scores(model, s), 0) for s in pair.sides)
    return torch.nn.functional.kl_div(other, english.detach(), log_target=True, reduction='sum')


def torch_distillation(model, pair, reference):
    english = torch.tensor(reference[0, : len(pair.sides[0].options)])
    taught = torch.log_softmax(english, 0)
    other = torch.log_softmax(torch_scores(model, pair.sides[1]), 0)
    return torch.nn.functional.kl_div(other, taught, log_target=True, reduction='sum')


def torch_dco(model, pair, reference):
    (c1, w1), (c2, w2) = (torch_scores(model, side) for side in pair.sides)
    (rc1, rw1), (rc2, rw2) = reference.tolist()
    base1, base2, beta = rc1 - rw1, rc2 - rw2, TRAIN.pairs.dco_beta
    return abs(c1 - w1 - base1 - base2 / beta) + abs(c2 - w2 - base2 - beta * base1)


def torch_dpo(model, pair, reference):
    c, w = torch_scores(model, pair.sides[1])
    _, (rc, rw) = reference.tolist()
    margin = TRAIN.pairs.dpo_beta * ((c - rc) - (w - rw))
    return -torch.nn.functional.logsigmoid(margin) - TRAIN.pairs.dpo_nll * c


def torch_mean(model, side):
    ids = [*side.context]
    for option in side.options:  # an option is read after its context, not after another option
        ids += option
    states = [model(torch.tensor([side.context]), output_hidden_states=True).hidden_states[1][0]]
    for option in side.options:
        whole = model(torch.tensor([[*side.context, *option]]), output_hidden_states=True)
        states.append(whole.hidden_states[1][0, len(side.context) :])
    return torch.cat(states).mean(0)


def torch_contrast(model, pairs):
    english, other = ([torch_mean(model, p.sides[s]) for p in pairs] for s in (0, 1))
    total = 0
    for i, mine in enumerate(pairs):
        kept = [j for j, p in enumerate(pairs) if j == i or p.item != mine.item]
        near = torch.stack([torch.cosine_similarity(english[i], other[j], dim=0) for j in kept])
        total = total - torch.log_softmax(near / TRAIN.pairs.temperature, 0)[kept.index(i)]
    return total


TORCH = {
    'option_agreement': torch_agreement,
    'option_distillation': torch_distillation,
    'dco': torch_dco,
    'pivot_dpo': torch_dpo,
}


def torch_loss(model, objective, pairs, reference):
    if objective == 'contrast':
        return torch_contrast(model, pairs)
    return sum(TORCH[objective](model, *both) for both in zip(pairs, reference, strict=True))


def gradients(model):
    return {
        'embed': model.model.embed_tokens.weight.grad.numpy(),
        'q': model.model.layers[0].self_attn.q_proj.weight.grad.numpy(),
        'down': model.model.layers[0].mlp.down_proj.weight.grad.numpy(),
    }


def of_ours(grads):
    return {
        'embed': grads['embed']['embedding'],
        'q': grads['layers']['attn']['q']['kernel'][0].reshape(32, -1).T,
        'down': grads['layers']['mlp']['down']['kernel'][0].T,
    }


def differentiated(decoder, term, batch):
    graph, params = nnx.split(decoder)

    @jax.jit
    def both(params, batch):
        return jax.value_and_grad(lambda p: term(nnx.merge(graph, p), batch), has_aux=True)(params)

    with jax.set_mesh(ONE):
        (value, weight), grads = both(nnx.to_pure_dict(params), put_batch(batch, ONE))
    return float(value), float(weight), of_ours(grads)


def close(grads, theirs):
    for name, expected in theirs.items():
        scale = np.abs(expected).max()
        assert scale > 1e-4, name
        np.testing.assert_allclose(grads[name], expected, atol=2e-5 * scale, err_msg=name)


@pytest.mark.parametrize('objective', PAIRED)
def test_loss_and_gradients_equal_torch(folder, model, encoded, objective):
    pairs, reference, rows = laid(encoded, objective)
    assert len(rows) < COUNT  # several pairs in a row
    config = config_of(objective)
    value, weight, grads = differentiated(
        load.load_decoder(folder, ONE),
        lambda decoder, batch: objectives.OF_PAIRS[objective](decoder, batch, config),
        rows.batch(np.arange(len(rows))),
    )
    model.zero_grad()
    expected = torch_loss(model, objective, pairs, reference)
    expected.backward()
    assert weight == COUNT and value == pytest.approx(expected.item(), rel=2e-5)
    close(grads, gradients(model))


@pytest.mark.parametrize('objective', ['option_distillation', 'pivot_dpo'])
def test_an_objective_of_one_side_does_not_read_the_other(folder, encoded, objective):
    """As a run lays its rows, which then have fewer tokens."""
    pairs, reference, both = laid(encoded, objective)
    alone = lay_pairs(pairs, T, reference, sides=(1,))
    assert alone.tokens_real < both.tokens_real
    config = config_of(objective)
    (value, weight, grads), (other, count, moved) = (
        differentiated(
            load.load_decoder(folder, ONE),
            lambda decoder, batch: objectives.OF_PAIRS[objective](decoder, batch, config),
            rows.batch(np.arange(len(rows))),
        )
        for rows in (both, alone)
    )
    assert weight == count == COUNT and value == pytest.approx(other, rel=1e-5)
    close(moved, grads)


def test_the_guard_equals_torch(folder, model):
    from xlbarrier.train.objectives.guard import guard_loss

    texts = [ids(np.random.default_rng(n), 5, 12) for n in range(4)]
    batch = pack(texts, T).batch(np.arange(1))
    base, moved = load.load_decoder(folder, ONE), load.load_decoder(folder, ONE)
    kernel = moved.layers.mlp.down.kernel
    kernel.set_value(kernel[...] * 1.5)
    graph, params = nnx.split(base)

    def term(decoder, batch):
        return guard_loss(decoder, nnx.merge(graph, params), batch)

    value, weight, grads = differentiated(moved, term, batch)
    other = torch_llama.read(folder)
    with torch.no_grad():
        for layer in other.model.layers:
            layer.mlp.down_proj.weight.mul_(1.5)
    total, count = 0, 0
    for text in texts:
        row = torch.tensor([text])
        mine, theirs = (torch.log_softmax(m(row).logits[0, :-1], -1) for m in (other, model))
        total = total + torch.nn.functional.kl_div(
            mine, theirs.detach(), log_target=True, reduction='sum'
        )
        count += len(text) - 1
    total.backward()
    assert weight == count and value == pytest.approx(total.item(), rel=2e-5)
    close(grads, gradients(other))


def test_scores_are_those_of_the_scorer(folder, encoded):
    """So that reference scores can come from it: a pair's loss begins where the base model is."""
    decoder = load.load_decoder(folder, ONE)
    flat = [(p, s, o) for p in range(COUNT) for s in (0, 1)
            for o in range(len(encoded[p].sides[s].options))]  # fmt: skip
    requests = [
        Request(encoded[p].sides[s].context, encoded[p].sides[s].options[o]) for p, s, o in flat
    ]
    reference = np.zeros((COUNT, 2, 4), np.float32)
    for place, score in zip(flat, engine.score(decoder, requests, mesh=ONE), strict=True):
        reference[place] = score.log_likelihood
    rows = lay_pairs(encoded, T, reference)
    with jax.set_mesh(ONE):
        batch = put_batch(rows.batch(np.arange(len(rows))), ONE)
        scores = jax.jit(lambda b: options.option_scores(decoder, b))(batch)
    np.testing.assert_allclose(scores, rows.arrays['reference'], rtol=1e-5, atol=1e-5)


def updated(folder, mesh, config, sources, steps=2, seed=0):
    """Numbers of each update, and the parameters after them."""
    decoder = load.load_decoder(folder, mesh)
    base_graph, base = nnx.split(decoder)
    base = jax.tree.map(jnp.copy, nnx.to_pure_dict(base))
    if config.method == 'lora':
        lora.add_lora(decoder, 4, 8.0, ('q', 'v'), 0)
    decoder.remat = config.remat
    graph, params, frozen = split_decoder(decoder, config)
    state, found = init_state(params, config), []
    with jax.set_mesh(mesh):
        for step in range(steps):
            batch = put_microbatches(sources.at(config, step, seed), mesh, config.accumulate)
            state, numbers = train_step(
                state, frozen, batch, graph=graph, config=config, seed=seed,
                base_graph=base_graph, base_params=base,
            )  # fmt: skip
            found.append({name: float(x) for name, x in numbers.items()})
    return found, jax.tree.map(np.asarray, state.params)


@pytest.fixture(scope='module')
def text():
    return pack([ids(np.random.default_rng(n), 2, 30) for n in range(60)], T)


def sources_of(encoded, text, config):
    rows = laid(encoded, config.objective)[2] if config.objective != 'next_token' else None
    return Sources(text, rows, text if config.guard.weight else None)


EIGHT = dict(pairs=dataclasses.replace(TRAIN.pairs, rows=8), batch_rows=24)
GUARDED = dict(guard=GuardConfig(weight=0.5, rows=8))


@pytest.mark.parametrize('objective', ['dco', 'contrast'])  # the others share dco's scores
def test_meshes_train_alike(folder, encoded, text, objective):
    config = config_of(objective, **EIGHT, **GUARDED)
    sources = sources_of(encoded, text, config)
    one, params = updated(folder, ONE, config, sources)
    eight, moved = updated(folder, make_mesh(2, 2, 2), config, sources)
    for a, b in zip(one, eight, strict=True):
        assert a == pytest.approx(b, rel=2e-4)
    np.testing.assert_allclose(moved['embed']['embedding'], params['embed']['embedding'], atol=2e-4)
    assert {'nats', 'guard_sum'} <= one[0].keys() and 'pairs_sum' in one[-1]
    assert ('pairs_sum' in one[0]) == (objective != 'contrast')  # which comes in turns


def test_accumulation_and_adapters(folder, encoded, text):
    """Microbatches add up to the whole batch, with adapters too: each sum is divided once."""
    config = config_of('dco', method='lora', **EIGHT, **GUARDED)
    sources = sources_of(encoded, text, config)
    whole, params = updated(folder, ONE, config, sources)
    parts, moved = updated(folder, ONE, dataclasses.replace(config, accumulate=4), sources)
    for a, b in zip(whole, parts, strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    kernel = params['layers']['attn']['q']['lora_b']
    np.testing.assert_allclose(moved['layers']['attn']['q']['lora_b'], kernel, atol=1e-4)
    assert np.abs(kernel).max() > 1e-3
    assert whole[0]['guard_sum'] == pytest.approx(0, abs=1e-4) != whole[1]['guard_sum']


def test_an_update_without_text_has_the_gradient_of_its_pairs(folder, encoded, text):
    quiet = dataclasses.replace(TRAIN.pairs, text_weight=0.0, weight=1.0)
    config = config_of('option_agreement', pairs=quiet, batch_rows=8)
    sources = sources_of(encoded, text, config)
    numbers, _ = updated(folder, ONE, config, sources, steps=4)
    assert 'nats' not in numbers[0]
    losses = [n['pairs_sum'] / n['pairs_weight'] for n in numbers]
    assert losses[-1] < losses[0]


def test_rows_are_counted_and_padding_is_not(encoded):
    rows = lay_pairs(encoded, T)
    batch = {'pairs': rows.batch(np.arange(len(rows)))}
    lengths = [[len(s.context), *map(len, s.options)] for e in encoded for s in e.sides]
    assert seen(batch) == rows.tokens_real == sum(map(sum, lengths))
    assert predicted(batch) == sum(sum(one[1:]) for one in lengths)


def test_a_pair_longer_than_a_row_is_refused_by_name(encoded):
    with pytest.raises(DataError, match=r'pair \d+: the pair has \d+ tokens; .* is 20: raise it'):
        lay_pairs(encoded, 20)


def test_an_objective_without_its_rows_is_refused(encoded, text):
    with pytest.raises(ValueError, match="objective is 'dco', and there are no pairs"):
        Sources(text).check(config_of('dco'))
    with pytest.raises(ValueError, match="'next_token', and there are pairs, which it does not"):
        Sources(text, lay_pairs(encoded, T)).check(config_of('next_token'))
    with pytest.raises(ValueError, match=r'guard\.weight is 0\.5, and there is no English text'):
        Sources(text).check(config_of('next_token', **GUARDED))


def test_an_interrupted_training_is_continued_with_the_same_bits(folder, encoded, text, tmp_path):
    """Pairs, the guard's rows and the guard itself come from step and seed alone."""
    values = dict(batch_rows=6, checkpoint_every=2, method='lora', lora_rank=2)
    pairs = dataclasses.replace(TRAIN.pairs, rows=2)
    config = config_of('dco', pairs=pairs, guard=GuardConfig(weight=0.5, rows=2), **values)
    sources, rows = sources_of(encoded, text, config), {}

    def run(name, stop=0):
        def log(row):
            if row['step'] == stop:
                raise KeyboardInterrupt
            rows.setdefault(name, []).append(row)

        decoder = load.load_decoder(folder, ONE)
        logged = len(rows.get(name, []))
        return loop.train(
            decoder, sources, config, folder=tmp_path / name, seed=1, log=log, logged_through=logged
        )

    whole = run('whole')
    with pytest.raises(KeyboardInterrupt):
        run('parts', stop=4)
    parts = run('parts')
    kept = ('step', 'loss', 'loss_pairs', 'loss_guard', 'tokens', 'tokens_seen', 'grad_norm')
    assert [[row[name] for name in kept] for row in rows['parts']] == [
        [row[name] for name in kept] for row in rows['whole']
    ]
    for one, other in zip(
        *(jax.tree.leaves(nnx.to_pure_dict(nnx.state(d))) for d in (whole, parts)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
