"""Tasks in a whole run: prompts are written, answers measured and reported, by task and setting."""

import hashlib
import json

import pyarrow.parquet as pq
import pytest

from tests.test_mmlu import TEST, write
from xlbarrier import config as config_lib
from xlbarrier.modes.evaluate import evaluate
from xlbarrier.modes.prompts import prompts as prompts_mode


@pytest.fixture
def values(tiny_llama, tmp_path):
    write(tmp_path, 'en', below='', folder='{split}')
    write(tmp_path, 'fr', below='', folder='{split}_full_{code}')
    write(tmp_path, 'fr', TEST['de'], below='', folder='{split}_mixup')
    rows = [
        {'stem': f'{i} plus 1 is', 'true': str(i + 1), 'false': str(i + 3)} for i in range(4)
    ]  # fmt: skip
    (tmp_path / 'sums.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    mmlu = {
        'source': str(tmp_path),
        'languages': ('en', 'fr'),
        'subjects': ('anatomy',),
        'variants': ('english', 'gt', 'mixup'),
        'shots': 0,
    }
    return {
        'mode': 'eval',
        'model': {'source': str(tiny_llama)},
        'score': {'row_tokens': 128},
        'report': {'bootstrap_draws': 100},
        'tasks': {
            'mmlu': mmlu,
            'mmlu_aware': mmlu | {'shots': 1, 'demos': 'same', 'intervention': 1},
            'user_sums': {
                'source': str(tmp_path / 'sums.jsonl'),
                'form': 'pairs',
                'question': 'stem',
                'options': ('true', 'false'),
            },
        },
    }


def test_prompts_mode_writes_what_eval_mode_asks(values, tmp_path):
    prompts_mode(tmp_path / 'asked', config_lib.resolve(values | {'mode': 'prompts'}))
    evaluate(tmp_path / 'run', config_lib.resolve(values))
    sheets = ['english.en', 'gt.en', 'gt.fr', 'mixup.mul']
    for task, names in (('mmlu', sheets), ('mmlu_aware', sheets), ('user_sums', ['full.en'])):
        answers = tmp_path / 'run/predictions/base' / task
        assert sorted(path.stem for path in answers.glob('*.parquet')) == sorted(names)
        for name in names:
            lines = (tmp_path / f'asked/prompts/{task}/{name}.jsonl').read_text().splitlines()
            prompts = [json.loads(line) for line in lines]
            rows = pq.read_table(answers / f'{name}.parquet').to_pylist()
            assert [p['sha256'] for p in prompts] == [row['prompt_sha256'] for row in rows]
            assert [p['id'] for p in prompts] == [row['id'] for row in rows]
            for prompt in prompts:
                assert hashlib.sha256(prompt['prompt'].encode()).hexdigest() == prompt['sha256']
                aware = task == 'mmlu_aware'
                assert (prompt['shots'], prompt['intervention']) == ((1, 1) if aware else (0, -1))
    results = json.loads((tmp_path / 'run/results.json').read_text())['rows']
    assert {row['task'] for row in results} == {'mmlu', 'mmlu_aware', 'user_sums'}
    for kind in ('csv', 'md', 'tex'):
        assert (tmp_path / f'run/tables/mmlu.gt.letter.{kind}').exists()
    report = (tmp_path / 'run/report.html').read_text()
    assert 'several languages' in report and 'right option in the language' in report


def test_the_prompts_of_translate_then_answer_are_written(values, tmp_path):
    change = {'shots': 1, 'intervention': 2, 'methods': ('generate',)}
    values['tasks'] = {'mmlu': values['tasks']['mmlu'] | change}
    prompts_mode(tmp_path / 'asked', config_lib.resolve(values | {'mode': 'prompts'}))
    lines = (tmp_path / 'asked/prompts/mmlu/gt.fr.jsonl').read_text().splitlines()
    assert [json.loads(line)['label'] for line in lines] == ['A', 'C', 'D']


def test_a_prompt_longer_than_the_model_is_told_before_scoring(values, tmp_path):
    long = ' '.join(['word'] * 600)
    (tmp_path / 'sums.jsonl').write_text(json.dumps({'stem': long, 'true': 'a', 'false': 'b'}))
    values['tasks'] = {'user': values['tasks']['user_sums']}
    with pytest.raises(ValueError, match=r'question 0 in en has \d+ tokens.*512 positions.*shots'):
        evaluate(tmp_path / 'run', config_lib.resolve(values))


def test_translate_then_answer_is_asked_and_reported(values, tmp_path):
    change = {'intervention': 2, 'methods': ('generate',), 'variants': ('full',)}
    values['tasks'] = {'mmlu': values['tasks']['mmlu'] | change}
    evaluate(tmp_path / 'run', config_lib.resolve(values | {'mode': 'eval'}))
    results = json.loads((tmp_path / 'run/results.json').read_text())['rows']
    methods = {row['method'] for row in results if row['metric'] == 'unreadable_share'}
    assert methods == {'generate:first_character', 'generate:robust'}
    (path,) = (tmp_path / 'run').glob('predictions/base/mmlu/full.fr.parquet')
    for row in pq.read_table(path).to_pylist():
        assert row['written_tokens'] > 0 and row['prediction'] == row['robust_prediction']
    assert 'Answers that could not be read' in (tmp_path / 'run/report.html').read_text()
