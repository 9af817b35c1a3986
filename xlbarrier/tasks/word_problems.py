"""MGSM and XQuAD: word problems, and questions on a paragraph, in several languages."""

import ast
import pathlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from xlbarrier import datafiles, metrics
from xlbarrier.config.written import MgsmConfig, XquadConfig
from xlbarrier.datafiles import DataError
from xlbarrier.tasks import files, hub_sets, prompts, written
from xlbarrier.tasks.chat import chat_of
from xlbarrier.tasks.rows import NumberRow, Sheet
from xlbarrier.tasks.written import Item, WrittenTask
from xlbarrier.text import languages as languages_lib

FULL = 'full'
# 'Question: ' and 'Step-by-Step Answer: ' of a published exemplar, in its language.
_CUE = re.compile(r'^[^:：]{1,60}[:：]')


class Mgsm(WrittenTask):
    """MGSM (Shi et al. 2022, arXiv 2210.03057): is the last number of the text the right one?

    A text without a number is wrong, and counts towards `unreadable_share`.
    """

    numbers = ('exact_match',)

    def __init__(self, config: MgsmConfig, name: str = 'mgsm'):
        """Reads the word problems.

        Raises:
          DataError: naming file and line of what is wrong.
        """
        exemplars = _exemplars(config) if config.exemplars else {}
        asked: dict[Sheet, list[Item]] = {
            (FULL, code): _sums(config, code, exemplars.get(code, [])) for code in config.languages
        }
        found = {sheet[1]: [item.id for item in items] for sheet, items in asked.items()}
        written.check_aligned(name, found)
        _check_same_answers(name, asked)
        cues = {_question_cue(exemplars.get(code, []), code) for code in config.languages}
        stops = ('\n\n', *[f'\n{cue.strip()}' for cue in sorted(cues)])
        super().__init__(
            name,
            asked,
            config.new_tokens,
            stops,
            shots=config.shots,
            chat=chat_of(config, name),
        )

    def numbers_of(self, item: Item, sheet: Sheet, text: str) -> dict[str, float | None]:
        """1.0 for the right number."""
        found = metrics.final_number(text)
        return {'exact_match': float(found == Decimal(item.references[0]))}

    def rows(self, tables: Mapping[Sheet, pa.Table], *, draws: int, seed: int) -> list[NumberRow]:
        """Exact match, and the share of texts without a number."""
        found = super().rows(tables, draws=draws, seed=seed)
        for (variant, language), table in tables.items():
            numbers = [metrics.final_number(text) for text in table['written'].to_pylist()]
            key = {'variant': variant, 'language': language, 'method': 'generate'}
            share = metrics.share(numbers.count(None), len(numbers))
            found.append(key | {'metric': 'unreadable_share'} | share.as_row())
        return found


def _sums(config: MgsmConfig, code: str, exemplars: Sequence[tuple[str, str]]) -> list[Item]:
    shown = ''.join(f'{q}\n{a}\n\n' for q, a in exemplars[: config.shots])
    ask, answer = _question_cue(exemplars, code), _answer_cue(exemplars, code)
    made = []
    for number, (where, question, result) in enumerate(
        _problems(config, code)[: config.limit or None]
    ):
        found = metrics.final_number(result)
        if found is None:
            raise DataError(
                f'{where} is {f"{question}{result}"[:60]!r}; expected a question, a tab and a'
                ' number'
            )
        question = datafiles.as_text(question, 'the question', where)
        gap = ' ' if languages_lib.language(code).spaces else ''
        prompt = f'{shown}{ask}{gap}{question}\n{answer}'
        made.append(Item(str(number), question, prompt, (str(found),)))
    return made


def _problems(config: MgsmConfig, code: str) -> list[tuple[str, str, str]]:
    """(where, question, result) of each problem in a language; a missing result is blank."""
    if config.source.startswith('hf:'):
        place = hub_sets.place_of(config.source, code, {}, 'config.tasks.mgsm')
        rows = files.read_dataset(place, 'test')
        return [(row.where, row.text('question'), row.text('answer_number')) for row in rows]
    path = pathlib.Path(config.source).expanduser() / f'mgsm_{code}.tsv'
    lines = datafiles.text_lines(path)
    parts = [line.rpartition('\t') if '\t' in line else (line, '', '') for line in lines]
    return [
        (f'{path}, line {number}', question, result)
        for number, (question, _, result) in enumerate(parts, 1)
    ]


def _check_same_answers(name: str, asked: Mapping[Sheet, Sequence[Item]]) -> None:
    first, expected = next(iter(asked.items()))
    for sheet, items in asked.items():
        for mine, theirs in zip(items, expected, strict=True):
            if mine.references != theirs.references:
                raise DataError(
                    f'{name}: line {int(mine.id) + 1} has the answer {mine.references[0]} in'
                    f' {sheet[1]} and {theirs.references[0]} in {first[1]}: the files are not'
                    f' aligned ({mine.question[:60]!r}; {theirs.question[:60]!r})'
                )


