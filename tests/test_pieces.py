"""Baichuan's tokenizer: a SentencePiece file beside code that is never run."""

import json
import random

import pytest
import sentencepiece

from xlbarrier.data import tokenize

LINES = [
    *(f'hello world, this is text number {i} with  some words' for i in range(200)),
    *(f'柏林位于哪个国家 {i} 答案 德国 Где находится {i * 7}' for i in range(200)),
]
FIELDS = {
    'tokenizer_class': 'BaichuanTokenizer',
    'auto_map': {'AutoTokenizer': ['tokenization_baichuan.BaichuanTokenizer', None]},
    'bos_token': {'__type': 'AddedToken', 'content': '<s>'},
    'eos_token': {'__type': 'AddedToken', 'content': '</s>'},
    'unk_token': {'__type': 'AddedToken', 'content': '<unk>'},
    'pad_token': {'__type': 'AddedToken', 'content': '<unk>'},
}


def make(folder, **changes):
    """A folder as Baichuan's, its model trained here on a few lines."""
    settings = {
        'model_type': 'bpe',
        'vocab_size': 420,
        'byte_fallback': True,
        'add_dummy_prefix': False,
        'remove_extra_whitespaces': False,
        'normalization_rule_name': 'identity',
        'user_defined_symbols': ['<reserved_106>', '<reserved_107>'],
        'split_digits': True,
    } | changes
    folder.mkdir()
    (folder / 'lines.txt').write_text('\n'.join(LINES))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / 'lines.txt'),
        model_prefix=str(folder / 'tokenizer'),
        minloglevel=2,
        **settings,
    )
    (folder / 'tokenizer_config.json').write_text(json.dumps(FIELDS))
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / 'tokenizer.model'))


def test_ids_are_those_of_sentencepiece(tmp_path):
    theirs = make(tmp_path / 'a')
    ours = tokenize.load_tokenizer(tmp_path / 'a', vocab_size=420)
    assert (len(ours), ours.bos_token_id, ours.eos_token_id, ours.pad_token_id) == (420, 1, 2, 0)
    draw = random.Random(0)
    parts = [*'helo wrd ths 0123 \n\t柏林位Где🇹', '  ', 'world', '<reserved_106>', 'Lomé']
    for _ in range(2000):
        text = ''.join(draw.choice(parts) for _ in range(draw.randint(1, 30)))
        ids = ours(text)['input_ids']
        assert ids == theirs.encode(text), text
        assert ours.decode(ids) == text
    ours.save_pretrained(tmp_path / 'b')  # now with a tokenizer.json, as an export has
    again = tokenize.load_tokenizer(tmp_path / 'b')
    text = '柏林 <reserved_106> Lomé\n  hello'
    assert again(text)['input_ids'] == theirs.encode(text)
    assert (again.bos_token_id, again.eos_token_id) == (1, 2)


def test_a_model_that_is_cut_otherwise_is_refused(tmp_path):
    make(tmp_path / 'a', normalization_rule_name='nmt_nfkc_cf')  # folds case
    with pytest.raises(ValueError, match=r'tokenizer\.model: .* does not cut text as'):
        tokenize.load_tokenizer(tmp_path / 'a')
    (tmp_path / 'a/tokenizer.model').write_bytes(b'x')
    with pytest.raises(ValueError, match='is not a SentencePiece model'):
        tokenize.load_tokenizer(tmp_path / 'a')
