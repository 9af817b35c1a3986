"""Option agreement: what the model believes in English is what it is to believe elsewhere.

    L = KL( stop_gradient p_en || p_l ),   p = softmax over the options o of log p(o | context)

The distribution is that of the options' summed log-likelihoods, at temperature 1. It is ours, a
restriction to the options of the full-vocabulary self-distillation between languages; English has
no gradient, so that it is the teacher and not a compromise. No label is used.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xlbarrier.config import TrainConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.train.objectives.options import log_softmax, option_scores


def option_agreement_loss(
    decoder: Decoder, pairs: Mapping[str, jax.Array], config: TrainConfig
) -> tuple[jax.Array, jax.Array]:
    """Sum over pairs of the KL from the English options' distribution, nats; number of pairs.

    Args:
      decoder: on an explicit mesh that is set.
      pairs: arrays [B, ...] of `data.pairs.PairRows`.
      config: not read.
    """
    logged_BM2O = log_softmax(option_scores(decoder, pairs), pairs['options'][:, :, None])
    source_BMO = jax.lax.stop_gradient(logged_BM2O[:, :, 0])
    share_BMO = jnp.exp(source_BMO) * pairs['options']
    return (
        jnp.sum(share_BMO * (source_BMO - logged_BM2O[:, :, 1])),
        jnp.sum(pairs['item'] >= 0, dtype=jnp.float32),
    )
