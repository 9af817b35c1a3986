"""Templates byte for byte, and which tokens of an example are learned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from xlbarrier.config.data import DataConfig
from xlbarrier.data.tokenize import encode_pair, encode_spans
from xlbarrier.datafiles import DataError
from xlbarrier.qa.forms import example
from xlbarrier.qa.packing import encode_examples
from xlbarrier.qa.templates import write

QA = example({'question': 'Who {is} it?', 'answer': 'I {am}.'}, 'x')
ASKED = example({'instruction': 'Sum up', 'input': '1 {0} 2', 'output': '3'}, 'x')
BARE = example({'instruction': 'Sing', 'input': '', 'output': 'La'}, 'x')
TRANSLATED = example({'prompt': 'Into English.', 'input': 'Vividora-Oase', 'answer': 'Oasis'}, 'x')
CUT = example({'prompt': 'In the begin', 'completion': 'ning was'}, 'x')
CHAT = example(
    {
        'conversations': [
            {'from': 'system', 'value': 'Be brief.'},
            {'from': 'human', 'value': 'مرحبا'},
            {'from': 'gpt', 'value': 'أهلا'},
            {'from': 'human', 'value': 'שלום'},
            {'from': 'gpt', 'value': 'היי'},
        ]
    },
    'x',
)
WITH_INPUT = (
    'Below is an instruction that describes a task, paired with an input that provides further'
    ' context. Write a response that appropriately completes the request.\n\n### Instruction:\n'
)
WITHOUT = (
    'Below is an instruction that describes a task. Write a response that appropriately completes'
    ' the request.\n\n### Instruction:\n'
)


@pytest.mark.parametrize(
    ('given_example', 'template', 'context', 'learned'),
    [
        (QA, 'auto', 'Question: Who {is} it?\nAnswer:', ' I {am}.'),
        (QA, 'plain', 'Question: Who {is} it?\nAnswer:', ' I {am}.'),
        (QA, 'raw', 'Who {is} it?', 'I {am}.'),
        (QA, 'tofu', 'Question: Who {is} it?\n', 'Answer: I {am}.'),
        (QA, 'tofu-llama2', '[INST] Who {is} it? [/INST]', 'I {am}.'),
        (QA, 'alpaca', WITHOUT + 'Who {is} it?\n\n### Response:', 'I {am}.'),
        (ASKED, 'auto', WITH_INPUT + 'Sum up\n\n### Input:\n1 {0} 2\n\n### Response:', '3'),
        (ASKED, 'plain', 'Question: Sum up\n1 {0} 2\nAnswer:', ' 3'),
        (BARE, 'auto', WITHOUT + 'Sing\n\n### Response:', 'La'),
        (
            TRANSLATED,
            'auto',
            WITHOUT + 'Into English.\nVividora-Oase\n\n### Response:\n',
            'Oasis',
        ),
        (CUT, 'auto', 'In the begin', 'ning was'),
    ],
)
def test_text_and_what_is_learned_of_it(tokenizer, given_example, template, context, learned):
    written = write(given_example, template, tokenizer)
    assert written.text == context + learned
    assert [written.text[a:b] for a, b in written.spans] == [learned]
    assert written.eos
    whole = write(given_example, template, tokenizer, loss='all')
    assert whole == written._replace(spans=((0, len(written.text)),))


def learned(tokenizer, written):
    ((ids, weights),) = encode_spans(tokenizer, [written.text], [written.spans], [written.eos])
    assert set(weights) <= {0.0, 1.0} and len(ids) == len(weights)
    kept = [i for i, w in zip(ids, weights, strict=True) if w]
    return ids, kept, tokenizer.decode(kept)


def test_chat_learns_the_assistants_turns_and_their_ends(tokenizer):
    written = write(CHAT, 'auto', tokenizer)
    turns = [{'role': role, 'content': text} for role, text in CHAT.messages]
    ids, _, text = learned(tokenizer, written)
    assert ids == tokenizer.apply_chat_template(turns, return_dict=False)
    assert text == 'أهلا<|im_end|>היי<|im_end|>'
    # A question and an answer make a conversation of two turns.
    ids, _, text = learned(tokenizer, write(TRANSLATED, 'chat', tokenizer))
    assert text == 'Oasis<|im_end|>'
    assert 'user\nInto English.\nVividora-Oase<|im_end|>\n' in tokenizer.decode(ids)
    # And a conversation of two turns makes a question and an answer.
    pair = example({'messages': [dict(role=r, content=r) for r in ('user', 'assistant')]}, 'x')
    assert write(pair, 'plain', tokenizer).text == 'Question: user\nAnswer: assistant'


_TURN = '<|{{ m.role }}|>\n{{ m.content }}<|end|>\n'
_THOUGHT = "{{ '<think></think>' if loop.last and m.role == 'assistant' }}"
_PROMPT = '{% if add_generation_prompt %}<|assistant|>\n'


@pytest.mark.parametrize(
    ('template', 'first', 'last'),
    [
        # No generation prompt, and a header that must not be learned all the same.
        ('{% for m in messages %}' + _TURN + '{% endfor %}', 'assist<|end|>', 'b<|end|>'),
        # Llama 2's: no header either.
        (
            "{% for m in messages %}{{ '[INST] ' + m.content + ' [/INST]' if m.role == 'user'"
            " else ' ' + m.content + ' </s>' }}{% endfor %}",
            'assist </s>',
            'b </s>',
        ),
        # Phi 3's: EOS behind the last turn alone.
        (
            '{% for m in messages %}' + _TURN + '{% endfor %}' + _PROMPT
            + '{% else %}{{ eos_token }}{% endif %}',
            'assist<|end|>',
            'b<|end|>\n<|im_end|>',
        ),
        # Qwen 3's: an empty thought in the last turn alone.
        (
            '{% for m in messages %}'
            + _TURN.replace('{{ m.content', _THOUGHT + '{{ m.content')
            + '{% endfor %}' + _PROMPT + '{% endif %}',
            'assist<|end|>',
            '<think></think>b<|end|>',
        ),
        # DeepSeek-R1's: the generation prompt opens a thought, which turns that are past have not.
        (
            '{% for m in messages %}' + _TURN + '{% endfor %}'
            '{% if add_generation_prompt %}<|assistant|>\n<think>\n{% endif %}',
            'assist<|end|>',
            'b<|end|>',
        ),
    ],
)  # fmt: skip
def test_what_is_learned_of_templates_of_many_kinds(tokenizer, template, first, last):
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, eos_token='<|im_end|>', chat_template=template
    )
    turns = zip(('user', 'assistant') * 2, ('assist', 'assist', 'a', 'b'), strict=True)
    chat = example({'messages': [dict(role=r, content=c) for r, c in turns]}, 'x')
    written = write(chat, 'chat', made)
    assert [written.text[a:b] for a, b in written.spans] == [first, last]


def test_of_a_prompt_of_messages_the_completion_alone_is_learned(tokenizer):
    turns = [('user', 'Hi'), ('assistant', 'Lo'), ('user', 'Who?'), ('assistant', 'Me.')]
    messages = [{'role': role, 'content': text} for role, text in turns]
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        eos_token='<|im_end|>',
        chat_template='{% for m in messages %}' + _TURN + '{% endfor %}' + _PROMPT + '{% endif %}',
    )
    for cut, learned in ((3, ['Me.<|end|>']), (1, ['Lo<|end|>', 'Me.<|end|>'])):
        chat = example({'prompt': messages[:cut], 'completion': messages[cut:]}, 'x')
        written = write(chat, 'chat', made)
        assert [written.text[a:b] for a, b in written.spans] == learned


def test_a_template_that_does_not_follow_its_own_generation_prompt(tokenizer):
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        chat_template='{% for m in messages %}{{ loop.length }}{{ m.role }}{{ m.content }}'
        '{% endfor %}{% if add_generation_prompt %}<other>{% endif %}',
    )
    turns = [{'role': 'user', 'content': 'x'}, {'role': 'assistant', 'content': 'y'}]
    chat = example({'messages': turns}, 'x')
    with pytest.raises(DataError, match=r'x: .*message 1 otherwise than behind its own generation'):
        write(chat, 'chat', made)


def test_conversations_that_a_template_has_no_place_for(tokenizer):
    with pytest.raises(DataError, match=r'x: a conversation of system, user, .*plain'):
        write(CHAT, 'plain', tokenizer)
    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    with pytest.raises(DataError, match='x: the tokenizer has no chat template'):
        write(CHAT, 'auto', bare)
    bare.chat_template = "{{ raise_exception('no system, please') }}"
    with pytest.raises(DataError, match=r'x: .*refuses it: no system, please'):
        write(CHAT, 'auto', bare)
    # Some templates drop the thoughts of earlier turns: what was learned is not there any more.
    bare.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>"
        "{{ m['content'] if loop.last else m['content'][:1] }}{% endfor %}"
        '{% if add_generation_prompt %}<assistant>{% endif %}'
    )
    with pytest.raises(DataError, match=r'x: .*message 2 otherwise once others follow'):
        write(CHAT, 'auto', bare)


KNOWN = st.sampled_from('abc XYZ.,?\n\u0301éüßğعربيهשלום東京中国 0１२ 😀')
WORDS = st.text(KNOWN, min_size=1, max_size=12).filter(str.strip)
# The vocabulary lacks bytes of characters that nobody uses: what stands there is not all kept.
ANY_WORDS = st.text(KNOWN | st.characters(codec='utf-8'), min_size=1, max_size=12).filter(str.strip)


@settings(deadline=None, max_examples=300)
@given(ANY_WORDS, ANY_WORDS)
def test_what_is_learned_begins_where_the_question_ends(tokenizer, question, answer):
    """As `encode_pair` cuts: the boundary that the tasks ask at is the one that is trained."""
    written = write(example({'question': question, 'answer': answer}, 'x'), 'plain', tokenizer)
    ids, kept, _ = learned(tokenizer, written)
    context, continuation = encode_pair(tokenizer, f'Question: {question}\nAnswer:', f' {answer}')
    assert ids == [*context, *continuation, tokenizer.eos_token_id]
    # Where a merge goes over the boundary, the joined token is learned.
    assert kept[-len(continuation) - 1 :] == [*continuation, tokenizer.eos_token_id]
    assert len(kept) - len(continuation) - 1 in (0, 1)


@settings(deadline=None, max_examples=200)
@given(WORDS, WORDS)
def test_every_character_of_the_answer_is_learned_and_no_other_token(tokenizer, question, answer):
    raw = example({'prompt': question, 'completion': answer}, 'x')
    ids, kept, text = learned(tokenizer, write(raw, 'raw', tokenizer))
    assert kept == ids[len(ids) - len(kept) :]
    before = tokenizer.decode(ids[: len(ids) - len(kept)])
    assert (question + answer).startswith(before.rstrip('\ufffd'))
    assert len(before.rstrip('\ufffd')) <= len(question)
    assert text.lstrip('\ufffd').endswith(answer.lstrip('\ufffd')[-1:] + tokenizer.eos_token)


@pytest.mark.parametrize(
    ('question', 'answer'),
    [
        ('في أي قارة تقع القاهرة؟', 'أفريقيا'),
        ('באיזו יבשת נמצאת חיפה?', 'אסיה'),
        ('东京在哪个大洲？', '亚洲'),
        ('Où est Nîmes ?', 'Île-de-France'),  # combining marks
        ('ไทเปอยู่ที่ไหน', 'ไต้หวัน'),
        ('Letter?', 'B'),
    ],
)
def test_answers_in_many_scripts_and_of_one_token(tokenizer, question, answer):
    row = example({'question': question, 'answer': answer}, 'x')
    _, kept, text = learned(tokenizer, write(row, 'plain', tokenizer))
    assert text == f' {answer}<|im_end|>'
    assert (len(kept) == 2) == (answer == 'B')


def sentencepiece_like():
    """A tokenizer whose normalizer puts a mark before the text, as Llama 2's does, and adds BOS."""
    pieces = ['<s>', '</s>', '<unk>', '▁', *'abc:', '▁a', '▁b', '▁c', 'ab']
    core = Tokenizer(
        models.BPE(
            {p: i for i, p in enumerate(pieces)},
            [('▁', 'a'), ('▁', 'b'), ('▁', 'c'), ('a', 'b')],
            unk_token='<unk>',
        )
    )
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')]
    )
    core.post_processor = TemplateProcessing(single='<s> $A', special_tokens=[('<s>', 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token='<s>', eos_token='</s>', unk_token='<unk>'
    )


def test_bos_once_and_never_learned_eos_always():
    tokenizer = sentencepiece_like()
    ((ids, weights),) = encode_spans(tokenizer, ['a b: cab'], [[(4, 8)]], [True])
    assert tokenizer.convert_ids_to_tokens(ids) == ['<s>', '▁a', '▁b', ':', '▁c', 'ab', '</s>']
    assert weights == [0, 0, 0, 0, 1, 1, 1]
    # Written out already, as chat templates write them: not a second time.
    text = '<s>a</s>'
    ((ids, weights),) = encode_spans(tokenizer, [text], [[(3, 4)]], [True])
    assert ids.count(0) == 1 and ids.count(1) == 1 and weights[-1] == 1 and weights[0] == 0
    ((ids, weights),) = encode_spans(tokenizer, ['a'], [[(0, 1)]], [False])
    assert tokenizer.convert_ids_to_tokens(ids) == ['<s>', '▁a'] and weights == [0, 1]
    bare = PreTrainedTokenizerFast(tokenizer_object=pre_tokenized())
    ((ids, weights),) = encode_spans(bare, ['a b'], [[(2, 3)]], [True])
    assert len(ids) == 2 and weights == [0, 1]  # no EOS to learn, no BOS


def pre_tokenized():
    core = Tokenizer(models.WordLevel({'a': 0, 'b': 1}, unk_token='a'))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return core


def test_examples_that_cannot_be_learned_are_named(tokenizer):
    data = DataConfig(files=('x',))
    long = example({'question': 'Who?', 'answer': 'I ' * 60}, 'qa.jsonl: line 3')
    with pytest.raises(DataError, match=r'qa\.jsonl: line 3: the example has \d\d tokens; .* 64'):
        list(encode_examples(data, [QA, long], tokenizer, 64))
    (encoded,) = encode_examples(
        DataConfig(files=('x',), too_long='drop'), [QA, long], tokenizer, 64
    )
    assert len(encoded) == 2  # the packing counts and drops
    blank = PreTrainedTokenizerFast(tokenizer_object=pre_tokenized())
    blank.backend_tokenizer.normalizer = normalizers.Replace('\u200b', '')
    empty = example({'prompt': 'a', 'completion': '\u200b'}, 'qa.jsonl: line 4')
    with pytest.raises(DataError, match=r'qa\.jsonl: line 4: the answer has no token'):
        list(encode_examples(data, [empty], blank))


# --- the loss that results


def test_the_loss_of_an_answer_is_that_of_transformers_on_torch(tiny_llama, tokenizer):
    """Labels of -100 everywhere but on the answer; three examples, packed in one row or apart."""
    import jax
    import torch
    from transformers import AutoModelForCausalLM

    from xlbarrier import mesh as mesh_lib
    from xlbarrier.data.examples import ExamplePacker
    from xlbarrier.data.pack import DTYPES
    from xlbarrier.models import load
    from xlbarrier.train.loss import next_token_loss
    from xlbarrier.train.step import put_microbatches

    examples = [
        example({'question': 'Where is Lomé?', 'answer': 'In Togo, in Africa.'}, 'x'),
        example({'question': 'أين تقع بغداد؟', 'answer': 'في العراق'}, 'x'),
        CHAT,
    ]
    (encoded,) = encode_examples(DataConfig(files=('x',)), examples, tokenizer)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    theirs = []
    for ids, weights in encoded:
        labels = [i if w else -100 for i, w in zip(ids, weights, strict=True)]
        with torch.no_grad():
            loss = model(torch.tensor([ids]), labels=torch.tensor([labels])).loss
        theirs.append((float(loss) * sum(weights), sum(weights)))
    mesh = mesh_lib.make_mesh(2, 2, 2)
    decoder = load.load_decoder(tiny_llama, mesh)
    with ExamplePacker(256) as packer:
        packer.add(encoded)
        (packed,) = packer.rows()
    assert len(packed) == 1
    batch = {name: np.repeat(getattr(packed, name), 8, axis=0) for name in DTYPES}
    laid = {name: x[0] for name, x in put_microbatches(batch, mesh, 1).items()}
    with jax.set_mesh(mesh):
        nats, weight = jax.jit(next_token_loss)(decoder, laid)
    assert float(weight) == 8 * sum(w for _, w in theirs)
    assert float(nats) / 8 == pytest.approx(sum(n for n, _ in theirs), rel=2e-5)