def _exemplars(config: MgsmConfig) -> dict[str, list[tuple[str, str]]]:
    """The literal MGSM_EXEMPLARS of the published file, which is parsed and not run."""
    path = pathlib.Path(config.exemplars).expanduser()
    try:
        tree = ast.parse('\n'.join(datafiles.text_lines(path)))
        (value,) = (
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'MGSM_EXEMPLARS'
        )
        published = ast.literal_eval(value)
        found: dict[str, list[tuple[str, str]]] = {
            code: [(each['q'], each['a']) for _, each in sorted(published[code].items())]
            for code in config.languages
        }
    except (SyntaxError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{path}: {error!r}; expected the published exemplars.py, with MGSM_EXEMPLARS[language]'
            "['1']['q'] and ['a']"
        ) from error
    for code, pairs in found.items():
        if len(pairs) < config.shots or not all(_CUE.match(t) for pair in pairs for t in pair):
            raise DataError(
                f'{path}: {code} has {len(pairs)} exemplars; expected {config.shots}, with a cue'
                ' and a colon before each question and answer'
            )
    return found


def _question_cue(exemplars: Sequence[tuple[str, str]], code: str) -> str:
    return _cue(exemplars, 0, code)


def _answer_cue(exemplars: Sequence[tuple[str, str]], code: str) -> str:
    return _cue(exemplars, 1, code)


def _cue(exemplars: Sequence[tuple[str, str]], which: int, code: str) -> str:
    if exemplars:
        match = _CUE.match(exemplars[0][which])
        assert match is not None, 'checked by _exemplars'
        return match.group()
    return prompts.cue(code if code in prompts.CUES else 'en')[which]


class Xquad(WrittenTask):
    """XQuAD (Artetxe et al. 2020): F1 and exact match of the answer's words.

    Computed as in SQuAD v1.1's script, as published, and as in MLQA's, which knows other languages'
    articles and splits Chinese into characters.
    """

    numbers = ('f1', 'exact_match', 'f1_mlqa', 'exact_match_mlqa')

    def __init__(self, config: XquadConfig, name: str = 'xquad'):
        """Reads the questions.

        Raises:
          DataError: naming the file and the question's id.
        """
        asked: dict[Sheet, list[Item]] = {
            (FULL, code): _quad_items(config, code) for code in config.languages
        }
        found = {sheet[1]: [item.id for item in items] for sheet, items in asked.items()}
        if config.items == 'common':
            shared = set.intersection(*map(set, found.values()))
            self.left_out = {'common': written.log_left_out(name, found, shared)}
            order = [id_ for id_ in next(iter(found.values())) if id_ in shared]
            by_id = {sheet: {item.id: item for item in items} for sheet, items in asked.items()}
            asked = {sheet: [of_id[id_] for id_ in order] for sheet, of_id in by_id.items()}
            found = dict.fromkeys(found, order)
        written.check_aligned(name, found)
        super().__init__(name, asked, config.new_tokens, ('\n',), chat=chat_of(config, name))

    def numbers_of(self, item: Item, sheet: Sheet, text: str) -> dict[str, float | None]:
        """The best score over the right answers."""
        squad = [metrics.squad_tokens(t) for t in (text, *item.references)]
        mlqa = [metrics.mlqa_tokens(t, sheet[1]) for t in (text, *item.references)]
        return {
            'f1': metrics.token_f1(squad[0], squad[1:]),
            'exact_match': metrics.token_match(squad[0], squad[1:]),
            'f1_mlqa': metrics.token_f1(mlqa[0], mlqa[1:]),
            'exact_match_mlqa': metrics.token_match(mlqa[0], mlqa[1:]),
        }


def _quad_items(config: XquadConfig, code: str) -> list[Item]:
    path = pathlib.Path(config.source).expanduser() / f'xquad.{code}.json'
    ask, answer = prompts.cue(code if code in prompts.CUES else 'en')
    gap = ' ' if languages_lib.language(code).spaces else ''
    made = []
    try:
        for paragraph in _paragraphs(config, code, path):
            for each in paragraph['qas']:
                where = f'{path}, question {each["id"]}'
                question = datafiles.as_text(each['question'], 'question', where)
                right = [datafiles.as_text(a['text'], 'an answer', where) for a in each['answers']]
                if not right:
                    raise DataError(f'{where} has no answer; expected at least one')
                prompt = f'{paragraph["context"]}\n\n{ask}{gap}{question}\n{answer}'
                made.append(Item(each['id'], question, prompt, tuple(right)))
    except (KeyError, TypeError) as error:
        raise DataError(f'{path}: {error!r}; expected JSON in the form of SQuAD v1.1') from error
    return made[: config.limit or None]


def _paragraphs(config: XquadConfig, code: str, path: pathlib.Path) -> list[dict[str, Any]]:
    """The paragraphs of a file in SQuAD's form; each row of a dataset is one, with one question."""
    if config.source.startswith('hf:'):
        rows = files.read_dataset(files.place_of(config.source, code), 'validation')
        return [
            {
                'context': row.text('context'),
                'qas': [
                    {**row.values, 'answers': [{'text': t} for t in row.get('answers')['text']]}
                ],
            }
            for row in rows
        ]
    articles = datafiles.read_json(path)['data']
    return [paragraph for article in articles for paragraph in article['paragraphs']]
