"""Which question-answer files are trained on, and in what shares."""

from typing import Annotated, Literal

from xlbarrier.config.checks import AnyOf, ConfigError, Matches, Range, Section

DATA_ARM = 'data'  # the arm that has no text of its own, only the files
# The eight that CLiKA's fictional set was trained in, by model; its 'alpaca' is 'clika' here, and
# its 'empty' is 'raw'.
ClikaTemplate = Literal[
    'clika', 'llama2', 'llama2-zh', 'vicuna', 'baichuan2', 'bayling', 'hessianai', 'raw'
]
Template = Literal[
    'plain', 'raw', 'alpaca', 'clika', 'tofu', 'tofu-llama2', 'llama2', 'llama2-zh', 'vicuna',
    'baichuan2', 'bayling', 'hessianai', 'chat',
]  # fmt: skip
# The fields that make the forms of qa/forms.py.
COLUMNS = (
    *('messages', 'conversations', 'instruction', 'input', 'output', 'prompt', 'answer'),
    *('question', 'inputs', 'targets', 'completion', 'text'),
)
_MAPPED = f"'name=column' with one of {', '.join(COLUMNS)} as the name"
Weight = Annotated[float, Range(0)]


class DataConfig(Section):
    """Question-answer files that every arm is trained on, beside its text where it has any."""

    # Globs of JSONL, JSON, CSV, TSV or Parquet, compressed or not, or 'task:NAME' for the rows that
    # a task of the run gives; each is one part of the mixture (docs/training_data.md).
    files: AnyOf[str] = ()
    # Share of the training tokens of each part: of the arm's text first, where the arm has text,
    # then of each glob; (): every part as large as it is. A weight of 0 leaves a part out.
    weights: tuple[Weight, ...] = ()
    template: Literal['auto', Template] = 'auto'  # how an example is written; auto: by its fields
    loss: Literal['answer', 'all'] = 'answer'  # which tokens are learned
    too_long: Literal['error', 'drop'] = 'error'  # an example longer than a row; drop counts it
    # 'name=column' where files have names of their own: 'question=Frage', 'answer=Antwort'. A row
    # then has these fields and no other; (): the names as they are.
    fields: AnyOf[Annotated[str, Matches(rf'(?:{"|".join(COLUMNS)})=.+', _MAPPED)]] = ()

    def check_together(self, where: str) -> None:
        names = [field.partition('=')[0] for field in self.fields]
        twice = [name for i, name in enumerate(names) if name in names[:i]]
        if twice:
            raise ConfigError(f'{where}.fields names {twice[0]!r} twice; expected it once')


def check_with(data: DataConfig, arms: tuple[str, ...], mode: str) -> None:
    """Refuses files and weights that do not fit the arms.

    Args:
      data: the section config.data.
      arms: of the run; the arm 'data' has no text of its own.
      mode: of the run; only study and train read the files.

    Raises:
      ConfigError: naming the field.
    """
    where, trains = 'config.data', mode in ('study', 'train')
    if trains and DATA_ARM in arms and not data.files:
        raise ConfigError(
            f"{where}.files is (); the arm '{DATA_ARM}' has no text of its own: name the files it"
            ' is trained on'
        )
    if mode == 'corpus' and set(arms) == {DATA_ARM}:
        raise ConfigError(
            f"config.arms is {arms}; the arm '{DATA_ARM}' has no text of its own to build: name"
            ' another arm for mode corpus'
        )
    if data.weights and not data.files:
        raise ConfigError(f'{where}.weights is {data.weights}, but {where}.files is ()')
    for arm in arms if data.weights and trains else ():
        weights_of(data, arm)


def weights_of(data: DataConfig, arm: str) -> tuple[float, ...]:
    """The weights of an arm's parts, its text first where it has any; () where none are set.

    The arm 'data' takes the weights of the files alone, whether or not they follow a weight for the
    text of other arms.

    Raises:
      ConfigError: for another number of weights than there are parts, or none above 0.
    """
    if not data.weights:
        return ()
    files, weights = len(data.files), data.weights
    expected = (files, files + 1) if arm == DATA_ARM else (files + 1,)
    if len(weights) not in expected:
        raise ConfigError(
            f"config.data.weights has {len(weights)} numbers; the arm '{arm}' needs {files}"
            f' for the files{"" if arm == DATA_ARM else ", and one for its text before them"}'
        )
    if arm == DATA_ARM:
        weights = weights[-files:]
    if not sum(weights) > 0:
        raise ConfigError(
            f"config.data.weights is {data.weights}, all 0 for the arm '{arm}'; expected one"
            ' above 0'
        )
    return weights
