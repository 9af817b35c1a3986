"""A corpus built by Apache Beam: the bytes of the ordinary build, whatever the workers.

apache-beam has an environment of its own (the extra `beam`); what needs it is skipped elsewhere.
There, `last_first` does what a runner does: pickled work, several workers, another order.
"""

import dataclasses
import functools
import json
import pathlib
import pickle
import random
import sys
import unicodedata

import pytest

from tests.corpus_translators import begun, content, marked
from tests.test_corpus_from_text import build, config, small_pieces, text_file
from xlbarrier import config as config_lib
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.corpus import CorpusConfig, FilterConfig, TextConfig, TranslatorConfig
from xlbarrier.corpus import beam as beam_lib
from xlbarrier.corpus import build as corpus
from xlbarrier.corpus import from_text, translation, units
from xlbarrier.datafiles import DataError
from xlbarrier.errors import InputError, StateError
from xlbarrier.modes import corpus as modes_corpus
from xlbarrier.recipes import corpus_wikitext

__all__ = ['small_pieces', 'text_file']

OPTIONS = {
    'one worker': '--direct_num_workers=1',
    'threads': '--direct_num_workers=2 --direct_running_mode=multi_threading',
    'processes': '--direct_num_workers=3 --direct_running_mode=multi_processing',
}

# Languages with and without spaces between words, written in both directions, with marks that
# combine with the letter before: decomposed, as in 'é', or as the script writes its vowels.
TEXTS = {
    'ar': 'كَتَبَ الوَلَدُ الدَّرْسَ. ذهب الرجل إلى السوق واشترى خبزًا! هل البيت كبير؟ ',
    'th': 'แมวอยู่ในบ้านหลังใหญ่ เขาไปตลาดทุกวัน และซื้อปลาที่นั่น ',
    'ja': '猫は大きな家にいます。彼は毎日市場に行く！「魚」を買いますか？ ',
    'hi': 'लड़का किताब पढ़ता है। क्या यह घर बड़ा है? वह हर दिन बाज़ार जाता है! ',
    'en': unicodedata.normalize('NFD', 'The café is naïve. A señor sat on the sofa! Why? '),
}
WORDS = {'ar': 'البيت', 'th': 'แมว', 'ja': '猫', 'hi': 'घर', 'en': 'sofa'}


@pytest.fixture
def last_first(monkeypatch):
    """Three workers without Beam, in this process; returns the names of what they have done."""
    done = []

    def pipeline(begin, work, items, runner, options):
        named = list(reversed(items.items()))
        for worker in range(3):
            mine = pickle.loads(pickle.dumps(work))
            with begin(mine) as function:
                for name, item in named[worker::3]:
                    done.append(name)
                    beam_lib.do(mine, function, name, pickle.loads(pickle.dumps(item)))

    monkeypatch.setattr(beam_lib, 'check', lambda *_: None)
    monkeypatch.setattr(beam_lib, 'run_pipeline', pipeline)
    monkeypatch.setattr(beam_lib, 'CHUNK_CHARACTERS', 700)
    monkeypatch.setattr(beam_lib, 'WAVE', 2)
    return done


@pytest.fixture(params=['without Beam', *OPTIONS])
def how(request):
    """The runner's options."""
    if request.param == 'without Beam':
        request.getfixturevalue('last_first')
        return ''
    pytest.importorskip('apache_beam')
    return OPTIONS[request.param]


def by_beam(made, options=''):
    return dataclasses.replace(made, runner='DirectRunner', runner_options=options)


def built(made, arm, folder, *args, **kwargs):
    folder.parent.mkdir(exist_ok=True)  # of the cache
    return build(made, arm, folder, *args, **kwargs)


def shards(folder):
    return sorted(path.name for path in folder.glob('shard-*'))


def write_texts(folder, language):
    """Three files of paragraphs, of which some come again, and a word list for each target."""
    draw = random.Random(language)
    texts = []
    for i in range(35):
        parts = draw.choices([TEXTS[language], TEXTS['en']], weights=(3, 1), k=draw.randint(1, 5))
        texts.append(f'{i}. ' + ''.join(parts))
    texts += texts[:5]
    for number in range(3):
        (folder / f'{number}.txt').write_text('\n\n'.join(texts[number::3]), encoding='utf-8')
    for target, word in WORDS.items():
        lines = f'{WORDS[language]}\t{word}\nsofa\t{word}\n'
        (folder / f'{language}-{target}.tsv').write_text(lines, encoding='utf-8')


