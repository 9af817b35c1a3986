"""Asks a model a task's questions, and records every answer."""

import hashlib
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier import metrics, multihost
from xlbarrier.data.tokenize import (
    PreTrainedTokenizerFast,
    encode_options,
    encode_prompt,
    encode_spans,
)
from xlbarrier.errors import InputError
from xlbarrier.models.decoder import Decoder
from xlbarrier.progress import Progress
from xlbarrier.run import write_atomic
from xlbarrier.scoring import engine
from xlbarrier.scoring.request import Request
from xlbarrier.scoring.store import Score, ScoreStore
from xlbarrier.tasks import written_choice
from xlbarrier.tasks.base import LETTERS, Prompt, Question, Sheet, Task
from xlbarrier.tasks.measured import MeasuredTask

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
COLUMNS_OF = {
    'loglikelihood': (
        ('choice_tokens', pa.list_(pa.int64())),
        ('unconditional_scores', _REALS),
        *((f'prediction_{name}', pa.int64()) for name in metrics.NORMALISATIONS),
    ),
    'letter': (('letter_scores', _REALS), ('letter_prediction', pa.int64())),
    'greedy': (('greedy_correct', pa.bool_()),),
    'generate': written_choice.COLUMNS,
}


def evaluate(
    task: Task,
    decoder: Decoder,
    tokenizer: PreTrainedTokenizerFast,
    *,
    methods: Sequence[str],
    mesh: jax.sharding.Mesh,
    folder: pathlib.Path,
    store: ScoreStore | None,
    row_tokens: int = 0,
    rows_per_device: int = 0,
    letter_tokens: str = 'natural',
    generate_rows: int = 0,
    model_name: str = 'model',
) -> dict[tuple[str, str], pathlib.Path]:
    """Scores all variants and languages of a task in one plan, so that what they share is shared.

    Args:
      task: gives the questions.
      decoder, tokenizer, mesh: of the model.
      methods: of 'loglikelihood', 'letter', 'greedy' and 'generate'; the first one's answers are
        `scores`, `prediction` and `correct`. 'greedy' stands behind another: it asks whether greedy
        decoding would write the right choice, so it has no prediction. 'generate' lets the model
        write, and its prediction is the robust reading, null where nothing can be read.
      folder: gets <task>/<variant>.<language>.parquet, in the columns of docs/run_folder.md.
      store, row_tokens, rows_per_device: as of `engine.score`.
      letter_tokens: 'natural' scores the letter as it follows the prompt in running text,
        'published' the last token of the bare letter, as the code of Chua et al. does.
      generate_rows: prompts that each device continues at once.
      model_name: for the progress lines.

    Returns:
      (variant, language) -> path.

    Raises:
      ValueError: for an unknown method, or naming the question that cannot be scored.
    """
    _check_methods(methods)
    if letter_tokens not in LETTER_TOKENS:
        raise InputError(f'letter_tokens is {letter_tokens!r}; wanted one of {LETTER_TOKENS}')
    asked_of = {
        (variant, language): task.questions(variant, language)
        for variant, language in task.sheets()
    }
    asked = []
    with Progress(f'{model_name}: tokenising {task.name}', unit='questions') as progress:
        progress.begin(sum(map(len, asked_of.values())))
        for questions in asked_of.values():
            for question in questions:
                asked.append(_requests(task, question, methods, tokenizer, letter_tokens))
                _check_fits(question, asked[-1], decoder.config.max_positions)
                progress.update(1)
    written: Iterator[dict[str, Any]] = iter(())
    if 'generate' in methods:
        flat_questions = [q for questions in asked_of.values() for q in questions]
        shown = [_render(task, question, 'generate') for question in flat_questions]
        texts = written_choice.write(
            *(decoder, tokenizer, flat_questions, shown),
            mesh=mesh,
            store=store,
            rows_per_device=generate_rows,
            what=f'{model_name}: writing {task.name}',
        )
        written = map(written_choice.columns, flat_questions, shown, texts)
    flat = [request for groups in asked for group in groups.values() for request in group]
    scores = iter(
        engine.score(
            decoder,
            flat,
            mesh=mesh,
            row_tokens=row_tokens,
            rows_per_device=rows_per_device,
            store=store,
            what=f'{model_name}: scoring {task.name}',
        )
    )
    answered = iter(
        {name: [next(scores) for _ in group] for name, group in groups.items()} for groups in asked
    )
    groups_of = iter(asked)
    schema = pa.schema([*COLUMNS, *(c for m in sorted(methods)[::-1] for c in COLUMNS_OF[m])])
    paths = {}
    for (variant, language), questions in asked_of.items():
        rows = [
            _answer(task, q, language, methods, next(groups_of), next(answered), next(written, {}))
            for q in questions
        ]
        path = folder / task.name / f'{variant}.{language}.parquet'
        if multihost.is_lead():
            path.parent.mkdir(parents=True, exist_ok=True)
            table = pa.Table.from_pylist(rows, schema)
            write_atomic(path, lambda p, table=table: pq.write_table(table, p))
        paths[variant, language] = path
    return paths


def write_prompts(
    task: Task | MeasuredTask, folder: pathlib.Path, methods: Sequence[str]
) -> list[pathlib.Path]:
    """Writes every prompt, with its SHA-256, to <task>/<variant>.<language>.jsonl; loads no model.

    The rows are those of docs/run_folder.md; with several methods each has a row of its own, and
    `label` is the right choice as that method has it.

    Raises:
      ValueError: for an unknown method.
    """
    paths = []
    for (variant, language), rows in _prompt_rows(task, methods):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path = folder / task.name / f'{variant}.{language}.jsonl'
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, ('\n'.join(lines) + '\n').encode())
        paths.append(path)
    return paths


