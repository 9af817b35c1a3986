"""config.json: published ones, and every field as transformers takes it; no weights."""

import math

import pytest
import transformers

from tests import torch_families
from xlbarrier.models import families, hf_config, tables

LLAMA_7B = dict(
    model_type='llama',
    hidden_act='silu',
    hidden_size=4096,
    intermediate_size=11008,
    max_position_embeddings=4096,
    num_attention_heads=32,
    num_hidden_layers=32,
    num_key_value_heads=32,
    pretraining_tp=1,
    rms_norm_eps=1e-5,
    rope_scaling=None,
    tie_word_embeddings=False,
    vocab_size=32000,
)
LLAMA_8B = LLAMA_7B | dict(
    intermediate_size=14336, num_key_value_heads=8, rope_theta=500_000.0, vocab_size=128_256
)
LLAMA3 = dict(
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=8192,
    rope_type='llama3',
)
QWEN = dict(
    model_type='qwen2',
    hidden_act='silu',
    hidden_size=3584,
    intermediate_size=18944,
    max_position_embeddings=131_072,
    max_window_layers=28,
    num_attention_heads=28,
    num_hidden_layers=28,
    num_key_value_heads=4,
    rms_norm_eps=1e-6,
    rope_theta=1e6,
    sliding_window=131_072,
    tie_word_embeddings=False,
    use_mrope=False,
    use_sliding_window=False,
    vocab_size=152_064,
)
COHERE = dict(
    attention_bias=False,
    hidden_act='silu',
    hidden_size=4096,
    intermediate_size=14336,
    layer_norm_eps=1e-5,
    logit_scale=0.0625,
    max_position_embeddings=8192,
    num_attention_heads=32,
    num_hidden_layers=32,
    num_key_value_heads=8,
    rope_theta=10_000.0,
    vocab_size=256_000,
)
BAICHUAN = dict(
    model_type='baichuan',
    auto_map={'AutoConfig': 'configuration_baichuan.BaichuanConfig'},
    hidden_act='silu',
    model_max_length=4096,
    rms_norm_eps=1e-6,
    tie_word_embeddings=False,
    vocab_size=125_696,
    z_loss_weight=0,
)
# Shapes as their authors published them, and the parameters that their model pages or files name.
PUBLISHED = {
    'Llama 2 7B, Vicuna 1.5 7B': (LLAMA_7B, 6_738_415_616),
    'Yi 1.5 6B': (
        LLAMA_7B | dict(num_key_value_heads=4, rms_norm_eps=1e-6, rope_theta=5e6, vocab_size=64000),
        6_061_035_520,
    ),
    'Llama 3.1 8B': (LLAMA_8B | dict(rope_scaling=LLAMA3), 8_030_261_248),
    'Mistral 7B 0.3': (
        LLAMA_8B | dict(model_type='mistral', sliding_window=None, vocab_size=32768),
        7_248_023_552,
    ),
    'Qwen 2.5 7B': (QWEN, 7_615_616_512),
    'Qwen 3 8B': (
        QWEN
        | dict(model_type='qwen3', head_dim=128, hidden_size=4096, intermediate_size=12288)
        | dict(num_attention_heads=32, num_hidden_layers=36, num_key_value_heads=8)
        | dict(attention_bias=False, sliding_window=None, vocab_size=151_936),
        8_190_735_360,
    ),
    'Gemma 2 9B': (
        dict(model_type='gemma2', hidden_act='gelu_pytorch_tanh', hidden_size=3584)
        | dict(hidden_activation='gelu_pytorch_tanh', intermediate_size=14336, head_dim=256)
        | dict(num_attention_heads=16, num_hidden_layers=42, num_key_value_heads=8)
        | dict(sliding_window=4096, sliding_window_size=4096, vocab_size=256_000),
        9_241_705_984,
    ),
    'Gemma 3 4B': (
        dict(model_type='gemma3', image_token_index=262_144)
        | dict(
            text_config=dict(
                model_type='gemma3_text',
                hidden_size=2560,
                intermediate_size=10240,
                num_hidden_layers=34,
                rope_scaling=dict(factor=8.0, rope_type='linear'),
                sliding_window=1024,
            )
        ),
        3_880_263_168,
    ),
    'Aya 23 8B': (COHERE | dict(model_type='cohere', use_qk_norm=False), 8_028_033_024),
    'Command R7B': (
        COHERE
        | dict(model_type='cohere2', head_dim=128, logit_scale=0.25, rope_theta=50_000)
        | dict(sliding_window=4096, sliding_window_pattern=4, rotary_pct=1.0),
        8_028_033_024,
    ),
    'Phi 3 mini 4k': (
        LLAMA_7B
        | dict(model_type='phi3', hidden_size=3072, intermediate_size=8192, sliding_window=2047)
        | dict(original_max_position_embeddings=4096, vocab_size=32064),
        3_821_079_552,
    ),
    'Phi 4': (
        LLAMA_7B
        | dict(model_type='phi3', hidden_size=5120, intermediate_size=17920, sliding_window=None)
        | dict(num_attention_heads=40, num_hidden_layers=40, num_key_value_heads=10)
        | dict(rope_theta=250_000, vocab_size=100_352),
        14_659_507_200,
    ),
    'BLOOMZ 7B1': (
        dict(model_type='bloom', hidden_size=4096, n_head=32, n_layer=30, vocab_size=250_880)
        | dict(apply_residual_connection_post_layernorm=False, offset_alibi=100, n_inner=None),
        7_069_016_064,
    ),
    'GPT-2': (
        dict(model_type='gpt2', activation_function='gelu_new', n_ctx=1024, n_embd=768, n_head=12)
        | dict(layer_norm_epsilon=1e-5, n_layer=12, n_positions=1024, vocab_size=50257),
        124_439_808,
    ),
    'XGLM 564M': (
        dict(model_type='xglm', activation_function='gelu', attention_heads=16, d_model=1024)
        | dict(ffn_dim=4096, num_layers=24, scale_embedding=True, vocab_size=256_008),
        564_463_616,
    ),
    'Baichuan 2 7B': (
        BAICHUAN
        | dict(hidden_size=4096, intermediate_size=11008, num_attention_heads=32)
        | dict(num_hidden_layers=32, max_position_embeddings=4096),
        7_505_973_248,
    ),
    'Baichuan 2 13B': (
        BAICHUAN
        | dict(hidden_size=5120, intermediate_size=13696, num_attention_heads=40)
        | dict(num_hidden_layers=40),
        13_896_668_160,
    ),
}


