"""One update as a pure function: state and batch in, state and numbers out."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import NamedSharding

from xlbarrier.compiled import jit
from xlbarrier.config import TrainConfig
from xlbarrier.errors import InputError
from xlbarrier.mesh import BATCH, RULES, mesh_of
from xlbarrier.models import lora
from xlbarrier.models.decoder import Decoder
from xlbarrier.train import objectives
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
    batch: Mapping[str, Any],
    mesh: jax.sharding.Mesh,
    accumulate: int,
    field: str = 'config.train.batch_rows',
) -> dict[str, Any]:
    """Host arrays [B, ...] to arrays [A, B / A, ...] on the mesh, rows split over the devices.

    A mapping among the arrays, such as the batch's pairs, is laid out in the same way. `field` is
    what decides the rows, for the message.

    Raises:
      ValueError: when A x devices do not divide the B rows.
    """
    shards = mesh.shape[BATCH[0]] * mesh.shape[BATCH[1]]
    laid: dict[str, Any] = {}
    for name, array in batch.items():
        if isinstance(array, Mapping):
            laid[name] = put_microbatches(array, mesh, accumulate, field)
            continue
        if array.shape[0] % (accumulate * shards):
            raise InputError(
                f'{field} = {array.shape[0]} must be a multiple of accumulate'
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
    jit,
    static_argnames=('graph', 'config', 'documents', 'base_graph'),
    donate_argnames='state',
)
def train_step(
    state: TrainState,
    frozen: Arrays,
    batch: Mapping[str, Any],
    *,
    graph: nnx.GraphDef,
    config: TrainConfig,
    seed: jax.typing.ArrayLike = 0,
    documents: int = 0,
    base_graph: nnx.GraphDef | None = None,
    base_params: Arrays | None = None,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """One update on a batch of microbatches; `state` is donated, `frozen` is not.

    Args:
      state: of `init_state`, or an earlier step's.
      frozen: arrays that are not trained, from `split_decoder`.
      batch: arrays [A, B / A, ...] from `put_microbatches`; its keys say which terms the loss has
        (`objectives.terms`).
      graph: from `split_decoder`.
      config: decides the objective, the optimizer and the adapters' dropout.
      seed: of the dropout, an integer of 32 bits; it and the step decide what is dropped. One
        compiled program serves all seeds.
      documents: the most texts in a row, as of `Decoder.hidden`; 0 where it is unknown.
      base_graph, base_params: the decoder before fine-tuning, without adapters, for the guard;
        its arrays are not donated.

    Returns:
      The state after it, and float32 scalars: `nats` and `weight` (sums over the batch's text,
      before the update), `grad_norm` (before clipping), `learning_rate`; of the other terms
      `<term>_sum` and `<term>_weight`.
    """
    accumulate = jax.tree.leaves(batch)[0].shape[0]
    key = jax.random.fold_in(jax.random.key(seed), state.step)

    def base() -> Decoder:
        assert base_graph is not None, 'the guard needs the base model'
        return nnx.merge(base_graph, in_dtype(base_params or {}, config.compute_dtype))

    terms = objectives.terms(batch, config, base, documents)
    # A batch of padding alone has weight 0 and gradient 0: it must not become 0 / 0.
    tiny = jnp.finfo(jnp.float32).tiny
    weights = {name: term.weight(batch) for name, term in terms.items()}
    shares = {name: term.share / jnp.maximum(weights[name], tiny) for name, term in terms.items()}

    def loss_of(params: Arrays, micro: Mapping[str, Any], index: jax.Array | int) -> Any:
        decoder = nnx.merge(graph, in_dtype(params, config.compute_dtype), frozen)
        if config.method == 'lora' and config.lora_dropout > 0:
            lora.set_noise(decoder, jax.random.fold_in(key, index), config.lora_dropout)
        sums = {name: term.sums(decoder, micro)[0] for name, term in terms.items()}
        return sum(shares[name] * sums[name] for name in terms), sums

    differentiate = jax.value_and_grad(loss_of, has_aux=True)

    def add(total: Any, step: tuple[Mapping[str, Any], jax.Array]) -> tuple[Any, None]:
        (_, sums), grads = differentiate(state.params, *step)
        return jax.tree.map(jnp.add, total, (sums, grads)), None

    if accumulate == 1:
        first = jax.tree.map(lambda x: x[0], batch)
        (_, sums), grads = differentiate(state.params, first, 0)
    else:
        zero = (dict.fromkeys(terms, jnp.float32(0)), jax.tree.map(jnp.zeros_like, state.params))
        (sums, grads), _ = jax.lax.scan(add, zero, (batch, jnp.arange(accumulate)))
    updates, optimizer = make_optimizer(config).update(grads, state.optimizer, state.params)
    numbers = {
        'grad_norm': optax.tree.norm(grads),
        'learning_rate': make_schedule(config)(state.step).astype(jnp.float32),
    }
    for name in terms:
        names = ('nats', 'weight') if name == 'text' else (f'{name}_sum', f'{name}_weight')
        numbers |= dict(zip(names, (sums[name], weights[name]), strict=True))
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, optimizer), numbers
