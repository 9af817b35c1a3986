"""The real train and score steps, traced on shapes instead of arrays, on any mesh."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from xlbarrier import mesh as mesh_lib
from xlbarrier.aot import cost
from xlbarrier.config import ModelConfig, TrainConfig
from xlbarrier.errors import InputError
from xlbarrier.mesh import BATCH
from xlbarrier.models import lora
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.models.layers import ADAPTERS
from xlbarrier.scoring.step import score_rows
from xlbarrier.train.loss import next_token_loss
from xlbarrier.train.optimizer import make_optimizer
from xlbarrier.train.step import TrainState, split_decoder, train_step

Tree = Any  # nested containers of jax.ShapeDtypeStruct


@dataclass(frozen=True)
class Step:
    """A step that is ready to compile.

    Attributes:
      name: 'train' or 'score'.
      traced: the `jax.stages.Traced`.
      tokens: processed in one step, over all devices.
      parameters: number of the model's weights.
      parameter_bytes, optimizer_bytes: on each device.
      flops: of matrix products on each device, including recomputation in the backward pass.
      model_flops: that the model needs, over all devices, without recomputed and duplicated work.
        For training, three times the forward pass, or twice if only adapters are trained.
    """

    name: str
    traced: Any
    tokens: int
    parameters: int
    parameter_bytes: int
    optimizer_bytes: int
    flops: cost.Flops
    model_flops: float


def abstract_decoder(
    config: DecoderConfig, mesh: Mesh, *, param_dtype: str, compute_dtype: str
) -> Decoder:
    """A decoder whose parameters are shapes with their sharding; nothing is allocated.

    Raises:
      InputError: if an axis of the mesh does not divide the model (both numbers are named).
    """
    mesh_lib.check_divides(config, mesh)
    with jax.set_mesh(mesh):
        decoder = nnx.eval_shape(
            lambda: Decoder(
                config, param_dtype=param_dtype, compute_dtype=compute_dtype, rngs=nnx.Rngs(0)
            )
        )
    graph, state = nnx.split(decoder)
    return nnx.merge(graph, jax.tree.map(lambda x: _laid(x, mesh), state))


def add_adapters(decoder: Decoder, rank: int, targets: tuple[str, ...], mesh: Mesh) -> None:
    """Adds the shapes of the adapters that `lora.add_lora` adds, in place."""
    for block in (decoder.layers.attn, decoder.layers.mlp):
        for name in [name for name in ADAPTERS if name in targets and hasattr(block, name)]:
            linear, inputs = getattr(block, name), len(ADAPTERS[name].inputs)
            kernel = linear.kernel.get_value()
            layers, into, out = (
                kernel.shape[0],
                kernel.shape[1 : 1 + inputs],
                kernel.shape[1 + inputs :],
            )
            spec = kernel.sharding.spec
            a_spec, b_spec = P(*spec[: 1 + inputs], None), P(None, None, *spec[1 + inputs :])
            a = _shape((layers, *into, rank), jnp.float32, mesh, a_spec)
            b = _shape((layers, rank, *out), jnp.float32, mesh, b_spec)
            linear.lora_a = nnx.LoRAParam(a, out_sharding=a_spec, eager_sharding=False)
            linear.lora_b = nnx.LoRAParam(b, out_sharding=b_spec, eager_sharding=False)
            linear.lora_scale = lora.Constant(_shape((layers,), jnp.float32, mesh, P()))


def train(config: DecoderConfig, model: ModelConfig, fields: TrainConfig, mesh: Mesh) -> Step:
    """The train step as `train.loop` runs it.

    Raises:
      InputError: if mesh, model and batch do not fit together.
    """
    batch = fields.batch_rows // fields.accumulate
    mesh_lib.check_divides(config, mesh, batch)
    check_length('config.train.row_tokens', fields.row_tokens, config)
    decoder = abstract_decoder(
        config, mesh, param_dtype=model.param_dtype, compute_dtype=fields.compute_dtype
    )
    decoder.remat = fields.remat
    parameters = _leaves(nnx.state(decoder, nnx.Param))
    if fields.method == 'lora':
        add_adapters(decoder, fields.lora_rank, fields.lora_targets, mesh)
    graph, params, frozen = split_decoder(decoder, fields)
    with jax.set_mesh(mesh):
        init = make_optimizer(fields).init
        step, moments = jax.tree.map(
            lambda x: _laid(x, mesh),
            jax.eval_shape(lambda p: (jnp.zeros((), jnp.int32), init(p)), params),
        )
        state = TrainState(step, params, moments)
        shape = (fields.accumulate, batch, fields.row_tokens)
        laid = {
            name: _shape(shape, dtype, mesh, P(None, BATCH, None))
            for name, dtype in _batch_dtypes().items()
        }
        traced = train_step.here.trace(state, frozen, laid, graph=graph, config=fields, documents=1)
        micro = {
            name: _shape(shape[1:], dtype, mesh, P(BATCH, None))
            for name, dtype in _batch_dtypes().items()
        }
        forward = jax.make_jaxpr(
            lambda p, f, b: next_token_loss(nnx.merge(graph, p, f), b, documents=1)
        )(params, frozen, micro)
    passes = 2 if fields.method == 'lora' else 3
    return Step(
        'train',
        traced,
        tokens=math.prod(shape),
        parameters=sum(math.prod(x.shape) for x in parameters),
        parameter_bytes=device_bytes((params, frozen)),
        optimizer_bytes=device_bytes(moments),
        flops=cost.count(traced.jaxpr, dict(mesh.shape)),
        model_flops=passes * fields.accumulate * cost.count(forward).total,
    )


def score(
    config: DecoderConfig,
    model: ModelConfig,
    *,
    row_tokens: int,
    rows_per_device: int,
    asked: int,
    mesh: Mesh,
) -> Step:
    """The score step as `scoring.engine` runs it, when `asked` tokens of a row are asked about.

    Raises:
      ValueError: when mesh and model do not fit together.
    """
    rows = rows_per_device * mesh.shape['data'] * mesh.shape['fsdp']
    check_length('config.score.row_tokens', row_tokens, config)
    decoder = abstract_decoder(
        config, mesh, param_dtype=model.param_dtype, compute_dtype=model.compute_dtype
    )
    parameters = _leaves(nnx.state(decoder, nnx.Param))

    def array(length: int) -> jax.ShapeDtypeStruct:
        return _shape((rows, length), jnp.int32, mesh, P(BATCH, None))

    arrays = [array(row_tokens)] * 3 + [array(asked)] * 3
    graph, state = nnx.split(decoder)
    with jax.set_mesh(mesh):
        jaxpr = jax.make_jaxpr(lambda s, *a: score_rows.function(nnx.merge(graph, s), *a))(
            state, *arrays
        )
        traced = score_rows.trace(decoder, *arrays)
    return Step(
        'score',
        traced,
        tokens=rows * row_tokens,
        parameters=sum(math.prod(x.shape) for x in parameters),
        parameter_bytes=device_bytes(parameters),
        optimizer_bytes=0,
        flops=cost.count(jaxpr, dict(mesh.shape)),
        model_flops=cost.count(jaxpr).total,
    )


def check_length(where: str, tokens: int, config: DecoderConfig) -> None:
    """Raises InputError for rows longer than the model's positions."""
    if tokens > config.max_positions:
        raise InputError(f'{where} is {tokens}; the model has {config.max_positions} positions')


def device_bytes(tree: Tree) -> int:
    """Bytes of the arrays on each device."""
    return sum(math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in _leaves(tree))


def _batch_dtypes() -> Mapping[str, Any]:
    return {**dict.fromkeys(('tokens', 'positions', 'until'), jnp.int32), 'weights': jnp.float32}


def _shape(shape: tuple[int, ...], dtype: Any, mesh: Mesh, spec: P) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))


def _laid(x: Any, mesh: Mesh) -> jax.ShapeDtypeStruct:
    """The shape on the real mesh: a trace has only the mesh's axes."""
    spec = x.sharding.spec if x.sharding is not None else P()
    return _shape(x.shape, x.dtype, mesh, spec)


def _leaves(tree: Tree) -> list[jax.ShapeDtypeStruct]:
    return [x for x in jax.tree.leaves(tree) if hasattr(x, 'sharding')]
