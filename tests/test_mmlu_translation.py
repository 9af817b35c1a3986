"""Translated questions: MMLU's files through a translator into files that the task mmlu reads."""

import contextlib
import csv
import dataclasses
import json
import logging
import threading

import pytest

from tests.test_translate_service import StandIn
from xlbarrier import modes
from xlbarrier.config import flags
from xlbarrier.config.questions import QuestionsConfig
from xlbarrier.config.tasks import MmluConfig
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.datafiles import DataError
from xlbarrier.errors import RunError
from xlbarrier.tasks.mmlu import Mmlu
from xlbarrier.tasks.mmlu_translation import build
from xlbarrier.translate.protocol import TranslatorError

ROWS = {
    'anatomy': [
        ('Which bone?', 'the arm', 'the leg', '42', 'the arm, the leg', 'B'),
        ('A "strange", bone?', 'red', 'green', 'blue', 'the arm', 'D'),
    ],
    'virology': [('Which cell?', 'red', 'the leg', 'green', '1.5', 'A')],
}
WORDS = {
    'which': 'welcher', 'bone': 'Knochen', 'the': 'der', 'arm': 'Arm', 'leg': 'Fuß', 'red': 'rot',
    'green': 'grün', 'blue': 'blau', 'cell': 'Zelle', 'strange': 'seltsam',
}  # fmt: skip
SUBJECTS = ('anatomy', 'virology')


@pytest.fixture
def source(tmp_path):
    for split in ('test', 'dev'):
        (tmp_path / 'mmlu' / split).mkdir(parents=True)
        for subject, rows in ROWS.items():
            path = tmp_path / 'mmlu' / split / f'{subject}_{split}.csv'
            with path.open('w', newline='') as f:
                csv.writer(f).writerows(rows[:1] if split == 'dev' else rows)
    lines = [f'{word}\t{entry}\n' for word, entry in WORDS.items()]
    (tmp_path / 'en-de.tsv').write_text(''.join(lines))
    return tmp_path


def questions(source, **fields):
    fields = {'languages': ('de',), 'subjects': SUBJECTS} | fields
    return QuestionsConfig(source=str(source / 'mmlu'), **fields)


def dictionary(source, **fields):
    return TranslatorConfig(place=str(source / '{source}-{target}.tsv'), **fields)


def mmlu(folder, *languages, **fields):
    fields = {'variants': ('full',), 'shots': 1, 'subjects': SUBJECTS} | fields
    return Mmlu(MmluConfig(source=f'{folder}/{{language}}', languages=languages, **fields))


@contextlib.contextmanager
def service():
    """A stand-in for LibreTranslate on loopback: 'text' becomes 'de:text'."""
    server = StandIn()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server, TranslatorConfig(kind='service', place=server.place, attempts=1)
    finally:
        server.shutdown()
        server.server_close()


def test_questions_and_options_are_translated_apart(source):
    manifest = build(questions(source), dictionary(source), source / 'out')
    made = mmlu(source / 'out', 'en', 'de', variants=('full', 'gt'))
    first, second, third = made.questions('full', 'de')
    assert (first.question, first.choices) == (
        'Welcher Knochen?', ('der Arm', 'der Fuß', '42', 'der Arm, der Fuß'),
    )  # fmt: skip
    assert [q.answer for q in (first, second, third)] == [1, 3, 0]
    assert second.question == 'A "seltsam", Knochen?'
    assert made.questions('full', 'en')[0].question == 'Which bone?'
    assert made.questions('gt', 'de')[0].choices[:2] == ('the arm', 'der Fuß')
    assert manifest['items'] == {'test': 3, 'dev': 2} and manifest['failed_texts'] == 0
    assert manifest['texts']['without_letters'] == 2  # 42 and 1.5 are no one's to translate
    assert (source / 'out/failures.jsonl').read_text() == ''


