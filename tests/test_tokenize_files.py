"""tokenizer.json is followed under every class name: ids as `tokenizers` has them."""

import json

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from tests.test_gguf_tokenizer import PATTERNS, TEXTS, corpus
from xlbarrier.data import tokenize
from xlbarrier.models import source

SPACE = '▁'
CLASSES = (
    *('GPT2Tokenizer', 'LlamaTokenizerFast', 'LlamaTokenizer', 'Qwen2Tokenizer', 'GemmaTokenizer'),
    *('CohereTokenizerFast', 'GPTNeoXTokenizer', 'PreTrainedTokenizerFast', None),
)


def byte_level(pattern=None, normalizer=None):
    core = Tokenizer(models.BPE())
    if normalizer:
        core.normalizer = normalizer
    cut = [pre_tokenizers.Split(Regex(PATTERNS[pattern]), 'isolated')] if pattern else []
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern)
    core.pre_tokenizer = pre_tokenizers.Sequence([*cut, last])
    core.decoder = decoders.ByteLevel()
    return core, pre_tokenizers.ByteLevel.alphabet()


def sentencepiece_like(normalizer=None):
    core = Tokenizer(models.BPE(byte_fallback=True, unk_token='<unk>', fuse_unk=True))
    steps = [normalizer] if normalizer else []
    core.normalizer = normalizers.Sequence([*steps, normalizers.Replace(' ', SPACE)])
    core.decoder = decoders.Sequence([decoders.Replace(SPACE, ' '), decoders.ByteFallback()])
    return core, []


KINDS = {
    'llama 3 cut': lambda: byte_level('llama-bpe'),
    'tekken cut': lambda: byte_level('tekken'),
    'nfc, qwen cut': lambda: byte_level('qwen2', normalizers.NFC()),
    'plain gpt-2': lambda: byte_level(),
    'nfkc pieces': lambda: sentencepiece_like(normalizers.NFKC()),
    'pieces': lambda: sentencepiece_like(),
}


@pytest.fixture(scope='module')
def cores():
    """One trained tokenizer of each kind, as the text of tokenizer.json; half of them add BOS."""
    made = {}
    for number, (kind, make) in enumerate(KINDS.items()):
        core, alphabet = make()
        special = ['<unk>', '<s>', '</s>', *(f'<0x{i:02X}>' for i in range(0 if alphabet else 256))]
        trainer = trainers.BpeTrainer(
            vocab_size=1500,
            special_tokens=special,
            initial_alphabet=alphabet,
            limit_alphabet=800,
            show_progress=False,
        )
        core.train_from_iterator(corpus(1), trainer)
        if number % 2:
            core.post_processor = TemplateProcessing(
                single='<s> $A', pair='<s> $A $B', special_tokens=[('<s>', 1)]
            )
        raw = json.loads(core.to_str())
        raw['added_tokens'] = raw['added_tokens'][:3]  # bytes are no added tokens
        made[kind] = json.dumps(raw)
    return made


def write(folder, text, name, model_type='llama'):
    folder.mkdir()
    (folder / 'tokenizer.json').write_text(text, encoding='utf-8')
    fields = {'bos_token': '<s>', 'eos_token': '</s>', 'unk_token': '<unk>'}
    if name:
        fields['tokenizer_class'] = name
    (folder / 'tokenizer_config.json').write_text(json.dumps(fields))
    (folder / 'config.json').write_text(json.dumps({'model_type': model_type}))
    return folder


@pytest.mark.parametrize('kind', KINDS)
def test_ids_are_those_of_the_file(cores, tmp_path, kind):
    for name in CLASSES:
        folder = write(tmp_path / str(name), cores[kind], name)
        core = Tokenizer.from_file(str(folder / 'tokenizer.json'))
        ours = tokenize.load_tokenizer(folder)
        wrong = [t for t in TEXTS if ours(t)['input_ids'] != core.encode(t).ids]
        assert wrong == [], (name, wrong[:3])
        assert (ours.bos_token, ours.eos_token, ours.unk_token) == ('<s>', '</s>', '<unk>')


@pytest.mark.parametrize(
    ('kind', 'name'),
    [('llama 3 cut', 'GPT2Tokenizer'), ('nfkc pieces', 'LlamaTokenizerFast')],
)
def test_what_is_exported_is_read_the_same_by_transformers(cores, tmp_path, kind, name):
    ours = tokenize.load_tokenizer(write(tmp_path / 'in', cores[kind], name))
    write(tmp_path / 'out', cores[kind], name)
    ours.save_pretrained(tmp_path / 'out')
    for other in (
        AutoTokenizer.from_pretrained(tmp_path / 'out'),
        tokenize.load_tokenizer(tmp_path / 'out'),
    ):
        assert [other(t)['input_ids'] for t in TEXTS] == [ours(t)['input_ids'] for t in TEXTS]
        assert other.eos_token == '</s>'


def test_tokens_that_only_the_config_has_are_kept(cores, tmp_path):
    folder = write(tmp_path / 'a', cores['llama 3 cut'], 'GPT2Tokenizer')
    path = folder / 'tokenizer_config.json'
    raw = json.loads(path.read_text())
    raw['added_tokens_decoder'] = {'1500': {'content': '<|turn|>', 'special': True}}
    raw['chat_template'] = '{{ messages }}'
    path.write_text(json.dumps(raw))
    ours = tokenize.load_tokenizer(folder)
    assert 1500 in ours('a<|turn|>')['input_ids']
    assert ours.chat_template == '{{ messages }}'


def test_another_tokenizer_is_found_by_its_field(cores, tmp_path, monkeypatch):
    folder = write(tmp_path / 'a', cores['pieces'], None)
    monkeypatch.chdir(tmp_path)
    assert source.resolve_tokenizer('a', tmp_path) == folder
    assert source.resolve_tokenizer('', tmp_path / 'model') == tmp_path / 'model'
    with pytest.raises(source.SourceError, match=r"model\.tokenizer 'b' is neither a folder"):
        source.resolve_tokenizer('b', tmp_path)
    with pytest.raises(source.SourceError, match=r"model\.tokenizer 'hf:b' is not hf:ORG/NAME"):
        source.resolve_tokenizer('hf:b', tmp_path)


@pytest.mark.parametrize('text', ['{"truncat', '[]', '{"model": ' + '[' * 50_000, '{}'])
def test_a_broken_file_is_named(cores, tmp_path, text):
    folder = write(tmp_path / 'a', text, None)
    with pytest.raises(ValueError, match=r'a(/tokenizer\.json)?: the tokenizer cannot be loaded'):
        tokenize.load_tokenizer(folder)
