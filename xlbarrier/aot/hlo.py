"""Parses compiled HLO text: computations, instructions, shapes, and the trip count of each loop.

The text is that of `jax.stages.Compiled.as_text()`, the program of one device. Only what the costs
need is parsed; an unknown instruction keeps its name and its operands.
"""

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from xlbarrier.errors import InputError

BITS = {
    'pred': 8,
    'token': 0,
    'opaque': 0,
}  # the others contain their width: bf16, f8e4m3fn, s32, u4, c64
HBM = 0  # memory space; the others (S(1) and up) are on the chip
_LEAF = re.compile(r'([a-z][a-z0-9]*)\[([\d,<=?]*)\](?:\{([^{}]*)\})?')
_SPACE = re.compile(r'S\((\d+)\)')
_HEAD = re.compile(r'^(ENTRY )?%?([\w.\-]+) (?:\(.*)?\{$')
_NAME = re.compile(r'^\s+(ROOT )?%?([\w.\-]+) = ')
_END = re.compile(r'^}(?:, execution_thread=.*)?\s*$')
_REFERENCE = re.compile(r'%([\w.\-]+)')
_GROUPS_MESH = re.compile(r'replica_groups=mesh\[([^\]]*)\](?: device_ids=\S+)? \{([^}]*)\}')
_GROUPS_IOTA = re.compile(r'replica_groups=\[(\d+),(\d+)\]<=')
_GROUPS_LIST = re.compile(r'replica_groups=\{\{([\d,]*)\}')
_AXIS = re.compile(r"'([^']+)'(?:=(\d+)|:\((\d+)\)(\d+))?")


class HloError(InputError):
    """Text that is not the HLO of a compiled program."""


