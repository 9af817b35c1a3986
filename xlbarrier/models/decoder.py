"""The decoder: stock transformer blocks, stacked and scanned, on an explicit mesh.

One decoder is every family of `families`: its config says which parts it has.

One rule says what a token sees, for training, scoring and plain logits alike: query i sees key j
iff j <= i <= until[j]. Plain causal text has until = T - 1; a packed document's tokens have the
document's last place; a trie of requests in depth-first order has the last place of each node's
subtree, so that a node sees its ancestors and itself; padding sees only itself (until[j] = j).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import RULES
from xlbarrier.models import attention, layers, positions
from xlbarrier.models.config import DecoderConfig


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


class Kernel(nnx.Module):
    """A weight of a linear map, laid out as `spec` says, and its bias, where `bias_spec` says."""

    def __init__(
        self,
        shape: tuple[int, ...],
        spec: P,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
        bias: tuple[int, ...] = (),
        bias_spec: P | None = None,
    ):
        self.kernel = nnx.Param(_random(rngs, shape, dtype, spec), out_sharding=spec)
        if bias:
            zeros = jnp.zeros(bias, dtype, out_sharding=bias_spec)
            self.bias = nnx.Param(zeros, out_sharding=bias_spec)


class Norm(nnx.Module):
    """The weights of a norm (see `layers.norm`)."""

    def __init__(self, c: DecoderConfig, shape: tuple[int, ...], spec: P, dtype: jnp.dtype):
        fill = jnp.zeros if c.norm == 'rms_one' else jnp.ones
        self.scale = nnx.Param(fill(shape, dtype, out_sharding=spec), out_sharding=spec)
        if c.norm_bias:
            self.bias = nnx.Param(jnp.zeros(shape, dtype, out_sharding=spec), out_sharding=spec)


class Attention(nnx.Module):
    """Kernels of grouped-query attention, of all layers."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs):
        L, D, N, K, H = c.num_layers, c.d_model, c.num_heads, c.num_kv_heads, c.head_dim
        q_bias, kv_bias = ((L, N, H), (L, K, H)) if c.qkv_bias else ((), ())
        bias = RULES.bias_LNH
        self.q = Kernel((L, D, N, H), RULES.q_LDNH, dtype, rngs, q_bias, bias)
        self.k = Kernel((L, D, K, H), RULES.kv_LDKH, dtype, rngs, kv_bias, bias)
        self.v = Kernel((L, D, K, H), RULES.kv_LDKH, dtype, rngs, kv_bias, bias)
        o_bias = (L, D) if c.o_bias else ()
        self.o = Kernel((L, N, H, D), RULES.o_LNHD, dtype, rngs, o_bias, RULES.bias_LD)
        if c.qk_norm == 'head':
            self.q_norm = Norm(c, (L, H), RULES.norm_LH, dtype)
            self.k_norm = Norm(c, (L, H), RULES.norm_LH, dtype)
        elif c.qk_norm == 'heads':
            self.q_norm = Norm(c, (L, N, H), RULES.norm_LNH, dtype)
            self.k_norm = Norm(c, (L, K, H), RULES.norm_LNH, dtype)


class Mlp(nnx.Module):
    """Kernels of the feed-forward part, of all layers."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs):
        L, D, F = c.num_layers, c.d_model, c.d_ff
        up_bias, down_bias = ((L, F), (L, D)) if c.mlp_bias else ((), ())
        if c.gated:
            self.gate = Kernel((L, D, F), RULES.up_LDF, dtype, rngs, up_bias, RULES.bias_LF)
        self.up = Kernel((L, D, F), RULES.up_LDF, dtype, rngs, up_bias, RULES.bias_LF)
        self.down = Kernel((L, F, D), RULES.down_LFD, dtype, rngs, down_bias, RULES.bias_LD)


class Layers(nnx.Module):
    """All blocks; every parameter has a leading layer axis."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs):
        def norm() -> Norm:
            return Norm(c, (c.num_layers, c.d_model), RULES.norm_LD, dtype)

        self.attn_norm = norm()
        self.attn = Attention(c, dtype, rngs)
        if c.post_norms:
            self.attn_post_norm = norm()
        if not c.parallel:
            self.mlp_norm = norm()
        self.mlp = Mlp(c, dtype, rngs)
        if c.post_norms:
            self.mlp_post_norm = norm()


