"""Scores requests: plans them all, skips what is stored, keeps the devices busy, stores answers."""

import collections
import math
from collections.abc import Iterable, Iterator, Sequence

import jax
import numpy as np
from absl import logging

from xlbarrier import mesh as mesh_lib
from xlbarrier import multihost
from xlbarrier.errors import NotFiniteError, StateError
from xlbarrier.models import kernels
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.progress import Progress
from xlbarrier.scoring import plan as plan_lib
from xlbarrier.scoring import request as request_lib
from xlbarrier.scoring import rows as rows_lib
from xlbarrier.scoring import sizes as sizes_lib
from xlbarrier.scoring.plan import Batch, Plan
from xlbarrier.scoring.prefixes import column_bytes, make_pool
from xlbarrier.scoring.request import Request
from xlbarrier.scoring.rows import Shape
from xlbarrier.scoring.sizes import Chosen
from xlbarrier.scoring.step import extend_prefixes, keep_prefixes, score_rows, score_suffixes
from xlbarrier.scoring.store import Score, ScoreStore

IN_FLIGHT = 3  # batches dispatched before the first is read
PROGRAMS = 64  # that are kept: nearly every window of questions has shapes of its own
WINDOW = 1 << 23  # tokens of contexts that are planned together


def score_sheets(
    decoder: Decoder,
    sheets: Iterable[Sequence[Request]],
    *,
    mesh: jax.sharding.Mesh,
    row_tokens: int = 0,
    rows_per_device: int = 0,
    store: ScoreStore | None = None,
    what: str = 'scoring',
) -> Iterator[list[Score]]:
    """Scores one sheet of requests after the other, in bounded memory.

    Sheets are taken from the iterator until they have WINDOW tokens, planned together, so that
    what they share is computed once, and given up. The windows depend on the requests alone, so a
    continued run computes the same batches as an undisturbed one. The caller keeps what belongs to
    the sheets that were taken and not yet answered, in a queue.

    Args:
      sheets: requests; those of one context should share it (`request.with_shared_contexts`).
      decoder, mesh, row_tokens, rows_per_device, store, what: as of `score`.

    Yields:
      The scores of each sheet, in order.

    Raises:
      As `score`; a request is named by its number in its window.
    """
    window: list[Sequence[Request]] = []
    tokens = 0

    def scored() -> Iterator[list[Score]]:
        flat = [request for sheet in window for request in sheet]
        scores = iter(
            score(
                decoder,
                flat,
                mesh=mesh,
                row_tokens=row_tokens,
                rows_per_device=rows_per_device,
                store=store,
                what=what,
            )
        )
        for sheet in window:
            yield [next(scores) for _ in sheet]

    for sheet in sheets:
        window.append(sheet)
        contexts = {id(request.context): len(request.context) for request in sheet}
        tokens += sum(contexts.values())
        if tokens >= WINDOW:
            yield from scored()
            window, tokens = [], 0
    if window:
        yield from scored()


def score(
    decoder: Decoder,
    requests: Sequence[Request],
    *,
    mesh: jax.sharding.Mesh,
    row_tokens: int = 0,
    rows_per_device: int = 0,
    store: ScoreStore | None = None,
    what: str = 'scoring',
) -> list[Score]:
    """The log-likelihood of each request's continuation.

    The layout is planned over all requests, stored or not, and a batch is computed unless the store
    holds all its answers: so a continued run computes the same batches as an undisturbed one, and
    gets the same bits.

    Args:
      decoder: its parameters are on `mesh`; they are never donated.
      requests: any number, repetitions allowed.
      mesh: the explicit mesh.
      row_tokens: positions of a row; 0: chosen by `sizes.choose`.
      rows_per_device: rows that each device computes at once; 0: chosen.
      store: of these weights; answers are looked for in it, and kept in it as they come. A killed
        process loses the batches in flight.
      what: the work's name in the progress lines.

    Raises:
      ValueError: naming the request that cannot be scored, before anything is computed.
      FloatingPointError: when a log-likelihood is not finite.
      StoreError: when an answer cannot be stored; those before it are kept.
      StateError: when a device fails or has too little memory; what was stored is kept.
    """
    dtype = decoder.compute_dtype
    with Progress(what, unit='requests') as progress:
        progress.update(0, 'planning')
        config = decoder.config
        request_lib.check_all(requests, config.max_positions, config.vocab_size)
        first: dict[Request, int] = {}
        numbers = [first.setdefault(request, len(first)) for request in requests]
        unique = list(first)
        chosen = sizes_lib.choose(
            decoder, mesh, row_tokens=row_tokens, rows_per_device=rows_per_device
        )
        shards = mesh.shape['data'] * mesh.shape['fsdp']
        planned = plan_lib.plan(
            unique, chosen.sizes, rows_per_device=chosen.rows_per_device, shards=shards
        )
        found = _stored(store, unique, dtype)
        todo = planned.remaining([score is not None for score in found])
        held = planned.cache * column_bytes(decoder.config, dtype)
        on = sizes_lib.platform_of(mesh.devices.flat[0])
        logging.info(
            '%s: %d requests, %d distinct, %d of them stored; %s; %d batches to compute; rows of %d'
            ' tokens, %d on a device at once; attention by %s; about %s s, %.2f GiB of kept'
            ' prefixes',
            what,
            len(requests),
            len(unique),
            sum(score is not None for score in found),
            planned.words(),
            len(todo),
            chosen.sizes.tokens,
            chosen.rows_per_device,
            kernels.choose(config, dtype, chosen.sizes.tokens, documents=0, on=on),
            f'{sizes_lib.estimate(planned, chosen):,.0f}',
            held / 2**30,
        )
        _make_room_for_programs({(config, dtype, batch.shape) for batch in todo})
        progress.begin(len(unique), earlier=sum(s is not None for s in found))
        try:
            for answers in _computed(decoder, planned, todo, mesh, progress):
                fresh = [(n, answer) for n, answer in answers if found[n] is None]
                for number, answer in fresh:
                    found[number] = answer
                if store is not None and multihost.is_lead():
                    store.put(((unique[number], answer) for number, answer in fresh), dtype)
                progress.update(len(fresh))
        except jax.errors.JaxRuntimeError as error:
            raise StateError(_failed(what, error, chosen, store)) from error
    scores = [found[number] for number in numbers]
    return [score for score in scores if score is not None]


