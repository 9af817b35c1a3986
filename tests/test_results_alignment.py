"""What stands beside accuracies in results.json: recomputed by the metrics library."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tests import report_run
from tests.report_run import LANGUAGES, answer, predictions
from xlbarrier import metrics
from xlbarrier.report import page
from xlbarrier.results import rows as rows_lib
from xlbarrier.results.run import result_rows
from xlbarrier.tasks.base import Question

SUBJECTS = ('anatomy', 'astronomy', 'virology')


def sheet(language, count, seed=0):
    """Seeded answers to made-up questions."""
    rng = np.random.Generator(np.random.PCG64([seed, ord(language[0]), ord(language[1])]))
    options = tuple('wxyz')
    rows = []
    for i in range(count):
        spoken = (language,) * 4
        subject = SUBJECTS[i % 3]
        question = Question(str(i), f'q{i}', options, i % 4, language, spoken, subject)
        rows.append(answer(question, 0.5, rng))
    return pa.Table.from_pylist(rows)


def rows_of(task, sheets, **fields):
    made = {('base', task, *key): table for key, table in sheets.items()}
    return result_rows(made, draws=500, **fields)


def find(rows, **wanted):
    (row,) = [r for r in rows if all(r.get(k) == v for k, v in wanted.items())]
    return row


@pytest.fixture(scope='module')
def sheets():
    return {('full', code): sheet(code, 60) for code in ('en', 'ar', 'fr')}


def right(table, column='letter_prediction'):
    return np.asarray(table[column]) == np.asarray(table['answer'])


@pytest.mark.parametrize(
    ('method', 'column'), [('letter', 'letter_prediction'), ('loglikelihood', 'prediction_raw')]
)
def test_a_set_of_clika_has_the_published_ra_and_what_languages_share(sheets, method, column):
    rows = rows_of('x_geo_mine', sheets)
    want = metrics.across_languages(
        {code: right(table, column) for (_, code), table in sheets.items()},
        chance=0.25, reference=0.97, draws=500,
    )  # fmt: skip
    for language in ('en', 'ar', 'fr', rows_lib.MEAN):
        for metric in ('relative_accuracy', 'en_co', 'kappa', 'transfer'):
            if metric not in want[language]:
                continue
            row = find(rows, language=language, metric=metric, method=method)
            estimate = want[language][metric]
            assert (row['value'], row['ci_low'], row['ci_high']) == estimate[:3]
    accuracy = right(sheets['full', 'fr'], column).mean()
    ra = find(rows, language='fr', metric='relative_accuracy', method=method)
    assert ra['value'] == pytest.approx(metrics.clika_ra('x_geo', accuracy))


def test_the_answers_agreement_and_their_commonest(sheets):
    rows = rows_of('user', sheets)
    chosen = {code: table['letter_prediction'].to_pylist() for (_, code), table in sheets.items()}
    row = find(rows, language='ar', metric='answer_kappa', method='letter')
    assert row['value'] == metrics.answer_kappa(chosen['en'], chosen['ar'], 500).value
    row = find(rows, language='ar', metric='commonest_answer_share', method='letter')
    assert row['value'] == max(np.bincount(chosen['ar'])) / 60
    assert not [r for r in rows if r['metric'] == 'relative_accuracy'], 'no published reference'


def test_english_parts_serve_as_the_source_where_full_has_no_english(sheets):
    asked = {('english', 'en'): sheets['full', 'en'], ('full', 'ar'): sheets['full', 'ar']}
    rows = rows_of('mmlu', asked)
    row = find(rows, variant='full', language='ar', metric='en_co', method='letter')
    want = metrics.en_co(right(sheets['full', 'en']), right(sheets['full', 'ar']))
    assert row['value'] == want
    alone = rows_of('mmlu', {('full', 'ar'): sheets['full', 'ar']})
    row = find(alone, language='ar', metric='en_co', method='letter')
    assert row['value'] is None and row['reason'] == 'there are no answers in en'


def test_mmlu_has_its_categories_and_subjects_of_every_sheet(sheets):
    rows = rows_of('mmlu_5', {**sheets, ('question', 'ar'): sheet('ar', 60, seed=1)})
    here = {'variant': 'question', 'language': 'ar', 'method': 'letter'}
    table = sheet('ar', 60, seed=1)
    subjects = np.asarray(table['subject'].to_pylist())
    anatomy = find(rows, metric='accuracy_subject', subject='anatomy', **here)
    assert anatomy['value'] == right(table)[subjects == 'anatomy'].mean() and anatomy['n'] == 20
    other = find(
        rows, metric='accuracy_category', subject='other (business, health, misc.)', **here
    )
    assert other['value'] == right(table)[subjects != 'astronomy'].mean(), 'weighted by size'
    law = find(rows, metric='accuracy_category', subject='humanities', **here)
    assert law['value'] is None and law['reason'] == 'there are no items'
    weighted = find(rows, metric='accuracy', **here)
    assert weighted['value'] == pytest.approx(right(table).mean())


def test_bmlama_has_rankc_between_every_pair_and_their_mean(sheets):
    rows = [r for r in rows_of('bmlama', sheets) if r['metric'] == 'rankc']
    assert {r['language'] for r in rows} == {'ar~en', 'ar~fr', 'en~fr', rows_lib.ALL}
    scores = {code: table['scores'].to_pylist() for (_, code), table in sheets.items()}
    for row in rows[:3]:
        one, other = row['language'].split('~')
        assert row['value'] == metrics.rankc(scores[other], scores[one], 500).value
        assert row['ci_low'] < row['value'] < row['ci_high']
    assert rows[3]['value'] == pytest.approx(np.mean([r['value'] for r in rows[:3]]))


def test_gaps_are_tested_and_adjusted_together():
    made = predictions(('base',))
    rows = result_rows(made, draws=500)
    gaps = [
        r for r in rows
        if r['metric'] == 'barrier_gap' and r['method'] == 'letter' and r['language'] in LANGUAGES
    ]  # fmt: skip
    want = metrics.holm([r['p'] for r in gaps])
    assert [r['p_holm'] for r in gaps] == pytest.approx(want.tolist())
    one = next(r for r in gaps if (r['variant'], r['language']) == ('full', 'fr'))
    pair = [right(made['base', 'worldfacts', 'full', code]) for code in ('en', 'fr')]
    assert one['p'] == pytest.approx(metrics.mcnemar(*pair))


def test_answers_that_could_not_be_read_are_no_commonest_answer():
    found = metrics.commonest([None, -1, 1])
    assert (found.value, found.n) == (1.0, 1)
    assert metrics.commonest([None, -1]).reason == 'there are no items'
    assert metrics.commonest([0, 2, 2, None]).value == pytest.approx(2 / 3)


def test_the_page_shows_shared_knowledge_categories_and_rankings(tmp_path):
    made = {
        ('base', task, 'full', code): sheet(code, 30)
        for task in ('x_geo', 'mmlu', 'bmlama')
        for code in ('en', 'ar', 'fr')
    }
    made |= {('base', 'mmlu', 'gt', code): sheet(code, 30, seed=2) for code in ('ar', 'fr')}
    report_run.write(tmp_path, ('base',), made)
    page.write_report(tmp_path)
    text = (tmp_path / 'report.html').read_text()
    rows = json.loads((tmp_path / 'results.json').read_text())['rows']
    geo, mmlu, bmlama = (
        text[text.index(f'">{task}, method letter<a') :] for task in ('x_geo', 'mmlu', 'bmlama')
    )
    geo = geo[: geo.index('<h2 ', 4)]
    ra = find(rows, task='x_geo', language='ar', metric='relative_accuracy', method='letter')
    assert f'<td>{ra["value"]:.2f} [{ra["ci_low"]:.2f},\u00a0{ra["ci_high"]:.2f}]</td>' in geo
    stem = find(
        rows, task='mmlu', variant='gt', language='fr', method='letter',
        metric='accuracy_category', subject='STEM',
    )  # fmt: skip
    assert f'<td>{100 * stem["value"]:.1f} [' in mmlu
    assert 'social sciences' in mmlu and 'Accuracy in each subject' in mmlu
    assert 'RankC' not in bmlama[: bmlama.index('<h2 ', 4)], 'letters rank nothing'
    ranked = text[text.index('">bmlama, method loglikelihood<a') :]
    pair = find(rows, task='bmlama', language='ar~fr', metric='rankc')
    assert f'<td>{pair["value"]:.2f} [' in ranked
    assert 'RankC' in (tmp_path / 'report.md').read_text()


def test_a_task_without_the_variant_full_has_a_report(tmp_path):
    made = {('base', 'mmlu', 'english', 'en'): sheet('en', 30)}
    made |= {('base', 'mmlu', 'options', code): sheet(code, 30) for code in ('ar', 'fr')}
    report_run.write(tmp_path, ('base',), made)
    page.write_report(tmp_path)
    text = (tmp_path / 'report.html').read_text()
    assert 'Accuracy by language and variant' in text
    assert 'Accuracy by language,' not in text, 'no picture of what was not asked'
    assert text.count('<svg role="img" aria-label="Barrier gaps') == 2, 'letter and log-likelihood'


def test_the_headline_compares_with_the_variant_english_where_full_has_none(tmp_path):
    made = {('base', 'mmlu', 'english', 'en'): sheet('en', 60)}
    made |= {('base', 'mmlu', 'full', code): sheet(code, 60) for code in ('ar', 'fr')}
    report_run.write(tmp_path, ('base',), made)
    page.write_report(tmp_path)
    text = (tmp_path / 'report.html').read_text()
    section = text[text.index('method loglikelihood<a') :]
    accuracy = np.mean(right(sheet('en', 60), 'prediction_raw'))
    assert f'right on {100 * accuracy:.1f}\u00a0% of 60 questions in English' in section
    assert '<title>base, English: ' in section, 'a dot for English'


def test_option_probabilities_of_every_language_against_english(sheets):
    rows = rows_of('user', sheets)
    scores = {code: table['letter_scores'].to_pylist() for (_, code), table in sheets.items()}
    row = find(rows, metric='chi_square_distance', language='ar', method='letter')
    want = metrics.chi_square_distances(scores['en'], scores['ar']).mean()
    assert row['value'] == pytest.approx(want) and row['n'] == 60
    row = find(rows, metric='variance_share', language='fr', method='letter')
    assert row['value'] == metrics.variance_share(scores['en'], scores['fr'], 500).value
    right_in = [right(table) for table in sheets.values()]
    row = find(rows, metric='tot_cons', method='letter')
    assert row['value'] == pytest.approx(np.logical_and.reduce(right_in).mean())


def test_rankc_is_also_rescaled_by_chance(sheets):
    rows = [r for r in rows_of('bmlama', sheets) if r['metric'] == 'rankc_rescaled']
    assert {r['language'] for r in rows} == {'ar~en', 'ar~fr', 'en~fr', rows_lib.ALL}
    plain = find(rows_of('bmlama', sheets), metric='rankc', language='en~fr')
    chance = metrics.rankc_by_chance(4)
    row = find(rows, language='en~fr')
    assert row['value'] == pytest.approx((plain['value'] - chance) / (1 - chance))
