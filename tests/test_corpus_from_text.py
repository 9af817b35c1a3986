"""Corpora from text: what they hold, the same bytes always, and what stops a build."""

import functools
import itertools
import json

import pytest

from tests.corpus_translators import begun, content, marked
from xlbarrier.config.corpus import CorpusConfig, FilterConfig, TextConfig, TranslatorConfig
from xlbarrier.corpus import build as corpus
from xlbarrier.corpus import rows as rows_lib
from xlbarrier.corpus import shards, units
from xlbarrier.corpus.documents import Document, Part
from xlbarrier.text import segment
from xlbarrier.translate.protocol import TranslatorError

WORDS = segment.words('the sea lobster lives in cold water and eats crabs it finds at night', 'en')
LANGUAGES = ('en', 'de', 'fr', 'ja', 'ar')


def sentence(i):
    return ' '.join(WORDS[(i * 7 + j) % len(WORDS)] for j in range(5 + i % 9)).capitalize() + '.'


@pytest.fixture
def text_file(tmp_path):
    """Forty documents of one to seven sentences, some of which come again."""
    path = tmp_path / 'text.jsonl'
    texts = [' '.join(sentence(i * 3 + j) for j in range(1 + i % 7)) for i in range(40)]
    path.write_text(''.join(json.dumps({'text': text}) + '\n' for text in texts))
    return path


def config(path, unit='words:3', workers=1, **fields):
    translator = TranslatorConfig(workers=workers, max_failed=fields.pop('max_failed', 0.0))
    return CorpusConfig(
        source=f'jsonl:{path}', languages=LANGUAGES, unit=unit, translator=translator, **fields
    )


def build(made, arm, folder, cache=None, questions=None, **of_marked):
    make = functools.partial(marked, cache or folder.parent / 'cache.sqlite', **of_marked)
    return corpus.build(made, arm, folder, make=make, questions=questions)


@pytest.fixture
def small_pieces(monkeypatch):
    """Several shards, and several batches in each."""
    monkeypatch.setattr(shards, 'SHARD_CHARACTERS', 2000)
    monkeypatch.setattr(rows_lib, 'BATCH_CHARACTERS', 500)


def test_what_a_mixed_corpus_holds(tmp_path, text_file, small_pieces):
    folder = build(config(text_file), 'mixed', tmp_path / 'c')
    rows, manifest = list(corpus.read_rows(folder)), corpus.read_manifest(folder)
    sources = [json.loads(line)['text'] for line in text_file.read_text().splitlines()]
    for row, source in zip(rows, sources, strict=True):
        cut = [unit.strip() for unit in segment.split(source, 'words:3', 'en')]
        wanted = [
            unit if code == 'en' else f'{code}({unit})'
            for unit, code in zip(cut, row['languages'], strict=True)
        ]
        assert row['units'] == wanted
        assert 'ja' in row['languages'] or row['text'] == ' '.join(wanted)
    flat = [pair for row in rows for pair in zip(row['languages'], row['units'], strict=True)]
    assert len(manifest['shards']) > 2
    assert manifest['documents'] == 40 and manifest['units']['total'] == len(flat)
    for code in LANGUAGES:
        mine = [unit for language, unit in flat if language == code]
        assert manifest['units']['by_language'][code] == len(mine) > 10
        words = sum(segment.count_words(unit, code) for unit in mine)
        assert manifest['words']['by_language'][code] == words
    switches = sum(a != b for r in rows for a, b in itertools.pairwise(r['languages']))
    rate = 100 * switches / manifest['words']['total']
    assert manifest['switches_per_100_words'] == pytest.approx(rate, abs=1e-4)
    assert manifest['translations'] == {
        'wanted': sum(code != 'en' for code, _ in flat),
        'failed': 0,
    }
    assert manifest['source']['files'] == [
        {'name': 'text.jsonl', 'bytes': text_file.stat().st_size}
    ]
    assert manifest['translator'] == 'dictionary marked-1'
    built = json.loads((folder / 'build.json').read_text())
    assert built['cache']['misses'] == len(begun(tmp_path / 'cache.sqlite'))
    assert not (folder / 'progress').exists()


