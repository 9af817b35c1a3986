"""Tokenizers against transformers, and the boundary between context and continuation."""

import re

import numpy as np
import pytest
from gguf import GGUFWriter
from tokenizers import pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from xlbarrier.data import tokenize
from xlbarrier.data.tokenize import encode_documents, encode_pair

# Latin, Cyrillic, Arabic, Hebrew, Devanagari, Thai, Han, kana, Hangul; other scripts are in TEXTS.
NTREX = 'ref.arb ref.deu ref.fra ref.heb ref.hin ref.ita ref.jpn ref.kor ref.pol ref.rus ref.spa'
NTREX += ' ref.swa ref.tha ref.tur ref.vie ref.zho-CN src.eng'
TEXTS = (
    '',
    ' ',
    'a  b   c\n\n\n  d\t\te\r\n f ',
    "It's 1,234.5 km; we'll see 007 x86_64.",
    'Η Αθήνα είναι η πρωτεύουσα',  # Greek
    'Երևանը Հայաստանի մայրաքաղաքն է',  # Armenian
    'თბილისი საქართველოს დედაქალაქია',  # Georgian
    'ঢাকা বাংলাদেশের রাজধানী',  # Bengali
    'சென்னை ஒரு நகரம்',  # Tamil
    'អ្នក ភ្នំពេញ',  # Khmer
    'አዲስ አበባ',  # Ethiopic
    'ལྷ་ས་',  # Tibetan
    'प्रश्न: दिल्ली किस देश में है?\nउत्तर: भारत',
    'e\u0301 \u00e9 \ufb01 \u200f\u05e9\u05dc\u05d5\u05dd\u200e \u200b\ufeff',  # marks, bidi
    '😀👩‍👩‍👧‍👦🇫🇷 👍🏽',
    '<|im_start|>user\nhi<|im_end|>\n<repo_name>x<|endoftext|>',
)
# What transformers loses by passing over the file's pre-tokenizer 'smollm'.
SPACES_BEFORE_DIGIT = re.compile(r'\s\s\d')


@pytest.fixture(scope='module')
def theirs(smollm2_gguf):
    """transformers reading the same file; its GGUF code needs torch."""
    return AutoTokenizer.from_pretrained(smollm2_gguf.parent, gguf_file=smollm2_gguf.name)


@pytest.fixture(scope='module')
def with_bos(tokenizer, tmp_path_factory) -> PreTrainedTokenizerFast:
    """SmolLM2's tokenizer made to add BOS in front and EOS behind."""
    folder = tmp_path_factory.mktemp('with_bos')
    tokenizer.save_pretrained(folder)
    copy = tokenize.load_tokenizer(folder)
    bos, eos = copy.bos_token, copy.eos_token
    copy.backend_tokenizer.post_processor = TemplateProcessing(
        single=f'{bos} $A {eos}',
        special_tokens=[(bos, copy.bos_token_id), (eos, copy.eos_token_id)],
    )
    return copy


def harness_encode_pair(encode, context: str, continuation: str):
    """lm-evaluation-harness, lm_eval/api/model.py, TemplateLM._encode_pair, in our words.

    `encode`: text to ids, with the special tokens that come before a text and none after it.
    """
    n = len(context) - len(context.rstrip())
    if n > 0:
        context, continuation = context[:-n], context[-n:] + continuation
    whole = encode(context + continuation)
    alone = encode(context)
    return alone, whole[len(alone) :]


def tokens(tokenizer, ids) -> list[str]:
    return [tokenizer.decode([i]) for i in ids]


# --- the tokenizer of a GGUF file


def test_same_ids_as_transformers_in_many_scripts(tokenizer, theirs, test_data):
    texts = list(TEXTS)
    for name in NTREX.split():
        path = test_data / f'ntrex/newstest2019-{name}.txt'
        texts += path.read_text(encoding='utf-8').splitlines()[:100]
    assert len(texts) == 1700 + len(TEXTS)
    ours, other = tokenizer(texts)['input_ids'], theirs(texts)['input_ids']
    differing = [t for t, a, b in zip(texts, ours, other, strict=True) if a != b]
    assert [t for t in differing if not SPACES_BEFORE_DIGIT.search(t)] == []
    assert len(differing) <= 5
    assert [tokenizer.decode(ids) for ids in ours] == texts  # nothing is lost on the way
    assert max(max(ids) for ids in ours if ids) < len(tokenizer) == len(theirs) == 49152


