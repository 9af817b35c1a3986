"""Multiple-choice sets of the hub as tasks: one class for every row of `hub_sets.CHOICE_SETS`."""

import ast
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xlbarrier import datafiles
from xlbarrier.config.sets import SetConfig
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import files, hub_sets, hub_shown, items, prompts
from xlbarrier.tasks.base import LETTERS, Prompt, Question
from xlbarrier.tasks.hub_sets import ChoiceSet
from xlbarrier.tasks.items import SOURCE, Item

MAX_LIST = 100_000  # characters of a list that is written as a text
CUE = 'Answer:'
# Text before the options, by the form of a set: those of lm-evaluation-harness, where it has the
# set; `continued` has no cue before a scored continuation.
FORMS = {
    'mmlu': '{question}',
    'question': 'Question: {question}',
    'belebele': 'P: {passage}\nQ: {question}',
    'continued': '{question}',
}


class HubChoice(items.AlignedTask):
    """The task."""

    def __init__(self, config: SetConfig, name: str):
        """Reads the items of every language.

        Args:
          config: its `source` is 'hf:ID', a file with {language}, or a folder with a file for each.
          name: of the task in the config.

        Raises:
          DataError: naming the set, the language, the row and the column that cannot be used.
        """
        where = f'config.tasks.{name}'
        row = hub_sets.choices(config.source, type(config)().source, where)
        if not row.parallel and config.variants != ('full',):
            raise DataError(
                f'{where}.variants is {config.variants}; the items of {row.id} are not the same in'
                " every language, so that nothing can be mixed: expected ('full',)"
            )
        if not row.parallel and config.shots and config.demos == 'english':
            raise DataError(
                f"{where}.demos is 'english'; the items of {row.id} are not the same in every"
                " language: expected 'same'"
            )
        self.row, self.config = row, config
        self._shown_split = hub_shown.split_of(row, config)
        found = {}
        if config.shots and config.demos == 'english' and not self._shown_split:
            with hub_shown.reading(f"{where}.shots is {config.shots} and demos is 'english'"):
                found[SOURCE] = read(row, config, SOURCE, where)
        for code in items.languages_needed(config):
            found[code] = found.get(code) or read(row, config, code, where)
        if row.parallel and config.items == 'same':
            self._check_same(found, where)
        by_language = {
            code: items.checked(these, f'{name} {code}', 'keep') for code, these in found.items()
        }
        super().__init__(name, config, by_language, apart=not row.parallel)
        self._shown_items = self._demonstrations(where) if config.shots else {}
        if config.limit:
            self.items = {code: these[: config.limit] for code, these in self.items.items()}
            self.count = min(self.count, config.limit)

    def render(self, question: Question, method: str) -> Prompt:
        """A prompt of the set's form; the options are listed for 'letter' only."""
        shown = self._shown(question)
        parts = []
        for each in shown:
            text, answers = self._asked(each, method)
            parts.append(f'{text}{answers[each.answer]}')
        text, answers = self._asked(question, method)
        kind = self.config.demos if shown else 'none'
        return Prompt('\n\n'.join([*parts, text]), answers, CUE, len(shown), kind)

    def _asked(self, question: Question, method: str) -> tuple[str, tuple[str, ...]]:
        """A question up to its answer, and what can follow it."""
        text = FORMS[self.row.form].format(
            question=question.question.strip(), passage=question.meta.get('passage', '')
        )
        if method == 'letter':
            mark = ': ' if self.row.form == 'belebele' else '. '
            listed = prompts.listed(question, mark)
            letters = LETTERS[: len(question.choices)]
            return f'{text}\n{listed}\n{CUE}', tuple(f' {letter}' for letter in letters)
        cue = '' if self.row.form == 'continued' else f'\n{CUE}'
        return f'{text}{cue}', tuple(f' {choice}' for choice in question.choices)

    def _shown(self, question: Question) -> list[Question]:
        """The demonstrations of a question."""
        if not self.config.shots:
            return []
        sheet = question.meta['variant'], question.meta['sheet']
        found = self._shown_in(*(('full', SOURCE) if self.config.demos == 'english' else sheet))
        return found[self._group(question)][: self.config.shots]

    @functools.cache  # noqa: B019 (a task lives as long as its run)
    def _shown_in(self, variant: str, language: str) -> dict[str, list[Question]]:
        """The demonstrations of a sheet, by `_group`."""
        own = {language: self._shown_items[language]} if self.apart else self._shown_items
        found: dict[str, list[Question]] = {}
        for row in range(len(next(iter(own.values())))):
            question = self.worded(own, row, variant, language)
            found.setdefault(self._group(question), []).append(question)
        return found

    def _group(self, item: Item | Question) -> str:
        """Items of one group have the same demonstrations."""
        return item.subject if self.row.shown_by_subject else ''

    def _demonstrations(self, where: str) -> dict[str, list[Item]]:
        """The items of each language that demonstrations are made of.

        Those of the published split; or else the first ones of what is asked, which are taken out
        of it.

        Raises:
          DataError: when there are too few of them, or none is left to be asked.
        """
        config, split = self.config, self._shown_split
        if split:
            codes = (SOURCE,) if config.demos == 'english' else tuple(self.items)
            with hub_shown.reading(f'{where}.shots is {config.shots}'):
                found = {code: read(self.row, config, code, where, split) for code in codes}
            found = {
                code: items.checked(these, f'{where}: {split} {code}', 'keep')
                for code, these in found.items()
            }
            if config.items == 'common' and not self.apart:
                found, _ = items.common(found, f'{where}: {split}')
            shown = found if self.apart else items.aligned(found, f'{where}: {split}')
        else:
            shown, self.items = hub_shown.parted(
                self.items, self._group, config.shots, where, apart=self.apart
            )
            self.count = len(self.items[next(iter(self.items))])
        hub_shown.check(shown, self.items, self._group, config.shots, f'{where}.shots', split)
        return shown

    def _check_same(self, found: Mapping[str, Sequence[Item]], where: str) -> None:
        """Names every language that lacks items, where the ids say which; `aligned` the others."""
        every = dict.fromkeys(item.id for these in found.values() for item in these)
        lines = []
        for code, these in found.items():
            there = {item.id for item in these}
            lacking = [id_ for id_ in every if id_ not in there]
            if lacking:
                dots = ' ...' if len(lacking) > files.SHOWN else ''
                shown = ', '.join(lacking[: files.SHOWN])
                lines.append(f'  {code} lacks {len(lacking)} of {len(every)}: {shown}{dots}')
        if lines:
            numbered = any(item.numbered for these in found.values() for item in these)
            advice = (
                'leave the language out'
                if numbered
                else f"set {where}.items to 'common', which asks only what all languages have"
            )
            raise DataError(
                '\n'.join([f'{where}: languages do not have the same items; {advice}:', *lines])
            )


