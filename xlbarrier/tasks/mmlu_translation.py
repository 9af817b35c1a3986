"""MMLU put into other languages by a translator: files that the task mmlu reads.

Questions and options are translated apart. An item of which a part could not be translated into
some language is left out in all of them, English included, so that the rows stay aligned.

    <folder>/<language>/<split>/<subject>_<split>.csv    English too
    <folder>/failures.jsonl       each text without a translation, and why
    <folder>/manifest.json        written last: counts, digests
    <folder>/translations.sqlite  the cache, unless the translator's config names another
"""

import csv
import functools
import hashlib
import io
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from absl import logging

from xlbarrier import datafiles
from xlbarrier.config.questions import QuestionsConfig
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.corpus.translation import Translators, configured
from xlbarrier.datafiles import DataError, write_atomic
from xlbarrier.errors import RunError
from xlbarrier.progress import Progress
from xlbarrier.tasks import items as items_lib
from xlbarrier.tasks import mmlu_files
from xlbarrier.tasks.base import LETTERS
from xlbarrier.tasks.items import SOURCE, Item
from xlbarrier.text import languages as languages_lib
from xlbarrier.translate.protocol import Failed, TranslatorError

BATCH = 512  # texts that are given to the translator at once
SHOWN = 3  # failures named in an error


class Failure(NamedTuple):
    """A text without a translation; `row` is that of the source's file, counted from 0."""

    language: str
    split: str
    subject: str
    row: int
    part: str  # 'question', or the letter of an option
    text: str
    reason: str


def build(
    config: QuestionsConfig, translator: TranslatorConfig, folder: pathlib.Path
) -> dict[str, Any]:
    """Translates the questions, or finds them translated.

    Args:
      config: what is translated.
      translator: by what; what it has translated is in its cache, so that a second start goes on.
      folder: of the files; its parent exists.

    Returns:
      The manifest.

    Raises:
      DataError: naming what is wrong with the source.
      TranslatorError: for a language that the translator does not know, or when more texts failed
        than `max_failed` allows; the failures are in failures.jsonl.
      RunError: when the folder has the translation of other questions.
    """
    for code in config.languages:
        languages_lib.named(code)
    found: dict[str, list[Item]] = {split: _read(config, split) for split in config.splits}
    digest = hashlib.sha256(
        json.dumps(
            [[split, *_parts(item)] for split, these in found.items() for item in these]
        ).encode()
    ).hexdigest()
    path = folder / 'manifest.json'
    if path.exists():
        manifest = datafiles.read_object(path)
        if manifest.get('source_sha256') != digest:
            raise RunError(
                f'{folder} has the translation of other questions than {config.source} has now:'
                ' restore these, or take another --workdir'
            )
        logging.info('%s: translated already', folder)
        return manifest
    folder.mkdir(exist_ok=True)
    texts = dict.fromkeys(
        part for these in found.values() for item in these for part in _parts(item)
    )
    asked = [text for text in texts if any(c.isalpha() for c in text)]
    answers, fingerprint = _translate(config.languages, translator, folder, asked)
    failures = _failures(config.languages, found, answers)
    _write_failures(folder / 'failures.jsonl', failures)
    _check_failed(failures, len(asked), translator.max_failed, folder)
    gone = {(failure.split, failure.subject, failure.row) for failure in failures}
    kept: dict[str, list[Item]] = {
        split: [i for i in these if (split, i.subject, i.meta['row']) not in gone]
        for split, these in found.items()
    }
    _check_subjects(found, kept)
    counts = {}
    for language in (SOURCE, *config.languages):
        here = {text: text for text in texts}
        for text in asked if language != SOURCE else ():
            answer = answers[language, text]
            if isinstance(answer, str):
                here[text] = answer
        _write(folder / language, kept, here)
        counts[language] = {
            'equal_options': sum(
                items_lib.alike(_worded(item, here)) for these in kept.values() for item in these
            )
        }
    manifest = {
        'source': config.source,
        'source_sha256': digest,
        'translator': {'kind': translator.kind, 'fingerprint': fingerprint},
        'texts': {'all': len(texts), 'without_letters': len(texts) - len(asked)},
        'failed_texts': len({(f.language, f.text) for f in failures}),
        'items': {split: len(these) for split, these in kept.items()},
        'left_out': {split: len(found[split]) - len(these) for split, these in kept.items()},
        'languages': counts,
    }
    write_atomic(path, (json.dumps(manifest, indent=1, ensure_ascii=False) + '\n').encode())
    return manifest


