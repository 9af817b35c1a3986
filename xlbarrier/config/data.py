"""The part of a config that says which question-answer files are trained on, and in what shares."""

import math
from dataclasses import dataclass

from xlbarrier.config.checks import ConfigError, distinct, one_of

DATA_ARM = 'data'  # the arm that has no text of its own, only the files
# The fields that make the forms of qa/forms.py.
COLUMNS = (
    *('messages', 'conversations', 'instruction', 'input', 'output', 'prompt', 'answer'),
    *('question', 'inputs', 'targets', 'completion', 'text'),
)
TEMPLATES = ('auto', 'plain', 'raw', 'alpaca', 'clika', 'tofu', 'tofu-llama2', 'chat')


@dataclass(frozen=True)
class DataConfig:
    """Question-answer files that every arm is trained on, beside its text where it has any.

    Attributes:
      files: globs of JSONL, JSON, CSV, TSV or Parquet, compressed or not, or 'task:NAME' for the
        rows that a task of the run gives; each is one part of the mixture.
      weights: share of the training tokens of each part: of the arm's text first, where the arm
        has text, then of each glob; (): every part as large as it is. A weight of 0 leaves out.
      template: how an example is written out, see qa/templates.py; 'auto': by its fields.
      loss: 'answer', or 'all' tokens.
      too_long: what becomes of an example longer than train.row_tokens: 'error', or 'drop', which
        counts it.
      fields: 'name=column' where the files have columns with names of their own, such as
        ('question=Frage', 'answer=Antwort'); the names are those of COLUMNS, and a row then has
        these fields and no other. (): the names as they are.
    """

    files: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    template: str = 'auto'
    loss: str = 'answer'
    too_long: str = 'error'
    fields: tuple[str, ...] = ()


def check(data: DataConfig, arms: tuple[str, ...], mode: str) -> None:
    """Refuses values that cannot be used.

    Args:
      data: as it was resolved.
      arms: of the run; the arm 'data' has no text of its own.
      mode: of the run; only 'study' and 'train' look at the files.

    Raises:
      ConfigError: naming the field.
    """
    where, trains = 'config.data', mode in ('study', 'train')
    one_of(f'{where}.template', data.template, TEMPLATES)
    one_of(f'{where}.loss', data.loss, ('answer', 'all'))
    one_of(f'{where}.too_long', data.too_long, ('error', 'drop'))
    for i, field in enumerate(data.fields):
        name, equals, column = field.partition('=')
        if name not in COLUMNS or not equals or not column:
            raise ConfigError(
                f"{where}.fields[{i}] is {field!r}; expected 'name=column' with one of"
                f' {", ".join(COLUMNS)} as the name'
            )
    if data.fields:
        distinct(f'{where}.fields', tuple(field.partition('=')[0] for field in data.fields))
    if data.files:
        distinct(f'{where}.files', data.files)
    if trains and DATA_ARM in arms and not data.files:
        raise ConfigError(
            f"{where}.files is (); the arm '{DATA_ARM}' has no text of its own: name the files it"
            ' is trained on'
        )
    if mode == 'corpus' and set(arms) == {DATA_ARM}:
        raise ConfigError(
            f"config.arms is {arms}; the arm '{DATA_ARM}' has no text of its own to build: mode"
            ' corpus wants another'
        )
    for i, weight in enumerate(data.weights):
        if not (math.isfinite(weight) and weight >= 0):
            raise ConfigError(f'{where}.weights[{i}] is {weight}; wanted a number of at least 0')
    if data.weights and not data.files:
        raise ConfigError(f'{where}.weights is {data.weights}, but {where}.files is ()')
    for arm in arms if data.weights and trains else ():
        weights_of(data, arm)


def weights_of(data: DataConfig, arm: str) -> tuple[float, ...]:
    """The weights of an arm's parts, its text first where it has any; () where none are set.

    The arm 'data' takes the weights of the files alone, whether or not a weight for the text of
    other arms stands before them.

    Raises:
      ConfigError: for another number of weights than there are parts, or none above 0.
    """
    if not data.weights:
        return ()
    files, weights = len(data.files), data.weights
    wanted = (files, files + 1) if arm == DATA_ARM else (files + 1,)
    if len(weights) not in wanted:
        raise ConfigError(
            f"config.data.weights has {len(weights)} numbers; the arm '{arm}' wants {files}"
            f' for the files{"" if arm == DATA_ARM else ", and one for its text before them"}'
        )
    if arm == DATA_ARM:
        weights = weights[-files:]
    if not sum(weights) > 0:
        raise ConfigError(
            f"config.data.weights is {data.weights}, all 0 for the arm '{arm}'; wanted one above 0"
        )
    return weights
