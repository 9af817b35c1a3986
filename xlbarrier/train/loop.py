"""The training loop: batches in, updates, numbers out, checkpoints on the way."""

import contextlib
import pathlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from flax import nnx
from jax.experimental import multihost_utils

from xlbarrier import config as config_lib
from xlbarrier import multihost
from xlbarrier.config import TrainConfig
from xlbarrier.data.mixture import Mixture, Stages
from xlbarrier.data.pack import PackedRows
from xlbarrier.errors import InputError, NotFiniteError
from xlbarrier.mesh import mesh_of
from xlbarrier.models import kernels, lora
from xlbarrier.models.config import DecoderConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.progress import Progress
from xlbarrier.train.batches import Sources, Text, predicted, seen
from xlbarrier.train.checkpoint import CheckpointError, Checkpoints
from xlbarrier.train.optimizer import make_schedule
from xlbarrier.train.step import (
    Arrays,
    TrainState,
    init_state,
    put_microbatches,
    split_decoder,
    train_step,
)

# What decides the rows of each kind in an update, for messages.
_FIELD = {
    'text': 'config.train.batch_rows less the rows of pairs and of the guard',
    'pairs': 'config.train.pairs.rows',
    'guard': 'config.train.guard.rows',
}
ROWS_READ = 4096  # at a time, while texts are counted
FREE_FIELDS = ('checkpoint_every', 'log_every', 'snapshots')  # these do not change what is computed


class Stopped(SystemExit):
    """SIGTERM was met: a checkpoint is written, and the next start continues. Exit status 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class Counted(NamedTuple):
    """Tokens since the start of the training."""

    tokens: int = 0  # predicted
    seen: int = 0  # read; padding is not


class _Dispatched(NamedTuple):
    """A step whose numbers are on their way."""

    step: int
    counted: Counted
    numbers: dict[str, jax.Array]


def train(
    decoder: Decoder,
    sources: Sources | Text,
    config: TrainConfig,
    *,
    folder: str | pathlib.Path,
    seed: int,
    log: Callable[[dict[str, Any]], None],
    logged_through: int = 0,
    snapshot: Callable[[int, Decoder], None] | None = None,
    saved: Callable[[], None] = lambda: None,
) -> Decoder:
    """Fine-tunes a decoder; continues from the last checkpoint in `folder`, bit for bit.

    Args:
      decoder: given away: its arrays are donated, use the one returned.
      sources: training rows, `config.row_tokens` long: of text, or with those of pairs and of the
        guard.
      config: method, sizes, optimizer.
      folder: of the checkpoints of this training alone.
      seed: of the order of rows, of new adapters and of dropout.
      log: called by the lead process once a logged step, with step (from 1), loss (nats a token),
        tokens (predicted so far), learning_rate, grad_norm, tokens_per_second, seconds (since this
        start), tokens_seen (read so far, padding aside), and loss_<term> of other terms.
      logged_through: last step that was logged before, by a start that was ended; steps up to it
        are computed again where no checkpoint has them, and not logged.
      snapshot: called with each step of `config.snapshots` and the decoder after it, whose arrays
        the next step takes back. No checkpoint of that step or a later one is written before it
        returns, so a training that is continued has called it for every step that it is past.
      saved: called on every process after a checkpoint, which may still be on its way to the disk.

    Returns:
      The trained decoder, with its adapters where it is trained by LoRA (`lora.merge_lora`).

    Raises:
      ValueError: when batch, mesh, rows and config do not fit, before anything is computed.
      CheckpointError: when a checkpoint cannot be written, or is another training's.
      FloatingPointError: when the loss is not finite.
      Stopped: after SIGTERM, once a checkpoint is written.
    """
    mesh = mesh_of(decoder.embed.embedding[...])
    sources = sources if isinstance(sources, Sources) else Sources(sources)
    _check(sources, config, mesh, decoder.config)
    decoder.compute_dtype, decoder.remat = config.compute_dtype, config.remat
    base_graph, base_params = _base(decoder, config)
    if config.method == 'lora':
        targets = config.lora_targets
        lora.add_lora(decoder, config.lora_rank, config.lora_alpha, targets, seed)
    documents = _most_documents(sources)
    graph, params, frozen = split_decoder(decoder, config)
    params = jax.tree.map(_own, params)
    identity = _identity(sources, config, seed)
    with Checkpoints(pathlib.Path(folder), params) as checkpoints:
        state, counted = _start(checkpoints, params, config, identity)
        del params
        done = int(state.step)
        with (
            jax.set_mesh(mesh),
            _asked_to_stop() as asked,
            Progress(f'fine-tuning in {checkpoints.folder.name}', unit='tokens') as progress,
        ):
            logging.info('attention: %s', _attention(decoder, config, documents))
            progress.update(0, 'compiling')
            report = _Reporter(config, progress, log, logged_through)
            previous = None
            for step in range(done, config.steps):
                batch = sources.at(config, step, seed)
                counted = Counted(counted.tokens + predicted(batch), counted.seen + seen(batch))
                laid = put_microbatches(batch, mesh, config.accumulate)
                state, numbers = train_step(
                    state,
                    frozen,
                    laid,
                    graph=graph,
                    config=config,
                    seed=np.uint32(seed),
                    documents=documents,
                    base_graph=base_graph,
                    base_params=base_params,
                )
                report(previous)
                previous = _Dispatched(step + 1, counted, numbers)
                last, stop = step + 1 == config.steps, asked(step)
                if snapshot is not None and step + 1 in config.snapshots:
                    report(previous)
                    previous = None
                    progress.update(0, f'exporting the model of step {step + 1}')
                    nnx.update(decoder, state.params)
                    snapshot(step + 1, decoder)
                if stop or last or (step + 1) % config.checkpoint_every == 0:
                    report(previous)
                    previous = None
                    progress.update(0, 'writing a checkpoint')
                    meta = {'step': step + 1, **counted._asdict(), 'training': identity}
                    checkpoints.save(state, meta, final=last, wait=stop)
                    saved()
                    progress.update(0, report.note)
                if stop:
                    logging.info('asked to stop: checkpoint of step %d written', step + 1)
                    raise Stopped
    nnx.update(decoder, state.params)
    return decoder


def _own(array: jax.Array) -> jax.Array:
    """An array that can be donated: on a CPU, what was loaded is in numpy's memory."""
    if jax.default_backend() != 'cpu':
        return array
    copied = jnp.copy(array).block_until_ready()
    array.delete()
    return copied


