"""Checkpoints of a training: orbax behind one module.

A checkpoint is a folder that appears whole, by a rename, or not at all. It contains the trained
parameters, the optimizer, and a small `meta` with the position in the data. The one before it is
deleted only when it is complete.

On an accelerator the state is written beside the steps that follow; a failure is raised by the
next save, or at the end. Where the devices have room for a second state, it is copied there, in
milliseconds, and goes to the host and the disk piece by piece; where they have not, the next step
waits until the host has all of it. On a CPU the copy would be a second state in the same memory, so
a save waits until it is written.
"""

import collections
import contextlib
import logging
import math
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from absl import logging as absl_logging

from xlbarrier import multihost
from xlbarrier.compiled import jit
from xlbarrier.errors import RunError
from xlbarrier.train.step import TrainState

_HOST_COPIES_GB = 1.0  # a whole second copy of model and moments would double the memory
_SPARE = 1.1  # times the state's bytes have to be free on a device for a copy there


def _not_orbax_chat(record: logging.LogRecord) -> bool:
    """orbax logs every phase of a save in forty lines; progress would drown in them."""
    if '/orbax/' not in record.pathname:
        return True
    wanted = not record.getMessage().startswith('No prioritized params')  # see `_copied_later`
    return record.levelno >= logging.WARNING and wanted


def _not_a_second_report(record: logging.LogRecord) -> bool:
    """One failed write fails dozens beside it; the one that is raised is enough."""
    return 'orbax' not in record.getMessage() or 'never retrieved' not in record.getMessage()


absl_logging.get_absl_logger().addFilter(_not_orbax_chat)
logging.getLogger('asyncio').addFilter(_not_a_second_report)


class CheckpointError(RunError):
    """A checkpoint cannot be written or read; names the folder and says what to do."""


class Checkpoints:
    """The checkpoints below `folder`, of which the last one is kept.

    Raises:
      CheckpointError: when the folder cannot be made.
    """

    def __init__(self, folder: pathlib.Path, like: Any = (), *, beside: bool | None = None):
        """Args:
        folder: made if absent.
        like: arrays of the shapes and shardings that are written and read; orbax takes none that
          is larger than the host copies it is allowed.
        beside: whether a save is written beside the steps that follow; None: on accelerators.
        """
        self.folder = pathlib.Path(folder).resolve()
        self._beside = jax.default_backend() != 'cpu' if beside is None else beside
        self._held = False  # what is being written is a copy that no step takes back
        self._room: bool | None = None  # whether the devices can hold one; None: not yet known
        self._later = _copied_later(lambda: self._held)
        self._largest = _largest(like)
        with self._naming('prepare'):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_unfinished()  # of a process that was killed
            self._manager = ocp.CheckpointManager(
                self.folder,
                item_handlers={
                    'params': self._handler(),
                    'optimizer': self._handler(),
                    'meta': ocp.JsonCheckpointHandler(),
                },
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=1,
                    enable_async_checkpointing=self._beside,
                ),
            )

    def __enter__(self) -> 'Checkpoints':
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._manager.close()

    @property
    def latest(self) -> int | None:
        """Updates made when the last whole checkpoint was written."""
        return self._manager.latest_step()

    def save(
        self,
        state: TrainState,
        meta: dict[str, Any],
        *,
        final: bool = False,
        wait: bool = False,
    ) -> None:
        """Writes a checkpoint; when it returns, `state` may be donated.

        Args:
          state: what to write.
          meta: JSON values to keep beside it.
          final: it is the training's last: it is complete on return and needs no optimizer.
          wait: it is complete on return.

        Raises:
          CheckpointError: when it, or the one before it, cannot be written; the last complete one
            is kept.
        """
        self._finish()
        step, copied = int(state.step), None
        if self._later and self._beside and not (final or wait):
            copied = self._copy(state)
        self._held = copied is not None
        state = state if copied is None else copied
        items = {
            'params': ocp.args.PyTreeSave(state.params),
            'meta': ocp.args.JsonSave(meta),
        }
        if not final:
            items['optimizer'] = ocp.args.PyTreeSave(state.optimizer)
        with self._naming('write'):
            self._manager.save(step, args=ocp.args.Composite(**items), force=True)
        if final or wait or not self._beside:
            self._finish()

    def _copy(self, state: TrainState) -> TrainState | None:
        """A copy on the devices; None where one of them has no room for it.

        All processes make it, or none: a program runs on all devices of a mesh. What the first
        save finds holds for the later ones: the copy itself raises the devices' peak.
        """
        if self._room is None:
            self._room = multihost.everywhere(has_room(state))
        if not self._room:
            return None
        copied = None
        try:
            copied = jax.block_until_ready(_copied(state))
        except jax.errors.JaxRuntimeError as error:  # enough bytes, but not in one piece
            absl_logging.info('a checkpoint is not copied on the device: %s', _first_line(error))
        self._room = multihost.everywhere(copied is not None)
        return copied if self._room else None

    def _finish(self) -> None:
        with self._naming('write'):
            self._manager.wait_until_finished()

    def meta(self) -> dict[str, Any]:
        """The `meta` of the last checkpoint."""
        with self._naming('read'):
            args = ocp.args.Composite(meta=ocp.args.JsonRestore())
            return self._manager.restore(self.latest, args=args)['meta']

    def params(self, like: Any) -> Any:
        """The last checkpoint's parameters, laid out as the arrays (or shapes) of `like`."""
        return self._restore('params', like)

    def optimizer(self, like: Any) -> Any:
        """The last checkpoint's optimizer state, laid out as `like`."""
        return self._restore('optimizer', like)

    def _restore(self, item: str, like: Any) -> Any:
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        args = ocp.args.PyTreeRestore(
            shapes, restore_args=ocp.checkpoint_utils.construct_restore_args(shapes)
        )
        with self._naming('read'):
            restored = self._manager.restore(self.latest, args=ocp.args.Composite(**{item: args}))
        return restored[item]

    def _handler(self) -> ocp.PyTreeCheckpointHandler:
        shard, array = (max(_HOST_COPIES_GB, 1.01 * size / 1e9) for size in self._largest)
        return ocp.PyTreeCheckpointHandler(
            use_compression=False,  # float weights hardly shrink; it would take a core for seconds
            save_concurrent_gb=shard,
            restore_concurrent_gb=array,  # a shard is read as it was written, perhaps by one device
            **({'save_device_host_concurrent_gb': shard, **self._later} if self._later else {}),
        )

    @contextlib.contextmanager
    def _naming(self, verb: str) -> Iterator[None]:
        """orbax and tensorstore raise many types; each becomes an error that names the folder."""
        try:
            yield
        except Exception as error:
            if verb == 'write':
                self._remove_unfinished()
                self._manager.reload()  # it counts a checkpoint from the moment that it is begun
            kept = f'; the checkpoint of step {self.latest} is kept' if self._has_one() else ''
            raise CheckpointError(
                f'cannot {verb} a checkpoint in {self.folder}: {_first_line(error)}{kept}. Make'
                ' room or mend the folder, then start again: it continues from what is there'
            ) from error

    def _remove_unfinished(self) -> None:
        if multihost.is_lead():
            for left in self.folder.glob('*.orbax-checkpoint-tmp*'):
                shutil.rmtree(left, ignore_errors=True)

    def _has_one(self) -> bool:
        return hasattr(self, '_manager') and self.latest is not None


