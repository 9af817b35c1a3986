"""GGUF files of many quantisations, written here as llama.cpp's converter writes them."""

import gguf
import jax
import numpy as np
import pytest
import torch
from flax import nnx
from gguf.constants import GGMLQuantizationType as Type

from tests import torch_llama
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load

KEYS = {
    'model.embed_tokens.weight': 'token_embd.weight',
    'model.norm.weight': 'output_norm.weight',
    'lm_head.weight': 'output.weight',
    'input_layernorm': 'attn_norm',
    'self_attn.q_proj': 'attn_q',
    'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output',
    'post_attention_layernorm': 'ffn_norm',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'mlp.down_proj': 'ffn_down',
}
QUANTISED = ('F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1')
# The gguf package cannot make K-quants, only undo them: blocks of random codes, whose scales
# (float16, at these bytes of a block) are set to sane values.
K_SCALES = {'Q2_K': (80, 82), 'Q3_K': (108,), 'Q4_K': (0, 2), 'Q5_K': (0, 2), 'Q6_K': (208,)}


def gguf_name(key):
    if key in KEYS:
        return KEYS[key]
    _, _, layer, *rest = key.split('.')
    return f'blk.{layer}.{KEYS[".".join(rest[:-1])]}.weight'


def interleave(array, heads):
    """`permute` of llama.cpp's convert_hf_to_gguf.py."""
    split = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return split.swapaxes(1, 2).reshape(array.shape)


