"""English-pivot preference (CM-Align, arXiv 2509.08541), with the options as candidates.

Of an item's options, c is the one that the base model finds likeliest in English, w the one that it
finds least likely there. In the other language l,

    L = -log sigmoid( beta [ (log p(c | x_l) - log ref(c | x_l))
                           - (log p(w | x_l) - log ref(w | x_l)) ] ) - gamma log p(c | x_l)

with sums over the candidates' tokens and ref the base model (DPO, Rafailov et al. 2023, plus the
likelihood of what is preferred). CM-Align samples its candidates and chooses them by the cosine of
their embeddings to an English answer; options need neither.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xlbarrier.config import TrainConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.train.objectives.options import option_scores


def pivot_dpo_loss(
    decoder: Decoder, pairs: Mapping[str, jax.Array], config: TrainConfig
) -> tuple[jax.Array, jax.Array]:
    """Sum over pairs of the loss, nats; number of pairs.

    Args:
      decoder: on an explicit mesh that is set.
      pairs: arrays [B, ...] of `data.pairs.PairRows` with two options, c and w, and `reference`;
        of each pair only the target side need be laid.
      config: `pairs.dpo_beta` and `pairs.dpo_nll` (gamma).
    """
    scores_BMO = option_scores(decoder, pairs)[:, :, 1]
    gained_BMO = scores_BMO - pairs['reference'][:, :, 1]
    margin_BM = config.pairs.dpo_beta * (gained_BMO[..., 0] - gained_BMO[..., 1])
    loss_BM = -jax.nn.log_sigmoid(margin_BM) - config.pairs.dpo_nll * scores_BMO[..., 0]
    there_BM = pairs['item'] >= 0
    return jnp.sum(jnp.where(there_BM, loss_BM, 0)), jnp.sum(there_BM, dtype=jnp.float32)
