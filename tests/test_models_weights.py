"""Weights from safetensors folders: matched once each, read by slices, broken files named."""

import itertools
import json
import shutil

import jax
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from tests import torch_llama
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import generation_config, gguf_families, hf_config, load, shards, tables

Q = 'model.layers.1.self_attn.q_proj.weight'


@pytest.fixture(scope='module')
def tied(tmp_path_factory):
    return torch_llama.save(tmp_path_factory.mktemp('tied') / 'model', 'tied_gqa')


@pytest.fixture(scope='module')
def odd(tmp_path_factory):
    return torch_llama.save(tmp_path_factory.mktemp('odd') / 'model', 'odd')


@pytest.fixture
def one():
    return mesh_lib.make_mesh(devices=jax.devices()[:1])


def params(decoder):
    state = nnx.to_flat_state(nnx.state(decoder, nnx.Param))
    return {'.'.join(map(str, path)): np.asarray(value[...]) for path, value in state}


def copy(folder, target, tensors=None, config=None):
    """A copy of a folder with other tensors or other fields of config.json."""
    shutil.copytree(folder, target)
    if tensors is not None:
        save_file(tensors, target / 'model.safetensors', metadata={'format': 'pt'})
    if config is not None:
        raw = json.loads((target / 'config.json').read_text()) | config
        raw = {name: value for name, value in raw.items() if value != 'absent'}
        (target / 'config.json').write_text(json.dumps(raw))
    return target


def read(folder):
    return load_file(folder / 'model.safetensors')


def test_tensors_that_are_missing_surplus_or_misshapen_are_named(tied, tmp_path, one):
    whole = read(tied)
    missing = {key: value for key, value in whole.items() if key != Q}
    with pytest.raises(ValueError, match=rf"{tmp_path}.*1 tensor\(s\) missing.*'{Q}'.*\(64, 64\)"):
        load.load_decoder(copy(tied, tmp_path / 'a', missing), one)
    extra = {**whole, 'model.layers.3.mlp.up_proj.weight': np.zeros((128, 64), np.float32)}
    with pytest.raises(ValueError, match=r'1 tensor\(s\) too many.*layers\.3\.mlp\.up_proj'):
        load.load_decoder(copy(tied, tmp_path / 'b', extra), one)
    wrong = {**whole, Q: np.zeros((64, 63), np.float32)}
    with pytest.raises(
        ValueError, match=rf"model\.safetensors: tensor '{Q}'.*\(64, 63\), expected \(64, 64\)"
    ):
        load.load_decoder(copy(tied, tmp_path / 'c', wrong), one)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_is_named(tied, tmp_path, one, value):
    whole = read(tied)
    whole[Q][5, 7] = value
    with pytest.raises(ValueError, match=rf"model\.safetensors: tensor '{Q}' contains NaN or inf"):
        load.load_decoder(copy(tied, tmp_path / 'a', whole), one)


def test_codes_of_a_quantised_checkpoint_are_not_taken_for_weights(tied, tmp_path, one):
    whole = {**read(tied), Q: np.ones((64, 64), np.int8)}
    with pytest.raises(ValueError, match=rf"tensor '{Q}' is of type I8; expected one of F64, F32"):
        load.load_decoder(copy(tied, tmp_path / 'a', whole), one)


@pytest.mark.parametrize('size', [0, 7, 8, 100, 4000, -1])
def test_a_truncated_file_is_named(tied, tmp_path, one, size):
    folder = copy(tied, tmp_path / 'a')
    file = folder / 'model.safetensors'
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ValueError, match=rf'{file} is not a whole safetensors file'):
        load.load_decoder(folder, one)


def test_tensors_that_carry_no_parameter_are_passed_over(tied, tmp_path, one):
    whole = read(tied)
    more = {
        **whole,
        'lm_head.weight': whole['model.embed_tokens.weight'],
        'model.layers.0.self_attn.rotary_emb.inv_freq': np.ones(8, np.float32),
    }
    got = params(load.load_decoder(copy(tied, tmp_path / 'a', more), one))
    np.testing.assert_array_equal(got['embed.embedding'], whole['model.embed_tokens.weight'])


