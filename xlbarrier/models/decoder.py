"""The decoder: stock transformer blocks, stacked and scanned, on an explicit mesh.

One decoder is every family of `families`: its config says which parts it has.

One rule says what a token sees, for training, scoring and plain logits alike: query i sees key j
iff j <= i <= until[j]. Plain causal text has until = T - 1; a packed document's tokens have the
document's last position; a trie of requests in depth-first order has the last position of each
node's subtree, so that a node sees its ancestors and itself; padding sees only itself
(until[j] = j).

The modules of a layer have no `__call__`: they hold the parameters of all layers, stacked, and a
scan runs the functions of `layers` and `attention` on one layer's slice at a time.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from xlbarrier.mesh import RULES, platform
from xlbarrier.models import attention, experts, layers, positions
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.parts import Embedding, Kernel, LayerInputs, Layers, Norm


def _keeps_attention(primitive: Any, *_: Any, **__: Any) -> bool:
    """Whether what an operation makes is kept: what an attention kernel does."""
    return primitive.name in attention.KERNELS


REMAT = {
    'none': None,
    'attention': jax.checkpoint_policies.save_from_both_policies(
        _keeps_attention, jax.checkpoint_policies.save_only_these_names(*attention.NAMES)
    ),
    'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    'full': jax.checkpoint_policies.nothing_saveable,
}


AUTO = {'cpu': 'dots', 'gpu': 'attention', 'tpu': 'attention'}  # by benchmarks/accelerator.py

Carried = tuple[jax.Array, attention.Held | None]  # from layer to layer
Feed = Callable[[layers.Weights, jax.Array, DecoderConfig], jax.Array]


class Decoder(nnx.Module):
    """A decoder of any family; build it under `jax.set_mesh(mesh)` (see `load.init_decoder`).

    Without `rngs` its matrices are zero, for files to fill.

    Attributes:
      config: shapes and constants.
      compute_dtype: of the activations.
      remat: what the backward pass computes again: a key of REMAT, or 'auto', by AUTO.
    """

    def __init__(
        self,
        config: DecoderConfig,
        *,
        param_dtype: str = 'float32',
        compute_dtype: str = 'float32',
        rngs: nnx.Rngs | None,
    ):
        dtype = jnp.dtype(param_dtype)
        self.config = config
        self.compute_dtype = compute_dtype
        self.remat = 'none'
        D = config.d_model
        self.embed = Embedding((config.vocab_size, D), RULES.embed_VD, dtype, rngs)
        if config.positions == 'learned':
            rows = config.max_positions + config.position_offset
            self.positions = Embedding((rows, D), RULES.positions_PD, dtype, rngs)
        if config.embed_norm:
            self.embed_norm = Norm(config, (D,), RULES.norm_D, dtype)
        if config.layer_inputs:
            self.inputs = LayerInputs(config, dtype, rngs)
        self.layers = Layers(config, dtype, rngs)
        self.final_norm = Norm(config, (D,), RULES.norm_D, dtype)
        if not config.tied:
            shape = (config.d_model, config.vocab_size)
            self.head = Kernel(shape, RULES.head_DV, dtype, rngs)

    def hidden(
        self,
        tokens_BT: jax.Array,
        positions_BT: jax.Array,
        until_BT: jax.Array,
        *,
        documents: int = 0,
    ) -> jax.Array:
        """The last hidden states, after the final norm.

        Args:
          tokens_BT: int32 [B, T] ids.
          positions_BT: int32 [B, T], a token's distance from the start of its text.
          until_BT: int32 [B, T], the last position in the row that may see each token (see the
            module).
          documents: where positive, each row is at most so many texts laid end to end (counted by
            `kernels.count_segments`), so that kernels can take each query's first key; where 0,
            `until` may be any, and they take a mask.

        Returns:
          [B, T, D] in the compute dtype.
        """
        return self._run(tokens_BT, positions_BT, until_BT, documents)[0]

    def hidden_at(
        self, tokens_BT: jax.Array, positions_BT: jax.Array, until_BT: jax.Array, depth: int
    ) -> jax.Array:
        """The hidden states after the first `depth` layers, [B, T, D] in the compute dtype.

        The layers after them are not computed. Arguments as of `hidden`.
        """
        return self._run(tokens_BT, positions_BT, until_BT, depth=depth)[0]

    def balanced(
        self,
        tokens_BT: jax.Array,
        positions_BT: jax.Array,
        until_BT: jax.Array,
        counts_BT: jax.Array,
        *,
        documents: int = 0,
    ) -> tuple[jax.Array, jax.Array]:
        """`hidden` of a mixture of experts, and its load-balancing loss (`experts.balance`).

        Args:
          tokens_BT, positions_BT, until_BT, documents: as of `hidden`.
          counts_BT: float32 [B, T], 1 for tokens that count, 0 for padding.

        Returns:
          [B, T, D] in the compute dtype, and a float32 scalar.
        """
        last_BTD, _, loads_L2E = self._run(
            tokens_BT, positions_BT, until_BT, documents, counts_BT=counts_BT
        )
        assert loads_L2E is not None
        return last_BTD, experts.balance(loads_L2E, jnp.maximum(counts_BT.sum(), 1))

    def depth_sums(
        self,
        tokens_BT: jax.Array,
        positions_BT: jax.Array,
        until_BT: jax.Array,
        weights_BT: jax.Array,
    ) -> jax.Array:
        """Weighted sums over a row of the hidden states at every depth; none is kept whole.

        Args:
          tokens_BT, positions_BT, until_BT: as of `hidden`.
          weights_BT: float32 [B, T].

        Returns:
          float32 [L + 1, B, D]: of the embedded tokens, after each layer but the last, and after
          the last layer and the final norm, as transformers' `output_hidden_states` has them.
        """

        def summed(x_BTD: jax.Array) -> jax.Array:
            x32, equation = x_BTD.astype(jnp.float32), 'BT,BTD->BD'
            return jnp.einsum(equation, weights_BT, x32, precision=jax.lax.Precision.HIGHEST)

        last_BTD, sums_LBD, _ = self._run(tokens_BT, positions_BT, until_BT, collect=summed)
        assert sums_LBD is not None
        return jnp.concatenate([sums_LBD, summed(last_BTD)[None]])

    def _run(
        self,
        tokens_BT: jax.Array,
        positions_BT: jax.Array,
        until_BT: jax.Array,
        documents: int = 0,
        collect: Callable[[jax.Array], jax.Array] | None = None,
        counts_BT: jax.Array | None = None,
        depth: int | None = None,
    ) -> tuple[jax.Array, jax.Array | None, jax.Array | None]:
        """The last hidden states, or those after `depth` layers; of what goes into each layer what
        `collect` makes of it; and how the counted tokens load the experts of each layer, [L, 2, E],
        where counts are given.
        """
        c = self.config
        dtype = self.compute_dtype
        views = attention.views(c, positions_BT, until_BT, documents=documents, dtype=dtype)

        def layer(
            carried: Carried, scanned: tuple[layers.Weights, jax.Array]
        ) -> tuple[Carried, tuple[jax.Array | None, jax.Array | None]]:
            (x_BTD, held), (weights, is_local) = carried, scanned
            collected = collect(x_BTD) if collect else None
            view = view_of(c, views, is_local)
            loads: list[jax.Array] = []
            kept: list[attention.Held | None] = []

            def feed(weights: layers.Weights, y_BTD: jax.Array, c: DecoderConfig) -> jax.Array:
                assert counts_BT is not None
                routing = experts.route(weights, y_BTD, c)
                loads.append(experts.loads(routing, counts_BT))
                return experts.mixture(weights, y_BTD, routing, c)

            def attend(y_BTD: jax.Array) -> jax.Array:
                out_BTD, next_held = attention.attend(weights['attn'], y_BTD, view, c, held)
                kept.append(next_held)
                return out_BTD

            counted = counts_BT is not None
            x_BTD = block(c, x_BTD, weights, attend, feed if counted else feed_forward)
            return (x_BTD, kept[0]), (collected, loads[0] if counted else None)

        x_BTD = self.embedded(tokens_BT, positions_BT)
        layer = self._rematerialised(layer)
        begun, stacked = (x_BTD, attention.nothing_held(c, x_BTD)), self.stacked(tokens_BT, x_BTD)
        if depth is not None:
            stacked = jax.tree.map(lambda array: array[:depth], stacked)
        (x_BTD, _), (collected, loads) = jax.lax.scan(layer, begun, stacked)
        return x_BTD if depth is not None else self.finished(x_BTD), collected, loads

    def stacked(self, tokens_BT: jax.Array, x_BTD: jax.Array) -> tuple[layers.Weights, jax.Array]:
        """What a scan over the layers takes: their weights, and bool [L], whether each is local.

        Args:
          tokens_BT: int32 [B, T] ids.
          x_BTD: their `embedded`.
        """
        c, weights = self.config, nnx.to_pure_dict(nnx.state(self.layers))
        is_local = jnp.array(c.local)
        if c.uneven:
            weights['attn'] |= {'is_local': is_local, 'shares': jnp.array(c.shares)}
        if c.layer_inputs:
            weights['own']['inputs'] = self._layer_inputs(tokens_BT, x_BTD)
        return weights, is_local

    def _layer_inputs(self, tokens_BT: jax.Array, x_BTD: jax.Array) -> jax.Array:
        """What each layer is given of a token, [L, B, T, I] (Gemma 4's per-layer embeddings).

        (norm(x W / sqrt(D)) + sqrt(I) E[token]) / sqrt(2).
        """
        c, dtype, shape = self.config, x_BTD.dtype, (*x_BTD.shape[:2], self.config.num_layers, -1)
        table_WJ = jax.reshard(self.inputs.embed.embedding[...], RULES.used_VD)
        rows_BTJ = table_WJ.at[tokens_BT].get(out_sharding=RULES.hidden_BTD).astype(dtype)
        rows_BTJ *= jnp.asarray(c.layer_inputs**0.5, dtype)
        kernel_DJ = jax.reshard(self.inputs.map.kernel[...], RULES.used_PD).astype(dtype)
        mapped_BTJ = layers.product('BTD,DJ->BTJ', x_BTD, kernel_DJ, None, RULES.hidden_BTD)
        mapped_BTJ *= jnp.asarray(c.d_model**-0.5, dtype)
        normed = layers.norm(mapped_BTJ.reshape(shape), _weights(self.inputs.norm), c)
        inputs_BTLI = (normed + rows_BTJ.reshape(shape)) * jnp.asarray(2**-0.5, dtype)
        return jax.reshard(jnp.moveaxis(inputs_BTLI, 2, 0), RULES.inputs_LBTI)

    def finished(self, x_BTD: jax.Array) -> jax.Array:
        """The last layer's output after the final norm."""
        return layers.norm(x_BTD, _weights(self.final_norm), self.config)

    def unembed(self, hidden_BTD: jax.Array) -> jax.Array:
        """Logits, float32 [..., V], of hidden states [..., D] with one or two leading axes."""
        return logits_by(self.config, self.head_kernel(), hidden_BTD)

    def logits_of(self, hidden_BKD: jax.Array, tokens_BK: jax.Array) -> jax.Array:
        """The logits, float32 [B, K], of one token at each hidden state [B, K, D]."""
        if self.config.tied:
            table_VD = jax.reshard(self.embed.embedding[...], RULES.used_VD)
        else:
            table_VD = jax.reshard(self.head.kernel[...], RULES.used_DV).T
        vectors_BKD = table_VD.at[tokens_BK].get(out_sharding=RULES.hidden_BTD)
        if self.config.normed_head:
            vectors_BKD = _unit(vectors_BKD, axis=-1)
        vectors_BKD = vectors_BKD.astype(hidden_BKD.dtype)
        # Not layers.product: its bfloat16 result would be rounded once more.
        return _finished(
            self.config,
            jnp.einsum(
                'BKD,BKD->BK',
                hidden_BKD,
                vectors_BKD,
                preferred_element_type=jnp.float32,
                precision=jax.lax.Precision.HIGHEST,
            ),
        )

    def __call__(
        self, tokens_BT: jax.Array, positions_BT: jax.Array, until_BT: jax.Array
    ) -> jax.Array:
        """Logits, float32 [B, T, V]; arguments as of `hidden`."""
        return self.unembed(self.hidden(tokens_BT, positions_BT, until_BT))

    def embedded(self, tokens_BT: jax.Array, positions_BT: jax.Array) -> jax.Array:
        """What goes into the first layer, [B, T, D] in the compute dtype."""
        c, dtype = self.config, jnp.dtype(self.compute_dtype)
        table_VD = jax.reshard(self.embed.embedding[...], RULES.used_VD)
        x_BTD = table_VD.at[tokens_BT].get(out_sharding=RULES.hidden_BTD).astype(dtype)
        if c.embed_scale != 1:
            x_BTD *= jnp.asarray(c.embed_scale, dtype)
        if c.positions == 'learned':
            table_PD = jax.reshard(self.positions.embedding[...], RULES.used_PD)
            rows_BT = positions_BT + c.position_offset
            x_BTD += table_PD.at[rows_BT].get(out_sharding=RULES.hidden_BTD).astype(dtype)
        elif c.positions == 'sinusoidal':
            x_BTD += positions.sinusoids(positions_BT, c.d_model).astype(dtype)
        return layers.norm(x_BTD, _weights(self.embed_norm), c) if c.embed_norm else x_BTD

    def head_kernel(self) -> jax.Array:
        """What hidden states are multiplied by, [D, V], compute dtype, split over `tensor`."""
        if self.config.tied:
            kernel_DV = jax.reshard(self.embed.embedding[...], RULES.used_VD).T
        else:
            kernel_DV = jax.reshard(self.head.kernel[...], RULES.used_DV)
        if self.config.normed_head:
            kernel_DV = _unit(kernel_DV, axis=0)
        return kernel_DV.astype(jnp.dtype(self.compute_dtype))

    def _rematerialised(self, block: Callable) -> Callable:
        policy = REMAT[AUTO[platform()] if self.remat == 'auto' else self.remat]
        return block if policy is None else jax.checkpoint(block, policy=policy, prevent_cse=False)


def view_of(
    c: DecoderConfig, views: tuple[attention.View, attention.View], is_local: jax.Array
) -> attention.View:
    """The view of a layer in a scan: the whole one or the local one."""
    whole, local = views
    if len(set(c.local)) < 2:
        return local if c.local[0] else whole
    return jax.tree.map(lambda a, b: a if a is b else jnp.where(is_local, a, b), local, whole)


def block(
    c: DecoderConfig,
    x_BTD: jax.Array,
    weights: layers.Weights,
    attend: Callable[[jax.Array], jax.Array],
    feed: Feed | None = None,
) -> jax.Array:
    """One layer; `attend` is its attention, `feed` its feed-forward part, of normed states."""
    feed = feed or feed_forward
    y_BTD = layers.norm(x_BTD, weights['attn_norm'], c) if c.pre_norms else x_BTD
    attended_BTD = attend(y_BTD)
    if c.parallel:
        y_BTD = layers.norm(x_BTD, weights['mlp_norm'], c) if c.two_norms else y_BTD
        return x_BTD + attended_BTD + feed(weights['mlp'], y_BTD, c)
    if c.post_norms:
        attended_BTD = layers.norm(attended_BTD, weights['attn_post_norm'], c)
    x_BTD += _scaled(attended_BTD, c)
    y_BTD = layers.norm(x_BTD, weights['mlp_norm'], c) if c.pre_norms else x_BTD
    y_BTD = feed(weights['mlp'], y_BTD, c)
    if c.post_norms:
        y_BTD = layers.norm(y_BTD, weights['mlp_post_norm'], c)
    x_BTD += _scaled(y_BTD, c)
    if c.layer_inputs:
        x_BTD += own_part(weights['own'], x_BTD, c)
    if c.layer_scale:
        x_BTD *= jax.lax.stop_gradient(weights['out']['scalar']).astype(x_BTD.dtype)
    return x_BTD


def own_part(weights: layers.Weights, x_BTD: jax.Array, c: DecoderConfig) -> jax.Array:
    """What a layer makes of its own inputs, [B, T, D]: norm(down(act(gate(x)) * inputs))."""
    gate_BTI = layers.ACTIVATIONS[c.activation](layers.project('gate', weights, x_BTD))
    out_BTD = layers.project('down', weights, gate_BTI * weights['inputs'])
    return layers.norm(out_BTD, weights['norm'], c)


def feed_forward(weights: layers.Weights, x_BTD: jax.Array, c: DecoderConfig) -> jax.Array:
    """The feed-forward part of a layer, [B, T, D]: one for all tokens, or a mixture."""
    if not c.experts:
        return layers.feed_forward(weights, x_BTD, c)
    return experts.mixture(weights, x_BTD, experts.route(weights, x_BTD, c), c)


def _scaled(x_BTD: jax.Array, c: DecoderConfig) -> jax.Array:
    return x_BTD if c.residual_scale == 1 else x_BTD * jnp.asarray(c.residual_scale, x_BTD.dtype)


def logits_by(c: DecoderConfig, kernel_DV: jax.Array, hidden: jax.Array) -> jax.Array:
    """Logits, float32 [..., V], of hidden states [..., D] by a `Decoder.head_kernel`."""
    return _finished(c, layers.product('...D,DV->...V', hidden, kernel_DV, jnp.float32))


def _finished(c: DecoderConfig, logits: jax.Array) -> jax.Array:
    logits = logits if c.logit_scale == 1 else logits * c.logit_scale
    return layers.soft_cap(logits, c.logit_softcap)


def _weights(norm: Norm) -> layers.Weights:
    return nnx.to_pure_dict(nnx.state(norm))


def _unit(vectors: jax.Array, axis: int) -> jax.Array:
    """Vectors of length one (Baichuan 2's NormHead), float32."""
    v32 = vectors.astype(jnp.float32)
    return v32 / jnp.maximum(jnp.linalg.norm(v32, axis=axis, keepdims=True), 1e-12)
