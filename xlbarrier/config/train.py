"""How a model is fine-tuned, and which steps are compiled ahead of time."""

import dataclasses
import typing
from typing import Annotated, Literal

from xlbarrier.config.checks import (
    AnyOf,
    ConfigError,
    Count,
    Positive,
    Range,
    Section,
    Several,
    Size,
)  # fmt: skip
from xlbarrier.config.model import Dtype

LoraTarget = Literal['q', 'k', 'v', 'o', 'gate', 'up', 'down']
LORA_TARGETS = typing.get_args(LoraTarget)
Decay = Annotated[float, Range(0, 1, below=True)]
Weight = Annotated[float, Range(0)]
# What is minimised: train/objectives has a module for each, with its formula and source.
Objective = Literal[
    'next_token', 'option_agreement', 'option_distillation', 'dco', 'pivot_dpo', 'contrast'
]
OBJECTIVES = typing.get_args(Objective)
NEXT_TOKEN: Objective = 'next_token'
KEEPING: Objective = 'option_distillation'  # also reads items paired with themselves
ALTERNATING: Objective = 'contrast'  # its updates are of text and of pairs in turn


class PairsConfig(Section):
    """Pairs of one item: in two languages, or with options in several."""

    # 'task:NAME' for the pairs that a task of the run provides, or globs (docs/objectives.md).
    files: AnyOf[str] = ()
    limit: Count = 0  # the first so many pairs, in a drawn order; 0: all
    rows: Size = 2  # of the batch_rows of an update, those that contain pairs; the rest is text
    weight: Weight = 1.0  # of the pairs' term of the loss
    text_weight: Weight = 1.0  # of the next token's; 0: updates have no text
    dco_beta: Positive = 1.0  # of dco, from 0 to infinity: how far English moves
    dpo_beta: Positive = 0.1  # of pivot_dpo
    dpo_nll: Weight = 0.0  # of pivot_dpo: weight of -log p of the preferred option
    temperature: Positive = 0.1  # of contrast
    layer: Count = 0  # of contrast: states after so many layers; 0: half of them


class GuardConfig(Section):
    """The guard: the fine-tuned model's KL to the base model on English text."""

    weight: Weight = 0.0  # of the guard's term of the loss; 0: no guard
    rows: Size = 1  # of the batch_rows of an update: rows of the text of the arm 'english'


