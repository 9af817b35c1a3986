"""What is wrong with recorded answers is told before any number, with file, line and item."""

import json

import pytest

from tests.recorded_files import (
    clika_file,
    clika_row,
    write_clika,
    write_lines,
    write_mmlu,
    write_tofu,
)
from tests.test_rescore import rescore
from xlbarrier import config as config_lib
from xlbarrier.rescore.records import RecordError


@pytest.fixture
def root(tmp_path):
    """CLiKA's layout with two models in three languages, all right."""
    return write_clika(tmp_path / 'recorded')


def refused(root, **fields):
    """The message that rescoring ends with; nothing has been written by then."""
    workdir = root.parent / 'run'
    with pytest.raises(RecordError) as error:
        rescore(root, workdir, **fields)
    assert not workdir.exists()
    return str(error.value)


def rows_with(**changes):
    rows = [clika_row(number, 'A') for number in range(4)]
    rows[2] |= changes
    return rows


def test_one_language_short_of_items(root):
    path = clika_file(root, 'calm', 'DE')
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[2])
    said = refused(root)
    assert str(path) in said and '2 of 4 items (ids 1, 3)' in said
    assert str(clika_file(root, 'calm', 'en')) in said or 'FR_trans' in said
    # What the message offers works.
    rows = rescore(root, root.parent / 'run', languages=('en', 'fr'))
    assert {row['language'] for row in rows} == {'en', 'fr', 'mean:non-en', 'mean:all'}


def test_many_missing_items_are_counted_and_the_first_named(root):
    for language, count in (('en', 40), ('DE', 4)):
        rows = [clika_row(0, 'A') | {'id': i} for i in range(count)]
        write_lines(clika_file(root, 'calm', language), rows)
    said = refused(root, languages=('en', 'de'), models=('calm',))
    assert '36 of 40 items (ids 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 26 more)' in said


def test_a_label_outside_the_options(root):
    path = clika_file(root, 'calm', 'DE')
    for label in ('E', '', 'AB', None, 2):
        write_lines(path, rows_with(label=label))
        said = refused(root)
        assert f'{path} line 3 (id 2)' in said
        assert f'label {label!r} is not one of the 4 options A, B, C, D' in said


def test_duplicate_ids(root):
    path = clika_file(root, 'calm', 'DE')
    write_lines(path, rows_with(id=0))
    assert f'{path}: id 0 is on line 1 and on line 3' in refused(root)


def test_a_line_that_was_cut(root):
    path = clika_file(root, 'loud', 'en')
    path.write_text(path.read_text()[:-30])
    said = refused(root)
    assert f'{path} line 4 is not JSON' in said and 'fetch the file again' in said


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'has no answers'),
        ('\n\n', 'has no answers'),
        ('[1]\n', "line 1 is '[1]'; expected a JSON object"),
        ('{"id": 0}\n', "line 1 (id 0) has no field 'res'; it has id"),
        ('{"id": 0, "res": 3}\n', "'res' is 3; expected text"),
        ('{"id": true}\n', "line 1: 'id' is True; expected a number or text"),
        (b'\xff\xfe', 'cannot be read'),
    ],
)
def test_files_that_hold_no_answers(root, text, words):
    path = clika_file(root, 'loud', 'en')
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refused(root)
    assert str(path) in said and words in said


def test_null_is_an_empty_answer_and_a_byte_order_mark_is_no_line(root):
    path = clika_file(root, 'loud', 'en')
    write_lines(path, rows_with(res=None))
    path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes().replace(b'\n', b'\r\n'))
    rows = rescore(root, root.parent / 'run')
    blank = [r for r in rows if r['metric'] == 'unreadable_share' and r['language'] == 'en']
    assert {r['value'] for r in blank if r['model'] == 'loud'} == {0.25}


def test_right_answers_that_differ_between_languages(root):
    path = clika_file(root, 'calm', 'DE')
    write_lines(path, rows_with(label='A'))
    said = refused(root)
    assert str(path) in said and 'different right answers to 1 of 4 items (ids 2)' in said


def test_nothing_found_says_what_was_looked_for(tmp_path):
    (tmp_path / 'recorded').mkdir()
    (tmp_path / 'recorded' / 'notes.jsonl').write_text('{}')
    said = refused(tmp_path / 'recorded')
    assert f'no recorded answers below {tmp_path / "recorded"}; looked for' in said
    for words in ('<model>_res*.jsonl', '57 subjects', 'eval_log_forget', 'predictions/'):
        assert words in said
    assert 'predictions/' not in refused(tmp_path / 'recorded', layouts=('clika',))
    assert 'is not a folder' in refused(tmp_path / 'recorded' / 'none')


