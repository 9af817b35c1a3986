"""Arms: which language each unit of a document is put into.

`english`: all in English, the control. `mixed`: each sentence in a language drawn from a
distribution (Chua et al. 2024, section 5: uniform over the languages, English among them, units
keep their order). `single:l`: all in language l.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from xlbarrier.corpus import draw
from xlbarrier.corpus.countries import Document


def arm_languages(arm: str, languages: Sequence[str]) -> tuple[str, ...]:
    """The languages that an arm needs its documents in.

    Raises:
      ValueError: for an arm that is none of english, mixed, single:LANGUAGE.
    """
    kind, _, language = arm.partition(':')
    if arm == 'english':
        return ('en',)
    if arm == 'mixed':
        return tuple(languages)
    if kind == 'single' and language:
        return (language,)
    raise ValueError(f"arm is {arm!r}; wanted 'english', 'mixed' or 'single:LANGUAGE'")


def shares(languages: Sequence[str], distribution: Mapping[str, float] | None) -> dict[str, float]:
    """The share of each language, adding up to 1: uniform where `distribution` is None.

    Raises:
      ValueError: for a language that is not among `languages`, a negative share, or all zero.
    """
    if distribution is None:
        return {language: 1 / len(languages) for language in languages}
    for language, share in distribution.items():
        if language not in languages:
            raise ValueError(
                f'distribution names {language!r}, which is not among the languages of the'
                f' corpus: {", ".join(languages)}'
            )
        if not (np.isfinite(share) and share >= 0):
            raise ValueError(f'distribution[{language!r}] is {share}; wanted a number >= 0')
    total = sum(distribution.values())
    if not total > 0:
        raise ValueError('distribution is zero for every language; wanted one above 0')
    return {language: distribution.get(language, 0) / total for language in languages}


def draw_language(seed: int, document_id: str, unit: int, share: Mapping[str, float]) -> str:
    """The language of one unit: a function of its arguments only, whoever asks, in any order."""
    languages = [language for language, part in share.items() if part > 0]
    edges = np.cumsum([share[language] for language in languages])
    point = draw.uniform(seed, f'unit/{document_id}', unit) * edges[-1]
    return languages[min(int(np.searchsorted(edges, point, side='right')), len(languages) - 1)]


def unit_languages(
    document: Document, arm: str, seed: int, share: Mapping[str, float]
) -> tuple[str, ...]:
    """The language of each sentence of a document in an arm."""
    if arm == 'mixed':
        return tuple(
            draw_language(seed, document.id, i, share) for i in range(len(document.sentences))
        )
    return arm_languages(arm, ()) * len(document.sentences)
