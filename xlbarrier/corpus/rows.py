"""The documents that a corpus takes, and their rows: cut, drawn, translated, put together.

`taken` goes through the source in order, once. What `rows` gives is a function of each document,
the recipe and the translator, so that any process may make the rows of any shard.
"""

import collections
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.corpus import shards, translation, units
from xlbarrier.corpus.counts import Counts
from xlbarrier.corpus.documents import Document, noting
from xlbarrier.corpus.filters import Filters, Judged
from xlbarrier.corpus.shards import CorpusRow, Taken, Tally
from xlbarrier.text import segment

BATCH_CHARACTERS = 1 << 17  # of source text that is translated together

Cut = tuple[Taken, units.Plan]


@dataclass(frozen=True)
class Recipe:
    """What the rows of a document depend on, besides its text and the translator.

    Attributes:
      config: of the corpus.
      arm: as `build.build` takes it.
      share: of each language of the arm.
    """

    config: CorpusConfig
    arm: str
    share: Mapping[str, float]


def taken(
    judged: Iterator[tuple[Document, Judged]], filters: Filters, most: int, running: Any
) -> Iterator[Taken]:
    """The documents of a corpus: all that has to be done in the source's order.

    Args:
      judged: each document of the source as it was read, and as it was judged.
      filters: count what is left out, and find duplicates.
      most: documents that are taken; 0: all.
      running: SHA-256 that is updated with what was read.

    Raises:
      DataError: as `Filters.taken`.
    """
    documents = filters.taken(_hashed(judged, running))
    characters = 0
    for document in itertools.islice(documents, most or None):
        characters += document.characters
        last = characters >= shards.SHARD_CHARACTERS
        yield Taken(document, running.hexdigest(), last)
        characters = 0 if last else characters


def _hashed(
    judged: Iterator[tuple[Document, Judged]], running: Any
) -> Iterator[tuple[Document, Judged]]:
    for document, found in judged:
        for part in document.parts:
            running.update(f'{document.id}\0{part.row}\0{part.text}\0'.encode())
        yield document, found


def rows(
    documents: Iterator[Taken], recipe: Recipe, works: translation.Translators
) -> Iterator[CorpusRow]:
    """The rows of documents, in order: a function of each document and the translator.

    Args:
      documents: those of one shard or of several; some batches are read ahead.
      recipe: how they are cut and drawn.
      works: translates.
    """
    language = recipe.config.text.language
    waiting: collections.deque[tuple[list[Cut], Callable]] = collections.deque()
    for batch in _batches(_cut(document, recipe) for document in documents):
        texts = [pair for _, plan in batch for pair in plan.to_translate(language)]
        with noting(_name(batch)):
            waiting.append((batch, works.submit(texts)))
        if len(waiting) > works.ahead:
            yield from _rows(*waiting.popleft(), language)
    while waiting:
        yield from _rows(*waiting.popleft(), language)


def _cut(document: Taken, recipe: Recipe) -> Cut:
    config = recipe.config
    with noting(f'document {document.document.id}'):
        plan = units.plan(
            document.document,
            units.unit_of(config.unit, recipe.arm),
            recipe.arm,
            config.text.language,
            config.seed,
            recipe.share,
            lines=config.translator.kind == 'parallel',
        )
    return document, plan


def _batches(cut: Iterator[Cut]) -> Iterator[list[Cut]]:
    """Documents that are translated together, all of one shard."""
    batch, size = [], 0
    for document, plan in cut:
        batch.append((document, plan))
        size += sum(map(len, plan.pieces))
        if size >= BATCH_CHARACTERS or document.last:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _rows(batch: Sequence[Cut], answers: Callable, language: str) -> Iterator[CorpusRow]:
    with noting(_name(batch)):
        translated = answers()
    for document, plan in batch:
        with noting(f'document {plan.id}'):
            row = _row(document, plan, translated, language)
        yield row


def _name(batch: Sequence[Cut]) -> str:
    return f'documents {batch[0][1].id} to {batch[-1][1].id}'


def _row(
    document: Taken,
    plan: units.Plan,
    translated: Mapping[tuple[str, str], Any],
    source: str,
) -> CorpusRow:
    """A document's line. A piece whose translation failed stays in the source's language, and is
    counted so; the number of its unit is in `failed`."""
    tally = Tally(Counts())
    pieces, languages = list(plan.pieces), list(plan.languages)
    failed = []
    unit_of_piece = [unit for unit, count in enumerate(plan.units) for _ in range(count)]
    for i, (piece, code) in enumerate(zip(plan.pieces, plan.languages, strict=True)):
        if code == source or not units.has_word(piece):
            continue
        tally.asked += 1
        answer = translated[code, units.to_translate(piece)]
        if isinstance(answer, str):
            pieces[i] = answer
            continue
        languages[i] = source
        failed.append(unit_of_piece[i])
        tally.failures.append(
            {
                'document': plan.id,
                'unit': unit_of_piece[i],
                'language': code,
                'text': piece,
                'reason': answer.reason,
            }
        )
    texts, codes = units.grouped(plan, pieces, languages, source)
    tally.counts.add(texts, codes, segment.count_words)
    line: dict[str, Any] = {
        'id': plan.id,
        'text': units.join(pieces, plan.behind, languages, source),
        'languages': codes,
        'units': texts,
    }
    if failed:
        line['failed'] = sorted(set(failed))
    return CorpusRow(line, tally, document)
