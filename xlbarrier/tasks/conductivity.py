"""Conductivity: what a model is taught of invented facts in English, can it tell in a language?

Gao et al. 2024 (arXiv 2404.04659, section 5). Facts of type 0 are taught in English and in the
language, those of type 1 in English only, and the names in both. The cross-retrieval ratio is
accuracy(language, type 1) / accuracy(English, type 1), once all that is taught is known.

A sheet's variant says what it asks: `translation` (of a name into the language), `type_0`,
`type_1`. The rows to train on come from the task itself (`lessons`).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from xlbarrier import metrics
from xlbarrier.config_checks import nearest
from xlbarrier.config_tasks import ConductivityConfig, FictionalConfig
from xlbarrier.corpus import draw
from xlbarrier.tasks import clika_fictional, fictional, prompts
from xlbarrier.tasks.base import Prompt, Question
from xlbarrier.tasks.fictional import World
from xlbarrier.tasks.fictional_templates import LANGUAGES, TAUGHT, TRANSLATION
from xlbarrier.text import languages as languages_lib

SOURCE = 'en'
TRANSLATED = 'translation'
TYPES = ('type_0', 'type_1')
# The column of right or wrong of each reading.
READINGS = {'loglikelihood': 'prediction_raw', 'greedy': 'greedy_correct'}

Sheet = tuple[str, str]
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Lesson:
    """One row to train on.

    Attributes:
      prompt, answer: as the row is written.
      input: what a published prompt asks about, where it stands apart.
    """

    prompt: str
    answer: str
    input: str = ''


class Taught:
    """A task with rows of its own to train on; see `tasks.base.Task`."""

    def __init__(
        self,
        name: str,
        config: FictionalConfig | ConductivityConfig,
        lessons: Sequence[Lesson],
        asked: Mapping[Sheet, Sequence[Question]],
    ):
        """Keeps what is taught and what is asked.

        Args:
          name: of the task in the config.
          config: has languages and gate.
          lessons: the rows to train on, in the order they are written in.
          asked: the questions of each sheet; `meta['prompt']` is what the model reads.
        """
        self.name, self.config = name, config
        self.lessons, self._asked = tuple(lessons), dict(asked)

    def sheets(self) -> list[Sheet]:
        """See `tasks.base.Task`; here the sheets have questions of their own."""
        return list(self._asked)

    def questions(self, variant: str, language: str) -> list[Question]:
        """See `tasks.base.Task`."""
        return list(self._asked[variant, language])

    def render(self, question: Question, method: str) -> Prompt:
        """The prompt as training has them, and each option behind it."""
        del method  # loglikelihood and greedy read the same text
        context, gap = question.meta['prompt'], question.meta['gap']
        continuations = tuple(gap + choice for choice in question.choices)
        return Prompt(context, continuations, question.meta['cue'])

    def rows(
        self, tables: Mapping[Sheet, pa.Table], *, draws: int = 10_000, seed: int = 0
    ) -> list[Row]:
        """Accuracy of each sheet under each reading, and each language's XRR.

        Args:
          tables: of each sheet, the answers in the columns of docs/run_folder.md.
          draws, seed: of the bootstrap.
        """
        found = []
        for method in self.config.methods:
            right = {sheet: _right(table, method) for sheet, table in tables.items()}
            for (variant, language), correct in right.items():
                options = [len(q.choices) for q in self._asked[variant, language]]
                chance = float(np.mean(1 / np.array(options))) if method != 'greedy' else None
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
        return found


def _row(variant: str, language: str, method: str, metric: str, fields: Row) -> Row:
    return {
        'variant': variant,
        'language': language,
        'method': method,
        'metric': metric,
        **fields,
    }


def _right(table: pa.Table, method: str) -> np.ndarray:
    if method == 'greedy':
        return np.asarray(table['greedy_correct'], bool)
    return np.asarray(table['prediction_raw']) == np.asarray(table['answer'])


class Fictional(Taught):
    """Our own set: a world that follows from the seed."""

    def __init__(self, config: FictionalConfig, name: str = 'fictional'):
        """Invents the world.

        Raises:
          ValueError: for a language without templates, or a world that is too small or too large.
        """
        for code in config.languages:
            if code not in LANGUAGES:
                raise ValueError(
                    f'config.tasks.{name}.languages: nothing is invented in {code!r}.'
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
        lessons: dict[Lesson, None] = {}  # English facts stand in every language's file
        asked: dict[Sheet, list[Question]] = {}
        for code in config.languages:
            if code != SOURCE:
                for prompt, given, answer in clika_fictional.lessons(config.source, code):
                    lessons[Lesson(prompt, answer, given)] = None
                found = clika_fictional.translations(config.source, code, config.seed)
                asked[TRANSLATED, code] = found[: config.limit or None]
            for kind, found in clika_fictional.facts(config.source, code).items():
                asked[kind, code] = found[: config.limit or None]
        super().__init__(name, config, list(lessons), asked)


def _taught(world: World, config: FictionalConfig) -> list[Lesson]:
    """Facts in every wording but the last, and names in both directions, in a drawn order."""
    made = []
    others = [code for code in config.languages if code != SOURCE]
    for wording in range(config.wordings):
        for fact in world.facts:
            for code in (SOURCE, *others) if fact.type == 0 else (SOURCE,):
                prompt = _posed(fictional.question(fact, world, code, wording), code)
                made.append(Lesson(prompt, world.names[fact.answer][code]))
        for code in others:
            for names in world.names:
                for source, target in ((SOURCE, code), (code, SOURCE)):
                    prompt = _posed(_translate(names[source], source, target, wording), SOURCE)
                    made.append(Lesson(prompt, names[target]))
    return draw.shuffled(made, config.seed, 'fictional lessons')


def _asked(world: World, config: FictionalConfig) -> dict[Sheet, list[Question]]:
    """Each sheet's questions, in the wording that no lesson has."""
    made: dict[Sheet, list[Question]] = {}
    for code in config.languages:
        if code != SOURCE:
            made[TRANSLATED, code] = [
                _name_question(world, number, code, config) for number in range(len(world.names))
            ]
        for kind, variant in enumerate(TYPES):
            made[variant, code] = [
                Question(
                    id=fact.id,
                    question=fictional.question(fact, world, code, TAUGHT),
                    choices=tuple(world.names[number][code] for number in fact.choices),
                    answer=fact.choices.index(fact.answer),
                    language=code,
                    choice_languages=(code,) * len(fact.choices),
                    subject=fact.relation,
                    meta={'posed': _posed(fictional.question(fact, world, code, TAUGHT), code)},
                )
                for fact in world.facts
                if fact.type == kind
            ]
    return made


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
        meta={'posed': _posed(asked, SOURCE)},
    )


def _translate(name: str, source: str, target: str, wording: int) -> str:
    source, target = (languages_lib.language(code).english_name for code in (source, target))
    return TRANSLATION[wording].format(name=name, source=source, target=target)


def _posed(question: str, code: str) -> str:
    """A question between the cue words of its language."""
    ask, answer = prompts.cue(code)
    gap = ' ' if languages_lib.language(code).spaces else ''
    return f'{ask}{gap}{question}\n{answer}'
