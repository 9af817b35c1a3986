"""The rows that each arm is trained on: its text, question-answer files, or both in given shares.

packed/<arm>/      the arm's text, concatenated
packed/files-<i>/  the examples of the i-th glob of config.data.files, shared by all arms

Each folder is written once, by the lead process, completely or not at all. Its rows.json records
the inputs, so that a later start reuses it or reports a file that has changed.
"""

import contextlib
import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from absl import logging

from xlbarrier import datafiles, multihost
from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig, diff
from xlbarrier.config import data as config_data
from xlbarrier.config.checks import ConfigError, nearest
from xlbarrier.config.data import DataConfig
from xlbarrier.config.run import CURRICULUM, text_of
from xlbarrier.corpus import build as corpus_lib
from xlbarrier.data import pack, tokenize
from xlbarrier.data.mixture import Mixture, Stages, row_counts
from xlbarrier.data.pack import PackedRows
from xlbarrier.datafiles import places
from xlbarrier.models import load, source
from xlbarrier.modes.corpus import texts_of
from xlbarrier.progress import Progress
from xlbarrier.qa import forms, packing
from xlbarrier.tasks.base import Task, Teaching

FORMAT = 1  # of the rows; goes up when the same text gives other rows
TEXT = 'text'  # name of the part that is the arm's own text
ENGLISH = 'english'


@dataclass(frozen=True)
class Part:
    """Rows of one origin, as they are in their folder.

    Attributes:
      name: 'text', or the glob.
      rows: memory-mapped.
      record: rows.json: `tokens` that are not padding, `loss_tokens`, and counts of the input.
    """

    name: str
    rows: PackedRows
    record: Mapping[str, Any]


def check(folder: pathlib.Path, config: RunConfig, tasks: Mapping[str, Task] | None = None) -> None:
    """Checks the files before any long work: reads the first example of each.

    Args:
      folder: of the run, which need not exist; a run whose arms are all trained needs no files.
      config: `data` and `arms`.
      tasks: by name; 'task:NAME' among the files means the rows that a task provides.

    Raises:
      DataError: for a glob without files, or a file whose first example cannot be read.
      ConfigError: for a task that does not exist or provides no rows.
      DataError: when a task's rows do not teach what it asks.
    """
    arms = untrained(folder, config)
    for i, pattern in enumerate(config.data.files):
        task = _teacher(config.data, i, tasks)
        if any(part.name == pattern for arm in arms for part in _parts_of(config, arm)):
            if task is not None:
                task.check_lessons()
            else:
                forms.check(pattern, config.data.fields)


def prepare(
    run: run_lib.Run,
    config: RunConfig,
    corpora: Mapping[str, pathlib.Path],
    tasks: Mapping[str, Task] | None = None,
) -> dict[str, PackedRows | Mixture | Stages]:
    """The rows of each arm that is not trained yet, packed now or found in the run folder.

    Args:
      run: its lead process packs; the others wait for it.
      config: `data`, `train`, `arms`, `model.source`.
      corpora: folder of the finished text of each arm that has one.
      tasks: by name; one whose rows are trained on writes them to lessons/<task>.jsonl too.

    Raises:
      DataError: naming file and row, for an example that cannot be trained on.
      RunError: when a file cannot be written, or the rows that an arm's training began with have
        changed.
      ValueError: when there is nothing to train on.
    """
    arms = untrained(run.folder, config)
    if not arms:
        return {}
    if config.train.guard.weight and ENGLISH not in arms:
        arms.append(ENGLISH)  # whose text the guard reads
    path = source.resolve(config.model.source)
    tokenizer = tokenize.load_tokenizer(
        source.resolve_tokenizer(config.model.tokenizer, path), load.read_config(path).vocab_size
    )
    if run.lead:
        # Including trained arms: all arms of a study must share the same examples.
        begun = [
            arm
            for arm in config.arms
            if any(any((run.folder / 'checkpoints' / one.name).glob('*'))
                   for one in config.models_of(arm))
        ]  # fmt: skip
        taken = {a: {part.folder for part in _parts_of(config, a)} for a in begun}
        common: dict[str, Any] = {
            'format': FORMAT,
            'tokenizer': tokenize.digest(tokenizer),
            'row_tokens': config.train.row_tokens,
        }
        if config.train.pad:
            common['pad'] = True
        # Files are shared: the part of each folder, and the arms that use it.
        folders: dict[str, tuple[_ArmPart, list[str]]] = {}
        for arm in arms:
            for part in _parts_of(config, arm):
                folders.setdefault(part.folder, (part, []))[1].append(arm)
        for part, users in folders.values():
            if part.folder in corpora:
                key = common | _text_key(config, users[0], corpora[part.folder])
                texts = corpus_lib.read(corpora[part.folder])
                write = functools.partial(packing.pack_texts, texts, tokenizer, key)
            else:
                task = _teacher(config.data, config.data.files.index(part.name), tasks)
                if task is None:
                    listed, examples = (
                        _digests(part.name),
                        forms.read(part.name, config.data.fields),
                    )
                else:
                    path = run.path('lessons', f'{task.name}.jsonl')
                    task.write_lessons(path)
                    listed = {part.name: _digest(path)}
                    examples = _lessons(part.name, task.lessons)
                key = common | _file_key(config.data, listed)
                write = functools.partial(
                    packing.pack_examples, config.data, examples, tokenizer, key
                )
            _make(run, part.folder, key, [a for a in begun if part.folder in taken[a]], write)
    multihost.barrier('packed rows')
    return {arm: _arm(run, config, arm) for arm in arms}


