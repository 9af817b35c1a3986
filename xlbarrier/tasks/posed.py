"""One question as it is asked of a model: the requests of each reading, and the answer's row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from xlbarrier import metrics
from xlbarrier.data.tokenize import (
    PreTrainedTokenizerFast,
    encode_options,
    encode_prompt,
    encode_spans,
)
from xlbarrier.errors import InputError
from xlbarrier.scoring.request import Request, with_shared_contexts
from xlbarrier.scoring.store import Score
from xlbarrier.tasks import prompts as prompts_lib
from xlbarrier.tasks import written_choice
from xlbarrier.tasks.base import Prompt, Question
from xlbarrier.tasks.rows import AnswerRow

LETTER_TOKENS = ('natural', 'published')

_REALS, _TEXTS = pa.list_(pa.float64()), pa.list_(pa.string())
COLUMNS = (
    ('id', pa.string()),
    ('language', pa.string()),
    ('question_language', pa.string()),
    ('choice_languages', _TEXTS),
    ('prompt_sha256', pa.string()),
    ('method', pa.string()),
    ('scores', _REALS),
    ('prediction', pa.int64()),
    ('answer', pa.int64()),
    ('correct', pa.bool_()),
    ('subject', pa.string()),
    ('question', pa.string()),
    ('choices', _TEXTS),
)
COLUMNS_OF: dict[str, tuple[tuple[str, pa.DataType], ...]] = {
    'loglikelihood': (
        ('choice_tokens', pa.list_(pa.int64())),
        ('unconditional_scores', _REALS),
        *((f'prediction_{name}', pa.int64()) for name in metrics.NORMALISATIONS),
    ),
    'letter': (('letter_scores', _REALS), ('letter_prediction', pa.int64())),
    'greedy': (('greedy_correct', pa.bool_()),),
    'generate': written_choice.COLUMNS,
}


@dataclass(frozen=True)
class Posed:
    """A question with the requests of each reading.

    Attributes:
      question: in its variant.
      digest: SHA-256 of the first method's prompt.
      scored: what 'loglikelihood' scores of each option, by whose length it is normalised.
      requests: of each reading, including 'unconditional'; one per option, for 'greedy' only one.
    """

    question: Question
    digest: str
    scored: tuple[str, ...]
    requests: Mapping[str, list[Request]]

    def flat(self) -> list[Request]:
        """All requests, in the order in which `answer` takes their scores."""
        return [request for group in self.requests.values() for request in group]

    def check_fits(self, max_positions: int) -> None:
        """Refuses a question that has more tokens than the model has positions.

        Raises:
          InputError: naming the question.
        """
        lengths = (len(r.context) + len(r.continuation) for r in self.flat())
        longest = max(lengths, default=0)
        if longest - 1 > max_positions:
            raise InputError(
                f'question {self.question.id} in {self.question.language} has {longest} tokens'
                f' with its prompt; the model takes {max_positions} positions: ask with fewer'
                ' shots, or leave it out'
            )

    def answer(
        self,
        language: str,
        methods: Sequence[str],
        scores: Iterator[Score],
        written: Mapping[str, Any],
    ) -> AnswerRow:
        """The row of the answer, in COLUMNS and COLUMNS_OF its methods.

        Args:
          language: of the sheet.
          methods: of the task.
          scores: the next are those of `flat`.
          written: the columns of 'generate'; empty where nothing was written.
        """
        question = self.question
        found = {name: [next(scores) for _ in group] for name, group in self.requests.items()}
        values = {
            name: np.array([s.log_likelihood for s in group]) for name, group in found.items()
        }
        primary = values.get(methods[0], np.empty(0))  # what is written has no scores
        prediction = int(primary.argmax()) if primary.size else written['robust_prediction']
        row: AnswerRow = {
            'id': question.id,
            'language': language,
            'question_language': question.language,
            'choice_languages': list(question.choice_languages),
            'prompt_sha256': self.digest,
            'method': methods[0],
            'scores': primary.tolist(),
            'prediction': prediction,
            'answer': question.answer,
            'correct': prediction == question.answer,
            'subject': question.subject,
            'question': question.question,
            'choices': list(question.choices),
        }
        if 'loglikelihood' in values:
            tokens = [len(request.continuation) for request in self.requests['loglikelihood']]
            unconditional = values['unconditional'].tolist()
            chosen = metrics.predictions(
                values['loglikelihood'].tolist(),
                self.scored,
                tokens=tokens,
                unconditional=unconditional,
            )
            row |= {'choice_tokens': tokens, 'unconditional_scores': unconditional}
            row |= {f'prediction_{name}': index for name, index in chosen.items()}
        if 'letter' in values:
            row |= {
                'letter_scores': values['letter'].tolist(),
                'letter_prediction': int(values['letter'].argmax()),
            }
        if 'greedy' in found:
            row['greedy_correct'] = found['greedy'][0].is_greedy
        return {**row, **written}


def pose(
    question: Question,
    shown: Mapping[str, Prompt],
    tokenizer: PreTrainedTokenizerFast,
    letter_tokens: str,
) -> Posed:
    """Tokenises a question.

    Args:
      question: in its variant.
      shown: its prompt by method; the first is the primary one.
      tokenizer: of the model.
      letter_tokens: 'natural' scores the letter as it follows the prompt in running text,
        'published' the last token of the bare letter, as the code of Chua et al. does.

    Raises:
      InputError: naming the question that cannot be scored.
    """
    requests: dict[str, list[Request]] = {}
    scored: tuple[str, ...] = ()
    try:
        for method, prompt in shown.items():
            if method == 'generate':
                continue
            if method == 'greedy':
                pairs = [_right_option(tokenizer, prompt, question)]
            elif method == 'letter' and letter_tokens == 'published':
                # As in the published code: the whole prompt, including its last spaces.
                context = encode_prompt(tokenizer, prompt.context)
                pairs = [
                    (context, tokenizer(letter.strip(), add_special_tokens=False)['input_ids'][-1:])
                    for letter in prompt.continuations
                ]
            else:
                pairs = encode_options(tokenizer, prompt.context, prompt.continuations)
            requests[method] = with_shared_contexts(pairs)
            if method == 'loglikelihood':
                bare = encode_options(tokenizer, prompt.unconditional, prompt.continuations)
                requests['unconditional'] = with_shared_contexts(bare)
                # The length is that of everything scored: BMLAMA's candidates include the end of
                # the sentence.
                scored = tuple(
                    choice if text.endswith(choice) else text.lstrip()
                    for choice, text in zip(question.choices, prompt.continuations, strict=True)
                )
    except ValueError as error:
        raise InputError(f'question {question.id} in {question.language}: {error}') from error
    primary = next(iter(shown.values()))
    return Posed(question, prompts_lib.digest(primary.context), scored, requests)


def most_bytes(prompt: Prompt) -> int:
    """UTF-8 bytes of the longest scored text of a prompt."""
    longest = max((len(text.encode()) for text in prompt.continuations), default=0)
    return len(prompt.context.encode()) + longest


def _right_option(
    tokenizer: PreTrainedTokenizerFast, prompt: Prompt, question: Question
) -> tuple[list[int], list[int]]:
    """The tokens that are read and those to be written, split as in training.

    White space at the end of the context is read, unless it is in one token with what follows it.
    """
    text = prompt.context + prompt.continuations[question.answer]
    span = (len(prompt.context), len(text))
    ((ids, weights),) = encode_spans(tokenizer, [text], [[span]], [False])
    cut = weights.index(1.0)
    return ids[:cut], ids[cut:]
