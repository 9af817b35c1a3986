"""Question-answer files: every form and format, and what is wrong with a file named by its row."""

import gzip
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlbarrier import datafiles
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.data import DataConfig
from xlbarrier.datafiles import DataError
from xlbarrier.qa import forms, records

ROWS = [
    {'question': 'Wo liegt Lomé?', 'answer': 'In Togo.'},
    {'question': 'أين تقع بغداد؟', 'answer': 'في العراق.', 'more': None},
    {'question': 'איפה חיפה?\nבקיצור, בבקשה', 'answer': 'בישראל'},
    {'question': '东京在哪里？', 'answer': '日本'},
    {'question': 'Où est «Nîmes»?', 'answer': 'En France, "la Rome française"'},  # i + U+0302
]
PAIRS = [(row['question'], row['answer']) for row in ROWS]


def jsonl(rows) -> str:
    return ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)


def pairs(pattern) -> list[tuple[str, str]]:
    return [(example.question, example.answer) for example in forms.read(str(pattern))]


# --- formats


def test_every_format_gives_the_same_examples(tmp_path):
    text = jsonl(ROWS)
    files = {
        'a.jsonl': text.encode(),
        'b.json': text.encode(),  # an object a line, as CLiKA's files are
        'c.json': json.dumps(ROWS).encode(),
        'd.json': b'\xef\xbb\xbf \n[\n' + ',\n'.join(text.splitlines()).encode() + b'\n]\n\n',
        'e.jsonl.gz': gzip.compress(text.encode()),
        'f.json.xz': lzma.compress(json.dumps(ROWS, indent=2, ensure_ascii=False).encode()),
        'g.jsonl.zst': pa.compress(text.encode(), 'zstd', asbytes=True),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    columns = {name: [row[name] for row in ROWS] for name in ('question', 'answer')}
    pq.write_table(pa.table({**columns, 'id': list(range(5))}), tmp_path / 'h.parquet')
    quoted = [[f'"{v.replace(chr(34), chr(34) * 2)}"' for v in pair] for pair in PAIRS]
    for name, mark in (('i.csv', ','), ('j.tsv', '\t')):
        lines = [mark.join(cells) for cells in [['question', 'answer'], *quoted]]
        (tmp_path / name).write_text('\r\n'.join(lines), encoding='utf-8', newline='')
    for path in sorted(tmp_path.iterdir()):
        assert pairs(path) == PAIRS, path.name
    assert pairs(tmp_path / '*') == PAIRS * 10  # a glob: all files, by name


def test_characters_that_are_cut_between_two_reads(tmp_path, monkeypatch):
    rows = [{'é€😀' * n: '👩‍👩‍👧' * n} for n in range(1, 5)]
    path = tmp_path / 'x.json'
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding='utf-8')
    for size in (1, 2, 3, 5, 7, 11):
        monkeypatch.setattr(datafiles.files, 'CHUNK_BYTES', size)
        assert [record for _, record in records.read(path)] == rows
        cut = tmp_path / 'cut.json'
        cut.write_bytes(path.read_bytes()[:5] + b'\xe2\x82"]')
        with pytest.raises(DataError, match='byte 5 is 0xe2, which is not UTF-8'):
            list(records.read(cut))


def test_a_list_in_one_line_of_any_length(tmp_path):
    path = tmp_path / 'x.json'
    path.write_text(json.dumps([ROWS[0], {'question': 'x', 'answer': 'y' * (17 << 20)}, ROWS[1]]))
    with pytest.raises(DataError, match=r'record 1: answer: a text of 17825792 bytes'):
        pairs(path)
    path.write_text(json.dumps([{'question': str(i), 'answer': 'y' * 999} for i in range(18_000)]))
    assert path.stat().st_size > 16 << 20 and len(pairs(path)) == 18_000


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=4), st.text() | st.integers() | st.none(), max_size=3),
        min_size=1,
    ),
    st.sampled_from([None, 0, 1]),
    st.booleans(),
)
def test_a_list_is_read_as_the_json_library_reads_it(tmp_path_factory, rows, indent, ascii_only):
    path = tmp_path_factory.mktemp('list') / 'x.json'
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=ascii_only), encoding='utf-8')
    assert [record for _, record in records.read(path)] == json.loads(path.read_bytes())


def test_places_are_those_of_the_file(tmp_path):
    (tmp_path / 'a.jsonl').write_text('\n' + jsonl(ROWS[:1]) + '\n' + jsonl(ROWS[1:2]))
    (tmp_path / 'b.json').write_text(json.dumps(ROWS[:2]))
    where = [example.where.rsplit('/', 1)[1] for example in forms.read(str(tmp_path / '*'))]
    assert where == ['a.jsonl, line 2', 'a.jsonl, line 4', 'b.json, record 0', 'b.json, record 1']


# --- forms


