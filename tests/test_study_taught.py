"""A study whose training rows come from its own task, end to end on a tiny random Llama."""

import dataclasses
import json

import pyarrow.parquet as pq
import pytest

from xlbarrier import config as config_lib
from xlbarrier.config.checks import ConfigError
from xlbarrier.data import tokenize
from xlbarrier.data.pack import PackedRows
from xlbarrier.modes import start, study, training_data
from xlbarrier.modes.train import _base_of
from xlbarrier.tasks import registry

TASK = {'languages': ('en', 'de', 'zh'), 'facts': 4, 'continents': 4, 'wordings': 1}
TASK['methods'] = ('loglikelihood', 'greedy', 'generate')


def resolved(model, tasks, **values):
    train = {'steps': 2, 'batch_rows': 8, 'row_tokens': 128, 'warmup_steps': 1}
    settings = {
        'mode': 'study',
        'model': {'source': str(model)},
        'arms': ('data',),
        'tasks': tasks,
        'train': train,
        'score': {'row_tokens': 128},
        'report': {'bootstrap_draws': 100},
        'data': {'files': ('task:fictional',)},
    }
    return config_lib.resolve(settings | values)


@pytest.fixture(scope='module')
def finished(tiny_llama, tmp_path_factory):
    folder = tmp_path_factory.mktemp('taught')
    study.study(folder, resolved(tiny_llama, {'fictional': TASK}))
    return folder


def test_numbers_of_base_and_arm_stand_in_results(finished):
    rows = json.loads((finished / 'results.json').read_text())['rows']
    kept = {tuple(r[n] for n in ('model', 'variant', 'language', 'method', 'metric')): r
            for r in rows}  # fmt: skip
    assert len(kept) == len(rows)
    for model in ('base', 'data'):
        for language in ('de', 'zh'):
            row = kept[model, 'type_1', language, 'greedy', 'xrr']
            assert row['task'] == 'fictional' and row['arm'] == (None if model == 'base' else model)
            # Two steps on random weights teach nothing.
            assert row['value'] is None and 'training is not complete' in row['reason']
            assert kept[model, 'translation', language, 'loglikelihood', 'accuracy']['n'] == 8
            assert kept[model, 'type_0', language, 'loglikelihood', 'accuracy']['n'] == 2
            assert kept[model, 'type_1', language, 'lessons', 'stated']['value'] == 0
    assert 'fictional' in (finished / 'report.md').read_text()


def test_the_rows_trained_on_are_those_of_the_task(finished, tiny_llama):
    lines = (finished / 'lessons/fictional.jsonl').read_text().splitlines()
    lessons = [json.loads(line) for line in lines]
    assert len(lessons) == 4 + 2 * 2 + 2 * 8 * 2
    packed = PackedRows.load(finished / 'packed/files-0')
    tokenizer = tokenize.load_tokenizer(tiny_llama)
    ends = [tokenizer.eos_token] * len(lessons)
    text = [r['prompt'] + r['completion'] + end for r, end in zip(lessons, ends, strict=True)]
    found = ''.join(tokenizer.decode(row[row != 0].tolist()) for row in packed.tokens)
    for line in text:
        assert line.removesuffix(tokenizer.eos_token) in found
    record = json.loads((finished / 'run.json').read_text())['training']['data']
    assert record['parts'][0]['name'] == 'task:fictional'
    assert record['parts'][0]['examples'] == len(lessons)


def test_answers_are_kept_with_both_readings(finished):
    path = finished / 'predictions/data/fictional/type_1.zh.parquet'
    rows = pq.read_table(path).to_pylist()
    assert {row['greedy_correct'] for row in rows} <= {True, False}
    for row in rows:
        assert isinstance(row['written'], str) and '\n' not in row['written'].strip()
        assert row['prediction_raw'] == max(range(4), key=row['scores'].__getitem__)


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'data': {'files': ('task:fictionl',)}}, "'task:fictionl'; .* fictional. Did you mean"),
        ({'data': {'files': ('task:worldfacts',)}}, 'these provide rows to train on: fictional'),
        (
            {'data': {'files': ('task:fictional',), 'template': 'plain'}},
            "template is 'plain'; .* expected 'auto'",
        ),
    ],
)
def test_a_task_that_gives_no_rows_is_told_before_any_work(tiny_llama, tmp_path, values, words):
    config = resolved(tiny_llama, {'fictional': TASK, 'worldfacts': {}}, **values)
    with pytest.raises(ConfigError, match=words):
        training_data.check(tmp_path, config, registry.make_tasks(config))


def test_a_lora_target_that_the_model_has_not_is_told_before_it_is_measured(
    tmp_path, tokenizer, monkeypatch
):
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = {'vocab_size': len(tokenizer), 'n_embd': 16, 'n_layer': 1, 'n_head': 2}
    GPT2LMHeadModel(GPT2Config(**shape)).save_pretrained(tmp_path / 'gpt2')
    tokenizer.save_pretrained(tmp_path / 'gpt2')
    monkeypatch.setattr(study, 'measure', lambda *_: pytest.fail('the model was measured'))
    config = resolved(tmp_path / 'gpt2', {'fictional': TASK})
    train = dataclasses.replace(config.train, method='lora', lora_targets=('q', 'gate'))
    with pytest.raises(
        ValueError, match="LoRA target 'gate': expected some of q, k, v, o, up, down"
    ):
        study.study(tmp_path / 'run', dataclasses.replace(config, train=train))


@pytest.mark.parametrize(
    ('dtype', 'method', 'warned'),
    [('bfloat16', 'full', True), ('bfloat16', 'lora', False), ('float32', 'full', False)],
)
def test_updates_that_rounding_will_swallow_are_told(
    tiny_llama, tmp_path, monkeypatch, caplog, dtype, method, warned
):
    monkeypatch.setattr(training_data, 'check', lambda *_: None)
    config = resolved(tiny_llama, {'fictional': TASK})
    config = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, param_dtype=dtype),
        train=dataclasses.replace(config.train, method=method),
    )
    _, run, _ = start.begin(tmp_path / 'run', config)
    run.close()
    assert ('lost to rounding' in caplog.text) == warned


def test_an_adapter_trained_upon_another_does_not_name_the_bare_model():
    model = config_lib.ModelConfig(source='hf:a/b')
    assert _base_of(model) == 'hf:a/b'
    assert _base_of(dataclasses.replace(model, adapter='c')) == 'hf:a/b with c merged'
