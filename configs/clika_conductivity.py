"""Reproduces the conductivity table of CLiKA (Gao et al. 2024): XRR on the published fictional set.

    python -m xlbarrier.main --config=configs/clika_conductivity.py:SET,de --workdir=runs/xrr-de \\
        --config.model.source=hf:meta-llama/Llama-2-13b-hf

SET is the folder with the published `train` and `test`. One language besides English is one cell of
the table; several are taught together. Fine-tunes on the published rows, then asks for translations
and facts of types 0 and 1. XRR is reported if at least 90 % of what was taught is known. The rows
are first compared with the questions: the published Chinese rows (zh) answer none of them, and are
refused.

Settings are those of the published scripts, trainFull.sh and, with the word lora, trainLora.sh. The
other words of the setting are a template and a learning rate:

    --config=configs/clika_conductivity.py:SET,de,lora,vicuna,4e-4

The template is that of the model, as published: alpaca (LLaMA, Chinese-LLaMA, Alpaca, Llama 2,
Baichuan2 base; the default), llama2 (Llama 2 chat, LeoLM), llama2_zh (Chinese-Alpaca-2), vicuna,
baichuan2, BayLing, hessianai (LeoLM chat), empty (BLOOMZ). LoRA of BLOOM and Baichuan2, whose
query, key and value are one matrix, was on all three: --config.train.lora_targets=q,k,v.
"""

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.recipes import quickstart

# The published name of a template, and ours.
TEMPLATES = {
    'alpaca': 'clika',
    'llama2': 'llama2',
    'llama2_zh': 'llama2-zh',
    'vicuna': 'vicuna',
    'baichuan2': 'baichuan2',
    'BayLing': 'bayling',
    'hessianai': 'hessianai',
    'empty': 'raw',
}
METHODS = ('full', 'lora')


def get_config(settings: str = 'data/clika/fictional,de') -> ConfigDict:
    """A study of one arm, trained on the rows of the task.

    Args:
      settings: folder of the set, languages, and perhaps one of METHODS, one of TEMPLATES and a
        learning rate, with commas between.

    Raises:
      ConfigError: for two methods, templates or rates.
    """
    source, *words = settings.split(',')
    rates = [word for word in words if word[:1].isdigit()]
    methods = [word for word in words if word in METHODS]
    templates = [word for word in words if word in TEMPLATES]
    if max(map(len, (rates, methods, templates))) > 1:
        raise ConfigError(
            f'clika_conductivity:{settings}: expected at most one of {", ".join(METHODS)}, one of'
            f' {", ".join(TEMPLATES)}, and one learning rate'
        )
    languages = [word for word in words if word not in (*rates, *methods, *templates)]
    config = quickstart.get_config()
    config.arms = ('data',)
    config.data.files = ('task:conductivity',)
    config.train.steps = 0
    config.train.epochs = 3.0
    config.train.row_tokens = 256
    config.train.pad = True  # packed rows would have several examples, and an update more than 64
    config.train.batch_rows = 64  # on four devices, 8 at a time and twice
    config.train.learning_rate = 2e-5
    config.train.warmup_steps = 0
    if methods == ['lora']:
        config.train.method = 'lora'
        config.train.batch_rows = 128  # four times
        config.train.learning_rate = 2e-4
        config.train.lora_rank = 128
        config.train.lora_alpha = 16.0
        config.train.lora_dropout = 0.1
        config.train.lora_targets = ('q', 'v')
    if rates:
        config.train.learning_rate = float(rates[0])
    config.train.checkpoint_every = 100
    config.train.log_every = 10
    config.tasks = {
        'conductivity': {
            'source': source,
            'languages': ('en', *(languages or ['de'])),
            'template': TEMPLATES[(templates or ['alpaca'])[0]],
        }
    }
    return config
