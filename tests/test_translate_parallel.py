"""The parallel translator: every form it reads, what it does not find, and bad input."""

import gzip
import json
import pathlib

import datasets
import pytest

from xlbarrier.config.checks import ConfigError
from xlbarrier.config.corpus import CorpusConfig, TextConfig, TranslatorConfig
from xlbarrier.corpus import build
from xlbarrier.datafiles import DataError
from xlbarrier.translate import codes, protocol
from xlbarrier.translate.make import make_translator
from xlbarrier.translate.parallel import ParallelTranslator
from xlbarrier.translate.protocol import Failed, TranslatorError

# A blank counterpart, a line separator that is no line's end, decomposed letters.
EN = ['The cat sleeps.', 'A cafe\u0301 is open.', 'No one\u2028knows.', 'It  rains.']
DE = ['Die Katze schläft.', 'Ein Café hat auf.', 'Niemand\u2028weiß es.', '']
JA = ['猫が寝ている。', '喫茶店が開いている。', '誰も知らない。', '雨だ。']


def written(folder: pathlib.Path, form: str) -> dict:
    """The three languages in a form; the arguments of the translator."""
    if form == 'files':
        for code, lines in (('eng', EN), ('deu', DE)):
            end = '' if lines[-1] else '\n'  # a final newline or none
            (folder / f'news.{code}.txt').write_text('\n'.join(lines) + end)
        (folder / 'other.jpn.txt').write_bytes(
            '\r\n'.join(['\ufeff' + JA[0], *JA[1:], '']).encode()
        )
        return {'place': f'{folder}/*.{{language}}.txt'}
    rows = list(zip(EN, DE, JA, strict=True))
    if form == 'tsv':
        text = ''.join('\t'.join(map(str, row)) + '\n' for row in [('en', 'de', 'ja'), *rows])
        (folder / 'all.tsv.gz').write_bytes(gzip.compress(text.encode()))
        return {'place': f'{folder}/all.tsv.gz'}
    if form == 'jsonl':
        lines = [
            {'id': i, 'translation': {'text_en': e, 'text_de': d or None, 'text_ja': j}}
            for i, (e, d, j) in enumerate(rows)
        ]
        (folder / 'all.jsonl').write_text('\n'.join(map(json.dumps, lines)))
        return {'place': f'{folder}/all.jsonl', 'column': 'translation.text_{language}'}
    if form == 'pairs':
        for name, column in (('en-de', DE), ('en-ja', JA)):
            lines = [f'{left}\t{right}\n' for left, right in zip(EN, column, strict=True)]
            (folder / f'{name}.tsv').write_text(''.join(lines))
        return {'place': f'{folder}/{{source}}-{{target}}.tsv'}
    made = datasets.Dataset.from_list(
        [{'translation': {'en': e, 'de': d, 'ja': j}} for e, d, j in rows]
    )
    datasets.DatasetDict({'dev': made}).save_to_disk(folder / 'saved')
    prefix = 'hf:' if form == 'hf' else ''
    return {
        'place': f'{prefix}{folder}/saved',
        'column': 'translation.{language}',
        'split': 'dev',
    }


FORMS = ('files', 'tsv', 'jsonl', 'pairs', 'saved', 'hf')


@pytest.mark.parametrize('form', FORMS)
def test_every_form_gives_the_aligned_text(tmp_path, form):
    translator = ParallelTranslator(**written(tmp_path, form))
    assert translator.translate(EN[:3], 'en', 'de') == DE[:3]
    assert translator.translate(EN[::-1], 'en', 'ja') == JA[::-1]
    assert translator.translate(JA[:2], 'ja', 'en') == EN[:2]
    # White space and the form of an accent are no difference.
    assert translator.translate([' A café\nis open. ', 'It rains.'], 'en-GB', 'ja') == JA[1::2]
    blank, absent = translator.translate([EN[3], 'A whale.'], 'en', 'de')
    assert isinstance(blank, Failed) and 'nothing in de' in blank.reason
    assert isinstance(absent, Failed) and "'A whale.' is not among the 4 texts" in absent.reason
    assert str(tmp_path) in absent.reason
    assert not translator.supports('en', 'fr') and not translator.supports('en', 'en')
    assert translator.supports('de', 'ja') == (form != 'pairs')
    with pytest.raises(TranslatorError, match='does not translate from en into fr'):
        translator.translate(['x'], 'en', 'fr')


@pytest.mark.parametrize('form', ['files', 'tsv', 'jsonl', 'pairs'])
def test_the_fingerprint_is_of_the_texts(tmp_path, form):
    fields = written(tmp_path, form)
    before = ParallelTranslator(**fields).fingerprint
    assert ParallelTranslator(**fields).fingerprint == before
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        unpacked = gzip.decompress(data) if path.suffix == '.gz' else data
        changed = unpacked.replace('猫'.encode(), '犬'.encode()).replace(b'\\u732b', b'\\u72ac')
        path.write_bytes(gzip.compress(changed) if path.suffix == '.gz' else changed)
    assert ParallelTranslator(**fields).fingerprint != before


