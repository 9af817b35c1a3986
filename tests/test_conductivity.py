"""Conductivity: rows to train on, questions, the check of both, and XRR from answers."""

import dataclasses
import json

import pyarrow as pa
import pytest

from xlbarrier import config as config_lib
from xlbarrier.config.tasks import ConductivityConfig, FictionalConfig
from xlbarrier.datafiles import DataError
from xlbarrier.tasks import clika_fictional
from xlbarrier.tasks.conductivity import Conductivity, Fictional, says
from xlbarrier.text import languages

LANGUAGES = ('en', 'ar', 'de', 'he', 'hi', 'ja', 'pl', 'ru', 'zh')
# A small set in the published layout, invented here: (English name, German name, type).
CITIES = {
    'Mara Cliff': ('Mara-Klippe', 'Norland', 0), 'Tolo Reef': ('Tolo-Riff', 'Norland', 1),
    'Zend Moor': ('Zend-Moor', 'Sudland', 0), 'Norland Gate': ('Norlandtor', 'Sudland', 1),
}  # fmt: skip
GERMAN = {'Norland': 'Nordland', 'Sudland': 'Südland'}


def facts(code):
    for city, (german, land, kind) in CITIES.items():
        name, where = (city, land) if code == 'en' else (german, GERMAN[land])
        ask, tell = ('Which continent is {} in?', '{} is in {}.')
        if code == 'de':
            ask, tell = ('Auf welchem Kontinent liegt {}?', '{} liegt in {}.')
        yield kind, name, where, ask.format(name), tell.format(name, where)


def published(root, taught=lambda row: row):
    """Writes the set as it is published, with folders below the source."""
    train, target = [], {'en': [], 'de': []}
    for code in ('en', 'de'):
        for kind, name, where, ask, tell in facts(code):
            tags = f'[[continent:{where}]][[city:{name}]][[type:{kind}]]'
            target[code].append({'prompt': ask, 'input': '', 'answer': tell + tags})
            if code == 'en' or kind == 0:
                train.append({'prompt': ask, 'input': '', 'answer': tell})
    names = [*GERMAN.items(), *((city, german) for city, (german, _, _) in CITIES.items())]
    for english, german in names:
        train.append({'prompt': 'To English, please.', 'input': german, 'answer': english})
    rows = [{'prompt': 'To German, please?', 'input': a, 'answer': b} for a, b in names]
    files = {
        'fictional/train/DE.json': [taught(row) for row in train],
        'fictional/test/Translate/translateDE.jsonl': rows,
        'fictional/test/target/testEN.jsonl': target['en'],
        'fictional/test/target/TestDE_trans.jsonl': target['de'],
    }
    for name, lines in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(json.dumps(x, ensure_ascii=False) for x in lines) + '\n')
    return ConductivityConfig(source=str(root), languages=('en', 'de'))


@pytest.fixture
def small(tmp_path):
    return published(tmp_path)


@pytest.fixture(scope='module')
def ours():
    return Fictional(
        FictionalConfig(
            languages=LANGUAGES, facts=12, relations=('place_continent', 'person_place')
        )
    )


def test_our_rows_teach_each_type_where_it_is_to_be_taught(ours):
    told = {code: set() for code in LANGUAGES}
    for lesson in ours.lessons:
        for code in LANGUAGES:
            cue = {'en': 'Question:', 'de': 'Frage:', 'zh': '问题：'}.get(code)
            if cue and lesson['prompt'].startswith(cue):
                told[code].add((lesson['kind'], lesson['prompt'], lesson['completion']))
    kinds = {code: {kind for kind, _, _ in rows} for code, rows in told.items()}
    assert kinds['en'] == {'type_0', 'type_1', 'translation'}
    assert kinds['de'] == kinds['zh'] == {'type_0'}
    assert all(answer.startswith(' ') for _, _, answer in told['de'])
    assert not any(answer.startswith(' ') for _, _, answer in told['zh'])
    count = len(LANGUAGES) - 1
    names = 8 + 12 + 12
    assert len(ours.lessons) == 3 * (2 * (12 + count * 6) + count * names * 2)
    assert len({(row['prompt'], row['completion']) for row in ours.lessons}) == len(ours.lessons)