@pytest.mark.parametrize('language', ['ar', 'th', 'ja', 'hi'])
def test_the_bytes_are_those_of_the_ordinary_build(tmp_path, small_pieces, how, language):
    write_texts(tmp_path, language)
    made = CorpusConfig(
        source=f'text:{tmp_path}/*.txt',
        languages=tuple(TEXTS),
        unit='words:3',
        text=TextConfig(language=language),
        filters=FilterConfig(min_words=8, duplicates='exact'),
        translator=TranslatorConfig(place=f'{tmp_path}/{{source}}-{{target}}.tsv'),
    )
    plain = corpus.build(made, 'mixed', tmp_path / 'plain/mixed')
    beam = corpus.build(by_beam(made, how), 'mixed', tmp_path / 'beam/mixed')
    assert content(plain) == content(beam)
    assert len(shards(plain)) > 2 and len(list(corpus.read(plain))) <= 35
    assert {path.name for path in beam.parent.iterdir()} == {'mixed', 'translations.sqlite'}
    languages = corpus.read_manifest(beam)['units']['by_language']
    assert languages.keys() == TEXTS.keys() and min(languages.values()) > 20


QUESTIONS = {'t': ['the sea lobster lives in cold water and eats crabs', 'why?']}


@pytest.mark.parametrize(
    ('arm', 'unit', 'fields'),
    [
        ('mixed', 'words:3', {'filters': FilterConfig(duplicates='near', similarity=0.5)}),
        ('mixed', 'document', {'filters': FilterConfig(keywords=('crabs',), max_words=60)}),
        ('mixed', 'sentence', {'filters': FilterConfig(decontaminate=10), 'documents': 21}),
        ('monolingual-mix', 'words:2', {'documents': 17}),
        ('english', 'sentence', {}),
        ('single:ja', 'sentence', {'filters': FilterConfig(min_words=20)}),
    ],
)
def test_every_arm_and_filter(tmp_path, text_file, small_pieces, last_first, arm, unit, fields):
    made = config(text_file, unit, **fields)
    plain = built(made, arm, tmp_path / 'plain/c', questions=QUESTIONS)
    beam = built(by_beam(made), arm, tmp_path / 'beam/c', questions=QUESTIONS)
    assert content(plain) == content(beam)
    assert corpus.read_manifest(plain)['documents'] > 9
    if 'filters' in fields:
        assert any(corpus.read_manifest(plain)['filters'].values())


def test_rows_are_numbered_over_files_that_end_in_rows_without_text(tmp_path, last_first):
    """Of the first file the last row has no word; of the second, the first."""
    (tmp_path / 'a.tokens').write_text(' = One = \n\n a dog\n <unk>\n')
    (tmp_path / 'b.tokens').write_text(' <unk>\n\n = Two = \n\n a cat\n\n = Three = \n\n none\n')
    (tmp_path / 'rows').write_text('[1, 2, 5, 6]')
    made = CorpusConfig(
        source=f'wikitext:{tmp_path}/*.tokens',
        filters=FilterConfig(rows=f'{tmp_path}/rows'),
    )
    plain = built(made, 'english', tmp_path / 'plain/c')
    beam = built(by_beam(made), 'english', tmp_path / 'beam/c')
    assert content(plain) == content(beam)
    found = [(row['id'], row['text']) for row in corpus.read_rows(beam)]
    assert found == [('0', 'a dog'), ('4', 'a cat'), ('6', 'Three')]


