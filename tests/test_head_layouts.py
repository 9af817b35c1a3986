"""Every layout of heads trains, scores, generates and embeds alike on every mesh.

`launch/test.sh` runs this module a second time in an environment with the newest jax, where a
dimension of one head keeps no mesh axis in its type: nothing here may need torch.
"""

import math

import jax
import numpy as np
import pytest
import tokenizers
import transformers

from xlbarrier import mesh as mesh_lib
from xlbarrier.config import TrainConfig
from xlbarrier.data.pack import PackedRows
from xlbarrier.models import load
from xlbarrier.models.config import DecoderConfig
from xlbarrier.scoring import engine
from xlbarrier.scoring.embed import Passage, embed
from xlbarrier.scoring.generate import Ends, generate
from xlbarrier.scoring.request import Request
from xlbarrier.train.loop import train

LAYOUTS = {'all': (4, 4), 'grouped': (4, 2), 'single': (4, 1), 'one': (1, 1)}
MESHES = ((8, 1, 1), (1, 8, 1), (2, 2, 2))
ROWS, TOKENS, VOCAB = 8, 24, 64


def config(layout):
    heads, kv_heads = LAYOUTS[layout]
    return DecoderConfig(
        family='llama',
        vocab_size=VOCAB,
        num_layers=2,
        d_model=32,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=8,
        d_ff=32,
        norm_eps=1e-5,
        tied=True,
        max_positions=64,
        eos_id=2,
    )


def packed_rows():
    """Rows of ragged documents, the last of padding at its end."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(3, VOCAB, (ROWS, TOKENS)).astype(np.int32)
    positions, until = np.zeros_like(tokens), np.zeros_like(tokens)
    weights = np.zeros(tokens.shape, np.float32)
    for row in range(ROWS):
        ends = [*np.sort(rng.choice(np.arange(2, TOKENS - 1), 1 + row % 3, replace=False)), TOKENS]
        start = 0
        for end in ends:
            positions[row, start:end] = np.arange(end - start)
            until[row, start:end] = end - 1
            weights[row, start + 1 : end] = 1
            start = end
    return PackedRows(tokens, positions, until, weights)


def tokenizer():
    model = tokenizers.models.WordLevel({f'w{i}': i for i in range(VOCAB)}, unk_token='w0')
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token='w2')


def everything(layout, mesh, folder):
    """Losses of a training, and of the trained model scores, written tokens and vectors."""
    losses = []
    decoder = train(
        load.init_decoder(config(layout), mesh),
        packed_rows(),
        TrainConfig(
            steps=3, batch_rows=ROWS, row_tokens=TOKENS, warmup_steps=0, learning_rate=1e-2
        ),
        folder=folder,
        seed=0,
        log=lambda row: losses.append(row['loss']),
    )
    rng = np.random.default_rng(1)
    contexts = [tuple(map(int, rng.integers(3, VOCAB, n))) for n in (5, 9, 17)]
    requests = [Request(c, (t, t + 1)) for c in contexts for t in (3, 11, 40)]
    scores = engine.score(decoder, requests, mesh=mesh, row_tokens=32)
    written = generate(decoder, tokenizer(), contexts, Ends(4), mesh=mesh, rows_per_device=2)
    vectors = embed(decoder, [Passage(c) for c in contexts], mesh=mesh)
    return losses, [s.log_likelihood for s in scores], [w.tokens for w in written], vectors


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """What each layout gives on one device."""
    one = mesh_lib.make_mesh(1, 1, 1, devices=jax.devices()[:1])
    found = {}

    def of(layout):
        if layout not in found:
            found[layout] = everything(layout, one, tmp_path_factory.mktemp(layout))
        return found[layout]

    return of


@pytest.mark.parametrize(
    ('layout', 'shape'),
    [
        (layout, shape)
        for layout, (_, kv_heads) in LAYOUTS.items()
        for shape in MESHES
        if kv_heads % shape[2] == 0
    ],
)
def test_meshes_agree(layout, shape, alone, tmp_path):
    losses, scores, written, vectors = alone(layout)
    assert losses[0] > losses[-1] and abs(losses[0] - math.log(VOCAB)) < 0.5
    found = everything(layout, mesh_lib.make_mesh(*shape), tmp_path)
    np.testing.assert_allclose(found[0], losses, rtol=1e-5)
    np.testing.assert_allclose(found[1], scores, rtol=0, atol=2e-4)
    assert found[2] == written
    np.testing.assert_allclose(found[3], vectors, rtol=0, atol=2e-4)
