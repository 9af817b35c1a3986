"""What an update is computed on: rows of text, of pairs, of the guard's English text.

Which rows is a function of the step and the seed alone, so that a resume repeats none.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from xlbarrier.config import TrainConfig
from xlbarrier.config.train import ALTERNATING, NEXT_TOKEN
from xlbarrier.data.mixture import Mixture, Stages
from xlbarrier.data.pack import PackedRows
from xlbarrier.data.pairs import PairRows
from xlbarrier.data.pipeline import batch_at
from xlbarrier.errors import InputError

Text = PackedRows | Mixture | Stages
PAIRS_SEED, GUARD_SEED = 1, 2  # added to the seed, so that orders of equal lengths differ


@dataclass(frozen=True)
class Sources:
    """The rows of a training.

    Attributes:
      text: the arm's.
      pairs: of an objective that compares languages.
      guard: English text, where the guard has weight.
    """

    text: Text
    pairs: PairRows | None = None
    guard: PackedRows | Mixture | None = None

    def check(self, config: TrainConfig) -> None:
        """Refuses a config that needs rows which are not there.

        Raises:
          ValueError: naming the objective or the guard.
        """
        if (self.pairs is None) != (config.objective == NEXT_TOKEN):
            has = 'no pairs' if self.pairs is None else 'pairs, which it does not read'
            raise InputError(f'config.train.objective is {config.objective!r}, and there are {has}')
        if config.guard.weight and self.guard is None:
            raise InputError(
                f'config.train.guard.weight is {config.guard.weight}, and there is no English text'
            )
        if self.pairs is not None and self.pairs.pairs < 2:
            raise InputError(f'there is {self.pairs.pairs} pair; expected at least 2')

    def counts(self, config: TrainConfig, step: int) -> dict[str, int]:
        """Rows of each kind in an update; an alternating objective has text in even ones."""
        guard = config.guard.rows if config.guard.weight else 0
        text, pairs = config.rows_of_text(), config.pairs.rows
        if self.pairs is None:
            pairs = 0
        elif config.objective == ALTERNATING and config.pairs.text_weight:
            text, pairs = (text, 0) if step % 2 == 0 else (0, text)
        elif config.objective == ALTERNATING:
            text, pairs = 0, text
        elif not config.pairs.text_weight:
            text = 0
        found = {'text': text, 'pairs': pairs, 'guard': guard}
        return {name: count for name, count in found.items() if count}

    def at(self, config: TrainConfig, step: int, seed: int) -> dict[str, Any]:
        """The batch of a step: arrays [B, ...] of its text, and mappings `pairs` and `guard`."""
        counts = self.counts(config, step)
        batch: dict[str, Any] = {}
        visit = step
        if config.objective == ALTERNATING and config.pairs.text_weight:
            visit = step // 2  # how often this kind of update has come before
        if 'text' in counts:
            batch |= batch_at(self.text, visit, counts['text'], seed)
        if 'pairs' in counts and self.pairs is not None:
            batch['pairs'] = batch_at(self.pairs, visit, counts['pairs'], seed + PAIRS_SEED)
        if 'guard' in counts and self.guard is not None:
            batch['guard'] = batch_at(self.guard, step, counts['guard'], seed + GUARD_SEED)
        return batch


def predicted(batch: dict[str, Any]) -> int:
    """Tokens whose probability a batch's loss has."""
    count = 0
    for arrays in (batch, batch.get('guard', {})):
        if 'weights' in arrays:
            count += int(np.count_nonzero(arrays['weights'][:, 1:]))
    return count + int(np.count_nonzero(batch['pairs']['slot'] >= 0)) if 'pairs' in batch else count


def seen(batch: dict[str, Any]) -> int:
    """Tokens that a batch reads: all except padding, which is a text of one token."""
    count = 0
    for arrays in (batch, batch.get('pairs', {}), batch.get('guard', {})):
        if 'until' in arrays:
            later = arrays['until'] > np.arange(arrays['until'].shape[1])
            count += int(np.count_nonzero(later | (arrays['positions'] > 0)))
    return count
