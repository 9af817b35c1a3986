"""Sets of the hub whose answers are texts, and a task of the hub from a recipe to its numbers."""

import json

import pyarrow as pa
import pytest

from tests.hub_server import commit_of
from xlbarrier import modes
from xlbarrier.config import flags
from xlbarrier.config.tasks import task_class
from xlbarrier.datafiles import DataError
from xlbarrier.tasks import registry


def task(name, **fields):
    return registry.TASKS[name](task_class(name, 'config.tasks')(**fields), name)


def test_sets_whose_answers_are_texts(hub):
    sums = task('mgsm', languages=('en', 'de'))
    assert sums.asked['full', 'de'][0].references == ('4',)
    local = task('multiloko', languages=('en', 'de'))
    assert [len(local.asked['full', code]) for code in ('en', 'de')] == [2, 3]
    first = local.asked['full', 'de'][0]
    assert first.references == ('german x', 'y')
    assert first.prompt == 'Frage: german 0?\nAntwort:'
    crossing = task('eclektic', languages=('en', 'de', 'fr'))
    assert crossing.asked['full', 'fr'][1].references == ('fr a1',)
    authors = task('tofu', source='hf:locuslab/TOFU', languages=('en',))
    assert authors.items['retain', 'en'][0].perturbed == ('c', 'd')
    quad = task('xquad', languages=('de',))
    assert quad.asked['full', 'de'][0].references == ('de text',)


# --- KLAR, whose files are no set of the hub


def klar(folder, **fields):
    return task(
        'klar', source=str(folder), languages=('en', 'fr'), relations=('capital',), **fields
    )


def write_klar(folder):
    for code, of_what, objects in (
        ('en', 'The capital of <subject> is <mask>', ('Paris', 'Rome', 'Oslo')),
        ('fr', 'La capitale de <subject> est <mask>', ('Paris', 'Rome', 'Oslo')),
    ):
        samples = [{'subject': f'{code}{n}', 'object': o, 'index': 10 + n}
                   for n, o in enumerate(objects)]  # fmt: skip
        (folder / code).mkdir()
        found = {'name': 'capital', 'prompt_templates': ['x', of_what], 'samples': samples}
        (folder / code / 'capital.json').write_text(json.dumps(found))


def test_klar_shows_other_facts_of_the_relation(tmp_path):
    write_klar(tmp_path)
    made = klar(tmp_path, shots=2)
    english, french = (made.asked['full', code][0] for code in ('en', 'fr'))
    assert english.id == 'capital/10' and english.references == ('Paris',)
    *shown, asked = english.prompt.split('\n')
    assert asked == 'The capital of en0 is'
    assert sorted(shown) == ['The capital of en1 is Rome', 'The capital of en2 is Oslo']
    # The same facts in the same order in French.
    assert [line[-4:] for line in french.prompt.split('\n')[:2]] == [line[-4:] for line in shown]
    assert made.numbers_of(english, ('full', 'en'), 'It is Paris.') == {
        'exact_match': 0.0, 'f1': 0.5, 'contains': 1.0,
    }  # fmt: skip


def test_klar_names_what_is_missing(tmp_path):
    write_klar(tmp_path)
    (tmp_path / 'fr/capital.json').unlink()
    with pytest.raises(DataError, match=r'lacks 1 files of KLAR: fr/capital\.json'):
        klar(tmp_path)
    (tmp_path / 'fr/capital.json').write_text('{"prompt_templates": ["x"], "samples": [{}]}')
    with pytest.raises(DataError, match=r'has 1 wordings; config asks for template 1'):
        klar(tmp_path)


# --- what crosses between languages


def test_eclektics_transfer_is_of_what_the_source_language_knows(hub):
    made = task('eclektic', languages=('en', 'de'))
    made.original = {'q0': 'en', 'q1': 'en', 'q2': 'en', 'q3': 'de'}

    def sheet(values):
        table = {'id': ['q0', 'q1', 'q2', 'q3'], 'exact_match': values, 'contains': values}
        return pa.table(table)

    tables = {
        ('full', 'en'): sheet([1.0, 1.0, 0.0, 1.0]), ('full', 'de'): sheet([1.0, 0.0, 1.0, 0.0]),
    }  # fmt: skip
    rows = {
        (row['language'], row['metric']): (row['value'], row['n'])
        for row in made.rows(tables, draws=10, seed=0)
    }
    # German: three questions are of English, two of them known there, one of these in German.
    assert rows['de', 'transfer'] == (0.5, 2)
    assert rows['de', 'right_in_both'] == (pytest.approx(1 / 3), 3)
    # English: one question is of German, where it is not known.
    assert rows['en', 'transfer'] == (None, 0)


def test_a_hub_task_from_the_command_to_its_numbers(hub, tiny_llama, tmp_path):
    config = flags.read(
        'task:include',
        [
            ('model.source', str(tiny_llama)),
            ('tasks.include.languages', 'de,mk'),
            ('score.row_tokens', '128'),
            ('report.bootstrap_draws', '100'),
        ],
    )
    modes.load('eval')(tmp_path / 'run', config)
    record = json.loads((tmp_path / 'run/run.json').read_text())
    files = hub.repositories['datasets/CohereLabs/include-base-44'].files
    assert record['datasets'] == {'CohereLabs/include-base-44': commit_of(files)}
    rows = json.loads((tmp_path / 'run/results.json').read_text())['rows']
    accuracy = {r['language']: r['n'] for r in rows if r['metric'] == 'accuracy'}
    assert accuracy == {'de': 3, 'mk': 2}
    across = [r for r in rows if r['metric'] in ('kappa', 'barrier_gap', 'transfer', 'tot_cons')]
    assert not [row for row in across if row['value'] is not None]
