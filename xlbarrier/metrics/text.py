"""Generated text against a reference: ROUGE recall, BLEU, chrF.

rouge-score and sacrebleu are imported when first used.
"""

import functools
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from xlbarrier.errors import InputError

BOOTSTRAP_DRAWS = 1000
# sacrebleu's own tokenizers, for languages without spaces: a sentence would count as one word.
_BLEU_TOKENIZERS = dict.fromkeys(('ja', 'th', 'lo', 'km', 'my', 'bo'), 'char') | {'zh': 'zh'}
# Blocks written without spaces: each character counts as a word.
_NO_SPACES = ('CJK', 'HIRAGANA', 'KATAKANA', 'THAI', 'LAO', 'KHMER', 'MYANMAR', 'TIBETAN')


class CorpusScore(NamedTuple):
    """A score of a whole corpus, 0 to 100.

    Attributes:
      value: None without sentences, and then `reason` says so.
      low, high: 95 % interval of sacrebleu's bootstrap over sentences, cut at 0 and 100.
      n: sentences.
      signature: sacrebleu's, to be printed beside the number; it names tokenizer and version. ''
        without sentences.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    signature: str
    reason: str | None = None

    def as_row(self) -> dict[str, float | int | str | None]:
        """Its fields of a row of results.json."""
        row: dict[str, float | int | str | None]
        row = {'value': self.value, 'n': self.n, 'ci_low': self.low, 'ci_high': self.high}
        row |= {'signature': self.signature} if self.signature else {}
        return row | ({} if self.reason is None else {'reason': self.reason})


def rouge_recall(reference: str, answer: str, language: str = 'en') -> dict[str, float]:
    """Recall of ROUGE-1 and ROUGE-L (Lin 2004) of an answer against its reference.

    ROUGE-1: shared words over the reference's words. ROUGE-L: longest common subsequence over the
    reference's words. English is read as TOFU's code reads it: rouge-score's tokens (a-z and 0-9
    only) with Porter's stemmer. That would leave nothing of a Hebrew or Russian text, so in other
    languages words are runs of Unicode letters, marks and digits, case-folded and unstemmed, and in
    scripts without spaces single characters. 0 where either text has no words.

    Returns:
      'rouge1' and 'rougeL', each within [0, 1].
    """
    scores = _rouge(language.split('-')[0] == 'en').score(reference, answer)
    return {name: float(score.recall) for name, score in scores.items()}


def bleu(hypotheses: Sequence[str], references: Sequence[str], language: str) -> CorpusScore:
    """Corpus BLEU (Papineni et al. 2002) by sacrebleu (Post 2018), with its signature.

    Args:
      hypotheses, references: one for each sentence, in the same order.
      language: of both; decides the tokenizer: 13a, 'zh' for Chinese, 'char' for scripts without
        spaces.

    Raises:
      ValueError: when the lengths differ or a reference is empty; names the row.
    """
    from sacrebleu.metrics import BLEU

    return _corpus(BLEU(tokenize=bleu_tokenizer(language)), hypotheses, references)


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> CorpusScore:
    """Corpus chrF (Popovic 2015; chrF2, six characters, no words) by sacrebleu, with its signature.

    Raises:
      ValueError: as `bleu`.
    """
    from sacrebleu.metrics import CHRF

    return _corpus(CHRF(), hypotheses, references)


def bleu_tokenizer(language: str) -> str:
    """The name of sacrebleu's tokenizer for a language."""
    return _BLEU_TOKENIZERS.get(language.split('-')[0], '13a')


def words(text: str) -> list[str]:
    """Case-folded words in any script; in scripts without spaces single characters."""
    found: list[str] = []
    word: list[str] = []
    for c in unicodedata.normalize('NFKC', text).casefold():
        if unicodedata.category(c)[0] not in 'LMN':
            _close(found, word)
        elif unicodedata.name(c, '').startswith(_NO_SPACES):
            _close(found, word)
            found.append(c)
        else:
            word.append(c)
    _close(found, word)
    return found


def _close(found: list[str], word: list[str]) -> None:
    """Moves a finished word to the words found."""
    if word:
        found.append(''.join(word))
        word.clear()


@functools.cache
def _rouge(english: bool) -> Any:
    from rouge_score import rouge_scorer

    names = ['rouge1', 'rougeL']
    if english:
        return rouge_scorer.RougeScorer(names, use_stemmer=True)
    return rouge_scorer.RougeScorer(names, tokenizer=_Words(words))


class _Words:
    """The form in which rouge-score takes a tokenizer."""

    def __init__(self, tokenize: Callable[[str], list[str]]):
        self.tokenize = tokenize


def _corpus(metric: Any, hypotheses: Sequence[str], references: Sequence[str]) -> CorpusScore:
    if len(hypotheses) != len(references):
        raise InputError(f'{len(hypotheses)} translations, but {len(references)} references')
    for i, reference in enumerate(references):
        if not reference.strip():
            raise InputError(f'reference {i} is empty: leave the sentence out of both lists')
    n = len(references)
    if n == 0:
        return CorpusScore(None, None, None, 0, '', 'there are no sentences')
    draws = BOOTSTRAP_DRAWS if n > 1 else 1
    compute = metric._compute_score_from_stats

    def in_floats(stats: Any) -> Any:
        # Of a sample that shares nothing chrF gives a Python 0.0, else numpy's float32, and
        # sacrebleu's mean over its samples refuses the two together.
        score = compute(stats)
        score.score = float(score.score)
        return score

    metric._compute_score_from_stats = in_floats
    score = metric.corpus_score(list(hypotheses), [list(references)], n_bootstrap=draws)
    low = high = None
    if draws > 1:
        # The bootstrap sums in another precision: of equal sentences it misses the value by 1e-8.
        low = float(max(0, min(score._mean - score._ci, score.score)))
        high = float(min(100, max(score._mean + score._ci, score.score)))
    return CorpusScore(float(score.score), low, high, n, str(metric.get_signature()))
