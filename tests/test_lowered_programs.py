"""What the train and score steps become for a GPU and for a TPU, read from the lowered programs.

No float array of queries by keys may exist for each head. cuDNN's calls and Pallas kernels lower on
any machine; libtpu, where it is installed, compiles the TPU programs (see test_aot_hlo.py).
"""

import re

import jax
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo as cudnn

from xlbarrier import mesh as mesh_lib
from xlbarrier.config import TrainConfig
from xlbarrier.models import decoder as decoder_lib
from xlbarrier.models import kernels, layers, load
from xlbarrier.models.config import DecoderConfig
from xlbarrier.scoring.step import score_rows
from xlbarrier.train import loss, step

ROWS, TOKENS, HEADS = 2, 384, 4


def on(platform, monkeypatch):
    """Lets the modules that ask believe that the mesh is of another platform."""
    for module in (decoder_lib, kernels, layers, loss):
        monkeypatch.setattr(module, 'platform', lambda: platform)
    jax.clear_caches()  # traces of another platform
    monkeypatch.setattr(cudnn, 'check_cudnn_version', lambda: 91900)
    monkeypatch.setattr(cudnn, 'check_compute_capability', lambda capability: True)
    return {'gpu': 'cuda', 'tpu': 'tpu', 'cpu': 'cpu'}[platform]


@pytest.fixture(scope='module')
def mesh():
    return mesh_lib.make_mesh(1, 1, 1, devices=jax.devices()[:1])


def decoder_of(mesh, **changes):
    fields = dict(
        family='llama',
        vocab_size=640,
        num_layers=2,
        d_model=128,
        num_heads=HEADS,
        num_kv_heads=2,
        head_dim=128,
        d_ff=256,
        norm_eps=1e-5,
        tied=True,
        max_positions=1024,
    )
    config = DecoderConfig(**(fields | changes))
    return load.init_decoder(config, mesh, compute_dtype='bfloat16')


def train_program(mesh, target, remat='auto', documents=4, **changes):
    decoder = decoder_of(mesh, **changes)
    config = TrainConfig(compute_dtype='bfloat16', remat=remat, batch_rows=ROWS)
    decoder.remat = remat
    graph, params, frozen = step.split_decoder(decoder, config)
    state = step.init_state(params, config)
    zeros = np.zeros((ROWS, TOKENS), np.int32)
    batch = {'tokens': zeros, 'positions': zeros, 'until': zeros, 'weights': zeros * 1.0}
    laid = step.put_microbatches(batch, mesh, 1)
    with jax.set_mesh(mesh):
        traced = step.train_step.here.trace(
            state, frozen, laid, graph=graph, config=config, documents=documents
        )
        return traced.lower(lowering_platforms=(target,)).as_text()


def score_program(mesh, target, **changes):
    zeros = np.zeros((ROWS, TOKENS), np.int32)
    names = {'tokens': zeros, 'positions': zeros, 'until': zeros}
    names |= {'slots': zeros[:, :8], 'pair_slots': zeros[:, :8], 'pair_tokens': zeros[:, :8]}
    laid = mesh_lib.put_batch(names, mesh)
    with jax.set_mesh(mesh):
        traced = score_rows.trace(decoder_of(mesh, **changes), *laid.values())
        return traced.lower(lowering_platforms=(target,)).as_text()


def scores_of_every_head(program):
    """Float arrays [..., T, T] that have more leading entries than rows."""
    found = set()
    for shape, kind in re.findall(r'tensor<((?:\d+x)+)(f32|bf16|f16)>', program):
        sizes = [int(size) for size in shape.rstrip('x').split('x')]
        if sizes.count(TOKENS) >= 2 and np.prod(sizes) > ROWS * TOKENS * TOKENS:
            found.add(shape + kind)
    return found


def wide_products(program):
    """Matrix products of float32 arrays; a sum of products of two like arrays is none."""
    return [
        line.strip()
        for line in program.splitlines()
        if 'dot_general' in line
        and re.search(r'\(tensor<[\dx]+xf32>', line)
        and 'contracting_dims = [3] x [3]' not in line
    ]


@pytest.mark.parametrize('platform', ['gpu', 'tpu'])
@pytest.mark.parametrize('remat', ['auto', 'none', 'full'])
def test_a_train_step_holds_no_scores_and_no_float32_product(platform, remat, mesh, monkeypatch):
    program = train_program(mesh, on(platform, monkeypatch), remat)
    assert not scores_of_every_head(program)
    assert not wide_products(program)
    if platform == 'gpu':
        calls = [line for line in program.splitlines() if '__cudnn$fmhaSoftmax' in line]
        # Forward and backward; attention's outputs are kept but where a layer is computed again.
        assert len(calls) == (3 if remat == 'full' else 2)
        assert all('PADDING_CAUSAL' in line for line in calls), 'documents see each other'
        assert all(f'tensor<{ROWS}x4xi32>' in line for line in calls), 'no lengths of documents'
    else:
        assert 'tpu_custom_call' in program


@pytest.mark.parametrize('platform', ['gpu', 'tpu'])
@pytest.mark.parametrize('changes', [{}, {'attn_softcap': 30.0}, {'positions': 'alibi'}], ids=str)
def test_a_score_step_holds_no_scores(platform, changes, mesh, monkeypatch):
    monkeypatch.setattr(kernels, 'has_mosaic', lambda: False)
    program = score_program(mesh, on(platform, monkeypatch), **changes)
    assert not scores_of_every_head(program)
    assert ('__cudnn$fmha' in program) == (platform == 'gpu' and not changes)


@pytest.mark.parametrize('platform', ['gpu', 'tpu'])
def test_what_no_kernel_takes_is_trained_in_blocks_of_queries(platform, mesh, monkeypatch):
    monkeypatch.setattr(kernels, 'has_mosaic', lambda: False)
    target = on(platform, monkeypatch)
    program = train_program(mesh, target, positions='alibi')
    assert not scores_of_every_head(program)


def test_the_scores_of_plain_products_are_found(mesh, monkeypatch):
    """The test above would see them."""
    program = train_program(mesh, on('cpu', monkeypatch), 'none')
    assert scores_of_every_head(program)
    assert wide_products(program)
