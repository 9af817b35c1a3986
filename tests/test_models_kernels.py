"""Attention kernels: the choice, and every kernel on packed rows against plain products."""

import functools
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xlbarrier import mesh as mesh_lib
from xlbarrier.mesh import RULES
from xlbarrier.models import attention, kernels
from xlbarrier.models.config import DecoderConfig, Rope

ROWS, TOKENS = 2, 256
# Ragged documents; the second row ends in padding, each token of which sees itself alone.
ENDS = ((70, 71, 200, 256), (9, 140, *range(141, 257)))


def config(**changes):
    fields = dict(
        family='llama',
        vocab_size=64,
        num_layers=2,
        d_model=64,
        num_heads=4,
        num_kv_heads=2,
        head_dim=64,
        d_ff=64,
        norm_eps=1e-5,
        tied=True,
        max_positions=1024,
        rope=Rope(),
    )
    return DecoderConfig(**(fields | changes))


def untils():
    until = np.zeros((ROWS, TOKENS), np.int32)
    for row, ends in enumerate(ENDS):
        for start, end in zip((0, *ends), ends, strict=False):
            until[row, start:end] = end - 1
    return until


def arrays(heads, kv_heads, dtype, head=64):
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = ((heads, keys[0]), (kv_heads, keys[1]), (kv_heads, keys[2]), (heads, keys[3]))
    return [jax.random.normal(key, (ROWS, TOKENS, n, head), dtype) for n, key in shapes]


