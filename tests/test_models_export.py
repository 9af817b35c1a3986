"""Exports: bit-identical on the way back, loaded by transformers, whole or not at all."""

import contextlib
import json
import resource
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from tests import torch_llama
from tests.test_two_processes import ends, started
from xlbarrier import mesh as mesh_lib
from xlbarrier.errors import RunError
from xlbarrier.models import load, lora


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp('llamas')
    return {name: torch_llama.save(root / name, name) for name in torch_llama.SHAPES}


def one():
    return mesh_lib.make_mesh(devices=jax.devices()[:1])


def params(decoder):
    state = nnx.to_flat_state(nnx.state(decoder, nnx.Param))
    return {'.'.join(map(str, path)): np.asarray(value[...]) for path, value in state}


def assert_same_bits(first, second):
    a, b = params(first), params(second)
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype
        assert a[name].tobytes() == b[name].tobytes(), name


@contextlib.contextmanager
def largest_file(size):
    """Files larger than `size` bytes cannot be written, as when a disk fills up."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize('shape', list(torch_llama.SHAPES))
@pytest.mark.parametrize('shard_bytes', [5 * 10**9, 50_000])
def test_import_export_import_keeps_every_bit(folders, tmp_path, shape, shard_bytes):
    decoder = load.load_decoder(folders[shape], one())
    out = tmp_path / 'out'
    load.export_hf(decoder, out, shard_bytes=shard_bytes)
    again = load.load_decoder(out, one())
    assert again.config == decoder.config
    assert_same_bits(decoder, again)
    assert (out / 'model.safetensors').exists() == (shard_bytes > 10**6)
    assert [p.name for p in tmp_path.iterdir()] == ['out']


def test_export_from_a_mesh_equals_export_from_one_device(folders, tmp_path):
    decoder = load.load_decoder(folders['untied_mha'], mesh_lib.make_mesh(2, 2, 2))
    load.export_hf(decoder, tmp_path / 'out')
    assert_same_bits(
        load.load_decoder(folders['untied_mha'], one()), load.load_decoder(tmp_path / 'out', one())
    )


@pytest.mark.parametrize('shape', list(torch_llama.SHAPES))
def test_transformers_loads_the_export_with_the_same_logits(folders, tmp_path, shape):
    decoder = load.load_decoder(folders[shape], one())
    load.export_hf(decoder, tmp_path / 'out', shard_bytes=50_000)
    ids = np.random.default_rng(0).integers(0, 131, 30)
    before, after = torch_llama.read(folders[shape]), torch_llama.read(tmp_path / 'out')
    np.testing.assert_array_equal(
        torch_llama.logits(before, ids), torch_llama.logits(after, ids), err_msg=shape
    )
    assert after.config.tie_word_embeddings == (shape == 'tied_gqa')
    assert after.config.rope_parameters['rope_theta'] == decoder.config.rope.theta


def test_bfloat16_parameters_are_written_as_such(folders, tmp_path):
    decoder = load.load_decoder(folders['odd'], one(), param_dtype='bfloat16')
    load.export_hf(decoder, tmp_path / 'out')
    assert json.loads((tmp_path / 'out/config.json').read_text())['dtype'] == 'bfloat16'
    again = load.load_decoder(tmp_path / 'out', one(), param_dtype='bfloat16')
    assert_same_bits(decoder, again)


@pytest.mark.parametrize('earlier', [False, True])
def test_a_full_disk_leaves_no_half_written_export(folders, tmp_path, earlier):
    out = tmp_path / 'out'
    if earlier:
        load.export_hf(load.load_decoder(folders['odd'], one()), out)
        before = load.fingerprint(out)
    decoder = load.load_decoder(folders['untied_mha'], one())
    with largest_file(100_000), pytest.raises(RunError, match=f'cannot write {out}: File too'):
        load.export_hf(decoder, out)
    assert [p.name for p in tmp_path.iterdir()] == (['out'] if earlier else [])
    if earlier:
        assert load.fingerprint(out) == before
    load.export_hf(decoder, out)
    assert_same_bits(decoder, load.load_decoder(out, one()))


def test_an_earlier_export_is_replaced_with_nothing_left_of_it(folders, tmp_path):
    load.export_hf(load.load_decoder(folders['odd'], one()), tmp_path / 'out', shard_bytes=50_000)
    load.export_hf(load.load_decoder(folders['tied_gqa'], one()), tmp_path / 'out')
    names = sorted(p.name for p in (tmp_path / 'out').iterdir())
    assert names == ['config.json', 'generation_config.json', 'model.safetensors']


def test_a_folder_of_other_files_is_refused_and_kept(folders, tmp_path):
    (tmp_path / 'thesis.txt').write_text('years of work')
    with pytest.raises(RunError, match='has files that are no export'):
        load.export_hf(load.load_decoder(folders['odd'], one()), tmp_path)
    assert (tmp_path / 'thesis.txt').read_text() == 'years of work'


def test_a_decoder_with_adapters_is_refused_until_they_are_merged(folders, tmp_path):
    decoder = load.load_decoder(folders['tied_gqa'], one())
    lora.add_lora(decoder, rank=2, alpha=4.0, targets=('q', 'down'), seed=0)
    with pytest.raises(ValueError, match=r'lora_a.*merge'):
        load.export_hf(decoder, tmp_path / 'out')
    load.export_hf(lora.merge_lora(decoder), tmp_path / 'out')
    assert_same_bits(decoder, load.load_decoder(tmp_path / 'out', one()))


def test_fingerprint_follows_every_byte_of_weights_and_config(folders, tmp_path):
    load.export_hf(load.load_decoder(folders['odd'], one()), tmp_path / 'a', shard_bytes=50_000)
    load.export_hf(load.load_decoder(folders['odd'], one()), tmp_path / 'b', shard_bytes=50_000)
    first = load.fingerprint(tmp_path / 'a')
    assert len(first) == 64 and first == load.fingerprint(tmp_path / 'b')
    last = sorted((tmp_path / 'b').glob('*.safetensors'))[-1]
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    last.write_bytes(data)
    assert load.fingerprint(tmp_path / 'b') != first
    config = tmp_path / 'a/config.json'
    config.write_text(config.read_text().replace('500000.0', '10000.0'))
    assert load.fingerprint(tmp_path / 'a') != first


HALF = """
import pathlib, sys
from xlbarrier import multihost
multihost.initialize()
import jax
from xlbarrier.mesh import make_mesh
from xlbarrier.models import load, safetensors_io
read, sizes = safetensors_io.SafetensorsFolder.read, []
def counted(self, key, index):
    array = read(self, key, index)
    sizes.append(array.nbytes)
    return array
safetensors_io.SafetensorsFolder.read = counted
source, out, said = sys.argv[1:]
decoder = load.load_decoder(source, make_mesh(1, 8, 1))
load.export_hf(decoder, out)
pathlib.Path(f'{said}-{jax.process_index()}').write_text(str(sum(sizes)))
"""


@pytest.mark.slow
def test_two_processes_read_half_the_file_each_and_export_the_whole(folders, tmp_path):
    source, out, said = folders['untied_mha'], tmp_path / 'out', tmp_path / 'said'
    processes = started([sys.executable, '-c', HALF, *map(str, (source, out, said))])
    codes, outputs = ends(processes, timeout=120)
    assert codes == [0, 0], outputs
    whole = sum(value.nbytes for value in params(load.load_decoder(source, one())).values())
    norms = 7 * 64 * 4  # are whole on each
    for number in range(2):
        read = int((tmp_path / f'said-{number}').read_text())
        assert read == (whole - norms) // 2 + norms
    assert_same_bits(load.load_decoder(source, one()), load.load_decoder(out, one()))