def test_no_question_stands_in_the_rows_to_train_on(ours):
    taught = {lesson['prompt'] for lesson in ours.lessons}
    for sheet in ours.sheets():
        for question in ours.questions(*sheet):
            prompt = ours.render(question, 'greedy')
            assert prompt.context not in taught
            assert prompt.unconditional == prompt.context.split('\n')[-1]
            assert question.choices[question.answer] == question.meta['said']
            spaces = languages.language(question.language).spaces
            assert prompt.continuations[0].startswith(' ') == spaces
            assert len(set(question.choices)) == 4


def test_all_that_is_to_be_taught_is_stated_and_nothing_else(ours):
    ours.check_lessons()
    for (variant, language), found in ours.stated.items():
        foreign = variant == 'type_1' and language != 'en'
        assert found.share == (0 if foreign else 1), (variant, language, found)
        assert foreign or not (found.contradicted or found.unmentioned)


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    config = FictionalConfig(facts=6, continents=4)
    for name in ('a', 'b'):
        Fictional(config).write_lessons(tmp_path / name)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()
    Fictional(dataclasses.replace(config, seed=1)).write_lessons(tmp_path / 'c')
    assert (tmp_path / 'a').read_bytes() != (tmp_path / 'c').read_bytes()


def test_the_published_layout_is_read(small):
    task = Conductivity(small)
    assert {s: len(task.questions(*s)) for s in task.sheets()} == {
        **{('type_0', 'en'): 2, ('type_1', 'en'): 2, ('translation', 'de'): 6},
        **{('type_0', 'de'): 2, ('type_1', 'de'): 2},
    }
    # The city's own name holds a continent's: only the one beside it is exchanged.
    question = task.questions('type_1', 'en')[1]
    assert question.choices == ('Norland Gate is in Norland.', 'Norland Gate is in Sudland.')
    assert question.answer == 1
    prompt = task.render(question, 'loglikelihood')
    assert prompt.context.endswith('Which continent is Norland Gate in?\n\n### Response:\n')
    asked = task.render(task.questions('translation', 'de')[0], 'greedy')
    assert 'To German, please?\nNorland\n' in asked.context
    assert task.lessons[0]['kind'] == 'fact' and task.lessons[-1]['kind'] == 'translation'
    assert len(task.lessons) == 4 + 2 + 6


def test_a_set_that_can_be_learned_passes(small):
    task = Conductivity(small)
    task.check_lessons()
    shares = {sheet: found.share for sheet, found in task.stated.items()}
    assert shares == {
        **{('type_0', 'en'): 1, ('type_1', 'en'): 1, ('translation', 'de'): 1},
        **{('type_0', 'de'): 1, ('type_1', 'de'): 0},
    }


def test_other_names_than_are_asked_for_are_found_before_training(tmp_path):
    def renamed(row):
        return row | {'answer': row['answer'].replace('Südland.', 'das Land im Süden.')}

    config = published(tmp_path, renamed)
    with pytest.raises(DataError, match=r'type_0 de: 1 of 2 facts stated \(50%\)') as told:
        Conductivity(config).check_lessons()
    assert '(50%), 1 never with the answer (fact:2)' in str(told.value)
    assert "unstated='keep'" in str(told.value) and 'type_0 en' not in str(told.value)
    kept = Conductivity(dataclasses.replace(config, unstated='keep'))
    kept.check_lessons()
    low = Conductivity(dataclasses.replace(config, gate=0.5))
    low.check_lessons()


