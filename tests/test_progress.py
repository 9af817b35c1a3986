"""Progress lines: what they say, and that a silent step does not silence them."""

import logging
import time

import pytest

from xlbarrier import progress as progress_lib
from xlbarrier.progress import Progress


def test_a_line_tells_count_rate_and_time_left(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress_lib.time, 'monotonic', lambda: clock[0])
    progress = Progress('scoring', unit='requests')
    assert progress.line() == 'scoring, 0 s'
    clock[0] = 130.0  # planning does not count for the rate
    progress.begin(1200, earlier=200)
    progress.update(0, 'compiling rows of 256 tokens')
    assert progress.line() == 'scoring, 200/1,200 requests, 0 s (compiling rows of 256 tokens)'
    clock[0] = 140.0
    progress.update(400)
    # 400 in ten seconds; those of an earlier start are not part of the rate.
    assert '600/1,200 requests, 40.0 requests/s, 15 s left' in progress.line()


def test_lines_come_while_one_step_takes_long(monkeypatch, caplog):
    monkeypatch.setattr(progress_lib, 'INTERVAL', 0.05)
    with caplog.at_level(logging.INFO, logger='absl'), Progress('work', unit='parts') as progress:
        progress.update(0, 'compiling')
        time.sleep(0.4)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) >= 3 and all('compiling' in line for line in lines)
    assert 'done in' in lines[-1] and not any('done in' in line for line in lines[:-1])


def test_the_interval_keeps_below_ten_seconds():
    assert 0 < progress_lib.INTERVAL < 10


def test_work_that_fails_is_not_called_done(caplog):
    with (
        caplog.at_level(logging.INFO, logger='absl'),
        pytest.raises(KeyError),
        Progress('work') as progress,
    ):
        progress.update(1)
        raise KeyError
    assert not [r for r in caplog.records if 'done in' in r.getMessage()]
    assert not progress._thread.is_alive()
