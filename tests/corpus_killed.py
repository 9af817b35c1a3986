"""A build in a process of its own, for the kill tests: FOLDER CACHE SOURCE WORKERS SECONDS."""

import functools
import sys

from tests.corpus_translators import marked
from xlbarrier.config.corpus import CorpusConfig, TranslatorConfig
from xlbarrier.corpus import build, rows, shards


def main(folder: str, cache: str, source: str, workers: str, slow: str) -> None:
    """Builds in small shards and batches, so that a kill meets every kind of moment."""
    shards.SHARD_CHARACTERS, rows.BATCH_CHARACTERS = 4000, 600
    config = CorpusConfig(
        source=f'text:{source}',
        languages=('en', 'de', 'fr'),
        unit='words:3',
        translator=TranslatorConfig(workers=int(workers)),
    )
    build.build(config, 'mixed', folder, make=functools.partial(marked, cache, slow=float(slow)))


if __name__ == '__main__':
    main(*sys.argv[1:])
