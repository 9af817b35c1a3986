"""What the command line prints: its help, and a config with the meaning of every field."""

import ast
import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from xlbarrier.config import MODES, ConfigError, RunConfig
from xlbarrier.config.checks import Section, bare, hints, nearest
from xlbarrier.config.flags import RECIPES, recipe_names
from xlbarrier.config.tasks import TASK_CONFIGS

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

    xlbarrier MODE --config=RECIPE --workdir=FOLDER [--config.FIELD=VALUE ...]
    xlbarrier config RECIPE [--config.FIELD=VALUE ...]    print a config, every field explained
    xlbarrier compare RUN RUN ...    a page on the questions that several runs share
    xlbarrier lm-eval --model_args source=MODEL --tasks TASK ...    lm-evaluation-harness's tasks

MODE is one of the following; without it the recipe's own counts:

{modes}

RECIPE is a name below, the path of a Python file with get_config(), or NAME:ARGUMENT:

{recipes}

NAME in the recipe task:NAME is the kind of a task (docs/tasks.md):

{tasks}

FIELD is any that `xlbarrier config RECIPE` prints, a list with commas between its items:

    --config.model.source=hf:ORG/NAME --config.tasks.worldfacts.languages=en,de,sw

A second start with the same FOLDER continues the run. `python -m xlbarrier.main` is the same
command."""


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
    tasks = textwrap.fill(', '.join(sorted(TASK_CONFIGS)), 96, break_on_hyphens=False)
    return HELP.format(
        modes=_table({mode: ABOUT[mode] for mode in MODES}),
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
