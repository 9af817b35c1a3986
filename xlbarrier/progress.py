"""Progress of long work: a line at least every ten seconds, with rate and time left."""

import threading
import time
from types import TracebackType

from absl import logging

INTERVAL = 5.0  # seconds between lines; two of them stay within the promised ten


class Progress:
    """Logs how far a piece of work is, also while one step of it takes long (a compilation).

    Use as a context manager, and call `update` from the work's own thread.
    """

    def __init__(self, what: str, total: int = 0, unit: str = ''):
        """Names the work.

        Args:
          what: the work, for the line.
          total: number of units to do; 0 where unknown.
          unit: what is counted, in the plural.
        """
        self._what, self._total, self._unit = what, total, unit
        self._done, self._counted, self._note = 0, 0, ''
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> 'Progress':
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            logging.info('%s', self.line(finished=True))

    def begin(self, total: int, earlier: int = 0) -> None:
        """Counts time and rate from now on; `earlier` of `total` units are done already."""
        self._total, self._done = total, earlier
        self._began = time.monotonic()

    def update(self, count: int, note: str = '') -> None:
        """Adds `count` finished units; `note` says what is being done now."""
        self._done += count
        self._counted += count
        self._note = note or self._note

    def line(self, finished: bool = False) -> str:
        """The line that would be logged now."""
        seconds = time.monotonic() - self._began
        parts = [self._what]
        if self._total:
            parts.append(f'{self._done:,}/{self._total:,} {self._unit}')
        if self._counted:
            rate = self._counted / seconds
            parts.append(f'{rate:,.1f} {self._unit}/s')
            if not finished:
                parts.append(f'{max(0, self._total - self._done) / rate:,.0f} s left')
        parts.append(f'{"done in " if finished else ""}{seconds:,.0f} s')
        return ', '.join(parts) + (f' ({self._note})' if self._note else '')

    def _beat(self) -> None:
        while not self._stop.wait(INTERVAL):
            logging.info('%s', self.line())