def test_digits_stand_alone_as_the_file_says(tokenizer, theirs):
    """The one difference: transformers ignores 'smollm', which splits digits before all else."""
    texts = ['am  20. Mai', '½ Ⅷ ²³', 'x\n\n  7', '١٢٣ ४५६ １２', *TEXTS]
    before = theirs.backend_tokenizer.pre_tokenizer
    assert theirs(texts[0])['input_ids'] != tokenizer(texts[0])['input_ids']
    theirs.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    try:
        assert theirs(texts)['input_ids'] == tokenizer(texts)['input_ids']
    finally:
        theirs.backend_tokenizer.pre_tokenizer = before
    assert tokens(tokenizer, tokenizer('in  1999')['input_ids']) == ['in', '  ', *'1999']


def test_special_tokens_and_template_are_those_of_the_file(tokenizer, theirs):
    for name in ('bos', 'eos', 'pad', 'unk'):
        assert getattr(tokenizer, f'{name}_token_id') == getattr(theirs, f'{name}_token_id')
    ids = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert ids == (1, 2, 2)
    chat = [{'role': 'user', 'content': 'Où est Lomé ?'}]
    made = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert made == theirs.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert made.startswith('<|im_start|>system') and made.endswith('<|im_start|>assistant\n')
    assert tokenizer(made)['input_ids'][0] == 1
    assert tokenizer.decode([1, 33], skip_special_tokens=True) == tokenizer.decode([33])


def test_smollm2_adds_no_bos(tokenizer, theirs):
    assert tokenize.bos_policy(tokenizer) == {
        'vocabulary': 49152,
        'bos_token': '<|im_start|>',
        'eos_token': '<|im_end|>',
        'adds_bos': False,
        'adds_before': [],
        'adds_after': [],
    }
    assert theirs('a')['input_ids'] == tokenizer('a')['input_ids']


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    ours = tokenize.load_tokenizer(tmp_path, vocab_size=49152)
    plain = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*TEXTS, 'am  20. Mai', '½ Ⅷ ²³']
    for other in (ours, plain):
        assert other(texts)['input_ids'] == tokenizer(texts)['input_ids']
        assert other.chat_template == tokenizer.chat_template
        assert (other.bos_token_id, other.eos_token_id, other.pad_token_id) == (1, 2, 2)
        assert tokenize.bos_policy(other) == tokenize.bos_policy(tokenizer)


