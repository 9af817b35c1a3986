"""Metrics of answers, alignment between languages, and their uncertainty; see docs/metrics.md.

Pure numpy and scipy, usable alone: `from xlbarrier import metrics`. ROUGE, BLEU and chrF import
rouge-score and sacrebleu when they are first called.
"""

from xlbarrier.metrics.alignment import (
    CLIKA_CHANCE,
    CLIKA_REFERENCE,
    across_languages,
    answer_kappa,
    barrier_gap,
    clika_ra,
    en_co,
    kappa,
    mean_name,
    relative_accuracy,
    transfer,
    transfer_back,
)
from xlbarrier.metrics.choice import NORMALISATIONS, predictions
from xlbarrier.metrics.conductivity import CrossRetrieval, xrr
from xlbarrier.metrics.consistency import (
    chi_square_distances,
    ensemble_choices,
    option_probabilities,
    rank_consistency_above_chance,
    rankc_by_chance,
    tot_cons,
    variance_share,
)
from xlbarrier.metrics.embedding import (
    Alignment,
    auc,
    cosine,
    cosine_alignment,
    mixing_alignment,
)
from xlbarrier.metrics.estimate import (
    Estimate,
    accuracy,
    commonest,
    holm_table,
    mean,
    means,
    missing,
    paired_difference,
    share,
    unreadable,
)
from xlbarrier.metrics.mmlu import CATEGORIES, SUBJECTS, MmluAccuracies, mmlu_accuracies
from xlbarrier.metrics.numerals import final_number, numbers
from xlbarrier.metrics.ranks import rank_consistency, rankc, rankc_table
from xlbarrier.metrics.readers import first_character, robust
from xlbarrier.metrics.squad import exact_match as token_match
from xlbarrier.metrics.squad import f1 as token_f1
from xlbarrier.metrics.squad import mlqa_tokens, squad_tokens, text_contains, text_f1, text_match
from xlbarrier.metrics.stats import (
    Interval,
    above_chance,
    bootstrap_means,
    bootstrap_p,
    holm,
    mcnemar,
    percentile_interval,
    sign_flip,
    smallest_effect,
    wilson,
)
from xlbarrier.metrics.text import CorpusScore, bleu, chrf, rouge_recall
from xlbarrier.metrics.thought import without_thought
from xlbarrier.metrics.tofu import (
    answer_probability,
    choice_probability,
    forget_quality,
    model_utility,
    truth_ratio,
    truth_ratio_score,
)

__all__ = [
    'CATEGORIES',
    'CLIKA_CHANCE',
    'CLIKA_REFERENCE',
    'NORMALISATIONS',
    'SUBJECTS',
    'Alignment',
    'CorpusScore',
    'CrossRetrieval',
    'Estimate',
    'Interval',
    'MmluAccuracies',
    'above_chance',
    'accuracy',
    'across_languages',
    'answer_kappa',
    'answer_probability',
    'auc',
    'barrier_gap',
    'bleu',
    'bootstrap_means',
    'bootstrap_p',
    'chi_square_distances',
    'choice_probability',
    'chrf',
    'clika_ra',
    'commonest',
    'cosine',
    'cosine_alignment',
    'en_co',
    'ensemble_choices',
    'final_number',
    'first_character',
    'forget_quality',
    'holm',
    'holm_table',
    'kappa',
    'mcnemar',
    'mean',
    'mean_name',
    'means',
    'missing',
    'mixing_alignment',
    'mlqa_tokens',
    'mmlu_accuracies',
    'model_utility',
    'numbers',
    'option_probabilities',
    'paired_difference',
    'percentile_interval',
    'predictions',
    'rank_consistency',
    'rank_consistency_above_chance',
    'rankc',
    'rankc_by_chance',
    'rankc_table',
    'relative_accuracy',
    'robust',
    'rouge_recall',
    'share',
    'sign_flip',
    'smallest_effect',
    'squad_tokens',
    'text_contains',
    'text_f1',
    'text_match',
    'token_f1',
    'token_match',
    'tot_cons',
    'transfer',
    'transfer_back',
    'truth_ratio',
    'truth_ratio_score',
    'unreadable',
    'variance_share',
    'wilson',
    'without_thought',
    'xrr',
]
