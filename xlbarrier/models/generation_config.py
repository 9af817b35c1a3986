"""generation_config.json: how a published model ends its texts, carried from source to export.

Chat models name the end of a turn there alone (Phi 3, Llama 3, Gemma 3): without it, a model goes
on behind its answer.
"""

import dataclasses
import json
import pathlib
from typing import Any

from xlbarrier import datafiles
from xlbarrier.errors import InputError
from xlbarrier.models.config import DecoderConfig

FILE = 'generation_config.json'
KEY = 'generation_config'  # in DecoderConfig.extra


def attach(config: DecoderConfig, folder: pathlib.Path) -> DecoderConfig:
    """The config with what the folder's generation_config.json says, if there is one.

    Raises:
      InputError: naming the file, when it is no JSON object or its eos_token_id is no id.
    """
    path = folder / FILE
    if not path.exists():
        return config
    found = datafiles.read_object(path)
    _ids(found, path)
    return dataclasses.replace(config, extra=json.dumps(_extra(config) | {KEY: found}))


def end_ids(config: DecoderConfig) -> list[int]:
    """Ids of all tokens that end a text or a turn, by generation_config.json; [] without one."""
    return _ids(_extra(config).get(KEY, {}), pathlib.Path(FILE))


def write(config: DecoderConfig, folder: pathlib.Path) -> None:
    """Writes the source's generation_config.json into an export, if there was one."""
    found = _extra(config).get(KEY)
    if found is not None:
        (folder / FILE).write_text(json.dumps(found, indent=1, sort_keys=True), encoding='utf-8')


def _extra(config: DecoderConfig) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config.extra) if config.extra else {}
    return found


def _ids(raw: dict[str, Any], path: pathlib.Path) -> list[int]:
    value = raw.get('eos_token_id')
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if not all(type(each) is int and each >= 0 for each in ids):
        raise InputError(f'{path}: eos_token_id is {value!r}; expected an id or a list of ids')
    return [int(each) for each in ids]
