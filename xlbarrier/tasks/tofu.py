"""TOFU in several languages: what does a model know about authors who do not exist?

Maini et al. 2024 (arXiv 2401.06121); in other languages as in Chua et al. 2024: fine-tuned on
English questions and answers, asked in each language. A sheet's variant is a set: `retain`,
`forget01` and so on, `real_authors`, `world_facts`.
"""

import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from xlbarrier import datafiles, metrics
from xlbarrier.config.written import TofuConfig
from xlbarrier.data.tokenize import PreTrainedTokenizerFast, encode_prompt, encode_spans
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.errors import InputError
from xlbarrier.qa import templates
from xlbarrier.qa.forms import Example
from xlbarrier.scoring.request import Request
from xlbarrier.tasks import files, prompts, written
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import LeftOut
from xlbarrier.tasks.rows import AnswerRow, NumberRow, PromptRow, Sheet

SOURCE = 'en'
# In the sets with short answers, TOFU normalises the probability over the right and wrong answers.
NORMALISED = ('real_authors', 'world_facts')
UTILITY = ('retain', 'real_authors', 'world_facts')
SUFFIXES = ('.jsonl', '.json', '.jsonl.xz', '.json.xz', '.parquet')
COLUMNS = (
    ('id', pa.string()),
    ('language', pa.string()),
    ('prompt_sha256', pa.string()),
    ('question', pa.string()),
    ('references', pa.list_(pa.string())),
)
LOSSES = (
    ('answer_loss', pa.float64()),
    ('answer_tokens', pa.int64()),
    ('paraphrased_loss', pa.float64()),
    ('perturbed_losses', pa.list_(pa.float64())),
)
NUMBERS = {
    'probability': ('probability', 'truth_ratio', 'truth_ratio_score'),
    'generate': ('rouge1_recall', 'rougeL_recall'),
}


@dataclass(frozen=True)
class TofuItem:
    """A question of a set in one language.

    Attributes:
      id: its row in the file, from 0.
      where: file and row.
      question, answer: as trained on.
      paraphrased: the right answer in other words; the answer itself if there are none.
      perturbed: wrong answers.
    """

    id: str
    where: str
    question: str
    answer: str
    paraphrased: str
    perturbed: tuple[str, ...]


