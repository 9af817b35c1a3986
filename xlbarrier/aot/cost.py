"""FLOPs of a traced step, counted from the shapes of its matrix products.

A product of [B, M, K] and [B, K, N] takes 2 B M K N FLOPs; every iteration of a scan counts. Only
products are counted, since published rates are for products.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
from jax.sharding import PartitionSpec

from xlbarrier.aot.chips import Chip

RATES = ('bfloat16', 'default', 'float32')


CUDNN_PRODUCTS = {  # of the queries' size by the keys' length
    'dot_product_attention_fwd_wrapper': 2,
    'dot_product_attention_bwd_wrapper': 5,
}


@dataclass(frozen=True)
class Flops:
    """FLOPs of matrix products by the rate at which they run (see `chips.Chip`).

    Attributes:
      bfloat16: both operands have 16 bits.
      default: an operand has 32 bits, at jax's default precision.
      float32: an operand has 32 bits, at the highest precision.
    """

    bfloat16: float = 0.0
    default: float = 0.0
    float32: float = 0.0

    @property
    def total(self) -> float:
        """The sum of all."""
        return self.bfloat16 + self.default + self.float32

    def seconds(self, chip: Chip) -> float:
        """Seconds that a chip needs at its published rates."""
        return (
            self.bfloat16 / chip.flops
            + self.default / chip.default_flops
            + self.float32 / chip.float32_flops
        )


def count(jaxpr: Any, axis_sizes: dict[str, int] | None = None) -> Flops:
    """The FLOPs of a (closed) jaxpr.

    Args:
      jaxpr: of a function traced on an explicit mesh, whose shapes carry their shardings.
      axis_sizes: devices along each axis of that mesh, to count the work of one device; None counts
        the whole work once, even if several devices compute the same.
    """
    totals = dict.fromkeys(RATES, 0.0)
    for equation, times in _equations(_open(jaxpr), 1, axis_sizes is None):
        name = equation.primitive.name
        if name == 'dot_general':
            totals[_rate(equation)] += times * _product(equation, axis_sizes)
        elif name in CUDNN_PRODUCTS:
            query, key = (v.aval.shape for v in equation.invars[:2])
            totals['bfloat16'] += times * CUDNN_PRODUCTS[name] * 2.0 * math.prod(query) * key[1]
    return Flops(**totals)


def _equations(jaxpr: Any, times: int, whole: bool) -> Iterator[tuple[Any, int]]:
    for equation in jaxpr.eqns:
        yield equation, times
        name, parameters = equation.primitive.name, equation.params
        if name == 'scan':
            inner = _open(parameters['jaxpr'])
            yield from _equations(inner, times * parameters['length'], whole)
        elif name == 'shard_map':  # its shapes are those of one device
            shards = math.prod(parameters['mesh'].shape.values()) if whole else 1
            yield from _equations(_open(parameters['jaxpr']), times * shards, whole)
        elif name == 'pallas_call':
            steps = math.prod(parameters['grid_mapping'].grid)
            yield from _equations(_open(parameters['jaxpr']), times * steps, whole)
        elif name == 'cond':
            yield from max(
                (
                    list(_equations(_open(branch), times, whole))
                    for branch in parameters['branches']
                ),
                key=lambda found: sum(
                    n * _product(e, None) for e, n in found if e.primitive.name == 'dot_general'
                ),
            )
        else:  # pjit, checkpoint, custom_vjp, while (trip count unknown: once)
            for inner in jax.tree.leaves(list(parameters.values()), is_leaf=_is_jaxpr):
                if _is_jaxpr(inner):
                    yield from _equations(_open(inner), times, whole)


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, 'eqns') or hasattr(value, 'jaxpr')


def _open(jaxpr: Any) -> Any:
    return jaxpr if hasattr(jaxpr, 'eqns') and not hasattr(jaxpr, 'jaxpr') else jaxpr.jaxpr


def _product(equation: Any, axis_sizes: dict[str, int] | None) -> float:
    left, right = (v.aval for v in equation.invars)
    (_, summed), (_, batch) = equation.params['dimension_numbers']
    free = [d for i, d in enumerate(right.shape) if i not in (*summed, *batch)]
    flops = 2.0 * math.prod(left.shape) * math.prod(free)
    if axis_sizes is None:
        return flops
    axes = set()
    for aval in (left, right, equation.outvars[0].aval):
        axes |= _axes(aval.sharding.spec)
    return flops / math.prod(axis_sizes[axis] for axis in axes)


def _axes(spec: PartitionSpec) -> set[str]:
    found = set()
    for part in spec:
        if part is not None:
            found |= set(part) if isinstance(part, tuple) else {part}
    return found


def _rate(equation: Any) -> str:
    if all(v.aval.dtype.itemsize <= 2 for v in equation.invars):
        return 'bfloat16'
    precision = equation.params['precision']
    exact = precision is not None and jax.lax.Precision.HIGHEST in tuple(precision)
    return 'float32' if exact else 'default'
