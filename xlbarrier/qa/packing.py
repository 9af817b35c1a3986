"""Texts and examples into packed rows on disk, as a stream."""

import itertools
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from absl import logging

from xlbarrier.config.data import DataConfig
from xlbarrier.data import pack, tokenize
from xlbarrier.data.examples import Encoded, ExamplePacker, chunks
from xlbarrier.data.pack import PackedRows, RowWriter
from xlbarrier.data.tokenize import PreTrainedTokenizerFast
from xlbarrier.datafiles import DataError
from xlbarrier.progress import Progress
from xlbarrier.qa import forms, templates


def pack_texts(
    texts: Iterable[str],
    tokenizer: PreTrainedTokenizerFast,
    key: Mapping[str, Any],
    folder: pathlib.Path,
    progress: Progress,
) -> None:
    """Lays texts end to end, until `limit` rows are full; or one chunk of a text per padded row.

    Args:
      texts: a stream; no more of it is read than is needed.
      tokenizer: the model's.
      key: what the rows are made of, for rows.json; `row_tokens`, `limit`, most rows (0: all), and
        `pad`, whether each chunk of at most `row_tokens` tokens of a text gets a row of its own.
      folder: of the rows.
      progress: shows documents and tokens.

    Raises:
      ValueError: when the texts have no token.
      RunError: naming the file that cannot be written.
    """
    counted = {'documents': 0, 'tokens': 0}

    def encoded() -> Iterator[list[list[int]]]:
        for documents in tokenize.encode_stream(tokenizer, texts):
            counted['documents'] += len(documents)
            counted['tokens'] += sum(map(len, documents))
            progress.update(0, '{documents:,} documents, {tokens:,} tokens'.format(**counted))
            yield documents

    row_tokens, limit = key['row_tokens'], key.get('limit', 0)
    made = loss = tokens = 0
    with RowWriter(folder, row_tokens) as writer:
        if key.get('pad'):
            blocks = _padded(encoded(), row_tokens, limit, folder)
        else:
            blocks = pack.flow(encoded(), row_tokens)
        for block in blocks:
            if limit and made + len(block) > limit:
                block = block.take(limit - made)
            writer.add(block)
            made += len(block)
            loss += block.loss_tokens
            tokens += block.loss_tokens + len(block)  # of a chunk, all but the first are predicted
            if made == limit:
                break
        counted['tokens'] = tokens if key.get('pad') else min(counted['tokens'], made * row_tokens)
        writer.finish({**counted, 'loss_tokens': loss, 'key': key})


def _padded(
    batches: Iterable[Sequence[Sequence[int]]], row_tokens: int, limit: int, folder: pathlib.Path
) -> Iterator[PackedRows]:
    """Rows of one chunk of a document each, at most `limit` of them (0: all)."""
    with ExamplePacker(row_tokens, folder, pad=True) as packer:
        for documents in batches:
            packer.add(piece for ids in documents for piece in chunks(ids, row_tokens))
            if 0 < limit <= len(packer):
                break
        yield from packer.rows()


def pack_examples(
    data: DataConfig,
    examples: Iterable[forms.Example],
    tokenizer: PreTrainedTokenizerFast,
    key: Mapping[str, Any],
    folder: pathlib.Path,
    progress: Progress,
) -> None:
    """Lays examples side by side in rows, or each in a padded one; texts as `pack_texts` does.

    Args:
      data: `template`, `loss`, `too_long`.
      examples: a stream; all of them texts, or none.
      tokenizer: the model's.
      key: what the rows are made of, for rows.json; `row_tokens`, and `pad`, whether each example
        gets a row of its own.
      folder: of the rows.
      progress: shows examples and tokens.

    Raises:
      DataError: naming file and row, for an example that cannot be learned from or is too long;
        or when none is left.
      RunError: naming the file that cannot be written.
    """
    examples = iter(examples)
    first = next(examples)
    examples = _alike(first, itertools.chain([first], examples))
    if first.form == 'text':
        texts = (example.answer for example in examples)
        return pack_texts(texts, tokenizer, key, folder, progress)
    row_tokens, loss = key['row_tokens'], 0
    with (
        RowWriter(folder, row_tokens) as writer,
        ExamplePacker(row_tokens, folder, pad=bool(key.get('pad'))) as packer,
    ):
        counted = {'examples': 0, 'dropped': 0, 'tokens': 0}
        for encoded in encode_examples(data, examples, tokenizer, row_tokens):
            whole = [e for e in encoded if len(e.ids) <= row_tokens]
            packer.add(whole)
            counted['examples'] += len(whole)
            counted['dropped'] += len(encoded) - len(whole)
            counted['tokens'] += sum(len(e.ids) for e in whole)
            progress.update(0, '{examples:,} examples, {tokens:,} tokens'.format(**counted))
        if not counted['examples']:
            raise DataError(
                f'all {counted["dropped"]} examples of {first.where} and on'
                f' are longer than'
                f' config.train.row_tokens = {row_tokens}: nothing to train on'
            )
        if counted['dropped']:
            logging.warning('%d examples dropped, of %s and on', counted['dropped'], first.where)
        for block in packer.rows():
            writer.add(block)
            loss += block.loss_tokens
        writer.finish({**counted, 'loss_tokens': loss, 'key': key})


def _alike(first: forms.Example, examples: Iterable[forms.Example]) -> Iterator[forms.Example]:
    """The examples; refuses a mixture of texts and other examples."""
    for example in examples:
        if (example.form == 'text') != (first.form == 'text'):
            raise DataError(
                f'{example.where} is of the form {example.form}, {first.where} of {first.form}:'
                ' texts are laid out differently from answers; name them apart in config.data.files'
            )
        yield example


def encode_examples(
    data: DataConfig,
    examples: Iterable[forms.Example],
    tokenizer: PreTrainedTokenizerFast,
    row_tokens: int = 0,
) -> Iterator[list[Encoded]]:
    """Token ids and weights of examples, some at a time.

    Args:
      data: `template`, `loss`, `too_long`.
      examples: a stream.
      tokenizer: the model's.
      row_tokens: an example longer than this is an error, unless `too_long` is 'drop'; 0: no limit.

    Raises:
      DataError: naming file and row of an example that is too long, or whose answer gives no
        token to be learned.
    """
    written = (
        (example, templates.write(example, data.template, tokenizer, data.loss))
        for example in examples
    )
    for some in tokenize.batches(written, lambda pair: len(pair[1].text), 1000):
        texts, spans, ends = zip(*(text for _, text in some), strict=True)
        encoded = [Encoded(*e) for e in tokenize.encode_spans(tokenizer, texts, spans, ends)]
        for (example, _), (ids, weights) in zip(some, encoded, strict=True):
            if not any(weights[1:]):
                raise DataError(
                    f'{example.where}: the answer has no token after the question: there is'
                    ' nothing to learn'
                )
            if 0 < row_tokens < len(ids) and data.too_long == 'error':
                raise DataError(
                    f'{example.where}: the example has {len(ids)} tokens; config.train.row_tokens'
                    f" is {row_tokens}: raise it, or set config.data.too_long to 'drop'"
                )
        yield encoded
