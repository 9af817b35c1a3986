"""Conductivity: can a model answer in a language what it was taught in English?

Invented facts, as in Gao et al. 2024 (arXiv 2404.04659, section 5). Facts of type 0 are taught in
English and in the language, those of type 1 in English only, and the names in both. The
cross-retrieval ratio is accuracy(language, type 1) / accuracy(English, type 1); it is defined once
the model knows everything that was taught.

A sheet's variant says what it asks: `translation` (of a name into the language), `type_0`,
`type_1`. The rows to train on come from the task itself (`lessons`).
"""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from absl import logging

from xlbarrier import draw, metrics
from xlbarrier.config.checks import nearest
from xlbarrier.config.tasks import ConductivityConfig, FictionalConfig
from xlbarrier.corpus import consistency
from xlbarrier.corpus.consistency import Fact, Stated
from xlbarrier.datafiles import DataError, write_atomic
from xlbarrier.errors import InputError
from xlbarrier.qa import templates
from xlbarrier.qa.forms import Example
from xlbarrier.tasks import clika_fictional, fictional, items, prompts
from xlbarrier.tasks.base import Prompt, Question
from xlbarrier.tasks.chat import chat_of
from xlbarrier.tasks.fictional import World
from xlbarrier.tasks.fictional_templates import LANGUAGES, TAUGHT, TRANSLATION
from xlbarrier.tasks.files import SHOWN
from xlbarrier.tasks.multiple_choice import MultipleChoice
from xlbarrier.tasks.rows import Lesson, NumberRow, Sheet
from xlbarrier.text import languages as languages_lib

SOURCE = 'en'
TRANSLATED = 'translation'
TYPES = ('type_0', 'type_1')
NEW_TOKENS = 64  # at most, of a written answer; it ends with its line


class Taught(MultipleChoice):
    """A task with rows of its own to train on; see `base.Teaching` and `base.Numbered`."""

    def __init__(
        self,
        name: str,
        config: FictionalConfig | ConductivityConfig,
        lessons: Sequence[Lesson],
        asked: Mapping[Sheet, Sequence[Question]],
        unstated: str = 'refuse',
    ):
        """Keeps what is taught and what is asked.

        Args:
          name: of the task in the config.
          config: for languages, methods, gate and the chat fields.
          lessons: the rows to train on, in a form of `qa.forms`, and their `kind`: TRANSLATED or
            another.
          asked: the questions of each sheet. Their meta contains the `context` that the model reads
            and the `gap` before an answer, both as in the lessons, and the two names of the fact:
            its `subject` and what is `said` about it.
          unstated: 'refuse' or 'keep' rows to train on that state too little of what is asked.
        """
        self._unstated = unstated
        self.name, self.config, self.methods = name, config, config.methods
        self.chat = chat_of(config, name)
        self.lessons, self._asked = tuple(lessons), dict(asked)

    @functools.cached_property
    def stated(self) -> dict[Sheet, Stated]:
        """Of each sheet, how many of its facts the rows to train on state."""
        parts = ('prompt', 'input', 'completion', 'answer')
        texts = ['\n'.join(row[p] for p in parts if p in row) for row in self.lessons]
        return {
            sheet: consistency.stated(
                texts, [Fact(q.id, q.meta['subject'], q.meta['said']) for q in questions]
            )
            for sheet, questions in self._asked.items()
        }

    def check_lessons(self) -> None:
        """Refuses to train on rows with which the gate cannot be reached.

        Raises:
          DataError: when less than the share `gate` of a taught sheet's facts is stated; lists all
            such sheets.
        """
        untaught = {('type_1', code) for code in self.config.languages if code != SOURCE}
        short = []
        for sheet, found in self.stated.items():
            line = f'{" ".join(sheet)}: {_described(found)}'
            logging.info('%s, rows to train on: %s', self.name, line)
            if sheet not in untaught and found.share < self.config.gate:
                short.append(line)
        if short and self._unstated == 'refuse':
            raise DataError(
                f'config.tasks.{self.name}: the rows to train on do not teach what is asked:'
                f' expected at least {self.config.gate:.0%} of the facts of each sheet stated:\n  '
                + '\n  '.join(short)
                + "\nLeave the language out, or train all the same with unstated='keep'"
            )

    def write_lessons(self, path: pathlib.Path) -> None:
        """Writes the rows to train on, one object per line."""
        lines = [json.dumps(lesson, ensure_ascii=False) for lesson in self.lessons]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, ('\n'.join(lines) + '\n').encode())

    def sheets(self) -> list[Sheet]:
        """The sheets, each with questions of its own."""
        return list(self._asked)

    def questions(self, variant: str, language: str) -> list[Question]:
        """See `MultipleChoice`."""
        return list(self._asked[variant, language])

    def render(self, question: Question, method: str) -> Prompt:
        """The prompt as in training, and each option after it."""
        del method  # the text is the same for all
        context, gap = question.meta['context'], question.meta['gap']
        # The last line of the context is its answer cue.
        cue = context.rstrip().rpartition('\n')[2]
        continuations = tuple(gap + choice for choice in question.choices)
        return Prompt(context, continuations, cue, new_tokens=NEW_TOKENS, stops=('\n',))

    def rows(
        self, tables: Mapping[Sheet, pa.Table], *, draws: int = 10_000, seed: int = 0
    ) -> list[NumberRow]:
        """Accuracy of each sheet by each method, XRR, and the share of its facts that is taught.

        Args:
          tables: of each sheet, the answers in the columns of docs/run_folder.md.
          draws, seed: of the bootstrap.
        """
        found: list[NumberRow] = []
        for method in self.config.methods:
            right = {
                sheet: _right(table, method, self._asked[sheet]) for sheet, table in tables.items()
            }
            for (variant, language), correct in right.items():
                options = [len(q.choices) for q in self._asked[variant, language]]
                chance = (
                    float(np.mean(1 / np.array(options))) if method == 'loglikelihood' else None
                )
                row = metrics.accuracy(correct).as_row() | {'chance': chance}
                found.append(_row(variant, language, method, 'accuracy', row))
            for language in self.config.languages:
                if language == SOURCE:
                    continue
                ratio = metrics.xrr(
                    translation=right.get((TRANSLATED, language)),
                    source_type_0=right.get(('type_0', SOURCE)),
                    source_type_1=right.get(('type_1', SOURCE)),
                    target_type_0=right.get(('type_0', language)),
                    target_type_1=right.get(('type_1', language)),
                    gate=self.config.gate,
                    draws=draws,
                    seed=seed,
                ).xrr
                row = ratio.as_row() | {'chance': None}
                found.append(_row('type_1', language, method, 'xrr', row))
        for (variant, language), stated in self.stated.items():
            row = metrics.share(stated.stated, stated.facts).as_row() | {'chance': None}
            found.append(_row(variant, language, 'lessons', 'stated', row))
        return found


