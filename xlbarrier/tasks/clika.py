"""CLiKA's performance and consistency sets: x_csqa, x_copa, x_name, x_geo in ten languages.

Gao et al. 2024 (arXiv 2404.04659): items, instructions and the one-shot example as published. The
instruction, the example and the words around a question are English in every language; the answer
follows `Answer:` without a space.
"""

import pathlib
import re
from collections.abc import Sequence
from typing import Any

from xlbarrier import datafiles
from xlbarrier.config.tasks import CLIKA_SETS, ClikaConfig, kind_of
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import files, items, prompts
from xlbarrier.tasks.base import LETTERS, LeftOut, Prompt, Question
from xlbarrier.tasks.items import Item

ONE_QUESTION = (
    'The following is a multiple choice question.'
    ' Please choose the most reasonable one from the following options.\n'
)
QUESTIONS = (
    'The following are multiple choice questions.'
    ' Please choose the most reasonable one from the following options.\n'
)
# There is no space before the second sentence, as published.
PREMISE = (
    'Answer the following multiple choice questions by selecting the correct option according to'
    ' the Premise.Please choose the correct one from the two options A and B.\n'
)
ASKS = {'cause': 'What was the cause of this?', 'effect': 'What happened as a result?'}
CUE = 'Answer:'


def _example(question: str, choices: Sequence[str], answer: int, asks: str = '') -> Question:
    return Question(
        'example', question, tuple(choices), answer, 'en', ('en',) * len(choices), '',
        {'asks': asks},
    )  # fmt: skip


SUM = _example('2+3=?', ('1', '2', '3', '5'), 3)
SUM_OF_FIVE = _example('2+3=?', ('1', '2', '3', '5', '6'), 3)
SKY = _example('The sky turns dark.', ("It's night.", "It's noon."), 0, 'cause')
# (instruction without and with the example, the example, the text after it)
FORMS = {
    'x_csqa': (ONE_QUESTION, QUESTIONS, SUM_OF_FIVE, '\n'),
    'x_copa': (PREMISE, PREMISE, SKY, '\n\n'),
    'x_name': (ONE_QUESTION, QUESTIONS, SUM, '\n'),
    'x_geo': (ONE_QUESTION, QUESTIONS, SUM, '\n'),
}


class Clika(items.AlignedTask):
    """One set. Ids are SET/ID, with the published id where there is one."""

    def __init__(self, config: ClikaConfig, name: str):
        """Reads and aligns the items.

        Args:
          config: its fields.
          name: one of CLIKA_SETS, optionally followed by '_' and a word of the user's.

        Raises:
          DataError: naming file and row of what is wrong.
        """
        self.config, self.subset = config, kind_of(name) or name
        by_language = {
            code: read(config.source, self.subset, code) for code in items.languages_needed(config)
        }
        left_out: dict[str, LeftOut] = {}
        if 'loglikelihood' in config.methods:  # one published item has an empty option
            by_language, empty = items.without(
                by_language,
                lambda item: not all(item.choices),
                f'config.tasks.{name}',
                'an empty option',
            )
            left_out['empty_option'] = empty
        if config.limit:
            by_language = {code: found[: config.limit] for code, found in by_language.items()}
        super().__init__(name, config, by_language, left_out)

    def render(self, question: Question, method: str) -> Prompt:
        """The published prompt; 'loglikelihood' asks without listing the options."""
        context = prompt_text(question, self.subset, self.config.shots, method)
        answers = LETTERS[: len(question.choices)] if method == 'letter' else question.choices
        shots = self.config.shots
        return Prompt(context, tuple(answers), CUE, shots, 'english' if shots else 'none')


def prompt_text(question: Question, subset: str, shots: int, method: str = 'letter') -> str:
    """The published prompt of a question, up to `Answer:`."""
    alone, instruction, example, between = FORMS[subset]
    if not shots:
        return alone + _asked(question, method)
    answer = example.choices[example.answer]
    if method == 'letter':
        answer = f'{LETTERS[example.answer]}. {answer}'
    return f'{instruction}{_asked(example, method)}{answer}{between}{_asked(question, method)}'


