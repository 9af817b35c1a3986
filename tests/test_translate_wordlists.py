"""Word lists in MUSE, TSV, JSON and dictd form, and files of them found by name."""

import gzip
import json

import pytest

from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.datafiles import DataError
from xlbarrier.translate import places, wordlists
from xlbarrier.translate.make import make_translator
from xlbarrier.translate.protocol import TranslatorError

ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
ENTRIES = {
    '00databaseshort': 'A small dictionary',
    'dog': 'dog /dɒg/ <N>\n1. chien [masc], toutou\n "a dog\'s life"\n   vie de chien\n',
    'may': 'may /meɪ/ <V>\npouvoir\n',
    'mr': 'Mr. /mɪstə/\nMonsieur\n',
    'addis ababa': 'Addis Ababa\nAddis-Abeba\n',
    'bank': 'bank\n   I.  <N> 1.  [river]  rive; bord\n  <Phras V> bank on: compter\n'
    'See also: shore\n',
    'plain': 'plain\n<adj>\n(not fancy) simple\n',
}


def number(value):
    digits = ''
    while True:
        value, digit = divmod(value, 64)
        digits = ALPHABET[digit] + digits
        if not value:
            return digits


def dictd(folder, form, entries=None):
    """A dictionary of FreeDict's form; its index."""
    body, index = b'', ''
    for word, entry in (entries or ENTRIES).items():
        data = entry.encode()
        index += f'{word}\t{number(len(body))}\t{number(len(data))}\n'
        body += data
    # dictzip is gzip with a table in the header's extra field.
    if form == '.dict.dz':
        packed = gzip.compress(body)
        extra = b'RA\x08\x00\x01\x00\xcb\xe3\x01\x00\x10\x00'
        body = packed[:3] + bytes([packed[3] | 4]) + packed[4:10]
        body += len(extra).to_bytes(2, 'little') + extra + packed[10:]
    (folder / f'eng-fra{form}').write_bytes(body)
    (folder / 'eng-fra.index').write_text(index)
    return folder / 'eng-fra.index'


@pytest.mark.parametrize('form', ['.dict', '.dict.dz', '.dict.txt'])
def test_dictd(tmp_path, form):
    words, files = wordlists.read(dictd(tmp_path, form))
    assert words == {
        'dog': 'chien',
        'may': 'pouvoir',
        'Mr.': 'Monsieur',  # as it is written, not as it is indexed
        'Addis Ababa': 'Addis-Abeba',
        'bank': 'rive',
        'plain': 'simple',
    }
    assert [file.name for file in files] == ['eng-fra.index', f'eng-fra{form}']


def test_of_entries_of_one_headword_the_shortest_spoken_is_meant(tmp_path):
    path = dictd(tmp_path, '.dict', {'run': 'run /rʌn əˈweɪ/\nfuir\n'})
    body = (tmp_path / 'eng-fra.dict').read_bytes()
    more = 'run /rʌn/\ncourir\n'.encode()
    (tmp_path / 'eng-fra.dict').write_bytes(body + more)
    path.write_text(path.read_text() + f'run\t{number(len(body))}\t{number(len(more))}\n')
    assert wordlists.read(path)[0] == {'run': 'courir'}


def test_muse_tsv_and_json(tmp_path):
    (tmp_path / 'muse.txt').write_text('dog chien\ndog toutou\ncafe\u0301 bistrot\n\n')
    (tmp_path / 'list.tsv').write_bytes('\ufeffAddis Ababa\tAddis-Abeba\r\ndog\tchien\n'.encode())
    (tmp_path / 'list.tsv.gz').write_bytes(gzip.compress(b'dog\tchien\textra\n'))
    content = {'dog': ['chien', 'toutou'], 'cat': 'chat', 'none': [], 'blank': ' '}
    (tmp_path / 'list.json').write_text(json.dumps(content))
    for name, words in [
        ('muse.txt', {'dog': 'chien', 'café': 'bistrot'}),
        ('list.tsv', {'Addis Ababa': 'Addis-Abeba', 'dog': 'chien'}),
        ('list.tsv.gz', {'dog': 'chien'}),
        ('list.json', {'dog': 'chien', 'cat': 'chat'}),
    ]:
        assert wordlists.read(tmp_path / name) == (words, [tmp_path / name])


