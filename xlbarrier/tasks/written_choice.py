"""Multiple choice with written answers, and how these are read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xlbarrier import metrics
from xlbarrier.data.tokenize import encode_prompt
from xlbarrier.errors import InputError
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import Prompt, Question

if TYPE_CHECKING:
    from xlbarrier.scoring.generate import Generated

LEAST_TOKENS = 32  # that the model must have positions for; a longer answer can be cut off
COLUMNS = (
    ('written', pa.string()),
    ('written_tokens', pa.int64()),
    ('ended_by', pa.string()),
    ('first_character_prediction', pa.int64()),
    ('robust_prediction', pa.int64()),
)


def write(
    asked: Asked, task: str, questions: Sequence[Question], prompts: Sequence[Prompt]
) -> 'list[Generated]':
    """What the model writes after each question's prompt, up to the end that the prompt names.

    Raises:
      InputError: naming the question whose prompt is too long for the model.
    """
    # White space at the end is kept, as in the published code.
    ids = [encode_prompt(asked.tokenizer, prompt.context) for prompt in prompts]
    limit = asked.decoder.config.max_positions
    by_end: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for number, (question, prompt) in enumerate(zip(questions, prompts, strict=True)):
        least = min(prompt.new_tokens, LEAST_TOKENS)
        if len(ids[number]) + least > limit:
            raise InputError(
                f'question {question.id} in {question.language} has {len(ids[number])} tokens, and'
                f' at least {least} are to be written; the model takes {limit} positions: ask with'
                ' fewer shots, or leave it out'
            )
        by_end.setdefault((prompt.new_tokens, prompt.stops), []).append(number)
    found: dict[int, Generated] = {}
    for (new_tokens, stops), numbers in by_end.items():
        texts = asked.generate([ids[n] for n in numbers], new_tokens, stops, task)
        found |= dict(zip(numbers, texts, strict=True))
    return [found[number] for number in range(len(prompts))]


def columns(question: Question, prompt: Prompt, generated: 'Generated') -> dict[str, Any]:
    """The COLUMNS of an answer; the readings are those of `metrics.readers`, None if unreadable.

    White space before the answer is skipped: whether it is part of a letter's token depends on the
    tokenizer, not on the model's answer.
    """
    text = generated.text
    if prompt.cue:
        text = text.partition(prompt.cue)[2]
    text = text.lstrip()
    count = len(question.choices)
    return {
        'written': generated.text,
        'written_tokens': len(generated.tokens),
        'ended_by': generated.reason,
        'first_character_prediction': metrics.first_character(text, count),
        'robust_prediction': metrics.robust(text, count, question.choices),
    }
