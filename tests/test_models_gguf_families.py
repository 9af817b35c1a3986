"""GGUF files of every architecture: our logits against torch's own model and transformers' reader.

transformers reads llama, qwen2, qwen3, gemma2, gemma3, phi3, bloom and gpt2 from GGUF itself, by
its own names and its own inverses of the converter's changes. It does not read gemma, command-r and
cohere2, and ignores Llama 3.1's factors, linear scaling, partial rotation and windows of phi3, and
the untied head of bloom; there the reference is the model that was written.
"""

import dataclasses
import functools
import types

import gguf
import jax
import numpy as np
import pytest
import torch
import transformers
from flax import nnx

from tests import gguf_files, torch_families
from tests.family_parity import LOGITS, ids, logits, one
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import gguf as gguf_module
from xlbarrier.models import gguf_families, gguf_rope, load
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
# Their logits alone, and the way back of two.
LATER = (
    'smollm3_four',
    'olmo2_odd',
    'granite',
    'stablelm',
    'stablelm_odd',
    'nemotron',
    'nemotron_odd',
    'qwen3_moe',
)
CASES = READ_BY_TRANSFORMERS + OTHERS
TOKENS = ids(1, 24)  # longer than the windows


def equal(ours, theirs):
    return np.abs(ours - theirs).max() <= LOGITS * np.abs(theirs).max()


def read_by_transformers(path):
    """The model as transformers' own reader of GGUF has it."""
    return transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation='eager'
    ).eval()


def params(decoder):
    state = nnx.to_flat_state(nnx.state(decoder, nnx.Param))
    return {'.'.join(map(str, path)): np.asarray(value[...]) for path, value in state}


@dataclasses.dataclass(frozen=True)
class Made:
    """A case as a file, and loaded from it."""

    path: object
    model: object
    decoder: object

    @functools.cached_property
    def logits(self):
        return logits(self.decoder, one(), TOKENS)[0]


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp('gguf')

    @functools.cache
    def make(name):
        model = gguf_files.make(name)
        path = gguf_files.write(root / f'{name}.gguf', model)
        return Made(path, model, load.load_decoder(path, one()))

    return make


def refused(path):
    with pytest.raises(ValueError) as error:
        load.load_decoder(path, one())
    assert str(path) in str(error.value)
    return str(error.value)


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


@pytest.mark.parametrize('name', (*CASES, 'granite', 'stablelm_odd', 'qwen3_moe'))
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


@pytest.mark.parametrize('name', ['llama3', 'gemma3', 'cohere', 'cohere2', 'phi3', 'bloom'])
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
    assert gguf_families._query_scalar(wide | {'num_hidden_layers': 46}, 46) == 8
    assert gguf_families._query_scalar(wide | {'num_hidden_layers': 42}, 46) == 256
    assert config('gemma2_wide', attention__sliding_window=None).window == 4096
    assert config('gemma2_wide', attn_logit_softcapping=None).attn_softcap == 50
    linear = dict(rope__scaling__type=('linear', TEXT), rope__scaling__factor=(4.0, F32))
    assert config('qwen2', **linear).rope == Rope(1e6 / 100, 'linear', 4.0)
    assert config('cohere', logit_scale=None).logit_scale == 1
    assert config('llama', rope__scale_linear=(2.0, F32)).rope == Rope(1e4, 'linear', 2.0)
    none = dict(rope__scaling__type=('none', TEXT), rope__scaling__factor=(2.0, F32))
    assert config('llama', **none).rope == Rope(1e4)
    assert config('qwen2', attention__head_count_kv=(4, U32)).num_kv_heads == 4


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


@pytest.mark.parametrize('architecture', ['baichuan', 'gemma4', 'phimoe', 'xglm'])
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
        ('qwen3', 'qwen3.rope.scaling.type', ('yarn', TEXT), "'yarn' is not supported"),
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
        tmp_path / 'b.gguf', model, change=lambda t: t | {'blk.0.ffn_gate_exps.weight': t[key]}
    )
    message = refused(more)
    assert '1 tensor(s) too many' in message and "'blk.0.ffn_gate_exps.weight'" in message
