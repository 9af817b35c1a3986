"""Every recipe of both papers, from its own settings to its numbers, at the smallest size.

Only places, sizes and the model are changed: one layer with random weights, whose tokens are bytes.
"""

import json

import pyarrow.parquet as pq
import pytest

from tests import test_clika_tasks, test_conductivity, test_mmlu, test_written_tasks
from tests.recorded_files import write_clika
from xlbarrier import config as config_lib
from xlbarrier import modes
from xlbarrier.config import flags
from xlbarrier.results.recorded import RecordError

SMALL = {
    'score.row_tokens': 512, 'score.rows_per_device': 1, 'report.bootstrap_draws': 100,
    'train.compute_dtype': 'float32',
}  # fmt: skip
WORDS = {
    'fr': dict(old='vieille', house='maison', river='rivière', cat='chat', red='rouge'),
    'de': dict(old='alt', house='Haus', river='Fluss', cat='Katze', red='rot'),
}


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Two folders with one-layer Llamas of different weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp('one_layer')
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {letter: i for i, letter in enumerate(['<end>', *letters])}
    bytes_ = Tokenizer(models.BPE(vocab=ids, merges=[]))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_, eos_token='<end>')
    shape = LlamaConfig(
        vocab_size=264,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=0,
    )
    for seed, name in enumerate(('base', 'other')):
        torch.manual_seed(seed)
        LlamaForCausalLM(shape).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """MMLU, the quiz, text, word lists, TOFU, sentences, CLiKA's sets and recorded answers."""
    root = tmp_path_factory.mktemp('data')
    for code in ('en', 'fr', 'de'):
        folder = '{split}' if code == 'en' else '{split}_full_{code}'
        test_mmlu.write(root / 'mmlu', code, below='', folder=folder)
    quiz = root / 'quiz'
    quiz.mkdir()
    for name in ('English', 'French', 'German'):
        row = {'question': f'{name}?', 'A': 'a', 'B': 'b', 'C': 'c', 'D': 'd', 'GT': 'B'}
        (quiz / f'{name}.jsonl').write_text(json.dumps(row) + '\n')
    lines = [f'The old house {i} stands by the river. A cat sleeps under it.' for i in range(40)]
    (root / 'text.txt').write_text('\n'.join(lines))
    for code, words in WORDS.items():
        pairs = [f'{word}\t{new}' for word, new in words.items()]
        (root / f'en-{code}.tsv').write_text('\n'.join(pairs))
    tofu = [
        {'question': q, 'answer': a, 'paraphrased_answer': p, 'perturbed_answer': w}
        for q, a, p, w in test_written_tasks.AUTHORS['en']
    ]
    for name in ('full', 'retain_perturbed', 'retain_perturbed_fr'):
        text = '\n'.join(json.dumps(row) for row in tofu * (16 if name == 'full' else 1))
        (root / f'{name}.jsonl').write_text(text)
    for code in ('en', 'de'):
        (root / f'{code}.devtest').write_text('\n'.join(test_written_tasks.SENTENCES[code]))
    test_conductivity.published(root / 'clika')
    for code in ('en', 'de'):
        path = root / f'clika/x_geo/{code}/{code}_geo_data.jsonl'
        test_clika_tasks.write(path, test_clika_tasks.GEO[code])
    write_clika(root / 'recorded')
    return root


def run(recipe, folder, tasks=None, mode=None, **changes):
    """The rows of results.json after a recipe's run; `tasks` are its tasks' changes, by name."""
    values = flags.load_recipe(recipe)
    if mode is not None:
        values['mode'] = mode
    if tasks is not None:
        values['tasks'] = {n: {**values['tasks'][n], **fields} for n, fields in tasks.items()}
    for name, value in {**SMALL, **changes}.items():
        *path, last = name.split('.')
        at = values
        for part in path:
            at = at[part]
        at[last] = value
    config = config_lib.resolve(values)
    modes.load(config.mode)(folder, config)
    if config.mode == 'prompts':
        return sorted(folder.glob('prompts/*/*.jsonl'))
    return json.loads((folder / 'results.json').read_text())['rows']


def values_of(rows, **fields):
    return {r['model']: r['value'] for r in rows if all(r[k] == v for k, v in fields.items())}


def text_of(data):
    return {
        'corpus.source': f'text:{data}/text.txt',
        'corpus.text.documents': 'line',
        'corpus.languages': ('en', 'fr', 'de'),
        'corpus.translator.kind': 'dictionary',
        'corpus.translator.place': f'{data}/{{source}}-{{target}}.tsv',
        'train.row_tokens': 96,
    }