def _asked(question: Question, method: str) -> str:
    asks = question.meta['asks']
    lines = (
        [f'Premise:{question.question}', f'Question:{ASKS[asks]}']
        if asks
        else [f'Question:{question.question}']
    )
    if method == 'letter':
        lines.append(prompts.listed(question))
    return '\n'.join([*lines, CUE])


def read(source: str, subset: str, language: str) -> list[Item]:
    """The items of a set in a language.

    Args:
      source: folder of the published sets, or 'hf:NAME[:SUBSET]' with {subset} and {language}.
      subset: one of CLIKA_SETS.
      language: folders and files may write it in capitals.

    Raises:
      DataError: naming what is missing or cannot be used.
    """
    if source.startswith('hf:'):
        place = files.place_of(source, language).replace('{subset}', subset)
        rows = files.read_dataset(place, 'test')
    else:
        rows = files.read(str(find(source, subset, language)))
    found = [item(row, number, subset) for number, row in enumerate(rows)]
    return items.checked(found, f'{subset} {language}', 'keep')


def find(source: str, subset: str, language: str) -> pathlib.Path:
    """The file with a set's items in a language: its parts, or else the published prompts.

    Raises:
      DataError: when there is neither; lists what was looked for.
    """
    root = pathlib.Path(source).expanduser()
    folder = root / subset if (root / subset).is_dir() else root
    code = f'(?i:{re.escape(language)})'
    kind = subset.removeprefix('x_')
    for pattern in (
        rf'{code}(_trans)?/(test|{code}_{kind}_data\w*)\.jsonl',
        rf'{subset}_{code}(_trans)?_model_input\.jsonl',
    ):
        found = [
            path
            for path in sorted(folder.glob('*.jsonl')) + sorted(folder.glob('*/*.jsonl'))
            if re.fullmatch(pattern, path.relative_to(folder).as_posix())
        ]
        if found:
            return found[0]
    raise DataError(
        f'{folder} has no items of {subset} in {language!r}: neither {language}/test.jsonl nor'
        f' {language}/{language}_{kind}_data*.jsonl nor {subset}_{language}_model_input.jsonl'
        f' (of CLiKA: {", ".join(CLIKA_SETS)})'
    )


def item(row: DataRow, number: int, subset: str) -> Item:
    """The item of a row: a premise with two choices, a question with answers, or a whole prompt.

    Raises:
      DataError: naming the row and the field that cannot be used.
    """
    values = row.values
    choices: tuple[str, ...]
    name = f'{subset}/{values.get("id", number)}'
    if 'premise' in values:
        asks = row.text('question')
        if asks not in ASKS:
            raise DataError(f'{row.where}: question is {asks!r}; expected cause or effect')
        choices = (row.text('choice1'), row.text('choice2'))
        answer = items.answer_index(row.get('label'), 2, row.where)
        return Item(
            name, row.text('premise'), choices, answer, subset, row.where,
            {'row': number, 'asks': asks}, 'id' not in values,
        )  # fmt: skip
    meta: dict[str, Any] = {'row': number, 'asks': ''}
    if 'questions' in values:
        question = row.text('questions')
        choices = tuple(datafiles.as_text(x, 'answers', row.where) for x in row.get('answers'))
        if 'original_lang' in values:
            meta['original_language'] = values['original_lang']
    else:
        question, choices = _parts(row, subset)
    answer = items.answer_index(row.get('label'), len(choices), row.where)
    numbered = 'id' not in values
    return Item(name, question, choices, answer, subset, row.where, meta, numbered)


def _parts(row: DataRow, subset: str) -> tuple[str, tuple[str, ...]]:
    """Question and options of a published prompt; they must reproduce that prompt."""
    text = row.text('input')
    example = FORMS[subset][2]
    count = len(example.choices)
    options = ''.join(rf'\n{letter}\. (.*)' for letter in LETTERS[:count])
    parts = re.search(rf'(?s:.*)\nQuestion:((?s:.*)){options}\n{CUE}$', text)
    if parts and not example.meta['asks']:
        question, *choices = parts.groups()
        spoken = ('en',) * count
        again = Question('', question, tuple(choices), 0, 'en', spoken, '', {'asks': ''})
        if any(prompt_text(again, subset, shots) == text for shots in (0, 1)):
            return question, tuple(choices)
    raise DataError(
        f'{row.where}: input is not the published prompt of {subset} with {count} options:'
        f' {text[-80:]!r}'
    )
