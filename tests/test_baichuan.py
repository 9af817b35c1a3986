"""Baichuan, which transformers has no class for, against a Llama that holds its split weights.

Its 13B form has ALiBi, held against BLOOM's slopes in transformers; the normalised head of
Baichuan 2 against torch's own normalisation. The published files are not at hand.
"""

import json

import jax
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from tests import torch_families
from tests.family_parity import GRADIENTS, LOGITS, compare, ids, logits, one
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load
from xlbarrier.models.positions import alibi_slopes

SHAPES = ('llama_mha_untied', 'llama_mha_odd')


def baichuan(folder, llama, **changes):
    """A Baichuan folder of the weights of a Llama folder: q, k and v packed into one array."""
    tensors = load_file(llama / 'model.safetensors')
    raw = json.loads((llama / 'config.json').read_text())
    for layer in range(raw['num_hidden_layers']):
        parts = [f'model.layers.{layer}.self_attn.{name}_proj.weight' for name in 'qkv']
        packed = np.concatenate([tensors.pop(part) for part in parts])
        tensors[f'model.layers.{layer}.self_attn.W_pack.weight'] = packed
    raw |= {
        'model_type': 'baichuan',
        'architectures': ['BaichuanForCausalLM'],
        'auto_map': {'AutoModelForCausalLM': 'modeling_baichuan.BaichuanForCausalLM'},
    }
    raw = {k: v for k, v in (raw | changes).items() if v != 'absent'}
    folder.mkdir()
    (folder / 'config.json').write_text(json.dumps(raw))
    save_file(tensors, folder / 'model.safetensors')
    return folder


def packed_gradients(model):
    """torch's gradients of a Llama under the keys of a Baichuan file."""
    theirs = torch_families.gradients(model)
    for layer in range(model.config.num_hidden_layers):
        stem = f'model.layers.{layer}.self_attn.'
        parts = [theirs.pop(f'{stem}{name}_proj.weight') for name in 'qkv']
        theirs[f'{stem}W_pack.weight'] = np.concatenate(parts)
    return theirs


@pytest.fixture(scope='module')
def llama(tmp_path_factory):
    model = torch_families.make('llama_mha_untied')
    folder = tmp_path_factory.mktemp('llama')
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def reference(llama):
    return torch_families.read(llama)


@pytest.mark.parametrize('name', SHAPES)
def test_the_7b_form_equals_a_llama_of_its_split_weights(tmp_path, name):
    llama = torch_families.save(tmp_path / 'llama', name)
    folder = baichuan(tmp_path / 'b', llama)
    parity = compare(folder, torch_families.read(llama), packed_gradients)
    assert parity.logits <= LOGITS
    assert parity.gradients <= GRADIENTS, parity.worst


def test_baichuan_2_normalises_its_head(llama, reference, tmp_path):
    folder = baichuan(tmp_path / 'b', llama, z_loss_weight=0)
    with torch.no_grad():
        head = reference.lm_head.weight
        head.copy_(torch.nn.functional.normalize(head))
    decoder = load.load_decoder(folder, one())
    assert decoder.config.normed_head
    ours = logits(decoder, one(), ids(1, 30))[0]
    theirs = torch_families.logits(reference, ids(1, 30)[0])
    assert np.abs(ours - theirs).max() <= LOGITS * np.abs(theirs).max()
    with jax.set_mesh(one()):
        hidden_BKD = jax.random.normal(
            jax.random.key(0), (1, 4, 32), out_sharding=mesh_lib.RULES.hidden_BTD
        )
        tokens_BK = ids(1, 4)
        whole = np.asarray(decoder.unembed(hidden_BKD))
        asked = np.asarray(decoder.logits_of(hidden_BKD, tokens_BK))
    np.testing.assert_allclose(asked[0], whole[0][np.arange(4), tokens_BK[0]], rtol=1e-5)


def test_the_13b_form_has_the_alibi_of_bloom(llama, reference, tmp_path):
    """torch's Llama, its rotations off and BLOOM's ALiBi in the place of its mask."""
    folder = baichuan(tmp_path / 'b', llama, max_position_embeddings='absent', model_max_length=64)
    decoder = load.load_decoder(folder, one())
    assert (decoder.config.positions, decoder.config.max_positions) == ('alibi', 64)
    T = 30
    reference.model.rotary_emb.inv_freq.zero_()
    reference.model.rotary_emb.original_inv_freq.zero_()
    alibi = build_alibi_tensor(torch.ones(1, T), 4, torch.float32).reshape(1, 4, 1, T)
    causal = torch.full((T, T), torch.finfo(torch.float32).min / 2).triu(1)
    with torch.no_grad():
        x = torch.tensor(ids(1, T).astype(np.int64))
        out = reference(x, attention_mask=(alibi + causal).contiguous(), use_cache=False)
    ours, theirs = logits(decoder, one(), ids(1, T))[0], out.logits[0].numpy()
    assert np.abs(ours - theirs).max() <= LOGITS * np.abs(theirs).max()
    plain = torch_families.logits(torch_families.read(llama), ids(1, T)[0])
    assert np.abs(plain - theirs).max() > 0.01 * np.abs(theirs).max()


@pytest.mark.parametrize('heads', [1, 2, 3, 6, 8, 12, 40, 64, 71, 112])
def test_slopes_are_those_of_bloom(heads):
    theirs = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)[:, 0, 1].numpy()
    np.testing.assert_allclose(alibi_slopes(heads), theirs, rtol=1e-6)


@pytest.mark.parametrize(
    'changes', [{}, {'z_loss_weight': 0}, {'max_position_embeddings': 'absent'}]
)
def test_export_gives_back_every_byte_of_the_file(llama, tmp_path, changes):
    folder = baichuan(tmp_path / 'b', llama, **changes)
    decoder = load.load_decoder(folder, mesh_lib.make_mesh(2, 2, 2))
    load.export_hf(decoder, tmp_path / 'out')
    first, second = (load_file(f / 'model.safetensors') for f in (folder, tmp_path / 'out'))
    assert first.keys() == second.keys()
    for key in first:
        assert first[key].tobytes() == second[key].tobytes(), key
    assert load.read_config(tmp_path / 'out') == decoder.config
