"""Adapters in PEFT's format, both ways, against PEFT on torch."""

import json
import shutil

import numpy as np
import peft
import pytest
import torch
from flax import nnx
from safetensors.numpy import load_file, save_file

from tests import torch_families
from tests.family_parity import LOGITS, ids, logits, one
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import adapters, load, lora, tables, weights

# Modules of torch's models, some of them fused in the file and apart in our decoder.
TARGETS = {
    'llama': ['q_proj', 'v_proj', 'down_proj'],
    'qwen2': ['q_proj', 'k_proj', 'o_proj', 'up_proj'],
    'gemma3': ['q_proj', 'gate_proj'],
    'gemma4': ['q_proj', 'k_proj', 'o_proj', 'down_proj'],  # some layers have no keys of their own
    'cohere': ['q_proj', 'k_proj', 'o_proj'],  # rotary halves stand otherwise in the file
    'phi3': ['qkv_proj', 'gate_up_proj'],
    'bloom': ['query_key_value', 'dense_4h_to_h'],
    'gpt2': ['c_attn', 'attn.c_proj'],
    'xglm': ['q_proj', 'fc1'],
}


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    root, made = tmp_path_factory.mktemp('families'), {}

    def folder(name):
        if name not in made:
            made[name] = torch_families.save(root / name, name)
        return made[name]

    return folder


def peft_model(folder, targets, **changes):
    """PEFT's model with a random adapter, B included."""
    torch.manual_seed(0)
    fields = {'r': 3, 'lora_alpha': 5, 'target_modules': targets, 'lora_dropout': 0.1} | changes
    config = peft.LoraConfig(task_type='CAUSAL_LM', **fields)
    model = peft.get_peft_model(torch_families.read(folder), config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_B' in name:
                parameter.normal_(0, 0.2)
    return model


def close(ours, theirs):
    return np.abs(ours - theirs).max() <= LOGITS * np.abs(theirs).max()


def adapter_arrays(decoder):
    state = nnx.to_flat_state(nnx.state(decoder, nnx.LoRAParam))
    return {'.'.join(map(str, path)): np.asarray(value[...]) for path, value in state}


@pytest.mark.parametrize('name', list(TARGETS))
def test_an_adapter_of_peft_gives_pefts_logits(folders, tmp_path, name):
    model = peft_model(folders(name), TARGETS[name])
    model.save_pretrained(tmp_path / 'adapter')
    theirs = torch_families.logits(model, ids(1, 20)[0])
    decoder = adapters.load_adapter(load.load_decoder(folders(name), one()), tmp_path / 'adapter')
    assert close(logits(decoder, one(), ids(1, 20))[0], theirs)
    base = torch_families.logits(torch_families.read(folders(name)), ids(1, 20)[0])
    assert np.abs(base - theirs).max() > 0.01 * np.abs(theirs).max(), 'the adapter does something'
    load.export_hf(lora.merge_lora(decoder), tmp_path / 'merged')
    merged = torch_families.logits(torch_families.read(tmp_path / 'merged'), ids(1, 20)[0])
    assert close(merged, theirs)


@pytest.mark.parametrize('spelled', ['model.language_model.', 'language_model.model.'])
def test_an_adapter_of_gemma_3_with_images_is_one_of_its_text_part(folders, tmp_path, spelled):
    """PEFT on Gemma3ForConditionalGeneration names the maps of the text part so."""
    peft_model(folders('gemma3'), TARGETS['gemma3']).save_pretrained(tmp_path)
    decoder = adapters.load_adapter(load.load_decoder(folders('gemma3'), one()), tmp_path)
    wanted, file = adapter_arrays(decoder), tmp_path / 'adapter_model.safetensors'
    tensors = load_file(file)
    save_file({k.replace('model.layers', f'{spelled}layers'): v for k, v in tensors.items()}, file)
    decoder = adapters.load_adapter(load.load_decoder(folders('gemma3'), one()), tmp_path)
    got = adapter_arrays(decoder)
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


@pytest.mark.parametrize('name', list(TARGETS))
def test_peft_loads_our_adapter_with_our_logits(folders, tmp_path, name):
    decoder = load.load_decoder(folders(name), one())
    lora.add_lora(decoder, rank=2, alpha=3.0, targets=('q', 'v', 'down'), seed=0)
    rng = np.random.default_rng(0)
    for path, linear in {
        'attn.q': decoder.layers.attn.q,
        'attn.v': decoder.layers.attn.v,
        'mlp.down': decoder.layers.mlp.down,
    }.items():
        b = rng.normal(0, 0.2, linear.lora_b[...].shape).astype(np.float32)
        entry = tables.hf_table(decoder.config)[f'layers.{path}.kernel']
        if entry.own:  # as a trained B, whose gradient is zero where the kernel is
            b *= weights.filled(entry, decoder.config.num_layers).any(1, keepdims=True)
        linear.lora_b.set_value(b)
    ours = logits(decoder, one(), ids(1, 20))[0]
    adapters.save_adapter(decoder, tmp_path / 'adapter', base='some/model')
    model = peft.PeftModel.from_pretrained(torch_families.read(folders(name)), tmp_path / 'adapter')
    theirs = torch_families.logits(model.eval(), ids(1, 20)[0])
    assert close(ours, theirs)
    again = adapters.load_adapter(load.load_decoder(folders(name), one()), tmp_path / 'adapter')
    assert close(logits(again, one(), ids(1, 20))[0], theirs)
    config = json.loads((tmp_path / 'adapter/adapter_config.json').read_text())
    assert config['base_model_name_or_path'] == 'some/model'


@pytest.mark.parametrize('name', ['llama', 'phi3', 'bloom', 'gpt2'])
def test_an_adapter_read_and_written_keeps_every_value(folders, tmp_path, name):
    model = peft_model(folders(name), TARGETS[name])
    model.save_pretrained(tmp_path / 'a')
    decoder = adapters.load_adapter(load.load_decoder(folders(name), one()), tmp_path / 'a')
    adapters.save_adapter(decoder, tmp_path / 'b', base='x')
    first, second = (load_file(tmp_path / f / 'adapter_model.safetensors') for f in 'ab')
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)


