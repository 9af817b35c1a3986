"""Prompts through a chat template: what is rendered, tokenised, written to the prompts, refused."""

import json
import shutil

import pytest
from transformers import PreTrainedTokenizerFast

from xlbarrier import config as config_lib
from xlbarrier.config.checks import ConfigError
from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.config.written import TofuConfig
from xlbarrier.data.tokenize import encode_prompt
from xlbarrier.modes.prompts import prompts as prompts_mode
from xlbarrier.modes.prompts import write_prompts
from xlbarrier.tasks.chat import Chat
from xlbarrier.tasks.posed import pose
from xlbarrier.tasks.worldfacts import WorldFacts
from xlbarrier.tasks.written import Item, WrittenTask

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    '{% if add_generation_prompt %}<|im_start|>assistant\n'
    '{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}'
    '{% endif %}'
)


@pytest.fixture
def chatty(tokenizer):
    """SmolLM2's tokenizer with a template that has a thinking switch, as Qwen 3's."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, eos_token='<|im_end|>', chat_template=CHATML
    )


def task(**fields):
    return WorldFacts(
        WorldFactsConfig(languages=('en', 'ar'), questions=4, chat=True, **fields), 'worldfacts'
    )


def test_a_question_is_the_users_message_and_options_follow_without_a_space(chatty):
    asked = task(system='Be brief.')
    question = asked.questions('full', 'ar')[0]
    for method in ('letter', 'loglikelihood', 'generate'):
        plain = (
            asked.written_prompt(question)
            if method == 'generate'
            else asked.render(question, method)
        )
        made = asked.prompt(question, method, chatty)
        turns = [('system', 'Be brief.'), ('user', plain.context)]
        messages = [{'role': role, 'content': text} for role, text in turns]
        assert made.context == chatty.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        assert made.context.endswith('assistant\n<think>\n\n</think>\n\n')
        assert made.continuations == tuple(text.lstrip() for text in plain.continuations)
    thinking = task(thinking=True).prompt(question, 'generate', chatty)
    assert thinking.context.endswith('<|im_start|>assistant\n')


def test_the_ids_are_those_of_the_template(chatty):
    asked = task()
    question = asked.questions('full', 'en')[0]
    prompt = asked.prompt(question, 'letter', chatty)
    messages = [{'role': 'user', 'content': asked.render(question, 'letter').context}]
    ids = chatty.apply_chat_template(
        messages, add_generation_prompt=True, enable_thinking=False, return_dict=False
    )
    assert encode_prompt(chatty, prompt.context) == ids
    posed = pose(question, {'letter': prompt}, chatty, 'natural')
    for request, letter in zip(posed.requests['letter'], 'ABCD', strict=True):
        whole = [*request.context, *request.continuation]
        assert whole == chatty(prompt.context + letter, add_special_tokens=False)['input_ids']


def test_a_thought_that_the_template_opens_is_closed(chatty):
    chatty.chat_template = "{{ messages[0]['content'] }}<|im_start|>assistant\n<think>\n"
    assert Chat('t').text('Q', chatty) == 'Q<|im_start|>assistant\n<think>\n\n</think>\n\n'
    assert Chat('t', thinking=True).text('Q', chatty).endswith('<think>')


def test_written_tasks_too(chatty):
    item = Item('0', 'Q?', 'Translate: Q?', ('A',))
    asked = WrittenTask('mgsm', {('full', 'en'): [item]}, 8, ('\n',), chat=Chat('t'))
    assert asked.needs_tokenizer
    ((_, (row,)),) = asked.prompts(chatty)
    assert row['prompt'] == Chat('t').text('Translate: Q?', chatty)
    assert asked.texts('en') == ['Q?']


def test_prompts_mode_writes_what_is_rendered(chatty, tiny_llama, tmp_path):
    shutil.copytree(tiny_llama, tmp_path / 'model')
    chatty.save_pretrained(tmp_path / 'model')
    fields = {'languages': ('en', 'ar'), 'questions': 4, 'chat': True, 'system': 'Sei kurz.'}
    values = {
        'mode': 'prompts',
        'model': {'source': str(tmp_path / 'model')},
        'tasks': {'worldfacts': fields, 'worldfacts_plain': {'languages': ('en',), 'questions': 4}},
    }
    prompts_mode(tmp_path / 'run', config_lib.resolve(values))
    for name, chat in (('worldfacts', True), ('worldfacts_plain', False)):
        text = (tmp_path / f'run/prompts/{name}/full.en.jsonl').read_text(encoding='utf-8')
        for row in map(json.loads, text.splitlines()):
            assert ('<|im_start|>system\nSei kurz.<|im_end|>' in row['prompt']) == chat
            assert row['prompt'].endswith('</think>\n\n' if chat else 'Answer:')


@pytest.mark.parametrize(
    ('template', 'words'),
    [
        (None, r'config\.tasks\.worldfacts\.chat is True, and the tokenizer has no chat template'),
        ('{{ tools | length }}', 'refuses a conversation of system and user'),
        ("{{ raise_exception('no system here') }}", r'no system here.*system empty'),
        ('{{ messages | length }}', "does not render the user's message"),
        ('{% if %}', 'refuses'),
    ],
)
def test_templates_that_cannot_be_used_are_named(chatty, tmp_path, template, words):
    chatty.chat_template = template
    with pytest.raises(ValueError, match=words):
        write_prompts(task(system='s'), tmp_path, chatty)


def test_fields_of_a_chat_that_is_off_are_refused():
    with pytest.raises(ValueError, match=r"system is 's' and config\.tasks\.w\.chat is False"):
        WorldFacts(WorldFactsConfig(system='s'), 'w')
    with pytest.raises(ValueError, match='thinking is True'):
        WorldFacts(WorldFactsConfig(thinking=True), 'w')
    with pytest.raises(ConfigError, match=r"t\.template to 'chat'"):
        TofuConfig(source='x', chat=True).check_together('t')
