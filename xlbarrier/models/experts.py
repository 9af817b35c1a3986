"""The mixture of experts (Shazeer et al. 2017): a router sends each token to a few of many parts.

No token is dropped: the tokens of an expert are a group of `jax.lax.ragged_dot`, of whatever size.
Experts are split over the mesh axis `tensor`, on which the rows of a batch are the same: a device
computes its own experts for all tokens of its rows, and one sum over the axis, the same that joins
the down map of a dense model, joins the outputs. So there is no exchange of tokens, and the mesh
needs no axis more.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import RULES
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.layers import ACTIVATIONS, Weights, product

LIMIT, SLOPE = 7.0, 1.702  # of gpt-oss's clamped gate


class Routing(NamedTuple):
    """Where tokens go.

    Attributes:
      logits_BTE: float32, of the router.
      experts_BTA: int32, the experts of each token, A of them.
      shares_BTA: float32, how their outputs are weighed.
    """

    logits_BTE: jax.Array
    experts_BTA: jax.Array
    shares_BTA: jax.Array


def route(weights: Weights, x_BTD: jax.Array, c: DecoderConfig) -> Routing:
    """The experts of the largest logits, weighed by a softmax over all experts or over these."""
    kernel_DE = jax.reshard(weights['router']['kernel'], P(None, None)).astype(x_BTD.dtype)
    logits_BTE = product('BTD,DE->BTE', x_BTD, kernel_DE, jnp.float32, RULES.hidden_BTD)
    if 'bias' in weights['router']:
        logits_BTE += weights['router']['bias'].astype(jnp.float32)
    top_BTA, experts_BTA = jax.lax.top_k(logits_BTE, c.experts_per_token)
    over = top_BTA if c.norm_top else logits_BTE
    shares_BTA = jnp.exp(top_BTA - jax.nn.logsumexp(over, -1, keepdims=True))
    return Routing(logits_BTE, experts_BTA, shares_BTA)


def mixture(weights: Weights, x_BTD: jax.Array, routing: Routing, c: DecoderConfig) -> jax.Array:
    """The weighed outputs of each token's experts, [B, T, D] in the dtype of `x_BTD`."""
    names = ('gate', 'up', 'down')
    kernels = {
        name: jax.reshard(weights[name]['kernel'], P('tensor', None, None)).astype(x_BTD.dtype)
        for name in names
    }
    biases = {
        name: weights[name]['bias'].astype(x_BTD.dtype) for name in names if 'bias' in weights[name]
    }
    activation = c.activation

    def local(
        x_BTD: jax.Array,
        experts_BTA: jax.Array,
        shares_BTA: jax.Array,
        kernels: dict[str, jax.Array],
        biases: dict[str, jax.Array],
    ) -> jax.Array:
        B, T, D = x_BTD.shape
        A, E = experts_BTA.shape[-1], kernels['up'].shape[0]  # E of this device
        number_M = experts_BTA.reshape(B * T * A) - E * jax.lax.axis_index('tensor')
        number_M = jnp.where((number_M >= 0) & (number_M < E), number_M, E)  # E: others'
        order_M = jnp.argsort(number_M, stable=True)
        number_M, token_M = number_M[order_M], order_M // A
        sizes_E = jnp.bincount(number_M, length=E + 1)[:E].astype(jnp.int32)

        def linear(name: str, x: jax.Array) -> jax.Array:
            exact = jax.lax.Precision.HIGHEST if x.dtype == jnp.float32 else None
            out = jax.lax.ragged_dot(
                x, kernels[name], sizes_E, precision=exact, preferred_element_type=jnp.float32
            ).astype(x.dtype)
            return out + biases[name][jnp.minimum(number_M, E - 1)] if name in biases else out

        x_MD = x_BTD.reshape(B * T, D)[token_M]
        gate_MF, up_MF = linear('gate', x_MD), linear('up', x_MD)
        if activation == 'clamped':
            inner_MF = clamped(gate_MF, up_MF)
        else:
            inner_MF = ACTIVATIONS[activation](gate_MF) * up_MF
        share_M = shares_BTA.reshape(B * T * A)[order_M]
        out_MD = linear('down', inner_MF) * share_M[:, None].astype(x_BTD.dtype)
        out_MD = jnp.where((number_M < E)[:, None], out_MD, 0)
        summed = jnp.zeros((B * T, D), x_BTD.dtype).at[token_M].add(out_MD)
        return jax.lax.psum(summed.reshape(B, T, D), 'tensor')

    return jax.shard_map(local, out_specs=RULES.hidden_BTD, check_vma=False)(
        x_BTD, routing.experts_BTA, routing.shares_BTA, kernels, biases
    )


def clamped(gate: jax.Array, up: jax.Array) -> jax.Array:
    """gpt-oss's gate: (up + 1) * gate * sigmoid(1.702 gate), gate up to 7 and up within 7."""
    gate, up = jnp.minimum(gate, LIMIT), jnp.clip(up, -LIMIT, LIMIT)
    return (up + 1) * gate * jax.nn.sigmoid(SLOPE * gate)


def loads(routing: Routing, weights_BT: jax.Array) -> jax.Array:
    """What the load-balancing loss needs of a layer, float32 [2, E].

    Args:
      routing: of the layer.
      weights_BT: float32 [B, T], 1 for tokens that count, 0 for padding.

    Returns:
      How often each expert was chosen, and the sum of its probabilities.
    """
    E = routing.logits_BTE.shape[-1]
    chosen_BTE = jax.nn.one_hot(routing.experts_BTA, E, dtype=jnp.float32).sum(-2)
    probs_BTE = jax.nn.softmax(routing.logits_BTE, -1)
    exact = jax.lax.Precision.HIGHEST
    return jnp.stack(
        [
            jnp.einsum('BT,BTE->E', weights_BT, x, precision=exact, out_sharding=P(None))
            for x in (chosen_BTE, probs_BTE)
        ]
    )


def balance(loads_L2E: jax.Array, tokens: jax.Array) -> jax.Array:
    """The load-balancing loss (Fedus et al. 2021, equations 4 to 6), as transformers has it.

    Args:
      loads_L2E: float32 [L, 2, E], of all layers.
      tokens: how many tokens counted in each.

    Returns:
      E times the sum over experts of how often it was chosen times its mean probability.
    """
    L, _, E = loads_L2E.shape
    chosen_E, probs_E = loads_L2E.sum(0) / (L * tokens)
    return E * jnp.sum(chosen_E * probs_E)
