"""Objectives: terms of the loss, each (sum, weight); an update divides every sum once, globally.

    loss = text_weight * next token / tokens + weight * pairs' term / pairs + guard / tokens

An objective is next token alone, or with the term of pairs that it is named after; the guard may
join any. Which terms an update has is seen from its batch: `tokens` of text, `pairs`, `guard`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from xlbarrier.config import TrainConfig
from xlbarrier.models.decoder import Decoder
from xlbarrier.train import loss
from xlbarrier.train.objectives import (
    contrast,
    dco,
    guard,
    option_agreement,
    option_distillation,
    pivot_dpo,
)

Batch = Mapping[str, Any]
Sums = tuple[jax.Array, jax.Array]  # sum and weight, float32 scalars
PairLoss = Callable[[Decoder, Batch, TrainConfig], Sums]

# objective -> its term of pairs, arrays as of `data.pairs.PairRows`.
OF_PAIRS: dict[str, PairLoss] = {
    'option_agreement': option_agreement.option_agreement_loss,
    'option_distillation': option_distillation.option_distillation_loss,
    'dco': dco.dco_loss,
    'pivot_dpo': pivot_dpo.pivot_dpo_loss,
    'contrast': contrast.contrast_loss,
}
# Objectives that compare with the base model's scores.
REFERENCED = ('option_distillation', 'dco', 'pivot_dpo')


class Term(NamedTuple):
    """A term of an update's loss.

    Attributes:
      share: what its mean is multiplied by.
      sums: of a model and a microbatch.
      weight: of arrays with any leading axes: the weight that `sums` returns, which needs no model.
    """

    share: float
    sums: Callable[[Decoder, Batch], Sums]
    weight: Callable[[Batch], jax.Array]


def terms(
    batch: Batch, config: TrainConfig, base: Callable[[], Decoder], documents: int
) -> dict[str, Term]:
    """The terms of an update, by name: 'text', 'pairs', 'guard'.

    Args:
      batch: whose keys say which terms there are.
      config: objective and weights.
      base: makes the base model's decoder, for the guard.
      documents: the most texts in a row of text, as of `Decoder.hidden`.
    """
    found: dict[str, Term] = {}
    if 'tokens' in batch:
        text_weight = config.pairs.text_weight
        found['text'] = Term(
            text_weight if 'pairs' in batch else 1.0,
            lambda decoder, micro: loss.next_token_loss(decoder, micro, documents=documents),
            lambda arrays: arrays['weights'][..., 1:].sum(),
        )
    if 'pairs' in batch:
        of_pairs = OF_PAIRS[config.objective]
        found['pairs'] = Term(
            config.pairs.weight,
            lambda decoder, micro: of_pairs(decoder, micro['pairs'], config),
            lambda arrays: (arrays['pairs']['item'] >= 0).sum().astype('float32'),
        )
    if 'guard' in batch:
        found['guard'] = Term(
            config.guard.weight,
            lambda decoder, micro: guard.guard_loss(
                decoder, base(), micro['guard'], documents=documents
            ),
            lambda arrays: arrays['guard']['weights'][..., 1:].sum(),
        )
    return found
