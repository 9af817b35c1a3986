"""Which rows a training step reads: a pure function of the step, so that a resume repeats none."""

import functools

import numpy as np

from xlbarrier.data.mixture import Mixture, Stages
from xlbarrier.data.pack import PackedRows
from xlbarrier.data.pairs import PairRows
from xlbarrier.errors import InputError


def batch_at(
    packed: PackedRows | PairRows | Mixture | Stages, step: int, batch_rows: int, seed: int
) -> dict[str, np.ndarray]:
    """The batch of a step: rows of an endless sequence of seeded permutations of all rows.

    Args:
      packed: R rows; of a mixture with counts, as `Mixture.rows_at` orders them; of stages, those
        of the step's part.
      step: from 0.
      batch_rows: B.
      seed: of the permutations.

    Returns:
      tokens, positions, until, weights, each [B, T]; copies, also of memory-mapped rows.

    Raises:
      ValueError: for a negative step or a batch of no rows.
    """
    if step < 0 or batch_rows < 1:
        raise InputError(
            f'step is {step}, expected 0 or more; batch_rows is {batch_rows}, 1 or more'
        )
    if isinstance(packed, Stages):
        packed = packed.parts[packed.stage(step)]
    rows = len(packed)
    places = np.arange(step * batch_rows, (step + 1) * batch_rows)
    if isinstance(packed, Mixture) and packed.counts:
        return packed.batch(packed.rows_at(places, seed))
    epochs = places // rows
    orders = {int(epoch): _order(rows, seed, int(epoch)) for epoch in np.unique(epochs)}
    chosen = [orders[int(e)][i % rows] for e, i in zip(epochs, places, strict=True)]
    return packed.batch(np.array(chosen))


@functools.lru_cache(maxsize=2)  # a batch that ends an epoch needs two
def _order(rows: int, seed: int, epoch: int) -> np.ndarray:
    order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(rows)
    order.flags.writeable = False
    return order
