"""What the console command shows: bars on a terminal, lines elsewhere, JSON, or only the results.

Results go to standard output; progress, warnings and errors go to standard error. With --json every
event is one JSON object on a line of standard output. What other libraries log is in the run
folder's log.txt; here only their errors are shown, in one line each.
"""

import contextlib
import datetime
import json
import logging
import os
import pathlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from xlbarrier import progress
from xlbarrier.progress import Progress

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

PACKAGE = str(pathlib.Path(__file__).resolve().parent) + os.sep
# Read by the libraries when they are imported: what they would print about themselves.
QUIETENED = {
    'TRANSFORMERS_NO_ADVISORY_WARNINGS': '1',  # 'PyTorch was not found'
    'TF_CPP_MIN_LOG_LEVEL': '2',  # errors of XLA only
    'GRPC_VERBOSITY': 'ERROR',
    'ABSL_MIN_LOG_LEVEL': '2',
}
WIDTH = 28  # of a bar, in characters
SHORT = 0.5  # seconds; a phase that took less has no line


class Lines:
    """One plain line per phase, and every few seconds while it lasts."""

    def began(self, work: Progress) -> None:
        """See `progress.Display`."""

    def beat(self, work: Progress) -> None:
        """See `progress.Display`."""
        self.write(work.line())

    def ended(self, work: Progress, *, finished: bool) -> None:
        """See `progress.Display`."""
        if finished and work.seconds >= SHORT:
            self.write(work.line(finished=True))

    def told(self, event: str, text: str, fields: Mapping[str, Any]) -> None:
        """See `progress.Display`."""
        print(f'\n{text}', flush=True)

    def logged(self, level: int, text: str) -> None:
        """Shows a line of the log."""
        self.write(text if level < logging.WARNING else f'{logging.getLevelName(level)}: {text}')

    def write(self, line: str) -> None:
        """Writes a line to standard error."""
        print(time.strftime('%H:%M:%S'), line, file=sys.stderr, flush=True)

    def failed(self, message: str, code: int) -> None:
        """Shows the error that ends the command."""
        print(message, file=sys.stderr, flush=True)


class Quiet(Lines):
    """Only results, warnings and errors."""

    def beat(self, work: Progress) -> None:
        """See `progress.Display`."""

    def ended(self, work: Progress, *, finished: bool) -> None:
        """See `progress.Display`."""

    def logged(self, level: int, text: str) -> None:
        """Shows a line of the log."""
        if level >= logging.WARNING:
            super().logged(level, text)


class Json(Lines):
    """One JSON object per event on standard output; the error also on standard error."""

    def began(self, work: Progress) -> None:
        """See `progress.Display`."""
        self.event('began', what=work.what)

    def beat(self, work: Progress) -> None:
        """See `progress.Display`."""
        self.event('progress', **self._numbers(work))

    def ended(self, work: Progress, *, finished: bool) -> None:
        """See `progress.Display`."""
        self.event('done' if finished else 'failed', **self._numbers(work))

    def told(self, event: str, text: str, fields: Mapping[str, Any]) -> None:
        """See `progress.Display`."""
        self.event(event, text=text, **fields)

    def logged(self, level: int, text: str) -> None:
        """Shows a line of the log."""
        self.event('message', level=logging.getLevelName(level), text=text)

    def failed(self, message: str, code: int) -> None:
        """Shows the error that ends the command."""
        self.event('error', text=message, exit_status=code)
        super().failed(message, code)

    def event(self, event: str, **fields: Any) -> None:
        """Writes one object."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec='milliseconds')
        whole = {'event': event, 'time': now, **fields}
        print(json.dumps(whole, ensure_ascii=False), flush=True)

    def _numbers(self, work: Progress) -> dict[str, Any]:
        left = work.seconds_left
        return {
            'what': work.what,
            'done': work.done,
            'total': work.total or None,
            'unit': work.unit,
            'per_second': round(work.rate, 3),
            'seconds': round(work.seconds, 3),
            'seconds_left': None if left is None else round(left, 1),
            'note': work.note,
        }


class Bars(Lines):
    """Bars that move, on a terminal; a line for each phase that is finished."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._works: list[Progress] = []
        self._lock = threading.Lock()
        self._live: Live | None = None  # while there is work

    def began(self, work: Progress) -> None:
        """See `progress.Display`."""
        from rich.live import Live

        with self._lock:
            self._works.append(work)
            if self._live is None:
                self._live = Live(
                    get_renderable=self._drawn,
                    console=self._console,
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self._live.start()

    def beat(self, work: Progress) -> None:
        """See `progress.Display`."""

    def ended(self, work: Progress, *, finished: bool) -> None:
        """See `progress.Display`."""
        with self._lock:
            self._works.remove(work)
            if not self._works and self._live is not None:
                self._live.stop()
                self._live = None
        super().ended(work, finished=finished)

    def write(self, line: str) -> None:
        """Writes a line above the bars."""
        self._console.print(line, markup=False, soft_wrap=True)

    def _drawn(self) -> 'Table':
        from rich.markup import escape
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table

        table = Table.grid(padding=(0, 1))
        for _ in range(3):
            table.add_column(no_wrap=True)  # cut rather than wrapped where the window is narrow
        for work in list(self._works):
            moving: Any = Spinner('dots')
            if work.total:
                moving = ProgressBar(total=work.total, completed=work.done, width=WIDTH)
            about = work.line().removeprefix(f'{work.what}, ')
            table.add_row(escape(work.what), moving, escape(about))
        return table


class Handler(logging.Handler):
    """Passes on what this package logs, and the first line of what others report as an error."""

    def __init__(self, display: Lines):
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a record."""
        ours = record.pathname.startswith(PACKAGE)
        if not ours and record.levelno < logging.ERROR:
            return
        text = record.getMessage()
        self._display.logged(record.levelno, text if ours else text.partition('\n')[0])


def prepare() -> None:
    """Keeps other libraries from printing about themselves; before they are imported."""
    for name, value in QUIETENED.items():
        os.environ.setdefault(name, value)
    if not sys.stderr.isatty():
        os.environ.setdefault('HF_HUB_DISABLE_PROGRESS_BARS', '1')


@contextlib.contextmanager
def shown(*, quiet: bool = False, as_json: bool = False) -> Iterator[Lines]:
    """Shows progress, results and the log while the block runs; yields the display."""
    display: Lines
    if as_json:
        display = Json()
    elif quiet:
        display = Quiet()
    else:
        display = Bars() if sys.stderr.isatty() else Lines()
    handler, root = Handler(display), logging.getLogger()
    level, before = root.level, progress.show_on(display)
    logging.captureWarnings(True)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield display
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(level)
        progress.show_on(before)
