"""Mode corpus: the arms of a run, what is asked of tasks, and what is refused before work."""

import pathlib
import subprocess
import sys

import pytest

from tests.conftest import SMOLLM2
from xlbarrier import config as config_lib
from xlbarrier.corpus import build
from xlbarrier.modes.corpus import corpus
from xlbarrier.tasks.worldfacts import WorldFacts

ROOT = pathlib.Path(__file__).resolve().parent.parent


def recipe(**corpus):
    sys.path.insert(0, str(ROOT / 'configs'))
    try:
        import corpus_wikitext
    finally:
        sys.path.pop(0)
    values = corpus_wikitext.get_config()
    for name, value in corpus.items():
        place = values.corpus
        *groups, field = name.split('__')
        for group in groups:
            place = place[group]
        place[field] = value
    return values


def test_english_arm_of_wikitext_without_any_translator(tmp_path):
    text = ''.join(f" = Title {i} = \n \n It 's line {i} . \n \n" for i in range(5))
    (tmp_path / 'wiki.txt').write_text(text)
    values = recipe(source=f'wikitext:{tmp_path}/wiki.txt')
    values.arms = ('english',)
    config = config_lib.resolve(values)
    for _ in range(2):
        corpus(tmp_path / 'run', config)
    assert list(build.read(tmp_path / 'run/corpus/english')) == [
        f"Title {i}\nIt's line {i}." for i in range(5)
    ]


def test_tokens_are_counted_by_language(tmp_path, tokenizer):
    (tmp_path / 'a.txt').write_text('One line. Two.\n\nEine Größe, 世界!')
    values = recipe(source=f'text:{tmp_path}/a.txt', unit='sentence')
    values.arms, values.corpus.count_tokens, values.model.source = ('english',), True, SMOLLM2
    config = config_lib.resolve(values)
    corpus(tmp_path / 'run', config)
    folder = tmp_path / 'run/corpus/english'
    units = [unit for row in build.read_rows(folder) for unit in row['units']]
    ids = tokenizer(units, add_special_tokens=False)['input_ids']
    tokens = build.read_manifest(folder)['tokens']
    assert (tokens['total'], tokens['by_language']) == (sum(map(len, ids)), {'en': tokens['total']})
    before = (folder / 'manifest.json').read_bytes()
    corpus(tmp_path / 'run', config)
    assert (folder / 'manifest.json').read_bytes() == before


def test_questions_of_tasks_are_kept_out(tmp_path):
    values = recipe(source=f'text:{tmp_path}/a.txt', filters__decontaminate=5)
    values.arms = ('english',)
    config = config_lib.resolve(values)
    task = WorldFacts(config.tasks['worldfacts'])
    question = next(q.question for q in task.questions('full', 'en') if len(q.question.split()) > 4)
    (tmp_path / 'a.txt').write_text(f'A clean text.\n\nAsk: {question.upper()} Paris.')
    corpus(tmp_path / 'run', config)
    folder = tmp_path / 'run/corpus/english'
    assert list(build.read(folder)) == ['A clean text.']
    report = build.read_manifest(folder)['filters']['contamination']['worldfacts']
    assert report['questions'] >= 100 and report['parts_left_out'] == 1


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'unit': 'word:8'}, r"config\.corpus\.unit is 'word:8'; expected 'document'"),
        ({'source': 'wikitext:nowhere/*'}, r'nowhere/\*: no such file'),
        ({'source': 'wiki:a'}, 'expected countries, or KIND:PLACE'),
        ({'shares': (1.0,)}, r'config\.corpus\.shares has 1 numbers'),
        (
            {'filters__similarity': 2.0},
            r'filters\.similarity is 2\.0; expected 0 <= similarity <= 1',
        ),
        ({'translator__kind': 'dictionery'}, r'Did you mean .dictionary.'),
        ({'text__unknown': 'x'}, r"config\.corpus\.text\.unknown is 'x'"),
        ({'source': 'countries'}, r"config\.corpus\.unit is 'words:8'; expected sentence"),
    ],
)
def test_bad_fields_are_told_before_there_is_a_folder(tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        corpus(tmp_path / 'run', config_lib.resolve(recipe(**fields)))
    assert not (tmp_path / 'run').exists()


def test_arms_are_english_mixed_monolingual_mix_and_single():
    values = recipe()
    values.arms = ('english', 'mixed', 'monolingual-mix', 'single:de', 'single:ja')
    assert config_lib.resolve(values).arms[3] == 'single:de'
    for arm in ('single:', 'single', 'mix'):
        values.arms = ('english', arm)
        with pytest.raises(config_lib.ConfigError, match=r'config\.arms\[1\] is'):
            config_lib.resolve(values)


def test_from_the_command_line(tmp_path):
    (tmp_path / 'a.txt').write_text('One line.\n\nAnother.')
    command = [
        *(sys.executable, '-m', 'xlbarrier.main', '--config=configs/corpus_wikitext.py'),
        *(f'--workdir={tmp_path}/run', f'--config.corpus.source=text:{tmp_path}/a.txt'),
        "--config.arms=('english',)",
    ]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert '2 documents, 3 words (en 100.0%)' in answer.stderr
    assert list(build.read(tmp_path / 'run/corpus/english')) == ['One line.', 'Another.']


def test_preview_is_for_text(tmp_path):
    values = recipe(source='countries', unit='sentence')
    values.corpus.preview = 3
    with pytest.raises(ValueError, match='preview is for text sources'):
        corpus(tmp_path / 'run', config_lib.resolve(values))
