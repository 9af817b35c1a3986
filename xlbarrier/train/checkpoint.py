"""Checkpoints of a training: orbax behind one module.

A checkpoint is a folder that appears whole, by a rename, or not at all. It contains the trained
parameters, the optimizer, and a small `meta` with the position in the data. The one before it is
deleted only when it is complete.

On an accelerator the state is copied to the host while the step waits, and written beside the
steps that follow; a failure is raised by the next save, or at the end. On a CPU the copy would be a
second state in the same memory, so a save waits until it is written.
"""

import contextlib
import logging
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging as absl_logging

from xlbarrier import multihost
from xlbarrier.errors import RunError
from xlbarrier.train.step import TrainState

_HOST_COPIES_GB = 1  # a whole second copy of model and moments would double the memory


def _not_orbax_chat(record: logging.LogRecord) -> bool:
    """orbax logs every phase of a save in forty lines; progress would drown in them."""
    return record.levelno >= logging.WARNING or '/orbax/' not in record.pathname


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

    def __init__(self, folder: pathlib.Path, *, beside: bool | None = None):
        """Args:
        folder: made if absent.
        beside: whether a save is written beside the steps that follow; None: on accelerators.
        """
        self.folder = pathlib.Path(folder).resolve()
        self._beside = jax.default_backend() != 'cpu' if beside is None else beside
        with self._naming('prepare'):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_unfinished()  # of a process that was killed
            self._manager = ocp.CheckpointManager(
                self.folder,
                item_handlers={
                    'params': _handler(),
                    'optimizer': _handler(),
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
        items = {
            'params': ocp.args.PyTreeSave(state.params),
            'meta': ocp.args.JsonSave(meta),
        }
        if not final:
            items['optimizer'] = ocp.args.PyTreeSave(state.optimizer)
        with self._naming('write'):
            self._manager.save(int(state.step), args=ocp.args.Composite(**items), force=True)
        if final or wait or not self._beside:
            self._finish()

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


def _handler() -> ocp.PyTreeCheckpointHandler:
    return ocp.PyTreeCheckpointHandler(
        use_compression=False,  # float weights hardly shrink; it would take a core for seconds
        save_concurrent_gb=_HOST_COPIES_GB,
        restore_concurrent_gb=_HOST_COPIES_GB,
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f'{type(error).__name__}: {text[0] if text else "no message"}'
