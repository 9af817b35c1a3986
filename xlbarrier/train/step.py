"""One update as a pure function: state and batch in, state and numbers out."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import NamedSharding

from xlbarrier.config import TrainConfig
from xlbarrier.errors import InputError
from xlbarrier.mesh import BATCH, RULES, mesh_of
from xlbarrier.models import lora
from xlbarrier.models.decoder import Decoder
from xlbarrier.train.loss import next_token_loss
from xlbarrier.train.optimizer import make_optimizer, make_schedule

CAST = ('kernel', 'embedding')  # arrays that are used in the compute dtype alone
Arrays = dict[str, Any]  # nested dicts of arrays


class TrainState(NamedTuple):
    """What an update changes.

    Attributes:
      step: int32 scalar, updates made.
      params: the trained parameters, nested dicts by name.
      optimizer: optax's state for them.
    """

    step: jax.Array
    params: Arrays
    optimizer: Any


def split_decoder(decoder: Decoder, config: TrainConfig) -> tuple[nnx.GraphDef, Arrays, Arrays]:
    """(graph, trained parameters, the rest): adapters are trained alone for method 'lora'."""
    trained = nnx.LoRAParam if config.method == 'lora' else nnx.Param
    graph, params, *rest = nnx.split(decoder, trained, ...)
    return graph, nnx.to_pure_dict(params), nnx.to_pure_dict(rest[0])


def init_state(params: Arrays, config: TrainConfig) -> TrainState:
    """The state before the first update. The moments are laid out as their parameters are."""
    mesh = mesh_of(jax.tree.leaves(params)[0])
    with jax.set_mesh(mesh):
        moments = jax.jit(make_optimizer(config).init)(params)
        step = jax.device_put(jnp.int32(0), NamedSharding(mesh, RULES.scalar))
    return TrainState(step, params, moments)


def put_microbatches(
    batch: Mapping[str, np.ndarray], mesh: jax.sharding.Mesh, accumulate: int
) -> dict[str, jax.Array]:
    """Host arrays [B, ...] to arrays [A, B / A, ...] on the mesh, rows split over the devices.

    Raises:
      ValueError: when A x devices do not divide the B rows.
    """
    shards = mesh.shape[BATCH[0]] * mesh.shape[BATCH[1]]
    laid: dict[str, jax.Array] = {}
    for name, array in batch.items():
        if array.shape[0] % (accumulate * shards):
            raise InputError(
                f'config.train.batch_rows = {array.shape[0]} must be a multiple of accumulate'
                f' {accumulate} x devices along data and fsdp {shards} = {accumulate * shards}'
            )
        array = array.reshape(accumulate, -1, *array.shape[1:])
        sharding = NamedSharding(mesh, RULES.microbatches(array.ndim))
        laid[name] = jax.make_array_from_callback(array.shape, sharding, array.__getitem__)
    return laid


def in_dtype(params: Arrays, dtype: str) -> Arrays:
    """Parameters as products take them: cast once a step, not in each chunk and remat.

    Norms are left alone: they are computed in float32.
    """

    def cast(path: tuple[Any, ...], x: jax.Array) -> jax.Array:
        return x.astype(dtype) if path[-1].key in CAST else x

    return jax.tree_util.tree_map_with_path(cast, params)


@functools.partial(
    jax.jit, static_argnames=('graph', 'config', 'seed', 'documents'), donate_argnames='state'
)
def train_step(
    state: TrainState,
    frozen: Arrays,
    batch: Mapping[str, jax.Array],
    *,
    graph: nnx.GraphDef,
    config: TrainConfig,
    seed: int = 0,
    documents: int = 0,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """One update on a batch of microbatches; `state` is donated, `frozen` is not.

    Args:
      state: of `init_state`, or an earlier step's.
      frozen: arrays that are not trained, from `split_decoder`.
      batch: arrays [A, B / A, T] from `put_microbatches`.
      graph: from `split_decoder`.
      config: decides the optimizer and the adapters' dropout.
      seed: of the dropout; it and the step decide what is dropped.
      documents: the most texts in a row, as of `Decoder.hidden`; 0 where it is unknown.

    Returns:
      The state after it, and float32 scalars: `nats` and `weight` (sums over the batch, before the
      update), `grad_norm` (before clipping), `learning_rate`.
    """
    accumulate = batch['tokens'].shape[0]
    key = jax.random.fold_in(jax.random.key(seed), state.step)

    def nats_of(params: Arrays, micro: Mapping[str, jax.Array], index: jax.Array | int) -> Any:
        decoder = nnx.merge(graph, in_dtype(params, config.compute_dtype), frozen)
        if config.method == 'lora' and config.lora_dropout > 0:
            lora.set_noise(decoder, jax.random.fold_in(key, index), config.lora_dropout)
        return next_token_loss(decoder, micro, documents=documents)

    differentiate = jax.value_and_grad(nats_of, has_aux=True)

    def add(total: Any, step: tuple[Mapping[str, jax.Array], jax.Array]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, differentiate(state.params, *step)), None

    if accumulate == 1:
        total = differentiate(state.params, {name: x[0] for name, x in batch.items()}, 0)
    else:
        zero = ((jnp.float32(0), jnp.float32(0)), jax.tree.map(jnp.zeros_like, state.params))
        total, _ = jax.lax.scan(add, zero, (batch, jnp.arange(accumulate)))
    (nats, weight), grads = total
    # A batch of padding alone has weight 0 and gradient 0: it must not become 0 / 0.
    share = 1 / jnp.maximum(weight, jnp.finfo(jnp.float32).tiny)
    grads = jax.tree.map(lambda g: (g * share).astype(g.dtype), grads)
    updates, optimizer = make_optimizer(config).update(grads, state.optimizer, state.params)
    numbers = {
        'nats': nats,
        'weight': weight,
        'grad_norm': optax.tree.norm(grads),
        'learning_rate': make_schedule(config)(state.step).astype(jnp.float32),
    }
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, optimizer), numbers
