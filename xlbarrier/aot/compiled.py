"""Compiles a step and measures its cost."""

import dataclasses
import re
import time
from typing import Any

import jax

from xlbarrier.aot import hlo, traffic
from xlbarrier.aot.chips import GIB, Chip
from xlbarrier.aot.steps import Step
from xlbarrier.aot.topology import TopologyError

# libtpu: 'Used 20.51G of 15.75G hbm', or 'temporaries (32.26G) exceeds available HBM (15.75G)'
_USED = re.compile(r'Used ([\d.]+[KMGT]?) of ([\d.]+[KMGT]?) hbm')
_EXCEEDS = re.compile(r'\(([\d.]+[KMGT]?)\) exceeds available HBM \(([\d.]+[KMGT]?)\)')
_UNITS = {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': GIB, 'T': 1 << 40}


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes of a chip's HBM; None if the compiler gave up before it could report them.

    Attributes:
      parameters, optimizer: inputs of the step and, in training, outputs.
      temporaries: activations, gradients and buffers of collectives.
      other: the batch, outputs that replace no input, and the program itself.
      needed: the sum of these, which must be free for the step to run.
      live: the most in use at one time; `needed` also includes gaps between buffers.
      available: what a program may use, if that is less than the chip has.
    """

    parameters: int
    optimizer: int
    temporaries: int | None = None
    other: int | None = None
    needed: int | None = None
    live: int | None = None
    available: int | None = None


@dataclasses.dataclass(frozen=True)
class Bound:
    """Lower bounds of the seconds of one step, assuming that all work overlaps perfectly.

    Attributes:
      compute: matrix products at the published rate.
      hbm: bytes to and from HBM at its published rate.
      links: bytes that a chip sends, over all its links at once.
    """

    compute: float
    hbm: float
    links: float

    @property
    def seconds(self) -> float:
        """The largest of the three."""
        return max(self.compute, self.hbm, self.links)

    @property
    def by(self) -> str:
        """Which of the three is the largest."""
        return max(('compute', 'hbm', 'links'), key=lambda name: getattr(self, name))


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of one step on one chip; the last three are None if the step was not compiled."""

    step: Step
    chip: Chip
    chips: int
    memory: Memory
    fits: bool
    compile_seconds: float | None
    said: str  # the compiler's own message, if the step does not fit
    notes: tuple[str, ...]
    hbm_bytes: int | None = None
    collectives: dict[str, traffic.Collective] | None = None
    bound: Bound | None = None

    @property
    def mfu(self) -> float | None:
        """Upper bound of the model FLOPs utilisation (PaLM, arXiv 2204.02311, appendix B)."""
        if self.bound is None:
            return None
        return self.step.model_flops / (self.bound.seconds * self.chips * self.chip.flops)


def measure(step: Step, chip: Chip, chips: int) -> Cost:
    """Compiles the step for the devices of its shapes.

    Raises:
      TopologyError: if the compiler refuses the step for a reason other than memory.
    """
    state = step.parameter_bytes + step.optimizer_bytes
    available = chip.free_bytes if chip.kept_bytes else None
    memory = Memory(step.parameter_bytes, step.optimizer_bytes, available=available)
    if state > chip.free_bytes:
        said = 'not compiled: parameters and optimizer alone are more than the chip has free'
        return Cost(step, chip, chips, memory, False, None, said, ())
    began = time.monotonic()
    try:
        compiled = step.traced.lower().compile()
    except jax.errors.JaxRuntimeError as error:
        text = str(error)
        seconds = time.monotonic() - began
        if 'RESOURCE_EXHAUSTED' not in text:
            raise TopologyError(
                f'the compiler refuses the {step.name} step for {chips} {chip.name}: {text}'
            ) from error
        memory = _refused(memory, text)
        return Cost(step, chip, chips, memory, False, seconds, text.strip().split('\n')[0], ())
    seconds = time.monotonic() - began
    memory = _reported(memory, compiled.memory_analysis())
    module = hlo.parse(compiled.as_text())
    exchanges = traffic.collectives(module)
    moved = traffic.hbm_bytes(module)
    sent = sum(exchange.wire_bytes for exchange in exchanges.values())
    bound = Bound(step.flops.seconds(chip), moved / chip.hbm_rate, sent / chip.link_rate)
    notes = tuple(
        f'the trip count of loop {name} is unknown: its body is counted once'
        for name in module.unknown_loops
    )
    fits = (
        memory.needed is not None and memory.needed <= chip.free_bytes
    )  # the compiler itself compares `live` with it
    said = '' if fits else 'it compiles, but needs more than the chip has free'
    return Cost(step, chip, chips, memory, fits, seconds, said, notes, moved, exchanges, bound)


def _reported(memory: Memory, stats: Any) -> Memory:
    state = memory.parameters + memory.optimizer
    kept = stats.argument_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes
    other = kept - state + stats.generated_code_size_in_bytes
    return dataclasses.replace(
        memory,
        temporaries=stats.temp_size_in_bytes,
        other=other,
        needed=state + other + stats.temp_size_in_bytes,
        live=getattr(stats, 'peak_memory_in_bytes', None),
    )


def _refused(memory: Memory, text: str) -> Memory:
    found = _USED.search(text) or _EXCEEDS.search(text)
    if not found:
        return memory
    return dataclasses.replace(memory, needed=_bytes(found[1]), available=_bytes(found[2]))


def _bytes(text: str) -> int:
    unit = text[-1] if text[-1] in _UNITS else ''
    return round(float(text.removesuffix(unit)) * _UNITS[unit])
