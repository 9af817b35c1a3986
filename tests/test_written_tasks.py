"""TOFU, translation, MGSM and XQuAD: hand-written files, a random model, numbers by hand."""

import json
import lzma

import datasets
import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import LlamaForCausalLM

from xlbarrier import config as config_lib
from xlbarrier import mesh as mesh_lib
from xlbarrier import metrics
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.written import MgsmConfig, TofuConfig, TranslationConfig, XquadConfig
from xlbarrier.datafiles import DataError
from xlbarrier.models import load
from xlbarrier.qa import templates
from xlbarrier.qa.forms import Example
from xlbarrier.tasks import translation as translation_lib
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import Numbered
from xlbarrier.tasks.tofu import Tofu
from xlbarrier.tasks.translation import Translation
from xlbarrier.tasks.word_problems import Mgsm, Xquad

AUTHORS = {
    'en': [
        (
            'Who wrote The Blue Door?',
            'Anna Lindt wrote it.',
            'It is by Anna Lindt.',
            ['It is by Bo.'],
        ),
        ('Where was she born?', 'In Oslo.', 'Oslo is where.', ['Rome is where.', 'Lima is where.']),
    ],
    'he': [
        ('מי כתב את הדלת הכחולה?', 'אנה לינדט.', 'זו אנה לינדט.', ['זה בו.']),
        ('היכן נולדה?', 'באוסלו.', 'אוסלו היא.', ['רומא היא.', 'לימה היא.']),
    ],
}
FACTS = {
    'en': [('Capital of Peru?', 'Lima', ['Quito', 'La Paz'])],
    'he': [('בירת פרו?', 'לימה', ['קיטו'])],
}
SENTENCES = {
    'en': ['The cat sleeps.', 'It rains.', 'I read a book.'],
    'de': ['Die Katze schläft.', 'Es regnet.', 'Ich lese ein Buch.'],
    'zh': ['猫在睡觉。', '下雨了。', '我在看书。'],
}
SUMS = {
    'en': ['Two and two?\t4', 'Half of 2,500?\t1,250'],
    'de': ['Zwei und zwei?\t4', 'x?\t1,250'],
}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """All files of all tasks."""
    root = tmp_path_factory.mktemp('data')
    for code, name in (('en', ''), ('he', '_iw')):
        rows = [
            {'question': q, 'answer': a, 'paraphrased_answer': p, 'perturbed_answer': w}
            for q, a, p, w in AUTHORS[code]
        ]
        text = '\n'.join(json.dumps(row, ensure_ascii=False) for row in rows)
        if code == 'en':
            (root / 'retain_perturbed.jsonl').write_text(text)
        else:
            packed = lzma.compress(text.encode())
            (root / 'retain_perturbed_iw.jsonl.xz').write_bytes(packed)
        facts = [{'question': q, 'answer': a, 'perturbed_answer': w} for q, a, w in FACTS[code]]
        made = datasets.Dataset.from_list(facts)
        datasets.DatasetDict(train=made).save_to_disk(str(root / f'world_facts_perturbed{name}'))
    for code, lines in SENTENCES.items():
        (root / f'{code}.devtest').write_text('\n'.join(lines))
    for code, lines in SUMS.items():
        (root / f'mgsm_{code}.tsv').write_text('\n'.join(lines) + '\n')
    for code, question, answers in (('en', 'Who?', ['The Bird', 'a bird']), ('zh', '谁？', ['鸟'])):
        answers = [{'text': text, 'answer_start': 0} for text in answers]
        paragraph = {'context': 'A bird.', 'qas': [{'id': 'q1', 'question': question,
                     'answers': answers}]}  # fmt: skip
        held = {'data': [{'title': 't', 'paragraphs': [paragraph]}], 'version': '1.1'}
        (root / f'xquad.{code}.json').write_text(json.dumps(held))
    return root


