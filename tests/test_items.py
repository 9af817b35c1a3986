"""Items of several languages: what is left out is left out everywhere, counted, and aligned."""

import json

import pytest

from xlbarrier.config.checks import ConfigError
from xlbarrier.config.sets import BelebeleConfig
from xlbarrier.config.tasks import BmlamaConfig, MmluConfig, UserConfig, task_class
from xlbarrier.config.written import XquadConfig
from xlbarrier.datafiles import DataError
from xlbarrier.modes.results import left_out_rows
from xlbarrier.tasks.base import LeftOut
from xlbarrier.tasks.hub_choice import HubChoice
from xlbarrier.tasks.mmlu import Mmlu
from xlbarrier.tasks.published import Bmlama
from xlbarrier.tasks.user import User
from xlbarrier.tasks.word_problems import Xquad

CITIES = {'en': ('Cairo', 'Lyon', 'Agra', 'Lima'), 'ar': ('القاهرة', 'ليون', 'أغرا', 'ليما')}


def write(folder, code, rows):
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / f'{code}.jsonl').write_text('\n'.join(lines), encoding='utf-8')


def row(code, number, **fields):
    made = {'id': f'c{number}', 'question': f'{CITIES[code][number]}?', 'answer': 'B'}
    return made | {'options': [f'{code} {k}' for k in range(3)]} | fields


def user(folder, **fields):
    asked = {'languages': ('en', 'ar'), 'id': 'id', 'cues': 'en'} | fields
    return User(UserConfig(source=f'{folder}/{{language}}.jsonl', **asked))


def ids(task, code='ar'):
    return [question.id for question in task.questions('full', code)]


# --- options alike


def test_drop_takes_only_the_items_whose_options_are_alike(tmp_path):
    write(tmp_path, 'en', [row('en', n) for n in range(4)])
    write(tmp_path, 'ar', [row('ar', 0), row('ar', 1, options=['a', 'A ', 'b']), row('ar', 2)])
    with pytest.raises(DataError, match='ar is missing 1 items that en has: c3'):
        user(tmp_path, equal_options='drop')
    write(tmp_path, 'en', [row('en', n) for n in range(3)])
    task = user(tmp_path, equal_options='drop')
    assert ids(task, 'en') == ids(task) == ['c0', 'c2']
    assert task.left_out == {'equal_options': LeftOut(1, 3)}


def test_drop_does_not_hide_that_pairs_have_other_rows(tmp_path):
    """Without ids a row's number is its id: what both have by number are different facts."""
    for code, count in (('en', 4), ('ar', 2)):
        pairs = [{'stem': CITIES[code][n], 'true': 'x', 'false': 'y'} for n in range(count)]
        write(tmp_path, code, pairs)
    fields = {'form': 'pairs', 'question': 'stem', 'options': ('true', 'false'), 'id': ''}
    for policy in ('refuse', 'drop'):
        with pytest.raises(DataError, match='ar is missing 2 items that en has: 2, 3'):
            user(tmp_path, equal_options=policy, **fields)
    with pytest.raises(DataError, match="items is 'common', and the items have no ids"):
        user(tmp_path, items='common', **fields)


# --- common items


def test_common_items_are_asked_and_the_others_counted(tmp_path, caplog):
    write(tmp_path, 'en', [row('en', n) for n in (0, 1, 2)])
    write(tmp_path, 'ar', [row('ar', n) for n in (3, 2, 0)])
    with pytest.raises(DataError, match="Set items to 'common'"):
        user(tmp_path)
    task = user(tmp_path, items='common')
    assert ids(task, 'en') == ids(task) == ['c0', 'c2']
    assert [q.question for q in task.questions('full', 'ar')] == ['القاهرة?', 'أغرا?']
    assert task.left_out == {'common': LeftOut(2, 4)}
    assert '2 items left out in every language (not in every language): c1, c3' in caplog.text
    rows = left_out_rows({('base', 'user', 'full', 'ar'): None, ('m', 'user', 'full', 'ar'): None},
                         {'user': task})  # fmt: skip
    assert [(r['model'], r['arm'], r['metric'], r['value'], r['n']) for r in rows] == [
        ('base', None, 'left_out:common', 2.0, 4),
        ('m', 'm', 'left_out:common', 2.0, 4),
    ]