def plain(q, k, v, mask, scale, cap=0.0):
    """float64 products, softmax and products again, in numpy; and nothing else."""
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[2] // x.shape[2], axis=2) for x in (k, v))
    scores = np.einsum('BTNH,BSNH->BNTS', q, k) * scale
    scores = cap * np.tanh(scores / cap) if cap else scores
    scores = np.where(mask[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum('BNTS,BSNH->BTNH', weights / weights.sum(-1, keepdims=True), v)


def of_emulated_mosaic(q, k, v, *, scale, cap, first=None, mask=None):
    pytest.importorskip('tokamax', reason='runs in the environment of the newest jax')
    mask = mask if first is None else None
    return kernels._mosaic(q, k, v, first, mask, scale=scale, cap=cap, implementation='xla')


def of_splash(q, k, v, *, scale, cap, first=None, mask=None):
    run = functools.partial(kernels._splash, interpret=True)
    return run(q, k, v, first, scale=scale, cap=cap)


def of_blocks(q, k, v, *, scale, cap, first=None, mask=None):
    return kernels._xla_in_blocks(q, k, v, mask, None, None, None, scale=scale, cap=cap)


def of_xla(q, k, v, *, scale, cap, first=None, mask=None):
    return kernels._xla(q, k, v, mask, None, None, None, scale=scale, cap=cap)


RUNNABLE = {'xla': of_xla, 'blocks': of_blocks, 'mosaic': of_emulated_mosaic, 'splash': of_splash}


@pytest.mark.parametrize('heads', [(4, 4), (4, 2), (4, 1), (1, 1)], ids=str)
@pytest.mark.parametrize('name', RUNNABLE)
def test_a_packed_row_is_its_documents_and_so_are_the_gradients(name, heads, monkeypatch):
    monkeypatch.setattr(kernels, 'QUERIES', 96)  # blocks that do not divide the row
    q, k, v, out_grad = arrays(*heads, jnp.float32)
    until = untils()
    mask = np.asarray(attention.visible(jnp.asarray(until)))
    first = attention.first_keys(jnp.asarray(until))
    run = functools.partial(
        RUNNABLE[name], scale=0.125, cap=0.0, first=first, mask=jnp.asarray(mask)
    )
    found, back = jax.vjp(run, q, k, v)
    expected = plain(q, k, v, mask, 0.125)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
    causal = np.tril(np.ones((TOKENS, TOKENS), bool))[None]
    wrong = plain(q, k, v, np.broadcast_to(causal, mask.shape), 0.125)
    assert np.abs(found - wrong).max() > 0.1, 'documents see each other'
    # The gradient along a random direction, by central differences of the float64 products.
    rng, step = np.random.default_rng(1), 1e-4
    towards = [rng.standard_normal(x.shape) for x in (q, k, v)]
    ends = [
        plain(
            *(np.asarray(x) + s * d for x, d in zip((q, k, v), towards, strict=True)), mask, 0.125
        )
        for s in (step, -step)
    ]
    slope = ((ends[0] - ends[1]) / (2 * step) * np.asarray(out_grad)).sum()
    ours = sum((np.asarray(g) * d).sum() for g, d in zip(back(out_grad), towards, strict=True))
    assert abs(ours - slope) < 2e-3 * max(1, abs(slope))


@pytest.mark.parametrize('name', RUNNABLE)
def test_soft_caps(name):
    q, k, v, _ = arrays(4, 2, jnp.float32)
    until = jnp.asarray(untils())
    mask, first = attention.visible(until), attention.first_keys(until)
    found = RUNNABLE[name](q, k, v, scale=1.0, cap=5.0, first=first, mask=mask)
    expected = plain(q, k, v, np.asarray(mask), 1.0, 5.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_keys_of_a_prefix_come_before_a_rows_own():
    """A trie's mask beside a prefix that every query sees: T queries, P + T keys."""
    q, k, v, _ = arrays(4, 2, jnp.float32)
    mask = np.array(attention.visible(jnp.asarray(untils())))[:, 128:]
    mask[:, :, :100] = True
    for run in (of_xla, of_blocks, of_emulated_mosaic):
        if run is of_emulated_mosaic and not importlib.util.find_spec('tokamax'):
            continue
        found = run(q[:, 128:], k, v, scale=0.125, cap=0.0, mask=jnp.asarray(mask))
        expected = plain(q[:, 128:], k, v, mask, 0.125)
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_first_keys_and_the_rule_see_the_same():
    until = jnp.asarray(untils())
    first, place = np.asarray(attention.first_keys(until)), np.arange(TOKENS)
    ranges = (place >= first[:, :, None]) & (place <= place[:, None])
    np.testing.assert_array_equal(ranges, attention.visible(until))


@pytest.mark.parametrize(
    ('changes', 'how', 'kernel', 'why'),
    [
        ({}, dict(on='cpu'), 'xla', ''),
        ({}, dict(on='gpu'), 'cudnn-packed', ''),
        ({}, dict(on='gpu', documents=0), 'cudnn', ''),
        ({'window': TOKENS}, dict(on='gpu'), 'cudnn-packed', ''),
        ({'window': 8}, dict(on='gpu'), 'mosaic', 'windows'),
        ({'attn_softcap': 50.0}, dict(on='gpu'), 'mosaic', 'soft caps'),
        ({}, dict(on='gpu', documents=100), 'mosaic', 'up to 100 texts'),
        ({'positions': 'alibi'}, dict(on='gpu'), 'xla', 'ALiBi'),
        ({'head_dim': 36}, dict(on='gpu'), 'xla', 'heads of 36 channels'),
        ({}, dict(on='gpu', dtype='float32'), 'xla', 'float32'),
        ({}, dict(on='gpu', length=1), 'xla', '1 queries per row'),
        ({'head_dim': 128}, dict(on='tpu'), 'splash', ''),
        ({'head_dim': 128}, dict(on='tpu', documents=0), 'xla', 'no mask that is computed'),
        ({'head_dim': 128}, dict(on='tpu', length=200), 'xla', 'no multiple of 128'),
        (
            {'head_dim': 128, 'window': 8, 'local_layers': (True, False)},
            dict(on='tpu'),
            'xla',
            'windows shorter than a row',
        ),
    ],
)
def test_the_rule_that_chooses(changes, how, kernel, why, monkeypatch):
    monkeypatch.setattr(kernels, 'has_mosaic', lambda: True)
    how = dict(dtype='bfloat16', length=TOKENS, documents=8) | how
    dtype, length = how.pop('dtype'), how.pop('length')
    found = kernels.choose(config(**changes), dtype, length, **how)
    assert found.kernel == kernel and why in found.why


def test_without_tokamax_the_choice_says_what_is_lacking(monkeypatch):
    monkeypatch.setattr(kernels, 'has_mosaic', lambda: False)
    for changes in ({'attn_softcap': 50.0}, {'window': 8}):
        found = kernels.choose(config(**changes), 'bfloat16', TOKENS, documents=8, on='gpu')
        assert found.kernel == 'xla' and 'needs the package tokamax' in found.why
    found = kernels.choose(config(), 'bfloat16', TOKENS, documents=0, on='gpu')
    assert found.kernel == 'cudnn'


def test_segments_reach_cudnn_as_the_documents_that_there_are():
    """By jax's own arithmetic, that makes cuDNN's arrays of ours: flat offsets and lengths."""
    from jax._src.cudnn import fused_attention_stablehlo as cudnn

    until = untils()
    count = kernels.count_segments(until)
    assert count == 4  # the second row's padding is one segment
    for documents in (count, 16):
        lengths, starts = kernels.segments(attention.first_keys(jnp.asarray(until)), documents)
        q = jnp.zeros((ROWS, TOKENS, 1, 1))
        lengths, _, offsets, _ = cudnn._fix_seqlen_offsets(lengths, lengths, starts, starts, q, q)
        found = [
            (int(offset), int(offset) + int(length))
            for offset, length in zip(offsets.ravel(), lengths.ravel(), strict=False)
            if length > 0
        ]
        expected = [(0, 70), (70, 71), (71, 200), (200, 256), (256, 265), (265, 396), (396, 512)]
        assert found == expected


def test_a_trie_counts_as_no_documents():
    assert kernels.count_segments(np.array([[3, 1, 3, 3]], np.int32)) == 0


def test_alibi_in_blocks_on_eight_devices(monkeypatch):
    """The fallback of accelerators, where heads are split too and slopes go with their heads."""
    monkeypatch.setattr(kernels, 'QUERIES', 96)
    c, until = config(positions='alibi', num_kv_heads=4), untils()
    q, k, v, _ = arrays(4, 4, jnp.float32)
    mask = attention.visible(jnp.asarray(until))
    behind = jnp.broadcast_to(jnp.arange(TOKENS)[:, None] - jnp.arange(TOKENS), mask.shape)
    found = []
    for shape, on in (((1, 1, 1), 'cpu'), ((1, 2, 4), 'gpu')):
        monkeypatch.setattr(kernels, 'platform', lambda on=on: on)
        mesh = mesh_lib.make_mesh(*shape, devices=jax.devices()[: int(np.prod(shape))])
        with jax.set_mesh(mesh):
            q_, k_, v_ = (jax.device_put(x, RULES.heads_BTNH) for x in (q, k, v))
            rows = jax.P(mesh_lib.BATCH, None, None)
            mask_, behind_ = (jax.device_put(x, rows) for x in (mask, behind.astype(jnp.float32)))
            attend = jax.jit(functools.partial(kernels.attend, kernels.XLA, c=c))
            found.append(np.asarray(attend(q_, k_, v_, mask_BTS=mask_, behind_BTS=behind_)))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=2e-5)


@pytest.mark.parametrize('queries', [96, 1024])
def test_scores_of_long_rows_take_little_memory_on_a_cpu(queries):
    """A long prompt's rows: in blocks, and the same numbers; short rows are left whole."""
    keys = 2048
    k, q = (jax.random.normal(jax.random.key(n), (1, n, 4, 16)) for n in (keys, queries))
    seen = jax.random.bernoulli(jax.random.key(0), 0.5, (1, queries, keys)).at[..., 0].set(True)

    def of(attend):
        def run(q, k, seen):
            return attend(q, k, k, seen, None, None, None, scale=0.25, cap=0.0)

        return jax.jit(run).lower(q, k, seen).compile()

    whole, chosen = of(kernels._xla), of(kernels._xla_on_cpu)
    np.testing.assert_allclose(chosen(q, k, seen), whole(q, k, seen), atol=1e-6)
    bytes_of_scores = 4 * 4 * queries * keys
    temporary, most = (x.memory_analysis().temp_size_in_bytes for x in (chosen, whole))
    if bytes_of_scores > kernels.SCORES:
        assert temporary < bytes_of_scores < most
    else:
        assert temporary == most