@pytest.mark.parametrize(
    ('record', 'wanted'),
    [
        (
            {'instruction': 'Sum', 'input': '1 2', 'output': '3'},
            ('instruction', 'Sum', '1 2', '3'),
        ),
        ({'instruction': 'Sing', 'output': 'La', 'text': 'x'}, ('instruction', 'Sing', '', 'La')),
        (
            {'prompt': 'Say', 'input': '', 'answer': 'So', 'input_language': 'en'},
            ('prompt_input', 'Say', '', 'So'),
        ),
        ({'question': 'Who?', 'answer': 'I', 'input': 'x'}, ('question', 'Who?', '', 'I')),
        ({'id': '7', 'text': 'A text.', 'units': ['A text.']}, ('text', '', '', 'A text.')),
        ({'prompt': ' a ', 'completion': ' b '}, ('completion', ' a ', '', ' b ')),
        # A column that is null is not there, as in a Parquet file of several forms.
        ({'question': 'W?', 'answer': 'I', 'prompt': None}, ('question', 'W?', '', 'I')),
    ],
)
def test_forms_are_told_by_their_fields(record, wanted):
    found = forms.example(record, 'x')
    assert (found.form, found.question, found.input, found.answer) == wanted


def test_conversations_in_both_shapes():
    turns = [('system', ''), ('user', 'Hi'), ('assistant', 'Lo'), ('user', '?'), ('assistant', '!')]
    messages = [{'role': role, 'content': text} for role, text in turns]
    names = {'user': 'human', 'assistant': 'gpt'}
    shared = [{'from': names.get(role, role), 'value': text} for role, text in turns]
    for record in ({'messages': messages}, {'conversations': shared}, {'conversations': messages}):
        assert forms.example(record, 'x').messages == tuple(turns)


AYA = {'inputs': 'Nibo ni Lima wa?', 'targets': 'Ni Peru.', 'language': 'Yoruba'}


def test_rows_of_common_sets():
    """Aya and FLAN, content as parts, the roles of OpenAI and Gemma, TRL's prompts of messages."""
    found = forms.example(AYA, 'x')
    assert (found.form, found.question, found.answer) == ('inputs', *list(AYA.values())[:2])
    parts = [{'type': 'text', 'text': 'Where '}, {'type': 'text', 'text': 'is Lima?'}]
    roles = [('developer', 'Be short.'), ('user', parts), ('model', 'Peru.')]
    messages = [{'role': role, 'content': content} for role, content in roles]
    turns = (('system', 'Be short.'), ('user', 'Where is Lima?'), ('assistant', 'Peru.'))
    assert forms.example({'messages': messages}, 'x').messages == turns
    for prompt, completion in (
        (messages[:2], messages[2:]),
        (messages[:2], 'Peru.'),
    ):
        found = forms.example({'prompt': prompt, 'completion': completion}, 'x')
        assert (found.form, found.messages, found.learned) == ('messages', turns, 2)
    found = forms.example({'prompt': 'Where?', 'completion': messages[2:]}, 'x')
    assert found.messages == (('user', 'Where?'), ('assistant', 'Peru.')) and found.learned == 1
    empty = float('nan')  # a Parquet file of several forms that pandas wrote
    found = forms.example({'question': 'W?', 'answer': 'I', 'prompt': empty, 'text': empty}, 'x')
    assert found.form == 'question'