def test_chua_finetune(model, data, tmp_path):
    mmlu = {'source': f'{data}/mmlu', 'languages': ('en', 'fr', 'de'), 'subjects': ('anatomy',)}
    tasks = {
        'mmlu': {**mmlu, 'limit': 1, 'variants': ('english', 'mixup')},
        'hp_quiz': {'source': f'{data}/quiz'},
    }
    tasks['hp_quiz']['languages'] = ('en', 'de', 'fr')
    recipe = f'chua_finetune:{model}/base,wikitext103,words:8'
    changes = {**text_of(data), 'train.snapshots': (1,), 'train.learning_rate': 0.05}
    rows = run(recipe, tmp_path, tasks, **changes)
    names = ['base', 'english', 'english-1steps', 'mixed', 'mixed-1steps']
    for task, variant in (('mmlu', 'mixup'), ('hp_quiz', 'full')):
        found = values_of(
            rows, task=task, variant=variant, language='de', metric='accuracy', method='letter'
        )
        assert sorted(found) == names and None not in found.values()
    record = json.loads((tmp_path / 'run.json').read_text())
    assert {arm: record['training'][arm]['steps'] for arm in record['training']} == {
        'english': 2, 'mixed': 2
    }  # fmt: skip
    assert record['training']['english']['rows'] == 40  # one line per row, padded
    prints = [record['models'][name]['fingerprint'] for name in names]
    # A rate that only rises begins at nothing: the first update changes no weight.
    assert prints[2] == prints[4] and len(set(prints)) == 4
    rates = [json.loads(line) for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()]
    assert rates[-1]['learning_rate'] == pytest.approx(0.05 / 2)
    report = (tmp_path / 'report.md').read_text()
    assert 'mixed-1steps' in report


@pytest.mark.parametrize(('unit', 'arm'), [('english', 'english'), ('words:8', 'mixed')])
def test_chua_small(model, data, tmp_path, unit, arm):
    tasks = {'worldfacts': {'languages': ('en', 'fr', 'de'), 'questions': 3}}
    changes = {
        **text_of(data), 'model.source': f'{model}/base', 'seeds': (0, 1), 'train.steps': 2,
        'train.batch_rows': 8,
        'train.learning_rate': 0.05,
    }  # fmt: skip
    rows = run(f'chua_small:{unit}', tmp_path, tasks, **changes)
    key = {'task': 'worldfacts', 'language': 'de', 'metric': 'accuracy', 'method': 'loglikelihood'}
    for variant in ('full', 'mixup'):
        assert set(values_of(rows, variant=variant, **key)) == {'base', arm, f'{arm}@0', f'{arm}@1'}
    record = json.loads((tmp_path / 'run.json').read_text())
    assert len({record['models'][name]['fingerprint'] for name in record['models']}) == 3


def test_chua_released_and_clika_groups_ask_many_models(model, data, tmp_path):
    others = (f'llama3-8b-wiki2-en={model}/other', f'llama3-8b-again={model}/base')
    mmlu = {'source': f'{data}/mmlu', 'languages': ('en', 'fr', 'de'), 'subjects': ('anatomy',)}
    changes = {'model.source': f'{model}/base', 'model.others': others}
    tasks = {'mmlu': {**mmlu, 'limit': 1, 'variants': ('english', 'full')}}
    rows = run('chua_released:llama3-8b', tmp_path / 'a', tasks, **changes)
    key = {'variant': 'full', 'language': 'de', 'metric': 'accuracy'}
    found = values_of(rows, task='mmlu', **key)
    assert sorted(found) == ['base', 'llama3-8b-again', 'llama3-8b-wiki2-en']
    difference = values_of(rows, task='mmlu', **{**key, 'metric': 'difference_to_base'})
    assert difference['llama3-8b-again'] == 0  # the same weights
    assert {row['arm'] for row in rows} == {None}
    report = (tmp_path / 'a/report.md').read_text()
    assert 'Compared with the base model, the accuracy of llama3-8b-again' in report
    assert ' arm' not in report and 'fine-tun' not in report
    tasks = {'x_geo': {'languages': ('en', 'de')}}
    changes['model.others'] = (f'continued.other={model}/other',)
    rows = run(f'clika_groups:{data}/clika,llama2', tmp_path / 'b', tasks, **changes)
    key = {'task': 'x_geo', 'language': 'de'}
    assert set(values_of(rows, metric='accuracy', **key)) == {'base', 'continued.other'}
    assert set(values_of(rows, metric='difference_to_base', **key)) == {'continued.other'}
    assert set(values_of(rows, metric='en_co', **key)) == {'base', 'continued.other'}


