"""Multiple-choice questions whose answer the model writes, and how it is read."""

from collections.abc import Sequence
from typing import Any

import jax
import pyarrow as pa

from xlbarrier import metrics
from xlbarrier.data.tokenize import PreTrainedTokenizerFast, encode_prompt
from xlbarrier.errors import InputError
from xlbarrier.models.decoder import Decoder
from xlbarrier.scoring.generate import Ends, Generated, generate
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks.base import Prompt, Question

LEAST_TOKENS = 32  # for which the model must have room; a long answer may be cut
COLUMNS = (
    ('written', pa.string()),
    ('written_tokens', pa.int64()),
    ('ended_by', pa.string()),
    ('first_character_prediction', pa.int64()),
    ('robust_prediction', pa.int64()),
)


def write(
    decoder: Decoder,
    tokenizer: PreTrainedTokenizerFast,
    questions: Sequence[Question],
    prompts: Sequence[Prompt],
    *,
    mesh: jax.sharding.Mesh,
    store: ScoreStore | None,
    rows_per_device: int,
    what: str,
) -> list[Generated]:
    """What the model writes after each question's prompt, to the end that the prompt names.

    Raises:
      ValueError: naming the question whose prompt is too long for the model.
    """
    # White space at the end is kept: it is what the published code feeds its models.
    ids = [encode_prompt(tokenizer, prompt.context) for prompt in prompts]
    by_ends: dict[Ends, list[int]] = {}
    for number, (question, prompt) in enumerate(zip(questions, prompts, strict=True)):
        least = min(prompt.new_tokens, LEAST_TOKENS)
        if len(ids[number]) + least > decoder.config.max_positions:
            raise InputError(
                f'question {question.id} in {question.language} has {len(ids[number])} tokens, and'
                f' {least} are to be written at least; the model takes'
                f' {decoder.config.max_positions} positions: ask with fewer shots, or leave it out'
            )
        by_ends.setdefault(Ends(prompt.new_tokens, prompt.stops), []).append(number)
    found: dict[int, Generated] = {}
    for ends, numbers in by_ends.items():
        written = generate(
            *(decoder, tokenizer, [ids[n] for n in numbers], ends),
            mesh=mesh,
            rows_per_device=rows_per_device,
            store=store,
            what=what,
        )
        found |= dict(zip(numbers, written, strict=True))
    return [found[number] for number in range(len(prompts))]


def columns(question: Question, prompt: Prompt, generated: Generated) -> dict[str, Any]:
    """The COLUMNS of an answer; the readings are those of `metrics.readers`, null where unreadable.

    White space before the answer is not read: whether a tokenizer makes it part of a letter's token
    is no matter of the model's answer.
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
