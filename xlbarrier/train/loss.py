"""Cross-entropy of the next token, in chunks: the whole batch's logits never exist at once."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xlbarrier.mesh import BATCH
from xlbarrier.models.decoder import Decoder

CHUNK_TOKENS = 128  # per device; chosen with benchmarks/training.py


def next_token_loss(
    decoder: Decoder, batch: Mapping[str, jax.Array], chunk_tokens: int = CHUNK_TOKENS
) -> tuple[jax.Array, jax.Array]:
    """Weighted sum of -log p(token | the tokens it sees), and the sum of the weights.

    A mixture of experts is also moved to an even load of its experts, by its config's `balance`
    (transformers' `router_aux_loss_coef`) times the loss of each microbatch.

    Both are sums, so that microbatches, rows and devices add up; divide once, at the end.

    Args:
      decoder: on an explicit mesh that is set (`jax.set_mesh`).
      batch: `tokens`, `positions`, `until` int32 [B, T]; `weights` float32 [B, T], the weight of
        predicting the token AT a place from the place before it (so the first one's is unused).
      chunk_tokens: tokens of a device whose logits exist at a time, at least one a row.

    Returns:
      (nats, weight), float32 scalars.
    """
    hidden_BTD, balance = _hidden(decoder, batch)
    B, T, _ = hidden_BTD.shape
    mesh = jax.sharding.get_abstract_mesh().shape
    rows = max(1, B // (mesh[BATCH[0]] * mesh[BATCH[1]]))
    chunks = -(-T // max(1, chunk_tokens // rows))
    places = -(-T // chunks)
    # What the hidden state of place i predicts is the token at i + 1; the last predicts nothing.
    target_BT = jnp.roll(batch['tokens'], -1, axis=1)
    weight_BT = jnp.roll(batch['weights'], -1, axis=1) * (jnp.arange(T) < T - 1)

    def split(x: jax.Array) -> jax.Array:
        """[B, T, ...] to [chunks, B, places, ...]; what is added weighs nothing."""
        x = jnp.pad(x, [(0, 0), (0, chunks * places - T)] + [(0, 0)] * (x.ndim - 2))
        return jnp.moveaxis(x.reshape(B, chunks, places, *x.shape[2:]), 1, 0)

    def add(nats: jax.Array, chunk: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        hidden_BTD, target_BT, weight_BT = chunk
        logits_BTV = decoder.unembed(hidden_BTD)
        return nats + jnp.sum(weight_BT * cross_entropy(logits_BTV, target_BT)), None

    chunked = (split(hidden_BTD), split(target_BT), split(weight_BT))
    nats, _ = jax.lax.scan(jax.checkpoint(add, prevent_cse=False), jnp.float32(0), chunked)
    weight = jnp.sum(weight_BT)
    # The balance moves the gradient and not the number, which stays a cross-entropy.
    aim = weight * balance
    return nats + (aim - jax.lax.stop_gradient(aim)), weight


def _hidden(
    decoder: Decoder, batch: Mapping[str, jax.Array]
) -> tuple[jax.Array, jax.Array | float]:
    """The hidden states, and the weighted load-balancing loss of a mixture of experts."""
    arrays = (batch['tokens'], batch['positions'], batch['until'])
    if not decoder.config.balance:
        return decoder.hidden(*arrays), 0.0
    # Padding is a text of one token, which no other sees.
    seen_BT = batch['until'] > jnp.arange(batch['until'].shape[1])
    counts_BT = (seen_BT | (batch['positions'] > 0)).astype(jnp.float32)
    hidden_BTD, balance = decoder.balanced(*arrays, counts_BT)
    return hidden_BTD, decoder.config.balance * balance


def cross_entropy(logits_BTV: jax.Array, target_BT: jax.Array) -> jax.Array:
    """-log softmax(logits)[target] in nats, float32 [B, T]; the vocabulary may be sharded."""
    # A gather along a sharded vocabulary is refused by explicit meshes; a masked sum is not.
    at_target = target_BT[..., None] == jnp.arange(logits_BTV.shape[-1])
    chosen_BT = jnp.sum(jnp.where(at_target, logits_BTV, 0), axis=-1)
    return jax.nn.logsumexp(logits_BTV, axis=-1) - chosen_BT
