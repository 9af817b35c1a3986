"""AdamW with warm-up, cosine decay and clipping by the global norm."""

from typing import Any

import jax
import optax

from xlbarrier.config import TrainConfig
from xlbarrier.errors import InputError

DECAYED = ('kernel', 'embedding', 'lora_a', 'lora_b')  # matrices; scales of norms are left alone


def make_schedule(config: TrainConfig) -> optax.Schedule:
    """Learning rate of update n = 0, 1, ...: linear to the peak, then half a cosine towards 0.

    Update n of the warm-up has the share (n + 1) / (warmup_steps + 1) of the peak, so none is
    without effect, and update `warmup_steps` has the peak itself.

    Raises:
      ValueError: when the warm-up does not end before the last step.
    """
    if config.warmup_steps >= config.steps:
        raise InputError(
            f'config.train.warmup_steps is {config.warmup_steps}, config.train.steps'
            f' {config.steps}: the warm-up must be shorter than the training'
        )
    return optax.warmup_cosine_decay_schedule(
        init_value=config.learning_rate / (config.warmup_steps + 1),
        peak_value=config.learning_rate,
        warmup_steps=config.warmup_steps,
        decay_steps=config.steps,
    )


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
