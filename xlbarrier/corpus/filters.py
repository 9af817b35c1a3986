"""Which parts and documents of a source are taken, in the order of the checks, with counts."""

import os
import pathlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlbarrier import datafiles
from xlbarrier.config.corpus import FilterConfig
from xlbarrier.corpus import contamination, duplicates
from xlbarrier.corpus.documents import Document, noting
from xlbarrier.datafiles import DataError
from xlbarrier.text import languages, segment


@dataclass(frozen=True)
class Judged:
    """What is to be said of a document without regard to any other.

    Attributes:
      document: with the parts that are left, if any.
      reason: the filter that leaves it out; None: none does.
      rows: how many of its rows are taken by number.
      met: the questions that each part left out shares words with.
      mark: for the search for duplicates; None where it is not searched.
    """

    document: Document
    reason: str | None
    rows: int
    met: tuple[tuple[contamination.Met, ...], ...]
    mark: duplicates.Mark | None

    def to_json(self) -> list[Any]:
        """For a file of judged documents."""
        mark = self.mark and [part.hex() for part in self.mark]
        return [self.document.to_json(), self.reason, self.rows, self.met, mark]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> 'Judged':
        """The judgement that `to_json` gave."""
        document, reason, rows, met, mark = value
        return cls(
            Document.from_json(document),
            reason,
            rows,
            tuple(tuple((task, number) for task, number in part) for part in met),
            mark and (bytes.fromhex(mark[0]), bytes.fromhex(mark[1])),
        )


class Judge:
    """The filters that look at one document alone: a function of the document."""

    def __init__(
        self,
        config: FilterConfig,
        language: str,
        questions: Mapping[str, Sequence[str]] | None = None,
    ):
        """Args:
          config: what is asked for.
          language: BCP-47 code of the text.
          questions: of each task, for decontamination.

        Raises:
          DataError: for a file without row numbers, or a library that is not installed.
        """
        self._config, self._language = config, language
        self.rows = read_rows(config.rows) if config.rows else None
        self._keywords = _any_of(config.keywords, language)
        self._spoken = _identifier(language) if config.language else None
        self.contamination = (
            contamination.Decontaminator(questions or {}, config.decontaminate, language)
            if config.decontaminate
            else None
        )

    def __call__(self, document: Document) -> Judged:
        """Applies them in the order of the class `Filters`."""
        with noting(f'document {document.id}'):
            return self._judged(document)

    def _judged(self, document: Document) -> Judged:
        parts, met, rows = document.parts, [], 0
        if self.rows is not None:
            parts = tuple(part for part in parts if part.row in self.rows)
            rows = len({part.row for part in parts})
        if self.contamination:
            found = [(part, tuple(self.contamination.search(part.text))) for part in parts]
            parts = tuple(part for part, questions in found if not questions)
            met = [questions for _, questions in found if questions]
        text = '\n'.join(part.text for part in parts)
        reason = self._reason(text) if parts else None
        kind, mark = self._config.duplicates, None
        if parts and reason is None and kind != 'keep':
            mark = duplicates.mark(text, self._language, near=kind == 'near')
        return Judged(Document(document.id, parts), reason, rows, tuple(met), mark)

    def _reason(self, text: str) -> str | None:
        config = self._config
        if self._keywords and not self._keywords(text):
            return 'keywords'
        if config.min_words or config.max_words:
            count = segment.count_words(text, self._language)
            if count < config.min_words:
                return 'min_words'
            if config.max_words and count > config.max_words:
                return 'max_words'
        if self._spoken and self._spoken(text) < config.language:
            return 'language'
        return None


