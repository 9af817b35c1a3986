"""GGUF files of every architecture: our logits against torch's own model and transformers' reader.

transformers reads llama, qwen2, qwen3, gemma2, gemma3, phi3, bloom and gpt2 from GGUF itself, by
its own names and its own inverses of the converter's changes. It does not read gemma, command-r and
cohere2, and ignores Llama 3.1's factors, linear scaling, partial rotation and windows of phi3, and
the untied head of bloom; there, and for the families after Qwen 3's mixtures, the reference is the
model that was written.
"""

import types

import gguf
import jax
import numpy as np
import pytest
import torch
import transformers

from tests import gguf_files, torch_families
from tests.family_parity import logits, one
from tests.gguf_made import TOKENS, equal, make_once, params, refused
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import gguf as gguf_module
from xlbarrier.models import gguf_families, gguf_fields, gguf_rope, load
from xlbarrier.models.config import Rope

U32, F32, TEXT = gguf.GGUFValueType.UINT32, gguf.GGUFValueType.FLOAT32, gguf.GGUFValueType.STRING
READ_BY_TRANSFORMERS = (
    'llama',
    'mistral_odd',
    'qwen2',
    'qwen3_wide',
    'gemma2_wide',
    'gemma3_wide',
    'phi3_whole',
    'bloom',
    'gpt2_long',
    'gpt2_long_untied',
)
OTHERS = (
    'llama_odd_biases',
    'llama3',
    'gemma',
    'gemma3',
    'cohere',
    'cohere2',
    'phi3',
    'phi3_odd_partial',
    'bloom_odd_untied',
)
# Their logits alone, and the way back of one or two of each family.
LATER = (
    'smollm3_four',
    'olmo2_odd',
    'granite',
    'stablelm',
    'stablelm_odd',
    'nemotron',
    'nemotron_odd',
    'qwen3_moe',
    'mixtral_whole',
    'mixtral_odd',
    'glm4',
    'glm4_odd',
    'glm_plain',
    'exaone4',
    'exaone4_odd',
    'exaone4_llama3',
    'gemma4',
    'gemma4_odd',
    'olmo3',
    'olmo3_odd',
    'ministral3',
    'apertus',
    'apertus_odd',
    'gpt_oss_wide',
    'gpt_oss_odd',
    'seed_oss',
    'seed_oss_odd',
    'hunyuan',
    'hunyuan_odd',
    'falcon_odd_7b',
    'falcon_40b_plain',
    'falcon_odd_one_norm',
    'gpt_neox',
    'gpt_neox_odd_serial',
    'llama_yarn',
)
EXPORTED = (
    'granite',
    'stablelm_odd',
    'qwen3_moe',
    'mixtral_odd',
    'glm4',
    'glm_plain',
    'exaone4',
    'exaone4_llama3',
    'gemma4',
    'gemma4_odd',
    'olmo3',
    'ministral3',
    'apertus',
    'gpt_oss_wide',
    'seed_oss',
    'hunyuan',
    'falcon_40b_plain',
    'falcon_odd_7b',
    'gpt_neox',
)
CASES = READ_BY_TRANSFORMERS + OTHERS


def read_by_transformers(path):
    """The model as transformers' own reader of GGUF has it."""
    return transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation='eager'
    ).eval()


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return make_once(tmp_path_factory.mktemp('gguf'))


def test_every_architecture_has_a_case(made):
    written = {gguf_files.architecture_of(made(name).model) for name in CASES + LATER}
    assert written == gguf_families.ARCHITECTURES.keys()


@pytest.mark.parametrize('name', CASES + LATER)
def test_logits_equal_those_of_the_model_that_was_written(made, name):
    case = made(name)
    assert equal(case.logits, torch_families.logits(case.model, TOKENS[0]))


@pytest.mark.parametrize('name', (*READ_BY_TRANSFORMERS, 'stablelm', 'nemotron'))
def test_transformers_reads_the_same_model_from_the_file(made, name):
    case = made(name)
    theirs = torch_families.logits(read_by_transformers(case.path), TOKENS[0])
    assert equal(case.logits, theirs)


@pytest.mark.parametrize('name', (*CASES, *EXPORTED))
def test_an_export_loads_in_transformers_with_the_same_logits(made, tmp_path, name):
    case = made(name)
    load.export_hf(case.decoder, tmp_path / 'out')
    exported = torch_families.read(tmp_path / 'out')
    if name != 'mistral_odd':  # a GGUF file tells it from a llama by nothing
        assert type(exported) is type(case.model)
    assert equal(case.logits, torch_families.logits(exported, TOKENS[0]))
    again = load.load_decoder(tmp_path / 'out', one())
    assert again.config == case.decoder.config
    first, second = params(case.decoder), params(again)
    for path in first:
        assert first[path].tobytes() == second[path].tobytes(), path