class Tofu:
    """TOFU's three numbers; see `base.Task`."""

    left_out: Mapping[str, LeftOut] = MappingProxyType({})

    def __init__(self, config: TofuConfig, name: str = 'tofu'):
        """Reads the sets.

        Raises:
          DataError: for a set that is missing or shorter in a language, or a row without question,
            answer or wrong answers.
        """
        self.name, self.config = name, config
        self.items: dict[Sheet, list[TofuItem]] = {}
        for set_ in config.sets:
            found = {code: _items(config, set_, code) for code in config.languages}
            ids = {code: [item.id for item in items] for code, items in found.items()}
            written.check_aligned(f'{name} {set_}', ids)
            self.items |= {(set_, code): items for code, items in found.items()}

    def measure(self, asked: Asked) -> None:
        """See `base.Task`."""
        found: dict[Sheet, list[AnswerRow]] = {
            sheet: [self._row(item, sheet, asked.tokenizer) for item in items]
            for sheet, items in self.items.items()
        }
        columns = [*COLUMNS]
        if 'probability' in self.config.methods:
            columns += LOSSES
            self._score(asked, found)
        if 'generate' in self.config.methods:
            columns += written.COLUMNS[-3:]
            self._write(asked, found)
        for method in self.config.methods:
            columns += [(name, pa.float64()) for name in NUMBERS[method]]
        for sheet, rows in found.items():
            asked.write(self.name, sheet, rows, pa.schema(columns))

    def _row(self, item: TofuItem, sheet: Sheet, tokenizer: PreTrainedTokenizerFast) -> AnswerRow:
        return {
            'id': item.id,
            'language': sheet[1],
            'prompt_sha256': prompts.digest(self._prompt(item, tokenizer)),
            'question': item.question,
            'references': [item.answer],
        }

    def _score(self, asked: Asked, found: Mapping[Sheet, Sequence[AnswerRow]]) -> None:
        """Adds the mean losses and the numbers computed from them."""
        groups = [
            [self._request(item, text, asked) for text in _answers(item)]
            for items in self.items.values()
            for item in items
        ]
        (flat,) = asked.scores([[r for group in groups for r in group]], self.name)
        scores = iter(flat)
        rows = [(sheet, row) for sheet, group in found.items() for row in group]
        for (sheet, row), group in zip(rows, groups, strict=True):
            # Rounding can put the probability of a certain answer a little above 1.
            losses = [max(0.0, -next(scores).log_likelihood / len(r.continuation)) for r in group]
            row |= {
                'answer_loss': losses[0],
                'answer_tokens': len(group[0].continuation),
                'paraphrased_loss': losses[1],
                'perturbed_losses': losses[2:],
                **numbers_of(losses[0], losses[1], losses[2:], sheet[0]),
            }

    def _write(self, asked: Asked, found: Mapping[Sheet, Sequence[AnswerRow]]) -> None:
        """Adds what the model writes, and its ROUGE recall."""
        items = [item for group in self.items.values() for item in group]
        ids = [encode_prompt(asked.tokenizer, self._prompt(i, asked.tokenizer)) for i in items]
        for item, tokens in zip(items, ids, strict=True):
            self._check_fits(item, len(tokens) + self.config.new_tokens, asked)
        texts = iter(asked.generate(ids, self.config.new_tokens, (), self.name))
        for (_, language), rows in found.items():
            for row in rows:
                generated = next(texts)
                text = metrics.without_thought(generated.text)
                recall = metrics.rouge_recall(row['references'][0], text, language)
                row |= {
                    'written': generated.text,
                    'written_tokens': len(generated.tokens),
                    'ended_by': generated.reason,
                    'rouge1_recall': recall['rouge1'],
                    'rougeL_recall': recall['rougeL'],
                }

    def _request(self, item: TofuItem, answer: str, asked: Asked) -> Request:
        """An answer and the end-of-text token after the question, split as in training."""
        text = self._worded(item, answer, asked.tokenizer)
        ((ids, weights),) = encode_spans(asked.tokenizer, [text.text], [text.spans], [text.eos])
        self._check_fits(item, len(ids) - 1, asked)
        first = weights.index(1.0)
        last = len(weights) - weights[::-1].index(1.0)  # a chat template can add text after it
        return Request(tuple(ids[:first]), tuple(ids[first:last]))

    def _check_fits(self, item: TofuItem, tokens: int, asked: Asked) -> None:
        limit = asked.decoder.config.max_positions
        if tokens > limit:
            raise InputError(
                f'{item.where}: question and answer have {tokens} tokens; the model takes {limit}'
                f' positions: leave the item out, or set config.tasks.{self.name}.new_tokens lower'
            )

    def _worded(
        self, item: TofuItem, answer: str, tokenizer: PreTrainedTokenizerFast | None
    ) -> templates.Written:
        example = Example(item.where, 'question', item.question, '', answer)
        return templates.write(example, self.config.template, tokenizer)

    def _prompt(self, item: TofuItem, tokenizer: PreTrainedTokenizerFast | None) -> str:
        """What is read before an answer."""
        text = self._worded(item, item.answer, tokenizer)
        return text.text[: text.spans[0][0]]

    def rows(self, tables: Mapping[Sheet, pa.Table], *, draws: int, seed: int) -> list[NumberRow]:
        """The means of TOFU's numbers in each set and language, and the model utility."""
        found = []
        for method in self.config.methods:
            found += written.means(tables, NUMBERS[method], method, draws=draws, seed=seed)
        for language in self.config.languages:
            found.append(_utility(found, language))
        return found

    @property
    def needs_tokenizer(self) -> bool:
        """See `base.Task`."""
        return self.config.template == 'chat'

    def prompts(
        self, tokenizer: PreTrainedTokenizerFast | None
    ) -> Iterator[tuple[Sheet, Sequence[PromptRow]]]:
        """See `base.Task`."""
        for sheet, items in self.items.items():
            yield (
                sheet,
                [
                    {
                        'task': self.name,
                        'row': int(item.id),
                        'id': item.id,
                        'variant': sheet[0],
                        'language': sheet[1],
                        'shots': 0,
                        'method': 'generate',
                        'label': item.answer,
                        'sha256': prompts.digest(self._prompt(item, tokenizer)),
                        'prompt': self._prompt(item, tokenizer),
                    }
                    for item in items
                ],
            )

    def texts(self, language: str) -> list[str]:
        """See `base.Task`."""
        return [i.question for sheet, items in self.items.items() for i in items
                if sheet[1] == language]  # fmt: skip


