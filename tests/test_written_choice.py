"""Multiple choice whose answer the model writes: what is asked, written, read and reported."""

import jax
import pyarrow.parquet as pq
import pytest
import torch
from transformers import LlamaForCausalLM

from tests.test_multiple_choice import Countries, measure
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load
from xlbarrier.report import words
from xlbarrier.results.run import result_rows
from xlbarrier.scoring.generate import Generated
from xlbarrier.tasks import written_choice
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import Prompt, Question

QUESTION = Question('q', 'Where?', ('Oslo', 'Rome', 'Lima'), 2, 'en', ('en',) * 3, 's')


class Two(Countries):
    """English and Chinese alone."""

    name = 'two'

    def sheets(self):
        return [('full', 'en'), ('full', 'zh')]


@pytest.fixture(scope='module')
def asked(tiny_llama, tokenizer, tmp_path_factory):
    """The rows of each sheet, asked by writing and by letters, and the folder."""
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:2])
    folder = tmp_path_factory.mktemp('predictions') / 'base'
    decoder = load.load_decoder(tiny_llama, mesh)
    paths = measure(Two(), decoder, tokenizer, mesh, folder, ('generate', 'letter'))
    return {sheet: pq.read_table(path) for sheet, path in paths.items()}


def test_what_is_written_is_what_transformers_writes(asked, tiny_llama, tokenizer):
    model = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()
    for (variant, language), table in asked.items():
        questions = Two().questions(variant, language)
        for question, row in zip(questions, table.to_pylist(), strict=True):
            prompt = Two().render(question, 'letter')
            ids = tokenizer(prompt.context, return_tensors='pt')['input_ids']
            with torch.no_grad():
                out = model.generate(ids, max_new_tokens=prompt.new_tokens, do_sample=False)
            text = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
            assert row['written'] == text.partition('\n\n')[0]
            assert row['method'] == 'generate' and row['scores'] == []
            assert row['prediction'] == row['robust_prediction']
            assert row['letter_prediction'] in range(4)
            assert row['correct'] == (row['robust_prediction'] == row['answer'])


@pytest.mark.parametrize(
    ('text', 'cue', 'first', 'robust'),
    [
        (' C', '', 2, 2),
        ('The answer is C.', '', None, 2),
        ('Lima', '', None, 2),
        ('I do not know', '', None, None),
        ('D', '', None, None),
        ('Where is it?\nA. Oslo\nB. Rome\nC. Lima\nAnswer: B', 'Answer:', 1, 1),
        ('Where is it?\nA. Oslo', 'Answer:', None, None),
        ('', '', None, None),
    ],
)
def test_answers_are_read_behind_the_cue(text, cue, first, robust):
    prompt = Prompt('', (), '', cue=cue)
    row = written_choice.columns(QUESTION, prompt, Generated((1, 2), text, 'stop'))
    assert (row['first_character_prediction'], row['robust_prediction']) == (first, robust)
    assert (row['written'], row['written_tokens'], row['ended_by']) == (text, 2, 'stop')


def test_accuracies_and_the_share_that_cannot_be_read(asked):
    sheets = {('base', 'two', *sheet): table for sheet, table in asked.items()}
    rows = result_rows(sheets, draws=100)
    methods = ('generate:first_character', 'generate:robust')
    assert {row['method'] for row in rows} == {*methods, 'letter', 'ensemble:letter'}
    for method, column in zip(methods, ('first_character', 'robust'), strict=True):
        for (variant, language), table in asked.items():
            key = {'method': method, 'variant': variant, 'language': language}
            found = {
                row['metric']: row['value']
                for row in rows
                if all(row[name] == value for name, value in key.items())
            }
            read = table[f'{column}_prediction'].to_pylist()
            right = [a == b for a, b in zip(read, table['answer'].to_pylist(), strict=True)]
            assert found['accuracy'] == sum(right) / len(right)
            assert found['unreadable_share'] == read.count(None) / len(read)
    (said,) = words.unreadable(words.Numbers(rows), 'two', 'generate:robust')
    assert said.startswith('Answers that could not be read, which count as wrong: the base model ')
    assert words.unreadable(words.Numbers(rows), 'two', 'letter') == []


def test_a_prompt_too_long_to_be_answered_is_told_by_its_question(tiny_llama, tokenizer):
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    with pytest.raises(ValueError, match=r'question q in en has 501 tokens, .* 512'):
        asked = Asked('model', load.load_decoder(tiny_llama, mesh), tokenizer, mesh, None)
        written_choice.write(asked, 'two', [QUESTION], [Prompt('a' + ' word' * 500, (), '')])
