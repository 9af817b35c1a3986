"""The published recordings, rescored: numbers against arithmetic that shares no code with ours."""

import json
import lzma
from fractions import Fraction

import pytest

from tests.test_rescore import FIRST, ROBUST, find, rescore
from xlbarrier import metrics

MODELS = ('Yi_6B_chat', 'bloomz_7b1_mt', 'chatgpt', 'llama2_70b', 'llama2_7b')
LANGUAGES = ('ar', 'de', 'en', 'fr', 'he', 'it', 'ja', 'pl', 'ru', 'zh')
# The CLiKA paper: accuracy in percent of ChatGPT in English, and of guessing.
CONSTANTS = {'x_geo': (97, 25), 'x_copa': (Fraction('96.4'), 50)}


@pytest.fixture(scope='module')
def clika(tmp_path_factory, request):
    """(rows, answers): answers by (model, task, language) as the files hold them."""
    folder = request.getfixturevalue('test_data') / 'clika'
    answers = {}
    for path in sorted(folder.glob('x_*/*/*_res*.jsonl')):
        key = (path.name.split('_res')[0], path.parts[-3], path.parent.name.lower())
        lines = path.read_text('utf-8').splitlines()
        answers[key] = [(row['res'], row['label']) for row in map(json.loads, lines)]
    return rescore(folder, tmp_path_factory.mktemp('clika'), draws=200), answers


def test_every_model_task_and_language_is_found(clika):
    rows, answers = clika
    want = {(m, t, x) for m in MODELS for t in CONSTANTS for x in LANGUAGES}
    assert set(answers) == want
    found = {(r['model'], r['task'], r['language']) for r in rows if r['metric'] == 'accuracy'}
    assert {key for key in found if not key[2].startswith('mean')} == want


def test_accuracy_ra_and_unreadable_share_of_the_published_reading(clika):
    rows, answers = clika
    for (model, task, language), pairs in answers.items():
        key = {'model': model, 'task': task, 'language': language, 'method': FIRST}
        right = sum(text[:1] == label for text, label in pairs)
        row = find(rows, metric='accuracy', **key)
        assert round(row['value'] * row['n']) == right and row['n'] == len(pairs)
        assert row['value'] == right / len(pairs)
        reference, chance = CONSTANTS[task]
        ra = max(0, (Fraction(100 * right, len(pairs)) - chance) / (reference - chance))
        assert abs(find(rows, metric='relative_accuracy', **key)['value'] - float(ra)) < 1e-12
        options = 'ABCD' if task == 'x_geo' else 'AB'
        blank = sum(text[:1] not in tuple(options) for text, _ in pairs)
        assert find(rows, metric='unreadable_share', **key)['value'] == blank / len(pairs)
    # ChatGPT in English is the reference: its own RA is 1.
    key = {'model': 'chatgpt', 'language': 'en', 'method': FIRST, 'metric': 'relative_accuracy'}
    assert find(rows, task='x_geo', **key)['value'] == pytest.approx(1, abs=1e-12)


def test_consistency_of_the_published_reading(clika):
    rows, answers = clika
    for (model, task, language), pairs in answers.items():
        if language == 'en':
            continue
        right, english = (
            {i for i, (text, label) in enumerate(some) if text[:1] == label}
            for some in (pairs, answers[model, task, 'en'])
        )
        key = {'model': model, 'task': task, 'language': language, 'method': FIRST}
        overlap = Fraction(len(right & english), len(right | english))
        assert find(rows, metric='en_co', **key)['value'] == pytest.approx(
            float(overlap), abs=1e-12
        )
        n = len(pairs)
        p, q = Fraction(len(right), n), Fraction(len(english), n)
        agree = 1 - Fraction(len(right ^ english), n)
        chance = p * q + (1 - p) * (1 - q)
        kappa = (agree - chance) / (1 - chance)
        assert find(rows, metric='kappa', **key)['value'] == pytest.approx(float(kappa), abs=1e-12)


