"""The browser of all answers: its data whatever opens it, and the page in a headless Chromium."""

import base64
import gzip
import json
import re

import numpy as np
import pyarrow as pa
import pytest

from tests import chromium, report_run
from xlbarrier.report import answer_data, page

EVIL = '<img src=x onerror="globalThis.broken = 1"></script><script>globalThis.broken = 1</script>'
RIGHT_TO_LEFT = 'مَن كتب \u202eهذا؟'
MODELS = tuple(report_run.SKILL)


def decoded(packed, block):
    return gzip.decompress(base64.b64decode(packed['blocks'][block]))


def columns(packed, task):
    dtype = np.dtype('<u1' if task['width'] == 1 else '<u2')
    codes = np.frombuffer(decoded(packed, f'{task["key"]}/codes'), dtype)
    return codes.reshape(-1, task['items'])


@pytest.fixture(scope='module', autouse=True)
def _two_chunks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer_data, 'CHUNK', 100)
        yield


@pytest.fixture(scope='module')
def predictions():
    """170 questions, in two chunks; the texts of the first one are hostile."""
    made = report_run.predictions(questions=170, seed=3)
    for key, table in made.items():
        questions = table['question'].to_pylist()
        questions[0] = RIGHT_TO_LEFT if key[3] == 'ar' else f'{EVIL} {key[3]}'
        place = table.schema.get_field_index('question')
        made[key] = table.set_column(place, 'question', [questions])
    return made


def test_every_answer_and_text_is_in_the_data(predictions):
    packed, files = answer_data.pack(predictions, MODELS)
    (task,) = packed['tasks']
    assert not files and task['models'] == list(MODELS)
    codes = columns(packed, task)
    ids = json.loads(decoded(packed, 't0/items'))[0]
    texts = {}
    for name in packed['blocks']:
        if name.count('/') == 2:
            texts[name] = json.loads(decoded(packed, name))
    assert {name[-1] for name in texts} == {'0', '1'}
    methods = {r['method']: r['chosen'] for r in task['readings']}
    assert set(methods) == {'loglikelihood', 'letter'}
    for number, sheet in enumerate(task['sheets']):
        for model in MODELS:
            table = predictions[model, 'worldfacts', sheet['variant'], sheet['language']]
            assert table['id'].to_pylist() == ids
            for method, column in (
                ('loglikelihood', 'prediction_raw'),
                ('letter', 'letter_prediction'),
            ):
                chosen = codes[methods[method][model][number]]
                assert chosen.tolist() == table[column].to_pylist()
        assert codes[sheet['answer']].tolist() == table['answer'].to_pylist()
        for item in (0, 1, 99, 100, 169):
            shown = []
            for slot, column in enumerate(sheet['slots']):
                layer = codes[column][item]
                chunk = texts[f't0/{layer}/{item // answer_data.CHUNK}']
                shown.append(chunk[slot][item % answer_data.CHUNK])
            row = table.slice(item, 1).to_pylist()[0]
            assert shown == [row['question'], *row['choices']]
    # A variant's texts are those of its languages, which are stored once.
    assert len(task['layers']) == len(report_run.LANGUAGES)


def test_unreadable_and_unasked_answers_have_codes_of_their_own():
    rows = [
        {'id': str(i), 'question': 'q', 'choices': ['a'] * n, 'choice_languages': ['en'] * n}
        | {'question_language': 'en', 'answer': 0, 'robust_prediction': p, 'written': 'w'}
        for i, (p, n) in enumerate([(0, 2), (None, 300)])
    ]
    tables = {
        ('base', 'user', 'full', 'en'): pa.Table.from_pylist(rows),
        ('base', 'user', 'full', 'fr'): pa.Table.from_pylist(rows[:1]),
    }
    packed, _ = answer_data.pack(tables, ['base'])
    (task,) = packed['tasks']
    assert task['width'] == 2, '300 options'
    codes, chosen = columns(packed, task), task['readings'][0]['chosen']['base']
    assert codes[chosen[0]].tolist() == [0, 65535]
    assert codes[chosen[1]].tolist() == [0, 65534]


def test_written_answers_have_their_references_and_measures():
    rows = [
        {'id': str(i), 'language': 'de', 'question': 'Was?', 'references': ['A', 'B'][: i + 1]}
        | {'written': f'w{i}', 'exact_match': float(i), 'f1': 0.25}
        for i in range(2)
    ]
    packed, _ = answer_data.pack({('base', 'xquad', 'full', 'de'): pa.Table.from_pylist(rows)}, ())
    assert packed['tasks'] == [] or packed['tasks'][0]['models'] == []
    packed, _ = answer_data.pack(
        {('base', 'xquad', 'full', 'de'): pa.Table.from_pylist(rows)}, ['base']
    )
    (task,) = packed['tasks']
    codes = columns(packed, task)
    assert codes[task['readings'][0]['chosen']['base'][0]].tolist() == [0, 1]
    layer = task['written']['base'][0]
    assert json.loads(decoded(packed, f't0/{layer}/0')) == [['w0', 'w1'], ['0', '1'], ['0.25'] * 2]
    assert json.loads(decoded(packed, 't0/0/0')) == [['Was?', 'Was?'], ['A', 'A'], [None, 'B']]


@pytest.fixture(scope='module')
def run(tmp_path_factory, predictions):
    folder = tmp_path_factory.mktemp('run')
    report_run.write(folder, made=predictions)
    return folder


