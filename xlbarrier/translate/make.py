"""The one place where the kind of translator that a config names is chosen."""

import os

from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.translate.dictionary import DictionaryTranslator
from xlbarrier.translate.parallel import ParallelTranslator
from xlbarrier.translate.protocol import Translator, TranslatorError
from xlbarrier.translate.seq2seq import Seq2SeqTranslator
from xlbarrier.translate.service import ServiceTranslator


def make_translator(config: TranslatorConfig) -> Translator:
    """The translator that a config names; its files are read or its service asked at once.

    Raises:
      ConfigError: for a value that cannot be used.
      TranslatorError: for files, models or services that cannot be used; they are named.
    """
    config.check('config.corpus.translator')
    if not config.place:
        raise TranslatorError(
            f'config.corpus.translator.place is empty: a {config.kind} translator needs the place'
            ' of its files, model or server (docs/translators.md)'
        )
    place = os.path.expanduser(config.place)
    if config.kind == 'dictionary':
        return DictionaryTranslator(place, stem=config.stem)
    if config.kind == 'parallel':
        return ParallelTranslator(
            place, column=config.column, subset=config.subset, split=config.split
        )
    if config.kind == 'seq2seq':
        return Seq2SeqTranslator(
            place,
            beam=config.beam,
            batch_tokens=config.batch_tokens,
            max_tokens=config.max_tokens,
            device=config.device,
            compute_type=config.compute_type,
        )
    return ServiceTranslator(
        config.place,
        key_variable=config.key_variable,
        rate=config.rate,
        attempts=config.attempts,
        timeout=config.timeout,
        batch_texts=config.batch_texts,
        revision=config.revision,
    )
