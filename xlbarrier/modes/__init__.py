"""The modes of a run: one function each, imported when it is needed.

A mode takes the run folder and the resolved config. The table is lazy so that a config error is
reported before jax is imported, and so that modes that run no model never import it.
"""

import importlib
import pathlib
from collections.abc import Callable

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
}


def load(name: str) -> Mode:
    """The function of a mode; its module is imported now.

    Raises:
      KeyError: for a name that is not in MODES; `config.resolve` refuses it earlier.
    """
    module, _, function = MODES[name].partition(':')
    mode: Mode = getattr(importlib.import_module(module), function)
    return mode