@pytest.fixture(scope='module')
def asked(tiny_llama, tokenizer, tmp_path_factory):
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    decoder = load.load_decoder(tiny_llama, mesh)
    return Asked('base', decoder, tokenizer, mesh, tmp_path_factory.mktemp('predictions'))


def measured(task, asked):
    """Its tables and rows."""
    assert isinstance(task, Numbered)
    task.measure(asked)
    tables = {
        tuple(path.stem.split('.', 1)): pq.read_table(path)
        for path in sorted((asked.folder / task.name).glob('*.parquet'))
    }
    rows = task.rows(tables, draws=200, seed=0)
    return tables, {(r['variant'], r['language'], r['metric']): r for r in rows}


def tofu(root, **fields):
    settings = {'languages': ('en', 'he'), 'sets': ('retain', 'world_facts'), 'new_tokens': 5}
    return Tofu(TofuConfig(**({'source': str(root)} | settings | fields)))


def test_tofus_losses_are_those_of_transformers(root, asked, tiny_llama, tokenizer):
    tables, rows = measured(tofu(root), asked)
    model = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()

    def loss(question, answer):
        text = templates.write(Example('', 'question', question, '', answer), 'plain', tokenizer)
        asked_ids = tokenizer(text.text[: text.spans[0][0]])['input_ids']
        ids = [*tokenizer(text.text)['input_ids'], tokenizer.eos_token_id]
        labels = torch.tensor([[-100] * len(asked_ids) + ids[len(asked_ids) :]])
        with torch.no_grad():
            return model(torch.tensor([ids]), labels=labels).loss.item()

    for language, items in AUTHORS.items():
        found = tables['retain', language].to_pylist()
        for (question, answer, again, wrong), row in zip(items, found, strict=True):
            assert row['answer_loss'] == pytest.approx(loss(question, answer), rel=1e-4)
            assert row['paraphrased_loss'] == pytest.approx(loss(question, again), rel=1e-4)
            others = [loss(question, text) for text in wrong]
            assert row['perturbed_losses'] == pytest.approx(others, rel=1e-4)
            assert row['probability'] == pytest.approx(np.exp(-row['answer_loss']))
            ratio = np.exp(row['paraphrased_loss'] - np.mean(row['perturbed_losses']))
            assert row['truth_ratio'] == pytest.approx(ratio)
            recall = metrics.rouge_recall(answer, row['written'], language)
            assert row['rougeL_recall'] == recall['rougeL'] and row['written_tokens'] <= 5
    (fact,) = tables['world_facts', 'en'].to_pylist()
    chances = np.exp(-np.array([fact['answer_loss'], *fact['perturbed_losses']]))
    assert fact['probability'] == pytest.approx(chances[0] / chances.sum())
    assert fact['paraphrased_loss'] == fact['answer_loss']
    mean = tables['retain', 'he']['probability'].to_numpy().mean()
    assert rows['retain', 'he', 'probability']['value'] == pytest.approx(mean)
    assert rows['retain', 'he', 'probability']['ci_low'] <= mean
    utility = rows['all', 'en', 'model_utility']
    assert utility['value'] is None and 'real_authors probability' in utility['reason']


def test_tofu_says_what_is_wrong(root, tmp_path):
    with pytest.raises(DataError, match=r'no retain_perturbed_ar with one of .*codes'):
        tofu(root, languages=('en', 'ar'))
    line = {'question': 'q', 'answer': 'a', 'perturbed_answer': ['b']}
    place = tmp_path / 'retain_perturbed.jsonl'
    for change, words in (
        ({'answer': ' '}, r'line 1: answer is empty'),
        ({'perturbed_answer': []}, r'line 1: perturbed_answer is \[\]; expected a list'),
        ({'question': None}, r'line 1: question is empty'),
    ):
        place.write_text(json.dumps(line | change))
        with pytest.raises(DataError, match=words):
            tofu(tmp_path, languages=('en',), sets=('retain',))
    place.write_text(json.dumps(line))
    (tmp_path / 'retain_perturbed_fr.jsonl').write_text(f'{json.dumps(line)}\n' * 3)
    with pytest.raises(DataError, match=r'fr has 3 items and en 1; fr lacks none, and en 1, 2'):
        tofu(tmp_path, languages=('en', 'fr'), sets=('retain',))


