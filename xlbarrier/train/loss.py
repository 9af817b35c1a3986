"""Cross-entropy of the next token, in chunks: the whole batch's logits never exist at once."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xlbarrier.mesh import BATCH, RULES, platform
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder, logits_by

# Tokens of a device whose logits exist at a time, on accelerators: by benchmarks/accelerator.py.
CHUNK_TOKENS = 2048
# On a CPU, by benchmarks/head.py: the gradient of the head is added up chunk by chunk, so that as
# many tokens as the model has channels, whose logits take as much memory as it, are next to free.
SMALLEST_CHUNK = 128


def next_token_loss(
    decoder: Decoder,
    batch: Mapping[str, jax.Array],
    chunk_tokens: int | None = None,
    documents: int = 0,
) -> tuple[jax.Array, jax.Array]:
    """Weighted sum of -log p(token | the tokens it sees), and the sum of the weights.

    A mixture of experts is also moved to an even load of its experts, by its config's `balance`
    (transformers' `router_aux_loss_coef`) times the loss of each microbatch.

    Both are sums, so that microbatches, rows and devices add up; divide once, at the end.

    Args:
      decoder: on an explicit mesh that is set (`jax.set_mesh`).
      batch: `tokens`, `positions`, `until` int32 [B, T]; `weights` float32 [B, T], the weight of
        predicting the token AT a position from the one before it (so the first one's is unused).
      chunk_tokens: as of `chunks_of`.
      documents: as of `Decoder.hidden`.

    Returns:
      (nats, weight), float32 scalars.
    """
    hidden_BTD, balance = _hidden(decoder, batch, documents)
    B, T, _ = hidden_BTD.shape
    chunks = chunks_of(decoder.config, B, T, chunk_tokens)
    # What the hidden state of position i predicts is the token at i + 1; the last predicts nothing.
    target_BT, weight_BT = next_of(batch['tokens']), next_of(batch['weights'])
    kernel_DV = decoder.head_kernel()
    nats = _nats(decoder.config, chunks, kernel_DV, hidden_BTD, target_BT, weight_BT)
    weight = jnp.sum(weight_BT)
    # The balance moves the gradient and not the number, which stays a cross-entropy.
    aim = weight * balance
    return nats + (aim - jax.lax.stop_gradient(aim)), weight


def next_of(x_BT: jax.Array) -> jax.Array:
    """x[b, t + 1] at (b, t), and 0 at the last.

    One operation: from jax 0.11 on, a slice of one place of one row has forgotten its layout.
    """
    return jax.lax.pad(x_BT, jnp.zeros((), x_BT.dtype), ((0, 0, 0), (-1, 1, 0)))


def chunks_of(c: DecoderConfig, B: int, T: int, chunk_tokens: int | None = None) -> int:
    """In how many chunks the logits of T positions of B rows are computed, on the mesh that is set.

    Args:
      c: of the model.
      B, T: rows of the whole batch, and positions of each.
      chunk_tokens: tokens of a device whose logits exist at a time, at least one per row; what is
        best for the platform where None.
    """
    if chunk_tokens is None:
        chunk_tokens = max(SMALLEST_CHUNK, c.d_model) if platform() == 'cpu' else CHUNK_TOKENS
    mesh = jax.sharding.get_abstract_mesh().shape
    rows = max(1, B // (mesh[BATCH[0]] * mesh[BATCH[1]]))
    return -(-T // max(1, chunk_tokens // rows))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _nats(
    c: DecoderConfig,
    chunks: int,
    kernel_DV: jax.Array,
    hidden_BTD: jax.Array,
    target_BT: jax.Array,
    weight_BT: jax.Array,
) -> jax.Array:
    """The weighted sum of cross-entropies, a chunk of positions at a time."""

    def add(nats: jax.Array, chunk: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        return nats + _chunk_nats(c, kernel_DV, *chunk), None

    chunked = split_positions(chunks, hidden_BTD, target_BT, weight_BT)
    return jax.lax.scan(add, jnp.float32(0), chunked)[0]


def _nats_forward(
    c: DecoderConfig,
    chunks: int,
    kernel_DV: jax.Array,
    hidden_BTD: jax.Array,
    target_BT: jax.Array,
    weight_BT: jax.Array,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """The sum, and its gradients: from the same logits, which are not computed again for them."""

    def add(
        total: tuple[jax.Array, jax.Array], chunk: tuple[jax.Array, ...]
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        nats, of_turned = total
        hidden, target, weight = chunk
        more, back = jax.vjp(
            lambda k, h: _chunk_nats(c, _turn(k), h, target, weight), turned, hidden
        )
        of_turned_here, of_hidden = back(jnp.float32(1))
        return (nats + more, of_turned + of_turned_here.astype(jnp.float32)), of_hidden

    turned = _turn(kernel_DV)
    zero = (jnp.float32(0), jnp.zeros_like(turned, jnp.float32))
    chunked = split_positions(chunks, hidden_BTD, target_BT, weight_BT)
    (nats, of_turned), of_hidden = jax.lax.scan(add, zero, chunked)
    of_kernel_DV = _turn(jax.lax.optimization_barrier(of_turned))
    B, T, D = hidden_BTD.shape
    of_hidden = jnp.moveaxis(of_hidden, 0, 1)
    # Of one row, a reshape would forget that rows are split over the devices.
    whole = (B, of_hidden.shape[1] * of_hidden.shape[2], D)
    of_hidden_BTD = jnp.reshape(of_hidden, whole, out_sharding=RULES.hidden_BTD)[:, :T]
    return nats, (of_kernel_DV, of_hidden_BTD)


def _turn(kernel: jax.Array) -> jax.Array:
    """On a CPU, a head's kernel [D, V] as [V, D] and back: its gradient is a faster product so."""
    return jnp.transpose(kernel) if platform() == 'cpu' else kernel


def _nats_backward(
    c: DecoderConfig, chunks: int, kept: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array, None, None]:
    of_kernel_DV, of_hidden_BTD = kept
    dtype = of_hidden_BTD.dtype
    return (grad * of_kernel_DV).astype(dtype), (grad * of_hidden_BTD).astype(dtype), None, None


_nats.defvjp(_nats_forward, _nats_backward)


def _chunk_nats(
    c: DecoderConfig,
    kernel_DV: jax.Array,
    hidden_BCD: jax.Array,
    target_BC: jax.Array,
    weight_BC: jax.Array,
) -> jax.Array:
    logits_BCV = logits_by(c, kernel_DV, hidden_BCD)
    return jnp.sum(weight_BC * cross_entropy(logits_BCV, target_BC))


def split_positions(chunks: int, *arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Arrays [B, T, ...] as [chunks, B, C, ...]; the positions that are added weigh nothing."""
    B, T = arrays[0].shape[:2]
    each = -(-T // chunks)

    def split(x: jax.Array) -> jax.Array:
        x = jnp.pad(x, [(0, 0), (0, chunks * each - T)] + [(0, 0)] * (x.ndim - 2))
        return jnp.moveaxis(x.reshape(B, chunks, each, *x.shape[2:]), 1, 0)

    return tuple(split(x) for x in arrays)


def _hidden(
    decoder: Decoder, batch: Mapping[str, jax.Array], documents: int
) -> tuple[jax.Array, jax.Array | float]:
    """The hidden states, and the weighted load-balancing loss of a mixture of experts."""
    arrays = (batch['tokens'], batch['positions'], batch['until'])
    if not decoder.config.balance:
        return decoder.hidden(*arrays, documents=documents), 0.0
    # Padding is a text of one token, which no other sees.
    seen_BT = batch['until'] > jnp.arange(batch['until'].shape[1])
    counts_BT = (seen_BT | (batch['positions'] > 0)).astype(jnp.float32)
    hidden_BTD, balance = decoder.balanced(*arrays, counts_BT, documents=documents)
    return hidden_BTD, decoder.config.balance * balance


def cross_entropy(logits_BTV: jax.Array, target_BT: jax.Array) -> jax.Array:
    """-log softmax(logits)[target] in nats, float32 [B, T]; the vocabulary may be sharded."""
    # A gather along a sharded vocabulary is refused by explicit meshes; a masked sum is not.
    at_target = target_BT[..., None] == jnp.arange(logits_BTV.shape[-1])
    chosen_BT = jnp.sum(jnp.where(at_target, logits_BTV, 0), axis=-1)
    return jax.nn.logsumexp(logits_BTV, axis=-1) - chosen_BT