@dataclass(frozen=True)
class Shape:
    """One array of an instruction's result.

    Attributes:
      dtype: HLO's name, `bf16`.
      dims: sizes.
      space: memory space; HBM is 0.
    """

    dtype: str
    dims: tuple[int, ...]
    space: int = HBM

    @property
    def bytes(self) -> int:
        """Bytes of the values, without the padding of tiles."""
        bits = BITS.get(self.dtype)
        if bits is None:
            width = re.search(r'\d+', self.dtype)
            if width is None:
                raise HloError(f'the HLO has an array of type {self.dtype!r}; its width is unknown')
            bits = int(width[0])
        return -(-math.prod(self.dims) * bits // 8)


@dataclass
class Instruction:
    """One line.

    Attributes:
      name: without the percent sign.
      opcode: `all-gather-start`, `fusion`, ...
      shapes: the arrays of the result; tuples are flattened.
      operands: names of instructions of the same computation.
      inside: the text between the parentheses, for parameters and constants.
      rest: the attributes.
    """

    name: str
    opcode: str
    shapes: tuple[Shape, ...]
    operands: tuple[str, ...]
    inside: str
    rest: str

    @functools.cached_property
    def called(self) -> tuple[str, ...]:
        """Computations that a fusion, call, while or conditional names."""
        found = re.findall(
            r'(?:calls|body|condition|true_computation|false_computation)=%?([\w.\-]+)', self.rest
        )
        branches = re.search(r'(?:branch_computations|called_computations)=\{([^}]*)\}', self.rest)
        if branches:
            found += re.findall(r'%?([\w.\-]+)', branches[1])
        if self.opcode in ('call', 'async-start'):
            found += re.findall(r'to_apply=%?([\w.\-]+)', self.rest)
        return tuple(found)

    def attribute(self, name: str) -> str | None:
        """The word after `name=`."""
        found = re.search(rf'\b{name}=%?([\w.\-]+)', self.rest)
        return found[1] if found else None

    def need(self, name: str) -> str:
        """The word after `name=`.

        Raises:
          HloError: if there is none.
        """
        value = self.attribute(name)
        if value is None:
            raise HloError(f'HLO instruction {self.name} ({self.opcode}) has no {name}=')
        return value


@dataclass
class Computation:
    """A block of instructions, in the order of the text."""

    name: str
    instructions: dict[str, Instruction] = field(default_factory=dict)
    root: Instruction | None = None

    def __iter__(self) -> Iterator[Instruction]:
        return iter(self.instructions.values())

    @property
    def result(self) -> Instruction:
        """The root.

        Raises:
          HloError: if the text marks none.
        """
        if self.root is None:
            raise HloError(f'HLO computation {self.name} has no ROOT')
        return self.root


@dataclass
class Module:
    """A compiled program.

    Attributes:
      computations: by name.
      entry: name of the computation that runs first.
      partitions: number of devices that the program is split over.
      unknown_loops: names of loops whose trip count is unknown; they count as one iteration.
    """

    computations: dict[str, Computation]
    entry: str
    partitions: int
    unknown_loops: list[str] = field(default_factory=list)

    def walk(self) -> Iterator[tuple[Computation, float]]:
        """Each computation that runs on its own (not inside a fusion), and how often it runs.

        Every branch of a conditional counts as taken.
        """
        stack = [(self.entry, 1.0)]
        while stack:
            name, times = stack.pop()
            computation = self.computations[name]
            yield computation, times
            for instruction in computation:
                if instruction.opcode == 'while':
                    turns = self.turns(computation, instruction)
                    stack.append((instruction.need('body'), times * turns))
                elif instruction.opcode in ('call', 'conditional', 'async-start'):
                    stack += [(other, times) for other in instruction.called]

    def turns(self, computation: Computation, loop: Instruction) -> int:
        """Iterations of a while loop: from XLA's annotation, or from counter, limit and step."""
        noted = re.search(r'known_trip_count[\'"]?:\{[\'"]?n[\'"]?:[\'"]?(\d+)', loop.rest)
        if noted:
            return int(noted[1])
        turns = self._counted(computation, loop)
        if turns is None:
            if loop.name not in self.unknown_loops:
                self.unknown_loops.append(loop.name)
            return 1
        return turns

    def _counted(self, computation: Computation, loop: Instruction) -> int | None:
        condition = self.computations[loop.need('condition')]
        inside, compare = condition, condition.result
        bound: dict[str, tuple[Computation, Instruction]] = {}
        if compare.opcode == 'fusion':  # its parameters are the operands outside
            inner = self.computations[compare.called[0]]
            bound = _bound(inner, condition, compare)
            inside, compare = inner, inner.result
        if compare.opcode != 'compare':
            return None
        index, limit = None, None
        for name in compare.operands:
            where, instruction = bound.get(name) or (inside, inside.instructions[name])
            instruction = _through_copies(where, instruction)
            if instruction.opcode == 'constant':
                limit = _number(instruction)
            elif instruction.opcode == 'get-tuple-element':
                index = int(instruction.need('index'))
        if index is None or limit is None:
            return None
        start = self._start(computation, loop, index)
        step = self._step(self.computations[loop.need('body')], index)
        if start is None or not step:
            return None
        if compare.attribute('direction') == 'LE':
            limit += 1
        elif compare.attribute('direction') not in ('LT', 'NE'):
            return None
        return max(0, -(-(limit - start) // step))

    def _start(self, computation: Computation, loop: Instruction, index: int) -> int | None:
        initial = computation.instructions.get(loop.operands[0])
        if initial is None or initial.opcode != 'tuple':
            return None
        value = computation.instructions[initial.operands[index]]
        value = _through_copies(computation, value)
        return _number(value) if value.opcode == 'constant' else None

    def _step(self, body: Computation, index: int) -> int | None:
        """What the body adds to the counter in each iteration."""
        if body.result.opcode != 'tuple':
            return None
        inside = body
        value = _through_copies(body, body.instructions[body.result.operands[index]])
        if value.opcode == 'get-tuple-element':  # of a fusion with several results
            number = int(value.need('index'))
            value = body.instructions[value.operands[0]]
            if value.opcode != 'fusion':
                return None
            inside = self.computations[value.called[0]]
            bound = _bound(inside, body, value)
            value = inside.instructions[inside.result.operands[number]]
        elif value.opcode == 'fusion':
            inside = self.computations[value.called[0]]
            bound = _bound(inside, body, value)
            value = inside.result
        else:
            bound = {}
        if value.opcode != 'add':
            return None
        for name in value.operands:
            where, operand = bound.get(name, (inside, inside.instructions[name]))
            operand = _through_copies(where, operand)
            if operand.opcode == 'constant':
                return _number(operand)
        return None


def parse(text: str) -> Module:
    """Parses a module.

    Raises:
      HloError: if there is no entry computation.
    """
    computations: dict[str, Computation] = {}
    entry: str | None = None
    current: Computation | None = None
    instruction = ''
    for line in text.splitlines():
        if current is None:
            head = _HEAD.match(line)
            if head and not line.startswith('HloModule'):
                current = Computation(head[2])
                computations[current.name] = current
                entry = head[2] if head[1] else entry
        elif _END.match(line) or _NAME.match(line):
            _add(current, instruction)
            instruction = line
            if not _NAME.match(line):
                current, instruction = None, ''
        else:  # attributes of a kernel can have lines of their own
            instruction += line
    if entry is None:
        raise HloError(f'no ENTRY computation in the {len(text):,} characters of HLO text')
    partitions = re.search(r'num_partitions=(\d+)', text[:100_000])
    return Module(computations, entry, int(partitions[1]) if partitions else 1)


def shapes(text: str) -> tuple[Shape, ...]:
    """The arrays named in a type, `(bf16[2,3]{1,0:T(8,128)S(1)}, u32[])`."""
    found = []
    for dtype, dims, layout in _LEAF.findall(text):
        space = _SPACE.search(layout)
        sizes = tuple(int(re.sub(r'\D', '', d) or 0) for d in dims.split(',') if d)
        found.append(Shape(dtype, sizes, int(space[1]) if space else HBM))
    return tuple(found)


def group_size(rest: str, partitions: int) -> int:
    """Devices of one group of a collective, from its attributes in any of XLA's three notations."""
    mesh = _GROUPS_MESH.search(rest)
    if mesh:
        sizes = {name: int(size) for name, size, _, _ in _AXIS.findall(mesh[1])}
        return math.prod(
            int(part) if part else sizes[name] for name, _, _, part in _AXIS.findall(mesh[2])
        )
    iota = _GROUPS_IOTA.search(rest)
    if iota:
        return int(iota[2])
    listed = _GROUPS_LIST.search(rest)
    return listed[1].count(',') + 1 if listed else partitions


def _add(computation: Computation, line: str) -> None:
    head = _NAME.match(line)
    if head is None:
        return
    kind_end = _type_end(line, head.end())
    opcode, _, _ = line[kind_end:].lstrip().partition('(')
    start = line.index('(', kind_end) + 1
    end = _closing(line, start)
    inside = line[start:end]
    instruction = Instruction(
        head[2],
        opcode.strip(),
        shapes(line[head.end() : kind_end]),
        tuple(_REFERENCE.findall(inside)),
        inside,
        line[end + 1 :],
    )
    computation.instructions[instruction.name] = instruction
    if head[1]:
        computation.root = instruction


def _type_end(line: str, start: int) -> int:
    """Where the result's type ends: at the first space outside all parentheses."""
    depth = 0
    for i in range(start, len(line)):
        char = line[i]
        if char in '({':
            depth += 1
        elif char in ')}':
            depth -= 1
        elif char == ' ' and depth == 0:
            return i
    return len(line)


def _closing(line: str, start: int) -> int:
    depth = 1
    for i in range(start, len(line)):
        depth += (line[i] == '(') - (line[i] == ')')
        if depth == 0:
            return i
    return len(line)


def _bound(
    inner: Computation, outer: Computation, call: Instruction
) -> dict[str, tuple[Computation, Instruction]]:
    """The instructions outside a fused computation that its parameters refer to."""
    return {
        i.name: (outer, outer.instructions[call.operands[int(i.inside)]])
        for i in inner
        if i.opcode == 'parameter'
    }


def _through_copies(computation: Computation, instruction: Instruction) -> Instruction:
    while instruction.opcode in ('copy', 'bitcast', 'copy-done', 'copy-start', 'reshape'):
        instruction = computation.instructions[instruction.operands[0]]
    return instruction


def _number(constant: Instruction) -> int | None:
    return int(constant.inside) if re.fullmatch(r'-?\d+', constant.inside) else None
