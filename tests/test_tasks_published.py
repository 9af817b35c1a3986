"""The smaller published sets, from hand-written files and, where it is there, real data."""

import json

import datasets
import pytest

from xlbarrier.config.sets import BelebeleConfig
from xlbarrier.config.tasks import TASK_CONFIGS, BmlamaConfig, HpQuizConfig, XcopaConfig, kind_of
from xlbarrier.data.tokenize import encode_pair
from xlbarrier.datafiles import DataError
from xlbarrier.scoring.request import Request
from xlbarrier.scoring.store import Score
from xlbarrier.tasks import registry
from xlbarrier.tasks.hub_choice import HubChoice
from xlbarrier.tasks.posed import Posed, pose
from xlbarrier.tasks.published import Bmlama, HpQuiz, Xcopa

HP = {
    'en': {'question': 'Which spell?', 'A': 'a', 'B': 'b', 'C': 'c', 'D': 'd', 'GT': 'C'},
    'fr': {'question': 'Quel sort ?', 'A': 'fa', 'B': 'fb', 'C': 'fc', 'D': 'fd', 'GT': 'C'},
}
COPA = {
    'it': {'premise': 'Piove.', 'choice1': 'uno', 'choice2': 'due', 'question': 'cause',
           'label': 1, 'idx': 0, 'changed': False},
    'zh': {'premise': '下雨。', 'choice1': '一', 'choice2': '二', 'question': 'cause',
           'label': 1, 'idx': 0, 'changed': False},
}  # fmt: skip
READING = {
    'link': 'https://example.org/a', 'question_number': 2, 'flores_passage': 'A text.',
    'question': 'What?', 'mc_answer1': 'w', 'mc_answer2': 'x', 'mc_answer3': 'y',
    'mc_answer4': 'z', 'correct_answer_num': '4', 'dialect': 'eng_Latn',
}  # fmt: skip


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(json.dumps(row) for row in rows), encoding='utf-8')
    return path


def test_every_task_of_the_config_can_be_made():
    assert set(TASK_CONFIGS) == set(registry.TASKS)
    assert kind_of('mmlu_aware') == 'mmlu' and kind_of('hp_quiz') == 'hp_quiz'
    assert kind_of('mmlux') is None


@pytest.mark.parametrize('kind', ['dataset', 'folder', 'files'])
def test_harry_potter_quiz_in_its_published_words(tmp_path, kind):
    if kind == 'dataset':
        names = {'en': 'English', 'fr': 'French'}
        data = {names[code]: datasets.Dataset.from_list([row]) for code, row in HP.items()}
        datasets.DatasetDict(data).save_to_disk(str(tmp_path))
        source = f'hf:{tmp_path}'
    else:
        for code, row in HP.items():
            write(tmp_path / f'{code}.jsonl', row)
        source = str(tmp_path if kind == 'folder' else tmp_path / '{language}.jsonl')
    task = HpQuiz(HpQuizConfig(source=source, languages=('en', 'fr'), variants=('full', 'gt')))
    (question,) = task.questions('full', 'fr')
    prompt = task.render(question, 'letter')
    assert prompt.context == (
        'Vous trouverez ci-dessous des questions à choix multiples (avec réponses) sur Harry'
        ' Potter.\n\nQuel sort ?\nA. fa\nB. fb\nC. fc\nD. fd\nAnswer: '
    )
    (mixed,) = task.questions('gt', 'fr')
    assert mixed.choices == ('a', 'b', 'fc', 'd') and mixed.answer == 2
    assert task.render(mixed, 'letter').context.startswith('The following are multiple choice')


def test_the_space_after_the_answer_goes_to_the_natural_letter(tmp_path, tokenizer):
    write(tmp_path / 'en.jsonl', HP['en'])
    task = HpQuiz(HpQuizConfig(source=str(tmp_path), languages=('en',)))
    prompt = task.render(task.questions('full', 'en')[0], 'letter')
    context, letter = encode_pair(tokenizer, prompt.context, prompt.continuations[0])
    assert tokenizer.decode(letter) == ' A' and tokenizer.decode(context).endswith('Answer:')


def test_bmlama_ends_the_sentence_with_each_candidate(tmp_path):
    # One published header has a tab too many; Hebrew rows are quoted.
    (tmp_path / 'en.tsv').write_text(
        'Prompt\tAns\tCandidate Ans\tSubject\n'
        'Ann was born in <mask> long ago.\tRome\tParis, Rome, Bonn\tAnn\n'
    )
    (tmp_path / 'zh.tsv').write_text(
        'Prompt\tAns\tCandidate\tAns\tSubject\n"安出生于<mask>。"\t罗马\t巴黎, 罗马, 波恩\t安\n',
        encoding='utf-8',
    )
    task = Bmlama(BmlamaConfig(source=str(tmp_path), languages=('en', 'zh')))
    prompt = task.render(task.questions('full', 'en')[0], 'loglikelihood')
    assert prompt.context == 'Ann was born in'
    assert prompt.continuations[1] == ' Rome long ago.'
    prompt = task.render(task.questions('full', 'zh')[0], 'loglikelihood')
    assert (prompt.context, prompt.continuations[2]) == ('安出生于', '波恩。')


