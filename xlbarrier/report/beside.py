"""Tables of a section besides its accuracies: what languages share, parts, normalisations."""

from collections.abc import Iterator
from typing import Any

from xlbarrier.report import words
from xlbarrier.report.words import LANGUAGE_WORDS, Numbers, percent
from xlbarrier.results.rows import PAIR, SOURCE, ResultRow, is_mean
from xlbarrier.text import languages

NORMALISED = ('accuracy', 'accuracy_char', 'accuracy_byte', 'accuracy_token', 'accuracy_pmi')
SHARED = {
    'relative_accuracy': 'RA',
    'en_co': 'en-CO',
    'kappa': 'kappa, right or wrong',
    'answer_kappa': 'kappa of the answers',
    'transfer': 'transfer',
    'transfer_back': 'transfer back',
    'chi_square_distance': 'chi-square',
    'variance_share': 'variance share',
    'commonest_answer_share': 'commonest answer, %',
}
SHARED_CAPTION = (
    'Variant full, compared with English. RA: accuracy above guessing, as a share of that of'
    ' CLiKA’s reference. en-CO: items right in both languages, as a share of those right in either.'
    ' Kappa: agreement beyond chance, in being right and in the option chosen; where the latter is'
    ' near 0, the overlap says nothing. Transfer: the share of the items right in English that are'
    ' also right in the language; transfer back: the share of those right in the language that are'
    ' also right in English. Chi-square: distance between the option probabilities, 0 to 1.'
    ' Variance share: how much of the difference between answers is lower certainty, not another'
    ' preference. Brackets: 95 % intervals.'
)
Table = dict[str, Any]


def language_words(code: str) -> str:
    """A language's English name, both names of a pair, or the words for a mean."""
    if code in LANGUAGE_WORDS:
        return LANGUAGE_WORDS[code]
    return ' and '.join(languages.named(each).english_name for each in code.split(PAIR))


def _interval(row: ResultRow, form: Any = percent) -> str:
    """An interval that is not broken across lines."""
    return words.interval(row, form).replace(' ', '\u00a0')


def tables(numbers: Numbers, models: list[str], key: dict[str, str]) -> list[Table]:
    """Tables of a task and method in the page's order: title, caption, head, lines, `folded`."""
    made = [
        _shared(numbers, models, key),
        *(_rankc(numbers, model, key) for model in models),
        _parts(numbers, models, 'accuracy_category', key, 'in each category', folded=False),
        _parts(numbers, models, 'accuracy_subject', key, 'in each subject', folded=True),
        _normalised(numbers, models, key),
    ]
    return [table for table in made if table['lines']]


def _shared(numbers: Numbers, models: list[str], key: dict[str, str]) -> Table:
    here = {'variant': 'full', **key}
    shown = [
        metric
        for metric in SHARED
        if any(row['value'] is not None for row in numbers.rows_of(metric, **here))
    ]
    codes = list(
        dict.fromkeys(c for m in shown for c in numbers.values('language', metric=m, **here))
    )
    codes.sort(key=lambda code: (code != SOURCE, code in LANGUAGE_WORDS, code))
    lines = []
    for model in models:
        for code in codes:
            cells = [
                numbers.find(metric=metric, model=model, language=code, **here) for metric in shown
            ]
            if any(cells):
                lines.append([model, language_words(code), *map(_share, cells)])
    if not [metric for metric in shown if metric != 'commonest_answer_share']:
        lines = []  # one language alone
    head = ['model', 'language', *(SHARED[metric] for metric in shown)]
    caption = SHARED_CAPTION
    for model in models:
        row = numbers.find(metric='tot_cons', model=model, **here)
        if row is not None and row['value'] is not None:
            share = f'{percent(row["value"])} % {_interval(row)}'
            caption += f' Right in every language, {model}: {share}.'
    return _table('What the languages share', caption, head, lines)


def _share(row: ResultRow | None) -> str:
    if row is None:
        return ''
    if row['value'] is None:
        return f'– ({row["reason"]})'
    if row['metric'] == 'commonest_answer_share':
        return percent(row['value'])
    return f'{row["value"]:.2f} {_interval(row, "{:.2f}".format)}'.rstrip()