def test_chua_mmlu(model, data, tmp_path):
    names = ('mmlu', 'mmlu_aware_0', 'mmlu_ids_1234')
    mmlu = {'source': f'{data}/mmlu', 'languages': ('en', 'fr', 'de'), 'subjects': ('anatomy',)}
    tasks = {name: {**mmlu, 'limit': 1, 'variants': ('english', 'mixup')} for name in names}
    changes = {'model.source': f'{model}/base'}
    rows = run('chua_mmlu', tmp_path / 'a', tasks, **changes)
    key = {'variant': 'mixup', 'language': 'fr', 'metric': 'accuracy'}
    assert all(values_of(rows, task=name, **key)['base'] is not None for name in names)
    tasks = {'mmlu_translate': mmlu, 'mmlu_ids_CDEF': mmlu, 'mmlu_aware_1': mmlu}
    files = run('chua_mmlu', tmp_path / 'b', tasks, mode='prompts', **changes)
    first = {p.parent.name: json.loads(p.read_text().splitlines()[0]) for p in files}
    ids = first['mmlu_ids_CDEF']
    assert '\nC. ' in ids['prompt'] and '\nF. ' in ids['prompt'] and '\nA. ' not in ids['prompt']
    assert ids['label'] == 'C' and ids['shots'] == 0
    aware = first['mmlu_aware_1']
    assert (aware['shots'], aware['demos'], aware['intervention']) == (0, 'none', 1)
    written = first['mmlu_translate']
    assert (written['shots'], written['demos'], written['intervention']) == (5, 'same', 2)


def test_chua_unseen_writes_its_prompts(model, data, tmp_path):
    mmlu = {'source': f'{data}/mmlu', 'subjects': ('anatomy',)}
    tasks = {'mmlu_seen': {**mmlu, 'languages': ('en', 'fr')}}
    tasks['mmlu_unseen'] = {**mmlu, 'languages': ('de',)}
    files = run(f'chua_unseen:{model}/base,wikitext2,sentence', tmp_path, tasks, mode='prompts')
    assert {f'{p.parent.name}/{p.stem}' for p in files} >= {
        'mmlu_seen/english.en', 'mmlu_seen/full.fr', 'mmlu_unseen/full.de'
    }  # fmt: skip


def test_chua_tofu(model, data, tmp_path):
    tasks = {'tofu': {'languages': ('en', 'fr'), 'sets': ('retain',), 'methods': ('probability',)}}
    changes = {
        'model.source': f'{model}/base', 'train.row_tokens': 64, 'train.epochs': 1.0,
        'train.warmup_steps': 1, 'train.learning_rate': 0.05,
    }  # fmt: skip
    rows = run(f'chua_tofu:{data},{data}', tmp_path, tasks, **changes)
    key = {'variant': 'retain', 'language': 'en', 'metric': 'probability'}
    found = values_of(rows, **key)
    assert set(found) == {'base', 'data'} and found['base'] != found['data']
    training = json.loads((tmp_path / 'run.json').read_text())['training']['data']
    assert (training['rows'], training['steps']) == (32, 2)


def test_chua_translation(model, data, tmp_path):
    tasks = {'translation': {'languages': ('de',), 'limit': 2, 'new_tokens': 4}}
    rows = run(
        f'chua_translation:{data}', tmp_path / 'a', tasks, **{'model.source': f'{model}/base'}
    )
    assert {r['variant'] for r in rows if r['metric'] == 'chrf'} == {'en-x', 'x-en'}
    assert {r['n'] for r in rows if r['metric'] == 'chrf'} == {2}
    files = run(f'chua_translation:{data}', tmp_path / 'b', tasks, mode='prompts')
    first = json.loads(files[0].read_text().splitlines()[0])
    assert first['prompt'] == (
        'Translate this from English to German:\nEnglish: The cat sleeps.\nGerman:'
    )


def test_chua_embedding(model, data, tmp_path):
    source = {'source': f'text:{data}/text.txt', 'text': {'documents': 'line'}, 'words': 9}
    source |= {'languages': ('fr', 'de'), 'translator': text_of(data)['corpus.translator.place']}
    source['translator'] = {'place': source['translator']}
    tasks = {'embedding': {**source, 'texts': 2}}
    rows = run('chua_embedding', tmp_path, tasks, **{'model.source': f'{model}/base'})
    found = {(r['variant'], r['metric']) for r in rows if r['language'] == 'mul'}
    assert {('mixing:0.16', 'auc'), ('mixing:0.64', 'auc_dropped')} <= found


