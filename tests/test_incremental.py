"""Texts that begin alike: ids as of the whole text, and the beginning is not tokenised again."""

import itertools
import random

import pytest
from tokenizers import (
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tests.test_gguf_tokenizer import TEXTS, corpus
from tests.test_tokenize_files import KINDS as FILES
from xlbarrier.data import incremental, tokenize

# What may make a token depend on what follows or comes before it.
TAILS = (
    *(' A', ' B', 'A', '\n', '\n\n', ' ', '   ', '\n  \n', '\t', '.', ':A', "'s", "'S all", '!!!'),
    *(
        '12',
        '1234567',
        ' 12',
        '½',
        '\u0301',
        '\u200d',
        '\u3000答',
        'ですか',
        'ไทย',
        ' لا',
        'हिन्',
        '한',
    ),
    *(
        '<s>',
        '</s> x',
        ' <s>',
        'é',
        'e\u0301',
        'ﬁ',
        'ǅ',
        '🏳️‍🌈',
        'Answer',
        ' Answer: ',
        'ing',
        '\r\n',
    ),
)
# Numbers are grouped from the right: a border depends on digits far behind it.
GROUPED = r'\d{1,3}(?=(?:\d{3})*(?:\D|$))|\s+(?!\S)|[^\s\d]+|\s'


def of_words(model, trainer, pre_tokenizer, normalizer=None, post_processor=None):
    core = Tokenizer(model)
    core.pre_tokenizer = pre_tokenizer
    if normalizer:
        core.normalizer = normalizer
    core.train_from_iterator(corpus(1), trainer)
    if post_processor:
        core.post_processor = post_processor
    return core


def byte_level(**options):
    cut = pre_tokenizers.ByteLevel(**options)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1500, initial_alphabet=alphabet, special_tokens=['<s>'], show_progress=False
    )
    return models.BPE(), trainer, cut


def made(kind):
    if kind in FILES:
        core, alphabet = FILES[kind]()
        special = ['<unk>', '<s>', '</s>']
        trainer = trainers.BpeTrainer(
            vocab_size=1500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
        core.train_from_iterator(corpus(1), trainer)
        return core
    if kind == 'offsets without spaces':
        return of_words(
            *byte_level(add_prefix_space=False),
            post_processor=processors.ByteLevel(trim_offsets=True),
        )
    if kind == 'a space before the text':
        return of_words(*byte_level(add_prefix_space=True))
    if kind == 'grouped digits':
        model, trainer, last = byte_level(add_prefix_space=False, use_regex=False)
        first = pre_tokenizers.Split(Regex(GROUPED), 'isolated')
        return of_words(model, trainer, pre_tokenizers.Sequence([first, last]))
    if kind == 'unigram':
        trainer = trainers.UnigramTrainer(
            vocab_size=800, unk_token='<unk>', special_tokens=['<unk>'], show_progress=False
        )
        return of_words(models.Unigram(), trainer, pre_tokenizers.Metaspace(), normalizers.NFKC())
    assert kind == 'word pieces'
    trainer = trainers.WordPieceTrainer(
        vocab_size=1500, special_tokens=['[UNK]'], show_progress=False
    )
    return of_words(
        models.WordPiece(unk_token='[UNK]'),
        trainer,
        pre_tokenizers.BertPreTokenizer(),
        normalizers.BertNormalizer(),
    )


OURS = (
    *('offsets without spaces', 'a space before the text', 'grouped digits', 'unigram'),
    'word pieces',
)
WHOLE = ('pieces', 'nfkc pieces')  # without borders


@pytest.fixture(scope='module')
def cores(tokenizer):
    cores = {kind: made(kind) for kind in (*FILES, *OURS)}
    return cores | {'smollm2': tokenizer.backend_tokenizer}


class Counting:
    """A tokenizer that counts the characters that it is given."""

    def __init__(self, core):
        self.core, self.characters, self.calls = core, 0, 0

    def encode(self, text, add_special_tokens):
        self.characters += len(text)
        self.calls += 1
        return self.core.encode(text, add_special_tokens=add_special_tokens)


def texts(seed, count):
    """Texts of which each begins as an earlier one, at any place, and goes on in another way."""
    rng = random.Random(seed)
    pool = [*TEXTS, *TAILS]
    made = [' '.join(rng.sample(TEXTS, len(TEXTS)))]
    for _ in range(count):
        before = rng.choice(made[-6:])
        keep = rng.choice((len(before), rng.randrange(len(before)), len(before) * 9 // 10))
        parts = rng.choices(pool, k=rng.randrange(1, 6)) + rng.choices(TAILS, k=rng.randrange(4))
        joint = rng.choice(('', ' ', '\n', '\n\n'))
        made.append(before[:keep][:4000] + joint.join(parts))
    return made


@pytest.mark.parametrize('kind', [*FILES, *OURS, 'smollm2'])
def test_ids_are_those_of_the_whole_text(cores, kind):
    core = cores[kind]
    for seed in range(2):
        known = incremental.Texts()
        for text in texts(seed, 60):
            found = known(core, text)
            assert found.ids == core.encode(text, add_special_tokens=False).ids, text[-80:]
            for tail in TAILS:
                ids = incremental.continued_ids(core, found, text + tail)
                assert ids == core.encode(text + tail, add_special_tokens=False).ids, (tail, text)


@pytest.mark.parametrize('kind', [*FILES, *OURS, 'smollm2'])
def test_a_beginning_that_is_known_is_not_tokenised_again(cores, kind):
    core, known = Counting(cores[kind]), incremental.Texts()
    shown = '\n\n'.join(f'Question: {text}\nAnswer: B' for text in TEXTS)
    prompts = [f'{shown}\n\nQuestion: {text}\nAnswer:' for text in TEXTS]
    for prompt in prompts:
        found = known(core, prompt)
        for letter in 'ABCD':
            incremental.continued_ids(core, found, f'{prompt} {letter}')
    whole = sum(map(len, prompts)) * 5
    if kind in WHOLE:
        assert core.characters < 1.01 * whole and core.calls == 5 * len(prompts)
    else:
        assert core.characters < 0.3 * whole


def test_questions_put_in_several_ways_keep_their_beginnings(cores):
    core, known = Counting(cores['smollm2']), incremental.Texts()
    ways = [way + ' '.join(TEXTS) for way in ('Letters. ', 'Options. ', 'Written. ')]
    for number, way in itertools.product(range(20), ways):
        known(core, f'{way} Question {number}: what is it? Answer:')
    assert core.characters < 0.2 * 20 * sum(map(len, ways))


def test_pairs_options_and_prompts_are_of_the_whole_text(tokenizer):
    shown = '\n\n'.join(f'Question: {text}\nAnswer: B' for text in TEXTS)

    def ids(text):
        return tokenizer(text, add_special_tokens=False)['input_ids']

    for text in TEXTS:
        context = f'{shown}\n\nQuestion: {text}\nAnswer:'
        assert tokenize.encode_prompt(tokenizer, context) == ids(context)
        for option, (a, b) in zip(
            TEXTS[:4],
            tokenize.encode_options(tokenizer, context, [f' {t}' for t in TEXTS[:4]]),
            strict=True,
        ):
            assert a + b == ids(f'{context} {option}')
            one = tokenize.encode_pair(tokenizer, context, f' {option}')
            assert (a, b) == one and a == ids(context)
