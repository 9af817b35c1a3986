"""What differs between one process and many: the start, who leads, what is sent to all.

jax is imported when it is called: modes that run no model share rooms with those that do.
"""

import itertools
import os
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from xlbarrier import peers
from xlbarrier.errors import InputError

if TYPE_CHECKING:
    import jax

MEETING = 1800  # seconds for which processes wait for each other before they exchange anything


def initialize() -> None:
    """Joins the processes of a pod or cluster; does nothing for a single process.

    On a TPU pod, Slurm or Open MPI, which jax recognises by itself, set XLBARRIER_DISTRIBUTED=1
    (launch/tpu_pod.sh does). Elsewhere set COORDINATOR_ADDRESS, NUM_PROCESSES and PROCESS_ID in the
    environment of each process.

    Raises:
      ValueError: when only some of the three variables are set.
    """
    import jax

    names = ('COORDINATOR_ADDRESS', 'NUM_PROCESSES', 'PROCESS_ID')
    given = [name for name in names if os.environ.get(name)]
    if given and len(given) < len(names):
        missing = sorted(set(names) - set(given))
        raise InputError(f'{", ".join(given)} set but not {", ".join(missing)}: set all three')
    if given:
        jax.distributed.initialize(
            os.environ['COORDINATOR_ADDRESS'],
            int(os.environ['NUM_PROCESSES']),
            int(os.environ['PROCESS_ID']),
        )
    elif os.environ.get('XLBARRIER_DISTRIBUTED') == '1':
        jax.distributed.initialize()
    _watch_peers()


def _watch_peers() -> None:
    """Ends this process soon after another has died."""
    from jax._src import distributed

    pod = distributed.global_state  # jax has no public way to share a string, or to find the lead
    if pod.client is None or pod.num_processes == 1:
        return
    try:
        peers.join(
            pod.process_id,
            pod.num_processes,
            (pod.coordinator_address or '').rpartition(':')[0].strip('[]'),
            pod.client.key_value_set,
            pod.client.blocking_key_value_get,
        )
    except (OSError, RuntimeError, ValueError) as error:
        logging.warning(
            'cannot connect to process 0 (%s): if another process dies, this one notices it by'
            ' the heartbeats of jax only, after 100 seconds',
            error,
        )


def connect(mesh: 'jax.sharding.Mesh') -> None:
    """Makes the connections that collectives over any axes of a mesh need; every process calls it.

    On CPUs, gloo connects the devices of a group when a program first has them exchange something,
    and gives up when one of them comes 30 seconds after another: later compilation is enough.
    Here all wait until all are there, and then use every group once. Once connected, they wait for
    each other as long as jax does elsewhere. It does nothing on other platforms.

    Raises:
      jax.errors.JaxRuntimeError: when a process has not come after half an hour.
    """
    import jax
    from jax._src import distributed
    from jax.sharding import NamedSharding
    from jax.sharding import PartitionSpec as P

    client = distributed.global_state.client
    if client is None or jax.process_count() == 1 or jax.default_backend() != 'cpu':
        return
    axes = [axis for axis in mesh.axis_names if mesh.shape[axis] > 1]
    groups = [
        group for size in range(1, len(axes) + 1) for group in itertools.combinations(axes, size)
    ]
    where = P(mesh.axis_names)

    def sums(ones: jax.Array) -> list[jax.Array]:
        return [jax.lax.psum(ones, group) for group in groups]

    local = jax.shard_map(sums, mesh=mesh, in_specs=where, out_specs=where, check_vma=False)
    ones = jax.make_array_from_callback(
        (mesh.size,), NamedSharding(mesh, where), np.ones(mesh.size, np.float32).__getitem__
    )
    program = jax.jit(local).lower(ones).compile()
    client.wait_at_barrier('xlbarrier/connect', MEETING * 1000)
    jax.block_until_ready(program(ones))
    barrier('connected')  # jax's own helpers exchange over groups of their own
    broadcast(np.zeros(1, np.int32))


def is_lead() -> bool:
    """Whether this process writes the files that all processes share."""
    import jax

    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Waits until every process has called it; `name` tells the calls apart."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def broadcast(value: np.ndarray) -> np.ndarray:
    """The lead's array, on every process; shape and dtype must agree on all."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return value
    return np.asarray(multihost_utils.broadcast_one_to_all(value))


def everywhere(flag: bool) -> bool:
    """Whether it is true on every process; all of them call this."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.array(flag)).all())
