"""`jit`: `jax.jit` with the compiler's options that a kind of device is fastest with."""

import functools
import os
from collections.abc import Callable
from typing import Any

import jax

from xlbarrier.mesh import platform

# Measured on an H200 (docs/numbers.md): while XLA may choose Triton for a product, it copies each
# layer's weights out of their stack; cuBLAS reads them where they are.
OPTIONS: dict[str, dict[str, bool]] = {'gpu': {'xla_gpu_enable_triton_gemm': False}}


def jit(function: Callable[..., Any], **how: Any) -> 'Compiled':
    """`jax.jit(function, **how)`, compiled for the platform of the mesh that is set.

    What XLA_FLAGS sets is left as it is.
    """
    return Compiled(function, how)


class Compiled:
    """What `jit` returns: a `jax.jit` of the function for each platform that was asked for.

    Attributes:
      function: the function that is compiled.
    """

    def __init__(self, function: Callable[..., Any], how: dict[str, Any]):
        functools.update_wrapper(self, function)
        self.function = function
        self._how = how
        self._by_platform: dict[str, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.here(*args, **kwargs)

    @property
    def here(self) -> Any:
        """The `jax.jit` for the platform of the mesh that is set, to trace or to lower."""
        name = platform()
        if name not in self._by_platform:
            options = {
                option: value
                for option, value in OPTIONS.get(name, {}).items()
                if option not in os.environ.get('XLA_FLAGS', '')
            }
            made = jax.jit(self.function, compiler_options=options or None, **self._how)
            self._by_platform[name] = made
        return self._by_platform[name]

    def forget(self) -> None:
        """Gives up what was compiled; a later call compiles it again, or finds it in the cache."""
        for program in self._by_platform.values():
            program.clear_cache()
