"""Accuracies, barrier gaps and differences between models, on the same questions.

Intervals are from one bootstrap over the questions. Every p is of one test, the sign-flip test of
each question's difference: of two sheets it is McNemar's exact test, and of means over languages
the differences are counted in whole answers, so that ties are exact.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from xlbarrier import metrics
from xlbarrier.metrics import Estimate
from xlbarrier.results.answers import AnswersKey, ReadAnswers, models_of
from xlbarrier.results.rows import ALL, MEAN, SOURCE, ResultRow, RowKey, result_row

Values = Mapping[AnswersKey, np.ndarray]


def rows(
    task: str,
    method: str,
    metric: str,
    answers: Mapping[AnswersKey, ReadAnswers],
    *,
    chance: float,
    reference: str,
    control: str,
    draws: int,
    seed: int,
) -> list[ResultRow]:
    """Accuracies of one task and reading; for the plain accuracy also what is derived from them.

    Args:
      task, method: of the rows.
      metric: the accuracy's name.
      answers: of every model, all with the same items in the same order.
      chance: accuracy of guessing.
      reference: the model that others are compared with.
      control: the arm that other arms are compared with.
      draws, seed: of the bootstrap.

    Returns:
      Rows in a fixed order.
    """
    tests = _PairedTests(task, method, answers, chance, reference, draws, seed)
    made = [row for model in tests.models for row in tests.accuracies(model, metric)]
    if metric != 'accuracy':
        return made
    for model in tests.models:
        made += tests.barrier_gaps(model)
    for model in tests.models:
        if model != reference and reference in tests.models:
            made += tests.differences(model, reference, 'base')
        if model not in (reference, control) and control in tests.models:
            made += tests.differences(model, control, 'english')
    return made


def compared(
    task: str,
    method: str,
    answers: Mapping[AnswersKey, ReadAnswers],
    models: Sequence[str],
    *,
    chance: float,
    draws: int,
    seed: int,
) -> list[ResultRow]:
    """Accuracies and gaps of models of several runs, and the differences between them.

    Every model is compared with the first on each sheet, and with every other one in English and on
    the mean over the other languages. The metric of a difference to NAME is `difference_to:NAME`
    or `gap_difference_to:NAME`.

    Args:
      task, method: of the rows.
      answers: of every model, all with the same items in the same order.
      models: in their order; each is compared with those before it.
      chance: accuracy of guessing.
      draws, seed: of the bootstrap.
    """
    tests = _PairedTests(task, method, answers, chance, models[0], draws, seed)
    made = [row for model in models for row in tests.accuracies(model, 'accuracy')]
    made += [row for model in models for row in tests.barrier_gaps(model)]
    for i, model in enumerate(models):
        for other in models[:i]:
            made += tests.differences(model, other, other, ':', whole=other == models[0])
    return made


class _PairedTests:
    """The answers of one task and reading, and bootstrap draws that all its numbers share."""

    def __init__(
        self,
        task: str,
        method: str,
        answers: Mapping[AnswersKey, ReadAnswers],
        chance: float,
        reference: str,
        draws: int,
        seed: int,
    ):
        self.task, self.method, self.chance, self.reference = task, method, chance, reference
        self.draws, self.seed = draws, seed
        self.keys = sorted(answers)
        self.correct = {key: answers[key].right for key in self.keys}
        drawn = metrics.bootstrap_means(np.stack(list(self.correct.values())), draws, seed)
        self.drawn = dict(zip(self.keys, drawn, strict=True))
        self.models = models_of(self.keys, reference)
        self.n = len(self.correct[self.keys[0]])

    def accuracies(self, model: str, metric: str) -> Iterator[ResultRow]:
        """Of sheets with Wilson's interval, of means over languages with the bootstrap's."""
        for variant, language, keys in self._groups(model):
            key = self._key(model, variant, language)
            value = float(_mean(keys, self.correct).mean())
            right = int(self.correct[keys[0]].sum())
            interval = (
                metrics.percentile_interval(_mean(keys, self.drawn))
                if len(keys) > 1
                else metrics.wilson(right, self.n)
            )
            assert interval is not None, 'a sheet has rows'
            yield result_row(key, metric, Estimate(value, *interval, self.n), chance=self.chance)
            if len(keys) == 1 and metric == 'accuracy':
                p = metrics.above_chance(right, self.n, self.chance)
                yield result_row(key, 'above_chance_p', Estimate(p, n=self.n, p=p))

    def barrier_gaps(self, model: str) -> Iterator[ResultRow]:
        """Accuracy in English minus that of each sheet and mean."""
        for variant, language, source, keys in self._gaps(model):
            gap = functools.partial(_pair, [source], keys)
            yield self._row(model, variant, language, 'barrier_gap', gap, len(keys))

    def differences(
        self, model: str, other: str, name: str, mark: str = '_', *, whole: bool = True
    ) -> Iterator[ResultRow]:
        """Accuracies and gaps of a model minus those of another.

        Args:
          model, other: which models.
          name: of the other in the metric's name, after `mark`.
          whole: of each sheet and mean; else only of English and the mean, in the variant `full`.
        """
        chosen = {('full', SOURCE), ('full', MEAN)}
        for variant, language, keys in self._groups(model):
            against = [(other, *key[1:]) for key in keys]
            if not all(key in self.correct for key in against):
                continue
            if not whole and (variant, language) not in chosen:
                continue
            difference = functools.partial(_pair, keys, against)
            metric = f'difference_to{mark}{name}'
            yield self._row(model, variant, language, metric, difference, len(keys))
        theirs = {
            (variant, language): (source, keys)
            for variant, language, source, keys in self._gaps(other)
        }
        for variant, language, source, keys in self._gaps(model):
            if (variant, language) in theirs and (whole or (variant, language) in chosen):
                other_source, other_keys = theirs[variant, language]
                change = functools.partial(_gaps, (source, keys), (other_source, other_keys))
                metric = f'gap_difference_to{mark}{name}'
                scale = math.lcm(len(keys), len(other_keys))
                yield self._row(model, variant, language, metric, change, scale)

    def _row(
        self,
        model: str,
        variant: str,
        language: str,
        metric: str,
        sides: Callable[[Values], tuple[np.ndarray, np.ndarray]],
        scale: int,
    ) -> ResultRow:
        """The row of a difference of two means.

        Args:
          sides: what is subtracted from what: of the answers, for each item; of the bootstrap, for
            each draw.
          scale: an item's difference times this is whole.
        """
        first, second = sides(self.correct)
        drawn = np.subtract(*sides(self.drawn))
        whole = np.rint(scale * (first - second))
        p = metrics.sign_flip(whole, np.zeros_like(whole), self.draws, self.seed)
        interval = metrics.percentile_interval(drawn)
        estimate = Estimate(float(first.mean() - second.mean()), *interval, self.n, p=p)
        return result_row(self._key(model, variant, language), metric, estimate)

    def _key(self, model: str, variant: str, language: str) -> RowKey:
        arm = None if model == self.reference else model
        return RowKey(model, arm, self.task, variant, language, self.method)

    def _groups(self, model: str) -> Iterator[tuple[str, str, list[AnswersKey]]]:
        """(variant, language, keys) of each sheet, and of the means over languages."""
        variants: dict[str, list[AnswersKey]] = {}
        for key in self.keys:
            if key[0] == model:
                variants.setdefault(key[2], []).append(key)
        for variant, keys in variants.items():
            for key in keys:
                yield variant, key[3], [key]
            others = [key for key in keys if key[3] != SOURCE]
            if variant == 'mixup':
                yield variant, ALL, keys
            elif others and variant != 'english':
                yield variant, MEAN, others

    def _gaps(self, model: str) -> Iterator[tuple[str, str, AnswersKey, list[AnswersKey]]]:
        """(variant, language, English sheet, compared sheets)."""
        sources = [(model, self.task, 'full', SOURCE), (model, self.task, 'english', SOURCE)]
        source = next((key for key in sources if key in self.correct), None)
        if source is None:
            return
        for variant, language, keys in self._groups(model):
            if variant != 'english' and (variant, language) != ('full', SOURCE):
                yield variant, language, source, keys


def _mean(keys: list[AnswersKey], values: Values) -> np.ndarray:
    return np.mean([values[key] for key in keys], axis=0)


def _pair(
    keys: list[AnswersKey], others: list[AnswersKey], values: Values
) -> tuple[np.ndarray, np.ndarray]:
    return _mean(keys, values), _mean(others, values)


def _gaps(
    mine: tuple[AnswersKey, list[AnswersKey]],
    theirs: tuple[AnswersKey, list[AnswersKey]],
    values: Values,
) -> tuple[np.ndarray, np.ndarray]:
    first, second = (
        _mean([source], values) - _mean(keys, values) for source, keys in (mine, theirs)
    )
    return first, second
