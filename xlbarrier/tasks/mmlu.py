"""MMLU in mixed languages: the published forms of its files, and the published prompts.

Hendrycks et al. 2021 (arXiv 2009.03300); variants, interventions and prompts of Chua et al. 2024
(arXiv 2406.16135), byte for byte.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from xlbarrier import datafiles, metrics
from xlbarrier.config.checks import nearest
from xlbarrier.config.tasks import MmluConfig
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import files, hub, hub_sets, items, prompts
from xlbarrier.tasks.base import LETTERS, Prompt, Question
from xlbarrier.tasks.items import SOURCE, Item
from xlbarrier.tasks.rows import Sheet
from xlbarrier.text import languages as languages_lib

# The text has two spaces after 'about': the published code adds one before each word.
INSTRUCTION = 'The following are multiple choice questions (with answers) about {subject}.'
INTERVENTIONS = {
    0: 'Keep in mind that the question and options may be presented in various languages.',
    1: 'Remember that the question and options can be in different languages.',
    2: 'Remember that the question and options can be in different languages.'
    ' First translate them all to English. Then output the answer.',
}
# Where an answer ends that is translated first.
TRANSLATED_TOKENS, TRANSLATED_STOPS = 512, ('\n\nQuestion:',)
TRANSLATE = '\nTranslate the question and options into English, and then answer.\nQuestion: '
CUE = 'Answer:'
# Language of a published mixup set, which does not say which part is in which language.
MIXED = languages_lib.SEVERAL
SUBJECTS = tuple(sorted(metrics.SUBJECTS))
WIDTH = 4


class Mmlu(items.AlignedTask):
    """The task. Ids are `sample_id`, or SUBJECT/ROW, the row in the test file, counted from 0."""

    def __init__(self, config: MmluConfig, name: str = 'mmlu'):
        """Reads and aligns the files.

        Raises:
          DataError: naming file and row of what is wrong, or the first row that is not aligned.
        """
        self.config, self.name = config, name
        for i, subject in enumerate(config.subjects):
            if subject not in SUBJECTS:
                raise DataError(
                    f'config.tasks.{name}.subjects[{i}] is {subject!r}, not a subject of MMLU.'
                    f'{nearest(subject, SUBJECTS)}'
                )
        demonstrated = config.shots > 0
        mixed = 'mixup' in config.variants and self._published_mixup('test') is not None
        english = (
            items.needs_english(config.variants)
            or (demonstrated and config.demos == 'english')
            or config.intervention == 2
            or mixed
        )
        alone = mixed and set(config.variants) <= {'english', 'mixup'}
        codes = [SOURCE] if english else []
        if not alone:
            codes = list(dict.fromkeys([*codes, *config.languages]))
        super().__init__(name, config, self._read('test', codes))
        self._subject_rows: dict[str, list[int]] = {}
        for row, item in enumerate(self.items[codes[0]]):
            self._subject_rows.setdefault(item.subject, []).append(row)
        self._demo_items: dict[str, list[Item]] = {}
        if demonstrated:
            expected = codes if config.demos == 'same' else [SOURCE]
            self._demo_items = items.aligned(self._read('dev', expected), f'{name} dev')
        self._given = self._read_given('test')
        self._given_demos = self._read_given('dev') if config.demos == 'same' else {}
        for subject in self._subject_rows if demonstrated else ():
            self._demonstrations(subject, SOURCE if english else config.languages[0], 'full')

    def sheets(self) -> list[tuple[str, str]]:
        """See `tasks.base.Task`; a published mixup set is one sheet."""
        made = [s for s in super().sheets() if (s[0], MIXED) not in self._given]
        return made + [s for s in self._given if s[1] == MIXED]

    def questions(self, variant: str, language: str) -> list[Question]:
        """The first `limit` questions of each subject."""
        rows = [
            row
            for rows in self._subject_rows.values()
            for row in rows[: self.config.limit or len(rows)]
        ]
        given = self._given.get((variant, language))
        if given is not None:
            return [self._as_given(given[row], self.items, row, variant, language) for row in rows]
        return [self.worded(self.items, row, variant, language) for row in rows]

    def written_prompt(self, question: Question) -> Prompt:
        """The prompt of 'generate'; translate-then-answer has a separate one."""
        return self.render(question, 'generate' if self.config.intervention == 2 else 'letter')

    def render(self, question: Question, method: str) -> Prompt:
        """The published prompt; 'loglikelihood' asks without listing the options."""
        config = self.config
        kind = config.demos if config.shots else 'none'
        head = INSTRUCTION.format(
            subject=''.join(f' {word}' for word in question.subject.split('_'))
        )
        if config.intervention in INTERVENTIONS:
            head += f' {INTERVENTIONS[config.intervention]}'
        shown = ''
        if config.shots and kind == 'english':
            shown = self._shown(question.subject, SOURCE, 'full', method)
        elif config.shots:
            variant, sheet = question.meta['variant'], question.meta['sheet']
            shown = self._shown(question.subject, sheet, variant, method)
        answers = LETTERS[: len(question.choices)] if method == 'letter' else question.choices
        prompt = Prompt(
            f'{head}\n\n{shown}{_asked(question, method)}',
            () if method == 'generate' else tuple(f' {answer}' for answer in answers),
            CUE,
            config.shots,
            kind,
            config.intervention,
        )
        if config.intervention != 2:
            return prompt
        # The model writes the whole question in English, then the cue, then the letter.
        return dataclasses.replace(
            prompt, new_tokens=TRANSLATED_TOKENS, stops=TRANSLATED_STOPS, cue=CUE
        )

    @functools.cache  # noqa: B019 (a task lives as long as its run)
    def _shown(self, subject: str, language: str, variant: str, method: str) -> str:
        """The demonstrations with their answers."""
        shown = ''
        english = self._demonstrations(subject, SOURCE, 'full') if method == 'generate' else ()
        for i, each in enumerate(self._demonstrations(subject, language, variant)):
            letter = LETTERS[each.answer]
            if method == 'generate':
                shown += f'{_asked(each, method)}{_asked(english[i], "letter")} {letter}\n\n'
            else:
                answer = letter if method == 'letter' else each.choices[each.answer]
                shown += f'{_asked(each, method)} {answer}\n\n'
        return shown

    def _demonstrations(self, subject: str, language: str, variant: str) -> list[Question]:
        """The first `shots` rows of a subject's dev file, in a variant.

        Raises:
          DataError: when there are fewer.
        """
        first = next(iter(self._demo_items.values()))
        rows = [row for row, item in enumerate(first) if item.subject == subject]
        rows = rows[: self.config.shots]
        if len(rows) < self.config.shots:
            raise DataError(
                f'config.tasks.{self.name}.shots is {self.config.shots}; the dev split has'
                f' {len(rows)} rows of {subject}'
            )
        given = self._given_demos.get((variant, language))
        if given is not None:
            return [self._as_given(given[r], self._demo_items, r, variant, language) for r in rows]
        if (variant, language) in self._given:
            raise DataError(
                f'config.tasks.{self.name}: {variant} in {language} is read as published, and has'
                " no dev split for demonstrations; set demos to 'english', or shots to 0"
            )
        return [self.worded(self._demo_items, row, variant, language) for row in rows]

    def _as_given(
        self,
        item: Item,
        aligned: Mapping[str, Sequence[Item]],
        row: int,
        variant: str,
        language: str,
    ) -> Question:
        """A row of a published variant file; texts equal to the English ones count as English."""
        english = aligned[SOURCE][row]
        asked, *spoken = (
            SOURCE if text == source else language
            for text, source in zip(
                (item.question, *item.choices), (english.question, *english.choices), strict=True
            )
        )
        meta = {**item.meta, 'variant': variant, 'sheet': language}
        return Question(
            item.id, item.question, item.choices, item.answer, asked, tuple(spoken), item.subject,
            meta,
        )  # fmt: skip

    def _read(self, split: str, codes: Sequence[str]) -> dict[str, list[Item]]:
        return {code: self._checked(self._place(code), code, split) for code in codes}

    def _place(self, code: str) -> str:
        source, codes = self.config.source, files.renamed(self.config.codes)
        if code == SOURCE and code not in codes and (elsewhere := hub_sets.english_of(source)):
            return elsewhere
        if '{language}' in source:
            return hub_sets.place_of(source, code, codes, f'config.tasks.{self.name}')
        return source if code == SOURCE else f'{source}\0full_{code}'

    def _checked(self, place: str, code: str, split: str) -> list[Item]:
        found = read(place, split, self.config.subjects)
        # Some published items have options that are alike, in English too.
        return items.checked(found, f'{self.name} {split} {code}', 'keep')

    def _published_mixup(self, split: str) -> str | None:
        config = self.config
        if config.mixup:
            there = config.mixup.startswith('hf:') or split == 'test'
            return config.mixup if there or _folder(config.mixup, split) else None
        if '{language}' in config.source or config.source.startswith('hf:'):
            return None
        place = f'{config.source}\0mixup'
        return place if _folder(place, split) is not None else None

    def _read_given(self, split: str) -> dict[tuple[str, str], list[Item]]:
        """The published mixed sets: in the published folder, or the configured mixup set."""
        config = self.config
        places: dict[Sheet, str] = {}
        mixup = self._published_mixup(split) if 'mixup' in config.variants else None
        if mixup is not None:
            places['mixup', MIXED] = mixup
        if '{language}' not in config.source and not config.source.startswith('hf:'):
            for variant in [v for v in config.variants if v not in ('english', 'full', 'mixup')]:
                for code in config.languages:
                    if _folder(f'{config.source}\0{variant}_{code}', split) is not None:
                        places[variant, code] = f'{config.source}\0{variant}_{code}'
        made: dict[Sheet, list[Item]] = {}
        base = self.items if split == 'test' else self._demo_items
        for (mixing, language), place in places.items():
            given = self._checked(place, f'{mixing} {language}', split)
            pair = {SOURCE: base[SOURCE], f'{mixing}_{language}': given}
            made[mixing, language] = items.aligned(pair, self.name)[f'{mixing}_{language}']
        return made


def read(place: str, split: str, subjects: Sequence[str] = ()) -> list[Item]:
    """The items of one split, in any of the published forms.

    Args:
      place: a folder with SPLIT/SUBJECT_SPLIT.csv (below `data/` as well), or 'hf:NAME[:SUBSET]'
        with a column of subjects; 'FOLDER\\0NAME' means SPLIT_NAME instead of SPLIT.
      split: 'test' or 'dev'.
      subjects: those to read; (): all.

    Raises:
      DataError: naming what is missing, or the file and row that cannot be read.
    """
    if place.startswith('hf:') and place.removeprefix('hf:').split('@')[0] in hub_sets.CSV_SETS:
        place = str(hub.snapshot(place, 'data/*.csv'))
    if place.startswith('hf:'):
        return _from_dataset(place, split, subjects)
    folder = _folder(place, split)
    if folder is None:
        root, _, name = place.partition('\0')
        expected = f'{split}_{name}' if name else split
        raise DataError(
            f"{root} has no folder {expected} (or data/{expected}) with MMLU's CSV files"
        )
    found = []
    for subject in subjects or SUBJECTS:
        path = folder / f'{subject}_{split}.csv'
        if not path.exists():
            raise DataError(
                f'{path} does not exist; leave {subject} out by config.tasks.*.subjects, or add it'
            )
        found += [
            _item(subject, row, where, cells) for row, (where, cells) in enumerate(_csv_rows(path))
        ]
    return found


def _folder(place: str, split: str) -> pathlib.Path | None:
    root, _, name = place.partition('\0')
    for base in (pathlib.Path(root).expanduser(), pathlib.Path(root).expanduser() / 'data'):
        folder = base / (f'{split}_{name}' if name else split)
        if folder.is_dir():
            return folder
    return None


def _csv_rows(path: pathlib.Path) -> list[tuple[str, list[str]]]:
    """Question, four options and key of each row, without a header or an index column."""
    rows = list(datafiles.read_cells(path))
    if rows:
        first = [cell.strip().lower() for cell in rows[0][1]]
        numbers = [str(i) for i in range(WIDTH + 2)]
        if first[0] in ('', 'unnamed: 0') and len(first) == WIDTH + 3:
            rows = [(where, cells[1:]) for where, cells in rows]
            first = first[1:]
        if ('question' in first[0] and first[-1] in ('answer', 'target')) or first == numbers:
            rows = rows[1:]
    for where, cells in rows:
        if len(cells) != WIDTH + 2:
            raise DataError(
                f'{where}: {len(cells)} cells; expected {WIDTH + 2}: question, {WIDTH} options,'
                ' answer'
            )
    return rows


def _from_dataset(place: str, split: str, subjects: Sequence[str]) -> list[Item]:
    count: dict[str, int] = {}
    found = []
    for row in files.read_dataset(place, split):
        subject, cells = _dataset_cells(row)
        id_ = row.text('sample_id') if 'sample_id' in row.values else ''
        count[subject] = count.get(subject, -1) + 1
        if not subjects or subject in subjects:
            found.append(_item(subject, count[subject], row.where, cells, id_))
    missing = [subject for subject in subjects or SUBJECTS if subject not in count]
    if missing:
        raise DataError(f'{place} {split} has no rows of: {", ".join(missing[: files.SHOWN])}')
    place_of = {subject: i for i, subject in enumerate(subjects or SUBJECTS)}
    return sorted(found, key=lambda item: place_of.get(item.subject, len(place_of)))


def _dataset_cells(row: DataRow) -> tuple[str, list[Any]]:
    """Subject and cells of a row of cais/mmlu, openai/MMMLU, Global-MMLU and the like."""
    lower = DataRow(row.where, {name.lower(): value for name, value in row.values.items()})
    if 'choices' in lower.values:
        options = list(lower.get('choices'))
    else:
        forms = (
            list('abcd'),
            [f'option_{letter}' for letter in 'abcd'],
            [f'choice{i}' for i in range(WIDTH)],
        )
        names = next((names for names in forms if names[0] in lower.values), forms[0])
        options = [lower.get(name) for name in names]
    return lower.text('subject'), [lower.get('question'), *options, lower.get('answer')]


def _item(subject: str, row: int, where: str, cells: Sequence[Any], id_: str = '') -> Item:
    """The item of a row; a row without an id gets the id SUBJECT/ROW."""
    question, *options, key = cells
    where = f'{where} ({subject} row {row})'
    choices = tuple(
        datafiles.as_text(option, f'option {LETTERS[i]}', where) for i, option in enumerate(options)
    )
    return Item(
        id_ or f'{subject}/{row}',
        datafiles.as_text(question, 'question', where),
        choices,
        items.answer_index(key, len(choices), where),
        subject,
        where,
        {'row': row},
        numbered=not id_,
    )


def _asked(question: Question, method: str) -> str:
    """A question up to where its answer begins."""
    if method == 'loglikelihood':
        return f'{question.question}\n{CUE}'
    listed = f'{question.question}\n{prompts.listed(question)}\n{CUE}'
    return f'Question: {listed} {TRANSLATE}' if method == 'generate' else listed