def test_clika_rates_teaches_and_asks_the_sets(model, data, tmp_path):
    recipe = f'clika_rates:{data}/clika,4e-4,de,vicuna'
    changes = {'model.source': f'{model}/base', 'train.row_tokens': 320, 'train.epochs': 1.0}
    changes |= {'train.batch_rows': 8, 'train.lora_rank': 2}
    # The folder of the small set is below the sets, as the published one is.
    tasks = {'conductivity': {'methods': ('loglikelihood',)}, 'x_geo': {'languages': ('en', 'de')}}
    rows = run(recipe, tmp_path, tasks, **changes)
    assert set(values_of(rows, task='x_geo', language='de', metric='accuracy')) == {'base', 'data'}
    found = values_of(rows, task='conductivity', variant='type_1', language='de', metric='xrr')
    assert found == {'base': None, 'data': None}  # one update teaches nothing
    lines = (tmp_path / 'lessons/conductivity.jsonl').read_text().splitlines()
    assert ' USER: ' in lines[0] and 'ASSISTANT:' in lines[0]
    assert (tmp_path / 'export/data-adapter/adapter_config.json').exists()


def test_clika_german(data, tmp_path):
    changes = {'rescore.models': ('loud', 'calm'), 'rescore.reference': 'calm'}
    rows = run(f'clika_german:{data}/recorded', tmp_path, **changes)
    found = values_of(
        rows, task='x_geo', language='de', metric='accuracy', method='recorded:first_character'
    )
    assert found == {'loud': 0.5, 'calm': 0.5}
    key = {'task': 'x_geo', 'method': 'recorded:first_character', 'metric': 'difference_to_base'}
    assert values_of(rows, language='de', **key) == {
        'loud': 0
    }  # one right each, where other is not
    with pytest.raises(RecordError, match=r"reference is 'quiet', .* there are: calm, loud"):
        run(
            f'clika_german:{data}/recorded',
            tmp_path / 'b',
            **{**changes, 'rescore.reference': 'quiet'},
        )
    assert not [r for r in rows if r['language'] == 'fr']


def test_letters_by_likelihood_are_what_forced_decoding_writes(model, tmp_path):
    """CLiKA forced a letter by constrained beam search; here transformers' own constraint does."""
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    torch_model = LlamaForCausalLM.from_pretrained(model / 'base').eval()
    attention = torch_model.model.layers[0].self_attn
    with torch.no_grad():  # or the last tokens alone, which are alike, would decide
        for linear in (attention.q_proj, attention.o_proj):
            linear.weight *= 30
    torch_model.save_pretrained(tmp_path / 'model')
    tokenizer = AutoTokenizer.from_pretrained(model / 'base')
    tokenizer.save_pretrained(tmp_path / 'model')
    words = [
        *('Oslo', 'Rome', 'Lima', 'Bern', 'Cairo', 'Accra', 'Quito', 'Kyiv', 'Riga', 'Doha', 'Bonn')
    ]
    items = [
        {
            **test_clika_tasks.GEO['en'],
            'id': i,
            'questions': f'{word}?',
            'answers': words[i : i + 4],
        }
        for i, word in enumerate(words[:8])
    ]
    test_clika_tasks.write(tmp_path / 'x_geo/en/en_geo_data.jsonl', *items)
    tasks = {'x_geo': {'languages': ('en',), 'shots': 0}}
    run(f'clika:{tmp_path}', tmp_path / 'run', tasks, **{'model.source': f'{tmp_path}/model'})
    (sheet,) = tmp_path.glob('run/predictions/base/x_geo/full.en.parquet')
    ours = [row['letter_prediction'] for row in pq.read_table(sheet).to_pylist()]
    (asked,) = run(f'clika:{tmp_path}', tmp_path / 'asked', tasks, mode='prompts')
    prompts = [json.loads(line)['prompt'] for line in asked.read_text().splitlines()]
    letters = [tokenizer(letter)['input_ids'][-1] for letter in 'ABCD']
    theirs = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors='pt')['input_ids']
        written = torch_model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            num_beams=2,
            do_sample=False,
            max_new_tokens=1,
            pad_token_id=0,
            prefix_allowed_tokens_fn=lambda *_: letters,
        )
        theirs.append(letters.index(int(written[0, -1])))
    assert ours == theirs and len(set(ours)) > 1