def _base(decoder: Decoder, config: TrainConfig) -> tuple[nnx.GraphDef | None, Arrays | None]:
    """The model before fine-tuning, for the guard; copied if its arrays will be donated."""
    if not config.guard.weight:
        return None, None
    graph, params = nnx.split(decoder)
    held = nnx.to_pure_dict(params)
    return graph, held if config.method == 'lora' else jax.tree.map(jnp.copy, held)


class _Reporter:
    """Reads the numbers of a step that was dispatched before, and passes them on."""

    def __init__(
        self,
        config: TrainConfig,
        progress: Progress,
        log: Callable[[dict[str, Any]], None],
        logged_through: int,
    ):
        self._config, self._progress, self._log = config, progress, log
        self._logged_through = logged_through
        self._began = self._last_time = time.monotonic()
        self._last_step: int | None = None
        self._reported: int | None = None
        self.note = ''

    def __call__(self, done: _Dispatched | None) -> None:
        if done is None:
            return
        numbers = {name: float(x) for name, x in done.numbers.items()}
        losses = _means(numbers)
        loss = next(iter(losses.values()))
        if not (all(map(np.isfinite, losses.values())) and np.isfinite(numbers['grad_norm'])):
            raise NotFiniteError(
                f'step {done.step}: loss {", ".join(map(str, losses.values()))}, gradient norm'
                f' {numbers["grad_norm"]}; lower'
                f' config.train.learning_rate ({self._config.learning_rate}) or look at the rows'
            )
        self._tell(done.step, loss)
        if done.step % self._config.log_every and done.step != self._config.steps:
            return
        now = time.monotonic()
        steps = 1 if self._last_step is None else done.step - self._last_step
        row_tokens = steps * self._config.batch_rows * self._config.row_tokens
        row = {
            'step': done.step,
            'loss': loss,
            **{f'loss_{name}': mean for name, mean in losses.items() if name != 'text'},
            'tokens': done.counted.tokens,
            'tokens_seen': done.counted.seen,
            'learning_rate': numbers['learning_rate'],
            'grad_norm': numbers['grad_norm'],
            'tokens_per_second': round(row_tokens / max(now - self._last_time, 1e-9), 1),
            'seconds': round(now - self._began, 3),
        }
        self._last_time, self._last_step = now, done.step
        if done.step > self._logged_through and multihost.is_lead():
            self._log(row)

    def _tell(self, step: int, loss: float) -> None:
        step_tokens = self._config.batch_rows * self._config.row_tokens
        self.note = note = f'step {step} of {self._config.steps}, loss {loss:.4f}'
        if self._reported is None:  # the first step includes the compilation: not part of the rate
            self._progress.begin(self._config.steps * step_tokens, earlier=step * step_tokens)
            self._progress.update(0, note)
        else:
            self._progress.update((step - self._reported) * step_tokens, note)
        self._reported = step


