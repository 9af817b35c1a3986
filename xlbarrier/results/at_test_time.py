"""What can be done when a question is asked: translate it into English, or ask in all languages."""

from collections.abc import Iterator, Mapping

import numpy as np

from xlbarrier import metrics
from xlbarrier.results.answers import AnswersKey, Predictions, ReadAnswers, models_of
from xlbarrier.results.rows import MEAN, SOURCE, ResultRow, RowKey, result_row
from xlbarrier.text.languages import SEVERAL

ENSEMBLE = 'ensemble'
OTHERS = f'{SEVERAL}:non-{SOURCE}'  # the ensemble over the languages other than English
TRANSLATED = 'translated'


def translated_rows(
    key: RowKey, answers: Mapping[AnswersKey, ReadAnswers], draws: int, seed: int
) -> Iterator[ResultRow]:
    """`gain_over_full`: accuracy of the variant `translated` minus that of `full`, paired.

    For each language that is asked in both, and the mean over them.

    Args:
      key: of the model, task and method; variant and language are replaced.
      answers: of one model, all with the same items in the same order.
      draws, seed: of every bootstrap.
    """
    right = {k[2:]: one.right for k, one in answers.items()}
    codes = [code for variant, code in sorted(right) if variant == TRANSLATED]
    codes = [code for code in codes if ('full', code) in right]
    for code in codes:
        gain = metrics.paired_difference(right[TRANSLATED, code], right['full', code], draws, seed)
        here = key._replace(variant=TRANSLATED, language=code)
        yield result_row(here, 'gain_over_full', gain)
    if codes:
        one, two = (
            np.mean([right[variant, code] for code in codes], axis=0)
            for variant in (TRANSLATED, 'full')
        )
        gain = metrics.paired_difference(one, two, draws, seed)
        here = key._replace(variant=TRANSLATED, language=MEAN)
        yield result_row(here, 'gain_over_full', gain)


def translation_rows(key: RowKey, sheets: Predictions) -> Iterator[ResultRow]:
    """Shares of the translated questions with a text that has no translation, and with two options
    of one translation."""
    for (model, _, variant, code), table in sorted(sheets.items()):
        if variant != TRANSLATED or model != key.model:
            continue
        here = key._replace(variant=variant, language=code)
        for column, metric in (
            ('untranslated', 'untranslated_share'),
            ('equal_options', 'equal_options_share'),
        ):
            if column in table.column_names:
                count = sum(bool(value) for value in table[column].to_pylist())
                yield result_row(here, metric, metrics.share(count, len(table)))


def ensemble_rows(
    task: str,
    method: str,
    column: str,
    sheets: Predictions,
    *,
    chance: float,
    reference: str,
    draws: int,
    seed: int,
) -> Iterator[ResultRow]:
    """The answers that all languages give together, from stored scores: method 'ensemble:METHOD'.

    `accuracy`; `gain_over_mean`, over the mean accuracy of the same languages; `gain_over_source`,
    over the accuracy in English; and `difference_to_base`. Over all languages of the variant `full`
    (language 'mul'), and over those other than English ('mul:non-en').

    Args:
      task, method: of the rows.
      column: of the options' scores.
      sheets: of every model.
      chance: accuracy of guessing.
      reference: the model that others are compared with.
      draws, seed: of every bootstrap.
    """
    first: dict[str, np.ndarray] = {}
    for model in models_of(list(sheets), reference):
        tables = {
            k[3]: table for k, table in sorted(sheets.items()) if k[0] == model and k[2] == 'full'
        }
        arm = None if model == reference else model
        key = RowKey(model, arm, task, 'full', SEVERAL, f'{ENSEMBLE}:{method}')
        for language in (SEVERAL, OTHERS):
            codes = [c for c in tables if language == SEVERAL or c != SOURCE]
            if len(codes) < 2 or (language == OTHERS and SOURCE not in tables):
                continue
            here = key._replace(language=language)
            answers = [tables[code]['answer'].to_pylist() for code in codes]
            if any(one != answers[0] for one in answers):
                reason = 'the options are in another order in another language'
                yield result_row(here, 'accuracy', metrics.missing(reason), chance=chance)
                continue
            answer = np.array(answers[0])
            scores = {code: tables[code][column].to_pylist() for code in codes}
            right = np.array(metrics.ensemble_choices(list(scores.values()))) == answer
            yield result_row(here, 'accuracy', metrics.accuracy(right), chance=chance)
            alone = {code: _right(scores[code], answer) for code in codes}
            mean = np.mean(list(alone.values()), axis=0)
            gain = metrics.paired_difference(right, mean, draws, seed)
            yield result_row(here, 'gain_over_mean', gain)
            if SOURCE in tables:
                english = _right(tables[SOURCE][column].to_pylist(), answer)
                gain = metrics.paired_difference(right, english, draws, seed)
                yield result_row(here, 'gain_over_source', gain)
            if arm is None:
                first[language] = right
            elif language in first:
                change = metrics.paired_difference(right, first[language], draws, seed)
                yield result_row(here, 'difference_to_base', change)


def _right(scores: list[list[float]], answer: np.ndarray) -> np.ndarray:
    return np.array([int(np.argmax(options)) for options in scores]) == answer
