"""Tables of results.json for people: CSV, Markdown and LaTeX."""

import csv
import html
import io
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlbarrier.datafiles import write_atomic
from xlbarrier.results.rows import PAIR, SOURCE, ResultRow, is_mean

# A metric's title above its table, in the order of the tables; others follow, with their names.
TITLES = {
    'accuracy': 'Accuracy, %',
    'relative_accuracy': 'RA, %: accuracy above guessing, as a share of that of the reference',
    'barrier_gap': 'Barrier gap, points: accuracy in the source language minus accuracy there',
    'en_co': 'en-CO, %: items right in both languages, as a share of those right in either',
    'consistency': 'Consistency, %: items right in both languages, as a share of those in either',
    'transfer': 'Transfer, %: share of the items right in the source language right there too',
    'transfer_back': 'Transfer back, %: share of the items right there right in the source too',
    'tot_cons': 'TotCons, %: items right in every language',
    'kappa': 'Kappa of being right: agreement with the source language beyond chance',
    'answer_kappa': 'Kappa of the answers: where it is near 0, the overlap (en-CO) says nothing',
    'commonest_answer_share': 'Commonest answer, %: share of the readable answers',
    'unreadable_share': 'Unreadable answers, %; they count as wrong',
    'above_chance_p': 'p that the accuracy is not above guessing (exact binomial test)',
    'bleu': 'BLEU, 0 to 100, of sacrebleu; results.csv has its signature',
    'chrf': 'chrF, 0 to 100, of sacrebleu; results.csv has its signature',
    'comet': 'COMET, mean of the recorded segment scores',
    'chi_square_distance': 'Chi-square distance between the option probabilities, 0 to 1',
    'variance_share': 'Variance share, %: how much of differing answers is lower certainty',
    'forget_quality': 'Forget quality: p of the Kolmogorov-Smirnov test of two truth ratios',
    'rankc_rescaled': 'RankC above chance, %: 0 where the two rankings are independent',
    'rankc': 'RankC, %: how similarly two languages rank the candidates',
    'xrr': 'XRR, %: how much of what was taught in the source language is known there',
    'exact_match': 'Exact match, %: written answers that are a right one',
    'f1': 'F1, %: words that a written answer shares with a right one',
    'contains': 'Contains, %: written answers that have a right one in them',
    'right_in_both': 'Right in both, %: items right in the source language and there',
    'difference_to_base': 'Difference to the base model, points: accuracy minus its accuracy',
    'gap_difference_to_base': 'Difference of the barrier gap to that of the base model, points',
    'smallest_difference_to_base': 'Smallest difference to the base model that would show, points',
    'gain_over_full': 'Gain of translating over asking directly, points',
    'gain_over_mean': 'Gain of all languages together over the mean of each, points',
    'gain_over_source': 'Gain of all languages together over the source language, points',
    'left_out:common': 'Items left out: they do not exist in every language',
    'left_out:empty_option': 'Items left out: an option is empty',
    'left_out:equal_options': 'Items left out: two options are equal',
    'left_out:one_candidate': 'Items left out: they have only one candidate',
    'left_out:unnamed': 'Items left out: a language has no distinct names for them',
}
# Shown as they are; every other number is a share, shown as a percentage.
_PLAIN = re.compile(
    r'^((truth_ratio|comet)(_difference_to_base)?|kappa|answer_kappa|bleu|chrf|cosine_\w+|auc|.*_p'
    r'|.*_off_recorded|chi_square_distance|forget_quality|left_out:.*)$'
)
_FORMULA = ('=', '+', '-', '@', '\t', '\r')  # a spreadsheet computes cells that begin so
_LONG = (
    'model',
    'arm',
    'task',
    'variant',
    'language',
    'subject',
    'method',
    'metric',
    'value',
    'ci_low',
    'ci_high',
    'n',
    'chance',
    'p',
    'p_holm',
    'seeds',
    'signature',
    'reason',
)
_PAIRED = ('language', 'with')
_TEX = {'&': r'\&', '%': r'\%', '$': r'\$', '#': r'\#', '_': r'\_', '{': r'\{', '}': r'\}'} | {
    '~': r'\textasciitilde{}',
    '^': r'\textasciicircum{}',
    '\\': r'\textbackslash{}',
}