PAIR = ('source', 'target')
BAD = {
    'a.txt': ('dog chien\none two three\n', r"a\.txt line 2 is 'one two three'; expected a word"),
    'b.tsv': ('dog\n', r"b\.tsv line 1 is 'dog'"),
    'c.txt': (b'dog chien\nfoo \xe9t\xe9\n', r'c\.txt: byte 14 is 0xe9, which is not UTF-8'),
    'd.json': ('{"a": 3}', r"d\.json has 3 for 'a'; expected a text"),
    'e.json': ('["a"]', r'e\.json is a list .*; expected an object'),
    'f.json': ('{\n"a"}', r'f\.json is not JSON'),
    'g.txt': ('', r'g\.txt has no word'),
    'h.index': ('a\tA\tB\n', r'h\.index has no entries beside it: none of h\.dict'),
    'i.tsv.gz': (gzip.compress(b'a\tb\n')[:-6], r'i\.tsv\.gz: the compressed data ends early'),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_files_are_named_with_the_place(tmp_path, name):
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((TranslatorError, DataError), match=message):
        wordlists.read(tmp_path / name)


@pytest.mark.parametrize(
    ('index', 'message'),
    [
        ('dog\tA\tZZZ\n', r'line 1 points at bytes 0 to 104025 of .*, which has'),
        ('dog\tA\n', r'line 1 is .*; expected headword, offset, length'),
        ('dog\t?\tB\n', r"line 1: '\?' is not a number in base 64"),
    ],
)
def test_a_bad_index(tmp_path, index, message):
    path = dictd(tmp_path, '.dict')
    path.write_text(index)
    with pytest.raises((TranslatorError, DataError), match=message):
        wordlists.read(path)


def test_a_damaged_dictzip(tmp_path):
    path = dictd(tmp_path, '.dict.dz')
    body = tmp_path / 'eng-fra.dict.dz'
    body.write_bytes(body.read_bytes()[:60] + bytes(8) + body.read_bytes()[68:])
    with pytest.raises(DataError, match=r'eng-fra\.dict\.dz: .* ends early or is damaged'):
        wordlists.read(path)


def test_files_are_found_by_the_codes_in_their_names(tmp_path):
    for name in ('wiki-en-zh-CN.tsv', 'wiki-en-deu.tsv', 'wiki-README.tsv', 'wiki-ar-eng.tsv'):
        (tmp_path / name).write_text('a\tb\n')
    found = places.find(f'{tmp_path}/*-{{source}}-{{target}}.tsv', PAIR)
    assert {key: path.name for key, path in found.items()} == {
        ('ar', 'en'): 'wiki-ar-eng.tsv',
        ('en', 'de'): 'wiki-en-deu.tsv',
        ('en', 'zh-CN'): 'wiki-en-zh-CN.tsv',
    }
    (tmp_path / 'wiki-en-de.tsv').write_text('a\tb\n')
    with pytest.raises(TranslatorError, match=r'wiki-en-de.* and .*deu.* are both of en-de'):
        places.find(f'{tmp_path}/*-{{source}}-{{target}}.tsv', PAIR)
    with pytest.raises(TranslatorError, match='no file matches'):
        places.find(f'{tmp_path}/none-{{source}}-{{target}}.tsv', PAIR)


def test_a_folder_with_brackets_and_a_home(tmp_path, monkeypatch):
    folder = tmp_path / 'lists [v1]'
    folder.mkdir()
    (folder / 'en-de.tsv').write_text('a\tb\n')
    assert len(places.find(f'{folder}/{{source}}-{{target}}.tsv', PAIR)) == 1
    monkeypatch.setenv('HOME', str(tmp_path))
    config = TranslatorConfig(place='~/lists [v1]/{source}-{target}.tsv')
    assert make_translator(config).translate(['a'], 'en', 'de') == ['b']


def test_freedict(test_data):
    """The first sense of the entry is taken, be it an odd one."""
    wanted = {
        'fra': {'dog': 'chien', 'house': 'maison', 'water': 'aquatique'},
        'ita': {'dog': 'cane', 'house': 'casa', 'water': 'acqua'},
        'pol': {'dog': 'pies', 'water': 'woda'},
        'rus': {'dog': 'собака', 'water': 'вода'},
        'spa': {'dog': 'perro', 'house': 'casa', 'water': 'agua'},
    }
    for code, words in wanted.items():
        found, _ = wordlists.read(test_data / f'freedict/freedict-eng-{code}.index')
        assert {word: found.get(word) for word in words} == words and len(found) > 1000, code
        assert not any(char in ''.join(found.values()) for char in '<>[]\n\t')


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('en-de.tsv', r"with \{source\} and \{target\} .*such as '.*/\{source\}-\{target\}\.tsv'"),
        ('freedict-eng-fra.index', r"such as '.*/freedict-\{source\}-\{target\}\.index'"),
        ('words.txt', r'with \{source\} and \{target\} where the codes of the languages are$'),
        ('{language}.tsv', r'with \{source\} and \{target\}'),
        ('{source}-de.tsv', r'with \{source\} and \{target\}'),
    ],
)
def test_a_place_without_its_fields(tmp_path, name, words):
    (tmp_path / name).write_text('a\tb\n')
    with pytest.raises(TranslatorError, match=words):
        make_translator(TranslatorConfig(place=f'{tmp_path}/{name}'))


def test_a_region_that_was_asked_for_comes_before_the_bare_language(tmp_path):
    for code, word in (('pt', 'autocarro'), ('pt-BR', 'ônibus'), ('de', 'Bus')):
        (tmp_path / f'en-{code}.tsv').write_text(f'bus\t{word}\n')
    translator = make_translator(TranslatorConfig(place=f'{tmp_path}/{{source}}-{{target}}.tsv'))
    for asked, word in (('pt-BR', 'ônibus'), ('pt', 'autocarro'), ('pt-PT', 'autocarro')):
        assert translator.translate(['bus'], 'en', asked) == [word]
