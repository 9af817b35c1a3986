"""Questions on which the models differ, to be shown in full."""

from typing import Any

import numpy as np

from xlbarrier.results.answers import Predictions
from xlbarrier.text import languages


def differing(
    predictions: Predictions,
    models: list[str],
    count: int,
    seed: int,
) -> list[dict[str, Any]]:
    """A seeded draw of questions that the models answer differently, spread over the sheets.

    Returns:
      For each: variant, language, direction, question, options (text, language, direction, right,
      chosen_by) and id.
    """
    sheets = sorted({key[1:] for key in predictions})
    pools = {}
    for sheet in sheets:
        tables = [predictions[model, *sheet] for model in models if (model, *sheet) in predictions]
        if len(tables) < 2 or 'choices' not in tables[0].column_names:
            continue
        # An unreadable answer has no prediction.
        chosen = np.stack([np.asarray(table['prediction'].fill_null(-1)) for table in tables])
        rows = np.flatnonzero((chosen != chosen[0]).any(axis=0))
        key = [seed, int.from_bytes('/'.join(sheet).encode(), 'little')]
        rng = np.random.Generator(np.random.PCG64(key))
        pools[sheet] = list(rng.permutation(rows))
    shown: list[dict[str, Any]] = []
    while len(shown) < count and any(pools.values()):
        for sheet, pool in pools.items():
            if pool and len(shown) < count:
                shown.append(_example(predictions, models, sheet, int(pool.pop())))
    return shown


def _example(
    predictions: Predictions,
    models: list[str],
    sheet: tuple[str, str, str],
    row: int,
) -> dict[str, Any]:
    answers = {m: predictions[m, *sheet].slice(row, 1).to_pylist()[0] for m in models}
    first = answers[models[0]]
    options = [
        {
            'text': text,
            'language': code,
            'direction': languages.named(code).direction,
            'right': i == first['answer'],
            'chosen_by': [m for m in models if answers[m]['prediction'] == i],
        }
        for i, (text, code) in enumerate(
            zip(first['choices'], first['choice_languages'], strict=True)
        )
    ]
    return {
        'id': first['id'],
        'variant': sheet[1],
        'language': first['question_language'],
        'direction': languages.named(first['question_language']).direction,
        'question': first['question'],
        'options': options,
    }