def test_a_service_is_asked_once_for_each_text(source):
    with service() as (server, translator):
        build(questions(source), translator, source / 'out')
        sent = [text for request in server.asked for text in request['q']]
    assert sorted(sent) == sorted(set(sent)) and '42' not in sent
    (first, *_) = mmlu(source / 'out', 'de').questions('full', 'de')
    assert first.question == 'de:Which bone?'
    assert first.choices[:3] == ('de:the arm', 'de:the leg', '42')


def test_a_second_start_takes_what_was_translated(source, caplog):
    with service() as (server, translator):
        server.longest = 15  # longer texts are refused
        with pytest.raises(TranslatorError) as caught:
            build(questions(source), translator, source / 'out')
        said = str(caught.value)
        assert '2 of 9 texts have no translation into de, more than' in said
        assert 'max_failed = 0.01 allows; the first: anatomy row 0, D: ' in said
        failed = [json.loads(x) for x in (source / 'out/failures.jsonl').read_text().splitlines()]
        assert {(f['subject'], f['row'], f['part']) for f in failed if f['split'] == 'test'} == {
            ('anatomy', 0, 'D'), ('anatomy', 1, 'question'),
        }  # fmt: skip
        assert not (source / 'out/manifest.json').exists()
        server.longest, count = 1000, len(server.asked)
        build(questions(source), translator, source / 'out')
        again = [text for request in server.asked[count:] for text in request['q']]
        assert sorted(again) == ['A "strange", bone?', 'the arm, the leg']
    # Finished: the server is gone and not missed.
    with caplog.at_level(logging.INFO, 'absl'):
        build(questions(source), translator, source / 'out')
    with (source / 'mmlu/test/virology_test.csv').open('a') as f:
        f.write('Another?,a,b,c,d,A\n')
    with pytest.raises(RunError, match='has the translation of other questions than'):
        build(questions(source), translator, source / 'out')


def test_an_item_that_failed_is_left_out_in_every_language(source):
    with service() as (server, translator):
        server.longest = 15
        some = dataclasses.replace(translator, max_failed=0.5)
        with pytest.raises(DataError, match='no question of anatomy is left in the split test'):
            build(questions(source), some, source / 'out')
        server.longest = 16
        manifest = build(questions(source), some, source / 'out')
    assert manifest['left_out'] == {'test': 1, 'dev': 0}
    for code in ('en', 'de'):
        asked = mmlu(source / 'out', 'en', 'de').questions('full', code)
        assert [question.answer for question in asked] == [1, 0]


def test_bad_input_is_named_before_the_work(source):
    with pytest.raises(TranslatorError, match='no translator for en-fr, en-sw'):
        build(questions(source, languages=('de', 'fr', 'sw')), dictionary(source), source / 'out')
    with pytest.raises(ValueError, match="CLDR has no language 'eng'"):
        build(questions(source, languages=('eng',)), dictionary(source), source / 'out')
    with pytest.raises(DataError, match=r'config.questions.*\n.*1 of 1 subjects: law$'):
        build(questions(source, subjects=('law',)), dictionary(source), source / 'out')
    assert not (source / 'out/manifest.json').exists()


def test_mmlu_in_a_new_language_is_one_command(source, tiny_llama, tmp_path):
    overrides = [
        ('model.source', str(tiny_llama)),
        ('questions.source', str(source / 'mmlu')),
        ('questions.subjects', 'anatomy,virology'),
        ('corpus.translator.place', str(source / '{source}-{target}.tsv')),
        ('tasks.mmlu.subjects', 'anatomy,virology'),
        ('tasks.mmlu.shots', '0'),
        ('score.row_tokens', '128'),
        ('report.bootstrap_draws', '100'),
    ]
    config = flags.read('translated_mmlu:de', overrides)
    for _ in range(2):  # a second start finds all of it done
        modes.load(config.mode)(tmp_path / 'run', config)
    rows = json.loads((tmp_path / 'run/results.json').read_text())['rows']
    found = {(r['variant'], r['language']): r['n'] for r in rows if r['metric'] == 'accuracy'}
    assert found['full', 'de'] == found['full', 'en'] == found['mixup', 'de'] == 3
    assert (tmp_path / 'run/translated/de/test/anatomy_test.csv').read_text().startswith('Welcher')
