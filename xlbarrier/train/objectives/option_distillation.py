"""Option distillation: what the base model believes in English is taught in the other language.

    L = KL( p_base,en || p_l ),   p = softmax over the options o of log p(o | context)

Option agreement with a teacher that stands still: the base model's English log-likelihoods are
computed once for all arms and seeds, and the English side is not read again, so that a row holds
twice as many pairs. It is ours, as option agreement is. No label is used.

A pair of an item with itself (`pair_variants=own`) adds KL( p_base,l || p_l ): what the model
answers in language l stays as it was.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xlbarrier.config import TrainConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.train.objectives.options import log_softmax, option_scores


def option_distillation_loss(
    decoder: Decoder, pairs: Mapping[str, jax.Array], config: TrainConfig
) -> tuple[jax.Array, jax.Array]:
    """Sum over pairs of the KL from the base model's options of the source, nats; number of pairs.

    Args:
      decoder: on an explicit mesh that is set.
      pairs: arrays [B, ...] of `data.pairs.PairRows` with `reference`; of each pair only the
        target side need be laid.
      config: not read.
    """
    options_BMO = pairs['options']
    taught_BMO = log_softmax(pairs['reference'][:, :, 0], options_BMO)
    learned_BMO = log_softmax(option_scores(decoder, pairs)[:, :, 1], options_BMO)
    share_BMO = jnp.exp(taught_BMO) * options_BMO
    return (
        jnp.sum(share_BMO * (taught_BMO - learned_BMO)),
        jnp.sum(pairs['item'] >= 0, dtype=jnp.float32),
    )
