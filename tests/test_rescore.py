"""Mode rescore: recorded answers in every layout give the numbers that arithmetic gives."""

import csv
import json
import lzma
import math
import pathlib
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from tests import report_run
from tests.recorded_files import WROTE, write_clika, write_mmlu, write_tofu
from xlbarrier import config as config_lib
from xlbarrier import metrics
from xlbarrier.modes import rescore as rescore_mode
from xlbarrier.report import table_files as tables
from xlbarrier.results import rows as report_tables
from xlbarrier.results.run import result_rows

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIRST, ROBUST = 'recorded:first_character', 'recorded:robust'


def rescore(root, workdir, draws=300, **fields):
    config = config_lib.resolve(
        {
            'mode': 'rescore',
            'rescore': {'root': str(root)} | fields,
            'report': {'bootstrap_draws': draws},
        }
    )
    rescore_mode.rescore(workdir, config)
    return json.loads((workdir / 'results.json').read_text())['rows']


def find(rows, **wanted):
    found = [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Rows and workdir of two made-up models in three languages."""
    root, workdir = (tmp_path_factory.mktemp(name) for name in ('recorded', 'run'))
    return rescore(write_clika(root), workdir), workdir


def test_accuracies_by_hand_under_both_readings(small):
    rows, _ = small
    key = {'model': 'loud', 'task': 'x_geo', 'metric': 'accuracy', 'variant': 'full'}
    want = {('en', FIRST): 2, ('en', ROBUST): 4, ('de', FIRST): 2, ('de', ROBUST): 2}
    want |= {('fr', FIRST): 2, ('fr', ROBUST): 3}
    for (language, method), right in want.items():
        row = find(rows, language=language, method=method, **key)
        assert (row['value'], row['n'], row['chance']) == (right / 4, 4, 0.25)
        assert (row['ci_low'], row['ci_high']) == metrics.wilson(right, 4)
    assert find(rows, language='mean:non-en', method=ROBUST, **key)['value'] == 5 / 8


def test_an_empty_answer_is_unreadable_and_wrong(small):
    rows, _ = small
    key = {'model': 'loud', 'metric': 'unreadable_share', 'task': 'x_geo'}
    want = {('en', FIRST): 2, ('en', ROBUST): 0, ('de', FIRST): 1, ('de', ROBUST): 1}
    for (language, method), blank in want.items():
        assert find(rows, language=language, method=method, **key)['value'] == blank / 4
    assert find(rows, language='mean:all', method=ROBUST, **key)['value'] == pytest.approx(1 / 12)


def test_ra_consistency_and_gap_by_hand(small):
    rows, _ = small
    key = {'model': 'calm', 'method': FIRST, 'language': 'de'}
    # English: right, right, right, wrong; German: wrong, right, right, wrong.
    assert find(rows, metric='en_co', **key)['value'] == pytest.approx(2 / 3)
    assert find(rows, metric='barrier_gap', **key)['value'] == pytest.approx(1 / 4)
    assert find(rows, metric='transfer', **key)['value'] == pytest.approx(2 / 3)
    assert find(rows, metric='kappa', **key)['value'] == pytest.approx((3 / 4 - 1 / 2) / (1 / 2))
    assert find(rows, metric='relative_accuracy', **key)['value'] == pytest.approx(25 / 72)
    none = find(rows, model='calm', method=FIRST, language='fr', metric='relative_accuracy')
    assert none['value'] == 0, 'below chance is clipped'


def test_comparisons_are_adjusted_within_their_table(small):
    rows, _ = small
    tested = [r for r in rows if r['metric'] == 'barrier_gap' and r['method'] == FIRST]
    tested = [r for r in tested if r['value'] is not None]
    single = [row for row in tested if row['language'] in ('de', 'fr')]
    assert len(single) == 4 and len(tested) == 6
    assert [r['p_holm'] for r in single] == pytest.approx(metrics.holm([r['p'] for r in single]))


def test_constants_of_ra_and_the_languages_are_parameters(tmp_path):
    root = write_clika(tmp_path / 'recorded')
    key = {'method': FIRST, 'model': 'calm', 'metric': 'relative_accuracy', 'language': 'fr'}
    rows = rescore(root, tmp_path / 'a', ra_reference=75.0, ra_clip=False)
    assert find(rows, **key)['value'] == pytest.approx((0 - 0.25) / 0.5)
    rows = rescore(root, tmp_path / 'b', source_language='de', models=('calm',))
    assert {row['model'] for row in rows} == {'calm'}
    assert find(rows, method=FIRST, metric='en_co', language='en')['value'] == pytest.approx(2 / 3)
    assert find(rows, method=FIRST, metric='accuracy', language='mean:non-de')['value'] == 3 / 8
    rows = rescore(root, tmp_path / 'c', languages=('fr', 'de'), tasks=('x_geo',))
    lone = find(rows, method=FIRST, metric='en_co', language='fr', model='calm')
    assert lone['value'] is None and lone['reason'] == 'there are no answers in en'


def test_rows_have_the_fields_of_the_run_folder(small):
    rows, workdir = small
    for row in rows:
        assert tuple(row)[: len(report_tables.FIELDS)] == report_tables.FIELDS
        assert (row['value'] is None) == ('reason' in row)
        assert row['value'] is None or math.isfinite(row['value'])
    assert json.loads((workdir / 'config.json').read_text())['mode'] == 'rescore'
    files = json.loads((workdir / 'run.json').read_text())['recorded']
    assert len(files) == 6 and all(len(digest) == 64 for digest in files.values())


def test_every_answer_stands_in_readings(small):
    table = pq.read_table(small[1] / 'readings.parquet').to_pylist()
    assert len(table) == sum(len(texts) for model in WROTE.values() for texts in model.values())
    one = next(r for r in table if (r['model'], r['language'], r['id']) == ('loud', 'en', '3'))
    assert (one['text'], one['answer']) == ('c', 2)
    assert (one['prediction_first_character'], one['prediction_robust']) == (None, 2)


def test_tables_hold_the_numbers(small):
    rows, workdir = small
    folder = workdir / 'tables'
    with (folder / 'results.csv').open(encoding='utf-8') as f:
        lines = list(csv.DictReader(f))
    assert [line['value'] for line in lines] == [
        '' if row['value'] is None else repr(row['value']) for row in rows
    ]
    name = 'x_geo.full.recorded_robust'
    with (folder / f'{name}.csv').open(encoding='utf-8') as f:
        line = next(r for r in csv.DictReader(f) if r['metric'] == 'en_co' and r['model'] == 'calm')
    want = find(rows, method=ROBUST, metric='en_co', model='calm', language='de')
    assert [float(line[k]) for k in ('de', 'de low', 'de high')] == [
        want[k] for k in ('value', 'ci_low', 'ci_high')
    ]
    markdown = (folder / f'{name}.md').read_text()
    accuracy, unreadable = (
        markdown[markdown.index(f'## {title}') :] for title in ('Accuracy, %', 'Unreadable')
    )
    assert accuracy.splitlines()[2] == '| model | en | de | fr | mean non-en |'
    assert '| loud | 100.0 [51.0, 100.0] | 50.0 [15.0, 85.0] | 75.0' in accuracy
    assert unreadable.splitlines()[2] == '| model | en | de | fr | mean all |'
    latex = (folder / f'{name}.tex').read_text()
    assert latex.count(r'\begin{table}') == latex.count(r'\toprule') == markdown.count('## ')
    for part in latex.split(r'\begin{table}')[1:]:
        body = [line for line in part.splitlines() if line.endswith(r'\\')]
        columns = part.split(r'\begin{tabular}{')[1].split('}')[0]
        assert {line.count('&') for line in body} == {len(columns) - 1}, 'as many cells'
    readers = (folder / 'readers.md').read_text()
    assert (
        '| task | variant | model | language | first character: accuracy | robust: acc' in readers
    )


def test_what_latex_would_read_as_a_command_is_escaped():
    row = dict.fromkeys(report_tables.FIELDS) | {'model': 'a_b&c%|d', 'task': 't', 'variant': 'v'}
    row |= {'language': 'en', 'method': 'm', 'metric': 'x#y', 'value': None, 'reason': 'no $'}
    (table,) = tables.tables([row])
    assert r'a\_b\&c\%|d & en & --' in tables.latex(table)
    assert r'No \$' in tables.latex(table) and r'a_b&amp;c%\|d' in tables.markdown(table)


def test_a_second_start_gives_the_same_and_another_config_is_refused(small, tmp_path):
    root = write_clika(tmp_path / 'recorded')
    first = rescore(root, tmp_path / 'run')
    assert rescore(root, tmp_path / 'run') == first
    with pytest.raises(RuntimeError, match=r'config\.rescore\.ra_clip'):
        rescore(root, tmp_path / 'run', ra_clip=False)


def test_two_settings_of_one_model_stay_apart(tmp_path):
    root = write_clika(tmp_path / 'recorded')
    for path in root.rglob('loud_res_bf16.jsonl'):
        path.with_name('loud_res.jsonl').write_bytes(path.read_bytes())
    rows = rescore(root, tmp_path / 'run')
    assert {row['model'] for row in rows} == {'loud', 'loud_bf16', 'calm'}


def test_mmlu_weighs_its_subjects_and_names_those_without_answers(tmp_path, caplog):
    folder = write_mmlu(tmp_path / 'recorded')
    accuracies = {'STEM': {'physics': {'astronomy': {'Accuracy': 0.0}}}}
    (folder / 'metrics.json').write_text(json.dumps(accuracies))
    with caplog.at_level('INFO'):
        rows = rescore(tmp_path / 'recorded', tmp_path / 'run')
    assert 'all 1 subject accuracies are those of the answers' in caplog.text
    assert 'no answers to abstract_algebra' in caplog.text
    key = {'model': 'a-model/few_shot', 'method': FIRST, 'language': 'ar', 'task': 'mmlu'}
    assert find(rows, metric='accuracy', **key)['value'] == 2 / 4, 'not the mean of 2/3 and 0'
    anatomy = find(rows, metric='accuracy_subject', subject='anatomy', **key)
    assert anatomy['value'] == pytest.approx(2 / 3)
    assert find(rows, metric='accuracy_category', subject='STEM', **key)['value'] == 0
    assert find(rows, metric='unreadable_share', **key)['value'] == 1 / 4
    accuracies['STEM']['physics']['astronomy']['Accuracy'] = 0.5
    (folder / 'metrics.json').write_text(json.dumps(accuracies))
    rescore(tmp_path / 'recorded', tmp_path / 'again')
    assert '1 of 1 subject accuracies differ (first: astronomy, there 0.5, here 0.0)' in caplog.text


ANSWERS = {  # how a model may say "the answer is", after its thoughts
    'en': 'The answer is {}.',
    'de': 'Die richtige Antwort ist {}.',
    'fr': 'La réponse est {}.',
    'es': 'La respuesta es {}.',
    'ru': 'Ответ: {}',
    'ar': 'الإجابة: {}',
    'hi': 'उत्तर: {}',
    'zh': '答案是{}',
    'ja': '答え：{}',
    'ko': '정답: {}',
}


def test_thoughts_before_answers_are_passed_over_in_ten_languages(tmp_path):
    """Each thought names the wrong letter in the words that announce the right one."""
    pairs = [('A', 'B'), ('B', 'C'), ('C', 'D'), ('D', 'A')]
    for language, says in ANSWERS.items():
        rows = []
        for number, (right, wrong) in enumerate(pairs):
            thought = f'<think>\n{says.format(wrong)} ... {wrong}? 12 + 5\n</think>\n\n'
            response = thought + (says.format(right) if number else right)
            rows.append(
                {'query_id': number, 'query': 'Which?', 'answer': right, 'response': response}
            )
        file = tmp_path / f'recorded/mmlu_{language}/a-model/zero/anatomy.jsonl'
        file.parent.mkdir(parents=True)
        file.write_text(''.join(json.dumps(row) + '\n' for row in rows), encoding='utf-8')
    rows = rescore(tmp_path / 'recorded', tmp_path / 'run', draws=100, layouts=('mmlu',))
    for language in ANSWERS:
        key = {'model': 'a-model/zero', 'language': language, 'method': ROBUST}
        assert find(rows, metric='accuracy', **key)['value'] == 1, language
        assert find(rows, metric='unreadable_share', **key)['value'] == 0, language


def test_tofu_by_hand(tmp_path, caplog):
    for name in ('eval_log', 'eval_log_forget', 'eval_real_author_wo_options'):
        write_tofu(tmp_path / 'recorded', name)
    rows = rescore(tmp_path / 'recorded', tmp_path / 'run')
    key = {'task': 'tofu', 'method': 'recorded', 'language': 'en', 'model': 'a-model'}
    retain = {'variant': 'retain', **key}
    assert find(rows, metric='rougeL_recall', **retain)['value'] == pytest.approx(3 / 8)
    probability = (math.exp(-0.5) + math.exp(-1)) / 2
    assert find(rows, metric='probability', **retain)['value'] == pytest.approx(probability)
    ratio = (math.exp(-1), 1)
    assert find(rows, metric='truth_ratio', **retain)['value'] == pytest.approx(sum(ratio) / 2)
    score = find(rows, metric='truth_ratio_score', **retain)['value']
    assert score == pytest.approx((1 - ratio[0]) / 2)
    forget = find(rows, metric='truth_ratio_score', variant='forget', **key)['value']
    assert forget == pytest.approx(sum(ratio) / 2)
    one = math.exp(-0.5) / (math.exp(-0.5) + math.exp(-1.5) + math.exp(-2.5))
    two = math.exp(-1) / (math.exp(-1) + 2 * math.exp(-2))
    share = find(rows, metric='probability', variant='real_authors', **key)['value']
    assert share == pytest.approx((one + two) / 2)
    assert find(rows, metric='rougeL_recall_off_recorded', **retain)['value'] == 0
    utility = find(rows, metric='model_utility', **key)
    assert utility['value'] is None and utility['reason'].endswith('world_facts')
    write_tofu(tmp_path / 'off', rougeL_recall={'0': 0.5, '1': 0.0})
    rescore(tmp_path / 'off', tmp_path / 'run2')
    assert 'the recorded rougeL_recall differs' in caplog.text


def test_files_of_the_hubs_cache_are_links(tmp_path):
    made = tmp_path / 'made'
    write_clika(made)
    for model in ('one', 'two'):
        write_tofu(made, model=model)
    wanted = rescore(made, tmp_path / 'plain')
    blobs = tmp_path / 'cache' / 'blobs'
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(p for p in made.rglob('*') if p.is_file())):
        path.rename(blobs / str(number))
        link = tmp_path / 'cache' / 'snapshots' / path.relative_to(made)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blobs / str(number))
    assert rescore(tmp_path / 'cache', tmp_path / 'run') == wanted


def test_our_own_run_folder_gives_its_numbers_again(tmp_path):
    made = report_run.predictions(('base', 'mixed'), questions=20)
    report_run.write(tmp_path / 'study', ('base', 'mixed'), made)
    rows = rescore(tmp_path, tmp_path / 'again', draws=500)
    assert rows == result_rows(made, draws=500)
    # The folder of the answers is below the root, and so is a second one: names stay apart.
    report_run.write(
        tmp_path / 'other', ('base',), {k: t for k, t in made.items() if k[0] == 'base'}
    )
    both = rescore(tmp_path, tmp_path / 'both', draws=500)
    assert {row['model'] for row in both} == {'study/base', 'study/mixed', 'other/base'}


@pytest.mark.slow
def test_the_command_loads_no_jax(tmp_path):
    """The whole program, in a process that reports what it imported."""
    write_clika(tmp_path / 'recorded')
    code = (
        'import sys, runpy\n'
        "sys.argv = ['xlbarrier', '--config=configs/clika.py', '--config.mode=rescore',"
        f" '--config.rescore.root={tmp_path}/recorded', '--workdir={tmp_path}/run']\n"
        'try:\n'
        "    runpy.run_module('xlbarrier.main', run_name='__main__')\n"
        'except SystemExit as end:\n'
        '    assert not end.code, end.code\n'
        "print([m for m in ('jax', 'torch', 'transformers', 'flax') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert answer.stdout.strip() == '[]', answer.stderr
    assert (tmp_path / 'run/tables/x_geo.full.recorded_robust.md').exists()


def test_a_spreadsheet_computes_no_cell_and_markdown_shows_no_html():
    row = dict.fromkeys(report_tables.FIELDS) | {'task': 't', 'variant': 'v', 'language': 'en'}
    row |= {'method': 'm', 'metric': 'accuracy', 'value': -0.5}
    names = ('=1+1', '+1', '-1', '@x', '\tx', '<b>x</b>', '[x](javascript:y)', 'a\nb')
    (table,) = tables.tables([row | {'model': name} for name in names])
    text = tables._csv(['model'], [[name] for name in names])
    cells = [line['model'] for line in csv.DictReader(text.splitlines(keepends=True))]
    assert cells[:5] == ["'" + name for name in names[:5]] and cells[5] == names[5]
    assert '-0.5' in tables._csv(['value'], [[-0.5]]), 'a number is no formula'
    page = tables.markdown(table)
    assert '<b>' not in page and '&lt;b&gt;x' in page and '](' not in page
    assert len(page.splitlines()) == 6 + len(names)


def test_forget_quality_where_two_logs_are_there_and_the_utilitys_n(tmp_path):
    names = ('eval_log', 'eval_log_forget', 'eval_real_author_wo_options')
    for model in ('unlearned', 'a_retain90'):
        for name in (*names, 'eval_real_world_wo_options'):
            write_tofu(tmp_path / 'recorded', name, model=model)
    rows = rescore(tmp_path / 'recorded', tmp_path / 'run')
    row = find(rows, metric='forget_quality')
    assert (row['model'], row['subject'], row['variant']) == (
        *('unlearned', 'against a_retain90', 'forget'),
    )
    assert (row['value'], row['n']) == (1.0, 2), 'the same ratios'
    utility = find(rows, metric='model_utility', model='unlearned')
    assert utility['value'] is not None and utility['n'] == 6


def test_tot_cons_of_recorded_answers(small):
    rows, _ = small
    # calm: English right, right, right, wrong; German wrong, right, right, wrong; French none.
    row = find(rows, metric='tot_cons', model='calm', method=FIRST)
    assert (row['value'], row['n'], row['language']) == (0, 4, 'mean:all')


def test_the_reader_that_gives_the_recorded_accuracies_is_named(tmp_path, caplog):
    """Answers that begin with a space: the published reading is of the text without it."""
    folder = write_mmlu(tmp_path / 'recorded')
    for path in folder.glob('*.jsonl.xz'):
        rows = [json.loads(line) for line in lzma.decompress(path.read_bytes()).splitlines()]
        spaced = [row | {'response': f' {row["response"]}'} for row in rows]
        lines = ''.join(json.dumps(row) + '\n' for row in spaced)
        path.write_bytes(lzma.compress(lines.encode()))
    accuracies = {'other': {'health': {'anatomy': {'Accuracy': 2 / 3}}}}
    (folder / 'metrics.json').write_text(json.dumps(accuracies))
    with caplog.at_level('INFO'):
        rescore(tmp_path / 'recorded', tmp_path / 'run')
    assert 'are those of the answers, read as recorded:robust' in caplog.text
    assert 'do not give what it records' not in caplog.text


def test_results_csv_has_every_field_of_a_row():
    assert set(tables._LONG) == {*report_tables.FIELDS, *report_tables.OPTIONAL}