def write_gguf(path, *, model='gpt2', pre='smollm', bos=None, leave_out=()):
    """A GGUF file with all bytes, a few merges, and three special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = ['1 2', '12 3', 'Ġ a', 'a b', '\u010a \u010a', 'Ø §']
    words = [merge.replace(' ', '') for merge in merges]
    special = ['<bos>', '<eos>', '<pad>']
    vocabulary = [*special, *alphabet, *words, 'abc']
    writer = GGUFWriter(path, 'llama')
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    if 'tokens' not in leave_out:
        writer.add_token_list(vocabulary)
    writer.add_token_types([3] * 3 + [1] * (len(vocabulary) - 3))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(2)
    if bos is not None:
        writer.add_add_bos_token(bos)
    writer.add_tensor('token_embd.weight', np.zeros((len(vocabulary), 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ('pre', 'expected'),
    [
        ('smollm', ['1', '2', '3', ' a', 'b', '\n\n']),
        ('gpt-2', ['123', ' a', 'b', '\n\n']),
        ('llama-bpe', ['123', ' a', 'b', '\n\n']),
    ],
)
def test_the_pre_tokenizer_decides_how_digits_split(tmp_path, pre, expected):
    tokenizer = tokenize.load_tokenizer(write_gguf(tmp_path / 'x.gguf', pre=pre, bos=False))
    assert tokens(tokenizer, tokenizer('123 ab\n\n')['input_ids']) == expected


def test_llama3_files_as_transformers_reads_them(tmp_path):
    path = write_gguf(tmp_path / 'x.gguf', pre='llama-bpe', bos=False)
    other = AutoTokenizer.from_pretrained(tmp_path, gguf_file='x.gguf')
    ours = tokenize.load_tokenizer(path)
    texts = [t for t in TEXTS if 'im_start' not in t] + ["DON'T 12345\r\n\n  اا"]
    assert [ours(t)['input_ids'] for t in texts] == [other(t)['input_ids'] for t in texts]
    # Llama 3 takes a whole word that the vocabulary has, though no merges lead to it.
    assert tokens(ours, ours('abc')['input_ids']) == ['abc']


@pytest.mark.parametrize(
    ('pre', 'flag', 'adds'),
    [('llama-bpe', None, True), ('smollm', None, False), ('smollm', True, True)],
)
def test_bos_by_the_files_flag_or_llama_cpps_default(tmp_path, pre, flag, adds):
    tokenizer = tokenize.load_tokenizer(write_gguf(tmp_path / 'x.gguf', pre=pre, bos=flag))
    assert (tokenizer('a')['input_ids'][0] == 0) is adds
    assert tokenize.bos_policy(tokenizer)['adds_bos'] is adds


def test_a_file_that_is_replaced_is_read_anew(tmp_path):
    path = write_gguf(tmp_path / 'x.gguf', bos=False)
    assert tokenize.load_tokenizer(path) is tokenize.load_tokenizer(path)
    assert tokenize.load_tokenizer(path)('a')['input_ids'][0] != 0
    write_gguf(path, bos=True)
    assert tokenize.load_tokenizer(path)('a')['input_ids'][0] == 0


def test_unknown_kinds_and_rules_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x\.gguf: tokenizer\.ggml\.model is 'bert'.*gpt2, llama"):
        tokenize.load_tokenizer(write_gguf(tmp_path / 'x.gguf', model='bert'))
    with pytest.raises(ValueError, match=r"pre-tokenizer 'kimi-k2'.*not supp.*model\.tokenizer"):
        tokenize.load_tokenizer(write_gguf(tmp_path / 'y.gguf', pre='kimi-k2'))


def test_bad_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r'z\.gguf has no tokenizer\.ggml\.tokens'):
        tokenize.load_tokenizer(write_gguf(tmp_path / 'z.gguf', leave_out=('tokens',)))
    whole = write_gguf(tmp_path / 'whole.gguf').read_bytes()
    cut = tmp_path / 'cut.gguf'
    cut.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(ValueError, match=r'cut\.gguf is not a whole GGUF file'):
        tokenize.load_tokenizer(cut)
    with pytest.raises(ValueError, match=r'absent\.gguf cannot be read: No such file'):
        tokenize.load_tokenizer(tmp_path / 'absent.gguf')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match=r'empty has no tokenizer\.json'):
        tokenize.load_tokenizer(tmp_path / 'empty')
    (tmp_path / 'empty/tokenizer.json').write_text('{"truncat')
    with pytest.raises(ValueError, match=r'empty: the tokenizer cannot be loaded'):
        tokenize.load_tokenizer(tmp_path / 'empty')


def test_a_tokenizer_too_large_for_the_embedding_is_refused(tmp_path):
    path = write_gguf(tmp_path / 'x.gguf')
    assert len(tokenize.load_tokenizer(path, vocab_size=266)) == 266
    with pytest.raises(ValueError, match=r'x\.gguf: .* 266 tokens, the embedding 265 rows'):
        tokenize.load_tokenizer(path, vocab_size=265)


def test_special_tokens_past_the_embedding_are_passed_over_if_no_text_has_them(tmp_path):
    """Llama 2's <pad> and Gemma 3 1B's image token have no row in the embedding."""
    whole = tokenize.load_tokenizer(write_gguf(tmp_path / 'x.gguf'))
    whole.save_pretrained(tmp_path / 'a')
    more = AutoTokenizer.from_pretrained(tmp_path / 'a')
    more.add_special_tokens({'additional_special_tokens': ['<image_soft_token>']})
    more.save_pretrained(tmp_path / 'b')
    assert len(tokenize.load_tokenizer(tmp_path / 'b', vocab_size=266)) == 267
    more.add_special_tokens({'eos_token': '<end>'})  # documents end with it
    more.save_pretrained(tmp_path / 'c')
    with pytest.raises(ValueError, match='268 tokens, the embedding 266 rows'):
        tokenize.load_tokenizer(tmp_path / 'c', vocab_size=266)
    more = AutoTokenizer.from_pretrained(tmp_path / 'a')
    more.add_tokens(['東京'])
    more.save_pretrained(tmp_path / 'd')
    with pytest.raises(ValueError, match='267 tokens, the embedding 266 rows'):
        tokenize.load_tokenizer(tmp_path / 'd', vocab_size=266)


# --- context | continuation


PAIRS = (
    ('Question: Where is Lomé?\nAnswer:', ' Togo'),
    ('Question: Where is Lomé?\nAnswer: ', 'Togo'),  # the context's last space
    ('Question: Where is Lomé?\nAnswer: \n', 'Togo'),
    ('Answer:', ' A'),  # one token
    ('Answer:', 'A'),
    ('问题：柏林位于哪个国家？\n答案：', '德国'),  # no space
    ('質問：ベルリンはどの国にありますか。\n答え：', 'ドイツ'),
    ('प्रश्न: दिल्ली किस देश में है?\nउत्तर:', ' भारत'),
    ('السؤال: أين تقع لومي؟\nالإجابة:', ' توغو'),
    ('שאלה: היכן נמצאת לומה?\nתשובה:', ' טוגו'),
    ('Jahr: 19', '99'),
    ('x = ', ' y'),
    ('', ' Togo'),  # answered only where BOS is added
)


@pytest.mark.parametrize('bos', [False, True])
@pytest.mark.parametrize('pair', PAIRS, ids=ascii)
def test_split_as_the_harness_does(tokenizer, with_bos, pair, bos):
    chosen = with_bos if bos else tokenizer
    if not pair[0] and not bos:
        with pytest.raises(ValueError, match=r"context of ' Togo' has no token and .* no BOS"):
            encode_pair(chosen, *pair)
        return

    def encode(text: str) -> list[int]:
        return [chosen.bos_token_id] * bos + tokenizer(text)['input_ids']

    context, continuation = encode_pair(chosen, *pair)
    assert (context, continuation) == harness_encode_pair(encode, *pair)
    assert context + continuation == encode(''.join(pair))
    assert context.count(chosen.bos_token_id) == int(bos)


def test_spaces_move_to_the_continuation(tokenizer):
    one = encode_pair(tokenizer, 'Answer:', ' Togo')
    assert encode_pair(tokenizer, 'Answer: ', 'Togo') == one
    assert tokens(tokenizer, one[1])[0].startswith(' ')
    # The ideographic space of zh and ja is white space too.
    context, continuation = encode_pair(tokenizer, '答え：\u3000', 'ドイツ')
    assert tokenizer.decode(context) == '答え：'
    assert tokenizer.decode(continuation) == '\u3000ドイツ'


@pytest.mark.parametrize('pair', [p for p in PAIRS if p[0].endswith((':', '：'))], ids=ascii)
def test_no_merge_crosses_the_cue_in_any_language(tokenizer, pair):
    """So that all options of a question share one context, scored once."""
    context, continuation = encode_pair(tokenizer, *pair)
    assert tokenizer.decode(context) == pair[0]
    assert tokenizer.decode(continuation) == pair[1]
    assert context == tokenizer(pair[0])['input_ids']


def test_a_merge_over_the_boundary_is_kept(tokenizer):
    """'Wash' + 'ington': the whole string's tokens, not those of the parts."""
    context, continuation = encode_pair(tokenizer, 'He flew to Wash', 'ington yesterday')
    alone, theirs = harness_encode_pair(
        lambda text: tokenizer(text)['input_ids'], 'He flew to Wash', 'ington yesterday'
    )
    assert tokens(tokenizer, context) == ['He', ' flew', ' to', ' Washington']
    assert continuation == theirs == tokenizer(' yesterday')['input_ids']
    assert alone != context  # where the harness goes on from ' Wash', and 'ington' is lost
    with pytest.raises(ValueError, match=r"'ington' has no token after .*Wash"):
        encode_pair(tokenizer, 'He flew to Wash', 'ington')


