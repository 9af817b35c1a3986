"""Embedding alignment: are a model's vectors of a text and of its word-mixed version similar?

Chua et al. 2024 (arXiv 2406.16135, section 3): a share of a text's words is translated into another
language; the vector of the mixed text should be close to that of the text, closer than that of the
text with random tokens in the same positions, or without the tokens there. Measured at every depth.
"""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xlbarrier import draw, metrics, multihost
from xlbarrier.config.tasks import EmbeddingConfig
from xlbarrier.corpus import sources
from xlbarrier.data.tokenize import PreTrainedTokenizerFast, encode_located
from xlbarrier.datafiles import DataError
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks import prompts
from xlbarrier.tasks.asked import Asked
from xlbarrier.tasks.base import LeftOut
from xlbarrier.tasks.rows import AnswerRow, NumberRow, PromptRow, Sheet
from xlbarrier.text import languages as languages_lib
from xlbarrier.text import segment
from xlbarrier.translate import protocol
from xlbarrier.translate.make import make_translator

# The engine needs jax, which mode prompts does without.
if TYPE_CHECKING:
    from xlbarrier.scoring.embed import Passage

VARIANT, METHOD = 'mixing', 'mean_hidden'
HELD_BYTES = 512 << 20  # of vectors in memory at a time; for a large model, those of a few texts
TOGETHER = 16  # texts whose cosines are stored together: a killed process loses at most these
SCHEMA = pa.schema(
    [
        ('id', pa.string()),
        ('language', pa.string()),
        ('rate', pa.float64()),
        ('words', pa.int64()),
        ('replaced', pa.int64()),
        ('cosine_mixed', pa.list_(pa.float64())),
        ('cosine_control', pa.list_(pa.float64())),
        ('cosine_dropped', pa.list_(pa.float64())),
        ('text', pa.string()),
        ('mixed', pa.string()),
    ]
)