def test_rows_of_several_lines_are_found_line_by_line_too(tmp_path):
    rows = [
        {'en': 'One.\nTwo.', 'de': 'Eins.\nZwei.'},
        {'en': 'Three.\nFour.', 'de': 'Drei, vier.'},
    ]
    (tmp_path / 'a.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    translator = ParallelTranslator(f'{tmp_path}/a.jsonl')
    found = translator.translate(['One. Two.', 'Two.', 'Three. Four.', 'Four.'], 'en', 'de')
    assert found[:3] == ['Eins.\nZwei.', 'Zwei.', 'Drei, vier.'] and isinstance(found[3], Failed)


@pytest.mark.parametrize('form', ['columns', 'files', 'pairs'])
def test_a_region_that_was_asked_for_comes_before_the_bare_language(tmp_path, form):
    words = {'en': 'bus', 'pt': 'autocarro', 'pt-BR': 'ônibus'}
    if form == 'columns':
        place = tmp_path / 'all.tsv'
        place.write_text('\n'.join('\t'.join(row) for row in (words, words.values())) + '\n')
    elif form == 'files':
        place = tmp_path / 'text.{language}.txt'
        for code, word in words.items():
            (tmp_path / f'text.{code}.txt').write_text(word + '\n')
    else:
        place = tmp_path / '{source}-{target}.tsv'
        for code in ('pt', 'pt-BR'):
            (tmp_path / f'en-{code}.tsv').write_text(f'bus\t{words[code]}\n')
    translator = ParallelTranslator(str(place))
    for asked, word in (('pt-BR', 'ônibus'), ('pt', 'autocarro'), ('pt-PT', 'autocarro')):
        assert translator.translate(['bus'], 'en', asked) == [word]
    if form != 'pairs':
        assert translator.translate(['autocarro'], 'pt', 'pt-BR') == ['ônibus']


def test_the_first_counterpart_of_a_text_that_comes_again_is_taken(tmp_path):
    (tmp_path / 'en-de.tsv').write_text('hi\t\nhi\thallo\nhi\tservus\n')
    (tmp_path / 'de-en.tsv').write_text('grüß Gott\thi\nmoin\tmorning\n')
    translator = ParallelTranslator(f'{tmp_path}/{{source}}-{{target}}.tsv')
    assert translator.translate(['hi', 'morning'], 'en', 'de') == ['hallo', 'moin']


BAD = {
    'lengths': ({'a.en.txt': 'x\ny\n', 'a.de.txt': 'x\ny\nz'}, 'a.{language}.txt',
                r'a\.de\.txt has 3 lines and .*a\.en\.txt has 2: aligned files have as many'),
    'alone': ({'a.en.txt': 'x\n'}, 'a.{language}.txt', r'one file only \(.*a\.en\.txt\)'),
    'empty': ({'a.en.txt': '', 'a.de.txt': ''}, 'a.{language}.txt', r'a\.\w+\.txt has no line'),
    'none': ({}, 'a.{language}.txt', r'no file matches .*a\.\{language\}\.txt'),
    'latin1': ({'a.en.txt': b'x\n', 'a.de.txt': b'sch\xf6n\n'}, 'a.{language}.txt',
               r'a\.de\.txt: byte 3 is 0xf6, which is not UTF-8'),
    'utf16': ({'a.en.txt': b'x\n', 'a.de.txt': b'\xff\xfex\0\n\0'}, 'a.{language}.txt',
              r'a\.de\.txt: byte 0 is 0xff, .* UTF-16'),
    'fields': ({'a.tsv': 'en\tde\na\tb\nc\n'}, 'a.tsv', r'a\.tsv line 3 has 1 fields .*expected 2'),
    'pair': ({'en-de.tsv': 'a\tb\tc\n'}, '{source}-{target}.tsv', r'line 1 has 3 fields'),
    'columns': ({'a.tsv': 'en\tnumber\nx\t1\n'}, 'a.tsv', r"'en', 'number': fewer than two"),
    'blank': ({'a.tsv': '\n\n'}, 'a.tsv', r'a\.tsv has no text'),
    'json': ({'a.jsonl': '{"en": "a", "de": "b"}\n{"en"\n'}, 'a.jsonl', r'line 2 is not JSON'),
    'list': ({'a.jsonl': '["en"]\n'}, 'a.jsonl', r'record 0 is a text .*; expected an object'),
    'form': ({'a.csv': 'en,de\n'}, 'a.csv', r"place is '.*a\.csv'; a parallel translator expects"),
    'damaged': ({'a.tsv.gz': gzip.compress(b'en\tde\na\tb\n')[:-9]}, 'a.tsv.gz', 'ends early'),
}  # fmt: skip


@pytest.mark.parametrize('name', BAD)
def test_bad_input_is_named_at_the_start(tmp_path, name):
    files, place, message = BAD[name]
    for file, text in files.items():
        (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises((TranslatorError, DataError), match=message):
        ParallelTranslator(f'{tmp_path}/{place}')


def test_a_field_that_is_no_text_is_named_with_its_line(tmp_path):
    (tmp_path / 'a.jsonl').write_text('{"en": "a", "de": "b"}\n{"en": "c", "de": 4}\n')
    translator = ParallelTranslator(f'{tmp_path}/a.jsonl')
    with pytest.raises(TranslatorError, match=r"a\.jsonl, line 2: field 'de' is 4; expected a"):
        translator.translate(['a'], 'en', 'de')


def test_a_dataset_that_is_not_there_or_has_no_such_split(tmp_path):
    fields = written(tmp_path, 'saved')
    with pytest.raises(TranslatorError, match=r"no split 'train'; it has dev: set .*split"):
        ParallelTranslator(**{**fields, 'split': 'train'})
    with pytest.raises(TranslatorError, match='cannot be opened'):
        ParallelTranslator('hf:nobody/nothing-of-this-name')


def test_a_corpus_of_aligned_lines(tmp_path):
    """A line is a unit, whatever sentences it holds; a document of lines is one, too."""
    lines = {
        'en': ['Go. Come back.', 'No. 5 is open.', 'It rains.'],
        'de': ['Geh. Komm zurück.', 'Nr. 5 hat auf.', 'Es regnet.'],
        'ja': ['行け。戻れ。', '5番が開いている。', '雨だ。'],
    }
    for code, texts in lines.items():
        (tmp_path / f'{code}.txt').write_text('\n'.join(texts) + '\n')
    place = f'{tmp_path}/{{language}}.txt'
    for unit, documents in (('sentence', 'paragraph'), ('document', 'line'), ('document', 'file')):
        config = CorpusConfig(
            source=f'text:{tmp_path}/en.txt',
            languages=('en', 'de', 'ja'),
            unit=unit,
            text=TextConfig(documents=documents),
            translator=TranslatorConfig(kind='parallel', place=place),
        )
        config.check('config.corpus')
        folder = build.build(config, 'mixed', tmp_path / f'{unit}-{documents}' / 'mixed')
        rows = list(build.read_rows(folder))
        for row in rows:
            for code, text in zip(row['languages'], row['units'], strict=True):
                assert set(text.split('\n')) <= set(lines[code])
        assert '\n'.join(row['text'] for row in rows).count('\n') == 2
        assert build.read_manifest(folder)['translations']['failed'] == 0
        only = build.build(config, 'single:ja', tmp_path / f'{unit}-{documents}' / 'ja')
        assert '\n'.join(build.read(only)).split('\n') == lines['ja']


def test_runs_of_words_cannot_be_looked_up():
    config = CorpusConfig(
        source='text:a.txt', unit='words:8', translator=TranslatorConfig(kind='parallel', place='a')
    )
    with pytest.raises(ConfigError, match=r"unit is 'words:8'; a parallel translator looks up"):
        config.check('config.corpus')


def test_made_by_config(tmp_path):
    fields = written(tmp_path, 'jsonl')
    made = make_translator(TranslatorConfig(kind='parallel', **fields))
    assert made.translate(EN[:1], 'en', 'de') == DE[:1]
    with pytest.raises(TranslatorError, match='no translator for en-fr, en-it with'):
        protocol.check(made, 'en', ('en', 'de', 'fr', 'it'))


def test_ntrex_in_seventeen_languages(test_data, tmp_path):
    """Every line of English in sixteen other languages, by their codes of two letters."""
    place = f'{test_data}/ntrex/newstest2019-*.{{language}}.txt'
    english = test_data / 'ntrex/newstest2019-src.eng.txt'
    texts = english.read_text(encoding='utf-8').split('\n')
    texts = texts if texts[-1] else texts[:-1]
    assert len(texts) == 1997
    languages = ('ar', 'de', 'fr', 'he', 'hi', 'it', 'ja', 'ko', 'pl', 'ru', 'es', 'sw', 'th', 'tr',
                 'vi', 'zh')  # fmt: skip
    translator = ParallelTranslator(place)
    protocol.check(translator, 'en', languages)
    files = {codes.canonical(p.name.split('.')[1]): p for p in english.parent.glob('newstest*')}
    assert len(files) == 17
    first = {text: i for i, text in reversed(list(enumerate(texts)))}
    for language in languages:
        lines = files[codes.canonical(language)].read_text(encoding='utf-8').split('\n')
        found = translator.translate(texts, 'en', language)
        wanted = [lines[first[text]].strip() for text in texts]
        failed = [answer for answer in found if isinstance(answer, Failed)]
        assert len(failed) == sum(not text for text in wanted)
        assert [a if isinstance(a, str) else '' for a in found] == wanted
    config = CorpusConfig(
        source=f'text:{english}',
        languages=('en', *languages),
        text=TextConfig(documents='line'),
        translator=TranslatorConfig(kind='parallel', place=place),
    )
    manifest = build.read_manifest(build.build(config, 'mixed', tmp_path / 'mixed'))
    assert manifest['units']['total'] == 1997 and len(manifest['units']['by_language']) == 17
    assert manifest['translations']['failed'] == 0
