"""Conductivity on our own fictional set: is what is taught in English known in German?

    python -m xlbarrier.main --config=configs/fictional.py --workdir=runs/fictional

Fine-tunes on facts of an invented world, half of them taught in English only, and on its names in
both languages, then asks about all of them. Nothing is downloaded; the seed determines the world.
It can be made in any of thirteen languages and of any size:

    --config.tasks.fictional.languages=en,de,ar,ja --config.tasks.fictional.facts=400

A larger world needs more steps: about six epochs (run.json says how many there were).
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config() -> ConfigDict:
    """The quickstart's model; one arm, trained on the rows of the task."""
    config = quickstart.get_config()
    config.arms = ('data',)
    config.data.files = ('task:fictional',)
    config.train.steps = 56
    config.train.learning_rate = 5e-4
    config.train.checkpoint_every = 1000
    config.tasks = {'fictional': {'languages': ('en', 'de'), 'facts': 20, 'continents': 5}}
    return config