@pytest.mark.parametrize('rows', [256, 255])
def test_a_tied_config_with_another_head_is_refused(tied, tmp_path, one, rows):
    """transformers 5 takes such a head, 4 leaves it out."""
    whole = read(tied)
    head = whole['model.embed_tokens.weight'][:rows].copy()
    head[-1, -1] += 1
    folder = copy(tied, tmp_path / 'a', {**whole, 'lm_head.weight': head})
    words = "model.safetensors: tensor 'lm_head.weight' is not .* tie_word_embeddings"
    with pytest.raises(ValueError, match=words):
        load.load_decoder(folder, one)
    if rows == 256:
        config = json.loads((folder / 'config.json').read_text()) | {'tie_word_embeddings': False}
        (folder / 'config.json').write_text(json.dumps(config))
        got = params(load.load_decoder(folder, one))
        np.testing.assert_array_equal(got['head.kernel'].T, head)


def test_untied_needs_its_head(odd, tmp_path, one):
    whole = {key: value for key, value in read(odd).items() if key != 'lm_head.weight'}
    with pytest.raises(ValueError, match=r"'lm_head.weight' is missing.*tie_word_embeddings"):
        load.load_decoder(copy(odd, tmp_path / 'a', whole), one)


def test_shards_with_an_index(odd, tmp_path, one):
    folder = tmp_path / 'shards'
    torch_llama.make('odd').save_pretrained(folder, max_shard_size='60KB')
    names = sorted(path.name for path in folder.glob('*.safetensors'))
    assert len(names) > 2
    whole, split = params(load.load_decoder(odd, one)), params(load.load_decoder(folder, one))
    assert whole.keys() == split.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], split[name], err_msg=name)
    shutil.copy(folder / names[0], tmp_path / 'first')
    (folder / names[0]).unlink()
    with pytest.raises(FileNotFoundError, match=rf'index\.json names {names[0]}, which is not in'):
        load.load_decoder(folder, one)
    shutil.copy(folder / names[1], folder / names[0])
    with pytest.raises(ValueError, match=rf'is expected in {names[0]}, which does not have it'):
        load.load_decoder(folder, one)
    deep = '{"weight_map": ' + '[' * 100_000
    for text in ('{"weight_map":', '[1]', '{"weight_map": {"a": 3}}', '{"weight_map": {}}', deep):
        (folder / 'model.safetensors.index.json').write_text(text)
        with pytest.raises(ValueError, match=r'index\.json'):
            load.load_decoder(folder, one)


@pytest.fixture
def sharded(odd, tmp_path, one):
    """A folder of several shards with an index; returns it and the index."""
    folder = tmp_path / 'sharded'
    load.export_hf(load.load_decoder(odd, one), folder, shard_bytes=30_000)
    return folder, json.loads((folder / 'model.safetensors.index.json').read_text())


def test_a_whole_file_comes_before_an_index(odd, sharded, one):
    """As transformers; the index may be that of an earlier save, with or without its shards."""
    folder, index = sharded
    other = {key: 2 * array for key, array in load_file(odd / 'model.safetensors').items()}
    save_file(other, folder / 'model.safetensors')
    expected = params(load.load_decoder(copy(odd, folder.parent / 'a', other), one))
    for _ in range(2):
        got = params(load.load_decoder(folder, one))
        for name in expected:
            np.testing.assert_array_equal(got[name], expected[name], err_msg=name)
        assert load.weight_files(folder) == [folder / 'model.safetensors']
        for name in set(index['weight_map'].values()):
            (folder / name).unlink(missing_ok=True)


def test_the_index_decides_between_copies(odd, sharded, one):
    folder, index = sharded
    first, *_, last = sorted(set(index['weight_map'].values()))
    stale = load_file(folder / first)
    for name in (first, last):  # a copy before and after the tensor's own shard
        mine = {k: load_file(folder / v)[k] for k, v in index['weight_map'].items() if v != name}
        key = min(mine)
        save_file(load_file(folder / name) | {key: np.zeros_like(mine[key])}, folder / name)
    assert load_file(folder / first).keys() > stale.keys()
    got, expected = (params(load.load_decoder(path, one)) for path in (folder, odd))
    for name in expected:
        np.testing.assert_array_equal(got[name], expected[name], err_msg=name)


@pytest.mark.parametrize('name', ['../w.safetensors', '/w.safetensors', 'a/w.safetensors', '..', 3])
def test_an_index_that_leads_out_of_the_folder_is_refused(sharded, one, name):
    folder, index = sharded
    key = min(index['weight_map'])
    index['weight_map'][key] = name
    (folder / 'model.safetensors.index.json').write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r'index\.json: weight_map\[.*expected the name of a file'):
        load.load_decoder(folder, one)