def test_arms_share_documents_and_the_english_one_is_the_text_itself(tmp_path, text_file):
    sources = [json.loads(line)['text'] for line in text_file.read_text().splitlines()]
    english = build(config(text_file), 'english', tmp_path / 'english', languages=())
    assert list(corpus.read(english)) == sources
    assert corpus.read_manifest(english)['units']['by_language'].keys() == {'en'}
    single = list(corpus.read_rows(build(config(text_file), 'single:de', tmp_path / 'de')))
    assert {code for row in single for code in row['languages']} == {'de'}
    # Where a document stays in one language it is translated by sentences, not by runs of words.
    cut = [unit.strip() for unit in segment.split(sources[5], 'sentence', 'en')]
    assert single[5]['units'] == [f'de({unit})' for unit in cut]
    whole = list(corpus.read_rows(build(config(text_file), 'monolingual-mix', tmp_path / 'mono')))
    assert {len(set(row['languages'])) for row in whole} == {1}
    assert {row['languages'][0] for row in whole} == set(LANGUAGES)
    assert [row['id'] for row in single] == [row['id'] for row in whole]


def test_a_document_as_unit_is_translated_sentence_by_sentence(tmp_path, text_file):
    rows = list(corpus.read_rows(build(config(text_file, 'document'), 'mixed', tmp_path / 'c')))
    sources = [json.loads(line)['text'] for line in text_file.read_text().splitlines()]
    for row, source in zip(rows, sources, strict=True):
        assert len(row['units']) == 1 and row['units'][0] == row['text']
        if row['languages'] == ['fr']:
            cut = [unit.strip() for unit in segment.split(source, 'sentence', 'en')]
            assert row['text'] == ' '.join(f'fr({unit})' for unit in cut)
    assert {row['languages'][0] for row in rows} == set(LANGUAGES)


def test_the_same_bytes_for_any_number_of_workers(tmp_path, text_file, small_pieces):
    """And no text is translated twice, though two processes write into one cache."""
    one = build(config(text_file), 'mixed', tmp_path / 'one', tmp_path / 'a.sqlite')
    three = build(config(text_file, workers=3), 'mixed', tmp_path / 'three', tmp_path / 'b.sqlite')
    assert content(one) == content(three)
    for name in ('a', 'b'):
        assert set(begun(tmp_path / f'{name}.sqlite').values()) == {1}
    again = build(config(text_file), 'mixed', tmp_path / 'again', tmp_path / 'b.sqlite')
    assert content(again) == content(one)
    assert json.loads((again / 'build.json').read_text())['cache']['rate'] == 1
    other = build(config(text_file, seed=1), 'mixed', tmp_path / 'other', tmp_path / 'a.sqlite')
    assert content(other) != content(one)


def test_shares_and_the_number_of_documents(tmp_path, text_file):
    made = config(text_file, shares=(3.0, 1.0, 0.0, 0.0, 0.0), documents=30)
    folder = build(made, 'mixed', tmp_path / 'c', languages=('de',))
    manifest = corpus.read_manifest(folder)
    found = manifest['units']
    assert manifest['documents'] == 30 and found['by_language'].keys() == {'en', 'de'}
    assert 0.65 < found['by_language']['en'] / found['total'] < 0.85


def test_filters_are_reported(tmp_path, text_file):
    made = config(text_file, filters=FilterConfig(min_words=8, decontaminate=6))
    folder = build(
        made, 'english', tmp_path / 'c', questions={'quiz': [sentence(3)[:-1] + '?', 'Why?']}
    )
    report = corpus.read_manifest(folder)['filters']
    assert report['documents_left_out']['min_words'] > 0
    assert report['contamination']['quiz']['questions_met'] == 1
    assert sentence(3) not in '\n'.join(corpus.read(folder))
    with pytest.raises(corpus.CorpusError, match=r'left no document: .*keywords'):
        made = config(text_file, filters=FilterConfig(keywords=('whale',)))
        build(made, 'english', tmp_path / 'd')


def test_failures_are_counted_listed_and_marked(tmp_path, text_file):
    made = config(text_file, 'sentence', max_failed=0.5)
    folder = build(made, 'mixed', tmp_path / 'c', fails=('night',))
    manifest = corpus.read_manifest(folder)
    lines = (folder / 'failures.jsonl').read_text().splitlines()
    failures = [json.loads(line) for line in lines]
    assert manifest['translations']['failed'] == len(failures) > 10
    rows = {row['id']: row for row in corpus.read_rows(folder)}
    for failure in failures:
        row = rows[failure['document']]
        assert failure['unit'] in row['failed'] and row['languages'][failure['unit']] == 'en'
        assert row['units'][failure['unit']] == failure['text'] and 'night' in failure['text']
        assert failure['reason'] == f'refused {failure["text"]!r}' and failure['language'] != 'en'
    assert sum(len(row.get('failed', ())) for row in rows.values()) == len(failures)


