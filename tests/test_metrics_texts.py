"""TOFU's numbers, ROUGE, BLEU, chrF, vectors, MMLU's groups, and tests of real-valued pairs."""

import json
import lzma
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import multitest

from xlbarrier import metrics
from xlbarrier.metrics import text

losses = st.floats(0, 60)
reals = st.lists(st.floats(-9, 9), min_size=2, max_size=30)


@given(losses, st.lists(losses, min_size=1, max_size=5))
def test_probabilities_and_truth_ratios_by_their_formulas(right, wrong):
    p = metrics.answer_probability([right])[0]
    assert p == pytest.approx(math.exp(-right)) and 0 <= p <= 1
    share = metrics.choice_probability([right], [wrong])[0]
    assert 0 <= share <= 1
    assert share == pytest.approx(1 / (1 + sum(math.exp(right - w) for w in wrong)))
    geometric = metrics.truth_ratio([right], [wrong])[0]
    assert geometric == pytest.approx(math.exp(right - sum(wrong) / len(wrong)))
    arithmetic = metrics.truth_ratio([right], [wrong], 'arithmetic')[0]
    assert arithmetic >= geometric * (1 - 1e-9), 'the geometric mean is the smaller'
    assert metrics.truth_ratio([right], [wrong[::-1]])[0] == pytest.approx(geometric)
    score, forget = (metrics.truth_ratio_score([geometric], forget=f)[0] for f in (False, True))
    assert score == max(0, 1 - geometric) and forget == min(geometric, 1 / geometric)


def test_tofu_of_nothing_and_of_what_is_no_loss():
    assert metrics.truth_ratio([], []).size == 0
    assert metrics.answer_probability([]).size == 0
    for wrong, words in (
        ([[]], 'item 0 has no wrong answer'),
        ([[math.nan]], 'wrong answers of item 0'),
        ([[1], [2]], '1 right answers, but wrong ones for 2'),
        ([[-1]], 'at least 0 nats'),
    ):
        with pytest.raises(ValueError, match=words):
            metrics.truth_ratio([1.0], wrong)
    with pytest.raises(ValueError, match="'geometric' or 'arithmetic'"):
        metrics.truth_ratio([1.0], [[1.0]], 'harmonic')


def test_utility_is_the_harmonic_mean_and_forget_quality_the_ks_test():
    assert metrics.model_utility([1, 0.5]) == pytest.approx(2 / 3)
    assert metrics.model_utility([1, 0]) == 0 and metrics.model_utility([]) is None
    a, b = [0.1, 0.2, 0.3], [0.2, 0.5, 0.9, 1.4]
    assert metrics.forget_quality(a, b) == pytest.approx(stats.ks_2samp(a, b).pvalue)
    assert metrics.forget_quality(a, []) is None


def test_rouge_by_hand_in_scripts_that_the_published_words_leave_empty():
    assert metrics.rouge_recall('A cat sat', 'The cats sat down') == {
        'rouge1': 2 / 3,
        'rougeL': 2 / 3,
    }
    assert metrics.rouge_recall('b a', 'a b') == {'rouge1': 1, 'rougeL': 1 / 2}
    hebrew = ('שלום עולם טוב', 'שלום עולם')
    assert metrics.rouge_recall(*hebrew, 'he')['rougeL'] == pytest.approx(2 / 3)
    assert metrics.rouge_recall(*hebrew, 'en')['rougeL'] == 0, 'as the published code reads it'
    assert metrics.rouge_recall('猫在睡觉', '猫睡觉', 'zh')['rouge1'] == pytest.approx(3 / 4)
    assert (
        metrics.rouge_recall('', 'x')['rouge1'] == 0
        and metrics.rouge_recall('x', '')['rouge1'] == 0
    )
    assert text.words('L’été, हिन्दी 42猫だ') == ['l', 'été', 'हिन्दी', '42', '猫', 'だ']


@settings(max_examples=50, deadline=None)
@given(st.text('ab é猫ש ', max_size=12), st.text('ab é猫ש ', max_size=12))
def test_rouge_is_bounded_and_whole_of_itself(a, b):
    for language in ('en', 'fr'):
        found = metrics.rouge_recall(a, b, language)
        assert 0 <= found['rougeL'] <= found['rouge1'] <= 1
        own = metrics.rouge_recall(a, a, language)
        assert own['rougeL'] == own['rouge1'] and own['rougeL'] in (0, 1)


