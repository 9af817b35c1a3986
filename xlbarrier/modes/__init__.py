"""The modes of a run: one function each, imported when it is needed.

A mode takes the run folder and the resolved config, and those that ask or train a model also what
`ready` made of it. The table is lazy so that what is wrong with config, model or questions is
reported before jax is imported, and so that modes that run no model never import it.
"""

import importlib
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig

Mode = Callable[..., None]
MODES = {
    'study': 'xlbarrier.modes.study:study',
    'eval': 'xlbarrier.modes.evaluate:evaluate',
    'train': 'xlbarrier.modes.train:train',
    'corpus': 'xlbarrier.modes.corpus:corpus',
    'rescore': 'xlbarrier.modes.rescore:rescore',
    'prompts': 'xlbarrier.modes.prompts:prompts',
    'report': 'xlbarrier.modes.report:report',
    'convert': 'xlbarrier.modes.convert:convert',
    'compile': 'xlbarrier.modes.compile:compile_steps',
    'translate': 'xlbarrier.modes.translate:translate',
}

# Commands that have arguments of their own instead of a config.
TOOLS = {
    'compare': 'xlbarrier.modes.compare:run',
    'lm-eval': 'xlbarrier.integrations.lm_eval:run',
    'push': 'xlbarrier.modes.push:push',
}


ASK_OR_TRAIN = ('study', 'eval', 'train')


def run(place: str | pathlib.Path, config: RunConfig, *, dry: bool = False) -> None:
    """Runs the mode of a config, once its model is found and its questions are read.

    Args:
      place: the run folder, which may be on an object store (docs/run_folder.md).
      config: checked.
      dry: show what would be done, and do nothing.

    Raises:
      XlbarrierError: naming what cannot be used.
    """
    with run_lib.placed(place) as folder:
        _run(folder, config, dry)


def _run(folder: pathlib.Path, config: RunConfig, dry: bool) -> None:
    ready = importlib.import_module('xlbarrier.modes.ready').check(folder, config)
    if dry:
        importlib.import_module('xlbarrier.modes.plan').show(folder, config, ready.tasks)
        return
    mode = load(config.mode)
    if config.mode in ASK_OR_TRAIN:
        mode(folder, config, ready)
    else:
        mode(folder, config)


def load(name: str) -> Mode:
    """The function of a mode; its module is imported now.

    Raises:
      KeyError: for a name that is not in MODES; `config.resolve` refuses it earlier.
    """
    mode: Mode = _named(MODES[name])
    return mode


def load_tool(name: str) -> Callable[[Sequence[str]], None]:
    """The function of a command in TOOLS, which takes the rest of the command line."""
    tool: Callable[[Sequence[str]], None] = _named(TOOLS[name])
    return tool


def _named(place: str) -> Any:
    module, _, function = place.partition(':')
    return getattr(importlib.import_module(module), function)
