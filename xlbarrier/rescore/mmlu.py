"""Recorded answers to a translated MMLU, one file per subject.

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
from xlbarrier.results import shares
from xlbarrier.results.answers import ReadAnswers
from xlbarrier.results.recorded import ReadSheet, RecordedSheet, RecordError

LOOKED_FOR = '<model>/<setting>/<subject>.jsonl[.xz] with one of the 57 subjects of MMLU'
VARIANT = 'full'
_ROUNDING = 1e-12  # accuracies that differ by less are the same
_LANGUAGE = re.compile(r'mmlu[_-]([a-z]{2,3})(?:[_-].*)?', re.IGNORECASE)


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """Every folder below the root with files named as MMLU's subjects."""
    paths = [*root.rglob('*.jsonl'), *root.rglob('*.jsonl.xz')]
    return sorted({path.parent for path in paths if _subject(path) in metrics.SUBJECTS})


def read(
    folders: Sequence[pathlib.Path],
    language: str = '',
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> list[RecordedSheet]:
    """The answers in the folders that `find` found, one sheet each; empty filters take everything.

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


def compare(sheets: Sequence[ReadSheet]) -> None:
    """Logs which way of reading gives the accuracies in a `metrics.json` beside the subjects.

    Also names the subjects without answers, and warns where no way of reading gives what is
    recorded, with the nearest one's first difference.

    Args:
      sheets: of any tasks; those with subjects are compared.
    """
    for one in sheets:
        if not one.sheet.subjects:
            continue
        absent = [name for name in metrics.SUBJECTS if name not in one.sheet.subjects]
        if absent:
            logging.warning('%s: no answers to %s', one.sheet.path, ', '.join(absent))
        recorded = _recorded(one.sheet.path / 'metrics.json')
        if recorded:
            _compare(one, recorded)


def _recorded(path: pathlib.Path) -> dict[str, float]:
    """Subject -> the accuracy that the file records."""
    if not path.is_file():
        return {}
    try:
        return dict(_accuracies(json.loads(records.read_text(path))))
    except ValueError as error:
        raise RecordError(
            f'{path} is not JSON ({error}): fetch it again or move it away'
        ) from error


def _compare(one: ReadSheet, recorded: Mapping[str, float]) -> None:
    stripped = [
        metrics.first_character(text.lstrip(), len(choices))
        for text, choices in zip(one.sheet.texts, one.sheet.choices, strict=True)
    ]
    answers = {method: one.answers(method) for method in one.options}
    right = np.array([a == b for a, b in zip(stripped, one.sheet.answers, strict=True)], bool)
    answers['the first character after white space'] = ReadAnswers(
        stripped, right, one.sheet.subjects
    )
    path = one.sheet.path / 'metrics.json'
    differing = {}
    for method, read_as in answers.items():
        correct = shares.by_subject(read_as)
        there = {name: recorded[name] for name in correct if name in recorded}
        here = {name: float(correct[name].mean()) for name in there}
        differing[method] = [n for n in there if abs(here[n] - there[n]) > _ROUNDING]
        if not differing[method]:
            logging.info(
                '%s: all %d subject accuracies are those of the answers, read as %s',
                path,
                len(there),
                method,
            )
            return
    method = min(differing, key=lambda name: len(differing[name]))
    first = differing[method][0]
    logging.warning(
        '%s: no way of reading the answers gives the recorded accuracies; read as %s, %d of %d'
        ' subject accuracies differ (first: %s, there %r, here %r)',
        path,
        method,
        len(differing[method]),
        len([name for name in recorded if name in one.sheet.subjects]),
        first,
        recorded[first],
        float(shares.by_subject(answers[method])[first].mean()),
    )


def _sheet(folder: pathlib.Path, model: str, language: str) -> RecordedSheet:
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
            # An option of several lines hides those after it; MMLU has four options.
            choices.append(options if len(options) == 4 else ('',) * 4)
            answers.append(records.label_index(row.get('answer'), choices[-1], where))
        records.refuse_duplicates(zip((n for n, _ in rows), own, strict=True), path)
        ids += [f'{_subject(path)}/{name}' for name in own]
        subjects += [_subject(path)] * len(own)
    return RecordedSheet(
        model,
        'mmlu',
        VARIANT,
        language,
        folder,
        tuple(ids),
        tuple(texts),
        tuple(answers),
        tuple(choices),
        tuple(subjects),
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
