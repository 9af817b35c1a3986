"""Arms: which language each unit of a document is put into.

`english`: all in English, the control. `mixed`: each unit in a language drawn from a distribution
(Chua et al. 2024, section 5: uniform over the languages, English among them, units keep their
order). `single:l`: all in language l, as in continued pretraining on it. `monolingual-mix`: each
document whole in a drawn language, the classic mixture (Gao et al. 2024's mixed pretraining).
`names`: of the embedded corpus alone, the names of places in all languages (`countries.names`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from xlbarrier import draw
from xlbarrier.errors import InputError

DRAWN = ('mixed', 'monolingual-mix')  # arms whose languages are drawn


def arm_languages(arm: str, languages: Sequence[str]) -> tuple[str, ...]:
    """The languages that an arm needs its documents in.

    Raises:
      ValueError: for an arm other than english, mixed, single:LANGUAGE, monolingual-mix, names.
    """
    kind, _, language = arm.partition(':')
    if arm == 'english':
        return ('en',)
    if arm in (*DRAWN, 'names'):
        return tuple(languages)
    if kind == 'single' and language:
        return (language,)
    raise InputError(
        f"arm is {arm!r}; expected 'english', 'mixed', 'single:LANGUAGE', 'monolingual-mix' or"
        " 'names'"
    )


def shares(languages: Sequence[str], distribution: Mapping[str, float] | None) -> dict[str, float]:
    """The share of each language, adding up to 1: uniform where `distribution` is None.

    Raises:
      ValueError: for a language that is not among `languages`, a negative share, or all zero.
    """
    if distribution is None:
        return {language: 1 / len(languages) for language in languages}
    for language, share in distribution.items():
        if language not in languages:
            raise InputError(
                f'distribution names {language!r}, which is not among the languages of the'
                f' corpus: {", ".join(languages)}'
            )
        if not (np.isfinite(share) and share >= 0):
            raise InputError(f'distribution[{language!r}] is {share}; expected a number >= 0')
    total = sum(distribution.values())
    if not total > 0:
        raise InputError('distribution is zero for every language; expected one above 0')
    return {language: distribution.get(language, 0) / total for language in languages}


def unit_languages(
    document_id: str, units: int, arm: str, seed: int, share: Mapping[str, float]
) -> tuple[str, ...]:
    """The language of each unit of a document in an arm.

    Args:
      document_id: what the draw is keyed by, with the seed and the unit's number.
      units: how many the document has.
      arm: see `arm_languages`.
      seed: of the draw.
      share: of each language, as `shares` gives it.
    """
    if arm == 'mixed':
        return _languages(draw.uniforms(seed, f'unit/{document_id}', units), share)
    if arm == 'monolingual-mix':
        point = np.array([draw.uniform(seed, f'document/{document_id}', 0)])
        return _languages(point, share) * units
    return arm_languages(arm, ()) * units


def _languages(points: np.ndarray, share: Mapping[str, float]) -> tuple[str, ...]:
    languages = [language for language, part in share.items() if part > 0]
    edges = np.cumsum([share[language] for language in languages])
    places = np.searchsorted(edges, points * edges[-1], side='right')
    return tuple(languages[min(int(i), len(languages) - 1)] for i in places)