def read(row: ChoiceSet, config: SetConfig, code: str, where: str, split: str = '') -> list[Item]:
    """The items of a set in a language, in the set's order, or by id where a set shuffles them.

    Args:
      row: of the set, or of the one that has its English items instead.
      config: of the task.
      code: of the language.
      where: dotted name of the task's section, for errors.
      split: '': the one that is asked.

    Raises:
      DataError: naming what cannot be used.
    """
    source, asked = config.source, config.split or row.split
    if code == SOURCE and row.english and row.name_of(code) is None:
        source, row = row.english, hub_sets.choices(row.english, '', where)
        asked = row.split
    split = split or asked
    codes = files.renamed(config.codes)
    if source.startswith('hf:'):
        place = hub_sets.place_of(source, code, codes, where, row)
    else:
        written = codes.get(code) or row.name_of(code) or code
        place = source.replace('{language}', written)
        if place == source:
            place = str(files.file_in(source, (written, code)))
    rows = files.read(place, split)
    if row.translations:
        rows = _translated(rows, row, code, place)
    check_columns(rows[0], _columns(row), f'{place} {split}')
    made = _items(rows, row, code)
    return sorted(made, key=lambda item: item.id) if row.passage else made


def check_columns(row: DataRow, columns: Iterable[str], what: str) -> None:
    """Refuses a set that lacks columns, naming all of them.

    Args:
      row: the first one.
      columns: that must be there; 'a.b' is field b of column a.
      what: the set and split.

    Raises:
      DataError: with the columns that are missing, and those there are.
    """
    missing = [column for column in columns if column.split('.')[0] not in row.values]
    if missing:
        raise DataError(
            f'{what} has no column {", ".join(map(repr, missing))}; it has'
            f' {", ".join(map(repr, row.values))}'
        )


def _columns(row: ChoiceSet) -> list[str]:
    least = row.options[: row.least or len(row.options)]
    more = (row.subject, row.passage, row.option_ids)
    return [*row.question, *least, row.answer, *row.key, *filter(None, more)]


def _translated(rows: Sequence[DataRow], row: ChoiceSet, code: str, place: str) -> list[DataRow]:
    """The rows of one language, out of rows that have all; a row without it is left out."""
    check_columns(rows[0], (row.translations,), place)
    name, found = row.name_of(code), []
    for each in rows:
        by_language = each.get(row.translations)
        if isinstance(by_language, str):
            by_language = datafiles.parse_object(by_language, f'{each.where}: {row.translations}')
        own = by_language.get(name)
        if own:
            first = by_language.get(SOURCE) or next(filter(None, by_language.values()))
            order = {'_order': first.get(row.option_ids)}
            found.append(DataRow(f'{each.where}, {code}', {**each.values, **own, **order}))
    if not found:
        raise DataError(f'{place} has no item in {code!r} in its column {row.translations!r}')
    return found


