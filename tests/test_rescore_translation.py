"""Recorded translations rescored: by hand, and the published ones against plain arithmetic."""

import pytest
import sacrebleu

from tests.test_rescore import find, rescore
from xlbarrier.report import table_files as tables
from xlbarrier.rescore.records import RecordError

ENGLISH = ('The cat sleeps on the old mat.', 'It rains in the green hills today.')
GERMAN = ('Die Katze schläft auf der alten Matte.', 'Heute regnet es in den grünen Hügeln.')


@pytest.fixture
def root(tmp_path):
    """Two systems: one repeats the reference, one translates the first sentence into German."""
    (tmp_path / 'data/flores').mkdir(parents=True)
    for code, lines in (('en', ENGLISH), ('de', GERMAN)):
        (tmp_path / f'data/flores/{code}.devtest').write_text('\n'.join(lines))
    for name, pair, lines, comet in (
        ('echo', 'en-de', GERMAN, 'x\tSegment 0\tscore: 0.5000\nx\tSegment 1\tscore: 0.7500\n'
         'x\tscore: 0.6250\n'),
        ('echo', 'de-en', ENGLISH, ''),
        ('short', 'en-de', ('Die Katze schläft.',), None),
    ):  # fmt: skip
        place = tmp_path / 'outputs' / name / f'test-{pair}'
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text('\n'.join(lines))
        if comet is not None:
            place.with_name(f'{place.name}.comet').write_text(comet)
    return tmp_path


def test_bleu_chrf_and_recorded_comet(root, tmp_path):
    rows = rescore(root, tmp_path / 'run', models=('echo', 'short'))
    perfect = {'model': 'echo', 'variant': 'en-x', 'language': 'de', 'method': 'recorded'}
    for metric in ('bleu', 'chrf'):
        row = find(rows, metric=metric, **perfect)
        assert row['value'] == pytest.approx(100) and row['n'] == 2
        assert sacrebleu.__version__ in row['signature']
    row = find(rows, metric='comet', **perfect)
    assert (row['value'], row['n']) == (0.625, 2) and 0.5 <= row['ci_low'] <= row['ci_high'] <= 0.75
    row = find(rows, metric='comet', model='echo', variant='x-en')
    assert row['value'] is None and row['reason'].endswith('test-de-en.comet is empty')
    row = find(rows, metric='comet', model='short')
    assert row['value'] is None and row['reason'].endswith('there is no test-en-de.comet')
    row = find(rows, metric='bleu', model='short')
    assert row['n'] == 1 and row['value'] < 60
    table = (tmp_path / 'run/tables/results.csv').read_text()
    assert 'version:' in table.splitlines()[1]


@pytest.mark.parametrize(
    ('place', 'content', 'words'),
    [
        ('outputs/short/test-en-de', 'a\nb\nc', r'has 3 translations; the references in de are 2'),
        ('outputs/short/test-en-de', '', r'test-en-de is empty; expected one sentence per line'),
        ('outputs/short/test-en-fr', 'a', r'0 files .*fr\.devtest; expected one'),
        ('data/flores/de.devtest', '\nb', r'line 1 of its references in de is empty'),
        (
            'outputs/echo/test-en-de.comet',
            'score: 0.5\n',
            r'has 1 lines; expected a score for each',
        ),
        ('outputs/echo/test-en-de.comet', 'a\nb\nscore: 1\n', r'line 1 has no score'),
    ],
)
def test_files_that_cannot_be_used_are_named(root, tmp_path, place, content, words):
    (root / place).write_text(content)
    with pytest.raises(RecordError, match=words):
        rescore(root, tmp_path / 'run')


def test_the_published_translations(test_data, tmp_path):
    folder = test_data / 'crosslingual-knowledge-barriers' / 'Translation'
    rows = rescore(folder, tmp_path / 'run', models=('llama2-13b', 'google-translate'))
    assert len(rows) == 2 * 8 * 3
    for system, count in (('llama2-13b', 50), ('google-translate', 100)):
        for language, variant, pair in (('de', 'en-x', 'en-de'), ('it', 'x-en', 'it-en')):
            place = folder / 'outputs' / system / f'test-{pair}'
            texts = place.read_text().split('\n')[:count]
            target = pair.split('-')[1]
            right = (folder / f'data/flores/{target}.devtest').read_text().split('\n')[:count]
            key = {'model': system, 'language': language, 'variant': variant}
            row = find(rows, metric='bleu', **key)
            assert row['n'] == count
            assert row['value'] == pytest.approx(sacrebleu.corpus_bleu(texts, [right]).score)
            row = find(rows, metric='chrf', **key)
            assert row['value'] == pytest.approx(sacrebleu.corpus_chrf(texts, [right]).score)
            scores = place.with_name(f'{place.name}.comet').read_text().split('\n')
            row = find(rows, metric='comet', **key)
            if (system, language) == ('llama2-13b', 'de'):
                assert row['value'] is None
            else:  # the last line is the program's own mean, of four digits
                assert row['value'] == pytest.approx(float(scores[count].split()[-1]), abs=1e-4)


def test_what_is_no_share_is_no_percentage():
    row = dict.fromkeys(('model', 'task', 'variant', 'method'), 'x') | {'language': 'de', 'n': 9}
    row |= {'value': -0.25, 'ci_low': -0.5, 'ci_high': 0.0}
    names = ('truth_ratio', 'comet')
    for name in (*names, *(f'{n}_difference_to_base' for n in names), 'cosine_mixed', 'auc'):
        (table,) = tables.tables([row | {'metric': name}])
        assert '-0.25 [-0.5, 0]' in tables.markdown(table), name
