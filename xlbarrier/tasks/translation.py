"""Translation out of and into English: BLEU, chrF and, if installed, COMET.

A sheet's variant is the direction, 'en-x' or 'x-en', and its language is x.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

import pyarrow as pa
from absl import logging

from xlbarrier import datafiles, metrics
from xlbarrier.config.written import TranslationConfig
from xlbarrier.datafiles import DataError
from xlbarrier.errors import StateError
from xlbarrier.tasks import files, written
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.chat import chat_of
from xlbarrier.tasks.rows import AnswerRow, NumberRow, Sheet
from xlbarrier.tasks.written import Item, WrittenTask
from xlbarrier.text import languages as languages_lib

SOURCE = 'en'
COMET_PROGRAM = 'comet-score'


class Translation(WrittenTask):
    """Prompts with a sentence after the name of its language, then the name of the other one."""

    numbers = ('comet',)

    def __init__(self, config: TranslationConfig, name: str = 'translation'):
        """Reads the sentences.

        Raises:
          DataError: for a file that is not there, files of different lengths, or an empty line.
        """
        self.config = config
        sentences = {code: _sentences(config, code) for code in (SOURCE, *config.languages)}
        ids = {code: [str(i) for i in range(len(one))] for code, one in sentences.items()}
        written.check_aligned(name, ids)
        if len(sentences[SOURCE]) <= config.shots:
            raise DataError(
                f'config.tasks.{name}.shots is {config.shots}; {config.source} has'
                f' {len(sentences[SOURCE])} sentences: none is left to be asked'
            )
        asked: dict[Sheet, list[Item]] = {}
        for direction in config.directions:
            for code in config.languages:
                source, target = (SOURCE, code) if direction == 'en-x' else (code, SOURCE)
                asked[direction, code] = _items(
                    source, target, sentences[source], sentences[target], config
                )
        super().__init__(
            name,
            asked,
            config.new_tokens,
            ('\n',),
            shots=config.shots,
            chat=chat_of(config, name),
        )

    def measure(self, asked: Asked) -> None:
        """See `base.Task`."""
        schema = pa.schema([*written.COLUMNS, ('comet', pa.float64())])
        texts = iter(self.write(asked))
        for sheet, items in self.asked.items():
            rows = [self.row(item, sheet, next(texts), asked.tokenizer) for item in items]
            scores = self._comet(rows)
            asked.write(
                self.name,
                sheet,
                [row | {'comet': s} for row, s in zip(rows, scores, strict=True)],
                schema,
            )

    def _comet(self, rows: Sequence[AnswerRow]) -> Sequence[float | None]:
        if not self.config.comet or shutil.which(COMET_PROGRAM) is None:
            return [None] * len(rows)
        return comet(
            [row['question'] for row in rows],
            [metrics.without_thought(row['written']).strip() for row in rows],
            [row['references'][0] for row in rows],
            self.config.comet,
        )

    def rows(self, tables: Mapping[Sheet, pa.Table], *, draws: int, seed: int) -> list[NumberRow]:
        """BLEU and chrF of each sheet with sacrebleu's signatures, and COMET's mean."""
        found: list[NumberRow] = []
        for (variant, language), table in tables.items():
            target = language if variant == 'en-x' else SOURCE
            written = table['written'].to_pylist()
            texts = [metrics.without_thought(text).strip() for text in written]
            references = [right[0] for right in table['references'].to_pylist()]
            key = {'variant': variant, 'language': language, 'method': 'generate'}
            scores = {
                'bleu': metrics.bleu(texts, references, target),
                'chrf': metrics.chrf(texts, references),
            }
            found += [key | {'metric': name} | score.as_row() for name, score in scores.items()]
            if self.config.comet:
                rated = [s for s in table['comet'].to_pylist() if s is not None]
                estimate = (
                    metrics.mean(rated, draws, seed)
                    if rated
                    else metrics.missing(f'the program {COMET_PROGRAM} is not installed')
                )
                found.append(key | {'metric': 'comet', 'signature': self.config.comet})
                found[-1] |= estimate.as_row()
        return found


def comet(
    sources: Sequence[str], texts: Sequence[str], references: Sequence[str], model: str
) -> list[float]:
    """COMET (Rei et al. 2020) of each sentence, from the program of unbabel-comet.

    It is run as a program, because its requirements are older than ours and need a separate
    environment.

    Raises:
      StateError: with the end of the program's output, when it fails or does not return one score
        per sentence.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        for name, lines in (('source', sources), ('text', texts), ('reference', references)):
            content = ''.join(f'{" ".join(line.split())}\n' for line in lines)
            (place / name).write_text(content, encoding='utf-8')
        command = [COMET_PROGRAM, '--quiet', '--model', model, '--to_json', str(place / 'out.json')]
        for flag, name in (('-s', 'source'), ('-t', 'text'), ('-r', 'reference')):
            command += [flag, str(place / name)]
        logging.info('%s', ' '.join(command))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            (found,) = json.loads((place / 'out.json').read_text(encoding='utf-8')).values()
            scores = [float(each['COMET']) for each in found]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(
                f'{COMET_PROGRAM} (exit {done.returncode}) left no scores ({error!r}):'
                f' {done.stderr[-500:]}'
            ) from error
    if len(scores) != len(texts):
        raise StateError(f'{COMET_PROGRAM} gave {len(scores)} scores for {len(texts)} sentences')
    return scores


def _items(
    source: str,
    target: str,
    sources: Sequence[str],
    targets: Sequence[str],
    config: TranslationConfig,
) -> list[Item]:
    names = [languages_lib.language(code).english_name for code in (source, target)]
    if config.prompt == 'alma':  # run_llmmt.py of fe1ixxu/ALMA, few-shot and not
        head, gap = f'Translate this from {names[0]} to {names[1]}:\n', '\n'
    else:
        head, gap = f'Translate from {names[0]} into {names[1]}.\n\n', '\n\n'
    for i in range(config.shots):
        head += f'{names[0]}: {sources[i]}\n{names[1]}: {targets[i]}{gap}'
    stop = config.shots + config.limit if config.limit else len(sources)
    return [
        Item(str(i), sources[i], f'{head}{names[0]}: {sources[i]}\n{names[1]}:', (targets[i],))
        for i in range(config.shots, min(stop, len(sources)))
    ]


def _sentences(config: TranslationConfig, code: str) -> list[str]:
    place = files.place_of(config.source, code, config.codes)
    if place.startswith('hf:') or pathlib.Path(place).suffix in datafiles.SUFFIXES:
        return [row.text(config.column) for row in files.read(place, config.split)]
    path = pathlib.Path(place).expanduser()
    lines = datafiles.text_lines(path)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise DataError(
                f'{path}, line {number} is empty; expected a sentence, as in the others'
            )
    return lines
