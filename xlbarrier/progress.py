"""Progress of long work, and what a run has to say: told to the display that is in use.

Without one, as in a library or a notebook, everything is logged: a line at least every ten seconds
with rate and time left. The console command shows it on one of the displays of `terminal`.
"""

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

from absl import logging

INTERVAL = 5.0  # seconds between lines; two of them stay within the promised ten


class Progress:
    """Shows how far a piece of work is, also while one step of it takes long (a compilation).

    Use as a context manager, and call `update` from the work's own thread.

    Attributes:
      what: the work, in words.
      done, total: units that are finished, and to do; a total of 0 is not known.
      unit: what is counted, in the plural.
      note: what is being done now.
    """

    def __init__(self, what: str, total: int = 0, unit: str = ''):
        """Names the work.

        Args:
          what: the work, for the line.
          total: number of units to do; 0 where unknown.
          unit: what is counted, in the plural.
        """
        self.what, self.total, self.unit = what, total, unit
        self.done, self.note = 0, ''
        self._counted = 0
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> 'Progress':
        _display.began(self)
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
        _display.ended(self, finished=kind is None)

    def begin(self, total: int, earlier: int = 0) -> None:
        """Counts time and rate from now on; `earlier` of `total` units are done already."""
        self.total, self.done = total, earlier
        self._began = time.monotonic()

    def update(self, count: int, note: str = '') -> None:
        """Adds `count` finished units; `note` says what is being done now."""
        self.done += count
        self._counted += count
        self.note = note or self.note

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Units per second; 0 where none is finished yet."""
        return self._counted / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None where there is none."""
        if not self._counted or not self.total:
            return None
        return max(0, self.total - self.done) / self.rate

    def line(self, finished: bool = False) -> str:
        """The line that would be logged now."""
        parts = [self.what]
        if self.total:
            parts.append(f'{self.done:,}/{self.total:,} {self.unit}')
        if self._counted:
            parts.append(f'{self.rate:,.1f} {self.unit}/s')
            if not finished and self.seconds_left is not None:
                parts.append(f'{self.seconds_left:,.0f} s left')
        parts.append(f'{"done in " if finished else ""}{self.seconds:,.0f} s')
        return ', '.join(parts) + (f' ({self.note})' if self.note else '')

    def _beat(self) -> None:
        while not self._stop.wait(INTERVAL):
            _display.beat(self)


class Display(Protocol):
    """Where progress and results are shown."""

    def began(self, work: Progress) -> None:
        """A piece of work has begun."""

    def beat(self, work: Progress) -> None:
        """It is still going on, every `INTERVAL` seconds."""

    def ended(self, work: Progress, *, finished: bool) -> None:
        """It has ended, or has failed."""

    def told(self, event: str, text: str, fields: Mapping[str, Any]) -> None:
        """See `tell`."""


class Log:
    """The display of a library: everything is logged."""

    def began(self, work: Progress) -> None:
        """See `Display`."""

    def beat(self, work: Progress) -> None:
        """See `Display`."""
        logging.info('%s', work.line())

    def ended(self, work: Progress, *, finished: bool) -> None:
        """See `Display`."""
        if finished:
            logging.info('%s', work.line(finished=True))

    def told(self, event: str, text: str, fields: Mapping[str, Any]) -> None:
        """See `Display`."""
        del event, fields
        for line in text.splitlines():
            logging.info('%s', line)


_display: Display = Log()


def show_on(display: Display) -> Display:
    """Shows everything on another display from now on; returns the one that was in use."""
    global _display
    before, _display = _display, display
    return before


def tell(event: str, text: str, **fields: Any) -> None:
    """Says something that is no progress: a plan, a result, where a file is.

    Args:
      event: its kind, for programs: 'plan', 'result', 'wrote'.
      text: for people; one line or several.
      **fields: the same for programs, JSON values.
    """
    _display.told(event, text, fields)