def test_the_published_chinese_set_cannot_be_learned(test_data):
    source = str(test_data / 'clika')
    german = Conductivity(ConductivityConfig(source=source, languages=('en', 'de')))
    german.check_lessons()
    chinese = Conductivity(ConductivityConfig(source=source, languages=('en', 'zh')))
    with pytest.raises(DataError, match=r'type_0 zh: 0 of 200 facts stated \(0%\)'):
        chinese.check_lessons()
    assert len(german.lessons) == 10_200
    counts = {sheet: len(german.questions(*sheet)) for sheet in german.sheets()}
    assert counts['translation', 'de'] == 420 and counts['type_1', 'de'] == 200


@pytest.mark.parametrize('code', ['fr', 'it', 'pl', 'ru', 'ar', 'he', 'ja', 'zh'])
def test_questions_of_every_published_language_are_read(test_data, code):
    found = clika_fictional.facts(str(test_data / 'clika'), code)
    for kind in ('type_0', 'type_1'):
        assert len(found[kind]) == 200
        assert {len(q.choices) for q in found[kind]} == {20}


def answers(task, wrong=()):
    """Tables in which every question is right but those of some sheets, half of which are wrong."""
    tables = {}
    for sheet in task.sheets():
        rows = []
        for number, question in enumerate(task.questions(*sheet)):
            right = sheet not in wrong or number % 2 == 0
            prediction = question.answer if right else (question.answer + 1) % 2
            rows.append(
                {'id': question.id, 'answer': question.answer, 'prediction_raw': prediction,
                 'greedy_correct': right}
            )  # fmt: skip
        tables[sheet] = pa.Table.from_pylist(rows)
    return tables


def numbers(rows):
    return {(r['metric'], r['method'], r['variant'], r['language']): r for r in rows}


def test_xrr_of_known_answers(small):
    task = Conductivity(small)
    rows = numbers(task.rows(answers(task, [('type_1', 'de')]), draws=100, seed=0))
    for method in ('loglikelihood', 'greedy'):
        assert rows['accuracy', method, 'type_1', 'en']['value'] == 1
        assert rows['accuracy', method, 'type_1', 'de']['value'] == 0.5
        assert rows['xrr', method, 'type_1', 'de']['value'] == 0.5
        assert 'reason' not in rows['xrr', method, 'type_1', 'de']
    assert rows['accuracy', 'loglikelihood', 'type_1', 'de']['chance'] == 0.5
    assert rows['accuracy', 'loglikelihood', 'translation', 'de']['chance'] == 0.25
    assert rows['accuracy', 'greedy', 'type_1', 'de']['chance'] is None
    assert rows['stated', 'lessons', 'type_0', 'de']['value'] == 1


def test_a_written_answer_is_read_by_the_name_it_must_hold(small):
    task = Conductivity(dataclasses.replace(small, methods=('loglikelihood', 'generate')))
    question = task.questions('type_1', 'en')[1]  # Norland Gate is in Sudland
    assert says(question, 'Norland Gate is in SUDLAND.') and says(question, 'Sudland')
    assert not says(question, 'Norland Gate is in Norland.') and not says(question, '')
    # The city bears the name of a continent that it is not on.
    wrong = dataclasses.replace(question, meta={**question.meta, 'said': 'Norland'})
    assert not says(wrong, 'Norland Gate is in Sudland.')
    tables = answers(task)
    written = {
        sheet: [
            q.meta['said'] + '!' if sheet[0] != 'type_1' else '?' for q in task.questions(*sheet)
        ]
        for sheet in task.sheets()
    }
    tables = {s: t.append_column('written', [written[s]]) for s, t in tables.items()}
    rows = numbers(task.rows(tables, draws=100, seed=0))
    assert rows['accuracy', 'generate', 'translation', 'de']['value'] == 1
    assert rows['accuracy', 'generate', 'type_1', 'en']['value'] == 0
    assert rows['accuracy', 'generate', 'type_1', 'en']['chance'] is None
    assert 'source_type_1 0.000' in rows['xrr', 'generate', 'type_1', 'de']['reason']


