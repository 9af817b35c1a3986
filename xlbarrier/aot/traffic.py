"""What a compiled program moves: collectives between chips, bytes between a chip and its HBM.

Every iteration of a loop counts, unlike in XLA's own `cost_analysis`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from xlbarrier.aot.hlo import HBM, Computation, Instruction, Module, Shape, group_size

KINDS = (
    'all-gather',
    'all-reduce',
    'reduce-scatter',
    'all-to-all',
    'ragged-all-to-all',
    'collective-permute',
    'collective-broadcast',
)
# These name, order or reinterpret arrays; no data moves.
FREE = {
    'parameter',
    'constant',
    'tuple',
    'get-tuple-element',
    'bitcast',
    'after-all',
    'while',
    'conditional',
    'call',
    'partition-id',
    'replica-id',
    'optimization-barrier',
    'async-start',
    'async-update',
    'async-done',
    'copy-done',
    'slice-done',
    'send',
    'recv',
    'domain',
}
FREE_CALLS = ('ConcatBitcast', 'AllocateBuffer', 'AssumeGatherIndicesInBound', 'AsyncCollective')
SLICES = ('dynamic-slice', 'slice', 'gather')


@dataclass(frozen=True)
class Collective:
    """All collectives of one kind in one step, as seen from one chip.

    Attributes:
      count: how many run.
      bytes: of the whole arrays that are gathered or reduced.
      wire_bytes: sent by each chip in a ring: (n - 1) / n of `bytes` for a gather, a scatter or an
        all-to-all among n chips, twice that for an all-reduce.
    """

    count: int
    bytes: int
    wire_bytes: int


def collectives(module: Module) -> dict[str, Collective]:
    """The collectives of a program by kind, without those within one chip."""
    counts, sizes, wires = (
        dict.fromkeys(KINDS, 0),
        dict.fromkeys(KINDS, 0),
        dict.fromkeys(KINDS, 0.0),
    )
    for computation, times in module.walk():
        seen: set[tuple[str, str | None]] = set()
        for kind, instruction in _exchanges(module, computation):
            # An asynchronous gather of a TPU occurs in its start, in the fusions that overlap with
            # it and in its end, each time with the same channel.
            channel = instruction.attribute('channel_id')
            if channel is not None and (kind, channel) in seen:
                continue
            seen.add((kind, channel))
            size = group_size(instruction.rest, module.partitions)
            if kind == 'collective-permute':
                size = 2  # everything is sent
            if size < 2:
                continue
            whole = _payload(kind, instruction, computation, module)
            counts[kind] += int(times)
            sizes[kind] += int(times) * whole
            wires[kind] += times * _on_the_wire(kind, whole, size)
    return {
        kind: Collective(counts[kind], sizes[kind], round(wires[kind]))
        for kind in KINDS
        if counts[kind]
    }


def hbm_bytes(module: Module) -> int:
    """Bytes that a chip reads from and writes to its HBM in one step.

    An instruction reads its operands and writes its result if they are in HBM. A fusion that
    takes a slice reads only the slice; one that updates a slice in place writes only the slice.
    """
    return round(
        sum(
            times * sum(_moved(module, computation, i) for i in computation)
            for computation, times in module.walk()
        )
    )


def _exchanges(module: Module, computation: Computation) -> Iterator[tuple[str, Instruction]]:
    """The collectives of a computation and of the fusions in it."""
    for instruction in computation:
        if instruction.opcode == 'fusion':
            inner = module.computations[instruction.called[0]]
            for kind, found in _exchanges(module, inner):
                scatters = kind == 'all-reduce' and inner.name.startswith('all-reduce-scatter')
                yield ('reduce-scatter' if scatters else kind), found
        elif instruction.opcode == 'async-start':
            continue  # the computation that it calls is visited on its own
        else:
            kind = instruction.opcode.removesuffix('-start')
            if kind in KINDS:
                yield kind, instruction


def _payload(kind: str, instruction: Instruction, computation: Computation, module: Module) -> int:
    results = [shape.bytes for shape in instruction.shapes]
    if kind == 'reduce-scatter' and instruction.opcode == 'reduce-scatter':
        size = group_size(instruction.rest, module.partitions)
        return sum(results) * size
    if instruction.opcode.endswith('-start') and kind in ('all-gather', 'collective-permute'):
        # (operands..., results..., contexts): as many results as operands
        arrays = [shape.bytes for shape in instruction.shapes if shape.dims or len(results) == 2]
        half = len(instruction.operands)
        return sum(arrays[half : 2 * half])
    return sum(results)


def _on_the_wire(kind: str, whole: int, size: int) -> float:
    if kind in ('collective-permute', 'collective-broadcast'):
        return whole
    share = (size - 1) / size
    return (2 if kind == 'all-reduce' else 1) * share * whole


def _moved(module: Module, computation: Computation, instruction: Instruction) -> int:
    opcode = instruction.opcode
    if opcode in FREE or opcode.endswith('-done'):
        return 0
    if opcode == 'custom-call' and any(
        f'custom_call_target="{name}' in instruction.rest for name in FREE_CALLS
    ):
        return 0
    operands = [
        computation.instructions[name].shapes
        for name in instruction.operands
        if name in computation.instructions
    ]
    written = _in_hbm(instruction.shapes)
    if opcode == 'fusion':
        return _moved_by_fusion(module.computations[instruction.called[0]], instruction, operands)
    if opcode == 'copy-start':  # (destination, source, context)
        return sum(_in_hbm((shape,)) for shape in instruction.shapes[:2])
    if opcode == 'slice-start':
        taken = instruction.shapes[-2]
        return _in_hbm((taken,)) + (taken.bytes if _in_hbm(operands[0]) else 0)
    if opcode in SLICES:
        return written + (sum(s.bytes for s in instruction.shapes) if _in_hbm(operands[0]) else 0)
    if opcode == 'dynamic-update-slice':
        return _in_hbm(operands[1]) + (_all(operands[1]) if written else 0)
    if opcode == 'scatter':
        return _in_hbm(operands[1]) + 2 * _in_hbm(operands[2])
    if opcode.endswith('-start') and opcode.removesuffix('-start') in KINDS:
        return written  # its tuple contains operands and results
    return written + sum(_in_hbm(shapes) for shapes in operands)


def _moved_by_fusion(
    inner: Computation, call: Instruction, operands: list[tuple[Shape, ...]]
) -> int:
    aliased = dict(re.findall(r'\{(\d*)\}: \((\d+), \{\}', call.rest))
    exchanges = any(i.opcode.removesuffix('-start') in KINDS for i in inner)
    users: dict[str, list[Instruction]] = {}
    for instruction in inner:
        for name in instruction.operands:
            users.setdefault(name, []).append(instruction)
    moved = 0
    for parameter in inner:
        if parameter.opcode != 'parameter':
            continue
        number = int(parameter.inside)
        if exchanges and str(number) in aliased.values():
            continue  # a buffer that passes through during an exchange
        moved += _read(parameter, users, operands[number] if number < len(operands) else ())
    roots = [inner.result] * len(call.shapes)
    if inner.result.opcode == 'tuple':
        roots = [inner.instructions[name] for name in inner.result.operands]
    for i, (root, shape) in enumerate(zip(roots, call.shapes, strict=False)):
        if exchanges and (str(i) in aliased or '' in aliased):
            continue
        if shape.space == HBM:
            moved += _updated(inner, root) or shape.bytes
    return moved


def _read(
    parameter: Instruction, users: dict[str, list[Instruction]], outside: tuple[Shape, ...]
) -> int:
    """Bytes that a fusion reads of a parameter: only slices of it, if it takes only slices."""
    if not _in_hbm(outside):
        return 0
    taken, names = 0, [parameter.name]
    while names:
        name = names.pop()
        for user in users.get(name, ()):
            if user.opcode == 'bitcast':
                names.append(user.name)
            elif user.opcode in SLICES and user.operands[0] == name:
                taken += _all(user.shapes)
            elif not (user.opcode == 'dynamic-update-slice' and user.operands[0] == name):
                return _all(outside)
    return taken


def _updated(inner: Computation, root: Instruction) -> int:
    """Bytes of the slice that a result updates in place; 0 for any other result."""
    while root.opcode == 'bitcast':
        root = inner.instructions[root.operands[0]]
    if root.opcode == 'dynamic-update-slice':
        return _all(inner.instructions[root.operands[1]].shapes)
    return 0


def _in_hbm(shapes: tuple[Shape, ...]) -> int:
    return sum(shape.bytes for shape in shapes if shape.space == HBM)


def _all(shapes: tuple[Shape, ...]) -> int:
    return sum(shape.bytes for shape in shapes)
