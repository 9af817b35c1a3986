"""How answers are scored and reported."""

from typing import Annotated, Literal

from xlbarrier.config.checks import Count, Range, Section, Several

# row_tokens of a step that is compiled ahead, where it is 0.
COMPILED_ROW = {'gpu': 512, 'tpu': 1024}


class ScoreConfig(Section):
    """Shapes of the scoring step. They change speed and memory, and scores only by rounding."""

    # Tokens computed as one row; requests share their prefixes in it. 0: chosen from the device,
    # its memory and the model.
    row_tokens: Count = 0
    rows_per_device: Count = 0  # rows of one dispatch on each device; 0: chosen
    # Texts that each device writes at once, fewer where prompts are long; 0: chosen.
    generate_rows: Count = 0
    # Which token a letter is: as it follows the prompt, or the last token of the bare letter.
    letter_tokens: Literal['natural', 'published'] = 'natural'


class ReportConfig(Section):
    """How the numbers are reported."""

    bootstrap_draws: Annotated[int, Range(100)] = 10_000  # of every bootstrap interval
    examples: Count = 10  # questions shown where the arms differ
    to: Several[Literal['tensorboard', 'wandb', 'trackio']] = ('tensorboard',)  # training's numbers
    lm_eval: bool = False  # also writes lm_eval/<model>/ in lm-evaluation-harness's layout
