"""What is asked of a model: the log-likelihood of a continuation after a context."""

import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from xlbarrier.errors import InputError


@dataclass(frozen=True, eq=False, slots=True)
class Request:
    """Token ids of a context and of the continuation whose log-likelihood is asked for.

    The ids are kept as C ints, four bytes each; an `array('i')` is kept as it is, so that requests
    may share one context (see `with_shared_contexts`). Equal ids make equal requests.
    """

    context: 'array.array[int]'
    continuation: 'array.array[int]'

    def __init__(self, context: Sequence[int], continuation: Sequence[int]):
        object.__setattr__(self, 'context', _ids(context))
        object.__setattr__(self, 'continuation', _ids(continuation))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        return self.context == other.context and self.continuation == other.continuation

    def __hash__(self) -> int:
        return hash((self.context.tobytes(), self.continuation.tobytes()))


def with_shared_contexts(pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> list[Request]:
    """Requests from (context ids, continuation ids); equal contexts in a run are stored once."""
    requests: list[Request] = []
    for context, continuation in pairs:
        ids = _ids(context)
        if requests and requests[-1].context == ids:
            ids = requests[-1].context
        requests.append(Request(ids, continuation))
    return requests


def check(request: Request, number: int, max_positions: int, vocab_size: int) -> None:
    """Refuses what cannot be scored.

    Raises:
      ValueError: naming the request, when it has no context, no continuation, more tokens than the
        model has positions, or a token that the model does not have.
    """
    length = len(request.context) + len(request.continuation)
    if not request.continuation:
        raise InputError(f'request {number}: the continuation has no token')
    if not request.context:
        raise InputError(
            f'request {number}: the context has no token (and no BOS), so that the first token of'
            ' the continuation cannot be predicted'
        )
    if length - 1 > max_positions:
        raise InputError(
            f'request {number} has {length} tokens; the model takes {max_positions} positions and'
            ' the token they predict: shorten its context'
        )
    ids = [np.frombuffer(part, np.int32) for part in (request.context, request.continuation)]
    low, high = min(int(x.min()) for x in ids), max(int(x.max()) for x in ids)
    if low < 0 or high >= vocab_size:
        raise InputError(
            f'request {number} has token {low if low < 0 else high}; the model has 0 to'
            f' {vocab_size - 1}: use the tokenizer of the same model'
        )


def _ids(ids: Sequence[int]) -> 'array.array[int]':
    if isinstance(ids, array.array) and ids.typecode == 'i':
        return ids
    try:
        return array.array('i', ids)
    except OverflowError as error:
        raise InputError(f'a token id does not fit in 32 bits: {max(ids, key=abs)}') from error