def numbers_of(
    loss: float, paraphrased: float, perturbed: Sequence[float], variant: str
) -> dict[str, float]:
    """TOFU's numbers of one item from its mean losses; see `metrics.tofu` for each formula.

    Args:
      loss, paraphrased, perturbed: mean loss, nats per token, of the answer, of its paraphrase and
        of each wrong answer.
      variant: the set, which decides how the probability and the score are computed.
    """
    ratio = metrics.truth_ratio([paraphrased], [perturbed])
    probability = (
        metrics.choice_probability([loss], [perturbed])
        if variant in NORMALISED
        else metrics.answer_probability([loss])
    )
    score = metrics.truth_ratio_score(ratio.tolist(), forget=variant.startswith('forget'))
    return {
        'probability': float(probability[0]),
        'truth_ratio': float(ratio[0]),
        'truth_ratio_score': float(score[0]),
    }


def _answers(item: TofuItem) -> tuple[str, ...]:
    return (item.answer, item.paraphrased, *item.perturbed)


def _utility(rows: Iterable[NumberRow], language: str) -> NumberRow:
    """The model utility of a language, if all of its nine numbers are available."""
    expected = ('probability', 'rougeL_recall', 'truth_ratio_score')
    values = {
        (row['variant'], row['metric']): row['value']
        for row in rows
        if row['language'] == language and row['variant'] in UTILITY and row['metric'] in expected
    }
    lacking = sorted({f'{s} {m}' for s in UTILITY for m in expected if (s, m) not in values})
    found = (
        metrics.missing(f'there is no {", ".join(lacking)}')
        if lacking
        else metrics.Estimate(metrics.model_utility(list(values.values())))
    )
    key = {'variant': 'all', 'language': language, 'method': 'probability+generate'}
    return {**key, 'metric': 'model_utility', **found.as_row()}


def _items(config: TofuConfig, set_: str, code: str) -> list[TofuItem]:
    made = []
    for number, row in enumerate(_rows(config, set_, code)[: config.limit or None]):
        where, answer = row.where, row.text('answer')
        again = row.text('paraphrased_answer') if 'paraphrased_answer' in row.values else answer
        wrong = row.get('perturbed_answer')
        if not isinstance(wrong, list | tuple | np.ndarray) or not len(wrong):
            raise DataError(f'{where}: perturbed_answer is {wrong!r:.60}; expected a list of texts')
        perturbed = tuple(datafiles.as_text(text, 'perturbed_answer', where) for text in wrong)
        made.append(TofuItem(str(number), where, row.text('question'), answer, again, perturbed))
    return made


def _rows(config: TofuConfig, set_: str, code: str) -> list[DataRow]:
    """The rows of a set's perturbed form: a file, a folder of save_to_disk, or a dataset."""
    place = config.source if code == SOURCE else config.translations or config.source
    stem = f'{set_}_perturbed'
    if code != SOURCE:
        stem += f'_{files.place_of("{language}", code, config.codes)}'
    if place.startswith('hf:'):
        return files.read_dataset(f'{place}:{stem}', 'train')
    folder = pathlib.Path(place).expanduser()
    if (folder / stem).is_dir():
        return files.read_dataset(f'hf:{folder / stem}', 'train')
    for suffix in SUFFIXES:
        if (folder / f'{stem}{suffix}').exists():
            return datafiles.read_rows(folder / f'{stem}{suffix}')
    raise DataError(
        f'{folder} has no {stem} with one of {", ".join(SUFFIXES)}, nor a folder of that name; if'
        f' {code} has another name there, set codes'
    )
