"""adapter_config.json of a LoRA adapter in PEFT's format: what it says, and what is refused."""

import math
import pathlib
from collections.abc import Mapping
from typing import Any

import regex

from xlbarrier import datafiles
from xlbarrier.errors import InputError

FILE = 'adapter_config.json'
MATCH_SECONDS = 1.0  # that a pattern of the config may take on a name
# Fields of adapter_config.json -> values under which the adapter is plain LoRA.
PLAIN: dict[str, tuple[Any, ...]] = {
    'peft_type': ('LORA',),
    'bias': ('none', None),
    'use_dora': (False, None),
    'modules_to_save': (None, []),
    'layer_replication': (None,),
    'lora_bias': (False, None),
    'trainable_token_indices': (None,),
    'target_parameters': (None, []),
    'alora_invocation_tokens': (None,),
    'use_bdlora': (None,),
    'arrow_config': (None,),
    'kasa_config': (None,),
    'monteclora_config': (None,),
}
# Of init_lora_weights: PEFT takes a part of the base's weights away when it makes such an adapter.
CHANGE_THE_BASE = ('pissa', 'corda', 'olora', 'loftq', 'lora_ga')


def read_config(folder: pathlib.Path) -> dict[str, Any]:
    """What the adapter's config says.

    Raises:
      FileNotFoundError, InputError: naming the file, and the field that is no plain LoRA's.
    """
    path = folder / FILE
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist: {folder} is no PEFT adapter')
    raw = datafiles.read_object(path)
    for name, allowed in PLAIN.items():
        if raw.get(name) not in allowed:
            raise InputError(
                f'{path}: {name} = {raw.get(name)!r} is not supported; supported: {allowed[0]!r}'
            )
    made = raw.get('init_lora_weights')
    if isinstance(made, str) and made.lower().startswith(CHANGE_THE_BASE):
        raise InputError(
            f'{path}: init_lora_weights = {made!r} is not supported: the adapter is for a base'
            ' whose weights PEFT has changed; save it as plain LoRA'
            ' (save_pretrained(..., path_initial_model_for_weight_conversion=...))'
        )
    if type(raw.get('r')) is not int or raw['r'] < 1:
        raise InputError(f'{path}: r is {raw.get("r")!r}; expected a whole number, at least 1')
    if not _is_number(raw.get('lora_alpha')):
        raise InputError(f'{path}: lora_alpha is {raw.get("lora_alpha")!r}; expected a number')
    for name in ('rank_pattern', 'alpha_pattern'):
        found = raw.get(name) or {}
        if not isinstance(found, dict) or not all(map(_is_number, found.values())):
            raise InputError(f'{path}: {name} is {found!r}; expected numbers by module')
    return raw


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def is_targeted(raw: Mapping[str, Any], module: str, layer: int) -> bool:
    """Whether PEFT puts an adapter on this module, of those that it adapts in some layer."""
    layers = raw.get('layers_to_transform')
    if layers not in (None, []):
        return layer in (layers if isinstance(layers, list) else [layers])
    target = raw.get('target_modules')
    if isinstance(target, str):
        return target == 'all-linear' or _matches(target, module)
    names = target if isinstance(target, list) else []
    return not names or any(module == each or module.endswith(f'.{each}') for each in names)


def _matches(pattern: str, module: str) -> bool:
    """Whether the pattern of a config is the whole name, within a second."""
    try:
        return regex.fullmatch(pattern, module, timeout=MATCH_SECONDS) is not None
    except (regex.error, TimeoutError) as error:
        raise InputError(
            f'{FILE}: the pattern {pattern!r} cannot be compared with {module!r}: {error!r}'
        ) from error


def of_pattern(raw: Mapping[str, Any], field: str, module: str, default: float) -> float:
    """A module's own rank or alpha, by the first pattern that matches (PEFT's get_pattern_key)."""
    for pattern, value in (raw.get(field) or {}).items():
        if _matches(rf'(.*\.)?({pattern})', module):
            return float(value)
    return default


def scale(raw: Mapping[str, Any], module: str, rank: int) -> float:
    """alpha / r, or alpha / sqrt(r) (rsLoRA, Kalajdzievski 2023), of one layer's module."""
    alpha = of_pattern(raw, 'alpha_pattern', module, raw['lora_alpha'])
    return alpha / (math.sqrt(rank) if raw.get('use_rslora') else rank)
