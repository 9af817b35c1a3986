"""Quantised checkpoints: weights as the formats' documents have them; missing parts are named.

The libraries that write these formats need GPUs; the packers here are written after their documents
and are apart from the reader: they loop over single values.
"""

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
from xlbarrier.models import load, quantised

GROUP = 16
NEGATIVE = (-1, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0)
POSITIVE = (0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.723, 1)
NF4 = np.array([*NEGATIVE, *POSITIVE], np.float32)


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    return torch_llama.save(tmp_path_factory.mktemp('plain') / 'model', 'tied_gqa')


@pytest.fixture
def one():
    return mesh_lib.make_mesh(devices=jax.devices()[:1])


def rng(shape):
    return np.random.default_rng(sum(shape))


def int8(key, shape, config):
    codes, scale = rng(shape).integers(-127, 128, shape, np.int8), rng(shape).random(shape[0])
    scale = scale.astype(np.float32)
    stored = {key: codes, key.replace('.weight', '.SCB'): scale}
    return stored, codes.astype(np.float32) * scale[:, None] / 127


def nf4(key, shape, config):
    random, count, block = rng(shape), shape[0] * shape[1], 64
    codes = random.integers(0, 16, count)
    packed = np.array([16 * a + b for a, b in zip(codes[::2], codes[1::2], strict=True)], np.uint8)
    blocks = count // block
    map8 = np.linspace(-1, 1, 256).astype(np.float32)
    coarse = random.random(-(-blocks // 8)).astype(np.float32)
    fine = random.integers(0, 256, blocks, np.uint8)
    state = {'quant_type': 'nf4', 'blocksize': block, 'dtype': 'float32', 'shape': list(shape)}
    state |= {'nested_blocksize': 8, 'nested_dtype': 'float32', 'nested_offset': 0.03}
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    stored = {
        key: packed[:, None],
        f'{key}.absmax': fine,
        f'{key}.quant_map': NF4,
        f'{key}.nested_absmax': coarse,
        f'{key}.nested_quant_map': map8,
        f'{key}.quant_state.bitsandbytes__nf4': text,
    }
    absmax = [map8[fine[i]] * coarse[i // 8] + 0.03 for i in range(blocks)]
    values = [NF4[code] * absmax[i // block] for i, code in enumerate(codes)]
    return stored, np.array(values, np.float32).reshape(shape)


def integers(shape, bits, groups):
    random, (rows, columns) = rng(shape), shape
    codes = random.integers(0, 2**bits, (columns, rows))  # [in, out]
    zeros = random.integers(1, 2**bits, (groups, rows))
    scales = random.random((groups, rows)).astype(np.float16)
    return codes, zeros, scales


def pack(codes, bits, axis, order=None):
    codes = np.moveaxis(codes, axis, 0)
    many = 32 // bits
    out = np.zeros((len(codes) // many, *codes.shape[1:]), np.uint32)
    for i in range(len(out)):
        for j in range(many):
            source = i * many + (order[j] if order else j)
            out[i] |= codes[source].astype(np.uint32) << np.uint32(bits * j)
    return np.ascontiguousarray(np.moveaxis(out, 0, axis)).view(np.int32)


def gptq(key, shape, config):
    bits, stem = config['bits'], key.removesuffix('.weight')
    groups = shape[1] // GROUP
    codes, zeros, scales = integers(shape, bits, groups)
    group = rng(shape).permutation(np.repeat(np.arange(groups), GROUP)).astype(np.int32)
    shift = 0 if config.get('checkpoint_format') == 'gptq_v2' else 1
    stored = {
        f'{stem}.qweight': pack(codes, bits, 0),
        f'{stem}.qzeros': pack(zeros - shift, bits, 1),
        f'{stem}.scales': scales,
        f'{stem}.g_idx': group,
    }
    weight = (codes - zeros[group]) * scales.astype(np.float32)[group]
    return stored, weight.T.astype(np.float32)


def awq(key, shape, config):
    stem, groups = key.removesuffix('.weight'), shape[1] // GROUP
    codes, zeros, scales = integers(shape, 4, groups)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    stored = {
        f'{stem}.qweight': pack(codes, 4, 1, order),
        f'{stem}.qzeros': pack(zeros, 4, 1, order),
        f'{stem}.scales': scales,
    }
    group = np.arange(shape[1]) // GROUP
    return stored, ((codes - zeros[group]) * scales.astype(np.float32)[group]).T


def fp8(key, shape, config):
    weight = rng(shape).normal(size=shape).astype(ml_dtypes.float8_e4m3fn)
    rows, columns = config['weight_block_size']
    scale = rng(shape).random((-(-shape[0] // rows), -(-shape[1] // columns))).astype(np.float32)
    expected = np.array(
        [
            [float(weight[i, j]) * scale[i // rows, j // columns] for j in range(shape[1])]
            for i in range(shape[0])
        ],
        np.float32,
    )
    return {key: weight, f'{key}_scale_inv': scale}, expected


def float_rows(key, shape, config):
    weight = rng(shape).normal(size=shape).astype(ml_dtypes.float8_e4m3fn)
    scale = rng(shape).random((shape[0], 1)).astype(np.float32)
    stored = {key: weight, f'{key}_scale': scale, key.replace('.weight', '.input_scale'): scale[:1]}
    return stored, weight.astype(np.float32) * scale


def packed(key, shape, config):
    codes = rng(shape).integers(-8, 8, shape)
    scale = rng(shape).random((shape[0], shape[1] // GROUP)).astype(np.float32)
    stored = {
        f'{key}_packed': pack(codes + 8, 4, 1),
        f'{key}_scale': scale,
        f'{key}_shape': np.array(shape, np.int64),
    }
    return stored, (codes * np.repeat(scale, GROUP, 1)).astype(np.float32)


GPTQ_V2 = {'quant_method': 'gptq', 'bits': 8, 'checkpoint_format': 'gptq_v2'}
CASES = {
    'int8': (int8, {'quant_method': 'bitsandbytes', 'load_in_8bit': True}, '.SCB'),
    'nf4': (nf4, {'quant_method': 'bitsandbytes', 'load_in_4bit': True}, '.absmax'),
    'gptq4': (gptq, {'quant_method': 'gptq', 'bits': 4}, '.scales'),
    'gptq8_v2': (gptq, GPTQ_V2, '.qzeros'),
    'awq': (awq, {'quant_method': 'awq', 'bits': 4, 'version': 'gemm'}, '.scales'),
    'fp8': (fp8, {'quant_method': 'fp8', 'weight_block_size': [24, 48]}, '_scale_inv'),
    'rows': (
        float_rows,
        {'quant_method': 'compressed-tensors', 'format': 'float-quantized'},
        '.weight_scale',
    ),
    'packed': (
        packed,
        {'quant_method': 'compressed-tensors', 'format': 'pack-quantized'},
        '.weight_scale',
    ),
}  # fmt: skip


def made(plain, target, name, without=None):
    """The folder with its linear maps in a format, and another with the weights they stand for."""
    packer, config, _ = CASES[name]
    stored, expected = {}, {}
    for key, array in load_file(plain / 'model.safetensors').items():
        parts, weight = {key: array}, array
        if key.endswith('_proj.weight'):
            parts, weight = packer(key, array.shape, config)
        stored |= parts
        expected[key] = np.ascontiguousarray(weight)
    if without:
        del stored[next(key for key in stored if key.endswith(without))]
    folders = [target / 'codes', target / 'floats']
    for folder, arrays in zip(folders, (stored, expected), strict=True):
        shutil.copytree(plain, folder)
        save_file(arrays, folder / 'model.safetensors', {'format': 'pt'})
    raw = json.loads((plain / 'config.json').read_text()) | {'quantization_config': config}
    (folders[0] / 'config.json').write_text(json.dumps(raw))
    return folders


def params(decoder):
    state = nnx.to_flat_state(nnx.state(decoder, nnx.Param))
    return {'.'.join(map(str, path)): np.asarray(value[...]) for path, value in state}


@pytest.mark.parametrize('name', CASES)
def test_codes_are_the_weights_that_their_format_means(plain, tmp_path, one, name):
    codes, floats = made(plain, tmp_path, name)
    decoder = load.load_decoder(codes, one)
    got, expected = params(decoder), params(load.load_decoder(floats, one))
    for path in expected:
        np.testing.assert_allclose(got[path], expected[path], rtol=2e-6, atol=1e-7, err_msg=path)
    load.export_hf(decoder, tmp_path / 'out')  # what is exported is not quantised, and says so
    assert 'quantization_config' not in json.loads((tmp_path / 'out/config.json').read_text())


@pytest.mark.parametrize('name', CASES)
def test_a_checkpoint_without_its_scales_is_refused(plain, tmp_path, one, name):
    codes, _ = made(plain, tmp_path, name, without=CASES[name][2])
    with pytest.raises(ValueError, match=rf'codes.*{CASES[name][2]}.* is missing'):
        load.load_decoder(codes, one)


@pytest.mark.parametrize(
    'config, words',
    [
        ({'quant_method': 'aqlm'}, "quant_method = 'aqlm'"),
        ({'quant_method': 'gptq', 'bits': 3}, 'bits = 3 of gptq'),
        ({'quant_method': 'awq', 'bits': 4, 'version': 'marlin'}, "version = 'marlin'"),
        ({'quant_method': 'compressed-tensors', 'format': 'nvfp4'}, "format = 'nvfp4'"),
        ('hqq', "quant_method = 'hqq'"),
    ],
)
def test_other_formats_are_refused_by_name(plain, tmp_path, one, config, words):
    shutil.copytree(plain, tmp_path / 'm')
    raw = json.loads((plain / 'config.json').read_text()) | {'quantization_config': config}
    (tmp_path / 'm/config.json').write_text(json.dumps(raw))
    with pytest.raises(ValueError) as error:
        load.load_decoder(tmp_path / 'm', one)
    assert words in str(error.value)


def test_codes_without_a_config_that_names_them_are_refused(plain, tmp_path, one):
    codes, _ = made(plain, tmp_path, 'int8')
    shutil.copy(plain / 'config.json', codes)
    with pytest.raises(ValueError, match=r'is of type I8; expected one of F64.*no quantisation'):
        load.load_decoder(codes, one)


def test_mxfp4_of_gpt_oss(tmp_path):
    """Two experts [out 2, in 64]; the values are of the OCP MX specification, E2M1 and E8M0."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (2, 2, 2, 16), np.uint8)
    scales = random.integers(120, 130, (2, 2, 2), np.uint8)
    stored = {'a.gate_up_proj_blocks': blocks, 'a.gate_up_proj_scales': scales}
    save_file(stored, tmp_path / 'model.safetensors')
    file = quantised.QuantisedFolder(tmp_path, {'quant_method': 'mxfp4'})
    assert file.shapes == {'a.gate_up_proj': (2, 64, 2)}
    got = file.read('a.gate_up_proj', (slice(None), slice(None), slice(None)))
    magnitude = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    for e, o, i in np.ndindex(2, 2, 64):
        byte = int(blocks[e, o, i // 32, i % 32 // 2])
        code = byte >> 4 if i % 2 else byte & 15
        sign = -1 if code & 8 else 1
        expected = sign * magnitude[code & 7] * 2.0 ** (int(scales[e, o, i // 32]) - 127)
        assert got[e, i, o] == expected
