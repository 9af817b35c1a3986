"""The modes of a run: one function each, imported when it is needed.

A mode takes the run folder and the resolved config. The table is lazy so that a config error is
reported before jax is imported, and so that modes that run no model never import it.
"""

import importlib
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from xlbarrier.config import RunConfig

Mode = Callable[[pathlib.Path, RunConfig], None]
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
}


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
