"""F1 and exact match of short answers (Rajpurkar et al. 2016).

Read as two published scripts do, and by the words of any script.
"""

import collections
import re
import string
import unicodedata
from collections.abc import Sequence

from xlbarrier.errors import InputError
from xlbarrier.metrics.text import words

# Articles that MLQA's script drops (Lewis et al. 2020, arXiv 1910.07475, mlqa_evaluation_v1.py).
_ARTICLES = {
    'en': r'\b(a|an|the)\b',
    'es': r'\b(un|una|unos|unas|el|la|los|las)\b',
    'vi': r'\b(của|là|cái|chiếc|những)\b',
    'de': r'\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b',
    'ar': r'\sال^|ال',
}
_HAN = re.compile(r'[一-龥]')


def squad_tokens(text: str) -> list[str]:
    """SQuAD v1.1's words: without case, ASCII punctuation, and English articles."""
    kept = ''.join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(_ARTICLES['en'], ' ', kept).split()


def mlqa_tokens(text: str, language: str) -> list[str]:
    """MLQA's words: without punctuation of any script and a language's articles; Han apart."""
    kept = ''.join(c for c in text.lower() if not _is_punctuation(c))
    base = language.split('-')[0]
    if base == 'zh':
        return [t for part in kept.split() for t in _segmented(part)]
    return re.sub(_ARTICLES[base], ' ', kept).split() if base in _ARTICLES else kept.split()


def text_match(answer: str, references: Sequence[str]) -> float:
    """1.0 where the answer has the words of a reference, in any script, else 0.0.

    Words are those of `text.words`: case-folded runs of letters, marks and digits after NFKC, and
    in scripts without spaces single characters; punctuation is no part of any, and no language's
    articles are dropped, so that one reading serves all. "１９９０年。" matches "1990年".

    Raises:
      InputError: without a reference.
    """
    return exact_match(words(answer), [words(reference) for reference in references])


def text_f1(answer: str, references: Sequence[str]) -> float:
    """The largest F1 of shared words with any reference, in any script; words as in `text_match`.

    "in der Stadt Berlin" against "Berlin": precision 1/4, recall 1, F1 = 0.4. "北京市" against
    "北京": precision 2/3, recall 1, F1 = 0.8.

    Raises:
      InputError: without a reference.
    """
    return f1(words(answer), [words(reference) for reference in references])


def text_contains(answer: str, references: Sequence[str]) -> float:
    """1.0 where the words of a reference occur in the answer, in a row; words as in `text_match`.

    "It is New York City." contains "New York", and not "York New" or "Yor".

    Raises:
      InputError: without a reference, or for one without words.
    """
    _check(references)
    found = words(answer)
    for reference in references:
        sought = words(reference)
        if not sought:
            raise InputError(f'the reference {reference!r} has no words')
        ends = range(len(sought), len(found) + 1)
        if any(found[end - len(sought) : end] == sought for end in ends):
            return 1.0
    return 0.0


def f1(answer: list[str], references: list[list[str]]) -> float:
    """The largest F1 of shared tokens with any reference; 0 where nothing is shared.

    Raises:
      ValueError: without a reference.
    """
    _check(references)
    return max(_f1(answer, reference) for reference in references)


def exact_match(answer: list[str], references: list[list[str]]) -> float:
    """1.0 where the tokens are those of a reference, else 0.0.

    Raises:
      ValueError: without a reference.
    """
    _check(references)
    return float(any(' '.join(answer) == ' '.join(reference) for reference in references))


def _f1(answer: list[str], reference: list[str]) -> float:
    shared = sum((collections.Counter(answer) & collections.Counter(reference)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(answer), shared / len(reference)
    return 2 * precision * recall / (precision + recall)


def _check(references: Sequence[object]) -> None:
    if not references:
        raise InputError('there is no reference answer; expected at least one')


def _is_punctuation(c: str) -> bool:
    return c in string.punctuation or unicodedata.category(c).startswith('P')


def _segmented(text: str) -> list[str]:
    """Han characters one by one, the rest in runs."""
    found: list[str] = []
    run: list[str] = []
    for c in text:
        if not _HAN.match(c):
            run.append(c)
            continue
        if run:
            found.append(''.join(run))
            run.clear()
        found.append(c)
    return [*found, ''.join(run)] if run else found
