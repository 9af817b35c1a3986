"""report.md: the sentences and tables of the report, for a terminal or a repository."""

from collections.abc import Iterable
from typing import Any

from xlbarrier.report.table_files import markdown_cell


def document(facts: dict[str, Any]) -> str:
    """The report, from the same facts as the page."""
    lines = [f'# The cross-lingual knowledge barrier of {markdown_cell(facts["model"])}', '']
    lines += [f'**{markdown_cell(" ".join(facts["verdict"]))}**', ''] if facts['verdict'] else []
    for section in facts['sections']:
        lines += [f'## {markdown_cell(section["task"])}, method {section["method"]}', '']
        lines += [
            f'{markdown_cell(sentence)}\n' for sentence in section['headline'] + section['left_out']
        ]
        for heat in section['heat']:
            head = ['language', *heat['variants']]
            body = [[row['name'], *[_cell(cell) for cell in row['cells']]] for row in heat['rows']]
            name = markdown_cell(heat['model'])
            lines += [f'Accuracy of {name}, %:', '', *table(head, body), '']
        if section['tests']:
            head = [
                'model',
                'difference',
                'variant',
                'language',
                'points',
                '95 % interval',
                'p (Holm)',
            ]
            body = [[*row['cells'][:6], ', '.join(row['cells'][6:])] for row in section['tests']]
            lines += ['Paired differences:', '', *table(head, body), '']
        for shown in section['tables']:
            if not shown['folded']:
                lines += [markdown_cell(f'{shown["title"]}. {shown["caption"]}'), '']
                lines += [*table(shown['head'], shown['lines']), '']
    for plain in facts['plain']:
        lines += [
            f'## {markdown_cell(plain["task"])}',
            '',
            *(f'{sentence}\n' for sentence in plain['left_out']),
            *table(plain['head'], plain['lines']),
            '',
        ]
    run = facts['run']
    lines += ['## Run it again', '', f'    {run["command"]}', '']
    lines += [f'Commit {run["git_commit"]}, seed {run["seed"]}.', '']
    return '\n'.join(lines)


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return '–'
    mark = ' (not significantly above guessing)' if cell['guessing'] else ''
    return f'{cell["text"]} {cell["interval"]}{mark}'


def table(head: list[str], body: Iterable[list[str]]) -> list[str]:
    """The lines of a table; its cells are escaped."""
    rows = ([markdown_cell(cell) for cell in row] for row in (head, ['---'] * len(head), *body))
    return ['| ' + ' | '.join(row) + ' |' for row in rows]