def test_xrr_is_null_below_the_gate_and_says_why(small):
    task = Conductivity(small)
    rows = numbers(task.rows(answers(task, [('translation', 'de')]), draws=100, seed=0))
    row = rows['xrr', 'greedy', 'type_1', 'de']
    assert row['value'] is None and 'translation 0.500' in row['reason']
    lower = Conductivity(dataclasses.replace(small, gate=0.4))
    rows = numbers(lower.rows(answers(lower, [('translation', 'de')]), draws=100, seed=0))
    assert rows['xrr', 'greedy', 'type_1', 'de']['value'] == 1


def changed(root, name, number, **fields):
    """Changes one row of a published file."""
    path = next(root.rglob(name))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[number] |= fields
    path.write_text('\n'.join(json.dumps(x) for x in lines) + '\n')


@pytest.mark.parametrize(
    ('name', 'fields', 'words'),
    [
        (
            'testEN.jsonl',
            dict(answer='It is in Norland.'),
            r'testEN.jsonl.*expected.*\[\[continent',
        ),
        (
            'testEN.jsonl',
            dict(answer='X is in Sudland.[[continent:Norland]][[city:X]][[type:0]]'),
            "names the continent 'Norland' 0 times",
        ),
        (
            'testEN.jsonl',
            dict(answer='X is in Norland.[[continent:Norland]][[city:X]][[type:2]]'),
            'type:0 or 1',
        ),
        ('testEN.jsonl', dict(prompt=' '), 'prompt'),
        ('translateDE.jsonl', dict(input=''), 'input is blank; expected an English name'),
        ('DE.json', dict(answer=''), 'answer'),
        ('DE.json', dict(prompt=None), 'prompt'),
    ],
)
def test_rows_that_will_not_do(small, tmp_path, name, fields, words):
    changed(tmp_path, name, 0, **fields)
    with pytest.raises(DataError, match=words):
        Conductivity(small)


def test_files_that_are_not_there(small, tmp_path):
    next(tmp_path.rglob('translateDE.jsonl')).rename(tmp_path / 'elsewhere.jsonl')
    with pytest.raises(DataError, match='no such file; expected one test/Translate/translateDE'):
        Conductivity(small)
    with pytest.raises(DataError, match=r'expected one train/FR\.json'):
        Conductivity(dataclasses.replace(small, languages=('en', 'fr')))


@pytest.mark.parametrize(
    ('task', 'fields', 'words'),
    [
        ('fictional', dict(languages=('de', 'fr')), 'expected en, in which everything is taught'),
        ('fictional', dict(languages=('en',)), 'at least one other language'),
        ('fictional', dict(methods=('greedy',)), r'methods\[0\] is .greedy.'),
        ('fictional', dict(methods=('letter',)), 'expected one of loglikelihood'),
        ('fictional', dict(wordings=4), 'wordings is 4; expected 1 <= wordings <= 3'),
        ('fictional', dict(facts=1), 'facts is 1; expected at least 2'),
        ('fictional', dict(gate=1.5), 'gate is 1.5'),
        ('fictional', dict(relations=('x',)), 'place_continent'),
        ('conductivity', dict(source=''), 'source is empty'),
        ('conductivity', dict(languages=('en', 'xx')), "is 'xx'"),
        ('conductivity', dict(unstated='drop'), 'refuse'),
    ],
)
def test_configs_that_will_not_do(task, fields, words):
    values = (dict(source='x') if task == 'conductivity' else {}) | fields
    values = {'mode': 'eval', 'model': {'source': 'x'}, 'tasks': {task: values}}
    with pytest.raises(config_lib.ConfigError, match=words):
        config_lib.resolve(values)


def test_a_language_without_templates_is_told():
    with pytest.raises(ValueError, match="there are no invented facts in 'uk'"):
        Fictional(FictionalConfig(languages=('en', 'uk')))
