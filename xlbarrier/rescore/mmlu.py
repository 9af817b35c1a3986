"""Recorded answers to a translated MMLU, one file a subject.

    <model>/<setting>/<subject>.jsonl[.xz]      rows of `query_id, query, answer, response`

`response` is what the model wrote, `answer` the right letter. A `metrics.json` beside the subjects
is compared with what is computed.
"""

import json
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from absl import logging

from xlbarrier import metrics
from xlbarrier.rescore import records
from xlbarrier.rescore.records import RecordError, Sheet

LOOKED_FOR = '<model>/<setting>/<subject>.jsonl[.xz] with one of the 57 subjects of MMLU'
VARIANT = 'full'
_LANGUAGE = re.compile(r'mmlu[_-]([a-z]{2,3})(?:[_-].*)?', re.IGNORECASE)


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """Every folder below the root that holds files named as MMLU's subjects."""
    paths = [*root.rglob('*.jsonl'), *root.rglob('*.jsonl.xz')]
    return sorted({path.parent for path in paths if _subject(path) in metrics.SUBJECTS})


def read(
    folders: Sequence[pathlib.Path],
    language: str = '',
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> list[Sheet]:
    """The answers in the folders that `find` gave, one sheet each; empty filters take everything.

    Args:
      language: of the folders whose path does not name it ('mmlu_ar...').

    Raises:
      RecordError: as `clika.read`, and where the language is not known.
    """
    if tasks and 'mmlu' not in tasks:
        return []
    sheets = []
    for folder in folders:
        model = '/'.join(records.named(folder)[-2:])
        if models and model not in models:
            continue
        code = _language(folder, language)
        if not languages or code in languages:
            sheets.append(_sheet(folder, model, code))
    return sheets


def compare(sheet: Sheet, correct: Mapping[str, np.ndarray]) -> None:
    """Logs whether the accuracies in a `metrics.json` beside the subjects are ours."""
    path = sheet.path / 'metrics.json'
    if not path.is_file():
        return
    try:
        recorded = dict(_accuracies(json.loads(records.read_text(path))))
    except ValueError as error:
        raise RecordError(
            f'{path} is not JSON ({error}): fetch it again or move it away'
        ) from error
    there = {name: recorded[name] for name in correct if name in recorded}
    differing = [name for name, was in there.items() if abs(correct[name].mean() - was) > 1e-12]
    if differing:
        logging.warning(
            '%s: %d of %d subject accuracies are not what the answers give (first: %s, there %r,'
            ' here %r)',
            *(path, len(differing), len(there), differing[0]),
            *(there[differing[0]], float(correct[differing[0]].mean())),
        )
    else:
        logging.info('%s: all %d subject accuracies are those of the answers', path, len(there))


def _sheet(folder: pathlib.Path, model: str, language: str) -> Sheet:
    ids, texts, answers, choices, subjects = [], [], [], [], []
    paths = [path for path in sorted(folder.iterdir()) if _subject(path) in metrics.SUBJECTS]
    records.refuse_second_file(paths, lambda path: (model, _subject(path)))
    for path in paths:
        rows, own = records.read_lines(path), []
        for number, row in rows:
            where = f'{path} line {number}'
            own.append(records.value(row, 'query_id', (int, str), where))
            where += f' (query_id {own[-1]})'
            texts.append(records.answer_text(row, 'response', where))
            options = records.options_in(records.value(row, 'query', str, where))
            # An option of several lines hides those after it; MMLU has four.
            choices.append(options if len(options) == 4 else ('',) * 4)
            answers.append(records.label_index(row.get('answer'), choices[-1], where))
        records.refuse_duplicates(zip((n for n, _ in rows), own, strict=True), path)
        ids += [f'{_subject(path)}/{name}' for name in own]
        subjects += [_subject(path)] * len(own)
    return Sheet(
        *(model, 'mmlu', VARIANT, language, folder),
        *map(tuple, (ids, texts, answers, choices, subjects)),
    )


def _subject(path: pathlib.Path) -> str:
    return path.name.removesuffix('.xz').removesuffix('.jsonl')


def _language(folder: pathlib.Path, language: str) -> str:
    named = [m[1] for part in records.named(folder) if (m := _LANGUAGE.fullmatch(part))]
    if not named and not language:
        raise RecordError(
            f'{folder}: no folder above is named mmlu_<language>, so the language of these answers'
            ' is not known: --config.rescore.language=CODE'
        )
    return records.language_code(named[-1] if named else language, folder)


def _accuracies(tree: Mapping) -> Iterator[tuple[str, float]]:
    for name, branch in tree.items():
        if isinstance(branch, Mapping) and set(branch) == {'Accuracy'}:
            yield name, branch['Accuracy']
        elif isinstance(branch, Mapping):
            yield from _accuracies(branch)
