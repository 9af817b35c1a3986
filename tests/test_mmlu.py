"""MMLU from hand-written files: every published form, every variant, and what is refused."""

import json
import pathlib

import datasets
import pytest

from xlbarrier.config.checks import ConfigError
from xlbarrier.config.tasks import MmluConfig
from xlbarrier.datafiles import DataError
from xlbarrier.modes.prompts import write_prompts
from xlbarrier.tasks.mmlu import Mmlu

SUBJECT = 'anatomy'
TEST = {
    'en': [
        ('Which, if any?', 'None', 'One', 'Two', 'Three', 'A'),
        ('Line one\nline two', 'a "b"', 'c, d', 'e', 'f', 'C'),
        ('How many?', '1', '2', '3', '4', 'D'),
    ],
    'fr': [
        ('Lequel ?', 'Aucun', 'Un', 'Deux', 'Trois', 'A'),
        ('Ligne une\nligne deux', 'fa "b"', 'fc, d', 'fe', 'ff', 'C'),
        ('Combien ?', '1', '2', '3', '4', 'D'),
    ],
    'de': [
        ('Welches?', 'Keines', 'Eins', 'Zwei', 'Drei', 'A'),
        ('Zeile eins\nZeile zwei', 'da "b"', 'dc, d', 'de', 'df', 'C'),
        ('Wie viele?', '1', '2', '3', '4', 'D'),
    ],
}
DEV = {
    code: [
        (f'{code} dev {i}?', f'{code}w', f'{code}x', f'{code}y', f'{code}z', 'ABCD'[i % 4])
        for i in range(5)
    ]
    for code in TEST
}


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set('",\n\r') else cell


def official(rows):
    """No header, answers A to D."""
    return ''.join(','.join(quoted(cell) for cell in row) + '\n' for row in rows)


def headered(rows):
    """A header, answers 0 to 3."""
    numbered = [(*row[:5], str('ABCD'.index(row[5]))) for row in rows]
    return 'question,choice0,choice1,choice2,choice3,answer\n' + official(numbered)


def pandas_default(rows):
    """As `DataFrame.to_csv` writes by itself: an index column and a header of numbers."""
    lines = [(str(i), *row) for i, row in enumerate(rows)]
    return ',0,1,2,3,4,5\n' + official(lines)


def byte_order_mark(rows):
    return '\ufeff' + official(rows)


def carriage_returns(rows):
    return headered(rows).replace('\n', '\r\n')


def write(root, code, test=None, dev=None, form=official, folder='{split}', below='{code}'):
    for split, rows in (('test', test or TEST[code]), ('dev', dev or DEV[code])):
        path = root / below.format(code=code) / folder.format(split=split, code=code)
        path.mkdir(parents=True, exist_ok=True)
        (path / f'{SUBJECT}_{split}.csv').write_bytes(form(rows).encode())


@pytest.fixture
def root(tmp_path):
    for code in TEST:
        write(tmp_path, code)
    return tmp_path


def mmlu(root, name='mmlu', **fields):
    fields = {'languages': ('fr',), 'variants': ('full',), 'shots': 0, **fields}
    source = fields.pop('source', f'{root}/{{language}}')
    config = MmluConfig(source=source, subjects=(SUBJECT,), **fields)
    config.check('config.tasks.mmlu')
    return Mmlu(config, name)


def cells(question):
    return (question.question, *question.choices, 'ABCD'[question.answer])


@pytest.mark.parametrize(
    'form', [official, headered, pandas_default, byte_order_mark, carriage_returns]
)
def test_every_published_form_gives_the_same_questions(root, form):
    write(root, 'fr', form=form)
    task = mmlu(root)
    assert [cells(q) for q in task.questions('full', 'fr')] == TEST['fr']
    assert [q.id for q in task.questions('full', 'fr')] == [f'{SUBJECT}/{i}' for i in range(3)]


def test_an_option_None_stays_the_word(root):
    (first, *_) = mmlu(root, variants=('english',)).questions('english', 'en')
    assert first.choices[0] == 'None'