def test_no_item_in_common_is_refused(tmp_path):
    write(tmp_path, 'en', [row('en', 0)])
    write(tmp_path, 'ar', [row('ar', 1)])
    with pytest.raises(DataError, match=r'no item is left \(n = 0\)'):
        user(tmp_path, items='common')


def test_common_questions_of_xquad(tmp_path):
    for code, names in (('en', 'abc'), ('ar', 'cb')):
        asked = [{'id': n, 'question': n + code, 'answers': [{'text': n}]} for n in names]
        data = {'data': [{'paragraphs': [{'context': code, 'qas': asked}]}]}
        (tmp_path / f'xquad.{code}.json').write_text(json.dumps(data))
    fields = {'source': str(tmp_path), 'languages': ('en', 'ar')}
    with pytest.raises(DataError, match='lacks a'):
        Xquad(XquadConfig(**fields))
    task = Xquad(XquadConfig(**fields, items='common'))
    assert task.left_out == {'common': LeftOut(1, 3)}
    assert {sheet[1]: [i.id for i in items] for sheet, items in task.asked.items()} == {
        'en': ['b', 'c'], 'ar': ['b', 'c'],
    }  # fmt: skip


# --- published sets


def test_bmlama_rows_of_one_candidate_are_left_out_everywhere(tmp_path):
    head = 'Prompt\tAns\tCandidate Ans\tSubject\n'
    for code, rows in (
        ('en', ('a, b', 'a', 'a, b', 'a, c')),
        ('fr', ('a, b', 'a, b', 'a', 'a, b')),
    ):
        lines = [f'{n} <mask>.\ta\t{found}\ts\n' for n, found in enumerate(rows)]
        (tmp_path / f'{code}.tsv').write_text(head + ''.join(lines))
    task = Bmlama(BmlamaConfig(source=str(tmp_path), languages=('en', 'fr')))
    assert ids(task, 'en') == ids(task, 'fr') == ['0', '3']
    assert task.left_out == {'one_candidate': LeftOut(2, 4)}


def test_belebele_is_asked_in_languages_without_a_locale(tmp_path):
    for name in ('eng_Latn', 'kac_Latn', 'acm_Arab'):
        item = {'link': 'l', 'question_number': 1, 'flores_passage': 'p', 'question': name}
        item |= {f'mc_answer{n}': f'{name} {n}' for n in range(1, 5)} | {'correct_answer_num': '2'}
        write(tmp_path, name, [item])
    codes = ('en=eng_Latn', 'kac=kac_Latn', 'acm=acm_Arab')
    fields = {'source': str(tmp_path), 'codes': codes}
    task = HubChoice(BelebeleConfig(languages=('en', 'kac', 'acm'), **fields), 'belebele')
    (question,) = task.questions('full', 'kac')
    assert task.render(question, 'letter').context.startswith('P: p\nQ: kac_Latn\nA: ')
    with pytest.raises(ValueError, match="CLDR has no language 'eng'"):
        codes = ('eng=eng_Latn',)
        config = BelebeleConfig(languages=('eng',), source=str(tmp_path), codes=codes)
        HubChoice(config, 'belebele')


def test_mmlu_reads_global_mmlus_columns(tmp_path):
    import datasets

    subject = 'anatomy'
    for code in ('en', 'sw'):
        rows = [
            {'sample_id': f'{subject}/test/{n}', 'subject': subject, 'question': f'{code} {n}?',
             **{f'option_{x}': f'{x} {code}' for x in 'abcd'}, 'answer': 'ABCD'[n]}
            for n in range(3) if (code, n) != ('sw', 1)
        ]  # fmt: skip
        made = datasets.Dataset.from_list(rows)
        datasets.DatasetDict({'test': made}).save_to_disk(str(tmp_path / code))
    fields = {
        'source': f'hf:{tmp_path}/{{language}}',
        'languages': ('en', 'sw'),
        'variants': ('full',),
        'subjects': (subject,),
        'shots': 0,
    }
    with pytest.raises(DataError, match=r'sw is missing 1 items that en has: anatomy/test/1\.'):
        Mmlu(MmluConfig(**fields))
    task = Mmlu(MmluConfig(**fields, items='common'))
    assert [(q.id, q.question, q.answer) for q in task.questions('full', 'sw')] == [
        ('anatomy/test/0', 'sw 0?', 0),
        ('anatomy/test/2', 'sw 2?', 2),
    ]
    assert task.questions('full', 'sw')[0].choices == ('a sw', 'b sw', 'c sw', 'd sw')


