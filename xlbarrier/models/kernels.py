"""The attention kernel of each platform.

`choose` says, from what is known before anything is compiled, which kernel a step takes and why;
`attend` runs it. Each device computes its own rows and heads, so a kernel sees local arrays only.

What queries see comes as one of two: `first_BT`, each query's first key, from which it sees every
key up to itself (the documents of a packed row, a window); or `mask_BTS`, any set of keys (tries, a
shared prefix, a cache).
"""

import functools
import importlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from xlbarrier.mesh import RULES, platform
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.layers import product, soft_cap
from xlbarrier.models.positions import alibi_slopes

XLA, CUDNN, CUDNN_PACKED, MOSAIC, SPLASH = 'xla', 'cudnn', 'cudnn-packed', 'mosaic', 'splash'
RANGES = (CUDNN_PACKED, MOSAIC, SPLASH)  # take first keys instead of a mask, where rows are packed
HIDDEN = -1e30  # the score of a key that is not seen
QUERIES = 256  # whose scores exist at a time, where no kernel takes a step on an accelerator
SCORES = 1 << 24  # bytes of scores above which a CPU, too, has so many queries at a time
SHORT = 16  # queries of a step that reads a cache, fewer than any kernel's block
SPLASH_LENGTH = 128  # rows are a multiple of it
CUDNN_DOCUMENTS = 64  # cuDNN starts blocks for as many in each row, empty ones too


class Choice(NamedTuple):
    """A kernel, and why it is not the platform's best."""

    kernel: str
    why: str = ''

    def __str__(self) -> str:
        return self.kernel + (self.why and f' ({self.why})')


def choose(c: DecoderConfig, dtype: str, length: int, *, documents: int, on: str = '') -> Choice:
    """The kernel of a step.

    Args:
      c: the model's shapes.
      dtype: of the arithmetic.
      length: T, queries of a row.
      documents: at most so many texts are laid end to end in each row; 0: queries see by a mask.
      on: 'cpu', 'gpu' or 'tpu'; the platform of the mesh that is set where empty.
    """
    on = on or platform()
    if on not in ('gpu', 'tpu'):
        return Choice(XLA)
    if c.positions == 'alibi':
        return Choice(XLA, 'ALiBi adds to every score')
    if c.sinks:
        return Choice(XLA, 'each head has a sink in its softmax')
    if dtype == 'float32':
        return Choice(XLA, 'the kernels round float32 to bfloat16')
    if length < SHORT:
        return Choice(XLA, f'{length} queries per row are too few for a kernel')
    if on == 'gpu':
        return _of_gpu(c, length, documents)
    return _of_tpu(c, length, documents)


def _of_gpu(c: DecoderConfig, length: int, documents: int) -> Choice:
    # Measured on an H200, forward and backward of 8,192 queries, 32 heads of 64 channels: cuDNN by
    # segments 0.77 ms, Mosaic by first keys 0.96 ms. By a mask Mosaic took 0.26 ms of cuDNN's 0.43
    # alone, but in the score step of an 8B model (rows of 512 that attend to 768 more keys) 98
    # questions/s, where cuDNN had 276 to 288.
    if c.head_dim % 8 or c.head_dim > 256:
        return Choice(XLA, f'heads of {c.head_dim} channels')
    if c.attn_softcap:
        why = 'soft caps of scores'
    elif not documents:
        return Choice(CUDNN)
    elif documents > CUDNN_DOCUMENTS:
        why = f'rows of up to {documents} texts'
    elif 0 < c.window < length:
        why = 'windows shorter than a row'
    else:
        return Choice(CUDNN_PACKED)
    if has_mosaic():
        return Choice(MOSAIC, why)
    return Choice(XLA, f'{why}: Mosaic needs the package tokamax and a Hopper or newer')


def _of_tpu(c: DecoderConfig, length: int, documents: int) -> Choice:
    if not documents:
        return Choice(XLA, 'splash attention takes no mask that is computed')
    if length % SPLASH_LENGTH:
        return Choice(XLA, f'rows of {length} tokens are no multiple of {SPLASH_LENGTH}')
    if c.head_dim % 128 and c.head_dim != 64:
        return Choice(XLA, f'heads of {c.head_dim} channels')
    if 0 < c.window < length:
        return Choice(XLA, 'windows shorter than a row')
    return Choice(SPLASH)


