"""Checkpoints: whole or absent, the same bits back, adapters alone, errors that name the folder."""

import os
import resource
import threading
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from orbax.checkpoint._src.serialization import replica_slices

from tests.test_train_loss import decoder_on
from xlbarrier.config import TrainConfig
from xlbarrier.mesh import make_mesh
from xlbarrier.models import lora
from xlbarrier.train import checkpoint
from xlbarrier.train.checkpoint import CheckpointError, Checkpoints
from xlbarrier.train.step import TrainState, init_state, split_decoder

TRAIN = TrainConfig(steps=5, warmup_steps=1)


@pytest.fixture(scope='module')
def mesh():
    return make_mesh(2, 2, 2)


def random_like(tree, seed):
    """Bits of every kind: what is read back must equal them all."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda x: jax.device_put(rng.normal(size=x.shape).astype(x.dtype), x.sharding), tree
    )


@pytest.fixture(scope='module')
def state(mesh):
    _, params, _ = split_decoder(decoder_on(mesh), TRAIN)
    state = init_state(params, TRAIN)
    step = jax.device_put(jnp.int32(3), state.step.sharding)
    return TrainState(step, random_like(state.params, 0), random_like(state.optimizer, 1))


def equal(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype and a.sharding == b.sharding
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def numbered(state, step):
    return state._replace(step=jnp.int32(step))


def size(folder):
    return sum(p.stat().st_size for p in folder.rglob('*') if p.is_file())


def test_what_is_read_has_the_bits_and_layout_of_what_was_written(tmp_path, state):
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest is None
        checkpoints.save(state, {'step': 3, 'tokens': 77})
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 3
        assert checkpoints.meta() == {'step': 3, 'tokens': 77}
        equal(checkpoints.params(state.params), state.params)
        equal(checkpoints.optimizer(state.optimizer), state.optimizer)


def test_what_is_written_beside_the_steps_is_complete_at_the_end(tmp_path, state):
    with Checkpoints(tmp_path, beside=True) as checkpoints:
        checkpoints.save(numbered(state, 1), {'step': 1})
        checkpoints.save(numbered(state, 2), {'step': 2})  # waits for the first
    with Checkpoints(tmp_path, beside=True) as checkpoints:
        assert checkpoints.meta() == {'step': 2}
        equal(checkpoints.params(state.params), state.params)
        checkpoints.save(numbered(state, 3), {}, wait=True)
        assert checkpoints.latest == 3


@pytest.mark.parametrize('room', [True, False], ids=['copied on the device', 'copied to the host'])
def test_the_next_step_may_take_the_state_back_while_it_is_written(
    tmp_path, state, room, monkeypatch, caplog
):
    copied, transfer = [], replica_slices.transfer_arrays_to_host

    def transferred(arrays, *args, **kwargs):
        copied.append(threading.current_thread() is threading.main_thread())
        return transfer(arrays, *args, **kwargs)

    monkeypatch.setattr(replica_slices, 'transfer_arrays_to_host', transferred)
    monkeypatch.setattr(checkpoint, 'has_room', lambda _: room)
    monkeypatch.setattr(checkpoint, '_HOST_COPIES_GB', 1e-5)  # of 10 kB: many pieces
    given = jax.tree.map(lambda x: x + 0, state)
    with Checkpoints(tmp_path, given.params, beside=True) as checkpoints:
        checkpoints.save(numbered(given, 3), {'step': 3})
        waited = copied.count(True)
        for array in jax.tree.leaves((given.params, given.optimizer)):
            array.delete()  # as a step to which it is donated
    with Checkpoints(tmp_path) as checkpoints:
        equal(checkpoints.params(state.params), state.params)
        equal(checkpoints.optimizer(state.optimizer), state.optimizer)
    assert waited == (0 if room else 2), 'the parameters and the optimizer'
    assert copied.count(False) > 2 if room else not copied.count(False)
    assert 'prioritized' not in caplog.text


def test_a_device_that_cannot_copy_after_all_loses_no_checkpoint(tmp_path, state, monkeypatch):
    tried = []

    def full(given):
        tried.append(given)
        raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: out of memory')

    monkeypatch.setattr(checkpoint, 'has_room', lambda _: True)
    monkeypatch.setattr(checkpoint, '_copied', full)
    with Checkpoints(tmp_path, state.params, beside=True) as checkpoints:
        checkpoints.save(numbered(state, 1), {})
        checkpoints.save(numbered(state, 2), {})
    assert len(tried) == 1, 'what the first save finds holds for the next'
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 2
        equal(checkpoints.params(state.params), state.params)
        equal(checkpoints.optimizer(state.optimizer), state.optimizer)


def test_arrays_larger_than_the_host_copies_are_written_and_read(tmp_path, state, monkeypatch):
    monkeypatch.setattr(checkpoint, '_HOST_COPIES_GB', 1e-6)  # of 1 kB
    assert max(x.nbytes for x in jax.tree.leaves(state.params)) > 5000
    with Checkpoints(tmp_path, state.params) as checkpoints:
        checkpoints.save(state, {})
    one = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    _, params, _ = split_decoder(decoder_on(one), TRAIN)
    for number, like in enumerate((params, state.params)):
        with Checkpoints(tmp_path, like) as checkpoints:
            read = checkpoints.params(like)
            assert all(map(np.array_equal, *map(jax.tree.leaves, (read, state.params))))
            again = TrainState(jnp.int32(10 + number), read, init_state(read, TRAIN).optimizer)
            checkpoints.save(again, {})  # by one device, for the next to read on eight


def test_there_is_room_where_every_device_says_so(state):
    class Device:
        def __init__(self, limit, peak):
            self.stats = {'bytes_limit': limit, 'peak_bytes_in_use': peak} if limit else None

        def memory_stats(self):
            return self.stats

    def has_room(*devices):
        shards = [mock.Mock(device=device, data=np.zeros(1000, np.int8)) for device in devices]
        return checkpoint.has_room([mock.Mock(addressable_shards=shards)])

    roomy, full, silent = Device(5000, 3000), Device(5000, 4000), Device(0, 0)
    assert has_room(roomy)
    assert not has_room(full)
    assert not has_room(roomy, full)
    assert not has_room(roomy, silent)
    assert not has_room(roomy, roomy), 'two shards of 1,000 bytes need 2,200'
    assert not checkpoint.has_room(state), 'a CPU does not tell'


def test_a_failure_beside_the_steps_is_raised_by_the_next_save(tmp_path, state):
    with Checkpoints(tmp_path, beside=True) as checkpoints:
        checkpoints.save(state, {'tokens': 1}, wait=True)
        big = jax.tree.map(lambda x: jnp.tile(x, 400) if x.ndim == 1 else x, state.params)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            checkpoints.save(TrainState(jnp.int32(4), big, state.optimizer), {})
            with pytest.raises(CheckpointError, match='the checkpoint of step 3 is kept') as failed:
                checkpoints.save(numbered(state, 5), {})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert f'cannot write a checkpoint in {tmp_path}' in str(failed.value)
        assert checkpoints.latest == 3
        assert checkpoints.meta() == {'tokens': 1}
        equal(checkpoints.params(state.params), state.params)
        checkpoints.save(numbered(state, 6), {'tokens': 2}, wait=True)  # there is room again
        assert checkpoints.latest == 6
    with Checkpoints(tmp_path, beside=True) as checkpoints:
        assert sorted(p.name for p in tmp_path.iterdir()) == ['6']
        assert checkpoints.meta() == {'tokens': 2}


def test_it_can_be_read_on_another_mesh(tmp_path, state):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {})
        one = make_mesh(1, 1, 1, devices=jax.devices()[:1])
        _, params, _ = split_decoder(decoder_on(one), TRAIN)
        for a, b in zip(
            jax.tree.leaves(checkpoints.params(params)), jax.tree.leaves(state.params), strict=True
        ):
            assert a.sharding.mesh == one
            np.testing.assert_array_equal(a, b)


def test_one_checkpoint_is_kept_and_the_last_has_no_optimizer(tmp_path, state):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(numbered(state, 1), {})
        before = size(tmp_path)
        checkpoints.save(numbered(state, 5), {}, final=True)
        assert sorted(p.name for p in tmp_path.iterdir()) == ['5']
        assert size(tmp_path) < 0.6 * before
        equal(checkpoints.params(state.params), state.params)


def test_only_the_adapters_are_written(tmp_path, mesh):
    config = TrainConfig(method='lora', steps=5, warmup_steps=1)
    decoder = lora.add_lora(decoder_on(mesh), 2, 2.0, ('q', 'v'), seed=0)
    _, params, _ = split_decoder(decoder, config)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(init_state(params, config), {})
        found = checkpoints.params(params)
    layers = found['layers']['attn']
    assert found.keys() == {'layers'} and layers.keys() == {'q', 'v'}
    assert layers['q'].keys() == {'lora_a', 'lora_b'}


@pytest.mark.parametrize('moment', ['first', 'later'])
def test_a_full_disk_is_told_and_the_checkpoint_before_stays(tmp_path, state, moment):
    big = jax.tree.map(lambda x: jnp.tile(x, 400) if x.ndim == 1 else x, state.params)
    with Checkpoints(tmp_path) as checkpoints:
        if moment == 'later':
            checkpoints.save(state, {'tokens': 1})
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (4096, limits[1])
        )  # what write() then gives: EFBIG
        try:
            with pytest.raises(CheckpointError) as told:
                checkpoints.save(TrainState(jnp.int32(4), big, state.optimizer), {})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(tmp_path) in str(told.value) and 'Make room' in str(told.value)
    with Checkpoints(tmp_path) as checkpoints:
        if moment == 'first':
            assert checkpoints.latest is None
            return
        assert 'the checkpoint of step 3 is kept' in str(told.value)
        assert checkpoints.latest == 3
        assert checkpoints.meta() == {'tokens': 1}
        equal(checkpoints.params(state.params), state.params)
        checkpoints.save(numbered(state, 4), {})  # room was made
        assert checkpoints.latest == 4


def test_what_a_killed_write_left_is_no_checkpoint_and_is_removed(tmp_path, state):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {})
    half = tmp_path / '9.orbax-checkpoint-tmp' / 'params'
    half.mkdir(parents=True)
    (half / 'd').write_bytes(b'x' * 100)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ['3']


def test_a_damaged_checkpoint_is_named(tmp_path, state):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {})
    for path in (tmp_path / '3' / 'params').rglob('*'):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(CheckpointError, match=f'cannot read a checkpoint in {tmp_path}'),
    ):
        checkpoints.params(state.params)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(CheckpointError, match=f'{tmp_path}/file'):
        Checkpoints(tmp_path / 'file' / 'checkpoints')
