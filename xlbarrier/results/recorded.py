"""Recorded multiple-choice answers: what each reader reads in them, and the numbers."""

import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier import metrics
from xlbarrier.config.rescore import RescoreConfig
from xlbarrier.datafiles import write_atomic
from xlbarrier.errors import InputError
from xlbarrier.metrics import CLIKA_CHANCE, Estimate
from xlbarrier.results import alignment, paired, shares
from xlbarrier.results.answers import AnswersKey, ReadAnswers
from xlbarrier.results.rows import ResultRow, RowKey, result_row

FIRST_CHARACTER, ROBUST = 'recorded:first_character', 'recorded:robust'
Options = tuple[int | None, ...]  # of each item the option that was read, None where unreadable


class RecordError(InputError):
    """A recorded file that cannot be used; names the file, the line and what to do."""


@dataclass(frozen=True)
class RecordedSheet:
    """The recorded answers of one model to one task in one language.

    Attributes:
      model, task, variant, language: as in results.json.
      path: the file, or the folder of several.
      ids: of the items; the same in every language.
      texts: what the model wrote; '' where it wrote nothing.
      answers: index of the right option.
      choices: the options' texts.
      subjects: of each item, or empty.
    """

    model: str
    task: str
    variant: str
    language: str
    path: pathlib.Path
    ids: tuple[Any, ...]
    texts: tuple[str, ...]
    answers: tuple[int, ...]
    choices: tuple[tuple[str, ...], ...]
    subjects: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class ReadSheet:
    """A recorded sheet, and the options that each method reads in it."""

    sheet: RecordedSheet
    options: Mapping[str, Options]

    def answers(self, method: str) -> ReadAnswers:
        """The answers as one method reads them."""
        chosen = self.options[method]
        right = np.array([a == b for a, b in zip(chosen, self.sheet.answers, strict=True)], bool)
        return ReadAnswers(chosen, right, self.sheet.subjects)


Groups = Mapping[tuple[str, str, str], Sequence[ReadSheet]]  # (task, variant, model) -> languages


def _first_character(sheet: RecordedSheet) -> Options:
    pairs = zip(sheet.texts, sheet.choices, strict=True)
    return tuple(metrics.first_character(text, len(choices)) for text, choices in pairs)


def _robust(sheet: RecordedSheet) -> Options:
    pairs = zip(sheet.texts, sheet.choices, strict=True)
    return tuple(
        metrics.robust(text, len(choices), choices if all(choices) else None)
        for text, choices in pairs
    )


READERS: dict[str, Callable[[RecordedSheet], Options]] = {
    FIRST_CHARACTER: _first_character,
    ROBUST: _robust,
}


def read(
    sheets: Sequence[RecordedSheet], source: str
) -> dict[tuple[str, str, str], list[ReadSheet]]:
    """(task, variant, model) -> its languages, the source first, all in one order of items.

    Args:
      sheets: the languages of a model and task with the same items.
      source: the language that others are compared with.
    """
    groups: dict[tuple[str, str, str], list[ReadSheet]] = {}
    for sheet in sorted(sheets, key=lambda s: (s.language != source, s.language)):
        group = groups.setdefault((sheet.task, sheet.variant, sheet.model), [])
        ordered = _in_order(sheet, group[0].sheet.ids) if group else sheet
        options = {method: reader(ordered) for method, reader in READERS.items()}
        group.append(ReadSheet(ordered, options))
    return dict(sorted(groups.items()))


def write_readings(groups: Groups, path: pathlib.Path) -> None:
    """Writes every answer and what was read in it as a Parquet file, one row per answer."""
    names = ('model', 'task', 'variant', 'language')
    texts = [(name, pa.string()) for name in (*names, 'id', 'text')]
    numbers = [(name, pa.int64()) for name in ('answer', *map(_column, READERS))]
    schema = pa.schema([*texts, *numbers])
    parts = []
    for one in (sheet for group in groups.values() for sheet in group):
        sheet = one.sheet
        columns: dict[str, Sequence[Any]]
        columns = {name: [getattr(sheet, name)] * len(sheet.ids) for name in names}
        columns |= {'id': [str(name) for name in sheet.ids], 'text': sheet.texts}
        columns |= {'answer': sheet.answers}
        columns |= {_column(method): options for method, options in one.options.items()}
        parts.append(pa.table(columns, schema))
    whole = pa.concat_tables(parts)
    write_atomic(path, lambda temporary: pq.write_table(whole, temporary))


def check_reference(sheets: Sequence[RecordedSheet], config: RescoreConfig) -> None:
    """Refuses a reference of RA that is not above guessing.

    Raises:
      RecordError: naming the field and the task.
    """
    for sheet in sheets:
        chance, reference = _constants(sheet, config)
        if reference is not None and reference <= chance:
            raise RecordError(
                f'config.rescore.ra_reference is {config.ra_reference:g}; guessing alone gives'
                f' {100 * chance:.4g} % of {sheet.task}: expected more than that, or 0 for the'
                ' published one, or leave the task out with --config.rescore.tasks'
            )