class Embedding(nnx.Module):
    """A table of vectors: of tokens, or of places."""

    def __init__(self, shape: tuple[int, int], spec: P, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.embedding = nnx.Param(_random(rngs, shape, dtype, spec), out_sharding=spec)


class Decoder(nnx.Module):
    """A decoder of any family; build it under `jax.set_mesh(mesh)` (see `load.init_decoder`).

    Attributes:
      config: shapes and constants.
      compute_dtype: of the activations.
      remat: what the backward pass computes again, a key of REMAT.
    """

    def __init__(
        self,
        config: DecoderConfig,
        *,
        param_dtype: str = 'float32',
        compute_dtype: str = 'float32',
        rngs: nnx.Rngs,
    ):
        dtype = jnp.dtype(param_dtype)
        self.config = config
        self.compute_dtype = compute_dtype
        self.remat = 'none'
        D = config.d_model
        self.embed = Embedding((config.vocab_size, D), RULES.embed_VD, dtype, rngs)
        if config.positions == 'learned':
            self.positions = Embedding((config.max_positions, D), RULES.positions_PD, dtype, rngs)
        if config.embed_norm:
            self.embed_norm = Norm(config, (D,), RULES.norm_D, dtype)
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
        packed: bool = False,
    ) -> jax.Array:
        """The last hidden states, after the final norm.

        Args:
          tokens_BT: int32 [B, T] ids.
          positions_BT: int32 [B, T], a token's distance from the start of its text.
          until_BT: int32 [B, T], the last position in the row that may see each token (see the
            module).
          packed: whether rows are texts laid end to end, as in training: `until` never falls along
            a row. Kernels then take each query's first key; otherwise they take a mask.

        Returns:
          [B, T, D] in the compute dtype.
        """
        return self._run(tokens_BT, positions_BT, until_BT, packed)[0]

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

        last_BTD, sums_LBD = self._run(tokens_BT, positions_BT, until_BT, collect=summed)
        return jnp.concatenate([sums_LBD, summed(last_BTD)[None]])

    def _run(
        self,
        tokens_BT: jax.Array,
        positions_BT: jax.Array,
        until_BT: jax.Array,
        packed: bool = False,
        collect: Callable[[jax.Array], jax.Array] | None = None,
    ) -> tuple[jax.Array, jax.Array | None]:
        """The last hidden states, and of what goes into each layer what `collect` makes of it."""
        c = self.config
        dtype = self.compute_dtype
        views = attention.views(c, positions_BT, until_BT, packed=packed, dtype=dtype)

        def layer(
            x_BTD: jax.Array, scanned: tuple[layers.Weights, jax.Array]
        ) -> tuple[jax.Array, jax.Array | None]:
            weights, is_local = scanned
            collected = collect(x_BTD) if collect else None
            view = view_of(c, views, is_local)
            return (
                block(c, x_BTD, weights, lambda y: attention.attend(weights['attn'], y, view, c)),
                collected,
            )

        x_BTD = self.embedded(tokens_BT, positions_BT)
        layer = self._rematerialised(layer)
        x_BTD, collected = jax.lax.scan(layer, x_BTD, self.stacked())
        return self.finished(x_BTD), collected

    def stacked(self) -> tuple[layers.Weights, jax.Array]:
        """What a scan over the layers takes: their weights, and bool [L], whether each is local."""
        return nnx.to_pure_dict(nnx.state(self.layers)), jnp.array(self.config.local)

    def finished(self, x_BTD: jax.Array) -> jax.Array:
        """The last layer's output after the final norm."""
        return layers.norm(x_BTD, _weights(self.final_norm), self.config)

    def unembed(self, hidden_BTD: jax.Array) -> jax.Array:
        """Logits, float32 [..., V], of hidden states [..., D] with one or two leading axes."""
        return logits_by(self.config, self.head_kernel(), hidden_BTD)

    def logits_of(self, hidden_BKD: jax.Array, tokens_BK: jax.Array) -> jax.Array:
        """The logits, float32 [B, K], of one token at each hidden state [B, K, D]."""
        if self.config.tied:
            table_VD = jax.reshard(self.embed.embedding[...], P('tensor', None))
        else:
            table_VD = jax.reshard(self.head.kernel[...], P(None, 'tensor')).T
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
        table_VD = jax.reshard(self.embed.embedding[...], P('tensor', None))
        x_BTD = table_VD.at[tokens_BT].get(out_sharding=RULES.hidden_BTD).astype(dtype)
        if c.embed_scale != 1:
            x_BTD *= jnp.asarray(c.embed_scale, dtype)
        if c.positions == 'learned':
            table_PD = jax.reshard(self.positions.embedding[...], P(None, None))
            x_BTD += table_PD.at[positions_BT].get(out_sharding=RULES.hidden_BTD).astype(dtype)
        elif c.positions == 'sinusoidal':
            x_BTD += positions.sinusoids(positions_BT, c.d_model).astype(dtype)
        return layers.norm(x_BTD, _weights(self.embed_norm), c) if c.embed_norm else x_BTD

    def head_kernel(self) -> jax.Array:
        """What hidden states are multiplied by, [D, V], compute dtype, split over `tensor`."""
        if self.config.tied:
            kernel_DV = jax.reshard(self.embed.embedding[...], P('tensor', None)).T
        else:
            kernel_DV = jax.reshard(self.head.kernel[...], P(None, 'tensor'))
        if self.config.normed_head:
            kernel_DV = _unit(kernel_DV, axis=0)
        return kernel_DV.astype(jnp.dtype(self.compute_dtype))

    def _rematerialised(self, block: Callable) -> Callable:
        policy = REMAT[self.remat]
        return block if policy is None else jax.checkpoint(block, policy=policy, prevent_cse=False)


