"""HLO text: loops turn as often as they should, exchanges and HBM bytes equal the hand's count."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

from xlbarrier import mesh as mesh_lib
from xlbarrier.aot import hlo, traffic
from xlbarrier.aot.traffic import Collective

# As libtpu writes it: no note of the loop's turns, tiles and memory spaces in the layouts, groups
# by mesh axis, a gather that is in its start and in the product that overlaps it, and a kernel
# whose attributes have lines of their own.
TPU = """\
HloModule jit_step, is_scheduled=true, entry_computation_layout={(f32[8]{0})->f32[8]}, \
num_partitions=16

%cond (p: (s32[], bf16[64,128])) -> pred[] {
  %limit = s32[]{:T(128)} constant(32)
  %p = (s32[]{:T(128)}, bf16[64,128]{1,0:T(8,128)(2,1)}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%p), index=0
  ROOT %lt = pred[]{:T(512)} compare(%i, %limit), direction=LT
}

%start (q: bf16[4,128]) -> (bf16[4,128], bf16[64,128], u32[]) {
  %q = bf16[4,128]{1,0:T(8,128)(2,1)} parameter(0)
  %ag.1 = bf16[64,128]{1,0:T(8,128)(2,1)} all-gather(%q), channel_id=53, \
replica_groups=mesh['axis_0'=16,'axis_1'=1] {'axis_0'}, dimensions={0}
  ROOT %c = (bf16[4,128]{1,0}, bf16[64,128]{1,0}, u32[]{:S(2)}) custom-call(%ag.1), \
custom_call_target="AsyncCollectiveStart"
}

%overlap (a: bf16[64,128], b: bf16[64,128]) -> (bf16[64,64], bf16[64,128]) {
  %a = bf16[64,128]{1,0:T(8,128)(2,1)} parameter(0)
  %b = bf16[64,128]{1,0:T(8,128)(2,1)} parameter(1)
  %ag.2 = bf16[64,128]{1,0:T(8,128)(2,1)} all-gather(%b), channel_id=53, \
replica_groups=mesh['axis_0'=16,'axis_1'=1] {'axis_0'}, dimensions={0}
  %conv = bf16[64,64]{1,0:T(8,128)(2,1)} convolution(%a, %a), dim_labels=bf_oi->bf
  ROOT %t = (bf16[64,64]{1,0}, bf16[64,128]{1,0}) tuple(%conv, %ag.2)
}

%body (p.1: (s32[], bf16[64,128])) -> (s32[], bf16[64,128]) {
  %p.1 = (s32[]{:T(128)}, bf16[64,128]{1,0:T(8,128)(2,1)}) parameter(0)
  %i.1 = s32[]{:T(128)} get-tuple-element(%p.1), index=0
  %one = s32[]{:T(128)} constant(1)
  %next = s32[]{:T(128)S(6)} add(%i.1, %one)
  %x = bf16[64,128]{1,0:T(8,128)(2,1)} get-tuple-element(%p.1), index=1
  %s = bf16[4,128]{1,0:T(8,128)(2,1)S(1)} slice(%x), slice={[0:4], [0:128]}
  %async-start = (bf16[4,128]{1,0:S(1)}, bf16[64,128]{1,0}, u32[]{:S(2)}) fusion(%s), \
kind=kCustom, calls=%start
  %buffer = bf16[64,128]{1,0} get-tuple-element(%async-start), index=1
  %both = (bf16[64,64]{1,0:S(1)}, bf16[64,128]{1,0}) fusion(%x, %buffer), kind=kOutput, \
output_to_operand_aliasing={{1}: (1, {})}, calls=%overlap
  %y = bf16[64,128]{1,0:T(8,128)(2,1)} get-tuple-element(%both), index=1
  %r = bf16[64,128]{1,0} all-reduce(%y), channel_id=7, \
replica_groups=mesh['axis_0'=16,'axis_1'=1] {'axis_0':(1)4}, to_apply=%sum
  %k = bf16[64,128]{1,0:S(1)} custom-call(%s), custom_call_target="tpu_custom_call", \
frontend_attributes={kernel_metadata={
"xprof_metadata":"{\\"block_q\\": 512, \\"block_kv\\": 512}"
}}, metadata={op_name="splash_attention"}
  ROOT %out = (s32[]{:T(128)}, bf16[64,128]{1,0:T(8,128)(2,1)}) tuple(%next, %r)
}

