"""xlbarrier: measure the cross-lingual knowledge barrier of a language model, and lower it.

The names are imported when first used, so that `from xlbarrier import metrics` needs numpy and
scipy only and never imports jax.
"""

from typing import Any

__version__ = '0.1.0'
_PLACES = {
    **dict.fromkeys(('load_model', 'logits', 'score', 'generate', 'embed'), 'xlbarrier.api'),
    **dict.fromkeys(('evaluate', 'fine_tune', 'study'), 'xlbarrier.modes.python'),
}
__all__ = ['metrics', 'report', *_PLACES]


def __getattr__(name: str) -> Any:
    import importlib

    if name in ('metrics', 'report'):  # packages; `report` can be called
        return importlib.import_module(f'xlbarrier.{name}')
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
