"""A user's own file: every form it may have, the prompts it gives, and what is refused."""

import csv
import io
import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xlbarrier.config.checks import ConfigError
from xlbarrier.config.tasks import UserConfig
from xlbarrier.datafiles import DataError
from xlbarrier.modes.prompts import write_prompts
from xlbarrier.tasks.user import User

ROWS = {
    'en': [
        {'id': 'sea', 'question': 'Which sea is salt?', 'options': ['Dead Sea', 'None'], 'key': 0},
        {'id': 'sum', 'question': '2 + "2", so?', 'options': ['3', '4', '5'], 'key': 1},
    ],
    'ar': [
        {'id': 'sea', 'question': 'أي بحر مالح؟', 'options': ['البحر الميت', 'لا شيء'], 'key': 0},
        {'id': 'sum', 'question': 'كم 2 + 2؟', 'options': ['٣', '٤', '٥'], 'key': 1},
    ],
}
FORMS = {
    'letter': lambda row: 'ABC'[row['key']],
    'index': lambda row: row['key'],
    'text': lambda row: row['options'][row['key']],
}


def flat(code, answer='letter', rows=None):
    return [
        {k: v for k, v in row.items() if k != 'key'} | {'answer': FORMS[answer](row)}
        for row in rows or ROWS[code]
    ]


def write(path, rows):
    """In the form that the file's name asks for."""
    if path.suffix == '.parquet':
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == '.csv':
        text = io.StringIO(newline='')
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows
        )
        path.write_bytes(b'\xef\xbb\xbf' + text.getvalue().encode())  # as spreadsheets save it
    elif path.suffix == '.json':
        path.write_text(json.dumps(rows), encoding='utf-8')
    else:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text('\n'.join(lines), encoding='utf-8')
    return path


def user(source, **fields):
    config = UserConfig(source=str(source), **fields)
    config.check('config.tasks.user')
    return User(config)


def is_rows(questions, code):
    got = [(q.question, list(q.choices), q.answer) for q in questions]
    assert got == [(row['question'], row['options'], row['key']) for row in ROWS[code]]


@pytest.mark.parametrize('suffix', ['jsonl', 'json', 'csv', 'parquet'])
@pytest.mark.parametrize('answer', list(FORMS))
def test_every_kind_of_file_and_answer(tmp_path, suffix, answer):
    for code in ROWS:
        write(tmp_path / f'mine.{code}.{suffix}', flat(code, answer))
    source = tmp_path / f'mine.{{language}}.{suffix}'
    task = user(source, languages=('en', 'ar'), id='id', answer_form=answer)
    for code in ROWS:
        is_rows(task.questions('full', code), code)
        assert [q.id for q in task.questions('full', code)] == ['sea', 'sum']


def test_the_form_of_the_answers_is_seen_unless_there_are_two(tmp_path):
    for answer in FORMS:
        is_rows(user(write(tmp_path / 'mine.jsonl', flat('en', answer))).questions('full', 'en'),
                'en')  # fmt: skip
    rows = [{'question': 'Half of four?', 'options': ['1', '2', '3'], 'answer': 2}]
    write(tmp_path / 'mine.jsonl', rows)
    with pytest.raises(DataError, match='can be read as index and as text'):
        user(tmp_path / 'mine.jsonl')
    assert user(tmp_path / 'mine.jsonl', answer_form='text').questions('full', 'en')[0].answer == 1
    (one,) = user(tmp_path / 'mine.jsonl', answer_form='index').questions('full', 'en')
    assert one.answer == 2
    (one,) = user(tmp_path / 'mine.jsonl', answer_form='index', answer_base=1).questions(
        'full', 'en'
    )
    assert one.answer == 1


def test_answers_that_are_counted_from_one_are_told(tmp_path):
    rows = [{'question': f'Q{i}?', 'options': ['x', 'y', 'z'], 'answer': i} for i in (1, 3, 2)]
    write(tmp_path / 'mine.jsonl', rows)
    with pytest.raises(DataError, match=r'answer_base is 0; .* counted from 1: set answer_base=1'):
        user(tmp_path / 'mine.jsonl')
    found = user(tmp_path / 'mine.jsonl', answer_base=1).questions('full', 'en')
    assert [question.answer for question in found] == [0, 2, 1]


def test_a_column_of_languages_and_a_column_for_each_option(tmp_path):
    rows = [
        {'lang': code, 'name': row['id'], 'asked': row['question'], 'right': 'A', 'kind': 'facts',
         'a': row['options'][0], 'b': row['options'][1]}
        for code in ROWS for row in ROWS[code]
    ]  # fmt: skip
    task = user(
        write(tmp_path / 'all.csv', rows),
        languages=('ar', 'en'),
        language='lang',
        id='name',
        question='asked',
        options=('a', 'b'),
        answer='right',
        subject='kind',
        variants=('full', 'gt'),
    )
    (sea, _) = task.questions('gt', 'ar')
    assert sea.choices == ('البحر الميت', 'None') and sea.question == 'Which sea is salt?'
    assert sea.subject == 'facts' and sea.choice_languages == ('ar', 'en')
    assert [q.id for q in task.questions('full', 'ar')] == ['sea', 'sum']


