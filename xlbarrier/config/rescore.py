"""Mode rescore: which recorded answers are read, and how."""

import typing
from typing import Annotated, Literal

from xlbarrier.config.checks import AnyOf, Range, Section, Several

Layout = Literal['clika', 'mmlu', 'tofu', 'translation', 'run']
LAYOUTS = typing.get_args(Layout)


class RescoreConfig(Section):
    """Mode rescore: recorded answers in, numbers out; no model is run."""

    root: str = ''  # folder of the answers; everything below it that has a known layout is read
    layouts: Several[Layout] = LAYOUTS  # which are looked for
    models: AnyOf[str] = ()  # (): all that are found; so are tasks and languages
    tasks: AnyOf[str] = ()  # (): all
    languages: AnyOf[str] = ()  # (): all
    reference: str = ''  # a model that the others are compared with, item by item; '': none
    source_language: str = 'en'  # the one that others are compared with
    language: str = ''  # of files that do not name theirs (MMLU, TOFU)
    # Accuracy in percent whose RA is 1; 0: the one that CLiKA published.
    ra_reference: Annotated[float, Range(0, 100, 'a percentage')] = 0.0
    ra_clip: bool = True  # RA below 0 counts as 0, as published
