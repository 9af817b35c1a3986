"""Every family against transformers and torch in float32: logits, gradients, meshes, the way back.

Ids are drawn by numpy's PCG64 from fixed seeds; nothing here is a golden number. `LIMITS` are those
of docs/models.md, which benchmarks/families.py writes.
"""

import json

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from tests import torch_families
from tests.family_parity import GRADIENTS, LOGITS, compare, ids, logits, one
from tests.torch_newer import NEWER
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import attention, families, hf_config, load, lora, tables, weights
from xlbarrier.models import decoder as decoder_lib
from xlbarrier.models import positions as positions_lib
from xlbarrier.models.decoder import Decoder

CASES = list(torch_families.CASES)
# On meshes and in packed rows, of the later families those that differ in kind.
ON_MESHES = (
    'olmo2',
    'apertus',
    'glm4',
    'opt',
    'falcon_40b',
    'mixtral',
    'gpt_oss',
    'gemma4',
    'gemma4_odd',
)
IN_ROWS = ('smollm3', 'smollm3_odd', 'olmo3', 'ministral3', 'opt', 'gpt_oss', 'gemma4')
FIRST = [name for name in CASES if name not in NEWER]
EVEN = [name for name in FIRST if 'odd' not in name] + list(ON_MESHES)
PACKED = [name for name in FIRST if name != 'llama_dynamic'] + list(IN_ROWS)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Cases as folders, made when asked for."""
    root, made = tmp_path_factory.mktemp('families'), {}

    def folder(name):
        if name not in made:
            made[name] = torch_families.save(root / name, name)
        return made[name]

    return folder


def params(decoder):
    state = nnx.to_flat_state(nnx.state(decoder, nnx.Param))
    return {'.'.join(map(str, path)): np.asarray(value[...]) for path, value in state}


def test_every_family_has_two_shapes_here():
    stems = {case.stem for case in torch_families.CASES.values()}
    for family in families.FAMILIES.values():
        if family.architecture == 'BaichuanForCausalLM':
            continue  # transformers has no class for it: test_baichuan.py
        stem = family.architecture.replace('ForCausalLM', '').replace('LMHeadModel', '')
        assert stem in stems
        assert sum(case.stem == stem for case in torch_families.CASES.values()) >= 2, stem


@pytest.mark.parametrize('name', CASES)
def test_logits_and_gradients_equal_those_of_torch(folders, name):
    parity = compare(folders(name))
    assert parity.logits <= LOGITS
    assert parity.gradients <= GRADIENTS, parity.worst


@pytest.mark.parametrize('name', CASES)
def test_import_export_import_is_the_identity_and_transformers_agrees(folders, tmp_path, name):
    decoder = load.load_decoder(folders(name), one())
    load.export_hf(decoder, tmp_path / 'out', shard_bytes=40_000)
    again = load.load_decoder(tmp_path / 'out', one())
    assert again.config == decoder.config
    first, second = params(decoder), params(again)
    assert first.keys() == second.keys()
    for path in first:
        assert first[path].tobytes() == second[path].tobytes(), path
    before = torch_families.logits(torch_families.read(folders(name)), ids(1, 20)[0])
    after = torch_families.logits(torch_families.read(tmp_path / 'out'), ids(1, 20)[0])
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize('name', CASES)
def test_a_config_without_its_origin_is_written_whole(folders, name):
    """As for a GGUF file, whose metadata is no config.json."""
    config = load.read_config(folders(name))
    raw = hf_config.to_hf(config.replace(extra=''), 'float32')
    assert hf_config.from_hf(json.loads(json.dumps(raw))) == config


@pytest.mark.parametrize('name', CASES)
def test_parameters_are_those_of_the_table(folders, name):
    config = load.read_config(folders(name))
    table = tables.hf_table(config)
    weights.check_tiles(table)
    with jax.set_mesh(one()):
        decoder = nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0)))
    state = nnx.to_flat_state(nnx.state(decoder, nnx.Param))
    found = {'.'.join(map(str, path)): value.get_value() for path, value in state}
    assert found.keys() == table.keys()
    for path, entry in table.items():
        stacked = (config.num_layers,) if weights.LAYER in entry.key else ()
        assert found[path].shape == (*stacked, *entry.shape), path


@pytest.mark.parametrize('name', EVEN)
def test_a_mesh_loads_and_computes_the_same(folders, name):
    tokens_BT = ids(4, 12)
    whole = load.load_decoder(folders(name), one())
    mesh = mesh_lib.make_mesh(2, 2, 2)
    split = load.load_decoder(folders(name), mesh)
    first, second = params(whole), params(split)
    for path in first:
        np.testing.assert_array_equal(first[path], second[path], err_msg=path)
    a, b = logits(whole, one(), tokens_BT), logits(split, mesh, tokens_BT)
    assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()


@pytest.mark.parametrize('name', PACKED)
def test_packed_texts_equal_texts_alone(folders, name):
    """Windows, ALiBi and tables count from the start of a text, not of the row."""
    decoder = load.load_decoder(folders(name), one())
    lengths, row = (17, 1, 12), ids(1, 32)
    positions, until = np.zeros((1, 32), np.int32), np.arange(32, dtype=np.int32)[None].copy()
    start = 0
    for length in lengths:
        positions[0, start : start + length] = np.arange(length)
        until[0, start : start + length] = start + length - 1
        start += length
    packed = logits(decoder, one(), row, positions, until)[0]
    start = 0
    for length in lengths:
        text = row[:, start : start + length]
        alone = logits(decoder, one(), np.pad(text, ((0, 0), (0, 32 - length))))[0, :length]
        assert np.abs(packed[start : start + length] - alone).max() <= 1e-5 * np.abs(alone).max()
        start += length


@pytest.mark.parametrize('name', ['gpt2', 'bloom', 'phi3', 'cohere', 'gemma3', 'glm', 'falcon_40b'])
def test_adapters_of_maps_that_a_file_fuses_are_merged_and_exported(folders, tmp_path, name):
    decoder = load.load_decoder(folders(name), one())
    lora.add_lora(decoder, rank=2, alpha=4.0, targets=('q', 'v', 'down'), seed=0)
    for module in (decoder.layers.attn.q, decoder.layers.attn.v, decoder.layers.mlp.down):
        b = module.lora_b
        b.set_value(jax.random.normal(jax.random.key(1), b[...].shape) * 0.1)
    adapted = logits(decoder, one(), ids(1, 20))[0]
    load.export_hf(lora.merge_lora(decoder), tmp_path / 'out')
    theirs = torch_families.logits(torch_families.read(tmp_path / 'out'), ids(1, 20)[0])
    assert np.abs(adapted - theirs).max() <= LOGITS * np.abs(theirs).max()
    base = torch_families.logits(torch_families.read(folders(name)), ids(1, 20)[0])
    assert np.abs(base - theirs).max() > 0.01 * np.abs(theirs).max()


@pytest.mark.parametrize('name', ['llama', 'bloom', 'gpt2', 'gemma2'])
def test_a_bare_model_without_prefix_and_head_loads(folders, tmp_path, name):
    """As AutoModel saves it, and as the published BLOOM and GPT-2 files are."""
    torch_families.read(folders(name)).base_model.save_pretrained(tmp_path / 'bare')
    bare = params(load.load_decoder(tmp_path / 'bare', one()))
    whole = params(load.load_decoder(folders(name), one()))
    for path in whole:
        np.testing.assert_array_equal(bare[path], whole[path], err_msg=path)


def test_masks_of_older_gpt2_files_are_passed_over(folders, tmp_path):
    whole = load_file(folders('gpt2') / 'model.safetensors')
    mask = np.tril(np.ones((1, 1, 64, 64), np.bool_))
    (tmp_path / 'config.json').write_text((folders('gpt2') / 'config.json').read_text())
    save_file({**whole, 'transformer.h.0.attn.bias': mask}, tmp_path / 'model.safetensors')
    masked, plain = (params(load.load_decoder(f, one())) for f in (tmp_path, folders('gpt2')))
    for path in plain:
        np.testing.assert_array_equal(masked[path], plain[path], err_msg=path)


@pytest.mark.parametrize('saved', ['language_model.model.', 'model.language_model.'])
@pytest.mark.parametrize(
    'outer, name',
    [
        ('gemma3', 'gemma3'),
        ('mistral3', 'mistral'),
        ('mistral3', 'ministral3'),
        ('llava', 'llama'),
        ('qwen2_5_vl', 'qwen2'),
        ('aya_vision', 'cohere2'),
        ('cohere2_vision', 'cohere2'),
    ],
)
def test_the_text_part_of_a_model_with_images_is_read_alone(folders, tmp_path, saved, outer, name):
    """Keys as in the published files (transformers 4) and as transformers 5 saves them."""
    folder = folders(name)
    outside = saved.removesuffix('model.') if saved.startswith('language') else ''  # of the head
    tensors = {
        saved + key.removeprefix('model.') if key.startswith('model.') else outside + key: value
        for key, value in load_file(folder / 'model.safetensors').items()
    }
    tower = saved.partition('language_model.')[0] + 'vision_tower.patch.weight'
    text = json.loads((folder / 'config.json').read_text())
    if outer == 'qwen2_5_vl':
        text |= {
            'model_type': 'qwen2_5_vl_text',
            'rope_parameters': None,
            'rope_scaling': {'type': 'mrope', 'mrope_section': [1, 1, 2]},
            'rope_theta': 1e4,
        }
    raw = {
        'model_type': outer,
        'text_config': text,
        'vision_config': {},
        'eos_token_id': [1, 106],
    }
    (tmp_path / 'config.json').write_text(json.dumps(raw))
    save_file({**tensors, tower: np.ones(3, np.float32)}, tmp_path / 'model.safetensors')
    assert load.read_config(tmp_path) == load.read_config(folder)
    seen, alone = (params(load.load_decoder(f, one())) for f in (tmp_path, folder))
    for path in alone:
        np.testing.assert_array_equal(seen[path], alone[path], err_msg=path)
    save_file({**tensors, 'tower': np.ones(3, np.float32)}, tmp_path / 'model.safetensors')
    with pytest.raises(ValueError, match="too many, first 'tower'"):
        load.load_decoder(tmp_path, one())


@pytest.mark.parametrize(
    'name, words',
    [
        ('falcon_h1', "'falcon_h1' is not supported: its layers have a state or linear attention"),
        ('qwen3_next', 'state or linear attention'),
        ('lfm2', 'state or linear attention'),
        ('jamba', 'state or linear attention'),
        ('deepseek_v3', 'attention is latent'),
        ('gemma3n', 'several streams'),
        ('chatglm', 'own code'),
        ('nosuch', "'nosuch' is not supported; supported: llama, mistral"),
    ],
)
def test_a_family_that_is_not_supported_is_refused_by_name(name, words):
    with pytest.raises(ValueError, match=words):
        hf_config.from_hf({'model_type': name, 'hidden_size': 32})


@pytest.mark.parametrize(
    'name, changes, words',
    [
        ('bloom', {'apply_residual_connection_post_layernorm': True}, 'apply_residual_conn'),
        ('gpt2', {'scale_attn_by_inverse_layer_idx': True}, 'scale_attn_by_inverse_layer_idx'),
        ('gpt2', {'add_cross_attention': True}, 'add_cross_attention = True'),
        ('gemma3', {'use_bidirectional_attention': True}, 'use_bidirectional_attention = True'),
        ('gemma2', {'layer_types': ['sliding_attention', 'mamba', 'mamba']}, "'mamba'"),
        ('gemma2', {'layer_types': ['sliding_attention']}, 'one for each of 3 layers'),
        ('qwen3', {'rope_parameters': {'rope_type': 'longrope', 'factor': 2}}, 'short_factor of'),
        ('qwen3', {'rope_parameters': {'rope_type': 'ntk', 'factor': 2}}, "'ntk' is not"),
        ('phi3', {'rope_scaling': {'type': 'yarn', 'factor': 2.0}}, "'yarn' is not supported"),
        ('phi3', {'hidden_act': 'tanh'}, "hidden_act = 'tanh'"),
        ('gemma', {'hidden_act': 'silu'}, "hidden_act = 'silu'"),
        ('gemma', {'use_bidirectional_attention': True}, 'use_bidirectional_attention = True'),
        ('qwen3', {'rope_parameters': {'full_attention': {'factor': 2}}}, 'of full_attention are'),
        ('gemma3', {'rope_parameters': {'rope_theta': 5e5}}, 'of all layers alike are not'),
        # transformers takes these fields and computes otherwise, or refuses them.
        ('gemma3', {'attn_logit_softcapping': 20.0}, 'attn_logit_softcapping = 20.0'),
        ('bloom', {'slow_but_exact': True}, 'slow_but_exact = True'),
        ('phi3', {'rope_scaling': {'type': 'linear', 'factor': 2.0}}, "'linear' is not supported"),
    ],
)
def test_an_option_that_a_family_does_not_have_is_named(folders, name, changes, words):
    raw = json.loads((folders(name) / 'config.json').read_text()) | changes
    with pytest.raises(ValueError, match=words):
        hf_config.from_hf(raw)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'num_kv_shared_layers': 5}, 'num_kv_shared_layers = 5; expected .* leaves a layer of'),
        ({'num_kv_shared_layers': -1}, 'num_kv_shared_layers = -1'),
        ({'hidden_size_per_layer_input': 1.5}, 'hidden_size_per_layer_input = 1.5'),
        ({'per_layer_config': {'0': {'head_dim': 16}}}, r'full_attention \(1, 3, 5\)'),
        ({'per_layer_config': None, 'global_head_dim': 4}, 'heads of 4 channels'),
        ({'enable_moe_block': True}, 'enable_moe_block = True is not supported'),
        ({'use_bidirectional_attention': 'all'}, "use_bidirectional_attention = 'all'"),
    ],
)
def test_layers_of_gemma_4_that_differ_otherwise_are_refused(folders, changes, words):
    raw = json.loads((folders('gemma4') / 'config.json').read_text())
    with pytest.raises(ValueError, match=words):
        hf_config.from_hf(raw | changes)


def test_gemma_4_is_read_by_the_fields_of_its_first_files_too(folders, tmp_path):
    """They name the whole layers' sizes once; keys and values that no layer uses may be there."""
    folder = folders('gemma4')
    raw = json.loads((folder / 'config.json').read_text())
    first = {k: v for k, v in raw.items() if k != 'per_layer_config'} | {'global_head_dim': 16}
    assert hf_config.from_hf(first) == hf_config.from_hf(raw)
    tensors = load_file(folder / 'model.safetensors')
    unused = {k.replace('.3.', '.5.'): v for k, v in tensors.items() if '.3.self_attn.k_' in k}
    assert len(unused) == 2
    save_file(tensors | unused, tmp_path / 'model.safetensors')
    (tmp_path / 'config.json').write_text(json.dumps(first))
    again = params(load.load_decoder(tmp_path, one()))
    for path, array in params(load.load_decoder(folder, one())).items():
        np.testing.assert_array_equal(again[path], array, err_msg=path)


def test_random_weights_of_uneven_layers_are_zero_beyond_their_own(folders):
    config = load.read_config(folders('gemma4_odd'))
    decoder = load.init_decoder(config, one())
    table, found = tables.hf_table(config), params(decoder)
    uneven = [path for path, entry in table.items() if entry.own]
    assert 'layers.attn.v.kernel' in uneven
    for path in uneven:
        mask = weights.filled(table[path], config.num_layers)
        assert not mask.all() and not found[path][~mask].any() and found[path][mask].all(), path


def test_local_positions_are_not_those_of_a_model_without_local_layers(folders):
    """Gemma 3 with whole layers alone has the whole layers' base."""
    config = load.read_config(folders('gemma3')).replace(window=0, local_layers=())
    places = np.arange(4, dtype=np.int32)[None]
    with jax.set_mesh(one()):
        views = attention.views(config, places, places, documents=0, dtype='float32')
        seen = decoder_lib.view_of(config, views, np.bool_(False))
        whole, _ = positions_lib.rope_table(places, config.rope, config.head_dim)
    np.testing.assert_array_equal(seen.sin, whole)