@functools.cache
def has_mosaic() -> bool:
    """Whether tokamax is installed, with all that it needs, and has a kernel for this GPU."""
    if float(getattr(jax.devices()[0], 'compute_capability', 0)) < 9.0:
        return False
    try:
        return importlib.import_module('tokamax._src.ops.attention.api') is not None
    except ImportError as error:
        logging.info('tokamax is not used: %s', error)
        return False


def attend(
    kernel: str,
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    c: DecoderConfig,
    *,
    first_BT: jax.Array | None = None,
    documents: int = 0,
    mask_BTS: jax.Array | None = None,
    behind_BTS: jax.Array | None = None,
    sinks_N: jax.Array | None = None,
) -> jax.Array:
    """The values as each query weighs them; softmax in float32.

    Args:
      kernel: of `choose`.
      q_BTNH, k_BSKH, v_BSKH: on an explicit mesh that is set; N is a multiple of K. The keys are
        the queries' own row, or longer (a cache, a prefix): S need not be T.
      c: soft cap and scale.
      first_BT: int32, each query's first key, of packed rows and a kernel of RANGES; S is T.
      documents: as of `choose`.
      mask_BTS: bool, what each query sees, in all other cases.
      behind_BTS: float32, how far a key is behind its query, for ALiBi.
      sinks_N: logits that take part in each head's softmax and have no value (gpt-oss), of 'xla'.

    Returns:
      [B, T, N, H] in the queries' dtype.
    """
    scale, cap = c.score_scale, c.attn_softcap
    run: Callable[..., jax.Array]
    seen: tuple[jax.Array | None, ...] = (mask_BTS,)
    if kernel == XLA:
        slopes_N = None
        if behind_BTS is not None:
            slopes_N = jax.reshard(jnp.asarray(alibi_slopes(c.num_heads)), RULES.heads_N)
        if sinks_N is not None:
            sinks_N = jax.reshard(sinks_N.astype(jnp.float32), RULES.heads_N)
        seen = (mask_BTS, slopes_N, behind_BTS, sinks_N)
        blocks = _xla_on_cpu if platform() == 'cpu' else _xla_in_blocks
        run = functools.partial(blocks, scale=scale, cap=cap)
    elif kernel == CUDNN:
        run = functools.partial(_cudnn, scale=scale)
    elif kernel == CUDNN_PACKED:
        seen, run = (first_BT,), functools.partial(_cudnn_packed, scale=scale, documents=documents)
    elif kernel == MOSAIC:
        seen, run = (first_BT, mask_BTS), functools.partial(_mosaic, scale=scale, cap=cap)
    else:
        seen = (first_BT,)
        run = functools.partial(_splash, scale=scale, cap=cap)
    # Manual on every axis: no partitioner need understand a kernel, and a dimension of one head,
    # which keeps no mesh axis in its type, meets no rule.
    mapped = jax.shard_map(run, out_specs=RULES.heads_BTNH, check_vma=False)
    return mapped(q_BTNH, k_BSKH, v_BSKH, *seen)


def _xla(
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    mask_BTS: jax.Array,
    slopes_N: jax.Array | None,
    behind_BTS: jax.Array | None,
    sinks_N: jax.Array | None,
    *,
    scale: float,
    cap: float,
) -> jax.Array:
    """By stock products: every score is an array."""
    B, T, N, H = q_BTNH.shape
    S, K = k_BSKH.shape[1:3]
    G = N // K
    # The queries of a group share a kv head: as rows R = G * T of one product a kv head they run
    # twice as fast on a CPU as G products of T rows.
    q_BTKGH = (q_BTNH * scale).reshape(B, T, K, G, H)
    q_BKRH = q_BTKGH.transpose(0, 2, 3, 1, 4).reshape(B, K, G * T, H)
    scores_BKRS = product('BKRH,BSKH->BKRS', q_BKRH, k_BSKH, jnp.float32)
    scores_BKGTS = soft_cap(scores_BKRS.reshape(B, K, G, T, S), cap)
    if slopes_N is not None and behind_BTS is not None:
        scores_BKGTS -= slopes_N.reshape(K, G, 1, 1) * behind_BTS[:, None, None]
    scores_BKGTS = jnp.where(mask_BTS[:, None, None], scores_BKGTS, HIDDEN)
    if sinks_N is None:
        probs_BKGTS = jax.nn.softmax(scores_BKGTS, axis=-1)
    else:
        probs_BKGTS = _softmax_with_sinks(scores_BKGTS, sinks_N.reshape(K, G, 1, 1))
    probs_BKGTS = probs_BKGTS.astype(q_BTNH.dtype)
    out_BKRH = product('BKRS,BSKH->BKRH', probs_BKGTS.reshape(B, K, G * T, S), v_BSKH)
    out_BTKGH = out_BKRH.reshape(B, K, G, T, H).transpose(0, 3, 1, 2, 4)
    return out_BTKGH.reshape(B, T, N, H)


