"""Mean hidden states: those of transformers at every depth, on any mesh, in any batch."""

import numpy as np
import pytest
import torch

from tests import torch_families
from tests.family_parity import ids, one
from xlbarrier import mesh as mesh_lib
from xlbarrier.models import load
from xlbarrier.scoring.embed import Passage, embed

# One of each kind of block: pre-norm, learned places, ALiBi, parallel, windows, post-norms.
CASES = (
    *('llama', 'llama_odd_biases', 'mistral', 'qwen3', 'gemma', 'gemma2', 'gemma3', 'cohere'),
    *('phi3', 'bloom', 'gpt2_odd_untied', 'xglm'),
)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Cases as folders, made when asked for."""
    root, made = tmp_path_factory.mktemp('families'), {}

    def folder(name):
        if name not in made:
            made[name] = torch_families.save(root / name, name)
        return made[name]

    return folder


def passages(lengths, skip=0):
    rows = ids(len(lengths), max(lengths))
    return [Passage(tuple(map(int, row[:n])), skip) for row, n in zip(rows, lengths, strict=True)]


@pytest.mark.parametrize('name', CASES)
def test_means_of_every_depth_equal_those_of_transformers(folders, name):
    asked = passages((32, 5, 19, 1))
    asked.append(Passage(asked[0].tokens, 3))
    ours = embed(load.load_decoder(folders(name), one()), asked, mesh=one())
    model = torch_families.read(folders(name))
    for passage, vectors_LD in zip(asked, ours, strict=True):
        with torch.no_grad():
            states = model(
                torch.tensor([passage.tokens]), output_hidden_states=True, use_cache=False
            ).hidden_states
        theirs = torch.stack([s[0, passage.skip :].mean(0) for s in states]).numpy()
        assert vectors_LD.shape == theirs.shape
        scale = np.abs(theirs).max(axis=-1, keepdims=True)
        assert (np.abs(vectors_LD - theirs) / scale).max() < 2e-4


def test_meshes_batches_and_orders_give_the_same_vectors(folders):
    asked = passages((3, 40, 17, 33, 9, 20, 31, 2, 8, 12, 26))
    whole = load.load_decoder(folders('llama'), one())
    first = embed(whole, asked, mesh=one())
    backwards = embed(whole, asked[::-1] + asked[:2], mesh=one())
    np.testing.assert_array_equal(backwards[: len(asked)][::-1], first)
    np.testing.assert_array_equal(backwards[len(asked) :], first[:2])  # asked twice
    for shape, rows in (((8, 1, 1), 1), ((2, 2, 2), 3), ((1, 4, 2), 2)):
        mesh = mesh_lib.make_mesh(*shape)
        split = load.load_decoder(folders('llama'), mesh)
        found = embed(split, asked, mesh=mesh, rows_per_device=rows)
        np.testing.assert_allclose(found, first, rtol=0, atol=2e-5 * np.abs(first).max())


def test_what_cannot_be_embedded_is_told_by_its_number(folders):
    decoder = load.load_decoder(folders('llama'), one())
    fine = Passage((1, 2))
    for bad, words in (
        (Passage(()), 'text 1 has 0 tokens'),
        (Passage((1, 2), 2), 'text 1 has 2 tokens, 2 of them skipped'),
        (Passage((1,) * 65), 'text 1 has 65 tokens; the model takes 64'),
        (Passage((1, 128)), 'text 1 has token 128; expected 0..127'),
        (Passage((-1, 3)), 'text 1 has token -1'),
    ):
        with pytest.raises(ValueError, match=words):
            embed(decoder, [fine, bad], mesh=one())
    assert embed(decoder, [], mesh=one()).shape[0] == 0


def test_bfloat16_states_are_summed_in_float32(folders):
    asked = passages((40, 9))
    exact = embed(load.load_decoder(folders('llama'), one()), asked, mesh=one())
    rough = load.load_decoder(folders('llama'), one(), compute_dtype='bfloat16')
    found = embed(rough, asked, mesh=one())
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 0.1 * np.abs(exact).max()