def test_the_generation_config_is_carried_and_ends_texts(odd, tmp_path, one):
    folder = copy(odd, tmp_path / 'a')
    said = {'eos_token_id': [1, 7], 'do_sample': True, 'temperature': 0.6}
    (folder / 'generation_config.json').write_text(json.dumps(said))
    decoder = load.load_decoder(folder, one)
    assert generation_config.end_ids(decoder.config) == [1, 7]
    load.export_hf(decoder, tmp_path / 'out')
    assert json.loads((tmp_path / 'out/generation_config.json').read_text()) == said
    assert 'generation_config' not in json.loads((tmp_path / 'out/config.json').read_text())
    for wrong in ({'eos_token_id': 'x'}, {'eos_token_id': [True]}, ['eos_token_id']):
        (folder / 'generation_config.json').write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=r'generation_config\.json'):
            load.read_config(folder)


def test_layers_that_no_model_has_are_refused_at_once(odd, tmp_path):
    folder = copy(odd, tmp_path / 'a')
    raw = json.loads((folder / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps(raw | {'num_hidden_layers': 10**9}))
    with pytest.raises(ValueError, match=r'num_hidden_layers = 1000000000; expected at most'):
        load.read_config(folder)


def test_files_that_are_not_there(tied, tmp_path, one):
    with pytest.raises(FileNotFoundError, match=r'config\.json does not exist'):
        load.load_decoder(tmp_path, one)
    shutil.copy(tied / 'config.json', tmp_path)
    with pytest.raises(FileNotFoundError, match=r'neither model\.safetensors nor'):
        load.load_decoder(tmp_path, one)
    (tmp_path / 'config.json').write_text('{"model_type": ')
    with pytest.raises(ValueError, match=r'config\.json.*JSON'):
        load.load_decoder(tmp_path, one)


@pytest.mark.parametrize(
    'config, words',
    [
        ({'model_type': 'mamba'}, ["model_type = 'mamba'"]),
        ({'hidden_act': 'snake'}, ["hidden_act = 'snake'", "'silu'"]),
        ({'hidden_size': 'absent'}, ["no 'hidden_size'"]),
        ({'rope_parameters': {'rope_type': 'spiral', 'factor': 8.0}}, ["'spiral'", 'llama3']),
        ({'rope_parameters': {'rope_type': 'llama3', 'factor': 8.0}}, ["no 'low_freq_factor'"]),
        ({'rope_parameters': 'absent', 'rope_scaling': {'type': 'linear'}}, ["no 'factor'"]),
        ({'auto_map': {'x': 'y'}, 'model_type': 'new'}, ["'new'", 'its own code', 'never run']),
        ({'partial_rotary_factor': 0.5}, ['partial_rotary_factor']),
        ({'quantization_config': {'bits': 4}}, ['quantization_config']),
    ],
)
def test_a_config_that_this_decoder_does_not_have_is_named(tied, tmp_path, config, words):
    folder = copy(tied, tmp_path / 'a', config=config)
    with pytest.raises(ValueError) as error:
        load.read_config(folder)
    for word in [str(folder / 'config.json'), *words]:
        assert word in str(error.value)


def test_configs_of_transformers_4_and_5_read_alike(odd, tmp_path):
    five = json.loads((odd / 'config.json').read_text())
    assert five['rope_parameters']['rope_theta'] == 500_000.0
    four = {'rope_parameters': 'absent', 'rope_theta': 500_000.0, 'rope_scaling': None}
    assert load.read_config(copy(odd, tmp_path / 'a', config=four)) == load.read_config(odd)
    config = load.read_config(odd)
    assert (config.head_dim, config.num_kv_heads, config.vocab_size) == (14, 3, 131)
    assert (config.rope.theta, config.norm_eps, config.tied) == (500_000.0, 1e-5, False)
    assert hf_config.from_hf(hf_config.to_hf(config, 'float32')) == config


def test_absent_fields_take_the_values_of_transformers(tied, tmp_path):
    names = ('num_key_value_heads', 'head_dim', 'rope_parameters', 'rope_theta', 'rms_norm_eps')
    folder = copy(tied, tmp_path / 'a', config=dict.fromkeys(names, 'absent'))
    config = load.read_config(folder)
    assert (config.num_kv_heads, config.head_dim, config.rope.theta) == (4, 16, 10_000.0)
    assert config.norm_eps == 1e-6


@pytest.mark.parametrize('sizes', [(8, 1, 1), (1, 8, 1), (2, 2, 2)])
def test_shards_on_a_mesh_equal_the_whole(tied, one, sizes):
    whole = params(load.load_decoder(tied, one))
    split = params(load.load_decoder(tied, mesh_lib.make_mesh(*sizes)))
    for name in whole:
        np.testing.assert_array_equal(whole[name], split[name], err_msg=name)


def test_bfloat16_checkpoints_and_parameters(tied, tmp_path, one):
    whole = {key: value.astype(ml_dtypes.bfloat16) for key, value in read(tied).items()}
    folder = copy(tied, tmp_path / 'a', whole)
    got = params(load.load_decoder(folder, one))['embed.embedding']
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, whole['model.embed_tokens.weight'].astype(np.float32))
    kept = params(load.load_decoder(folder, one, param_dtype='bfloat16'))
    assert {str(value.dtype) for value in kept.values()} == {'bfloat16'}