@pytest.mark.parametrize(
    'changes',
    [
        {'use_rslora': True},
        {'alpha_pattern': {'v_proj': 11}, 'rank_pattern': {'v_proj': 2}},
        {'alpha_pattern': {'model.layers.1.self_attn.q_proj': 40}},  # one layer
        {'alpha_pattern': {r'layers\.[01]\..*q_proj': 40}},  # regular expressions
        {'alpha_pattern': {'q_proj': 40, 'self_attn.q_proj': 2}},  # the first that matches
    ],
)
def test_scales_of_peft_are_followed(folders, tmp_path, changes):
    model = peft_model(folders('llama'), TARGETS['llama'], **changes)
    model.save_pretrained(tmp_path / 'a')
    theirs = torch_families.logits(model, ids(1, 20)[0])
    decoder = adapters.load_adapter(load.load_decoder(folders('llama'), one()), tmp_path / 'a')
    assert close(logits(decoder, one(), ids(1, 20))[0], theirs)
    adapters.save_adapter(decoder, tmp_path / 'b', base='x')
    again = peft.PeftModel.from_pretrained(torch_families.read(folders('llama')), tmp_path / 'b')
    assert close(torch_families.logits(again.eval(), ids(1, 20)[0]), theirs)


def test_a_mesh_takes_an_adapter_in_shards(folders, tmp_path):
    peft_model(folders('phi3'), TARGETS['phi3']).save_pretrained(tmp_path)
    decoders = [
        adapters.load_adapter(load.load_decoder(folders('phi3'), mesh), tmp_path)
        for mesh in (one(), mesh_lib.make_mesh(2, 2, 2))
    ]
    whole, split = map(adapter_arrays, decoders)
    for path in whole:
        np.testing.assert_array_equal(whole[path], split[path], err_msg=path)
    q = decoders[1].layers.attn.q
    assert q.lora_a[...].sharding.spec[1] == 'fsdp' and q.lora_b[...].sharding.spec[2] == 'tensor'
    a, b = (
        logits(d, m, ids(4, 9))
        for d, m in zip(decoders, (one(), mesh_lib.make_mesh(2, 2, 2)), strict=True)
    )
    assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()


@pytest.fixture
def saved(folders, tmp_path):
    peft_model(folders('llama'), TARGETS['llama']).save_pretrained(tmp_path / 'adapter')
    return tmp_path / 'adapter'


def refused(folders, adapter, base='llama'):
    decoder = load.load_decoder(folders(base), one())
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        adapters.load_adapter(decoder, adapter)
    assert not adapter_arrays(decoder), 'nothing was put on the decoder'
    return str(error.value)


