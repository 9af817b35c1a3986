"""TOFU's recorded evaluation (Maini et al. 2024), as its authors' code writes it.

    <model>/eval_results/<size>/eval_log.json[.xz], eval_log_forget.json, eval_real_*.json

Each is an object of fields, each an object of items: `generated_text` (prompt, answer, reference),
losses and token counts. `eval_log_aggregated.json` repeats them and is not read.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xlbarrier import metrics
from xlbarrier.rescore import records
from xlbarrier.results.recorded import RecordError
from xlbarrier.results.tofu import TofuLog

VARIANTS = {
    'eval_log': 'retain',
    'eval_log_forget': 'forget',
    'eval_real_author_wo_options': 'real_authors',
    'eval_real_world_wo_options': 'world_facts',
}
LOOKED_FOR = f'<model>/eval_results/*/<name>.json[.xz] with name {", ".join(VARIANTS)}'
# In the sets with short answers TOFU normalises the probability over the wrong answers too.
NORMALISED = ('real_authors', 'world_facts')
# Recorded fields that are compared with what is computed.
RECORDED = ('rouge1_recall', 'rougeL_recall', 'truth_ratio')


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """Every recorded evaluation below the root."""
    paths = [*root.rglob('eval_*.json'), *root.rglob('eval_*.json.xz')]
    return sorted(path for path in paths if _stem(path) in VARIANTS)


def read(
    paths: Sequence[pathlib.Path],
    language: str = '',
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> list[TofuLog]:
    """The evaluations in the files that `find` found; empty filters take everything.

    Args:
      language: of the questions; decides how ROUGE splits words. English where it is not given.

    Raises:
      RecordError: for a file that is not JSON, a missing field, items missing from a field, or two
        files of the same set.
    """
    language = language or 'en'
    if (tasks and 'tofu' not in tasks) or (languages and language not in languages):
        return []
    kept = [path for path in paths if not models or _model(path) in models]
    records.refuse_second_file(kept, lambda path: (_model(path), VARIANTS[_stem(path)]))
    return [_evaluation(path, language) for path in kept]


def _evaluation(path: pathlib.Path, language: str) -> TofuLog:
    try:
        log = json.loads(records.read_text(path))
    except ValueError as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f'{path} is not JSON ({error}): it was cut; fetch it again') from error
    if not isinstance(log, dict):
        raise RecordError(f'{path} is {type(log).__name__}; expected an object of fields')
    texts = records.value(log, 'generated_text', dict, str(path))
    ids = tuple(texts)
    if not ids:
        raise RecordError(f'{path}: generated_text has no items')
    needed = ('avg_gt_loss', 'avg_paraphrased_loss', 'average_perturb_loss')
    fields = {name: _field(log, name, ids, path) for name in needed}
    rouge: dict[str, list[float]] = {'rouge1': [], 'rougeL': []}
    for name in ids:
        text = texts[name]
        if not (
            isinstance(text, list) and len(text) == 3 and all(isinstance(t, str) for t in text)
        ):
            raise RecordError(
                f'{path}: generated_text of item {name} is {str(text)[:80]!r}; expected prompt,'
                ' answer and reference'
            )
        recall = metrics.rouge_recall(text[2], metrics.without_thought(text[1]), language)
        for kind, found in rouge.items():
            found.append(recall[kind])
    variant = VARIANTS[_stem(path)]
    try:
        # float32, as the recorded ratios were computed.
        right = np.asarray(fields['avg_paraphrased_loss'], np.float32)
        wrong = [np.asarray(losses, np.float32) for losses in fields['average_perturb_loss']]
        ratio = metrics.truth_ratio(right, wrong).astype(np.float64)
        loss, others = fields['avg_gt_loss'], fields['average_perturb_loss']
        values = {
            'probability': metrics.choice_probability(loss, others)
            if variant in NORMALISED
            else metrics.answer_probability(loss),
            'rouge1_recall': np.asarray(rouge['rouge1']),
            'rougeL_recall': np.asarray(rouge['rougeL']),
            'truth_ratio': ratio,
            'truth_ratio_score': metrics.truth_ratio_score(ratio, forget=variant == 'forget'),
        }
    except (TypeError, ValueError) as error:
        raise RecordError(f'{path}: {error}') from error
    recorded = {
        name: np.asarray(_field(log, name, ids, path), np.float64)
        for name in RECORDED
        if name in log
    }
    if 'normalized_gt_loss' in log and variant in NORMALISED:
        losses = _field(log, 'normalized_gt_loss', ids, path)
        recorded['probability'] = np.exp(-np.asarray(losses, np.float64))
    return TofuLog(_model(path), variant, language, path, ids, values, recorded)


def _field(log: Mapping[str, Any], name: str, ids: Sequence[str], path: pathlib.Path) -> list[Any]:
    found = records.value(log, name, dict, str(path))
    lacking = [item for item in ids if item not in found] or [
        item for item in found if item not in set(ids)
    ]
    if lacking:
        raise RecordError(
            f'{path}: {name} and generated_text do not have the same items: {len(lacking)} differ'
            f' (ids {", ".join(lacking[:10])})'
        )
    return [found[item] for item in ids]


def _stem(path: pathlib.Path) -> str:
    return path.name.removesuffix('.xz').removesuffix('.json')


def _model(path: pathlib.Path) -> str:
    parts = records.named(path)
    if 'eval_results' in parts:
        at = len(parts) - 1 - parts[::-1].index('eval_results')
        # Sizes other than the published one are part of the name.
        size = [] if parts[at + 1] in ('ds_size300', path.name) else [parts[at + 1]]
        return '/'.join([parts[at - 1], *size])
    return path.parent.name