def test_a_dataset_gives_the_same_questions(tmp_path, root):
    def dataset(code, form):
        made = {}
        for split, rows in (('test', TEST[code]), ('dev', DEV[code])):
            columns = {'choices': [list(r[1:5]) for r in rows],
                       'answer': ['ABCD'.index(r[5]) for r in rows],
                       'question': [r[0] for r in rows]}  # fmt: skip
            if form == 'mmmlu':
                columns = {letter: [r[i + 1] for r in rows] for i, letter in enumerate('ABCD')}
                columns |= {'Answer': [r[5] for r in rows], 'Question': [r[0] for r in rows]}
            subject = 'Subject' if form == 'mmmlu' else 'subject'
            made[split] = datasets.Dataset.from_dict({**columns, subject: [SUBJECT] * len(rows)})
        datasets.DatasetDict(made).save_to_disk(str(tmp_path / 'hub' / code / form))

    dataset('en', 'mmlu')
    dataset('fr', 'mmmlu')
    task = mmlu(
        root,
        source=f'hf:{tmp_path}/hub/{{language}}',
        codes=('en=en:mmlu', 'fr=fr:mmmlu'),
        variants=('english', 'full', 'gt'),
        shots=2,
        demos='same',
    )
    assert [cells(q) for q in task.questions('full', 'fr')] == TEST['fr']
    assert [cells(q) for q in task.questions('english', 'en')] == TEST['en']
    assert 'fr dev 1?' in task.render(task.questions('full', 'fr')[0], 'letter').context
    with pytest.raises(DataError, match='no rows of: virology'):
        Mmlu(MmluConfig(source=f'hf:{tmp_path}/hub/en:mmlu', languages=('en',), variants=('full',),
                        subjects=('virology',)))  # fmt: skip


# The second item is 'C'; what comes from French begins with 'f' or 'Ligne'.
@pytest.mark.parametrize(
    ('variant', 'french'),
    [
        ('english', ''),
        ('full', 'qABCD'),
        ('question', 'q'),
        ('options', 'ABCD'),
        ('gt', 'C'),
        ('gt_question', 'qC'),
        ('threewrong', 'ABD'),
    ],
)
def test_a_variant_translates_its_parts(root, variant, french):
    task = mmlu(root, variants=(variant,))
    ((_, language),) = task.sheets()
    question = task.questions(variant, language)[1]
    row = {
        part: (TEST['fr'] if part in french else TEST['en'])[1][i] for i, part in enumerate('qABCD')
    }
    assert (question.question, *question.choices) == tuple(row.values())
    assert question.language == ('fr' if 'q' in french else 'en')
    assert question.choice_languages == tuple('fr' if x in french else 'en' for x in 'ABCD')


def test_onewrong_translates_one_wrong_option_the_same_for_one_seed(root):
    task = mmlu(root, variants=('onewrong',), languages=('fr', 'de'))
    for row, question in enumerate(task.questions('onewrong', 'fr')):
        (place,) = [k for k, code in enumerate(question.choice_languages) if code == 'fr']
        assert place != question.answer and question.choices[place] == TEST['fr'][row][place + 1]
        other = task.questions('onewrong', 'de')[row]
        assert other.choice_languages[place] == 'de'
    places = {
        tuple(q.choice_languages for q in mmlu(root, variants=('onewrong',), seed=seed).questions(
            'onewrong', 'fr'))
        for seed in range(20)
    }  # fmt: skip
    assert len(places) > 1


def test_mixup_uses_each_language_as_evenly_as_can_be(root):
    task = mmlu(root, variants=('mixup',), languages=('en', 'fr', 'de'))
    assert task.sheets() == [('mixup', 'en'), ('mixup', 'fr'), ('mixup', 'de')]
    for language in task.languages:
        for row, question in enumerate(task.questions('mixup', language)):
            assert question.language == language
            assert question.question == TEST[language][row][0]
            assert set(question.choice_languages) == {'en', 'fr', 'de'}
            for k, code in enumerate(question.choice_languages):
                assert question.choices[k] == TEST[code][row][k + 1]