def test_a_row_that_cannot_be_read_is_an_error_only_where_it_is_reached(
    tmp_path, text_file, small_pieces, last_first
):
    good = text_file.read_text().splitlines()
    for number in range(2):
        lines = [*good[number * 20 : number * 20 + 20]]
        lines[12:12] = ['{"text": 3}'] if number else []
        (tmp_path / f'{number}.jsonl').write_text('\n'.join(lines))
    texts = tmp_path / '?.jsonl'
    said = set()
    for made in (config(texts), by_beam(config(texts))):
        with pytest.raises(DataError, match=r"1\.jsonl, .*'text' is a number") as caught:
            built(made, 'mixed', tmp_path / f'refused{len(said)}/c')
        said.add(str(caught.value))
    assert len(said) == 1
    plain = built(config(texts, documents=32), 'mixed', tmp_path / 'plain/c')
    beam = built(by_beam(config(texts, documents=32)), 'mixed', tmp_path / 'beam/c')
    assert content(plain) == content(beam)


def test_an_error_in_a_worker_names_the_document(tmp_path, text_file, monkeypatch, request):
    try:
        import apache_beam  # noqa: F401
    except ImportError:
        request.getfixturevalue('last_first')
    plan = units.plan

    def fails(document, *args, **kwargs):
        if document.id == '7':
            raise ZeroDivisionError('no such unit')
        return plan(document, *args, **kwargs)

    monkeypatch.setattr(units, 'plan', fails)
    made = by_beam(config(text_file), OPTIONS['one worker'])
    with pytest.raises(StateError, match='document 7: ZeroDivisionError: no such unit'):
        built(made, 'mixed', tmp_path / 'beam/mixed')
    with pytest.raises(ZeroDivisionError) as caught:
        built(config(text_file), 'mixed', tmp_path / 'plain/mixed')
    assert caught.value.__notes__ == ['document 7']
    monkeypatch.setattr(units, 'plan', plan)
    built(made, 'mixed', tmp_path / 'beam/mixed')
    built(config(text_file), 'mixed', tmp_path / 'plain/mixed')
    assert content(tmp_path / 'beam/mixed') == content(tmp_path / 'plain/mixed')


def test_a_translator_that_fails_in_a_worker_names_the_documents(
    tmp_path, text_file, small_pieces, last_first, monkeypatch
):
    def fails(*_):
        raise MemoryError('no room')

    monkeypatch.setattr(translation, 'translate_all', fails)
    with pytest.raises(StateError, match=r'documents \d+ to \d+: MemoryError: no room'):
        built(by_beam(config(text_file)), 'mixed', tmp_path / 'mixed')


@pytest.mark.parametrize('then', ['beam', 'plain'])
def test_shards_that_are_finished_are_kept_after_a_failure(
    tmp_path, text_file, small_pieces, last_first, monkeypatch, then
):
    """A worker is lost in the second wave, with a gap in what is finished."""
    made, folder, cache = config(text_file), tmp_path / 'beam/mixed', tmp_path / 'c.sqlite'
    plain = built(made, 'mixed', tmp_path / 'plain/mixed', tmp_path / 'other.sqlite')
    assert len(shards(plain)) == 4
    once = beam_lib._write

    def lost(work, works, number):
        if number == 2:
            raise KeyboardInterrupt
        once(work, works, number)

    with monkeypatch.context() as patch:
        patch.setattr(beam_lib, '_write', lost)
        with pytest.raises(KeyboardInterrupt):
            built(by_beam(made), 'mixed', folder, cache)
    assert shards(folder) == [f'shard-0000{i}.jsonl.zst' for i in (0, 1, 3)]
    inodes = {name: (folder / name).stat().st_ino for name in shards(folder)}
    built(by_beam(made) if then == 'beam' else made, 'mixed', folder, cache)
    assert content(folder) == content(plain)
    kept = [name for name in inodes if (folder / name).stat().st_ino == inodes[name]]
    assert kept == list(inodes)[: 3 if then == 'beam' else 2]
    assert set(begun(cache).values()) == {1}, 'no text is translated again'


