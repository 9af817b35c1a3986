"""DCO, direct consistency optimisation (arXiv 2603.04678): two languages prefer alike.

For an item with two candidates c and w, in languages 1 (English) and 2:

    D_k = log ref(c_k | x_k) - log ref(w_k | x_k)
    r_k = log p(c_k | x_k) - log p(w_k | x_k) - D_k
    L   = | r_1 - D_2 / beta | + | r_2 - beta D_1 |

with sums over the candidates' tokens, and ref the base model. Which option is c and which w is
drawn, for each pair once: no label is used. The fixed point is the product of the two languages'
preferences; a small beta moves English more, a large one the other language.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xlbarrier.config import TrainConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.train.objectives.options import option_scores


def dco_loss(
    decoder: Decoder, pairs: Mapping[str, jax.Array], config: TrainConfig
) -> tuple[jax.Array, jax.Array]:
    """Sum over pairs of DCO's loss, nats; number of pairs.

    Args:
      decoder: on an explicit mesh that is set.
      pairs: arrays [B, ...] of `data.pairs.PairRows` with two options, c and w, and `reference`.
      config: `pairs.dco_beta`.
    """
    scores_BM2O, reference_BM2O = option_scores(decoder, pairs), pairs['reference']
    base_BM2 = reference_BM2O[..., 0] - reference_BM2O[..., 1]
    moved_BM2 = scores_BM2O[..., 0] - scores_BM2O[..., 1] - base_BM2
    beta, there_BM = config.pairs.dco_beta, pairs['item'] >= 0
    loss_BM = jnp.abs(moved_BM2[..., 0] - base_BM2[..., 1] / beta)
    loss_BM += jnp.abs(moved_BM2[..., 1] - beta * base_BM2[..., 0])
    return jnp.sum(jnp.where(there_BM, loss_BM, 0)), jnp.sum(there_BM, dtype=jnp.float32)
