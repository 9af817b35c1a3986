"""The guard: what the model says in English stays what the base model says.

    L = sum over tokens of KL( base(. | before) || p(. | before) )

over the whole vocabulary, on English text: the forward KL of knowledge distillation (Hinton et al.
2015) with the model before fine-tuning as the teacher.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xlbarrier.models.decoder import Decoder, logits_by
from xlbarrier.train.loss import chunks_of, next_of, split_positions


def guard_loss(
    decoder: Decoder, base: Decoder, text: Mapping[str, jax.Array], *, documents: int = 0
) -> tuple[jax.Array, jax.Array]:
    """Weighted sum over tokens of the KL from the base model, nats; the sum of the weights.

    Args:
      decoder: on an explicit mesh that is set.
      base: the model before fine-tuning; it gets no gradient.
      text: arrays of packed rows, as of `loss.next_token_loss`.
      documents: as of `Decoder.hidden`.
    """
    arrays = (text['tokens'], text['positions'], text['until'])
    mine_BTD = decoder.hidden(*arrays, documents=documents)
    theirs_BTD = jax.lax.stop_gradient(base.hidden(*arrays, documents=documents))
    mine_DV, theirs_DV = decoder.head_kernel(), jax.lax.stop_gradient(base.head_kernel())
    B, T, _ = mine_BTD.shape
    chunks = chunks_of(decoder.config, B, T)
    weight_BT = next_of(text['weights'])

    @jax.checkpoint
    def chunk(nats: jax.Array, chunk: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        mine_BCD, theirs_BCD, weight_BC = chunk
        mine_BCV = jax.nn.log_softmax(logits_by(decoder.config, mine_DV, mine_BCD))
        theirs_BCV = jax.nn.log_softmax(logits_by(base.config, theirs_DV, theirs_BCD))
        kl_BC = jnp.sum(jnp.exp(theirs_BCV) * (theirs_BCV - mine_BCV), axis=-1)
        return nats + jnp.sum(weight_BC * kl_BC), None

    chunked = split_positions(chunks, mine_BTD, theirs_BTD, weight_BT)
    nats, _ = jax.lax.scan(chunk, jnp.float32(0), chunked)
    return nats, jnp.sum(weight_BT)
