"""Devices of a machine that need not exist, by its name: `v5e:4x4`, `h100:8`."""

import importlib.util
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import jax
from jax.experimental import topologies

from xlbarrier.aot.chips import CHIPS, Chip
from xlbarrier.errors import InputError

# How XLA describes a GPU that is not present: the fields of its GpuTargetConfigProto that decide
# how kernels are tiled, from NVIDIA's tuning guides (Ampere, Hopper).
_GPU = """
gpu_device_info {{
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
  shared_memory_per_core: {shared} threads_per_core_limit: 2048 core_count: {cores}
  fpus_per_core: {fpus} block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
  block_dim_limit_z: 65535 memory_bandwidth: {rate} l2_cache_size: {cache} clock_rate_ghz: {clock}
  device_memory_size: {memory} shared_memory_per_block_optin: {optin}
  cuda_compute_capability {{ major: {major} }}
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 }}
runtime_version {{ major: {cuda} minor: 0 }}
device_description_str: "{name}"
"""
_AMPERE = {
    **{'shared': 167936, 'optin': 166912, 'cores': 108, 'fpus': 64, 'cache': 41943040},
    **{'clock': 1.41, 'major': 8},
}
_HOPPER = {
    **{'shared': 233472, 'optin': 232448, 'cores': 132, 'fpus': 128, 'cache': 52428800},
    **{'clock': 1.98, 'major': 9},
}
_GPU_FIELDS = {'a100': _AMPERE, 'h100': _HOPPER, 'h200': _HOPPER}


class TopologyError(InputError):
    """An unknown topology, or one that this installation cannot compile for."""


@dataclass(frozen=True)
class Topology:
    """A named machine.

    Attributes:
      name: as given, `v5e:4x4`.
      chip: the kind of chip.
      layout: chips along each axis.
    """

    name: str
    chip: Chip
    layout: tuple[int, ...]

    @property
    def chips(self) -> int:
        """The number of chips."""
        return math.prod(self.layout)

    @property
    def platform(self) -> str:
        """'gpu' or 'tpu'."""
        return 'tpu' if self.chip.platform == 'tpu' else 'gpu'


def parse(name: str) -> Topology:
    """Parses a name.

    Raises:
      TopologyError: for an invalid name; the message lists the valid ones.
    """
    found = re.fullmatch(r'([a-z]\w*):(\d+(?:x\d+)*)', name)
    chip = CHIPS.get(found[1]) if found else None
    if found is None or chip is None:
        raise TopologyError(f'config.compile.topology is {name!r}; expected {_known()}')
    layout = tuple(int(size) for size in found[2].split('x'))
    if len(layout) != chip.dims or not all(layout):
        raise TopologyError(
            f'config.compile.topology is {name!r}: a layout of {chip.name} has {chip.dims}'
            f' {"axis" if chip.dims == 1 else "axes"}, each at least 1, as in {_example(chip)}'
        )
    if max(layout) > chip.longest and math.prod(layout) <= chip.largest:
        raise TopologyError(
            f'config.compile.topology is {name!r}: an axis of a slice of {chip.name} has at most'
            f' {chip.longest} chips'
        )
    if math.prod(layout) > chip.largest:
        raise TopologyError(
            f'config.compile.topology is {name!r}, {math.prod(layout)} chips; the largest'
            f' {"slice" if chip.platform == "tpu" else "NVLink domain"} of {chip.name} has'
            f' {chip.largest}'
        )
    return Topology(name, chip, layout)


def devices(topology: Topology) -> Sequence[jax.Device]:
    """Devices to compile for, one per chip; no accelerator is used.

    Raises:
      TopologyError: if the compiler is not installed (the message names the extra), or refuses the
        layout.
    """
    # A process that only compiles must not wait for, or take, an accelerator of this machine.
    os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
    os.environ.setdefault('ALLOW_MULTIPLE_LIBTPU_LOAD', '1')  # otherwise one process per machine
    # jax adds the attributes of its options at import.
    if jax.config.jax_platforms is None:  # type: ignore[attr-defined]
        jax.config.update('jax_platforms', 'cpu')
    made = _tpu(topology) if topology.platform == 'tpu' else _gpu(topology)
    if len(made) != topology.chips:
        raise TopologyError(
            f'{topology.name}: the compiler has {len(made)} devices, expected {topology.chips}'
        )
    return made


def _tpu(topology: Topology) -> Sequence[jax.Device]:
    if importlib.util.find_spec('libtpu') is None:
        raise TopologyError(
            f'compiling for {topology.name} needs libtpu, which is not installed:'
            " pip install 'xlbarrier[tpu]' (680 MB; no TPU is needed)"
        )
    host = [2 if size % 2 == 0 else 1 for size in topology.layout[:2]]
    try:
        return topologies.get_topology_desc(
            platform='tpu',
            topology_name=topology.name,
            chips_per_host_bounds=(*host, 1),
            # The two cores of a v4 chip work as one, as those of a v5p do by default.
            **({'chip_config_name': 'megacore'} if topology.chip.name == 'v4' else {}),
        ).devices
    except (RuntimeError, NotImplementedError) as error:
        raise TopologyError(f'libtpu refuses the topology {topology.name}: {error}') from error


def _gpu(topology: Topology) -> Sequence[jax.Device]:
    chip = topology.chip
    version = next((n for n in (13, 12) if _has_plugin(n)), None)
    if version is None:
        raise TopologyError(
            f"compiling for {topology.name} needs jax's CUDA plugin, which is not installed:"
            " pip install 'xlbarrier[gpu]' (no GPU is needed)"
        )
    target = _GPU.format(
        **_GPU_FIELDS[chip.name],
        rate=int(chip.hbm_rate),
        memory=chip.hbm_bytes,
        cuda=version,
        name=f'NVIDIA {chip.name.upper()}',
    )
    try:
        return topologies.get_topology_desc(
            platform='cuda', target_config=target, topology=f'1x1x{topology.chips}'
        ).devices
    except (RuntimeError, NotImplementedError) as error:
        raise TopologyError(
            f'jax {jax.__version__} cannot compile for {topology.name} on this machine: {error}'
        ) from error


def _has_plugin(version: int) -> bool:
    return importlib.util.find_spec(f'jax_cuda{version}_plugin') is not None


def _example(chip: Chip) -> str:
    return {1: f'{chip.name}:8', 2: f'{chip.name}:4x4', 3: f'{chip.name}:2x2x4'}[chip.dims]


def _known() -> str:
    return 'CHIP:LAYOUT, one of ' + ', '.join(
        f'{_example(chip)} (up to {chip.largest} chips)' for chip in CHIPS.values()
    )
