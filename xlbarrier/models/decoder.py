"""The decoder: stock transformer blocks, stacked and scanned, on an explicit mesh.

One rule says what a token sees, for training, scoring and plain logits alike: query i sees key j
iff j <= i <= until[j]. Plain causal text has until = T - 1; a packed document's tokens have the
document's last place; a trie of requests in depth-first order has the last place of each node's
subtree, so that a node sees its ancestors and itself; padding sees only itself (until[j] = j).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import RULES
from xlbarrier.models import attention, layers
from xlbarrier.models.config import DecoderConfig

REMAT = {
    'none': None,
    'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    'full': jax.checkpoint_policies.nothing_saveable,
}


class Kernel(nnx.Module):
    """A weight of a linear map, laid out as `spec` says."""

    def __init__(self, shape: tuple[int, ...], spec: P, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.kernel = nnx.Param(_random(rngs, shape, dtype, spec), out_sharding=spec)


class Norm(nnx.Module):
    """RMSNorm (Zhang and Sennrich 2019), computed in float32."""

    def __init__(self, shape: tuple[int, ...], spec: P, dtype: jnp.dtype):
        self.scale = nnx.Param(jnp.ones(shape, dtype, out_sharding=spec), out_sharding=spec)


class Attention(nnx.Module):
    """Kernels of grouped-query attention, of all layers."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs):
        L, D, N, K, H = c.num_layers, c.d_model, c.num_heads, c.num_kv_heads, c.head_dim
        self.q = Kernel((L, D, N, H), RULES.q_LDNH, dtype, rngs)
        self.k = Kernel((L, D, K, H), RULES.kv_LDKH, dtype, rngs)
        self.v = Kernel((L, D, K, H), RULES.kv_LDKH, dtype, rngs)
        self.o = Kernel((L, N, H, D), RULES.o_LNHD, dtype, rngs)


class Mlp(nnx.Module):
    """Kernels of the gated feed-forward part (SwiGLU, Shazeer 2020), of all layers."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs):
        L, D, F = c.num_layers, c.d_model, c.d_ff
        self.gate = Kernel((L, D, F), RULES.up_LDF, dtype, rngs)
        self.up = Kernel((L, D, F), RULES.up_LDF, dtype, rngs)
        self.down = Kernel((L, F, D), RULES.down_LFD, dtype, rngs)


class Layers(nnx.Module):
    """All blocks; every parameter has a leading layer axis."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.attn_norm = Norm((c.num_layers, c.d_model), RULES.norm_LD, dtype)
        self.attn = Attention(c, dtype, rngs)
        self.mlp_norm = Norm((c.num_layers, c.d_model), RULES.norm_LD, dtype)
        self.mlp = Mlp(c, dtype, rngs)


class Embedding(nnx.Module):
    """The token table."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs):
        values = _random(rngs, (c.vocab_size, c.d_model), dtype, RULES.embed_VD)
        self.embedding = nnx.Param(values, out_sharding=RULES.embed_VD)


class Decoder(nnx.Module):
    """A Llama-style decoder; build it under `jax.set_mesh(mesh)` (see `load.init_decoder`).

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
        self.embed = Embedding(config, dtype, rngs)
        self.layers = Layers(config, dtype, rngs)
        self.final_norm = Norm((config.d_model,), RULES.norm_D, dtype)
        if not config.tied:
            shape = (config.d_model, config.vocab_size)
            self.head = Kernel(shape, RULES.head_DV, dtype, rngs)

    def hidden(
        self, tokens_BT: jax.Array, positions_BT: jax.Array, until_BT: jax.Array
    ) -> jax.Array:
        """The last hidden states, after the final norm.

        Args:
          tokens_BT: int32 [B, T] ids.
          positions_BT: int32 [B, T], a token's distance from the start of its text.
          until_BT: int32 [B, T], the last place that may see each token (see the module).

        Returns:
          [B, T, D] in the compute dtype.
        """
        c, dtype = self.config, jnp.dtype(self.compute_dtype)
        table = jax.reshard(self.embed.embedding[...], P('tensor', None))
        x_BTD = table.at[tokens_BT].get(out_sharding=RULES.hidden_BTD).astype(dtype)
        mask_BTT = attention.visible(until_BT)
        sin, cos = layers.rope_table(positions_BT, c.head_dim, c.rope_theta)

        def block(x_BTD: jax.Array, layer: layers.Weights) -> tuple[jax.Array, None]:
            y_BTD = layers.rms_norm(x_BTD, layer['attn_norm']['scale'], c.rms_eps)
            x_BTD += attention.attend(layer['attn'], y_BTD, mask_BTT, sin, cos)
            y_BTD = layers.rms_norm(x_BTD, layer['mlp_norm']['scale'], c.rms_eps)
            return x_BTD + layers.feed_forward(layer['mlp'], y_BTD), None

        stacked = nnx.to_pure_dict(nnx.state(self.layers))
        x_BTD, _ = jax.lax.scan(self._rematerialised(block), x_BTD, stacked)
        return layers.rms_norm(x_BTD, self.final_norm.scale[...], c.rms_eps)

    def unembed(self, hidden_BTD: jax.Array) -> jax.Array:
        """Logits, float32 [..., V], of hidden states [..., D] with one or two leading axes."""
        dtype = jnp.dtype(self.compute_dtype)
        if self.config.tied:
            kernel_DV = jax.reshard(self.embed.embedding[...], P('tensor', None)).T
        else:
            kernel_DV = jax.reshard(self.head.kernel[...], P(None, 'tensor'))
        return layers.product('...D,DV->...V', hidden_BTD, kernel_DV.astype(dtype), jnp.float32)

    def unembedding_of(self, tokens_BK: jax.Array) -> jax.Array:
        """The head's vectors of some tokens: [B, K] -> [B, K, D] in the compute dtype."""
        if self.config.tied:
            table_VD = jax.reshard(self.embed.embedding[...], P('tensor', None))
        else:
            table_VD = jax.reshard(self.head.kernel[...], P(None, 'tensor')).T
        vectors_BKD = table_VD.at[tokens_BK].get(out_sharding=RULES.hidden_BTD)
        return vectors_BKD.astype(jnp.dtype(self.compute_dtype))

    def __call__(
        self, tokens_BT: jax.Array, positions_BT: jax.Array, until_BT: jax.Array
    ) -> jax.Array:
        """Logits, float32 [B, T, V]; arguments as of `hidden`."""
        return self.unembed(self.hidden(tokens_BT, positions_BT, until_BT))

    def _rematerialised(self, block: Callable) -> Callable:
        policy = REMAT[self.remat]
        return block if policy is None else jax.checkpoint(block, policy=policy, prevent_cse=False)


def _random(rngs: nnx.Rngs, shape: tuple[int, ...], dtype: jnp.dtype, spec: P) -> jax.Array:
    # Drawn in its shards: the values depend on the key alone, whatever the mesh.
    values = jax.random.normal(rngs.params(), shape, jnp.float32, out_sharding=spec)
    return (0.02 * values).astype(dtype)