def test_too_many_failures_stop_the_build_and_a_mended_translator_goes_on(tmp_path, text_file):
    made, folder, cache = config(text_file, max_failed=0.01), tmp_path / 'c', tmp_path / 'x.sqlite'
    with pytest.raises(corpus.CorpusError, match=r'translations failed, more than .* 0\.01 allows'):
        build(made, 'mixed', folder, cache, fails=('night',))
    lines = (folder / 'failures.jsonl').read_text().splitlines()
    assert len(lines) > 10 and not (folder / 'manifest.json').exists()
    before = begun(cache)
    build(made, 'mixed', folder, cache)
    assert not (folder / 'failures.jsonl').exists()
    twice = [text for (_, text), count in begun(cache).items() if count > 1]
    assert twice and all('night' in text for text in twice) and len(begun(cache)) == len(before)


def test_what_failed_in_finished_shards_is_asked_for_again_too(tmp_path, text_file, small_pieces):
    made, folder, cache = config(text_file, max_failed=0.01), tmp_path / 'c', tmp_path / 'x.sqlite'
    with pytest.raises(corpus.CorpusError, match='translations failed'):
        build(made, 'mixed', folder, cache, fails=('night',))
    assert len(list(folder.glob('shard-*'))) > 1
    build(made, 'mixed', folder, cache)
    assert content(folder) == content(build(made, 'mixed', tmp_path / 'd'))
    assert all('night' in text for (_, text), count in begun(cache).items() if count > 1)


def test_a_language_without_a_translator_is_refused_at_the_start(tmp_path, text_file):
    made = config(text_file)
    for workers in (1, 2):
        with pytest.raises(TranslatorError, match='no translator for en-fr, en-ar with'):
            build(
                config(text_file, workers=workers), 'mixed', tmp_path / 'c', languages=('de', 'ja')
            )
    assert not (tmp_path / 'c').exists()
    make = functools.partial(marked, tmp_path / 'x.sqlite', languages=('de', 'fr', 'ja', 'ar'))
    corpus.check(made, ('english', 'mixed', 'monolingual-mix', 'single:de'), tmp_path, make=make)
    with pytest.raises(TranslatorError, match='for en-pl with'):
        corpus.check(made, ('english', 'mixed', 'single:pl'), tmp_path, make=make)
    with pytest.raises(ValueError, match="CLDR has no language 'xx'"):
        corpus.check(made, ('single:xx',), tmp_path, make=make)
    with pytest.raises(ValueError, match="arm is 'mixd'"):
        corpus.check(made, ('mixd',), tmp_path, make=make)


def test_another_config_source_or_translator_is_refused(tmp_path, text_file, small_pieces):
    folder = build(config(text_file), 'mixed', tmp_path / 'c')
    before = content(folder)
    for made, arm, named in [
        (config(text_file, unit='words:4'), 'mixed', r"unit: there 'words:3', now 'words:4'"),
        (config(text_file, text=TextConfig(field='body')), 'mixed', r'text\.field'),
        (config(text_file), 'english', 'arm: there'),
    ]:
        with pytest.raises(corpus.CorpusError, match=named):
            build(made, arm, folder)
    # How many processes translate and where the cache lies is no matter.
    assert build(config(text_file, workers=2), 'mixed', folder) == folder
    assert content(folder) == before


class Stop(Exception):
    pass


def stopped_after(monkeypatch, number):
    """A build that ends when so many shards are written."""
    real, written = shards.Shards._close_shard, []

    def close(self):
        if len(written) == number:
            raise Stop
        written.append(1)
        real(self)

    monkeypatch.setattr(shards.Shards, '_close_shard', close)


def test_a_stopped_build_goes_on_behind_its_last_shard(
    tmp_path, text_file, small_pieces, monkeypatch
):
    whole = build(config(text_file), 'mixed', tmp_path / 'whole', tmp_path / 'a.sqlite')
    folder, cache = tmp_path / 'c', tmp_path / 'b.sqlite'
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stopped_after(patch, 2)
        build(config(text_file), 'mixed', folder, cache)
    assert len(list(folder.glob('shard-*'))) == 2 and not (folder / 'manifest.json').exists()
    with pytest.raises(corpus.CorpusError, match='not finished'):
        next(corpus.read(folder))
    (folder / '.shard-00002.jsonl.zst.1.tmp').write_bytes(b'half')
    build(config(text_file), 'mixed', folder, cache)
    assert content(folder) == content(whole)
    assert set(begun(cache).values()) == {1}
    built = json.loads((folder / 'build.json').read_text())
    assert built['documents_of_earlier_starts'] > 5