@pytest.fixture(scope='module')
def tab():
    if chromium.find() is None:
        pytest.skip('no Chromium on this machine (apt-get install chromium)')
    with chromium.browser() as opened:
        yield opened


READY = "document.querySelectorAll('#browser [role=option] .text[lang]').length > 5"
DETAIL = "document.querySelector('#browser .detail').textContent"
PICK = """globalThis.pick = (name, value) => {
  const control = document.querySelector(`#browser [name=${name}]`);
  control.value = value;
  control.dispatchEvent(new Event(name === 'search' ? 'input' : 'change', { bubbles: true }));
}; globalThis.count = () => document.querySelector('#browser [role=status]').textContent; 1"""


def counted(tab, text):
    tab.wait(f'count() === {json.dumps(text)}')


def test_the_browser_filters_sorts_searches_and_stays_harmless(tab, run, predictions):
    page.write_report(run)
    tab.open(run / 'report.html')
    tab.wait(READY)
    tab.run(PICK)
    assert tab.run('count()') == '170 of 170 questions'
    lines = tab.run("document.querySelectorAll('#browser [role=option]').length")
    assert lines < 30, 'only what can be seen exists'
    # The first question is hostile, and shown as text.
    tab.wait("document.querySelector('#browser .ask')")
    asks = tab.run("[...document.querySelectorAll('#browser .ask')].map((e) => e.textContent)")
    assert asks == [f'{EVIL} en', RIGHT_TO_LEFT]
    directions = tab.run("[...document.querySelectorAll('#browser .ask')].map((e) => e.dir)")
    assert directions == ['ltr', 'rtl']
    assert tab.run("document.querySelector('#browser img')") is None
    assert tab.run('globalThis.broken') is None
    # Filters count what the tables say.
    english, arabic = (
        predictions['mixed', 'worldfacts', 'full', code]['correct'].to_numpy()
        for code in ('en', 'ar')
    )
    tab.run("pick('model', 'mixed')")
    tab.run("pick('answer', 'right')")
    counted(tab, f'{english.sum()} of 170 questions')
    tab.run("pick('answer', 'here')")
    counted(tab, f'{(english & ~arabic).sum()} of 170 questions')
    tab.run("pick('language', 'ar')")
    tab.run("pick('answer', 'wrong')")
    counted(tab, f'{(~arabic).sum()} of 170 questions')
    tab.run("pick('answer', '')")
    # A search reads the texts of both chunks; its last match is in the second.
    table = predictions['base', 'worldfacts', 'full', 'ar']
    words = table['question'].to_pylist()[150]
    tab.run(f"pick('search', {json.dumps(words)})")
    tab.wait("count() !== '170 of 170 questions'")
    shown = tab.run("document.querySelector('#browser .text[lang=ar]').textContent")
    assert shown == words
    tab.run("pick('search', '')")
    counted(tab, '170 of 170 questions')
    tab.run("pick('sort', 'id')")
    first = sorted(table['id'].to_pylist())[0]
    tab.run("document.querySelector('#browser [role=listbox]').scrollTop = 0")
    tab.run(
        "document.querySelector('#browser [role=listbox]').dispatchEvent("
        "new KeyboardEvent('keydown', { key: 'Home', bubbles: true }))"
    )
    tab.wait(
        f"document.querySelector('#browser .detail').textContent.includes({json.dumps(first)})"
    )
    assert tab.problems() == [] and tab.fetched() == []


def test_a_table_is_sorted_by_a_click_on_its_head(tab, run):
    page.write_report(run)
    tab.open(run / 'report.html')
    table = 'document.getElementById("worldfacts-loglikelihood-accuracy-base")'
    tab.wait(f"{table}.querySelector('th button')")
    values = f'[...{table}.tBodies[0].rows].map((r) => parseFloat(r.cells[1].textContent))'
    before = tab.run(values)
    tab.run(f"{table}.querySelectorAll('th button')[1].click()")
    assert tab.run(values) == sorted(before)
    assert tab.run(f"{table}.querySelectorAll('th')[1].ariaSort") == 'ascending'
    tab.run(f"{table}.querySelectorAll('th button')[1].click()")
    assert tab.run(values) == sorted(before, reverse=True)


def test_a_large_report_loads_the_texts_of_a_language_when_they_are_shown(tab, run):
    page.write_report(run, one_file=1000)
    names = sorted(path.name for path in (run / answer_data.TEXTS).iterdir())
    assert names == [f't0.{layer}.js' for layer in range(5)]
    tab.open(run / 'report.html')
    tab.wait(READY)
    fetched = [address.rpartition('/')[2] for address in tab.fetched()]
    assert sorted(fetched) == ['t0.0.js', 't0.1.js'], 'English, and Arabic beside it'
    assert tab.problems() == []
    (run / answer_data.TEXTS / 't0.4.js').unlink()
    tab.run(PICK)
    tab.run("pick('language', 'zh')")
    tab.wait(
        "document.querySelector('#browser .detail').textContent.includes('t0.4.js is missing')"
    )
    page.write_report(run)
    assert not (run / answer_data.TEXTS).exists(), 'a small report has no files beside it'


def test_scripts_of_answers_could_not_run_even_unescaped(tab, run, tmp_path):
    page.write_report(run)
    text = (run / 'report.html').read_text()
    hurt = text.replace('<main>', '<main><script>globalThis.broken = 1</script>')
    (tmp_path / 'hurt.html').write_text(hurt)
    tab.open(tmp_path / 'hurt.html')
    assert tab.run('globalThis.broken') is None
    assert re.search('Content Security Policy', json.dumps(tab.problems()))
