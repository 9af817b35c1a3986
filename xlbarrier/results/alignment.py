"""What languages share: RA, en-CO, kappas, transfer and RankC, as rows of results.json."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from xlbarrier import metrics
from xlbarrier.metrics import CLIKA_CHANCE, CLIKA_REFERENCE, Estimate
from xlbarrier.results.answers import ReadAnswers
from xlbarrier.results.rows import ALL, PAIR, SOURCE, ResultRow, RowKey, result_row

SHARED = ('relative_accuracy', 'en_co', 'kappa', 'transfer', 'transfer_back')
Variants = Mapping[tuple[str, str], ReadAnswers]  # (variant, language) -> answers of one model


def reference_of(task: str | None) -> float | None:
    """The accuracy (0 to 1) whose RA is 1, for a task with a published one."""
    return CLIKA_REFERENCE[task] / 100 if task in CLIKA_REFERENCE else None


def chance_of(task: str | None, chance: float) -> float:
    """The published chance of a task of CLiKA, else the one given."""
    return CLIKA_CHANCE[task] / 100 if task in CLIKA_CHANCE else chance


def shared_rows(
    key: RowKey,
    estimates: Mapping[str, Mapping[str, Estimate]],
    metric_names: Collection[str] | None = None,
    *,
    chance: float | None = None,
) -> Iterator[ResultRow]:
    """Rows of the numbers that `metrics.across_languages` computed.

    Args:
      key: of the model and task; the language is replaced.
      estimates: language -> metric -> estimate.
      metric_names: those to report, all by default.
      chance: of the accuracies.
    """
    for language, found in estimates.items():
        for metric, estimate in found.items():
            if metric_names is None or metric in metric_names:
                guess = chance if metric == 'accuracy' else None
                yield result_row(key._replace(language=language), metric, estimate, chance=guess)


def study_rows(
    key: RowKey, kind: str | None, answers: Variants, *, draws: int, seed: int
) -> Iterator[ResultRow]:
    """What a model's answers in the variant `full` share with English, for one reading.

    English is `full` in English or else the variant `english`. RA is reported where the task's kind
    has a published reference, the rest where there is another language.

    Args:
      key: of the model and task; variant and language are replaced.
      kind: of the task, as the config names it.
      answers: of every sheet, all with the same items in the same order.
      draws, seed: of every bootstrap.
    """
    source = next((k for k in (('full', SOURCE), ('english', SOURCE)) if k in answers), None)
    others = [k for k in answers if k[0] == 'full' and k != source]
    reference = reference_of(kind)
    correct = {SOURCE: answers[source].right} if source else {}
    correct |= {language: answers[variant, language].right for variant, language in others}
    if not correct or (reference is None and not others):
        return
    table = metrics.across_languages(
        correct,
        SOURCE,
        chance=None if reference is None else chance_of(kind, 0.0),
        reference=1.0 if reference is None else reference,
        draws=draws,
        seed=seed,
    )
    for language, estimates in table.items():
        variant = source[0] if source and language == SOURCE else 'full'
        here = key._replace(variant=variant)
        found = {metric: estimates[metric] for metric in SHARED if metric in estimates}
        yield from shared_rows(here, {language: found})
    yield from tot_cons_rows(key._replace(variant='full'), correct)
    yield from consistency_rows(key._replace(variant='full'), correct)
    if source:
        for variant, language in others:
            estimate = metrics.answer_kappa(
                answers[source].chosen, answers[variant, language].chosen, draws, seed
            )
            here = key._replace(variant=variant, language=language)
            yield result_row(here, 'answer_kappa', estimate)


def tot_cons_rows(key: RowKey, correct: Mapping[str, np.ndarray]) -> Iterator[ResultRow]:
    """TotCons over all languages, where there are several."""
    if len(correct) > 1:
        yield result_row(key._replace(language=ALL), 'tot_cons', metrics.tot_cons(correct))


def consistency_rows(key: RowKey, correct: Mapping[str, np.ndarray]) -> Iterator[ResultRow]:
    """en-CO's overlap between every pair of languages, where there are more than two.

    They have no intervals: they are for a matrix, and `en_co` has those of the pairs with English.
    """
    codes = list(correct)
    for number, one in enumerate(codes if len(codes) > 2 else ()):
        for other in codes[number + 1 :]:
            value = metrics.en_co(correct[one], correct[other])
            n = len(correct[one])
            reason = 'no item is right in either language'
            estimate = Estimate(value, n=n, reason=None if value is not None else reason)
            yield result_row(key._replace(language=f'{one}{PAIR}{other}'), 'consistency', estimate)


def probability_rows(
    key: RowKey, scores: Mapping[str, Sequence[Sequence[float]]], *, draws: int, seed: int
) -> Iterator[ResultRow]:
    """Chi-square distance from English of each language's option probabilities, and variance share.

    Args:
      key: of the model and task; the language is replaced.
      scores: language -> for each question the log-likelihood of each option.
      draws, seed: of every bootstrap.
    """
    for language, own in scores.items():
        if language == SOURCE or SOURCE not in scores:
            continue
        here = key._replace(language=language)
        distances = metrics.chi_square_distances(scores[SOURCE], own)
        estimate = metrics.mean(distances, draws, seed)
        yield result_row(here, 'chi_square_distance', estimate)
        estimate = metrics.variance_share(scores[SOURCE], own, draws, seed)
        yield result_row(here, 'variance_share', estimate)


def rankc_rows(
    key: RowKey, scores: Mapping[str, Sequence[Sequence[float]]], *, draws: int, seed: int
) -> Iterator[ResultRow]:
    """RankC between every pair of languages and the mean over the pairs, also rescaled by chance.

    Args:
      key: of the model and task; the language is replaced.
      scores: language -> for each question the score of each candidate.
      draws, seed: of every bootstrap.
    """
    table = metrics.rankc_table(scores, draws=draws, seed=seed)
    rescaled = {
        pair: metrics.rank_consistency_above_chance(scores[pair[0]], scores[pair[1]])
        for pair in table
    }
    for (one, other), estimate in table.items():
        yield result_row(key._replace(language=f'{one}{PAIR}{other}'), 'rankc', estimate)
    if len(table) > 1:
        means = [metrics.rank_consistency(scores[a], scores[b]) for a, b in table]
        estimate = metrics.mean(np.mean(means, axis=0), draws, seed)
        yield result_row(key._replace(language=ALL), 'rankc', estimate)
    for (one, other), values in rescaled.items():
        estimate = metrics.mean(values, draws, seed)
        yield result_row(key._replace(language=f'{one}{PAIR}{other}'), 'rankc_rescaled', estimate)
    if len(rescaled) > 1:
        estimate = metrics.mean(np.mean(list(rescaled.values()), axis=0), draws, seed)
        yield result_row(key._replace(language=ALL), 'rankc_rescaled', estimate)
