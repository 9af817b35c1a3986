"""GGUF files in other layouts (quantised experts, older converters), and those that are refused."""

import gguf
import jax
import numpy as np
import pytest
import torch
import transformers
from transformers.integrations import mxfp4

from tests import gguf_files, torch_families
from tests.family_parity import logits, one
from tests.gguf_made import TOKENS, equal, make_once, params, refused
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import gguf_families, load
from xlbarrier.models.gguf import GgufFile

U32, F32, TEXT, ARRAY = (
    getattr(gguf.GGUFValueType, name) for name in ('UINT32', 'FLOAT32', 'STRING', 'ARRAY')
)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return make_once(tmp_path_factory.mktemp('gguf'))


def test_experts_in_mxfp4_are_those_of_the_published_blocks(made, tmp_path):
    """The converter only moves the bits of gpt-oss; transformers undoes the published blocks."""
    rng = np.random.default_rng(0)
    model = made('gpt_oss_wide').model
    model = transformers.GptOssForCausalLM(model.config).eval()
    quantised = {}
    for layer, part in enumerate(model.model.layers):
        experts = part.mlp.experts
        for name in ('gate_up_proj', 'down_proj'):
            weight = getattr(experts, name)
            count, inputs, outputs = weight.shape
            codes = rng.integers(0, 16, (count, outputs, inputs // 32, 32), np.uint8)
            scales = rng.integers(122, 126, (count, outputs, inputs // 32), np.uint8)
            published = torch.tensor(codes[..., ::2] | codes[..., 1::2] << 4)
            undone = mxfp4.convert_moe_packed_tensors(
                published, torch.tensor(scales), dtype=torch.float32
            )
            weight.data.copy_(undone)
            blocks = gguf_files.mxfp4(codes, scales).reshape(count, outputs, -1)
            halves = {'gate': blocks[:, ::2], 'up': blocks[:, 1::2]}
            for kind, half in (halves if 'gate' in name else {'down': blocks}).items():
                quantised[f'blk.{layer}.ffn_{kind}_exps.weight'] = np.ascontiguousarray(half)
    path = gguf_files.write(tmp_path / 'm.gguf', model, change=lambda t: t | quantised)
    decoder = load.load_decoder(path, one())
    assert equal(
        logits(decoder, one(), TOKENS)[0],
        torch_families.logits(model, TOKENS[0]),
    )
    whole = params(decoder)
    split = params(load.load_decoder(path, mesh_lib.make_mesh(1, 2, 2, jax.devices()[:4])))
    for key, array in whole.items():
        np.testing.assert_array_equal(array, split[key], err_msg=key)


def fused(tensors):
    """GLM-4 as its first files have it: queries, keys and values in one tensor."""
    found = {name: array for name, array in tensors.items() if '.attn_q.' not in name}
    for name, array in tensors.items():
        if '.attn_q.' in name:
            rest = [found.pop(name.replace('attn_q', f'attn_{each}')) for each in 'kv']
            found[name.replace('attn_q', 'attn_qkv')] = np.concatenate([array, *rest])
    return found


def apart(tensors):
    """Mixtral as converters wrote it until April 2024: a tensor for each expert."""
    found = {}
    for name, array in tensors.items():
        if '_exps.' in name:
            number = name.replace('_exps.', '.{}.')
            found |= {number.format(i): expert for i, expert in enumerate(array)}
        else:
            found[name] = array
    return found


def with_shared_keys(tensors):
    """Gemma 4 as published: the layers that share keys and values have some that nothing reads."""
    for layer in (4, 5):
        for name in ('attn_k', 'attn_v', 'attn_k_norm'):
            tensors[f'blk.{layer}.{name}.weight'] = tensors[f'blk.{layer - 2}.{name}.weight'] + 1
    return tensors


@pytest.mark.parametrize(
    'name, change',
    [('glm_plain', fused), ('mixtral_odd', apart), ('gemma4', with_shared_keys)],
)
def test_the_other_layouts_of_a_file_are_the_same_model(made, tmp_path, name, change):
    case = made(name)
    plain = gguf_files.write(tmp_path / 'a.gguf', case.model)
    other = gguf_files.write(tmp_path / 'b.gguf', case.model, change=change)
    first, second = GgufFile(plain), GgufFile(other)
    assert first.shapes.keys() != second.shapes.keys()
    again = params(load.load_decoder(other, one()))
    for path, whole in params(case.decoder).items():
        np.testing.assert_array_equal(whole, again[path], err_msg=path)


def test_mistral_small_is_a_mistral_and_ministral_3_is_not(made, tmp_path):
    """Both are `mistral3`; only the queries of one grow."""
    case = made('mistral_odd')
    path = gguf_files.write(tmp_path / 'm.gguf', case.model, architecture='mistral3')
    decoder = load.load_decoder(path, one())
    assert decoder.config.family == 'mistral' and decoder.config.window == 0
    np.testing.assert_array_equal(logits(decoder, one(), TOKENS)[0], case.logits)
    assert made('ministral3').decoder.config.query_beta == 0.3
    config = made('ministral3').decoder.config
    assert config.rope.attention_factor == 1 and config.rope.original_positions == 16


@pytest.mark.parametrize(
    'architecture', ['baichuan', 'gemma3n', 'phimoe', 'xglm', 'deepseek2', 'falcon-h1', 'exaone']
)
def test_an_architecture_that_is_not_supported_is_refused_with_those_that_are(
    tmp_path, architecture
):
    writer = gguf.GGUFWriter(tmp_path / 'm.gguf', architecture)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    message = refused(tmp_path / 'm.gguf')
    assert f'general.architecture = {architecture!r} is not supported' in message
    for supported in gguf_families.ARCHITECTURES:
        assert repr(supported) in message


@pytest.mark.parametrize(
    'name, key, value, words',
    [
        ('gemma2_wide', 'gemma2.embedding_length', None, "no 'gemma2.embedding_length'"),
        ('cohere2', 'cohere2.logit_scale', None, "no 'cohere2.logit_scale'"),
        ('cohere2', 'cohere2.attention.sliding_window', None, "no 'cohere2.attention.sliding_w"),
        (
            'gpt2_long',
            'gpt2.attention.layer_norm_epsilon',
            None,
            "no 'gpt2.attention.layer_norm_eps",
        ),
        ('phi3', 'phi3.block_count', None, "no 'phi3.block_count'"),
        ('qwen2', 'qwen2.expert_count', (8, U32), 'qwen2.expert_count = 8 is not supported'),
        ('qwen3', 'qwen3.rope.scaling.type', ('longrope', TEXT), "'longrope' is not supported"),
        ('glm4', 'glm4.nextn_predict_layers', (1, U32), 'nextn_predict_layers = 1'),
        ('glm4', 'glm4.rope.dimension_sections', ([2, 1, 1, 0], ARRAY), 'dimension_sections = ['),
        ('mixtral_whole', 'llama.expert_used_count', None, "no 'llama.expert_used_count'"),
        ('mixtral_whole', 'llama.expert_count', (0, U32), 'tensor(s) missing'),
        ('exaone4', 'exaone4.attention.sliding_window_pattern', ([True] * 3, ARRAY), '3 values'),
        ('gemma4', 'gemma4.attention.key_length_swa', None, "no 'gemma4.attention.key_length_swa'"),
        ('gemma4', 'gemma4.attention.shared_kv_layers', (6, U32), 'num_kv_shared_layers = 6'),
        ('gemma4', 'gemma4.expert_count', (8, U32), 'gemma4.expert_count = 8 is not supported'),
        ('ministral3', 'mistral3.rope.scaling.yarn_ext_factor', (0.5, F32), 'ext_factor = 0.5'),
        ('ministral3', 'mistral3.attention.temperature_length', (99, U32), 'length = 99'),
        ('apertus', 'xielu.beta', ([0.5, 0.7], ARRAY), 'xielu.beta = [0.5, 0.69'),
        ('apertus', 'xielu.alpha_p', ([0.5], ARRAY), "'blk.1.xielu.alpha_p'"),
        ('gpt_oss_wide', 'gpt-oss.expert_count', (5, U32), 'has shape'),
        ('hunyuan', 'hunyuan-dense.rope.scaling.type', ('dynamic', TEXT), "'dynamic'"),
        ('falcon_40b_plain', 'falcon.attention.layer_norm_epsilon', None, "no 'falcon.attention"),
        ('gpt_neox', 'gptneox.rope.dimension_count', (3, U32), 'rotates 3 of 8'),
        ('gemma', 'gemma.rope.dimension_count', (8, U32), 'gemma.rope.dimension_count = 8'),
        ('gemma3', 'gemma3.attention.value_length', (8, U32), 'value_length = 8'),
        ('bloom', 'bloom.attention.sliding_window', (8, U32), 'sliding_window = 8'),
        ('llama', 'split.count', (3, U32), 'split.count = 3, but its name makes it one of 1'),
    ],
)
def test_metadata_that_is_missing_or_not_supported_is_named(
    made, tmp_path, name, key, value, words
):
    path = gguf_files.write(tmp_path / 'm.gguf', made(name).model, metadata={key: value})
    assert words in refused(path)


def test_heads_that_differ_by_layer_are_refused(made, tmp_path):
    each = {'qwen2.attention.head_count': ([4, 4, 2], gguf.GGUFValueType.ARRAY)}
    path = gguf_files.write(tmp_path / 'm.gguf', made('qwen2').model, metadata=each)
    assert 'qwen2.attention.head_count = [4, 4, 2] is not supported' in refused(path)


@pytest.mark.parametrize(
    'name, key',
    [
        ('gemma3', 'blk.6.post_ffw_norm.weight'),
        ('gpt2_long_untied', 'token_embd.weight'),
        ('bloom', 'token_embd_norm.bias'),
        ('gpt2_long', 'position_embd.weight'),
        ('phi3', 'blk.1.attn_qkv.weight'),
        ('cohere', 'blk.2.attn_k_norm.weight'),
        ('qwen2', 'blk.1.attn_v.bias'),
        ('gpt_oss_wide', 'blk.0.attn_sinks.weight'),
        ('gpt_oss_wide', 'blk.1.ffn_down_exps.bias'),
        ('gemma4', 'blk.5.layer_output_scale.weight'),
        ('falcon_40b_plain', 'blk.0.attn_norm.weight'),
    ],
)
def test_a_tensor_missing_or_surplus_is_named(made, tmp_path, name, key):
    model = made(name).model
    gone = gguf_files.write(
        tmp_path / 'a.gguf', model, change=lambda t: {k: t[k] for k in t if k != key}
    )
    message = refused(gone)
    assert '1 tensor(s) missing' in message and repr(key) in message
    more = gguf_files.write(
        tmp_path / 'b.gguf', model, change=lambda t: t | {'blk.0.ffn_up_shexp.weight': t[key]}
    )
    message = refused(more)
    assert '1 tensor(s) too many' in message and "'blk.0.ffn_up_shexp.weight'" in message
