"""results.json: every number recomputes from the answers, and what is derived is paired."""

import numpy as np
import pytest

from tests.report_run import LANGUAGES, predictions
from xlbarrier import metrics
from xlbarrier.results import rows as rows_lib
from xlbarrier.results.answers import READINGS
from xlbarrier.results.run import result_rows


@pytest.fixture(scope='module')
def made():
    return predictions()


@pytest.fixture(scope='module')
def rows(made):
    return result_rows(made, draws=2000)


def find(rows, **wanted):
    (row,) = [r for r in rows if all(r.get(k) == v for k, v in wanted.items())]
    return row


def right(made, model, variant, language, column='prediction_raw'):
    table = made[model, 'worldfacts', variant, language]
    return np.asarray(table[column]) == np.asarray(table['answer'])


def test_rows_have_all_fields_and_null_has_a_reason(rows):
    for row in rows:
        assert set(rows_lib.FIELDS) <= set(row)
        assert row['value'] is not None or row['reason']
        assert (row['arm'] is None) == (row['model'] == 'base')
    keys = [tuple(r[k] for k in rows_lib.FIELDS[:7]) for r in rows]
    assert len(set(keys)) == len(keys), 'one row a number'


# What models write is in tests/test_written_choice.py.
CHOSEN = [(m, n, c) for (m, n), c in READINGS.items() if not m.startswith('generate')]


@pytest.mark.parametrize('language', LANGUAGES)
@pytest.mark.parametrize(('method', 'metric', 'column'), CHOSEN)
def test_accuracies_and_their_wilson_intervals(made, rows, language, method, metric, column):
    here = right(made, 'mixed', 'full', language, column)
    row = find(rows, model='mixed', variant='full', language=language, method=method, metric=metric)
    assert row['value'] == pytest.approx(here.mean()) and row['n'] == 80
    assert (row['ci_low'], row['ci_high']) == metrics.wilson(int(here.sum()), 80)
    assert row['chance'] == 0.25


def test_means_weigh_languages_alike_and_leave_english_out(made, rows):
    others = [right(made, 'base', 'full', code).mean() for code in LANGUAGES if code != 'en']
    here = {'model': 'base', 'metric': 'accuracy', 'method': 'loglikelihood'}
    row = find(rows, variant='full', language=rows_lib.MEAN, **here)
    assert row['value'] == pytest.approx(np.mean(others))
    assert row['ci_low'] < row['value'] < row['ci_high']
    everyone = [right(made, 'base', 'mixup', code).mean() for code in LANGUAGES]
    row = find(rows, variant='mixup', language=rows_lib.ALL, **here)
    assert row['value'] == pytest.approx(np.mean(everyone))


def test_gaps_and_their_changes(made, rows):
    def gap(model):
        others = [right(made, model, 'full', c).mean() for c in LANGUAGES if c != 'en']
        return right(made, model, 'full', 'en').mean() - np.mean(others)

    here = {'variant': 'full', 'language': rows_lib.MEAN, 'method': 'loglikelihood'}
    for model in ('base', 'english', 'mixed'):
        row = find(rows, model=model, metric='barrier_gap', **here)
        assert row['value'] == pytest.approx(gap(model))
    row = find(rows, model='mixed', metric='gap_difference_to_base', **here)
    assert row['value'] == pytest.approx(gap('mixed') - gap('base'))
    row = find(rows, model='mixed', metric='gap_difference_to_english', **here)
    assert row['value'] == pytest.approx(gap('mixed') - gap('english'))
    assert row['ci_low'] <= row['value'] <= row['ci_high']


def test_mixup_is_compared_with_all_english(made, rows):
    row = find(
        rows,
        **{'model': 'base', 'metric': 'barrier_gap', 'variant': 'mixup', 'language': 'fr'},
        method='loglikelihood',
    )
    want = right(made, 'base', 'full', 'en').mean() - right(made, 'base', 'mixup', 'fr').mean()
    assert row['value'] == pytest.approx(want)


def test_single_differences_are_mcnemars(made, rows):
    a, b = (right(made, model, 'full', 'zh') for model in ('mixed', 'english'))
    row = find(
        rows,
        **{'model': 'mixed', 'metric': 'difference_to_english', 'variant': 'full'},
        **{'language': 'zh', 'method': 'loglikelihood'},
    )
    assert row['value'] == pytest.approx(a.mean() - b.mean())
    assert row['p'] == pytest.approx(metrics.mcnemar(a, b))


def test_a_model_against_itself_shows_nothing(made):
    same = {key: table for key, table in made.items() if key[0] == 'base'}
    same |= {('copy', *key[1:]): table for key, table in same.items()}
    for row in result_rows(same, draws=500):
        if 'difference' in row['metric']:
            assert (row['value'], row['ci_low'], row['ci_high'], row['p']) == (0, 0, 0, 1)


def test_holm_is_within_a_table_of_comparisons(rows):
    family = [
        r
        for r in rows
        if r['metric'] == 'gap_difference_to_base'
        and r['method'] == 'loglikelihood'
        and r['language'] in (rows_lib.MEAN, rows_lib.ALL)
    ]
    assert len(family) == 4
    want = metrics.holm([r['p'] for r in family])
    assert [r['p_holm'] for r in family] == pytest.approx(want.tolist())


def test_rows_do_not_depend_on_the_order_of_sheets(made, rows):
    backwards = dict(reversed(list(made.items())))
    assert result_rows(backwards, draws=2000) == rows


def test_items_that_do_not_align_are_named(made):
    broken = dict(made)
    key = ('mixed', 'worldfacts', 'full', 'fr')
    table = made[key]
    broken[key] = table.take([1, 0, *range(2, table.num_rows)])
    with pytest.raises(ValueError, match=r'mixed/worldfacts/full/fr and .*row 0 is'):
        result_rows(broken, draws=200)
    broken[key] = table.slice(0, 7)
    with pytest.raises(ValueError, match=r'mixed/worldfacts/full/fr and .*7 and 80 rows'):
        result_rows(broken, draws=200)


def test_no_right_answer_gives_null_with_a_reason(made):
    table = made['base', 'worldfacts', 'full', 'fr']
    wrong = ((np.asarray(table['answer']) + 1) % 4).tolist()
    column = table.schema.get_field_index('prediction_raw')
    none = {
        ('base', 'worldfacts', 'full', code): table.set_column(column, 'prediction_raw', [wrong])
        for code in ('en', 'fr')
    }
    rows = result_rows(none, draws=200)
    found = {
        r['metric']: r for r in rows if (r['language'], r['method']) == ('fr', 'loglikelihood')
    }
    for metric in ('en_co', 'kappa', 'transfer'):
        assert found[metric]['value'] is None and found[metric]['reason']
