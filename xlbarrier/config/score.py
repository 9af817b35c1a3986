"""How answers are scored and reported."""

from typing import Annotated, Literal

from xlbarrier.config.checks import Count, Range, Section, Size


class ScoreConfig(Section):
    """Shapes of the scoring step. They change speed and memory, and scores only by rounding."""

    # Tokens computed as one row; requests share their prefixes in it.
    row_tokens: Annotated[int, Range(16)] = 256
    rows_per_device: Size = 1  # rows of one dispatch on each device
    generate_rows: Size = 8  # texts that each device writes at once; fewer where prompts are long
    # Which token a letter is: as it follows the prompt, or the last token of the bare letter.
    letter_tokens: Literal['natural', 'published'] = 'natural'


class ReportConfig(Section):
    """How the numbers are reported."""

    bootstrap_draws: Annotated[int, Range(100)] = 10_000  # of every bootstrap interval
    examples: Count = 10  # questions shown where the arms differ
