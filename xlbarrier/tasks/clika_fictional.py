"""CLiKA's fictional set as it is published: rows to train on, and tagged questions.

Gao et al. 2024. The source has train/DE.json (one object per line: prompt, input, answer),
test/target/testDE.jsonl (the answer followed by [[continent:..]][[city:..]][[type:0]]) and
test/Translate/translateDE.jsonl (the input is an English name), possibly in a subfolder. Names of
files and folders may differ in case and have a suffix such as _trans.
"""

import pathlib
import re
from collections.abc import Sequence

from xlbarrier import datafiles, draw
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import files
from xlbarrier.tasks.base import Question

SOURCE = 'en'
TRANSLATION_CHOICES = 4
_PARTS = {  # of a path below the source, case aside
    'train': r'(.*/)?train/{code}(_\w+)?\.jsonl?',
    'target': r'(.*/)?test/(.*/)?(test)?{code}(_\w+)?\.jsonl?',
    'translate': r'(.*/)?test/(.*/)?translate{code}(_\w+)?\.jsonl?',
}
_TAG = re.compile(r'\[\[(\w+):(.*?)\]\]')


def find(source: str, part: str, code: str) -> pathlib.Path:
    """The file of a part ('train', 'target', 'translate') in a language.

    Raises:
      DataError: when there is none, or more than one; names what was looked for.
    """
    root = pathlib.Path(source).expanduser()
    pattern = _PARTS[part].format(code=re.escape(code))
    found = [
        path
        for path in sorted(root.rglob('*.json*'))
        if re.fullmatch(pattern, path.relative_to(root).as_posix(), re.IGNORECASE)
    ]
    if len(found) != 1:
        listed = ' and '.join(str(path.relative_to(root)) for path in found[:2]) or 'no such file'
        names = {
            'train': f'train/{code.upper()}.json',
            'target': f'test/target/test{code.upper()}.jsonl',
            'translate': f'test/Translate/translate{code.upper()}.jsonl',
        }
        raise DataError(
            f'{root} has {listed}; expected one {names[part]} of the published fictional set'
        )
    return found[0]


def lessons(source: str, code: str) -> list[tuple[str, str, str]]:
    """(prompt, input, answer) of each row of a language's training file.

    Raises:
      DataError: naming the row and the field that is absent or blank.
    """
    made = []
    for row in files.read(str(find(source, 'train', code))):
        made.append((row.text('prompt'), _input(row), row.text('answer')))
    return made


def facts(source: str, code: str) -> dict[str, list[Question]]:
    """The questions about facts, by 'type_0' and 'type_1'.

    The options are the published answer with its continent replaced by each one of the file.

    Raises:
      DataError: naming the row whose answer lacks a tag, or does not name its continent exactly
        once apart from the city.
    """
    parsed = []
    for number, row in enumerate(files.read(str(find(source, 'target', code)))):
        answer = row.text('answer')
        tags = dict(_TAG.findall(answer))
        missing = [tag for tag in ('continent', 'city', 'type') if not tags.get(tag)]
        if missing or tags['type'] not in ('0', '1'):
            raise DataError(
                f'{row.where}: the answer ends in {answer[-60:]!r}; expected'
                ' [[continent:NAME]][[city:NAME]][[type:0 or 1]]'
            )
        before, after = _around(_TAG.sub('', answer), tags, row.where)
        parsed.append((number, row, tags, before, after))
    continents = list(dict.fromkeys(tags['continent'] for _, _, tags, _, _ in parsed))
    if len(continents) < 2:
        raise DataError(
            f'{find(source, "target", code)} asks for {continents}; expected two or more'
        )
    made: dict[str, list[Question]] = {'type_0': [], 'type_1': []}
    for number, row, tags, before, after in parsed:
        kind = f'type_{tags["type"]}'
        made[kind].append(
            Question(
                id=f'fact:{number}',
                question=row.text('prompt'),
                choices=tuple(f'{before}{name}{after}' for name in continents),
                answer=continents.index(tags['continent']),
                language=code,
                choice_languages=(code,) * len(continents),
                subject=kind,
                meta={'row': number, 'input': _input(row), 'said': tags['continent'],
                      'subject': tags['city'], 'where': row.where},
            )
        )  # fmt: skip
    return made


def _around(text: str, tags: dict[str, str], where: str) -> tuple[str, str]:
    """The text before and after the continent, which can also be part of the city's name."""
    hidden = text.replace(tags['city'], '\0' * len(tags['city']))
    if hidden.count(tags['continent']) != 1:
        raise DataError(
            f'{where}: {text!r} names the continent {tags["continent"]!r}'
            f' {hidden.count(tags["continent"])} times apart from the city; expected once'
        )
    start = hidden.index(tags['continent'])
    return text[:start], text[start + len(tags['continent']) :]


def translations(source: str, code: str, seed: int) -> list[Question]:
    """The names to translate into a language; the wrong options are other names of the file.

    Raises:
      DataError: naming the row and the field that is absent or blank.
    """
    rows = files.read(str(find(source, 'translate', code)))
    names = list(dict.fromkeys(row.text('answer') for row in rows))
    if len(names) < TRANSLATION_CHOICES:
        raise DataError(
            f'{rows[0].where}: {len(names)} names; expected {TRANSLATION_CHOICES} or more'
        )
    made = []
    for number, row in enumerate(rows):
        if not _input(row):
            raise DataError(f'{row.where}: input is blank; expected an English name')
        right = row.text('answer')
        choices, answer = options(right, names, TRANSLATION_CHOICES, seed, f'{code} {number}')
        made.append(
            Question(
                id=f'name:{number}',
                question=row.text('prompt'),
                choices=choices,
                answer=answer,
                language=SOURCE,
                choice_languages=(code,) * len(choices),
                subject='translation',
                meta={'row': number, 'input': _input(row), 'where': row.where},
            )
        )
    return made


def options(
    right: str, names: Sequence[str], count: int, seed: int, purpose: str
) -> tuple[tuple[str, ...], int]:
    """The right name among `count` names in a drawn order, and its index."""
    wrong = draw.shuffled([n for n in names if n != right], seed, f'conductivity wrong {purpose}')
    shown = draw.shuffled([right, *wrong[: count - 1]], seed, f'conductivity order {purpose}')
    return tuple(shown), shown.index(right)


def _input(row: DataRow) -> str:
    value = row.values.get('input') or ''
    return datafiles.as_text(value, 'input', row.where) if value else ''