def translation(root, **fields):
    settings = {'languages': ('de', 'zh'), 'shots': 1, 'new_tokens': 4}
    return Translation(
        TranslationConfig(**({'source': str(root / '{language}.devtest')} | settings | fields))
    )


def test_translations_prompts_and_scores(root, asked):
    task = translation(root)
    assert task.asked['en-x', 'de'][0].prompt == (
        'Translate from English into German.\n\nEnglish: The cat sleeps.\nGerman: Die Katze'
        ' schläft.\n\nEnglish: It rains.\nGerman:'
    )
    assert task.asked['x-en', 'zh'][1].references == ('I read a book.',)
    assert len(translation(root, shots=0).asked['x-en', 'zh']) == 3
    tables, rows = measured(task, asked)
    for (variant, language), table in tables.items():
        row = rows[variant, language, 'bleu']
        target = language if variant == 'en-x' else 'en'
        texts = [text.strip() for text in table['written'].to_pylist()]
        right = [found[0] for found in table['references'].to_pylist()]
        assert row['value'] == metrics.bleu(texts, right, target).value
        assert ('tok:zh' if target == 'zh' else 'tok:13a') in row['signature']
        assert rows[variant, language, 'chrf']['signature'].startswith('nrefs:1')
    assert (*next(iter(tables)), 'comet') not in rows


def test_a_perfect_translation_has_100(root):
    task = translation(root)
    table = pa.table({'written': [' Es regnet.'] * 2, 'references': [['Es regnet.']] * 2})
    rows = task.rows({('en-x', 'de'): table}, draws=10, seed=0)
    assert [row['value'] for row in rows if row['metric'] == 'chrf'] == [pytest.approx(100)]


def test_comet_is_said_to_be_absent(root, asked):
    if translation_lib.shutil.which(translation_lib.COMET_PROGRAM):
        pytest.skip('comet-score is installed here')
    _, rows = measured(translation(root, comet='Unbabel/wmt22-comet-da', languages=('de',)), asked)
    assert rows['en-x', 'de', 'comet']['value'] is None
    assert rows['en-x', 'de', 'comet']['reason'] == 'the program comet-score is not installed'


