"""xlbarrier: measure the cross-lingual knowledge barrier of a language model, and lower it.

`load_model`, `logits` and `score` are imported when first used, so that
`from xlbarrier import metrics` needs numpy and scipy only and never imports jax.
"""

from typing import Any

__version__ = '0.1.0'
__all__ = ['load_model', 'logits', 'metrics', 'score']


def __getattr__(name: str) -> Any:
    import importlib

    if name == 'metrics':
        return importlib.import_module('xlbarrier.metrics')
    if name in ('load_model', 'logits', 'score'):
        # The name `score` is also the subpackage's; once imported that would shadow the function.
        return getattr(importlib.import_module('xlbarrier.api'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
