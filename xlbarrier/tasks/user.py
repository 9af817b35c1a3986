"""A user's own multiple-choice questions: JSONL, CSV, Parquet or a dataset; docs/your_own_task.md.

One file per language or a column of languages, options in columns or in a list, the answer as a
letter, index or text; or pairs of a true and a false completion of one stem.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from xlbarrier import datafiles, draw
from xlbarrier.config.tasks import UserConfig
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import files, items, prompts
from xlbarrier.tasks.base import LETTERS, LeftOut, Prompt, Question
from xlbarrier.tasks.files import SHOWN
from xlbarrier.tasks.items import SOURCE, Item
from xlbarrier.text import languages as languages_lib

OWN_CUES = 'question'


class User(items.AlignedTask):
    """The task."""

    def __init__(self, config: UserConfig, name: str = 'user'):
        """Reads the files.

        Raises:
          DataError: naming file, row and column of what is wrong.
        """
        self.config, self.where = config, f'config.tasks.{name}'
        self.cues = '' if config.cues == OWN_CUES else config.cues
        codes = list(items.languages_needed(config))
        if config.shots and config.demos == 'english' and SOURCE not in codes:
            codes.insert(0, SOURCE)
        for code in [self.cues] if self.cues else codes:
            if code not in prompts.ALL_CUES:
                raise DataError(
                    f"{self.where}: no words for 'Question:' and 'Answer:' in {code!r}; there are"
                    f' {", ".join(sorted(prompts.ALL_CUES))}. Set {self.where}.cues to one of these'
                )
        by_language = {
            code: items.checked(found, f'{name} {code}', config.equal_options)
            for code, found in self._read(codes).items()
        }
        left_out: dict[str, LeftOut] = {}
        if config.equal_options == 'drop':
            by_language, left_out['equal_options'] = items.without(
                by_language, items.alike, self.where, 'options alike'
            )
        super().__init__(name, config, by_language, left_out)
        if self.count <= config.shots:
            raise DataError(
                f'{self.where}.shots is {config.shots}, and there are {self.count} items: none is'
                ' left to be asked (n = 0)'
            )

    def questions(self, variant: str, language: str) -> list[Question]:
        """The items after those shown as demonstrations."""
        rows = range(self.config.shots, self.count)[: self.config.limit or None]
        return [self.worded(self.items, row, variant, language) for row in rows]

    def render(self, question: Question, method: str) -> Prompt:
        """A question between cue words; for pairs, the stem itself."""
        demos = self.config.demos
        if demos == 'english':
            shown = self._shown('full', SOURCE)
        else:
            shown = self._shown(question.meta['variant'], question.meta['sheet'])
        if self.config.form == 'pairs' and method == 'loglikelihood':
            return self._completed(question, shown)
        return prompts.render(
            question,
            method,
            cues=self.cues,
            instruction=self.config.instruction,
            demonstrations=shown,
            demos=demos,
        )

    @functools.cache  # noqa: B019 (a task lives as long as its run)
    def _shown(self, variant: str, language: str) -> list[Question]:
        rows = range(self.config.shots)
        return [self.worded(self.items, row, variant, language) for row in rows]

    def _completed(self, question: Question, shown: Sequence[Question]) -> Prompt:
        def continued(each: Question) -> list[str]:
            gap = ' ' if languages_lib.language(each.language).spaces else ''
            return [gap + choice for choice in each.choices]

        parts = [self.config.instruction] if self.config.instruction else []
        parts += [f'{each.question}{continued(each)[each.answer]}' for each in shown]
        return Prompt(
            '\n\n'.join([*parts, question.question]),
            tuple(continued(question)),
            prompts.cue(self.cues or question.language)[1],
            len(shown),
            self.config.demos if shown else 'none',
        )

    def _read(self, codes: Sequence[str]) -> dict[str, list[Item]]:
        config = self.config
        if config.language:
            rows = files.read(config.source, config.split)
            met = list(dict.fromkeys(row.text(config.language) for row in rows))
            absent = [code for code in codes if code not in met]
            if absent:
                raise DataError(
                    f'{config.source}: no row has {absent[0]!r} in column {config.language!r}; it'
                    f' has {", ".join(met[:SHOWN])}'
                )
            by_language = {
                code: [row for row in rows if row.values[config.language] == code] for code in codes
            }
        elif '{language}' in config.source or len(codes) == 1:
            by_language = {
                code: files.read(files.place_of(config.source, code), config.split)
                for code in codes
            }
        else:
            raise DataError(
                f'{self.where}.source is one file for {len(codes)} languages'
                f' ({", ".join(codes)}); write {{language}} in it, or name the column of the'
                f' language in {self.where}.language'
            )
        made = {code: self._items(rows) for code, rows in by_language.items()}
        return self._without_empty(made)

    def _without_empty(self, drafts: Mapping[str, Sequence[Item]]) -> dict[str, list[Item]]:
        """The items without their empty options: columns that are empty in every language.

        Raises:
          DataError: for an option that is empty in one language only, or is the answer.
        """
        whole: dict[str, Item] = {}
        made: dict[str, list[Item]] = {code: [] for code in drafts}
        for code, found in drafts.items():
            for item in found:
                present = [k for k, choice in enumerate(item.choices) if choice]
                other = whole.setdefault(item.id, item)
                # Lists of different lengths are reported by `items.checked` or `items.aligned`.
                column = next(
                    (k for k, pair in enumerate(zip(item.choices, other.choices, strict=False))
                     if bool(pair[0]) != bool(pair[1])), None
                )  # fmt: skip
                if column is not None:
                    empty, full = (other, item) if item.choices[column] else (item, other)
                    raise DataError(
                        f'{empty.where}: {self.config.options[column]} is empty, and it is not in'
                        f' another language ({full.where}); expected an option in all or in none'
                    )
                if item.answer not in present:
                    raise DataError(
                        f'{item.where}: the answer is option {item.answer + 1}, and'
                        f' {self.config.options[item.answer]} is empty'
                    )
                made[code].append(
                    dataclasses.replace(
                        item,
                        choices=tuple(item.choices[k] for k in present),
                        answer=present.index(item.answer),
                    )
                )
        return made

    def _items(self, rows: Sequence[DataRow]) -> list[Item]:
        """The items of a language; an empty option is '' here."""
        config = self.config
        options = [_options(row, config.options, config.form) for row in rows]
        if config.form == 'choices':
            form: str = config.answer_form
            if form == 'auto':
                form = _answer_form(rows, options, config.answer, config.answer_base, self.where)
        made = []
        for number, (row, choices) in enumerate(zip(rows, options, strict=True)):
            id_ = row.text(config.id) if config.id else str(number)
            if config.form == 'pairs':
                answer = draw.below(config.seed, f'{id_} place', 0, 2)
                choices = choices if answer == 0 else choices[::-1]
            elif form == 'text':
                answer = _index_of_text(row, choices, config.answer)
            else:
                answer = items.answer_index(
                    row.get(config.answer), len(choices), row.where, config.answer_base
                )
            subject = row.text(config.subject) if config.subject else self.config.form
            question = row.text(config.question)
            meta = {'row': number}
            made.append(
                Item(id_, question, choices, answer, subject, row.where, meta, not config.id)
            )
        return made


def _options(row: DataRow, columns: Sequence[str], form: str) -> tuple[str, ...]:
    """The options of one column with a list (in CSV: a JSON list), or of one column each.

    An empty column gives '': sets with three to five options leave the last ones empty.
    """
    if len(columns) > 1:
        return tuple(
            '' if form == 'choices' and _is_blank(row, column) else row.text(column)
            for column in columns
        )
    (column,) = columns
    found = row.get(column)
    if isinstance(found, str):
        try:
            found = datafiles.decode_json(found)
        except ValueError as error:
            raise DataError(
                f'{row.where}: {column} is {found[:60]!r}, not a list ({error}); expected a JSON'
                ' list such as ["one", "two"], or one column per option, named in options'
            ) from error
    if not isinstance(found, list | tuple):
        raise DataError(f'{row.where}: {column} is {found!r:.60}; expected a list of options')
    return tuple(
        datafiles.as_text(option, f'{column}[{i}]', row.where) for i, option in enumerate(found)
    )


def _is_blank(row: DataRow, column: str) -> bool:
    if column not in row.values:
        return False  # `row.text` reports it
    value = row.values[column]
    return datafiles.is_empty(value) or (isinstance(value, str) and not value.strip())


def _answer_form(
    rows: Sequence[DataRow], options: Sequence[tuple[str, ...]], column: str, base: int, where: str
) -> str:
    """How a column gives its answers; a column that can be read in two ways is refused."""
    keys = [row.get(column) for row in rows]
    texts = all(
        str(key) and str(key) in choices for key, choices in zip(keys, options, strict=True)
    )
    pairs = [(str(key).strip(), len(choices)) for key, choices in zip(keys, options, strict=True)]
    letter = all(len(key) == 1 and key.upper() in LETTERS[:count] for key, count in pairs)
    index = all(
        key.isascii() and key.isdigit() and 0 <= int(key) - base < count for key, count in pairs
    )
    found = [form for form, fits in (('letter', letter), ('index', index), ('text', texts)) if fits]
    if len(found) > 1:
        raise DataError(
            f'{where}.answer_form: column {column!r} can be read as {" and as ".join(found)}'
            f' ({rows[0].where}: {keys[0]!r}); set it to one of these'
        )
    if found:
        return found[0]
    if base == 0 and all(key.isascii() and key.isdigit() and 1 <= int(key) <= count
                         for key, count in pairs):  # fmt: skip
        raise DataError(
            f'{where}.answer_base is 0; the answers in column {column!r} are counted from 1: set'
            ' answer_base=1'
        )
    # The error names the first key that does not fit the form which most keys have.
    short = sum(len(key) <= 2 for key, _ in pairs)
    return 'letter' if 2 * short > len(pairs) else 'text'


def _index_of_text(row: DataRow, choices: Sequence[str], column: str) -> int:
    key = row.text(column)
    if key in choices:
        return choices.index(key)
    folded = [items.normalised(choice) for choice in choices]
    if items.normalised(key) in folded:
        return folded.index(items.normalised(key))
    raise DataError(
        f'{row.where}: the answer is {key!r}, outside the options: {", ".join(choices)}'
    )