@pytest.mark.parametrize('base, words', [
    ('llama_odd_biases', ['layers.2', 'is for another']),  # fewer layers
    ('mistral_odd', ['is for another']),
    ('gpt2', ["mlp.down_proj", 'no linear map of this base model', 'attn.c_attn', 'another one']),
    ('qwen3', ['has shape', 'expected (64, 3) for this base model']),  # wider heads
])  # fmt: skip
def test_an_adapter_for_another_base_model_is_refused(folders, saved, base, words):
    message = refused(folders, saved, base)
    for word in ['adapter_model.safetensors', *words]:
        assert word in message


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'peft_type': 'IA3'}, "peft_type = 'IA3'"),
        ({'use_dora': True}, 'use_dora = True'),
        ({'modules_to_save': ['lm_head']}, "modules_to_save = ['lm_head']"),
        ({'bias': 'all'}, "bias = 'all'"),
        ({'init_lora_weights': 'pissa_niter_4'}, "'pissa_niter_4' is not supported"),
        ({'init_lora_weights': 'olora'}, 'path_initial_model_for_weight_conversion'),
        ({'r': None}, 'r is None; expected a whole number'),
        ({'r': 0}, 'r is 0; expected a whole number'),
        ({'r': True}, 'r is True; expected a whole number'),
        ({'lora_alpha': True}, 'lora_alpha is True; expected a number'),
        ({'alpha_pattern': {'q_proj': 'x'}}, 'alpha_pattern is'),
        ({'rank_pattern': [3]}, 'rank_pattern is [3]'),
    ],
)
def test_what_is_no_plain_lora_is_refused(folders, saved, changes, words):
    path = saved / 'adapter_config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    message = refused(folders, saved)
    assert str(path) in message and words in message


def test_an_adapter_that_is_not_finite_is_named(folders, saved):
    whole = load_file(saved / 'adapter_model.safetensors')
    key = 'base_model.model.model.layers.1.mlp.down_proj.lora_B.weight'
    whole[key][3, 1] = np.nan
    save_file(whole, saved / 'adapter_model.safetensors')
    assert f'tensor {key!r} contains NaN or infinity' in refused(folders, saved)


@pytest.mark.parametrize(
    'fields',
    [
        {'layers_to_transform': [1, 2]},
        {'layers_to_transform': 2},
        {'target_modules': r'.*layers\.[12]\.(self_attn\.q|mlp\.down)_proj'},
        {'target_modules': ['layers.0.self_attn.q_proj', 'layers.2.mlp.up_proj']},
        {'rank_pattern': {'layers.1.self_attn.q_proj': 2}},
        {'rank_pattern': {'q_proj': 5}, 'alpha_pattern': {'layers.2.self_attn.q_proj': 9}},
    ],
)
def test_layers_may_differ_in_having_an_adapter_rank_and_alpha(folders, tmp_path, fields):
    model = peft_model(folders('llama'), **{'targets': TARGETS['llama']} | renamed(fields))
    model.save_pretrained(tmp_path)
    decoder = load.load_decoder(folders('llama'), one(), adapter=tmp_path)
    x = ids(2, 9)
    with torch.no_grad():
        theirs = model(torch.tensor(x), use_cache=False).logits.numpy()
    assert close(logits(decoder, one(), x), theirs)


def renamed(fields):
    """`target_modules` is an argument of its own in `peft_model`."""
    return {('targets' if k == 'target_modules' else k): v for k, v in fields.items()}


@pytest.mark.parametrize('changes', [{'r': 999}, {'r': 3, 'rank_pattern': {'q_proj': 4}}])
def test_a_config_of_another_rank_than_the_tensors_is_refused(folders, saved, changes):
    path = saved / 'adapter_config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    message = refused(folders, saved)
    expected = changes.get('rank_pattern', {}).get('q_proj', changes['r'])
    assert f'has rank 3, but adapter_config.json says {expected}' in message


def test_a_pattern_is_compared_within_a_second(folders, saved):
    """Python's re would take longer than anyone waits."""
    path = saved / 'adapter_config.json'
    pattern = {'alpha_pattern': {'(([a-z_.0-9]+)+)+!': 4}}
    path.write_text(json.dumps(json.loads(path.read_text()) | pattern))
    decoder = load.load_decoder(folders('llama'), one())
    assert adapter_arrays(adapters.load_adapter(decoder, saved))


def test_files_that_are_missing_broken_or_pickled(folders, saved, tmp_path):
    whole = load_file(saved / 'adapter_model.safetensors')
    key = 'base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight'
    save_file({k: v for k, v in whole.items() if k != key}, saved / 'adapter_model.safetensors')
    assert key in refused(folders, saved)
    (saved / 'adapter_model.safetensors').write_bytes(b'\0' * 20)
    assert 'is not a whole safetensors file' in refused(folders, saved)
    (saved / 'adapter_model.safetensors').unlink()
    assert 'adapter_model.bin is not read: save it again' in refused(folders, saved)
    (saved / 'adapter_config.json').write_text('{')
    assert 'JSON' in refused(folders, saved)
    shutil.rmtree(saved)
    assert 'is no PEFT adapter' in refused(folders, saved)


def test_a_decoder_without_adapters_has_none_to_save(folders, tmp_path):
    with pytest.raises(ValueError, match='no adapters'):
        adapters.save_adapter(load.load_decoder(folders('llama'), one()), tmp_path, base='x')
