"""Tokenizers of GGUF files: SentencePiece's and byte-level ones, against their own libraries.

The vocabularies are trained here, on text in many scripts, by the libraries that real ones are
trained with; the files are written as llama.cpp's converter writes them.
"""

import pathlib

import pytest
import sentencepiece
from gguf import GGUFWriter
from tokenizers import Regex as R
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from xlbarrier.data import gguf_tokenizer, pretokenizers
from xlbarrier.errors import InputError
from xlbarrier.models.gguf import GgufFile

# Twenty scripts and more, digits of several, spaces, ends of lines, what NFC and NFKC change.
TEXTS = (
    *(' ', '  ', '\n', ' \n \n', '\t\tx', '   three 007', '\x00\x7f', '\u00a0nbsp\u3000x'),
    'a  b   c\n\n\n  d\t\te\r\n f ',
    "It's 1,234.5 km; we'll see 007 x86_64. DON'T I'LL 12345\r\n",
    *('In which country is Paris?\nAnswer: France', '2023', '650841823', 'In 1941.\n\nAnswer: 12'),
    *('Η Αθήνα είναι η πρωτεύουσα 1821', 'Երևանը Հայաստանի մայրաքաղաքն է', 'თბილისი დედაქალაქია'),
    *('ঢাকা বাংলাদেশের রাজধানী ১৯৭১', 'சென்னை ஒரு நகரம்', 'អ្នក ភ្នំពេញ', 'አዲስ አበባ ፲፪', 'ལྷ་ས་'),
    *('प्रश्न: दिल्ली किस देश में है?\nउत्तर: भारत', 'മലയാളം', 'ಬೆಂಗಳೂರು', 'తెలుగు', 'ລາວ'),
    *('မြန်မာ', 'සිංහල', 'กรุงเทพ ๑๒๓', 'Где находится Ломе? 12', 'أين تقع لومي؟ ٢٠٢٣'),
    *('柏林位于哪个国家？\n答案：德国', '東京は日本の首都です。１２３'),
    *('서울은 대한민국의 수도이다', 'Ḻomé 🇹🇬 😀👩‍👩‍👧‍👦', "l'été O'Neill's", '<x> </x>', 'a' * 40),
    'e\u0301 \u00e9 \ufb01 \u200f\u05e9\u05dc\u05d5\u05dd\u200e \u200b\ufeff',
    *('Ｐａｒｉｓ １２ ①② ½ Ⅷ ²³ ㌔', 'Ünïcödé ǅ ʰ camelCaseWord HTTPServer iPhone ÉCOLE'),
    *('x=1;\n\n\tif (a != b) { return "c"; } // ok\n', ' .. ... !!! /// \\\\'),
)


def corpus(times=3):
    root = pathlib.Path(__file__).parent.parent / 'docs'
    texts = [path.read_text(encoding='utf-8') for path in sorted(root.glob('*.md'))]
    return [line for text in texts for line in text.splitlines() if line] + list(TEXTS) * times


