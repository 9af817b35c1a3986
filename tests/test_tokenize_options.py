"""The border between a context and its options where the tokenizer merges across it, and prompts.

Qwen and Llama 3 cut text so that a sign before a word is of the word's piece: ':A' is one token.
"""

from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.test_multiple_choice import measure
from xlbarrier import mesh as mesh_lib
from xlbarrier.data import pretokenizers
from xlbarrier.data.tokenize import encode_options, encode_pair, encode_prompt
from xlbarrier.models.load import load_decoder
from xlbarrier.tasks import tofu, written, written_choice
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import Prompt, Question
from xlbarrier.tasks.multiple_choice import MultipleChoice
from xlbarrier.tasks.posed import pose

MERGES = [(':', 'A'), (':', 'B'), (':', 'I'), (':I', 'n'), ('I', 'r'), ('Ġ', 'A'), ('d', 'ia')]
MERGES.insert(0, ('i', 'a'))


@pytest.fixture(scope='module')
def merging():
    """All bytes and a few merges behind the cut of Llama 3, which Qwen shares."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(''.join(pair) for pair in MERGES)]
    core = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, MERGES))
    core.pre_tokenizer = pretokenizers.RULES['llama-bpe'].pre_tokenizer()
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core)


def tokens(tokenizer, ids):
    return [tokenizer.decode([i]) for i in ids]


def test_a_letter_that_is_one_token_with_the_cue_can_be_asked_for(merging):
    with pytest.raises(ValueError, match=r"'A' has no token after"):
        encode_pair(merging, 'Answer:', 'A')
    for context in ('Question:?\nAnswer:', 'Answer:'):
        pairs = encode_options(merging, context, ('A', 'B', 'C'))
        assert {tuple(a) for a, _ in pairs} == {tuple(merging(context[:-1])['input_ids'])}
        assert [tokens(merging, b) for _, b in pairs] == [[':A'], [':B'], [':', 'C']]


def test_no_option_loses_its_beginning_where_others_keep_it(merging):
    options = ('India', 'Iran', 'Peru', 'Åland')
    pairs = encode_options(merging, 'Answer:', options)
    assert len({tuple(a) for a, _ in pairs}) == 1
    assert [merging.decode(b) for _, b in pairs] == [f':{option}' for option in options]
    for (a, b), option in zip(pairs, options, strict=True):
        assert a + b == merging(f'Answer:{option}')['input_ids']


@pytest.mark.parametrize('context', ['Answer:', 'Answer: ', 'Antwort:\n', '答え：\u3000', 'x'])
@pytest.mark.parametrize('options', [(' Ada', ' Ad'), (' A', ' B', ' C'), ('\n1', '\n12')])
def test_without_such_a_merge_they_are_the_pairs(merging, tokenizer, context, options):
    for each in (merging, tokenizer):
        expected = [encode_pair(each, context, option) for option in options]
        assert encode_options(each, context, options) == expected


def test_what_cannot_be_scored_is_refused(merging):
    for context, options, words in (
        ('Answer:', ('A', ''), 'is empty'),
        ('', ('A', 'B'), 'no BOS'),
        (':', ('A', 'C'), 'no BOS'),
    ):
        with pytest.raises(ValueError, match=words):
            encode_options(merging, context, options)


class Capitals(MultipleChoice):
    """Asked as CLiKA asks: no space between cue and answer."""

    name = 'capitals'

    def sheets(self):
        return [('english', 'en')]

    def questions(self, variant, language):
        choices = ('India', 'Iran', 'Peru')
        return [Question('c0', 'Where is Agra?', choices, 0, 'en', ('en',) * 3, 'cities')]

    def render(self, question, method):
        answers = ('A', 'B', 'C') if method == 'letter' else question.choices
        return Prompt(f'Question:{question.question}\nAnswer:', answers, 'Answer:')


def test_scores_are_torchs_of_the_border_and_the_option(merging, tmp_path):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(merging),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config).eval()
    folder = tmp_path / 'model'
    model.save_pretrained(folder)
    merging.save_pretrained(folder)
    mesh = mesh_lib.make_mesh(fsdp=8)
    decoder = load_decoder(folder, mesh)
    methods = ('letter', 'loglikelihood')
    paths = measure(Capitals(), decoder, merging, mesh, tmp_path, methods, row_tokens=64)
    (row,) = pq.read_table(paths['english', 'en']).to_pylist()

    def score(stem, option):
        ids = merging(f'{stem}:{option}')['input_ids']
        start = len(merging(stem)['input_ids'])
        with torch.no_grad():
            steps = model(torch.tensor([ids])).logits[0, start - 1 : -1].log_softmax(-1)
        return steps.gather(-1, torch.tensor(ids[start:])[:, None]).sum().item()

    stem, choices = 'Question:Where is Agra?\nAnswer', row['choices']
    for found, expected in (
        (row['letter_scores'], [score(stem, letter) for letter in 'ABC']),
        (row['scores'], [score(stem, letter) for letter in 'ABC']),
        (row['unconditional_scores'], [score('Answer', choice) for choice in choices]),
    ):
        assert found == pytest.approx(expected, abs=1e-4)


# --- what a model goes on from


@pytest.fixture(scope='module')
def ending(merging):
    """A tokenizer that writes <s> before a text and </s> after it."""
    core = Tokenizer.from_str(merging.backend_tokenizer.to_str())
    core.add_special_tokens(['<s>', '</s>'])
    special = [(name, core.token_to_id(name)) for name in ('<s>', '</s>')]
    core.post_processor = TemplateProcessing(single='<s> $A </s>', special_tokens=special)
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token='<s>', eos_token='</s>')


def test_a_prompt_has_bos_once_and_no_eos(ending, merging):
    for text in ('Answer:', '<s>Answer:'):  # as a chat template writes it
        assert tokens(ending, encode_prompt(ending, text))[0] == '<s>'
        assert encode_prompt(ending, text)[1:] == merging('Answer:')['input_ids']
    assert encode_prompt(merging, 'Answer: ') == merging('Answer: ')['input_ids']


def test_tasks_let_a_model_go_on_behind_such_prompts(ending, monkeypatch):
    """EOS before the answer, or BOS twice, is a text that no model was trained on."""
    seen = []

    def generate(decoder, tokenizer, ids, ends, **_):
        seen.extend(ids)
        return ids

    monkeypatch.setattr('xlbarrier.scoring.generate.generate', generate)
    decoder = SimpleNamespace(config=SimpleNamespace(max_positions=99))
    asked = Asked('model', decoder, ending, None, None)
    question = Capitals().questions('english', 'en')[0]
    written_choice.write(asked, 'capitals', [question], [Prompt('Q', (), '')])
    item = written.Item('0', 'Q', 'Q', ('A',))
    written.WrittenTask('mgsm', {('english', 'en'): [item]}, 1, ()).write(asked)
    authors = SimpleNamespace(
        items={('english', 'en'): [item]}, config=SimpleNamespace(new_tokens=1), name='tofu',
        _prompt=lambda item, tokenizer: '<s>Q', _check_fits=lambda *_: None,
    )  # fmt: skip
    tofu.Tofu._write(authors, asked, {})
    assert [tokens(ending, ids) for ids in seen] == [['<s>', 'Q']] * 3


def test_a_published_letter_follows_no_eos(ending):
    task, question = Capitals(), Capitals().questions('english', 'en')[0]
    shown = {'letter': task.render(question, 'letter')}
    posed = pose(question, shown, ending, 'published')
    assert {tokens(ending, r.context)[-1] for r in posed.flat()} == {':'}
