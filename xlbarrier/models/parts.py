"""The decoder's parameters as NNX modules: of all layers at once, each with a leading layer axis.

They have no `__call__`: `attention`, `layers` and `experts` compute with plain dicts of the arrays
of one layer, as a scan over the layers hands them out.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import RULES
from xlbarrier.models.config import DecoderConfig


class Kernel(nnx.Module):
    """A weight of a linear map, laid out as `spec` says, and its bias, where `bias_spec` says."""

    # Only on a map with an adapter: see `lora`.
    lora_a: nnx.LoRAParam
    lora_b: nnx.LoRAParam
    lora_scale: nnx.Variable
    lora_noise: nnx.Variable
    lora_keep: nnx.Variable

    def __init__(
        self,
        shape: tuple[int, ...],
        spec: P,
        dtype: jnp.dtype,
        rngs: nnx.Rngs | None,
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
        fill = jnp.zeros if c.norm.endswith('_one') else jnp.ones
        self.scale = nnx.Param(fill(shape, dtype, out_sharding=spec), out_sharding=spec)
        if c.norm_bias:
            self.bias = nnx.Param(jnp.zeros(shape, dtype, out_sharding=spec), out_sharding=spec)


class Attention(nnx.Module):
    """Kernels of grouped-query attention, of all layers."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs | None):
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
        elif c.qk_norm:
            self.q_norm = Norm(c, (L, N, H), RULES.norm_LNH, dtype)
            self.k_norm = Norm(c, (L, K, H), RULES.norm_LNH, dtype)
        if c.sinks:
            zeros = jnp.zeros((L, N), dtype, out_sharding=RULES.sinks_LN)
            self.sinks = nnx.Param(zeros, out_sharding=RULES.sinks_LN)


class Mlp(nnx.Module):
    """Kernels of the feed-forward part, of all layers."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs | None):
        L, D, F = c.num_layers, c.d_model, c.d_ff
        up_bias, down_bias = ((L, F), (L, D)) if c.mlp_bias else ((), ())
        if c.gated:
            self.gate = Kernel((L, D, F), RULES.up_LDF, dtype, rngs, up_bias, RULES.bias_LF)
        self.up = Kernel((L, D, F), RULES.up_LDF, dtype, rngs, up_bias, RULES.bias_LF)
        self.down = Kernel((L, F, D), RULES.down_LFD, dtype, rngs, down_bias, RULES.bias_LD)
        if c.activation == 'xielu':
            self.act = Slopes(L, dtype)


class Slopes(nnx.Module):
    """The two trained slopes of xIELU, of all layers, before their softplus."""

    def __init__(self, num_layers: int, dtype: jnp.dtype):
        for name in ('alpha_p', 'alpha_n'):
            zeros = jnp.zeros((num_layers, 1), dtype, out_sharding=P(None, None))
            setattr(self, name, nnx.Param(zeros, out_sharding=P(None, None)))


class Experts(nnx.Module):
    """Kernels of a mixture of experts, of all layers: a router and the experts' maps."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs | None):
        L, E, D, F = c.num_layers, c.experts, c.d_model, c.d_ff
        router_bias = (L, E) if c.router_bias else ()
        up_bias, down_bias = ((L, E, F), (L, E, D)) if c.expert_bias else ((), ())
        bias = RULES.expert_bias_LED
        self.router = Kernel((L, D, E), RULES.router_LDE, dtype, rngs, router_bias, RULES.bias_LD)
        self.gate = Kernel((L, E, D, F), RULES.expert_LEDF, dtype, rngs, up_bias, bias)
        self.up = Kernel((L, E, D, F), RULES.expert_LEDF, dtype, rngs, up_bias, bias)
        self.down = Kernel((L, E, F, D), RULES.expert_LEFD, dtype, rngs, down_bias, bias)


class OwnPart(nnx.Module):
    """What makes something of each layer's own inputs (`Decoder.stacked`), of all layers."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs | None):
        L, D, I = c.num_layers, c.d_model, c.layer_inputs
        self.gate = Kernel((L, D, I), RULES.up_LDF, dtype, rngs)
        self.down = Kernel((L, I, D), RULES.down_LFD, dtype, rngs)
        self.norm = Norm(c, (L, D), RULES.norm_LD, dtype)


class Scalar(nnx.Module):
    """What the outputs of the layers are multiplied by; it is not trained."""

    def __init__(self, num_layers: int, dtype: jnp.dtype):
        ones = jnp.ones((num_layers, 1), dtype, out_sharding=P(None, None))
        self.scalar = nnx.Param(ones, out_sharding=P(None, None))


class LayerInputs(nnx.Module):
    """The table and the map of the embedding that layers' own inputs come from."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs | None):
        J = c.num_layers * c.layer_inputs
        self.embed = Embedding((c.layer_vocab, J), RULES.embed_VD, dtype, rngs)
        self.map = Kernel((c.d_model, J), RULES.positions_PD, dtype, rngs)
        self.norm = Norm(c, (c.layer_inputs,), RULES.norm_D, dtype)


class Layers(nnx.Module):
    """All blocks; every parameter has a leading layer axis."""

    def __init__(self, c: DecoderConfig, dtype: jnp.dtype, rngs: nnx.Rngs | None):
        def norm() -> Norm:
            return Norm(c, (c.num_layers, c.d_model), RULES.norm_LD, dtype)

        if c.pre_norms:
            self.attn_norm = norm()
        self.attn = Attention(c, dtype, rngs)
        if c.post_norms:
            self.attn_post_norm = norm()
        if c.mlp_norm:
            self.mlp_norm = norm()
        self.mlp = Experts(c, dtype, rngs) if c.experts else Mlp(c, dtype, rngs)
        if c.post_norms:
            self.mlp_post_norm = norm()
        if c.layer_inputs:
            self.own = OwnPart(c, dtype, rngs)
        if c.layer_scale:
            self.out = Scalar(c.num_layers, dtype)


class Embedding(nnx.Module):
    """A table of vectors: of tokens, or of positions."""

    def __init__(self, shape: tuple[int, int], spec: P, dtype: jnp.dtype, rngs: nnx.Rngs | None):
        self.embedding = nnx.Param(_random(rngs, shape, dtype, spec), out_sharding=spec)


def _random(rngs: nnx.Rngs | None, shape: tuple[int, ...], dtype: jnp.dtype, spec: P) -> jax.Array:
    if (
        rngs is None
    ):  # a decoder that is about to be filled: tracing the draws takes most of the time
        return jnp.zeros(shape, dtype, out_sharding=spec)
    # Drawn in its shards: the values depend on the key alone, whatever the mesh.
    values = jax.random.normal(rngs.params(), shape, jnp.float32, out_sharding=spec)
    return (0.02 * values).astype(dtype)