def untrained(folder: pathlib.Path, config: RunConfig) -> list[str]:
    """The arms of which a model is not exported yet."""

    def exported(name: str) -> bool:
        return (folder / 'export' / name / 'config.json').exists()

    return [a for a in config.arms if not all(exported(m.name) for m in config.models_of(a))]


class _ArmPart(NamedTuple):
    """A part of an arm's rows, its folder below packed/, and its weight if weights are set."""

    name: str
    folder: str
    weight: float | None


def _parts_of(config: RunConfig, arm: str) -> list[_ArmPart]:
    """The parts of an arm; those whose weight is 0 are left out."""
    parts = [(TEXT, text) for text in texts_of(config, arm)]
    parts += [(name, f'files-{i}') for i, name in enumerate(config.data.files)]
    weights = config_data.weights_of(config.data, text_of(arm)) or (None,) * len(parts)
    return [
        _ArmPart(name, folder, weight)
        for (name, folder), weight in zip(parts, weights, strict=True)
        if weight != 0
    ]


def _arm(run: run_lib.Run, config: RunConfig, arm: str) -> PackedRows | Mixture | Stages:
    """The arm's rows; describes them in run.json."""
    row_tokens = config.train.row_tokens
    expected = _parts_of(config, arm)
    parts = []
    for part in expected:
        folder = run.folder / 'packed' / part.folder
        parts.append(Part(part.name, PackedRows.load(folder), pack.read_record(folder)))
    train = config.train.for_rows(sum(len(part.rows) for part in parts))
    rows_read = train.steps * train.batch_rows
    weights = [part.weight for part in expected if part.weight is not None]
    counts: tuple[int, ...] = ()
    if weights and len(parts) > 1:
        # Text counts as full, so that the padding of its last row does not change the mixture.
        own = expected[0].folder in texts_of(config, arm)
        text = [row_tokens] if own and not config.train.pad else []
        full = text + [p.record['tokens'] / len(p.rows) for p in parts[len(text) :]]
        counts = row_counts(weights, full, rows_read)
    rows: PackedRows | Mixture | Stages = parts[0].rows
    if text_of(arm) == CURRICULUM:
        rows = Stages(tuple(part.rows for part in parts), train.steps)
    elif len(parts) > 1:
        rows = Mixture(tuple(part.rows for part in parts), counts)
    shares = [rows_read / len(parts)] * len(parts) if isinstance(rows, Stages) else counts
    described = _described(parts, shares, rows_read, weights)
    epochs = rows_read / len(rows)
    if arm not in config.arms:  # the guard's text
        return rows
    logging.info('%s: %d rows, %d updates, %.2f epochs', arm, len(rows), train.steps, epochs)
    run.update_provenance(
        training={
            arm: {
                'rows': len(rows),
                'steps': train.steps,
                'epochs': round(epochs, 3),
                'tokens': sum(part['trained_tokens'] for part in described),  # without padding
                'text_tokens': len(rows) * row_tokens,
                'parts': described,
            }
        }
    )
    return rows