def test_mixed_dtypes_in_one_file(odd, tmp_path, one):
    dtypes = itertools.cycle([np.float32, np.float16, ml_dtypes.bfloat16, np.float64])
    mixed = {key: value.astype(next(dtypes)) for key, value in sorted(read(odd).items())}
    assert len({value.dtype for value in mixed.values()}) == 4
    got = params(load.load_decoder(copy(odd, tmp_path / 'mixed', mixed), one))
    same = {key: value.astype(np.float32) for key, value in mixed.items()}
    want = params(load.load_decoder(copy(odd, tmp_path / 'same', same), one))
    for name in want:
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def test_large_weights_are_finite_though_their_squares_are_not(odd, tmp_path, one):
    whole = read(odd)
    whole[Q][0, 0] = 3e38
    got = params(load.load_decoder(copy(odd, tmp_path / 'a', whole), one))
    assert max(value.max() for value in got.values()) == np.float32(3e38)


def test_what_is_loaded_does_not_follow_the_file(odd, tmp_path, one):
    folder = copy(odd, tmp_path / 'a', read(odd))
    decoder = load.load_decoder(folder, one)
    before = params(decoder)
    with (folder / 'model.safetensors').open('r+b') as file:
        file.seek(-1000, 2)
        file.write(bytes(1000))
    for name, value in params(decoder).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_rows_that_pad_the_vocabulary_stay(tied, tmp_path, one):
    whole = read(tied)
    rows = whole['model.embed_tokens.weight']
    rows = np.concatenate([rows, np.zeros((3, rows.shape[1]), rows.dtype)])
    folder = copy(
        tied,
        tmp_path / 'a',
        whole | {'model.embed_tokens.weight': rows},
        {'vocab_size': len(rows)},
    )
    decoder = load.load_decoder(folder, one)
    load.export_hf(decoder, tmp_path / 'out')
    np.testing.assert_array_equal(read(tmp_path / 'out')['model.embed_tokens.weight'], rows)


@pytest.mark.parametrize('table', [tables.hf_table, gguf_families.gguf_table])
def test_a_box_of_a_parameter_is_read_from_its_own_part_of_the_file(odd, table):
    config = load.read_config(odd)
    rng = np.random.default_rng(0)
    for path, entry in table(config).items():
        array = rng.normal(size=entry.file_shape)
        whole = entry.to_param(array, tuple((0, n) for n in entry.shape))
        # Cut in thirds whatever may be cut: all axes but the channels of a head.
        cuts = [
            [(0, n)] if n == config.head_dim and 'attn' in path else [(0, n // 3), (n // 3, n)]
            for n in entry.shape
        ]
        for box in itertools.product(*cuts):
            index = entry.file_index(box)
            assert array[index].size == np.prod([b - a for a, b in box]), 'reads no more than that'
            part = entry.to_param(array[index], box)
            np.testing.assert_array_equal(part, whole[tuple(slice(a, b) for a, b in box)], path)
        again = np.zeros_like(array)
        entry.write(again, whole)
        np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize('shape', [(70, 3), (70, 256), (3, 30, 512), (1, 1024), (0, 256)])
def test_a_turned_array_is_written_in_stripes(shape):
    """Of rows that share sets of the cache, too, and of fewer and more than a stripe."""
    rows = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    array = np.moveaxis(rows, -1, 0)
    out = np.full(array.shape, -1, np.float32)
    shards._put(out, array)
    np.testing.assert_array_equal(out, array)