class Embedding:
    """The task; see `base.Task`. A sheet is a language, its variant 'mixing'."""

    def __init__(self, config: EmbeddingConfig, name: str = 'embedding'):
        """Reads the texts and translates their words.

        Raises:
          TranslatorError, DataError: naming what cannot be used.
        """
        self.name, self.config = name, config
        self._texts = read(config, f'config.tasks.{name}')

    def measure(self, asked: Asked) -> None:
        """Writes the cosines of every text, language and rate, a list over the depths."""
        vocabulary = ordinary_tokens(asked.tokenizer)
        made = [passages(text, asked.tokenizer, self.config, vocabulary) for text in self._texts]
        config = asked.decoder.config
        of_text = (
            4
            * len(made[0])
            * (4 if self.config.dropped else 3)
            * (config.num_layers + 1)
            * config.d_model
        )  # bytes
        group = min(TOGETHER, max(1, HELD_BYTES // of_text))
        rows: dict[str, list[AnswerRow]] = {}
        for first in range(0, len(made), group):
            some, last = made[first : first + group], min(first + group, len(made))
            groups = [group for found in some for group in found.values()]
            what = f'{asked.name}: embedding texts {first + 1} to {last} of {len(made)}'
            cosines = iter(_cosines(asked, groups, what))
            for text, found in zip(self._texts[first:], some, strict=False):
                for language, rate in found:
                    row = self._row(text, language, rate, next(cosines))
                    rows.setdefault(language, []).append(row)
        for language, of_language in rows.items():
            asked.write(self.name, (VARIANT, language), of_language, SCHEMA)

    def _row(self, text: 'Text', language: str, rate: float, cosines_CL: np.ndarray) -> AnswerRow:
        mixed_L, control_L, *dropped = cosines_CL
        return {
            'id': text.id,
            'language': language,
            'rate': rate,
            'words': len(text.spans),
            'replaced': len(text.chosen(language, rate)),
            'cosine_mixed': mixed_L.tolist(),
            'cosine_control': control_L.tolist(),
            'cosine_dropped': dropped[0].tolist() if dropped else None,
            'text': text.text,
            'mixed': text.mixed(language, rate, self._pad(language)),
        }

    def rows(self, tables: Mapping[Sheet, pa.Table], *, draws: int, seed: int) -> list[NumberRow]:
        """Cosines and AUC at every rate and depth; see `base.Numbered`.

        `variant` has the configured rate and `method` the depth. A rate is not reached if too few
        words have a translation: `share_replaced` is the rate that was reached.
        """
        found: list[NumberRow] = []
        for (_, language), table in tables.items():
            rates, columns = np.asarray(table['rate']), table.column_names
            for rate in dict.fromkeys(rates.tolist()):
                part = table.filter(pa.array(rates == rate))
                key: NumberRow = {'variant': f'{VARIANT}:{rate:g}', 'language': language}
                shares = np.asarray(part['replaced']) / np.asarray(part['words'])
                share = metrics.means([shares], draws, seed)[0]
                found.append(key | {'method': METHOD, 'metric': 'share_replaced', **share.as_row()})
                near_IL, far_IL = (
                    np.array(part[name].to_pylist()) for name in ('cosine_mixed', 'cosine_control')
                )
                dropped = part['cosine_dropped'].to_pylist() if 'cosine_dropped' in columns else []
                dropped = [] if None in dropped else dropped
                for depth in range(near_IL.shape[1]):
                    last = depth == near_IL.shape[1] - 1
                    method = f'{METHOD}:{"last" if last else depth}'
                    against = functools.partial(
                        metrics.cosine_alignment, near_IL[:, depth], draws=draws, seed=seed
                    )
                    numbers = {
                        name if name == 'auc' else f'cosine_{name}': estimate
                        for name, estimate in against(far_IL[:, depth])._asdict().items()
                    }
                    if dropped:
                        other = against(np.array(dropped)[:, depth])
                        numbers |= {'cosine_dropped': other.control, 'auc_dropped': other.auc}
                    for name, estimate in numbers.items():
                        chance = {'chance': 0.5} if name.startswith('auc') else {}
                        row: NumberRow = {
                            'method': method,
                            'metric': name,
                            **estimate.as_row(),
                            **chance,
                        }
                        found.append(key | row)
        return found

    needs_tokenizer = False
    left_out: Mapping[str, LeftOut] = MappingProxyType({})

    def prompts(
        self, tokenizer: PreTrainedTokenizerFast | None
    ) -> Iterator[tuple[Sheet, Sequence[PromptRow]]]:
        """The mixed texts, with the text itself as label; see `base.Task`."""
        for language in self._texts[0].words:
            rows: list[PromptRow] = []
            for rate in self.config.rates:
                for text in self._texts:
                    mixed = text.mixed(language, rate, self._pad(language))
                    rows.append(
                        {
                            'task': self.name,
                            'subject': f'{VARIANT}:{rate:g}',
                            'row': len(rows),
                            'id': text.id,
                            'variant': VARIANT,
                            'language': language,
                            'method': METHOD,
                            'shots': 0,
                            'demos': 'none',
                            'intervention': -1,
                            'label': text.text,
                            'sha256': prompts.digest(mixed),
                            'prompt': mixed,
                        }
                    )
            yield (VARIANT, language), rows

    def texts(self, language: str) -> list[str]:
        """The texts in their own language; see `base.Task`."""
        return [t.text for t in self._texts] if language == self.config.text.language else []

    def _pad(self, language: str) -> str:
        return padding(self.config.text.language, language)


@dataclass(frozen=True)
class Text:
    """A text whose words can be replaced.

    Attributes:
      id: its row in the source.
      text: as it is.
      spans: (start, end) of its words.
      words: of each target language, word number -> translation; words without one are absent.
      order: the words in the order in which they are replaced; a higher rate replaces the same
        words and more.
    """

    id: str
    text: str
    spans: tuple[tuple[int, int], ...]
    words: dict[str, dict[int, str]]
    order: tuple[int, ...]

    def chosen(self, language: str, rate: float) -> list[int]:
        """Numbers of the words that are replaced at a rate, as far as there are translations."""
        expected = max(1, round(rate * len(self.spans)))
        return sorted([n for n in self.order if n in self.words[language]][:expected])

    def mixed(self, language: str, rate: float, pad: str = '') -> str:
        """The text with its chosen words in the language; `pad` on both sides of each."""
        pieces, end = [], 0
        for number in self.chosen(language, rate):
            start, stop = self.spans[number]
            pieces += [self.text[end:start], pad, self.words[language][number], pad]
            end = stop
        return ''.join([*pieces, self.text[end:]])


def read(config: EmbeddingConfig, where: str) -> list[Text]:
    """The first paragraphs of the source that are long enough, cut to the same number of words.

    Each word is translated by itself, so any translator works; a word that is returned unchanged
    (a name, a number, one without an entry) is not replaced.

    Raises:
      TranslatorError, DataError: for files that cannot be used.
      DataError: when the source has too few paragraphs.
    """
    translator = make_translator(config.translator)
    source = config.text.language
    protocol.check(translator, source, config.languages)
    cut = list(_paragraphs(config))
    if len(cut) < config.texts:
        raise DataError(
            f'{where}.texts is {config.texts}; {config.source} has {len(cut)} paragraphs of at'
            f' least {config.words} words: ask for fewer, or for fewer words'
        )
    made = []
    for id_, text, spans in cut:
        bare = [text[a:b] for a, b in spans]
        words = {
            code: {
                number: new
                for number, (word, new) in enumerate(
                    zip(bare, translator.translate(bare, source, code), strict=True)
                )
                if isinstance(new, str) and new.strip() and new.casefold() != word.casefold()
            }
            for code in config.languages
        }
        if len(config.languages) > 1:
            words[languages_lib.SEVERAL] = _in_several(words, config.seed, id_)
        order = draw.shuffled(range(len(spans)), config.seed, f'embedding order {id_}')
        made.append(Text(id_, text, spans, words, tuple(order)))
    without = next(
        ((t.id, code) for t in made for code, found in t.words.items() if not found), None
    )
    if without:
        raise DataError(
            f'{where}: no word of the paragraph {without[0]} of {config.source} has a translation'
            f' into {without[1]}: is {where}.text.language right, and the word list complete?'
        )
    return made


def _paragraphs(
    config: EmbeddingConfig,
) -> Iterator[tuple[str, str, tuple[tuple[int, int], ...]]]:
    """(id, text, spans of its words) of the configured number of paragraphs."""
    left = config.texts
    for document in sources.open_source(config.source, config.text).documents():
        for part in document.parts:
            text = part.text.strip()
            spans = word_spans(text, config.text.language)
            if left and not part.heading and len(spans) >= config.words:
                spans = spans[: config.words]
                yield str(part.row), text[: spans[-1][1]], tuple(spans)
                left -= 1
        if not left:
            return


def word_spans(text: str, language: str) -> list[tuple[int, int]]:
    """(start, end) of each word of a text."""
    spans, end = [], 0
    for word in segment.words(text, language):
        start = text.index(word, end)
        end = start + len(word)
        spans.append((start, end))
    return spans


def _in_several(words: dict[str, dict[int, str]], seed: int, id_: str) -> dict[int, str]:
    """Each word in a language drawn from those that have it."""
    mixed = {}
    for number in sorted(set().union(*words.values())):
        having = [code for code in words if number in words[code]]
        code = having[draw.below(seed, f'embedding language {id_}', number, len(having))]
        mixed[number] = words[code][number]
    return mixed


def passages(
    text: Text, tokenizer: PreTrainedTokenizerFast, config: EmbeddingConfig, vocabulary: np.ndarray
) -> 'dict[tuple[str, float], tuple[Passage, ...]]':
    """(language, rate) -> the text, its mixed version, and its controls, tokenised.

    The first control has the text's own tokens, except that each token that overlaps a replaced
    word becomes a token drawn uniformly from `vocabulary`, the same one at every rate. The second
    one, if the config has `dropped`, is without these tokens; of a text of which nothing would be
    left, the first token stays.
    """
    from xlbarrier.scoring.embed import Passage

    ids, spans, start = encode_located(tokenizer, text.text)
    skip = start + config.skip
    plain = Passage(tuple(ids), skip)
    drawn = draw.words(config.seed, f'embedding control {text.id}', 0, len(ids)) % np.uint64(
        len(vocabulary)
    )
    found = {}
    for language in text.words:
        pad = padding(config.text.language, language)
        for rate in config.rates:
            chosen = [text.spans[number] for number in text.chosen(language, rate)]
            control, touched = list(ids), set()
            for position, (low, high) in enumerate(spans, start=start):
                if any(a < high and low < b for a, b in chosen):
                    control[position] = int(vocabulary[drawn[position]])
                    touched.add(position)
            mixed, _, _ = encode_located(tokenizer, text.mixed(language, rate, pad))
            versions = [mixed, control]
            if config.dropped:
                kept = [i for position, i in enumerate(ids) if position not in touched]
                versions.append(kept if len(kept) > skip else list(ids[: skip + 1]))
            found[language, rate] = (plain, *(Passage(tuple(v), skip) for v in versions))
    return found


def _cosines(asked: Asked, groups: 'Sequence[tuple[Passage, ...]]', what: str) -> np.ndarray:
    """float64 [groups, C, L + 1]: of each text with its mixed version and with its controls.

    All are computed unless the store has all, so that a continued run computes the same batches as
    an uninterrupted one.
    """
    texts = [([p.skip for p in group], *[p.tokens for p in group]) for group in groups]
    how = json.dumps(['cosines', asked.decoder.compute_dtype])
    versions = len(groups[0]) - 1
    shape = (len(groups), versions, asked.decoder.config.num_layers + 1)
    kept = _stored(asked.store, texts, how, shape)
    if kept is not None:
        return kept
    from xlbarrier.scoring.embed import embed

    flat = [passage for group in groups for passage in group]
    rows_per_device = asked.score.rows_per_device
    vectors = embed(
        asked.decoder, flat, mesh=asked.mesh, rows_per_device=rows_per_device, what=what
    )
    plain, *others = vectors.reshape(-1, 1 + versions, *vectors.shape[1:]).swapaxes(0, 1)
    found = np.stack([metrics.cosine(plain, other) for other in others], axis=1)
    if asked.store is not None and multihost.is_lead():
        flat_numbers = found.reshape(len(groups), -1)
        asked.store.put_numbers(zip(texts, flat_numbers, strict=True), how)
    return found


def _stored(
    store: ScoreStore | None,
    texts: Sequence[Sequence[Sequence[int]]],
    how: str,
    shape: tuple[int, ...],
) -> np.ndarray | None:
    """All numbers, if the store has all of them; zeros of their shape on the other processes."""
    kept: list[np.ndarray | None] = [None]
    if store is not None and multihost.is_lead():
        kept = store.get_numbers(texts, how)
    known = all(numbers is not None for numbers in kept)
    if not multihost.broadcast(np.array([known], np.int32)).all():
        return None
    return np.array(kept).reshape(shape) if multihost.is_lead() else np.zeros(shape)


def ordinary_tokens(tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """int64: the ids of all tokens but special and added ones."""
    added = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    return np.array([i for i in range(len(tokenizer)) if i not in added], np.int64)


def padding(source: str, target: str) -> str:
    """What surrounds a word of a language with spaces in a text of a language without."""
    spaces = [languages_lib.language(code).spaces for code in (source, target)]
    return ' ' if spaces == [False, True] else ''
