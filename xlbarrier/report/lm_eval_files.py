"""A finished run's files in the layout of lm-evaluation-harness: lm_eval/<model>/."""

import datetime
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from xlbarrier.datafiles import write_atomic
from xlbarrier.results import lm_eval
from xlbarrier.results.answers import Predictions
from xlbarrier.results.rows import ResultRow


def write(
    folder: pathlib.Path,
    rows: Sequence[ResultRow],
    predictions: Predictions,
    config: Mapping[str, Any],
    record: Mapping[str, Any],
) -> None:
    """Writes results_<date>.json and samples_<task>_<date>.jsonl of each model.

    Args:
      folder: `lm_eval` of the run folder; made if absent.
      rows: of results.json.
      predictions: (model, task, variant, language) -> table.
      config: of config.json.
      record: of run.json; <date> is its `started`.

    Raises:
      RunError: naming the file that cannot be written.
    """
    started = datetime.datetime.fromisoformat(record['started'])
    date = record['started'].replace(':', '-')
    for model in sorted({key[0] for key in predictions}):
        place = folder / model
        described = _described(model, predictions, config, record, started)
        found = lm_eval.results(model, rows, predictions, described)
        _write(place / f'results_{date}.json', json.dumps(found, indent=2, ensure_ascii=False))
        for key, table in predictions.items():
            if key[0] == model:
                lines = [
                    json.dumps(sample, ensure_ascii=False) for sample in lm_eval.samples(table)
                ]
                name = f'samples_{lm_eval.sheet_name(key)}_{date}.jsonl'
                _write(place / name, '\n'.join(lines))


def _described(
    model: str,
    predictions: Predictions,
    config: Mapping[str, Any],
    record: Mapping[str, Any],
    started: datetime.datetime,
) -> dict[str, Any]:
    """What the harness says about a run besides its numbers."""
    own = record.get('models', {}).get(model, {})
    named = own.get('source') or model
    tasks = config['tasks']
    keys = [key for key in predictions if key[0] == model]
    return {
        'configs': {lm_eval.sheet_name(key): {'task': key[1], **tasks[key[1]]} for key in keys},
        'n-shot': {lm_eval.sheet_name(key): int(tasks[key[1]].get('shots', 0)) for key in keys},
        'config': {
            'model': 'xlbarrier',
            'model_args': {'source': named, 'dtype': config['model']['compute_dtype']},
            'model_dtype': config['model']['compute_dtype'],
            'model_sha': own.get('fingerprint', ''),
            'bootstrap_iters': config['report']['bootstrap_draws'],
        },
        'git_hash': record.get('git_commit'),
        'date': started.timestamp(),
        'transformers_version': record.get('versions', {}).get('transformers'),
        'model_source': 'xlbarrier',
        'model_name': named,
        'model_name_sanitized': named.replace('/', '__'),
    }


def _write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (text + '\n').encode())