def _described(found: Stated) -> str:
    line = f'{found.stated} of {found.facts} facts stated ({found.share:.0%})'
    others = {'never named': found.unmentioned, 'never with the answer': found.contradicted}
    for name, ids in others.items():
        if ids:
            shown = ', '.join(ids[:SHOWN]) + (' ...' if len(ids) > SHOWN else '')
            line += f', {len(ids)} {name} ({shown})'
    return line


def _row(variant: str, language: str, method: str, metric: str, fields: NumberRow) -> NumberRow:
    return {
        'variant': variant,
        'language': language,
        'method': method,
        'metric': metric,
        **fields,
    }


def _right(table: pa.Table, method: str, questions: Sequence[Question]) -> list[bool]:
    if method == 'greedy':
        return [bool(right) for right in table['greedy_correct'].to_pylist()]
    if method == 'generate':
        texts = table['written'].to_pylist()
        return [says(q, text) for q, text in zip(questions, texts, strict=True)]
    pairs = zip(table['prediction_raw'].to_pylist(), table['answer'].to_pylist(), strict=True)
    return [prediction == answer for prediction, answer in pairs]


def says(question: Question, text: str) -> bool:
    """Whether a written answer contains the right name, apart from the subject's own name.

    CLiKA's data description: "the continent is used to check for correct results". Case and
    compatibility forms are ignored.
    """
    text, subject, said = (
        items.normalised(part) for part in (text, question.meta['subject'], question.meta['said'])
    )
    if question.subject != TRANSLATED:  # a name may be its own translation
        text = text.replace(subject, ' ')
    return said in text


class Fictional(Taught):
    """Our own set: a world made from the seed."""

    def __init__(self, config: FictionalConfig, name: str = 'fictional'):
        """Invents the world.

        Raises:
          ValueError: for a language without templates, or a world that is too small or too large.
        """
        for code in config.languages:
            if code not in LANGUAGES:
                raise InputError(
                    f'config.tasks.{name}.languages: there are no invented facts in {code!r}.'
                    f'{nearest(code, LANGUAGES)} There are: {", ".join(LANGUAGES)}'
                )
        world = fictional.make_world(
            facts=config.facts,
            continents=config.continents,
            relations=config.relations,
            choices=config.choices,
            seed=config.seed,
        )
        self.world = world
        super().__init__(name, config, _taught(world, config), _asked(world, config))


