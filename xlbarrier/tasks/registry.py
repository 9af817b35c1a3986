"""Every kind of task by its name in a config."""

from xlbarrier.config import RunConfig
from xlbarrier.config.sets import CHOICE_CONFIGS
from xlbarrier.config.tasks import kind_of
from xlbarrier.tasks import published
from xlbarrier.tasks.base import Numbered, Task
from xlbarrier.tasks.clika import Clika
from xlbarrier.tasks.conductivity import Conductivity, Fictional
from xlbarrier.tasks.embedding import Embedding
from xlbarrier.tasks.hub_choice import HubChoice
from xlbarrier.tasks.hub_written import Eclektic, Klar, MultiLoko
from xlbarrier.tasks.mmlu import Mmlu
from xlbarrier.tasks.tofu import Tofu
from xlbarrier.tasks.translation import Translation
from xlbarrier.tasks.user import User
from xlbarrier.tasks.word_problems import Mgsm, Xquad
from xlbarrier.tasks.worldfacts import WorldFacts

TASKS: dict[str, type] = {
    **dict.fromkeys(CHOICE_CONFIGS, HubChoice),
    'bmlama': published.Bmlama,
    'conductivity': Conductivity,
    'eclektic': Eclektic,
    'embedding': Embedding,
    'fictional': Fictional,
    'hp_quiz': published.HpQuiz,
    'klar': Klar,
    'mgsm': Mgsm,
    'mmlu': Mmlu,
    'multiloko': MultiLoko,
    'tofu': Tofu,
    'translation': Translation,
    'user': User,
    'worldfacts': WorldFacts,
    'x_copa': Clika,
    'x_csqa': Clika,
    'x_geo': Clika,
    'x_name': Clika,
    'xcopa': published.Xcopa,
    'xquad': Xquad,
}


def make_tasks(config: RunConfig) -> dict[str, Task]:
    """The configured tasks by name; making them checks languages, templates and sizes."""
    return {name: make_task(config, name) for name in config.tasks}


def make_task(config: RunConfig, name: str) -> Task:
    """One of the configured tasks."""
    task: Task = TASKS[kind_of(name) or name](config.tasks[name], name)
    return task


def makes_numbers(name: str) -> bool:
    """Whether a task of this name is a `base.Numbered`; False for unknown names."""
    kind = TASKS.get(kind_of(name) or '')
    return kind is not None and issubclass(kind, Numbered)
