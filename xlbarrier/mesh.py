"""The device mesh and the one table of shardings."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from xlbarrier.errors import InputError, StateError

AXES = ('data', 'fsdp', 'tensor')
BATCH = ('data', 'fsdp')  # a batch is split over both: fsdp shards weights and rows


@dataclass(frozen=True)
class Rules:
    """How each kind of array is laid out on the mesh; the names spell the dimensions.

    The alphabet of axes, over the whole project: B batch rows, T queries of a row, S keys (a row's
    own, or a cache's), P positions of a prefix or asked about, C columns or positions of a chunk,
    D model, N query heads, K kv heads, G query heads of a kv head, H channels of a head, R rank of
    an adapter or half of the rotary channels, F feed-forward, E experts, V vocabulary, L layers,
    M texts of a packed row, A microbatches, I channels of a layer's own input, J those of all
    layers, W rows of their table; 1 a dimension of one.

    Experts are split over `tensor`, as the feed-forward part of a dense model: each device computes
    its own for all tokens of its rows, and one sum joins their outputs.
    """

    # Parameters, split over `fsdp` and `tensor`.
    embed_VD: P = P('tensor', 'fsdp')
    head_DV: P = P('fsdp', 'tensor')
    q_LDNH: P = P(None, 'fsdp', 'tensor', None)
    kv_LDKH: P = P(None, 'fsdp', 'tensor', None)
    o_LNHD: P = P(None, 'tensor', None, 'fsdp')
    up_LDF: P = P(None, 'fsdp', 'tensor')
    down_LFD: P = P(None, 'tensor', 'fsdp')
    bias_LNH: P = P(None, 'tensor', None)
    bias_LF: P = P(None, 'tensor')
    bias_LD: P = P(None, None)
    norm_LD: P = P(None, None)
    norm_D: P = P(None)
    norm_LH: P = P(None, None)
    norm_LNH: P = P(None, 'tensor', None)
    sinks_LN: P = P(None, 'tensor')
    router_LDE: P = P(None, 'fsdp', None)
    expert_LEDF: P = P(None, 'tensor', 'fsdp', None)
    expert_LEFD: P = P(None, 'tensor', None, 'fsdp')
    expert_bias_LED: P = P(None, 'tensor', None)
    positions_PD: P = P(None, 'fsdp')
    # The same where they are used: gathered over `fsdp`.
    used_VD: P = P('tensor', None)
    used_DV: P = P(None, 'tensor')
    used_PD: P = P(None, None)
    heads_N: P = P('tensor')
    # Activations, split over the batch.
    hidden_BTD: P = P(BATCH, None, None)
    heads_BTNH: P = P(BATCH, None, 'tensor', None)
    cache_LBSKH: P = P(None, BATCH, None, 'tensor', None)
    inputs_LBTI: P = P(None, BATCH, None, 'tensor')
    prefix_L1PKH: P = P(None, None, None, 'tensor', None)
    scalar: P = P()

    def rows(self, ndim: int) -> P:
        """Of an array [B, ...]: each device has its rows."""
        return P(BATCH, *[None] * (ndim - 1))

    def microbatches(self, ndim: int) -> P:
        """Of an array [A, B, ...]: each device has its rows of every microbatch."""
        return P(None, *self.rows(ndim - 1))


RULES = Rules()


def platform() -> str:
    """'cpu', 'gpu' or 'tpu': of the mesh that is set, real or described."""
    device = jax.sharding.get_abstract_mesh().abstract_device
    name = device.platform if device is not None else jax.default_backend()
    return 'gpu' if name in ('cuda', 'rocm', 'gpu') else name


def make_mesh(
    data: int = -1,
    fsdp: int = 1,
    tensor: int = 1,
    devices: Sequence[jax.Device] | None = None,
) -> jax.sharding.Mesh:
    """An explicit mesh of all devices, axes `data`, `fsdp`, `tensor`.

    Args:
      data, fsdp, tensor: devices along each axis; at most one is -1 and takes the rest.
      devices: all of the backend's where None.

    Raises:
      ValueError: when the sizes do not multiply to the number of devices.
    """
    devices = jax.devices() if devices is None else list(devices)
    sizes = [data, fsdp, tensor]
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) > 1 or any(size < 1 and size != -1 for size in sizes):
        raise InputError(f'mesh data={data} fsdp={fsdp} tensor={tensor}: one -1 at most, rest >= 1')
    if -1 in sizes and len(devices) % known == 0:
        sizes[sizes.index(-1)] = len(devices) // known
    if -1 in sizes or math.prod(sizes) != len(devices):
        raise InputError(
            f'mesh data={data} x fsdp={fsdp} x tensor={tensor} does not fit'
            f' {len(devices)} devices: the product must be {len(devices)}'
        )
    try:
        return jax.make_mesh(tuple(sizes), AXES, devices=devices)
    except NotImplementedError:  # 16 x 16 of a pod of 4 x 8 x 8 chips: its axes must be cut
        laid = mesh_utils.create_device_mesh(sizes, devices, allow_split_physical_axes=True)
        return jax.sharding.Mesh(laid, AXES, axis_types=(AxisType.Explicit,) * len(AXES))


def keep_compiled(folder: pathlib.Path) -> None:
    """Keeps compiled programs for later starts, on accelerators, in `folder`.

    A folder that the user chose by JAX_COMPILATION_CACHE_DIR stays. On a CPU nothing is kept: a
    folder shared by machines of several kinds would hold programs that some cannot run.
    """
    # jax adds the attributes of its options at import.
    chosen = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if jax.default_backend() != 'cpu' and not chosen:
        jax.config.update('jax_compilation_cache_dir', str(folder))


def mesh_of(array: jax.Array) -> jax.sharding.Mesh:
    """The mesh on which a laid-out array is."""
    sharding = array.sharding
    if not isinstance(sharding, NamedSharding) or not isinstance(sharding.mesh, jax.sharding.Mesh):
        raise StateError(f'an array is laid out by {sharding}, which names no mesh of devices')
    return sharding.mesh


def spec_of(array: jax.Array) -> P:
    """How an array is laid out on its mesh."""
    sharding = array.sharding
    if not isinstance(sharding, NamedSharding):
        raise StateError(f'an array is laid out by {sharding}, which names no axes of a mesh')
    return sharding.spec


def to_host(array: jax.Array) -> np.ndarray:
    """A laid-out array as numpy's; on a pod, every process must ask for it."""
    if array.is_fully_addressable:
        return np.asarray(array)
    whole = jax.jit(lambda x: x, out_shardings=NamedSharding(mesh_of(array), P()))
    return np.asarray(whole(array).addressable_data(0))


def check_divides(config: Any, mesh: jax.sharding.Mesh, batch: int | None = None) -> None:
    """Refuses a mesh whose axes do not divide the model's dimensions, before anything is made.

    Args:
      config: a DecoderConfig.
      mesh: from `make_mesh`.
      batch: rows of a batch, where already known.

    Raises:
      ValueError: naming the axis, its size, the dimension and its size.
    """
    divided = [
        ('tensor', 'query heads', config.num_heads),
        ('tensor', 'kv heads', config.num_kv_heads),
        ('tensor', 'vocabulary', config.vocab_size),
        ('fsdp', 'd_model', config.d_model),
    ]
    if getattr(config, 'experts', 0):
        divided.append(('tensor', 'experts', config.experts))
    else:
        divided.append(('tensor', 'd_ff', config.d_ff))
    if config.whole_kv_heads:
        divided.append(('tensor', 'kv heads of whole layers', config.whole_kv_heads))
    if config.layer_inputs:
        divided.append(('tensor', "channels of a layer's own input", config.layer_inputs))
        divided.append(('tensor', 'vocabulary of those inputs', config.layer_vocab))
        divided.append(('fsdp', 'all such channels', config.layer_inputs * config.num_layers))
    for axis, name, size in divided:
        if size % mesh.shape[axis]:
            raise InputError(
                f'mesh axis {axis} = {mesh.shape[axis]} does not divide {name} = {size};'
                f' choose {axis} among {_divisors(size)}'
            )
    rows = mesh.shape['data'] * mesh.shape['fsdp']
    if batch is not None and batch % rows:
        raise InputError(
            f'mesh axes data x fsdp = {rows} do not divide the batch of {batch} rows;'
            f' use a multiple of {rows}'
        )


def put_batch(batch: Mapping[str, np.ndarray], mesh: jax.sharding.Mesh) -> dict[str, jax.Array]:
    """Lays host arrays [B, ...], the same on every process, on the mesh, split over the batch."""
    laid: dict[str, jax.Array] = {}
    for name, array in batch.items():
        sharding = NamedSharding(mesh, RULES.rows(array.ndim))
        laid[name] = jax.make_array_from_callback(array.shape, sharding, array.__getitem__)
    return laid


def _divisors(size: int) -> list[int]:
    return [n for n in range(1, min(size, 256) + 1) if size % n == 0]