def _computed(
    decoder: Decoder,
    planned: Plan,
    batches: Sequence[Batch],
    mesh: jax.sharding.Mesh,
    progress: Progress,
) -> Iterator[list[tuple[int, Score]]]:
    """Yields [(request number, Score)] of each batch, a few dispatches behind the device."""
    waiting: collections.deque[tuple[Batch, tuple[jax.Array, jax.Array]]] = collections.deque()
    seen: set[Shape] = set()
    with jax.set_mesh(mesh):
        pool = make_pool(decoder, planned.cache, mesh) if planned.cache else None
        for batch in batches:
            shape = batch.shape
            progress.update(
                0,
                f'{"" if shape in seen else "compiling "}{shape.rows} rows of {shape.length} tokens'
                + (f' after {shape.columns}' if shape.columns else ''),
            )
            seen.add(shape)
            arrays = rows_lib.arrays(batch.rows, shape, planned.layout, batch.first_column)
            laid = mesh_lib.put_batch(arrays, mesh)
            if not shape.slots:
                keep = extend_prefixes if shape.columns else keep_prefixes
                pool = keep(decoder, pool, **laid)
                continue
            scored = (
                score_suffixes(decoder, pool, **laid)
                if shape.columns
                else score_rows(decoder, **laid)
            )
            waiting.append((batch, scored))
            if len(waiting) == IN_FLIGHT:
                yield _read(*waiting.popleft())
        while waiting:
            yield _read(*waiting.popleft())


_compiled: set[tuple[DecoderConfig, str, Shape]] = set()  # since programs were last given up


def _make_room_for_programs(wanted: set[tuple[DecoderConfig, str, Shape]]) -> None:
    """Gives up the compiled programs of earlier windows where they would become too many."""
    if len(_compiled | wanted) > PROGRAMS:
        for program in (score_rows, score_suffixes, keep_prefixes, extend_prefixes):
            program.forget()
        _compiled.clear()
    _compiled.update(wanted)


def _failed(
    what: str, error: jax.errors.JaxRuntimeError, chosen: Chosen, store: ScoreStore | None
) -> str:
    """What to do when a device fails."""
    reason = str(error).strip().split('\n')[0]
    if 'RESOURCE_EXHAUSTED' in reason or 'out of memory' in reason.lower():
        smaller = max(1, chosen.rows_per_device // 2)
        advice = (
            f'the device has too little memory for {chosen.rows_per_device} rows of'
            f' {chosen.sizes.tokens} tokens: set config.score.rows_per_device={smaller}'
        )
        if chosen.rows_per_device == 1:
            advice = advice.split(': set')[0] + (
                f': set config.score.row_tokens={max(16, chosen.sizes.tokens // 2)}'
            )
    else:
        advice = 'check that the device is still there'
    kept = (
        ' What was scored before is stored: start again with the same --workdir.' if store else ''
    )
    return f'{what} stopped: {reason}; {advice}.{kept}'


def _read(batch: Batch, outputs: tuple[jax.Array, jax.Array]) -> list[tuple[int, Score]]:
    values_BK, greedy_BK = (np.asarray(x.addressable_data(0)) for x in outputs)
    answers = []
    for number, row, indices in batch.answers:
        # In float64, in the order of the tokens: the sum does not depend on the layout.
        total = float(values_BK[row, indices].astype(np.float64).sum())
        if not math.isfinite(total):
            raise NotFiniteError(
                f'the log-likelihood of a continuation of {len(indices)} tokens is {total};'
                ' expected a finite number: look for broken weights, or compute in float32'
            )
        answers.append((number, Score(total, bool(greedy_BK[row, indices].all()))))
    return answers


def _stored(
    store: ScoreStore | None, requests: Sequence[Request], dtype: str
) -> list[Score | None]:
    """What the store has; the lead sends it to every process."""
    found: list[Score | None] = [None] * len(requests)
    if store is not None and multihost.is_lead():
        found = store.get(requests, dtype)
    if jax.process_count() == 1:
        return found
    table = np.array([[s is not None, *(s or (0.0, False))] for s in found], np.float64)
    table = multihost.broadcast(table.view(np.uint32)).view(np.float64)  # bits: jax has no float64
    return [Score(float(v), bool(g)) if known else None for known, v, g in table]
