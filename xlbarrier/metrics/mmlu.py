"""MMLU's 57 subjects in their published groups (Hendrycks et al. 2021), and accuracies of them."""

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics import estimate, stats
from xlbarrier.metrics.estimate import Estimate
from xlbarrier.metrics.stats import RightOrWrong

CATEGORIES: dict[str, dict[str, tuple[str, ...]]] = {
    'STEM': {
        'physics': ('astronomy', 'college_physics', 'conceptual_physics', 'high_school_physics'),
        'chemistry': ('college_chemistry', 'high_school_chemistry'),
        'biology': ('college_biology', 'high_school_biology'),
        'computer science': (
            'college_computer_science',
            'computer_security',
            'high_school_computer_science',
            'machine_learning',
        ),
        'math': (
            'abstract_algebra',
            'college_mathematics',
            'elementary_mathematics',
            'high_school_mathematics',
            'high_school_statistics',
        ),
        'engineering': ('electrical_engineering',),
    },
    'humanities': {
        'history': (
            'high_school_european_history',
            'high_school_us_history',
            'high_school_world_history',
            'prehistory',
        ),
        'philosophy': (
            'formal_logic',
            'logical_fallacies',
            'moral_disputes',
            'moral_scenarios',
            'philosophy',
            'world_religions',
        ),
        'law': ('international_law', 'jurisprudence', 'professional_law'),
    },
    'social sciences': {
        'politics': (
            'high_school_government_and_politics',
            'public_relations',
            'security_studies',
            'us_foreign_policy',
        ),
        'culture': ('human_sexuality', 'sociology'),
        'economics': (
            'econometrics',
            'high_school_macroeconomics',
            'high_school_microeconomics',
        ),
        'geography': ('high_school_geography',),
        'psychology': ('high_school_psychology', 'professional_psychology'),
    },
    'other (business, health, misc.)': {
        'other': ('global_facts', 'miscellaneous', 'professional_accounting'),
        'business': ('business_ethics', 'management', 'marketing'),
        'health': (
            'anatomy',
            'clinical_knowledge',
            'college_medicine',
            'human_aging',
            'medical_genetics',
            'nutrition',
            'professional_medicine',
            'virology',
        ),
    },
}
SUBJECTS = tuple(
    sorted(s for groups in CATEGORIES.values() for subjects in groups.values() for s in subjects)
)


class MmluAccuracies(NamedTuple):
    """Accuracies of a model on MMLU.

    Attributes:
      subjects, groups, categories: by name; groups are the 17 subcategories.
      weighted: over all questions, so that a subject counts by its size, as published.
      absent: subjects without answers; the numbers above are over the others.
    """

    subjects: dict[str, Estimate]
    groups: dict[str, Estimate]
    categories: dict[str, Estimate]
    weighted: Estimate
    absent: tuple[str, ...]


def mmlu_accuracies(correct: Mapping[str, RightOrWrong]) -> MmluAccuracies:
    """Weighted accuracy over subjects, groups and the four categories, with Wilson intervals.

    A group's accuracy is right answers over questions, the mean over its subjects weighted by their
    size (the published evaluation concatenates the subjects' answers).

    Args:
      correct: subject -> right or wrong of each question.

    Raises:
      ValueError: for a subject that MMLU does not have; suggests the nearest.
    """
    for subject in correct:
        if subject not in SUBJECTS:
            near = difflib.get_close_matches(subject, SUBJECTS, n=1)
            hint = f' Did you mean {near[0]!r}?' if near else ''
            raise InputError(f'{subject!r} is not one of the 57 subjects of MMLU.{hint}')

    def pooled(subjects: Sequence[str]) -> Estimate:
        there = [stats.right_or_wrong(correct[s]) for s in subjects if s in correct]
        return estimate.accuracy(np.concatenate(there) if there else ())

    groups = {name: s for parts in CATEGORIES.values() for name, s in parts.items()}
    return MmluAccuracies(
        subjects={s: pooled([s]) for s in SUBJECTS if s in correct},
        groups={name: pooled(subjects) for name, subjects in groups.items()},
        categories={
            name: pooled([s for subjects in parts.values() for s in subjects])
            for name, parts in CATEGORIES.items()
        },
        weighted=pooled(SUBJECTS),
        absent=tuple(s for s in SUBJECTS if s not in correct or not len(correct[s])),
    )