def test_a_combining_mark_at_the_boundary(tokenizer):
    """Hindi: a vowel sign belongs to the letter before it; bytes may merge, none may be lost."""
    for context, continuation in (('भ', 'ारत'), ('दिल्', 'ली'), ('e', '\u0301')):
        a, b = encode_pair(tokenizer, context, continuation)
        assert tokenizer.decode(a + b) == context + continuation
        assert len(b) > 0


def test_bos_once_and_eos_never_inside(with_bos):
    bos, eos = with_bos.bos_token_id, with_bos.eos_token_id
    context, continuation = encode_pair(with_bos, 'Answer:', ' Togo')
    assert context[0] == bos and eos not in context + continuation
    chat = '<|im_start|>user\nLomé?<|im_end|>\n'  # a template that begins with BOS itself
    context, _ = encode_pair(with_bos, chat, 'Togo')
    assert context[0] == bos and context[1] != bos
    assert encode_pair(with_bos, '', 'Togo')[0] == [bos]
    policy = tokenize.bos_policy(with_bos)
    assert (policy['adds_bos'], policy['adds_after']) == (True, ['<|im_end|>'])


def test_an_empty_continuation_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"continuation of 'Answer: ' is empty"):
        encode_pair(tokenizer, 'Answer: ', '')


# --- documents


def test_documents_end_once(tokenizer, with_bos):
    texts = ['Lomé ist eine Stadt.', '', '東京', 'ends<|im_end|>', ' مرحبا ' * 3000]
    plain = encode_documents(tokenizer, texts, batch=2)
    assert [ids[-1] for ids in plain] == [2] * 5
    assert plain[1] == [2]
    assert [ids.count(2) for ids in plain] == [1] * 5
    assert [tokenizer.decode(ids[:-1]) for ids in plain[:3]] == texts[:3]
    marked = encode_documents(with_bos, iter(texts))
    assert marked == [[1, *ids] for ids in plain]


def test_documents_of_a_tokenizer_without_eos(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    bare = tokenize.load_tokenizer(tmp_path)
    bare.eos_token = None
    assert encode_documents(bare, ['東京', '']) == [tokenizer('東京')['input_ids'], []]