def test_recorded_rouge_truth_ratio_and_probability_are_reproduced(test_data):
    """All 1,634 items that TOFU's authors recorded, each to 1e-6 of its value."""
    items = 0
    for path in sorted((test_data / 'tofu_recorded').rglob('eval_*.json.xz')):
        if 'aggregated' in path.name:
            continue
        log = json.loads(lzma.decompress(path.read_bytes()))
        ids = list(log['generated_text'])
        items += len(ids)
        for name in ids:
            _, answer, reference = log['generated_text'][name]
            recall = metrics.rouge_recall(reference, answer)
            assert abs(recall['rouge1'] - log['rouge1_recall'][name]) < 1e-6
            assert abs(recall['rougeL'] - log['rougeL_recall'][name]) < 1e-6
        wrong = [np.float32(log['average_perturb_loss'][name]) for name in ids]
        right = np.float32([log['avg_paraphrased_loss'][name] for name in ids])
        ratio = metrics.truth_ratio(right, wrong)
        assert ratio == pytest.approx([log['truth_ratio'][name] for name in ids], rel=2e-7, abs=0)
        exact = metrics.truth_ratio(right.astype(float), [w.astype(float) for w in wrong])
        assert exact == pytest.approx(ratio, rel=2e-6, abs=0)
        if 'normalized_gt_loss' in log:
            loss = [log['avg_gt_loss'][name] for name in ids]
            share = metrics.choice_probability(loss, [log['average_perturb_loss'][i] for i in ids])
            assert -np.log(share) == pytest.approx(
                [log['normalized_gt_loss'][name] for name in ids], abs=1e-12
            )
    assert items == 1634


def test_bleu_and_chrf_are_sacrebleus_with_their_signatures():
    import sacrebleu

    said = ['the cat sat on the mat today', 'a dog ran over the green hill', 'it was raining']
    want = ['the cat sat on a mat today', 'a dog ran over a green hill', 'it rained']
    found = metrics.bleu(said, want, 'en')
    assert found.value == pytest.approx(sacrebleu.corpus_bleu(said, [want]).score)
    assert found.low <= found.value <= found.high and found.n == 3
    assert 'tok:13a' in found.signature and 'version:' in found.signature
    chrf = metrics.chrf(said, want)
    assert chrf.value == pytest.approx(sacrebleu.corpus_chrf(said, [want]).score)
    assert 'nc:6' in chrf.signature
    for order in ((2, 0, 1), (1, 2, 0)):
        again = metrics.bleu([said[i] for i in order], [want[i] for i in order], 'en')
        assert again.value == pytest.approx(found.value)
    assert metrics.bleu(want, want, 'en').value == pytest.approx(100)
    assert 'tok:zh' in metrics.bleu(['猫在垫子上睡觉'], ['猫在垫子上睡觉'], 'zh').signature
    assert metrics.bleu(['猫がいる場所'], ['猫がいる場所'], 'ja').value == pytest.approx(100)


def test_translations_that_cannot_be_scored():
    assert metrics.bleu([], [], 'en').reason == 'there are no sentences'
    assert metrics.chrf([], []).value is None
    with pytest.raises(ValueError, match='1 translations, but 2 references'):
        metrics.chrf(['a'], ['a', 'b'])
    with pytest.raises(ValueError, match='reference 1 is empty'):
        metrics.bleu(['a', 'b'], ['a', ' '], 'en')


@given(reals, reals)
def test_auc_is_mann_whitneys_and_turns_around(a, b):
    found = metrics.auc(a, b)
    want = stats.mannwhitneyu(a, b).statistic / (len(a) * len(b))
    assert found.value == pytest.approx(want, abs=1e-9)
    assert metrics.auc(b, a).value == pytest.approx(1 - want, abs=1e-9)
    assert 0 <= found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high <= 1
    assert metrics.auc(a[::-1], b).value == pytest.approx(want)


def test_the_interval_of_auc_is_that_of_the_bootstrap():
    rng = np.random.Generator(np.random.PCG64(0))
    shared = rng.normal(size=300)
    near, far = shared + rng.normal(0.5, 1, 300), shared + rng.normal(0, 1, 300)
    for paired in (False, True):
        low, high = metrics.auc(near, far, paired)[1:3]
        drawn = []
        for _ in range(1000):
            rows = rng.integers(0, 300, 300)
            others = rows if paired else rng.integers(0, 300, 300)
            drawn.append(metrics.auc(near[rows], far[others]).value)
        assert (low, high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)
    assert metrics.auc([], [1.0]).reason == 'there are no scores of one kind'
    assert metrics.auc([2.0], [1.0]) == (1.0, None, None, 2, None, None)
    with pytest.raises(ValueError, match='cannot be pairs'):
        metrics.auc([1.0], [1.0, 2.0], paired=True)


@given(st.integers(1, 5), st.integers(1, 6), st.data())
def test_cosine_is_bounded_symmetric_and_blind_to_length(rows, size, data):
    number = st.floats(-1e3, 1e3).filter(lambda x: abs(x) > 1e-3)
    vectors = st.lists(st.lists(number, min_size=size, max_size=size), min_size=rows, max_size=rows)
    a, b = np.array(data.draw(vectors)), np.array(data.draw(vectors))
    got = metrics.cosine(a, b)
    assert got.shape == (rows,) and (np.abs(got) <= 1).all()
    assert got == pytest.approx(metrics.cosine(b, a))
    assert metrics.cosine(1e200 * a, 1e-200 * b) == pytest.approx(got)
    assert metrics.cosine(a, -3 * a) == pytest.approx(-1)


