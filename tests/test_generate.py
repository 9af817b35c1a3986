"""Greedy decoding: transformers' tokens in every family, on any mesh, in any batch."""

import numpy as np
import pytest
import tokenizers
import torch
import transformers

from tests import torch_families
from tests.family_parity import one
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load
from xlbarrier.scoring import batches
from xlbarrier.scoring import generate as generate_lib
from xlbarrier.scoring.batches import Planner
from xlbarrier.scoring.generate import Ends, generate
from xlbarrier.scoring.store import ScoreStore

# One of each kind of block: pre-norm, learned places, ALiBi, parallel, windows, post-norms, caps.
CASES = ('llama', 'qwen3', 'gemma2', 'gemma3', 'cohere2', 'bloom', 'gpt2')
MORE = ('llama3', 'mistral', 'qwen2_odd_windows', 'phi3_odd_partial', 'xglm', 'gemma4')
NEW = 21  # more than one look at the texts, and more than the windows


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Cases as folders, made when asked for."""
    root, made = tmp_path_factory.mktemp('families'), {}

    def folder(name):
        if name not in made:
            made[name] = torch_families.save(root / name, name)
        return made[name]

    return folder


@pytest.fixture(scope='module')
def words():
    """A tokenizer whose token 7 is 'w7', of 128 words; token 2 ends a text."""
    model = tokenizers.models.WordLevel({f'w{i}': i for i in range(128)}, unk_token='w0')
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token='w2')


def prompts(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [tuple(map(int, rng.integers(3, 128, n))) for n in lengths]


def theirs(model, prompt, new=NEW):
    """The tokens that transformers writes, without the one that ends the text."""
    with torch.no_grad():
        out = model.generate(
            torch.tensor([prompt]), max_new_tokens=new, do_sample=False, eos_token_id=2,
            pad_token_id=0,
        )  # fmt: skip
    found = out[0, len(prompt) :].tolist()
    return tuple(found[: found.index(2)] if 2 in found else found)


@pytest.mark.parametrize(
    'name', [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
def test_tokens_are_those_of_transformers(folders, words, name):
    asked = prompts((30, 5, 19, 1, 12))
    decoder = load.load_decoder(folders(name), one())
    ours = generate(decoder, words, asked, Ends(NEW), mesh=one())
    model = torch_families.read(folders(name))
    assert [answer.tokens for answer in ours] == [theirs(model, prompt) for prompt in asked]


@pytest.mark.parametrize(('name', 'sizes'), [('llama', (2, 2, 2)), ('gemma2', (1, 4, 2))])
def test_meshes_give_the_same_tokens(folders, words, name, sizes):
    asked = prompts((3, 40, 17, 33, 9, 20, 31, 2, 8, 12, 26))
    mesh = mesh_lib.make_mesh(*sizes)
    whole = load.load_decoder(folders(name), one())
    split = load.load_decoder(folders(name), mesh)
    alone = generate(whole, words, asked, Ends(9), mesh=one())
    assert generate(split, words, asked, Ends(9), mesh=mesh, rows_per_device=2) == alone


def test_neither_order_nor_batch_nor_company_counts(folders, words):
    asked = prompts((3, 40, 17, 33, 9, 20, 31))
    decoder = load.load_decoder(folders('qwen3'), one())
    first = generate(decoder, words, asked, Ends(9), mesh=one())
    backwards = generate(decoder, words, asked[::-1] + asked[:2], Ends(9), mesh=one())
    assert backwards[: len(asked)][::-1] == first and backwards[-2:] == first[:2]
    assert generate(decoder, words, asked, Ends(9), mesh=one(), rows_per_device=1) == first
    assert generate(decoder, words, asked[2:3], Ends(9), mesh=one()) == first[2:3]


def test_texts_end_at_eos_stop_strings_and_lengths(folders, words):
    decoder = load.load_decoder(folders('llama'), one())
    asked = prompts((12, 5, 30))
    long = generate(decoder, words, asked, Ends(24), mesh=one())
    assert {answer.reason for answer in long} == {'length'}
    assert [answer.text.split() for answer in long] == [
        [f'w{i}' for i in answer.tokens] for answer in long
    ]
    stop = f' w{long[0].tokens[18]}'  # behind the second look at the texts
    place = next(
        i for i in range(1, 24) if f'w{long[0].tokens[i]}'.startswith(stop.strip())
    )  # the first place where it stands
    cut = generate(decoder, words, asked, Ends(24, (stop, 'never')), mesh=one())
    assert cut[0].reason == 'stop' and len(cut[0].tokens) == place + 1
    assert cut[0].text == long[0].text[: long[0].text.index(stop)]
    assert generate(decoder, words, asked, Ends(1), mesh=one())[1].tokens == long[1].tokens[:1]


def test_a_text_ends_where_the_models_positions_end(folders, words):
    decoder = load.load_decoder(folders('llama'), one())
    asked = prompts((60, 5))
    full, other = generate(decoder, words, asked, Ends(9), mesh=one())
    model = torch_families.read(folders('llama'))
    assert full.tokens == theirs(model, asked[0], 4) and full.reason == 'length'
    assert other.tokens == theirs(model, asked[1], 9)


def test_the_end_of_text_is_not_part_of_it(folders, words, monkeypatch):
    decoder = load.load_decoder(folders('llama'), one())
    (asked,) = prompts((12,))
    (long,) = generate(decoder, words, [asked], Ends(24), mesh=one())
    at = long.tokens.index(long.tokens[20])
    monkeypatch.setattr(generate_lib, 'end_ids', lambda *_: (2, long.tokens[20]))
    (ended,) = generate(decoder, words, [asked], Ends(24), mesh=one())
    assert ended.tokens == long.tokens[:at] and ended.reason == 'eos'


def test_what_is_stored_is_not_written_again(folders, words, tmp_path, monkeypatch):
    decoder = load.load_decoder(folders('llama'), one())
    asked = prompts((3, 40, 17, 33))
    real, computed = generate_lib._continued, []

    def counted(decoder, tokenizer, ids, *rest):
        if len(computed) == 1:
            raise KeyboardInterrupt
        computed.append(len(ids))
        return real(decoder, tokenizer, ids, *rest)

    monkeypatch.setattr(generate_lib, '_continued', counted)
    settings = dict(mesh=one(), rows_per_device=2)
    with ScoreStore(tmp_path / 's', 'weights') as store, pytest.raises(KeyboardInterrupt):
        generate(decoder, words, asked, Ends(9, ('w5 ',)), store=store, **settings)
    computed.clear()
    with ScoreStore(tmp_path / 's', 'weights') as store:
        continued = generate(decoder, words, asked, Ends(9, ('w5 ',)), store=store, **settings)
    assert computed == [2]
    monkeypatch.setattr(generate_lib, '_continued', real)
    assert continued == generate(decoder, words, asked, Ends(9, ('w5 ',)), **settings)
    with ScoreStore(tmp_path / 's', 'others') as store:
        assert store.get_generated(asked, 'x') == [None] * 4


@pytest.fixture
def cheap(monkeypatch):
    """What prompts begin with is read by itself however short it is."""
    monkeypatch.setattr(batches, 'BEGINNING', -10_000)


def begun(*groups):
    """Prompts of several beginnings: (tokens that are shared, lengths of what follows)."""
    made = []
    for seed, (count, lengths) in enumerate(groups):
        (start,) = prompts((count,), seed=100 + seed)
        made += [start + rest for rest in prompts(lengths, seed=seed)]
    return made


@pytest.mark.parametrize(
    'name', [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
def test_a_shared_beginning_changes_no_token(folders, words, cheap, name):
    asked = begun((34, (3, 9, 1, 5)), (33, (4, 2)), (0, (8, 30)))
    decoder = load.load_decoder(folders(name), one())
    planned = Planner(sorted(asked, key=len, reverse=True), decoder.config).plan()
    assert [(b.shared, len(b.numbers)) for b in planned] == [(32, 4), (32, 2), (0, 2)]
    ours = generate(decoder, words, asked, Ends(NEW), mesh=one())
    model = torch_families.read(folders(name))
    room = [min(NEW, decoder.config.max_positions - len(prompt)) for prompt in asked]
    wanted = [theirs(model, prompt, new) for prompt, new in zip(asked, room, strict=True)]
    assert [answer.tokens for answer in ours] == wanted


@pytest.mark.parametrize(('name', 'sizes'), [('llama', (2, 2, 2)), ('gemma2', (2, 4, 1))])
def test_a_shared_beginning_on_meshes(folders, words, cheap, name, sizes):
    asked = begun((34, range(1, 12)), (40, (4, 2, 7)))
    mesh = mesh_lib.make_mesh(*sizes)
    split = load.load_decoder(folders(name), mesh)
    found = generate(split, words, asked, Ends(9), mesh=mesh, rows_per_device=1)
    whole = load.load_decoder(folders(name), one())
    each = [generate(whole, words, [prompt], Ends(9), mesh=one())[0] for prompt in asked]
    assert found == each


def shapes(folders, **fields):
    return load.read_config(folders('llama')).replace(max_positions=100_000, **fields)


def test_shapes_are_few_and_rows_fewer_where_prompts_are_long(folders):
    c = shapes(folders)
    asked = prompts(range(999, 0, -1))
    planned = Planner(asked, c, shards=2, rows_per_device=8).plan()
    assert sorted(n for b in planned for n in b.numbers) == list(range(999))
    assert len({(b.rows, b.length) for b in planned}) <= 11
    assert all(b.length >= len(asked[b.numbers[0]]) and not b.shared for b in planned)
    long = Planner(prompts([16_000] * 9), c).plan()
    assert [(b.rows, len(b.numbers)) for b in long] == [(1, 1)] * 9
    assert [b.rows for b in Planner(prompts([10, 9, 8]), c).plan()] == [4]


def test_beginnings_are_shared_where_that_saves_reading(folders):
    c = shapes(folders)

    def planned(asked):
        asked = sorted(asked, key=lambda ids: (-len(ids), ids))
        found = Planner(asked, c).plan()
        assert sorted(n for b in found for n in b.numbers) == list(range(len(asked)))
        for b in found:
            assert len({asked[n][: b.shared] for n in b.numbers}) == 1
            lengths = [len(asked[n]) - b.shared for n in b.numbers]
            assert min(lengths) >= 1 and max(lengths) <= b.length
        return sorted({(b.shared, sum(len(a.numbers) for a in found if a.shared == b.shared))
                       for b in found})  # fmt: skip

    # Demonstrations of two languages and prompts without any.
    few = begun((700, [20] * 24), (300, [25] * 24), (0, [30] * 8))
    assert planned(few) == [(0, 8), (256, 24), (512, 24)]
    # Two are not worth a compilation, nor is a short beginning.
    assert planned(begun((300, [20] * 2), (30, [290] * 9))) == [(0, 11)]
    # An instruction that all begin with, before the demonstrations of each language.
    (instruction,) = prompts((200,), seed=7)
    nested = [instruction + p for p in begun((600, [20] * 16), (600, [20] * 16), (0, [20] * 16))]
    assert planned(nested) == [(192, 16), (768, 32)]
    assert (
        planned([prompts((500,))[0][:n] for n in range(1, 500)])[0][0] == 0
    )  # each begins the next


def test_what_cannot_be_continued_is_told_by_its_number(folders, words):
    decoder = load.load_decoder(folders('llama'), one())
    with pytest.raises(ValueError, match=r'prompt 1 has 64 tokens, and the model 64 positions'):
        generate(decoder, words, prompts((3, 64)), Ends(5), mesh=one())
    with pytest.raises(ValueError, match='prompt 0 has no token'):
        generate(decoder, words, [()], Ends(5), mesh=one())
    with pytest.raises(ValueError, match='prompt 0 has token 128; the model has 0 to 127'):
        generate(decoder, words, [(128,)], Ends(5), mesh=one())
    with pytest.raises(ValueError, match='at least one token'):
        generate(decoder, words, [(3,)], Ends(0), mesh=one())
    assert generate(decoder, words, [], Ends(5), mesh=one()) == []