@pytest.mark.parametrize(
    'name',
    [
        *('llama3', 'gemma3', 'cohere', 'cohere2', 'phi3', 'bloom', 'mixtral_whole', 'glm4'),
        *('gemma4', 'apertus', 'gpt_oss_wide', 'falcon_40b_plain'),
    ],
)
def test_a_mesh_reads_the_same_parameters(made, name):
    case = made(name)
    split = params(load.load_decoder(case.path, mesh_lib.make_mesh(1, 2, 2, jax.devices()[:4])))
    for path, whole in params(case.decoder).items():
        np.testing.assert_array_equal(whole, split[path], err_msg=path)


@pytest.mark.parametrize('kind', ['F16', 'Q8_0'])
@pytest.mark.parametrize('name', ['phi3_whole', 'bloom', 'gpt2_long'])
def test_fused_tensors_are_dequantised_in_slices(made, tmp_path, name, kind):
    path = gguf_files.write(tmp_path / 'm.gguf', made(name).model, kind)
    decoder = load.load_decoder(path, one())
    ours = logits(decoder, one(), TOKENS)[0]
    assert equal(ours, torch_families.logits(read_by_transformers(path), TOKENS[0]))
    assert not np.array_equal(ours, made(name).logits)
    split = params(load.load_decoder(path, mesh_lib.make_mesh(1, 2, 2, jax.devices()[:4])))
    for key, whole in params(decoder).items():
        np.testing.assert_array_equal(whole, split[key], err_msg=key)


@pytest.mark.parametrize('name', ['bloom', 'gpt2_long'])
def test_a_copy_of_the_embedding_as_output_is_tied_and_another_head_is_not(made, tmp_path, name):
    case = made(name)
    copied = gguf_files.write(tmp_path / 'a.gguf', case.model, copy=True)
    decoder = load.load_decoder(copied, one())
    assert decoder.config.tied
    np.testing.assert_array_equal(logits(decoder, one(), TOKENS)[0], case.logits)

    def last(tensors):
        head = tensors['output.weight'].copy()
        head[-1, -1] += 1
        return tensors | {'output.weight': head}

    other = load.load_decoder(
        gguf_files.write(tmp_path / 'b.gguf', case.model, copy=True, change=last), one()
    )
    assert not other.config.tied
    head = params(decoder)['embed.embedding'].T.copy()
    head[-1, -1] += 1
    np.testing.assert_array_equal(params(other)['head.kernel'], head)


def test_metadata_is_read_as_llama_cpp_reads_it(made):
    configs = {name: made(name).decoder.config for name in CASES}
    assert configs['llama'].family == configs['mistral_odd'].family == 'llama'
    assert configs['llama'].norm_eps == 1e-6  # the decimal, not its 32 bits
    assert configs['llama3'].rope == Rope(5e5, 'llama3', 8.0, 1.0, 4.0, 32)
    assert configs['gemma3'].rope == Rope(1e6, 'linear', 8.0)
    assert configs['gemma3'].local_rope == Rope(1e4)
    assert configs['gemma3'].local == (True,) * 5 + (False, True)
    assert configs['gemma2_wide'].local == (True, False, True)
    assert configs['cohere2'].local == (True, True, True, False, True)
    assert configs['cohere2'].rope.theta == 0
    assert configs['phi3_odd_partial'].rotary_dim == 8
    assert configs['phi3_whole'].window == 0
    assert configs['cohere'].qk_norm == 'heads'


def config_with(made, tmp_path, name, metadata):
    path = gguf_files.write(tmp_path / 'm.gguf', made(name).model, metadata=metadata)
    return load.read_config(path)


