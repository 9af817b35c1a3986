"""The pairs of a run: found and checked, scored by the base model, laid in rows for each objective.

references/pairs.json    log-likelihoods of every option by the base model, computed once for all
                         arms and seeds, with the fingerprint of its weights
"""

import hashlib
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging

from xlbarrier import api, datafiles, draw, multihost
from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.config.checks import ConfigError, nearest
from xlbarrier.config.train import ALTERNATING, KEEPING, NEXT_TOKEN, Objective
from xlbarrier.data import tokenize
from xlbarrier.data.mixture import Mixture, Stages
from xlbarrier.data.pack import PackedRows
from xlbarrier.data.pairs import SIDES, EncodedPair, PairRows, encode_side, lay_pairs
from xlbarrier.datafiles import DataError
from xlbarrier.models import load, source
from xlbarrier.modes.training_data import ENGLISH, untrained
from xlbarrier.progress import Progress
from xlbarrier.qa import pairs as pairs_lib
from xlbarrier.qa.pairs import Pair
from xlbarrier.scoring import engine
from xlbarrier.scoring.request import Request
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks.base import Pairing, Task
from xlbarrier.train.batches import Sources
from xlbarrier.train.objectives import REFERENCED

FILE = 'references/pairs.json'


def check(folder: pathlib.Path, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    """Checks all pairs before any long work, if a model that needs them is not trained yet.

    Raises:
      ConfigError: for a task that does not exist or provides no pairs.
      DataError: naming the pair that cannot be trained on; see `qa.pairs.check`.
    """
    if _objectives(folder, config):
        find(config, tasks)


def find(config: RunConfig, tasks: Mapping[str, Task]) -> list[Pair]:
    """The pairs that the config names, checked, in a drawn order.

    Raises:
      As `check`.
    """
    pairing = {name: task for name, task in tasks.items() if isinstance(task, Pairing)}
    found: list[Pair] = []
    for i, pattern in enumerate(config.train.pairs.files):
        kind, _, name = pattern.partition(':')
        if kind != 'task':
            found += pairs_lib.read(pattern)
            continue
        if name not in pairing:
            raise ConfigError(
                f"config.train.pairs.files[{i}] is 'task:{name}'; of config.tasks these provide"
                f' pairs: {", ".join(pairing) or "none"}.{nearest(name, pairing)}'
            )
        pairing[name].check_pairs(tasks)
        found += pairing[name].pairs()
    needed = {config.training_of(arm).objective for arm in config.arms} - {NEXT_TOKEN}
    own = next((pair for pair in found if pair.is_own), None)
    if own and KEEPING not in needed:
        raise ConfigError(
            f'{own.where}.pair_variants has own: items paired with themselves, which the objective'
            f' {KEEPING} alone reads; config.arms is {config.arms}: leave own out'
        )
    checked = pairs_lib.check(
        found,
        relations={r for task in pairing.values() for r in task.held_out_relations},
        languages={code for task in pairing.values() for code in task.held_out_languages},
        options=needed != {ALTERNATING},
    )
    drawn = draw.shuffled(checked, config.seed, 'pairs')[: config.train.pairs.limit or None]
    for objective in sorted(needed):
        if not any(_reads(objective, pair) for pair in drawn):
            raise ConfigError(
                f'config.train.pairs: the objective {objective} can learn nothing from these'
                f' {len(drawn)} pairs, the first of which is from {drawn[0].where}: {KEEPING} alone'
                ' reads items paired with themselves, and contrast no pair of equal contexts'
            )
    return drawn


def _reads(objective: Objective, pair: Pair) -> bool:
    """Whether there is anything in a pair for an objective to learn from."""
    if objective == KEEPING:
        return True
    if objective == ALTERNATING:
        return pair.source.context != pair.target.context
    return not pair.is_own


def prepare(
    run: run_lib.Run,
    config: RunConfig,
    mesh: jax.sharding.Mesh,
    tasks: Mapping[str, Task],
    rows: Mapping[str, PackedRows | Mixture | Stages],
) -> dict[str, Sources]:
    """What each arm that is not trained yet is trained on: its text, its pairs, the guard's text.

    Args:
      run: the open run folder.
      config: `train`, `arms`, `model`, `seed`.
      mesh: devices of the base model, which scores the options where an objective compares with it.
      tasks: by name.
      rows: the text of each arm, and of 'english' where the guard has weight.

    Raises:
      RunError: when references/pairs.json has scores of other weights or of other pairs.
    """
    needed = _objectives(run.folder, config)
    by_objective: dict[str, PairRows] = {}
    if needed:
        found = find(config, tasks)
        encoded = _encode(config, found)
        reference = None
        if needed & set(REFERENCED):
            reference = _reference(run, config, mesh, encoded)
        for objective in sorted(needed):
            read = [_reads(objective, pair) for pair in found]
            laid = _laid(
                objective,
                list(itertools.compress(encoded, read)),
                None if reference is None else reference[read],
                config,
            )
            by_objective[objective] = laid
            described = {
                'pairs': laid.pairs,
                'rows': len(laid),
                'tokens': laid.tokens_real,
                'fill': round(laid.tokens_real / laid.arrays['tokens'].size, 4),
                'relations': _counts(p.relation for p in itertools.compress(found, read)),
                'languages': _counts(p.target.language for p in itertools.compress(found, read)),
            }
            run.update_provenance(pairs={objective: described})
            logging.info('%s: %d pairs in %d rows', objective, laid.pairs, len(laid))
    guard = rows[ENGLISH] if config.train.guard.weight and rows else None
    assert not isinstance(guard, Stages), 'English text has one stage'
    return {
        arm: Sources(text, by_objective.get(config.training_of(arm).objective), guard)
        for arm, text in rows.items()
    }


def _objectives(folder: pathlib.Path, config: RunConfig) -> set[Objective]:
    """The objectives with pairs of the arms that are not trained yet."""
    found = {config.training_of(arm).objective for arm in untrained(folder, config)}
    return found - {NEXT_TOKEN}


def _counts(names: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))


