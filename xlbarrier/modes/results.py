"""The end of a study or an evaluation: results.json, its tables and the report."""

from collections.abc import Mapping

from xlbarrier import run as run_lib
from xlbarrier.config import RunConfig
from xlbarrier.progress import Progress, tell
from xlbarrier.report import lm_eval_files, model_card, page, summary, table_files
from xlbarrier.results.answers import read_predictions
from xlbarrier.results.rows import ResultRow, task_row
from xlbarrier.results.run import result_rows
from xlbarrier.tasks.base import Numbered, Task
from xlbarrier.text.languages import SEVERAL

BASE = 'base'  # name of the model that config.model names, among the arms


def left_out_rows(
    predictions: Mapping[tuple[str, str, str, str], object], tasks: Mapping[str, Task]
) -> list[ResultRow]:
    """One row per model, task and reason why items were not asked in any language.

    `value` is their number and `n` that of all items; `method` is 'items' and `metric` the reason,
    such as 'left_out:common'.

    Args:
      predictions: (model, task, variant, language) of each sheet.
      tasks: by name.
    """
    rows = []
    for model, name in sorted({key[:2] for key in predictions}):
        found = tasks[name].left_out if name in tasks else {}
        for reason, left in found.items():
            if left.count:
                fields = {'variant': 'all', 'language': SEVERAL, 'method': 'items'}
                number = {'metric': f'left_out:{reason}', 'value': float(left.count), 'n': left.of}
                rows.append(
                    task_row(model, None if model == BASE else model, name, fields | number)
                )
    return rows


def finish(run: run_lib.Run, config: RunConfig, tasks: Mapping[str, Task]) -> None:
    """Computes the numbers of all models measured and writes the report, on the lead process."""
    if not run.lead:
        return
    with Progress('numbers and report'):
        predictions = read_predictions(run.folder / 'predictions')
        rows = result_rows(
            predictions,
            reference=BASE,
            control='english',
            seed=config.seed,
            draws=config.report.bootstrap_draws,
            numbered={name: task for name, task in tasks.items() if isinstance(task, Numbered)},
        )
        rows += left_out_rows(predictions, tasks)
        for row in rows:
            if row['model'] in config.model.named:
                row['arm'] = None  # not fine-tuned here
        run.write_json('results.json', {'schema': 1, 'rows': rows})
        table_files.write(rows, run.path('tables', 'results.csv').parent)
        if config.report.lm_eval:
            settings, record = run.read_json('config.json'), run.read_json('run.json')
            lm_eval_files.write(run.path('lm_eval'), rows, predictions, settings, record)
        del predictions  # the page reads those that it shows
        run.update_provenance(finished=run_lib.now(), peak_memory_bytes=run_lib.peak_memory())
        page.write_report(run.folder)
        model_card.write_all(run.folder)
    tell('result', summary.text(rows), numbers=summary.headline(rows))
    tell_written(run, 'report.html', 'report.md', 'results.json', 'tables', 'predictions')


def tell_written(run: run_lib.Run, *names: str) -> None:
    """Says which files and folders of a run are there."""
    paths = {name: run.folder / name for name in names if (run.folder / name).exists()}
    lines = '\n'.join(f'  {path}' for path in paths.values())
    tell('wrote', f'Wrote:\n{lines}', paths={name: str(path) for name, path in paths.items()})
