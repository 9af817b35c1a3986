"""Recorded translations, as Chua et al. 2024 publish them, with COMET of each segment.

outputs/<system>/test-<source>-<target>          one sentence per line, the first so many of the set
outputs/<system>/test-<source>-<target>.comet    comet-score's own lines, where it was run
data/<set>/<language>.devtest                    the sentences in each language
"""

import pathlib
import re
from collections.abc import Sequence

from absl import logging

from xlbarrier.rescore import records
from xlbarrier.results.recorded import RecordError
from xlbarrier.results.translation import TASK, RecordedTranslation

LOOKED_FOR = (
    'outputs/<system>/test-<source>-<target>, beside data/<set>/<language>.devtest, one of the'
    ' languages being en'
)
_NAME = re.compile(r'test-([a-z]{2,3})-([a-z]{2,3})')
_SCORE = re.compile(r'score:\s*(-?[\d.]+)\s*$')
_ROUNDING = 1e-4  # recorded scores have four digits


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """Every recorded translation below the root."""
    paths = (p for p in root.rglob('test-*') if p.is_file() and p.parents[1].name == 'outputs')
    return sorted(path for path in paths if 'en' in _pair(path))


def read(
    paths: Sequence[pathlib.Path],
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> list[RecordedTranslation]:
    """The translations in the files that `find` found; empty filters take everything.

    Raises:
      RecordError: for missing, fewer or empty references, or recorded scores of another number of
        sentences.
    """
    if tasks and TASK not in tasks:
        return []
    made = []
    for path in paths:
        source, target = _pair(path)
        language = target if source == 'en' else source
        if (models and path.parent.name not in models) or (languages and language not in languages):
            continue
        texts, references = _lines(path), _references(path, target)
        if len(texts) > len(references):
            raise RecordError(
                f'{path} has {len(texts)} translations; the references in {target} are'
                f' {len(references)}; is it of another set?'
            )
        kept = references[: len(texts)]
        blank = next((i for i, line in enumerate(kept, 1) if not line.strip()), None)
        if blank:
            raise RecordError(f'{path}: line {blank} of its references in {target} is empty')
        variant = 'en-x' if source == 'en' else 'x-en'
        comet = _comet(path.with_name(f'{path.name}.comet'), len(texts))
        made.append(
            RecordedTranslation(
                path.parent.name, variant, language, path, target, texts, kept, comet
            )
        )
    return made


def files_of(output: RecordedTranslation) -> list[pathlib.Path]:
    """All the files that it was read from."""
    scores = output.path.with_name(f'{output.path.name}.comet')
    found = [output.path, _reference_file(output.path, output.target)]
    return found + ([scores] if scores.exists() else [])


def _pair(path: pathlib.Path) -> tuple[str, str]:
    found = _NAME.fullmatch(path.name)
    return (found[1], found[2]) if found else ('', '')


def _reference_file(path: pathlib.Path, language: str) -> pathlib.Path:
    folder = path.parents[2] / 'data'
    found = sorted(folder.glob(f'*/{language}.devtest'))
    if len(found) != 1:
        raise RecordError(
            f'{path}: {len(found)} files {folder}/*/{language}.devtest; expected one, with the'
            ' references'
        )
    return found[0]


def _references(path: pathlib.Path, language: str) -> tuple[str, ...]:
    return _lines(_reference_file(path, language))


def _lines(path: pathlib.Path) -> tuple[str, ...]:
    # Not splitlines: a sentence may contain U+2028.
    text = records.read_text(path).replace('\r\n', '\n').removesuffix('\n')
    if not text:
        raise RecordError(f'{path} is empty; expected one sentence per line')
    return tuple(text.split('\n'))


def _comet(path: pathlib.Path, count: int) -> tuple[float, ...] | str:
    """The segments' scores; the last line has their mean."""
    if not path.exists():
        return f'COMET was not recorded: there is no {path.name}'
    text = records.read_text(path)
    if not text.strip():
        return f'COMET was not recorded: {path.name} is empty'
    found = [_SCORE.search(line) for line in text.strip().split('\n')]
    scores = [float(match[1]) for match in found if match]
    if len(scores) != count + 1 or len(found) != count + 1:
        lacking = next((i for i, match in enumerate(found, 1) if not match), None)
        raise RecordError(
            f'{path} has {len(found)} lines'
            + (f', and line {lacking} has no score' if lacking else '')
            + f'; expected a score for each of {count} sentences, and their mean'
        )
    *scores, mean = scores
    off = abs(sum(scores) / count - mean)
    if off > _ROUNDING:
        logging.warning('%s: the recorded mean differs from that of its segments by %g', path, off)
    return tuple(scores)
