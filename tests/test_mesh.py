"""The mesh: sizes that fit, and models that it divides."""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from xlbarrier import mesh as mesh_lib
from xlbarrier.models.config import DecoderConfig

SMOLLM2 = DecoderConfig('llama', 49152, 30, 576, 9, 3, 64, 1536, 1e5, 1e-5, True, 8192)


def test_rest_of_the_devices_goes_where_minus_one_stands():
    mesh = mesh_lib.make_mesh(data=-1, fsdp=2, tensor=2)
    assert dict(mesh.shape) == {'data': 2, 'fsdp': 2, 'tensor': 2}
    assert dict(mesh_lib.make_mesh(1, -1, 1).shape) == {'data': 1, 'fsdp': 8, 'tensor': 1}
    assert all(kind == jax.sharding.AxisType.Explicit for kind in mesh.axis_types)


def test_part_of_the_devices():
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:2])
    assert list(mesh.devices.flat) == jax.devices()[:2]


@pytest.mark.parametrize(
    'sizes, words',
    [
        ((3, 1, 1), ['data=3', '8']),
        ((-1, 3, 1), ['fsdp=3', '8']),
        ((2, 2, 4), ['tensor=4', '8']),
        ((-1, -1, 1), ['data=-1', 'fsdp=-1']),
        ((0, 1, 1), ['data=0']),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_the_numbers(sizes, words):
    with pytest.raises(ValueError) as error:
        mesh_lib.make_mesh(*sizes)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    'changes, sizes, words',
    [
        ({}, (4, 1, 2), ['tensor = 2', 'query heads = 9']),
        ({'num_heads': 12}, (4, 1, 2), ['tensor = 2', 'kv heads = 3']),
        ({'num_heads': 8, 'num_kv_heads': 2, 'vocab_size': 49153}, (4, 1, 2), ['vocab', '49153']),
        ({'num_heads': 8, 'num_kv_heads': 2, 'd_ff': 1535}, (4, 1, 2), ['d_ff = 1535']),
        ({'d_model': 580}, (1, 8, 1), ['fsdp = 8', 'd_model = 580']),
    ],
)
def test_a_dimension_that_does_not_divide_is_refused_with_both_numbers(changes, sizes, words):
    with pytest.raises(ValueError) as error:
        mesh_lib.check_divides(SMOLLM2.replace(**changes), mesh_lib.make_mesh(*sizes))
    for word in words:
        assert word in str(error.value)


def test_smollm2_divides_over_three_and_over_no_tensor_axis():
    mesh_lib.check_divides(SMOLLM2, mesh_lib.make_mesh(1, 1, 3, jax.devices()[:3]))
    mesh_lib.check_divides(SMOLLM2, mesh_lib.make_mesh(2, 4, 1), batch=16)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r'data x fsdp = 8 .* batch of 12 rows; .* multiple of 8'):
        mesh_lib.check_divides(SMOLLM2, mesh_lib.make_mesh(2, 4, 1), batch=12)


def test_put_batch_splits_rows_over_data_and_fsdp():
    mesh = mesh_lib.make_mesh(2, 2, 2)
    rows = np.arange(8 * 3, dtype=np.int32).reshape(8, 3)
    laid = mesh_lib.put_batch({'tokens': rows, 'weight': rows[:, 0]}, mesh)
    assert laid['tokens'].sharding.spec == P(('data', 'fsdp'), None)
    assert {s.data.shape for s in laid['tokens'].addressable_shards} == {(2, 3)}
    np.testing.assert_array_equal(laid['tokens'], rows)
    np.testing.assert_array_equal(laid['weight'], rows[:, 0])


def test_compiled_programs_are_kept_on_accelerators(tmp_path, monkeypatch):
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update('jax_compilation_cache_dir', None)
        mesh_lib.keep_compiled(tmp_path)
        assert jax.config.jax_compilation_cache_dir is None, 'not on a CPU'
        monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
        mesh_lib.keep_compiled(tmp_path)
        assert jax.config.jax_compilation_cache_dir == str(tmp_path)
        mesh_lib.keep_compiled(tmp_path / 'other')
        assert jax.config.jax_compilation_cache_dir == str(tmp_path), "the user's stays"
    finally:
        jax.config.update('jax_compilation_cache_dir', before)
