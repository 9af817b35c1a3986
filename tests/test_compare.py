"""xlbarrier compare: the common questions of several runs, paired tests, and the page."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tests import chromium, report_run
from xlbarrier import metrics
from xlbarrier.errors import InputError
from xlbarrier.modes import compare as mode
from xlbarrier.results import compare

LANGUAGES = report_run.LANGUAGES


@pytest.fixture(scope='module')
def runs():
    """The second run lacks five questions, asks one with another option, and no mixup in he."""
    one = report_run.predictions(('base', 'mixed'), questions=60)
    two = report_run.predictions(('base',), questions=60, seed=5)
    for key, table in two.items():
        rows = table.to_pylist()[5:]
        rows[0]['choices'][0] += '!'
        two[key] = pa.Table.from_pylist(rows, table.schema)
    del two['base', 'worldfacts', 'mixup', 'he']
    return {'one': one, 'two': two}


def test_only_the_same_questions_are_compared_in_one_order(runs):
    (task,), answers = compare.gather(runs)
    assert task.models == ('one/base', 'one/mixed', 'two')
    assert (task.items, task.of) == (54, 60)
    assert task.left_out == (('mixup', 'he'),) and len(task.sheets) == 9
    orders = {tuple(table['id'].to_pylist()) for table in answers.values()}
    assert len(orders) == 1 and len(answers) == 3 * 9
    kept = runs['one']['base', 'worldfacts', 'full', 'en']['id'].to_pylist()[6:]
    assert orders == {tuple(kept)}


def test_differences_are_those_of_a_paired_test_on_the_common_questions(runs):
    tasks, answers = compare.gather(runs)
    rows = compare.rows(tasks, answers, draws=200)

    def row(model, metric, language):
        (found,) = [
            r
            for r in rows
            if (r['model'], r['metric'], r['language']) == (model, metric, language)
            and (r['variant'], r['method']) == ('full', 'loglikelihood')
        ]
        return found

    def right(model, language):
        return answers[model, 'worldfacts', 'full', language]['correct'].to_numpy()

    found = row('two', 'difference_to:one/mixed', 'en')
    a, b = right('two', 'en'), right('one/mixed', 'en')
    assert found['value'] == pytest.approx(a.mean() - b.mean())
    assert found['p'] == pytest.approx(metrics.paired_difference(a, b, 200).p)
    others = [code for code in LANGUAGES if code != 'en']
    means = {m: np.mean([right(m, code) for code in others]) for m in ('two', 'one/base')}
    found = row('two', 'difference_to:one/base', 'mean:non-en')
    assert found['value'] == pytest.approx(means['two'] - means['one/base'])
    found = row('two', 'gap_difference_to:one/base', 'mean:non-en')
    gaps = {m: right(m, 'en').mean() - means[m] for m in means}
    assert found['value'] == pytest.approx(gaps['two'] - gaps['one/base'])
    # The means of all pairs of models are one family of tests.
    family = [
        r
        for r in rows
        if r['metric'].startswith('difference_to:') and r['language'].startswith('mean:')
        if r['method'] == 'loglikelihood'
    ]
    assert len({(r['model'], r['metric']) for r in family}) == 3
    estimates = {i: metrics.Estimate(r['value'], p=r['p']) for i, r in enumerate(family)}
    adjusted = metrics.holm_table(estimates)
    assert [r['p_holm'] for r in family] == [adjusted[i] for i in range(len(family))]


def test_written_answers_are_compared_by_their_measures():
    def table(values):
        rows = [
            {'id': str(i), 'question': 'q', 'references': ['r'], 'written': 'w', 'f1': value}
            for i, value in enumerate(values)
        ]
        return pa.Table.from_pylist(rows)

    key = ('base', 'xquad', 'full', 'de')
    runs = {'a': {key: table([0.0, 0.5, 1.0])}, 'b': {key: table([1.0, 0.5, float('nan')])}}
    tasks, answers = compare.gather(runs)
    rows = {(r['model'], r['metric']): r for r in compare.rows(tasks, answers, draws=100)}
    assert rows['a', 'f1']['value'] == 0.5 and rows['b', 'f1']['value'] == 0.75
    change = rows['b', 'f1_difference_to:a']
    assert (change['value'], change['n']) == (0.5, 2)


def test_runs_without_a_common_question_are_refused(runs):
    other = {('base', 'another', *key[2:]): t for key, t in runs['two'].items()}
    with pytest.raises(InputError, match='one, other: no two models have a question in common'):
        compare.gather(
            {'one': {k: t for k, t in runs['one'].items() if k[0] == 'base'}} | {'other': other}
        )


@pytest.fixture(scope='module')
def folders(tmp_path_factory, runs):
    top = tmp_path_factory.mktemp('runs')
    for name, made in runs.items():
        (top / name).mkdir()
        report_run.write(top / name, tuple(dict.fromkeys(key[0] for key in made)), made)
    config = json.loads((top / 'two' / 'config.json').read_text())
    (top / 'two' / 'config.json').write_text(json.dumps(config | {'seed': 17}))
    return top


def test_the_command_writes_a_page_numbers_and_tables(folders, tmp_path):
    out = tmp_path / 'compared'
    mode.run([str(folders / 'one'), str(folders / 'two'), f'--workdir={out}', '--draws=200'])
    text = (out / 'compare.html').read_text(encoding='utf-8')
    assert 'of 3 models</h1>' in text
    assert '54 questions have the same text and options for all 3 models in 9 pairs' in text
    assert '6 others are left out; not all models were asked mixup/he.' in text
    assert '<th scope="row">seed</th><td>0</td><td>17</td>' in text
    rows = json.loads((out / 'results.json').read_text())['rows']
    row = next(r for r in rows if (r['model'], r['metric']) == ('two', 'accuracy'))
    low, high = 100 * row['ci_low'], 100 * row['ci_high']
    assert f'{100 * row["value"]:.1f} [{low:.1f}, {high:.1f}]' in text
    assert (out / 'tables' / 'results.csv').is_file()


@pytest.mark.skipif(chromium.find() is None, reason='no Chromium on this machine')
def test_the_page_opens_in_a_browser_without_a_network(folders, tmp_path):
    out = tmp_path / 'compared'
    mode.run([str(folders / 'one'), str(folders / 'two'), f'--workdir={out}', '--draws=200'])
    with chromium.browser() as tab:
        tab.open(out / 'compare.html')
        tab.wait("document.querySelectorAll('#browser .text[lang]').length > 5")
        models = tab.run("[...document.querySelector('[name=model]').options].map((o) => o.value)")
        assert models == ['', 'one/base', 'one/mixed', 'two']
        assert tab.problems() == [] and tab.fetched() == []


def test_what_cannot_be_compared_is_named(folders, tmp_path):
    one = str(folders / 'one')
    (tmp_path / 'empty').mkdir()
    for words, message in (
        ([one], 'expected at least two run folders'),
        ([one, one], 'one run folder is named twice'),
        ([one, str(tmp_path / 'empty')], 'empty has no answers'),
        ([one, str(folders / 'two'), f'--workdir={one}'], 'is a run folder'),
    ):
        with pytest.raises(InputError, match=message):
            mode.run(words)


def test_runs_are_named_by_the_ends_of_their_paths_that_differ(tmp_path):
    paths = [tmp_path / 'a' / 'x', tmp_path / 'b' / 'x']
    assert mode._names(paths) == ['a/x', 'b/x']
    assert mode._names([tmp_path / 'x', tmp_path / 'y']) == ['x', 'y']