def test_mixed_text_against_its_control():
    rng = np.random.Generator(np.random.PCG64(0))
    base = rng.normal(size=(60, 16))
    near, far = base + 0.3 * rng.normal(size=base.shape), base + 2 * rng.normal(size=base.shape)
    found = metrics.mixing_alignment(base, near, far, draws=500)
    assert found.mixed.low > found.control.high and found.auc.low > 0.9
    with pytest.raises(ValueError, match=r'second vector \(1,\) is zero'):
        metrics.cosine(np.ones((2, 3)), [[1, 1, 1], [0, 0, 0]])
    with pytest.raises(ValueError, match='expected the same shape'):
        metrics.cosine(np.ones((2, 3)), np.ones((3, 3)))


def test_mmlu_has_its_57_subjects_and_weighs_them_by_size():
    assert len(metrics.SUBJECTS) == 57 == len(set(metrics.SUBJECTS))
    sizes = {name: len(parts) for name, parts in metrics.CATEGORIES.items()}
    assert sum(sizes.values()) == 17 and len(sizes) == 4
    right = {'anatomy': [1, 0], 'virology': [1, 1, 1, 1, 1, 1], 'astronomy': [0] * 4}
    found = metrics.mmlu_accuracies(right)
    assert found.weighted.value == pytest.approx(7 / 12), 'not the mean of 1/2, 1 and 0'
    assert found.groups['health'].value == pytest.approx(7 / 8)
    assert found.categories['STEM'].value == 0
    assert found.categories['humanities'].reason == 'there are no items'
    assert len(found.absent) == 54 and set(found.subjects) == set(right)
    with pytest.raises(ValueError, match=r"'anatomi' is not one of the 57.*'anatomy'"):
        metrics.mmlu_accuracies({'anatomi': [1]})
    assert metrics.mmlu_accuracies({}).weighted.value is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=7))
def test_sign_flips_are_scipys_exact_permutation_test(pairs):
    a, b = (np.round([p[i] for p in pairs], 3) for i in (0, 1))
    ours = metrics.sign_flip(a, b)
    want = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type='samples',
        n_resamples=np.inf,
    ).pvalue  # fmt: skip
    assert ours == pytest.approx(want) or not (a != b).any()
    assert metrics.sign_flip(b, a) == pytest.approx(ours)
    assert metrics.sign_flip(a[::-1], b[::-1]) == ours


def test_drawn_sign_flips_are_near_the_t_test_and_differences_carry_their_test():
    rng = np.random.Generator(np.random.PCG64(0))
    a = rng.normal(size=200)
    b = a + rng.normal(0.15, 1, 200)
    assert metrics.sign_flip(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.02)
    found = metrics.paired_difference(a, b, draws=2000)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert found.low < found.value < found.high and found.p == metrics.sign_flip(a, b, 2000)
    right, other = a > 0, b > 0
    assert metrics.paired_difference(right, other, draws=500).p == metrics.mcnemar(right, other)
    assert metrics.paired_difference([], []).reason == 'there are no items'
    assert metrics.sign_flip([1, 2], [1, 2]) == 1
    with pytest.raises(ValueError, match='2 items and 1'):
        metrics.paired_difference([1, 0], [1])


def test_holm_over_a_table_of_comparisons():
    values = {'a': 0.01, 'b': 0.04, 'c': 0.03, 'd': 0.2}
    table = {key: metrics.Estimate(0.0, p=p) for key, p in values.items()}
    table['untested'] = metrics.Estimate(0.5)
    want = multitest.multipletests(list(values.values()), method='holm')[1]
    assert list(metrics.holm_table(table).values()) == pytest.approx(want)
    family = {'a': 1, 'b': 2, 'c': 1, 'd': 2, 'untested': 1}
    assert metrics.holm_table(table, family) == pytest.approx(
        {'a': 0.02, 'b': 0.08, 'c': 0.03, 'd': 0.2}
    )
    assert metrics.holm_table({}) == {}


@given(st.lists(st.floats(-9, 9), max_size=20))
def test_means_have_their_interval_or_a_reason(values):
    found = metrics.mean(values, draws=200)
    if not values:
        assert found.reason == 'there are no items' and found.value is None
        return
    assert found.value == pytest.approx(np.mean(values))
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert metrics.mean(values[::-1], draws=200)[1:] == found[1:]


def test_metrics_import_neither_jax_nor_what_only_texts_need():
    code = (
        'import sys; from xlbarrier import metrics; metrics.across_languages({"en": [1, 0]});'
        'print([m for m in ("jax", "torch", "pandas", "sacrebleu", "rouge_score", "babel")'
        ' if m in sys.modules])'
    )
    answer = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == '[]'