def deinterleave(array, heads):
    split = array.reshape(heads, array.shape[0] // heads // 2, 2, *array.shape[1:])
    return split.swapaxes(1, 2).reshape(array.shape)


def codes(array, kind):
    """An array in blocks of a K-quant."""
    size = gguf.GGML_QUANT_SIZES[Type[kind]][1]
    blocks = np.random.default_rng(array.size).integers(0, 256, (array.size // 256, size))
    blocks = blocks.astype(np.uint8)
    for place in K_SCALES[kind]:
        blocks[:, place : place + 2] = np.frombuffer(np.float16(2e-4).tobytes(), np.uint8)
    return blocks.reshape(array.shape[0], -1)


def write(path, model, kind, *, change=lambda tensors: tensors, metadata=()):
    """Writes a torch model as GGUF and gives it the weights that the file then holds."""
    c = model.config
    writer = gguf.GGUFWriter(path, 'llama')
    writer.add_context_length(c.max_position_embeddings)
    writer.add_embedding_length(c.hidden_size)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_feed_forward_length(c.intermediate_size)
    writer.add_head_count(c.num_attention_heads)
    writer.add_head_count_kv(c.num_key_value_heads)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    writer.add_rope_freq_base(c.rope_parameters['rope_theta'])
    writer.add_rope_dimension_count(c.head_dim)
    writer.add_vocab_size(c.vocab_size)
    for key, value in metadata:
        writer.add_key_value(key, *value)
    state, tensors = model.state_dict(), {}
    for key, value in state.items():
        if key == 'lm_head.weight' and c.tie_word_embeddings:
            continue
        array = value.numpy()
        heads = {'q_proj': c.num_attention_heads, 'k_proj': c.num_key_value_heads}
        heads = next((n for name, n in heads.items() if name in key), 0)
        if heads:
            array = interleave(array, heads)
        used = Type[kind if array.ndim == 2 else 'F32']
        data = codes(array, kind) if used.name in K_SCALES else gguf.quants.quantize(array, used)
        tensors[gguf_name(key)] = (data, used)
        held = gguf.quants.dequantize(data, used).reshape(array.shape)
        state[key] = torch.tensor(deinterleave(held, heads) if heads else held)
    model.load_state_dict(state)
    for name, (data, used) in change(tensors).items():
        writer.add_tensor(name, data, raw_dtype=used)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def one():
    return mesh_lib.make_mesh(devices=jax.devices()[:1])


def our_logits(decoder, mesh, ids):
    T = len(ids)
    rows = [np.array(x, np.int32)[None] for x in (ids, np.arange(T), np.full(T, T - 1))]
    with jax.set_mesh(mesh):
        return np.asarray(nnx.jit(lambda decoder, *rows: decoder(*rows))(decoder, *rows))[0]


def assert_same_logits(decoder, mesh, model):
    ids = np.random.default_rng(0).integers(0, model.config.vocab_size, 21)
    theirs = torch_llama.logits(model, ids)
    ours = our_logits(decoder, mesh, ids)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize('kind', QUANTISED)
def test_quantised_weights_give_the_logits_of_the_dequantised(tmp_path, one, kind):
    shape = 'untied_mha' if kind in ('F16', 'Q5_0') else 'tied_gqa'
    model = torch_llama.make(shape, num_hidden_layers=2)
    path = write(tmp_path / 'm.gguf', model, kind)
    decoder = load.load_decoder(path, one)
    assert decoder.config.tied == (shape == 'tied_gqa')
    assert_same_logits(decoder, one, model)


@pytest.mark.parametrize('kind', list(K_SCALES))
def test_k_quants(tmp_path, one, kind):
    model = torch_llama.make(
        'tied_gqa', hidden_size=256, intermediate_size=512, num_hidden_layers=1
    )
    path = write(tmp_path / 'm.gguf', model, kind)
    decoder = load.load_decoder(path, one)
    assert_same_logits(decoder, one, model)


def test_an_odd_shape_with_wide_heads(tmp_path, one):
    model = torch_llama.make('odd')
    wide = (('llama.attention.key_length', (14, gguf.GGUFValueType.UINT32)),)
    decoder = load.load_decoder(write(tmp_path / 'm.gguf', model, 'F32', metadata=wide), one)
    assert decoder.config.head_dim == 14
    assert decoder.config.rope.theta == 500_000.0
    assert_same_logits(decoder, one, model)


def test_shards_on_a_mesh_equal_the_whole(tmp_path, one):
    path = write(tmp_path / 'm.gguf', torch_llama.make('untied_mha'), 'Q8_0')
    whole = nnx.to_flat_state(nnx.state(load.load_decoder(path, one)))
    split = nnx.to_flat_state(nnx.state(load.load_decoder(path, mesh_lib.make_mesh(2, 2, 2))))
    for (name, a), (_, b) in zip(whole, split, strict=True):
        np.testing.assert_array_equal(np.asarray(a[...]), np.asarray(b[...]), err_msg=str(name))


def test_truncated_files_are_named_wherever_they_are_cut(tmp_path, one):
    path = write(tmp_path / 'm.gguf', torch_llama.make('tied_gqa'), 'Q4_1')
    whole = path.read_bytes()
    for size in (0, 3, 10, 30, 200, 700, 1500, 2500, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=rf'{path} is not a whole GGUF file'):
            load.load_decoder(path, one)
    path.write_bytes(b'GGML' + whole[4:])
    with pytest.raises(ValueError, match='is not a whole GGUF file'):
        load.load_decoder(path, one)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda t: {k: t[k] for k in t if k != 'blk.1.ffn_up.weight'}, ['missing', 'blk.1.ffn_up']),
        (lambda t: t | {'blk.0.attn_q.bias': t['output_norm.weight']}, ['too many', 'attn_q.bias']),
        (
            lambda t: t | {'blk.0.ffn_down.weight': t['blk.0.ffn_up.weight']},
            ['blk.0.ffn_down.weight', '(128, 64)', 'expected (64, 128)'],
        ),
        (
            lambda t: t | {'rope_freqs.weight': t['output_norm.weight']},
            ['rope_freqs.weight', '(64,)', 'expected (8,)'],
        ),
    ],
)
def test_tensors_missing_surplus_or_misshapen_are_named(tmp_path, one, change, words):
    path = write(tmp_path / 'm.gguf', torch_llama.make('tied_gqa'), 'F32', change=change)
    with pytest.raises(ValueError) as error:
        load.load_decoder(path, one)
    for word in [str(path), *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    'key, value, words',
    [
        ('llama.rope.scaling.type', ('longrope', gguf.GGUFValueType.STRING), ["'longrope'"]),
        ('llama.attention.key_length', (8, gguf.GGUFValueType.UINT32), ['dimension_count = 16']),
        ('llama.rope.scaling.attn_factor', (2.0, gguf.GGUFValueType.FLOAT32), ['attn_factor = 2']),
        ('llama.attention.sliding_window', (8, gguf.GGUFValueType.UINT32), ['window = 8']),
        ('llama.expert_count', (8, gguf.GGUFValueType.UINT32), ['expert_used_count']),
    ],
)
def test_metadata_that_this_decoder_does_not_have_is_named(tmp_path, one, key, value, words):
    model = torch_llama.make('tied_gqa')
    path = write(tmp_path / 'm.gguf', model, 'F32', metadata=[(key, value)])
    with pytest.raises(ValueError) as error:
        load.load_decoder(path, one)
    for word in [str(path), *words]:
        assert word in str(error.value)


def test_another_architecture_is_named(tmp_path, one):
    writer = gguf.GGUFWriter(tmp_path / 'm.gguf', 'mamba')
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match=r"m\.gguf: general.architecture = 'mamba'.*'llama'"):
        load.load_decoder(tmp_path / 'm.gguf', one)