class Conductivity(Taught):
    """CLiKA's published set."""

    def __init__(self, config: ConductivityConfig, name: str = 'conductivity'):
        """Reads the training rows and the questions of every language.

        Raises:
          DataError: naming file and row of what is wrong.
        """
        self._template, self._limit = config.template, config.limit
        lessons: dict[tuple[str, str, str], None] = {}  # every file has the English facts
        asked: dict[Sheet, list[Question]] = {}
        for code in config.languages:
            if code != SOURCE:
                lessons |= dict.fromkeys(clika_fictional.lessons(config.source, code))
                found = clika_fictional.translations(config.source, code, config.seed)
                asked[TRANSLATED, code] = self._as_taught(found)
            for kind, found in clika_fictional.facts(config.source, code).items():
                asked[kind, code] = self._as_taught(found)
        rows = [self._lesson(*lesson) for lesson in lessons]
        super().__init__(name, config, rows, asked, config.unstated)

    def _as_taught(self, questions: Sequence[Question]) -> list[Question]:
        """Published questions with the text that training puts before their answers."""
        made = []
        for question in questions[: self._limit or None]:
            meta = question.meta
            context, gap, _ = self._parts(question.question, meta['input'], 'x', meta['where'])
            added = {'context': context, 'gap': gap}
            if question.subject == TRANSLATED:
                added |= {'subject': meta['input'], 'said': question.choices[question.answer]}
            made.append(dataclasses.replace(question, meta={**meta, **added}))
        return made

    def _lesson(self, prompt: str, about: str, answer: str) -> Lesson:
        context, gap, answer = self._parts(prompt, about, answer, 'a row to train on')
        kind = TRANSLATED if about else 'fact'
        return {'prompt': context, 'completion': gap + answer, 'kind': kind}

    def _parts(self, prompt: str, about: str, answer: str, where: str) -> tuple[str, str, str]:
        """Context, gap and answer of a row in the template."""
        example = Example(where, 'prompt_input', prompt, about, answer)
        return templates.parts(example, self._template)


def _taught(world: World, config: FictionalConfig) -> list[Lesson]:
    """Facts in every wording except the last, names in both directions, in a drawn order."""
    made = []
    others = [code for code in config.languages if code != SOURCE]
    for wording in range(config.wordings):
        for fact in world.facts:
            for code in (SOURCE, *others) if fact.type == 0 else (SOURCE,):
                asked = fictional.question(fact, world, code, wording)
                answer = world.names[fact.answer][code]
                made.append(_lesson(asked, answer, code, f'type_{fact.type}'))
        for code in others:
            for names in world.names:
                for source, target in ((SOURCE, code), (code, SOURCE)):
                    asked = _translate(names[source], source, target, wording)
                    made.append(_lesson(asked, names[target], SOURCE, TRANSLATED))
    return draw.shuffled(made, config.seed, 'fictional lessons')


def _lesson(question: str, answer: str, code: str, kind: str) -> Lesson:
    posed = _posed(question, code)
    return {'prompt': posed['context'], 'completion': posed['gap'] + answer, 'kind': kind}


def _asked(world: World, config: FictionalConfig) -> dict[Sheet, list[Question]]:
    """Each sheet's questions, in the wording that is in no lesson."""
    made: dict[Sheet, list[Question]] = {}
    for code in config.languages:
        if code != SOURCE:
            made[TRANSLATED, code] = [
                _name_question(world, number, code, config) for number in range(len(world.names))
            ]
        for kind, variant in enumerate(TYPES):
            made[variant, code] = [
                _fact_question(world, fact, code) for fact in world.facts if fact.type == kind
            ]
    return made


def _fact_question(world: World, fact: fictional.Fact, code: str) -> Question:
    asked = fictional.question(fact, world, code, TAUGHT)
    names = {
        'subject': world.names[fact.subject][code],
        'said': world.names[fact.answer][code],
    }
    return Question(
        id=fact.id,
        question=asked,
        choices=tuple(world.names[number][code] for number in fact.choices),
        answer=fact.choices.index(fact.answer),
        language=code,
        choice_languages=(code,) * len(fact.choices),
        subject=fact.relation,
        meta={**_posed(asked, code), **names},
    )


def _name_question(world: World, number: int, code: str, config: FictionalConfig) -> Question:
    asked = _translate(world.names[number][SOURCE], SOURCE, code, TAUGHT)
    pairs = zip(world.names, world.kinds, strict=True)
    alike = [names[code] for names, kind in pairs if kind == world.kinds[number]]
    choices, answer = clika_fictional.options(
        world.names[number][code], alike, config.choices, config.seed, f'name {number}'
    )
    return Question(
        id=f'name:{number}',
        question=asked,
        choices=choices,
        answer=answer,
        language=SOURCE,
        choice_languages=(code,) * len(choices),
        subject=TRANSLATED,
        meta={
            **_posed(asked, SOURCE),
            'subject': world.names[number][SOURCE],
            'said': world.names[number][code],
        },
    )


def _translate(name: str, source: str, target: str, wording: int) -> str:
    return TRANSLATION[wording].format(
        name=name,
        source=languages_lib.language(source).english_name,
        target=languages_lib.language(target).english_name,
    )


def _posed(question: str, code: str) -> dict[str, str]:
    """The context of a question, between the cue words of its language, and the gap after it."""
    ask, answer = prompts.cue(code)
    gap = ' ' if languages_lib.language(code).spaces else ''
    return {'context': f'{ask}{gap}{question}\n{answer}', 'gap': gap}