def _described(
    parts: Sequence[Part], counts: Sequence[float], rows_read: int, weights: Sequence[float]
) -> list[dict[str, Any]]:
    """For each part, what was packed and approximately how much of it the training reads."""
    rows = sum(len(part.rows) for part in parts)
    listed = []
    for i, part in enumerate(parts):
        read = counts[i] if counts else rows_read * len(part.rows) / rows
        weight = {'weight': weights[i]} if weights else {}
        counted = {k: v for k, v in part.record.items() if k not in ('key', 'row_tokens')}
        listed.append(
            {
                'name': part.name,
                **counted,
                'fill': round(part.record['tokens'] / part.rows.tokens.size, 4),
                **weight,
                'epochs': round(read / len(part.rows), 3),
                'trained_tokens': round(read * part.record['tokens'] / len(part.rows)),
            }
        )
    total = sum(part['trained_tokens'] for part in listed)
    for described in listed:
        described['share'] = round(described['trained_tokens'] / total, 4)
    return listed


def _text_key(config: RunConfig, arm: str, corpus: pathlib.Path) -> dict[str, Any]:
    """What an arm's packed text depends on."""
    parts = _parts_of(config, arm)
    # Text that is mixed in its natural proportion must be packed completely.
    whole = len(parts) > 1 and parts[0].weight is None
    limit = 0 if whole else config.train.steps * config.train.batch_rows  # 0 for epochs: all rows
    return {'corpus': corpus_lib.read_manifest(corpus)['sha256'], 'limit': limit}


def _teacher(data: DataConfig, number: int, tasks: Mapping[str, Task] | None) -> Teaching | None:
    """The task that `files[number]` names as 'task:NAME'; None where it is a glob.

    Raises:
      ConfigError: for a task that does not exist or provides no rows, or for any template except
        'auto'.
    """
    prefix, _, name = data.files[number].partition(':')
    if prefix != 'task':
        return None
    where = f'config.data.files[{number}]'
    teachers = {n: task for n, task in (tasks or {}).items() if isinstance(task, Teaching)}
    if name not in teachers:
        raise ConfigError(
            f"{where} is 'task:{name}'; of config.tasks these provide rows to train on:"
            f' {", ".join(teachers) or "none"}.{nearest(name, teachers)}'
        )
    if data.template != 'auto':
        raise ConfigError(
            f"{where} is 'task:{name}' and config.data.template is {data.template!r}; a task's rows"
            " are written in the form of its questions: expected 'auto'"
        )
    return teachers[name]


def _lessons(name: str, lessons: Iterable[Mapping[str, str]]) -> Iterator[forms.Example]:
    """A task's rows as examples."""
    for row, lesson in enumerate(lessons):
        yield forms.example(lesson, f'{name} row {row}')


def _digests(pattern: str) -> dict[str, str]:
    paths = datafiles.find(pattern)
    if places.is_remote(pattern):  # the paths of their copies differ from machine to machine
        return {f'{pattern} {number}': _digest(path) for number, path in enumerate(paths)}
    return {str(path): _digest(path) for path in paths}


def _digest(path: pathlib.Path) -> str:
    with path.open('rb') as f:
        return hashlib.file_digest(f, 'sha256').hexdigest()


def _file_key(data: DataConfig, listed: Mapping[str, str]) -> dict[str, Any]:
    """What packed examples depend on: the digests of their files, and how they are written."""
    fields = {name: getattr(data, name) for name in ('template', 'loss', 'too_long')}
    own = {'fields': list(data.fields)} if data.fields else {}
    return {**fields, **own, 'files': listed}


def _make(
    run: run_lib.Run,
    name: str,
    key: Mapping[str, Any],
    begun: Sequence[str],
    write: Callable[[pathlib.Path, Progress], None],
) -> None:
    """Packs into packed/<name>, unless it already has what the key describes.

    Raises:
      RunError: when it was packed from other data and an arm has been trained on it.
    """
    folder = run.path('packed', name)
    with contextlib.suppress(ValueError):  # missing or damaged: packing again gives the same rows
        PackedRows.load(folder)
        there = pack.read_record(folder).get('key', {})
        differing = diff(there, key)
        if not differing:
            return
        if begun:
            fields = '; '.join(f'{n}: there {old!r}, now {new!r}' for n, old, new in differing)
            raise run_lib.RunError(
                f'{folder} was packed from other data ({fields}), and {", ".join(begun)} has been'
                ' trained on it: restore the files, or use another --workdir'
            )
    with Progress(f'packing {name}') as progress:
        write(folder, progress)
