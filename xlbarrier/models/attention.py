"""Attention under the visibility rule: query i sees key j iff j <= i <= until[j]."""

import jax
import jax.numpy as jnp

from xlbarrier.models.layers import Weights, product, project, rotate


def visible(until_BT: jax.Array) -> jax.Array:
    """bool [B, T, S]: what each query sees, by the rule above."""
    place = jnp.arange(until_BT.shape[1])
    return (place[:, None] >= place[None, :]) & (place[None, :, None] <= until_BT[:, None, :])


def attend(
    weights: Weights, x_BTD: jax.Array, mask_BTS: jax.Array, sin: jax.Array, cos: jax.Array
) -> jax.Array:
    """Grouped-query attention (Ainslie et al. 2023); softmax in float32.

    Args:
      weights: one layer's q, k, v and o kernels.
      x_BTD: normed hidden states, in the compute dtype.
      mask_BTS: from `visible`.
      sin, cos: from `layers.rope_table`.

    Returns:
      [B, T, D], in the compute dtype.
    """
    q_BTNH = rotate(project('q', weights, x_BTD), sin, cos)
    k_BSKH = rotate(project('k', weights, x_BTD), sin, cos)
    v_BSKH = project('v', weights, x_BTD)
    B, T, N, H = q_BTNH.shape
    K = k_BSKH.shape[2]
    G = N // K
    # The queries of a group share a kv head: as rows R = G * T of one product a kv head they run
    # twice as fast on a CPU as G products of T rows.
    q_BTKGH = (q_BTNH * H**-0.5).reshape(B, T, K, G, H)
    q_BKRH = q_BTKGH.transpose(0, 2, 3, 1, 4).reshape(B, K, G * T, H)
    scores_BKRS = product('BKRH,BSKH->BKRS', q_BKRH, k_BSKH, jnp.float32)
    scores_BKGTS = scores_BKRS.reshape(B, K, G, T, T)
    scores_BKGTS = jnp.where(mask_BTS[:, None, None], scores_BKGTS, -1e30)
    probs_BKGTS = jax.nn.softmax(scores_BKGTS, axis=-1).astype(x_BTD.dtype)
    out_BKRH = product('BKRS,BSKH->BKRH', probs_BKGTS.reshape(B, K, G * T, T), v_BSKH)
    out_BTKGH = out_BKRH.reshape(B, K, G, T, H).transpose(0, 3, 1, 2, 4)
    return project('o', weights, out_BTKGH.reshape(B, T, N, H))
