"""CLiKA's sets from hand-written files: names of files, forms of items, prompts, and refusals."""

import json

import datasets
import pytest

from xlbarrier.config.checks import ConfigError
from xlbarrier.config.tasks import ClikaConfig
from xlbarrier.datafiles import DataError
from xlbarrier.tasks.clika import Clika

SUM = (
    'The following are multiple choice questions. Please choose the most reasonable one from the'
    ' following options.\nQuestion:2+3=?\nA. 1\nB. 2\nC. 3\nD. 5\n'
)
GEO = {
    'en': {'id': 0, 'questions': 'Where is Oslo?', 'answers': ['Norway', 'Rome', 'Peru', 'Mali'],
           'label': 0, 'original_lang': 'en', 'sent_lang': 'en'},
    'de': {'id': 0, 'questions': 'Wo ist Oslo?', 'answers': ['Norwegen', 'Rom', 'Peru', 'Mali'],
           'label': 0, 'original_lang': 'en', 'sent_lang': 'de'},
}  # fmt: skip
COPA = {
    'en': {'label': 1, 'id': 501, 'premise': 'It rained.', 'question': 'effect',
           'choice1': 'Dust rose.', 'choice2': 'I got wet.'},
    'de': {'label': 1, 'id': 501, 'premise': 'Es regnete.', 'question': 'effect',
           'choice1': 'Staub stieg auf.', 'choice2': 'Ich wurde nass.'},
}  # fmt: skip
CSQA = {
    'input': f'{SUM}E. 6\nAnswer:D. 5\nQuestion:Say "Question:2"?\nA. a\nB. b. c\nC. \nD. d\nE. e'
    '\nAnswer:',
    'label': 'B',
}


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(json.dumps(row) for row in rows) + '\n', encoding='utf-8')


@pytest.fixture
def root(tmp_path):
    write(tmp_path / 'x_geo/en/en_geo_data.jsonl', GEO['en'])
    write(tmp_path / 'x_geo/de/de_geo_data.jsonl', GEO['de'])
    write(tmp_path / 'x_geo/de/chatgpt_res.jsonl', {'id': 0, 'res': 'The answer is C'})
    write(tmp_path / 'x_copa/en/test.jsonl', COPA['en'])
    write(tmp_path / 'x_copa/DE/test.jsonl', COPA['de'])
    write(tmp_path / 'x_csqa/x_csqa_en_model_input.jsonl', CSQA)
    write(tmp_path / 'x_csqa/x_csqa_DE_trans_model_input.jsonl', CSQA)
    return tmp_path


def clika(root, subset, **fields):
    config = ClikaConfig(source=str(root), **{'languages': ('en', 'de'), **fields})
    config.check(f'config.tasks.{subset}')
    return Clika(config, subset)


def test_parts_give_the_published_prompt(root):
    task = clika(root, 'x_geo')
    (question,) = task.questions('full', 'de')
    assert question.id == 'x_geo/0' and question.meta['original_language'] == 'en'
    prompt = task.render(question, 'letter')
    assert prompt.context == (
        f'{SUM}Answer:D. 5\nQuestion:Wo ist Oslo?\nA. Norwegen\nB. Rom\nC. Peru\nD. Mali\nAnswer:'
    )
    assert prompt.continuations == ('A', 'B', 'C', 'D')  # no space, as in the example
    assert (prompt.shots, prompt.demos) == (1, 'english')
    bare = task.render(question, 'loglikelihood')
    assert bare.context.endswith('Question:2+3=?\nAnswer:5\nQuestion:Wo ist Oslo?\nAnswer:')
    assert bare.continuations[0] == 'Norwegen'


def test_a_premise_is_asked_for_its_effect_in_every_variant(root):
    task = clika(root, 'x_copa', variants=('full', 'question'), shots=0)
    (question,) = task.questions('question', 'de')
    assert task.render(question, 'letter').context == (
        'Answer the following multiple choice questions by selecting the correct option according'
        ' to the Premise.Please choose the correct one from the two options A and B.\n'
        'Premise:Es regnete.\nQuestion:What happened as a result?\n'
        'A. Dust rose.\nB. I got wet.\nAnswer:'
    )
    assert question.choice_languages == ('en', 'en') and question.answer == 1


def test_published_prompts_are_taken_apart_and_put_together(root):
    task = clika(root, 'x_csqa')
    (question,) = task.questions('full', 'de')
    assert question.question == 'Say "Question:2"?'
    assert question.choices == ('a', 'b. c', '', 'd', 'e') and question.answer == 1
    assert task.render(question, 'letter').context == CSQA['input']


def test_a_dataset_is_read_like_the_files(tmp_path):
    for code, row in GEO.items():
        data = datasets.DatasetDict({'test': datasets.Dataset.from_list([row])})
        data.save_to_disk(str(tmp_path / f'x_geo-{code}'))
    task = clika(f'hf:{tmp_path}/{{subset}}-{{language}}', 'x_geo')
    assert task.questions('full', 'de')[0].question == 'Wo ist Oslo?'


def test_a_missing_language_is_told_with_what_was_looked_for(root):
    with pytest.raises(DataError, match=r"x_geo has no items of x_geo in 'fr'.*fr_geo_data"):
        clika(root, 'x_geo', languages=('en', 'fr'))


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'label': 4}, 'line 1: the answer is 4, outside the 4 options'),
        ({'label': 1}, r'first row that differs is x_geo/0:\s+en: answer A.*\s+de: answer B'),
        ({'answers': ['a', 'b', '', 'd']}, 'answers is empty'),
        ({'answers': ['a', 'b', 'c']}, 'answer A of 3 options'),
        ({'id': 7}, 'de is missing 1 items that en has: x_geo/0'),
        ({'questions': None}, 'line 1: questions is empty'),
    ],
)
def test_bad_items_are_named(root, change, words):
    write(root / 'x_geo/de/de_geo_data.jsonl', GEO['de'] | change)
    with pytest.raises(DataError, match=words):
        clika(root, 'x_geo')


def test_a_repeated_id_an_unknown_relation_and_another_prompt_are_named(root):
    write(root / 'x_geo/de/de_geo_data.jsonl', GEO['de'], GEO['de'])
    with pytest.raises(DataError, match="line 2: id 'x_geo/0' occurs twice"):
        clika(root, 'x_geo')
    write(root / 'x_copa/DE/test.jsonl', COPA['de'] | {'question': 'why'})
    with pytest.raises(DataError, match="question is 'why'; expected cause or effect"):
        clika(root, 'x_copa')
    write(root / 'x_csqa/x_csqa_en_model_input.jsonl', CSQA | {'input': 'Question:x\nAnswer:'})
    with pytest.raises(DataError, match='not the published prompt of x_csqa with 5 options'):
        clika(root, 'x_csqa')
    (root / 'x_geo/de/de_geo_data.jsonl').write_text('')
    with pytest.raises(DataError, match='has no row'):
        clika(root, 'x_geo')


def test_one_example_was_published_and_a_name_says_the_set(root):
    with pytest.raises(ConfigError, match=r'x_geo\.shots is 2; .*CLiKA published one example'):
        clika(root, 'x_geo', shots=2)
    task = Clika(ClikaConfig(source=str(root), languages=('en',), shots=0), 'x_geo_bare')
    assert task.name == 'x_geo_bare' and task.questions('full', 'en')[0].id == 'x_geo/0'