def test_columns_of_any_name(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('Frage,Antwort,answer\nWo liegt Lima?,In Peru.,nein\n')
    fields = ('question=Frage', 'answer=Antwort')
    (found,) = forms.read(str(path), fields)
    assert (found.form, found.question, found.answer) == ('question', 'Wo liegt Lima?', 'In Peru.')
    with pytest.raises(DataError, match=r"line 2 has no 'Reply', which config\.data\.fields names"):
        forms.check(str(path), ('question=Frage', 'answer=Reply'))
    for bad in ('question', 'Frage=question', 'question='):
        with pytest.raises(
            ConfigError, match=r"config\.data\.fields\[0\] is .*expected 'name=column'"
        ):
            DataConfig(fields=(bad,)).check('config.data')


@pytest.mark.parametrize(
    ('record', 'words'),
    [
        ({'q': 'x', 'a': 'y'}, ["'q', 'a'", 'none of the known forms', 'question, answer']),
        ({}, ['(none)', 'none of the known forms']),
        (
            {'prompt': 'a', 'answer': 'b', 'completion': 'c'},
            ['prompt_input and completion', 'exactly one'],
        ),
        ({'text': ' '}, ['text is blank']),
        ({'question': 'x', 'answer': ''}, ['answer is blank', "''"]),
        ({'question': ' \n', 'answer': 'y'}, ['question is blank']),
        ({'question': 'x', 'answer': 3}, ['answer is a number', 'expected a text']),
        ({'question': 'x', 'answer': [3]}, ['answer[0] is a part', 'number', 'expected text']),
        ({'instruction': 'x', 'input': 4, 'output': 'y'}, ['input is a number']),
        ({'question': 'x', 'answer': '\ud800'}, ['answer', 'U+D800', 'surrogate']),
        ({'messages': []}, ['messages is []', 'list of messages']),
        ({'messages': 'Hi'}, ["messages is 'Hi'"]),
        ({'messages': ['Hi']}, ['messages[0] is a text', 'role and content']),
        ({'messages': [{'role': 'user'}]}, ['messages[0]', "'role'", 'role and content']),
        (
            {'messages': [{'role': 'robot', 'content': 'x'}]},
            ['messages[0]', "'robot'", 'gpt'],
        ),
        (
            {'messages': [{'role': 'user', 'content': 'x'}]},
            ['from the user', 'expected the assistant'],
        ),
        ({'messages': [{'role': 'assistant', 'content': ' '}]}, ['messages[0]', 'blank']),
        ({'messages': [{'role': ['user'], 'content': 'x'}]}, ['messages[0]', "['user']"]),
        (
            {'messages': [{'role': 'user', 'content': [{'type': 'image', 'url': 'x'}]}]},
            ['messages[0]: content[0]', "'image'", 'expected text'],
        ),
        ({'prompt': 'x', 'completion': []}, ['completion is []', 'list of messages']),
        (
            {'prompt': 'x', 'completion': [{'role': 'user', 'content': 'y'}]},
            ['the last of completion', 'expected the assistant'],
        ),
    ],
)
def test_a_record_that_cannot_be_used_is_told_with_its_fields(record, words):
    with pytest.raises(DataError) as error:
        forms.example(record, 'qa.jsonl: line 7')
    for word in ('qa.jsonl: line 7', *words):
        assert word in str(error.value)


# --- files that are wrong


@pytest.mark.parametrize(
    ('name', 'content', 'words'),
    [
        ('a.jsonl', jsonl(ROWS).encode()[:-9], ['line 5', 'not JSON']),
        ('a.json', json.dumps(ROWS).encode()[:-9], ['record 4', 'not JSON']),
        ('a.json', json.dumps(ROWS[:2]).encode()[:-1], ['after record 2', 'cut']),
        ('a.json', b'[', ['after record 0', 'cut']),
        ('a.json', b'[]', ['no row']),
        ('a.json', b'[{"question": "a", "answer": "b"},,', ['record 1', 'not JSON']),
        ('a.json', b'[{"question": "a", "answer": "b"},]', ['record 1', 'not JSON']),
        ('a.json', b'[{"question": "a", "answer": "b"} {}]', ['record 1', "'{'", ', or ]']),
        ('a.json', b'[3]', ['record 0 is a number', 'object']),
        ('a.jsonl', b'[1]\n', ['record 0 is a number', 'object']),
        ('a.jsonl', b'"x"\n', ['line 1 is a text', 'object']),
        ('a.jsonl', b' \n\n', ['no row']),
        ('a.jsonl', b'', ['empty (0 bytes)']),
        ('a.jsonl', jsonl(ROWS[-1:]).encode('latin1', 'replace'), ['byte 15', '0xf9', 'UTF-8']),
        ('a.jsonl', jsonl(ROWS).encode('utf-16'), ['byte 0', 'UTF-16']),
        (
            'a.jsonl.gz',
            gzip.compress(jsonl(ROWS * 50).encode())[:-30],
            ['ends early or is damaged'],
        ),
        ('a.csv', b'question,answer\nx\n', ['line 2', '1 cells', '2']),
        ('a.csv', b'question,question\nx,y\n', ['a column twice']),
        ('a.csv', b'question,answer\n"x,y\n', ['begins in line 2', 'quote']),
        ('a.csv', b'question,answer\n', ['no row']),
        ('a.parquet', b'PAR1 and more', ['cannot be read']),
        ('a.txt', b'x', ['.jsonl', '.parquet']),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        pairs(path)
    for word in (str(path), *words):
        assert word in str(error.value), str(error.value)


def test_a_file_that_is_not_there_and_a_check_that_reads_one_example(tmp_path):
    with pytest.raises(DataError, match=r'none\*\.jsonl: no such file'):
        forms.check(str(tmp_path / 'none*.jsonl'))
    good, bad = tmp_path / 'a.jsonl', tmp_path / 'b.jsonl'
    good.write_text(jsonl(ROWS))
    bad.write_text('{"q": 1}\n')
    with pytest.raises(DataError, match=r"b\.jsonl, line 1 has the fields 'q'"):
        forms.check(str(tmp_path / '*.jsonl'))
    bad.unlink()
    assert forms.check(str(tmp_path / '*.jsonl')) == [good]


# --- published files


def test_published_files_are_read_whole(test_data):
    fictional = list(forms.read(str(test_data / 'clika/fictional/train/DE.json')))
    assert len(fictional) == 10_200 and {e.form for e in fictional} == {'prompt_input'}
    assert sum(bool(e.input) for e in fictional) == 4_200
    tofu = list(forms.read(str(test_data / 'tofu/full.jsonl')))
    assert len(tofu) == 4_000 and {e.form for e in tofu} == {'question'}
    many = list(forms.read(str(test_data / 'tofu_multilingual/jsonl/*.jsonl.xz')))
    assert len(many) >= 4_000