def test_a_model_that_always_answers_a_shares_its_right_answers_and_none_of_its_choices(clika):
    """bloomz says A to all 500 Hebrew x_copa items: overlap and kappa are high, and empty."""
    rows, answers = clika
    assert {text[:1] for text, _ in answers['bloomz_7b1_mt', 'x_copa', 'he']} == {'A'}
    key = {'model': 'bloomz_7b1_mt', 'task': 'x_copa', 'language': 'he', 'method': FIRST}
    assert find(rows, metric='en_co', **key)['value'] > 0.7
    assert find(rows, metric='kappa', **key)['value'] > 0.7
    assert find(rows, metric='answer_kappa', **key)['value'] == pytest.approx(0, abs=1e-12)
    assert find(rows, metric='commonest_answer_share', **key)['value'] == 1
    assert find(rows, metric='above_chance_p', **key)['p_holm'] > 0.5
    # The same numbers of a model that knows: ChatGPT.
    knows = find(rows, metric='answer_kappa', **key | {'model': 'chatgpt'})
    assert knows['ci_low'] > 0.3


def test_the_robust_reader_differs_only_where_the_first_character_is_no_answer(clika):
    """By eye: 'Answer:B.' is no A, 'Dijon li' no D, 'Cologne i' no C; Cyrillic 'А.' is an A."""
    _, answers = clika
    differing = {}
    for (_, task, _), pairs in answers.items():
        options = 4 if task == 'x_geo' else 2
        for text, _ in pairs:
            read = metrics.first_character(text, options), metrics.robust(text, options)
            if read[0] != read[1]:
                differing[text] = read
    assert differing == {
        'Answer:B.': (0, 1),
        'Answer: B.': (0, 1),
        'А.': (None, 0),
        'С.': (None, 2),
        'Dijon li': (3, None),
        'Dijon i': (3, None),
        'Dimona li': (3, None),
        'Cologne i': (2, None),
    }


def test_arabic_mmlu_equals_its_recorded_accuracies(test_data, tmp_path):
    folder = test_data / 'mmlu_ar_recorded'
    rows = rescore(folder, tmp_path / 'run', draws=200)
    (path,) = folder.rglob('metrics.json')
    recorded, groups = {}, {}

    def walk(tree, above):
        for name, branch in tree.items():
            if set(branch) == {'Accuracy'}:
                if name == 'overall':
                    groups[above] = branch['Accuracy']
                elif name != 'average':
                    recorded[name] = branch['Accuracy']
            else:
                walk(branch, name)

    walk(json.loads(path.read_text()), '')
    key = {'language': 'ar', 'method': FIRST, 'task': 'mmlu'}
    subjects = [r for r in rows if r['metric'] == 'accuracy_subject' and r['method'] == FIRST]
    assert len(subjects) == 55 and len(recorded) == 57
    for row in subjects:
        assert row['value'] == recorded[row['subject']]
    # Weighted groups, where both of their subjects are there.
    for name, value in groups.items():
        if name not in ('philosophy', 'law'):
            row = find(rows, metric='accuracy_group', subject=name, **key)
            assert row['value'] == pytest.approx(value, abs=1e-12)
    right = n = 0
    for file in path.parent.glob('*.jsonl.xz'):
        for line in lzma.decompress(file.read_bytes()).decode().split('\n'):
            if line:
                row = json.loads(line)
                right, n = right + (row['response_answer'] == row['answer']), n + 1
    weighted = find(rows, metric='accuracy', **key)
    assert (weighted['value'], weighted['n']) == (right / n, n) and n == 11_613
    assert find(rows, metric='accuracy', **key | {'method': ROBUST})['n'] == n


def test_tofu_equals_its_recording_item_by_item(test_data, tmp_path):
    rows = rescore(test_data / 'tofu_recorded', tmp_path / 'run', draws=200)
    off = [row for row in rows if row['metric'].endswith('_off_recorded')]
    assert len(off) == 2 * 4 * 3 + 2 * 2, 'two models, four sets; probability where normalised'
    assert max(row['value'] for row in off) < 1e-6
    assert sum(r['n'] for r in off if r['metric'].startswith('truth_ratio')) == 1634
    full = {'model': 'ft_epoch5_lr1e-05_llama2-7b_full_wd0.01', 'task': 'tofu', 'variant': 'retain'}
    log = next((test_data / 'tofu_recorded').rglob('*full*/**/eval_log.json.xz'))
    recall = json.loads(lzma.decompress(log.read_bytes()))['rougeL_recall'].values()
    want = sum(recall) / len(recall)
    assert find(rows, metric='rougeL_recall', **full)['value'] == pytest.approx(want, abs=1e-12)