def write(
    path, model, tokens, types, *, pre='', merges=None, scores=None, flags=(), name='', **ids
):
    writer = GGUFWriter(path, 'llama')
    if name:
        writer.add_name(name)
    writer.add_tokenizer_model(model)
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if merges is not None:
        writer.add_token_merges(merges)
    if scores is not None:
        writer.add_token_scores(scores)
    for role, number in ids.items():
        getattr(writer, f'add_{role}_token_id')(number)
    for flag, value in flags:
        getattr(writer, f'add_add_{flag}')(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


# --- byte-level

PATTERNS = {  # of the tokenizer.json of a model of each kind
    'llama-bpe': r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r'| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+',
    'qwen2': r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r'| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+',
    'tekken': r'[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+'
    r'|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}'
    r'| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+',
    'gpt-4o': r'[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+'
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
    r'| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+',
}
SAME = {  # rule -> the model whose pattern it shares, whether it normalises to NFC
    'llama-bpe': ('llama-bpe', False),
    'dbrx': ('llama-bpe', False),
    'smaug-bpe': ('llama-bpe', False),
    'qwen2': ('qwen2', True),
    'deepseek-r1-qwen': ('qwen2', True),
    'tekken': ('tekken', False),
    'gpt-4o': ('gpt-4o', False),
    'gpt-2': (None, False),
    'smollm': ('digits', False),
    'command-r': ('digits', True),
}


def reference(pre) -> Tokenizer:
    """A tokenizer trained with the cut that a published tokenizer.json has."""
    core = Tokenizer(models.BPE(ignore_merges=pre in ('llama-bpe', 'tekken')))
    pattern, nfc = SAME[pre]
    if nfc:
        core.normalizer = normalizers.NFC()
    if pattern is None:
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif pattern == 'digits':
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    else:
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(R(PATTERNS[pattern]), 'isolated'),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=['<bos>', '<eos>'],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(corpus(), trainer)
    return core


def byte_level_file(path, core, pre, **more):
    import json

    raw = json.loads(core.to_str())['model']
    tokens = sorted(raw['vocab'], key=raw['vocab'].get)
    types = [3 if token in ('<bos>', '<eos>') else 1 for token in tokens]
    merges = [' '.join(pair) for pair in raw['merges']]
    return write(path, 'gpt2', tokens, types, pre=pre, merges=merges, bos=0, eos=1, **more)


@pytest.mark.parametrize('pre', SAME)
def test_byte_level_ids_are_those_of_the_published_cut(tmp_path, pre):
    core = reference(pre)
    path = byte_level_file(tmp_path / 'm.gguf', core, pre, flags=[('bos_token', False)])
    ours = gguf_tokenizer.load(path)
    differing = [t for t in TEXTS if ours(t)['input_ids'] != core.encode(t).ids]
    assert differing == []


# text -> its cut, by llama.cpp's src/llama-vocab.cpp of 2026; change only with the rule itself.
GOLDEN = {
    'default': ('Ab 1234, x?\n', ['Ab', 'Ġ', '123', '4', ',', 'Ġx', '?', 'Ċ']),
    'falcon': ('Ab 1234,x', ['Ab', 'Ġ', '123', '4', ',', 'x']),
    'deepseek-llm': ('Ab 12 東京, x\n', ['Ab', 'Ġ', '12', 'Ġ', 'æĿ±äº¬', ',', 'Ġx', 'Ċ']),
    'deepseek-coder': ('ab 12, x', ['ab', 'Ġ', '1', '2', ',', 'Ġx']),
    'deepseek-v3': ('ab 1234 東京x', ['ab', 'Ġ', '123', '4', 'Ġ', 'æĿ±äº¬', 'x']),
    'bloom': ('ab 12, c', ['ab', 'Ġ12', ',', 'Ġc']),
    'viking': ('ab 12, c', ['ab', 'Ġ', '1', '2', ',', 'Ġc']),
    'glm4': ("it's 1234", ['it', "'s", 'Ġ', '123', '4']),
    'olmo': ('ab  1234', ['ab', 'Ġ', 'Ġ1234']),
    'stablelm2': ('ab 12', ['ab', 'Ġ', '1', '2']),
    'qwen35': ('कि 12', ['à¤ķà¤¿', 'Ġ', '1', '2']),
    'tiny_aya': ('a 1234567', ['a', 'Ġ', '1', '234', '567']),
    'seed-coder': ('a.\n\nb', ['a', '.', 'ĊĊ', 'b']),
    'bailingmoe': ('a\n\n', ['a', 'ĊĊ']),
}


@pytest.mark.parametrize('pre', GOLDEN)
def test_rules_without_a_published_file_here(pre):
    text, expected = GOLDEN[pre]
    cut = pretokenizers.RULES[pre].pre_tokenizer().pre_tokenize_str(text)
    assert [piece for piece, _ in cut] == expected


def test_a_file_without_a_pre_tokenizer_is_read_with_a_warning(tmp_path, caplog):
    path = byte_level_file(tmp_path / 'm.gguf', reference('gpt-2'), '')
    ours = gguf_tokenizer.load(path)
    assert 'tokenizer.ggml.pre' in caplog.text and 'missing' in caplog.text
    assert ours.convert_ids_to_tokens(ours('12345')['input_ids'])[0] not in ('12345', '1234')


def test_eos_is_added_where_the_file_says_so(tmp_path):
    flags = [('bos_token', True), ('eos_token', True)]
    path = byte_level_file(tmp_path / 'm.gguf', reference('gpt-2'), 'gpt-2', flags=flags)
    ids = gguf_tokenizer.load(path)('a')['input_ids']
    assert (ids[0], ids[-1], len(ids)) == (0, 1, 3)
    assert gguf_tokenizer.end_tokens(path) == [1]


@pytest.mark.parametrize(
    'change, words',
    [
        ({'merges': None}, 'no tokenizer.ggml.merges'),
        ({'merges': ['zz qq']}, 'no tokenizer can be built'),
        ({'types': [1]}, 'has 1 entries in tokenizer.ggml.token_type'),
        ({'bos': 99}, 'bos_token_id is 99; expected the id of one of 4 tokens'),
    ],
)
def test_bad_metadata_is_named(tmp_path, change, words):
    fields = {'tokens': ['<bos>', 'a', 'b', 'ab'], 'types': [3, 1, 1, 1], 'merges': ['a b']}
    path = write(tmp_path / 'm.gguf', 'gpt2', **fields | {'pre': 'gpt-2', 'bos': 0} | change)
    with pytest.raises(InputError, match=r'm\.gguf') as error:
        gguf_tokenizer.load(path)
    assert words in str(error.value)


# --- SentencePiece


@pytest.fixture(scope='module', params=[True, False], ids=['prefix', 'no prefix'])
def trained(request, tmp_path_factory):
    """A SentencePiece model with bytes and defined symbols; with a prefix as Llama 2's, or not."""
    folder = tmp_path_factory.mktemp('spm')
    (folder / 'text.txt').write_text('\n'.join(corpus()), encoding='utf-8')
    defined = ['<x>', '▁▁', '▁▁▁'] if not request.param else ['<x>']
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / 'text.txt'),
        model_prefix=str(folder / 'm'),
        vocab_size=1500,
        model_type='bpe',
        byte_fallback=True,
        character_coverage=0.98,
        normalization_rule_name='identity',
        remove_extra_whitespaces=False,
        add_dummy_prefix=request.param,
        user_defined_symbols=defined,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / 'm.model'))
    return model, defined, request.param