def test_bmlama_is_normalised_by_all_that_is_scored(tmp_path, tokenizer):
    """-18 and -25 nats over 12 and 15 characters, not over the candidates' 2 and 5."""
    (tmp_path / 'en.tsv').write_text(
        'Prompt\tAns\tCandidate Ans\tSubject\nAnn left <mask> long ago.\tUS\tUS, Egypt, UK\tAnn\n'
    )
    task = Bmlama(BmlamaConfig(source=str(tmp_path), languages=('en',)))
    question = task.questions('full', 'en')[0]
    prompt = task.render(question, 'loglikelihood')
    ends = prompt.continuations
    assert ends == (' US long ago.', ' Egypt long ago.', ' UK long ago.')
    groups = {
        'loglikelihood': [Score(-18, False), Score(-25, False), Score(-22, False)],
        'unconditional': [Score(-20, False)] * 3,
    }
    requests = {name: [Request((0,), (1, 2))] * 3 for name in groups}
    posed = Posed(
        question,
        '',
        pose(question, {'loglikelihood': prompt}, tokenizer, 'natural').scored,
        requests,
    )
    left = (score for group in groups.values() for score in group)
    row = posed.answer('en', ('loglikelihood',), left, {})
    lengths = [len(end) - 1 for end in ends]
    assert lengths == [12, 15, 12] and -25 / 5 > -18 / 2 and -25 / 15 < -18 / 12
    assert (row['prediction_char'], row['prediction_byte'], row['prediction_raw']) == (0, 0, 0)


@pytest.mark.parametrize(
    ('row', 'words'),
    [
        ('In <mask>.\tx\ty, z\ts', "line 2: the answer 'x' is not among 'y, z'"),
        ('In it.\ty\ty, z\ts', 'expected one <mask>'),
        ('<mask> is it.\ty\ty, z\ts', 'words before it'),
        ('In <mask>.\ty\ty, z', '3 cells'),
        ('In <mask>.\ty\ty, , z\ts', 'a candidate is empty'),
        ('In <mask>.\ty\ty\ts', r'no item is left \(n = 0\).*one candidate'),
        ('', r'no item \(n = 0\)'),
    ],
)
def test_bad_rows_of_bmlama_are_named(tmp_path, row, words):
    (tmp_path / 'en.tsv').write_text(f'Prompt\tAns\tCandidate Ans\tSubject\n{row}\n')
    with pytest.raises(DataError, match=words):
        Bmlama(BmlamaConfig(source=str(tmp_path), languages=('en',)))


def test_bmlama17_is_aligned_over_its_languages(test_data):
    task = Bmlama(BmlamaConfig(source=str(test_data / 'bmlama17')))
    assert task.count == 6792
    assert max(len(q.choices) for q in task.questions('full', 'he')) == 10


def test_xcopa_in_its_folders(tmp_path, test_data):
    for code, row in COPA.items():
        write(tmp_path / f'{code}/test.{code}.jsonl', row)
    task = Xcopa(XcopaConfig(source=str(tmp_path), languages=('it', 'zh')))
    (question,) = task.questions('full', 'it')
    assert task.render(question, 'letter').context.endswith(
        '\nPremise:Piove.\nQuestion:What was the cause of this?\nA. uno\nB. due\nAnswer:'
    )
    whole = Xcopa(XcopaConfig(source=str(test_data / 'xcopa/data')))
    assert [len(whole.questions('full', code)) for code in whole.languages] == [500] * 11


def test_belebele_sorts_its_files_by_passage(tmp_path):
    other = READING | {'link': 'https://example.org/b', 'correct_answer_num': '1'}
    write(tmp_path / 'eng_Latn.jsonl', READING, other)
    write(tmp_path / 'deu_Latn.jsonl', other, READING | {'question': 'Was?'})
    task = HubChoice(BelebeleConfig(source=str(tmp_path), languages=('en', 'de')), 'belebele')
    assert [q.answer for q in task.questions('full', 'de')] == [3, 0]
    question = task.questions('full', 'de')[0]
    assert task.render(question, 'letter').context == (
        'P: A text.\nQ: Was?\nA: w\nB: x\nC: y\nD: z\nAnswer:'
    )
    write(tmp_path / 'deu_Latn.jsonl', READING | {'correct_answer_num': '5'}, other)
    with pytest.raises(DataError, match=r"the answer is '5'.*1 to 4"):
        HubChoice(BelebeleConfig(source=str(tmp_path), languages=('en', 'de')), 'belebele')


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match='no file English or en that ends in'):
        HpQuiz(HpQuizConfig(source=str(tmp_path), languages=('en',)))
    with pytest.raises(DataError, match=r'en\.tsv cannot be read'):
        Bmlama(BmlamaConfig(source=str(tmp_path), languages=('en',)))
