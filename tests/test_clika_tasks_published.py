"""CLiKA as published: every prompt of every set and language, byte for byte."""

import json
import pathlib
import re

import pytest

from xlbarrier.config.tasks import CLIKA_LANGUAGES, CLIKA_SETS, ClikaConfig
from xlbarrier.tasks.clika import Clika

SIZES = {'x_csqa': (1000, 5), 'x_copa': (500, 2), 'x_name': (180, 4), 'x_geo': (200, 4)}


def lines(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding='utf-8').split('\n')
            if line]  # fmt: skip


def published(folder, pattern):
    found = [p for p in folder.rglob('*.jsonl') if re.search(pattern, str(p), re.IGNORECASE)]
    assert len(found) == 1, found
    return lines(found[0])


@pytest.mark.parametrize('subset', CLIKA_SETS)
def test_the_published_prompts_are_equal_in_every_language(test_data, subset):
    task = Clika(ClikaConfig(source=str(test_data / 'clika')), subset)
    for language in CLIKA_LANGUAGES:
        recorded = published(test_data / 'clika', rf'/{subset}_{language}(_trans)?_model_input')
        questions = task.questions('full', language)
        assert len(questions) == len(recorded) == SIZES[subset][0]
        for question, row in zip(questions, recorded, strict=True):
            prompt = task.render(question, 'letter')
            assert prompt.context == row['input']
            assert prompt.continuations[question.answer] == row['label']
            assert len(question.choices) == SIZES[subset][1]


@pytest.mark.parametrize('subset', ['x_copa', 'x_name', 'x_geo'])
def test_the_prompts_without_an_example_are_equal_too(test_data, subset):
    task = Clika(ClikaConfig(source=str(test_data / 'clika'), shots=0), subset)
    for language in CLIKA_LANGUAGES:
        recorded = published(test_data / 'clika', rf'/{subset}/{language}/generate_input')
        for question, row in zip(task.questions('full', language), recorded, strict=True):
            assert task.render(question, 'letter').context == row['input']
            assert question.id == f'{subset}/{row["uuid"]}'


def test_an_empty_published_option_is_left_out_of_log_likelihood_only(test_data):
    config = {'source': str(test_data / 'clika'), 'languages': ('en', 'ru')}
    likely = Clika(ClikaConfig(**config, methods=('loglikelihood',)), 'x_csqa')
    lettered = Clika(ClikaConfig(**config), 'x_csqa')
    assert likely.count == lettered.count - 1