def _read(config: QuestionsConfig, split: str) -> list[Item]:
    where = 'config.questions'
    mmlu_files.check_complete({SOURCE: config.source}, split, config.subjects, where, '')
    found = mmlu_files.read(config.source, split, config.subjects)
    limit = config.limit if split == 'test' else 0
    return [item for item in found if not limit or item.meta['row'] < limit]


def _parts(item: Item) -> tuple[str, ...]:
    return (item.question, *item.choices)


def _worded(item: Item, texts: Mapping[str, str]) -> Item:
    question, *choices = (texts[part] for part in _parts(item))
    return Item(item.id, question, tuple(choices), item.answer, item.subject, item.where)


def _translate(
    languages: Sequence[str],
    translator: TranslatorConfig,
    folder: pathlib.Path,
    texts: Sequence[str],
) -> tuple[dict[tuple[str, str], str | Failed], str]:
    """The translation of each (language, text), and the translator's fingerprint."""
    cache = translator.cache or str(folder / 'translations.sqlite')
    make = functools.partial(configured, translator, cache)
    answers: dict[tuple[str, str], str | Failed] = {}
    with (
        Translators(make, SOURCE, translator.workers) as translators,
        Progress('translating questions', unit='texts') as progress,
    ):
        fingerprint = translators.check(languages)
        progress.begin(len(texts) * len(languages))
        for language in languages:
            for start in range(0, len(texts), BATCH):
                batch = [(language, text) for text in texts[start : start + BATCH]]
                answers |= translators.submit(batch)()
                progress.update(len(batch))
        logging.info(
            'translations: %d from the cache, %d new', translators.count.hits,
            translators.count.misses,
        )  # fmt: skip
    return answers, fingerprint


def _failures(
    languages: Iterable[str],
    found: Mapping[str, Sequence[Item]],
    answers: Mapping[tuple[str, str], str | Failed],
) -> list[Failure]:
    return [
        Failure(language, split, item.subject, item.meta['row'], part, text, str(answer))
        for language in languages
        for split, these in found.items()
        for item in these
        for part, text in zip(('question', *LETTERS), _parts(item), strict=False)
        if isinstance(answer := answers.get((language, text)), Failed)
    ]


def _write_failures(path: pathlib.Path, failures: Sequence[Failure]) -> None:
    lines = [json.dumps(f._asdict(), ensure_ascii=False) + '\n' for f in failures]
    write_atomic(path, ''.join(lines).encode())


def _check_failed(
    failures: Sequence[Failure], asked: int, allowed: float, folder: pathlib.Path
) -> None:
    """Stops where too many texts of a language have no translation."""
    failed: dict[str, set[str]] = {}
    for failure in failures:
        failed.setdefault(failure.language, set()).add(failure.text)
    for language, texts in failed.items():
        if len(texts) > allowed * asked:
            first = [f for f in failures if f.language == language][:SHOWN]
            shown = '; '.join(f'{f.subject} row {f.row}, {f.part}: {f.reason}' for f in first)
            raise TranslatorError(
                f'{len(texts)} of {asked} texts have no translation into {language}, more than'
                f' config.corpus.translator.max_failed = {allowed} allows; the first: {shown}. All'
                f' are in {folder / "failures.jsonl"}'
            )


def _check_subjects(
    found: Mapping[str, Sequence[Item]], kept: Mapping[str, Sequence[Item]]
) -> None:
    for split, these in found.items():
        left = {item.subject for item in kept[split]}
        for item in these:
            if item.subject not in left:
                raise DataError(
                    f'no question of {item.subject} is left in the split {split}: each has a part'
                    ' without a translation; leave it out with config.questions.subjects'
                )


def _write(
    folder: pathlib.Path, kept: Mapping[str, Sequence[Item]], texts: Mapping[str, str]
) -> None:
    """The CSV files of a language, without a header, as Hendrycks et al. published them."""
    for split, these in kept.items():
        place = folder / split
        place.mkdir(parents=True, exist_ok=True)
        by_subject: dict[str, list[Item]] = {}
        for item in these:
            by_subject.setdefault(item.subject, []).append(item)
        for subject, group in by_subject.items():
            text = io.StringIO()
            writer = csv.writer(text, lineterminator='\n')
            for item in group:
                made = _worded(item, texts)
                writer.writerow([made.question, *made.choices, LETTERS[made.answer]])
            write_atomic(place / f'{subject}_{split}.csv', text.getvalue().encode())
