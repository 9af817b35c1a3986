"""Tasks whose answers the model writes: their prompts, and the numbers of the written texts."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from absl import logging

from xlbarrier import metrics
from xlbarrier.data.tokenize import PreTrainedTokenizerFast, encode_prompt
from xlbarrier.datafiles import DataError
from xlbarrier.errors import InputError
from xlbarrier.tasks import prompts
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import LeftOut
from xlbarrier.tasks.chat import Chat
from xlbarrier.tasks.files import SHOWN
from xlbarrier.tasks.rows import AnswerRow, NumberRow, PromptRow, Sheet

if TYPE_CHECKING:
    from xlbarrier.scoring.generate import Generated

SOURCE = 'en'
MEAN = 'mean:non-en'
COLUMNS = (
    ('id', pa.string()),
    ('language', pa.string()),
    ('prompt_sha256', pa.string()),
    ('question', pa.string()),
    ('references', pa.list_(pa.string())),
    ('written', pa.string()),
    ('written_tokens', pa.int64()),
    ('ended_by', pa.string()),
)


@dataclass(frozen=True)
class Item:
    """A question to be answered in words.

    Attributes:
      id: the same in every language.
      question: its text, for tables and for keeping training text free of it.
      prompt: what the model reads.
      references: right answers.
      meta: what else the task knows of it.
    """

    id: str
    question: str
    prompt: str
    references: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)


class WrittenTask:
    """A task whose answers the model writes: a subclass reads the items and rates the answers."""

    left_out: Mapping[str, LeftOut] = MappingProxyType({})
    numbers: tuple[str, ...] = ()  # columns of numbers of each item, each of them a metric

    def __init__(
        self,
        name: str,
        asked: Mapping[Sheet, Sequence[Item]],
        new_tokens: int,
        stops: tuple[str, ...],
        *,
        shots: int = 0,
        chat: Chat | None = None,
    ):
        """Keeps what is asked.

        Args:
          name: of the task in the config.
          asked: the items of each sheet.
          new_tokens, stops: an answer ends after so many tokens, or before one of these strings.
          shots: demonstrations in each prompt, for the record.
          chat: how prompts are put into a conversation; None: they are not.
        """
        self.name, self.shots, self.chat = name, shots, chat
        self.new_tokens, self.stops = new_tokens, stops
        self.asked = {sheet: tuple(items) for sheet, items in asked.items()}

    @property
    def needs_tokenizer(self) -> bool:
        """See `base.Task`."""
        return self.chat is not None

    def shown(self, item: Item, tokenizer: PreTrainedTokenizerFast | None) -> str:
        """What the model reads."""
        return item.prompt if self.chat is None else self.chat.text(item.prompt, tokenizer)

    def numbers_of(self, item: Item, sheet: Sheet, text: str) -> dict[str, float | None]:
        """The `numbers` of an answer; None where there is none."""
        raise NotImplementedError

    def measure(self, asked: Asked) -> None:
        """See `base.Task`."""
        schema = pa.schema([*COLUMNS, *[(name, pa.float64()) for name in self.numbers]])
        written = iter(self.write(asked))
        for sheet, items in self.asked.items():
            rows = []
            for item in items:
                generated = next(written)
                row = self.row(item, sheet, generated, asked.tokenizer)
                text = metrics.without_thought(generated.text).strip()
                rows.append(row | self.numbers_of(item, sheet, text))
            asked.write(self.name, sheet, rows, schema)

    def write(self, asked: Asked) -> 'list[Generated]':
        """What the model writes for every item, sheet after sheet.

        Raises:
          InputError: naming the item whose prompt is too long.
        """
        items = [(sheet, item) for sheet, group in self.asked.items() for item in group]
        ids = [encode_prompt(asked.tokenizer, self.shown(i, asked.tokenizer)) for _, i in items]
        limit = asked.decoder.config.max_positions
        for (sheet, item), tokens in zip(items, ids, strict=True):
            if len(tokens) + self.new_tokens > limit:
                raise InputError(
                    f'{self.name}, {"/".join(sheet)}, item {item.id}: the prompt has {len(tokens)}'
                    f' tokens, and {self.new_tokens} are to be written; the model takes {limit}'
                    ' positions: ask with fewer shots, or set new_tokens lower'
                )
        return asked.generate(ids, self.new_tokens, self.stops, self.name)

    def row(
        self,
        item: Item,
        sheet: Sheet,
        generated: 'Generated',
        tokenizer: PreTrainedTokenizerFast | None,
    ) -> AnswerRow:
        """The COLUMNS of an answer."""
        return {
            'id': item.id,
            'language': sheet[1],
            'prompt_sha256': prompts.digest(self.shown(item, tokenizer)),
            'question': item.question,
            'references': list(item.references),
            'written': generated.text,
            'written_tokens': len(generated.tokens),
            'ended_by': generated.reason,
        }

    def rows(self, tables: Mapping[Sheet, pa.Table], *, draws: int, seed: int) -> list[NumberRow]:
        """See `base.Numbered`: the mean of each of `numbers`."""
        return means(tables, self.numbers, 'generate', draws=draws, seed=seed)

    def prompts(
        self, tokenizer: PreTrainedTokenizerFast | None
    ) -> Iterable[tuple[Sheet, Sequence[PromptRow]]]:
        """See `base.Task`."""
        for sheet, items in self.asked.items():
            yield (
                sheet,
                [
                    {
                        'task': self.name,
                        'row': number,
                        'id': item.id,
                        'variant': sheet[0],
                        'language': sheet[1],
                        'shots': self.shots,
                        'method': 'generate',
                        'label': item.references[0],
                        'sha256': prompts.digest(self.shown(item, tokenizer)),
                        'prompt': self.shown(item, tokenizer),
                    }
                    for number, item in enumerate(items)
                ],
            )

    def texts(self, language: str) -> list[str]:
        """See `base.Task`."""
        return list(
            dict.fromkeys(
                item.question
                for sheet, items in self.asked.items()
                for item in items
                if sheet[1] == language
            )
        )


def means(
    tables: Mapping[Sheet, pa.Table],
    columns: Sequence[str],
    method: str,
    *,
    draws: int,
    seed: int,
) -> list[NumberRow]:
    """The mean of columns over the items of each sheet, and over the languages other than English.

    A null is left out. The mean over languages is over the items that all of them have, with equal
    weight for each language; its interval is from one bootstrap over items.
    """
    found: list[NumberRow] = []
    for column in columns:
        by_variant: dict[str, dict[str, dict[str, float]]] = {}
        for (variant, language), table in tables.items():
            if column not in table.column_names:
                continue
            pairs = zip(table['id'].to_pylist(), table[column].to_pylist(), strict=True)
            values = {id_: value for id_, value in pairs if value is not None}
            by_variant.setdefault(variant, {})[language] = values
            key = {'variant': variant, 'language': language, 'method': method, 'metric': column}
            found.append(key | metrics.mean(list(values.values()), draws, seed).as_row())
        for variant, languages in by_variant.items():
            others = [values for language, values in languages.items() if language != SOURCE]
            shared = [id_ for id_ in others[0] if all(id_ in v for v in others)] if others else []
            if len(others) < 2 or not shared:
                continue
            each = np.mean([[values[id_] for id_ in shared] for values in others], axis=0)
            key = {'variant': variant, 'language': MEAN, 'method': method, 'metric': column}
            found.append(key | metrics.mean(each, draws, seed).as_row())
    return found


def log_left_out(name: str, found: Mapping[str, Sequence[str]], shared: Container[str]) -> LeftOut:
    """Counts and logs the ids that are not in every language."""
    everywhere = list(dict.fromkeys(id_ for ids in found.values() for id_ in ids))
    gone = [id_ for id_ in everywhere if id_ not in shared]
    if len(gone) == len(everywhere):
        raise DataError(f'{name}: the languages have no item in common (n = 0)')
    if gone:
        logging.warning(
            '%s: %d items left out in every language (not in every language): %s%s',
            name,
            len(gone),
            ', '.join(gone[:SHOWN]),
            ' ...' if len(gone) > SHOWN else '',
        )
    return LeftOut(len(gone), len(everywhere))


def check_aligned(name: str, found: Mapping[str, Sequence[str]]) -> None:
    """Refuses languages that do not have the same items in the same order.

    Args:
      name: of the task and set, for the error.
      found: ids by language.

    Raises:
      DataError: naming the language and the ids.
    """
    for language, ids in found.items():
        twice = [id_ for id_ in dict.fromkeys(ids) if ids.count(id_) > 1]
        if twice:
            raise DataError(f'{name} {language}: ids occur twice: {", ".join(twice[:SHOWN])}')
    first, expected = next(iter(found.items()))
    for language, ids in found.items():
        lacking = [id_ for id_ in expected if id_ not in set(ids)]
        more = [id_ for id_ in ids if id_ not in set(expected)]
        if lacking or more:
            raise DataError(
                f'{name}: {language} has {len(ids)} items and {first} {len(expected)}; {language}'
                f' lacks {", ".join(lacking[:SHOWN]) or "none"}, and {first}'
                f' {", ".join(more[:SHOWN]) or "none"}: expected the same items'
            )
