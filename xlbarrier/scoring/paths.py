"""Requests as sorted paths of a prefix tree.

A request's path is every token that is an input: the last token of a continuation is only
predicted. Requests on the same path, and on a beginning of another's path, share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlbarrier.scoring.request import Request


@dataclass(frozen=True)
class Asked:
    """Where a path is asked: `request` predicts its continuation from position `start` on."""

    request: int
    start: int


@dataclass(frozen=True)
class Paths:
    """M distinct paths in the order of their tokens, none the beginning of another.

    Attributes:
      ids: int32 [length] of each.
      lengths: int64 [M].
      common: int64 [M], tokens with which a path begins as the path before it does.
      first_asked: int64 [M], the first position of a path that predicts something.
      asked: of each path, its requests, in the order of their tokens.
    """

    ids: list[np.ndarray]
    lengths: np.ndarray
    common: np.ndarray
    first_asked: np.ndarray
    asked: list[list[Asked]]

    def __len__(self) -> int:
        return len(self.ids)

    def size(self, first: int, last: int, depth: int) -> int:
        """Nodes below `depth` of paths `first` to `last` - 1, which share so many tokens."""
        own = self.lengths[first + 1 : last] - self.common[first + 1 : last]
        return int(self.lengths[first]) - depth + int(own.sum())


def arrange(requests: Sequence[Request]) -> Paths:
    """The paths of distinct, checked requests; the same in whatever order the requests come."""
    by_path: dict[bytes, list[int]] = {}
    for number, request in enumerate(requests):
        nodes = request.context + request.continuation[:-1]
        # Of such bytes, the order is that of the tokens.
        by_path.setdefault(np.asarray(nodes, '>i4').tobytes(), []).append(number)

    def order(number: int) -> tuple:
        request = requests[number]
        return len(request.context), request.continuation.tolist()

    ids: list[np.ndarray] = []
    common: list[int] = []
    asked: list[list[Asked]] = []
    for key in sorted(by_path):
        path = np.frombuffer(key, '>i4').astype(np.int32)
        numbers = sorted(by_path[key], key=order)
        shared = common_length(ids[-1], path) if ids else 0
        found = [Asked(n, len(requests[n].context) - 1) for n in numbers]
        if ids and shared == len(ids[-1]):  # the path before is the beginning of this one
            asked[-1] += found
            ids[-1] = path
        else:
            ids.append(path)
            common.append(shared)
            asked.append(found)
    return Paths(
        ids,
        np.array([len(path) for path in ids], np.int64),
        np.array(common, np.int64),
        np.array([min(a.start for a in each) for each in asked], np.int64),
        asked,
    )


def common_length(a: np.ndarray, b: np.ndarray) -> int:
    """How many tokens two paths begin with alike."""
    count = min(len(a), len(b))
    differs = a[:count] != b[:count]
    first = int(differs.argmax()) if count else 0
    return first if count and differs[first] else count