def _items(rows: Sequence[DataRow], row: ChoiceSet, code: str) -> list[Item]:
    made, counts = [], dict[str, int]()
    for number, each in enumerate(rows):
        subject = each.text(row.subject) if row.subject else row.id.rpartition('/')[2].lower()
        within = counts.get(subject, 0)
        counts[subject] = within + 1
        key = row.key or [column for column in row.may_key if column in each.values]
        id_ = '#'.join(each.text(column) for column in key)
        if not key:
            id_ = f'{subject}/{within}' if row.by_subject else str(number)
        if not row.parallel:
            id_ = f'{code}/{id_}'
        choices = _choices(each, row)
        answer = _answer(each, row, choices)
        if row.option_ids:
            choices, answer = _in_order(each, row, choices, answer)
        question = ' '.join(
            datafiles.as_text(_value(each, column), column, each.where) for column in row.question
        )
        meta: dict[str, Any] = {'row': number}
        if row.passage:
            meta['passage'] = each.text(row.passage)
        made.append(Item(id_, question, choices, answer, subject, each.where, meta, not key))
    return made


def _value(row: DataRow, column: str) -> Any:
    """The value of a column, or of a field in it: 'question.stem'."""
    first, *rest = column.split('.')
    value = row.get(first)
    for name in rest:
        if not isinstance(value, Mapping) or name not in value:
            raise DataError(f'{row.where}: {first} has no field {name!r}')
        value = value[name]
    return value


def _choices(row: DataRow, spec: ChoiceSet) -> tuple[str, ...]:
    """The options; empty ones are allowed at the end only."""
    if len(spec.options) == 1:
        (column,) = spec.options
        return tuple(
            datafiles.as_text(option, f'{column}[{i}]', row.where)
            for i, option in enumerate(_list(_value(row, column), column, row.where))
        )
    there = [column for column in spec.options if column in row.values]
    full = [column for column in there if not datafiles.is_empty(row.values[column])]
    for before, after in zip(there, full, strict=False):
        if before != after:
            raise DataError(
                f'{row.where}: {before} is empty, and {after} after it is not; expected empty'
                ' options at the end only'
            )
    return tuple(row.text(column) for column in full)


def _list(value: Any, column: str, where: str) -> list[Any]:
    """A list of options: as it is, of rows with a label and a text, or written as a text."""
    if isinstance(value, str):
        value = literal(value, column, where)
    if isinstance(value, Mapping) and 'text' in value:
        value = value['text']
    if not isinstance(value, list | tuple):
        raise DataError(f'{where}: {column} is {value!r:.60}; expected a list of options')
    return [
        each['text'] if isinstance(each, Mapping) and 'text' in each else each for each in value
    ]


def literal(text: str, column: str, where: str) -> list[Any]:
    """A list that is written as a text, in JSON or as Python writes it; nothing in it is run.

    Raises:
      DataError: for a text that is too long or no list.
    """
    if len(text) <= MAX_LIST:
        for read_text in (json.loads, ast.literal_eval):
            try:
                value = read_text(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(value, list | tuple):
                return list(value)
    raise DataError(
        f"{where}: {column} is {text[:60]!r}, not a list; expected one such as ['one', 'two']"
    )


def _answer(row: DataRow, spec: ChoiceSet, choices: Sequence[str]) -> int:
    if not spec.text:
        return items.answer_index(_value(row, spec.answer), len(choices), row.where, spec.base)
    text = row.text(spec.answer)
    if text not in choices and text[:1] == '[':
        found = literal(text, spec.answer, row.where)
        if len(found) != 1:
            raise DataError(
                f'{row.where}: {spec.answer} is a list of {len(found)} answers, {text[:60]!r};'
                ' expected one'
            )
        text = datafiles.as_text(found[0], spec.answer, row.where)
    if text not in choices:
        raise DataError(
            f'{row.where}: {spec.answer} is {text!r}, outside the options: {", ".join(choices)}'
        )
    return list(choices).index(text)


def _in_order(
    row: DataRow, spec: ChoiceSet, choices: tuple[str, ...], answer: int
) -> tuple[tuple[str, ...], int]:
    """Options that each language shuffles, in the order of English or of the first language."""
    ids, order = row.get(spec.option_ids), row.get('_order')
    if len(set(ids)) != len(choices) or sorted(ids) != sorted(order):
        raise DataError(
            f'{row.where}: {spec.option_ids} is {list(ids)}; expected the {len(choices)} of'
            f' {list(order)}, each once'
        )
    places = [list(ids).index(each) for each in order]
    return tuple(choices[place] for place in places), places.index(answer)
