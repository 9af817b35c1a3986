"""Prompts: cues and spaces as each language writes them, and nothing lost at the boundary."""

import pytest

from xlbarrier.tasks import prompts
from xlbarrier.tasks.base import Question, sheets
from xlbarrier.tasks.worldfacts_templates import LANGUAGES


def question(language='en', choices=('France', 'Mali', 'Peru', 'Oman'), text='Where is Paris?'):
    return Question('q', text, choices, 0, language, (language,) * len(choices), 's')


def test_loglikelihood_asks_without_listing():
    prompt = prompts.render(question(), 'loglikelihood')
    assert prompt.context == 'Question: Where is Paris?\nAnswer:'
    assert prompt.continuations == (' France', ' Mali', ' Peru', ' Oman')
    assert prompt.unconditional == 'Answer:'


def test_letters_list_the_options():
    prompt = prompts.render(question(), 'letter')
    assert prompt.context == (
        'Question: Where is Paris?\nA. France\nB. Mali\nC. Peru\nD. Oman\nAnswer:'
    )
    assert prompt.continuations == (' A', ' B', ' C', ' D')


@pytest.mark.parametrize(
    ('language', 'context', 'first'),
    [
        ('zh', '问题：巴黎？\n答案：', '法国'),
        ('ja', '質問：巴黎？\n答え：', '法国'),
        ('ar', 'السؤال: 巴黎？\nالإجابة:', ' 法国'),
        ('fr', 'Question : 巴黎？\nRéponse :', ' 法国'),
    ],
)
def test_spaces_and_colons_are_the_languages_own(language, context, first):
    prompt = prompts.render(question(language, ('法国', 'x'), '巴黎？'), 'loglikelihood')
    assert prompt.context == context and prompt.continuations[0] == first


@pytest.mark.parametrize('language', LANGUAGES)
@pytest.mark.parametrize('method', ['loglikelihood', 'letter'])
def test_no_context_ends_in_white_space(language, method):
    prompt = prompts.render(question(language), method)
    assert prompt.context == prompt.context.strip()
    assert prompt.context.endswith(prompt.unconditional)


def test_what_cannot_be_rendered_is_named():
    with pytest.raises(ValueError, match="no cue words in 'is'"):
        prompts.render(question('is'), 'loglikelihood')
    with pytest.raises(ValueError, match='11 options'):
        prompts.render(question(choices=tuple('abcdefghijk')), 'letter')
    with pytest.raises(ValueError, match="'guess'"):
        prompts.render(question(), 'guess')


def test_sheets_ask_the_english_variant_once():
    wanted = [('english', 'en'), ('full', 'fr'), ('full', 'ar')]
    assert sheets(('english', 'full'), ('fr', 'ar')) == wanted


@pytest.mark.parametrize(
    ('code', 'begins', 'space'),
    [('zh', '问题：', ''), ('th', 'คำถาม: ', ' '), ('sw', 'Swali: ', ' ')],
)
def test_a_space_follows_a_cue_unless_its_colon_is_full_width(code, begins, space):
    prompt = prompts.render(question(code), 'letter')
    assert prompt.context.startswith(begins) and prompt.continuations[0] == f'{space}A'
