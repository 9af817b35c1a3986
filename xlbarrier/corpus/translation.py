"""Runs translators in this process or in several; a text always goes to the same one.

So no two processes ever translate the same text at once, and with the cache that they share, each
text is translated once, whatever the number of processes.
"""

import concurrent.futures.process
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from xlbarrier import datafiles
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.errors import StateError
from xlbarrier.translate import protocol

Make = Callable[[], Any]  # makes a cached translator; picklable where there are several processes


@dataclass
class Count:
    """Texts found in the cache and texts translated."""

    hits: int = 0
    misses: int = 0

    @property
    def rate(self) -> float:
        """Share of the texts that were found in the cache; 0 without texts."""
        return self.hits / max(1, self.hits + self.misses)


def configured(config: TranslatorConfig, path: str) -> Any:
    """The configured translator behind its cache.

    Raises:
      TranslatorError: for files, models or services that cannot be used.
      CacheError, RunError: for a cache that cannot be opened or written.
    """
    # Here: a corpus in one language needs no translator.
    from xlbarrier.translate import cache
    from xlbarrier.translate.make import make_translator

    with datafiles.writing(pathlib.Path(path)):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    return cache.CachedTranslator(make_translator(config), path)


class Translators:
    """`workers` processes that translate (1: this one)."""

    def __init__(self, make: Make | None, source: str, workers: int):
        """Args:
        make: makes the translator, in each process; None where nothing is to be translated.
        source: BCP-47 code of the texts.
        workers: how many processes.
        """
        self._source = source
        self.count = Count()
        self._pools: list[ProcessPoolExecutor] = []
        self._translator = None
        self.ahead = 0 if workers == 1 else workers + 1  # batches submitted ahead
        if make is None:
            return
        if workers == 1:
            self._translator = make()
            return
        # Not fork: the parent may have threads of jax and of the tokenizers.
        context = multiprocessing.get_context('spawn')
        self._pools = [
            ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(make,))
            for _ in range(workers)
        ]

    def __enter__(self) -> 'Translators':
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        """Ends the processes; after an error, without waiting for their work."""
        if kind is None:
            for ended in [pool.submit(_close_here) for pool in self._pools]:
                _answer(ended)
        for pool in self._pools:
            pool.shutdown(wait=kind is None, cancel_futures=True)
        if self._translator is not None:
            self._translator.close()

    def check(self, targets: Sequence[str]) -> str:
        """The translator's fingerprint; '' where there are no targets.

        Raises:
          TranslatorError: when it does not translate into one of them; all such are named.
        """
        if not targets:
            return ''
        if self._translator is not None:
            return _checked(self._translator, self._source, targets)
        return _answer(self._pools[0].submit(_checked_here, self._source, list(targets)))

    def submit(self, texts: Sequence[tuple[str, str]]) -> Callable[[], dict[tuple[str, str], Any]]:
        """Starts to translate (language, text) pairs; calling the result waits for them.

        Returns:
          A function that gives the translation, or `Failed`, of each pair.
        """
        texts = list(dict.fromkeys(texts))
        if not texts:
            return dict
        if self._translator is not None:
            done: Future = Future()
            done.set_result(translate_all(self._translator, self._source, texts))
            waiting = [(texts, done)]
        else:
            share: list[list[tuple[str, str]]] = [[] for _ in self._pools]
            for pair in texts:
                share[zlib.crc32('\0'.join(pair).encode()) % len(share)].append(pair)
            waiting = [
                (mine, pool.submit(_translate_here, self._source, mine))
                for pool, mine in zip(self._pools, share, strict=True)
                if mine
            ]
        return lambda: self._collect(waiting)

    def _collect(self, waiting: list) -> dict[tuple[str, str], Any]:
        answers: dict[tuple[str, str], Any] = {}
        for texts, future in waiting:
            translated, hits, misses = _answer(future)
            answers.update(zip(texts, translated, strict=True))
            self.count.hits += hits
            self.count.misses += misses
        return answers


def _answer(future: Future) -> Any:
    try:
        return future.result()
    except concurrent.futures.process.BrokenProcessPool as error:
        raise StateError(
            'a translating process ended unexpectedly (killed, or out of memory). What was'
            ' translated is kept: start again, perhaps with fewer config.corpus.translator.workers'
        ) from error


_HERE: Any = None  # the translator of a translating process


def _begin(make: Make) -> None:
    global _HERE
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A parent that is killed cannot stop its children, so each watches it.
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _HERE = make()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _checked(translator, source: str, targets: Sequence[str]) -> str:
    protocol.check(translator, source, targets)
    return str(translator.fingerprint)


def _checked_here(source: str, targets: Sequence[str]) -> str:
    return _checked(_HERE, source, targets)


def _close_here() -> None:
    _HERE.close()


def _translate_here(source: str, texts: Sequence[tuple[str, str]]) -> tuple[list, int, int]:
    return translate_all(_HERE, source, texts)


def translate_all(
    translator: Any, source: str, texts: Sequence[tuple[str, str]]
) -> tuple[list, int, int]:
    """The translations in the order of the texts, and how many were in the cache and were not."""
    by_language: dict[str, list[int]] = {}
    for i, (language, _) in enumerate(texts):
        by_language.setdefault(language, []).append(i)
    hits, misses = translator.hits, translator.misses
    answers: list[Any] = [None] * len(texts)
    for language, places in sorted(by_language.items()):
        found = translator.translate([texts[i][1] for i in places], source, language)
        for i, answer in zip(places, found, strict=True):
            if isinstance(answer, str):
                answer = answer.strip() or protocol.Failed('the translation is empty')
            answers[i] = answer
    return answers, translator.hits - hits, translator.misses - misses
