"""Log-likelihoods of the options of pairs, which several objectives compare."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xlbarrier.mesh import RULES
from xlbarrier.models.decoder import Decoder, logits_by
from xlbarrier.train.loss import chunks_of, cross_entropy, split_positions


def option_scores(decoder: Decoder, pairs: Mapping[str, jax.Array]) -> jax.Array:
    """log p(option | context), in nats, summed over the option's tokens: float32 [B, M, 2, O].

    0 where there is no option, or the side is not laid.

    Args:
      decoder: on an explicit mesh that is set.
      pairs: arrays [B, ...] of `data.pairs.PairRows`.
    """
    hidden_BTD = decoder.hidden(pairs['tokens'], pairs['positions'], pairs['until'])
    nats_BK = _nats(decoder, _picked(hidden_BTD, pairs['before']), pairs['target'])
    B, M, _, O = pairs['reference'].shape
    of_slot_BKS = pairs['slot'][..., None] == jnp.arange(2 * M * O)
    scores_BS = -jnp.sum(jnp.where(of_slot_BKS, nats_BK[..., None], 0), axis=1)
    return jnp.reshape(scores_BS, (B, M, 2, O), out_sharding=RULES.rows(4))


def log_softmax(scores: jax.Array, options: jax.Array) -> jax.Array:
    """Log of the softmax over the options that there are; 0 elsewhere.

    Args:
      scores: float32 [..., O].
      options: float32 [..., O], 1 for an option.
    """
    there = options > 0
    # A place without pair has no option: it must give 0, and gradients that are not NaN.
    masked = jnp.where(there, scores, -1e30)
    logged = masked - jax.nn.logsumexp(masked, axis=-1, keepdims=True)
    return jnp.where(there, logged, 0)


def _picked(hidden_BTD: jax.Array, before_BK: jax.Array) -> jax.Array:
    """hidden[b, before[b, k]]: a product, whose gradient is laid out as the batch is."""
    T = hidden_BTD.shape[1]
    chosen_BKT = (before_BK[..., None] == jnp.arange(T)).astype(hidden_BTD.dtype)
    exact = jax.lax.Precision.HIGHEST if hidden_BTD.dtype == jnp.float32 else None
    return jnp.einsum(
        'BKT,BTD->BKD', chosen_BKT, hidden_BTD, precision=exact, out_sharding=RULES.hidden_BTD
    )


def _nats(decoder: Decoder, hidden_BKD: jax.Array, target_BK: jax.Array) -> jax.Array:
    """-log p(target) at each state, float32 [B, K]; the logits of a chunk exist at a time."""
    B, K, _ = hidden_BKD.shape
    chunks = chunks_of(decoder.config, B, K)
    kernel_DV = decoder.head_kernel()

    @jax.checkpoint
    def chunk(_: None, chunk: tuple[jax.Array, jax.Array]) -> tuple[None, jax.Array]:
        hidden_BCD, target_BC = chunk
        return None, cross_entropy(logits_by(decoder.config, kernel_DV, hidden_BCD), target_BC)

    _, nats_CBK = jax.lax.scan(chunk, None, split_positions(chunks, hidden_BKD, target_BK))
    nats_BCK = jnp.moveaxis(nats_CBK, 0, 1)
    return jnp.reshape(nats_BCK, (B, -1), out_sharding=RULES.rows(2))[:, :K]
