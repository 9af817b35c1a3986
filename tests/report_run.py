"""A finished run folder for the tests of the report: real questions, seeded made-up answers.

The answers stand in for a model's only because the report must be tested without running one.
"""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier import metrics
from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.results.run import result_rows
from xlbarrier.tasks.worldfacts import WorldFacts

LANGUAGES = ('en', 'ar', 'fr', 'he', 'zh')
SKILL = {'base': 0.3, 'english': 0.32, 'mixed': 0.45}


def predictions(models=tuple(SKILL), questions=80, seed=0):
    """(model, task, variant, language) -> table; English is known best, `mixed` lifts the rest."""
    task = WorldFacts(
        WorldFactsConfig(questions=questions, languages=LANGUAGES, variants=('full', 'mixup'))
    )
    rng = np.random.Generator(np.random.PCG64(seed))
    found = {}
    for model in models:
        for variant in task.variants:
            for language in LANGUAGES:
                rows = [
                    answer(q, 0.9 if language == 'en' else SKILL[model], rng)
                    for q in task.questions(variant, language)
                ]
                found[model, 'worldfacts', variant, language] = pa.Table.from_pylist(rows)
    return found


def answer(question, skill, rng):
    scores = -rng.random(4) * 9 - 1
    if rng.random() < skill:
        scores[question.answer] = -0.5
    tokens = [1 + len(choice) // 4 for choice in question.choices]
    prior = (-rng.random(4) * 9).tolist()
    chosen = metrics.predictions(scores, question.choices, tokens=tokens, unconditional=prior)
    letters = -rng.random(4)
    return {
        'id': question.id,
        'language': question.language,
        'question_language': question.language,
        'choice_languages': list(question.choice_languages),
        'prompt_sha256': '',
        'method': 'loglikelihood',
        'scores': scores.tolist(),
        'prediction': chosen['raw'],
        'answer': question.answer,
        'correct': chosen['raw'] == question.answer,
        'subject': question.subject,
        'question': question.question,
        'choices': list(question.choices),
        'choice_tokens': tokens,
        'unconditional_scores': prior,
        **{f'prediction_{name}': index for name, index in chosen.items()},
        'letter_scores': letters.tolist(),
        'letter_prediction': int(letters.argmax()),
    }


def write(folder, models=tuple(SKILL), made=None):
    """Writes the folder as a study leaves it, before its report."""
    made = predictions(models) if made is None else made
    for (model, task, variant, language), table in made.items():
        path = folder / 'predictions' / model / task / f'{variant}.{language}.parquet'
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    rows = result_rows(made, draws=500)
    files = {
        'results.json': {'schema': 1, 'rows': rows},
        'config.json': {
            'mode': 'study',
            'seed': 0,
            'model': {'source': 'pypi:a-model==1'},
            'report': {'examples': 10},
        },
        'run.json': {
            'versions': {'xlbarrier': '0', 'jax': '0'},
            'machine': {'processor': 'p', 'cpus': 2, 'system': 's'},
            'devices': ['cpu'],
            'mesh': {'data': 1},
            'seed': 0,
            'git_commit': 'c0ffee',
            'command': 'python -m xlbarrier.main --config=x',
            'models': {
                m: {'source': m, 'name': f'Org/{m}', 'fingerprint': 'f' * 64} for m in models
            },
            'finished': '2026-01-01T00:00:00+00:00',
            'training': {m: {'rows': 4, 'epochs': 1.0, 'tokens': 512} for m in models[1:]},
            'peak_memory_bytes': 3_000_000_000,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    lines = [
        {'arm': m, 'step': s, 'tokens': 100 * s, 'loss': 3 - s / 10}
        for m in models[1:]
        for s in range(1, 6)
    ]
    (folder / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return rows