def test_a_source_that_has_changed_is_refused(tmp_path, text_file, small_pieces, last_first):
    with pytest.MonkeyPatch.context() as patch:  # stopped before the manifest is written
        patch.setattr(from_text.Shards, 'finish', lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            built(by_beam(config(text_file, seed=1)), 'mixed', tmp_path / 'other')
    lines = text_file.read_text().splitlines(keepends=True)
    for changed in (lines[:-1], [lines[1], lines[0], *lines[2:]]):
        text_file.write_text(''.join(changed))
        with pytest.raises(corpus.CorpusError, match='the source has changed since shard-0000'):
            built(by_beam(config(text_file, seed=1)), 'mixed', tmp_path / 'other')


def test_too_many_failed_translations_stop_between_two_waves(
    tmp_path, text_file, small_pieces, last_first, monkeypatch
):
    monkeypatch.setattr('xlbarrier.corpus.shards.FEW', 20)
    made = by_beam(config(text_file, max_failed=0.2))
    with pytest.raises(corpus.CorpusError, match=r'failures\.jsonl'):
        built(made, 'mixed', tmp_path / 'mixed', fails=('lobster', 'Lobster', 'cold'))
    assert sum(name.startswith('shard') for name in last_first) == beam_lib.WAVE
    made = by_beam(config(text_file, max_failed=1.0))
    plain = dataclasses.replace(made, runner='')
    folders = [
        built(each, 'mixed', tmp_path / name, tmp_path / f'{name}.sqlite', fails=('lobster',))
        for name, each in (('one', plain), ('two', made))
    ]
    assert content(folders[0]) == content(folders[1])
    assert (folders[0] / 'failures.jsonl').stat().st_size > 0


@pytest.mark.parametrize(
    ('lost', 'name'),
    [('reading', 'file-000000'), ('judging', 'chunk-.*judged'), ('writing', 'shard-000000.count')],
)
def test_workers_that_do_not_share_the_folder_are_named(
    tmp_path, text_file, last_first, monkeypatch, lost, name
):
    pipeline = beam_lib.run_pipeline

    def elsewhere(begin, *args):
        if begin.__name__ != lost:
            pipeline(begin, *args)

    monkeypatch.setattr(beam_lib, 'run_pipeline', elsewhere)
    with pytest.raises(StateError, match=rf'{name} was not written .* must be on storage'):
        built(by_beam(config(text_file)), 'mixed', tmp_path / 'mixed')


def test_without_beam_the_extra_is_named_before_anything_is_read(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition('.')[0] == 'apache_beam']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'apache_beam', None)
    made = by_beam(config(pathlib.Path('no-such-file.jsonl')))
    make = functools.partial(marked, tmp_path / 'cache.sqlite')
    for begin in (corpus.build, corpus.check):
        arm = 'mixed' if begin is corpus.build else ['mixed']
        with pytest.raises(InputError, match=r"pip install 'xlbarrier\[beam\]'") as caught:
            begin(made, arm, tmp_path / 'mixed', make=make)
        assert '\n' not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_beam_no_run_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'apache_beam', None)
    monkeypatch.delitem(sys.modules, 'apache_beam.runners', raising=False)
    values = corpus_wikitext.get_config()
    values.corpus.runner, values.corpus.source = 'DirectRunner', 'text:no-such-file'
    with pytest.raises(InputError, match=r"pip install 'xlbarrier\[beam\]'"):
        modes_corpus.corpus(tmp_path / 'run', config_lib.resolve(values))
    assert not (tmp_path / 'run').exists()


def test_a_runner_that_there_is_not_is_named_before_anything_is_read(tmp_path):
    pytest.importorskip('apache_beam')
    made = by_beam(config(pathlib.Path('no-such-file.jsonl')))
    for changed, said in (
        ({'runner': 'DirectRuner'}, "config.corpus.runner is 'DirectRuner'"),
        ({'runner_options': '--a "'}, 'config.corpus.runner_options is'),
    ):
        with pytest.raises(InputError, match=said):
            corpus.build(dataclasses.replace(made, **changed), 'mixed', tmp_path / 'mixed')


def test_the_embedded_corpus_needs_no_runner():
    with pytest.raises(ConfigError, match=r'config\.corpus\.runner'):
        CorpusConfig(runner='DirectRunner').check('config.corpus')


def test_the_runner_is_no_part_of_what_was_asked_for(tmp_path, text_file, last_first):
    folder = built(by_beam(config(text_file)), 'mixed', tmp_path / 'mixed')
    before = content(folder)
    assert built(config(text_file), 'mixed', folder) == folder and content(folder) == before
    assert 'runner' not in json.loads((folder / 'config.json').read_text())
    assert json.loads((folder / 'build.json').read_text())['workers'] == 'DirectRunner'