def _xla_on_cpu(
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    mask_BTS: jax.Array,
    *rest: jax.Array | None,
    scale: float,
    cap: float,
) -> jax.Array:
    """`_xla`, or in blocks where its scores would take much memory (demonstrations of a prompt)."""
    B, T, N, _ = q_BTNH.shape
    small = 4 * B * T * N * k_BSKH.shape[1] <= SCORES
    run: Callable[..., jax.Array] = _xla if small else _xla_in_blocks
    return run(q_BTNH, k_BSKH, v_BSKH, mask_BTS, *rest, scale=scale, cap=cap)


def _softmax_with_sinks(scores: jax.Array, sinks: jax.Array) -> jax.Array:
    """Softmax over the last axis and one more logit, whose share is left out."""
    top = jax.lax.stop_gradient(jnp.maximum(jnp.max(scores, -1, keepdims=True), sinks))
    weighed = jnp.exp(scores - top)
    return weighed / (jnp.sum(weighed, -1, keepdims=True) + jnp.exp(sinks - top))


def _xla_in_blocks(
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    mask_BTS: jax.Array,
    slopes_N: jax.Array | None,
    behind_BTS: jax.Array | None,
    sinks_N: jax.Array | None,
    *,
    scale: float,
    cap: float,
) -> jax.Array:
    """`_xla`, of so many queries at a time that the scores of all never exist at once."""
    length = q_BTNH.shape[1]
    blocks = -(-length // QUERIES)
    if blocks == 1:
        rest = (mask_BTS, slopes_N, behind_BTS, sinks_N)
        return _xla(q_BTNH, k_BSKH, v_BSKH, *rest, scale=scale, cap=cap)

    def split(x: jax.Array | None) -> jax.Array | None:
        if x is None:
            return None
        room = [(0, 0), (0, blocks * QUERIES - length)] + [(0, 0)] * (x.ndim - 2)
        x = jnp.pad(x, room).reshape(x.shape[0], blocks, QUERIES, *x.shape[2:])
        return jnp.moveaxis(x, 1, 0)

    def block(some: tuple[jax.Array, jax.Array, jax.Array | None]) -> jax.Array:
        q, mask, behind = some
        return _xla(q, k_BSKH, v_BSKH, mask, slopes_N, behind, sinks_N, scale=scale, cap=cap)

    some = (split(q_BTNH), split(mask_BTS), split(behind_BTS))
    out = jnp.moveaxis(jax.lax.map(jax.checkpoint(block), some), 0, 1)
    return out.reshape(q_BTNH.shape[0], blocks * QUERIES, *q_BTNH.shape[2:])[:, :length]


def _cudnn(
    q_BTNH: jax.Array, k_BSKH: jax.Array, v_BSKH: jax.Array, mask_BTS: jax.Array, *, scale: float
) -> jax.Array:
    """cuDNN's flash attention."""
    mask = mask_BTS[:, None]
    return jax.nn.dot_product_attention(
        q_BTNH, k_BSKH, v_BSKH, mask=mask, scale=scale, implementation='cudnn'
    )


def _cudnn_packed(
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    first_BT: jax.Array,
    *,
    scale: float,
    documents: int,
) -> jax.Array:
    """cuDNN's flash attention, causal within each text of a row."""
    if documents == 1:
        return jax.nn.dot_product_attention(
            q_BTNH, k_BSKH, v_BSKH, is_causal=True, scale=scale, implementation='cudnn'
        )
    # The public function takes no offsets.
    from jax._src.cudnn import fused_attention_stablehlo as cudnn

    lengths_BM, starts_BM = segments(first_BT, documents)
    return cudnn.dot_product_attention(
        q_BTNH,
        k_BSKH,
        v_BSKH,
        q_seqlen=lengths_BM,
        kv_seqlen=lengths_BM,
        q_offsets=starts_BM,
        kv_offsets=starts_BM,
        scale=scale,
        mask_type=cudnn.MaskType.PADDING_CAUSAL,
    )


def segments(first_BT: jax.Array, documents: int) -> tuple[jax.Array, jax.Array]:
    """The texts of packed rows as cuDNN's interface in jax takes them, filled up with -1.

    Texts of one token next to each other (padding) make one segment: then such a token sees those
    before it, which changes its own hidden state and, since nothing else sees it, no other.

    Args:
      first_BT: int32, the first key of each query.
      documents: M, at least as many as `count_segments` finds in any row.

    Returns:
      int32 [B, M] lengths, and int32 [B, M + 1] positions of the first tokens.
    """
    T = first_BT.shape[1]
    index = jnp.arange(T, dtype=jnp.int32)
    begins_BT = first_BT == index
    single_BT = begins_BT & jnp.pad(begins_BT[:, 1:], ((0, 0), (0, 1)), constant_values=True)
    before_BT = jnp.pad(single_BT[:, :-1], ((0, 0), (1, 0)))
    begins_BT &= ~(single_BT & before_BT)

    def row(begins_T: jax.Array) -> tuple[jax.Array, jax.Array]:
        starts_M = jnp.nonzero(begins_T, size=documents + 1, fill_value=T)[0].astype(jnp.int32)
        lengths_M = starts_M[1:] - starts_M[:-1]
        # A start of a segment that is not there would shift those of the rows behind it.
        starts_M = jnp.where(starts_M < T, starts_M, -1)
        return jnp.where(lengths_M > 0, lengths_M, -1), starts_M

    return jax.vmap(row)(begins_BT)


def count_segments(until_BT: np.ndarray) -> int:
    """The most texts in a row of the batch, counted as `segments` counts them.

    0 where `until` falls along a row: that is no row of texts laid end to end, but a trie.
    """
    if (np.diff(until_BT, axis=1) < 0).any():
        return 0
    T = until_BT.shape[1]
    begins = np.ones(until_BT.shape, bool)
    begins[:, 1:] = until_BT[:, :-1] < np.arange(1, T)
    single = begins & (until_BT == np.arange(T))
    begins[:, 1:] &= ~(single[:, 1:] & single[:, :-1])
    return int(begins.sum(axis=1).max(initial=1))


def _mosaic(
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    first_BT: jax.Array | None,
    mask_BTS: jax.Array | None,
    *,
    scale: float,
    cap: float,
    implementation: str = 'mosaic_gpu',
) -> jax.Array:
    """tokamax's flash attention."""
    # tokamax's public function takes no first keys; its operator does.
    from tokamax._src.ops.attention import api, base

    if mask_BTS is not None:
        mask = base.Mask(mask_BTS[:, None])
    else:
        assert first_BT is not None
        mask = base.Mask(k_start=first_BT[:, None], is_causal=True)
    return api.IMPLEMENTATIONS[implementation](
        q_BTNH, k_BSKH, v_BSKH, mask=mask, logits_scale=scale, logits_soft_cap=cap or None
    )


def _splash(
    q_BTNH: jax.Array,
    k_BSKH: jax.Array,
    v_BSKH: jax.Array,
    first_BT: jax.Array,
    *,
    scale: float,
    cap: float,
    interpret: bool = False,
) -> jax.Array:
    """Splash attention; a document is a segment, by the position of its first token."""
    from jax.experimental.pallas.ops.tpu import splash_attention as splash

    T, N = q_BTNH.shape[1:3]
    mask = splash.CausalMask((T, T))
    block = next(size for size in (512, 384, 256, 128) if T % size == 0)
    sizes = splash.BlockSizes(
        block_q=block,
        block_kv=block,
        block_q_dkv=block,
        block_kv_dkv=block,
        block_q_dq=block,
        block_kv_dq=block,
    )
    kernel = splash.make_splash_mha_single_device(
        splash.MultiHeadMask([mask] * N),
        block_sizes=sizes,
        attn_logits_soft_cap=cap or None,
        interpret=interpret,
    )

    def row(q_TNH: jax.Array, k_SKH: jax.Array, v_SKH: jax.Array, first_T: jax.Array) -> jax.Array:
        heads = (x.transpose(1, 0, 2) for x in ((q_TNH * scale).astype(q_TNH.dtype), k_SKH, v_SKH))
        return kernel(*heads, splash.SegmentIds(first_T, first_T)).transpose(1, 0, 2)

    return jax.vmap(row)(q_BTNH, k_BSKH, v_BSKH, first_BT)
