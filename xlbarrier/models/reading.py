"""`jit_decoder`: compiled functions that read a decoder and leave it as it is."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from xlbarrier.compiled import jit
from xlbarrier.models.decoder import Decoder


def jit_decoder(
    function: Callable[..., Any],
    static_argnums: tuple[int, ...] = (),
    donate_argnums: tuple[int, ...] = (),
) -> 'CompiledReader':
    """`compiled.jit` of a function whose first argument is a decoder that it does not change.

    `nnx.jit` gives a module's state back from every call, which copies every weight each time.

    Args:
      function: of a decoder, arrays and static values.
      static_argnums, donate_argnums: as of `jax.jit`, counted in `function`; never the decoder.
    """
    return CompiledReader(function, static_argnums, donate_argnums)


class CompiledReader:
    """What `jit_decoder` returns.

    Attributes:
      function: the function that is compiled.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: tuple[int, ...],
        donate_argnums: tuple[int, ...],
    ):
        functools.update_wrapper(self, function)
        self.function = function

        def run(graph: nnx.GraphDef, state: nnx.State, *args: Any, **kwargs: Any) -> Any:
            return function(nnx.merge(graph, state), *args, **kwargs)

        self._compiled = jit(
            run,
            static_argnums=(0, *(number + 1 for number in static_argnums)),
            donate_argnums=tuple(number + 1 for number in donate_argnums),
        )

    def __call__(self, decoder: Decoder, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*nnx.split(decoder), *args, **kwargs)

    def trace(self, decoder: Decoder, *args: Any, **kwargs: Any) -> jax.stages.Traced:
        """What a call with such arguments would compile; they may be abstract."""
        return self._compiled.here.trace(*nnx.split(decoder), *args, **kwargs)

    def forget(self) -> None:
        """Gives up what was compiled (`compiled.Compiled.forget`)."""
        self._compiled.forget()
