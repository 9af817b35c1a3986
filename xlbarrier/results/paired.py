"""Accuracies, barrier gaps and differences between models, on the same questions.

Intervals are from one bootstrap over the questions; of an arm with several seeds, over questions
and seeds (results/seeds.py). Every p is of one test, the sign-flip test of
each question's difference: of two sheets it is McNemar's exact test, and of means over languages
the differences are counted in whole answers, so that ties are exact.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from xlbarrier import metrics
from xlbarrier.config.run import text_of
from xlbarrier.metrics import Estimate
from xlbarrier.results import seeds
from xlbarrier.results.answers import AnswersKey, ReadAnswers, models_of
from xlbarrier.results.rows import ALL, MEAN, SOURCE, ResultRow, RowKey, is_mean, result_row

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
        text = text_of(model)
        if text not in (model, control) and text in tests.models:
            made += tests.differences(model, text, text)
    return made + list(tests.seeds(metric))


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
    tests = _PairedTests(task, method, answers, chance, models[0], draws, seed, pooled=False)
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
        *,
        pooled: bool = True,
    ):
        self.task, self.method, self.chance, self.reference = task, method, chance, reference
        self.draws, self.seed = draws, seed
        self.given = {key: one.right for key, one in sorted(answers.items())}
        name_of = seeds.arm_of if pooled else str
        self.correct, self.drawn = seeds.pool(self.given, draws, seed, name_of)
        self.keys = sorted(self.correct)
        self.models = models_of(self.keys, reference)
        names = {key[0] for key in self.given}
        counts = {model: seeds.count(names, model) for model in self.models}
        self.seed_counts = counts if pooled else dict.fromkeys(self.models, 1)
        self.n = len(self.correct[self.keys[0]])

    def accuracies(self, model: str, metric: str) -> Iterator[ResultRow]:
        """Of sheets with Wilson's interval, of means over languages with the bootstrap's."""
        for variant, language, keys in self._groups(model):
            key = self._key(model, variant, language)
            value = float(_mean(keys, self.correct).mean())
            right = int(self.correct[keys[0]].sum())
            pooled = self.seed_counts[model] > 1
            interval = (
                metrics.percentile_interval(_mean(keys, self.drawn))
                if len(keys) > 1 or pooled
                else metrics.wilson(right, self.n)
            )
            assert interval is not None, 'a sheet has rows'
            row = result_row(key, metric, Estimate(value, *interval, self.n), chance=self.chance)
            yield self._counted(row, model)
            if len(keys) == 1 and metric == 'accuracy' and not pooled:
                p = metrics.above_chance(right, self.n, self.chance)
                yield result_row(key, 'above_chance_p', Estimate(p, n=self.n, p=p))

    def seeds(self, metric: str) -> Iterator[ResultRow]:
        """The accuracy of each seed's sheets, with Wilson's interval."""
        for key, right in self.given.items():
            if seeds.is_one_seed(key[0]):
                interval = metrics.wilson(int(right.sum()), self.n)
                assert interval is not None, 'a sheet has rows'
                estimate = Estimate(float(right.mean()), *interval, self.n)
                yield result_row(self._key(key[0], *key[2:]), metric, estimate, chance=self.chance)

    def barrier_gaps(self, model: str) -> Iterator[ResultRow]:
        """Accuracy in English minus that of each sheet and mean."""
        for variant, language, source, keys in self._gaps(model):
            gap = functools.partial(_pair, [source], keys)
            scale = len(keys) * self.seed_counts[model]
            yield self._row(model, variant, language, 'barrier_gap', gap, scale)

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
            scale = len(keys) * math.lcm(self.seed_counts[model], self.seed_counts[other])
            yield self._row(model, variant, language, metric, difference, scale)
            if self.seed_counts[model] > 1 and is_mean(language):
                yield self._smallest(model, variant, language, metric, difference)
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
                scale *= math.lcm(self.seed_counts[model], self.seed_counts[other])
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
        return self._counted(
            result_row(self._key(model, variant, language), metric, estimate), model
        )

    def _smallest(
        self,
        model: str,
        variant: str,
        language: str,
        metric: str,
        sides: Callable[[Values], tuple[np.ndarray, np.ndarray]],
    ) -> ResultRow:
        """The smallest effect that this design could have seen, corrected over the arms."""
        error = float(np.subtract(*sides(self.drawn)).std())
        value = metrics.smallest_effect(error, max(1, len(self.models) - 1))
        key = self._key(model, variant, language)
        return self._counted(
            result_row(key, f'smallest_{metric}', Estimate(value, n=self.n)), model
        )

    def _counted(self, row: ResultRow, model: str) -> ResultRow:
        """The row with its number of seeds, where the model is an arm of several."""
        if self.seed_counts[model] > 1:
            row['seeds'] = self.seed_counts[model]
        return row

    def _key(self, model: str, variant: str, language: str) -> RowKey:
        arm = None if model == self.reference else seeds.arm_of(model)
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
