"""Conductivity on our own fictional set: what is told in English, is it known in German?

    python -m xlbarrier.main --config=configs/fictional.py --workdir=runs/fictional

Fine-tunes on facts of an invented world, half of them told in English only, and on its names in
both languages; asks them all. Nothing is downloaded; the world follows from the seed. Any of
thirteen languages, and any size:

    --config.tasks.fictional.languages='("en","de","ar","ja")' --config.tasks.fictional.facts=400

A larger world needs more steps: about six epochs (run.json says how many there were).
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The quickstart's fields; one arm, trained on the rows of the task."""
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.arms = ('data',)
    config.data.files = ('task:fictional',)
    config.train.steps = 56
    config.train.learning_rate = 5e-4
    config.train.checkpoint_every = 1000
    config.tasks = ConfigDict()
    config.tasks.fictional = ConfigDict()
    config.tasks.fictional.languages = ('en', 'de')  # English, and those it is to cross into
    config.tasks.fictional.relations = ('place_continent',)  # person_place
    config.tasks.fictional.facts = 20  # of each relation, half of each type
    config.tasks.fictional.continents = 5
    config.tasks.fictional.wordings = 3  # of each fact in training; it is asked in another one
    config.tasks.fictional.choices = 4  # options of a question
    config.tasks.fictional.methods = ('loglikelihood', 'greedy')  # generate
    config.tasks.fictional.gate = 0.9  # least accuracy of what is taught; below it no XRR
    config.tasks.fictional.seed = 0  # of the world
    return config