@dataclass(frozen=True)
class Table:
    """A table: rows of results.json by the names of a line and a column.

    Attributes:
      name: of its file.
      caption: what it shows.
      heads: names of the leading columns.
      columns: names of the others.
      lines: each with its leading cells, and a row of results.json or None for each column.
    """

    name: str
    caption: str
    heads: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[tuple[tuple[str, ...], tuple[ResultRow | None, ...]], ...]


def write(rows: Sequence[ResultRow], folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes results.csv, every number in full, and a CSV, Markdown and LaTeX file for each table.

    Languages are columns where there are several; else metrics are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole: Sequence[Mapping[str, object]] = rows
    files = {folder / 'results.csv': _csv(_LONG, ([row.get(n) for n in _LONG] for row in whole))}
    for table in tables(rows):
        values = ([*heads, *_full(cells)] for heads, cells in table.lines)
        bounds = [f'{c}{end}' for c in table.columns for end in ('', ' low', ' high')]
        files[folder / f'{table.name}.csv'] = _csv([*table.heads, *bounds], values)
        files[folder / f'{table.name}.md'] = markdown(table)
        files[folder / f'{table.name}.tex'] = latex(table)
    for path, text in files.items():
        write_atomic(path, text.encode())
    return list(files)


def tables(rows: Sequence[ResultRow]) -> list[Table]:
    """One table per task, variant and method; subjects and pairs of languages have separate tables.

    Where recorded answers were read in several ways, the table `readers` compares these.
    """
    made = []
    groups: dict[tuple[str, str, str, str], list[ResultRow]] = {}
    for row in rows:
        kind = 'subjects' if 'subject' in row else 'pairs' if PAIR in row['language'] else ''
        groups.setdefault((row['task'], row['variant'], row['method'], kind), []).append(row)
    for (task, variant, method, kind), group in groups.items():
        languages = _values(group, 'language')
        name = '.'.join(_slug(part) for part in (task, variant, method, kind) if part)
        caption = f'{task}, variant {variant}, method {method}'
        lead: tuple[str, ...]
        if method == 'items':
            lead, across = ('metric', 'model'), 'variant'
            caption = f'{task}, items that were not asked in any language'
        elif kind == 'subjects':
            lead, across = ('language', 'metric', 'subject'), 'model'
            caption += ', by subject'
        elif kind == 'pairs':
            lead, across = ('metric', 'model', 'language'), 'with'
            caption += ', between languages'
        elif len([x for x in languages if not x.startswith('mean:')]) > 1:
            lead, across = ('metric', 'model'), 'language'
        else:
            lead, across = ('model', 'language'), 'metric'
        made.append(_pivot(group, name, caption, lead, across))
    return [*_readers(rows), *made]


def sections(table: Table) -> list[Table]:
    """A table of several metrics as one table per metric, each without its empty columns."""
    if table.heads[0] != 'metric':
        return [table]
    metrics = dict.fromkeys(heads[0] for heads, _ in table.lines)
    made = []
    for metric in sorted(metrics, key=lambda m: list(TITLES).index(m) if m in TITLES else 99):
        lines = [(heads[1:], cells) for heads, cells in table.lines if heads[0] == metric]
        filled = [i for i in range(len(table.columns)) if any(cells[i] for _, cells in lines)]
        made.append(
            Table(
                f'{table.name}.{metric}',
                _title(metric),
                table.heads[1:],
                tuple(table.columns[i] for i in filled),
                tuple((heads, tuple(cells[i] for i in filled)) for heads, cells in lines),
            )
        )
    return made


def markdown(table: Table) -> str:
    """The table with its intervals; an undefined number is a dash, explained below the table."""
    parts = sections(table)
    lines = [f'# {table.caption}', '', 'Shares in percent, with 95 % intervals.', '']
    for part in parts:
        if part is not table:
            lines += [f'## {part.caption}', '']
        head = [*part.heads, *map(_head, part.columns)]
        lines += [_pipes(head), _pipes(['---'] * len(part.heads) + ['---:'] * len(part.columns))]
        lines += [_pipes([*heads, *(_cell(row) for row in cells)]) for heads, cells in part.lines]
        lines += ['', *(f'– {note}' for note in _reasons(part)), *([''] if _reasons(part) else [])]
    return '\n'.join(lines).rstrip() + '\n'


def markdown_cell(text: str) -> str:
    """The text of a cell; borders, line breaks, HTML and links are escaped."""
    plain = html.escape(text, quote=False).replace('|', r'\|').replace('](', r']\(')
    return ' '.join(plain.splitlines())


def latex(table: Table) -> str:
    """Tables with intervals below the values, to be \\input; they need \\usepackage{booktabs}."""
    return '\n'.join(_latex(part, table) for part in sections(table))


def _latex(part: Table, whole: Table) -> str:
    columns = 'l' * len(part.heads) + 'r' * len(part.columns)
    body = []
    for heads, cells in part.lines:
        body.append(
            ' & '.join([*map(_tex, heads), *(_tex(_number(row)) for row in cells)]) + r' \\'
        )
        spans = [rf'{{\tiny {_tex(_span(row))}}}' if _span(row) else '' for row in cells]
        if any(spans):
            body.append(' & '.join([*[''] * len(heads), *spans]) + r' \\')
    caption = part.caption if part is whole else f'{part.caption}. {whole.caption}'
    notes = ''.join(f' {_tex(note)}.' for note in _reasons(part))
    return '\n'.join(
        [
            r'\begin{table}',
            r'\centering\scriptsize\setlength{\tabcolsep}{3pt}',
            rf'\caption{{{_tex(caption)}. Shares in percent, 95\,\% intervals below.{notes}}}',
            rf'\label{{tab:{part.name}}}',
            rf'\begin{{tabular}}{{{columns}}}',
            r'\toprule',
            ' & '.join(map(_tex, [*part.heads, *map(_head, part.columns)])) + r' \\',
            r'\midrule',
            *body,
            r'\bottomrule',
            r'\end{tabular}',
            r'\end{table}',
            '',
        ]
    )


def _readers(rows: Sequence[ResultRow]) -> list[Table]:
    """Accuracies and unreadable shares of recorded answers that were read in several ways."""
    methods = [m for m in _values(rows, 'method') if m.startswith('recorded:')]
    if len(methods) < 2:
        return []
    shown = {'accuracy': 'accuracy', 'unreadable_share': 'unreadable'}
    found: dict[tuple[str, ...], dict[str, ResultRow]] = {}
    for row in rows:
        if row['metric'] in shown and row['method'] in methods:
            key = (row['task'], row['variant'], row['model'], row['language'])
            column = f'{row["method"].removeprefix("recorded:")}: {shown[row["metric"]]}'
            found.setdefault(key, {})[column.replace('_', ' ')] = row
    columns = [
        f'{m.removeprefix("recorded:").replace("_", " ")}: {name}'
        for name in shown.values()
        for m in methods
    ]
    lines = [(key, tuple(cells.get(c) for c in columns)) for key, cells in found.items()]
    heads = ('task', 'variant', 'model', 'language')
    caption = 'Recorded answers by reader; an unreadable answer counts as wrong'
    return [Table('readers', caption, heads, tuple(columns), tuple(lines))]


def _title(metric: str) -> str:
    arm = metric.removeprefix('difference_to_')
    other = metric if arm == metric else f'Difference to {arm}, points: accuracy minus its accuracy'
    return TITLES.get(metric, other)


def _head(column: str) -> str:
    return column.replace('mean:', 'mean ')


def _pivot(
    rows: Sequence[ResultRow], name: str, caption: str, lead: tuple[str, ...], across: str
) -> Table:
    columns = tuple(_values(rows, across))
    cells: dict[tuple[str, ...], dict[str, ResultRow]] = {}
    for row in rows:
        key = tuple(str(_field(row, name)) for name in lead)
        cells.setdefault(key, {})[_field(row, across)] = row
    # By metric, then by model.
    orders = [{str(value): i for i, value in enumerate(_values(rows, field))} for field in lead]
    keys = (
        sorted(cells, key=lambda key: key[0] != SOURCE)  # the language
        if 'subject' in lead
        else sorted(cells, key=lambda key: [order[x] for order, x in zip(orders, key, strict=True)])
    )
    lines = tuple((key, tuple(cells[key].get(column) for column in columns)) for key in keys)
    return Table(name, caption, lead, columns, lines)


def _values(rows: Iterable[ResultRow], field: str) -> list[Any]:
    """Distinct values in order; English first among languages, and means last."""
    found = list(dict.fromkeys(_field(row, field) for row in rows))
    if field not in ('language', 'with'):
        return found
    return sorted(found, key=lambda value: (is_mean(value), value != SOURCE))


def _field(row: ResultRow, name: str) -> Any:
    """A field of a row; `language` and `with` are the two languages of a pair."""
    one, pair, other = row['language'].partition(PAIR)
    fields: Mapping[str, Any] = row
    return {'language': one, 'with': other}[name] if pair and name in _PAIRED else fields[name]


def _full(cells: Sequence[ResultRow | None]) -> list[float | None]:
    numbers: list[float | None] = []
    for row in cells:
        if row is None:
            numbers += [None, None, None]
        else:
            numbers += [row['value'], row['ci_low'], row['ci_high']]
    return numbers


def _csv(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(map(_inert, head))
    writer.writerows(map(_inert, line) for line in lines)
    return out.getvalue()


def _inert(cell: Any) -> Any:
    """A cell that no spreadsheet computes: text that begins like a formula gets an apostrophe."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _number(row: ResultRow | None) -> str:
    if row is None:
        return ''
    if row['value'] is None:
        return '–'
    plain = _PLAIN.match(row['metric'])
    return f'{row["value"]:.3g}' if plain else f'{100 * row["value"]:.1f}'


def _span(row: ResultRow | None) -> str:
    low, high = (None, None) if row is None else (row['ci_low'], row['ci_high'])
    if row is None or low is None or high is None:
        return ''
    if _PLAIN.match(row['metric']):
        return f'[{low:.3g}, {high:.3g}]'
    return f'[{100 * low:.1f}, {100 * high:.1f}]'


def _cell(row: ResultRow | None) -> str:
    return f'{_number(row)} {_span(row)}'.strip()


def _reasons(table: Table) -> list[str]:
    found: dict[str, list[str]] = {}
    for heads, cells in table.lines:
        for column, row in zip(table.columns, cells, strict=True):
            if row is not None and row['value'] is None:
                found.setdefault(row['reason'], []).append(' '.join((*heads, column)))
    notes = []
    for reason, where in found.items():
        more = f' and {len(where) - 3} more' if len(where) > 3 else ''
        notes.append(f'{reason[0].upper()}{reason[1:]}: {", ".join(where[:3])}{more}')
    return notes


def _pipes(cells: Iterable[str]) -> str:
    return f'| {" | ".join(markdown_cell(str(cell)) for cell in cells)} |'


def _tex(text: str) -> str:
    return ''.join(_TEX.get(c, c) for c in text).replace('–', '--')


def _slug(text: str) -> str:
    return re.sub(r'[^\w-]+', '_', text)
