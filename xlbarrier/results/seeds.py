"""Models of one arm that differ in their seed, pooled: 'mixed+dco@0', 'mixed+dco@1' -> 'mixed+dco'.

A pooled answer is the share of seeds that are right, so that the number of an arm is the mean over
its seeds. The bootstrap of a pooled arm draws items and, independently, seeds: its interval has the
part of both. Arms with the same number of seeds share the draw of seeds, as a seed reads its data
in the same order in each. The sign-flip tests are over items, at these seeds.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from xlbarrier import metrics
from xlbarrier.results.answers import AnswersKey

_SEED = re.compile(r'@\d+(?=$|-\d+steps$)')


def arm_of(model: str) -> str:
    """The arm of a model: its name without the seed; of a snapshot, that of the arm's snapshot."""
    return _SEED.sub('', model)


def is_one_seed(model: str) -> bool:
    """Whether a model is one of several seeds of an arm."""
    return arm_of(model) != model


def pool(
    right: Mapping[AnswersKey, np.ndarray],
    draws: int,
    seed: int,
    name_of: Callable[[str], str] = arm_of,
) -> tuple[dict[AnswersKey, np.ndarray], dict[AnswersKey, np.ndarray]]:
    """The answers of each model or arm, and their bootstrap draws, all of the same items.

    Args:
      right: bool [items] of each model's sheets.
      draws, seed: of the bootstrap.
      name_of: the arm of a model; models of one arm are pooled.

    Returns:
      float64 or bool [items] and float64 [draws], by (model or arm, task, variant, language).
    """
    keys = sorted(right)
    drawn = dict(
        zip(
            keys,
            metrics.bootstrap_means(np.stack([right[key] for key in keys]), draws, seed),
            strict=True,
        )
    )
    groups: dict[AnswersKey, list[AnswersKey]] = {}
    for key in keys:
        groups.setdefault((name_of(key[0]), *key[1:]), []).append(key)
    answers: dict[AnswersKey, np.ndarray] = {}
    means: dict[AnswersKey, np.ndarray] = {}
    for key, members in groups.items():
        if members == [key]:
            answers[key], means[key] = right[key], drawn[key]
            continue
        answers[key] = np.mean([right[member] for member in members], axis=0)
        counts_DS = _seed_counts(len(members), draws, seed)
        means[key] = np.einsum('DS,SD->D', counts_DS, np.stack([drawn[m] for m in members]))
    return answers, means


def count(models: Iterable[str], arm: str) -> int:
    """How many seeds an arm has among the models; 1 for a model without seeds."""
    return max(1, sum(is_one_seed(model) and arm_of(model) == arm for model in models))


def _seed_counts(seeds: int, draws: int, seed: int) -> np.ndarray:
    """The share of each seed in each draw of as many seeds, with replacement: [draws, seeds]."""
    rng = np.random.Generator(np.random.PCG64([seed, seeds]))
    return rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