def test_the_published_layout_is_read_as_it_is(tmp_path):
    write(tmp_path, 'en', below='', folder='{split}')
    write(tmp_path, 'fr', below='', folder='{split}_full_{code}')
    strange = [('Mixed?', 'None', 'Uno', 'Zwei', 'Trois', 'A'), *TEST['fr'][1:]]
    write(tmp_path, 'fr', strange, below='', folder='{split}_onewrong_{code}')
    write(tmp_path, 'fr', strange, below='', folder='{split}_mixup')
    task = mmlu(
        tmp_path,
        source=str(tmp_path),
        variants=('english', 'full', 'gt', 'onewrong', 'mixup'),
        shots=1,
        demos='same',
    )
    assert task.sheets() == [
        *(('english', 'en'), ('full', 'fr'), ('gt', 'fr'), ('onewrong', 'fr'), ('mixup', 'mul'))
    ]
    assert [cells(q) for q in task.questions('onewrong', 'fr')] == strange
    mixed = task.questions('mixup', 'mul')[0]
    assert cells(mixed) == strange[0]
    assert mixed.choice_languages == ('en', 'mul', 'mul', 'mul')  # 'None' is English's own
    assert 'fr dev 0?' in task.render(mixed, 'letter').context
    assert task.questions('gt', 'fr')[0].choices == ('Aucun', 'One', 'Two', 'Three')


def test_a_published_mixup_set_stands_beside_other_sources(tmp_path, root):
    write(tmp_path / 'mixup', 'de', headered_rows := TEST['de'], form=headered, below='data')
    task = mmlu(
        root, variants=('mixup',), mixup=str(tmp_path / 'mixup'), languages=('en', 'fr', 'de')
    )
    assert task.sheets() == [('mixup', 'mul')]
    assert [cells(q) for q in task.questions('mixup', 'mul')] == headered_rows


def test_the_prompt_of_five_shots(root):
    task = mmlu(root, shots=1, demos='same', intervention=1, languages=('fr',))
    prompt = task.render(task.questions('full', 'fr')[0], 'letter')
    assert prompt.context == (
        'The following are multiple choice questions (with answers) about  anatomy. Remember that'
        ' the question and options can be in different languages.\n\n'
        'fr dev 0?\nA. frw\nB. frx\nC. fry\nD. frz\nAnswer: A\n\n'
        'Lequel ?\nA. Aucun\nB. Un\nC. Deux\nD. Trois\nAnswer:'
    )
    assert prompt.continuations == (' A', ' B', ' C', ' D')
    assert (prompt.shots, prompt.demos, prompt.intervention) == (1, 'same', 1)
    asked = task.render(task.questions('full', 'fr')[0], 'loglikelihood')
    assert asked.context.endswith('fr dev 0?\nAnswer: frw\n\nLequel ?\nAnswer:')
    assert asked.continuations == (' Aucun', ' Un', ' Deux', ' Trois')


def test_prompt_rows_are_laid_out_as_the_golden_file(root, tmp_path):
    task = mmlu(root, name='mmlu_aware', shots=5, intervention=2, methods=('generate',))
    task.methods = ('generate',)
    (path,) = write_prompts(task, tmp_path / 'prompts')
    assert path == tmp_path / 'prompts/mmlu_aware/full.fr.jsonl'
    rows = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
    wanted = {'subject': SUBJECT, 'row': 1, 'id': 'anatomy/1', 'variant': 'full', 'language': 'fr',
              'shots': 5, 'demos': 'english', 'intervention': 2, 'label': 'C'}  # fmt: skip
    assert wanted.items() <= rows[1].items()
    assert rows[1]['prompt'].endswith('and then answer.\nQuestion: ')


