"""MMLU as published: every digest of the golden prompts, and the letters' probabilities."""

import collections
import hashlib
import json

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.test_multiple_choice import measure
from xlbarrier import api
from xlbarrier import mesh as mesh_lib
from xlbarrier.config.tasks import MmluConfig
from xlbarrier.tasks.mmlu import Mmlu


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def settings_of(row):
    return row['k'], row['demos'], row.get('intervention', -1)


def task_of(data, setting, variants, **more):
    shots, demos, intervention = setting
    return Mmlu(
        MmluConfig(
            source=f'{data}/mmlu_{{language}}',
            languages=('ar',),
            variants=tuple(variants),
            shots=shots,
            demos='english' if demos == 'none' else demos,
            intervention=intervention,
            methods=('generate',) if intervention == 2 else ('letter',),
            **more,
        )
    )


@pytest.fixture(scope='module')
def golden(test_data):
    return lines(test_data / 'golden/mmlu_prompts.jsonl')


def made(task, row, cache):
    variant = row['variant']
    language = 'en' if variant == 'english' else 'ar'
    if (id(task), variant) not in cache:
        cache[id(task), variant] = {q.id: q for q in task.questions(variant, language)}
    question = cache[id(task), variant][f'{row["subject"]}/{row["row"]}']
    return question, task.render(question, task.config.methods[0])


def test_every_golden_digest_is_equal(test_data, golden):
    by_setting = collections.defaultdict(list)
    for row in golden:
        by_setting[settings_of(row)].append(row)
    equal, cache, tasks = 0, {}, []
    for setting, rows in by_setting.items():
        # Not all 57 subjects each time: reading them is most of this test's time.
        subjects = tuple(sorted({row['subject'] for row in rows}))
        tasks.append(
            task_of(test_data, setting, sorted({r['variant'] for r in rows}), subjects=subjects)
        )
        for row in rows:
            question, prompt = made(tasks[-1], row, cache)
            assert 'ABCD'[question.answer] == row['label']
            assert (prompt.shots, prompt.demos, prompt.intervention) == setting
            equal += hashlib.sha256(prompt.context.encode()).hexdigest() == row['sha256']
    assert equal == len(golden) == 6522


def test_the_whole_prompts_are_equal(test_data):
    whole = lines(test_data / 'golden/mmlu_prompts_in_full.jsonl')
    assert len(whole) == 75
    tasks, cache = {}, {}
    for row in whole:
        setting = settings_of(row)
        if setting not in tasks:
            variants = {r['variant'] for r in whole if settings_of(r) == setting}
            subjects = tuple(sorted({r['subject'] for r in whole if settings_of(r) == setting}))
            tasks[setting] = task_of(test_data, setting, sorted(variants), subjects=subjects)
        assert made(tasks[setting], row, cache)[1].context == row['prompt']


def test_the_two_forms_are_read_alike_and_are_aligned(test_data):
    task = task_of(test_data, (0, 'none', -1), ('english', 'full'))
    english, arabic = task.questions('english', 'en'), task.questions('full', 'ar')
    assert len(english) == len(arabic) == 14_042
    assert [q.answer for q in english] == [q.answer for q in arabic]
    assert [q.id for q in english] == [q.id for q in arabic]
    assert sum(choice == 'None' for q in english for choice in q.choices) == 10
    assert len({q.subject for q in english}) == 57


@pytest.mark.slow
def test_letter_probabilities_are_the_published_codes(test_data, smollm2_gguf, tmp_path):
    recorded = lines(test_data / 'golden/mmlu_letter_scores.jsonl')
    assert len(recorded) == 119
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    model = api.load_model(smollm2_gguf, 'float32', mesh=mesh)
    wanted = {row['sha256']: row for row in recorded}
    found = {}
    for shots in sorted({row['k'] for row in recorded}):
        rows = [row for row in recorded if row['k'] == shots]
        subjects = tuple(sorted({row['subject'] for row in rows}))
        variants = sorted({row['variant'] for row in rows})
        task = task_of(test_data, (shots, 'english', -1), variants, subjects=subjects)
        asked = task.questions
        task.name = f'mmlu_{shots}'

        def only_recorded(variant, language, asked=asked, task=task):
            digest = {
                q.id: hashlib.sha256(task.render(q, 'letter').context.encode()).hexdigest()
                for q in asked(variant, language)
            }
            return [q for q in asked(variant, language) if digest[q.id] in wanted]

        task.questions = only_recorded
        paths = measure(
            task,
            model.decoder,
            model.tokenizer,
            mesh,
            tmp_path,
            ('letter',),
            row_tokens=1024,
            letter_tokens='published',
        )
        for path in paths.values():
            for row in pq.read_table(path).to_pylist():
                found[row['prompt_sha256']] = row
    assert set(found) == set(wanted)
    worst = 0.0
    for digest, row in found.items():
        scores = np.array(row['letter_scores'])
        probabilities = np.exp(scores - np.logaddexp.reduce(scores))
        recorded_ = wanted[digest]
        worst = max(worst, np.abs(probabilities - recorded_['probabilities']).max())
        best, second = sorted(recorded_['probabilities'])[::-1][:2]
        if best - second > 2e-4:
            assert 'ABCD'[row['letter_prediction']] == recorded_['prediction']
    assert worst < 1e-4
