"""What a model is called and on what terms it is published, as far as its files tell."""

import contextlib
import pathlib
import re

from xlbarrier import datafiles
from xlbarrier.datafiles import gguf_header
from xlbarrier.errors import InputError
from xlbarrier.models import source

CARD = 'README.md'  # a published model's card, which begins with fields between two lines of ---
_LICENCE = re.compile(r'^license:\s*["\']?([\w.+-]+)["\']?\s*$', re.M)
_HUB_NAME = re.compile(r'[\w-][\w.-]*/[\w-][\w.-]*')
_PART = re.compile(r'-\d{5}-of-\d{5}$')  # of a file of a split model
_LONGEST_CARD = 1 << 20  # bytes of a card that are read


def name_of(model_source: str, path: str | pathlib.Path) -> str:
    """The model's own name.

    Args:
      model_source: as in `config.model.source`.
      path: its folder or .gguf file, from `source.resolve`.

    Returns:
      ORG/NAME of a model on the hub, or that a config.json remembers; else the name of the folder
      or .gguf file.
    """
    kind, _, rest = str(model_source).partition(':')
    if kind == 'hf':
        return rest.partition('@')[0]
    path = pathlib.Path(path)
    if path.suffix == '.gguf':
        return _PART.sub('', path.stem)
    with contextlib.suppress(InputError, OSError):
        remembered = datafiles.read_object(path / 'config.json').get('_name_or_path')
        if isinstance(remembered, str) and _HUB_NAME.fullmatch(remembered):
            return remembered
    return path.resolve().name


def licence_of(model_source: str, path: str | pathlib.Path) -> str:
    """Its licence: of a pinned wheel, in a GGUF file's header or in a model card; '' if unknown."""
    if terms := source.terms(str(model_source)):
        return terms
    path = pathlib.Path(path)
    if path.suffix == '.gguf':
        value = gguf_header.read_header(path).metadata.get('general.license', '')
        return value if isinstance(value, str) else ''
    card = path / CARD
    if not card.is_file():
        return ''
    with card.open('rb') as f:
        text = f.read(_LONGEST_CARD).decode('utf-8', 'replace')
    head = text.split('---', 2)[1] if text.startswith('---') and text.count('---') > 1 else ''
    found = _LICENCE.search(head)
    return found.group(1) if found else ''