def _prompt_rows(
    task: Task | MeasuredTask, methods: Sequence[str]
) -> Iterator[tuple[Sheet, Sequence[dict[str, Any]]]]:
    if isinstance(task, MeasuredTask):
        yield from task.prompts()
        return
    _check_methods(methods)
    for sheet in task.sheets():
        questions = task.questions(*sheet)
        yield (
            sheet,
            [
                _prompt_row(task, sheet, number, question, method)
                for number, question in enumerate(questions)
                for method in methods
            ],
        )


def _prompt_row(
    task: Task, sheet: tuple[str, str], number: int, question: Question, method: str
) -> dict[str, Any]:
    prompt = _render(task, question, method)
    lettered = method in ('letter', 'generate')
    return {
        'task': task.name,
        'subject': question.subject,
        'row': question.meta.get('row', number),
        'id': question.id,
        'variant': sheet[0],
        'language': sheet[1],
        'shots': prompt.shots,
        'demos': prompt.demos,
        'intervention': prompt.intervention,
        'method': method,
        'label': LETTERS[question.answer] if lettered else question.choices[question.answer],
        'sha256': _digest(prompt.context),
        'prompt': prompt.context,
    }


def _check_methods(methods: Sequence[str]) -> None:
    known = tuple(COLUMNS_OF)
    unknown = [method for method in methods if method not in known]
    if unknown or not methods or len(set(methods)) < len(methods):
        raise InputError(f'methods are {tuple(methods)}; wanted some of {known}, once')
    if methods[0] == 'greedy':
        raise InputError(f'methods are {tuple(methods)}; greedy stands behind another one')


def _check_fits(
    question: Question, groups: Mapping[str, list[Request]], max_positions: int
) -> None:
    lengths = (len(r.context) + len(r.continuation) for g in groups.values() for r in g)
    longest = max(lengths, default=0)
    if longest - 1 > max_positions:
        raise InputError(
            f'question {question.id} in {question.language} has {longest} tokens with its prompt;'
            f' the model takes {max_positions} positions: ask with fewer shots, or leave it out'
        )


def _requests(
    task: Task,
    question: Question,
    methods: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    letter_tokens: str,
) -> dict[str, list[Request]]:
    """The requests of each reading: one a choice."""
    groups = {}
    for method in methods:
        if method == 'generate':
            continue
        try:
            prompt = task.render(question, method)
            if method == 'greedy':
                pairs = [_written(tokenizer, prompt, question)]
            else:
                pairs = encode_options(tokenizer, prompt.context, prompt.continuations)
            if method == 'letter' and letter_tokens == 'published':
                # As the published code asks: the whole prompt, its last spaces too.
                context = encode_prompt(tokenizer, prompt.context)
                pairs = [
                    (context, tokenizer(letter, add_special_tokens=False)['input_ids'][-1:])
                    for letter in LETTERS[: len(question.choices)]
                ]
            groups[method] = [Request(tuple(a), tuple(b)) for a, b in pairs]
            if method == 'loglikelihood':
                groups['unconditional'] = [
                    Request(tuple(a), tuple(b))
                    for a, b in encode_options(
                        tokenizer, prompt.unconditional, prompt.continuations
                    )
                ]
        except ValueError as error:
            raise InputError(f'question {question.id} in {question.language}: {error}') from error
    return groups


def _written(
    tokenizer: PreTrainedTokenizerFast, prompt: Prompt, question: Question
) -> tuple[list[int], list[int]]:
    """What is read and what has to be written, cut as training cuts them.

    White space at the end of the context is read, unless it makes one token with what follows it.
    """
    text = prompt.context + prompt.continuations[question.answer]
    span = (len(prompt.context), len(text))
    ((ids, weights),) = encode_spans(tokenizer, [text], [[span]], [False])
    cut = weights.index(1.0)
    return ids[:cut], ids[cut:]


def _answer(
    task: Task,
    question: Question,
    language: str,
    methods: Sequence[str],
    requests: Mapping[str, list[Request]],
    scores: Mapping[str, list[Score]],
    written: Mapping[str, Any],
) -> dict[str, Any]:
    values = {name: np.array([s.log_likelihood for s in group]) for name, group in scores.items()}
    primary = values.get(methods[0], np.empty(0))  # what is written has no scores
    prediction = int(primary.argmax()) if primary.size else written['robust_prediction']
    row = {
        'id': question.id,
        'language': language,
        'question_language': question.language,
        'choice_languages': list(question.choice_languages),
        'prompt_sha256': _digest(_render(task, question, methods[0]).context),
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
        tokens = [len(request.continuation) for request in requests['loglikelihood']]
        unconditional = values['unconditional'].tolist()
        # A score is of all that was scored: BMLAMA's candidates come with the end of the sentence.
        scored = [
            choice if text.endswith(choice) else text.lstrip()
            for choice, text in zip(
                question.choices, task.render(question, 'loglikelihood').continuations, strict=True
            )
        ]
        chosen = metrics.predictions(
            values['loglikelihood'], scored, tokens=tokens, unconditional=unconditional
        )
        row |= {'choice_tokens': tokens, 'unconditional_scores': unconditional}
        row |= {f'prediction_{name}': index for name, index in chosen.items()}
    if 'letter' in values:
        row |= {
            'letter_scores': values['letter'].tolist(),
            'letter_prediction': int(values['letter'].argmax()),
        }
    if 'greedy' in scores:
        row['greedy_correct'] = scores['greedy'][0].is_greedy
    return row | written


def _render(task: Task, question: Question, method: str) -> Prompt:
    if method == 'generate' and not getattr(task, 'writes', False):
        method = 'letter'
    return task.render(question, method)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