def test_a_source_or_translator_that_changes_midway_is_refused(
    tmp_path, text_file, small_pieces, monkeypatch
):
    folder = tmp_path / 'c'
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stopped_after(patch, 2)
        build(config(text_file), 'mixed', folder)
    before = text_file.read_text()
    text_file.write_text(before.replace('lobster', 'crayfish', 1))
    with pytest.raises(corpus.CorpusError, match=r'source has changed since shard-00000'):
        build(config(text_file), 'mixed', folder)
    text_file.write_text('\n'.join(before.split('\n')[:3]) + '\n')
    with pytest.raises(corpus.CorpusError, match=r'source has changed since shard'):
        build(config(text_file), 'mixed', folder)
    text_file.write_text(before)
    (folder / 'progress/translator').write_text('marked-0')
    with pytest.raises(corpus.CorpusError, match=r'another translator \(marked-0; now marked-1\)'):
        build(config(text_file), 'mixed', folder)


def test_a_damaged_shard_is_named(tmp_path, text_file, small_pieces):
    folder = build(config(text_file), 'mixed', tmp_path / 'c')
    shard = folder / 'shard-00001.jsonl.zst'
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(corpus.CorpusError, match=r'shard-00001\.jsonl\.zst is missing or is not'):
        build(config(text_file), 'mixed', folder)


@pytest.mark.parametrize('fail_at', [0, 1, 2, 3, 6, 9, 10, 11])
def test_a_full_disk_names_the_file_and_the_next_start_mends_it(
    tmp_path, text_file, small_pieces, monkeypatch, fail_at
):
    import os

    from xlbarrier import run as run_lib

    whole = build(config(text_file), 'mixed', tmp_path / 'whole')
    real, calls = os.fsync, []

    def full(fd):
        calls.append(fd)
        if len(calls) == fail_at + 1:
            raise OSError(28, 'No space left on device')
        return real(fd)

    folder = tmp_path / 'c'
    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        with pytest.raises(run_lib.RunError, match='No space left on device'):
            build(config(text_file), 'mixed', folder)
    build(config(text_file), 'mixed', folder)
    assert content(folder) == content(whole)


def join(cores, behind, codes, source='en'):
    return units.join(cores, behind, codes, source)


@pytest.mark.parametrize(
    ('behind', 'codes', 'text'),
    [
        ((' ', '  ', ''), ('en', 'en', 'en'), 'a b  c'),
        ((' ', ' ', ''), ('en', 'de', 'fr'), 'a b c'),
        ((' ', ' ', ''), ('zh', 'ja', 'zh'), 'abc'),
        ((' ', ' ', ''), ('en', 'zh', 'de'), 'a b c'),
        (('\n', ' ', ''), ('zh', 'ja', 'th'), 'a\nbc'),
        (('', ' ', ''), ('de', 'fr', 'en'), 'ab c'),
    ],
)
def test_the_space_between_units(behind, codes, text):
    assert join('abc', behind, codes) == text


def test_units_without_spaces_get_them_where_languages_meet():
    assert join(
        ('我爱', 'Peking', 'und', '你'), ('', '', '', ''), ('zh', 'de', 'de', 'zh'), 'zh'
    ) == ('我爱 Peking und 你')
    assert join(('สวัสดี.', 'ครับ'), (' ', ''), ('th', 'th')) == 'สวัสดี. ครับ'


def test_parts_stand_on_lines_of_their_own_and_are_not_gone_over():
    document = Document('7', (Part('A title', 7, True), Part('One two three. Four five.', 8)))
    share = {'en': 1.0}
    plan = units.plan(document, 'words:4', 'english', 'en', 0, share)
    assert plan.pieces == ('A title', 'One two three. Four', 'five.')
    assert plan.behind == ('\n', ' ', '')
    whole = units.plan(document, 'document', 'english', 'en', 0, share)
    assert whole.units == (3,) and len(set(whole.languages)) == 1
    assert units.join(whole.pieces, whole.behind, whole.languages, 'en') == (
        'A title\nOne two three. Four five.'
    )


def test_what_has_no_letter_is_not_translated(tmp_path):
    (tmp_path / 'a.txt').write_text('...\n\n- - -\n\nA word. !!!')
    made = CorpusConfig(source=f'text:{tmp_path}/a.txt', languages=('de',), unit='sentence')
    folder = build(made, 'mixed', tmp_path / 'c')
    assert list(corpus.read(folder)) == ['...', '- - -', 'de(A word. !!!)']
    assert begun(tmp_path / 'cache.sqlite') == {('de', 'A word. !!!'): 1}
