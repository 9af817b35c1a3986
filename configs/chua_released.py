"""Measures the checkpoints that Chua et al. 2024 released, in one table.

    python -m xlbarrier.main --config=configs/chua_released.py --workdir=runs/released

reads from the hub the 14 models fine-tuned on WikiText-2 and WikiText-103, those of WikiText-103
after 200, 400, 600 and 800 updates, and the one of its lines about Harry Potter, and asks each MMLU
and the Harry Potter Quiz as chua_finetune does. The first model is Llama 2 7B, so the differences
to the base mean little for the Llama 3 models. One family, with its own base and paired tests
against it:

    --config=configs/chua_released.py:llama3-8b

Each model is measured once: a second start with the same workdir goes on where the first one
ended. The models are float32 files; --config.model.param_dtype=bfloat16 halves the memory.
"""

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.recipes import chua_finetune, quickstart

TEXTS = (
    *('wiki2-en', 'wiki2-mixed-lang-document', 'wiki2-mixed-lang-sentence'),
    *('wiki2-mixed-lang-sentence8words', 'wiki103-en', 'wiki103-mixed-lang-sentence'),
    'wiki103-mixed-lang-sentence8words',
)
# Of llama3-8b, after 200, 400, 600 and 800 updates.
SERIES = ('en', 'mixed-sentence', 'mixed-sentence8words')
DOMAIN = 'Cross-ling-mem/llama2-7b-wikitext103-hp-mixed-sentence8words'


def get_config(family: str = '') -> ConfigDict:
    """An evaluation of many models.

    Args:
      family: llama2-7b or llama3-8b; '': both.

    Raises:
      ConfigError: for another family.
    """
    families = [family] if family else list(chua_finetune.MODELS)
    if not set(families) <= set(chua_finetune.MODELS):
        known = ', '.join(chua_finetune.MODELS)
        raise ConfigError(f'chua_released:{family}: expected one of {known}, or nothing')
    config = quickstart.get_config()
    config.mode = 'eval'
    config.model.source = chua_finetune.MODELS[families[0]]
    config.model.others = tuple(
        f'{name}={place}' for each in families for name, place in released(each).items()
    )
    if not family:
        base = chua_finetune.MODELS['llama3-8b']
        config.model.others = (*config.model.others, f'llama3-8b={base}')
    config.score.letter_tokens = 'published'
    config.tasks = chua_finetune.tasks()
    return config


def released(family: str) -> dict[str, str]:
    """The source of each released model of a family, by name."""
    found = {f'{family}-{text}': f'hf:cross-ling-know/{family}-{text}' for text in TEXTS}
    if family == 'llama2-7b':
        return found | {DOMAIN.partition('/')[2]: f'hf:{DOMAIN}'}
    names = [
        f'{family}-wikitext103-{text}-{step}steps'
        for text in SERIES
        for step in chua_finetune.SNAPSHOTS
    ]
    return found | {name: f'hf:Cross-ling-mem/{name}' for name in names}