def _check(
    sources: Sources,
    config: TrainConfig,
    mesh: jax.sharding.Mesh,
    model: DecoderConfig,
) -> None:
    if config.steps < 1:
        raise InputError(
            f'config.train.steps is {config.steps}; expected at least 1:'
            ' TrainConfig.for_rows turns epochs into steps'
        )
    sources.check(config)
    rows, length = sources.text.shape
    if rows == 0 or length != config.row_tokens:
        raise InputError(
            f'the packed rows are [{rows}, {length}]; expected at least one row of'
            f' config.train.row_tokens = {config.row_tokens} tokens'
        )
    if length > model.max_positions:
        raise InputError(
            f'config.train.row_tokens is {length}, the model has {model.max_positions} positions'
        )
    given = [rows for rows in (sources.text, sources.pairs, sources.guard) if rows is not None]
    largest = max(rows.largest_token for rows in given)
    if largest >= model.vocab_size:
        raise InputError(
            f'the packed rows contain token {largest}, the embedding has'
            f' {model.vocab_size} rows: take a special token out of the text, or another tokenizer'
        )
    make_schedule(config)
    for step in (0, 1):
        for name, count in sources.counts(config, step).items():
            empty = {'rows': np.zeros((count, 1), np.int8)}
            field = 'config.train.batch_rows' if count == config.batch_rows else _FIELD[name]
            put_microbatches(empty, mesh, config.accumulate, field)


def _most_documents(sources: Sources) -> int:
    """The most texts in a row, as a power of two, so that few programs are compiled.

    0 where some row is not made of texts laid end to end: queries then see by a mask.
    """
    most = 1
    parts: list[PackedRows] = []
    for rows in (sources.text, sources.guard):
        if rows is not None:
            parts += rows.parts if isinstance(rows, Mixture | Stages) else (rows,)
    for part in parts:
        for start in range(0, len(part), ROWS_READ):
            until_RT = np.asarray(part.until[start : start + ROWS_READ])
            found = kernels.count_segments(until_RT)
            if not found:
                return 0
            most = max(most, found)
    return 1 << (most - 1).bit_length()


def _attention(decoder: Decoder, config: TrainConfig, documents: int) -> str:
    """Which kernel computes it, and why it is not another."""
    chosen = kernels.choose(
        decoder.config, config.compute_dtype, config.row_tokens, documents=documents
    )
    rows = f'at most {documents} texts per row' if documents else 'rows of tries'
    return f'{chosen}, {rows}'


def _means(numbers: Mapping[str, float]) -> dict[str, float]:
    """The mean of each term of the loss, the text's first where there is text."""
    sums = {'text': 'nats', 'pairs': 'pairs_sum', 'guard': 'guard_sum'}
    weights = {'text': 'weight', 'pairs': 'pairs_weight', 'guard': 'guard_weight'}
    return {
        term: numbers[name] / numbers[weights[term]] if numbers[weights[term]] else 0.0
        for term, name in sums.items()
        if name in numbers
    }


def _identity(sources: Sources, config: TrainConfig, seed: int) -> dict[str, Any]:
    """What decides a training's bits, beside the model: a checkpoint of another is refused."""
    fields = config_lib.to_dict(config)
    for name in FREE_FIELDS:
        del fields[name]
    packed = sources.text
    identity = {'config': {'train': fields, 'seed': seed}, 'rows': list(packed.shape)}
    if sources.pairs is not None:
        identity['pairs'] = [len(sources.pairs), sources.pairs.pairs]
    if sources.guard is not None:
        identity['guard'] = list(sources.guard.shape)
    if isinstance(packed, Stages):
        identity['stages'] = [len(part) for part in packed.parts]
    if isinstance(packed, Mixture):
        identity['parts'] = [len(part) for part in packed.parts]
        identity['counts'] = list(packed.counts)
    return identity


def _start(
    checkpoints: Checkpoints, params: Arrays, config: TrainConfig, identity: dict[str, Any]
) -> tuple[TrainState, Counted]:
    """The state to go on from, and the tokens until then."""
    if checkpoints.latest is None:
        return init_state(params, config), Counted()
    meta = checkpoints.meta()
    differing = config_lib.diff(meta['training'], identity)
    if differing:
        lines = [f'  {name}: there {old!r}, now {new!r}' for name, old, new in differing]
        raise CheckpointError(
            f'{checkpoints.folder} contains the checkpoint of another training; take another folder'
            ' or the same values for:\n' + '\n'.join(lines)
        )
    step = meta['step']
    logging.info('continuing from the checkpoint of step %d in %s', step, checkpoints.folder)
    state = init_state(params, config)
    state = state._replace(step=jax.device_put(np.int32(step), state.step.sharding))
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )
    for array in jax.tree.leaves((state.params, state.optimizer)):
        array.delete()  # what is read takes their room
    restored = checkpoints.params(shapes.params)
    optimizer = checkpoints.optimizer(shapes.optimizer) if step < config.steps else None
    return TrainState(state.step, restored, optimizer), Counted(meta['tokens'], meta.get('seen', 0))


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[Callable[[int], bool]]:
    """Yields a function of the step that says whether SIGTERM was met, alike on every process."""
    if jax.process_count() > 1:  # jax's own service agrees on one step for all
        yield multihost_utils.reached_preemption_sync_point
        return
    met = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals are not ours there
        yield lambda step: False
        return
    before = signal.signal(signal.SIGTERM, lambda *_: met.set())
    try:
        yield lambda step: met.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
    if met.is_set():  # while the last checkpoint was written: nobody would ask any more
        raise Stopped