def has_room(state: Any) -> bool:
    """Whether each device of this process has room for a copy of its part beside the steps.

    False where a device does not tell its memory.
    """
    needed: dict[jax.Device, int] = collections.Counter()
    for array in jax.tree.leaves(state):
        for shard in array.addressable_shards:
            needed[shard.device] += shard.data.nbytes
    for device, size in needed.items():
        stats = device.memory_stats() or {}
        free = stats.get('bytes_limit', 0) - stats.get('peak_bytes_in_use', 0)
        if free < _SPARE * size:
            return False
    return True


@jit
def _copied(state: TrainState) -> TrainState:
    return jax.tree.map(jnp.copy, state)


def _copied_later(held: Callable[[], bool]) -> dict[str, Any]:
    """What makes orbax copy arrays to the host after `save` has returned, while `held()`.

    It then copies as many at a time as host copies are allowed. Empty for an orbax that cannot
    (before 0.12), whose saves return when the host has a copy of everything.
    """
    kinds = (int, float, bytes, str, np.number, np.ndarray)
    try:
        from orbax.checkpoint._src.metadata.array_metadata_store import Store
        from orbax.checkpoint._src.serialization import types

        class Priority(types.DefaultSerializationStatusCallback):
            def key_priority(self, _: Any) -> types.TransferPriority:
                which = types.TransferPriority
                return which.ASYNCHRONOUS_DEPRIORITIZED if held() else which.SYNCHRONOUS

        handlers = [(kind, ocp.type_handlers.get_type_handler(kind)) for kind in kinds]
        arrays = ocp.type_handlers.ArrayHandler(array_metadata_store=Store(), callback=Priority())
        registry = ocp.type_handlers.create_type_handler_registry(*handlers, (jax.Array, arrays))
    except (ImportError, AttributeError, TypeError):
        return {}
    return {'type_handler_registry': registry}


def _largest(like: Any) -> tuple[int, int]:
    """Bytes of the largest shard and of the largest array."""
    sizes = [
        (math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize, x.nbytes)
        for x in jax.tree.leaves(like)
    ]
    return max((s for s, _ in sizes), default=0), max((a for _, a in sizes), default=0)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f'{type(error).__name__}: {text[0] if text else "no message"}'