def view_of(
    c: DecoderConfig, views: tuple[attention.View, attention.View], is_local: jax.Array
) -> attention.View:
    """The view of a layer in a scan: the whole one or the local one."""
    whole, local = views
    if len(set(c.local)) < 2:
        return local
    return jax.tree.map(lambda a, b: a if a is b else jnp.where(is_local, a, b), local, whole)


def block(
    c: DecoderConfig,
    x_BTD: jax.Array,
    weights: layers.Weights,
    attend: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """One layer; `attend` is its attention, of normed hidden states."""
    y_BTD = layers.norm(x_BTD, weights['attn_norm'], c)
    attended_BTD = attend(y_BTD)
    if c.parallel:
        return x_BTD + attended_BTD + layers.feed_forward(weights['mlp'], y_BTD, c)
    if c.post_norms:
        attended_BTD = layers.norm(attended_BTD, weights['attn_post_norm'], c)
    x_BTD += attended_BTD
    y_BTD = layers.norm(x_BTD, weights['mlp_norm'], c)
    y_BTD = layers.feed_forward(weights['mlp'], y_BTD, c)
    if c.post_norms:
        y_BTD = layers.norm(y_BTD, weights['mlp_post_norm'], c)
    return x_BTD + y_BTD


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


def _random(rngs: nnx.Rngs, shape: tuple[int, ...], dtype: jnp.dtype, spec: P) -> jax.Array:
    # Drawn in its shards: the values depend on the key alone, whatever the mesh.
    values = jax.random.normal(rngs.params(), shape, jnp.float32, out_sharding=spec)
    return (0.02 * values).astype(dtype)