def test_a_language_missing_from_a_consistency_pair(root):
    """Asked for by name it is an error; found missing it is a null with its reason."""
    clika_file(root, 'calm', 'en').unlink()
    said = refused(root, languages=('en', 'de'))
    assert 'calm has no recorded answers to x_geo in en' in said and 'it has de' in said
    assert 'config.rescore.languages has pl' in refused(root, languages=('pl', 'de'))
    assert 'config.rescore.models has gpt' in refused(root, models=('gpt', 'calm'))
    assert 'config.rescore.tasks has x_name' in refused(root, tasks=('x_name',))
    rows = rescore(root, root.parent / 'run')
    for metric in ('en_co', 'kappa', 'barrier_gap'):
        row = next(r for r in rows if (r['model'], r['metric']) == ('calm', metric))
        assert row['value'] is None and row['reason'] == 'there are no answers in en'
    assert all(
        r['value'] is not None for r in rows if (r['model'], r['metric']) == ('loud', 'en_co')
    )


def test_two_files_of_one_language(root):
    path = clika_file(root, 'loud', 'de')
    write_lines(path, rows_with())
    said = refused(root)
    assert str(path) in said and str(clika_file(root, 'loud', 'DE')) in said
    assert 'are both loud / x_geo / de' in said


def test_a_folder_that_is_no_language(root):
    write_lines(clika_file(root, 'loud', 'backup'), rows_with())
    assert "the folder 'backup' does not begin with a language code" in refused(root)


def test_mmlu_without_its_language_with_a_wrong_label_and_a_second_form(tmp_path):
    folder = write_mmlu(tmp_path / 'plain', 'answers')
    assert '--config.rescore.language=CODE' in refused(tmp_path / 'plain')
    rows = rescore(tmp_path / 'plain', tmp_path / 'a', language='fa')
    assert {row['language'] for row in rows} == {'fa', 'mean:non-en'}
    row = {'query_id': 0, 'query': 'x', 'answer': 'E', 'response': 'A'}
    write_lines(folder / 'virology.jsonl', [row])
    said = refused(tmp_path / 'plain', language='ar')
    assert "virology.jsonl line 1 (query_id 0): label 'E' is not one of the 4" in said
    write_lines(folder / 'virology.jsonl', [row | {'answer': 'A'}] * 2)
    assert 'id 0 is on line 1 and on line 2' in refused(tmp_path / 'plain', language='ar')
    (folder / 'virology.jsonl').unlink()
    (folder / 'anatomy.jsonl').write_text(json.dumps(row | {'answer': 'A'}))
    assert 'are both answers' not in (said := refused(tmp_path / 'plain', language='ar'))
    assert 'anatomy.jsonl.xz are both' in said
    (folder / 'anatomy.jsonl').unlink()
    (folder / 'anatomy.jsonl.xz').write_bytes(b'\xfd7zXZ\x00cut')
    assert 'anatomy.jsonl.xz cannot be read' in refused(tmp_path / 'plain', language='ar')


def test_tofu_files_that_are_cut_or_whose_fields_disagree(tmp_path):
    root = tmp_path / 'recorded'
    path = write_tofu(root)
    path.write_text(path.read_text()[:-40])
    assert f'{path} is not JSON' in refused(root)
    for changes, words in (
        (
            {'avg_gt_loss': {'0': 0.5}},
            'avg_gt_loss and generated_text do not have the same items: 1',
        ),
        ({'avg_gt_loss': {'0': 0.5, '1': -1.0}}, 'at least 0 nats'),
        ({'avg_gt_loss': {'0': 0.5, '1': 'x'}}, str(path)),
        ({'generated_text': {}}, 'generated_text has no items'),
        ({'generated_text': {'0': ['q', 'a'], '1': ['q', 'a', 'b']}}, 'generated_text of item 0'),
        ({'average_perturb_loss': {'0': [], '1': [1.0]}}, 'item 0 has no wrong answer'),
        ({'avg_paraphrased_loss': 3}, "'avg_paraphrased_loss' is 3; expected an object"),
    ):
        write_tofu(root, **changes)
        said = refused(root)
        assert words in said and str(path) in said


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({}, '--config.rescore.root=FOLDER'),
        ({'root': 'x', 'layouts': ('klika',)}, "Did you mean 'clika'?"),
        ({'root': 'x', 'models': ('a', 'a')}, 'config.rescore.models'),
        ({'root': 'x', 'ra_reference': 120.0}, 'a percentage'),
        ({'root': 'x', 'rot': ''}, "Did you mean 'root'?"),
    ],
)
def test_config_errors_name_the_field(fields, words):
    with pytest.raises(config_lib.ConfigError) as error:
        config_lib.resolve({'mode': 'rescore', 'rescore': fields})
    assert words in str(error.value)


def test_a_reference_that_guessing_reaches(root):
    said = refused(root, ra_reference=20.0)
    assert 'config.rescore.ra_reference is 20' in said and '25 % of x_geo' in said
