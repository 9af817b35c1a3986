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


def check_all(requests: Sequence[Request], max_positions: int, vocab_size: int) -> None:
    """`check` of each request; the tokens of a context that requests in a run share are read once.

    Raises:
      ValueError: as `check`.
    """
    before = None
    for number, request in enumerate(requests):
        known = request.context is before
        check(request, number, max_positions, vocab_size, known_context=known)
        before = request.context


def check(
    request: Request,
    number: int,
    max_positions: int,
    vocab_size: int,
    *,
    known_context: bool = False,
) -> None:
    """Refuses what cannot be scored.

    Args:
      request: to look at.
      number: names it in the message.
      max_positions, vocab_size: of the model.
      known_context: whether the tokens of its context have been looked at.

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
    low, high = min(request.continuation), max(request.continuation)
    if not known_context:
        context = np.frombuffer(request.context, np.int32)
        low, high = min(low, int(context.min())), max(high, int(context.max()))
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
