"""Mode rescore: recorded answers below a folder in, a run folder with their numbers out."""

import contextlib
import pathlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from absl import logging

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.config_rescore import RescoreConfig
from xlbarrier.progress import Progress
from xlbarrier.report import examples
from xlbarrier.report import tables as report_tables
from xlbarrier.rescore import (
    clika,
    mmlu,
    readings,
    records,
    rows,
    tables,
    tofu,
    translation,
)
from xlbarrier.rescore.records import RecordError, Sheet

RUN_LOOKED_FOR = 'predictions/<model>/<task>/<variant>.<language>.parquet'
LOOKED_FOR = {
    'clika': clika.LOOKED_FOR,
    'mmlu': mmlu.LOOKED_FOR,
    'tofu': tofu.LOOKED_FOR,
    'translation': translation.LOOKED_FOR,
    'run': RUN_LOOKED_FOR,
}


def rescore(folder: pathlib.Path, config: RunConfig) -> None:
    """Reads every recorded answer below `config.rescore.root`; writes results.json and tables/.

    Everything is read and checked before the run folder is opened.

    Raises:
      RecordError: where nothing is found, or for a file that cannot be used.
    """
    wanted = config.rescore
    root = pathlib.Path(wanted.root).expanduser()
    found = find(root, wanted.layouts, pathlib.Path(folder).expanduser().resolve())
    draws, seed = config.report.bootstrap_draws, config.seed
    with Progress(f'reading {sum(map(len, found.values()))} recorded files'):
        sheets, evaluations, outputs, runs = _read(found, wanted)
    with contextlib.closing(run_lib.open_run(folder, config)) as run:
        with Progress('numbers'):
            groups = readings.read(sheets, wanted.source_language)
            made = rows.choice_rows(groups, wanted, draws, seed)
            made += rows.tofu_rows(evaluations, draws, seed)
            made += translation.rows(outputs, draws, seed)
            rows.adjust(made)
            for name, predictions in runs.items():
                made += _run_rows(predictions, name if len(runs) > 1 else '', draws, seed)
        with Progress('tables'):
            run.write_json('results.json', {'schema': 1, 'rows': made})
            written = tables.write(made, run.path('tables', 'results.csv').parent)
            if groups:
                readings.write(groups, run.path('readings.parquet'))
        run.update_provenance(
            recorded={str(path): records.digest(path) for path in _files(found, outputs)},
            finished=run_lib.now(),
        )
        logging.info('%d numbers in %s, %d tables', len(made), run.folder, len(written))


def find(
    root: pathlib.Path, layouts: Sequence[str], workdir: pathlib.Path
) -> dict[str, list[pathlib.Path]]:
    """Layout -> recorded files below the root; of the run folder itself nothing.

    Raises:
      RecordError: where the root is no folder or holds nothing; says what was looked for.
    """
    if not root.is_dir():
        raise RecordError(f'config.rescore.root: {root} is no folder')
    finders = {
        'clika': clika.find,
        'mmlu': mmlu.find,
        'tofu': tofu.find,
        'translation': translation.find,
        'run': _find_runs,
    }
    found = {
        layout: [p for p in finders[layout](root) if workdir not in (p.resolve(), *_above(p))]
        for layout in layouts
    }
    for layout, paths in found.items():
        if paths:
            logging.info('%s: %d recorded files or folders below %s', layout, len(paths), root)
    if not any(found.values()):
        looked = '\n'.join(f'  {layout}: {LOOKED_FOR[layout]}' for layout in layouts)
        raise RecordError(f'no recorded answers below {root}; looked for\n{looked}')
    return found


def _above(path: pathlib.Path) -> Sequence[pathlib.Path]:
    return path.resolve().parents


def _find_runs(root: pathlib.Path) -> list[pathlib.Path]:
    paths = sorted(root.rglob('predictions/*/*/*.parquet'))
    return list(dict.fromkeys(path.parents[3] for path in paths))


def _read(
    found: dict[str, list[pathlib.Path]], wanted: RescoreConfig
) -> tuple[list[Sheet], list[tofu.Evaluation], list[translation.Output], dict[str, Any]]:
    chosen = {'models': wanted.models, 'tasks': wanted.tasks, 'languages': wanted.languages}
    sheets = clika.read(found.get('clika', ()), **chosen)
    sheets += mmlu.read(found.get('mmlu', ()), wanted.language, **chosen)
    records.check_same_items(sheets)
    evaluations = tofu.read(found.get('tofu', ()), wanted.language, **chosen)
    outputs = translation.read(found.get('translation', ()), **chosen)
    runs = {}
    for path in found.get('run', ()):
        predictions = {
            key: table
            for key, table in _predictions(path).items()
            if all(
                not names or key[i] in names
                for i, names in ((0, wanted.models), (1, wanted.tasks), (3, wanted.languages))
            )
        }
        if predictions:
            runs[path.resolve().name if path.resolve().name not in runs else str(path)] = (
                predictions
            )
    _check_chosen(sheets, evaluations, outputs, runs, wanted)
    return sheets, evaluations, outputs, runs


def _check_chosen(
    sheets: Sequence[Sheet],
    evaluations: Sequence[tofu.Evaluation],
    outputs: Sequence[translation.Output],
    runs: dict[str, Any],
    wanted: RescoreConfig,
) -> None:
    """Everything that was asked for by name must be there."""
    keys = [(s.model, s.task, s.language) for s in sheets]
    keys += [(e.model, 'tofu', e.language) for e in evaluations]
    keys += [(o.model, translation.TASK, o.language) for o in outputs]
    keys += [(k[0], k[1], k[3]) for predictions in runs.values() for k in predictions]
    for i, name in enumerate(('models', 'tasks', 'languages')):
        there = sorted({key[i] for key in keys})
        lacking = [x for x in getattr(wanted, name) if x not in there]
        if lacking:
            raise RecordError(
                f'config.rescore.{name} has {", ".join(lacking)}, of which no recorded answers were'
                f' found below {wanted.root}; found: {", ".join(there) or "none"}'
            )
    if wanted.languages:
        there = {key[:2]: {k[2] for k in keys if k[:2] == key[:2]} for key in keys}
        for (model, task), languages in there.items():
            lacking = [x for x in wanted.languages if x not in languages]
            if lacking:
                raise RecordError(
                    f'{model} has no recorded answers to {task} in {", ".join(lacking)}, which'
                    f' config.rescore.languages asks for; it has {", ".join(sorted(languages))}'
                )


def _predictions(path: pathlib.Path) -> dict[tuple[str, str, str, str], pa.Table]:
    try:
        return examples.read_predictions(path / 'predictions')
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordError(f'{path / "predictions"} cannot be read ({error})') from error


def _run_rows(
    predictions: dict[tuple[str, str, str, str], pa.Table], prefix: str, draws: int, seed: int
) -> list[dict[str, Any]]:
    made = report_tables.result_rows(predictions, seed=seed, draws=draws)
    for row in made:
        if prefix:
            row['model'] = f'{prefix}/{row["model"]}'
    return made


def _files(
    found: dict[str, list[pathlib.Path]], outputs: Sequence[translation.Output]
) -> list[pathlib.Path]:
    """The files themselves, where a folder stands for several."""
    files = sorted({path for output in outputs for path in translation.files_of(output)})
    for layout, paths in found.items():
        if layout == 'translation':
            continue
        for path in paths:
            inside = 'predictions/*/*/*.parquet' if layout == 'run' else '*.jsonl*'
            files += sorted(path.glob(inside)) if path.is_dir() else [path]
    return files