def test_a_dataset_saved_to_disk(tmp_path):
    for code in ROWS:
        datasets.DatasetDict({'test': datasets.Dataset.from_list(flat(code))}).save_to_disk(
            str(tmp_path / code)
        )
    is_rows(user(f'hf:{tmp_path}/{{language}}', languages=('ar',)).questions('full', 'ar'), 'ar')
    with pytest.raises(DataError, match="no split 'train'; it has test"):
        user(f'hf:{tmp_path}/en', split='train')


def test_prompts_speak_the_questions_language_or_another(tmp_path):
    source = write(tmp_path / 'mine.jsonl', flat('ar'))
    question = user(source, languages=('ar',)).questions('full', 'ar')[0]
    own = user(source, languages=('ar',)).render(question, 'letter')
    assert own.context == 'السؤال: أي بحر مالح؟\nA. البحر الميت\nB. لا شيء\nالإجابة:'
    english = user(source, languages=('ar',), cues='en').render(question, 'loglikelihood')
    assert english.context == 'Question: أي بحر مالح؟\nAnswer:'
    assert english.unconditional == 'Answer:'


def test_the_first_rows_are_shown_and_not_asked(tmp_path):
    for code in ROWS:
        write(tmp_path / f'{code}.jsonl', flat(code))
    source = tmp_path / '{language}.jsonl'
    task = user(source, languages=('ar',), shots=1, instruction='Choose.')
    (asked,) = task.questions('full', 'ar')
    prompt = task.render(asked, 'letter')
    assert prompt.context == (
        'Choose.\n\nQuestion: Which sea is salt?\nA. Dead Sea\nB. None\nAnswer: A\n\n'
        'السؤال: كم 2 + 2؟\nA. ٣\nB. ٤\nC. ٥\nالإجابة:'
    )
    assert (prompt.shots, prompt.demos) == (1, 'english')
    same = user(source, languages=('ar',), shots=1, demos='same')
    assert same.render(asked, 'loglikelihood').context == (
        'السؤال: أي بحر مالح؟\nالإجابة: البحر الميت\n\nالسؤال: كم 2 + 2؟\nالإجابة:'
    )
    with pytest.raises(DataError, match=r'shots is 2, and there are 2 items.*n = 0'):
        user(source, languages=('ar',), shots=2)


PAIRS = {
    'en': [
        {'stem': f'Thing {i} is', 'true': f'right {i}', 'false': f'wrong {i}'} for i in range(12)
    ],
    'zh': [{'stem': f'东西{i}是', 'true': f'对{i}', 'false': f'错{i}'} for i in range(12)],
}


def test_contrastive_pairs_are_completions_of_their_stem(tmp_path):
    for code, rows in PAIRS.items():
        write(tmp_path / f'{code}.csv', rows)
    fields = {'form': 'pairs', 'question': 'stem', 'options': ('true', 'false')}
    task = user(tmp_path / '{language}.csv', languages=('en', 'zh'), **fields)
    english, chinese = task.questions('full', 'en'), task.questions('full', 'zh')
    assert [q.answer for q in english] == [q.answer for q in chinese]
    assert {q.answer for q in english} == {0, 1}  # a model that always says A gains nothing
    for row, question in enumerate(chinese):
        assert question.choices[question.answer] == f'对{row}'
        prompt = task.render(question, 'loglikelihood')
        assert prompt.context == f'东西{row}是'
        assert prompt.continuations == question.choices  # no space before them
    assert task.render(english[0], 'loglikelihood').continuations[english[0].answer] == ' right 0'
    assert 'A. ' in task.render(english[0], 'letter').context


def test_prompt_rows_of_a_user_s_task(tmp_path):
    task = user(write(tmp_path / 'mine.jsonl', flat('en')))
    task.methods = ('loglikelihood', 'letter')
    (path,) = write_prompts(task, tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row['label'] for row in rows] == ['Dead Sea', 'A', '4', 'B']
    assert [row['row'] for row in rows] == [0, 0, 1, 1]


def jsonl(*changes, form='letter'):
    """The English rows as JSONL, with changes to the second."""
    rows = flat('en', form)
    rows[1] = {k: v for k, v in (rows[1] | dict(changes)).items() if v is not ...}
    return '\n'.join(json.dumps(row) for row in rows)