ENTRY %main (x.0: bf16[64,128]) -> bf16[64,128] {
  %x.0 = bf16[64,128]{1,0:T(8,128)(2,1)} parameter(0)
  %zero = s32[]{:T(128)} constant(0)
  %init = (s32[]{:T(128)}, bf16[64,128]{1,0:T(8,128)(2,1)}) tuple(%zero, %x.0)
  %loop = (s32[]{:T(128)}, bf16[64,128]{1,0:T(8,128)(2,1)}) while(%init), condition=%cond, \
body=%body
  ROOT %res = bf16[64,128]{1,0:T(8,128)(2,1)} get-tuple-element(%loop), index=1
}
"""
ARRAY = 64 * 128 * 2  # bytes


def test_a_tpu_program_its_loop_and_its_asynchronous_gather():
    module = hlo.parse(TPU)
    assert module.partitions == 16
    assert [(c.name, times) for c, times in module.walk()] == [('main', 1), ('body', 32)]
    assert module.unknown_loops == []
    body = module.computations['body']
    assert body.result.name == 'out', 'the lines of a kernel ended its computation'
    assert 'op_name="splash_attention"' in body.instructions['k'].rest
    assert traffic.collectives(module) == {
        'all-gather': Collective(32, 32 * ARRAY, 32 * ARRAY * 15 // 16),
        'all-reduce': Collective(32, 32 * ARRAY, 32 * ARRAY * 2 * 3 // 4),
    }


def test_hbm_bytes_leave_out_what_stays_on_the_chip():
    # Of one turn: %s reads its 4 rows; %both reads %x (its product lies in S(1), the gathered
    # buffer passes through); the start of the gather writes its buffer; %r reads and writes an
    # array; %next reads the counter, and %one.
    start = ARRAY
    expected = 4 * 128 * 2 + start + ARRAY + 2 * ARRAY + 8
    assert traffic.hbm_bytes(hlo.parse(TPU)) == 32 * expected


@pytest.mark.parametrize(
    ('constants', 'direction', 'turns'),
    [
        ((0, 32, 1), 'LT', 32),
        ((1, 32, 1), 'LT', 31),
        ((0, 32, 3), 'LT', 11),
        ((0, 32, 2), 'LE', 17),
    ],
)
def test_turns_follow_start_limit_and_step(constants, direction, turns):
    start, limit, step = constants
    text = TPU.replace('%zero = s32[]{:T(128)} constant(0)', f'%zero = s32[] constant({start})')
    text = text.replace('constant(32)', f'constant({limit})')
    text = text.replace('%one = s32[]{:T(128)} constant(1)', f'%one = s32[] constant({step})')
    text = text.replace('direction=LT', f'direction={direction}')
    assert dict((c.name, t) for c, t in hlo.parse(text).walk())['body'] == turns


def test_a_loop_that_cannot_be_read_is_named_and_counted_once():
    module = hlo.parse(TPU.replace('constant(0)', 'parameter(1)'))
    assert dict((c.name, t) for c, t in module.walk())['body'] == 1
    assert module.unknown_loops == ['loop']


def test_what_is_no_hlo_is_refused():
    with pytest.raises(hlo.HloError, match='no ENTRY'):
        hlo.parse('define i32 @main()')


@pytest.mark.parametrize(
    ('rest', 'size'),
    [
        ('replica_groups={{0,2,4,6},{1,3,5,7}}, dimensions={0}', 4),
        ('replica_groups=[4,2]<=[8]', 2),
        ('replica_groups=[2,4]<=[2,2,2]T(1,0,2), x', 4),
        ("replica_groups=mesh['a'=2,'b'=4] {'b'}, x", 4),
        ("replica_groups=mesh['a'=2,'b'=4] {'a','b'}, x", 8),
        ("replica_groups=mesh['a'=16] {'a':(2)4}, x", 4),
        ('replica_groups={}', 8),
        ('channel_id=3', 8),
    ],
)
def test_sizes_of_groups_in_every_notation(rest, size):
    assert hlo.group_size(rest, 8) == size


@pytest.mark.parametrize(
    ('text', 'size'),
    [
        ('bf16[32,256]{1,0:T(8,128)(2,1)S(1)}', 32 * 256 * 2),
        ('(f32[], pred[4]{0}, /*index=5*/s4[16]{0:T(128)E(4)})', 4 + 4 + 8),
        ('f8e4m3fn[10]', 10),
        ('token[]', 0),
    ],
)
def test_bytes_of_types(text, size):
    assert sum(shape.bytes for shape in hlo.shapes(text)) == size


@pytest.fixture(scope='module')
def mesh():
    return mesh_lib.make_mesh(1, 4, 2)


def compiled(function, mesh, specs, *arrays):
    shapes = [
        jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=jax.NamedSharding(mesh, spec))
        for a, spec in zip(arrays, specs, strict=True)
    ]
    with jax.set_mesh(mesh):
        return hlo.parse(jax.jit(function).lower(*shapes).compile().as_text())


def test_a_scanned_gather_counts_once_a_layer(mesh):
    layers, D, F = 5, 16, 24

    def model(weights_LDF, x_D):
        def block(x_D, kernel_DF):
            whole_DF = jax.reshard(kernel_DF, P(None, None))
            return jnp.tanh(whole_DF @ (x_D @ whole_DF)), None

        return jax.lax.scan(block, x_D, weights_LDF)[0]

    arrays = jnp.zeros((layers, D, F)), jnp.zeros(D)
    module = compiled(model, mesh, (P(None, 'fsdp', None), P()), *arrays)
    whole = D * F * 4
    assert traffic.collectives(module) == {
        'all-gather': Collective(layers, layers * whole, layers * whole * 3 // 4)
    }


def test_loops_in_loops_multiply(mesh):
    def exchange(x, _):
        return jax.lax.pcast(jax.lax.psum(x, 'tensor'), 'tensor', to='varying') * 0.5, None

    def outer(x, _):
        return jnp.tanh(jax.lax.scan(exchange, x, length=3)[0]), None

    @functools.partial(jax.shard_map, mesh=mesh, in_specs=P('fsdp'), out_specs=P('fsdp'))
    def program(x):
        x = jax.lax.pcast(x, 'tensor', to='varying')
        return jax.lax.psum(jax.lax.scan(outer, x, length=4)[0], 'tensor')

    module = compiled(program, mesh, (P('fsdp'),), jnp.zeros(64))
    found = traffic.collectives(module)['all-reduce']
    assert (found.count, found.bytes) == (13, 13 * 16 * 4)  # 4 x 3 and the last; 16 floats a chip


@pytest.mark.parametrize(
    ('exchange', 'out', 'kind', 'whole', 'wire'),
    [
        (lambda x: jax.lax.psum(x, 'fsdp'), P(), 'all-reduce', 16, 2 * 16 * 3 / 4),
        (
            lambda x: jax.lax.psum_scatter(x, 'fsdp', tiled=True),
            P('fsdp'),
            *('reduce-scatter', 16, 16 * 3 / 4),
        ),
        (
            lambda x: jax.lax.all_to_all(x, 'fsdp', 0, 0, tiled=True),
            P('fsdp'),
            *('all-to-all', 16, 16 * 3 / 4),
        ),
        (
            lambda x: jax.lax.ppermute(x, 'fsdp', [(i, (i + 1) % 4) for i in range(4)]),
            P('fsdp'),
            *('collective-permute', 16, 16),
        ),
    ],
)
def test_each_kind_of_exchange(mesh, exchange, out, kind, whole, wire):
    program = jax.shard_map(exchange, mesh=mesh, in_specs=P('fsdp'), out_specs=out)
    module = compiled(program, mesh, (P('fsdp'),), jnp.zeros(64))
    assert traffic.collectives(module) == {kind: Collective(1, whole * 4, round(wire * 4))}


def test_hbm_bytes_equal_xlas_own_where_nothing_loops():
    def program(x, kernel):
        return jnp.tanh(x @ kernel) @ kernel.T

    shapes = jax.ShapeDtypeStruct((64, 128), jnp.float32), jax.ShapeDtypeStruct((128, 256), 'f4')
    done = jax.jit(program).lower(*shapes).compile()
    own = done.cost_analysis()['bytes accessed']
    assert traffic.hbm_bytes(hlo.parse(done.as_text())) == pytest.approx(own, rel=0.02)


def test_a_scan_reads_a_layer_and_not_all_of_them():
    layers, D = 50, 64

    def program(x, kernels_LDD):
        return jax.lax.scan(lambda x, k: (jnp.tanh(x @ k), None), x, kernels_LDD)[0]

    shapes = jax.ShapeDtypeStruct((8, D), 'f4'), jax.ShapeDtypeStruct((layers, D, D), 'f4')
    module = hlo.parse(jax.jit(program).lower(*shapes).compile().as_text())
    weights = layers * D * D * 4
    assert weights < traffic.hbm_bytes(module) < 6 * weights
