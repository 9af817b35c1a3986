"""Mode rescore: computes the numbers of the recorded answers below a folder."""

import contextlib
import os
import pathlib
from collections.abc import Sequence

from absl import logging

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.config.rescore import RescoreConfig
from xlbarrier.progress import Progress
from xlbarrier.report import table_files
from xlbarrier.rescore import clika, mmlu, records, runs, tofu, translation
from xlbarrier.results import recorded as recorded_results
from xlbarrier.results import tofu as tofu_results
from xlbarrier.results import translation as translation_results
from xlbarrier.results.recorded import RecordedSheet, RecordError
from xlbarrier.results.rows import ResultRow, adjust
from xlbarrier.results.run import result_rows
from xlbarrier.results.tofu import TofuLog
from xlbarrier.results.translation import RecordedTranslation

LOOKED_FOR = {
    'clika': clika.LOOKED_FOR,
    'mmlu': mmlu.LOOKED_FOR,
    'tofu': tofu.LOOKED_FOR,
    'translation': translation.LOOKED_FOR,
    'run': runs.LOOKED_FOR,
}


def rescore(folder: pathlib.Path, config: RunConfig) -> None:
    """Reads every recorded answer below `config.rescore.root`; writes results.json and tables/.

    Everything is read and checked before the run folder is opened.

    Raises:
      RecordError: when nothing is found, or for a file that cannot be used.
    """
    chosen = config.rescore
    root = pathlib.Path(chosen.root).expanduser()
    found = find(root, chosen.layouts, pathlib.Path(folder).expanduser().resolve())
    draws, seed = config.report.bootstrap_draws, config.seed
    with Progress(f'reading {sum(map(len, found.values()))} recorded files'):
        sheets, logs, outputs, own = _read(found, chosen)
    with contextlib.closing(run_lib.open_run(folder, config)) as run:
        with Progress('numbers'):
            groups = recorded_results.read(sheets, chosen.source_language)
            mmlu.compare([sheet for group in groups.values() for sheet in group])
            made = recorded_results.choice_rows(groups, chosen, draws, seed)
            made += tofu_results.rows(logs, draws, seed)
            made += translation_results.rows(outputs, draws, seed)
            adjust(made)
            made += _run_rows(own, draws, seed)
        with Progress('tables'):
            run.write_json('results.json', {'schema': 1, 'rows': made})
            written = table_files.write(made, run.path('tables', 'results.csv').parent)
            if groups:
                recorded_results.write_readings(groups, run.path('readings.parquet'))
        run.update_provenance(
            recorded={str(path): records.digest(path) for path in _files(found, outputs)},
            finished=run_lib.now(),
        )
        logging.info('%d numbers in %s, %d tables', len(made), run.folder, len(written))


def _run_rows(found: Sequence[runs.Answers], draws: int, seed: int) -> list[ResultRow]:
    """Rows of results.json; with several runs `model` begins with the run's name."""
    made: list[ResultRow] = []
    for run in found:
        for row in result_rows(run.predictions, seed=seed, draws=draws, numbered=run.numbered):
            if len(found) > 1:
                row['model'] = f'{run.name}/{row["model"]}'
            made.append(row)
    return made


def find(
    root: pathlib.Path, layouts: Sequence[str], workdir: pathlib.Path
) -> dict[str, list[pathlib.Path]]:
    """Layout -> recorded files below the root, except those of the run folder itself.

    Raises:
      RecordError: when the root is not a folder or has no recorded answers; lists what was
        looked for.
    """
    if not root.is_dir():
        raise RecordError(f'config.rescore.root: {root} is not a folder')
    finders = {
        'clika': clika.find,
        'mmlu': mmlu.find,
        'tofu': tofu.find,
        'translation': translation.find,
        'run': runs.find,
    }
    found = {
        layout: [p for p in finders[layout](root) if workdir not in (_real(p), *_above(p))]
        for layout in layouts
    }
    for layout, paths in found.items():
        if paths:
            logging.info('%s: %d recorded files or folders below %s', layout, len(paths), root)
    if not any(found.values()):
        looked = '\n'.join(f'  {layout}: {LOOKED_FOR[layout]}' for layout in layouts)
        raise RecordError(f'no recorded answers below {root}; looked for\n{looked}')
    return found


def _real(path: pathlib.Path) -> pathlib.Path:
    """A path without links; a link to itself stays, to be named when it is read."""
    return pathlib.Path(os.path.realpath(path))


def _above(path: pathlib.Path) -> Sequence[pathlib.Path]:
    return _real(path).parents


def _read(
    found: dict[str, list[pathlib.Path]], config: RescoreConfig
) -> tuple[list[RecordedSheet], list[TofuLog], list[RecordedTranslation], list[runs.Answers]]:
    chosen = {'models': config.models, 'tasks': config.tasks, 'languages': config.languages}
    sheets = clika.read(found.get('clika', ()), **chosen)
    sheets += mmlu.read(found.get('mmlu', ()), config.language, **chosen)
    records.check_same_items(sheets)
    recorded_results.check_reference(sheets, config)
    logs = tofu.read(found.get('tofu', ()), config.language, **chosen)
    outputs = translation.read(found.get('translation', ()), **chosen)
    own = runs.read(found.get('run', ()), **chosen)
    _check_chosen(sheets, logs, outputs, own, config)
    return sheets, logs, outputs, own


def _check_chosen(
    sheets: Sequence[RecordedSheet],
    logs: Sequence[TofuLog],
    outputs: Sequence[RecordedTranslation],
    own: Sequence[runs.Answers],
    config: RescoreConfig,
) -> None:
    """Checks that every configured model, task and language was found."""
    keys = [(s.model, s.task, s.language) for s in sheets]
    keys += [(one.model, 'tofu', one.language) for one in logs]
    keys += [(o.model, translation_results.TASK, o.language) for o in outputs]
    keys += [(k[0], k[1], k[3]) for run in own for k in run.predictions]
    for i, name in enumerate(('models', 'tasks', 'languages')):
        there = sorted({key[i] for key in keys})
        lacking = [x for x in getattr(config, name) if x not in there]
        if lacking:
            raise RecordError(
                f'config.rescore.{name} has {", ".join(lacking)}, of which no recorded answers were'
                f' found below {config.root}; found: {", ".join(there) or "none"}'
            )
    if config.languages:
        asked = {key[:2]: {k[2] for k in keys if k[:2] == key[:2]} for key in keys}
        for (model, task), languages in asked.items():
            lacking = [x for x in config.languages if x not in languages]
            if lacking:
                raise RecordError(
                    f'{model} has no recorded answers to {task} in {", ".join(lacking)}, which'
                    f' config.rescore.languages asks for; it has {", ".join(sorted(languages))}'
                )


def _files(
    found: dict[str, list[pathlib.Path]], outputs: Sequence[RecordedTranslation]
) -> list[pathlib.Path]:
    """The recorded files, including each file of a recorded folder."""
    files = sorted({path for output in outputs for path in translation.files_of(output)})
    for layout, paths in found.items():
        if layout == 'translation':
            continue
        for path in paths:
            inside = 'predictions/*/*/*.parquet' if layout == 'run' else '*.jsonl*'
            files += sorted(path.glob(inside)) if path.is_dir() else [path]
    return files
