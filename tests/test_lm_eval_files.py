"""A run's numbers and answers as lm-evaluation-harness's files, recomputed from their own lines."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest

from tests import report_run
from xlbarrier.report import lm_eval_files
from xlbarrier.results import lm_eval
from xlbarrier.results.run import result_rows

CONFIG = {
    'tasks': {'worldfacts': {'languages': list(report_run.LANGUAGES), 'shots': 2}},
    'model': {'compute_dtype': 'float32'},
    'report': {'bootstrap_draws': 100},
}
RECORD = {
    'started': '2026-01-02T03:04:05+00:00',
    'git_commit': 'c0ffee',
    'versions': {'transformers': '5'},
    'models': {'base': {'source': 'hf:org/name', 'fingerprint': 'f' * 64}},
}


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp('lm_eval')
    made = report_run.predictions(('base', 'mixed'), questions=12)
    rows = result_rows(made, draws=100)
    lm_eval_files.write(folder, rows, made, CONFIG, RECORD)
    return folder, made


def test_the_results_are_the_means_of_the_samples(written):
    folder, _ = written
    date = '2026-01-02T03-04-05+00-00'
    for model in ('base', 'mixed'):
        found = json.loads((folder / model / f'results_{date}.json').read_text())
        assert found['group_subtasks'] == {'worldfacts': list(found['results'])}
        assert len(found['results']) == 10
        for name, numbers in found['results'].items():
            lines = (folder / model / f'samples_{name}_{date}.jsonl').read_text().splitlines()
            samples = [json.loads(line) for line in lines]
            assert numbers['sample_len'] == len(samples) == 12
            for ours in ('acc', 'acc_norm', 'acc_bytes', 'acc_tokens', 'acc_mutual_info'):
                values = [sample[ours] for sample in samples]
                assert numbers[f'{ours},none'] == pytest.approx(np.mean(values))
                error = np.std(values, ddof=1) / np.sqrt(len(values))
                assert numbers[f'{ours}_stderr,none'] == pytest.approx(error)
            letters = [sample['acc_letter'] for sample in samples]
            assert numbers['acc,letter'] == pytest.approx(np.mean(letters))
    assert found['model_name'] == 'mixed' and found['n-shot'][name] == 2
    base = json.loads((folder / 'base' / f'results_{date}.json').read_text())
    assert base['config']['model_args'] == {'source': 'hf:org/name', 'dtype': 'float32'}
    assert base['model_name_sanitized'] == 'hf:org__name'
    assert base['date'] == 1767323045


def test_a_sample_has_the_answer_and_the_hashes_of_its_parts(written):
    folder, made = written
    table = made['base', 'worldfacts', 'full', 'ar'].to_pylist()
    (path,) = (folder / 'base').glob('samples_worldfacts_full_ar_*.jsonl')
    for number, (line, row) in enumerate(zip(path.open(encoding='utf-8'), table, strict=True)):
        sample = json.loads(line)
        assert (sample['doc_id'], sample['doc']['id']) == (number, row['id'])
        assert [float(value) for value, _ in sample['filtered_resps']] == row['scores']
        likeliest = int(np.argmax([float(value) for value, _ in sample['filtered_resps']]))
        assert sample['acc'] == (likeliest == int(sample['target']))
        assert sample['target_hash'] == hashlib.sha256(sample['target'].encode()).hexdigest()
        assert sample['arguments']['gen_args_1'] == {'arg_1': row['choices'][1]}


def test_generated_answers_keep_their_texts_and_numbers():
    rows = [
        {'id': '1', 'question': 'q', 'references': ['a', 'b'], 'written': 'b', 'f1': 1.0},
        {'id': '2', 'question': 'q', 'references': ['a'], 'written': '', 'f1': 0.0},
    ]
    table = pa.Table.from_pylist(rows)
    first, second = lm_eval.samples(table)
    assert first['resps'] == [['b']] and first['f1'] == 1.0 and second['metrics'] == ['f1']
    key = ('base', 'xquad', 'full', 'en')
    row = dict.fromkeys(('arm', 'ci_low', 'ci_high', 'chance'))
    row |= {'model': 'base', 'task': 'xquad', 'variant': 'full', 'language': 'en'}
    row |= {'method': 'generate', 'metric': 'f1', 'value': 0.5, 'n': 2}
    found = lm_eval.results('base', [row], {key: table}, {})
    assert found['results']['xquad_full_en']['f1,generate'] == 0.5
    assert found['higher_is_better']['xquad_full_en'] == {'f1': True}
