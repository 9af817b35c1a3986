"""CLiKA's comparison of groups of models (Gao et al. 2024): what do continued pretraining, mixed
pretraining and instruction tuning change?

    python -m xlbarrier.main --config=configs/clika_groups.py:SETS,llama2 --workdir=runs/groups

asks Llama 2 13B, its continuations and its instruction-tuned versions x_csqa, x_copa, x_name and
x_geo in ten languages, in one table: each model's accuracy, RA and en-CO, and its paired difference
to the base model, with intervals and tests adjusted for their number. Names begin with the group.
Besides llama2 there are llama, baichuan2 and bloom. For models of your own:

    --config.model.source=BASE --config.model.others=continued.NAME=...,tuned.NAME=...

From the answers that the authors recorded, without a model: clika and clika_german.
"""

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.recipes import clika

# The base model of each family, and the others with their groups. The authors' own m-LLaMA and
# models of weight differences (Alpaca, BayLing v1.0) have no address that can be loaded.
FAMILIES = {
    'llama2': (
        'hf:meta-llama/Llama-2-13b-hf',
        {
            'continued.chinese-llama-2': 'hf:hfl/chinese-llama-2-13b',
            'continued.leolm': 'hf:LeoLM/leo-hessianai-13b',
            'tuned.llama-2-chat': 'hf:meta-llama/Llama-2-13b-chat-hf',
            'tuned.vicuna': 'hf:lmsys/vicuna-13b-v1.5',
            'continued-tuned.chinese-alpaca-2': 'hf:hfl/chinese-alpaca-2-13b',
            'continued-tuned.leolm-chat': 'hf:LeoLM/leo-hessianai-13b-chat',
            'mixed.baichuan2': 'hf:baichuan-inc/Baichuan2-13B-Base',
        },
    ),
    'llama': (
        'hf:huggyllama/llama-13b',
        {'tuned.bayling': 'hf:ICTNLP/bayling-13b-v1.1', 'mixed.bloom': 'hf:bigscience/bloom-7b1'},
    ),
    'baichuan2': (
        'hf:baichuan-inc/Baichuan2-13B-Base',
        {'tuned.baichuan2-chat': 'hf:baichuan-inc/Baichuan2-13B-Chat'},
    ),
    'bloom': (
        'hf:bigscience/bloom-7b1',
        {
            'tuned.bloomz': 'hf:bigscience/bloomz-7b1',
            'tuned.bloomz-mt': 'hf:bigscience/bloomz-7b1-mt',
        },
    ),
}


def get_config(settings: str = 'data/clika,llama2') -> ConfigDict:
    """An evaluation of several models.

    Args:
      settings: folder of the published sets, and the family.

    Raises:
      ConfigError: for a family that is not one of FAMILIES.
    """
    sets, _, family = settings.partition(',')
    if family not in FAMILIES:
        raise ConfigError(
            f'clika_groups:{settings}: expected SETS,FAMILY with {", ".join(FAMILIES)}'
        )
    config = clika.get_config(sets)
    base, others = FAMILIES[family]
    config.model.source = base
    config.model.others = tuple(f'{name}={place}' for name, place in others.items())
    return config
