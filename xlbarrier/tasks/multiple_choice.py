"""Multiple choice: the base of its tasks, which asks a model and records every answer."""

import abc
import collections
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from xlbarrier.data.tokenize import PreTrainedTokenizerFast
from xlbarrier.errors import InputError
from xlbarrier.progress import Progress
from xlbarrier.scoring.request import Request
from xlbarrier.tasks import posed as posed_lib
from xlbarrier.tasks import prompts as prompts_lib
from xlbarrier.tasks import translated as translated_lib
from xlbarrier.tasks import written_choice
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import LETTERS, LeftOut, Prompt, Question
from xlbarrier.tasks.chat import Chat
from xlbarrier.tasks.posed import COLUMNS_OF, LETTER_TOKENS, Posed
from xlbarrier.tasks.rows import PromptRow, Sheet
from xlbarrier.tasks.translated import TRANSLATED, ToEnglish

InEnglish = Mapping[str, list[Question]]  # by the language that they are from


class MultipleChoice(abc.ABC):
    """A `base.Task` of multiple-choice questions.

    A subclass defines the sheets, the questions of each, and their prompts.

    Attributes:
      name: of the task in the config.
      methods: some of 'loglikelihood', 'letter', 'greedy' and 'generate'. The answers of the first
        one are `scores`, `prediction` and `correct`. 'greedy' cannot be first: it checks whether
        greedy decoding would write the right option, so it has no prediction. With 'generate' the
        prediction is the robust reading of the written text, null if it is unreadable.
      left_out: see `base.Task`.
      chat: how prompts are put into a conversation; None: they are not.
      to_english: how the questions of the variant `translated` are put into English.
    """

    name: str
    methods: tuple[str, ...]
    chat: Chat | None = None
    to_english: ToEnglish | None = None
    left_out: Mapping[str, LeftOut] = MappingProxyType({})

    @abc.abstractmethod
    def sheets(self) -> list[Sheet]:
        """(variant, language) of everything that is asked."""

    @abc.abstractmethod
    def questions(self, variant: str, language: str) -> list[Question]:
        """The questions of a sheet, in an order that all sheets of its kind share."""

    def render(self, question: Question, method: str) -> Prompt:
        """The prompt of a question for a method whose answers are scored."""
        return prompts_lib.render(question, method)

    def letters(self, question: Question) -> str:
        """What names the options of a question in a prompt, one character each."""
        return LETTERS[: len(question.choices)]

    def written_prompt(self, question: Question) -> Prompt:
        """The prompt of 'generate'; the one of 'letter' unless the task has its own."""
        return self.render(question, 'letter')

    def prompt(
        self, question: Question, method: str, tokenizer: PreTrainedTokenizerFast | None
    ) -> Prompt:
        """The prompt of a question for any method, as the model reads it."""
        made = (
            self.written_prompt(question) if method == 'generate' else self.render(question, method)
        )
        return made if self.chat is None else self.chat.prompt(made, tokenizer)

    @property
    def needs_tokenizer(self) -> bool:
        """See `base.Task`."""
        return self.chat is not None

    def texts(self, language: str) -> list[str]:
        """See `base.Task`."""
        sheets = [sheet for sheet in self.sheets() if sheet[0] != TRANSLATED]
        asked = (q for sheet in sheets for q in self.questions(*sheet))
        return list(dict.fromkeys(q.question for q in asked if q.language == language))

    def prompts(
        self, tokenizer: PreTrainedTokenizerFast | None
    ) -> Iterator[tuple[Sheet, list[PromptRow]]]:
        """See `base.Task`: with several methods each question has one row per method.

        `label` is the right option, as a letter or as text, depending on the method.
        """
        _check_methods(self.methods)
        english = self._in_english(None)
        for sheet in self.sheets():
            questions = enumerate(self._questions(sheet, english))
            yield (
                sheet,
                [
                    self._prompt_row(sheet, number, question, method, tokenizer)
                    for number, question in questions
                    for method in self.methods
                ],
            )

    def measure(self, asked: Asked) -> None:
        """Scores the questions of all sheets together, so that what they share is computed once.

        Raises:
          InputError: for an unknown method, or naming the question that cannot be scored.
        """
        _check_methods(self.methods)
        if asked.score.letter_tokens not in LETTER_TOKENS:
            raise InputError(
                f'letter_tokens is {asked.score.letter_tokens!r};'
                f' expected one of {", ".join(LETTER_TOKENS)}'
            )
        english = self._in_english(asked)
        self._check_lengths(asked, english)
        written = self._written(asked, english) if 'generate' in self.methods else {}
        waiting: collections.deque[tuple[Sheet, list[Posed]]] = collections.deque()

        def requests() -> Iterator[list[Request]]:
            for sheet in self.sheets():
                posed = self._posed(sheet, asked, english)
                waiting.append((sheet, posed))
                yield [request for each in posed for request in each.flat()]

        methods = sorted(self.methods)[::-1]
        columns = [*posed_lib.COLUMNS, *[c for m in methods for c in COLUMNS_OF[m]]]
        for scores in asked.scores(requests(), self.name):
            sheet, posed = waiting.popleft()
            left = iter(scores)
            rows = [
                each.answer(sheet[1], self.methods, left, text)
                for each, text in zip(posed, written.get(sheet, [{}] * len(posed)), strict=True)
            ]
            if sheet[0] == TRANSLATED:
                more = [translated_lib.columns(each.question) for each in posed]
                rows = [row | counts for row, counts in zip(rows, more, strict=True)]
            schema = [*columns, *(translated_lib.COLUMNS if sheet[0] == TRANSLATED else ())]
            asked.write(self.name, sheet, rows, pa.schema(schema))

    def _in_english(self, asked: Asked | None) -> InEnglish:
        """The questions of the variant `translated`, by the language that they are from."""
        codes = [language for variant, language in self.sheets() if variant == TRANSLATED]
        if not codes:
            return {}
        assert self.to_english is not None, 'a task with this variant has its config'
        by_language = {code: self.questions('full', code) for code in codes}
        return self.to_english.questions(by_language, asked, self.name)

    def _questions(self, sheet: Sheet, english: InEnglish) -> list[Question]:
        variant, language = sheet
        return english[language] if variant == TRANSLATED else self.questions(variant, language)

    def _posed(self, sheet: Sheet, asked: Asked, english: InEnglish) -> list[Posed]:
        posed = []
        what = f'{asked.name}: tokenising {self.name} {"/".join(sheet)}'
        with Progress(what, unit='questions') as progress:
            questions = self._questions(sheet, english)
            progress.begin(len(questions))
            for question in questions:
                shown = self._prompts_of(question, asked.tokenizer)
                made = posed_lib.pose(question, shown, asked.tokenizer, asked.score.letter_tokens)
                made.check_fits(asked.decoder.config.max_positions)
                posed.append(made)
                progress.update(1)
        return posed

    def _prompts_of(
        self, question: Question, tokenizer: PreTrainedTokenizerFast
    ) -> dict[str, Prompt]:
        """The prompt of each method; errors name the question."""
        try:
            return {method: self.prompt(question, method, tokenizer) for method in self.methods}
        except ValueError as error:
            raise InputError(f'question {question.id} in {question.language}: {error}') from error

    def _check_lengths(self, asked: Asked, english: InEnglish) -> None:
        """Finds a question that is too long for the model before anything is computed.

        A text rarely has more tokens than bytes, so only texts with more bytes than the model has
        positions are tokenised.
        """
        limit = asked.decoder.config.max_positions
        for sheet in self.sheets():
            for question in self._questions(sheet, english):
                shown = self._prompts_of(question, asked.tokenizer)
                if any(posed_lib.most_bytes(prompt) >= limit for prompt in shown.values()):
                    letters = asked.score.letter_tokens
                    posed_lib.pose(question, shown, asked.tokenizer, letters).check_fits(limit)

    def _written(self, asked: Asked, english: InEnglish) -> dict[Sheet, list[Mapping[str, Any]]]:
        """What the model writes after each question, as columns of its row."""
        flat = [(sheet, q) for sheet in self.sheets() for q in self._questions(sheet, english)]
        questions = [question for _, question in flat]
        shown = [self.prompt(question, 'generate', asked.tokenizer) for question in questions]
        texts = written_choice.write(asked, self.name, questions, shown)
        found: dict[Sheet, list[Mapping[str, Any]]] = {}
        for (sheet, question), prompt, text in zip(flat, shown, texts, strict=True):
            found.setdefault(sheet, []).append(written_choice.columns(question, prompt, text))
        return found

    def _prompt_row(
        self,
        sheet: Sheet,
        number: int,
        question: Question,
        method: str,
        tokenizer: PreTrainedTokenizerFast | None,
    ) -> PromptRow:
        prompt = self.prompt(question, method, tokenizer)
        lettered = method in ('letter', 'generate')
        return {
            'task': self.name,
            'subject': question.subject,
            'row': question.meta.get('row', number),
            'id': question.id,
            'variant': sheet[0],
            'language': sheet[1],
            'shots': prompt.shots,
            'demos': prompt.demos,
            'intervention': prompt.intervention,
            'method': method,
            'label': self.letters(question)[question.answer]
            if lettered
            else question.choices[question.answer],
            'sha256': prompts_lib.digest(prompt.context),
            'prompt': prompt.context,
        }


def _check_methods(methods: Sequence[str]) -> None:
    known = tuple(COLUMNS_OF)
    unknown = [method for method in methods if method not in known]
    if unknown or not methods or len(set(methods)) < len(methods):
        raise InputError(
            f'methods are {tuple(methods)}; expected some of {", ".join(known)}, each once'
        )
    if methods[0] == 'greedy':
        raise InputError(f'methods are {tuple(methods)}; greedy cannot be the first')
