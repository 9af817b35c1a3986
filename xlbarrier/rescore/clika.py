"""CLiKA's recorded answers (Gao et al. 2024), as its authors distribute them.

    <task>/<LANGUAGE>/<model>_res<setting>.jsonl

with tasks x_csqa, x_copa, x_name and x_geo; rows of `id, input, res, label, uuid`. Folder names
differ in case and suffix ('DE', 'ar', 'FR_trans').
"""

import pathlib
import re
from collections.abc import Sequence

from absl import logging

from xlbarrier.metrics import CLIKA_CHANCE
from xlbarrier.rescore import records
from xlbarrier.results.recorded import RecordedSheet, RecordError

LOOKED_FOR = '<task>/<language>/<model>_res*.jsonl with task x_csqa, x_copa, x_name or x_geo'
SIZES = {'x_csqa': 1000, 'x_copa': 500, 'x_name': 180, 'x_geo': 200}
_NAME = re.compile(r'(?P<model>.+?)_res(?:(?P<setting>_.*))?\.jsonl(?:\.xz)?')
VARIANT = 'full'  # question and options in the language


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """Every recorded file below the root, by the published names."""
    paths = sorted(root.rglob('*_res*.jsonl')) + sorted(root.rglob('*_res*.jsonl.xz'))
    return [path for path in paths if _NAME.fullmatch(path.name) and _tasks_above(path)]


def read(
    paths: Sequence[pathlib.Path],
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> list[RecordedSheet]:
    """The answers in the files that `find` found; empty filters take everything.

    Raises:
      RecordError: for a broken line, a missing field, a label outside the options, an id on two
        lines, a folder that is not a language, or two files of the same answers.
    """
    names = _models(paths)

    def key(path: pathlib.Path) -> tuple[str, str, str]:
        language = records.language_code(path.parent.name, path)
        return names[path], _task(path), language

    kept = []
    for path in paths:
        filters = ((models, names[path]), (tasks, _task(path)))
        if any(chosen and name not in chosen for chosen, name in filters):
            continue
        if not languages or key(path)[2] in languages:
            kept.append(path)
    records.refuse_second_file(kept, key)
    return [_sheet(path, *key(path)) for path in kept]


def _sheet(path: pathlib.Path, model: str, task: str, language: str) -> RecordedSheet:
    rows = records.read_lines(path)
    ids, texts, answers, choices = [], [], [], []
    for number, row in rows:
        where = f'{path} line {number}'
        ids.append(records.value(row, 'id', (int, str), where))
        where += f' (id {ids[-1]})'
        texts.append(records.answer_text(row, 'res', where))
        # A prompt without option lines has as many options as the task.
        prompt = records.value(row, 'input', str, where)
        count = round(100 / CLIKA_CHANCE[task])
        choices.append(records.options_in(prompt) or ('',) * count)
        answers.append(records.label_index(row.get('label'), choices[-1], where))
    records.refuse_duplicates(zip((n for n, _ in rows), ids, strict=True), path)
    if not any(texts):
        logging.warning('%s: every answer is empty: was the model run?', path)
    if len(ids) != SIZES[task]:
        logging.warning('%s: %d items; the published %s has %d', path, len(ids), task, SIZES[task])
    return RecordedSheet(
        model,
        task,
        VARIANT,
        language,
        path,
        tuple(ids),
        tuple(texts),
        tuple(answers),
        tuple(choices),
    )


def _task(path: pathlib.Path) -> str:
    """The nearest folder above the language's that is named as a task; for files of `find`."""
    return _tasks_above(path)[0]


def _tasks_above(path: pathlib.Path) -> list[str]:
    above = (part.lower() for part in reversed(records.named(path)[:-2]))
    return [part for part in above if part in CLIKA_CHANCE]


def _models(paths: Sequence[pathlib.Path]) -> dict[pathlib.Path, str]:
    """A model is the name before `_res`; with the setting where it was run in several."""
    settings: dict[tuple[pathlib.Path, str], set[str]] = {}
    matches = {path: match for path in paths if (match := _NAME.fullmatch(path.name))}
    for path, match in matches.items():
        settings.setdefault((path.parent, match['model']), set()).add(match['setting'] or '')
    several = {model for (_, model), found in settings.items() if len(found) > 1}
    return {
        path: match['model'] + ((match['setting'] or '') if match['model'] in several else '')
        for path, match in matches.items()
    }


__all__ = ['LOOKED_FOR', 'RecordError', 'find', 'read']