def choice_rows(groups: Groups, config: RescoreConfig, draws: int, seed: int) -> list[ResultRow]:
    """Accuracy, RA, what is shared with the source language, and checks of whether that is empty.

    Args:
      groups: as `read` returns them.
      config: source language, languages, and the constants of RA.
      draws, seed: of every bootstrap.

    Returns:
      Rows in a fixed order, not adjusted for multiple tests.
    """
    rows: list[ResultRow] = []
    for (task, variant, model), group in groups.items():
        key = RowKey(model, None, task, variant, config.source_language, '')
        rows += _group_rows(key, group, config, draws, seed)
    if config.reference:
        rows += _compared(groups, config, draws, seed)
    return rows


def _compared(groups: Groups, config: RescoreConfig, draws: int, seed: int) -> Iterator[ResultRow]:
    """Each model's paired differences to the reference, in the tasks that both have.

    Raises:
      RecordError: when the reference has no answers.
    """
    reference = config.reference
    if not any(model == reference for _, _, model in groups):
        known = ', '.join(sorted({model for _, _, model in groups}))
        raise RecordError(
            f'config.rescore.reference is {reference!r}, of which there are no answers; there are:'
            f' {known}'
        )
    for task, variant in sorted({key[:2] for key in groups}):
        models = {m: group for (t, v, m), group in groups.items() if (t, v) == (task, variant)}
        if reference not in models:
            continue
        ids = models[reference][0].sheet.ids
        chance, _ = _constants(models[reference][0].sheet, config)
        for method, reader in READERS.items():
            answers: dict[AnswersKey, ReadAnswers] = {}
            for model, group in models.items():
                if set(group[0].sheet.ids) != set(ids):
                    continue  # a part of the task, or another edition
                for one in group:
                    sheet = _in_order(one.sheet, ids)
                    read = one if sheet is one.sheet else ReadSheet(sheet, {method: reader(sheet)})
                    answers[model, task, variant, sheet.language] = read.answers(method)
            made = paired.rows(
                task,
                method,
                'accuracy',
                answers,
                chance=chance,
                reference=reference,
                control=reference,
                draws=draws,
                seed=seed,
            )
            yield from (row for row in made if row['metric'].endswith('difference_to_base'))


def _group_rows(
    key: RowKey, group: Sequence[ReadSheet], config: RescoreConfig, draws: int, seed: int
) -> Iterator[ResultRow]:
    chance, reference = _constants(group[0].sheet, config)
    source = config.source_language

    # Cached, because readers mostly agree and the bootstraps are most of the work.
    @functools.cache
    def shared(
        correct: tuple[tuple[str, tuple[bool, ...]], ...],
    ) -> Mapping[str, Mapping[str, Estimate]]:
        return metrics.across_languages(
            dict(correct),
            source,
            chance=chance,
            reference=1.0 if reference is None else reference,
            clip=config.ra_clip,
            draws=draws,
            seed=seed,
        )

    @functools.cache
    def agreement(first: Options, second: Options) -> Estimate:
        return metrics.answer_kappa(first, second, draws, seed)

    for method in READERS:
        answers = {one.sheet.language: one.answers(method) for one in group}
        options = {one.sheet.language: one.options[method] for one in group}
        keys = {code: key._replace(method=method, language=code) for code in answers}
        estimates = shared(tuple((code, tuple(a.right.tolist())) for code, a in answers.items()))
        # Without a published reference or a given one there is no RA.
        shown = {m for found in estimates.values() for m in found}
        shown -= {'relative_accuracy'} if reference is None else set()
        yield from alignment.shared_rows(
            key._replace(method=method), estimates, shown, chance=chance
        )
        correct = {code: one.right for code, one in answers.items()}
        yield from alignment.tot_cons_rows(key._replace(method=method), correct)
        for code, one in answers.items():
            p = metrics.above_chance(int(one.right.sum()), len(one.right), chance)
            yield result_row(keys[code], 'above_chance_p', Estimate(p, n=len(one.right), p=p))
        for code, chosen in options.items():
            if code != source and source in options:
                yield result_row(keys[code], 'answer_kappa', agreement(options[source], chosen))
        for code, chosen in options.items():
            yield shares.commonest_row(keys[code], chosen)
        for code, chosen in options.items():
            yield shares.unreadable_row(keys[code], chosen)
        if len(options) > 1:
            yield shares.unreadable_mean_row(key._replace(method=method), options, draws, seed)
        for code, one in answers.items():
            if one.subjects:
                yield from shares.mmlu_rows(keys[code], one, chance)


def _constants(sheet: RecordedSheet, config: RescoreConfig) -> tuple[float, float | None]:
    """Chance, and the accuracy whose RA is 1, both from 0 to 1."""
    given = config.ra_reference / 100 or alignment.reference_of(sheet.task)
    if sheet.task in CLIKA_CHANCE:
        return alignment.chance_of(sheet.task, 0.0), given
    return float(np.mean([1 / len(choices) for choices in sheet.choices])), given


def _in_order(sheet: RecordedSheet, ids: Sequence[Any]) -> RecordedSheet:
    if sheet.ids == tuple(ids):
        return sheet
    at = {name: i for i, name in enumerate(sheet.ids)}
    order = [at[name] for name in ids]
    return RecordedSheet(
        sheet.model,
        sheet.task,
        sheet.variant,
        sheet.language,
        sheet.path,
        tuple(ids),
        tuple(sheet.texts[i] for i in order),
        tuple(sheet.answers[i] for i in order),
        tuple(sheet.choices[i] for i in order),
        tuple(sheet.subjects[i] for i in order) if sheet.subjects else (),
    )


def _column(method: str) -> str:
    return method.replace('recorded:', 'prediction_')
