"""The numbers of recorded translations."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from xlbarrier import metrics
from xlbarrier.metrics import CorpusScore, Estimate
from xlbarrier.results.rows import ResultRow, RowKey, result_row

TASK = 'translation'


@dataclass(frozen=True)
class RecordedTranslation:
    """What one system made of the first sentences of a set in one direction.

    Attributes:
      model, variant, language: as in results.json; the language is the one that is not English.
      path: the file.
      target: code of the language translated into.
      texts, references: one per sentence.
      comet: of each sentence as recorded, or the reason why there is none.
    """

    model: str
    variant: str
    language: str
    path: pathlib.Path
    target: str
    texts: tuple[str, ...]
    references: tuple[str, ...]
    comet: tuple[float, ...] | str


def rows(outputs: Sequence[RecordedTranslation], draws: int, seed: int) -> list[ResultRow]:
    """BLEU and chrF with sacrebleu's signatures, and the mean of the recorded COMET."""
    made = []
    for one in sorted(outputs, key=lambda o: (o.model, o.variant, o.language)):
        key = RowKey(one.model, None, TASK, one.variant, one.language, 'recorded')
        scores: dict[str, Estimate | CorpusScore] = {
            'bleu': metrics.bleu(one.texts, one.references, one.target),
            'chrf': metrics.chrf(one.texts, one.references),
            'comet': metrics.missing(one.comet, len(one.texts))
            if isinstance(one.comet, str)
            else metrics.mean(one.comet, draws, seed),
        }
        made += [result_row(key, name, score) for name, score in scores.items()]
    return made
