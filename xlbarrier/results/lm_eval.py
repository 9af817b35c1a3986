"""A run's numbers and answers in the layout of lm-evaluation-harness's files.

Each sheet (task, variant, language) becomes a task of theirs, `<task>_<variant>_<language>`, and
our task the group of its sheets. Field names are those of lm_eval 0.4 (its `result_schema.py`).
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from xlbarrier.results.answers import READINGS, AnswersKey, Predictions
from xlbarrier.results.rows import ResultRow

# Their names of our metrics; `acc_norm` is normalised by characters there too.
NAMES = {
    'accuracy': 'acc',
    'accuracy_char': 'acc_norm',
    'accuracy_byte': 'acc_bytes',
    'accuracy_token': 'acc_tokens',
    'accuracy_pmi': 'acc_mutual_info',
}
HIGHER = {*NAMES.values(), 'exact_match', 'f1', 'bleu', 'chrf'}  # is better
_DOC = ('id', 'subject', 'language', 'choice_languages', 'question', 'choices', 'references')


def results(
    model: str, rows: Sequence[ResultRow], predictions: Predictions, described: Mapping[str, Any]
) -> dict[str, Any]:
    """The object of results_<date>.json for one model.

    Args:
      model: its name in the run, `base` or an arm.
      rows: of results.json, of all models.
      predictions: (model, task, variant, language) -> table, of all models.
      described: further fields, such as `config`, `date` and `model_name`.
    """
    sheets = {key: table for key, table in predictions.items() if key[0] == model}
    found: dict[str, dict[str, Any]] = {}
    groups: dict[str, list[str]] = {}
    for key, table in sheets.items():
        name = sheet_name(key)
        found[name] = {'alias': name, 'name': name, 'sample_len': len(table)}
        groups.setdefault(key[1], []).append(name)
    for row in rows:
        key = row['model'], row['task'], row['variant'], row['language']
        if key not in sheets or 'subject' in row or row['value'] is None:
            continue
        if row['metric'] in NAMES:
            if (row['method'], row['metric']) not in READINGS:
                continue
            n, value = row['n'] or 0, row['value']
            error: float | str = math.sqrt(value * (1 - value) / (n - 1)) if n > 1 else 'N/A'
        elif row['metric'] in sheets[key].column_names:  # a mean that the task computes
            error = 'N/A'
        else:
            continue
        named, way = NAMES.get(row['metric'], row['metric']), _filter(row['method'])
        found[sheet_name(key)] |= {f'{named},{way}': row['value'], f'{named}_stderr,{way}': error}
    metrics = {name: sorted({k.split(',')[0] for k in found[name] if ',' in k}) for name in found}
    return {
        'results': found,
        'group_subtasks': groups,
        'versions': dict.fromkeys(found, 0),
        'higher_is_better': {
            name: {m: m in HIGHER or None for m in listed if not m.endswith('_stderr')}
            for name, listed in metrics.items()
        },
        'n-samples': {
            sheet_name(key): {'original': len(table), 'effective': len(table)}
            for key, table in sheets.items()
        },
        **described,
    }


def sheet_name(key: AnswersKey) -> str:
    """Their name of a sheet."""
    return '_'.join(key[1:])


def samples(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The lines of samples_<task>_<date>.jsonl: one per item of a sheet, in order.

    `arguments` has each option without its context, whose SHA-256 is `prompt_hash`, as theirs is;
    `resps` has log-likelihoods without the greedy flag, which a sheet does not keep.
    """
    for number, row in enumerate(table.to_pylist()):
        doc = {name: row[name] for name in _DOC if name in row}
        options = row.get('choices') or []
        scores = row.get('scores') if row.get('method') != 'letter' else row.get('letter_scores')
        if scores and options:
            responses = [[[str(score), None]] for score in scores]
            arguments = {f'gen_args_{i}': {'arg_1': text} for i, text in enumerate(options)}
        else:
            responses = [[row.get('written', '')]]
            arguments = {'gen_args_0': {}}
        target = str(row['answer'] if 'answer' in row else row.get('references', ''))
        scored = _scored(row)
        yield {
            'doc_id': number,
            'doc': doc,
            'target': target,
            'arguments': arguments,
            'resps': responses,
            'filtered_resps': [answer[0] for answer in responses],
            'filter': 'none',
            'metrics': list(scored),
            'doc_hash': _digest(json.dumps(doc, indent=2, ensure_ascii=False)),
            'prompt_hash': row.get('prompt_sha256', ''),
            'target_hash': _digest(target),
            **scored,
        }


def _scored(row: Mapping[str, Any]) -> dict[str, float]:
    """An item's own numbers: right or wrong in each reading, and what its task computed."""
    found: dict[str, float] = {}
    for (method, metric), column in READINGS.items():
        if column in row and 'answer' in row:
            way = _filter(method)
            name = NAMES[metric] + ('' if way == 'none' else f'_{way}')
            found[name] = float(row[column] == row['answer'])
    if not found:
        found = {name: value for name, value in row.items() if isinstance(value, float)}
    return found


def _filter(method: str) -> str:
    """Their `filter` of our method."""
    return 'none' if method == 'loglikelihood' else method.replace(':', '_')


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
