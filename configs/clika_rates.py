"""CLiKA's study of the learning rate (Gao et al. 2024): what does teaching new facts cost?

    for rate in 1e-4 2e-4 4e-4 8e-4; do
        python -m xlbarrier.main --config=configs/clika_rates.py:data/clika,$rate \\
            --workdir=runs/rates/$rate
    done
    python -m xlbarrier.main --config=configs/clika.py --workdir=runs/rates-all \\
        --config.mode=rescore --config.rescore.root=runs/rates

Teaches Baichuan2-13B-Chat the fictional set in Chinese with LoRA, as clika_conductivity does, and
asks the four sets on performance and consistency before and after. The last command puts all rates
into one table. The published Chinese rows answer none of the published questions, so XRR says
nothing here; the authors recorded the answers to the four sets as well. Another language, model and
template: --config=configs/clika_rates.py:data/clika,4e-4,de,alpaca --config.model.source=...
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import clika, clika_conductivity


def get_config(settings: str = 'data/clika,2e-4') -> ConfigDict:
    """The study of clika_conductivity, with the four sets.

    Args:
      settings: folder of the published sets, the learning rate, and what clika_conductivity takes,
        with commas between; Chinese and the template baichuan2 unless others are given.
    """
    source, *words = settings.split(',')
    templates = [word for word in words if word in clika_conductivity.TEMPLATES]
    languages = [word for word in words if word not in templates and not word[:1].isdigit()]
    words += ['lora', *([] if templates else ['baichuan2']), *([] if languages else ['zh'])]
    config = clika_conductivity.get_config(','.join([f'{source}/fictional', *words]))
    config.model.source = 'hf:baichuan-inc/Baichuan2-13B-Chat'
    config.train.lora_targets = ('q', 'k', 'v')  # W_pack is all three
    config.tasks.conductivity.unstated = 'keep'
    config.tasks = {**config.tasks.to_dict(), **clika.get_config(source).tasks.to_dict()}
    return config