def _rankc(numbers: Numbers, model: str, key: dict[str, str]) -> Table:
    found = {
        frozenset(row['language'].split(PAIR)): row
        for row in numbers.rows_of('rankc', model=model, **key)
        if PAIR in row['language']
    }
    codes = sorted({code for pair in found for code in pair}, key=lambda c: (c != SOURCE, c))
    lines = [
        [language_words(one), *(_share(found.get(frozenset((one, other)))) for other in codes[:-1])]
        for one in codes[1:]
    ]
    # Each pair appears once, below the diagonal.
    lines = [
        [c if i <= row + 1 else '' for i, c in enumerate(line)] for row, line in enumerate(lines)
    ]
    mean = numbers.find(metric='rankc', model=model, language='mean:all', **key)
    caption = f'{model}: RankC, how similarly two languages rank the candidates (0 to 1)'
    if mean is not None:
        caption += f'; mean over the pairs {_share(mean)}'
    head = ['', *map(language_words, codes[:-1])]
    return _table('Rankings in common', f'{caption}. Brackets: 95 % intervals.', head, lines)


def _parts(
    numbers: Numbers,
    models: list[str],
    metric: str,
    key: dict[str, str],
    where: str,
    *,
    folded: bool,
) -> Table:
    rows = numbers.rows_of(metric, **key)
    parts = list(dict.fromkeys(row['subject'] for row in rows))
    sheets = list(dict.fromkeys((row['model'], row['variant'], row['language']) for row in rows))
    variants = list(dict.fromkeys(sheet[1] for sheet in sheets))
    sheets.sort(key=lambda s: (models.index(s[0]), variants.index(s[1]), s[2] != SOURCE))
    cells = {(row['model'], row['variant'], row['language'], row['subject']): row for row in rows}
    if folded:  # subjects are too many for columns
        head = ['subject', 'n', *(', '.join((m, v, language_words(c))) for m, v, c in sheets)]
        lines = [
            [
                part.replace('_', ' '),
                str(cells[*sheets[0], part]['n']),
                *(percent(cells[*sheet, part]['value']) for sheet in sheets),
            ]
            for part in parts
        ]
    else:
        head = ['model', 'variant', 'language', *(part.split(' (')[0] for part in parts)]
        lines = [
            [
                sheet[0], sheet[1], language_words(sheet[2]),
                *(f'{percent(c["value"])} {_interval(c)}'.rstrip()
                  for c in (cells[*sheet, part] for part in parts)),
            ]
            for sheet in sheets
        ]  # fmt: skip
    caption = f'Right answers {where}, %, weighted by the size of the subjects.'
    return _table(f'Accuracy {where}', caption, head, lines, folded=folded)


def _normalised(numbers: Numbers, models: list[str], key: dict[str, str]) -> Table:
    here = {'variant': 'full', **key}
    lines = list(_normalised_lines(numbers, models, here))
    if not any(numbers.rows_of(metric, **here) for metric in NORMALISED[1:]):
        lines = []
    return _table(
        'Other normalisations',
        'Variant full, accuracy in % under each normalisation. Only the raw one is comparable'
        ' across scripts.',
        ['model', 'language', 'raw', 'per character', 'per byte', 'per token', 'PMI'],
        lines,
        folded=True,
    )


def _normalised_lines(
    numbers: Numbers, models: list[str], here: dict[str, str]
) -> Iterator[list[str]]:
    for model in models:
        codes = numbers.values('language', metric='accuracy', **here)
        for language in sorted(codes, key=lambda code: (is_mean(code), code != SOURCE, code)):
            cells = [
                numbers.find(metric=metric, model=model, language=language, **here)
                for metric in NORMALISED
            ]
            values = [percent(cell['value']) if cell else '–' for cell in cells]
            yield [model, language_words(language), *values]


def _table(
    title: str, caption: str, head: list[str], lines: list[list[str]], *, folded: bool = False
) -> Table:
    return {'title': title, 'caption': caption, 'head': head, 'lines': lines, 'folded': folded}
