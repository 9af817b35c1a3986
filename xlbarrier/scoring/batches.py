"""Which prompts are continued together, and which of their tokens are computed once for all."""

from collections.abc import Sequence
from dataclasses import dataclass

from xlbarrier.models.config import DecoderConfig

BUCKET = 32  # shortest row
SCORES_BYTES = 1 << 30  # of attention scores of one layer on a device, while prompts are computed
# Tokens whose computation costs more than compiling and computing a beginning by itself.
BEGINNING = 512


@dataclass(frozen=True)
class Batch:
    """Prompts that are computed and continued together.

    Attributes:
      numbers: of the prompts.
      rows: B, at least as many.
      shared: P, tokens with which all of them begin; they are computed once for all batches of
        the same beginning.
      length: T, of the longest prompt's other tokens, rounded up to a bucket.
    """

    numbers: tuple[int, ...]
    rows: int
    shared: int
    length: int


class Planner:
    """Makes batches; a pure function of the prompts, the model's shapes and the devices."""

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        c: DecoderConfig,
        *,
        shards: int = 1,
        tensor: int = 1,
        rows_per_device: int = 8,
    ):
        """Args:
        prompts: ids, the longest first.
        c: the model's shapes.
        shards, tensor: devices that share the rows, and the heads.
        rows_per_device: at most.
        """
        self._prompts, self._c = prompts, c
        self._shards, self._heads = shards, c.num_heads // tensor
        self._most = min(rows_per_device, _power(-(-len(prompts) // shards)))
        self._sizes = _sizes(c.max_positions)

    def plan(self) -> list[Batch]:
        """Batches of prompts of like lengths that begin alike, where that saves work."""
        return self._best(range(len(self._prompts)), 0)

    def _best(self, numbers: Sequence[int], level: int) -> list[Batch]:
        """The cheapest batches of prompts that share the first `sizes[level]` tokens."""
        alike = self._batches(numbers, self._sizes[level])
        if len(numbers) < 2 or level + 1 == len(self._sizes):
            return alike
        size = self._sizes[level + 1]
        groups: dict[tuple[int, ...], list[int]] = {}
        rest = []
        for number in numbers:
            ids = self._prompts[number]
            if len(ids) > size:
                groups.setdefault(tuple(ids[:size]), []).append(number)
            else:
                rest.append(number)
        rest += [group[0] for group in groups.values() if len(group) == 1]
        several = [group for group in groups.values() if len(group) > 1]
        if not several:
            return alike
        split = [batch for group in several for batch in self._best(group, level + 1)]
        split += self._batches(sorted(rest), self._sizes[level])
        return split if self._cost(split) < self._cost(alike) else alike

    def _batches(self, numbers: Sequence[int], shared: int) -> list[Batch]:
        batches, start = [], 0
        while start < len(numbers):
            longest = len(self._prompts[numbers[start]])
            length = min(_bucket(longest - shared), self._c.max_positions - shared)
            each = 4 * self._heads * length * (shared + length)
            rows = self._most
            while rows > 1 and rows * each > SCORES_BYTES:
                rows = -(-rows // 2)
            some = tuple(numbers[start : start + rows * self._shards])
            batches.append(Batch(some, rows * self._shards, shared, length))
            start += len(some)
        return batches

    def _cost(self, batches: Sequence[Batch]) -> int:
        """Tokens that are computed, with what a beginning costs."""
        begun = {tuple(self._prompts[b.numbers[0]][: b.shared]) for b in batches if b.shared}
        tokens = sum(b.rows * b.length for b in batches)
        return tokens + sum(len(ids) * self._shards + BEGINNING for ids in begun)


def columns(batch: Batch, new: int) -> int:
    """Columns of the cache, where `new` tokens are written; the last is never an input."""
    return -(-(batch.shared + batch.length + new - 1) // BUCKET) * BUCKET


def _sizes(limit: int) -> list[int]:
    """0, and the buckets below a limit."""
    sizes = [0]
    while (size := _bucket(sizes[-1] + 1)) < limit:
        sizes.append(size)
    return sizes


def _bucket(length: int) -> int:
    """32, 48, 64, 96, 128 ...: at most half of a row is padding."""
    size = BUCKET
    while size < length:
        if size * 3 // 2 >= length:
            return size * 3 // 2
        size *= 2
    return size


def _power(count: int) -> int:
    return 1 << max(0, count - 1).bit_length()
