"""Where a training's numbers go besides metrics.jsonl: TensorBoard, Weights & Biases, trackio.

Each package is imported only when its tracker is asked for. A run of the tracker is one arm of a
run folder; a later start of the run folder continues it.
"""

import hashlib
import importlib.util
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from absl import logging

from xlbarrier.errors import InputError, StateError

PROJECT = 'xlbarrier'  # WANDB_PROJECT and TRACKIO_PROJECT_NAME replace it
PACKAGES = {'tensorboard': 'tensorboardX', 'wandb': 'wandb', 'trackio': 'trackio'}


class Tracker(Protocol):
    """A run of a tracker."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Takes the numbers of one logged step; `step` is one of them."""

    def close(self) -> None:
        """Waits until everything is written."""


def check(names: Sequence[str]) -> None:
    """Refuses a tracker whose package is not installed, before long work.

    Raises:
      InputError: naming the package.
    """
    for name in names:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise InputError(
                f'config.report.to names {name}, which is not installed: pip install'
                f' {PACKAGES[name]}, or leave it out'
            )


def open_trackers(
    names: Sequence[str],
    folder: pathlib.Path,
    arm: str,
    config: Mapping[str, Any],
    *,
    logged_through: int = 0,
) -> list[Tracker]:
    """Opens the trackers of one arm's training; on the lead process only.

    Args:
      names: of `config.report.to`.
      folder: of the run; files go to its subfolders `tensorboard`, `wandb`.
      arm: its name.
      config: of config.json, recorded by wandb and trackio.
      logged_through: last step that an earlier start has logged.

    Raises:
      StateError: when a tracker cannot be started (no login, no network), saying what it said.
    """
    opened: list[Tracker] = []
    for name in names:
        try:
            if name == 'tensorboard':
                opened.append(_TensorBoard(folder / 'tensorboard' / arm, logged_through + 1))
            elif name == 'wandb':
                opened.append(_wandb(folder, arm, config))
            else:
                opened.append(_trackio(folder, arm, config))
        except Exception as error:  # each package has its own kinds
            advice = '; WANDB_MODE=offline needs no login' if name == 'wandb' else ''
            raise StateError(
                f'config.report.to: {name} cannot be started: {error}{advice}'
            ) from error
    return opened


def log(opened: list[Tracker], row: Mapping[str, Any]) -> None:
    """Sends a row to each tracker; one that fails is left out from then on, with a warning.

    A training does not end because a tracker's disk is full or its server is away: metrics.jsonl
    has every row.
    """
    for tracker in list(opened):
        try:
            tracker.log(row)
        except Exception as error:  # each package has its own kinds
            opened.remove(tracker)
            logging.warning(
                '%s failed and is left out from step %s on: %s', tracker, row['step'], error
            )


def close(opened: list[Tracker]) -> None:
    """Closes each tracker; one that fails is named in a warning."""
    for tracker in opened:
        try:
            tracker.close()
        except Exception as error:  # each package has its own kinds
            logging.warning('%s was not closed: %s', tracker, error)


class _TensorBoard:
    """Event files; steps from `first` on replace those of an earlier start."""

    def __init__(self, folder: pathlib.Path, first: int):
        from tensorboardX import SummaryWriter

        self._folder = folder
        self._board = SummaryWriter(str(folder), purge_step=first)

    def __str__(self) -> str:
        return f'the TensorBoard writer of {self._folder}'

    def log(self, row: Mapping[str, Any]) -> None:
        for name, value in _numbers(row).items():
            self._board.add_scalar(name, value, row['step'])
        self._board.flush()

    def close(self) -> None:
        self._board.close()


class _Session:
    """A run of wandb or trackio."""

    def __init__(self, run: Any, name: str):
        self._run, self._name = run, name

    def __str__(self) -> str:
        return self._name

    def log(self, row: Mapping[str, Any]) -> None:
        self._run.log(_numbers(row), step=row['step'])

    def close(self) -> None:
        self._run.finish()


def _wandb(folder: pathlib.Path, arm: str, config: Mapping[str, Any]) -> _Session:
    import wandb

    return _Session(
        wandb.init(
            project=os.environ.get('WANDB_PROJECT', PROJECT),
            name=f'{folder.name}-{arm}',
            group=folder.name,
            id=_identity(folder, arm),
            resume='allow',
            dir=folder,
            config=dict(config),
            reinit='finish_previous',  # one arm follows the other in a process
        ),
        'wandb',
    )


def _trackio(folder: pathlib.Path, arm: str, config: Mapping[str, Any]) -> _Session:
    import trackio

    return _Session(
        trackio.init(
            project=os.environ.get('TRACKIO_PROJECT_NAME', PROJECT),
            name=f'{folder.name}-{arm}-{_identity(folder, arm)[:6]}',
            group=folder.name,
            config=dict(config),
            resume='allow',
            embed=False,
        ),
        'trackio',
    )


def _identity(folder: pathlib.Path, arm: str) -> str:
    """The same for every start of one arm of one run folder."""
    return hashlib.sha256(f'{folder.resolve()}\0{arm}'.encode()).hexdigest()[:16]


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {f'train/{name}': value for name, value in row.items() if name != 'step'}
