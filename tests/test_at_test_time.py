"""What is done when a question is asked: translation into English, the ensemble of languages."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.special import log_softmax

from tests.report_run import predictions
from xlbarrier import config as config_lib
from xlbarrier import metrics
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.modes.evaluate import evaluate
from xlbarrier.report import words
from xlbarrier.results.numbers import Numbers
from xlbarrier.results.run import result_rows
from xlbarrier.tasks import translated
from xlbarrier.tasks.worldfacts import WorldFacts


def find(rows, **wanted):
    (row,) = [r for r in rows if all(r.get(k) == v for k, v in wanted.items())]
    return row


def test_ensemble_choices_are_those_of_a_few_lines_of_numpy():
    scores_LIO = np.random.default_rng(0).normal(-8, 4, (5, 200, 4))
    expected = log_softmax(scores_LIO, axis=-1).mean(0).argmax(-1)
    assert metrics.ensemble_choices(scores_LIO.tolist()) == expected.tolist()
    assert metrics.ensemble_choices([scores_LIO[0].tolist()]) == scores_LIO[0].argmax(-1).tolist()
    # A language in which all log-likelihoods are lower has no less weight.
    shifted = scores_LIO - np.array([0, 100, 0, 0, 7])[:, None, None]
    assert metrics.ensemble_choices(shifted.tolist()) == expected.tolist()
    assert metrics.ensemble_choices([[[-1, -2]], [[-9, -4]]]) == [1]


@pytest.mark.parametrize(
    ('scores', 'words'),
    [
        ([], 'ensemble of no language'),
        ([[[0, 1]], []], r'\[1, 0\] items'),
        ([[[0, 1]], [[0, 1, 2]]], r'item 0 has \[2, 3\] options'),
    ],
)
def test_what_is_no_ensemble(scores, words):
    with pytest.raises(ValueError, match=words):
        metrics.ensemble_choices(scores)


@pytest.fixture(scope='module')
def made():
    return predictions(models=('base', 'mixed'))


@pytest.fixture(scope='module')
def rows(made):
    return result_rows(made, draws=500)


METHODS = [('loglikelihood', 'scores'), ('letter', 'letter_scores')]


@pytest.mark.parametrize(('language', 'without'), [('mul', ''), ('mul:non-en', 'en')])
@pytest.mark.parametrize(
    ('method', 'column'), [('loglikelihood', 'scores'), ('letter', 'letter_scores')]
)
def test_the_ensemble_of_a_run_recomputes_from_its_answers(
    made, rows, method, column, language, without
):
    def right(model):
        tables = [
            t for k, t in made.items() if k[0] == model and k[2] == 'full' and k[3] != without
        ]
        scores = np.array([t[column].to_pylist() for t in tables])
        answer = np.asarray(tables[0]['answer'])
        alone = (scores.argmax(-1) == answer).mean(0)
        return log_softmax(scores, axis=-1).mean(0).argmax(-1) == answer, alone

    here = {'variant': 'full', 'language': language, 'method': f'ensemble:{method}'}
    together, alone = right('mixed')
    row = find(rows, model='mixed', metric='accuracy', **here)
    assert row['value'] == pytest.approx(together.mean()) and row['chance'] == 0.25
    assert (row['ci_low'], row['ci_high']) == metrics.wilson(int(together.sum()), 80)
    gain = find(rows, model='mixed', metric='gain_over_mean', **here)
    assert gain['value'] == pytest.approx(together.mean() - alone.mean())
    assert gain['ci_low'] < gain['value'] < gain['ci_high'] and 0 <= gain['p'] <= gain['p_holm']
    english = made['mixed', 'worldfacts', 'full', 'en']
    over = find(rows, model='mixed', metric='gain_over_source', **here)
    best = np.array(english[column].to_pylist()).argmax(-1) == np.asarray(english['answer'])
    assert over['value'] == pytest.approx(together.mean() - best.mean())
    change = find(rows, model='mixed', metric='difference_to_base', **here)
    assert change['value'] == pytest.approx(together.mean() - right('base')[0].mean())


def test_the_report_says_what_helps(rows):
    numbers = Numbers(rows)
    (base, mixed) = words.at_test_time(numbers, 'worldfacts', 'loglikelihood')
    accuracy = find(
        rows, model='mixed', method='ensemble:loglikelihood', metric='accuracy', language='mul'
    )
    right = f'{100 * accuracy["value"]:.1f} % right'
    assert mixed.startswith(f'All languages together answer {right} (the mixed arm); compared')
    assert 'the base model' in base


def test_options_in_other_orders_have_no_ensemble(made):
    key = ('base', 'worldfacts', 'full', 'fr')
    moved = [(answer + 1) % 4 for answer in made[key]['answer'].to_pylist()]
    shifted = made[key].set_column(made[key].column_names.index('answer'), 'answer', [moved])
    rows = result_rows({k: t for k, t in made.items() if k[0] == 'base'} | {key: shifted}, draws=50)
    row = find(rows, method='ensemble:loglikelihood', language='mul', metric='accuracy')
    assert row['value'] is None and 'another order' in row['reason']


@pytest.mark.parametrize('code', ['de', 'ar', 'zh', 'sw'])
def test_the_models_prompt_shows_two_kinds_of_text(code):
    text = translated.prompt('X', code)
    name = {'de': 'German', 'ar': 'Arabic', 'zh': 'Chinese', 'sw': 'Swahili'}[code]
    assert text.endswith(f'\n\n{name}: X\nEnglish:')
    shown = ['Who wrote this book?', 'March', 'What is the name of this river?', 'August']
    for english in shown if code != 'sw' else shown[1::2]:
        assert f'\nEnglish: {english}\n\n' in text
    if code == 'de':
        assert text.startswith('German: Wer hat dieses Buch geschrieben?\n')


SIX = {'questions': 6, 'languages': ('en', 'de', 'fr')}


@pytest.fixture(scope='module')
def names_file(tmp_path_factory):
    """A word list as a parallel file: the German and French texts of the questions, but one."""
    task = WorldFacts(WorldFactsConfig(**SIX))
    sheets = [task.questions('full', code) for code in ('en', 'de', 'fr')]
    texts = dict.fromkeys(
        row
        for three in zip(*sheets, strict=True)
        for row in zip(*((q.question, *q.choices) for q in three), strict=True)
    )
    path = tmp_path_factory.mktemp('names') / 'names.tsv'
    lines = ['en\tde\tfr', *('\t'.join(row) for row in list(texts)[1:])]
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return path, next(iter(texts))


def test_a_translator_puts_questions_into_english(names_file, caplog):
    path, missing = names_file
    translator = {'kind': 'parallel', 'place': str(path)}
    to_english = {'by': 'translator', 'translator': translator}
    task = make({'variants': ('full', 'translated'), 'to_english': to_english, **SIX})
    sheets = dict(task.prompts(None))
    assert list(sheets) == [
        *(('full', c) for c in ('en', 'de', 'fr')),
        ('translated', 'de'),
        ('translated', 'fr'),
    ]
    for code in ('de', 'fr'):
        here, there = sheets['translated', code], sheets['full', 'en']
        assert [row['id'] for row in here] == [row['id'] for row in there]
        # The file lacks the first question, which stays in its language, with English cues.
        assert [row['prompt'] for row in here][1:] == [row['prompt'] for row in there][1:]
        own = dict(zip(('en', 'de', 'fr'), missing, strict=True))[code]
        assert here[0]['prompt'] == f'Question: {own}\nAnswer:'
        assert [row['label'] for row in here] == [row['label'] for row in there]
    assert '1 of' in caplog.text and 'no translation' in caplog.text


def test_equal_translations_of_options_are_counted():
    (question, *_) = WorldFacts(WorldFactsConfig(**SIX)).questions('full', 'de')
    english = dict.fromkeys(question.choices[:2], 'Same') | {question.question: 'What?'}
    made = translated.in_english(question, english)
    assert made.question == 'What?' and made.choices == ('Same', 'Same', *question.choices[2:])
    assert made.language == 'en' and made.choice_languages == ('en',) * 4
    assert translated.columns(made) == {'untranslated': 2, 'equal_options': True}


FILE = {'by': 'translator', 'translator': {'kind': 'parallel', 'place': 'FILE'}}


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'to_english': {'by': 'translator'}}, r'to_english\.translator\.place is empty'),
        ({'languages': ('en',)}, r"variants has translated, and .*languages is \('en',\)"),
        ({'languages': ('en', 'de', 'ar'), 'to_english': FILE}, 'has nothing from ar into en'),
    ],
)
def test_what_cannot_translate_is_told_before_a_model_is_loaded(fields, words, names_file):
    fields = json.loads(json.dumps(fields).replace('FILE', str(names_file[0])))
    with pytest.raises(ConfigError, match=words):
        make(fields)


def test_prompts_of_the_models_own_translations_need_the_model():
    with pytest.raises(ConfigError, match="leave the variant out of mode prompts, or set by='tr"):
        list(make({}).prompts(None))


def make(fields):
    values = {'questions': 6, 'languages': ('en', 'de'), 'variants': ('translated',), **fields}
    run = config_lib.resolve({'model': {'source': 'm'}, 'tasks': {'worldfacts': values}})
    return WorldFacts(run.tasks['worldfacts'])


def test_the_model_itself_translates_in_a_run(tiny_llama, tmp_path):
    values = {
        'mode': 'eval',
        'model': {'source': str(tiny_llama)},
        'tasks': {
            'worldfacts': {
                'languages': ('en', 'de'),
                'questions': 2,
                'variants': ('full', 'translated'),
                'to_english': {'new_tokens': 4},
                'part': 'test',
            }
        },
        'score': {'row_tokens': 128},
        'report': {'bootstrap_draws': 100},
    }
    evaluate(tmp_path, config_lib.resolve(values))
    folder = tmp_path / 'predictions/base/worldfacts'
    table = pq.read_table(folder / 'translated.de.parquet').to_pylist()
    direct = pq.read_table(folder / 'full.de.parquet').to_pylist()
    assert [row['id'] for row in table] == [row['id'] for row in direct]
    assert all(set(row['choice_languages']) == {'en'} for row in table)
    assert not (folder / 'translated.en.parquet').exists()
    rows = json.loads((tmp_path / 'results.json').read_text())['rows']
    here = {'variant': 'translated', 'method': 'loglikelihood'}
    gain = find(rows, metric='gain_over_full', language='de', **here)
    assert gain['value'] == np.mean([a['correct'] for a in table]) - np.mean(
        [b['correct'] for b in direct]
    )
    mean = find(rows, metric='gain_over_full', language='mean:non-en', **here)
    assert mean['value'] == gain['value']
    share = find(rows, metric='untranslated_share', language='de', **here)
    assert share['value'] == np.mean([row['untranslated'] > 0 for row in table])
    find(rows, metric='accuracy', language='mul', variant='full', method='ensemble:loglikelihood')
    split = json.loads((tmp_path / 'split/worldfacts.json').read_text())
    assert split['part'] == 'test' and split['asked'] == [row['id'] for row in direct]
    page = (tmp_path / 'report.html').read_text()
    assert 'all translated into English' in page and 'Translated into English when' in page
