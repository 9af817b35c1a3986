"""What a translator is asked and what it answers; `make` has the kinds of them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from xlbarrier.errors import InputError


class TranslatorError(InputError):
    """A translator that cannot be used or cannot go on; says what to do."""


@dataclass(frozen=True)
class Failed:
    """Takes the place of a translation that failed; the source text never does."""

    reason: str

    def __str__(self) -> str:
        return self.reason


class Translator(Protocol):
    """Translates texts of one language into another.

    Attributes:
      fingerprint: digest of what decides the output: the files' bytes, the model, the beam.
    """

    fingerprint: str

    def supports(self, source: str, target: str) -> bool:
        """Whether it translates from `source` into `target`, both BCP-47."""

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str | Failed]:
        """One translation per text, in the texts' order; `Failed` where there is none.

        Raises:
          TranslatorError: when no text can be translated, now or later: a pair of languages that
            is not supported, a key that is refused.
        """


def check(translator: Translator, source: str, targets: Iterable[str]) -> None:
    """Checks every pair of languages before the work begins.

    Args:
      translator: any.
      source: BCP-47 code of the texts.
      targets: codes; the source's own is left out.

    Raises:
      TranslatorError: naming every pair without a translator.
    """
    missing = [t for t in dict.fromkeys(targets) if t != source]
    missing = [t for t in missing if not translator.supports(source, t)]
    if missing:
        pairs = ', '.join(f'{source}-{target}' for target in missing)
        raise TranslatorError(
            f'no translator for {pairs} with config.corpus.translator: add the files or models of'
            ' these pairs, or leave the languages out of config.corpus.languages'
        )


def unsupported(source: str, target: str, what: str) -> TranslatorError:
    """The error of a `translate` for a pair of languages that is not supported."""
    return TranslatorError(
        f'{what} does not translate from {source} into {target}: ask `check` first'
    )


def digest(*parts: str | bytes) -> str:
    """SHA-256 (hex) of parts; ('ab', 'c') and ('a', 'bc') differ."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, 'little'))
        whole.update(data)
    return whole.hexdigest()
