"""FLOPs, bytes and layouts of abstract steps equal XLA's count, formulas and the real arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import PartitionSpec as P

from xlbarrier import mesh as mesh_lib
from xlbarrier.aot import cost, steps
from xlbarrier.aot.chips import CHIPS
from xlbarrier.config import ModelConfig, TrainConfig
from xlbarrier.models import load, lora
from xlbarrier.models.config import DecoderConfig
from xlbarrier.train.step import init_state, split_decoder

MODEL = ModelConfig(source='none')
TINY = DecoderConfig(
    family='llama',
    vocab_size=512,
    num_layers=1,
    d_model=64,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    d_ff=128,
    norm_eps=1e-5,
    tied=False,
    max_positions=512,
)
ROWS, LENGTH = 8, 64  # two rows of a chip are one chunk of the loss: nothing loops in one layer


@pytest.fixture(scope='module')
def mesh():
    return mesh_lib.make_mesh(2, 2, 2)


def train(mesh, config=TINY, **fields):
    fields = {'batch_rows': ROWS, 'row_tokens': LENGTH, 'remat': 'none', **fields}
    return steps.train(config, MODEL, TrainConfig(**fields), mesh)


def score(mesh, config=TINY, asked=16, rows=2):
    return steps.score(
        config, MODEL, row_tokens=LENGTH, rows_per_device=rows, asked=asked, mesh=mesh
    )


def forward_flops(config, rows, length, places):
    """Of all matrix products of a forward pass, by hand."""
    c = config
    heads = c.num_heads + c.num_kv_heads
    kernels = c.d_model * c.head_dim * 2 * heads + 3 * c.d_model * c.d_ff
    scores = 2 * c.num_heads * c.head_dim * length
    layers = c.num_layers * rows * length * (kernels + scores)
    return 2 * (layers + rows * places * c.d_model * c.vocab_size)


@pytest.fixture(scope='module')
def whole(mesh):
    """A one-layer train step, and it compiled."""
    step = train(mesh)
    with jax.set_mesh(mesh):
        return step, step.traced.lower().compile()


@pytest.mark.parametrize('layers', [1, 3])
def test_model_flops_equal_the_formula(mesh, layers):
    config = TINY.replace(num_layers=layers)
    forward = forward_flops(config, ROWS, LENGTH, LENGTH)
    assert train(mesh, config).model_flops == 3 * forward
    assert train(mesh, config, accumulate=2).model_flops == 3 * forward
    assert train(mesh, config, method='lora').model_flops == pytest.approx(2 * forward, rel=0.2)
    asked = score(mesh, config)
    rows = 2 * mesh.shape['data'] * mesh.shape['fsdp']
    at_pairs = 2 * rows * 16 * config.d_model  # the asked tokens' own logits
    assert asked.model_flops == forward_flops(config, rows, LENGTH, 16) + at_pairs


def test_flops_of_a_chip_equal_xlas_where_nothing_loops(mesh, whole):
    # XLA adds what is no product: norms, softmax, AdamW. It counts a loop's body once; with one
    # layer, and one chunk of the loss, there is no loop.
    asked = score(mesh)
    with jax.set_mesh(mesh):
        for step, done in (whole, (asked, asked.traced.lower().compile())):
            found = done.cost_analysis()['flops']
            assert step.flops.total < found < 1.12 * step.flops.total, step.name


def test_flops_grow_with_layers_while_xlas_count_does_not(mesh):
    one, two, three = (score(mesh, TINY.replace(num_layers=n)) for n in (1, 2, 3))
    assert three.flops.total - two.flops.total == two.flops.total - one.flops.total > 0
    with jax.set_mesh(mesh):
        found = three.traced.lower().compile().cost_analysis()['flops']
    assert found < 0.7 * three.flops.total
    one, two, three = (train(mesh, TINY.replace(num_layers=n)) for n in (1, 2, 3))
    assert three.flops.total - two.flops.total == two.flops.total - one.flops.total > 0


def test_what_is_computed_again_counts_for_the_chip_and_not_for_the_model(mesh):
    none, full = train(mesh), train(mesh, remat='full')
    assert full.model_flops == none.model_flops
    block = forward_flops(TINY, ROWS, LENGTH, 0) / mesh.size
    again = full.flops.total - none.flops.total
    # Recomputing needs neither the last product of the block nor what is kept anyway.
    assert 0.5 * block < again <= block


def test_work_that_chips_repeat_is_counted_on_each(mesh):
    def repeated(x, kernel):
        return jnp.einsum('BD,DF->BF', x, kernel)

    def of(spec_x, spec_kernel):
        shapes = [
            jax.ShapeDtypeStruct(shape, jnp.bfloat16, sharding=jax.NamedSharding(mesh, spec))
            for shape, spec in (((8, 16), spec_x), ((16, 32), spec_kernel))
        ]
        with jax.set_mesh(mesh):
            jaxpr = jax.make_jaxpr(repeated)(*shapes)
        return cost.count(jaxpr, dict(mesh.shape)).bfloat16, cost.count(jaxpr).bfloat16

    all_of_it = 2 * 8 * 16 * 32
    assert of(P(), P()) == (all_of_it, all_of_it)
    assert of(P('data', None), P()) == (all_of_it / 2, all_of_it)
    assert of(P(('data', 'fsdp'), None), P(None, 'tensor')) == (all_of_it / 8, all_of_it)


def test_the_dearest_branch_counts():
    def program(x):
        return jax.lax.cond(x[0, 0] > 0, lambda x: x @ x, lambda x: x @ x @ x, x)

    assert cost.count(jax.make_jaxpr(program)(jnp.zeros((4, 4)))).total == 2 * 2 * 4**3


def test_products_run_at_the_rate_of_their_precision():
    exact = jax.lax.Precision.HIGHEST

    def program(x, y):
        return x @ x, jnp.matmul(y, y, precision=exact), y @ y

    found = cost.count(jax.make_jaxpr(program)(jnp.zeros((4, 4), 'bfloat16'), jnp.zeros((4, 4))))
    assert found == cost.Flops(bfloat16=128, default=128, float32=128)
    v5e = CHIPS['v5e']
    assert found.seconds(v5e) == pytest.approx((1 + 1 + 6) * 128 / 197e12)


def test_float32_arithmetic_runs_at_the_slow_rate(mesh):
    assert train(mesh).flops.bfloat16 == 0
    fast = train(mesh, compute_dtype='bfloat16').flops
    assert fast.bfloat16 > 0 and fast.float32 == 0


def test_bytes_of_a_chip_equal_those_of_the_real_state(mesh, whole):
    fields = TrainConfig(batch_rows=ROWS, row_tokens=LENGTH)
    decoder = load.init_decoder(TINY, mesh)
    _, params, _ = split_decoder(decoder, fields)
    state = init_state(params, fields)

    def on_first(tree):
        first = mesh.devices.flat[0]
        return sum(
            shard.data.nbytes
            for x in jax.tree.leaves(tree)
            for shard in x.addressable_shards
            if shard.device == first
        )

    step, done = whole
    assert step.parameter_bytes == on_first(params)
    assert step.optimizer_bytes == on_first(state.optimizer)
    assert step.parameters == sum(np.prod(x.shape) for x in jax.tree.leaves(params))
    stats = done.memory_analysis()
    batch = 4 * ROWS * LENGTH * 4 // 4  # four arrays of four bytes, over four shards
    state_bytes = step.parameter_bytes + step.optimizer_bytes
    assert stats.argument_size_in_bytes - batch - state_bytes in range(0, 64)


def test_the_abstract_step_compiles_to_the_real_ones_program(mesh):
    """Shapes in place of arrays: the lowered text is the same, letter for letter."""
    from xlbarrier.train.step import put_microbatches, train_step

    fields = TrainConfig(batch_rows=ROWS, row_tokens=LENGTH, remat='none')
    decoder = load.init_decoder(TINY, mesh)
    graph, params, frozen = split_decoder(decoder, fields)
    state = init_state(params, fields)
    array = np.zeros((ROWS, LENGTH), np.int32)
    batch = {**dict.fromkeys(('tokens', 'positions', 'until'), array), 'weights': array * 1.0}
    batch['weights'] = batch['weights'].astype(np.float32)
    with jax.set_mesh(mesh):
        laid = put_microbatches(batch, mesh, 1)
        real = train_step.here.lower(state, frozen, laid, graph=graph, config=fields, seed=0)
        abstract = train(mesh).traced.lower()
    assert abstract.as_text() == real.as_text()


def test_adapters_have_the_shapes_of_real_ones(mesh):
    targets = ('q', 'v', 'o', 'down')
    decoder = lora.add_lora(load.init_decoder(TINY, mesh), 4, 8.0, targets, 0)
    abstract = steps.abstract_decoder(TINY, mesh, param_dtype='float32', compute_dtype='float32')
    steps.add_adapters(abstract, 4, targets, mesh)

    def laid(module):
        return {
            path: (x.get_value().shape, x.get_value().dtype, x.get_value().sharding.spec)
            for path, x in nnx.to_flat_state(nnx.state(module, nnx.LoRAParam))
        }

    assert laid(abstract) == laid(decoder)
    step = train(mesh, method='lora', lora_targets=targets)
    assert 0 < step.optimizer_bytes < 0.7 * train(mesh).optimizer_bytes
    assert step.parameter_bytes > train(mesh).parameter_bytes


def test_what_does_not_divide_is_named(mesh):
    with pytest.raises(ValueError, match='tensor = 2 does not divide kv heads = 1'):
        train(mesh, TINY.replace(num_kv_heads=1))
    with pytest.raises(ValueError, match=r'data x fsdp = 4 do not divide the batch of 6 rows'):
        train(mesh, batch_rows=6)
    with pytest.raises(ValueError, match=r'config.train.row_tokens is 1024.* 512 positions'):
        train(mesh, row_tokens=1024)
    with pytest.raises(ValueError, match=r'fsdp = 4 does not divide d_model = 66'):
        score(mesh_lib.make_mesh(2, 4, 1), TINY.replace(d_model=66))
