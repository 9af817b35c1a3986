"""The Python names, on the tiny Llama in both compute dtypes, against transformers on torch."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

import xlbarrier as xb

# Ragged lengths; Arabic and Hebrew, no spaces in Chinese and Japanese, combining marks in Hindi,
# one-token continuations, a context that ends with a space.
PAIRS = [
    ('Question: In which country is the city of Paris?\nAnswer:', ' France'),
    ('Question: In which country is the city of Paris?\nAnswer:', ' Germany'),
    ('السؤال: في أي بلد تقع مدينة القاهرة؟\nالإجابة:', ' مصر'),
    ('שאלה: באיזו מדינה נמצאת העיר פריז?\nתשובה:', ' צרפת'),
    ('问题：东京位于哪个国家？\n答案：', '日本'),
    ('質問：パリはどの国にありますか。\n答え：', 'フランス'),
    ('प्रश्न: पेरिस शहर किस देश में है?\nउत्तर:', ' फ़्रांस'),
    ('one two three ', 'four'),
    ('A', ' b c d e f g'),
]


@pytest.fixture(scope='module')
def model(tiny_llama):
    return xb.load_model(tiny_llama, dtype='float32')


@pytest.fixture(scope='module')
def reference(tiny_llama):
    return LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()


def test_logits_are_those_of_transformers(model, reference):
    ids = np.array([[5, 9, 300, 7, 48_000], [1, 2, 3, 4, 5], [49_151, 0, 0, 77, 8]])
    got = xb.logits(model, ids)
    with torch.no_grad():
        want = reference(torch.tensor(ids)).logits.numpy()
    assert got.dtype == np.float32 and got.shape == (3, 5, 49_152)
    assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


def test_scores_are_sums_of_transformers_log_probabilities(model, reference):
    got = xb.score(model, PAIRS)
    for (context, continuation), (value, greedy) in zip(PAIRS, got, strict=True):
        whole = model.tokenizer(context + continuation)['input_ids']
        start = len(model.tokenizer(context.rstrip())['input_ids'])
        with torch.no_grad():
            steps = reference(torch.tensor([whole])).logits.log_softmax(-1)[0, start - 1 : -1]
        targets = torch.tensor(whole[start:])
        assert value == pytest.approx(steps.gather(-1, targets[:, None]).sum().item(), abs=1e-3)
        assert greedy == bool((steps.argmax(-1) == targets).all())


def test_scores_do_not_depend_on_order_or_company(model):
    together = xb.score(model, PAIRS)
    backwards = xb.score(model, PAIRS[::-1], row_tokens=64)[::-1]
    alone = [xb.score(model, [pair])[0] for pair in PAIRS]
    for others in (backwards, alone):
        np.testing.assert_allclose([v for v, _ in together], [v for v, _ in others], atol=1e-4)


def test_bfloat16_is_close_and_is_not_float32(tiny_llama, model):
    half = xb.load_model(tiny_llama, dtype='bfloat16')
    ids = np.array([[5, 9, 300, 7]])
    a, b = xb.logits(half, ids), xb.logits(model, ids)
    assert 0 < np.abs(a - b).max() < 0.1 * np.abs(b).max()
    assert half.fingerprint == model.fingerprint


@pytest.mark.parametrize(
    ('ids', 'words'),
    [
        ([[1, 2], [3, 49_152]], '49152; expected 0..49151'),
        ([[1, -1]], 'range -1'),
        ([1, 2, 3], r'shape \(3,\)'),
        ([[1.5, 2.0]], 'float64'),
    ],
)
def test_logits_refuse_ids_that_are_none(model, ids, words):
    with pytest.raises(ValueError, match=words):
        xb.logits(model, np.array(ids))


def test_logits_refuse_more_tokens_than_learned_positions(model, monkeypatch):
    config = model.config.replace(positions='learned', max_positions=3)
    monkeypatch.setattr(model.decoder, 'config', config)
    with pytest.raises(ValueError, match='rows of 4 tokens; the model has 3 positions'):
        xb.logits(model, [[1, 2, 3, 4]])


@pytest.mark.parametrize('changes', [{'dtype': 'foo'}, {'param_dtype': 'int8'}])
def test_a_dtype_that_is_none_is_named(tiny_llama, changes):
    with pytest.raises(ValueError, match='expected one of float32, bfloat16'):
        xb.load_model(tiny_llama, **changes)


def test_score_names_the_pair_that_cannot_be_scored(model):
    with pytest.raises(ValueError, match='pair 1'):
        xb.score(model, [('a', ' b'), ('a', '')])


def test_metrics_alone_do_not_import_jax():
    code = (
        'import sys; from xlbarrier import metrics;'
        ' assert metrics; assert not {"jax", "torch", "transformers"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=60)


def test_the_names_survive_the_import_of_every_room():
    for name in ('xlbarrier.scoring.engine', 'xlbarrier.modes.study'):
        importlib.import_module(name)

    assert callable(xb.score) and callable(xb.logits) and callable(xb.load_model)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match='load_modell'):
        _ = xb.load_modell