class Filters:
    """Takes documents one by one, in the source's order, and counts what it leaves out.

    Parts are left out by row number and by overlap with questions; documents by keyword, length,
    language and likeness to an earlier one. A document is dropped when no part of it is left.
    `judge` is what can be said of each document alone; counts, and what was seen before, are here.
    """

    def __init__(
        self,
        config: FilterConfig,
        language: str,
        folder: pathlib.Path,
        questions: Mapping[str, Sequence[str]] | None = None,
    ):
        """Args:
          config: what is asked for.
          language: BCP-47 code of the text.
          folder: where the digests of what was seen are kept, on disk, until `close`.
          questions: of each task, for decontamination.

        Raises:
          DataError: for a file without row numbers, or a library that is not installed.
        """
        self._config = config
        self.judge = Judge(config, language, questions)
        self._taken_rows = 0
        self._duplicates = (
            duplicates.Duplicates(folder / '.seen.sqlite', config.similarity)
            if config.duplicates != 'keep'
            else None
        )
        self._left_out: dict[str, int] = {}

    def apply(self, documents: Iterator[Document]) -> Iterator[Document]:
        """The documents that are taken.

        Raises:
          DataError: when the source ends before a row that is listed.
        """
        return self.taken((document, self.judge(document)) for document in documents)

    def taken(self, judged: Iterator[tuple[Document, Judged]]) -> Iterator[Document]:
        """The documents that are taken of those that were judged, with the parts that are left.

        Raises:
          DataError: as `apply`.
        """
        rows = self.judge.rows or frozenset()
        last, end = max(rows, default=None), 0
        for document, found in judged:
            if last is not None and document.parts[0].row > last:
                end = document.parts[0].row
                break
            end = document.end or document.parts[-1].row + 1
            if self._takes(found):
                yield found.document
        if last is not None and end <= last:
            raise DataError(
                f'{self._config.rows} lists {len(rows)} rows, the last is {last}; the source'
                f' has {end} rows: are the rows those of this text?'
            )

    def report(self) -> dict[str, Any]:
        """What was left out so far, by filter; JSON-ready."""
        found: dict[str, Any] = {}
        if self.judge.rows is not None:
            # Fewer are taken where nothing of a row is kept, as of headings that are dropped.
            found |= {'rows_listed': len(self.judge.rows), 'rows_taken': self._taken_rows}
        found['documents_left_out'] = dict(sorted(self._left_out.items()))
        if self.judge.contamination:
            found['contamination'] = self.judge.contamination.report()
        return found

    def close(self) -> None:
        """Removes what was kept on disk."""
        if self._duplicates:
            self._duplicates.close()

    def _takes(self, found: Judged) -> bool:
        self._taken_rows += found.rows
        if self.judge.contamination:
            for met in found.met:
                self.judge.contamination.count(met)
        reason = found.reason
        if found.mark and self._duplicates and self._duplicates.seen(found.mark):
            reason = 'duplicates'
        if reason is not None:
            self._left_out[reason] = self._left_out.get(reason, 0) + 1
        return reason is None and bool(found.document.parts)


def read_rows(path: str | os.PathLike) -> frozenset[int]:
    """Row numbers, from 0, over the rows of a source that are not blank.

    The file is a JSON list of numbers; or an object with one list in it, as the published indices
    of WikiText-103's lines about Harry Potter (Chua et al. 2024) do; or one number per line.

    Raises:
      DataError: for another form, a number below 0, or no number at all.
    """
    path = pathlib.Path(path).expanduser()
    text = datafiles.read_text(path)
    try:
        value = datafiles.decode_json(text)
    except ValueError:
        value = text.split()
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]  # a file of one line
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if not isinstance(value, list) or not value:
        raise DataError(
            f'{path} contains no row numbers; expected a JSON list, an object with one list, or a'
            ' number per line'
        )
    rows = set()
    for i, item in enumerate(value):
        if isinstance(item, bool) or not re.fullmatch(r'\d+', str(item)):
            raise DataError(f'{path}: entry {i} is {item!r:.40}; expected a number of at least 0')
        rows.add(int(item))
    return frozenset(rows)


def _any_of(keywords: Sequence[str], language: str) -> Callable[[str], bool] | None:
    """Whether a text has any of the words or phrases, whole, in any case.

    Where there are no spaces between words (zh, ja, th) whole words cannot be recognised, and a
    keyword is looked for anywhere.
    """
    if not keywords:
        return None
    either = '|'.join(map(re.escape, sorted(keywords, key=len, reverse=True)))
    if not languages.language(language).spaces:
        return lambda text: bool(re.search(either, text, re.IGNORECASE))
    whole = re.compile(rf'(?<!\w)(?:{either})(?!\w)', re.IGNORECASE)
    # A vowel sign, as of Hindi, continues a word but is not in \w.
    return lambda text: any(
        not _is_mark(text[match.end() : match.end() + 1])
        and not _is_mark(text[max(match.start() - 1, 0) : match.start()])
        for match in whole.finditer(text)
    )


def _is_mark(char: str) -> bool:
    return bool(char) and unicodedata.category(char)[0] == 'M'


def _identifier(language: str) -> Callable[[str], float]:
    """The probability that a text is in the language, by its first 2,000 characters."""
    try:
        from lingua import IsoCode639_1, Language, LanguageDetectorBuilder
    except ImportError as error:
        raise DataError(
            'config.corpus.filters.language needs a library that is not installed: pip install'
            " 'xlbarrier[langid]' (lingua-language-detector), or set it to 0"
        ) from error
    code = getattr(IsoCode639_1, language.split('-')[0].upper(), None)
    if code is None:
        raise DataError(f'lingua knows no language {language!r}: set filters.language to 0')
    asked = Language.from_iso_code_639_1(code)
    # The accurate mode takes a gigabyte, and is for texts of a few words.
    detector = LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()
    return lambda text: detector.compute_language_confidence(text[:2000], asked)
