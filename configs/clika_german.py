"""CLiKA's German supplement (Gao et al. 2024): LeoLM beside Llama 2, from the recorded answers.

    python -m xlbarrier.main --config=configs/clika_german.py:FOLDER --workdir=runs/german

FOLDER is a copy of the authors' repository, RiverGao/CLiKA, which has the answers. LeoLM is Llama 2
13B trained on with German text. The table has accuracy, RA and en-CO in English and German, and the
paired differences to Llama 2; no model is run. Other recorded models and languages:

    --config.rescore.models=llama2_7b,bloomz_7b1_mt --config.rescore.languages=en,de,fr
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart

MODELS = ('llama2_13b', 'LeoLM_leo_hessianai_13b', 'LeoLM_leo_hessianai_13b_chat')


def get_config(folder: str = 'data/clika') -> ConfigDict:
    """The numbers of recorded answers.

    Args:
      folder: with x_copa, x_csqa and so on.
    """
    config = quickstart.get_config()
    config.mode = 'rescore'
    config.rescore.root = folder
    config.rescore.layouts = ('clika',)
    config.rescore.models = MODELS
    config.rescore.languages = ('en', 'de')
    config.rescore.reference = 'llama2_13b'
    return config
