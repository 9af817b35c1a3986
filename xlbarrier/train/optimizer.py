"""AdamW with warm-up, a schedule and clipping by the global norm."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from xlbarrier.config import TrainConfig
from xlbarrier.errors import InputError

DECAYED = ('kernel', 'embedding', 'lora_a', 'lora_b')  # matrices; scales of norms are left alone


def make_schedule(config: TrainConfig) -> optax.Schedule:
    """Learning rate of update n = 0, 1, ...: linear to the peak, then as `config.schedule` says.

    Update n of the warm-up has the share (n + 1) / (warmup_steps + 1) of the peak, so none is
    without effect, and update `warmup_steps` has the peak itself. From there on, with w and s the
    updates of the warm-up and of all (formulas of transformers' schedules of the same names):

        cosine        (1 + cos(pi (n - w) / (s - w))) / 2
        linear        (s - n) / (s - w)
        constant      1
        inverse_sqrt  sqrt(t / (n - w + t)), t = w, or 10,000 without warm-up
        rising        n / s over the whole training, whatever w is: transformers' linear schedule
                      with a warm-up as long as the training, as Chua et al. 2024 trained

    Raises:
      ValueError: when the warm-up does not end before the last step.
    """
    warmup, steps, peak = config.warmup_steps, config.steps, config.learning_rate
    if warmup >= steps:
        raise InputError(
            f'config.train.warmup_steps is {warmup}, config.train.steps'
            f' {steps}: the warm-up must be shorter than the training'
        )
    if config.schedule == 'rising':
        return optax.linear_schedule(0.0, peak, steps)
    if config.schedule == 'cosine':
        return optax.warmup_cosine_decay_schedule(
            init_value=peak / (warmup + 1),
            peak_value=peak,
            warmup_steps=warmup,
            decay_steps=steps,
        )
    after = {
        'linear': optax.linear_schedule(peak, 0.0, steps - warmup),
        'constant': optax.constant_schedule(peak),
        'inverse_sqrt': _inverse_sqrt(peak, warmup or 10_000),
    }[config.schedule]
    rise = optax.linear_schedule(peak / (warmup + 1), peak, warmup)
    return optax.join_schedules([rise, after], [warmup])


def _inverse_sqrt(peak: float, timescale: int) -> optax.Schedule:
    # Also evaluated during the warm-up, where the count is negative and the result unused.
    return lambda count: peak * jnp.sqrt(timescale / (jnp.maximum(count, 0) + timescale))


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Clipping, then AdamW (Loshchilov and Hutter 2019) with decoupled decay of matrices only."""
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(
            make_schedule(config),
            b1=config.b1,
            b2=config.b2,
            eps=1e-8,
            weight_decay=config.weight_decay,
            mask=decayed,
        ),
    )


def decayed(params: Any) -> Any:
    """True for each parameter that weight decay applies to, by its name."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key in DECAYED, params)