def test_keys_that_a_converter_may_leave_out_or_add(made, tmp_path):
    def config(name, **metadata):
        architecture = gguf_files.architecture_of(made(name).model)
        keys = {f'{architecture}.{k.replace("__", ".")}': v for k, v in metadata.items()}
        return config_with(made, tmp_path, name, keys)

    assert config('gemma3', attention__sliding_window_pattern=(2, U32)).local[:3] == (
        True,
        False,
        True,
    )
    assert config('gemma3', attention__sliding_window=None).window == 0
    assert config('gemma3', rope__freq_base_swa=(5e3, F32)).local_rope == Rope(5e3)
    assert config('gemma3', final_logit_softcapping=(5.0, F32)).logit_softcap == 5
    assert config('gemma3', block_count=(62, U32)).query_scalar == 8  # Gemma 3 27B, by its layers
    # The file of `gemma2_wide` has fewer tensors than Gemma 2 27B has layers.
    wide = {'hidden_size': 64, 'num_attention_heads': 8, 'head_dim': 256}
    assert gguf_fields.query_scalar(wide | {'num_hidden_layers': 46}, 46) == 8
    assert gguf_fields.query_scalar(wide | {'num_hidden_layers': 42}, 46) == 256
    assert config('gemma2_wide', attention__sliding_window=None).window == 4096
    assert config('gemma2_wide', attn_logit_softcapping=None).attn_softcap == 50
    linear = dict(rope__scaling__type=('linear', TEXT), rope__scaling__factor=(4.0, F32))
    assert config('qwen2', **linear).rope == Rope(1e6 / 100, 'linear', 4.0)
    assert config('cohere', logit_scale=None).logit_scale == 1
    assert config('llama', rope__scale_linear=(2.0, F32)).rope == Rope(1e4, 'linear', 2.0)
    none = dict(rope__scaling__type=('none', TEXT), rope__scaling__factor=(2.0, F32))
    assert config('llama', **none).rope == Rope(1e4)
    assert config('qwen2', attention__head_count_kv=(4, U32)).num_kv_heads == 4
    none = dict(rope__scaling__type=None, rope__scaling__factor=None)
    assert config('gpt_oss_wide', **none).rope == Rope(150_000.0)  # no yarn, its usual default
    yarn = dict(rope__scaling__type=('yarn', TEXT), rope__scaling__factor=(4.0, F32))
    long = config('qwen3_wide', **yarn).rope
    assert (long.kind, long.factor, long.original_positions) == ('yarn', 4.0, 64)
    assert long.attention_factor == pytest.approx(0.1 * np.log(4) + 1)


@pytest.mark.parametrize(
    'theta, head_dim, factor, original',
    [(5e5, 128, 8.0, 8192), (5e5, 64, 32.0, 8192), (1e4, 32, 4.0, 2048), (5e5, 8, 8.0, 8192)],
)
def test_llama3_scaling_is_found_from_its_table(theta, head_dim, factor, original):
    fields = dict(rope_theta=theta, factor=factor, low_freq_factor=1.0, high_freq_factor=4.0)

    def table_of(positions):
        parameters = fields | dict(original_max_position_embeddings=positions)
        config = types.SimpleNamespace(head_dim=head_dim, rope_parameters=parameters)
        return gguf_files.rope_factors(config).astype(np.float64)

    table = table_of(original)
    rope = gguf_rope.rope_of_factors(table, theta)
    assert (rope.kind, rope.factor) == ('llama3', factor)
    if head_dim > 8:  # with few frequencies many lengths have the same table
        assert rope.original_positions == original
    np.testing.assert_allclose(table_of(rope.original_positions), table, rtol=1e-5)


def test_other_tables_of_factors_are_refused(made, tmp_path):
    table = np.array([1, 2, 8, 8], np.float64)
    assert gguf_rope.rope_of_factors(np.ones(8), 1e4) == Rope(1e4)
    others = ([1, 1, 1.5, 2, 8, 8, 8, 8], [0.5] * 8, [8, 1, 1, 1], [0, 1, 8, 8], [1, np.nan, 8, 8])
    for other in map(np.array, (*others, table)):
        with pytest.raises(ValueError, match=r"'rope_freqs.weight' is not the rope scaling of a"):
            gguf_rope.rope_of_factors(other, 5e5)
    cases = (('llama', 'is not the rope'), ('llama_odd_biases', 'has shape (4,), expected (7,)'))
    for name, words in (*cases, ('qwen2', 'is not supported')):
        path = gguf_files.write(
            tmp_path / 'm.gguf',
            made(name).model,
            change=lambda t: t | {'rope_freqs.weight': table.astype(np.float32)},
        )
        assert f"tensor 'rope_freqs.weight' {words}" in refused(path)


@pytest.mark.parametrize('kind', ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_1'])
def test_a_slice_is_the_slice_of_the_whole(tmp_path, monkeypatch, kind):
    """In chunks of three rows, as of large tensors."""
    monkeypatch.setattr(gguf_module, 'CHUNK_BYTES', 3 * 64 * 4)
    array = np.random.default_rng(0).normal(size=(20, 64)).astype(np.float32)
    used = gguf.GGMLQuantizationType[kind]
    data = gguf.quants.quantize(array, used)
    whole = gguf.quants.dequantize(data, used)
    writer = gguf.GGUFWriter(tmp_path / 'm.gguf', 'llama')
    writer.add_tensor('a', data, raw_dtype=used)
    writer.add_tensor('b', array[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = gguf_module.GgufFile(tmp_path / 'm.gguf')
    everything = slice(None)
    for index in (
        (everything, everything),
        (slice(4, 5), slice(30, 33)),
        (slice(7, 20), everything),
    ):
        np.testing.assert_array_equal(file.read('a', index), whole[index])
    np.testing.assert_array_equal(file.read('b', (slice(5, 60),)), array[0, 5:60])