# --- columns of options, and empty cells


COLUMNS = ('a', 'b', 'c', 'd', 'e')


def spread(code, number, options, **fields):
    return {'id': f'c{number}', 'question': f'{CITIES[code][number]}?'} | dict(
        zip(COLUMNS, options, strict=True)
    ) | fields  # fmt: skip


@pytest.mark.parametrize('empty', [None, '', ' ', float('nan')])
def test_an_option_that_is_empty_everywhere_is_none(tmp_path, empty):
    for code in ('en', 'ar'):
        rows = [
            spread(code, 0, ['1', '2', '3', '4', '5'], answer='E'),
            spread(code, 1, ['1', '2', '3', empty, empty], answer='C'),
            spread(code, 2, ['1', empty, '3', '4', empty], answer='D'),
        ]
        write(tmp_path, code, rows)
    task = user(tmp_path, options=COLUMNS)
    assert [(q.choices, q.answer) for q in task.questions('full', 'ar')] == [
        (('1', '2', '3', '4', '5'), 4),
        (('1', '2', '3'), 2),
        (('1', '3', '4'), 2),
    ]


def test_an_option_that_is_empty_in_one_language_or_the_answer_is_refused(tmp_path):
    write(tmp_path, 'en', [spread('en', 0, ['1', '2', '3', '4', '5'], answer='A')])
    write(tmp_path, 'ar', [spread('ar', 0, ['1', '2', '3', '4', None], answer='A')])
    with pytest.raises(DataError, match=r'ar\.jsonl, line 1: e is empty.*en\.jsonl, line 1'):
        user(tmp_path, options=COLUMNS)
    write(tmp_path, 'en', [spread('en', 0, ['1', '2', '3', '4', None], answer='E')])
    with pytest.raises(DataError, match='line 1: the answer is option 5, and e is empty'):
        user(tmp_path, options=COLUMNS, languages=('en',))


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('{"question": NaN, "options": ["a", "b"], "answer": 0}', 'question is empty'),
        ('{"question": "q", "options": ["a", NaN], "answer": 0}', r'options\[1\] is empty'),
        ('{"question": "q", "options": ["a", "b"], "answer": NaN}', 'answer is empty'),
        ('{"question": "q\\ud800", "options": ["a", "b"], "answer": 0}', r'question.*U\+D800'),
        ('{"question": "q", "options": ["a", "\\udfff"], "answer": 0}', r'options\[1\].*U\+DFFF'),
        ('{"id": "\\ud800", "question": "q", "options": ["a"], "answer": 0}', r'id.*U\+D800'),
        ('{"question": ' + '[' * 200_000, 'nested'),
        ('{"question": ' + '9' * 5000 + '}', '4,300 digits'),
        ('{"question": "q", "options": "' + '[' * 5000 + '", "answer": 0}', 'options'),
    ],
)
def test_what_json_can_smuggle_in_is_refused_with_file_line_and_field(tmp_path, text, words):
    (tmp_path / 'en.jsonl').write_text(text)
    with pytest.raises(DataError, match=rf'en\.jsonl, line 1.*{words}'):
        user(tmp_path, languages=('en',), id='')


# --- names


@pytest.mark.parametrize('name', ['worldfacts_a/b', 'user_\0', 'user_' + 'x' * 300, 'mmlu_a b'])
def test_a_task_must_be_named_as_a_folder_can_be(name):
    with pytest.raises(ConfigError, match='letters, digits'):
        task_class(name, 'config.tasks')
    assert task_class('mmlu_aware-2.b', 'config.tasks') is MmluConfig
