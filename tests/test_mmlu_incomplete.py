"""Sets of MMLU's form that lack subjects, as JMMLU does."""

import pytest

from xlbarrier.config.tasks import MmluConfig
from xlbarrier.datafiles import DataError
from xlbarrier.tasks.mmlu import Mmlu
from xlbarrier.tasks.mmlu_files import SUBJECTS

ROW = '{code} {subject} {n}?,a,b,c,d,{key}\n'


def write(folder, code, *, without=(), strange=()):
    for split, count in (('test', 2), ('dev', 1)):
        (folder / code / split).mkdir(parents=True)
        for subject in [s for s in SUBJECTS if s not in without] + list(strange):
            rows = [ROW.format(code=code, subject=subject, n=n, key='AB'[n]) for n in range(count)]
            (folder / code / split / f'{subject}_{split}.csv').write_text(''.join(rows))


def task(folder, **fields):
    fields = {'languages': ('en', 'ja', 'sw'), 'shots': 1, 'variants': ('full',)} | fields
    return Mmlu(MmluConfig(source=f'{folder}/{{language}}', **fields))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('mmlu')
    write(root, 'en')
    write(root, 'ja', without=('us_foreign_policy', 'virology'), strange=('japanese_civics',))
    write(root, 'sw', without=('anatomy', 'virology'))
    return root


def test_all_missing_subjects_are_reported_at_once(folder):
    with pytest.raises(DataError) as caught:
        task(folder)
    first, japanese, swahili = str(caught.value).splitlines()
    assert first.startswith('config.tasks.mmlu: files of subjects are missing; add them, or set')
    assert "to 'common': those that all languages have" in first
    assert japanese == (
        f'  ja: {folder}/ja/test has no *_test.csv of 2 of 57 subjects: us_foreign_policy,'
        ' virology; of no subject: japanese_civics_test.csv'
    )
    assert swahili.endswith('of 2 of 57 subjects: anatomy, virology')


def test_common_subjects_are_those_of_all_languages(folder, caplog):
    made = task(folder, subjects=('common',))
    asked = {q.subject for q in made.questions('full', 'ja')}
    assert asked == set(SUBJECTS) - {'anatomy', 'us_foreign_policy', 'virology'}
    assert len(made.questions('full', 'sw')) == 2 * 54
    assert 'ja has no test file of 2 subjects, which are not asked: us_foreign' in caplog.text
    assert 'files of no subject: japanese_civics_test.csv; they are not asked' in caplog.text
    # A subject whose demonstrations are missing is not asked either.
    (folder / 'en/dev/astronomy_dev.csv').unlink()
    made = task(folder, subjects=('common',))
    assert 'astronomy' not in {q.subject for q in made.questions('full', 'ja')}


def test_subjects_that_are_named_are_all_that_is_needed(folder):
    made = task(folder, subjects=('anatomy',), languages=('en', 'ja'))
    assert len(made.questions('full', 'ja')) == 2
    with pytest.raises(DataError, match=r'sw/test has no .* of 1 of 1 subjects: anatomy$'):
        task(folder, subjects=('anatomy',))
    with pytest.raises(DataError, match=r"subjects\[1\] is 'common', not a subject of MMLU"):
        task(folder, subjects=('anatomy', 'common'))
