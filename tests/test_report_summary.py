"""What a run prints at its end."""

import re

import pytest

from tests.report_run import predictions
from xlbarrier.report import summary
from xlbarrier.report.words import Numbers, percent, points
from xlbarrier.results.run import result_rows


@pytest.fixture(scope='module')
def rows():
    return result_rows(predictions(('base', 'mixed'), questions=40), draws=200)


def test_the_table_has_the_accuracy_of_every_language_and_the_barrier(rows):
    lines = summary.text(rows).splitlines()
    assert re.match(r'worldfacts, loglikelihood: right of 40, % \(guessing: 25\.0\) +base +mixed$',
                    lines[0])  # fmt: skip
    names = [re.split('  +', line)[0] for line in lines[1:8]]
    assert names == [
        *('English', 'Arabic', 'French', 'Hebrew', 'Chinese'),
        *('mean of the other languages', 'barrier, points'),
    ]
    numbers, key = Numbers(rows), {'task': 'worldfacts', 'method': 'loglikelihood'}
    for model, column in (('base', 1), ('mixed', 2)):
        found = numbers.find(metric='accuracy', model=model, variant='full', language='ar', **key)
        assert re.split('  +', lines[2])[column].startswith(percent(found['value']))
        gap = numbers.find(
            metric='barrier_gap', model=model, variant='full', language='mean:non-en', **key
        )
        cell = re.split('  +', lines[7])[column]
        assert cell.startswith(points(gap['value'])) and points(gap['ci_high']) in cell


def test_a_sentence_gives_the_verdict(rows):
    said = summary.text(rows)
    assert re.search(r'right on \d+\.\d % of 40 questions in English', said)
    assert 'a barrier of' in said and 'After the fine-tuning of the ' in said


def test_a_task_without_right_and_wrong_is_named():
    row = {
        'model': 'base', 'task': 'tofu', 'variant': 'full', 'language': 'en', 'method': 'generate',
        'metric': 'rouge_l', 'value': 0.3, 'n': 5,
    }  # fmt: skip
    assert summary.text([row]) == 'tofu: its numbers are in the report and in results.json'


def test_programs_get_the_rows_of_the_table(rows):
    found = summary.headline(rows)
    assert {row['metric'] for row in found} == {'accuracy', 'barrier_gap'}
    assert {row['variant'] for row in found} == {'full'}