def _config(name):
    case = torch_families.CASES[name]
    stem = 'Gemma3Text' if case.stem == 'Gemma3' else case.stem
    return hf_config.from_hf(getattr(transformers, f'{stem}Config')(**case.fields).to_dict())


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_configs_have_the_parameters_that_are_known(name):
    raw, known = PUBLISHED[name]
    c = hf_config.from_hf(raw)
    sizes = dict(V=c.vocab_size, D=c.d_model, N=c.num_heads, K=c.num_kv_heads, H=c.head_dim)
    sizes |= dict(F=c.d_ff, P=c.max_positions)
    count = 0
    for path, axes in tables.parameters(c).items():
        one = math.prod(sizes[axis] for axis in axes)
        count += one * (c.num_layers if path.startswith('layers.') else 1)
    assert count == known


@pytest.mark.parametrize('name', ['llama', 'gemma3', 'phi3'])
def test_of_two_spellings_of_the_rotary_scaling_that_of_transformers_counts(name):
    """An export has both; one of them edited by hand is read as transformers reads it."""
    raw = hf_config.to_hf(_config(name), 'float32')
    kind = 'default' if name == 'phi3' else 'linear'
    raw['rope_scaling'] = {'rope_type': kind, 'factor': 3.0, 'rope_theta': 77_000.0}
    theirs = transformers.AutoConfig.for_model(**raw).to_dict()['rope_parameters']
    theirs = theirs.get('full_attention', theirs)
    rope = hf_config.from_hf(raw).rope
    assert (rope.kind, rope.theta) == (theirs['rope_type'], theirs['rope_theta'])
    assert rope.factor == (theirs['factor'] if kind == 'linear' else 1.0)


@pytest.mark.parametrize('name', sorted(families.FAMILIES.keys() - {'baichuan'}))
def test_a_field_that_is_absent_or_null_has_the_value_of_transformers(name):
    whole = transformers.AutoConfig.for_model(name).to_dict()
    wanted = hf_config.from_hf(whole)
    kept = ('model_type', 'bos_token_id', 'eos_token_id', 'pad_token_id')  # a tokenizer has these
    for field in whole.keys() - set(kept):
        less = {key: value for key, value in whole.items() if key != field}
        try:
            config = hf_config.from_hf(less)
        except ValueError as error:
            assert f'has no {field!r}' in str(error)
            continue
        assert config == wanted, field
    nulled = hf_config.from_hf(whole | dict.fromkeys(('rope_parameters', 'rope_theta')))
    assert nulled == wanted


def test_null_kv_heads_are_as_many_as_heads():
    raw = LLAMA_7B | {'model_type': 'qwen2', 'num_key_value_heads': None, 'hidden_size': 512}
    raw['num_attention_heads'] = 8
    theirs = transformers.AutoConfig.for_model(**raw).num_key_value_heads
    assert hf_config.from_hf(raw).num_kv_heads == theirs == 8


def test_phi3_has_one_window_whatever_its_layer_types():
    raw = hf_config.to_hf(_config('phi3'), 'float32') | {'sliding_window': 7}
    raw['layer_types'] = ['full_attention'] * raw['num_hidden_layers']
    assert all(hf_config.from_hf(raw).local)  # as transformers' Phi3Model, which never reads them


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'num_hidden_layers': '3'}, "num_hidden_layers = '3'; expected a whole number above 0"),
        ({'num_attention_heads': 0}, 'num_attention_heads = 0; expected a whole number'),
        ({'vocab_size': 128.0}, 'vocab_size = 128.0; expected a whole number'),
        ({'tie_word_embeddings': 'no'}, "tie_word_embeddings = 'no'; expected true or false"),
        ({'rms_norm_eps': 'x'}, "rms_norm_eps = 'x'; expected a number above 0"),
        ({'num_key_value_heads': 3}, 'num_key_value_heads = 3 does not divide'),
        ({'rope_theta': 'x'}, "rope_theta = 'x'; expected a number above 0"),
        ({'rope_parameters': {'rope_theta': None}}, 'rope_theta = None; expected a number'),
        ({'rope_scaling': 'linear'}, "rope_scaling = 'linear'; expected an object"),
        ({'rope_parameters': [1]}, r'rope_parameters = \[1\]; expected an object'),
        ({'rope_scaling': {'type': 'linear', 'factor': None}}, 'factor = None; expected a number'),
        ({'rope_scaling': {'type': 'dynamic', 'factor': 0}}, 'factor = 0; expected a number above'),
        (
            {'model_type': 'mistral', 'sliding_window': 2.5},
            'sliding_window = 2.5; expected a whole',
        ),
    ],
)
def test_a_value_of_another_kind_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        hf_config.from_hf(LLAMA_7B | changes)
    with pytest.raises(ValueError, match='it is a list; expected an object'):
        hf_config.from_hf([LLAMA_7B])