def test_sentencepiece_ids_are_those_of_the_library(trained, tmp_path):
    model, defined, prefix = trained
    every = range(len(model))
    tokens = [model.id_to_piece(i) for i in every]
    types = [
        *(2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1
          for i in every)
    ]  # fmt: skip
    scores = [model.get_score(i) for i in every]
    for piece in defined:  # as llama.cpp's converter writes them
        i = tokens.index(piece)
        tokens[i], types[i], scores[i] = piece.replace('▁', ' '), 4, -1000.0
    flags = [('space_prefix', prefix), ('bos_token', False)]
    path = write(
        tmp_path / 'm.gguf', 'llama', tokens, types, scores=scores, flags=flags, unk=0, bos=1, eos=2
    )
    ours = gguf_tokenizer.load(path)
    texts = [t for t in TEXTS if not (prefix and '<x>' in t)]  # a prefix follows a symbol too
    assert [t for t in texts if ours(t)['input_ids'] != model.encode(t)] == []
    for text in texts:
        assert ours.decode(ours(text)['input_ids']) == text


def test_phi3_takes_the_spaces_behind_a_mark(tmp_path):
    tokens = ['<unk>', '<s>', '<|user|>', '▁', 'a', *(f'<0x{i:02X}>' for i in range(256))]
    types = [2, 3, 3, 1, 1, *[6] * 256]
    fields = {'scores': [0.0] * len(tokens), 'unk': 0, 'bos': 1}
    for name, expected in (('Phi 3 Mini', [2, 3, 3, 4]), ('Phi-3-mini', [2, 3, 4])):
        path = write(tmp_path / f'{name}.gguf', 'llama', tokens, types, name=name, **fields)
        ids = gguf_tokenizer.load(path)('<|user|> a', add_special_tokens=False)['input_ids']
        assert ids == expected


def test_gemma4_has_sentencepiece_with_merges(tmp_path):
    tokens = ['<pad>', '<bos>', '<unk>', '▁', 'a', 'b', '▁a', '\n', '\n\n', '<0x41>']
    types = [3, 3, 2, 1, 1, 1, 1, 1, 1, 6]
    merges = ['▁ a', '\n \n']
    path = write(tmp_path / 'm.gguf', 'gemma4', tokens, types, merges=merges, unk=2, bos=1)
    ours = gguf_tokenizer.load(path)
    assert ours('b a\n\nA')['input_ids'] == [1, 5, 6, 8, 9]


# --- split files


def parts(folder, count, **said):
    import numpy as np

    for i in range(count):
        writer = GGUFWriter(folder / f'm-{i + 1:05}-of-{count:05}.gguf', 'llama')
        writer.add_uint16('split.no', i)
        writer.add_uint16('split.count', said.get('said_count', count))
        writer.add_int32('split.tensors.count', said.get('said_tensors', count))
        writer.add_tensor(f't{i}', np.full((2, 32), i, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return sorted(folder.glob('*.gguf'))


def test_the_parts_of_a_split_model_are_read_together(tmp_path):
    files = parts(tmp_path, 3)
    for path in files:  # any of them names the model
        model = GgufFile(path)
        assert model.files == files and sorted(model.shapes) == ['t0', 't1', 't2']
        assert (model.read('t2', (slice(0, 2), slice(3, 5))) == 2).all()
        assert model.where('t1') == files[1]


@pytest.mark.parametrize('change', [{'said_count': 2}, {'said_tensors': 4}])
def test_parts_that_disagree_are_refused(tmp_path, change):
    with pytest.raises(InputError, match=r'split\.(count|tensors\.count) = \d'):
        GgufFile(parts(tmp_path, 3, **change)[0])


def test_a_part_that_is_missing_is_named(tmp_path):
    files = parts(tmp_path, 3)
    files[1].unlink()
    with pytest.raises(InputError, match=r'one of 3 parts of a model; m-00002-of-00003\.gguf'):
        GgufFile(files[0])
