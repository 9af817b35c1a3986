"""What dictionaries find of running text, by language: the table of docs/translators.md.

    python benchmarks/translators.py [--data FOLDER] [--words FOLDER/{source}-{target}.index]

Wants the test data (XLBARRIER_TEST_DATA): wikitext2/*.txt and FreeDict's word lists; another list
can be named with --words. The text is WikiText-2's valid and test files as a corpus reads them.
Prints one JSON object a line, the machine first, then a language each: entries of the list, words
of the text, the share of them with an entry as they are, with the entry of their stem, with an
entry of a part of a compound, and together; the same share of different words; and what one process
translates, without a cache, in words a second.
"""

import argparse
import json
import os
import pathlib
import platform
import sys
import time
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from xlbarrier.config.corpus import TextConfig
from xlbarrier.corpus import sources
from xlbarrier.text import segment
from xlbarrier.translate import places, wordlists
from xlbarrier.translate.dictionary import DictionaryTranslator


def main() -> None:
    """Prints the machine, then one line per language."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    default = os.environ.get('XLBARRIER_TEST_DATA', ROOT / '../shared/data')
    parser.add_argument('--data', type=pathlib.Path, default=default)
    parser.add_argument('--words')
    options = parser.parse_args()
    data = options.data.resolve()
    place = options.words or f'{data}/freedict/freedict-{{source}}-{{target}}.index'
    tell(
        machine=platform.platform(),
        cpus=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        snowballstemmer=metadata.version('snowballstemmer'),
    )
    source = sources.open_source(f'wikitext:{data}/wikitext2/*.txt', TextConfig())
    texts = [part.text for document in source.documents() for part in document.parts]
    kinds = sorted({word for text in texts for word in segment.words(text, 'en')})
    for (left, target), path in places.find(place).items():
        if not left.startswith('en-'):
            continue
        words, _ = wordlists.read(path)
        translator = DictionaryTranslator(place)
        began = time.monotonic()
        translator.translate(texts, 'en', target)
        seconds = time.monotonic() - began
        (found,) = translator.coverage().values()
        of_kinds = DictionaryTranslator(place)
        of_kinds.translate(kinds, 'en', target)
        (different,) = of_kinds.coverage().values()
        tell(
            language=target.split('-')[0],
            entries=len(words),
            words=found.words,
            entry=round(found.entry / found.words, 4),
            stem=round(found.inflected / found.words, 4),
            parts=round(found.parts / found.words, 4),
            found=round(found.share, 4),
            different_words=different.words,
            found_of_different_words=round(different.share, 4),
            words_per_second=round(found.words / seconds),
        )


def tell(**fields) -> None:
    """Prints one line."""
    print(json.dumps(fields, ensure_ascii=False), flush=True)


if __name__ == '__main__':
    main()