@pytest.mark.parametrize(
    ('name', 'content', 'fields', 'words'),
    [
        ('a.jsonl', jsonl(), {'question': 'quest'}, "no column 'quest'; there are: id, que"),
        ('a.jsonl', jsonl(('options', ...)), {}, "line 2: no column 'options'"),
        ('a.jsonl', jsonl(('answer', 'D')), {}, "line 2: the answer is 'D', outside the 3 options"),
        ('a.jsonl', jsonl(('answer', 7)), {'answer_form': 'index'}, 'is 7, outside the 3 options'),
        ('a.jsonl', jsonl(('answer', 'six'), form='text'), {'answer_form': 'text'},
         "'six', outside.*3, 4, 5"),
        ('a.jsonl', jsonl(('answer', None)), {}, 'line 2: answer is empty'),
        ('a.jsonl', jsonl(('id', 'sea')), {'id': 'id'}, "line 2: id 'sea' occurs twice; .*line 1"),
        ('a.jsonl', jsonl(('options', ['3', ' ', '5'])), {}, r'line 2: options\[1\] is empty'),
        ('a.jsonl', jsonl(('options', ['Ａ b', 'a  B', 'c'])), {}, "options A 'Ａ b' and B 'a  B'"),
        ('a.jsonl', jsonl(('options', ['3']), ('answer', 'A')), {}, 'line 2: 1 options; expected'),
        ('a.jsonl', jsonl(('options', 'x, y')), {}, "line 2: options is 'x, y', not a list"),
        ('a.jsonl', jsonl(('question', '')), {}, 'line 2: question is empty'),
        ('a.jsonl', jsonl() + '\n{"id": ', {}, 'line 3 is not JSON'),
        ('a.jsonl', '[1]', {}, r'record 0 is a number \(1\); expected'),
        ('a.jsonl', '', {}, 'has no row'),
        ('a.csv', 'question,options,answer\n', {}, 'has no row'),
        ('a.csv', 'question,a,b,answer\nq,x,y\n', {'options': ('a', 'b')}, 'line 2: 3 cells'),
        ('a.csv', 'question,a,a,answer\nq,x,y,A\n', {}, 'a column twice'),
        ('a.csv', 'question,a,b,answer\r\nq,"x,y,A\r\n', {}, 'begins in line 2.*not closed'),
        ('a.parquet', 'no parquet', {}, 'cannot be read as Parquet'),
        ('a.xlsx', 'x', {}, r'expected a name that ends in \.jsonl'),
        ('a.jsonl', jsonl(), {'languages': ('en', 'ar')}, r'one file for 2 languages'),
        ('a.jsonl', jsonl(), {'languages': ('is',)}, "no words for 'Question:'.*'is'.*cues"),
        ('a.jsonl', jsonl(('id', 'en')), {'language': 'id', 'languages': ('ar',)},
         "no row has 'ar' in column 'id'; it has sea, en"),
    ],
)  # fmt: skip
def test_bad_files_are_named(tmp_path, name, content, fields, words):
    (tmp_path / name).write_text(content, encoding='utf-8', newline='')
    with pytest.raises(DataError, match=words) as error:
        user(tmp_path / name, **fields)
    assert name in str(error.value) or 'config.tasks.user' in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r'none\.jsonl cannot be read: No such file'):
        user(tmp_path / 'none.jsonl')


def test_languages_that_do_not_match_are_told(tmp_path):
    write(tmp_path / 'en.jsonl', flat('en'))
    write(tmp_path / 'ar.jsonl', flat('ar')[:1])
    fields = {'languages': ('en', 'ar'), 'id': 'id'}
    with pytest.raises(DataError, match='ar is missing 1 items that en has: sum'):
        user(tmp_path / '{language}.jsonl', **fields)
    write(tmp_path / 'ar.jsonl', [flat('ar')[1], flat('ar')[0] | {'answer': 'B'}])
    with pytest.raises(DataError) as error:
        user(tmp_path / '{language}.jsonl', **fields)
    for part in ('first row that differs is sea', 'en: answer A', 'ar: answer B', 'line 2'):
        assert part in str(error.value)
    write(tmp_path / 'ar.jsonl', [flat('ar')[0], flat('ar')[1] | {'options': ['٣', '٤']}])
    with pytest.raises(DataError) as error:
        user(tmp_path / '{language}.jsonl', **fields)
    for part in ('first row that differs is sum', 'of 3 options', 'of 2 options', 'line 2'):
        assert part in str(error.value)


def test_items_with_options_alike_are_dropped_in_every_language_or_kept(tmp_path):
    write(tmp_path / 'en.jsonl', flat('en'))
    write(tmp_path / 'ar.jsonl', [flat('ar')[0], flat('ar')[1] | {'options': ['٣', '٣', '٥']}])
    fields = {'languages': ('en', 'ar'), 'answer_form': 'letter'}
    task = user(tmp_path / '{language}.jsonl', equal_options='drop', **fields)
    assert [len(task.questions('full', code)) for code in ('en', 'ar')] == [1, 1]
    task = user(tmp_path / '{language}.jsonl', equal_options='keep', **fields)
    assert len(task.questions('full', 'ar')) == 2


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'form': 'pair'}, "form is 'pair'.*'pairs'"),
        ({'form': 'pairs'}, 'pairs need two columns'),
        ({'options': ('a', 'a')}, 'none of them twice'),
        ({'equal_options': 'skip'}, 'equal_options'),
        ({'answer_form': 'word'}, 'answer_form'),
        ({'shots': -1}, 'shots is -1'),
    ],
)
def test_wrong_fields_are_named(fields, words):
    with pytest.raises(ConfigError, match=words):
        user('mine.jsonl', **fields)
