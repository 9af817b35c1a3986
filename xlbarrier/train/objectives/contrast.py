"""Middle-layer contrast: a sentence and its translation are near, other sentences are far.

    L = - mean_i log [ exp(cos(h_i, g_i) / tau) / sum_j exp(cos(h_i, g_j) / tau) ]

h_i and g_i are the means over a sentence's tokens of the hidden states after half of the layers, in
English and in the other language: InfoNCE (van den Oord et al. 2018) on middle layers, in turns
with updates of the next token (Liu and Niehues 2025, "Middle-layer representation alignment"). A
sentence that the microbatch has in several languages is never its own negative.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from xlbarrier.config import TrainConfig
from xlbarrier.mesh import BATCH, RULES
from xlbarrier.models.decoder import Decoder


def contrast_loss(
    decoder: Decoder, pairs: Mapping[str, jax.Array], config: TrainConfig
) -> tuple[jax.Array, jax.Array]:
    """Sum over pairs of InfoNCE against the pairs of the microbatch, nats; number of pairs.

    Args:
      decoder: on an explicit mesh that is set.
      pairs: arrays [B, ...] of `data.pairs.PairRows`; options are not read.
      config: `pairs.temperature`, `pairs.layer`.
    """
    depth = config.pairs.layer or decoder.config.num_layers // 2
    arrays = (pairs['tokens'], pairs['positions'], pairs['until'])
    hidden_BTD = decoder.hidden_at(*arrays, depth).astype(jnp.float32)
    B, M = pairs['item'].shape
    of_side_BST = pairs['side'][:, None] == 1 + jnp.arange(2 * M)[:, None]
    sums_BSD = jnp.einsum(
        'BST,BTD->BSD',
        of_side_BST.astype(jnp.float32),
        hidden_BTD,
        precision=jax.lax.Precision.HIGHEST,
        out_sharding=RULES.hidden_BTD,
    )
    # The direction of a mean is that of the sum.
    square_BS1 = jnp.sum(sums_BSD * sums_BSD, axis=-1, keepdims=True)
    unit_BSD = sums_BSD * jax.lax.rsqrt(square_BS1 + 1e-12)
    target_BMD, item_BM = jax.reshard((unit_BSD[:, 1::2], pairs['item']), P())
    target_ND, item_N = target_BMD.reshape(B * M, -1), item_BM.reshape(B * M)
    near_BMN = jnp.einsum(
        'BMD,ND->BMN',
        unit_BSD[:, ::2],
        target_ND,
        precision=jax.lax.Precision.HIGHEST,
        out_sharding=RULES.rows(3),
    )
    logits_BMN = near_BMN / config.pairs.temperature
    index_BM = jax.reshard(jnp.arange(B * M).reshape(B, M), P(BATCH, None))
    own_BMN = index_BM[..., None] == jnp.arange(B * M)
    same_BMN = pairs['item'][..., None] == item_N
    counts_BMN = own_BMN | (~same_BMN & (item_N >= 0))
    normal_BM = jax.nn.logsumexp(jnp.where(counts_BMN, logits_BMN, -1e30), axis=-1)
    loss_BM = normal_BM - jnp.sum(jnp.where(own_BMN, logits_BMN, 0), axis=-1)
    there_BM = pairs['item'] >= 0
    return jnp.sum(jnp.where(there_BM, loss_BM, 0)), jnp.sum(there_BM, dtype=jnp.float32)