def test_limit_takes_the_first_of_each_subject_and_subjects_are_known(root):
    assert len(mmlu(root, limit=2).questions('full', 'fr')) == 2
    with pytest.raises(DataError, match=r"subjects\[0\] is 'anatomi'.*'anatomy'"):
        Mmlu(MmluConfig(source=f'{root}/{{language}}', subjects=('anatomi',)))


def altered(code, row, place, value):
    rows = [list(r) for r in TEST[code]]
    rows[row][place] = value
    return rows


def test_misaligned_translations_show_the_first_row_that_differs(root):
    write(root, 'fr', [TEST['fr'][1], TEST['fr'][0], TEST['fr'][2]])
    with pytest.raises(DataError) as error:
        mmlu(root, variants=('english', 'full'))
    for part in ('first row that differs is anatomy/0', 'en: answer A', 'Which, if any?',
                 'fr: answer C', 'Ligne une', 'anatomy_test.csv, line 1'):  # fmt: skip
        assert part in str(error.value)


@pytest.mark.parametrize('key', ['E', '4', '-1', '', 'AB', '1.0'])
def test_a_key_outside_the_options_is_refused(root, key):
    write(root, 'fr', altered('fr', 1, 5, key))
    with pytest.raises(DataError, match=rf"line 2 .*the answer is '{key}', outside the 4 options"):
        mmlu(root)


def test_a_language_short_of_items_is_told_which(root):
    write(root, 'fr', TEST['fr'][:2])
    with pytest.raises(DataError, match='fr is missing 1 items that en has: anatomy/2'):
        mmlu(root, variants=('english', 'full'))


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (official(altered('fr', 0, 3, ' ')), 'line 1 .*option C is empty'),
        (official(altered('fr', 0, 0, '')), 'question is empty'),
        ('q,a,b,c,d,A\n"no end,a,b,c,d,A\nq,a,b,c,d,B\n', 'begins in line 2.*not closed'),
        ('q,a,b,c,A\n', 'line 1: 5 cells; expected 6'),
        ('', r'no item \(n = 0\)'),
        ('question,choice0,choice1,choice2,choice3,answer\n', r'no item \(n = 0\)'),
    ],
)
def test_bad_files_are_named(root, content, words):
    (root / 'fr/test' / f'{SUBJECT}_test.csv').write_text(content, encoding='utf-8')
    with pytest.raises(DataError, match=words):
        mmlu(root)


def test_missing_folders_files_and_rows_are_named(root):
    with pytest.raises(DataError, match='xx has no folder test'):
        mmlu(root, source=f'{root}/xx', languages=('en',))
    (root / 'fr/test' / f'{SUBJECT}_test.csv').unlink()
    with pytest.raises(DataError, match=r'fr/test has no \*_test\.csv of 1 of 1 subjects: anat'):
        mmlu(root)
    write(root, 'fr', dev=DEV['fr'][:3])
    with pytest.raises(DataError, match='shots is 5; the dev split has 3 rows of anatomy'):
        mmlu(root, shots=5, demos='same')
    (root / 'fr/test' / f'{SUBJECT}_test.csv').write_bytes('q,é,b,c,d,A\n'.encode('latin-1'))
    with pytest.raises(DataError, match='not UTF-8'):
        mmlu(root)


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'shots': 6}, r'shots is 6; .*the dev split has 5'),
        ({'shots': -1}, 'shots is -1'),
        ({'intervention': 3}, 'intervention is 3; expected one of -1, 0, 1, 2'),
        ({'intervention': 2}, 'translate-then-answer'),
        ({'intervention': 2, 'methods': ('letter', 'generate')}, 'translate-then-answer'),
        ({'demos': 'sam'}, "demos is 'sam'.*'same'"),
        ({'variants': ('ful',)}, r"variants\[0\] is 'ful'.*'full'"),
        ({'languages': ()}, 'languages'),
        ({'source': ''}, 'source is empty'),
        ({'codes': ('ar',)}, r"codes\[0\] is 'ar'"),
    ],
)
def test_wrong_fields_are_named(root, fields, words):
    with pytest.raises(ConfigError, match=words):
        mmlu(root, **fields)