class TrainConfig(Section):
    """Fine-tuning: one update is `batch_rows` packed rows of `row_tokens` tokens."""

    method: Literal['full', 'lora'] = 'full'  # all weights, or low-rank adapters
    objective: Objective = NEXT_TOKEN  # of arms that name none; an arm may: 'mixed+dco'
    pairs: PairsConfig = PairsConfig()
    guard: GuardConfig = GuardConfig()
    steps: Count = 39  # updates; 0: as many as `epochs` needs
    epochs: Annotated[float, Range(0)] = 0.0  # passes over an arm's rows; 0: `steps` counts
    batch_rows: Size = 4  # packed rows of one update
    row_tokens: Annotated[int, Range(2)] = 128  # tokens of one packed row
    pad: bool = False  # one example, or chunk of a text, per padded row; False: rows are packed
    accumulate: Size = 1  # microbatches of one update; divides batch_rows
    learning_rate: Positive = 1e-4  # peak, after warm-up
    # After the warm-up; 'rising' is one warm-up over the whole training (train/optimizer.py).
    schedule: Literal['cosine', 'linear', 'constant', 'inverse_sqrt', 'rising'] = 'cosine'
    warmup_steps: Count = 4  # updates of linear warm-up
    weight_decay: Annotated[float, Range(0)] = 0.0  # of matrices, not of norms
    b1: Decay = 0.9  # AdamW
    b2: Decay = 0.999  # AdamW
    clip_norm: Positive = 1.0  # largest norm of the whole gradient
    checkpoint_every: Size = 20  # updates
    # Updates after which the model is exported and measured too, as a model of its own.
    snapshots: AnyOf[Size] = ()
    log_every: Size = 1  # updates
    compute_dtype: Dtype = 'float32'  # or bfloat16, with float32 weights and optimizer
    # What the backward pass computes again: nothing, all except attention's inputs and outputs, all
    # except matrix products, or everything; 'auto' is dots on CPUs, attention on accelerators.
    remat: Literal['auto', 'none', 'attention', 'dots', 'full'] = 'auto'
    lora_rank: Size = 16  # this and the next three: where method is lora
    lora_alpha: Positive = 32.0  # the update is scaled by lora_alpha / lora_rank
    lora_dropout: Decay = 0.0  # of the adapters' input
    lora_targets: Several[LoraTarget] = ('q', 'k', 'v', 'o')  # or gate, up, down

    def check_together(self, where: str) -> None:
        if self.batch_rows % self.accumulate:
            raise ConfigError(
                f'{where}.accumulate is {self.accumulate}, which does not divide'
                f' {where}.batch_rows = {self.batch_rows}'
            )
        if (self.steps > 0) == (self.epochs > 0):
            raise ConfigError(
                f'{where}.steps is {self.steps} and {where}.epochs is {self.epochs:g}; expected one'
                ' of them, and 0 for the other'
            )
        if not self.pairs.weight + self.pairs.text_weight + self.guard.weight > 0:
            raise ConfigError(
                f'{where}.pairs.weight, {where}.pairs.text_weight and {where}.guard.weight are all'
                ' 0: nothing would be learned; expected one above 0'
            )
        if self.steps:
            self._check_length(where, f'{where}.steps = {self.steps}')

    def for_rows(self, rows: int) -> 'TrainConfig':
        """The same with `steps` where it has `epochs`.

        Updates are counted as by the script of TOFU, which Chua et al. 2024 used too: the rows of
        all epochs over `batch_rows`, rounded down, and at least one.

        Args:
          rows: of the arm.

        Raises:
          ConfigError: when warm-up or a snapshot comes after the last update.
        """
        if self.steps:
            return self
        steps = max(1, int(self.epochs * rows) // self.batch_rows)
        made = dataclasses.replace(self, steps=steps, epochs=0.0)
        what = f'the {steps} updates of config.train.epochs = {self.epochs:g} over {rows} rows'
        made._check_length('config.train', what)
        return made

    def _check_length(self, where: str, length: str) -> None:
        """Refuses a warm-up or a snapshot that is not before the end."""
        if self.warmup_steps >= self.steps:
            raise ConfigError(
                f'{where}.warmup_steps is {self.warmup_steps}; expected less than {length}'
            )
        late = [step for step in self.snapshots if step >= self.steps]
        if late:
            raise ConfigError(
                f'{where}.snapshots has {late[0]}; expected less than {length}: the model after'
                ' the last is measured in any case'
            )

    def rows_of_text(self) -> int:
        """Rows of text in an update; of an alternating objective, in an update of text."""
        guard = self.guard.rows if self.guard.weight else 0
        paired = self.objective not in (NEXT_TOKEN, ALTERNATING)
        return self.batch_rows - guard - (self.pairs.rows if paired else 0)

    def check_rows(self, where: str) -> None:
        """Refuses an update that has no row left for its text.

        Raises:
          ConfigError: naming the fields.
        """
        left, needed = self.rows_of_text(), self.pairs.text_weight > 0
        if left < needed:
            raise ConfigError(
                f'{where}.batch_rows is {self.batch_rows}, of which {where}.pairs.rows ='
                f' {self.pairs.rows} are pairs and {where}.guard.rows = {self.guard.rows} English'
                f' where the guard has weight; expected {int(needed)} or more for the text'
            )


class CompileConfig(Section):
    """Mode compile: which steps, for which machine; batch and mesh are those of the run."""

    # No such machine is needed: also v4:2x2x4, v5p:4x4x4, v6e:8x8, h100:8 (aot/topology.py).
    topology: str = 'v5e:4x4'
    steps: Several[Literal['train', 'score']] = ('train', 'score')  # both, or one
    score_places: Count = 0  # tokens asked about in a scored row; 0: all of score.row_tokens
