"""The model families: an entry each, by the `model_type` of config.json."""

from xlbarrier.models.families.experts import EXPERTS
from xlbarrier.models.families.family import (
    COMMON,
    DEFAULTS,
    LOCAL,
    WHOLE,
    Family,
    Fused,
    Style,
    names_of,
)
from xlbarrier.models.families.gemma4 import GEMMA4
from xlbarrier.models.families.gemma_cohere import GEMMA_COHERE
from xlbarrier.models.families.layer_norm import LAYER_NORM
from xlbarrier.models.families.llama_like import LLAMA_LIKE

FAMILIES: dict[str, Family] = {
    **LLAMA_LIKE,
    **GEMMA_COHERE,
    **GEMMA4,
    **LAYER_NORM,
    **EXPERTS,
}

__all__ = [
    'COMMON',
    'DEFAULTS',
    'FAMILIES',
    'LOCAL',
    'WHOLE',
    'Family',
    'Fused',
    'Style',
    'names_of',
]