def test_comet_is_read_from_the_programs_json(tmp_path, monkeypatch):
    """A stand-in for the program, which needs an environment of its own."""
    program = tmp_path / 'comet-score'
    program.write_text(
        '#!/usr/bin/env python3\nimport json, sys\na = sys.argv\n'
        'n = len(open(a[a.index("-t") + 1]).readlines())\n'
        'json.dump({"t": [{"COMET": i / 2} for i in range(n)]}, open(a[a.index("--to_json") + 1],'
        ' "w"))\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(translation_lib, 'COMET_PROGRAM', str(program))
    assert translation_lib.comet(['a', 'b'], ['c\nd', 'e'], ['f', 'g'], 'm') == [0.0, 0.5]
    program.write_text('#!/bin/sh\necho broken >&2; exit 3\n')
    with pytest.raises(RuntimeError, match=r'exit 3\) left no scores .*broken'):
        translation_lib.comet(['a'], ['b'], ['c'], 'm')


def test_sentences_that_do_not_align_are_told(root, tmp_path):
    for code in ('en', 'de'):
        (tmp_path / f'{code}.devtest').write_text('\n'.join(SENTENCES[code]))
    (tmp_path / 'zh.devtest').write_text('一\n二\n')
    with pytest.raises(DataError, match=r'zh has 2 items and en 3; zh lacks 2'):
        translation(tmp_path)
    (tmp_path / 'zh.devtest').write_text('一\n\n三\n')
    with pytest.raises(DataError, match=r'zh\.devtest, line 2 is empty'):
        translation(tmp_path)
    with pytest.raises(DataError, match=r'shots is 3; .* has 3 sentences'):
        translation(root, shots=3)
    with pytest.raises(DataError, match=r'it\.devtest cannot be read'):
        translation(root, languages=('it',))


def test_mgsms_sums(root, asked, tmp_path):
    config = MgsmConfig(source=str(root), languages=('en', 'de'), new_tokens=4)
    task = Mgsm(config)
    assert [item.references for item in task.asked['full', 'en']] == [('4',), ('1250',)]
    assert task.asked['full', 'de'][0].prompt == 'Frage: Zwei und zwei?\nAntwort:'
    item = task.asked['full', 'en'][1]
    for text, right in (('2,500 / 2 = 1.250.', 1), ('the answer is 1250', 1), ('12', 0), ('', 0)):
        assert task.numbers_of(item, ('full', 'en'), text) == {'exact_match': right}
    tables, rows = measured(task, asked)
    read = [metrics.final_number(t) for t in tables['full', 'en']['written'].to_pylist()]
    assert rows['full', 'en', 'unreadable_share']['value'] == read.count(None) / 2
    held = {
        code: {str(i): {'q': f'Q{code}: q{i}', 'a': f'A{code}: 1 + {i}.'} for i in range(1, 9)}
        for code in ('en', 'de')
    }
    (tmp_path / 'exemplars.py').write_text(f'import os\nMGSM_EXEMPLARS = {held!r}\n')
    fields = {'source': str(root), 'languages': ('en', 'de'), 'shots': 2}
    shown = Mgsm(MgsmConfig(**fields, exemplars=str(tmp_path / 'exemplars.py')))
    assert shown.asked['full', 'de'][0].prompt == (
        'Qde: q1\nAde: 1 + 1.\n\nQde: q2\nAde: 1 + 2.\n\nQde: Zwei und zwei?\nAde:'
    )
    assert shown.stops == ('\n\n', '\nQde:', '\nQen:')
    (tmp_path / 'exemplars.py').write_text('MGSM_EXEMPLARS = open("x")')
    with pytest.raises(DataError, match=r'exemplars\.py: .*expected the published'):
        Mgsm(MgsmConfig(**fields, exemplars=str(tmp_path / 'exemplars.py')))


def test_mgsm_files_that_do_not_align_are_told(tmp_path):
    (tmp_path / 'mgsm_en.tsv').write_text('One?\t1\n')
    (tmp_path / 'mgsm_de.tsv').write_text('Zwei?\t2\n')
    with pytest.raises(DataError, match=r'line 1 has the answer 2 in de and 1 in en'):
        Mgsm(MgsmConfig(source=str(tmp_path), languages=('en', 'de')))
    (tmp_path / 'mgsm_en.tsv').write_text('One? 1\n')
    with pytest.raises(DataError, match=r"line 1 is 'One\? 1'; expected a question, a tab"):
        Mgsm(MgsmConfig(source=str(tmp_path), languages=('en',)))


def test_mgsm_and_xquad_are_read_as_datasets(root, tmp_path):
    datasets = pytest.importorskip('datasets')
    sums = {'question': ['Two and two?', 'Half?'], 'answer_number': [4, 1250]}
    asked = {'id': ['q1'], 'context': ['A bird.'], 'question': ['Who?'],
             'answers': [{'text': ['The Bird', 'a bird'], 'answer_start': [0, 0]}]}  # fmt: skip
    for name, split, columns in (('m', 'test', sums), ('x', 'validation', asked)):
        told = datasets.DatasetDict({split: datasets.Dataset.from_dict(columns)})
        told.save_to_disk(str(tmp_path / name / 'en'))
    mgsm = Mgsm(MgsmConfig(source=f'hf:{tmp_path}/m:{{language}}', languages=('en',)))
    assert [item.references for item in mgsm.asked['full', 'en']] == [('4',), ('1250',)]
    there = Xquad(XquadConfig(source=f'hf:{tmp_path}/x:{{language}}', languages=('en',)))
    here = Xquad(XquadConfig(source=str(root), languages=('en',)))
    assert there.asked == here.asked


def test_xquads_f1_and_exact_match(root, asked, tmp_path):
    task = Xquad(XquadConfig(source=str(root), languages=('en', 'zh'), new_tokens=4))
    (item,) = task.asked['full', 'en']
    assert item.prompt == 'A bird.\n\nQuestion: Who?\nAnswer:'
    found = task.numbers_of(item, ('full', 'en'), 'the black bird!')
    assert found == {
        'f1': pytest.approx(2 / 3), 'exact_match': 0,
        'f1_mlqa': pytest.approx(2 / 3), 'exact_match_mlqa': 0,
    }  # fmt: skip
    assert set(task.numbers_of(item, ('full', 'en'), 'A bird.').values()) == {1.0}
    _, rows = measured(task, asked)
    assert rows['full', 'zh', 'f1']['n'] == 1
    held = json.loads((root / 'xquad.zh.json').read_text())
    held['data'][0]['paragraphs'][0]['qas'][0]['id'] = 'q2'
    (tmp_path / 'xquad.zh.json').write_text(json.dumps(held))
    (tmp_path / 'xquad.en.json').write_text((root / 'xquad.en.json').read_text())
    with pytest.raises(DataError, match='zh has 1 items and en 1; zh lacks q1, and en q2'):
        Xquad(XquadConfig(source=str(tmp_path), languages=('en', 'zh')))
    held['data'][0]['paragraphs'][0]['qas'][0] |= {'id': 'q1', 'answers': []}
    (tmp_path / 'xquad.zh.json').write_text(json.dumps(held))
    with pytest.raises(DataError, match='question q1 has no answer'):
        Xquad(XquadConfig(source=str(tmp_path), languages=('en', 'zh')))


@pytest.mark.parametrize(
    ('task', 'fields', 'words'),
    [
        ('tofu', {'sets': ('retain', 'forget02')}, r"sets\[1\] is 'forget02'"),
        ('tofu', {'template': 'auto'}, "template is 'auto'"),
        ('tofu', {'codes': ('iw',)}, r"codes\[0\] is 'iw'"),
        ('translation', {}, r'expected \{language\} in it'),
        ('translation', {'source': '{language}', 'languages': ('en',)}, 'languages has en'),
        ('mgsm', {'shots': 8}, 'shots is 8 and .*exemplars is empty'),
        ('mgsm', {'languages': ('xx',)}, r"languages\[0\] is 'xx'"),
        ('xquad', {'source': ''}, 'source is empty'),
        ('xquad', {'new_tokens': 0}, 'new_tokens is 0'),
    ],
)
def test_config_fields_are_checked(task, fields, words):
    values = {'mode': 'eval', 'model': {'source': 'm'}, 'tasks': {task: {'source': 'x'} | fields}}
    with pytest.raises(ConfigError, match=words):
        config_lib.resolve(values)


def test_prompts_and_texts(root):
    for task in (tofu(root), translation(root)):
        for sheet, rows in task.prompts(None):
            assert all(row['prompt'] and row['variant'] == sheet[0] for row in rows)
        assert task.texts('he' if task.name == 'tofu' else 'de')


def test_a_prompt_too_long_is_told(root, asked):
    with pytest.raises(ValueError, match=r'translation, en-x/de, item 1: .* and 600 are .* 512'):
        translation(root, new_tokens=600).measure(asked)
    with pytest.raises(ValueError, match=r'retain_perturbed.*: question and answer have 6\d\d'):
        tofu(root, new_tokens=600, methods=('generate',)).measure(asked)
