"""World facts: the embedded benchmark, made from CLDR at run time.

Which country is a city in, what is the currency of a country, which script is used for a language:
`worldfacts_relations` has all of them. The items of a relation do not depend on which of LANGUAGES
are asked: each has names, and is unambiguous, in all of them. A language of FURTHER takes out those
items that are not so in it, in every language, and changes no other. Pool, distractors and orders
depend on the seed only.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from absl import logging

from xlbarrier import draw
from xlbarrier.config.checks import nearest
from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.datafiles import DataError, write_atomic
from xlbarrier.errors import InputError
from xlbarrier.qa.pairs import Pair, Side
from xlbarrier.tasks import base, translated, worldfacts_split
from xlbarrier.tasks.base import LeftOut, Question
from xlbarrier.tasks.chat import chat_of
from xlbarrier.tasks.multiple_choice import MultipleChoice
from xlbarrier.tasks.worldfacts_facts import Candidate
from xlbarrier.tasks.worldfacts_names import distinct
from xlbarrier.tasks.worldfacts_relations import (
    ANSWER_NAME,
    CHOICES,
    SUBJECT_NAME,
    askable,
    candidates,
    given_away,
)
from xlbarrier.tasks.worldfacts_templates import FURTHER, LANGUAGES, TEMPLATES
from xlbarrier.text import languages as languages_lib

WORDED = tuple(sorted((*LANGUAGES, *FURTHER)))


@dataclass(frozen=True)
class Item:
    """A question before it is worded: codes, in the order of the options."""

    candidate: Candidate
    choices: tuple[str, ...]
    answer: int
    language_order: tuple[str, ...]  # a permutation of the task's languages, for `mixup`

    @property
    def id(self) -> str:
        """The same in every language and variant."""
        return f'{self.candidate.relation}:{self.candidate.subject}'

    @property
    def fact(self) -> frozenset[str]:
        """The codes that the fact joins, whichever of them is asked for: Paris and France."""
        return frozenset((self.candidate.subject, self.candidate.answer))


class WorldFacts(MultipleChoice):
    """The task."""

    def __init__(self, config: WorldFactsConfig, name: str = 'worldfacts'):
        """Makes the items.

        Raises:
          InputError: for a language that is not in CLDR or has no templates, a variant that needs
            English without it, or more questions than there are facts.
        """
        self.name, self.methods, self.chat = name, config.methods, chat_of(config, name)
        self.languages, self.variants = config.languages, config.variants
        for code in config.languages:
            languages_lib.language(code)
            if code not in WORDED:
                raise InputError(
                    f'config.tasks.{name}.languages: no question templates in {code!r}.'
                    f'{nearest(code, WORDED)} There are: {", ".join(WORDED)}'
                )
        needs = set(config.variants) - {'full', 'mixup', 'translated'}
        if needs and 'en' not in config.languages:
            raise InputError(f'config.tasks.{name}.languages lacks en, which {sorted(needs)} need')
        self.config = config
        self.to_english = translated.of_config(config, name)
        self.held_out_relations = config.held_out
        self.held_out_languages = config.held_out_languages
        made = make_items(config)
        self._items = _named(made, config)
        if len(self._items) < len(made):
            self.left_out = {'unnamed': LeftOut(len(made) - len(self._items), len(made))}

    def sheets(self) -> list[tuple[str, str]]:
        """See `MultipleChoice`."""
        return base.sheets(self.variants, self.languages)

    def questions(self, variant: str, language: str) -> list[Question]:
        """All items in a variant."""
        return [self._worded(item, variant, language) for item in self._items]

    def pairs(self) -> list[Pair]:
        """See `base.Pairing`: relations asked and not held out, for the countries of 'train'.

        Raises:
          DataError: when all countries are asked about, or all relations or languages held out.
        """
        where = f'config.tasks.{self.name}'
        codes = self._pair_languages()
        found = []
        for item in self._trained_on(codes):
            english = self._side(item, 'full', 'en')
            of_item = []
            for variant in self.config.pair_variants:
                if variant == 'own':
                    own = [self._side(item, 'full', code) for code in codes]
                    own += [english] * self.config.own_in_english
                    of_item += [(side, side) for side in own]
                    continue
                for code in codes if variant == 'full' else ('en', *codes):
                    target = self._side(item, variant, code)
                    if target != english:  # names may be spelled as in English
                        of_item.append((english, target))
            found += [Pair(item.candidate.relation, *sides, where) for sides in of_item]
        return found

    def _pair_languages(self) -> list[str]:
        return [c for c in self.languages if c != 'en' and c not in self.held_out_languages]

    def check_pairs(self, tasks: Mapping[str, base.Task]) -> None:
        """See `base.Pairing`: two of these tasks may split differently, or one asks everything."""
        trained = {item.fact: item.id for item in self._trained_on(self._pair_languages())}
        for other, task in tasks.items():
            for item in task._items if isinstance(task, WorldFacts) else ():
                if (met := trained.get(item.fact)) is not None:
                    raise DataError(
                        f'config.tasks.{self.name}: its pair {met!r} states what config.tasks.'
                        f'{other} asks in {item.id!r}; give both the same split_seed, dev_share and'
                        " test_share, and neither the part 'all'"
                    )

    def _trained_on(self, codes: Sequence[str]) -> list[Item]:
        config, where = self.config, f'config.tasks.{self.name}'
        relations = tuple(r for r in config.relations if r not in config.held_out)
        if config.part == 'all':
            raise DataError(
                f"{where}.part is 'all': every country is asked about, so that there is nothing to"
                " train on; expected 'dev' or 'test'"
            )
        if 'en' not in config.languages or not codes or not relations:
            raise DataError(
                f'{where} leaves no pairs to train on: its relations without held_out are'
                f' {relations}, its languages without held_out_languages {tuple(codes)}, each with'
                ' en'
            )
        # Options in several languages are in those that are trained on.
        spoken = tuple(code for code in config.languages if code in ('en', *codes))
        made = dataclasses.replace(config, relations=relations, questions=0, languages=spoken)
        if items := _named(make_items(made, 'train'), made):
            return items
        raise DataError(f'{where}.dev_share and {where}.test_share leave no country to train on')

    def _side(self, item: Item, variant: str, code: str) -> Side:
        if self.chat is not None:
            raise DataError(
                f'config.tasks.{self.name}.chat is True; pairs to train on are plain text'
            )
        prompt = self.render(self._worded(item, variant, code), 'loglikelihood')
        return Side(item.id, code, prompt.context, prompt.continuations)

    def write_split(self, path: pathlib.Path) -> None:
        """See `base.Pairing`; nothing is written when all countries are asked about."""
        if self.config.part == 'all':
            return
        record = {
            'split_seed': self.config.split_seed,
            'part': self.config.part,
            'held_out': list(self.config.held_out),
            'held_out_languages': list(self.config.held_out_languages),
            'countries': worldfacts_split.part_of(self.config),
            'asked': [item.id for item in self._items],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, (json.dumps(record, indent=1) + '\n').encode())

    def _worded(self, item: Item, variant: str, language: str) -> Question:
        question_language, choice_languages = base.slot_languages(
            variant,
            language,
            item.language_order,
            count=CHOICES,
            answer=item.answer,
            one_wrong=(item.answer + 1) % CHOICES,
        )
        relation = item.candidate.relation
        template = TEMPLATES[relation][question_language]
        subject = SUBJECT_NAME[relation](item.candidate.subject, question_language)
        return Question(
            id=item.id,
            question=template.format(subject=subject),
            choices=tuple(
                ANSWER_NAME[relation](choice, code)
                for choice, code in zip(item.choices, choice_languages, strict=True)
            ),
            answer=item.answer,
            language=question_language,
            choice_languages=choice_languages,
            subject=relation,
            meta={
                'country': item.candidate.country,
                'choices': item.choices,
            },
        )


def make_items(config: WorldFactsConfig, part: str = '') -> list[Item]:
    """Draws the items: relations in turn, the best-known fact of each country first.

    Args:
      config: of the task.
      part: 'all', 'train', 'dev' or 'test': of the countries; '': that of the config.

    Raises:
      InputError: when a relation has fewer facts than the config asks for; names both numbers.
    """
    chosen: list[Candidate] = []
    part, parts = part or config.part, worldfacts_split.part_of(config)
    for number, relation in enumerate(config.relations):
        share, rest = divmod(config.questions, len(config.relations))
        pool = candidates(relation)
        if config.giveaways == 'drop':
            pool = tuple(c for c in pool if not given_away(c))
        if part != 'all':
            pool = tuple(c for c in pool if parts[c.country] == part)
        expected = share + (number < rest) if config.questions else len(pool)
        if expected > len(pool):
            raise InputError(
                f'config.tasks.worldfacts.questions asks for {expected} questions of {relation};'
                f' CLDR has {len(pool)} that are certain and have one right answer'
                + ('' if part == 'all' else f', about the countries of {part}')
            )
        of = {candidate.subject: candidate for candidate in pool}
        ranks = {subject: candidate.rank for subject, candidate in of.items()}
        order = _drawn(of, config.seed, relation)
        taken = sorted(order, key=ranks.__getitem__)[:expected]
        chosen += [of[subject] for subject in order if subject in set(taken)]
    positions = _balanced_positions(len(chosen), config.seed)
    return [
        _item(candidate, position, config.seed, config.languages)
        for candidate, position in zip(chosen, positions, strict=True)
    ]


def _named(made: Sequence[Item], config: WorldFactsConfig) -> list[Item]:
    """The items that can be asked in the further languages of the config too."""
    further = tuple(code for code in config.languages if code in FURTHER)
    told = config.giveaways == 'keep'
    kept = [item for item in made if askable(item.candidate, item.choices, further, told)]
    if len(kept) < len(made):
        logging.info(
            'config.tasks.worldfacts: %d of %d items left out in every language: in %s a name is'
            ' missing, is not distinct, or tells the answer',
            len(made) - len(kept),
            len(made),
            ', '.join(further),
        )
    if made and not kept:
        raise InputError(
            f'config.tasks.worldfacts: none of {len(made)} items has distinct names in'
            f' {", ".join(further)} (n = 0)'
        )
    return kept


def _item(candidate: Candidate, position: int, seed: int, languages: Sequence[str]) -> Item:
    drawn = _wrong(candidate, seed)
    choices = (*drawn[:position], candidate.answer, *drawn[position:])
    order = _drawn(languages, seed, f'{candidate.relation}:{candidate.subject} languages')
    return Item(candidate, choices, position, tuple(order))


def _wrong(candidate: Candidate, seed: int) -> list[str]:
    """The distractors of a question."""
    name = ANSWER_NAME[candidate.relation]
    purpose = f'{candidate.relation}:{candidate.subject}'
    drawn: list[str] = []
    for part in candidate.wrong:
        for code in _drawn(part, seed, f'{purpose} wrong'):
            if len(drawn) < CHOICES - 1 and all(distinct(name, code, d) for d in drawn):
                drawn.append(code)
    if len(drawn) < CHOICES - 1:
        raise InputError(
            f'{purpose} has {len(drawn)} distractors of distinct names, expected {CHOICES - 1}'
        )
    return drawn


def _balanced_positions(count: int, seed: int) -> list[int]:
    """Positions of the right answers; each occurs equally often, within one.

    Every CHOICES consecutive questions have all of them, so that the relations are balanced too.
    """
    positions: list[int] = []
    while len(positions) < count:
        positions += draw.shuffled(range(CHOICES), seed, f'worldfacts places {len(positions)}')
    return positions[:count]


def _drawn(codes: Iterable[str], seed: int, purpose: str) -> list[str]:
    """The codes in a drawn order; the order of two codes does not depend on the others."""
    return sorted(
        codes,
        key=lambda code: (int(draw.words(seed, f'worldfacts {purpose} {code}', 0, 1)[0]), code),
    )
