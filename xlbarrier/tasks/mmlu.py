"""MMLU in mixed languages: the published forms of its files, and the published prompts.

Hendrycks et al. 2021 (arXiv 2009.03300); variants, interventions and prompts of Chua et al. 2024
(arXiv 2406.16135), byte for byte.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from absl import logging

from xlbarrier.config.checks import nearest
from xlbarrier.config.tasks import MmluConfig
from xlbarrier.datafiles import DataError
from xlbarrier.tasks import files, hub_sets, items, mmlu_files, prompts
from xlbarrier.tasks.base import Prompt, Question
from xlbarrier.tasks.items import SOURCE, Item
from xlbarrier.tasks.mmlu_files import SUBJECTS
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
TRANSLATED_TOKENS, TRANSLATED_STOPS = 256, ('\n\nQuestion:',)
TRANSLATE = '\nTranslate the question and options into English, and then answer.\nQuestion: '
CUE = 'Answer:'
# Language of a published mixup set, which does not say which part is in which language.
MIXED = languages_lib.SEVERAL
COMMON = ('common',)  # the value of `subjects` for those that all languages have


class Mmlu(items.AlignedTask):
    """The task. Ids are `sample_id`, or SUBJECT/ROW, the row in the test file, counted from 0."""

    def __init__(self, config: MmluConfig, name: str = 'mmlu'):
        """Reads and aligns the files.

        Raises:
          DataError: naming file and row of what is wrong, or the first row that is not aligned.
        """
        self.config, self.name = config, name
        self.subjects = () if config.subjects == COMMON else config.subjects
        for i, subject in enumerate(self.subjects):
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
        demo_codes = codes if config.demos == 'same' else [SOURCE]
        if config.subjects == COMMON:
            self.subjects = self._common(codes, demo_codes if demonstrated else ())
        super().__init__(name, config, self._read('test', codes))
        self._subject_rows: dict[str, list[int]] = {}
        for row, item in enumerate(self.items[codes[0]]):
            self._subject_rows.setdefault(item.subject, []).append(row)
        self._demo_items: dict[str, list[Item]] = {}
        if demonstrated:
            self._demo_items = items.aligned(self._read('dev', demo_codes), f'{name} dev')
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
        answers = self.letters(question) if method == 'letter' else question.choices
        prompt = Prompt(
            f'{head}\n\n{shown}{self._asked(question, method)}',
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

    def letters(self, question: Question) -> str:
        """See `MultipleChoice`."""
        return self.config.option_ids[: len(question.choices)]

    def _asked(self, question: Question, method: str) -> str:
        """A question up to where its answer begins."""
        if method == 'loglikelihood':
            return f'{question.question}\n{CUE}'
        listed = prompts.listed(question, letters=self.config.option_ids)
        text = f'{question.question}\n{listed}\n{CUE}'
        return f'Question: {text} {TRANSLATE}' if method == 'generate' else text

    @functools.cache  # noqa: B019 (a task lives as long as its run)
    def _shown(self, subject: str, language: str, variant: str, method: str) -> str:
        """The demonstrations with their answers."""
        shown = ''
        english = self._demonstrations(subject, SOURCE, 'full') if method == 'generate' else ()
        for i, each in enumerate(self._demonstrations(subject, language, variant)):
            letter = self.config.option_ids[each.answer]
            if method == 'generate':
                translated = self._asked(english[i], 'letter')
                shown += f'{self._asked(each, method)}{translated} {letter}\n\n'
            else:
                answer = letter if method == 'letter' else each.choices[each.answer]
                shown += f'{self._asked(each, method)} {answer}\n\n'
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
        places = {code: self._place(code) for code in codes}
        where = f'config.tasks.{self.name}'
        mmlu_files.check_complete(places, split, self.subjects, where)
        return {code: self._checked(place, code, split) for code, place in places.items()}

    def _common(self, codes: Sequence[str], demo_codes: Sequence[str]) -> tuple[str, ...]:
        """The subjects that every language has, in each split that is read."""
        splits = [('test', code) for code in codes] + [('dev', code) for code in demo_codes]
        there = {key: mmlu_files.subjects_of(self._place(key[1]), key[0]) for key in splits}
        shared = tuple(s for s in SUBJECTS if all(s in found for found in there.values()))
        if not shared:
            raise DataError(
                f"config.tasks.{self.name}.subjects is 'common'; the languages have no subject in"
                ' common (n = 0)'
            )
        for (split, code), found in there.items():
            lacking = [s for s in SUBJECTS if s not in found]
            if lacking:
                logging.warning(
                    '%s: %s has no %s file of %d subjects, which are not asked: %s',
                    *(self.name, code, split, len(lacking), ', '.join(lacking)),
                )
        return shared

    def _place(self, code: str) -> str:
        source, codes = self.config.source, files.renamed(self.config.codes)
        if code == SOURCE and code not in codes and (elsewhere := hub_sets.english_of(source)):
            return elsewhere
        if '{language}' in source:
            return hub_sets.place_of(source, code, codes, f'config.tasks.{self.name}')
        return source if code == SOURCE else f'{source}\0full_{code}'

    def _checked(self, place: str, code: str, split: str) -> list[Item]:
        found = mmlu_files.read(place, split, self.subjects)
        # Some published items have options that are alike, in English too.
        return items.checked(found, f'{self.name} {split} {code}', 'keep')

    def _published_mixup(self, split: str) -> str | None:
        config = self.config
        if config.mixup:
            there = config.mixup.startswith('hf:') or split == 'test'
            return config.mixup if there or mmlu_files.folder_of(config.mixup, split) else None
        if '{language}' in config.source or config.source.startswith('hf:'):
            return None
        place = f'{config.source}\0mixup'
        return place if mmlu_files.folder_of(place, split) is not None else None

    def _read_given(self, split: str) -> dict[tuple[str, str], list[Item]]:
        """The published mixed sets: in the published folder, or the configured mixup set."""
        config = self.config
        places: dict[Sheet, str] = {}
        mixup = self._published_mixup(split) if 'mixup' in config.variants else None
        if mixup is not None:
            places['mixup', MIXED] = mixup
        if '{language}' not in config.source and not config.source.startswith('hf:'):
            others = set(config.variants) - {'english', 'full', 'mixup', 'translated'}
            for variant in [v for v in config.variants if v in others]:
                for code in config.languages:
                    if (
                        mmlu_files.folder_of(f'{config.source}\0{variant}_{code}', split)
                        is not None
                    ):
                        places[variant, code] = f'{config.source}\0{variant}_{code}'
        named = {f'{mixing} {language}': place for (mixing, language), place in places.items()}
        mmlu_files.check_complete(named, split, self.subjects, f'config.tasks.{self.name}')
        made: dict[Sheet, list[Item]] = {}
        base = self.items if split == 'test' else self._demo_items
        for (mixing, language), place in places.items():
            given = self._checked(place, f'{mixing} {language}', split)
            pair = {SOURCE: base[SOURCE], f'{mixing}_{language}': given}
            made[mixing, language] = items.aligned(pair, self.name)[f'{mixing}_{language}']
        return made