def _encode(config: RunConfig, found: Sequence[Pair]) -> list[EncodedPair]:
    path = source.resolve(config.model.source)
    tokenizer = tokenize.load_tokenizer(
        source.resolve_tokenizer(config.model.tokenizer, path), load.read_config(path).vocab_size
    )
    numbers: dict[str, int] = {}
    encoded = []
    with Progress('tokenising pairs', unit='pairs') as progress:
        progress.begin(len(found))
        for pair in found:
            item = numbers.setdefault(f'{pair.relation}/{pair.source.item}', len(numbers))
            first, second = (
                encode_side(tokenizer, side.context, side.options)
                for side in (pair.source, pair.target)
            )
            encoded.append(EncodedPair(item, (first, second), pair.where))
            progress.update(1)
    return encoded


def _reference(
    run: run_lib.Run, config: RunConfig, mesh: jax.sharding.Mesh, encoded: Sequence[EncodedPair]
) -> np.ndarray:
    """The base model's log-likelihoods, float32 [pairs, 2, O], from the run folder or computed.

    Raises:
      RunError: when the file has scores of other weights or of other pairs.
    """
    requests = [
        Request(side.context, option)
        for pair in encoded
        for side in pair.sides
        for option in side.options
    ]
    digest = hashlib.sha256()
    for request in requests:
        digest.update(request.context.tobytes() + b'|' + request.continuation.tobytes() + b'\n')
    path = source.resolve(config.model.source)
    made_for = {
        'fingerprint': load.fingerprint(path, config.model.adapter),
        'compute_dtype': config.model.compute_dtype,
        'pairs': digest.hexdigest(),
    }
    file = run.path(FILE)
    if file.exists():
        record = datafiles.read_object(file)
        for name, expected in made_for.items():
            if record.get(name) != expected:
                raise run_lib.RunError(
                    f'{file}: {name} is {record.get(name)!r}, expected {expected!r}: these'
                    ' reference scores are of other weights or other pairs; delete the file to'
                    ' compute them again, or use another --workdir'
                )
    else:
        scores = _scored(run, config, mesh, requests, made_for['fingerprint'])
        if run.lead:
            run.write_json(FILE, {**made_for, 'scores': scores})
        multihost.barrier('reference scores')
        record = {'scores': scores}
    most = max(len(pair.sides[1].options) for pair in encoded)
    reference = np.zeros((len(encoded), SIDES, most), np.float32)
    left = iter(record['scores'])
    for number, pair in enumerate(encoded):
        for s, side in enumerate(pair.sides):
            for o in range(len(side.options)):
                reference[number, s, o] = next(left)
    return reference


def _scored(
    run: run_lib.Run,
    config: RunConfig,
    mesh: jax.sharding.Mesh,
    requests: Sequence[Request],
    fingerprint: str,
) -> list[float]:
    with Progress(f'reference: loading {config.model.source}'):
        model = api.load_model(
            config.model.source,
            config.model.compute_dtype,
            param_dtype=config.model.param_dtype,
            mesh=mesh,
            adapter=config.model.adapter,
            tokenizer=config.model.tokenizer,
        )
    store = ScoreStore(run.path('scores.sqlite'), fingerprint) if run.lead else None
    try:
        scores = engine.score(
            model.decoder,
            requests,
            mesh=mesh,
            row_tokens=config.score.row_tokens,
            rows_per_device=config.score.rows_per_device,
            store=store,
            what='reference: scoring pairs',
        )
    finally:
        if store is not None:
            store.__exit__(None, None, None)
    return [score.log_likelihood for score in scores]


def _laid(
    objective: str,
    encoded: Sequence[EncodedPair],
    reference: np.ndarray | None,
    config: RunConfig,
) -> PairRows:
    """The rows of an objective: the options and sides that it reads."""
    row_tokens = config.train.row_tokens
    if objective == ALTERNATING:
        return lay_pairs([_bare(pair) for pair in encoded], row_tokens)
    if reference is None or objective not in REFERENCED:
        return lay_pairs(encoded, row_tokens)
    if objective == KEEPING:
        return lay_pairs(encoded, row_tokens, reference, sides=(1,))
    chosen: list[EncodedPair] = []
    two: list[np.ndarray] = []
    for number, pair in enumerate(encoded):
        count = len(pair.sides[0].options)
        if objective == 'dco':
            c, w = draw.shuffled(range(count), config.seed, f'candidates {number}')[:2]
        else:
            english = reference[number, 0, :count]
            c, w = int(english.argmax()), int(english.argmin())
        first, second = (s._replace(options=(s.options[c], s.options[w])) for s in pair.sides)
        if first != second:  # of options in several languages both may be in English
            chosen.append(pair._replace(sides=(first, second)))
            two.append(reference[number][:, [c, w]])
    if not chosen:
        raise DataError(
            f'{encoded[0].where}: the two options of every pair are alike on both sides'
        )
    both = (0, 1) if objective == 'dco' else (1,)
    return lay_pairs(chosen, row_tokens, np.stack(two), sides=both)


def _bare(pair: EncodedPair) -> EncodedPair:
    """The contexts alone."""
    first, second = (side._replace(options=()) for side in pair.sides)
    return pair._replace(sides=(first, second))
